"""Where the token comes from. A token is never a setting, and is never printed or written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TOKEN_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


@dataclass(frozen=True)
class Token:
    """A secret and where it was found. Empty `value`: none was found."""

    value: str = field(repr=False)
    origin: str

    def __str__(self) -> str:
        return f"set ({self.origin})" if self.value else "missing"

    def __bool__(self) -> bool:
        return bool(self.value)


def find_token(
    argument: str | None = None,
    training_args: Any = None,
    environment: Mapping[str, str] = os.environ,
) -> Token:
    """The first token found, in the order that `huggingface_hub` keeps.

    Argument, `TrainingArguments.hub_token`, HF_TOKEN, HUGGING_FACE_HUB_TOKEN, then the file of
    `hf auth login` (HF_TOKEN_PATH, else HF_HOME/token). An unreadable file counts as none.
    """
    candidates = (
        (argument, "argument"),
        (getattr(training_args, "hub_token", None), "TrainingArguments.hub_token"),
        *((environment.get(name), name) for name in TOKEN_VARIABLES),
    )
    for value, origin in candidates:
        if value and value.strip():
            return Token(value.strip(), origin)
    path = token_path(environment)
    try:
        value = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        value = ""
    return Token(value, str(path) if value else "")


def token_path(environment: Mapping[str, str] = os.environ) -> Path:
    """The file in which `hf auth login` leaves the token."""
    explicit = environment.get("HF_TOKEN_PATH")
    if explicit:
        return Path(os.path.expandvars(explicit)).expanduser()
    return hf_home(environment) / "token"


def hf_home(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder in which the Hugging Face libraries keep their things."""
    cache = environment.get("XDG_CACHE_HOME", "~/.cache")
    home = environment.get("HF_HOME", f"{cache}/huggingface")
    return Path(os.path.expandvars(home)).expanduser()

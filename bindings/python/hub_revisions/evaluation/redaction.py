"""Keeps secrets out of what leaves the job's folder."""

from __future__ import annotations

import re
import unicodedata

# As the worker searches for them in files that are published.
TOKEN_SHAPE = re.compile(r"(?:hf_|api_org_)[0-9A-Za-z]{30,}")

# In somebody's output a token may be cut off, or be another service's.
_SUSPICIOUS = re.compile(
    r"(?:hf_|api_org_|sk-|ghp_|glpat-)[0-9A-Za-z_-]{6,}|(?<=Bearer )\S+|(?<=://)[^/\s@]+@", re.I
)
_MASK = "[redacted]"
_LONGEST = 300


def one_sentence(text: str, *secrets: str) -> str:
    """A line that may be published: without the secrets, control characters and most of its length.

    `secrets` are those in use; empty ones are none.
    """
    for secret in secrets:
        if secret:
            text = text.replace(secret, _MASK)
    text = _SUSPICIOUS.sub(_MASK, text)
    shown = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text)
    line = " ".join(shown.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"

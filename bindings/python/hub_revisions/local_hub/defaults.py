"""What the Hub puts into the initial commit of a model repository (hub protocol 2.4)."""

from __future__ import annotations

import re

_LFS_PATTERNS = """
*.7z *.arrow *.bin *.bz2 *.ckpt *.ftz *.gz *.h5 *.joblib *.lfs.* *.mlmodel *.model *.msgpack *.npy
*.npz *.onnx *.ot *.parquet *.pb *.pickle *.pkl *.pt *.pth *.rar *.safetensors saved_model/**/*
*.tar.* *.tar *.tflite *.tgz *.wasm *.xz *.zip *.zst *tfevents*
"""


def lfs_rule(pattern: str) -> str:
    """One `.gitattributes` line that makes paths matching `pattern` LFS files."""
    return f"{pattern} filter=lfs diff=lfs merge=lfs -text\n"


def literal_pattern(path: str) -> str:
    """A pattern that matches exactly `path`, written as `git lfs track --filename` does.

    Wildcards, and a first character that would make the line a comment or a negation, are escaped;
    a blank would end the pattern, so it becomes a character class.
    """
    escaped = re.sub(r"([\\*?\[\]])", r"\\\1", path)
    escaped = re.sub(r"^([#!])", r"\\\1", escaped)
    return re.sub(r"\s", "[[:space:]]", escaped)


DEFAULT_GITATTRIBUTES = "".join(lfs_rule(pattern) for pattern in _LFS_PATTERNS.split())

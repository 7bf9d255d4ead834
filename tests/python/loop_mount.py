"""File systems of their own, in image files, for tests of what only some of them can do."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_SIZE = 400 << 20  # bytes, of which none is used until it is written; XFS wants 300 MiB


@contextmanager
def file_system(kind: str, folder: Path) -> Iterator[Path]:
    """A new file system, mounted; skips the test where that is not possible, and says why.

    `kind` is the name that `mount` knows: ext4, btrfs, xfs or tmpfs.
    """
    image, mounted = folder / f"{kind}.image", folder / kind
    mounted.mkdir()
    if kind == "tmpfs":
        options = ["-t", "tmpfs", "-o", "size=64m", "tmpfs"]
    else:
        make = shutil.which(f"mkfs.{kind}", path="/usr/sbin:/sbin:/usr/bin:/bin")
        if make is None:
            pytest.skip(f"needs mkfs.{kind} (Debian: btrfs-progs, xfsprogs, e2fsprogs)")
        with image.open("wb") as file:
            file.truncate(_SIZE)
        run(make, "-q", str(image))
        options = ["-o", "loop", str(image)]
    tried = subprocess.run(
        ["mount", *options, str(mounted)], capture_output=True, text=True, check=False
    )
    if tried.returncode != 0:
        pytest.skip(f"cannot mount {kind} here: {tried.stderr.strip()}")
    try:
        yield mounted
    finally:
        # A worker that has just been closed may still be looking at a file for an instant.
        run("umount", "--lazy", str(mounted))
        image.unlink(missing_ok=True)


def run(*command: str) -> None:
    """Run a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"

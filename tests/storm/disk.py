"""A disk whose power can be cut: a file system in a loop-mounted image."""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import subprocess
from pathlib import Path

ROOMY = 2 << 30  # bytes, all of them a hole; what 'min_free_bytes' keeps free by default fits
FULL = 400 << 20  # does not hold that much; XFS takes no less than 300 MiB
_SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN: _IOR('X', 125, __u32)
_WITHOUT_LOG_FLUSH = 2  # what is not on disk yet, the journal's end included, never gets there


class UnavailableError(Exception):
    """Why there can be no such disk on this machine."""


class Disk:
    """Mounted at `path` until the end of the `with` block. Needs root."""

    def __init__(self, folder: Path, kind: str, size: int = ROOMY) -> None:
        make = shutil.which(f"mkfs.{kind}", path=f"{os.environ['PATH']}:/sbin:/usr/sbin")
        if make is None:
            raise UnavailableError(f"mkfs.{kind} is not installed")
        if os.geteuid() != 0:
            raise UnavailableError("mounting needs root")
        self.path = folder / "disk"
        self.path.mkdir()
        self._image = folder / "image"
        self._image.touch()
        os.truncate(self._image, size)
        subprocess.run([make, "-q", str(self._image)], check=True)

    def __enter__(self) -> Disk:
        self._mount()
        return self

    def __exit__(self, *_: object) -> None:
        if self.path.is_mount():
            subprocess.run(["umount", "--lazy", str(self.path)], check=True)

    def cut_power(self) -> None:
        """From now on nothing is written any more; whoever uses the disk gets errors."""
        fd = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, _SHUTDOWN, ctypes.c_uint32(_WITHOUT_LOG_FLUSH))
        except OSError as error:
            raise UnavailableError(f"this file system cannot be shut down: {error}") from error
        finally:
            os.close(fd)

    def restore_power(self) -> None:
        """Mount what is on the disk. Nobody may use the mount point any more."""
        subprocess.run(["umount", str(self.path)], check=True)
        self._mount()

    def _mount(self) -> None:
        done = subprocess.run(
            ["mount", "-o", "loop", str(self._image), str(self.path)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise UnavailableError(f"cannot mount: {done.stderr.strip()}")

"""A git server of other people's parts, as a group would set one up for itself.

nginx speaks TLS with a certificate of an own authority and asks for name and password; behind it
`git http-backend` (by fcgiwrap) has the repositories, and giftless (by gunicorn) their large files.
All are ordinary processes of the calling user, in one folder, and end with it.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from .configuration import Objects, giftless, nginx, repositories, socket_of, stored_objects

ROOT = Path(__file__).resolve().parents[3]
# An environment of its own, which `need_giftless` of scripts/lib.sh makes.
GIFTLESS = ROOT / "build" / "giftless"
PROGRAMS = ("nginx", "fcgiwrap", "openssl", "git-lfs")
USER, PASSWORD = "ann", "a-password-of-ann"
PATIENCE = 60.0  # seconds


def what_is_missing() -> str:
    """Why no server can be started here; "" if one can."""
    programs = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if programs:
        return f"not installed: {', '.join(programs)}; scripts/test does it"
    if not (GIFTLESS / "bin" / "gunicorn").exists():
        return f"no giftless in {GIFTLESS}; scripts/test makes it"
    return ""


@dataclass(frozen=True)
class Authority:
    """A certificate authority, and a server's certificate by it."""

    folder: Path

    @property
    def certificate(self) -> Path:
        return self.folder / "ca.pem"

    def issue(self) -> None:
        """As an institution does it, by openssl."""
        self.folder.mkdir(parents=True)
        _openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj"),
            *("/CN=an authority of its own", "-keyout", str(self.folder / "ca.key")),
            *("-out", str(self.certificate)),
        )
        _openssl(
            *("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"),
            *("-keyout", str(self.folder / "server.key"), "-out", str(self.folder / "server.csr")),
        )
        names = self.folder / "names"
        names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        _openssl(
            *("x509", "-req", "-days", "2", "-in", str(self.folder / "server.csr")),
            *("-CA", str(self.certificate), "-CAkey", str(self.folder / "ca.key")),
            *("-CAcreateserial", "-extfile", str(names)),
            *("-out", str(self.folder / "server.pem")),
        )


class GitServer:
    """The three of them, running between `with` and its end."""

    def __init__(self, folder: Path, objects: Objects) -> None:
        self._folder = folder
        self._objects = objects
        self._processes: list[subprocess.Popen[bytes]] = []
        self._port = _free_port()
        self.authority = Authority(folder / "tls")

    @property
    def endpoint(self) -> str:
        return f"https://localhost:{self._port}"

    @property
    def environment(self) -> dict[str, str]:
        """What lets clients trust it and log in to it."""
        return {
            "REQUESTS_CA_BUNDLE": str(self.authority.certificate),
            "GIT_SSL_CAINFO": str(self.authority.certificate),
            "GIT_ASKPASS": str(self._folder / "askpass"),
        }

    def make(self, name: str) -> Path:
        """An empty repository `group/name`, as an administrator makes it; its folder."""
        folder = repositories(self._folder) / f"{name}.git"
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(folder)], check=True)
        return folder

    def objects(self, name: str) -> dict[str, int]:
        """Sizes of the large files that the LFS server has of a repository, by their digests."""
        return {
            path.name: path.stat().st_size
            for path in (stored_objects(self._folder) / name).glob("*")
        }

    def log(self) -> list[dict[str, str]]:
        """The requests so far."""
        lines = (self._folder / "access.log").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def __enter__(self) -> GitServer:
        self._folder.mkdir(parents=True, exist_ok=True)
        repositories(self._folder).mkdir()
        stored_objects(self._folder).mkdir()
        self.authority.issue()
        hashed = _openssl("passwd", "-apr1", PASSWORD).strip()
        (self._folder / "htpasswd").write_text(f"{USER}:{hashed}\n")
        askpass = self._folder / "askpass"
        askpass.write_text(
            f'#!/bin/sh\ncase "$1" in User*) echo {USER};; *) echo {PASSWORD};; esac\n'
        )
        askpass.chmod(0o700)
        (self._folder / "giftless.json").write_text(
            json.dumps(giftless(self._folder, self._objects))
        )
        (self._folder / "nginx.conf").write_text(nginx(self._folder, self._objects, self._port))
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def _start(self) -> None:
        self._run("fcgiwrap", "-s", f"unix:{socket_of(self._folder, 'fcgi')}")
        self._run(
            *(str(GIFTLESS / "bin" / "gunicorn"), "--workers", "1", "--threads", "4"),
            *("--bind", f"unix:{socket_of(self._folder, 'giftless')}", "--timeout", "300"),
            *("giftless.wsgi_entrypoint:app",),
            GIFTLESS_CONFIG_FILE=str(self._folder / "giftless.json"),
            PYTHONWARNINGS="ignore",
        )
        self._wait(
            lambda: all(socket_of(self._folder, name).exists() for name in ("fcgi", "giftless"))
        )
        self._run("nginx", "-p", str(self._folder), "-c", str(self._folder / "nginx.conf"))
        self._wait(self._answers)

    def _stop(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _run(self, *command: str, **variables: str) -> None:
        with (self._folder / "server.log").open("ab") as sink:
            process = subprocess.Popen(
                command,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env=_plain_environment() | variables,
            )
        self._processes.append(process)

    def _wait(self, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not ready():
            dead = [process for process in self._processes if process.poll() is not None]
            log = (self._folder / "server.log").read_text(errors="replace")
            assert not dead, f"{dead[0].args!r} ended: {log}"
            assert time.monotonic() < deadline, log
            time.sleep(0.02)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0


def _path() -> str:
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def _plain_environment() -> dict[str, str]:
    """Nothing of this process's Python, and no git configuration of whoever runs the tests."""
    return {"PATH": _path(), "LANG": "C.UTF-8", "HOME": "/nonexistent"}


def _openssl(*arguments: str) -> str:
    done = subprocess.run(["openssl", *arguments], check=True, capture_output=True, text=True)
    return done.stdout


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

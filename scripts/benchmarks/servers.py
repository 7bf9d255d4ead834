"""The servers that clients are measured against: a local hub, and a sink as its object storage."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import psutil

from . import cores

_S = TypeVar("_S", bound="Servers")
_MEMORY = Path("/dev/shm")
USER = "local-user"
_START_TIMEOUT = 30.0
# Of one PUT: an object storage of one's own need not end at S3's 5 GiB, and with that git-lfs could
# not take part in a push of one 8 GiB file at all.
_NO_LIMIT = str(sys.maxsize)
_NEXT_PAGE = re.compile(r'<([^>]+)>; *rel="next"')


@dataclass(frozen=True)
class Target:
    """A repository that exists, and who may write there."""

    endpoint: str
    token: str
    repo_id: str


@dataclass(frozen=True)
class Received:
    """What a sink has received since it started."""

    bytes: int
    objects: int


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU time of processes so far, and of what they have started: git, hooks."""
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return float(sum(t.user + t.system + t.children_user + t.children_system for t in times))


class HubClient:
    """What measurements ask of any local hub, outside of what they time."""

    def __init__(self, endpoint: str, token: str) -> None:
        self.endpoint = endpoint
        self.token = token
        self._repositories = 0

    def api(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """The answer of a REST route, e.g. `/api/models/me/model/refs`; its first page."""
        return next(self._pages(self.endpoint + path, body))

    def create_repository(self, name: str) -> str:
        """Make an empty model repository; its full name."""
        self.api("/api/repos/create", {"name": name, "type": "model"})
        return f"{USER}/{name}"

    def new_target(self) -> Target:
        """One more empty repository: what was sent to others is not known there."""
        self._repositories += 1
        repo_id = self.create_repository(f"model-{self._repositories}")
        return Target(self.endpoint, self.token, repo_id)

    def files(self, repo_id: str, revision: str) -> dict[str, int]:
        """Sizes of a revision's files by path; those of large files are the objects' own."""
        url = f"{self.endpoint}/api/models/{repo_id}/tree/{revision}?recursive=true"
        items = (item for page in self._pages(url) for item in page)
        return {item["path"]: item["size"] for item in items if item["type"] == "file"}

    def _pages(self, url: str | None, body: dict[str, Any] | None = None) -> Iterator[Any]:
        data = None if body is None else json.dumps(body).encode()
        while url is not None:
            request = urllib.request.Request(url, data, {"Authorization": f"Bearer {self.token}"})
            with urllib.request.urlopen(request) as answer:
                following = _NEXT_PAGE.search(answer.headers.get("Link", ""))
                yield json.load(answer)
            url = following[1] if following else None


class Servers(HubClient):
    """A local hub whose large files end in a sink (see `sink`), each a process of its own.

        with Servers(work / "servers") as servers:
            push_to(servers.new_target())
            servers.received().bytes

    Everything but the storage of large files, which it verifies, is the local hub's own: tokens,
    REST, git, hooks, batch answers. `folder` is made; its hub's repositories lie in `folder/hub`.
    It is a link into memory: what a server writes does not keep the disk from a client, and
    thousands of small objects cost it a fifth of the time.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._memory = tempfile.mkdtemp(prefix="hub-revisions-bench-", dir=_MEMORY)
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.symlink_to(self._memory)
        root = folder / "hub"
        self._processes: list[subprocess.Popen[bytes]] = []
        try:
            port = self._start("benchmarks.sink", folder / "sink", str(root), str(folder / "sink"))
            self.storage_endpoint = f"http://127.0.0.1:{int(port)}"
            addresses = self._start(
                "hub_revisions.local_hub", folder / "hub.json", "--root", str(root),
                "--port-file", str(folder / "hub.json"), "--storage-url", self.storage_endpoint,
                "--verify-url", f"{self.storage_endpoint}/verify",
                "--single-put-limit", _NO_LIMIT, "--multipart-threshold", _NO_LIMIT,
            )  # fmt: skip
        except BaseException:
            self.close()
            raise
        token = json.loads((root / "tokens.json").read_text())["write"]
        super().__init__(json.loads(addresses)["endpoint"], token)

    def _start(self, module: str, port_file: Path, *arguments: str) -> str:
        """Start a server; what it writes into `port_file` once it listens."""
        here = str(Path(__file__).parents[1])
        search_path = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdout=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": search_path},
        )
        self._processes.append(process)
        os.sched_setaffinity(process.pid, cores.of_servers())  # before it starts threads
        deadline = time.monotonic() + _START_TIMEOUT
        while not port_file.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{module} did not start")
            time.sleep(0.02)
        return port_file.read_text()

    @property
    def pids(self) -> list[int]:
        """The servers' processes, for whoever wants to give them another priority."""
        return [process.pid for process in self._processes]

    def received(self) -> Received:
        """What the sink has received so far."""
        return received(self.storage_endpoint)

    def cpu_seconds(self) -> float:
        """CPU time of the servers so far, and of what they have started: git, hooks."""
        return cpu_seconds(self.pids)

    def close(self) -> None:
        """End the servers, and remove what they have."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait()
        self._folder.unlink()
        shutil.rmtree(self._memory)

    def __enter__(self: _S) -> _S:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def bytes_received(storage_endpoint: str) -> int:
    """How many bytes of large files the sink at this address has received so far."""
    return received(storage_endpoint).bytes


def received(storage_endpoint: str) -> Received:
    """What the sink at this address has received so far."""
    with urllib.request.urlopen(f"{storage_endpoint}/received") as answer:
        return Received(**json.load(answer))

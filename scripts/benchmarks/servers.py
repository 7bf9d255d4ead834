"""The servers that clients are measured against: a local hub, and a sink as its object storage."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

_START_TIMEOUT = 30.0


@dataclass(frozen=True)
class Target:
    """A repository that exists, and who may write there."""

    endpoint: str
    token: str
    repo_id: str


@dataclass(frozen=True)
class Received:
    """What the sink has received since it started."""

    bytes: int
    objects: int


class Servers:
    """A local hub whose large files end in a sink (see `sink`), each a process of its own.

        with Servers(work / "servers") as servers:
            push_to(servers.new_target())
            servers.received().bytes

    Everything but the storage of large files is the local hub's own: tokens, REST, git, hooks,
    batch answers, `verify`. `folder` is made; its hub's repositories lie in `folder/hub`.
    """

    user = "local-user"

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        root = folder / "hub"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._repositories = 0
        try:
            port = self._start("benchmarks.sink", folder / "sink", str(root), str(folder / "sink"))
            self.storage_endpoint = f"http://127.0.0.1:{int(port)}"
            addresses = self._start(
                "benchmarks.unlimited_hub", folder / "hub.json", "--root", str(root),
                "--port-file", str(folder / "hub.json"), "--storage-url", self.storage_endpoint,
            )  # fmt: skip
        except BaseException:
            self.close()
            raise
        self.endpoint: str = json.loads(addresses)["endpoint"]
        self.token: str = json.loads((root / "tokens.json").read_text())["write"]

    def _start(self, module: str, port_file: Path, *arguments: str) -> str:
        """Start a server; what it writes into `port_file` once it listens."""
        process = subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=-3)
        self._processes.append(process)
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
        with urllib.request.urlopen(f"{self.storage_endpoint}/received") as answer:
            return Received(**json.load(answer))

    def cpu_seconds(self) -> float:
        """CPU time of the servers so far, and of what they have started: git, hooks."""
        times = [psutil.Process(pid).cpu_times() for pid in self.pids]
        return sum(t.user + t.system + t.children_user + t.children_system for t in times)

    def api(self, url: str, body: dict[str, Any] | None = None) -> tuple[Any, str | None]:
        """The answer of a REST route of the hub, and the URL of its next page, if there is one."""
        request = urllib.request.Request(
            url if url.startswith("http") else self.endpoint + url,
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {self.token}"},
        )
        with urllib.request.urlopen(request) as answer:
            following = re.search(r'<([^>]+)>; *rel="next"', answer.headers.get("Link", ""))
            return json.load(answer), following[1] if following else None

    def new_target(self) -> Target:
        """A new, empty model repository: what was sent to others is not known there."""
        self._repositories += 1
        name = f"model-{self._repositories}"
        self.api("/api/repos/create", {"name": name, "type": "model"})
        return Target(self.endpoint, self.token, f"{self.user}/{name}")

    def files(self, repo_id: str, revision: str) -> dict[str, int]:
        """Sizes of a revision's files by path; those of large files are the objects' own."""
        files: dict[str, int] = {}
        page: str | None = f"/api/models/{repo_id}/tree/{revision}?recursive=true"
        while page is not None:
            listed, page = self.api(page)
            files |= {item["path"]: item["size"] for item in listed if item["type"] == "file"}
        return files

    def close(self) -> None:
        """End the servers."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait()

    def __enter__(self) -> Servers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

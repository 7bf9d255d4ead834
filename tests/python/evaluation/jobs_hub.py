"""The routes of Hugging Face Jobs on loopback; a job is a process that really runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from .http_server import Answer, Call, Server


@dataclass
class HubJob:
    """One job: what was asked for, and what became of it."""

    id: str
    spec: dict[str, Any]
    stage: str = "SCHEDULING"
    message: str | None = None
    log: list[str] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None


class JobsHub(Server):
    """Starts what is posted with `bash`, below `folder` instead of the container's own folder."""

    def __init__(self, folder: Path, token: str) -> None:
        super().__init__(self._answer)
        self.jobs: dict[str, HubJob] = {}
        self.refusal: int | None = None
        self._folder = folder
        self._token = token

    def run(self, id_: str) -> None:
        """Let a job run to its end."""
        job = self.jobs[id_]
        command = [self._moved(word) for word in job.spec["command"]]
        # A container has nothing of this machine's environment.
        env = {"PATH": "/usr/bin:/bin", **job.spec["environment"], **job.spec.get("secrets", {})}
        job.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=env,
            text=True,
            start_new_session=True,
        )
        job.stage = "RUNNING"
        output, _ = job.process.communicate(timeout=60)
        job.log = output.splitlines()
        if job.stage == "RUNNING":
            job.stage = "ERROR" if job.process.returncode else "COMPLETED"

    def start(self, id_: str) -> threading.Thread:
        """The same, beside the test."""
        thread = threading.Thread(target=self.run, args=(id_,))
        thread.start()
        return thread

    def _moved(self, word: str) -> str:
        return word.replace("/tmp/hub-revisions", str(self._folder / "container"))

    def _answer(self, call: Call) -> Answer:
        if call.headers.get("authorization") != f"Bearer {self._token}":
            return Answer(401, b'{"error": "no token"}')
        if self.refusal:
            return Answer(self.refusal, b'{"error": "refused"}')
        url = urlsplit(call.path)
        parts = url.path.strip("/").split("/")
        if parts[:2] == ["api", "whoami-v2"]:
            return _json({"name": "me", "type": "user"})
        assert parts[:3] == ["api", "jobs", "me"], call.path
        return self._job(call, parts[3:], parse_qsl(url.query))

    def _job(self, call: Call, rest: list[str], query: list[tuple[str, str]]) -> Answer:
        if not rest and call.method == "POST":
            job = HubJob(f"job{len(self.jobs)}", json.loads(call.body))
            self.jobs[job.id] = job
            return _json(_info(job))
        if not rest:
            wanted = [value.partition("=")[::2] for name, value in query if name == "label"]
            found = [
                _info(job)
                for job in reversed(self.jobs.values())
                if all(job.spec["labels"].get(name) == value for name, value in wanted)
            ]
            return _json(found)
        if rest[0] not in self.jobs:
            return Answer(404, b'{"error": "no such job"}')
        job = self.jobs[rest[0]]
        if rest[1:] == ["logs"]:
            events = [
                json.dumps({"data": line, "timestamp": "2026-01-02T03:04:05.000Z"})
                for line in job.log
            ]
            body = "".join(f"data: {event}\n\n" for event in events)
            return Answer(200, body.encode(), "text/event-stream")
        if rest[1:] == ["cancel"]:
            job.stage = "CANCELED"
            if job.process:
                os.killpg(job.process.pid, signal.SIGKILL)  # a container ends as a whole
        return _json(_info(job))


def _info(job: HubJob) -> dict[str, Any]:
    return {
        "id": job.id,
        "createdAt": "2026-01-02T03:04:05.000Z",
        "owner": {"id": "1", "name": "me", "type": "user"},
        "status": {"stage": job.stage, "message": job.message},
        "labels": job.spec["labels"],
        "command": job.spec["command"],
        "environment": job.spec["environment"],
        "flavor": job.spec["flavor"],
    }


def _json(value: Any) -> Answer:
    return Answer(body=json.dumps(value).encode())

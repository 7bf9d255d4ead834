"""A hub that is killed in the middle of a push leaves no process behind."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from hub_revisions.local_hub import LocalHub
from huggingface_hub import HfApi

from .conftest import basic


def test_git_ends_when_the_hub_is_killed_within_a_body(tmp_path: Path) -> None:
    with LocalHub(tmp_path / "hub") as hub:
        repo = HfApi(endpoint=hub.endpoint, token=hub.token).create_repo("me/model").repo_id
        where = urlsplit(hub.endpoint)
        assert where.hostname
        with socket.create_connection((where.hostname, where.port or 80)) as client:
            client.sendall(
                f"POST /{repo}/git-receive-pack HTTP/1.1\r\n"
                f"Host: {where.netloc}\r\n"
                f"Authorization: {basic(hub.token)}\r\n"
                "Content-Type: application/x-git-receive-pack-request\r\n"
                "Content-Length: 1000\r\n\r\n"
                "0094".encode()
            )
            deadline = time.monotonic() + 30
            while not (children := psutil.Process(hub.pid).children(recursive=True)):
                assert time.monotonic() < deadline, "git was not started"
                time.sleep(0.01)
            os.kill(hub.pid, signal.SIGKILL)
            gone, alive = psutil.wait_procs(children, timeout=30)
        for process in alive:
            process.kill()
        assert not alive, f"still running: {alive}"
        assert gone

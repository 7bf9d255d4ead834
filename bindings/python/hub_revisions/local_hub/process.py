"""A hub in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from .faults import CONTROL_PATH

_START_TIMEOUT = 60.0
_STOP_TIMEOUT = 15.0


class LocalHub:
    """A hub in a process of its own, for tests and scripts.

        with LocalHub(root) as hub:
            HfApi(endpoint=hub.endpoint, token=hub.token).create_repo("me/model")

    Starting returns when the hub answers; `close` ends the process. `options` are options of the
    command line, e.g. `LocalHub(root, "--url-lifetime", "1")`. Raises `RuntimeError` with the
    process's own words when it does not start.
    """

    def __init__(self, root: Path | str, *options: str) -> None:
        self.root = Path(root)
        self._process, ready = _start(self.root, options)
        self.endpoint: str = ready["endpoint"]
        self.storage_endpoint: str = ready["storage_endpoint"]
        self.user: str = ready["user"]
        tokens = json.loads((self.root / "tokens.json").read_text())
        self.token: str = tokens["write"]
        self.read_token: str = tokens["read"]

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    def set_faults(self, *rules: Mapping[str, Any] | str) -> None:
        """Follow these rules of `faults` from now on, or none; counting begins anew.

        For a hub that was started with the option `--faults`. Raises `RuntimeError` otherwise, and
        for a rule that is wrong.
        """
        self._control(json.dumps({"rules": rules}).encode())

    def fault_counts(self) -> list[dict[str, Any]]:
        """The rules in force, each with its `matches` (requests seen) and `hits` (taken)."""
        counts: list[dict[str, Any]] = self._control(None)["rules"]
        return counts

    def _control(self, body: bytes | None) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - our own server's address
            self.endpoint + CONTROL_PATH,
            body,
            {"Authorization": f"Bearer {self.token}"},
            method="GET" if body is None else "PUT",
        )
        # This process's proxy settings are not meant for a server on loopback.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=_START_TIMEOUT) as answer:
                answered: dict[str, Any] = json.load(answer)
                return answered
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.headers.get("X-Error-Message") or str(error)) from error

    def close(self) -> None:
        """End the server; harmless when it has ended."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> LocalHub:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _start(root: Path, options: tuple[str, ...]) -> tuple[subprocess.Popen[bytes], dict[str, str]]:
    """Start the server and wait for the file in which it tells its addresses."""
    package_root = Path(__file__).absolute().parents[2]  # as it was found, links and all
    search_path = [str(package_root), *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, "-m", "hub_revisions.local_hub", "--root", str(root)]
    with tempfile.TemporaryDirectory() as folder:
        port_file, errors = Path(folder) / "ports.json", Path(folder) / "errors"
        with errors.open("wb") as sink:
            process = subprocess.Popen(
                [*command, "--port-file", str(port_file), *options],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=sink,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(search_path)},
            )
        deadline = time.monotonic() + _START_TIMEOUT
        while not port_file.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                process.wait()
                raise RuntimeError(f"the local hub did not start: {errors.read_text()}")
            time.sleep(0.02)
        ready: dict[str, str] = json.loads(port_file.read_text())
        return process, ready

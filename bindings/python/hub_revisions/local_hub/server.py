"""Serving a hub from this process."""

from __future__ import annotations

import fcntl
import logging
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import uvicorn

from .app import create_app
from .auth import Tokens
from .fault_layer import FaultyProtocol
from .faults import Faults, load_rules
from .hub import Hub
from .middleware import access_log
from .presign import Signer
from .repos import Repositories
from .settings import Settings

_server_log = logging.getLogger("uvicorn.error")
"""Where uvicorn writes what went wrong while it answered."""


def serve(settings: Settings, ready: Callable[[Hub], None]) -> None:
    """Serve until SIGINT or SIGTERM. `ready` is called once both ports accept connections.

    The hub given to `ready` has the real port numbers. Raises `OSError` when a port is taken,
    `RuntimeError` when another process already serves this root and `InvalidFaultsError` for wrong
    rules.
    """
    faults = None if settings.faults is None else Faults(load_rules(settings.faults))
    settings.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (settings.root / "hub.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RuntimeError(f"another hub already serves {settings.root}") from error
        with _listen(settings.host, settings.port) as hub_socket, \
             _listen(settings.host, settings.storage_port) as storage_socket:  # fmt: skip
            hub = _open_hub(
                replace(
                    settings,
                    port=hub_socket.getsockname()[1],
                    storage_port=storage_socket.getsockname()[1],
                ),
                faults,
            )
            _log_to(settings.log_path)
            config = uvicorn.Config(
                create_app(hub), log_config=None, access_log=False, lifespan="off",
                server_header=False, timeout_keep_alive=60,
                timeout_graceful_shutdown=5, http="auto" if faults is None else FaultyProtocol,
            )  # fmt: skip
            # Both sockets listen already, so a client that connects now waits in their backlog.
            ready(hub)
            uvicorn.Server(config).run([hub_socket, storage_socket])


def _open_hub(settings: Settings, faults: Faults | None) -> Hub:
    repositories = Repositories(settings.root)
    repositories.take_over()
    return Hub(
        settings,
        Tokens.load_or_create(settings.root, settings.user),
        Signer(settings.url_lifetime),
        repositories,
        faults,
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where the protocol is named (`_set_nodelay` in
    # asyncio/base_events.py). With it on, an answer's body waits 40 ms for the acknowledgement of
    # its head.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(128)
    return listener


def _log_to(path: Path) -> None:
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    for log, level in ((access_log, logging.INFO), (_server_log, logging.WARNING)):
        log.addHandler(handler)
        log.setLevel(level)
        log.propagate = False

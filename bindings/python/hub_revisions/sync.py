"""Pushing what others have spooled: once, or for as long as they go on."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import _core
from ._native import JobRecord, decode_spool
from .address import server_of
from .outcomes import Hook, make_hook
from .pusher import RevisionPusher
from .settings import Config, resolve

logger = logging.getLogger("hub_revisions")

_POLL_SECONDS = 2.0


def open_spool(
    output_dir: Path,
    spool: Path,
    config: Config,
    given: Mapping[str, Any],
    on_outcome: Hook | None = None,
) -> RevisionPusher | None:
    """A pusher at work on what the spool holds; None if there is nothing to push or to clean up.

    Where no `config` is given, the newest job's settings say how to talk to its server. `given`
    wins over both; an endpoint in it, or in HF_ENDPOINT, says that the Hub has moved. `on_outcome`
    is told besides what the setting of that name asks for.
    """
    records = decode_spool(_core.read_spool(str(spool))).records
    pending = [
        record
        for record in records
        if not record.is_final
        or record.state == "failed"
        # Whoever pushed it was killed before it could clean up.
        or (spool / record.id / "files").exists()
    ]
    if not pending:
        return None
    newest = pending[-1].settings
    # The spool's path here; it may have been filled where it is mounted elsewhere.
    settings = {"repo_id": newest["repo_id"], **given, "spool_dir": str(spool), "mode": "sync"}
    base = config if config is not None else dict(newest)
    if isinstance(base, dict) and ("endpoint" in given or os.environ.get("HF_ENDPOINT")):
        del base["endpoint"]
    if on_outcome is None:
        return RevisionPusher(output_dir, base, **settings)
    asked_for = make_hook(resolve(settings, base)["on_outcome"])

    def tell(record: JobRecord) -> None:
        on_outcome(record)
        if asked_for is not None:
            asked_for(record)

    return RevisionPusher(output_dir, base, **settings | {"on_outcome": tell})


def follow(
    output_dir: Path,
    spool: Path,
    config: Config,
    given: Mapping[str, Any],
    stop: threading.Event,
    on_outcome: Hook | None = None,
) -> list[JobRecord]:
    """Push what arrives in the spool until `stop`; its jobs as they were then.

    The spool, and the folder that it is in, may not be there yet. What fails while the server is
    away is tried again. Pushes that `stop` interrupts stay in the spool.
    """
    pusher: RevisionPusher | None = None
    try:
        while not stop.is_set():
            if pusher is not None:
                for record in pusher.take_up_new():
                    logger.info("%s: %s in the spool", record.revision, record.state)
            elif spool.is_dir():
                pusher = open_spool(output_dir, spool, config, given, on_outcome)
                if pusher is not None:
                    told = pusher.settings
                    logger.info("pushing to %s", server_of(told["endpoint"], told["repo_id"]))
            stop.wait(_POLL_SECONDS)
    finally:
        if pusher is not None:
            pusher.close(0)
    return pusher.records() if pusher is not None else []

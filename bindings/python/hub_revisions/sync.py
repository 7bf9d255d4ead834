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


def unfinished(spool: Path) -> list[JobRecord]:
    """The jobs in a spool for which there is something to push or to clean up, oldest first."""
    return [
        record
        for record in _jobs(spool)
        if not record.is_final
        or record.state == "failed"
        # Whoever pushed it was killed before it could clean up.
        or (spool / record.id / "files").exists()
    ]


def _jobs(spool: Path) -> list[JobRecord]:
    return list(decode_spool(_core.read_spool(str(spool))).records)


def open_spool(
    output_dir: Path,
    spool: Path,
    job: JobRecord,
    config: Config,
    given: Mapping[str, Any],
    on_outcome: Hook | None = None,
) -> RevisionPusher:
    """A pusher at work on what the spool holds.

    Where no `config` is given, the settings of `job` say how to talk to its server. `given`
    wins over both; an endpoint in it, or in HF_ENDPOINT, says that the Hub has moved. `on_outcome`
    is told besides what the setting of that name asks for.
    """
    newest = job.settings
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
            # As soon as there is a job, even if it is done: a second follower is told at once.
            elif spool.is_dir() and (jobs := unfinished(spool) or _jobs(spool)):
                pusher = open_spool(output_dir, spool, jobs[-1], config, given, on_outcome)
                told = pusher.settings
                logger.info("pushing to %s", server_of(told["endpoint"], told["repo_id"]))
            stop.wait(_POLL_SECONDS)
    finally:
        if pusher is not None:
            pusher.close(0)
    return pusher.records() if pusher is not None else []

"""What hub_revisions logged in a test, without what the libraries beside it log."""

from __future__ import annotations

import logging

import pytest


def own_messages(caplog: pytest.LogCaptureFixture, level: int = logging.NOTSET) -> list[str]:
    """Its messages of `level` and above.

    transformers passes its own to the root logger where the variable `CI` is set.
    """
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "hub_revisions" and record.levelno >= level
    ]

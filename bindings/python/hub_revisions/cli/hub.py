"""`hub`: a Hub on this machine."""

from __future__ import annotations

import typer

from .common import guarded


@guarded
def hub(context: typer.Context) -> int:
    """Serve a local hub from a folder (--root DIR); 'hub --help' lists its options."""
    # Its web server is needed by no other command.
    from ..local_hub.__main__ import main

    return main(context.args)

"""The command line `hub-revisions`.

Results go to stdout, as tables or, with --json, as one JSON document; progress and messages go to
stderr. The exit statuses stand in `common`, and for users in the epilog of `app`.
"""

from .app import main

__all__ = ["main"]

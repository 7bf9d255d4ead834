"""The command line `hub-revisions`.

Results go to stdout, as tables or, with --json, as one JSON document; progress and messages go to
stderr. Exit status: 0 done, 1 failed, 2 wrong usage or settings, 3 some jobs failed or are left,
130 interrupted.
"""

from .app import main

__all__ = ["main"]

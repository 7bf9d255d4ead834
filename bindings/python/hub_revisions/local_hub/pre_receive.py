"""The pre-receive hook of every repository: `python -m hub_revisions.local_hub.pre_receive`.

git runs it in the repository, with the pushed objects in quarantine: they are visible here, and
vanish when this process fails (git-receive-pack, "QUARANTINE ENVIRONMENT"). What it prints reaches
the client as `remote: ...`. The hook file itself is a fixed shell script; which Python to run and
the role of the caller come from the server's environment, so a push that goes round the server is
refused.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from .git import Git
from .objects import LfsObjects
from .rules import RefUpdate, refusal

PYTHON_VARIABLE = "HUB_REVISIONS_HOOK_PYTHON"
ROLE_VARIABLE = "HUB_REVISIONS_HOOK_ROLE"
REFUSAL_VARIABLE = "HUB_REVISIONS_HOOK_REFUSAL"

HOOK_SCRIPT = f"""#!/bin/sh
# Pushes are accepted through the hub only: it says who pushes, and with which Python to check.
if [ -z "${PYTHON_VARIABLE}" ]; then
  echo "Push through the hub's URL, not into its folder." >&2
  exit 1
fi
exec "${PYTHON_VARIABLE}" -m hub_revisions.local_hub.pre_receive
"""


def hook_environment(role: str, refusal: str | None) -> dict[str, str]:
    """What the server adds to the environment of a push so that the hook can run.

    A `refusal` is the text with which the hook refuses whatever is pushed (see `faults`).
    """
    package_root = Path(__file__).resolve().parents[2]
    search_path = [str(package_root), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        PYTHON_VARIABLE: sys.executable,
        ROLE_VARIABLE: role,
        REFUSAL_VARIABLE: refusal or "",
        "PYTHONPATH": os.pathsep.join(search_path),
        # The hook's working directory is the repository: nothing is imported from there.
        "PYTHONSAFEPATH": "1",
    }


def main() -> int:
    """Check the updates on standard input; 0 accepts all of them, 1 refuses all of them."""
    updates = [RefUpdate(*line.split()) for line in sys.stdin.read().splitlines()]
    if os.environ.get(ROLE_VARIABLE) != "write":
        for update in updates:
            sys.stderr.write(f"DENIED update {update.ref}: forbidden\n")
        return 1
    repository = Path(os.environ["GIT_DIR"]).resolve()
    text = os.environ.get(REFUSAL_VARIABLE) or refusal(
        Git(repository, os.environ), LfsObjects(repository), updates
    )
    if text is not None:
        sys.stderr.write(text + "\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

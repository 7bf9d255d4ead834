"""Kills a run that publishes checkpoints, again and again, and checks what is on the hub then.

Each kill is SIGKILL at a system call of a chosen stage, or at any moment. The exit status is 0 only
if every revision is there once, byte for byte and commit for commit as an undisturbed run makes it,
nothing is left in the spool, and no object was sent that the hub had.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from hub_revisions.local_hub import LocalHub

from .report import numbers_of, table_of
from .storm import Storm


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/storm", description=__doc__)
    add = parser.add_argument
    add("--kills", type=int, default=200, metavar="N", help="default: %(default)s")
    add("--seed", type=int, help="chooses bytes and kills (default: any; it is printed)")
    add("--json", type=Path, metavar="FILE", help="write the numbers there")
    add("--keep", type=Path, metavar="DIR", help="work there, and keep all of it as evidence")
    return parser.parse_args()


def _progress(text: str) -> None:
    if sys.stdout.isatty():
        print(f"\r\033[K{text}", end="", flush=True)
    else:
        print(text, flush=True)


def main() -> int:
    options = _parse()
    seed = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    started = time.monotonic()
    if options.keep:
        options.keep.mkdir(parents=True)  # a new one: what an earlier storm left would be found
    root = options.keep.resolve() if options.keep else Path(tempfile.mkdtemp(prefix="storm-"))
    with LocalHub(root / "hub") as hub:
        storm = Storm(root, hub, seed)
        storm.until(options.kills, _progress)
    numbers = numbers_of(storm, seed, time.monotonic() - started)
    print("\n" + table_of(numbers))
    if options.json:
        options.json.write_text(json.dumps(numbers, indent=2) + "\n")
    if options.keep or not numbers["holds"]:
        print(f"evidence: {root}")
    else:
        shutil.rmtree(root)
    return 0 if numbers["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())

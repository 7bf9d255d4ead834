"""A git-lfs transfer agent that puts objects into a folder, laid out as git-lfs's own stores are.

    python transfer_agent.py STORE [--wait | --fail MESSAGE]

With --wait it answers no upload, until its input ends; with --fail it refuses each. The number of
each of its processes is a file in STORE/agents, for as long as that process lives. What it finds in
HF_TOKEN, it says on its standard error.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def messages() -> Iterator[dict[str, Any]]:
    """What is asked, one by one; each must be answered before the next one comes."""
    for line in sys.stdin:
        message = json.loads(line)
        if message["event"] == "terminate":
            return
        yield message


def say(**message: Any) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def carry(store: Path, message: dict[str, Any]) -> None:
    """Copy the object, and tell how far it is."""
    oid, source = message["oid"], Path(message["path"])
    assert source.stat().st_size == message["size"]
    target = store / oid[:2] / oid[2:4] / oid
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    size = message["size"]
    say(event="progress", oid=oid, bytesSoFar=size, bytesSinceLast=size)
    say(event="complete", oid=oid)


def main(store: Path, *options: str) -> None:
    """Serve until told to terminate, or left."""
    here = store / "agents" / str(os.getpid())
    here.parent.mkdir(parents=True, exist_ok=True)
    here.touch()
    sys.stderr.write(f"agent {os.getpid()} has the token {os.environ.get('HF_TOKEN')}\n")
    try:
        for message in messages():
            if message["event"] == "init":
                assert message["operation"] == "upload"
                say()
            elif options[:1] == ("--fail",):
                error = {"code": 1, "message": options[1]}
                say(event="complete", oid=message["oid"], error=error)
            elif options[:1] != ("--wait",):
                carry(store, message)
    finally:
        here.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])

"""Running git: the one place that starts plumbing commands."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

ZERO_ID = "0" * 40
_ASKED_AT_ONCE = 64  # ids; a pipe takes many more before it blocks
API_DATE = "--date=format-local:%Y-%m-%dT%H:%M:%S.000Z"
"""Makes `git log` write %ad and %cd as the REST API does; the server's git runs in UTC."""


class GitError(Exception):
    """A git command failed; the text is what it wrote to its standard error."""


def server_environment() -> dict[str, str]:
    """The environment of every git process of the server.

    The person's own git configuration stays out: a global `core.hooksPath` or LFS filter must not
    change what this server accepts. `GIT_*` variables of a surrounding git command neither, nor
    what is preloaded into this process: not every program bears it.
    """
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("GIT_") and key != "LD_PRELOAD"
    }
    environment |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    environment |= {"LC_ALL": "C", "TZ": "UTC"}
    return environment


@dataclass(frozen=True)
class ObjectInfo:
    """What `git cat-file` tells about an object without reading it."""

    id: str
    kind: str
    size: int


class Git:
    """Plumbing on one repository. Stateless: any thread may call any method at any time."""

    def __init__(self, directory: Path, environment: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        self._environment = dict(server_environment() if environment is None else environment)
        self._environment["GIT_DIR"] = str(directory)

    def with_environment(self, extra: Mapping[str, str]) -> Git:
        """The same repository with more environment, e.g. `GIT_INDEX_FILE`."""
        return Git(self.directory, self._environment | dict(extra))

    def run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Run `git ARGUMENTS` and return its output. Raises `GitError` when it fails."""
        if any("\0" in argument for argument in arguments):
            raise GitError("a NUL cannot be part of an argument")
        done = subprocess.run(
            ["git", *arguments], input=stdin, capture_output=True, env=self._environment
        )
        if done.returncode != 0:
            raise GitError(done.stderr.decode("utf-8", "replace").strip())
        return done.stdout

    def line(self, *arguments: str, stdin: bytes = b"") -> str:
        """`run` for commands that answer one line."""
        return self.run(*arguments, stdin=stdin).decode().strip()

    def commit_id(self, expression: str) -> str | None:
        """The commit that `expression` names, or None."""
        try:
            return self.line(
                "rev-parse", "--verify", "--quiet", "--end-of-options", f"{expression}^{{commit}}"
            )
        except GitError:
            return None

    def infos(self, ids: Iterable[str]) -> list[ObjectInfo]:
        """Kind and size of each object that exists, in order."""
        query = "".join(f"{id}\n" for id in ids).encode()
        if not query:
            return []
        lines = self.run("cat-file", "--batch-check", "--buffer", stdin=query).decode().splitlines()
        parts = [line.split(" ") for line in lines]
        return [ObjectInfo(part[0], part[1], int(part[2])) for part in parts if len(part) == 3]

    def contents(self, ids: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Yield `(id, bytes)` for each object that exists; one is in memory at a time."""
        process = subprocess.Popen(
            ["git", "cat-file", "--batch"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self._environment,
        )
        assert process.stdin is not None and process.stdout is not None
        try:
            waiting = iter(ids)
            # To ask for several at once spares most of the turns between the two processes.
            while asked := list(islice(waiting, _ASKED_AT_ONCE)):
                process.stdin.write("".join(f"{id}\n" for id in asked).encode())
                process.stdin.flush()
                for id in asked:
                    header = process.stdout.readline().decode().split()
                    if len(header) != 3:
                        continue
                    content = process.stdout.read(int(header[2]))
                    process.stdout.read(1)  # the line feed after each object
                    yield id, content
        finally:
            process.stdin.close()
            process.stdout.close()
            process.wait()

    def content(self, id: str) -> bytes:
        """The bytes of one object. Raises `GitError` when it is missing."""
        for _, content in self.contents([id]):
            return content
        raise GitError(f"no object {id}")

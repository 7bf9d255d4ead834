"""The pre-receive hook of every repository, and who answers it.

git runs it in the repository, with the pushed objects in quarantine: they are visible there, and
vanish when it fails (git-receive-pack, "QUARANTINE ENVIRONMENT"). What it prints reaches the client
as `remote: ...`. The hook itself only asks: through two pipes it inherits from the server that
started git, it hands over where the quarantine is and what is to be updated, and gets a verdict. So
a push that goes round the server is refused, and one whose server dies, too.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool

from .git import Git, server_environment
from .rules import RefUpdate, refusal

if TYPE_CHECKING:
    from .repos import Repository

_ASK = "HUB_REVISIONS_HOOK_ASK"
_VERDICT = "HUB_REVISIONS_HOOK_VERDICT"
_QUARANTINE = ("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH")
_ACCEPTED = b"accepted\n"
_REFUSED = b"refused\n"
_MOST_BYTES = 64 << 20
"""Of what a hook hands over; refs by the hundred thousand."""

_HANDED_OVER = " ".join(f'"${name}"' for name in _QUARANTINE)
HOOK_SCRIPT = f"""#!/bin/sh
# Pushes are accepted through the hub only: it is at the other end of these pipes.
if [ -z "${_ASK}" ]; then
  echo "Push through the hub's URL, not into its folder." >&2
  exit 1
fi
{{ printf '%s\\0' {_HANDED_OVER} && cat && printf '\\0'; }} >"/dev/fd/${_ASK}" || exit 1
{{ read -r verdict; cat >&2; }} <"/dev/fd/${_VERDICT}"
[ "$verdict" = accepted ]
"""


class Hook:
    """The server's ends of the pipes to the hook of one push.

        with Hook(repository, role, refusal) as hook:
            process = ...(pass_fds=hook.inherited, env=... | hook.environment)
            hook.started()
            await hook.answer()

    `role` is the caller's; a `refusal` is the text with which whatever is pushed is refused (see
    `faults`). One task at a time: `answer()` may be another one, waited for inside the `with`.
    """

    def __init__(self, repository: Repository, role: str, refusal: str | None) -> None:
        self._repository = repository
        self._role = role
        self._refusal = refusal
        self._open: set[int] = set()
        try:
            self._asked, ask = self._pipe()
            verdict, self._verdict = self._pipe()
        except OSError:
            self._close(*self._open)
            raise
        self.inherited = (ask, verdict)
        self.environment = {_ASK: str(ask), _VERDICT: str(verdict)}

    def __enter__(self) -> Hook:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close(*self._open)

    def started(self) -> None:
        """git has its ends now. Ours are closed, so that its end is seen."""
        self._close(*self.inherited)

    async def answer(self) -> None:
        """Judge what the hook asks about, unless git ends without asking."""
        try:
            fields = await self._read()
            if fields is not None:
                await run_in_threadpool(self._say, await run_in_threadpool(self._judge, fields))
        finally:
            # Without a verdict the hook refuses, whatever went wrong here.
            self._close(*self._open & {self._verdict})

    async def _read(self) -> list[str] | None:
        """Where the quarantine is, and the updates; None when git has ended without asking."""
        reader = asyncio.StreamReader(limit=_MOST_BYTES)
        pipe = os.fdopen(self._asked, "rb", 0)
        self._open.discard(self._asked)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            fields = [await reader.readuntil(b"\0") for _ in (*_QUARANTINE, "updates")]
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return None
        finally:
            transport.close()
        return [os.fsdecode(field[:-1]) for field in fields]

    def _judge(self, fields: Sequence[str]) -> str | None:
        *quarantine, lines = fields
        # A ref's name may hold any space or line end but git's own.
        updates = [RefUpdate(*line.split(" ", 2)) for line in lines.split("\n") if line]
        if self._role != "write":
            return "\n".join(f"DENIED update {update.ref}: forbidden" for update in updates)
        # git sets none of them where nothing is stored, as for a deletion.
        where = {name: path for name, path in zip(_QUARANTINE, quarantine, strict=True) if path}
        git = Git(self._repository.path.resolve(), server_environment() | where)
        return self._refusal or refusal(git, self._repository.objects, updates)

    def _say(self, verdict: str | None) -> None:
        said = _ACCEPTED if verdict is None else _REFUSED + os.fsencode(verdict) + b"\n"
        try:
            with os.fdopen(self._verdict, "wb") as pipe:
                self._open.discard(self._verdict)
                pipe.write(said)
        except BrokenPipeError:
            pass  # git was killed, and whatever was pushed is gone

    def _pipe(self) -> tuple[int, int]:
        ends = os.pipe()
        self._open.update(ends)
        return ends

    def _close(self, *descriptors: int) -> None:
        for descriptor in descriptors:
            os.close(descriptor)
            self._open.discard(descriptor)

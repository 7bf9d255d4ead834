"""The layer that makes requests go wrong as the rules of `faults` say."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from .errors import HubError, error_response
from .faults import CONTROL_PATH, Faults, Rule
from .hub import Hub
from .names import RepoId
from .repos import MAIN, Repository
from .storage import storage_error

REFUSAL = "hub_revisions.refusal"
"""The key in a request's scope under which `git_http` finds the text of a refused push."""
_POLL_SECONDS = 0.05
_NO_JSON = b'{"answer": '
_LONGEST_WAIT = 600.0


class FaultyProtocol(H11Protocol):
    """HTTP with the connection in `scope["state"]["transport"]`, so that a fault can break it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.app_state = {**self.app_state, "transport": transport}
        super().connection_made(transport)


@dataclass(frozen=True)
class _Request:
    """A request that a rule took, with what its action needs."""

    rule: Rule
    app: ASGIApp
    hub: Hub
    scope: Scope
    receive: Receive
    send: Send

    @property
    def transport(self) -> asyncio.Transport:
        transport = self.scope["state"]["transport"]
        assert isinstance(transport, asyncio.Transport)
        return transport

    def detail(self, name: str, default: Any = None) -> Any:
        return self.rule.details.get(name, default)

    async def go_on(self) -> None:
        """Have it answered as if there were no rule."""
        await self.app(self.scope, self.receive, self.send)

    async def read_all(self) -> None:
        """Take the body off the connection, so that the client gets to read an answer."""
        while (message := await self.receive())["type"] == "http.request":
            if not message.get("more_body", False):
                return

    async def close(self) -> None:
        """Close the connection; when it is closed, the server expects no answer any more."""
        self.transport.close()
        while (await self.receive())["type"] != "http.disconnect":
            pass

    def repository(self) -> Repository | None:
        """The repository in the path of a git, LFS, API or storage route."""
        _, namespace, name, *_ = f"{self.scope['path'].removeprefix('/api/models')}//".split("/")
        return self.hub.repositories.find(namespace, name.removesuffix(".git"))


class FaultLayer:
    """ASGI middleware: lets each request pass, or hands it to the action of the rule it meets."""

    def __init__(self, app: ASGIApp, hub: Hub, faults: Faults) -> None:
        self._app = app
        self._hub = hub
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        rule = self._rule_for(scope)
        if rule is None:
            await self._app(scope, receive, send)
        else:
            request = _Request(rule, self._app, self._hub, scope, receive, send)
            await _ACTIONS[rule.do](request)

    def _rule_for(self, scope: Scope) -> Rule | None:
        if scope["type"] != "http" or scope["path"] == CONTROL_PATH:
            return None
        on_storage = scope["server"][1] == self._hub.settings.storage_port
        return self._faults.take(scope["method"], scope["path"], "storage" if on_storage else "hub")


async def _answer(request: _Request) -> None:
    await request.read_all()
    status = request.detail("status")
    message = request.detail("message") or HTTPStatus(status).phrase
    code, headers = request.detail("code"), request.detail("headers")
    if request.scope["server"][1] == request.hub.settings.storage_port:
        response = storage_error(status, code or "InternalError", message)
        response.headers.update(headers or {})
    else:
        error = HubError(status, message, code=code, headers=headers)
        response = error_response(request.scope["path"], error)
    await response(request.scope, request.receive, request.send)


async def _redirect(request: _Request) -> None:
    await request.read_all()
    response = RedirectResponse(request.detail("location"), request.detail("status", 307))
    await response(request.scope, request.receive, request.send)


async def _stall(request: _Request) -> None:
    await _wait(request.transport, request.detail("seconds"))
    if not request.transport.is_closing():
        await request.go_on()


async def _wait(transport: asyncio.Transport, seconds: float) -> None:
    """Wait, but not for a client that has gone."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not transport.is_closing():
        await asyncio.sleep(_POLL_SECONDS)


async def _reset(request: _Request) -> None:
    connection: socket.socket = request.transport.get_extra_info("socket")
    # No lingering: closing sends RST, and what the client sent is not read.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()
    await request.close()


async def _lose_answer(request: _Request) -> None:
    await _do_the_work(request)
    await request.close()


async def _truncate(request: _Request) -> None:
    answer = await _do_the_work(request)
    half = len(answer.body) // 2
    answer.write(request.transport, max(len(answer.body), 1), answer.body[:half])
    await request.close()


async def _announce_too_much(request: _Request) -> None:
    answer = await _do_the_work(request)
    answer.write(request.transport, len(answer.body) + 1, answer.body)
    await _wait(request.transport, _LONGEST_WAIT)
    await request.close()


async def _announce_too_little(request: _Request) -> None:
    answer = await _do_the_work(request)
    answer.write(request.transport, len(answer.body) // 2, answer.body)
    await request.close()


async def _spoil_json(request: _Request) -> None:
    answer = await _do_the_work(request)
    answer.write(request.transport, len(_NO_JSON), _NO_JSON)
    await request.close()


async def _refuse_push(request: _Request) -> None:
    request.scope[REFUSAL] = request.detail("message", "refused by a fault")
    await request.go_on()


async def _move_ref(request: _Request) -> None:
    def move(repository: Repository) -> None:
        message = f"Somebody else's commit, {time.time_ns()}"
        tree = f"refs/heads/{MAIN}^{{tree}}"
        commit = repository.commit_tree(tree, [], message, request.hub.settings.user)
        repository.git.run("update-ref", request.detail("ref"), commit)

    await _change(request, move)


async def _delete_repository(request: _Request) -> None:
    await _change(
        request,
        lambda repository: request.hub.repositories.delete(
            repository.id.namespace, repository.id.name
        ),
    )


async def _rename_repository(request: _Request) -> None:
    namespace, _, name = request.detail("to").partition("/")
    await _change(
        request,
        lambda repository: request.hub.repositories.move(repository.id, RepoId(namespace, name)),
    )


async def _change(request: _Request, change: Callable[[Repository], object]) -> None:
    """Change the request's repository, unless it names none, and let the request go on."""
    repository = await run_in_threadpool(request.repository)
    if repository is not None:
        await run_in_threadpool(change, repository)
    await request.go_on()


@dataclass
class _Finished:
    """The answer to a request whose work is done, kept back."""

    status: int = 500
    headers: list[tuple[bytes, bytes]] | None = None
    body: bytes = b""

    def write(self, transport: asyncio.Transport, length: int, body: bytes) -> None:
        """Send it with any Content-Length and body, past the server's own checks."""
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}".encode()]
        lines += [
            name + b": " + value
            for name, value in self.headers or []
            if name.lower() not in (b"content-length", b"transfer-encoding")
        ]
        lines += [f"content-length: {length}".encode(), b"connection: close"]
        transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)


async def _do_the_work(request: _Request) -> _Finished:
    finished = _Finished()

    async def keep(message: Message) -> None:
        if message["type"] == "http.response.start":
            finished.status = message["status"]
            finished.headers = list(message.get("headers", []))
        elif message["type"] == "http.response.body":
            finished.body += message.get("body", b"")

    await request.app(request.scope, request.receive, keep)
    return finished


_ACTIONS: dict[str, Callable[[_Request], Awaitable[None]]] = {
    "answer": _answer,
    "truncate": _truncate,
    "length-too-large": _announce_too_much,
    "length-too-small": _announce_too_little,
    "invalid-json": _spoil_json,
    "lose-answer": _lose_answer,
    "reset": _reset,
    "stall": _stall,
    "redirect": _redirect,
    "refuse-push": _refuse_push,
    "move-ref": _move_ref,
    "delete-repository": _delete_repository,
    "rename-repository": _rename_repository,
}

"""Smart HTTP: every request is handed to the real `git http-backend` (a CGI program).

Bodies stream both ways, so a push of any size needs no memory here. The request is pumped in
while the answer is read, because git may answer before it has read everything.
"""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE, Process

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from .errors import HubError, error_response
from .fault_layer import REFUSAL
from .git import server_environment
from .hub import Hub, identity
from .pre_receive import Hook
from .repos import Repository

_CHUNK = 64 * 1024
_COMMANDS = 64 * 1024
"""Room for the names of the refs, which come before what `receive.maxInputSize` counts."""


class GitHttp:
    """ASGI endpoint for `info/refs`, `git-upload-pack` and `git-receive-pack`."""

    def __init__(self, hub: Hub, service_path: str) -> None:
        self._hub = hub
        self._service_path = service_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        try:
            repository = await run_in_threadpool(self._hub.repository, request)
            environment = self._cgi_environment(request, repository)
        except HubError as error:
            await error_response(scope["path"], error)(scope, receive, send)
            return
        with Hook(repository, identity(request).role, scope.get(REFUSAL)) as hook:
            process = await self._start_git(environment, hook)
            answering = asyncio.create_task(hook.answer())
            limit = self._hub.settings.max_push_bytes
            pump = asyncio.create_task(_pump_request(receive, process, limit))
            try:
                await _send_answer(process, send)
            finally:
                # After a complete body the push goes on without the client.
                await pump
                await process.wait()
                await answering

    async def _start_git(self, environment: dict[str, str], hook: Hook) -> Process:
        with self._hub.settings.log_path.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                "git",
                "http-backend",
                stdin=PIPE,
                stdout=PIPE,
                stderr=log,
                env=environment | hook.environment,
                pass_fds=hook.inherited,
            )
        hook.started()
        return process

    def _cgi_environment(self, request: Request, repository: Repository) -> dict[str, str]:
        """The variables of a CGI request (RFC 3875; git help http-backend).

        Raises `HubError` 413 for a body that announces to be too large.
        """
        limit = self._hub.settings.max_push_bytes
        if int(request.headers.get("content-length", "0")) > limit:
            raise HubError(413, f"The push is larger than {limit} bytes; large files belong in LFS")
        environment = server_environment() | {
            "GIT_PROJECT_ROOT": str(repository.path),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": f"/{self._service_path}",
            "REQUEST_METHOD": request.method,
            "QUERY_STRING": request.url.query,
            "REMOTE_USER": identity(request).user,
            "REMOTE_ADDR": request.client.host if request.client else "",
            # A body may come in chunks, or compressed: git counts, too, and says so to the client.
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "receive.maxInputSize",
            "GIT_CONFIG_VALUE_0": str(limit),
        }
        # Without a length git reads to the end of its input. With one, git http-backend (2.39)
        # waits in a busy loop, and for ever, for a body that ends early: if this process is killed.
        for header, variable in (
            ("content-type", "CONTENT_TYPE"),
            ("content-encoding", "HTTP_CONTENT_ENCODING"),
            ("git-protocol", "GIT_PROTOCOL"),
        ):
            if header in request.headers:
                environment[variable] = request.headers[header]
        return environment


async def _pump_request(receive: Receive, process: Process, limit: int) -> None:
    """Write the request's body to git; close its input at the end, end git if the client is gone.

    When git stops reading, or gets more than `limit` bytes, the rest of the body is read and
    dropped: a client that is still sending would not look at the answer.
    """
    assert process.stdin is not None
    more = True
    received = 0
    while more:
        message = await receive()
        if message["type"] == "http.disconnect" and process.returncode is None:
            # Its child sees the end of its input and drops what it has received.
            process.kill()
        more = message["type"] == "http.request" and message.get("more_body", False)
        received += len(message.get("body", b""))
        if received > limit + _COMMANDS:
            process.stdin.close()
        if message["type"] == "http.request" and not process.stdin.is_closing():
            try:
                process.stdin.write(message.get("body", b""))
                await process.stdin.drain()
            except ConnectionError:
                process.stdin.close()
    process.stdin.close()


async def _send_answer(process: Process, send: Send) -> None:
    """Turn the CGI answer into an HTTP one."""
    assert process.stdout is not None
    status, headers = 200, []
    while (line := await process.stdout.readline()) not in (b"\r\n", b"\n", b""):
        name, _, value = line.strip().partition(b":")
        if name.lower() == b"status":
            status = int(value.split()[0])
        else:
            headers.append((name.lower(), value.strip()))
    if not headers:
        status = 500
    await send({"type": "http.response.start", "status": status, "headers": headers})
    while chunk := await process.stdout.read(_CHUNK):
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})

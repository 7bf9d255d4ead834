"""Stands between a worker and a hub: writes down every request, and holds the one a test names.

A held request is a stage of a job made to last. The hub's pre-signed URLs are led through a second
listener, so that uploads pass by here, too.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

_PIECE = 64 << 10  # bytes; how much of a body is passed on at a time
_PATIENCE = 30.0  # seconds that a test waits for what must happen

# Where a request can be held: before its body is read, after a part of it, or with the hub's answer
# in hand.
AT_REQUEST, IN_BODY, AT_ANSWER = "request", "body", "answer"


@dataclass
class Hold:
    """One request, held. `reached` is set when it is; it goes on after `release`."""

    pattern: str
    where: str = AT_REQUEST
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def wait(self) -> None:
        """Block until a request is held."""
        assert self.reached.wait(_PATIENCE), f"no request matched {self.pattern!r}"

    def release(self) -> None:
        """Let it, and all that match later, pass."""
        self.released.set()


@dataclass
class Request:
    """What came in: "METHOD /path", the headers, and the body where it was read."""

    line: str
    headers: Message
    body: bytes = b""


@dataclass
class Answer:
    """What a test has the proxy answer in the hub's place."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class HoldingProxy:
    """A proxy for one hub; `endpoint` is the address to give to a worker.

        with HoldingProxy(hub) as proxy:
            hold = proxy.hold("PUT ", IN_BODY)

    `requests` are the lines "METHOD /path" in the order of their arrival, `stored` the requests to
    the pre-signed URLs, whose host is `storage_host`. Every request that matches a hold is held
    until the hold is released or the proxy is closed.
    """

    def __init__(self, hub: Any, storage_host: str = "127.0.0.1") -> None:
        self.requests: list[str] = []
        self.stored: list[Request] = []
        self.holds: list[Hold] = []
        self.answers: list[tuple[str, Callable[[Request], Answer]]] = []
        self._storage = _listen(self, hub.storage_endpoint, self.stored, rewrite=[])
        self.storage_endpoint = _address(self._storage, storage_host)
        self._hub = _listen(
            self, hub.endpoint, [], rewrite=[(hub.storage_endpoint, self.storage_endpoint)]
        )
        self.endpoint = _address(self._hub)

    def hold(self, pattern: str, where: str = AT_REQUEST) -> Hold:
        """Hold every request whose line matches the regular expression."""
        hold = Hold(pattern, where)
        self.holds.append(hold)
        return hold

    def answer(self, pattern: str, answer: Callable[[Request], Answer]) -> None:
        """Answer every request whose line matches, instead of asking the hub."""
        self.answers.append((pattern, answer))

    def count(self) -> int:
        """How many requests have come in."""
        return len(self.requests)

    def close(self) -> None:
        """Let go of everything held, and stop listening."""
        for hold in self.holds:
            hold.release()
        for server in (self._hub, self._storage):
            server.shutdown()
            server.server_close()

    def __enter__(self) -> HoldingProxy:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


@contextmanager
def deaf_server() -> Iterator[str]:
    """The address of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def full_server() -> Iterator[str]:
    """The address of a server whose queue is full: connecting to it takes forever."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        clients = [socket.socket() for _ in range(4)]
        try:
            for client in clients:  # the kernel queues one more than it was asked to
                client.setblocking(False)
                client.connect_ex(address)
            yield f"http://127.0.0.1:{address[1]}"
        finally:
            for client in clients:
                client.close()


def _address(server: ThreadingHTTPServer, host: str = "127.0.0.1") -> str:
    return f"http://{host}:{server.server_address[1]}"


def _listen(
    proxy: HoldingProxy, upstream: str, heard: list[Request], rewrite: list[tuple[str, str]]
) -> ThreadingHTTPServer:
    members = {"proxy": proxy, "upstream": upstream, "heard": heard, "to": rewrite}
    handler = type("Handler", (_Handler,), members)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.block_on_close = False
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: HoldingProxy
    upstream: str
    heard: list[Request]
    to: list[tuple[str, str]]

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, TimeoutError):  # the client broke off
            self.close_connection = True

    def _pass_on(self) -> None:
        line = f"{self.command} {self.path}"
        self.proxy.requests.append(line)
        request = Request(line, self.headers)
        self.heard.append(request)
        hold = next((h for h in self.proxy.holds if re.search(h.pattern, line)), None)
        if hold is not None and hold.where == AT_REQUEST:
            self._hold(hold)
        request.body = self._read_body(hold)
        for pattern, respond in self.proxy.answers:
            if re.search(pattern, line):
                given = respond(request)
                self._answer(given.status, list(given.headers.items()), given.body)
                return
        status, headers, answer = self._ask(request.body)
        if hold is not None and hold.where == AT_ANSWER:
            self._hold(hold)
        self._answer(status, headers, answer)

    do_GET = do_HEAD = do_POST = do_PUT = _pass_on  # noqa: N815 (the names are the base class's)

    def _hold(self, hold: Hold) -> None:
        if not hold.released.is_set():
            hold.reached.set()
            hold.released.wait()

    def _read_body(self, hold: Hold | None) -> bytes:
        left = int(self.headers.get("Content-Length", 0))
        pieces = []
        while left > 0:
            piece = self.rfile.read(min(left, _PIECE))
            if not piece:
                raise ConnectionError
            pieces.append(piece)
            left -= len(piece)
            if hold is not None and hold.where == IN_BODY:
                self._hold(hold)
        return b"".join(pieces)

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = HTTPConnection(self.upstream.removeprefix("http://"), timeout=60)
        try:
            headers = {key: value for key, value in self.headers.items() if key != "Connection"}
            connection.request(self.command, self.path, body or None, headers)
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        for before, after in self.to:
            answer = answer.replace(before.encode(), after.encode())
        gone = {"content-length", "transfer-encoding", "connection"}
        kept = [(k, v) for k, v in response.getheaders() if k.lower() not in gone]
        return response.status, kept, answer

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for key, value in headers:
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        pass

"""A storage that takes objects and throws them away: `python -m benchmarks.sink ROOT PORT_FILE`.

It stands in for the object storage behind a local hub's pre-signed URLs, and is as cheap as a
server can be, so that clients are measured and not this: the kernel is told to drop what arrives
instead of copying it here (MSG_TRUNC on a TCP socket, tcp(7)). For 4 x 512 MiB from curl it took a
fifth of the CPU time of nginx with `dav_methods PUT` onto tmpfs (0.4 s, 1.2 to 2.0 s), less than
half of nginx before a server that discards (1.0 s); nginx with `return 200` is near (0.5 s), but
answers before it has the bytes. Every byte is received and counted.

What stands in the hub's folder for an object is a hole of its size: the hub looks at name and size
to know that an object is stored. So pushes are checked, and what was sent once is known. It also
answers who asks it to verify an object (`POST /verify/NAMESPACE/NAME`, git-lfs
docs/api/basic-transfers.md): a request for each object, which costs the local hub several times as
much.

`GET /received` answers how many bytes and objects there have been, as JSON.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path

_OBJECT = re.compile(rb"PUT /([^/ ]+)/([^/ ]+)/objects/([0-9a-f]{64})/(\d+)\?\S* HTTP/1\.1")
_VERIFY = re.compile(rb"POST /verify/([^/ ]+)/([^/ ]+) HTTP/1\.1")
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_EXPECTS = re.compile(rb"(?i)\r\nexpect: *100-continue")
_END = b"\r\n\r\n"
_READ = 1 << 20
_MAX_HEAD = 1 << 16


class Sink:
    """Counts what all connections receive; each has a thread of its own."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._bytes = 0
        self._objects = 0

    def serve(self, connection: socket.socket) -> None:
        """Answer the requests of one connection until it ends."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pending = b""
        with connection, suppress(ConnectionError):  # a push may be given up
            while head_and_rest := _read_head(connection, pending):
                head, pending = head_and_rest
                connection.sendall(_answer(*self._handle(connection, head, pending)))
                pending = b""

    def _handle(self, connection: socket.socket, head: bytes, begun: bytes) -> tuple[str, bytes]:
        """Status and body of the answer to one request, whose body begins with `begun`."""
        if head.startswith(b"GET /received "):
            with self._lock:
                count = {"bytes": self._bytes, "objects": self._objects}
            return "200 OK", json.dumps(count).encode()
        target, length = _OBJECT.match(head), _LENGTH.search(head)
        if repository := _VERIFY.match(head):
            asked = json.loads(_read_body(connection, begun, int(length[1]) if length else 0))
            stored = self._path(repository[1].decode(), repository[2].decode(), asked["oid"])
            there = stored.exists() and stored.stat().st_size == asked["size"]
            return ("200 OK" if there else "404 Not Found"), b""
        if not target or not length or length[1] != target[4]:
            return "400 Bad Request", b"no PUT of an object of the signed size"
        if _EXPECTS.search(head):
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        size = int(length[1])
        _drop(connection, size - len(begun))
        self._keep(target[1].decode(), target[2].decode(), target[3].decode(), size)
        with self._lock:
            self._bytes += size
            self._objects += 1
        return "200 OK", b""

    def _path(self, namespace: str, name: str, oid: str) -> Path:
        return self._root / namespace / f"{name}.git" / "lfs/objects" / oid[:2] / oid[2:4] / oid

    def _keep(self, namespace: str, name: str, oid: str, size: int) -> None:
        path = self._path(namespace, name, oid)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.truncate(size)


def _read_head(connection: socket.socket, pending: bytes) -> tuple[bytes, bytes] | None:
    """The next request's head and what came with it of its body; None when there is none."""
    while _END not in pending:
        received = connection.recv(_MAX_HEAD)
        if not received or len(pending) > _MAX_HEAD:
            return None
        pending += received
    head, _, rest = pending.partition(_END)
    return head, rest


def _read_body(connection: socket.socket, begun: bytes, length: int) -> bytes:
    """A small body. Raises `ConnectionError` if the client ends before."""
    body = begun
    while len(body) < length:
        received = connection.recv(length - len(body))
        if not received:
            raise ConnectionError(f"a body ends {length - len(body)} bytes early")
        body += received
    return body


def _drop(connection: socket.socket, length: int) -> None:
    """Receive `length` bytes. Raises `ConnectionError` if the client ends before."""
    buffer = bytearray(_READ)  # never written: MSG_TRUNC
    while length > 0:
        received = connection.recv_into(buffer, min(length, _READ), socket.MSG_TRUNC)
        if received == 0:
            raise ConnectionError(f"{length} bytes of an object are missing")
        length -= received


def _answer(status: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def main() -> None:
    root, port_file = map(Path, sys.argv[1:])
    sink = Sink(root)
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        temporary = port_file.with_suffix(".tmp")
        temporary.write_text(str(listener.getsockname()[1]))
        temporary.replace(port_file)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=sink.serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()

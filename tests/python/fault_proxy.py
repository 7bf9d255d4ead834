"""A TCP proxy that breaks connections, and certificates that nobody should trust."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

_CHUNK = 64 * 1024
_TIMEOUT = 30.0
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Trouble:
    """What happens to one connection when `after` bytes have passed in one direction.

    `reset` ends it with RST on the client's side, `close` with FIN, `stall` lets nothing pass any
    more, in either direction.
    """

    do: Literal["reset", "close", "stall"]
    direction: Literal["up", "down"] = "up"
    after: int = 0


@dataclass
class Connection:
    """One accepted connection: what passed, and whether its trouble came."""

    trouble: Trouble | None = None
    hit: bool = False
    up: bytearray = field(default_factory=bytearray)
    down: bytearray = field(default_factory=bytearray)


class FaultProxy:
    """Listens on a port of 127.0.0.1 and passes what comes on to `target` (`http://host:port`).

    Each trouble of `troubles` befalls one connection, in the order in which they are accepted; the
    connections after them are left in peace. With `tls` it speaks TLS to the client. With `answer`
    it passes nothing on: it reads the head of one request and answers these bytes. It runs in a
    thread of its own; any thread may read `connections`.
    """

    def __init__(
        self, target: str = "", *, tls: ssl.SSLContext | None = None, answer: bytes = b""
    ) -> None:
        self.target = target
        self.troubles: list[Trouble] = []
        self.connections: list[Connection] = []
        self._tls = tls
        self._answer = answer
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server: asyncio.Server | None = self._call(self._listen(0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def hits(self) -> int:
        """How many troubles came."""
        return sum(connection.hit for connection in self.connections)

    @property
    def refused(self) -> bool:
        """Whether the port is closed; assign to close or open it again."""
        return self._server is None

    @refused.setter
    def refused(self, refuse: bool) -> None:
        if refuse and self._server is not None:
            self._call(self._close_port())
        elif not refuse and self._server is None:
            self._server = self._call(self._listen(self.port))

    def close(self) -> None:
        """Close the port and all connections, and end the thread."""
        self.refused = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_TIMEOUT)
        self._loop.close()

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _call(self, work: Coroutine[Any, Any, _Value]) -> _Value:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_TIMEOUT)

    async def _listen(self, port: int) -> asyncio.Server:
        return await asyncio.start_server(self._accept, "127.0.0.1", port, ssl=self._tls)

    async def _close_port(self) -> None:
        assert self._server is not None
        self._server.close()
        self._server = None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        connection = Connection(self.troubles.pop(0) if self.troubles else None)
        self.connections.append(connection)
        try:
            await self._serve(connection, reader, writer)
        except (OSError, asyncio.CancelledError, asyncio.IncompleteReadError):
            pass  # either side may go at any time
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _serve(
        self, connection: Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self._answer:
            connection.up += await reader.readuntil(b"\r\n\r\n")
            connection.down += self._answer
            writer.write(self._answer)
            await writer.drain()
            return
        address = urlsplit(self.target)
        far_reader, far_writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            pumps = [
                asyncio.create_task(_pump(connection, "up", reader, far_writer)),
                asyncio.create_task(_pump(connection, "down", far_reader, writer)),
            ]
            _, others = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in others:
                pump.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            if connection.hit and connection.trouble is not None:
                await _end(connection.trouble, reader, writer)
        finally:
            far_writer.close()


async def _pump(
    connection: Connection,
    direction: str,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    """Pass bytes on until one side ends, or the trouble comes."""
    trouble = connection.trouble
    passed: bytearray = getattr(connection, direction)
    while True:
        room = _CHUNK
        if trouble is not None and trouble.direction == direction:
            room = min(room, trouble.after - len(passed))
            if room == 0:
                connection.hit = True
                return
        if not (data := await reader.read(room)):
            return
        passed += data
        writer.write(data)
        await writer.drain()


async def _end(
    trouble: Trouble, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    if trouble.do == "reset":
        connection: socket.socket = writer.get_extra_info("socket")
        # No lingering: closing sends RST.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    if trouble.do == "stall":
        while await reader.read(_CHUNK):
            pass


@dataclass(frozen=True)
class Authority:
    """A certificate authority of its own, made by the openssl command line in `folder`."""

    folder: Path

    @property
    def bundle(self) -> Path:
        """What a client has to trust."""
        return self.folder / "ca.pem"

    @classmethod
    def create(cls, folder: Path) -> Authority:
        """Make its key and certificate."""
        folder.mkdir(parents=True)
        _openssl(folder, "req", "-x509", *_NEW_KEY, "-keyout", "ca.key", "-out", "ca.pem",
                 "-subj", "/CN=Test authority", "-days", "2")  # fmt: skip
        return cls(folder)

    def context(self, name: str, *, days: int = 1) -> ssl.SSLContext:
        """A server's TLS with a certificate for `name` (`IP:127.0.0.1`, `DNS:example.org`) that is
        valid for `days`; with -1 it expired yesterday."""
        file = f"{len(list(self.folder.iterdir()))}"
        _openssl(self.folder, "req", *_NEW_KEY, "-keyout", f"{file}.key", "-out", f"{file}.csr",
                 "-subj", "/CN=server")  # fmt: skip
        (self.folder / f"{file}.ext").write_text(f"subjectAltName={name}\n")
        _openssl(self.folder, "x509", "-req", "-in", f"{file}.csr", "-CA", "ca.pem",
                 "-CAkey", "ca.key", "-days", str(days), "-extfile", f"{file}.ext",
                 "-out", f"{file}.pem")  # fmt: skip
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / f"{file}.pem", self.folder / f"{file}.key")
        return context


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def _openssl(folder: Path, *arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

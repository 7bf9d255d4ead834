"""A hub that is far away: `python -m benchmarks.delay_proxy PORT RTT_MS PORT_FILE` in front of it.

A TCP proxy for one port of this machine. What either side sends arrives half a round trip later, in
order and however much it is: latency, no throttling. The round trip of TCP's own handshake, which
the kernel here answers at once, is added to the first bytes of each connection.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

from .servers import Servers

_READ = 256 << 10
_PIECES_UNDER_WAY = 1024  # of at most _READ bytes; a sender that is faster has to wait


class FarServers(Servers):
    """The same servers, `rtt_ms` away; at 0 there is no proxy."""

    def __init__(self, folder: Path, rtt_ms: float) -> None:
        self._rtt_ms = rtt_ms
        self._folder = folder
        super().__init__(folder)
        self.near_endpoint = self.endpoint
        _, _, port = self.endpoint.rpartition(":")
        self.endpoint = f"http://127.0.0.1:{self._far(port, folder / 'far-hub')}"

    def folder_of(self, repo_id: str) -> Path:
        """The bare repository on the hub's disk."""
        return self._folder / "hub" / f"{repo_id}.git"

    def _start(self, module: str, port_file: Path, *arguments: str) -> str:
        answer = super()._start(module, port_file, *arguments)
        # The hub is told the storage's address when it starts, so that one moves away first.
        is_storage = module == "benchmarks.sink"
        return self._far(answer, port_file.with_name("far-sink")) if is_storage else answer

    def _far(self, port: str, port_file: Path) -> str:
        if not self._rtt_ms:
            return port
        return super()._start(
            "benchmarks.delay_proxy", port_file, port, str(self._rtt_ms), str(port_file)
        )


class DelayProxy:
    """The proxy itself, for a server on `port` of this machine."""

    def __init__(self, port: int, rtt_ms: float) -> None:
        self._port = port
        self._half = rtt_ms / 2000

    async def listen(self) -> asyncio.Server:
        """Start to listen, on any free port."""
        return await asyncio.start_server(self._connect, "127.0.0.1", 0, backlog=256)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greeted = asyncio.get_running_loop().time() + 2 * self._half
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.transport.abort()
            return
        await asyncio.gather(
            self._carry(reader, back, greeted), self._carry(there, writer, greeted)
        )
        for side in (writer, back):
            side.close()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, greeted: float
    ) -> None:
        """Pass on what `reader` gets until it ends; nothing leaves its side before `greeted`."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_PIECES_UNDER_WAY)
        arriving = asyncio.create_task(self._deliver(under_way, writer))
        loop = asyncio.get_running_loop()
        piece = b"-"
        while piece:
            try:
                piece = await reader.read(_READ)
            except OSError:  # reset by its client: the other side sees an end
                piece = b""
            await under_way.put((max(loop.time(), greeted) + self._half, piece))
        await arriving

    async def _deliver(
        self, under_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        """Write what is due until the end; for a receiver that is gone, take it all the same."""
        loop = asyncio.get_running_loop()
        piece = b"-"
        while piece:
            due, piece = await under_way.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            with suppress(OSError):
                if piece:
                    writer.write(piece)
                    await writer.drain()
                else:
                    writer.write_eof()


async def _serve(port: int, rtt_ms: float, port_file: Path) -> None:
    server = await DelayProxy(port, rtt_ms).listen()
    temporary = port_file.with_suffix(".tmp")
    temporary.write_text(str(server.sockets[0].getsockname()[1]))
    temporary.replace(port_file)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])))

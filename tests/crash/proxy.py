"""A small TCP proxy on loopback that loses a server's answer, as a cable does: the question arrives, the answer does not."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

LARGE = 1_000
"""Bytes of the arguments of a batch that is written; those of a read are fewer."""


class LossyProxy:
    """Forwards connections; now and then swallows what the server says to a question, and then breaks the connection."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._dice = random.Random(11)
        self.chance = 0.0
        """how often a write loses its answer"""
        self.cuts = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            back_reader, back_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        muted = asyncio.Event()
        ways = [
            asyncio.create_task(self._questions(reader, back_writer, muted)),
            asyncio.create_task(self._answers(back_reader, writer, muted)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            writer.transport.abort()
            back_writer.transport.abort()

    async def _questions(self, reader: asyncio.StreamReader, server: asyncio.StreamWriter, muted: asyncio.Event) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 18):
                if _writes(data) and self._dice.random() < self.chance:
                    muted.set()
                server.write(data)
                await server.drain()
                if muted.is_set():
                    self.cuts += 1
                    await asyncio.sleep(self._dice.uniform(0.0, 0.03))
                    return

    async def _answers(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter, muted: asyncio.Event) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 18):
                if not muted.is_set():
                    client.write(data)
                    await client.drain()


def _writes(data: bytes) -> bool:
    """Whether this executes a batch's statement (a Bind message with its rows) or commits a transaction."""
    return (data[:1] == b"B" and len(data) > LARGE) or (data[:1] == b"Q" and b"COMMIT" in data)


@asynccontextmanager
async def lossy(url: str) -> AsyncIterator[tuple[LossyProxy, str]]:
    """A proxy in front of a database, and the database's URL by way of it."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    proxy = LossyProxy(parts.hostname, parts.port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy, url.replace(f":{parts.port}/", f":{proxy.port}/")
    finally:
        server.close()

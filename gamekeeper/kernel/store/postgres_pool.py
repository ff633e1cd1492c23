"""A pool of asyncpg connections, first come, first served.

asyncpg's own pool wraps each connection anew for each use, starts a task to take it back, and lets the task that gave a
connection back have it again before those that wait. A round trip of 0.3 ms feels that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg

from gamekeeper.kernel.store.base import OutcomeUnknown, Unreachable

GONE = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what asyncpg says of a connection that died between two of its own steps
    ConnectionError,
    TimeoutError,
    OSError,
)
"""What asyncpg raises when a connection is of no use any more, or never was."""
CLOSE_SECONDS = 5.0
"""How long a server may take to say goodbye."""


class Connections:
    """At most `size` connections, made when they are needed; the one used last is used next."""

    def __init__(self, url: str, size: int, *, connect_seconds: float, words: Mapping[str, Any]) -> None:
        self._url = url
        self._connect_seconds = connect_seconds
        self._words = words
        self._turns = asyncio.Semaphore(size)
        self._idle: list[Any] = []
        self._open: set[Any] = set()
        self._closed = False

    @property
    def size(self) -> int:
        """How many connections there are."""
        return len(self._open)

    @property
    def idle(self) -> int:
        """How many of them nobody uses."""
        return len(self._idle)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Any]:
        """A connection for the length of a block.

        Raises: Unreachable when there is none, which means that nothing was done.
        """
        async with self._turns:
            connection = await self._take()
            try:
                yield connection
            except BaseException as error:
                # Whatever state it is in now, nobody may meet it again.
                if isinstance(error, OutcomeUnknown | Unreachable) or not isinstance(error, Exception):
                    _terminate(connection)
                raise
            finally:
                self._give_back(connection)

    async def _take(self) -> Any:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
            self._open.discard(connection)
        if self._closed:
            raise Unreachable("the database is closed")
        try:
            async with asyncio.timeout(self._connect_seconds):
                connection = await asyncpg.connect(self._url, **self._words)
        except (*GONE, asyncpg.PostgresError) as error:
            raise Unreachable(str(error) or type(error).__name__) from error
        self._open.add(connection)
        return connection

    def _give_back(self, connection: Any) -> None:
        if not connection.is_closed() and (self._closed or connection.is_in_transaction()):
            _terminate(connection)
        if connection.is_closed():
            self._open.discard(connection)
        else:
            self._idle.append(connection)

    async def close(self) -> None:
        """Let go of every connection; a dead server does not hold the shutdown."""
        self._closed = True
        idle, self._idle = self._idle, []
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await asyncio.gather(*(connection.close() for connection in idle))
        except (*GONE, asyncpg.PostgresError):
            pass
        for connection in self._open:
            _terminate(connection)
        self._open.clear()


def _terminate(connection: Any) -> None:
    # One that broke has ended by itself already, and says so.
    with suppress(asyncpg.InterfaceError):
        connection.terminate()

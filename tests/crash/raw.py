"""A database behind the keep's back: what stands there is asked and attacked with plain SQL, through a connection of our own."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import apsw
import asyncpg


def file_of(url: str) -> str:
    """The path of an SQLite URL."""
    return unquote(urlsplit(url).path.removeprefix("/"))


class Raw:
    """One connection; statements are written with ? for parameters on both engines."""

    def __init__(self, connection: Any, *, sqlite: bool) -> None:
        self.sqlite = sqlite
        self._connection = connection

    async def rows(self, statement: str, *parameters: Any) -> Sequence[Sequence[Any]]:
        """Run a statement."""
        if self.sqlite:
            return await asyncio.to_thread(lambda: self._connection.execute(statement, parameters).fetchall())
        parts = statement.split("?")
        numbered = "".join(part + (f"${i + 1}" if i + 1 < len(parts) else "") for i, part in enumerate(parts))
        return [tuple(row) for row in await self._connection.fetch(numbered, *parameters)]

    async def one(self, statement: str, *parameters: Any) -> Any:
        """The first column of the first row."""
        rows = await self.rows(statement, *parameters)
        return rows[0][0] if rows else None


@asynccontextmanager
async def raw(url: str) -> AsyncIterator[Raw]:
    """Connect to a keep's database without the keep."""
    if url.startswith("sqlite"):
        file = apsw.Connection(file_of(url), flags=apsw.SQLITE_OPEN_READWRITE)
        file.set_busy_timeout(5000)
        try:
            yield Raw(file, sqlite=True)
        finally:
            file.close()
        return
    connection = await asyncpg.connect(url)
    try:
        yield Raw(connection, sqlite=False)
    finally:
        await connection.close()

"""Rows behind the commands: what a table refuses by plain SQL, and what a verification finds of it."""

from collections.abc import Iterable
from typing import Any

import apsw
import asyncpg
import pytest

from gamekeeper.keep import Keep
from gamekeeper.kernel.records import Record, shape
from gamekeeper.kernel.verify import verify
from tests.crash.raw import Raw, raw

Refused = (apsw.Error, asyncpg.IntegrityConstraintViolationError, asyncpg.DatatypeMismatchError)


async def refused(keep: Keep, url: str, table: str, attacks: Iterable[str]) -> None:
    """See that the table takes none of these statements, and is as it was."""
    async with raw(url) as database:
        before = await database.rows(f"SELECT * FROM {table}")
        for attack in attacks:
            with pytest.raises(Refused):
                await database.rows(attack)
        assert await database.rows(f"SELECT * FROM {table}") == before
    assert (await verify(keep)).problems == []


async def found(keep: Keep) -> set[tuple[str | None, str | None]]:
    """What a verification complains of: owners and tables."""
    return {(one.owner, one.table) for one in (await verify(keep)).problems}


async def doubled(database: Raw, record: type[Record], key: str, other: str) -> None:
    """Copy an owner's row under another id."""
    first, *rest = [f'"{name}"' for name in shape(record).names]
    table, others = shape(record).spec.table, ", ".join(rest)
    await database.rows(f"INSERT INTO {table} ({first}, {others}) SELECT '{other}', {others} FROM {table} WHERE {first} = ?", key)


async def row_of(keep: Keep, record: Any, *key: str) -> Any:
    """A row as it stands."""
    row = await keep.reader.get(record, *key)
    assert row is not None
    return row


def copied(record: Any, **values: str) -> str:
    """A statement that adds a copy of the table's rows with other values."""
    made = shape(record)
    changed = ", ".join(values.get(name, f'"{name}"') for name in made.names)
    columns = ", ".join(f'"{name}"' for name in made.names)
    return f"INSERT INTO {made.spec.table} ({columns}) SELECT {changed} FROM {made.spec.table}"


async def refuses(url: str, *statements: str) -> None:
    """See that the database takes none of these."""
    async with raw(url) as database:
        for one in statements:
            with pytest.raises(Exception, match=r"(?i)constraint|append"):
                await database.rows(one)

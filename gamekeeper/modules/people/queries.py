"""How an export reads what may be too much for one answer."""

from collections.abc import AsyncIterator
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Text, bindparam, select, tuple_

from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.records import Record, shape
from gamekeeper.kernel.store.schema import table

from . import rules


@cache
def first_page(record: type[Record]) -> Any:
    """Make the statement for the first rows that an owner has of a type, in the order of their keys."""
    rows = table(record)
    keys = [rows.c[name] for name in shape(record).key_names]
    mine = keys[0] == bindparam("owner", type_=Text)
    return select(rows).where(mine).order_by(*keys).limit(bindparam("limit", type_=BigInteger))


@cache
def next_page(record: type[Record]) -> Any:
    """Make the statement for those that follow a key, whose further parts are called `key_1`, `key_2` ..."""
    columns = [table(record).c[name] for name in shape(record).key_names[1:]]
    after = [bindparam(f"key_{number}", type_=column.type) for number, column in enumerate(columns, 1)]
    return first_page(record).where(tuple_(*columns) > tuple_(*after))


async def rows_of(read: Reader, record: type[Record], owner: str) -> AsyncIterator[Record]:
    """Give all rows of a type that an owner has, in the order of their keys.

    What commands load whole is small enough to be read whole, and memory may be ahead of the database there; ledgers and what is
    read by key come a page at a time.
    """
    made = shape(record)
    if not made.spec.append_only and made.spec.loads == "owner":
        for row in await read.all(record, owner):
            yield row
        return
    page = await read.rows(record, first_page(record), owner=owner, limit=rules.PAGE)
    while page:
        for row in page:
            yield row
        after = {f"key_{number}": part for number, part in enumerate(made.key_of(page[-1])[1:], 1)}
        more = bool(after) and len(page) == rules.PAGE
        page = await read.rows(record, next_page(record), owner=owner, limit=rules.PAGE, **after) if more else []

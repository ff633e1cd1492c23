"""Standings: what the counts of ranked rows tell, whether they are right, and how they are made anew."""

from __future__ import annotations

from functools import cache
from typing import Any

from msgspec import Struct
from sqlalchemy import BigInteger, Text, and_, bindparam, cast, delete, except_, func, insert, literal_column, or_, select, text, union_all
from sqlalchemy.sql.elements import ColumnElement

from gamekeeper.kernel import ranks
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.records import RECORDS, Record, shape
from gamekeeper.kernel.store import schema
from gamekeeper.kernel.store.base import Store
from gamekeeper.kernel.verify import Problem, check

_R = schema.ranks.c
_BOARD = bindparam("board", type_=Text)


class _Bucket(Struct, frozen=True):
    bucket: int
    count: int


class Standing(Struct, frozen=True):
    """A score that rows of a board have, and the rank that all of them share."""

    score: int
    rank: int


def _total(*conditions: ColumnElement[bool]) -> Any:
    return select(func.coalesce(cast(func.sum(_R.count), BigInteger), 0)).where(_R.board == _BOARD, *conditions).scalar_subquery()


@cache
def _above(levels: int) -> Any:
    """How many rows have more than a score."""
    totals = [
        _total(
            _R.level == level, _R.bucket.between(bindparam(f"from_{level}", type_=BigInteger), bindparam(f"to_{level}", type_=BigInteger))
        )
        for level in range(levels)
    ]
    return select(sum(totals[1:], start=totals[0]))


@cache
def _all(levels: int) -> Any:
    return select(_total(_R.level == levels - 1))


_BUCKETS = (
    select(_R.bucket, cast(func.sum(_R.count), BigInteger))
    .where(
        _R.board == _BOARD,
        _R.level == bindparam("level", type_=BigInteger),
        _R.bucket.between(bindparam("first", type_=BigInteger), bindparam("last", type_=BigInteger)),
    )
    .group_by(_R.bucket)
    .having(func.sum(_R.count) > 0)
    .order_by(_R.bucket.desc())
)


async def rank(read: Reader, record: type[Record], score: int, *within: str) -> int:
    """Tell the rank of a score: one more than there are rows with a better one. Rows with one score share their rank."""
    count = ranks.levels(record)
    bounds: dict[str, int] = {}
    for level, first, last in ranks.above(score, count):
        bounds |= {f"from_{level}": first, f"to_{level}": last}
    return 1 + int(await read.scalar(_above(count), board=ranks.board(record, within), **bounds))


async def size(read: Reader, record: type[Record], *within: str) -> int:
    """Tell how many rows stand on a board."""
    return int(await read.scalar(_all(ranks.levels(record)), board=ranks.board(record, within)))


async def at(read: Reader, record: type[Record], place: int, *within: str) -> Standing | None:
    """Tell the score at a place, counted from 1 with the best first; None when so many do not stand there."""
    board, passed, bucket = ranks.board(record, within), 0, 0
    for level in reversed(range(ranks.levels(record))):
        first = bucket << ranks.STEP_BITS
        rows = await read.rows(_Bucket, _BUCKETS, board=board, level=level, first=first, last=first | (ranks.WIDTH - 1))
        for row in rows:
            if passed + row.count >= place:
                bucket = row.bucket
                break
            passed += row.count
        else:
            return None
    return Standing(bucket, passed + 1)


# Whether they are right


def _counted(record: type[Record], level: int) -> Any:
    """The counts of a level as the rows themselves say them."""
    table, ranked = schema.table(record), shape(record).spec.ranked
    assert ranked is not None  # noqa: S101 - only ranked records are asked about
    board: Any = literal_column(f"'{table.name}'", Text)
    for name in ranked.within:
        board = board.concat(literal_column("':'", Text)).concat(table.c[name])
    bucket = table.c[ranked.score] // literal_column(str(1 << (level * ranks.STEP_BITS)), BigInteger)
    placed = select(board.label("board"), bucket.label("bucket")).subquery()
    return select(
        placed.c.board, literal_column(str(level), BigInteger).label("level"), placed.c.bucket, func.count().label("count")
    ).group_by(placed.c.board, placed.c.bucket)


@cache
def _counts_of_rows(record: type[Record]) -> Any:
    return union_all(*(_counted(record, level) for level in range(ranks.levels(record))))


@cache
def _kept_counts(record: type[Record]) -> Any:
    name = schema.table(record).name
    # ";" is the character behind ":", so these are the table's own board and its boards within something.
    mine = or_(_R.board == name, and_(_R.board > f"{name}:", _R.board < f"{name};"))
    count = cast(func.sum(_R.count), BigInteger)
    return (
        select(_R.board, _R.level, _R.bucket, count.label("count")).where(mine).group_by(_R.board, _R.level, _R.bucket).having(count != 0)
    )


@cache
def _wrong_counts(record: type[Record]) -> Any:
    rows, kept = _counts_of_rows(record), _kept_counts(record)
    missing, surplus = except_(select(rows.subquery()), kept).subquery(), except_(kept, select(rows.subquery())).subquery()
    return union_all(select(missing), select(surplus)).limit(50)


class _Wrong(Struct, frozen=True):
    board: str
    level: int
    bucket: int
    count: int


@check("ranks")
async def counts_differ(read: Reader) -> list[Problem]:
    """Count the rows of every board and compare."""
    found = {
        (wrong.board, wrong.level, wrong.bucket)
        for _, record in sorted(RECORDS.items())
        if shape(record).spec.ranked is not None
        for wrong in await read.rows(_Wrong, _wrong_counts(record))
    }
    return [
        Problem("ranks", "the count is not that of the rows; `standings.rebuild` makes all counts anew", table="ranks", key=list(place))
        for place in sorted(found)
    ]


_CLOSE = text("LOCK TABLE ranks IN EXCLUSIVE MODE")
"""Whoever changes a count waits; on SQLite a transaction is alone anyway."""


async def rebuild(store: Store) -> None:
    """Make all counts anew from the rows, in one transaction; for a table that was not ranked before."""
    async with store.transaction() as transaction:
        if store.dialect == "postgresql":
            await transaction.fetch(_CLOSE, {})
        await transaction.fetch(delete(schema.ranks), {})
        for _, record in sorted(RECORDS.items()):
            if shape(record).spec.ranked is not None:
                rows = _counts_of_rows(record).subquery()
                made = select(rows.c.board, rows.c.level, rows.c.bucket, literal_column("0", BigInteger), rows.c.count)
                await transaction.fetch(
                    insert(schema.ranks).from_select(["board", "level", "bucket", "shard", "count"], made), {}, patient=True
                )

"""Standings: what the counts of ranked rows tell, whether they are right, and how they are made anew."""

from __future__ import annotations

from functools import cache
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    FromClause,
    Integer,
    SelectBase,
    Text,
    and_,
    bindparam,
    cast,
    column,
    delete,
    except_,
    func,
    insert,
    literal_column,
    or_,
    select,
    text,
    union_all,
    values,
)

from gamekeeper.kernel import ranks
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.records import RECORDS, Record, shape
from gamekeeper.kernel.store import schema
from gamekeeper.kernel.store.base import Store
from gamekeeper.kernel.verify import Problem, check

_R = schema.ranks.c
_BOARD = bindparam("board", type_=Text)


class Standing(Struct, frozen=True):
    """A score that rows of a board have, the rank that all of them share, and how many they are."""

    score: int
    rank: int
    count: int


def _number(value: int) -> ColumnElement[int]:
    """A constant that a plan for all parameters knows as well."""
    return literal_column(str(value), BigInteger)


_ZERO, _LAST = _number(0), _number(ranks.WIDTH - 1)


def _sum(counts: Any) -> ColumnElement[int]:
    """PostgreSQL's sum of such integers is a decimal number."""
    return cast(func.coalesce(func.sum(counts), _ZERO), BigInteger)


def once(selected: SelectBase, name: str) -> CTE:
    """Give a part of a statement that is reckoned once, however often its columns are named."""
    return selected.cte(name).prefix_with("MATERIALIZED")


def standing_of(record: type[Record], board: ColumnElement[str], scores: FromClause) -> CTE:
    """Give, for the one `score` of another part of a statement, how many rows are `above` it, and how many are `tied` at it.

    The bounds of the buckets are reckoned in the database, so the score may be one that the same statement has found.
    """
    score, heights = scores.c.score, range(ranks.levels(record))
    sizes = values(column("level", Integer), column("shift", Integer), name="sizes", literal_binds=True)
    size = sizes.data([(level, level * ranks.STEP_BITS) for level in heights]).cte("sizes")
    # A scalar subquery, lest PostgreSQL think of joining all counts.
    beside = _counted_in(board, size.c.level, _right_of(score.bitwise_rshift(size.c.shift)), scores, size)
    above = select(_sum(beside)).select_from(size).correlate(scores).scalar_subquery()
    tied = _counted_in(board, _ZERO, _R.bucket == score, scores)
    told = select(score, above.label("above"), func.coalesce(tied, _ZERO).label("tied"))
    return once(told.select_from(scores), "standing")


def _right_of(bucket: ColumnElement[int]) -> ColumnElement[bool]:
    """The buckets above one, within the next larger one."""
    return _R.bucket.between(bucket + _number(1), bucket.bitwise_or(_LAST))


def _counted_in(board: ColumnElement[str], level: ColumnElement[int], buckets: ColumnElement[bool], *outer: FromClause) -> Any:
    counted = select(cast(func.sum(_R.count), BigInteger)).where(_R.board == board, _R.level == level, buckets)
    return counted.correlate(*outer).scalar_subquery()


def standing_at(record: type[Record], board: ColumnElement[str], place: ColumnElement[int]) -> CTE:
    """Give the `score` at a place, counted from 1 with the best first, how many rows are `above` and how many `tied` at it.

    When so many do not stand there, the score is null. On each level the running sum of the counts tells which bucket to look into.
    """
    found = once(select(_ZERO.label("score"), _ZERO.label("above")), "whole")
    for level in reversed(range(ranks.levels(record))):
        within = and_(_R.board == board, _R.level == _number(level))
        first = found.c.score.bitwise_lshift(literal_column(str(ranks.STEP_BITS), Integer))
        # All shards of a bucket have the same sum, which is that to the bucket's end.
        through = cast(func.sum(_R.count).over(order_by=_R.bucket.desc()), BigInteger).label("through")
        running = select(_R.bucket, through).where(within, _R.bucket.between(first, first.bitwise_or(_LAST))).correlate(found).subquery()
        reached = select(func.max(running.c.bucket)).where(running.c.through >= place - found.c.above).correlate(found).scalar_subquery()
        inside = once(select(reached.label("score"), found.c.above), f"inside_{level}")
        passed = _counted_in(board, _number(level), _right_of(inside.c.score), inside)
        found = once(select(inside.c.score, (inside.c.above + func.coalesce(passed, _ZERO)).label("above")), f"found_{level}")
    tied = _counted_in(board, _ZERO, _R.bucket == found.c.score, found)
    return once(select(found.c.score, found.c.above, tied.label("tied")), "standing")


_SCORE = select(bindparam("score", type_=BigInteger).label("score")).cte("asked")


@cache
def _rank(record: type[Record]) -> Any:
    return select(standing_of(record, _BOARD, _SCORE).c.above + 1)


@cache
def _at(record: type[Record]) -> Any:
    found = standing_at(record, _BOARD, bindparam("place", type_=BigInteger)).c
    return select(found.score, found.above + 1, found.tied).where(found.score.is_not(None))


@cache
def _size(levels: int) -> Any:
    return select(_sum(_R.count)).where(_R.board == _BOARD, _R.level == _number(levels - 1))


async def rank(read: Reader, record: type[Record], score: int, *within: str) -> int:
    """Tell the rank of a score: one more than there are rows with a better one. Rows with one score share their rank."""
    return int(await read.scalar(_rank(record), board=ranks.board(record, within), score=score))


async def size(read: Reader, record: type[Record], *within: str) -> int:
    """Tell how many rows stand on a board."""
    return int(await read.scalar(_size(ranks.levels(record)), board=ranks.board(record, within)))


async def at(read: Reader, record: type[Record], place: int, *within: str) -> Standing | None:
    """Tell the score at a place, counted from 1 with the best first; None when so many do not stand there."""
    return await read.one(Standing, _at(record), board=ranks.board(record, within), place=place)


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
                made = select(rows.c.board, rows.c.level, rows.c.bucket, _ZERO, rows.c.count)
                # In the order of their keys, so that those which a rank is the sum of lie side by side.
                made = made.order_by(rows.c.board, rows.c.level, rows.c.bucket)
                await transaction.fetch(
                    insert(schema.ranks).from_select(["board", "level", "bucket", "shard", "count"], made), {}, patient=True
                )

"""Boards: lists of ranked rows with their ranks, each read by one statement that counts no rows.

A slice makes one `Board` for a ranked record beside its other statements, and its queries page over it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

from msgspec import defstruct
from msgspec.structs import astuple
from sqlalchemy import CTE, BigInteger, ColumnElement, Select, Text, bindparam, func, literal_column, select, true, tuple_, union_all

from gamekeeper.kernel import ranks, standings
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.records import Record, shape
from gamekeeper.kernel.store.schema import table

R = TypeVar("R")

After = tuple[int, str]
"""The score and the owner at which a page ended."""
TOP: Final[After] = (2**53 - 1, "z" * 64)
"""Sorts behind all scores and all ids."""
PAGE_SIZES: Final = (26, 51, 101, 201)
SIDE_SIZES: Final = (5, 10, 25, 50)
"""How many rows a statement reads at most; whoever wants fewer takes the next one."""

_BOARD = bindparam("board", type_=Text)
_SCORE = bindparam("score", type_=BigInteger)
_OWNER = bindparam("owner", type_=Text)


def _most(rows: int) -> ColumnElement[int]:
    """A limit that is no parameter: PostgreSQL keeps a plan only when it knows that few rows are wanted, whatever the parameters."""
    return literal_column(str(rows), BigInteger)


class Board(Generic[R]):
    """The boards of a ranked record.

    told: what statements say of an owner beside its row, each a function of the column with its id; the first one is null for an owner
    that is gone. columns: what is shown of the record. show: makes of a rank, the owner's id, what is told and the columns what is listed.
    """

    def __init__(
        self,
        record: type[Record],
        *,
        told: Sequence[Callable[[ColumnElement[str]], ColumnElement[Any]]],
        columns: Sequence[str],
        show: Callable[..., R],
    ) -> None:
        ranked, stored = shape(record).spec.ranked, table(record).c
        if ranked is None:
            raise TypeError(f"{record.__qualname__} is not ranked")
        self._record, self._told, self._show, self._within = record, tuple(told), show, ranked.within
        self._shown = [f"shown_{name}" for name in columns]
        self._row = _row_type(len(self._told) + len(columns))
        self._score, self._owner = stored[ranked.score], stored[shape(record).owner_field]
        self._place = tuple_(self._score, self._owner)
        shown = [stored[name].label(f"shown_{name}") for name in columns]
        on_board = [stored[name] == bindparam(name, type_=Text) for name in self._within]
        self._rows = select(self._owner.label("owner"), self._score.label("score"), *shown).where(*on_board)
        self._best_first = self._rows.order_by(self._score.desc(), self._owner.desc())
        self._worst_first = self._rows.order_by(self._score, self._owner)
        self._mine = self._listed(self._own().cte("mine"))
        self._pages = {rows: self._page(rows) for rows in PAGE_SIZES}
        self._pages_from = {rows: self._page_from(rows) for rows in PAGE_SIZES}
        self._sides = {rows: self._both_sides(rows) for rows in SIDE_SIZES}

    async def page(self, read: Reader, *within: str, limit: int, after: After | None = None) -> tuple[list[R], After | None]:
        """List a board, the best first; give also where the next page begins."""
        score, owner = after or TOP
        rows = await self._ask(read, _enough(self._pages, limit + 1), within, score=score, owner=owner)
        return _cut(rows, limit)

    async def page_from(self, read: Reader, *within: str, limit: int, rank: int) -> tuple[list[R], After | None]:
        """List a board from the rows on that stand at a place; where several share it, from the first of them on."""
        return _cut(await self._ask(read, _enough(self._pages_from, limit + 1), within, rank=rank), limit)

    async def place(self, read: Reader, *within: str, owner: str) -> R | None:
        """Tell where an owner stands; None when it does not, or is gone."""
        rows = await self._ask(read, self._mine, within, owner=owner)
        return rows[0][0] if rows else None

    async def around(self, read: Reader, *within: str, owner: str, each_side: int) -> list[R]:
        """List who stands around an owner, the best first; empty when it does not stand there."""
        rows = await self._ask(read, _enough(self._sides, each_side), within, owner=owner)
        here = next((place for place, (_, (_, whose)) in enumerate(rows) if whose == owner), 0)
        return [row for row, _ in rows[max(here - each_side, 0) : here + each_side + 1]]

    def _listed(self, page: CTE, standing: CTE | None = None) -> Select[Any]:
        """Rows with what is told of their owners and, with each, how many stand above the first one and how many have as much."""
        if standing is None:
            first = select(func.max(page.c.score).label("score")).cte("first")
            standing = standings.standing_of(self._record, _BOARD, first)
        told = [tell(page.c.owner) for tell in self._told]
        shown = [page.c[name] for name in self._shown]
        return (
            select(standing.c.above, standing.c.tied, page.c.score, page.c.owner, *told, *shown)
            .select_from(page.join(standing, true()))
            .order_by(page.c.score.desc(), page.c.owner.desc())
        )

    def _own(self) -> Select[Any]:
        return self._rows.where(self._owner == _OWNER, self._told[0](self._owner).is_not(None))

    def _page(self, rows: int) -> Select[Any]:
        return self._listed(standings.once(self._best_first.where(tuple_(_SCORE, _OWNER) > self._place).limit(_most(rows)), "page"))

    def _page_from(self, rows: int) -> Select[Any]:
        standing = standings.standing_at(self._record, _BOARD, bindparam("rank", type_=BigInteger))
        score = select(standing.c.score).scalar_subquery()
        return self._listed(standings.once(self._best_first.where(self._score <= score).limit(_most(rows)), "page"), standing)

    def _both_sides(self, each_side: int) -> Select[Any]:
        mine, limit = standings.once(self._own(), "me"), _most(each_side)
        here = tuple_(select(mine.c.score).scalar_subquery(), _OWNER)
        better = self._worst_first.where(here < self._place).limit(limit).subquery()
        worse = self._best_first.where(here > self._place).limit(limit).subquery()
        return self._listed(standings.once(union_all(select(better), select(mine), select(worse)), "page"))

    async def _ask(self, read: Reader, statement: Select[Any], within: Sequence[str], **parameters: Any) -> list[tuple[R, After]]:
        """Give rows their ranks: the counts tell those of the first two scores, and from there on every row is at hand."""
        texts = dict(zip(self._within, within, strict=True))
        rows = await read.rows(self._row, statement, board=ranks.board(self._record, within), **texts, **parameters)
        same = sum(row.score == rows[0].score for row in rows)
        listed: list[tuple[R, After]] = []
        rank = 0
        for place, row in enumerate(rows):
            if place == 0:
                rank = row.above + 1
            elif row.score != rows[place - 1].score:
                rank = row.above + row.tied + 1 + place - same
            listed.append((self._show(read, rank, *astuple(row)[3:]), (row.score, row.owner)))
        return listed


def _row_type(further: int) -> Any:
    """Give a struct for what a statement selects: counts, score, owner, and so many values of any type."""
    fields: list[tuple[str, Any]] = [("above", int), ("tied", int), ("score", int), ("owner", str)]
    return defstruct("BoardRow", [*fields, *((f"value_{number}", Any) for number in range(further))], frozen=True)


def _cut(rows: list[tuple[R, After]], limit: int) -> tuple[list[R], After | None]:
    return [row for row, _ in rows[:limit]], rows[limit - 1][1] if len(rows) > limit else None


def _enough(statements: Mapping[int, Select[Any]], rows: int) -> Select[Any]:
    return next(statement for most, statement in statements.items() if most >= rows)

"""Queries: typed reads, declared once. A slice's SQL stands in its queries.py as named SQLAlchemy Core constants."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, cast, overload

import msgspec
from msgspec import Meta, Struct

from gamekeeper.config import Settings
from gamekeeper.errors import InvalidArgument
from gamekeeper.kernel import gate
from gamekeeper.kernel.commands import Access, Operation, _register
from gamekeeper.kernel.keyring import KeyRing
from gamekeeper.kernel.records import Record

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
S = TypeVar("S", bound=Struct)
Row = TypeVar("Row", bound=Record)
D = TypeVar("D", bound=Struct)

PageLimit = Annotated[int, Meta(ge=1, le=200, description="how many at most")]
Cursor = Annotated[str, Meta(max_length=512, description="where the page before ended")]


class Page(Struct, Generic[T], frozen=True):
    """Some of a list, and where the next page begins (None at the end). No total: counting is not free."""

    items: list[T]
    next_cursor: str | None = None


class Root(Struct, frozen=True):
    """An owner's root row."""

    id: str
    kind: str
    version: int
    epoch: int
    lease_holder: str | None
    lease_expires_at: int | None
    journal_seq: int


class Loaded(Struct, frozen=True):
    """An owner read in one round trip: its root row and the rows of each type that was asked for."""

    root: Root
    tables: dict[type[Record], list[Any]]

    def rows(self, record: type[Row]) -> list[Row]:
        """The rows of one type, in the order of their keys."""
        return self.tables[record]

    def one(self, record: type[Row]) -> Row | None:
        """The only row of a type that has one per owner."""
        rows = self.tables[record]
        return rows[0] if rows else None


def parts(values: Sequence[str], size: int) -> list[Sequence[str]]:
    """Divide values among several statements, each of which asks for so many.

    >>> parts(["a", "b", "c"], 2)
    [['a', 'b'], ['c']]
    """
    return [values[place : place + size] for place in range(0, len(values), size)]


def filled(letter: str, values: Sequence[str], size: int) -> dict[str, str]:
    """Name the parameters of a statement that asks for so many values; what is left over is filled up with nothing.

    >>> filled("c", ["ada", "bob"], 3)
    {'c0': 'ada', 'c1': 'bob', 'c2': ''}
    """
    return {f"{letter}{place}": values[place] if place < len(values) else "" for place in range(size)}


class Reader(Protocol):
    """What a query's function reads with. Each call sees committed data, and this process's leased owners as in memory."""

    @property
    def actor(self) -> str:
        """Who asks, or does what is being prepared."""
        ...

    @property
    def again(self) -> bool:
        """Whether a command is prepared once more, or one like it lately had to be: a step may leave for then what is hardly ever there."""
        ...

    @property
    def keys(self) -> KeyRing:
        """The keep's keys, to look people's data up by their digests."""
        ...

    @property
    def settings(self) -> Settings:
        """What the operator has set, without the keys and the database's address."""
        ...

    async def root(self, owner: str) -> Root | None:
        """An owner's root row."""
        ...

    async def get(self, record: type[Row], *key: Any) -> Row | None:
        """One row by its whole key."""
        ...

    async def all(self, record: type[Row], owner: str) -> list[Row]:
        """All rows of a type that an owner has, in the order of their keys."""
        ...

    async def each(self, record: type[Row], owners: Sequence[str]) -> dict[str, list[Row]]:
        """All rows of a type that each of many owners has, in the order of their keys, in one round trip; an owner without any has none."""
        ...

    async def some(self, record: type[Row], keys: Sequence[tuple[Any, ...]]) -> list[Row]:
        """The rows with these whole keys, as far as they are there, in one round trip; of a type that is read by key."""
        ...

    async def load(self, owner: str, *records: type[Record]) -> Loaded | None:
        """A whole owner in one round trip; None when there is no such owner."""
        ...

    async def saved(self, owner: str) -> None:
        """Write what only memory holds of an owner that is leased here, so that a statement finds it."""
        ...

    async def rows(self, kind: type[S], statement: Any, **parameters: Any) -> list[S]:
        """The rows of a statement, each as `kind` (a struct, a record, by position)."""
        ...

    async def one(self, kind: type[S], statement: Any, **parameters: Any) -> S | None:
        """The first row of a statement."""
        ...

    async def scalar(self, statement: Any, **parameters: Any) -> Any:
        """The first column of the first row; None without a row."""
        ...

    def now_ms(self) -> int:
        """UTC epoch milliseconds, by the keep's clock."""
        ...

    def definitions(self, kind: type[D]) -> Mapping[str, D]:
        """The active content of one kind, by id."""
        ...


class Query(Operation[P, R]):
    """A declared query; calling it with arguments gives an `Ask` for `keep.ask`."""

    function: Callable[..., Awaitable[R]]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Ask[R]:
        """Check the arguments and give the question.

        Raises: INVALID_ARGUMENT.
        """
        if args:
            raise InvalidArgument(path="", problem=f"{self.name} takes keyword arguments only")
        return Ask(self, self.check(kwargs))

    @property
    def owner_names(self) -> tuple[str, ...]:
        """Arguments that name owners; the first one's version is the answer's ETag."""
        return tuple(parameter.name for parameter in self.parameters if parameter.owner is not None)

    def __repr__(self) -> str:
        return f"<query {self.name}>"


class Ask(Generic[R]):
    """A query with checked arguments, not yet asked."""

    __slots__ = ("arguments", "query")

    def __init__(self, query: Query[Any, R], arguments: Struct) -> None:
        self.query = query
        self.arguments = arguments

    async def run(self, read: Reader) -> R:
        """Ask it."""
        values = {name: getattr(self.arguments, name) for name in self.arguments.__struct_fields__}
        return await self.query.function(read, **values)


QUERIES: dict[str, Query[Any, Any]] = {}
"""Every declared query by `module.verb`."""


@overload
def query(function: Callable[Concatenate[Reader, P], Awaitable[R]], /) -> Query[P, R]: ...
@overload
def query(
    *, access: Access = "server", module: str | None = None
) -> Callable[[Callable[Concatenate[Reader, P], Awaitable[R]]], Query[P, R]]: ...
def query(function: Callable[..., Awaitable[Any]] | None = None, /, *, access: Access = "server", module: str | None = None) -> Any:
    """Declare a query: an async function of a `Reader` and keyword arguments."""

    def declare(function: Callable[..., Awaitable[Any]]) -> Query[Any, Any]:
        made: Query[Any, Any] = Query(function, access, module)
        _register(QUERIES, made)
        return made

    return declare if function is None else declare(function)


def write_cursor(values: Sequence[Any]) -> str:
    """The sort key of a page's last row, opaque to callers."""
    return base64.urlsafe_b64encode(msgspec.json.encode(list(values))).decode().rstrip("=")


def read_cursor(cursor: str | None, *types: type) -> tuple[Any, ...] | None:
    """The sort key again, checked against the types of its parts.

    Raises: INVALID_ARGUMENT.
    """
    if cursor is None:
        return None
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        # The gate bounds what a database would choke on: large integers, NUL, half a surrogate.
        return msgspec.convert(tuple(cast("list[Any]", gate.parse(raw))), tuple[types])  # type: ignore[valid-type]
    except (ValueError, TypeError, msgspec.MsgspecError, gate.InvalidJson):
        raise InvalidArgument(path="/cursor", problem="not a cursor that this server gave") from None

"""Reading: what a query's function gets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar, cast, get_type_hints

import msgspec
from msgspec import Struct

from gamekeeper.config import Settings
from gamekeeper.errors import StoreUnavailable
from gamekeeper.kernel.batch import Runner
from gamekeeper.kernel.clock import Clock
from gamekeeper.kernel.gathering import Gathering
from gamekeeper.kernel.keyring import KeyRing
from gamekeeper.kernel.queries import Loaded, Root
from gamekeeper.kernel.recall import Recall, own
from gamekeeper.kernel.records import SPECS, Record, shape
from gamekeeper.kernel.store.base import LoadRequest, LoadResult, RootRow, Store, TryAgain, Unreachable
from gamekeeper.kernel.workingset import OwnerState

S = TypeVar("S", bound=Struct)
Row = TypeVar("Row", bound=Record)
D = TypeVar("D", bound=Struct)


class StoreReader:
    """A `Reader` over the store; owners leased here are read from memory, which is ahead of the database."""

    def __init__(
        self,
        store: Store,
        runner: Runner,
        clock: Clock,
        settings: Settings,
        *,
        recall: Recall | None = None,
        gathering: Gathering | None = None,
        patient: bool = False,
        actor: str = "embedded",
        again: bool = False,
        save: Callable[[Sequence[str]], Awaitable[None]] | None = None,
    ) -> None:
        self._save = save
        self._recall = recall or Recall(runner, None)
        self._gathering = gathering or Gathering(self._load)
        self._patient = patient
        self.settings = settings
        """what the operator has set, without secrets"""
        self.actor = actor
        """who asks, or does what is being prepared"""
        self.again = again
        """whether a command is prepared once more, or one like it lately had to be"""
        self._clock = clock
        self._store = store
        self._runner = runner

    async def _load(self, request: LoadRequest) -> LoadResult:
        try:
            return await self._store.load(request)
        except (Unreachable, TryAgain) as error:
            raise StoreUnavailable(problem=str(error)) from error

    def _leased(self, owner: str, *records: type[Record]) -> dict[type[Record], list[Any]] | None:
        state = self._live(owner)
        if state is None or any(record not in state.tables for record in records):
            return None
        return {record: own(record, shape(record).in_order(state.tables[record].values())) for record in records}

    def _live(self, owner: str) -> OwnerState | None:
        """The owner in memory, while its lease is held here and not over by this process's own clock."""
        state = self._runner.cache.peek(owner)
        leases = self._runner.leases
        if state is None or not leases.live(owner, self._clock.monotonic()) or leases.held[owner].epoch != state.epoch:
            return None
        return state

    def patient(self) -> StoreReader:
        """The same, for statements that read whole tables and may take their time."""
        return self._with(patient=True, actor=self.actor)

    def acting(self, actor: str, *, again: bool = False) -> StoreReader:
        """The same, for somebody."""
        return self._with(patient=self._patient, actor=actor, again=again)

    def _with(self, **words: Any) -> StoreReader:
        return StoreReader(
            self._store, self._runner, self._clock, self.settings, recall=self._recall, gathering=self._gathering, save=self._save, **words
        )

    @property
    def keys(self) -> KeyRing:
        """The keep's keys."""
        return self._runner.keys

    async def root(self, owner: str) -> Root | None:
        """An owner's root row."""
        result = await self._load(LoadRequest(owners=[owner]))
        root = result.roots.get(owner)
        return None if root is None else _root(root)

    async def get(self, record: type[Row], *key: Any) -> Row | None:
        """One row by its whole key."""
        state = self._live(key[0])
        if state is not None and record in state.tables:
            row = state.tables[record].get(key)
            return None if row is None else cast("Row", own(record, [row])[0])
        rows = (await self._load(LoadRequest(keyed={record: [key]}))).keyed[record]
        tables: dict[type[Record], list[Any]] = {record: rows}
        self._lay_dirty(key[0], tables)
        return cast("Row | None", next((row for row in tables[record] if shape(record).key_of(row) == key), None))

    async def all(self, record: type[Row], owner: str) -> list[Row]:
        """All rows of a type that an owner has, in the order of their keys."""
        memory = self._leased(owner, record)
        if memory is not None:
            return memory[record]
        tables = (await self._load(LoadRequest(tables={record: [owner]}))).tables
        self._lay_dirty(owner, tables)
        return shape(record).in_order(tables[record])

    async def each(self, record: type[Row], owners: Sequence[str]) -> dict[str, list[Row]]:
        """All rows of a type that each of many owners has, in the order of their keys, in one round trip; an owner without any has none."""
        asked = list(dict.fromkeys(owners))
        rows = await self._gathering.rows(record, asked) if asked else {}
        found: dict[str, list[Row]] = {owner: shape(record).in_order(rows.get(owner, ())) for owner in asked}
        for owner in asked:
            memory = self._leased(owner, record)
            if memory is not None:
                found[owner] = memory[record]
        return found

    async def some(self, record: type[Row], keys: Sequence[tuple[Any, ...]]) -> list[Row]:
        """The rows with these whole keys, as far as they are there, in one round trip; of a type that is read by key."""
        if SPECS[record].loads != "key":
            raise TypeError(f"{record.__qualname__} is read by owner")
        wanted = dict.fromkeys(keys)
        if not wanted:
            return []
        tables: dict[type[Record], list[Any]] = {record: (await self._load(LoadRequest(keyed={record: list(wanted)}))).keyed[record]}
        for owner in dict.fromkeys(key[0] for key in wanted):
            self._lay_dirty(owner, tables)
        key_of = shape(record).key_of
        return [row for row in tables[record] if key_of(row) in wanted]

    async def load(self, owner: str, *records: type[Record]) -> Loaded | None:
        """A whole owner in one round trip; from memory when it is leased here. What memory or Redis still holds is not read again."""
        memory = self._leased(owner, *records)
        state = self._runner.cache.peek(owner)
        if memory is not None and state is not None:
            return Loaded(Root(owner, state.kind, state.version, state.epoch, self._runner.leases.holder, None, state.seq), memory)
        root, found = await self._recall.load(owner, records, self._load)
        if root is None:
            return None
        tables = {record: shape(record).in_order(rows) for record, rows in found.items()}
        self._lay_dirty(owner, tables)
        return Loaded(_root(root), tables)

    def _lay_dirty(self, owner: str, tables: dict[type[Record], list[Any]]) -> None:
        state = self._live(owner)
        if state is None or not state.dirty:
            return
        for record, rows in tables.items():
            key_of = shape(record).key_of
            by_key = {key_of(row): row for row in rows}
            by_key.update({key: row for (kind, key), row in state.dirty.items() if kind is record})
            tables[record] = own(record, [by_key[key] for key in sorted(by_key) if by_key[key] is not None])

    async def saved(self, owner: str) -> None:
        """Write what only memory holds of an owner that is leased here, so that a statement finds it.

        Raises: STORE_UNAVAILABLE.
        """
        if self._save is not None:
            await self._save([owner])

    async def rows(self, kind: type[S], statement: Any, **parameters: Any) -> list[S]:
        """The rows of a statement, each as `kind`, by position."""
        make = shape(kind).from_row if issubclass(kind, Record) and kind in SPECS else _maker(kind)
        return [make(row) for row in await self._fetch(statement, parameters)]

    async def one(self, kind: type[S], statement: Any, **parameters: Any) -> S | None:
        """The first row of a statement."""
        rows = await self.rows(kind, statement, **parameters)
        return rows[0] if rows else None

    async def scalar(self, statement: Any, **parameters: Any) -> Any:
        """The first column of the first row; None without a row."""
        rows = await self._fetch(statement, parameters)
        return rows[0][0] if rows else None

    async def _fetch(self, statement: Any, parameters: dict[str, Any]) -> Sequence[Any]:
        try:
            return await self._store.fetch(statement, parameters, patient=self._patient)
        except (Unreachable, TryAgain) as error:
            raise StoreUnavailable(problem=str(error)) from error

    def now_ms(self) -> int:
        """UTC epoch milliseconds, by the keep's clock."""
        return self._clock.now_ms()

    def definitions(self, kind: type[D]) -> Mapping[str, D]:
        """The active content of one kind, by id."""
        return cast("Mapping[str, D]", self._runner.definitions.get(kind, {}))


def _root(row: RootRow) -> Root:
    return Root(
        row.id, row.kind, row.version, row.epoch, row.holder if row.leased else None, row.expires_at if row.leased else None, row.seq
    )


_AS_STORED = (str, int, str | None, int | None)
"""Types of which what a column holds is the value."""


@cache
def _maker(kind: type[Struct]) -> Any:
    names = kind.__struct_fields__
    if all(hint in _AS_STORED for hint in get_type_hints(kind).values()):
        return lambda row: kind(*row)
    # SQLite answers booleans as integers; a lenient conversion would also read the text "null" as nothing.
    flags = [name for name, hint in get_type_hints(kind).items() if hint in (bool, bool | None)]

    def make(row: Sequence[Any]) -> Any:
        values = dict(zip(names, row, strict=True))
        for name in flags:
            values[name] = None if values[name] is None else bool(values[name])
        return msgspec.convert(values, kind)

    return make

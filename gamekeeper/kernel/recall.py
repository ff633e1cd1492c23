"""Recalling: rows of an owner that memory or Redis still holds, and never without the root row as it is now.

Memory first, then Redis, then the database. The root row is always read, in the one round trip that also brings the tables which
neither holds; rows that are of another state of the owner than it tells are thrown away and read. So nothing has to be
invalidated: what another process has committed is seen at once, and a Redis that is absent, flushed, stale or lying changes no
result.

Rows of the checkpoint class are saved without a trace in the root row, and ledgers only grow: both always come from the database.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final, Protocol

from msgspec import Struct, structs

from gamekeeper.kernel.batch import Runner
from gamekeeper.kernel.journal import GENESIS
from gamekeeper.kernel.records import SPECS, Record, shape
from gamekeeper.kernel.store.base import LoadRequest, LoadResult, RootRow
from gamekeeper.kernel.workingset import OwnerState

SHARED_KIND: Final = "character"
"""What Redis holds is of owners of this kind."""
Tables = dict[type[Record], list[Any]]


class State(Struct, frozen=True):
    """Which state of an owner rows are of."""

    version: int
    epoch: int
    head: bytes


Held = dict[type[Record], tuple[State, list[Any]]]


class LevelStats(Struct):
    """What became of the tables that were looked for in one place."""

    hits: int = 0
    misses: int = 0
    refused: int = 0
    """those that were there, and of another state of the owner, or beside such ones, or not authentic: the database was read"""


class SharedRows(Protocol):
    """Where processes leave tables for one another."""

    async def read(self, owner: str, records: Sequence[type[Record]]) -> tuple[Held, int]:
        """Give the tables that are there and authentic, each with the state that it is of, and how many were not authentic."""
        ...

    async def write(self, owner: str, state: State, tables: Mapping[type[Record], Sequence[Any]]) -> None:
        """Keep tables for a while."""
        ...

    async def close(self) -> None:
        """Let go of the connections."""
        ...


def steady(record: type[Record]) -> bool:
    """Tell whether rows of a type change with their owner's version, and with nothing else."""
    spec = SPECS[record]
    return spec.durability == "commit" and spec.loads == "owner" and not spec.append_only


def shareable(record: type[Record]) -> bool:
    """Tell whether rows of a type may leave the process: only a character's, and none that have something personal or secret."""
    made = shape(record)
    return made.owner_kind in (SHARED_KIND, "") and not made.personal and not made.secret


@cache
def _json_fields(record: type[Record]) -> tuple[str, ...]:
    return tuple(field.name for field in shape(record).fields if field.kind == "json")


def own(record: type[Record], rows: Sequence[Any]) -> list[Any]:
    """Give rows whose values nobody else holds: whoever changes a JSON value in an answer changes nothing that is kept."""
    names = _json_fields(record)
    if not names:
        return list(rows)
    return [structs.replace(row, **{name: _copied(getattr(row, name)) for name in names}) for row in rows]


def alone(value: Any) -> Any:
    """Give an answer in which no row holds a value that memory goes on with."""
    if isinstance(value, Record):
        return own(type(value), [value])[0]
    if isinstance(value, Struct):
        return structs.replace(value, **{name: alone(getattr(value, name)) for name in value.__struct_fields__})
    return [alone(one) for one in value] if isinstance(value, list) else value


def _copied(value: Any) -> Any:
    # JSON has no other containers, and copying only these is ten times as quick as `copy.deepcopy`.
    if isinstance(value, dict):
        return {name: _copied(one) for name, one in value.items()}
    return [_copied(one) for one in value] if isinstance(value, list) else value


class Recall:
    """Loads owners that are not leased here."""

    def __init__(self, runner: Runner, shared: SharedRows | None) -> None:
        self._runner = runner
        self._shared = shared
        self.stats: dict[str, LevelStats] = {"memory": LevelStats()}
        """by level, as far as there are levels"""
        if shared is not None:
            self.stats["redis"] = LevelStats()

    async def load(
        self, owner: str, records: Sequence[type[Record]], load: Callable[[LoadRequest], Awaitable[LoadResult]]
    ) -> tuple[RootRow | None, Tables]:
        """Give an owner's root row and its tables, all of one moment; no root where there is no such owner."""
        in_memory, shared = await self._held(owner, [record for record in records if steady(record)])
        held = in_memory | shared
        result = await load(LoadRequest(owners=[owner], tables={record: [owner] for record in records if record not in held}))
        root = result.roots.get(owner)
        stale = root is not None and any(state != _state(root) for state, _ in held.values())
        self._count("memory", len(in_memory), stale=stale)
        self._count("redis", len(shared), stale=stale)
        if stale:
            # Not only what was stale: all of it has to be of one moment.
            held = {}
            result = await load(LoadRequest(owners=[owner], tables={record: [owner] for record in records}))
            root = result.roots.get(owner)
        if root is None:
            return None, {}
        await self._keep(root, {record: rows for record, rows in result.tables.items() if steady(record)}, held)
        return root, {record: held[record][1] if record in held else result.tables[record] for record in records}

    async def _held(self, owner: str, records: Sequence[type[Record]]) -> tuple[Held, Held]:
        """Give what memory holds, and what of the rest Redis does; count what neither has."""
        held: Held = {}
        state = self._runner.cache.peek(owner)
        if state is not None and owner not in self._runner.leases.held:
            of = State(state.version, state.epoch, state.head)
            held = {record: (of, own(record, list(state.tables[record].values()))) for record in records if record in state.tables}
        self.stats["memory"].misses += len(records) - len(held)
        # What memory knows for another owner than a character was never left there.
        if self._shared is None or (state is not None and state.kind != SHARED_KIND):
            return held, {}
        wanted = [record for record in records if record not in held and shareable(record)]
        shared, forged = await self._shared.read(owner, wanted)
        self.stats["redis"].refused += forged
        self.stats["redis"].misses += len(wanted) - len(shared) - forged
        return held, shared

    def _count(self, level: str, tables: int, *, stale: bool) -> None:
        if tables and stale:
            self.stats[level].refused += tables
        elif tables:
            self.stats[level].hits += tables

    async def _keep(self, root: RootRow, tables: Tables, held: Held) -> None:
        """Keep in memory what was read, and what Redis gave; and in Redis what was read."""
        self._keep_in_memory(root, tables | {record: rows for record, (_, rows) in held.items()})
        # Before its first journal entry an owner has no history by which two databases could be told apart.
        if self._shared is not None and root.kind == SHARED_KIND and root.head != GENESIS:
            await self._shared.write(root.id, _state(root), {record: rows for record, rows in tables.items() if shareable(record)})

    def _keep_in_memory(self, root: RootRow, tables: Tables) -> None:
        runner, state = self._runner, self._runner.cache.peek(root.id)
        # What a batch or a lease holds on to is theirs to renew.
        if root.id in runner.leases.held or root.id in runner.cache.busy:
            return
        if state is None or State(state.version, state.epoch, state.head) != _state(root):
            if state is not None and (state.version > root.version or state.dirty or state.images):
                return
            holder = root.holder if root.leased else None
            state = OwnerState(root.id, root.kind, root.version, root.epoch, holder, root.head, root.seq, root.data_key)
        for record, rows in tables.items():
            if record not in state.tables:
                state.tables[record] = {shape(record).key_of(row): row for row in own(record, rows)}
        runner.cache.put(state, runner.leases.held.keys())


def _state(root: RootRow) -> State:
    return State(root.version, root.epoch, root.head)

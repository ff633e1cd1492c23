"""Loading: what a batch needs and the cache does not hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gamekeeper.kernel.cache import OwnerCache
from gamekeeper.kernel.records import SPECS, Record, shape
from gamekeeper.kernel.store.base import LoadRequest
from gamekeeper.kernel.workingset import OwnerState


class Seen:
    """What an attempt has learnt of owners: which do not exist, and which roots it has just read."""

    def __init__(self) -> None:
        self.absent: set[str] = set()
        self.fresh: set[str] = set()


class Wants:
    """Gathers what must be loaded."""

    def __init__(self, cache: OwnerCache, ahead: Mapping[str, OwnerState], holder: str, seen: Seen) -> None:
        self._cache = cache
        self._ahead = ahead
        self._holder = holder
        self._seen = seen
        # Dictionaries and no sets: callers mostly name things in their order, in which they are then sorted at once.
        self._owners: dict[str, None] = {}
        self._unknown: dict[tuple[type[Record], ...], dict[str, None]] = {}
        """owners of which nothing is at hand, by what is wanted of them: many at once mostly the same"""
        self._tables: dict[type[Record], dict[str, None]] = {}
        self._keyed: dict[type[Record], dict[tuple[Any, ...], None]] = {}

    def owner(self, owner: str, records: tuple[type[Record], ...]) -> None:
        """An owner and its rows of some types."""
        if owner in self._seen.absent:
            return
        state = self._ahead.get(owner) or self._cache.peek(owner)
        if state is None:
            self._unknown.setdefault(records, {})[owner] = None
            return
        # The end of another process's lease changes nothing that a cached row would show, and its memory is ahead of ours.
        foreign = state.holder not in (None, self._holder) and owner not in self._seen.fresh
        if foreign:
            self._owners[owner] = None
        elif all(map(state.tables.__contains__, records)):
            return
        for record in records:
            if (record not in state.tables or (foreign and SPECS[record].durability == "checkpoint")) and fits(record, state.kind):
                self._tables.setdefault(record, {})[owner] = None

    def keys(self, wanted: Iterable[tuple[type[Record], tuple[Any, ...]]]) -> None:
        """Rows by their keys; those of one owner mostly stand together."""
        owner, keyed = "", None
        for record, key in wanted:
            if key[0] != owner:
                owner = key[0]
                state = self._ahead.get(owner) or self._cache.peek(owner)
                keyed = None if state is None else state.keyed
            rows = None if keyed is None else keyed.get(record)
            if (rows is None or key not in rows) and owner not in self._seen.absent:
                self._keyed.setdefault(record, {})[key] = None

    def request(self) -> LoadRequest | None:
        """All of it; root rows are read beside whatever is read of an owner, so that both are of one moment."""
        owners = dict(self._owners)
        for records, unknown in self._unknown.items():
            owners.update(unknown)
            for record in records:
                self._tables.setdefault(record, {}).update(unknown)
        for ids in self._tables.values():
            owners.update(ids)
        for keys in self._keyed.values():
            owners.update((key[0], None) for key in keys)
        if not owners:
            return None
        return LoadRequest(
            owners=sorted(owners),
            tables={record: sorted(ids) for record, ids in sorted(self._tables.items(), key=_by_table)},
            keyed={record: sorted(keys) for record, keys in sorted(self._keyed.items(), key=_by_table)},
        )


def fits(record: type[Record], kind: str) -> bool:
    """Whether an owner of a kind can have records of a type."""
    wanted = shape(record).owner_kind
    return wanted in ("", kind)


def _by_table(item: tuple[type[Record], Any]) -> str:
    return SPECS[item[0]].table

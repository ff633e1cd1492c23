"""The working set: what a batch has loaded, and the changes of its commands over it.

Cached rows are never changed in place: the first write to a table of an owner copies that table's dictionary, so a
batch that fails leaves nothing behind and a reader beside it never sees what is not committed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from gamekeeper.config import Settings
from gamekeeper.errors import AlreadyExists
from gamekeeper.kernel.ids import derived_id, new_id
from gamekeeper.kernel.keyring import KeyRing
from gamekeeper.kernel.records import KEYED, SPECS, Record, shape

R = TypeVar("R", bound=Record)
D = TypeVar("D", bound=Struct)

Row = dict[tuple[Any, ...], Any]
Where = tuple[type[Record], tuple[Any, ...]]
"""record type and key"""
Change = tuple[type[Record], tuple[Any, ...], Any, Any]
"""record type, key, before, after; None where there is no row."""


class OwnerState:
    """An owner as the cache holds it: its root row, and the tables that were loaded at this version."""

    __slots__ = (
        "data_key",
        "degraded",
        "dirty",
        "dirty_since",
        "epoch",
        "head",
        "holder",
        "id",
        "images",
        "keyed",
        "kind",
        "seq",
        "tables",
        "version",
    )

    def __init__(
        self, id: str, kind: str, version: int, epoch: int, holder: str | None, head: bytes, seq: int, data_key: bytes | None
    ) -> None:
        self.id = id
        self.kind = kind
        self.version = version
        self.epoch = epoch
        self.holder = holder
        self.head = head
        self.seq = seq
        self.data_key = data_key
        self.tables: dict[type[Record], Row] = {}
        self.keyed: dict[type[Record], Row] = {}
        # Checkpoint state: what memory holds that the database does not, and the images from before the lease.
        self.dirty: dict[Where, Any] = {}
        self.dirty_since: float = 0.0
        self.images: dict[Where, Any] = {}
        self.degraded = False

    def size(self) -> int:
        """Rows held: what the cache counts."""
        return 1 + sum(map(len, self.tables.values())) + sum(map(len, self.keyed.values()))


class Draft:
    """An owner within a batch: its state, and the tables that the batch has changed."""

    __slots__ = ("added", "changed", "created", "erased", "head", "held", "keyed", "seq", "state", "tables")

    def __init__(self, state: OwnerState, *, created: bool = False, held: bool = False) -> None:
        self.state = state
        self.created = created
        self.held = held
        """whether the batch has run under a lease of this process"""
        self.changed = False
        self.erased = False
        self.tables: dict[type[Record], Row] = {}
        self.keyed: dict[type[Record], Row] = {}
        self.added: set[Where] = set()
        """rows that the batch adds without having looked for them"""
        self.head = state.head
        self.seq = state.seq

    def by_key(self, record: type[Record]) -> Row:
        """What is known of the rows of a type that is read by key."""
        rows = self.keyed.get(record)
        return self.state.keyed.get(record, {}) if rows is None else rows

    def writable(self, record: type[Record]) -> Row:
        """The batch's own copy of a table, or of the rows read by key."""
        mine, base = (self.keyed, self.state.keyed) if record in KEYED else (self.tables, self.state.tables)
        rows = mine.get(record)
        if rows is None:
            rows = mine[record] = dict(base.get(record, {}))
        return rows


class CommandLog:
    """What one command did, so that it can be journaled or taken back."""

    __slots__ = ("added", "appended", "changes", "claims", "created", "erased", "released")

    def __init__(self) -> None:
        self.changes: dict[Where, list[Any]] = {}
        self.added: set[Where] = set()
        self.appended: list[Record] = []
        self.created: list[str] = []
        self.claims: list[tuple[str, str, str]] = []
        self.released: list[tuple[str, str]] = []
        self.erased: list[str] = []


class OwnerView(Struct, frozen=True):
    """What a command may know of an owner's root row."""

    id: str
    kind: str
    version: int


class Context:
    """What a command's function may use: the working set, time, ids, randomness, the actor, the reason and the settings."""

    __slots__ = (
        "_allowed",
        "_checkpoint",
        "_declared",
        "_definitions",
        "_drafts",
        "_log",
        "_owners",
        "_random",
        "_seen",
        "_wanted",
        "actor",
        "command_id",
        "found",
        "keys",
        "now",
        "reason",
        "settings",
    )

    def __init__(
        self,
        drafts: dict[str, Draft],
        owners: set[str],
        allowed: frozenset[type[Record]],
        *,
        now: int,
        command_id: str,
        actor: str,
        reason: str | None,
        found: Any,
        definitions: Mapping[type, Mapping[str, Any]],
        keys: KeyRing,
        settings: Settings,
        wanted: Callable[[], Iterable[Where]] = tuple,
        checkpoint: bool = False,
    ) -> None:
        self.now = now
        self.command_id = command_id
        self.actor = actor
        self.reason = reason
        self.found = found
        self.keys = keys
        self.settings = settings
        self._drafts = drafts
        self._owners = owners
        self._allowed = allowed
        self._log = CommandLog()
        self._random: random.Random | None = None
        self._seen: dict[str, dict[type[Record], Row]] = {}
        """rows that may be read of the owners that the command has looked at: what it may was asked then"""
        self._definitions = definitions
        self._wanted = wanted
        """gives the rows read by key that the command has declared; few ask"""
        self._declared: frozenset[Where] | None = None
        self._checkpoint = checkpoint

    @property
    def random(self) -> random.Random:
        """Randomness seeded with the command's id, which the journal records."""
        if self._random is None:
            self._random = random.Random(self.command_id)  # noqa: S311 - game dice; secrets come from the engine
        return self._random

    def new_id(self) -> str:
        """A new identifier."""
        return new_id()

    def definitions(self, kind: type[D]) -> Mapping[str, D]:
        """The active content of one kind, by id and in the order of the ids."""
        return self._definitions.get(kind, {})

    def owner(self, id: str) -> OwnerView:
        """The root row of a named owner."""
        state = self._draft(id).state
        return OwnerView(state.id, state.kind, state.version)

    def can_read(self, record: type[Record], *key: Any) -> bool:
        """Whether the command has declared a record type, and of one that is read by key also this row, when its key is given."""
        if record not in self._allowed or not key or record not in KEYED:
            return record in self._allowed
        draft = self._draft(key[0])
        return draft.created or (self._declares(record, key) and self._is_known(draft, draft.by_key(record), record, key))

    def get(self, record: type[R], *key: Any) -> R | None:
        """The row with this key, or None."""
        seen = self._seen.get(key[0])
        rows = None if seen is None else seen.get(record)
        if rows is None:
            rows = self._unseen_rows(record, key[0], key)
        found: R | None = rows.get(key)
        if found is None and key not in rows and record in KEYED:
            self._must_be_known(record, self._drafts[key[0]], rows, key)
        return found

    def find(self, record: type[R], *key: Any) -> R | None:
        """The row of a type that is read by key, or None; None too where the command has not declared that it reads it."""
        declared = self._declared
        if declared is None:
            declared = self._declared = frozenset(self._wanted())
        if (record, key) in declared:
            # Most that is asked for was declared, and nobody has added rows of its owner blindly.
            seen = self._seen.get(key[0])
            rows = None if seen is None else seen.get(record)
            if rows is not None and key in rows:
                found: R | None = rows[key]
                return found
            if not self._draft(key[0]).added:
                return self.get(record, *key)
        return self.get(record, *key) if self.can_read(record, *key) else None

    def rows(self, record: type[R], owner: str) -> Iterable[R]:
        """All rows of a type that an owner has, in no order that a rule may rely on."""
        # A copy, so that a command may write while it goes over them.
        return list(self._rows(record, owner, None).values())

    def put(self, row: Record) -> None:
        """Write a row, new or changed."""
        record = type(row)
        self._write(record, shape(record).key_of(row), row)

    def add(self, row: Record) -> None:
        """Write a row that is not there yet, such as one under a new id; of a type that is read by key, nobody looks for it before.

        Raises: ALREADY_EXISTS; when only the write shows it, this command alone is undone and answered with it.
        """
        self._must_commit()
        record = type(row)
        key = shape(record).key_of(row)
        draft = self._draft(key[0])
        rows = draft.by_key(record) if record in KEYED else self._rows(record, key[0], key)
        if rows.get(key) is not None:
            raise AlreadyExists(id=str(key[-1]))
        if record in KEYED and not draft.created and key not in rows:
            self._log.added.add((record, key))
            draft.added.add((record, key))
        self._write(record, key, row)

    def change(self, row: R, **fields: Any) -> R:
        """Write a row with some fields changed; gives the new row."""
        new = replace(row, **fields)
        record = type(new)
        self._write(record, shape(record).key_of(new), new)
        return new

    def delete(self, row: Record) -> None:
        """Remove a row."""
        self._write(type(row), shape(type(row)).key_of(row), None)

    def append(self, row: Record) -> None:
        """Add a row to an append-only table."""
        self._must_commit()
        record = type(row)
        if not SPECS[record].append_only or record not in self._allowed:
            raise TypeError(f"{record.__qualname__} is not an append-only record that the command touches")
        self._draft(shape(record).key_of(row)[0])
        self._log.appended.append(row)

    def create_owner(self, kind: str, id: str | None = None) -> str:
        """Make a new owner; its rows can be written from now on.

        Raises: ALREADY_EXISTS.
        """
        self._must_commit()
        # The id follows from the command's, so that a command run again after a broken connection makes no second owner.
        made = id or derived_id(self.command_id, len(self._log.created))
        if made in self._drafts:
            raise AlreadyExists(id=made)
        state = OwnerState(made, kind, 0, 0, None, b"", 0, None)
        for record in self._allowed:
            (state.keyed if record in KEYED else state.tables)[record] = {}
        self._drafts[made] = Draft(state, created=True)
        self._owners.add(made)
        self._log.created.append(made)
        return made

    def claim(self, kind: str, key: str, owner: str) -> None:
        """Take a name that must be unique over all owners; a lost race answers NAME_TAKEN for this command alone."""
        self._must_commit()
        self._draft(owner)
        self._log.claims.append((kind, key, owner))

    def release(self, kind: str, key: str) -> None:
        """Give a claimed name back."""
        self._must_commit()
        self._log.released.append((kind, key))

    def erase_person(self, owner: str) -> None:
        """Destroy the owner's data key: what the journal holds sealed with it can never be read again."""
        self._must_commit()
        self._draft(owner)
        self._log.erased.append(owner)

    def _must_commit(self) -> None:
        if self._checkpoint:
            raise TypeError("a checkpoint command writes rows of checkpoint records and nothing else, for it may be lost with the process")

    def _draft(self, owner: str) -> Draft:
        if owner not in self._owners:
            raise TypeError(f"the command does not name owner {owner!r}")
        return self._drafts[owner]

    def _rows(self, record: type[Record], owner: str, key: tuple[Any, ...] | None) -> Row:
        seen = self._seen.get(owner)
        rows = None if seen is None or record in KEYED else seen.get(record)
        return self._unseen_rows(record, owner, key) if rows is None else rows

    def _unseen_rows(self, record: type[Record], owner: str, key: tuple[Any, ...] | None) -> Row:
        """Rows of an owner that the command looks at for the first time, or such as it must name one by one."""
        if record not in self._allowed:
            raise TypeError(f"the command does not touch {record.__qualname__}")
        if owner not in self._owners:
            raise TypeError(f"the command does not name owner {owner!r}")
        seen, draft = self._seen.get(owner), self._drafts[owner]
        if seen is None:
            seen = self._seen[owner] = self._at_hand(draft)
        rows = seen.get(record)
        return self._unusual_rows(record, draft, key) if rows is None else rows

    def _at_hand(self, draft: Draft) -> dict[type[Record], Row]:
        """What may be read of an owner at once, as the batch has it by now."""
        state = draft.state
        found = {**state.tables, **draft.tables}
        if not draft.added:
            found.update(state.keyed)
            found.update(draft.keyed)
        # What is loaded is mostly what this command has asked for.
        return found if found.keys() <= self._allowed else {record: rows for record, rows in found.items() if record in self._allowed}

    def _unusual_rows(self, record: type[Record], draft: Draft, key: tuple[Any, ...] | None) -> Row:
        """Rows of a type that is read by key, or of an owner that the command has just made."""
        if record in KEYED:
            rows = draft.by_key(record)
            self._must_be_known(record, draft, rows, key)
            return rows
        if draft.created and not SPECS[record].append_only:
            made = draft.tables.get(record)
            return draft.state.tables.setdefault(record, {}) if made is None else made
        raise TypeError(f"{record.__qualname__} is append-only, or was not loaded")

    def _must_be_known(self, record: type[Record], draft: Draft, rows: Row, key: tuple[Any, ...] | None) -> None:
        if key is None or not (draft.created or self._is_known(draft, rows, record, key)):
            raise TypeError(f"{record.__qualname__} is read by key, and {key!r} was not declared")

    def _declares(self, record: type[Record], key: tuple[Any, ...]) -> bool:
        """Whether the command has said that it reads a row: what memory happens to hold besides must not change what it does."""
        if self._declared is None:
            self._declared = frozenset(self._wanted())
        return (record, key) in self._declared or (record, key) in self._log.changes

    def _is_known(self, draft: Draft, rows: Row, record: type[Record], key: tuple[Any, ...]) -> bool:
        # Of a row that another command of the batch has added it shows with the write whether it was there before.
        return (record, key) in self._log.added if (record, key) in draft.added else key in rows

    def _write(self, record: type[Record], key: tuple[Any, ...], after: Any) -> None:
        owner = key[0]
        seen = self._seen.get(owner)
        rows = None if seen is None else seen.get(record)
        if rows is None:
            rows = self._unseen_rows(record, owner, key)
            seen = self._seen.get(owner)
        before = rows.get(key)
        if before is None and key not in rows and record in KEYED:
            self._must_be_known(record, self._drafts[owner], rows, key)
        if self._checkpoint and SPECS[record].durability != "checkpoint":
            raise TypeError(f"{record.__qualname__} is not of the checkpoint class")
        if before is None and after is None:
            return
        draft = self._drafts[owner]
        mine = (draft.keyed if record in KEYED else draft.tables).get(record)
        if mine is None:
            mine = draft.writable(record)
        if mine is not rows and seen is not None and record in seen:
            # From now on it is the batch's own copy that is read.
            seen[record] = mine
        where, changes = (record, key), self._log.changes
        known = changes.get(where)
        if known is None:
            changes[where] = [before, after]
        else:
            known[1] = after
        if after is not None:
            mine[key] = after
        else:
            self._set(mine, record, key, after)

    def _set(self, rows: Row, record: type[Record], key: tuple[Any, ...], row: Any) -> None:
        if row is not None or (record in KEYED and (record, key) not in self._log.added):
            rows[key] = row
        else:
            # Nobody has looked for an added row, so that without it nothing is known of its key.
            rows.pop(key, None)

    def undo(self) -> None:
        """Take back everything that the command did."""
        for (record, key), (before, _) in self._log.changes.items():
            self._set(self._drafts[key[0]].writable(record), record, key, before)
        for id in self._log.created:
            del self._drafts[id]

    @property
    def log(self) -> CommandLog:
        """What the command did so far."""
        return self._log

"""Verification: recompute every chain, replay every image, and name the first row that is not as it was written.

For each owner: its entries are gapless from 1, each hash follows from the one before, the root row's head is that of the
last entry, and the rows of every table are exactly those that the entries' images leave. Modules add checks of their own.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from typing import Any, Protocol

import msgspec
from cryptography.exceptions import InvalidTag
from msgspec import Struct
from sqlalchemy import BigInteger, Text, bindparam, select, tuple_

from gamekeeper.kernel.batch import Runner
from gamekeeper.kernel.journal import Sealer, digest_of, image_of_row, read_changes
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.reading import StoreReader
from gamekeeper.kernel.records import RECORDS, Record, shape
from gamekeeper.kernel.store import schema
from gamekeeper.kernel.store.base import Store

OWNERS_AT_ONCE = 200
ENTRIES_AT_ONCE = 2_000
CONFIRMATIONS = 5
"""How often an owner that changes meanwhile is looked at again before its fault counts."""

_J = schema.journal.c
_O = schema.owners.c


class Problem(Struct, frozen=True):
    """Something that is not as it was written."""

    check: str
    message: str
    owner: str | None = None
    seq: int | None = None
    table: str | None = None
    key: list[Any] | None = None


class Report(Struct):
    """What a verification looked at and found."""

    owners: int = 0
    entries: int = 0
    rows: int = 0
    seconds: float = 0.0
    problems: list[Problem] = []

    @property
    def ok(self) -> bool:
        """Whether everything is as it was written."""
        return not self.problems


Check = Callable[[Reader], Awaitable[list[Problem]]]
CHECKS: dict[str, Check] = {}
"""Checks that modules add, by name."""
Progress = Callable[[str, int], None]


def check(name: str) -> Callable[[Check], Check]:
    """Declare a check that `verify` runs; one SQL statement each, so that it sees one moment."""

    def declare(function: Check) -> Check:
        CHECKS[name] = function
        return function

    return declare


OWNERS_PAGE = (
    select(_O.id, _O.version, _O.head_hash, _O.journal_seq, _O.data_key)
    .where(_O.id > bindparam("after", type_=Text))
    .order_by(_O.id)
    .limit(bindparam("limit", type_=BigInteger))
)
OWNER = select(_O.id, _O.version, _O.head_hash, _O.journal_seq, _O.data_key).where(_O.id == bindparam("owner", type_=Text))
ENTRIES = (
    select(*schema.journal.columns)
    .where(
        # Compared as a row: written out with OR, PostgreSQL would sort all that is left for every page.
        tuple_(_J.owner_id, _J.seq) > tuple_(bindparam("owner", type_=Text), bindparam("seq", type_=BigInteger)),
        _J.owner_id <= bindparam("last", type_=Text),
    )
    .order_by(_J.owner_id, _J.seq)
    .limit(bindparam("limit", type_=BigInteger))
)
UNCLAIMED = (
    select(schema.claims.c.kind, schema.claims.c.key, schema.claims.c.owner_id)
    .where(~select(_O.id).where(_O.id == schema.claims.c.owner_id).exists())
    .limit(50)
)
NOBODYS_ENTRIES = (
    select(_J.owner_id, _J.seq).where(~select(_O.id).where(_O.id == _J.owner_id).exists()).order_by(_J.owner_id, _J.seq).limit(50)
)


class _Owner:
    """One owner's chain and rows while they are read."""

    def __init__(self, root: Sequence[Any], sealer: Sealer) -> None:
        self.id: str = root[0]
        self.version: int = root[1]
        self.head = bytes(root[2])
        self.journal_seq: int = root[3]
        self.data_key = None if root[4] is None else bytes(root[4])
        self.sealer = sealer
        self.seq = 0
        self.last = b""
        self.images: dict[tuple[str, tuple[Any, ...]], dict[str, Any] | None] = {}
        self.problems: list[Problem] = []
        self.broken = False

    def entry(self, row: Sequence[Any]) -> None:
        """Follow the chain by one entry; after the first break nothing later can be judged."""
        if self.broken:
            return
        values, digest = [bytes(one) if isinstance(one, memoryview) else one for one in row[:-1]], bytes(row[-1])
        if row[1] > self.seq + 1:
            self._break(self.seq + 1, "the entry is missing")
        elif row[1] <= self.seq:
            self._break(row[1], "the entry stands there twice")
        elif self.sealer.link(self.last, values) != digest:
            self._break(row[1], "the entry does not match its hash")
        else:
            self.seq, self.last = row[1], digest
            self._read(row[1], row[12])

    def _read(self, seq: int, changes: str) -> None:
        try:
            for one in read_changes(changes):
                self.images[one.table, tuple(one.key)] = one.after
        except (msgspec.MsgspecError, TypeError):
            # Without a secret key anyone can give nonsense a right hash.
            self._break(seq, "the entry's changes cannot be read")

    def _break(self, seq: int, message: str) -> None:
        self.broken = True
        self.problems.append(Problem("chain", message, owner=self.id, seq=seq, table="journal"))

    def end(self, rows: dict[str, dict[tuple[Any, ...], dict[str, Any]]]) -> None:
        """Compare the end of the chain with the root row, and the images with the tables."""
        if self.broken:
            return
        if self.seq != self.journal_seq:
            missing = self.seq + 1
            self.problems.append(
                Problem("head", f"the root row counts {self.journal_seq} entries", owner=self.id, seq=missing, table="owners")
            )
        elif self.seq and self.head != self.sealer.head(self.id, self.seq, self.last):
            self.problems.append(
                Problem("head", "the root row's head is not that of the last entry", owner=self.id, seq=self.seq, table="owners")
            )
        else:
            self._compare(rows)

    def _compare(self, rows: dict[str, dict[tuple[Any, ...], dict[str, Any]]]) -> None:
        left = {(name, key) for name, table in rows.items() for key in table}
        for (name, key), image in self.images.items():
            left.discard((name, key))
            record = RECORDS.get(name)
            if record is None or shape(record).spec.durability == "checkpoint":
                continue
            self._row(record, key, image, rows.get(name, {}).get(key))
        for name, key in sorted(left, key=str):
            if shape(RECORDS[name]).spec.durability != "checkpoint":
                self._row(RECORDS[name], key, None, rows[name][key])

    def _row(self, record: type[Record], key: tuple[Any, ...], image: dict[str, Any] | None, row: dict[str, Any] | None) -> None:
        fault = self._fault(record, image, row)
        if fault:
            self.problems.append(Problem("rows", fault, owner=self.id, table=shape(record).spec.table, key=list(key)))

    def _fault(self, record: type[Record], image: dict[str, Any] | None, row: dict[str, Any] | None) -> str | None:
        if image is None:
            return None if row is None else "the row is in no entry of the journal"
        if row is None:
            return "the row is gone, and no entry of the journal removed it"
        if shape(record).spec.append_only:
            same = image == digest_of(record(**row))
            return None if same else "the row is not the one that the journal's digest is of"
        wrong = [name for name, value in image.items() if name in row and not self._same(record, name, value, row[name])]
        return f"the columns {', '.join(wrong)} are not as the journal says" if wrong else None

    def _same(self, record: type[Record], name: str, image: Any, value: Any) -> bool:
        if name in shape(record).secret:
            return bool(image == (None if value is None else self.sealer.secret_digest(value)))
        if name in shape(record).personal:
            if self.data_key is None:
                return True
            try:
                image = self.sealer.unseal(self.data_key, image)
            except (InvalidTag, ValueError):
                return False
        # Python takes 1, 1.0 and true for equal; JSON does not.
        return bool(image == value) and (not isinstance(value, dict | list) or _sorted_json(image) == _sorted_json(value))


_sorted_json = msgspec.json.Encoder(order="sorted").encode


class Verifier:
    """Reads a store from one end to the other."""

    def __init__(self, store: Store, sealer: Sealer, progress: Progress | None = None) -> None:
        self._store = store
        self._sealer = sealer
        self._progress = progress
        self.report = Report(problems=[])
        self._tables = {name: _rows_statement(record) for name, record in sorted(RECORDS.items())}
        self._nobodys_rows = {name: _nobodys_rows_statement(record) for name, record in sorted(RECORDS.items())}

    async def run(self, reader: Reader) -> Report:
        """Verify everything."""
        began = time.monotonic()
        await self._owners()
        await self._strays()
        for name, function in sorted(CHECKS.items()):
            self._say(name, 0)
            self.report.problems += await function(reader)
        self.report.seconds = round(time.monotonic() - began, 3)
        return self.report

    async def _owners(self) -> None:
        after = ""
        while roots := await self._store.fetch(OWNERS_PAGE, {"after": after, "limit": OWNERS_AT_ONCE}):
            suspects = [owner for owner in await self._range(roots) if owner.problems]
            for owner in suspects:
                self.report.problems += await self._confirmed(owner)
            after = roots[-1][0]
            self.report.owners += len(roots)
            self._say("owners", self.report.owners)

    async def _range(self, roots: Sequence[Sequence[Any]]) -> list[_Owner]:
        """Verify a run of owners with a few statements."""
        first, last = roots[0][0], roots[-1][0]
        owners = {root[0]: _Owner(root, self._sealer) for root in roots}
        rows = await self._rows(first, last)
        at, seq = first, 0
        while entries := await self._store.fetch(ENTRIES, {"owner": at, "seq": seq, "last": last, "limit": ENTRIES_AT_ONCE}):
            for entry in entries:
                owner = owners.get(entry[0])
                if owner is not None:
                    owner.entry(entry)
            self.report.entries += len(entries)
            at, seq = entries[-1][0], entries[-1][1]
        for id, owner in owners.items():
            owner.end(rows.get(id, {}))
        return list(owners.values())

    async def _rows(self, first: str, last: str) -> dict[str, dict[str, dict[tuple[Any, ...], dict[str, Any]]]]:
        """Every record of these owners: by owner, table and key."""
        found: dict[str, dict[str, dict[tuple[Any, ...], dict[str, Any]]]] = {}
        for name, statement in self._tables.items():
            record = RECORDS[name]
            count = len(shape(record).key_names)
            places = [shape(record).names.index(key) for key in shape(record).key_names]
            for row in await self._store.fetch(statement, {"first": first, "last": last}):
                key = tuple(row[place] for place in places)
                found.setdefault(key[0], {}).setdefault(name, {})[key[:count]] = image_of_row(record, row)
                self.report.rows += 1
        return found

    async def _confirmed(self, owner: _Owner) -> list[Problem]:
        """Look again at an owner that seemed wrong: on a live database it may have changed between two statements."""
        problems = owner.problems
        for _ in range(CONFIRMATIONS):
            before = await self._store.fetch(OWNER, {"owner": owner.id})
            if not before:
                return problems
            problems = (await self._range(before))[0].problems
            after = await self._store.fetch(OWNER, {"owner": owner.id})
            if not problems or (after and after[0][1] == before[0][1]):
                break
        return problems

    async def _strays(self) -> None:
        """Entries, rows and claims of owners that do not exist."""
        for owner, seq in await self._store.fetch(NOBODYS_ENTRIES, {}, patient=True):
            self.report.problems.append(Problem("chain", "the entry's owner has no root row", owner=owner, seq=seq, table="journal"))
        for name, statement in self._nobodys_rows.items():
            for key in await self._store.fetch(statement, {}, patient=True):
                self.report.problems.append(Problem("rows", "the row's owner has no root row", owner=key[0], table=name, key=list(key)))
        for kind, key, owner in await self._store.fetch(UNCLAIMED, {}, patient=True):
            self.report.problems.append(
                Problem("claims", "the claim's owner has no root row", owner=owner, table="claims", key=[kind, key])
            )

    def _say(self, what: str, count: int) -> None:
        if self._progress is not None:
            self._progress(what, count)


@cache
def _rows_statement(record: type[Record]) -> Any:
    table, made = schema.table(record), shape(record)
    owner = table.c[made.owner_field]
    return select(*table.columns).where(owner >= bindparam("first", type_=Text), owner <= bindparam("last", type_=Text))


@cache
def _nobodys_rows_statement(record: type[Record]) -> Any:
    table, made = schema.table(record), shape(record)
    keys = [table.c[name] for name in made.key_names]
    return select(*keys).where(~select(_O.id).where(_O.id == table.c[made.owner_field]).exists()).order_by(*keys).limit(50)


class Verifiable(Protocol):
    """An open keep, as far as verifying needs it."""

    store: Store
    runner: Runner
    reader: StoreReader


async def verify(keep: Verifiable, *, progress: Progress | None = None) -> Report:
    """Verify a keep's whole database.

    Raises: STORE_UNAVAILABLE.
    """
    return await Verifier(keep.store, keep.runner.sealer, progress).run(keep.reader.patient())

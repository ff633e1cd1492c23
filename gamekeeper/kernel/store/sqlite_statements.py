"""What SQLite does on one connection: read what a batch needs, judge its guards, write all of it, keep leases."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from itertools import chain
from typing import Any

import apsw
from msgspec import json
from msgspec.structs import astuple

from gamekeeper.kernel.rates import Bucket, Taken, begin, longest_wait_us
from gamekeeper.kernel.records import Record, Shape, shape
from gamekeeper.kernel.store import schema
from gamekeeper.kernel.store.base import CONTENT_OWNER, Applied, LeaseRow, LoadRequest, LoadResult, RootRow, WriteSet

ROOT = "id, kind, version, epoch, lease_holder, lease_expires_at, head_hash, journal_seq, data_key"
FEW = 16
"""Up to so many owners are looked up one by one; json_each pays for more."""
_SELECT_ROOT = f"SELECT {ROOT} FROM owners WHERE id = ?"
_SELECT_ROOTS = f"SELECT {ROOT} FROM owners WHERE id IN (SELECT value FROM json_each(?))"
AT_ONCE = (128, 32, 8, 1)
"""Rows of one statement: with each one that is run Python's lock is given away, and must be waited for again while a batch runs."""
_JOURNAL_ROW = f"({', '.join('?' * len(schema.JOURNAL_COLUMNS))})"


def now_ms() -> int:
    """The database's clock: SQLite has none of its own but this machine's."""
    return time.time_ns() // 1_000_000


def _root_row(row: Sequence[Any], now: int) -> RootRow:
    leased = row[5] is not None and row[5] > now
    return RootRow(row[0], row[1], row[2], row[3], row[4], row[5], leased, row[6], row[7], row[8])


def is_one_statement(request: LoadRequest) -> bool:
    """Whether a load is done with a single statement: that of one type's rows, of one owner or of many."""
    if request.owners or request.keyed or request.answers or request.claims or len(request.tables) != 1:
        return False
    return all(len(ids) == 1 or len(ids) > FEW for ids in request.tables.values())


def load(connection: apsw.Connection, request: LoadRequest) -> LoadResult:
    result = LoadResult()
    now = now_ms()
    execute = connection.execute
    for row in _root_rows(connection, request.owners):
        result.roots[row[0]] = _root_row(row, now)
    for record, ids in request.tables.items():
        result.tables[record] = list(map(shape(record).from_row, _rows_of(connection, record, ids)))
    for record, keys in request.keyed.items():
        result.keyed[record] = list(map(shape(record).from_row, _rows_by_key(connection, record, keys)))
    for actor, key in request.answers:
        for row in execute("SELECT request_hash, response FROM idempotency WHERE actor = ? AND key = ?", (actor, key)):
            result.answers[actor, key] = (row[0], row[1])
    for kind, key in request.claims:
        for row in execute("SELECT owner_id FROM claims WHERE kind = ? AND key = ?", (kind, key)):
            result.claims[kind, key] = row[0]
    return result


def _root_rows(connection: apsw.Connection, owners: Sequence[str]) -> Iterable[Sequence[Any]]:
    if len(owners) > FEW:
        return connection.execute(_SELECT_ROOTS, (json.encode(owners).decode(),))
    return (row for owner in owners for row in connection.execute(_SELECT_ROOT, (owner,)))


def _rows_of(connection: apsw.Connection, record: type[Record], owners: Sequence[str]) -> Iterable[Sequence[Any]]:
    if len(owners) > FEW:
        return connection.execute(_by_owners(record), (json.encode(owners).decode(),))
    text = _by_owner(record)
    return (row for owner in owners for row in connection.execute(text, (owner,)))


def _rows_by_key(connection: apsw.Connection, record: type[Record], keys: Sequence[tuple[Any, ...]]) -> Iterable[Sequence[Any]]:
    if len(keys) > FEW:
        return chain.from_iterable([connection.execute(_by_keys(record, count), values) for count, values in _portions(keys)])
    return connection.executemany(_by_key(record), keys)


def verdict(connection: apsw.Connection, writes: WriteSet) -> Applied:
    execute = connection.execute
    now = now_ms()
    good = True
    found = {row[0]: row for row in _root_rows(connection, [guard.owner for guard in writes.guards])}
    for guard in writes.guards:
        row = found.get(guard.owner)
        if row is None or guard.version not in (-1, row[2]) or row[3] != guard.epoch or (guard.hold and not (row[5] or 0) > now):
            good = False
    content = execute("SELECT version FROM owners WHERE id = ?", (CONTENT_OWNER,)).fetchone()
    roots = [] if good else [_root_row(row, now) for row in found.values()]
    return Applied(good, roots, content[0] if content else 0)


def write_all(connection: apsw.Connection, writes: WriteSet) -> None:
    many = connection.executemany
    for record, keys in writes.deletes.items():
        many(_delete(record), keys)
    for record, rows in writes.upserts.items():
        _put(connection, partial(_upsert, record), [*map(shape(record).row_of, rows)])
    for record, rows in writes.inserts.items():
        _put(connection, partial(_insert, record), [*map(shape(record).row_of, rows)])
    if writes.new_roots:
        many(
            f"INSERT INTO owners ({ROOT}) VALUES (?, ?, ?, 0, NULL, NULL, ?, ?, ?)",
            writes.new_roots,
        )
    if writes.roots:
        many("UPDATE owners SET version = ?2, head_hash = ?3, journal_seq = ?4 WHERE id = ?1", writes.roots)
    if writes.erased_roots:
        many("UPDATE owners SET version = ?2, head_hash = ?3, journal_seq = ?4, data_key = NULL WHERE id = ?1", writes.erased_roots)
    if writes.journal:
        _put(connection, _insert_journal, [*map(astuple, writes.journal)])
    if writes.answers:
        many("INSERT INTO idempotency VALUES (?, ?, ?, ?, ?)", map(astuple, writes.answers))
    if writes.releases:
        many("DELETE FROM claims WHERE kind = ? AND key = ?", writes.releases)
    if writes.claims:
        many("INSERT INTO claims VALUES (?, ?, ?, ?)", writes.claims)
    if writes.ranks:
        many("INSERT INTO ranks VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count", writes.ranks)
    if writes.rank_sweeps:
        many("DELETE FROM ranks WHERE board = ? AND level = ? AND bucket = ? AND shard = ? AND count = 0", writes.rank_sweeps)


def _put(connection: apsw.Connection, text: Callable[[int], str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Write rows, many with one statement as far as there are many; `text` gives the statement for a number of rows."""
    for count, values in _portions(rows):
        connection.execute(text(count), values)


def _portions(rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Divide rows among as few statements as there may be: how many rows each has, and all of their values."""
    first = 0
    for count in AT_ONCE:
        while len(rows) - first >= count:
            yield count, tuple(chain.from_iterable(rows[first : first + count]))
            first += count


@cache
def _insert_journal(count: int) -> str:
    return f"INSERT INTO journal VALUES {', '.join([_JOURNAL_ROW] * count)}"


_TEXTS: dict[tuple[str, type[Record]], str] = {}


def _text(name: str, record: type[Record], make: Callable[[Shape], str]) -> str:
    known = _TEXTS.get((name, record))
    if known is None:
        known = _TEXTS[name, record] = make(shape(record))
    return known


def _columns(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def _equal(names: Iterable[str]) -> str:
    return " AND ".join(f'"{name}" = ?' for name in names)


def _by_owner(record: type[Record]) -> str:
    return _text("by_owner", record, lambda s: f'SELECT {_columns(s.names)} FROM "{s.spec.table}" WHERE "{s.owner_field}" = ?')


def _by_owners(record: type[Record]) -> str:
    return _text(
        "by_owners",
        record,
        lambda s: f'SELECT {_columns(s.names)} FROM "{s.spec.table}" WHERE "{s.owner_field}" IN (SELECT value FROM json_each(?))',
    )


def _by_key(record: type[Record]) -> str:
    return _text("by_key", record, lambda s: f'SELECT {_columns(s.names)} FROM "{s.spec.table}" WHERE {_equal(s.key_names)}')


def _by_keys(record: type[Record], count: int) -> str:
    def make(s: Shape) -> str:
        values = ", ".join([f"({_marks(len(s.key_names))})"] * count)
        same = " AND ".join(f'found."{name}" = wanted.column{place}' for place, name in enumerate(s.key_names, 1))
        columns = ", ".join(f'found."{name}"' for name in s.names)
        # A cross join has SQLite look up each wanted key, and not each row among these; json_each would pay more to take keys apart.
        return f'SELECT {columns} FROM (VALUES {values}) AS wanted CROSS JOIN "{s.spec.table}" AS found ON {same}'

    return _text(f"by_keys {count}", record, make)


def _delete(record: type[Record]) -> str:
    return _text("delete", record, lambda s: f'DELETE FROM "{s.spec.table}" WHERE {_equal(s.key_names)}')


def _insert(record: type[Record], count: int) -> str:
    def make(s: Shape) -> str:
        return f'INSERT INTO "{s.spec.table}" ({_columns(s.names)}) VALUES {", ".join([f"({_marks(len(s.names))})"] * count)}'

    return _text(f"insert {count}", record, make)


def _upsert(record: type[Record], count: int) -> str:
    def make(s: Shape) -> str:
        rest = [name for name in s.names if name not in s.key_names]
        changes = ", ".join(f'"{name}" = excluded."{name}"' for name in rest)
        change = f"UPDATE SET {changes}" if rest else "NOTHING"
        return f"{_insert(record, count)} ON CONFLICT ({_columns(s.key_names)}) DO {change}"

    return _text(f"upsert {count}", record, make)


def _lease_row(row: Sequence[Any], now: int) -> LeaseRow:
    return LeaseRow(row[0], row[1], row[2], row[3], now)


def acquire(connection: apsw.Connection, owners: Sequence[str], holder: str, milliseconds: int) -> list[LeaseRow]:
    now = now_ms()
    text = (
        "UPDATE owners SET epoch = epoch + 1, lease_holder = ?2, lease_expires_at = ?3 WHERE id = ?1 "
        "AND (lease_holder IS NULL OR lease_holder = ?2 OR lease_expires_at <= ?4) RETURNING id, epoch, version, lease_expires_at"
    )
    rows = [row for id in sorted(owners) for row in connection.execute(text, (id, holder, now + milliseconds, now))]
    return [_lease_row(row, now) for row in rows]


def renew(connection: apsw.Connection, held: Sequence[tuple[str, int]], holder: str, milliseconds: int) -> list[LeaseRow]:
    now = now_ms()
    text = (
        "UPDATE owners SET lease_expires_at = ?4 WHERE id = ?1 AND epoch = ?2 AND lease_holder = ?3 AND lease_expires_at > ?5 "
        "RETURNING id, epoch, version, lease_expires_at"
    )
    rows = [row for id, epoch in sorted(held) for row in connection.execute(text, (id, epoch, holder, now + milliseconds, now))]
    return [_lease_row(row, now) for row in rows]


def release(connection: apsw.Connection, held: Sequence[tuple[str, int]], holder: str, successor: str | None, milliseconds: int) -> None:
    text = (
        "UPDATE owners SET lease_holder = ?4, lease_expires_at = ?5, epoch = epoch + ?6 WHERE id = ?1 AND epoch = ?2 AND lease_holder = ?3"
    )
    ends = None if successor is None else now_ms() + milliseconds
    for id, epoch in sorted(held):
        connection.execute(text, (id, epoch, holder, successor, ends, 0 if successor is None else 1))


def take_tokens(connection: apsw.Connection, buckets: Sequence[Bucket], now: int) -> Taken:
    full_at = buckets_full_at(connection, [one.key for one in buckets])
    if longest_wait_us(full_at, buckets, now):
        return Taken(False, full_at)
    full_at = {one.key: begin(full_at.get(one.key, 0), one, now) + one.token_us for one in buckets}
    connection.executemany(
        "INSERT INTO rate_limits (key, full_at_us) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET full_at_us = excluded.full_at_us",
        full_at.items(),
    )
    return Taken(True, full_at)


def buckets_full_at(connection: apsw.Connection, keys: Sequence[bytes]) -> dict[bytes, int]:
    return dict(row for key in keys for row in connection.execute("SELECT key, full_at_us FROM rate_limits WHERE key = ?", (key,)))


def forget_full_buckets(connection: apsw.Connection, now: int, most: int) -> int:
    text = "DELETE FROM rate_limits WHERE key IN (SELECT key FROM rate_limits WHERE full_at_us <= ? LIMIT ?)"
    connection.execute(text, (now, most))
    return connection.changes()


def forget_answers(connection: apsw.Connection, keys: Sequence[tuple[str, str]], before: int, whole: bool) -> int:
    verb = "DELETE FROM idempotency" if whole else "UPDATE idempotency SET response = NULL"
    text = f"{verb} WHERE actor = ? AND key = ? AND at < ?"
    already = connection.total_changes()
    connection.executemany(text, [(actor, key, before) for actor, key in keys])
    return connection.total_changes() - already

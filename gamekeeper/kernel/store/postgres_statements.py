"""The two statements that carry the weight on PostgreSQL: one reads what a batch needs, one writes all of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from gamekeeper.kernel.records import Record, Shape, shape
from gamekeeper.kernel.store import schema
from gamekeeper.kernel.store.base import CONTENT_OWNER, LoadRequest, LoadResult, RootRow, WriteSet

CLOCK = "(extract(epoch from clock_timestamp()) * 1000)::bigint"
ROOT_JSON = (
    "json_build_array(o.id, o.kind, o.version, o.epoch, o.lease_holder, o.lease_expires_at, "
    f"coalesce(o.lease_expires_at > {CLOCK}, false), encode(o.head_hash, 'hex'), o.journal_seq, encode(o.data_key, 'hex'))"
)
_SQL_TYPES = {"text": "text", "integer": "bigint", "float": "double precision", "boolean": "boolean", "json": "text", "bytes": "bytea"}
decode = msgspec.json.Decoder().decode
_ENCODE = msgspec.json.Encoder().encode


def _hex(value: str | None) -> bytes | None:
    return None if value is None else bytes.fromhex(value)


def root_of(row: Sequence[Any]) -> RootRow:
    return RootRow(row[0], row[1], row[2], row[3], row[4], row[5], row[6], bytes.fromhex(row[7]), row[8], _hex(row[9]))


def _names(names: Iterable[str], prefix: str = "") -> str:
    return ", ".join(f'{prefix}"{name}"' for name in names)


def _types(made: Shape, names: Iterable[str]) -> list[str]:
    kinds = {field.name: _SQL_TYPES[field.kind] for field in made.fields}
    return [kinds[name] for name in names]


def load_key(request: LoadRequest) -> Any:
    """What tells one shape of load from another."""
    return ("load", alone(request) is not None, tuple(request.tables), tuple(request.keyed), bool(request.answers), bool(request.claims))


def alone(request: LoadRequest) -> str | None:
    """The only owner that a request is about; its id then need not come back in every row."""
    if len(request.owners) != 1 or request.keyed:
        return None
    return request.owners[0] if all(ids == request.owners for ids in request.tables.values()) else None


def load_text(request: LoadRequest) -> str:
    """The statement of a load: one row, with a JSON array per part."""
    if alone(request) is not None:
        count = 1
        parts = [f"(SELECT json_agg({ROOT_JSON}) FROM owners o WHERE o.id = $1::text)"]
        for record in request.tables:
            made = shape(record)
            parts.append(
                f"(SELECT json_agg(json_build_array({_names(made.names[1:], 't.')})) "
                f'FROM "{made.spec.table}" t WHERE t."{made.owner_field}" = $1::text)'
            )
    else:
        count = 1 + len(request.tables)
        parts = [f"(SELECT json_agg({ROOT_JSON}) FROM owners o WHERE o.id = ANY($1::text[]))"]
        for number, record in enumerate(request.tables, 2):
            made = shape(record)
            parts.append(
                f"(SELECT json_agg(json_build_array({_names(made.names, 't.')})) "
                f'FROM "{made.spec.table}" t WHERE t."{made.owner_field}" = ANY(${number}::text[]))'
            )
    for record in request.keyed:
        made = shape(record)
        arrays = []
        for kind in _types(made, made.key_names):
            count += 1
            arrays.append(f"${count}::{kind}[]")
        match = " AND ".join(f't."{name}" = k.k{i}' for i, name in enumerate(made.key_names))
        parts.append(
            f'(SELECT json_agg(json_build_array({_names(made.names, "t.")})) FROM "{made.spec.table}" t '
            f"JOIN unnest({', '.join(arrays)}) k({', '.join(f'k{i}' for i in range(len(arrays)))}) ON {match})"
        )
    if request.answers:
        parts.append(
            "(SELECT json_agg(json_build_array(i.actor, i.key, encode(i.request_hash, 'hex'), i.response)) FROM idempotency i "
            f"JOIN unnest(${count + 1}::text[], ${count + 2}::text[]) k(actor, key) ON i.actor = k.actor AND i.key = k.key)"
        )
        count += 2
    if request.claims:
        parts.append(
            "(SELECT json_agg(json_build_array(c.kind, c.key, c.owner_id)) FROM claims c "
            f"JOIN unnest(${count + 1}::text[], ${count + 2}::text[]) k(kind, key) ON c.kind = k.kind AND c.key = k.key)"
        )
    return "SELECT " + ", ".join(parts)


def load_arguments(request: LoadRequest) -> list[Any]:
    """The parameters of a load."""
    only = alone(request)
    arguments: list[Any] = [request.owners, *request.tables.values()] if only is None else [only]
    for record, keys in request.keyed.items():
        arguments += [list(column) for column in zip(*keys, strict=True)] if keys else [[] for _ in shape(record).key_names]
    for pairs in (request.answers, request.claims):
        if pairs:
            arguments += [[pair[0] for pair in pairs], [pair[1] for pair in pairs]]
    return arguments


def load_result(request: LoadRequest, row: Sequence[Any]) -> LoadResult:
    """What a load's one row says."""
    values = iter(row)
    only = alone(request)
    result = LoadResult()
    for one in _decoded(next(values)):
        root = root_of(one)
        result.roots[root.id] = root
    for record in request.tables:
        rows = _decoded(next(values))
        if only is not None:
            for one in rows:
                one.insert(0, only)
        result.tables[record] = list(map(shape(record).from_row, rows))
    for record in request.keyed:
        result.keyed[record] = list(map(shape(record).from_row, _decoded(next(values))))
    if request.answers:
        result.answers = {(a, k): (bytes.fromhex(digest), response) for a, k, digest, response in _decoded(next(values))}
    if request.claims:
        result.claims = {(kind, key): owner for kind, key, owner in _decoded(next(values))}
    return result


def _decoded(text: str | None) -> list[Any]:
    return [] if text is None else decode(text)


_BIG: dict[str, list[tuple[str, str]]] = {
    "journal": [(name, "bytea" if name == "hash" else "bigint" if name in ("seq", "at") else "text") for name in schema.JOURNAL_COLUMNS],
    "answers": [("actor", "text"), ("key", "text"), ("request_hash", "bytea"), ("response", "text"), ("at", "bigint")],
}
"""Kernel tables that take many rows per batch, with the types of their columns."""
_SMALL: dict[str, list[tuple[str, str]]] = {
    "new_roots": [("id", "text"), ("kind", "text"), ("version", "bigint"), ("head", "bytea"), ("seq", "bigint"), ("data_key", "bytea")],
    "roots": [("id", "text"), ("version", "bigint"), ("head", "bytea"), ("seq", "bigint")],
    "erased_roots": [("id", "text"), ("version", "bigint"), ("head", "bytea"), ("seq", "bigint")],
    "releases": [("kind", "text"), ("key", "text")],
    "claims": [("kind", "text"), ("key", "text"), ("owner_id", "text"), ("at", "bigint")],
}


class Part(Struct, frozen=True):
    """A part of a write: what it does, to which record's table, and its parameters.

    Many wide rows go as one JSON text, which msgspec writes far quicker than asyncpg writes arrays; few narrow ones as arrays.
    """

    verb: str
    record: type[Record] | None
    columns: list[tuple[str, str]]
    as_json: bool
    arguments: list[Any]

    def source(self, first: int) -> str:
        """The FROM item `u` over its parameters, which are numbered from `first`."""
        if self.as_json:
            columns = ", ".join(f'"{name}" {"text" if kind == "bytea" else kind}' for name, kind in self.columns)
            return f"json_to_recordset(${first}::json) u({columns})"
        arrays = ", ".join(f"${first + i}::{kind}[]" for i, (_, kind) in enumerate(self.columns))
        return f"unnest({arrays}) u({_names(name for name, _ in self.columns)})"

    def values(self) -> str:
        """Its columns, as they are stored."""
        if not self.as_json:
            return _names((name for name, _ in self.columns), "u.")
        return ", ".join(f"decode(u.\"{name}\", 'base64')" if kind == "bytea" else f'u."{name}"' for name, kind in self.columns)


def parts_of(writes: WriteSet) -> list[Part]:
    """The non-empty parts of a write set, in the order in which they are written."""
    parts: list[Part] = []
    for record, keys in writes.deletes.items():
        parts.append(_arrays("delete", record, _columns(shape(record), shape(record).key_names), keys))
    for verb, table in (("upsert", writes.upserts), ("append", writes.appends)):
        for record, rows in table.items():
            made = shape(record)
            parts.append(_json(verb, record, _columns(made, made.names), list(map(made.wire_of, rows))))
    parts += [_json(verb, None, _BIG[verb], rows) for verb, rows in (("journal", writes.journal), ("answers", writes.answers)) if rows]
    small: list[tuple[str, Sequence[Sequence[Any]]]] = [
        ("new_roots", writes.new_roots),
        ("roots", writes.roots),
        ("erased_roots", writes.erased_roots),
        ("releases", writes.releases),
        ("claims", writes.claims),
    ]
    parts += [_arrays(verb, None, _SMALL[verb], rows) for verb, rows in small if rows]
    return parts


def _columns(made: Shape, names: Iterable[str]) -> list[tuple[str, str]]:
    kinds = {field.name: _SQL_TYPES[field.kind] for field in made.fields}
    return [(name, kinds[name]) for name in names]


def _arrays(verb: str, record: type[Record] | None, columns: list[tuple[str, str]], rows: Sequence[Sequence[Any]]) -> Part:
    return Part(verb, record, columns, False, [list(column) for column in zip(*rows, strict=True)])


def _json(verb: str, record: type[Record] | None, columns: list[tuple[str, str]], rows: Sequence[Any]) -> Part:
    return Part(verb, record, columns, True, [_ENCODE(rows).decode()])


def apply_text(parts: list[Part]) -> str:
    """The statement of a write: everything in it depends on the verdict about the guarded owners."""
    count = 5
    texts: list[str] = []
    answered = ""
    for i, part in enumerate(parts):
        source = part.source(count)
        count += len(part.arguments)
        if part.verb == "answers":
            answered = f" AND NOT EXISTS (SELECT 1 FROM {source} JOIN idempotency i ON i.actor = u.actor AND i.key = u.key)"
        texts.append(f"w{i} AS ({_write_text(part, source, parts[:i])})")
    lock = " ORDER BY o.id FOR UPDATE" if parts else ""
    locked = f"SELECT o.* FROM owners o WHERE o.id = ANY($1::text[]){lock}"
    matching = (
        "SELECT count(*) FROM locked o JOIN unnest($1::text[], $2::bigint[], $3::bigint[], $4::boolean[]) g(id, version, epoch, hold) "
        "ON g.id = o.id AND (g.version = -1 OR g.version = o.version) AND g.epoch = o.epoch "
        f"AND (NOT g.hold OR o.lease_expires_at > {CLOCK})"
    )
    verdict = f"SELECT ({matching}) = cardinality($1::text[]){answered} AS ok"
    texts = [f"locked AS MATERIALIZED ({locked})", f"verdict AS MATERIALIZED ({verdict})", *texts]
    return (
        f"WITH {', '.join(texts)} SELECT v.ok, CASE WHEN v.ok THEN NULL ELSE (SELECT json_agg({ROOT_JSON}) FROM locked o) END, "
        f"(SELECT version FROM owners WHERE id = '{CONTENT_OWNER}') FROM verdict v"
    )


def _write_text(part: Part, source: str, earlier: list[Part]) -> str:
    ok = "(SELECT ok FROM verdict)"
    if part.record is not None:
        return _record_text(part, shape(part.record), source, ok, earlier)
    if part.verb in ("roots", "erased_roots"):
        # One statement changes a row once at the most, so an erased owner's root is written by a part of its own.
        erased = ", data_key = NULL" if part.verb == "erased_roots" else ""
        changes = f"version = u.version, head_hash = u.head, journal_seq = u.seq{erased}"
        return f"UPDATE owners o SET {changes} FROM {source} WHERE o.id = u.id AND {ok}"
    if part.verb == "releases":
        return f"DELETE FROM claims c USING {source} WHERE c.kind = u.kind AND c.key = u.key AND {ok} RETURNING 1"
    if part.verb == "new_roots":
        return (
            "INSERT INTO owners (id, kind, version, epoch, head_hash, journal_seq, data_key) "
            f"SELECT u.id, u.kind, u.version, 0, u.head, u.seq, u.data_key FROM {source} WHERE {ok}"
        )
    after = _after(earlier, "releases", None) if part.verb == "claims" else ""
    table = "idempotency" if part.verb == "answers" else part.verb
    return f"INSERT INTO {table} ({_names(name for name, _ in part.columns)}) SELECT {part.values()} FROM {source} WHERE {ok}{after}"


def _after(earlier: list[Part], verb: str, record: type[Record] | None) -> str:
    """Make a part wait for earlier ones: parts of one statement run in no order of their own."""
    indexes = [i for i, part in enumerate(earlier) if part.verb == verb and part.record is record]
    return "".join(f" AND (SELECT count(*) FROM w{i}) >= 0" for i in indexes)


def _record_text(part: Part, made: Shape, source: str, ok: str, earlier: list[Part]) -> str:
    name = made.spec.table
    if part.verb == "delete":
        match = " AND ".join(f't."{key}" = u."{key}"' for key in made.key_names)
        return f'DELETE FROM "{name}" t USING {source} WHERE {match} AND {ok} RETURNING 1'
    # A row that is deleted and written again must be gone first.
    after = _after(earlier, "delete", made.record)
    insert = f'INSERT INTO "{name}" ({_names(made.names)}) SELECT {part.values()} FROM {source} WHERE {ok}{after}'
    if part.verb == "append":
        return insert
    rest = [one for one in made.names if one not in made.key_names]
    changes = ", ".join(f'"{one}" = excluded."{one}"' for one in rest)
    return f"{insert} ON CONFLICT ({_names(made.key_names)}) DO {f'UPDATE SET {changes}' if rest else 'NOTHING'}"

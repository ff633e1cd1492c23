"""The two statements that carry the weight on PostgreSQL: one reads what a batch needs, one writes all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from gamekeeper.kernel.rates import DRIFT_US
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


class Part(Struct, frozen=True):
    """A part of a write: what it does, to which record's table, and its columns.

    Its rows go as one text per column, the values separated: asyncpg writes arrays slowly, and PostgreSQL takes a text
    apart in half the time that JSON needs.
    """

    verb: str
    record: type[Record] | None
    columns: list[tuple[str, str]]

    def source(self, first: int) -> str:
        """The FROM item `u` over its parameters, which are numbered from `first`."""
        arrays = ", ".join(_array(first + i) for i in range(len(self.columns)))
        return f"unnest({arrays}) u({_names(name for name, _ in self.columns)})"

    def value(self, name: str) -> str:
        """One of its columns, as it is stored."""
        kind = dict(self.columns)[name]
        return _CAST.get(kind, "u.{0}::{1}").format(f'"{name}"', kind)

    def values(self) -> str:
        """Its columns, as they are stored."""
        return ", ".join(map(self.value, dict(self.columns)))


SEPARATOR, NULL, FIRST = 1, 2, 3
"""The numbers of the parameters that say what separates values and what stands for NULL, and of the first text."""
_CAST = {"text": "u.{0}", "bytea": "decode(u.{0}, 'hex')"}
_DUMP: dict[str, Any] = {"bytea": bytes.hex, "bigint": str, "double precision": repr, "boolean": str}
_HEAD = [("version", "bigint"), ("head", "bytea"), ("seq", "bigint")]
_RANK = [("board", "text"), ("level", "bigint"), ("bucket", "bigint"), ("shard", "bigint")]
_KERNEL_COLUMNS: dict[str, list[tuple[str, str]]] = {
    "journal": [(name, "bytea" if name == "hash" else "bigint" if name in ("seq", "at") else "text") for name in schema.JOURNAL_COLUMNS],
    "answers": [("actor", "text"), ("key", "text"), ("request_hash", "bytea"), ("response", "text"), ("at", "bigint")],
    "new_roots": [("id", "text"), ("kind", "text"), *_HEAD, ("data_key", "bytea")],
    "roots": [("id", "text"), *_HEAD],
    "erased_roots": [("id", "text"), *_HEAD],
    "releases": [("kind", "text"), ("key", "text")],
    "claims": [("kind", "text"), ("key", "text"), ("owner_id", "text"), ("at", "bigint")],
    "ranks": [*_RANK, ("change", "bigint")],
    "rank_sweeps": _RANK,
}
_KERNEL_PARTS = {verb: Part(verb, None, columns) for verb, columns in _KERNEL_COLUMNS.items()}
_GUARDS = Part("guards", None, [("id", "text"), ("version", "bigint"), ("epoch", "bigint"), ("hold", "boolean")])


def _array(number: int) -> str:
    # The first element is always empty: without it, a single empty value would look like no value.
    return f"(string_to_array(${number}::text, ${SEPARATOR}::text, ${NULL}::text))[2:]"


Rows = Sequence[Sequence[Any]]


def parts_of(writes: WriteSet) -> list[tuple[Part, Rows]]:
    """The guards and the non-empty parts of a write set, in the order in which they are written, with their rows."""
    parts: list[tuple[Part, Rows]] = [(_GUARDS, list(map(astuple, writes.guards)))]
    for record, keys in writes.deletes.items():
        parts.append((_record_part("delete", record), keys))
    for verb, table in (("upsert", writes.upserts), ("insert", writes.inserts)):
        for record, rows in table.items():
            parts.append((_record_part(verb, record), list(map(shape(record).row_of, rows))))
    kernel: list[tuple[str, Rows]] = [
        ("journal", list(map(astuple, writes.journal))),
        ("answers", list(map(astuple, writes.answers))),
        ("new_roots", writes.new_roots),
        ("roots", writes.roots),
        ("erased_roots", writes.erased_roots),
        ("releases", writes.releases),
        ("claims", writes.claims),
        ("ranks", writes.ranks),
        ("rank_sweeps", writes.rank_sweeps),
    ]
    return [*parts, *((_KERNEL_PARTS[verb], rows) for verb, rows in kernel if rows)]


@cache
def _record_part(verb: str, record: type[Record]) -> Part:
    made = shape(record)
    kinds = {field.name: _SQL_TYPES[field.kind] for field in made.fields}
    return Part(verb, record, [(name, kinds[name]) for name in (made.key_names if verb == "delete" else made.names)])


def apply_arguments(parts: Sequence[tuple[Part, Rows]]) -> list[str]:
    """The parameters of a write: the separator and the NULL in its texts, characters that no value holds, and the texts."""
    between, null = "\x1f", "\x1e"
    texts = _all_texts(parts, between, null)
    if texts is None:
        used = {one for _, rows in parts for row in rows for value in row if isinstance(value, str) for one in value}
        free = (chr(code) for code in range(0xE000, 0x110000) if chr(code) not in used)
        between, null = next(free), next(free)
        texts = _all_texts(parts, between, null) or []
    return [between, null, *texts]


def _all_texts(parts: Sequence[tuple[Part, Rows]], between: str, null: str) -> list[str] | None:
    texts: list[str] = []
    for part, rows in parts:
        columns = zip(*rows, strict=True) if rows else [()] * len(part.columns)
        for (_, kind), column in zip(part.columns, columns, strict=True):
            text = _text(column, _DUMP.get(kind), between, null)
            if text is None:
                return None
            texts.append(text)
    return texts


def _text(column: tuple[Any, ...], dump: Callable[[Any], str] | None, between: str, null: str) -> str | None:
    """A column as a text, each value behind a separator; None when a value holds one of the two characters."""
    nulls = column.count(None)
    if nulls:
        values: Iterable[str] = [null if one is None else one if dump is None else dump(one) for one in column]
    else:
        values = column if dump is None else map(dump, column)
    text = between + between.join(values) if column else ""
    return None if dump is None and (text.count(between) != len(column) or text.count(null) != nulls) else text


def apply_text(parts: Sequence[Part]) -> str:
    """The statement of a write: everything in it depends on the verdict about the guarded owners."""
    count = FIRST + len(_GUARDS.columns)
    texts: list[str] = []
    for i, part in enumerate(parts[1:]):
        texts.append(f"w{i} AS ({_write_text(part, part.source(count), list(parts[1 : i + 1]))})")
        count += len(part.columns)
    owners = _array(FIRST)
    lock = " ORDER BY o.id FOR UPDATE" if texts else ""
    locked = f"SELECT o.* FROM owners o WHERE o.id = ANY({owners}){lock}"
    version, epoch, hold = map(_GUARDS.value, ("version", "epoch", "hold"))
    matching = (
        f"SELECT count(*) FROM locked o JOIN {_GUARDS.source(FIRST)} ON u.id = o.id "
        f"AND ({version} = -1 OR {version} = o.version) AND {epoch} = o.epoch AND (NOT {hold} OR o.lease_expires_at > {CLOCK})"
    )
    verdict = f"SELECT ({matching}) = cardinality({owners}) AS ok"
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
        changes = f"version = {part.value('version')}, head_hash = {part.value('head')}, journal_seq = {part.value('seq')}{erased}"
        return f"UPDATE owners o SET {changes} FROM {source} WHERE o.id = u.id AND {ok}"
    if part.verb == "releases":
        return f"DELETE FROM claims c USING {source} WHERE c.kind = u.kind AND c.key = u.key AND {ok} RETURNING 1"
    if part.verb == "new_roots":
        return (
            "INSERT INTO owners (id, kind, version, epoch, head_hash, journal_seq, data_key) "
            f"SELECT u.id, u.kind, {part.value('version')}, 0, {part.value('head')}, {part.value('seq')}, {part.value('data_key')} "
            f"FROM {source} WHERE {ok}"
        )
    if part.verb == "ranks":
        return (
            f"INSERT INTO ranks AS r (board, level, bucket, shard, count) SELECT {part.values()} FROM {source} WHERE {ok} "
            "ORDER BY 1, 2, 3, 4 ON CONFLICT (board, level, bucket, shard) DO UPDATE SET count = r.count + excluded.count"
        )
    if part.verb == "rank_sweeps":
        match = " AND ".join(f"r.{name} = {part.value(name)}" for name, _ in part.columns)
        # Who holds one of them is about to add to it.
        swept = f"SELECT r.* FROM ranks r JOIN {source} ON {match} WHERE r.count = 0 AND {ok} FOR UPDATE OF r SKIP LOCKED"
        same = " AND ".join(f"r.{name} = s.{name}" for name, _ in part.columns)
        return f"DELETE FROM ranks r USING ({swept}) s WHERE {same}"
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
        match = " AND ".join(f't."{key}" = {part.value(key)}' for key in made.key_names)
        return f'DELETE FROM "{name}" t USING {source} WHERE {match} AND {ok} RETURNING 1'
    # A row that is deleted and written again must be gone first.
    after = _after(earlier, "delete", made.record)
    insert = f'INSERT INTO "{name}" ({_names(made.names)}) SELECT {part.values()} FROM {source} WHERE {ok}{after}'
    if part.verb == "insert":
        return insert
    rest = [one for one in made.names if one not in made.key_names]
    changes = ", ".join(f'"{one}" = excluded."{one}"' for one in rest)
    return f"{insert} ON CONFLICT ({_names(made.key_names)}) DO {f'UPDATE SET {changes}' if rest else 'NOTHING'}"


def _begin(full_at: str, full_us: str) -> str:
    """What `rates.begin` says."""
    return f"CASE WHEN {full_at} BETWEEN $4::bigint AND $4::bigint + {full_us} + {DRIFT_US} THEN {full_at} ELSE $4::bigint END"


# Rows that are there are locked in the order of their keys and judged together. Of a row that somebody else makes meanwhile the
# snapshot knows nothing: it is judged where it is written, and if it refuses, the other buckets have paid for nothing. That is
# rare, and no token is given twice. What a crash of the server forgets here is a moment's tokens, so the commit waits for no disk.
TAKE_TOKENS = f"""
WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true) AS off),
asked AS MATERIALIZED (SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bigint[]) a(key, token_us, full_us)),
held AS MATERIALIZED (SELECT r.key, r.full_at_us FROM rate_limits r WHERE r.key = ANY($1::bytea[]) ORDER BY r.key FOR UPDATE),
found AS MATERIALIZED (
    SELECT a.*, h.full_at_us, {_begin("h.full_at_us", "a.full_us")} + a.token_us AS next_us
    FROM asked a LEFT JOIN held h ON h.key = a.key
),
verdict AS MATERIALIZED (SELECT bool_and(f.next_us <= $4::bigint + f.full_us) AS ok FROM found f),
taken AS (
    INSERT INTO rate_limits AS r (key, full_at_us)
    SELECT f.key, f.next_us FROM found f, verdict v, quick q WHERE v.ok AND q.off IS NOT NULL ORDER BY f.key
    ON CONFLICT (key) DO UPDATE
    SET full_at_us = (SELECT {_begin("r.full_at_us", "a.full_us")} + a.token_us FROM asked a WHERE a.key = excluded.key)
    WHERE (SELECT {_begin("r.full_at_us", "a.full_us")} + a.token_us <= $4::bigint + a.full_us FROM asked a WHERE a.key = excluded.key)
    RETURNING r.key, r.full_at_us
)
SELECT f.key, coalesce(t.full_at_us, f.full_at_us), t.key IS NOT NULL FROM found f LEFT JOIN taken t ON t.key = f.key
"""
BUCKETS_FULL_AT = "SELECT key, full_at_us FROM rate_limits WHERE key = ANY($1::bytea[])"
# Materialized: a join may run its inner side again and again, and each time find as many that are not deleted yet.
FORGET_FULL_BUCKETS = """
WITH full_ones AS MATERIALIZED (
    SELECT key FROM rate_limits WHERE full_at_us <= $1::bigint LIMIT $2::bigint FOR UPDATE SKIP LOCKED
)
DELETE FROM rate_limits r USING full_ones WHERE r.key = full_ones.key RETURNING 1
"""
_OLD_ANSWERS = """unnest($1::text[], $2::text[]) old(actor, key)
WHERE i.actor = old.actor AND i.key = old.key AND i.at < $3::bigint RETURNING 1
"""
FORGET_ANSWERS = f"UPDATE idempotency i SET response = NULL FROM {_OLD_ANSWERS}"
FORGET_KEYS = f"DELETE FROM idempotency i USING {_OLD_ANSWERS}"

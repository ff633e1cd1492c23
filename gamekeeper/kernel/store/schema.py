"""Records as SQLAlchemy tables: DDL, triggers, views, and what queries select from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Select,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.types import TypeEngine

from gamekeeper.kernel.records import MAX_INTEGER, RECORDS, Field, Record, shape

METADATA = MetaData()

# SQLite's BIGINT must be spelled INTEGER in a STRICT table.
BIGINT: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")
DOUBLE: TypeEngine[Any] = Double().with_variant(REAL(), "sqlite")
# One order of texts on both engines, and none that a new C library changes under an index.
TEXT: TypeEngine[str] = Text().with_variant(Text(collation="C"), "postgresql")
_TYPES: dict[str, TypeEngine[Any]] = {
    "text": TEXT,
    "integer": BIGINT,
    "float": DOUBLE,
    "boolean": Boolean().with_variant(Integer(), "sqlite"),
    "json": TEXT,
    "bytes": LargeBinary(),
}

_HOT: dict[str, Any] = {"postgresql_with": {"fillfactor": 70}}

_COLD: dict[str, Any] = {}

owners = Table(
    "owners",
    METADATA,
    Column("id", TEXT, primary_key=True),
    Column("kind", TEXT, nullable=False),
    Column("version", BIGINT, nullable=False),
    Column("epoch", BIGINT, nullable=False),
    Column("lease_holder", TEXT),
    Column("lease_expires_at", BIGINT),
    Column("head_hash", LargeBinary, nullable=False),
    Column("journal_seq", BIGINT, nullable=False),
    Column("data_key", LargeBinary),
    CheckConstraint("version >= 0 AND epoch >= 0 AND journal_seq >= 0", name="ck_owners_counters"),
    CheckConstraint("(lease_holder IS NULL) = (lease_expires_at IS NULL)", name="ck_owners_lease"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
    **_HOT,
)

journal = Table(
    "journal",
    METADATA,
    Column("owner_id", TEXT, nullable=False),
    Column("seq", BIGINT, nullable=False),
    Column("command_id", TEXT, nullable=False),
    Column("at", BIGINT, nullable=False),
    Column("command", TEXT, nullable=False),
    Column("actor", TEXT, nullable=False),
    Column("reason", TEXT),
    Column("origin_id", TEXT, nullable=False),
    Column("owners", TEXT),
    Column("arguments", TEXT),
    Column("result", TEXT),
    Column("idempotency_key", TEXT),
    Column("changes", TEXT, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    PrimaryKeyConstraint("owner_id", "seq", name="pk_journal"),
    Index("ix_journal_command_id", "command_id"),
    # What kind of thing happened when, to anybody: each command is in it once, by the entry of its origin.
    Index(
        "ix_journal_command_at",
        "command",
        "at",
        "command_id",
        sqlite_where=text("owner_id = origin_id"),
        postgresql_where=text("owner_id = origin_id"),
    ),
    sqlite_strict=True,
)

idempotency = Table(
    "idempotency",
    METADATA,
    Column("actor", TEXT, nullable=False),
    Column("key", TEXT, nullable=False),
    Column("request_hash", LargeBinary, nullable=False),
    Column("response", TEXT),
    Column("at", BIGINT, nullable=False),
    PrimaryKeyConstraint("actor", "key", name="pk_idempotency"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

claims = Table(
    "claims",
    METADATA,
    Column("kind", TEXT, nullable=False),
    Column("key", TEXT, nullable=False),
    Column("owner_id", TEXT, nullable=False),
    Column("at", BIGINT, nullable=False),
    PrimaryKeyConstraint("kind", "key", name="pk_claims"),
    Index("ix_claims_owner_id", "owner_id"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

rate_limits = Table(
    "rate_limits",
    METADATA,
    Column("key", LargeBinary, primary_key=True),
    Column("full_at_us", BIGINT, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
    **_HOT,
)
"""Buckets that are not full, by digests; no state of the game, so no journal knows of them. See `gamekeeper.kernel.rates`."""

ranks = Table(
    "ranks",
    METADATA,
    Column("board", TEXT, nullable=False),
    Column("level", BIGINT, nullable=False),
    Column("bucket", BIGINT, nullable=False),
    Column("shard", BIGINT, nullable=False),
    Column("count", BIGINT, nullable=False),
    PrimaryKeyConstraint("board", "level", "bucket", "shard", name="pk_ranks"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
    **_HOT,
)
"""How many ranked rows lie in each bucket of scores; follows from the rows. See `gamekeeper.kernel.ranks`."""

meta = Table(
    "gamekeeper_meta",
    METADATA,
    Column("name", TEXT, primary_key=True),
    Column("value", TEXT, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

JOURNAL_COLUMNS = tuple(column.name for column in journal.columns)
APPEND_ONLY_KERNEL = ("journal",)


@cache
def table(record: type[Record]) -> Table[Any]:
    """The table of a record type."""
    made = shape(record)
    spec = made.spec
    constraints = [*_checks(spec.table, made.fields)]
    constraints += [CheckConstraint(rule, name=f"ck_{spec.table}_{i}") for i, rule in enumerate(spec.checks)]
    uniques = [UniqueConstraint(*names, name=f"uq_{spec.table}_{'_'.join(names)}") for names in spec.unique]
    nullable = {field.name for field in made.fields if field.nullable}
    indexes = [_index(spec.table, names, names[0] in nullable) for names in spec.indexes]
    return Table(
        spec.table,
        METADATA,
        *(Column(field.name, _TYPES[field.kind], nullable=field.nullable) for field in made.fields),
        PrimaryKeyConstraint(*made.key_names, name=f"pk_{spec.table}"),
        *constraints,
        *uniques,
        *indexes,
        sqlite_strict=True,
        sqlite_with_rowid=spec.append_only or spec.loads == "key",
        **(_COLD if spec.append_only else _HOT),
    )


def _index(name: str, names: tuple[str, ...], partial: bool) -> Index:
    # Rows without a value are looked up by nobody, and need not be written into the index.
    where = text(f'"{names[0]}" IS NOT NULL') if partial else None
    return Index(f"ix_{name}_{'_'.join(names)}", *names, sqlite_where=where, postgresql_where=where)


def _checks(name: str, fields: Iterable[Field]) -> Iterator[CheckConstraint]:
    for field in fields:
        rule = _check(field)
        if rule:
            yield CheckConstraint(rule, name=f"ck_{name}_{field.name}")


def _check(field: Field) -> str | None:
    column = f'"{field.name}"'
    if field.choices:
        return f"{column} IN ({', '.join(_quoted(choice) for choice in field.choices)})"
    if field.kind == "integer":
        return f"{column} BETWEEN {_int(field.minimum, -MAX_INTEGER)} AND {_int(field.maximum, MAX_INTEGER)}"
    if field.kind == "float":
        # NaN and the infinities fall outside on PostgreSQL, where NaN is greater than every number.
        return f"{column} BETWEEN {field.minimum!r} AND {field.maximum!r}"
    if field.kind == "boolean":
        return f"{column} IN (false, true)"
    if field.max_length is not None:
        return f"length({column}) <= {field.max_length}"
    return None


def _int(value: int | float | None, default: int) -> int:
    return default if value is None else int(value)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


VIEWS: dict[str, Select[Any]] = {}
"""Every declared view by its name."""


def view(name: str, statement: Select[Any]) -> None:
    """Declare a read-only view, for SQL that knows a game's rows under other names; it is made with the tables."""
    if name in METADATA.tables or name in RECORDS:
        raise TypeError(f"{name!r} is a table already")
    VIEWS[name] = statement


def _view_statements(dialect: Dialect, name: str, statement: Select[Any]) -> list[str]:
    made = statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
    statements = [f'CREATE VIEW "{name}" AS {made}']
    if dialect.name != "sqlite":
        # PostgreSQL writes through a plain view unless it is told not to; SQLite never does.
        raises = "RAISE EXCEPTION '% is a view, and read-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation'"
        call = "FOR EACH ROW EXECUTE FUNCTION gamekeeper_read_only()"
        statements += [
            f"CREATE OR REPLACE FUNCTION gamekeeper_read_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {raises}; END $$",
            f'CREATE TRIGGER "{name}_read_only" INSTEAD OF INSERT OR UPDATE OR DELETE ON "{name}" {call}',
        ]
    return statements


def all_tables() -> list[Table[Any]]:
    """The kernel's tables and one per declared record."""
    kernel = [owners, journal, idempotency, claims, rate_limits, ranks, meta]
    return kernel + [table(record) for _, record in sorted(RECORDS.items())]


def create_statements(dialect: Dialect, existing: set[str]) -> list[str]:
    """The DDL for the tables and views that are not there yet, with their indexes and triggers."""
    statements: list[str] = []
    for one in all_tables():
        if one.name in existing:
            continue
        statements.append(str(CreateTable(one).compile(dialect=dialect)).strip())
        statements += [str(CreateIndex(index).compile(dialect=dialect)).strip() for index in sorted(one.indexes, key=lambda i: str(i.name))]
        if is_append_only(one.name):
            keys = [column.name for column in one.primary_key.columns]
            statements += append_only_triggers(dialect.name, one.name, keys)
    for name, statement in sorted(VIEWS.items()):
        if name not in existing:
            statements += _view_statements(dialect, name, statement)
    return statements


STATEMENTS_REMEMBERED = 4096
"""Several times as many as are declared; of those that a game builds for each call, the oldest are forgotten."""


class Compiled(Struct, frozen=True):
    """A statement's text for one driver, the order of its parameters, and the values that it carries itself."""

    text: str
    names: tuple[str, ...]
    values: dict[str, Any]


@lru_cache(maxsize=STATEMENTS_REMEMBERED)
def compiled(statement: Any, dialect: Dialect) -> Compiled:
    """Compile a SQLAlchemy Core statement, once in a process however many stores run it."""
    made = statement.compile(dialect=dialect)
    values = {name: bind.value for name, bind in made.binds.items() if not bind.required}
    return Compiled(str(made), tuple(made.positiontup or ()), values)


def is_append_only(name: str) -> bool:
    """Whether rows of the table may never change."""
    return name in APPEND_ONLY_KERNEL or (name in RECORDS and shape(RECORDS[name]).spec.append_only)


def append_only_triggers(dialect: str, name: str, keys: list[str]) -> list[str]:
    """Triggers that refuse every change of a written row, `INSERT OR REPLACE` and `TRUNCATE` included."""
    if dialect == "sqlite":
        same = " AND ".join(f'"{key}" = NEW."{key}"' for key in keys)
        refuse = f"SELECT RAISE(ABORT, '{name} is append-only')"
        # REPLACE deletes without firing the delete trigger unless recursive_triggers is on.
        there = f'WHEN EXISTS (SELECT 1 FROM "{name}" WHERE {same})'
        return [
            f'CREATE TRIGGER "{name}_no_update" BEFORE UPDATE ON "{name}" BEGIN {refuse}; END',
            f'CREATE TRIGGER "{name}_no_delete" BEFORE DELETE ON "{name}" BEGIN {refuse}; END',
            f'CREATE TRIGGER "{name}_no_replace" BEFORE INSERT ON "{name}" {there} BEGIN {refuse}; END',
        ]
    raises = "RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation'"
    call = "EXECUTE FUNCTION gamekeeper_append_only()"
    return [
        f"CREATE OR REPLACE FUNCTION gamekeeper_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {raises}; END $$",
        f'CREATE TRIGGER "{name}_no_change" BEFORE UPDATE OR DELETE ON "{name}" FOR EACH ROW {call}',
        f'CREATE TRIGGER "{name}_no_truncate" BEFORE TRUNCATE ON "{name}" FOR EACH STATEMENT {call}',
    ]


class SchemaMismatch(Exception):
    """A table or view in the database lacks a column that the program declares."""


def require_columns(have: Mapping[str, set[str]]) -> None:
    """Refuse a database in which a table or view is older or other than the declared one.

    Raises: SchemaMismatch.
    """
    declared = [(one.name, one.columns.keys()) for one in all_tables()]
    declared += [(name, statement.selected_columns.keys()) for name, statement in VIEWS.items()]
    for name, columns in declared:
        missing = [column for column in columns if column not in have[name]]
        if missing:
            raise SchemaMismatch(f"table {name} lacks the columns {', '.join(missing)}")

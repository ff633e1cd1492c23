"""Records: one declaration gives the row, its table, its JSON schema and its decoders.

    class Holding(Record, table="holdings"):
        character_id: Key[CharacterId]
        slot: Key[Slot]
        quantity: Quantity

The first key field is the owner's id. Records are frozen: a change is a new record, so the image from before stays true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, TypeVar, cast, dataclass_transform, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct, StructMeta, inspect

from gamekeeper.errors import OwnerNotFound
from gamekeeper.kernel import gate
from gamekeeper.kernel.ids import ID_PATTERN

T = TypeVar("T")

MAX_INTEGER = 2**53 - 1
MAX_FLOAT = 1.7976931348623157e308

Durability = Literal["commit", "checkpoint"]
Loading = Literal["owner", "key"]
Kind = Literal["text", "integer", "float", "boolean", "json", "bytes"]


class _Marker:
    """A word about a field that types alone do not say."""

    def __init__(self, word: str) -> None:
        self.word = word

    def __repr__(self) -> str:
        return self.word


KEY = _Marker("key")
PERSONAL = _Marker("personal")
SECRET = _Marker("secret")
JSON = _Marker("json")

Key = Annotated[T, KEY]
"""A part of the primary key; the first one is the owner's id."""
Personal = Annotated[T, PERSONAL]
"""A person's data: stands in the journal sealed with the person's own key."""
Secret = Annotated[T, SECRET]
"""Never reaches the journal, a log or an error."""


class OwnedBy(Struct, frozen=True):
    """Marks an id type as the id of an owner.

    kind: "" takes any kind. creates: the command makes the owner. missing: what is raised when there is no such owner.
    """

    kind: str = ""
    creates: bool = False
    missing: type[OwnerNotFound] = OwnerNotFound


# Common field types. Amounts are integers within +-(2**53 - 1), so that JavaScript clients read them exactly.
Integer = Annotated[int, Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]
Amount = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
Quantity = Annotated[int, Meta(ge=1, le=MAX_INTEGER, description="how many, at least 1")]
BasisPoints = Annotated[int, Meta(ge=-MAX_INTEGER, le=MAX_INTEGER, description="hundredths of a percent")]
EpochMs = Annotated[int, Meta(ge=0, le=MAX_INTEGER, description="UTC, milliseconds since 1970")]
Coordinate = Annotated[float, Meta(ge=-MAX_FLOAT, le=MAX_FLOAT)]
JsonObject = Annotated[dict[str, Any], JSON, Meta(description="a JSON object within the gate's limits")]
AnyOwnerId = Annotated[str, Meta(min_length=1, max_length=64, pattern=ID_PATTERN), OwnedBy()]


class Field(Struct, frozen=True):
    """One column, as the declaration says it."""

    name: str
    kind: Kind
    nullable: bool
    key: bool
    personal: bool
    secret: bool
    minimum: int | float | None = None
    maximum: int | float | None = None
    max_length: int | None = None
    choices: tuple[str, ...] = ()


class Ranked(Struct, frozen=True):
    """Says that rows are ranked by a score, more being better: a rank and the row at a rank are then found without counting rows.

    score: an integer field that is never below 0. within: text fields; rows that agree in them stand on one board.
    """

    score: str
    within: tuple[str, ...] = ()


class RecordSpec(Struct, frozen=True):
    """What the kernel knows of a record type."""

    table: str
    append_only: bool
    durability: Durability
    loads: Loading
    value: bool
    unique: tuple[tuple[str, ...], ...]
    indexes: tuple[tuple[str, ...], ...]
    checks: tuple[str, ...]
    ranked: Ranked | None = None
    beside: type[Record] | None = None
    """the record type that it goes with: whoever touches that one touches this one too"""


RECORDS: dict[str, type[Record]] = {}
"""Every declared record by its table's name."""


@dataclass_transform(frozen_default=True, kw_only_default=False)
class RecordMeta(StructMeta):
    """Builds the frozen struct and remembers the table's facts."""

    def __new__(
        mcls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        table: str = "",
        append_only: bool = False,
        durability: Durability = "commit",
        loads: Loading = "owner",
        value: bool = False,
        unique: Sequence[tuple[str, ...]] = (),
        indexes: Sequence[tuple[str, ...]] = (),
        checks: Sequence[str] = (),
        ranked: Ranked | None = None,
        beside: type[Record] | None = None,
        **config: Any,
    ) -> Any:
        """Make the class; a second record for one table is an error."""
        # Rows hold texts, numbers and JSON, so that they are in no cycle; a large cache need not be walked by the collector.
        cls = super().__new__(mcls, name, bases, namespace, frozen=True, order=True, forbid_unknown_fields=True, gc=False, **config)
        if not table:
            return cls
        known = RECORDS.get(table)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(f"table {table!r} is declared by {known.__module__}.{known.__qualname__} already")
        if beside is not None and beside.__module__ != cls.__module__:
            # Commands that were declared before would not know of it.
            raise TypeError(f"{table}: a record goes only with one that is declared in the same file")
        spec = RecordSpec(table, append_only, durability, loads, value, tuple(unique), tuple(indexes), tuple(checks), ranked, beside)
        SPECS[cls] = spec
        if loads == "key":
            KEYED.add(cls)
        RECORDS[table] = cast("type[Record]", cls)
        return cls

    def __init__(self, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **_: Any) -> None:
        super().__init__(name, bases, namespace)


SPECS: dict[type, RecordSpec] = {}
KEYED: set[type] = set()
"""The record types whose rows are read one by one, by their keys, and never all that an owner has."""


class Record(Struct, metaclass=RecordMeta):
    """One typed row. Subclass it with `table=`; see the module's docstring."""

    __match_args__: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(
        cls,
        *,
        table: str = "",
        append_only: bool = False,
        durability: Durability = "commit",
        loads: Loading = "owner",
        value: bool = False,
        unique: Sequence[tuple[str, ...]] = (),
        indexes: Sequence[tuple[str, ...]] = (),
        checks: Sequence[str] = (),
        ranked: Ranked | None = None,
        beside: type[Record] | None = None,
        **config: Any,
    ) -> None:
        """The words that a declaration may use; the metaclass keeps them."""


def with_companions(records: Iterable[type[Record]]) -> frozenset[type[Record]]:
    """These record types and those that go with them."""
    named = frozenset(records)
    return named | {cast("type[Record]", one) for one, spec in SPECS.items() if spec.beside in named}


class Shape(Struct, frozen=True):
    """What the hot path needs of a record type, worked out once."""

    record: type[Record]
    spec: RecordSpec
    fields: tuple[Field, ...]
    names: tuple[str, ...]
    key_names: tuple[str, ...]
    key_of: Callable[[Any], tuple[Any, ...]]
    changes_of: Callable[[Any, Any], dict[str, Any]]
    """of two rows with one key, what stood in the first where the second differs"""
    row_of: Callable[[Any], tuple[Any, ...]]
    from_row: Callable[[Sequence[Any]], Any]
    personal: frozenset[str]
    secret: frozenset[str]
    """fields whose values the journal keeps only as a digest"""
    owner_kind: str
    unique_of: Callable[[Any], tuple[Any, ...]] | None
    ranked_of: Callable[[Any], tuple[str, int]] | None
    """a ranked row's board and score"""

    def in_order(self, rows: Iterable[Any]) -> list[Any]:
        """The rows in the order of their keys."""
        # No two rows have one key: where it comes first, nothing behind it is ever compared.
        return sorted(rows) if self.names[: len(self.key_names)] == self.key_names else sorted(rows, key=self.key_of)

    @property
    def owner_field(self) -> str:
        """The first part of the key."""
        return self.key_names[0]


@cache
def shape(record: type[Record]) -> Shape:
    """The record's columns, key and coders.

    Raises: TypeError for a declaration that breaks the kernel's rules.
    """
    spec = SPECS.get(record)
    if spec is None:
        raise TypeError(f"{record.__qualname__} declares no table")
    fields = _fields(record)
    names = tuple(field.name for field in fields)
    keys = tuple(field.name for field in fields if field.key)
    if not keys or names[0] != keys[0] or fields[0].kind != "text" or fields[0].nullable:
        raise TypeError(f"{spec.table}: the first field must be the owner's id, a key of type text")
    return Shape(
        record=record,
        spec=spec,
        fields=fields,
        names=names,
        key_names=keys,
        key_of=_compiled(f"lambda r: ({', '.join(f'r.{name}' for name in keys)},)"),
        changes_of=_changes_of(fields),
        row_of=_row_of(fields),
        from_row=_from_row(record, fields),
        personal=frozenset(field.name for field in fields if field.personal),
        secret=frozenset(field.name for field in fields if field.secret),
        owner_kind=_owner_kind(record, keys[0]),
        unique_of=_compiled(f"lambda r: ({', '.join(f'r.{name}' for names in spec.unique for name in names)},)") if spec.unique else None,
        ranked_of=_ranked_of(spec, fields),
    )


def _ranked_of(spec: RecordSpec, fields: tuple[Field, ...]) -> Callable[[Any], tuple[str, int]] | None:
    ranked, kinds = spec.ranked, {field.name: field for field in fields}
    if ranked is None:
        return None
    score = kinds[ranked.score]
    if score.kind != "integer" or score.nullable or not isinstance(score.minimum, int) or score.minimum < 0:
        raise TypeError(f"{spec.table}: a score is an integer that is never below 0")
    if spec.append_only or spec.durability != "commit":
        raise TypeError(f"{spec.table}: only rows that are committed, and may change, are ranked")
    if any(kinds[name].kind != "text" or kinds[name].nullable for name in ranked.within):
        raise TypeError(f"{spec.table}: boards are told apart by texts")
    board = "".join(f":{{r.{name}}}" for name in ranked.within)
    found: Callable[[Any], tuple[str, int]] = _compiled(f"lambda r: (f'{spec.table}{board}', r.{ranked.score})")
    return found


def _owner_kind(record: type[Record], name: str) -> str:
    mark = owned_by(get_type_hints(record, include_extras=True)[name])
    return mark.kind if mark is not None else ""


def markers(hint: Any) -> set[str]:
    """The words attached to a type, through `Annotated` and `| None`."""
    found = {extra.word for extra in getattr(hint, "__metadata__", ()) if isinstance(extra, _Marker)}
    inner = get_args(hint) if get_origin(hint) is not Annotated else (get_args(hint)[0],)
    for argument in inner:
        if get_origin(argument) is Annotated or get_args(argument):
            found |= markers(argument)
    return found


def owned_by(hint: Any) -> OwnedBy | None:
    """The owner mark of a type, through `Annotated`, `| None` and `list[...]`."""
    for extra in getattr(hint, "__metadata__", ()):
        if isinstance(extra, OwnedBy):
            return extra
    for argument in get_args(hint):
        if get_origin(argument) is not None:
            found = owned_by(argument)
            if found is not None:
                return found
    return None


def _fields(record: type[Record]) -> tuple[Field, ...]:
    hints = get_type_hints(record, include_extras=True)
    info = inspect.type_info(record)
    if not isinstance(info, inspect.StructType):  # pragma: no cover - a record is a struct
        raise TypeError(f"{record.__qualname__} is no struct")
    return tuple(_field(record, field.name, field.type, markers(hints[field.name])) for field in info.fields)


def _field(record: type[Record], name: str, kind: inspect.Type, words: set[str]) -> Field:
    nullable = False
    if isinstance(kind, inspect.UnionType):
        nullable = kind.includes_none
        rest = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
        kind = rest[0] if len(rest) == 1 else inspect.AnyType()
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    base: dict[str, Any] = {
        "name": name,
        "nullable": nullable,
        "key": "key" in words,
        "personal": "personal" in words,
        "secret": "secret" in words,
    }
    if "json" in words or isinstance(kind, inspect.DictType | inspect.ListType | inspect.VarTupleType | inspect.StructType):
        return Field(kind="json", **base)
    if isinstance(kind, inspect.BoolType):
        return Field(kind="boolean", **base)
    if isinstance(kind, inspect.IntType):
        low = -MAX_INTEGER if kind.ge is None else max(kind.ge, -MAX_INTEGER)
        high = MAX_INTEGER if kind.le is None else min(kind.le, MAX_INTEGER)
        return Field(kind="integer", minimum=low, maximum=high, **base)
    if isinstance(kind, inspect.FloatType):
        return Field(
            kind="float", minimum=-MAX_FLOAT if kind.ge is None else kind.ge, maximum=MAX_FLOAT if kind.le is None else kind.le, **base
        )
    if isinstance(kind, inspect.LiteralType):
        return Field(kind="text", choices=tuple(str(value) for value in kind.values), **base)
    if isinstance(kind, inspect.EnumType):
        return Field(kind="text", choices=tuple(str(one.value) for one in kind.cls), **base)
    if isinstance(kind, inspect.BytesType):
        return Field(kind="bytes", **base)
    if isinstance(kind, inspect.StrType):
        return Field(kind="text", max_length=kind.max_length, **base)
    raise TypeError(f"{record.__qualname__}.{name}: no column type for {kind}")


def _compiled(source: str, **names: Any) -> Any:
    """A small function made once per record; every word in it comes from the declaration."""
    return eval(source, names)  # noqa: S307


def _changes_of(fields: tuple[Field, ...]) -> Callable[[Any, Any], dict[str, Any]]:
    lines = ["def changes(old, new):", "    found = {}"]
    for name, kind in ((field.name, field.kind) for field in fields if not field.key):
        differs = "differ(was, new.{0})" if kind == "json" else "was != new.{0}"
        lines += [f"    was = old.{name}", f"    if {differs.format(name)}: found[{name!r}] = was"]
    names: dict[str, Any] = {"differ": _differ}
    exec("\n".join([*lines, "    return found"]), names)  # noqa: S102 - every word in it comes from the declaration
    made: Callable[[Any, Any], dict[str, Any]] = names["changes"]
    return made


def _differ(old: Any, new: Any) -> bool:
    # Python takes 1, 1.0 and true for equal; JSON does not.
    return old is not new and (bool(old != new) or msgspec.json.encode(old) != msgspec.json.encode(new))


def _row_of(fields: tuple[Field, ...]) -> Callable[[Any], tuple[Any, ...]]:
    parts = [f"dump(r.{field.name})" if field.kind == "json" else f"r.{field.name}" for field in fields]
    row: Callable[[Any], tuple[Any, ...]] = _compiled(f"lambda r: ({', '.join(parts)},)", dump=dump_json)
    return row


def _from_row(record: type[Record], fields: tuple[Field, ...]) -> Callable[[Sequence[Any]], Any]:
    typed = _decoders(record, fields)
    parts = [(f"{field.name}_of({{}})" if field.name in typed else _loading(field)).format(f"r[{i}]") for i, field in enumerate(fields)]
    plain = all(part == f"r[{i}]" for i, part in enumerate(parts))
    source = "lambda r: make(*r)" if plain else f"lambda r: make({', '.join(parts)})"
    decoders = {f"{name}_of": decode for name, decode in typed.items()}
    made: Callable[[Sequence[Any]], Any] = _compiled(source, make=record, load=load_json, blob=_blob, **decoders)
    return made


def _decoders(record: type[Record], fields: tuple[Field, ...]) -> dict[str, Callable[[Any], Any]]:
    """For each column of JSON that holds structs, what makes these of the stored text; any other JSON is as it stands there."""
    hints, found = get_type_hints(record), {}
    for field in fields:
        if field.kind == "json" and _has_structs(inspect.type_info(hints[field.name])):
            decode = msgspec.json.Decoder(hints[field.name]).decode
            found[field.name] = _unless_missing(decode) if field.nullable else decode
    return found


def _unless_missing(decode: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda text: None if text is None else decode(text)


def _has_structs(kind: Any) -> bool:
    if isinstance(kind, inspect.Metadata):
        return _has_structs(kind.type)
    if isinstance(kind, inspect.UnionType):
        return any(map(_has_structs, kind.types))
    if isinstance(kind, inspect.DictType):
        return _has_structs(kind.value_type)
    return isinstance(kind, inspect.StructType) or _has_structs(getattr(kind, "item_type", None)) if kind is not None else False


def _loading(field: Field) -> str:
    """How a column becomes a field; written out where it stands, for it is done for each value that is read."""
    if field.kind == "json":
        return '({{}} if {0} == "{{}}" else load({0}))'
    if field.kind == "boolean":
        return "(None if {0} is None else bool({0}))" if field.nullable else "bool({0})"
    return "blob({0})" if field.kind == "bytes" else "{0}"


def dump_json(value: Any) -> str | None:
    """A JSON value as stored text; both engines store the same bytes."""
    if value is None:
        return None
    return "{}" if value == {} else gate.dumps(value).decode()


def load_json(text: Any) -> Any:
    """Stored text as a JSON value."""
    return None if text is None else msgspec.json.decode(text)


def _blob(value: Any) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    # JSON carries bytes as hex, with PostgreSQL's \x in front.
    return bytes.fromhex(value.removeprefix("\\x"))

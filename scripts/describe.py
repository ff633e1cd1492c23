"""Types in words, for the pages that are written from declarations."""

import ast
import inspect as python_inspect
import textwrap
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct, inspect

from gamekeeper.kernel.commands import Operation
from gamekeeper.kernel.records import MAX_FLOAT, MAX_INTEGER, OwnedBy, Record, markers, owned_by

MANY_CHOICES = 12
"""Words that a type chooses from, past which a page names the first and the last ones only."""

_PLAIN: dict[type[inspect.Type], str] = {
    inspect.AnyType: "any JSON",
    inspect.BoolType: "true or false",
    inspect.BytesType: "bytes",
    inspect.NoneType: "nothing",
}


def type_text(kind: inspect.Type) -> str:
    """Say what a value of a type may be.

    >>> type_text(inspect.type_info(str)), type_text(inspect.type_info(list[int] | None))
    ('text', 'list of integer, or null')
    """
    if isinstance(kind, inspect.Metadata):
        return type_text(kind.type)
    if isinstance(kind, inspect.UnionType):
        parts = [type_text(one) for one in kind.types if not isinstance(one, inspect.NoneType)]
        return " or ".join(parts) + (", or null" if kind.includes_none else "")
    if isinstance(kind, inspect.StrType):
        return "text" + _bounds(kind.min_length or None, kind.max_length, " characters")
    if isinstance(kind, inspect.IntType):
        return "integer" + _bounds(_bound(kind.ge, -MAX_INTEGER), _bound(kind.le, MAX_INTEGER))
    if isinstance(kind, inspect.FloatType):
        return "number" + _bounds(_bound(kind.ge, -MAX_FLOAT), _bound(kind.le, MAX_FLOAT))
    if isinstance(kind, inspect.LiteralType):
        return _choices([str(value) for value in kind.values])
    if isinstance(kind, inspect.EnumType):
        return _choices([str(one.value) for one in kind.cls])
    if isinstance(kind, inspect.ListType | inspect.SetType | inspect.FrozenSetType | inspect.VarTupleType):
        return f"list of {type_text(kind.item_type)}" + _bounds(kind.min_length, kind.max_length, " of them")
    if isinstance(kind, inspect.DictType):
        free = isinstance(kind.value_type, inspect.AnyType)
        return "JSON object" if free else f"object of {type_text(kind.value_type)} by {type_text(kind.key_type)}"
    if isinstance(kind, inspect.StructType):
        return f"`{struct_name(kind.cls)}`"
    return _PLAIN[type(kind)]


def struct_name(kind: Any) -> str:
    """Give the name of a struct as a page shows it: `Page[Character]` is "Page of Character"."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is None:
        return str(kind.__name__)
    return f"{origin.__name__} of {', '.join(one.__name__ for one in arguments)}"


def _bound(value: int | float | None, unlimited: float) -> int | float | None:
    return None if value is None or value == unlimited else value


def _bounds(low: int | float | None, high: int | float | None, unit: str = "") -> str:
    if low is None and high is None:
        return ""
    if high is None:
        return f", {low} or more{unit}"
    return f", {low} to {high}{unit}" if low is not None else f", at most {high}{unit}"


def _choices(words: list[str]) -> str:
    shown = words if len(words) <= MANY_CHOICES else [*words[:5], "...", words[-1]]
    return ", ".join(one if one == "..." else f"`{one}`" if one else "empty" for one in shown)


def meaning(kind: inspect.Type) -> str:
    """Give what a type's `Meta(description=...)` says."""
    if isinstance(kind, inspect.Metadata):
        return str((kind.extra_json_schema or {}).get("description", "")) or meaning(kind.type)
    if isinstance(kind, inspect.UnionType):
        return next((text for one in kind.types if (text := meaning(one))), "")
    return ""


def owner_text(mark: OwnedBy) -> str:
    """Say whose id a field or argument is."""
    if mark.creates:
        return f"id for the new {mark.kind}"
    return f"id of the {mark.kind}" if mark.kind else "id of an owner of any kind"


class FieldText(Struct, frozen=True):
    """A field or an argument in words."""

    name: str
    kind: str
    default: str
    notes: str


def fields_of(struct: type[Struct], hints: Mapping[str, Any] | None = None) -> list[FieldText]:
    """Describe the fields of a struct; `hints` stand in for its own where those have lost their marks."""
    described = inspect.type_info(struct)
    if not isinstance(described, inspect.StructType):  # pragma: no cover - callers give structs
        raise TypeError(f"{struct!r} is no struct")
    marked = get_type_hints(struct, include_extras=True) if hints is None else hints
    texts = attribute_docs(struct) if hints is None else {}
    return [_field(one, marked.get(one.name), texts.get(one.name, "")) for one in described.fields]


def _field(field: inspect.Field, hint: Any, text: str) -> FieldText:
    mark, words = owned_by(hint), markers(hint)
    kind = type_text(field.type)
    if mark is not None and not kind.startswith("list"):
        kind = owner_text(mark) + (", or null" if kind.endswith(", or null") else "")
    marks = ", ".join(word for word in ("key", "personal", "secret") if word in words)
    text = text or ("" if mark is not None else meaning(field.type))
    return FieldText(field.name, kind, _default(field), "; ".join(part for part in (marks, text) if part))


def attribute_docs(documented: type[Any]) -> dict[str, str]:
    """Read the texts that stand below the attributes of a class, which Python itself forgets."""
    try:
        (body,) = ast.parse(textwrap.dedent(python_inspect.getsource(documented))).body
    except OSError:  # made by a program, as the arguments of a command are
        return {}
    if not isinstance(body, ast.ClassDef):
        raise TypeError(f"{documented!r} is no class")
    found: dict[str, str] = {}
    for before, after in zip(body.body, body.body[1:], strict=False):
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name) and isinstance(after, ast.Expr):
            text = after.value.value if isinstance(after.value, ast.Constant) else None
            if isinstance(text, str):
                found[before.target.id] = " ".join(text.split())
    return found


def _default(field: inspect.Field) -> str:
    if field.default is not msgspec.NODEFAULT:
        value = field.default
    elif field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    else:
        return ""
    plain = value.value if isinstance(value, Enum) else value
    return "null" if plain is None else f"`{msgspec.json.encode(plain).decode()}`"


def arguments_of(operation: Operation[Any, Any]) -> list[FieldText]:
    """Describe the arguments of a command or query."""
    return fields_of(operation.arguments, get_type_hints(operation.function, include_extras=True))


def structs_in(kind: Any) -> Iterator[type[Struct]]:
    """Find the structs that a type is made of, themselves included, deepest last; records are not among them."""
    inner = get_args(kind)
    for one in inner:
        yield from structs_in(one)
    origin = get_origin(kind) or kind
    if not (isinstance(origin, type) and issubclass(origin, Struct)) or issubclass(origin, Record):
        return
    if not inner:
        yield origin
    for hint in get_type_hints(origin, include_extras=True).values():
        yield from structs_in(hint)

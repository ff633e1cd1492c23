"""Arguments made from declarations: the least that an operation takes, whatever it is."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from msgspec import inspect

from gamekeeper.kernel.commands import Operation
from gamekeeper.kernel.ids import new_id

TEXTS = (
    "Word",
    "word",
    "a",
    "ada@example.com",
    "12345678",
    "items.grant",
    "https://example.com/",
    "2026-01-01",
    "UTC",
    "00000000-0000-0000-0000-000000000001",
)
"""Tried in this order where a text is wanted; a declaration that none of them fits fails by name, and then wants one more here."""


class NoValue(Exception):
    """A type for which no value is known here."""


def arguments_of(operation: Operation[Any, Any], known: Mapping[str, Any], *, all_fields: bool = False) -> dict[str, Any]:
    """Give arguments that an operation accepts: those in `known`, and made-up ones for what else it must have.

    all_fields: give the optional ones too.

    Raises: NoValue.
    """
    values: dict[str, Any] = {}
    for field in fields_of(operation):
        if field.name in known:
            values[field.name] = known[field.name]
        elif field.required or all_fields:
            try:
                values[field.name] = value_of(field.type)
            except NoValue as error:
                raise NoValue(f"{operation.name}({field.name}): {error}; tests/server/values.py makes no such value") from None
    return values


@cache
def fields_of(operation: Operation[Any, Any]) -> tuple[inspect.Field, ...]:
    """Give the arguments of an operation with their types."""
    described = inspect.type_info(operation.arguments)
    if not isinstance(described, inspect.StructType):
        raise NoValue(operation.name)
    return described.fields


def value_of(kind: inspect.Type) -> Any:
    """Give a small value of a type.

    Raises: NoValue.
    """
    if isinstance(kind, inspect.Metadata):
        return value_of(kind.type)
    if isinstance(kind, inspect.UnionType):
        return value_of(next(one for one in kind.types if not isinstance(one, inspect.NoneType)))
    if isinstance(kind, inspect.StrType):
        return _text(kind)
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        return _number(kind)
    if isinstance(kind, inspect.LiteralType):
        return kind.values[0]
    if isinstance(kind, inspect.EnumType):
        return next(iter(kind.cls)).value
    if isinstance(kind, inspect.StructType):
        return _struct(kind)
    if isinstance(kind, inspect.ListType | inspect.VarTupleType | inspect.SetType | inspect.FrozenSetType):
        return [value_of(kind.item_type)] * max(1, kind.min_length or 0)
    if isinstance(kind, inspect.TupleType):
        return [value_of(one) for one in kind.item_types]
    if isinstance(kind, inspect.DictType) and kind.min_length:
        return {value_of(kind.key_type): value_of(kind.value_type)}
    plain: dict[type[inspect.Type], Any] = {inspect.BoolType: False, inspect.DictType: {}, inspect.AnyType: {}, inspect.BytesType: ""}
    if type(kind) in plain:
        return plain[type(kind)]
    raise NoValue(str(kind))


def _struct(kind: inspect.StructType) -> dict[str, Any]:
    made = {field.encode_name: value_of(field.type) for field in kind.fields if field.required}
    return made if kind.tag_field is None else {kind.tag_field: kind.tag, **made}


def _text(kind: inspect.StrType) -> str:
    for text in (*TEXTS, new_id(), "a" * (kind.min_length or 0), "0" * (kind.min_length or 0)):
        if len(text) < (kind.min_length or 0) or (kind.max_length is not None and len(text) > kind.max_length):
            continue
        if kind.pattern is None or re.search(kind.pattern, text):
            return text
    raise NoValue(f"text like {kind.pattern} of {kind.min_length} to {kind.max_length} characters")


def _number(kind: inspect.IntType | inspect.FloatType) -> int | float:
    low = kind.ge if kind.ge is not None else None if kind.gt is None else kind.gt + 1
    high = kind.le if kind.le is not None else None if kind.lt is None else kind.lt - 1
    number = 1 if low is None else max(1, low)
    return number if high is None else min(number, high)

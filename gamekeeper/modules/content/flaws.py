"""What is wrong with a definition: every flaw of it, each with the path of its field."""

from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from types import GenericAlias, NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct, structs

from gamekeeper.kernel import gate

from .kinds import Defined, Flaw, Flawed

D = TypeVar("D", bound=Defined)


def examined(type: type[D], raw: Mapping[str, Any]) -> tuple[D | None, list[Flaw]]:
    """Give plain data as a definition, and what is wrong with it; a definition without flaws is sound.

    >>> from .items import ItemDefinition
    >>> examined(ItemDefinition, {"id": "axe", "name": "Axe", "value": -1, "max_stack": 2})[1]
    [('value', 'expected `int` >= 0'), ('max_stack', 'an item that is not stackable has a stack of 1')]
    """
    try:
        one = msgspec.convert(gate.check(raw), type, str_keys=True)
    except gate.InvalidJson as error:
        return None, _all_of(type, raw) or [(dotted(error.path), f"{error.problem}: {error.detail}")]
    except msgspec.ValidationError as error:
        return None, _all_of(type, raw) or list(_said(error, type))
    return one, list(one.contradictions())


def mismatches(value: Any, kind: Any) -> Iterator[Flaw]:
    """Give what is wrong with one value: with each of its parts, where it has parts."""
    try:
        gate.check(value)
    except gate.InvalidJson as error:
        yield dotted(error.path), f"{error.problem}: {error.detail}"
        return
    found = list(_of_parts(value, kind))
    yield from found
    if found:
        return
    yield from _of_whole(value, kind, kind)


def joined(*parts: str) -> str:
    """Give a path of parts, some of which may be empty.

    >>> joined("stages.0", "", "goal")
    'stages.0.goal'
    """
    return ".".join(part for part in parts if part)


def dotted(pointer: str) -> str:
    """Give a JSON pointer as a path with dots."""
    return pointer.removeprefix("/").replace("/", ".")


def _all_of(type: type[Defined], raw: Mapping[str, Any]) -> list[Flaw]:
    """Give the flaws of each field, and those that lie between the fields that have none."""
    found = list(_of_fields(raw, type))
    bad = {path.partition(".")[0] for path, _ in found}
    try:
        rest = msgspec.convert({name: value for name, value in raw.items() if name not in bad}, type, str_keys=True)
    except msgspec.ValidationError as error:
        return found + [flaw for flaw in _said(error, type) if isinstance(error.__cause__, Flawed) and flaw not in found]
    except TypeError:
        return found
    return found + [(path, message) for path, message in rest.contradictions() if path.partition(".")[0] not in bad]


def _of_fields(raw: Mapping[str, Any], type: type[Struct]) -> Iterator[Flaw]:
    known = {field.encode_name: field for field in structs.fields(type)}
    for name, field in known.items():
        if name in raw:
            yield from ((joined(name, path), message) for path, message in mismatches(raw[name], field.type))
        elif field.required:
            yield name, "is missing"
    if type.__struct_config__.forbid_unknown_fields:
        yield from ((str(name), "unknown field") for name in raw if name not in known)


def _of_parts(value: Any, kind: Any) -> Iterator[Flaw]:
    """Give the flaws of the entries of a table, of the members of a list, and of the fields of a struct."""
    if not isinstance(value, dict | list | tuple):
        return
    inner = next((one for one in _choices(kind) if _fits(value, one)), None)
    origin, arguments = get_origin(inner), get_args(inner)
    if isinstance(value, dict) and isinstance(inner, type) and issubclass(inner, Struct):
        yield from _of_fields(value, inner)
    elif isinstance(value, dict) and origin is not None:
        for name, one in value.items():
            keys = GenericAlias(dict, (arguments[0], Any))
            yield from ((str(name), message) for _, message in _of_whole({name: None}, keys, arguments[0]))
            yield from ((joined(str(name), path), message) for path, message in mismatches(one, arguments[1]))
    elif origin is not None:
        for place, one in enumerate(value):
            yield from ((joined(str(place), path), message) for path, message in mismatches(one, arguments[0]))


def _of_whole(value: Any, kind: Any, said: Any) -> Iterator[Flaw]:
    """Give what msgspec says of a value; `said` is the type whose words explain it."""
    try:
        msgspec.convert(value, kind, str_keys=True)
    except msgspec.ValidationError as error:
        yield from _said(error, said)


def _said(error: msgspec.ValidationError, kind: Any) -> Iterator[Flaw]:
    """Give what msgspec says, or what the definition itself has said."""
    message, _, place = str(error).partition(" - at `")
    at = place.rstrip("`").removeprefix("$").replace("[", ".").replace("]", "").strip(".")
    if isinstance(error.__cause__, Flawed):
        yield from ((joined(at, path), what) for path, what in error.__cause__.flaws)
    else:
        yield at, _described(message, kind)


def _choices(kind: Any) -> list[Any]:
    """Give the types of which a value may be, without their bounds."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in (Union, UnionType):
        return [inner for one in get_args(kind) if one is not NoneType for inner in _choices(one)]
    return [kind]


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value has the shape of a type, so that its parts can be looked at one by one."""
    origin = get_origin(kind)
    if isinstance(kind, type) and origin is None and issubclass(kind, Struct):
        return isinstance(value, dict) and kind.__struct_config__.tag is None
    if not isinstance(origin, type):
        return False
    if issubclass(origin, Mapping):
        return isinstance(value, dict)
    if origin is tuple and get_args(kind)[-1:] != (...,):
        return False
    return issubclass(origin, Collection | Sequence | Set) and not isinstance(value, dict)


def _described(message: str, kind: Any) -> str:
    """Say what was expected in words where msgspec would show a regular expression or only the wrong value."""
    if "matching regex" in message:
        text = next((meta.description for meta in getattr(kind, "__metadata__", ()) if isinstance(meta, Meta) and meta.description), None)
        if text:
            return f"expected {text}"
    if message.startswith("Invalid enum value"):
        words = [str(word) for one in _choices(kind) if get_origin(one) is Literal for word in get_args(one)]
        if words:
            return f"expected one of {', '.join(words)}"
    return message[:1].lower() + message[1:]

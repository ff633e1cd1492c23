"""The one JSON gate: what passes here means the same on SQLite, on PostgreSQL, in Python and in JavaScript.

`parse` takes bytes from outside, `check` takes a value from an embedding caller. Both keep the same rules, refuse with the path of
the fault, and give plain data that `dumps` writes back unchanged. Three things make the good path quick and the hostile one short:

1. a scan of the bytes finds nesting, size and the number of keys before anything is built;
2. msgspec decodes; a duplicate key shows as a key that stands in the bytes and is missing in the tree;
3. one walk over the tree keeps the remaining rules. Only a refused document is read a second time, to name the place.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import accumulate
from typing import Any, Final, TypeAlias

import msgspec

from gamekeeper.errors import GameError, Kind

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"

MAX_INTEGER: Final = 2**53 - 1
"""The largest integer that a JavaScript client reads exactly."""

_MAX_FLOAT: Final = float.fromhex("0x1.fffffffffffffp+1023")
_PROTOTYPE_KEYS: Final = frozenset({"__proto__", "constructor", "prototype"})
_BOM: Final = b"\xef\xbb\xbf"


class Limits(msgspec.Struct, frozen=True):
    """How large a document may be."""

    max_bytes: int = 1024 * 1024
    max_depth: int = 32
    max_nodes: int = 10_000
    max_key_bytes: int = 128
    max_string_bytes: int = 64 * 1024
    refuse_prototype_keys: bool = False
    """Refuse keys with which a careless JavaScript client would change its own prototypes; for what players write."""


DEFAULT: Final = Limits()


class InvalidJson(GameError):
    """The document is not JSON that every engine and client reads alike."""

    code = "INVALID_JSON"
    kind = Kind.INVALID
    path: str
    problem: str
    detail: str

    def __init__(self, problem: str, path: str = "", detail: str = "") -> None:
        super().__init__(problem=problem, path=path, detail=detail or _DETAILS.get(problem, ""))


_DETAILS: Final = {
    "duplicate_key": "the key stands more than once in its object",
    "too_deep": "nested more deeply than the limit",
    "too_large": "more bytes than the limit",
    "too_many_nodes": "more values than the limit",
    "number_out_of_range": "an integer must lie within +-(2**53 - 1)",
    "not_finite": "a number must be finite",
    "surrogate": "text must not hold half of a surrogate pair",
    "nul": "text must not hold the NUL character",
    "key_too_long": "a key in this object has more bytes than the limit",
    "string_too_long": "more bytes than the limit",
    "forbidden_key": "the key would reach an object's prototype in JavaScript",
    "not_utf8": "the bytes are not UTF-8 without a byte order mark",
    "wrong_type": "only dict with str keys, list, tuple, str, int, float, bool and None are JSON",
}


def parse(data: bytes, limits: Limits = DEFAULT) -> JsonValue:
    """Read a document from outside, or refuse it with the path of its first fault.

    >>> parse(b'{"coins": 5, "at": [-0.0, 2]}')
    {'coins': 5, 'at': [0.0, 2]}
    """
    if len(data) > limits.max_bytes:
        raise InvalidJson("too_large")
    if data.startswith(_BOM):
        raise InvalidJson("not_utf8")
    outline = _outline(data, limits)
    if _LONG_NUMBER in data.translate(_DIGITS_ALIKE):
        return _parse_slowly(data, limits)
    try:
        tree = _DECODE(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        _parse_slowly(data, limits)
        raise InvalidJson("syntax", detail=str(error)) from None
    walk = _Walk(limits, fresh=True)
    value = walk.run(tree)
    if walk.keys != outline.count(b":"):
        _parse_slowly(data, limits)
        raise InvalidJson("duplicate_key")
    if len(data) + walk.nodes * _GROWTH_BYTES > limits.max_bytes:
        _weigh(value, limits)
    return value


def check(value: object, limits: Limits = DEFAULT) -> JsonValue:
    """Copy a Python value into plain JSON data, or refuse it with the path of its first fault; the value is never changed.

    >>> check({"at": (1, -0.0)})
    {'at': [1, 0.0]}
    """
    copy = _Walk(limits, fresh=False).run(value)
    _weigh(copy, limits)
    return copy


def dumps(value: JsonValue) -> bytes:
    """Write a value that passed the gate as the canonical bytes stored on both engines: compact, UTF-8, keys in their order.

    >>> dumps({"name": "Ädle", "at": [1, 2.0]})
    b'{"name":"\\xc3\\x84dle","at":[1,2.0]}'
    """
    return _ENCODE(value)


# The bytes, before anything is parsed

_DECODE: Final = msgspec.json.Decoder().decode
_ENCODE: Final = msgspec.json.Encoder().encode

_NOT_PUNCTUATION: Final = bytes(set(range(256)) - set(b'[]{}",:'))
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STEPS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")

_DIGITS_ALIKE: Final = bytes.maketrans(b"123456789", b"000000000")
_LONG_NUMBER: Final = b"0" * 100
"""A number this long is read by the slow way, which counts digits before it converts them: conversion is quadratic."""

_GROWTH_BYTES: Final = 24
"""A number may be longer in canonical form than in its source (`1e15`), but not by more than this."""


def _outline(data: bytes, limits: Limits) -> bytes:
    """Give the punctuation outside of strings, or refuse what is too deep or has too many values to be parsed at all.

    What it gives is right up to the first syntax error, and no parser goes beyond that.
    """
    if b'\\"' in data:
        if b"\\\\" in data:
            data = data.replace(b"\\\\", b"")
        data = data.replace(b'\\"', b"")
    outline = data.translate(None, _NOT_PUNCTUATION)
    if outline.count(b'"') > 4 * limits.max_nodes:
        raise InvalidJson("too_many_nodes")
    outline = outline.replace(b'""', b"")  # strings without punctuation; two strings never touch
    if b'"' in outline:
        outline = b"".join(outline.split(b'"')[::2])
    brackets = outline.translate(None, _NOT_BRACKETS)
    if len(brackets) > limits.max_depth:
        _refuse_depth(brackets[: 2 * limits.max_nodes + 1], limits)
    if outline.count(b",") >= limits.max_nodes or len(brackets) > 2 * limits.max_nodes:
        raise InvalidJson("too_many_nodes")
    return outline


def _refuse_depth(brackets: bytes, limits: Limits) -> None:
    """Refuse brackets that nest beyond the limit."""
    if max(accumulate(memoryview(brackets.translate(_STEPS)).cast("b"))) > limits.max_depth:
        raise InvalidJson("too_deep")


def _weigh(value: JsonValue, limits: Limits) -> None:
    """Refuse a value whose stored form is larger than the limit, so that whatever was stored can be read."""
    if len(dumps(value)) > limits.max_bytes:
        raise InvalidJson("too_large")


# The tree


class _Walk:
    """One pass over a tree that keeps every rule about values: over a copy, unless a decoder has just made the tree."""

    __slots__ = ("_fresh", "_good_keys", "_limits", "_short", "_text_bytes", "keys", "nodes")

    def __init__(self, limits: Limits, *, fresh: bool) -> None:
        self.keys = 0
        self.nodes = 1
        self._fresh = fresh
        self._short = min(_SHORT, limits.max_string_bytes)
        self._text_bytes = 0
        self._limits = limits
        self._good_keys: set[object] = set()

    def run(self, value: object) -> JsonValue:
        """Give the whole value, checked and with what had to change."""
        root: list[Any] = [value]
        try:
            self._members(enumerate((value,)), root, -1)
        except _Fault as fault:
            raise InvalidJson(fault.problem, fault.pointer()) from None
        checked: JsonValue = root[0]
        return checked

    def _members(self, members: Iterable[tuple[Any, Any]], copy: Any, depth: int) -> None:
        """Check what stands in one container, and put into its shallow copy what has to differ.

        The branches stand in one function because this loop is where the gate spends its time.
        """
        step = None
        short = self._short
        try:
            for step, item in members:
                kind = type(item)
                if kind is str:
                    if len(item) > short or not item.isascii():
                        self._text(item)
                    if "\0" in item:
                        raise _Fault("nul")
                elif kind is int:
                    if not -MAX_INTEGER <= item <= MAX_INTEGER:
                        raise _Fault("number_out_of_range")
                elif kind is float:
                    if not -_MAX_FLOAT <= item <= _MAX_FLOAT:
                        raise _Fault("not_finite")
                    copy[step] = item or 0.0  # -0.0 equals 0.0 and would be written in another way
                elif kind is dict:
                    copy[step] = self._object(item, depth + 1)
                elif kind is list or kind is tuple:
                    copy[step] = self._array(item, depth + 1)
                elif item is not None and kind is not bool:
                    raise _Fault(item.problem if kind is _Mark else "wrong_type")
        except _Fault as fault:
            fault.steps.append(step)
            raise

    def _object(self, value: dict[Any, Any], depth: int) -> JsonValue:
        self._enter(len(value), depth)
        self.keys += len(value)
        if not (self._fresh and self._good_keys.issuperset(value)):
            for key in value:
                self._key(key)
        copy = value if self._fresh else value.copy()
        self._members(value.items(), copy, depth)
        return copy

    def _array(self, value: Any, depth: int) -> JsonValue:
        self._enter(len(value), depth)
        copy = value if self._fresh else list(value)
        self._members(enumerate(value), copy, depth)
        return copy

    def _enter(self, children: int, depth: int) -> None:
        if depth >= self._limits.max_depth:
            raise _Fault("too_deep")
        self.nodes += children
        if self.nodes > self._limits.max_nodes:
            raise _Fault("too_many_nodes")

    def _key(self, key: object) -> None:
        """Accept a key for the rest of the walk. The path of a bad one ends at its object: such a key can often not be shown."""
        if type(key) is not str:  # first, because a subclass may equal a good key
            raise _Fault("wrong_type")
        if key in self._good_keys:
            return
        if _utf8_length(key, self._limits.max_key_bytes) > self._limits.max_key_bytes:
            raise _Fault("key_too_long")
        if "\0" in key:
            raise _Fault("nul")
        if self._limits.refuse_prototype_keys and key in _PROTOTYPE_KEYS:
            raise _Fault("forbidden_key", key)
        self._good_keys.add(key)

    def _text(self, text: str) -> None:
        """Measure a string that is not obviously harmless."""
        length = _utf8_length(text, self._limits.max_string_bytes)
        if length > self._limits.max_string_bytes:
            raise _Fault("string_too_long")
        self._text_bytes += length
        if self._text_bytes > self._limits.max_bytes:
            raise _Fault("too_large")


_SHORT: Final = 64
"""ASCII text up to here is measured only with the whole document: ten thousand of these are small."""


class _Fault(Exception):
    """A rule was broken; the containers around it add their step as it passes them."""

    def __init__(self, problem: str, *steps: object) -> None:
        super().__init__(problem)
        self.problem = problem
        self.steps = list(steps)

    def pointer(self) -> str:
        """Give the way from the root as a JSON pointer."""
        return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in self.steps[-2::-1])


class _Mark(msgspec.Struct, frozen=True):
    """Stands in the tree where the slow reader saw something that a Python value cannot carry."""

    problem: str


def _utf8_length(text: str, enough: int) -> int:
    """Measure text in bytes; a text of more characters than `enough` is not encoded for it."""
    if len(text) > enough or text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise _Fault("surrogate") from None


# The slow way, for documents that will be refused and for numbers of very many digits


def _parse_slowly(data: bytes, limits: Limits) -> JsonValue:
    """Read a document with the standard library, which can say where a fault is."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise InvalidJson("not_utf8", detail=f"byte {error.start} does not belong to UTF-8 text") from None
    try:
        tree = _SLOW.decode(text)
    except json.JSONDecodeError as error:
        raise InvalidJson("syntax", detail=f"line {error.lineno} column {error.colno}: {error.msg}") from None
    value = _Walk(limits, fresh=True).run(tree)
    _weigh(value, limits)
    return value


def _marked_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members: dict[str, object] = {}
    for key, value in pairs:
        members[key] = _Mark("duplicate_key") if key in members else value
    return members


def _marked_integer(digits: str) -> object:
    return int(digits) if len(digits) <= len(str(-MAX_INTEGER)) else _Mark("number_out_of_range")


def _marked_constant(_name: str) -> _Mark:
    return _Mark("not_finite")


_SLOW: Final = json.JSONDecoder(object_pairs_hook=_marked_object, parse_int=_marked_integer, parse_constant=_marked_constant)

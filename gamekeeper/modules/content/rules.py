"""What a pack must keep to, and what loading it changes."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from gamekeeper.errors import InvalidArgument

from .errors import DefinitionNeeded, ReferenceUnknown
from .flaws import examined
from .kinds import KINDS, Declared, Defined, kind_of_plural
from .packs import Pack
from .records import Definition

Body = dict[str, Any]
Named = tuple[str, str]
"""The kind and the id of a definition."""

MAX_ALSO: Final = 20
"""How many more paths an error names."""


class Drafted(NamedTuple):
    """A definition that is about to be loaded: where it stands in the command, what it is, and as what it is stored."""

    path: str
    definition: Defined
    body: Body


def drafted(pack: Pack) -> dict[Named, Drafted]:
    """Give a pack's definitions by kind and id; refuse one that stands twice, has a flaw, or is of a kind that nobody declared.

    Raises: INVALID_ARGUMENT.
    """
    found: dict[Named, Drafted] = {}
    for plural, entries in pack.definitions.items():
        kind = kind_of_plural(plural)
        if kind is None:
            known = ", ".join(sorted(one.plural for one in KINDS.values()))
            raise InvalidArgument(path=f"/pack/definitions/{plural}", problem=f"no known kind of definition; known are {known}")
        for place, given in enumerate(entries):
            one = _draft(kind, f"/pack/definitions/{plural}/{place}", given)
            if found.setdefault((kind.kind, one.definition.id), one) is not one:
                raise InvalidArgument(path=f"{one.path}/id", problem="the id stands twice in the pack")
    return found


def _draft(kind: Declared, path: str, given: Any) -> Drafted:
    """Check what stands in a pack, be it a definition or plain data."""
    if isinstance(given, Defined) and type(given) is not kind.type:
        raise InvalidArgument(path=path, problem=f"a {type(given).__name__} is no {kind.kind}")
    try:
        raw = body_of(given)
    except TypeError as error:
        raise InvalidArgument(path=path, problem=str(error)) from None
    if not isinstance(raw, dict):
        raise InvalidArgument(path=path, problem="expected an object")
    one, flaws = examined(kind.type, raw)
    if one is None or flaws:
        field, problem = flaws[0]
        raise InvalidArgument(path=path + pointer(field), problem=problem)
    return Drafted(path, one, body_of(one))


def body_of(definition: Any) -> Any:
    """Give a definition as plain data."""
    return msgspec.to_builtins(definition, str_keys=True, order="deterministic")


def pointer(path: str) -> str:
    """Give a path with dots as a JSON pointer.

    >>> pointer("stages.0.goal"), pointer("")
    ('/stages/0/goal', '')
    """
    return "/" + path.replace("~", "~0").replace("/", "~1").replace(".", "/") if path else ""


def read_back(kind: str, body: Body | str) -> Defined | str:
    """Give a stored definition, or its text, as its class; or say why this program cannot read it."""
    known = KINDS.get(kind)
    if known is None:
        return "of no kind that this program knows"
    try:
        if isinstance(body, str):
            return msgspec.json.decode(body, type=known.type)
        return msgspec.convert(body, known.type, str_keys=True)
    except msgspec.ValidationError as error:
        return str(error)


def refuse_unknown_references(new: Mapping[Named, Drafted], elsewhere: Collection[Named]) -> None:
    """Let definitions name only such as are there when the pack is loaded.

    Raises: REFERENCE_UNKNOWN.
    """
    unknown = [
        (one.path + pointer(field), kind, id)
        for one in new.values()
        for field, kind, id in one.definition.references()
        if (kind, id) not in new and (kind, id) not in elsewhere
    ]
    if unknown:
        path, kind, id = unknown[0]
        raise ReferenceUnknown(path=path, of_kind=kind, id=id, also=[path for path, _, _ in unknown[1 : 1 + MAX_ALSO]])


def refuse_to_remove_what_is_named(gone: Collection[Named], others: Iterable[Definition]) -> None:
    """Keep what a definition of another pack names.

    Raises: DEFINITION_NEEDED.
    """
    if not gone:
        return
    for row in others:
        for kind, id in _named_by(row):
            if (kind, id) in gone:
                raise DefinitionNeeded(of_kind=kind, id=id, pack=row.pack_id, by=f"{row.kind} {row.id}")


def _named_by(row: Definition) -> Iterator[Named]:
    one = read_back(row.kind, row.body)
    if not isinstance(one, str):
        yield from ((kind, id) for _, kind, id in one.references())


def difference(old: Mapping[Named, Body], new: Mapping[Named, Body]) -> tuple[list[Named], list[Named], list[Named]]:
    """Give what comes, what changes and what goes.

    >>> a, b, c, d = (("item", id) for id in "abcd")
    >>> difference({a: {}, b: {"v": 1}, c: {}}, {a: {}, b: {"v": 2}, d: {}})
    ([('item', 'd')], [('item', 'b')], [('item', 'c')])
    """
    come = [one for one in new if one not in old]
    changed = [one for one in new if one in old and old[one] != new[one]]
    return come, changed, [one for one in old if one not in new]

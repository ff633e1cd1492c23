"""What a pack must keep to, and what loading it changes."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from gamekeeper.errors import InvalidArgument

from .errors import DefinitionNeeded, DefinitionsInCircle, ReferenceUnknown
from .flaws import examined
from .kinds import KINDS, Declared, Defined, circle, folded, kind_of_plural
from .packs import Pack, digest_of
from .records import Definition, PackVersion

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


def refuse_alike(new: Mapping[Named, Drafted], others: Mapping[Named, Definition]) -> None:
    """Let no two definitions of a kind be alike where that kind says that they are not, be it over several packs.

    Raises: INVALID_ARGUMENT.
    """
    known = {
        (kind, field, folded(str(row.body.get(field, "")))): id
        for (kind, id), row in others.items()
        if kind in KINDS
        for field in KINDS[kind].type.DISTINCT
    }
    for (kind, id), one in new.items():
        for field in type(one.definition).DISTINCT:
            other = known.setdefault((kind, field, folded(str(getattr(one.definition, field)))), id)
            if other != id:
                raise InvalidArgument(path=one.path + pointer(field), problem=f"{kind} {other} has the same")


def refuse_circles(new: Mapping[Named, Drafted], others: Mapping[Named, Definition]) -> None:
    """Let no definitions need each other in a circle, be it over several packs.

    Raises: DEFINITIONS_IN_CIRCLE.
    """
    if not any(True for one in new.values() for _ in one.definition.needs()):
        return
    read = {named: read_back(row.kind, row.body) for named, row in others.items()}
    known = {named: one for named, one in read.items() if not isinstance(one, str)}
    found = circle(known | {named: one.definition for named, one in new.items()})
    if found:
        raise DefinitionsInCircle(of_kinds=[kind for kind, _ in found], ids=[id for _, id in found])


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


def by_plural(new: Mapping[Named, Drafted]) -> dict[str, list[Body]]:
    """Give definitions as a pack holds them: as plain data, by the plural of their kind."""
    found: dict[str, list[Body]] = {}
    for (kind, _), one in sorted(new.items(), key=lambda item: item[0]):
        found.setdefault(KINDS[kind].plural, []).append(one.body)
    return found


def digest_as_kept(pack: Pack, new: Mapping[Named, Drafted]) -> str:
    """Give the digest of what is kept of a pack; what it says itself may be another's."""
    definitions = {plural: tuple(entries) for plural, entries in by_plural(new).items()}
    return digest_of(Pack(pack.id, pack.version, pack.title, definitions))


def as_pack(stored: PackVersion) -> Pack:
    """Give a kept version as the pack that was loaded."""
    definitions = {plural: tuple(entries) for plural, entries in stored.definitions.items()}
    return Pack(stored.pack_id, stored.version, stored.title, definitions, stored.digest)


def same_json(one: Any, other: Any) -> bool:
    """Tell whether two values are the same JSON; Python takes 1, 1.0 and true for equal.

    >>> same_json({"a": 1}, {"a": True}), same_json([1, {"a": 2}], [1, {"a": 2}])
    (False, True)
    """
    return msgspec.json.encode(one, order="sorted") == msgspec.json.encode(other, order="sorted")


def altered(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Give where two values of JSON differ: the path, and what stands there in each; None where nothing does.

    >>> list(altered({"price": 3, "tags": ["a", "b"]}, {"price": 4, "tags": ["a"]}))
    [('price', 3, 4), ('tags.1', 'b', None)]
    """
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in sorted(before.keys() | after.keys()):
            yield from altered(before.get(name), after.get(name), f"{path}.{name}" if path else str(name))
    elif isinstance(before, list) and isinstance(after, list):
        for place in range(max(len(before), len(after))):
            one, other = (some[place] if place < len(some) else None for some in (before, after))
            yield from altered(one, other, f"{path}.{place}" if path else str(place))
    elif not same_json(before, after):
        yield path, before, after

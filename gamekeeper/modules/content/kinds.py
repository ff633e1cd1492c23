"""What can be defined: a class for each kind of definition, declared by the module that knows it.

@content.defines("potion")
class PotionDefinition(content.Defined, kw_only=True):
    ...
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Any, ClassVar, Final, TypeAlias, TypeVar

from msgspec import Meta, Struct

from gamekeeper.kernel import gate

# `$` alone would let a line break at the end pass.
Id = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}$(?!\n)", description="a lower-case letter, then up to 63 letters, digits or _")]
Label = Annotated[
    str, Meta(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)", description="1 to 80 characters, no control characters")
]
Natural = Annotated[int, Meta(ge=0, le=gate.MAX_INTEGER)]
Amount = Annotated[int, Meta(ge=-gate.MAX_INTEGER, le=gate.MAX_INTEGER)]
Level = Annotated[int, Meta(ge=0, le=10_000)]

Flaw: TypeAlias = tuple[str, str]
"""The path of a field (`stages.0.goal`; empty for the whole) and what is wrong with it."""
Reference: TypeAlias = tuple[str, str, str]
"""The path of a field, and the kind and the id of the definition that it names."""


class Flawed(ValueError):
    """What a definition, or a part of one, raises from its `__post_init__`: all that is wrong with its fields."""

    def __init__(self, flaws: Iterable[Flaw]) -> None:
        self.flaws = tuple(flaws)
        super().__init__("; ".join(": ".join(part for part in flaw if part) for flaw in self.flaws))


class Defined(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every definition has: an id, unique among those of its kind."""

    DISTINCT: ClassVar[tuple[str, ...]] = ()
    """Further fields in which no two definitions of the kind are alike, in whatever spelling."""

    id: Id

    def contradictions(self) -> Iterable[Flaw]:
        """Give what in the definition excludes something else in it, each with its path."""
        return ()

    def references(self) -> Iterable[Reference]:
        """Give what other definitions it names, each with the path of the field that names it."""
        return ()

    def needs(self) -> Iterable[Reference]:
        """Give those of its references that come before it: in a circle of them nothing could ever begin, and no pack has one."""
        return ()

    def derived(self) -> "Iterable[Defined]":
        """Give definitions of its kind that follow from it and that no pack holds."""
        return ()


class Declared(Struct, frozen=True):
    """A kind of definition: its name, the plural by which packs know it, and its class."""

    kind: str
    plural: str
    type: type[Defined]


KINDS: Final[dict[str, Declared]] = {}
"""Every kind that is declared, by its name."""

D = TypeVar("D", bound=Defined)
_WORD: Final = re.compile(r"[a-z][a-z_]{0,31}\Z")
_OF_A_PACK: Final = frozenset({"pack", "id", "version", "title", "digest", "definitions"})


def defines(kind: str, *, plural: str = "") -> Callable[[type[D]], type[D]]:
    """Declare a kind of definition. Packs hold it in `<plural>*.toml` and `.json`; commands find it by `ctx.definitions(TheClass)`."""
    plural = plural or f"{kind}s"

    def declare(type: type[D]) -> type[D]:
        if not (_WORD.match(kind) and _WORD.match(plural)) or plural in _OF_A_PACK:
            raise TypeError(f"{type.__qualname__}: a kind and its plural are lower-case words, and a pack has {sorted(_OF_A_PACK)} already")
        if not issubclass(type, Defined):
            raise TypeError(f"{type.__qualname__} is no content.Defined")
        for other in KINDS.values():
            same = (other.type.__module__, other.type.__qualname__) == (type.__module__, type.__qualname__)
            if same and other.kind == kind:
                continue  # its file is imported again
            if same or other.kind == kind or other.plural == plural:
                raise TypeError(f"{kind} ({plural}): {other.type.__qualname__} is declared as {other.kind} ({other.plural}) already")
        KINDS[kind] = Declared(kind, plural, type)
        return type

    return declare


def circle(definitions: Mapping[tuple[str, str], Defined]) -> list[tuple[str, str]]:
    """Give definitions that need each other in a circle, each the one before it, by kind and id; none if there is no circle."""
    graph = {named: [(kind, id) for _, kind, id in one.needs()] for named, one in definitions.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found: list[tuple[str, str]] = error.args[1]
        return found[1:]
    return []


def folded(text: str) -> str:
    """Give a text in the one spelling of all that are alike.

    >>> folded("Iron Will") == folded("iron will")
    True
    """
    return unicodedata.normalize("NFKC", text).casefold()


def kind_of(definition: Any) -> Declared | None:
    """Give the kind of which something is a definition, if it is one."""
    return next((one for one in KINDS.values() if one.type is type(definition)), None)


def kind_of_plural(plural: str) -> Declared | None:
    """Give the kind that has a plural."""
    return next((one for one in KINDS.values() if one.plural == plural), None)

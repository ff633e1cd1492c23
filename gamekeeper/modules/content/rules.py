"""What a pack must keep to, and what loading it changes."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from gamekeeper.errors import InvalidArgument
from gamekeeper.kernel import gate

from .packs import ItemDefinition

Body = dict[str, Any]


def contradiction(item: ItemDefinition) -> str | None:
    """Say what in a definition excludes something else in it.

    >>> contradiction(ItemDefinition(id="crown", name="Crown", unique=True, stackable=True))
    'a unique item cannot be stackable'
    >>> contradiction(ItemDefinition(id="arrow", name="Arrow", stackable=True))
    """
    if item.unique and item.stackable:
        return "a unique item cannot be stackable"
    if not item.stackable and item.max_stack > 1:
        return "an item that is not stackable has a stack of 1"
    if item.unique and item.noteable:
        return "a unique item cannot be noted: a note would forget which one it was"
    return None


def bodies(items: Iterable[ItemDefinition]) -> dict[str, Body]:
    """Give the definitions as stored, by id; refuse one that stands twice, contradicts itself or is no plain JSON.

    Raises: INVALID_ARGUMENT.
    """
    found: dict[str, Body] = {}
    for place, item in enumerate(items):
        path = f"/pack/items/{place}"
        problem = contradiction(item) or ("the id stands twice in the pack" if item.id in found else None)
        if problem:
            raise InvalidArgument(path=path, problem=problem)
        try:
            gate.check(item.attributes)
        except gate.InvalidJson as error:
            raise InvalidArgument(path=f"{path}/attributes{error.path}", problem=error.problem) from None
        found[item.id] = msgspec.to_builtins(item)
    return found


def difference(old: Mapping[str, Body], new: Mapping[str, Body]) -> tuple[list[str], list[str], list[str]]:
    """Give the ids that come, that change and that go.

    >>> difference({"a": {}, "b": {"v": 1}, "c": {}}, {"a": {}, "b": {"v": 2}, "d": {}})
    (['d'], ['b'], ['c'])
    """
    come = [id for id in new if id not in old]
    changed = [id for id in new if id in old and old[id] != new[id]]
    return come, changed, [id for id in old if id not in new]

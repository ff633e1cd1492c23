"""Arithmetic of tabs and slots."""

from collections.abc import Collection, Iterable
from typing import Final, Literal, TypeAlias

from gamekeeper.modules import items

SETTING: Final = "always_set_placeholder"
"""The character's setting after which a slot that is emptied keeps its place."""
NOTE_ACCOUNT: Final = "note"
"""The sink and the source between an item and its note."""
COINS: Final = "coins"

Spot: TypeAlias = tuple[int, int]
"""A tab and a slot in it."""
How: TypeAlias = Literal["swap", "insert"]


def container_of(tab: int) -> items.Container:
    """Give the container of a tab.

    >>> container_of(3)
    'bank:3'
    """
    return items.BANK_TABS[tab]


def tab_of(container: str) -> int:
    """Give the tab of a container.

    >>> tab_of("bank:3")
    3
    """
    return int(container.rpartition(":")[2])


def wanted(held: int, quantity: int | None, but_one: bool) -> int:
    """Give how much to take of what is held: as much as was asked for and is there, all of it, or all but one.

    >>> wanted(50, 100, False), wanted(50, None, False), wanted(50, None, True), wanted(50, 10, True)
    (50, 50, 49, 10)
    """
    most = held - 1 if but_one else held
    return most if quantity is None else min(most, quantity)


def first_free(spots: Iterable[Spot], tab: int) -> int:
    """Give the first slot of a tab in which nothing lies.

    >>> first_free([(0, 0), (0, 1), (1, 2)], 0), first_free([(0, 0), (0, 1), (1, 2)], 1)
    (2, 0)
    """
    used = {slot for where, slot in spots if where == tab}
    return next(slot for slot in range(len(used) + 1) if slot not in used)


def nearest_hole(used: Collection[int], at: int, size: int) -> int | None:
    """Give the free slot towards which others move to make way: the next one from `at` on, else the last one before it.

    >>> nearest_hole({0, 1, 3}, 0, 4), nearest_hole({1, 2, 3}, 2, 4), nearest_hole({0}, 0, 1)
    (2, 0, None)
    """
    later = (slot for slot in range(at, size) if slot not in used)
    earlier = (slot for slot in range(at - 1, -1, -1) if slot not in used)
    return next(later, next(earlier, None))


def make_way(used: Collection[int], at: int, hole: int) -> dict[int, int]:
    """Give where what lies between two slots goes, so that `at` is free and `hole`, which is free, is not.

    >>> make_way({1, 2, 3, 9}, 1, 4), make_way({1, 2, 3, 9}, 3, 0)
    ({1: 2, 2: 3, 3: 4}, {1: 0, 2: 1, 3: 2})
    """
    step = 1 if at < hole else -1
    between = range(at, hole) if at < hole else range(hole + 1, at + 1)
    return {slot: slot + step for slot in between if slot in used}

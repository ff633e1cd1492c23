"""The arithmetic of stacks, slots and containers."""

from collections.abc import Container as Membership
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, Literal

import msgspec

from gamekeeper.modules import content

from .records import Container, GroundDrop

INVENTORY: Final = "inventory"
EQUIPMENT: Final = "equipment"
POUCH: Final = "pouch"
GROUND: Final = "ground"
BANK_TABS: Final[tuple[Container, ...]] = (
    "bank:0",
    "bank:1",
    "bank:2",
    "bank:3",
    "bank:4",
    "bank:5",
    "bank:6",
    "bank:7",
    "bank:8",
    "bank:9",
)

INVENTORY_SLOTS: Final = 28
BANK_SLOTS: Final = 480
"""Over all tabs together; each tab is numbered from 0."""
POUCH_SLOTS: Final = 16
"""How many currencies a pouch holds, one slot each."""
GROUND_SLOTS: Final = 10_000
UNSEEN_SLOTS: Final = 10_000
"""Gravestones and escrow, which no player fills by hand."""

DESPAWN: Final = "despawn"
"""The sink of what has lain on the ground for too long."""
CURRENCY: Final = "currency"
"""The kind of items that a pouch takes."""

SLOTS: Final[dict[str, int]] = {
    INVENTORY: INVENTORY_SLOTS,
    EQUIPMENT: len(content.EQUIPMENT_SLOTS),
    POUCH: POUCH_SLOTS,
    **dict.fromkeys(BANK_TABS, BANK_SLOTS),
    GROUND: GROUND_SLOTS,
    "gravestone": UNSEEN_SLOTS,
    "escrow": UNSEEN_SLOTS,
}

WEAPON: Final = content.EQUIPMENT_SLOTS.index("weapon")
SHIELD: Final = content.EQUIPMENT_SLOTS.index("shield")

HAND_CONTAINERS: Final = frozenset({INVENTORY, POUCH, *BANK_TABS})
"""Where a player may move things by hand; the others have their own commands."""

CHOOSY_CONTAINERS: Final = frozenset({EQUIPMENT, POUCH})
"""Containers that do not take every item."""

_ENCODE: Final = msgspec.json.Encoder(order="deterministic").encode

Metadata = dict[str, Any]


def same_metadata(one: Metadata, other: Metadata) -> bool:
    """Tell whether two stacks may become one: equal as JSON, where 1 and true and 1.0 are three things.

    >>> same_metadata({"a": 1, "b": 2}, {"b": 2, "a": 1}), same_metadata({"charges": 1}, {"charges": True})
    (True, False)
    """
    return one == other and (not one or _ENCODE(one) == _ENCODE(other))


def stack_limit(definition: content.ItemDefinition | None) -> int | None:
    """Give the size to which stacks of an item may grow, or None when they never merge.

    An item that no pack defines any more is kept as it is, so its stacks do not grow.

    >>> stack_limit(content.ItemDefinition(id="arrow", name="Arrow", stackable=True, max_stack=100)), stack_limit(None)
    (100, None)
    """
    return definition.max_stack if definition is not None and definition.stackable else None


def tradeable(definition: content.ItemDefinition | None) -> bool:
    """Tell whether an item may go to someone else; of an unknown one nobody can say, so it may not.

    >>> tradeable(content.ItemDefinition(id="arrow", name="Arrow")), tradeable(None)
    (True, False)
    """
    return definition is not None and definition.tradeable


def note_for(definition: content.ItemDefinition | None) -> str | None:
    """Give the id of an item's note, or None when it has none.

    >>> note_for(content.ItemDefinition(id="log", name="Log", noteable=True)), note_for(None)
    ('log_noted', None)
    """
    return definition.id + content.NOTE_SUFFIX if definition is not None and definition.noteable else None


def note_of(item: str, definitions: Mapping[str, content.ItemDefinition]) -> str | None:
    """Give what a note stands for, or None when the item is no note; one whose item can no longer be noted still stands for it.

    >>> log = {"log": content.ItemDefinition(id="log", name="Log")}
    >>> note_of("log_noted", log), note_of("log", log), note_of("oak_noted", log)
    ('log', None, None)
    """
    base = item.removesuffix(content.NOTE_SUFFIX)
    return base if base != item and base in definitions else None


def is_currency(definition: content.ItemDefinition) -> bool:
    """Tell whether an item belongs into the pouch.

    >>> is_currency(content.ItemDefinition(id="coins", name="Coins", kind="currency", stackable=True))
    True
    """
    return definition.kind == CURRENCY and definition.stackable


def place_for(definition: content.ItemDefinition) -> Literal["pouch", "inventory"]:
    """Give where an item belongs that is paid or handed over.

    >>> place_for(content.ItemDefinition(id="logs", name="Logs"))
    'inventory'
    """
    return "pouch" if is_currency(definition) else "inventory"


def draw(stacks: Sequence[int], needed: int) -> list[int]:
    """Give how much to take of each stack, the first ones first; stacks that stay whole at the end are left out.

    >>> draw([3, 5, 9], 6)
    [3, 3]
    """
    parts: list[int] = []
    for quantity in stacks:
        if needed == 0:
            break
        part = min(quantity, needed)
        parts.append(part)
        needed -= part
    return parts


def is_gone(row: GroundDrop, now: int) -> bool:
    """Tell whether a heap's time is over: it is gone then, whether it was swept away by now or not."""
    return row.despawns_at <= now


def is_protected(row: GroundDrop, now: int) -> bool:
    """Tell whether a heap is there for its owner alone."""
    return now < row.protected_until


def stacks_needed(quantity: int, limit: int) -> int:
    """Give how many new stacks a quantity makes.

    >>> stacks_needed(250, 100), stacks_needed(200, 100)
    (3, 2)
    """
    return -(-quantity // limit)


def spread(quantity: int, limit: int) -> Iterator[int]:
    """Give the sizes of the new stacks.

    >>> list(spread(250, 100))
    [100, 100, 50]
    """
    while quantity > limit:
        yield limit
        quantity -= limit
    yield quantity


def first_free(used: Membership[int], size: int, count: int) -> list[int]:
    """Give the first slots that nothing lies in, at most `count`.

    >>> first_free({0, 2}, 5, 2), first_free({0, 1}, 2, 1)
    ([1, 3], [])
    """
    return list(islice((slot for slot in range(size) if slot not in used), count))


def room_with(container: str) -> Sequence[str]:
    """Give the containers that share their size with this one: the tabs of a bank do.

    >>> room_with("inventory"), len(room_with("bank:3"))
    (('inventory',), 10)
    """
    return BANK_TABS if container in BANK_TABS else (container,)

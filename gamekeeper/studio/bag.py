"""What somebody holds, laid out as containers with slots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import Struct

from gamekeeper.modules import content, items

GRID: Final = "inventory"
WORN: Final = "equipment"

ICONS: Final = frozenset(
    {"currency", "resource", "food", "tool", "weapon", "ammunition", "armour", "jewellery", "herb", "potion", "gem", "relic"}
)
"""Kinds of items that have a sign of their own."""


class Piece(Struct, frozen=True):
    """An item as it is shown: in a slot, in an offer, in a list."""

    item: str
    name: str
    quantity: int
    uid: str | None
    metadata: dict[str, Any]
    unknown: bool
    icon: str
    rarity: str


class Place(Struct, frozen=True):
    """A slot, and what lies in it."""

    slot: int
    label: str
    piece: Piece | None


class Bag(Struct, frozen=True):
    """A container: every slot of those that have few, only the full ones of the others."""

    name: str
    places: list[Place]
    filled: int
    size: int


Definitions = Mapping[str, content.ItemDefinition]


def piece_of(known: Definitions, item: str, quantity: int, uid: str | None = None, metadata: dict[str, Any] | None = None) -> Piece:
    """An item as it is shown; what no pack defines keeps its id for a name, and is marked."""
    definition = known.get(item)
    if definition is None:
        return Piece(item, item, quantity, uid, metadata or {}, True, "unknown", "unknown")
    icon = definition.kind if definition.kind in ICONS else "other"
    return Piece(item, definition.name, quantity, uid, metadata or {}, False, icon, definition.rarity)


def bags_of(rows: Iterable[items.Holding], known: Definitions, size: items.InventorySize | None = None) -> list[Bag]:
    """Everything that somebody holds: inventory and equipment with their empty slots, then the others that hold anything."""
    held: dict[str, dict[int, Piece]] = {GRID: {}, WORN: {}}
    for row in rows:
        held.setdefault(row.container, {})[row.slot] = piece_of(known, row.item_id, row.quantity, row.item_uid, row.metadata)
    sizes = items.SLOTS if size is None else {**items.SLOTS, GRID: size.slots}
    return [_bag(name, pieces, sizes.get(name, len(pieces))) for name, pieces in held.items()]


def _bag(name: str, pieces: dict[int, Piece], size: int) -> Bag:
    every = name in (GRID, WORN)
    slots = sorted({*range(size), *pieces}) if every else sorted(pieces)
    return Bag(name, [Place(slot, _label(name, slot), pieces.get(slot)) for slot in slots], len(pieces), size)


def _label(container: str, slot: int) -> str:
    if container == WORN and slot < len(content.EQUIPMENT_SLOTS):
        return content.EQUIPMENT_SLOTS[slot]
    return str(slot + 1)

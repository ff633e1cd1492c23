"""The rules of death: what is kept, what is lost, who may take it and for how long."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from gamekeeper.modules import content, items

from .records import PlayerDeath, ZoneType

KEPT: Final = 3
"""How many things are kept where it is safe."""
MOST_KEPT: Final = 28
RESPAWN_MS: Final = 3_000
"""Within five ticks nobody dies twice: it is the same death, told again."""
GRAVESTONE_MS: Final = 15 * 60_000
GROUND_MS: Final = 60 * 60_000
PROTECTION_MS: Final = 60_000
"""On the ground, and where it is not safe: how long what is lost is kept from others."""
MOST_LINES: Final = 500
"""How many different things of one death are listed with it."""

CARRIED: Final = ("equipment", "inventory")
"""What a death takes from; never the pouch, and never the bank."""


def kept_in(zone: ZoneType) -> int:
    """Give how many things a character keeps that dies there.

    >>> kept_in("safe_area"), kept_in("wilderness")
    (3, 0)
    """
    return KEPT if zone == "safe_area" else 0


def fallen(
    rows: Iterable[items.Holding], definitions: Mapping[str, content.ItemDefinition], keeps: int
) -> list[tuple[items.Holding, int]]:
    """Give what a death takes, and how much of each stack: all that is carried but the most valuable things, counted one by one.

    What may not go to somebody else is always kept and not counted: it would be of use to nobody. So is what no pack defines any more.
    """
    carried = [row for row in rows if row.container in CARRIED and items.tradeable(definitions.get(row.item_id))]
    carried.sort(key=lambda row: (-definitions[row.item_id].value, row.container, row.slot))
    found = []
    for row in carried:
        kept = min(row.quantity, keeps)
        keeps -= kept
        if row.quantity > kept:
            found.append((row, row.quantity - kept))
    return found


def listed(lost: Iterable[tuple[items.Holding, int]]) -> list[dict[str, Any]]:
    """Give what was lost as it is kept with the death: an item a line, and each unique thing by itself.

    >>> pile = [items.Holding("ada", "inventory", slot, "arrow", 100) for slot in (0, 1)]
    >>> listed([(pile[0], 100), (pile[1], 40)])
    [{'item': 'arrow', 'quantity': 140}]
    """
    found: dict[tuple[str, str | None], int] = {}
    for row, quantity in lost:
        key = (row.item_id, row.item_uid)
        found[key] = found.get(key, 0) + quantity
    lines = [{"item": item, "quantity": quantity} | ({"item_uid": uid} if uid else {}) for (item, uid), quantity in found.items()]
    return lines[:MOST_LINES]


def protected_until(zone: ZoneType, at: int) -> int:
    """Give until when a gravestone is kept from others: as long as it stands where it is safe, else for a minute.

    >>> protected_until("safe_area", 0), protected_until("pvp_zone", 0)
    (900000, 60000)
    """
    return at + (GRAVESTONE_MS if zone == "safe_area" else PROTECTION_MS)


def may_take(death: PlayerDeath, character: str, now: int) -> bool:
    """Tell whether a character may take from a gravestone: its owner always, who killed it where that is allowed, others when it is free."""
    if character == death.character_id or now >= death.protected_until:
        return True
    return death.zone_type != "safe_area" and character == death.killed_by


def in_order(rows: Iterable[items.Holding]) -> Sequence[items.Holding]:
    """Give the stacks of a gravestone as they were laid into it."""
    return sorted(rows, key=lambda row: row.slot)

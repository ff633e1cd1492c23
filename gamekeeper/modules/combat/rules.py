"""The rules of death: what is kept, what is lost, who may take it and for how long."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from gamekeeper.modules import content, items

from .records import PlayerDeath, ZoneType

MOST_KEPT: Final = 28
RESPAWN_MS: Final = 3_000
"""Within five ticks nobody dies twice: it is the same death, told again."""
PROTECTION_MS: Final = 60_000
"""How long what is lost is kept from others where it is not safe."""
MOST_LINES: Final = 500
"""How many different things of one death are listed with it."""

CARRIED: Final = ("equipment", "inventory")
"""What a death takes from; never the pouch, and never the bank."""


def kept_in(zone: ZoneType, safe: int) -> int:
    """Give how many things a character keeps that dies there: nothing where it is not safe.

    >>> kept_in("safe_area", 3), kept_in("wilderness", 3)
    (3, 0)
    """
    return safe if zone == "safe_area" else 0


def fallen(rows: Iterable[items.Holding], definitions: Mapping[str, content.ItemDefinition], keeps: int) -> list[tuple[items.Holding, int]]:
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


def listed(parcels: Iterable[items.Parcel]) -> list[dict[str, Any]]:
    """Give what was lost as it is kept with the death: an item a line, and each unique thing by itself.

    >>> arrows = [items.Parcel("arrow", quantity, None, {}, "ada", "inventory") for quantity in (100, 40)]
    >>> listed(arrows)
    [{'item': 'arrow', 'quantity': 140}]
    """
    found: dict[tuple[str, str | None], int] = {}
    for one in parcels:
        key = (one.item_id, one.item_uid)
        found[key] = found.get(key, 0) + one.quantity
    lines = [{"item": item, "quantity": quantity} | ({"item_uid": uid} if uid else {}) for (item, uid), quantity in found.items()]
    return lines[:MOST_LINES]


def protected_until(zone: ZoneType, at: int, expires_at: int) -> int:
    """Give until when a gravestone is kept from others: where it is safe as long as it stands and until it is on the ground, else a minute.

    >>> protected_until("safe_area", 0, 900_000), protected_until("pvp_zone", 0, 900_000)
    (960000, 60000)
    """
    return PROTECTION_MS + (expires_at if zone == "safe_area" else at)


def protected_on_ground_seconds(death: PlayerDeath, now: int, usual: int) -> int:
    """Give how long things that fall from a gravestone to the ground are kept from others; where it is not safe, no longer than in it."""
    return usual if death.zone_type == "safe_area" else max(death.protected_until - now, 0) // 1000


def may_take(death: PlayerDeath, character: str, now: int) -> bool:
    """Tell whether a character may take from a gravestone.

    Its owner may always, everybody once its protection is over, and where it is not safe also who killed its owner.
    """
    if character == death.character_id or now >= death.protected_until:
        return True
    return death.zone_type != "safe_area" and character == death.killed_by


def in_order(rows: Iterable[items.Holding]) -> Sequence[items.Holding]:
    """Give the stacks of a gravestone as they were laid into it."""
    return sorted(rows, key=lambda row: row.slot)

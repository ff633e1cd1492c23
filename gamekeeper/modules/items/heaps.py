"""What lies on a world's ground: laying it down, who may take it and until when."""

from collections.abc import Iterable

from msgspec import Struct

from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters

from .errors import LootProtected, SlotEmpty
from .moves import Parcel, burn, free_for, free_slots, lift, put_at, require_tradeable, take_slot
from .records import GroundDrop, Holding
from .rules import DESPAWN, GROUND, is_gone, is_protected

SWEPT_WHEN_FULL = 100
"""How many heaps whose time is over make room for one that comes when the ground is full."""


class Place(Struct, frozen=True):
    """Where in a world something lies; without a room it is nowhere in particular."""

    room_id: str | None = None
    x: float = 0.0
    y: float = 0.0
    z: float = 0.0


def place_of(ctx: Context, character: str, world: str) -> Place:
    """Give where a character stands, if it is in that world; whoever calls it touches `CharacterLocation`."""
    at = ctx.get(characters.CharacterLocation, character)
    return Place() if at is None or at.world_id != world else Place(at.room_id, at.x, at.y, at.z)


def lay_down(
    ctx: Context,
    world: str,
    parcel: Parcel,
    *,
    owner: str,
    place: Place,
    seconds: int,
    protected_seconds: int | None = None,
    reason: str | None = None,
) -> GroundDrop:
    """Lay a parcel on the ground as a heap of its own, for its owner alone at first, and for so many seconds in all.

    Whoever calls it touches `Holding`, `ItemMovement` and `GroundDrop`, and names the world. Raises: INVENTORY_FULL.
    """
    if free_slots(ctx, world, GROUND) < 1:
        for heap in expired(ctx, world, SWEPT_WHEN_FULL):
            sweep(ctx, heap)
    (slot,) = free_for(ctx, world, GROUND, 1)
    put_at(ctx, world, parcel, GROUND, slot, reason=reason)
    protected = ctx.settings.drop_protection_seconds if protected_seconds is None else protected_seconds
    row = GroundDrop(
        world, slot, owner, ctx.now, ctx.now + protected * 1000, ctx.now + seconds * 1000, place.room_id, place.x, place.y, place.z
    )
    ctx.put(row)
    return row


def room_on_ground(ctx: Context, world: str) -> int:
    """Count the heaps that a world's ground still has room for; those whose time is over are no hindrance."""
    return free_slots(ctx, world, GROUND) + sum(is_gone(row, ctx.now) for row in ctx.rows(GroundDrop, world))


def take_up(ctx: Context, world: str, slot: int, taker: str) -> Parcel:
    """Take a whole heap from the ground, if it is there for the taker; what is untradeable is there for its owner alone.

    Raises: SLOT_EMPTY, LOOT_PROTECTED, UNTRADEABLE_ITEM.
    """
    row = ctx.get(GroundDrop, world, slot)
    if row is not None and is_gone(row, ctx.now):
        raise SlotEmpty(container=GROUND, slot=slot)
    parcel = take_slot(ctx, world, GROUND, slot)
    if row is None or row.dropped_by != taker:
        require_tradeable(ctx, parcel.item_id)
        if row is not None and is_protected(row, ctx.now):
            raise LootProtected(slot=slot, until=row.protected_until)
    if row is not None:
        ctx.delete(row)
    return parcel


def expired(ctx: Context, world: str, most: int) -> list[GroundDrop]:
    """Give the heaps whose time is over, the oldest first."""
    over: Iterable[GroundDrop] = (row for row in ctx.rows(GroundDrop, world) if is_gone(row, ctx.now))
    return sorted(over, key=lambda row: (row.despawns_at, row.slot))[:most]


def sweep(ctx: Context, row: GroundDrop) -> None:
    """Let a heap leave the world."""
    held = ctx.get(Holding, row.world_id, GROUND, row.slot)
    if held is not None:
        burn(ctx, lift(ctx, held, held.quantity), sink=DESPAWN)
    ctx.delete(row)

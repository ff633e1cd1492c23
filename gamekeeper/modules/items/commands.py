"""What may be done with items."""

from typing import Annotated

from msgspec import Meta, Struct

from gamekeeper.kernel.commands import command
from gamekeeper.kernel.records import JsonObject, Quantity
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, content, skills, worlds

from .errors import ContainerInvalid, InsufficientQuantity, NotEquippable, SelfTrade, SlotOccupied, StackOverflow, StacksDiffer
from .heaps import expired, lay_down, place_of, sweep, take_up
from .moves import (
    Minted,
    burn,
    check_slot,
    free_for,
    known,
    lift,
    merge_into,
    merge_limit,
    mint,
    part_of,
    put,
    put_all,
    put_at,
    relocate,
    require_tradeable,
    stack_at,
    take,
    take_slot,
    transfer,
)
from .records import AccountName, Container, GroundDrop, HolderId, Holding, ItemId, ItemMovement, Slot
from .rules import BANK_TABS, EQUIPMENT, GROUND, HAND_CONTAINERS, INVENTORY, POUCH, SHIELD, WEAPON, note_of

MAX_LINES = 100
"""How many different grants one command may carry."""


class Line(Struct, frozen=True, forbid_unknown_fields=True):
    """One item of a list to be granted."""

    item: ItemId
    quantity: Quantity
    container: Container = "inventory"


SweepLimit = Annotated[int, Meta(ge=1, le=10_000)]
Lines = Annotated[list[Line], Meta(min_length=1, max_length=MAX_LINES)]


class Placed(Struct, frozen=True):
    """The slots in which things now lie."""

    slots: list[int]


class Moved(Struct, frozen=True):
    """How much was moved."""

    quantity: int


class Swapped(Struct, frozen=True):
    """The slots in which each side's new things lie."""

    first_slots: list[int]
    second_slots: list[int]


class Dropped(Struct, frozen=True):
    """Where on the ground it lies, and until when."""

    slot: int
    quantity: int
    despawns_at: int


class Swept(Struct, frozen=True):
    """How much has left the world, or would have; `more` when there is more of it than one command may take away."""

    heaps: int
    items: dict[str, int]
    more: bool


# From outside the world and back


@command(touches=[Holding, ItemMovement], access="server")
def grant(
    ctx: Context,
    *,
    holder: HolderId,
    item: ItemId,
    quantity: Quantity,
    source: AccountName,
    container: Container = "inventory",
    metadata: JsonObject = {},  # noqa: B006 - copied for every call
) -> Minted:
    """Give new items to a holder, out of the source `mint:<source>`.

    Raises: UNKNOWN_ITEM, INVENTORY_FULL, CONTAINER_INVALID, STACK_OVERFLOW.
    """
    return mint(ctx, holder, item, quantity, source=source, container=container, metadata=metadata)


@command(touches=[Holding, ItemMovement], access="server")
def grant_many(ctx: Context, *, holder: HolderId, items: Lines, source: AccountName) -> list[Minted]:
    """Give several new items to a holder, all or none; one that is listed twice is given twice.

    Raises: UNKNOWN_ITEM, INVENTORY_FULL, CONTAINER_INVALID, STACK_OVERFLOW.
    """
    return [mint(ctx, holder, line.item, line.quantity, source=source, container=line.container) for line in items]


@command(touches=[Holding, ItemMovement], access="server")
def use_up(
    ctx: Context, *, holder: HolderId, item: ItemId, quantity: Quantity, sink: AccountName, container: Container = "inventory"
) -> Moved:
    """Let a holder's items leave the world through the sink `burn:<sink>`.

    Raises: ITEM_NOT_FOUND, INSUFFICIENT_QUANTITY.
    """
    for parcel in take(ctx, holder, item, quantity, container):
        burn(ctx, parcel, sink=sink)
    return Moved(quantity)


# Within what a holder has


@command(touches=[Holding, ItemMovement], access="player")
def move(
    ctx: Context,
    *,
    holder: HolderId,
    from_container: Container,
    from_slot: Slot,
    to_container: Container,
    to_slot: Slot | None = None,
    quantity: Quantity | None = None,
) -> Moved:
    """Move a stack, or some of it, to another slot: into it, onto a like stack as far as it fits, or swap places.

    Without `to_slot` it goes where it fits. A pouch has no slots to choose from.

    Raises: SLOT_EMPTY, INSUFFICIENT_QUANTITY, CONTAINER_INVALID, INVALID_SLOT, SLOT_OCCUPIED, STACK_OVERFLOW, INVENTORY_FULL.
    """
    require_hand(from_container)
    require_hand(to_container)
    row = stack_at(ctx, holder, from_container, from_slot)
    if to_container in BANK_TABS and note_of(row.item_id, ctx.definitions(content.ItemDefinition)) is not None:
        # A bank keeps the item, not its note: `banks.deposit` turns one into the other.
        raise ContainerInvalid(container=to_container)
    part = part_of(row, quantity)
    if to_slot is None or to_container == POUCH:
        put(ctx, holder, lift(ctx, row, part), to_container)
        return Moved(part)
    check_slot(ctx, holder, to_container, to_slot)
    return Moved(relocate(ctx, row, part, to_container, to_slot))


@command(touches=[Holding, ItemMovement], access="player")
def split(ctx: Context, *, holder: HolderId, container: Container, slot: Slot, quantity: Quantity, to_slot: Slot | None = None) -> Placed:
    """Part a stack in two; at least one stays, and the other goes into an empty slot.

    Raises: SLOT_EMPTY, INSUFFICIENT_QUANTITY, CONTAINER_INVALID, INVALID_SLOT, SLOT_OCCUPIED, INVENTORY_FULL.
    """
    require_hand(container, but=POUCH)
    row = stack_at(ctx, holder, container, slot)
    if quantity >= row.quantity:
        raise InsufficientQuantity(item=row.item_id, held=row.quantity, needed=quantity + 1)
    (free,) = free_for(ctx, holder, container, 1)
    if to_slot is not None:
        check_slot(ctx, holder, container, to_slot)
        if ctx.get(Holding, holder, container, to_slot) is not None:
            raise SlotOccupied(container=container, slot=to_slot)
        free = to_slot
    put_at(ctx, holder, lift(ctx, row, quantity), container, free)
    return Placed([free])


@command(touches=[Holding, ItemMovement], access="player")
def merge(ctx: Context, *, holder: HolderId, container: Container, from_slot: Slot, to_slot: Slot) -> Moved:
    """Put one stack onto a like one as far as it fits; what does not fit stays where it is.

    Raises: SLOT_EMPTY, STACKS_DIFFER, STACK_OVERFLOW, CONTAINER_INVALID.
    """
    require_hand(container, but=POUCH)
    row, target = stack_at(ctx, holder, container, from_slot), stack_at(ctx, holder, container, to_slot)
    limit = None if row is target else merge_limit(ctx, row, target)
    if limit is None:
        raise StacksDiffer(container=container, slot=to_slot)
    part = min(row.quantity, limit - target.quantity)
    if part < 1:
        raise StackOverflow(item=row.item_id, max_stack=limit)
    merge_into(ctx, lift(ctx, row, part), target)
    return Moved(part)


@command(touches=[Holding, ItemMovement, characters.Character, skills.CharacterSkill], access="player")
def equip(ctx: Context, *, character: characters.CharacterId, slot: Slot) -> Moved:
    """Put on what lies in an inventory slot; what was worn there comes into that slot.

    The character's skills must be at the levels that the definition requires. What needs both hands and a shield exclude each
    other: what was worn first goes into the inventory.

    Raises: SLOT_EMPTY, NOT_EQUIPPABLE, UNKNOWN_ITEM, SKILL_TOO_LOW, INVENTORY_FULL, CHARACTER_NOT_FOUND.
    """
    characters.alive(ctx, character)
    row = stack_at(ctx, character, INVENTORY, slot)
    definition = known(ctx, row.item_id)
    if definition.equip_slot is None:
        raise NotEquippable(item=row.item_id)
    skills.require(ctx, character, definition.requirements)
    moved = relocate(ctx, row, row.quantity, EQUIPMENT, content.EQUIPMENT_SLOTS.index(definition.equip_slot))
    _free_hands(ctx, character, definition)
    return Moved(moved)


def _free_hands(ctx: Context, character: str, worn: content.ItemDefinition) -> None:
    """Take off the shield for what needs both hands, or what needs both hands for a shield.

    Raises: INVENTORY_FULL.
    """
    other = SHIELD if worn.two_handed else WEAPON
    if not worn.two_handed and worn.equip_slot != content.EQUIPMENT_SLOTS[SHIELD]:
        return
    held = ctx.get(Holding, character, EQUIPMENT, other)
    if held is None:
        return
    definition = ctx.definitions(content.ItemDefinition).get(held.item_id)
    if worn.two_handed or (definition is not None and definition.two_handed):
        put(ctx, character, lift(ctx, held, held.quantity))


@command(touches=[Holding, ItemMovement, characters.Character], access="player")
def unequip(ctx: Context, *, character: characters.CharacterId, equip_slot: content.EquipmentSlot) -> Placed:
    """Take off what is worn and put it into the inventory.

    Raises: SLOT_EMPTY, INVENTORY_FULL, CHARACTER_NOT_FOUND.
    """
    characters.alive(ctx, character)
    return Placed(put(ctx, character, take_slot(ctx, character, EQUIPMENT, content.EQUIPMENT_SLOTS.index(equip_slot))))


# To the ground, and to others


@command(touches=[Holding, ItemMovement, GroundDrop, characters.Character, characters.CharacterLocation], access="player")
def drop(
    ctx: Context,
    *,
    character: characters.CharacterId,
    world: worlds.WorldId,
    slot: Slot,
    container: Container = "inventory",
    quantity: Quantity | None = None,
) -> Dropped:
    """Let a stack, or some of it, fall to the ground of a world, as a heap of its own where the character stands.

    For `drop_protection_seconds` only the character sees and takes it, after `drop_seconds` it is gone.

    Raises: SLOT_EMPTY, INSUFFICIENT_QUANTITY, CONTAINER_INVALID, INVENTORY_FULL, CHARACTER_NOT_FOUND.
    """
    characters.alive(ctx, character)
    if container not in (INVENTORY, EQUIPMENT):
        raise ContainerInvalid(container=container)
    parcel = take_slot(ctx, character, container, slot, quantity)
    where = place_of(ctx, character, world)
    heap = lay_down(ctx, world, parcel, owner=character, place=where, seconds=ctx.settings.drop_seconds)
    return Dropped(heap.slot, parcel.quantity, heap.despawns_at)


@command(touches=[Holding, ItemMovement, GroundDrop, characters.Character], access="player")
def pick_up(ctx: Context, *, character: characters.CharacterId, world: worlds.WorldId, slot: Slot) -> Placed:
    """Pick a whole heap up from the ground: at first only its owner may, and what is untradeable nobody else ever.

    Raises: SLOT_EMPTY, LOOT_PROTECTED, INVENTORY_FULL, UNTRADEABLE_ITEM, CHARACTER_NOT_FOUND.
    """
    characters.alive(ctx, character)
    return Placed(put(ctx, character, take_up(ctx, world, slot, character)))


@command(touches=[Holding, ItemMovement, GroundDrop], access="operator")
def sweep_ground(ctx: Context, *, world: worlds.WorldId, limit: SweepLimit = 1_000, dry_run: bool = False) -> Swept:
    """Let what has lain on a world's ground for too long leave the world, the oldest first; a dry run only counts it."""
    over = expired(ctx, world, limit + 1)
    counts: dict[str, int] = {}
    for heap in over[:limit]:
        held = ctx.get(Holding, world, GROUND, heap.slot)
        if held is not None:
            counts[held.item_id] = counts.get(held.item_id, 0) + held.quantity
        if not dry_run:
            sweep(ctx, heap)
    return Swept(min(len(over), limit), counts, len(over) > limit)


@command(touches=[Holding, ItemMovement, characters.Character], access="player")
def give(ctx: Context, *, giver: characters.CharacterId, receiver: characters.CharacterId, item: ItemId, quantity: Quantity) -> Placed:
    """Hand items from one inventory to another's; both change or neither does.

    Raises: SELF_TRADE, UNTRADEABLE_ITEM, ITEM_NOT_FOUND, INSUFFICIENT_QUANTITY, INVENTORY_FULL, CHARACTER_NOT_FOUND.
    """
    if giver == receiver:
        raise SelfTrade(id=giver)
    characters.alive(ctx, giver)
    characters.alive(ctx, receiver)
    require_tradeable(ctx, item)
    return Placed(transfer(ctx, giver, receiver, item, quantity))


@command(touches=[Holding, ItemMovement], access="server")
def swap(
    ctx: Context,
    *,
    first: HolderId,
    second: HolderId,
    first_gives: ItemId,
    first_quantity: Quantity,
    second_gives: ItemId,
    second_quantity: Quantity,
) -> Swapped:
    """Exchange items of two inventories at once; what each side gives makes room for what it gets.

    Raises: SELF_TRADE, UNTRADEABLE_ITEM, ITEM_NOT_FOUND, INSUFFICIENT_QUANTITY, INVENTORY_FULL.
    """
    if first == second:
        raise SelfTrade(id=first)
    require_tradeable(ctx, first_gives)
    require_tradeable(ctx, second_gives)
    from_first = take(ctx, first, first_gives, first_quantity)
    from_second = take(ctx, second, second_gives, second_quantity)
    return Swapped(put_all(ctx, first, from_second), put_all(ctx, second, from_first))


def require_hand(container: Container, *, but: str | None = None) -> None:
    """Refuse a container that is not moved in by hand.

    Raises: CONTAINER_INVALID.
    """
    if container not in HAND_CONTAINERS or container == but:
        raise ContainerInvalid(container=container)

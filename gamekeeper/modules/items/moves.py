"""Taking stacks out of containers and putting them into others: what commands of this and other modules build on.

What was taken is a `Parcel`. Each parcel is put down or burned in the same command, and that writes its movement, so that
no quantity changes without one. A function that raises may have changed something before; the error undoes the whole
command, so a command must not catch it and go on.
"""

from collections.abc import Iterable
from operator import attrgetter

from msgspec import Struct

from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import content

from .errors import (
    ContainerInvalid,
    InsufficientQuantity,
    InvalidSlot,
    InventoryFull,
    InventoryInUse,
    ItemNotFound,
    SlotEmpty,
    SlotOccupied,
    StackOverflow,
    UnknownItem,
    UntradeableItem,
)
from .records import Container, Holding, InventorySize, ItemMovement
from .rules import (
    BANK_TABS,
    CHOOSY_CONTAINERS,
    INVENTORY,
    POUCH,
    SLOTS,
    Metadata,
    draw,
    first_free,
    is_currency,
    room_with,
    same_metadata,
    spread,
    stack_limit,
    stacks_needed,
    tradeable,
)

_BY_SLOT = attrgetter("slot")


class Parcel(Struct, frozen=True):
    """Some of one stack, out of one place and not yet in another."""

    item_id: str
    quantity: int
    item_uid: str | None
    metadata: Metadata
    from_id: str
    from_container: Container | None


class Minted(Struct, frozen=True):
    """Where new items lie, and the ids of those that are unique."""

    slots: list[int]
    item_uids: list[str] = []


# From outside the world and back


def mint(
    ctx: Context,
    holder: str,
    item: str,
    quantity: int,
    *,
    source: str,
    container: Container = INVENTORY,
    metadata: Metadata | None = None,
    reason: str | None = None,
) -> Minted:
    """Make new items out of a source and put them into a container.

    Raises: UNKNOWN_ITEM, INVENTORY_FULL, CONTAINER_INVALID, STACK_OVERFLOW.
    """
    account = f"mint:{source}"
    if not known(ctx, item).unique:
        return Minted(put(ctx, holder, Parcel(item, quantity, None, metadata or {}, account, None), container, reason=reason))
    if container in CHOOSY_CONTAINERS:
        raise ContainerInvalid(container=container)
    slots = free_for(ctx, holder, container, quantity)
    uids = [ctx.new_id() for _ in slots]
    for slot, uid in zip(slots, uids, strict=True):
        put_at(ctx, holder, Parcel(item, 1, uid, metadata or {}, account, None), container, slot, reason=reason)
    return Minted(slots, uids)


def burn(ctx: Context, parcel: Parcel, *, sink: str, reason: str | None = None) -> None:
    """Let a parcel leave the world through a sink."""
    _record(ctx, parcel, f"burn:{sink}", None, reason)


def turned_into(ctx: Context, parcel: Parcel, item: str, *, account: str, reason: str | None = None) -> Parcel:
    """Let a parcel leave the world and as much of another item come, as a bank does with notes."""
    burn(ctx, parcel, sink=account, reason=reason)
    return Parcel(item, parcel.quantity, None, parcel.metadata, f"mint:{account}", None)


def known(ctx: Context, item: str) -> content.ItemDefinition:
    """Give an item's definition.

    Raises: UNKNOWN_ITEM.
    """
    definition = ctx.definitions(content.ItemDefinition).get(item)
    if definition is None:
        raise UnknownItem(item=item)
    return definition


def require_tradeable(ctx: Context, item: str) -> None:
    """Refuse an item that may not go to someone else.

    Raises: UNTRADEABLE_ITEM.
    """
    if not tradeable(ctx.definitions(content.ItemDefinition).get(item)):
        raise UntradeableItem(item=item)


# Taking


def take(ctx: Context, holder: str, item: str, quantity: int, container: Container = INVENTORY) -> list[Parcel]:
    """Take a quantity of an item out of a container, from its first slots on.

    Raises: ITEM_NOT_FOUND, INSUFFICIENT_QUANTITY.
    """
    stacks = [row for row in ctx.rows(Holding, holder) if row.item_id == item and row.container == container]
    if len(stacks) == 1 and stacks[0].quantity >= quantity:
        return [lift(ctx, stacks[0], quantity)]
    if not stacks:
        raise ItemNotFound(item=item, container=container)
    held = sum(row.quantity for row in stacks)
    if held < quantity:
        raise InsufficientQuantity(item=item, held=held, needed=quantity)
    stacks.sort(key=_BY_SLOT)
    parts = draw([row.quantity for row in stacks], quantity)
    return [lift(ctx, row, part) for row, part in zip(stacks, parts, strict=False)]


def take_slot(ctx: Context, holder: str, container: Container, slot: int, quantity: int | None = None) -> Parcel:
    """Take what lies in one slot, or some of it.

    Raises: SLOT_EMPTY, INSUFFICIENT_QUANTITY.
    """
    row = stack_at(ctx, holder, container, slot)
    return lift(ctx, row, part_of(row, quantity))


def stack_at(ctx: Context, holder: str, container: Container, slot: int) -> Holding:
    """Give the stack in a slot.

    Raises: SLOT_EMPTY.
    """
    row = ctx.get(Holding, holder, container, slot)
    if row is None:
        raise SlotEmpty(container=container, slot=slot)
    return row


def part_of(row: Holding, quantity: int | None) -> int:
    """Give the quantity to take of a stack; None means all of it.

    Raises: INSUFFICIENT_QUANTITY.
    """
    if quantity is None:
        return row.quantity
    if quantity > row.quantity:
        raise InsufficientQuantity(item=row.item_id, held=row.quantity, needed=quantity)
    return quantity


def lift(ctx: Context, row: Holding, quantity: int) -> Parcel:
    """Take a quantity, at most what it holds, out of a stack."""
    if quantity == row.quantity:
        ctx.delete(row)
    else:
        ctx.change(row, quantity=row.quantity - quantity)
    return Parcel(row.item_id, quantity, row.item_uid, row.metadata, row.holder_id, row.container)


# Putting


def put(ctx: Context, holder: str, parcel: Parcel, container: Container = INVENTORY, *, reason: str | None = None) -> list[int]:
    """Put a parcel into a container: onto like stacks first, then into free slots; give the slots.

    Raises: INVENTORY_FULL, CONTAINER_INVALID, STACK_OVERFLOW.
    """
    if container in CHOOSY_CONTAINERS:
        _check_choosy(ctx, holder, parcel, container)
    definition = ctx.definitions(content.ItemDefinition).get(parcel.item_id)
    limit = stack_limit(definition)
    slots: list[int] = []
    rest = parcel.quantity
    if limit is not None and parcel.item_uid is None:
        rest = _top_up(ctx, holder, parcel, container, limit, slots)
    if rest:
        # An item that nobody defines any more lies as it lay.
        size = rest if definition is None else definition.max_stack
        free = free_for(ctx, holder, container, stacks_needed(rest, size))
        for slot, part in zip(free, spread(rest, size), strict=True):
            ctx.put(Holding(holder, container, slot, parcel.item_id, part, parcel.item_uid, parcel.metadata))
        slots += free
    _record(ctx, parcel, holder, container, reason)
    return slots


def put_all(
    ctx: Context, holder: str, parcels: Iterable[Parcel], container: Container = INVENTORY, *, reason: str | None = None
) -> list[int]:
    """Put several parcels into a container; give the slots.

    Raises: INVENTORY_FULL, CONTAINER_INVALID, STACK_OVERFLOW.
    """
    slots: list[int] = []
    for parcel in parcels:
        slots += put(ctx, holder, parcel, container, reason=reason)
    return slots


def put_at(ctx: Context, holder: str, parcel: Parcel, container: Container, slot: int, *, reason: str | None = None) -> None:
    """Put a parcel into a slot that is known to be empty."""
    ctx.put(Holding(holder, container, slot, parcel.item_id, parcel.quantity, parcel.item_uid, parcel.metadata))
    _record(ctx, parcel, holder, container, reason)


def transfer(
    ctx: Context,
    giver: str,
    receiver: str,
    item: str,
    quantity: int,
    *,
    container: Container = INVENTORY,
    into: Container | None = None,
    reason: str | None = None,
) -> list[int]:
    """Move a quantity of an item from one holder to another; give the receiver's slots.

    Raises: ITEM_NOT_FOUND, INSUFFICIENT_QUANTITY, INVENTORY_FULL, CONTAINER_INVALID, STACK_OVERFLOW.
    """
    return put_all(ctx, receiver, take(ctx, giver, item, quantity, container), into or container, reason=reason)


def relocate(ctx: Context, row: Holding, quantity: int, container: Container, slot: int, *, reason: str | None = None) -> int:
    """Move some of a stack to a slot of the same holder: into it, onto a like stack as far as it fits, or swap places; give how much moved.

    Raises: SLOT_OCCUPIED, STACK_OVERFLOW, INVENTORY_FULL.
    """
    if (row.container, row.slot) == (container, slot):
        return 0
    target = ctx.get(Holding, row.holder_id, container, slot)
    if target is None:
        _check_pile(ctx, row, quantity, container)
        parcel = lift(ctx, row, quantity)
        if free_slots(ctx, row.holder_id, container) < 1:
            raise InventoryFull(holder=row.holder_id, container=container, free=0, needed=1)
        put_at(ctx, row.holder_id, parcel, container, slot, reason=reason)
        return quantity
    limit = merge_limit(ctx, row, target)
    if limit is not None and target.quantity < limit:
        part = min(quantity, limit - target.quantity)
        merge_into(ctx, lift(ctx, row, part), target, reason=reason)
        return part
    if limit is not None and quantity < row.quantity:
        raise StackOverflow(item=row.item_id, max_stack=limit)
    if quantity < row.quantity or row.container in CHOOSY_CONTAINERS:
        raise SlotOccupied(container=container, slot=slot)
    _check_pile(ctx, row, quantity, container)
    _check_pile(ctx, target, target.quantity, row.container)
    moved, back = lift(ctx, row, quantity), lift(ctx, target, target.quantity)
    put_at(ctx, row.holder_id, moved, container, slot, reason=reason)
    put_at(ctx, row.holder_id, back, row.container, row.slot, reason=reason)
    return quantity


def _check_pile(ctx: Context, row: Holding, quantity: int, container: Container) -> None:
    """Refuse to lay a pile into one slot that only a bank lets grow so large.

    Raises: STACK_OVERFLOW.
    """
    definition = ctx.definitions(content.ItemDefinition).get(row.item_id)
    if row.container in BANK_TABS and container not in BANK_TABS and definition is not None and quantity > definition.max_stack:
        raise StackOverflow(item=row.item_id, max_stack=definition.max_stack)


def merge_limit(ctx: Context, one: Holding, other: Holding) -> int | None:
    """Give the size to which two stacks may grow as one, or None when they may not be merged."""
    if one.item_id != other.item_id or one.item_uid or other.item_uid or not same_metadata(one.metadata, other.metadata):
        return None
    return stack_limit(ctx.definitions(content.ItemDefinition).get(one.item_id))


def merge_into(ctx: Context, parcel: Parcel, target: Holding, *, reason: str | None = None) -> None:
    """Add a parcel to a like stack that has room for it."""
    ctx.change(target, quantity=target.quantity + parcel.quantity)
    _record(ctx, parcel, target.holder_id, target.container, reason)


def _top_up(ctx: Context, holder: str, parcel: Parcel, container: Container, limit: int, slots: list[int]) -> int:
    """Add to the like stacks that are not full, the first ones first; give what is left over."""
    item, metadata, rest = parcel.item_id, parcel.metadata, parcel.quantity
    like = [
        row
        for row in ctx.rows(Holding, holder)
        if row.item_id == item
        and row.container == container
        and row.quantity < limit
        and row.item_uid is None
        and same_metadata(row.metadata, metadata)
    ]
    if len(like) > 1:
        like.sort(key=_BY_SLOT)
    for row in like:
        part = min(rest, limit - row.quantity)
        ctx.change(row, quantity=row.quantity + part)
        slots.append(row.slot)
        rest -= part
        if not rest:
            break
    return rest


def _record(ctx: Context, parcel: Parcel, to: str, container: Container | None, reason: str | None) -> None:
    """Write the movement that a parcel has made; another slot of the same container is none."""
    source, left = parcel.from_id, parcel.from_container
    if source == to and left == container:
        return
    ctx.append(
        ItemMovement(
            to if left is None else source,
            ctx.new_id(),
            parcel.item_id,
            parcel.quantity,
            parcel.item_uid,
            source,
            left or "",
            to,
            container or "",
            reason or ctx.reason,
            ctx.command_id,
            ctx.now,
        )
    )


# Room


def size_of(ctx: Context, holder: str, container: Container) -> int:
    """Give how many slots a holder's container has: an inventory may have been given a size of its own."""
    own = ctx.get(InventorySize, holder) if container == INVENTORY else None
    return SLOTS[container] if own is None else own.slots


def resize_inventory(ctx: Context, holder: str, slots: int) -> None:
    """Give a holder's inventory a size of its own; nothing that lies in it may be left outside.

    Raises: INVENTORY_IN_USE.
    """
    needed = slots_in_use(ctx, holder)
    if slots < needed:
        raise InventoryInUse(slots=slots, needed=needed)
    own = ctx.get(InventorySize, holder)
    if own is None or own.slots != slots:
        ctx.put(InventorySize(holder, slots))


def slots_in_use(ctx: Context, holder: str) -> int:
    """Give the least size that an inventory may have: up to the last slot in which something lies."""
    return max((row.slot + 1 for row in ctx.rows(Holding, holder) if row.container == INVENTORY), default=0)


def free_slots(ctx: Context, holder: str, container: Container = INVENTORY) -> int:
    """Count the free slots of a container; the tabs of a bank share theirs."""
    sharing = room_with(container)
    free = size_of(ctx, holder, container) - sum(row.container in sharing for row in ctx.rows(Holding, holder))
    return max(free, 0)


def room_for(ctx: Context, holder: str, item: str, metadata: Metadata, container: Container = INVENTORY) -> int:
    """Count how many of an item without an id of its own `put` would find room for; None of a pouch's limits are looked at."""
    free = free_slots(ctx, holder, container)
    definition = ctx.definitions(content.ItemDefinition).get(item)
    if definition is None:
        return content.MAX_STACK if free else 0
    limit = stack_limit(definition)
    room = free * definition.max_stack
    if limit is not None:
        like = (row for row in ctx.rows(Holding, holder) if row.item_id == item and row.container == container and row.item_uid is None)
        room += sum(max(limit - row.quantity, 0) for row in like if same_metadata(row.metadata, metadata))
    return room


def check_slot(ctx: Context, holder: str, container: Container, slot: int) -> None:
    """Refuse a slot that the holder's container does not have.

    Raises: INVALID_SLOT.
    """
    if slot >= size_of(ctx, holder, container):
        raise InvalidSlot(container=container, slot=slot)


def free_for(ctx: Context, holder: str, container: Container, count: int) -> list[int]:
    """Give the first free slots of a container, as many as are needed.

    Raises: INVENTORY_FULL.
    """
    rows = ctx.rows(Holding, holder)
    used = {row.slot for row in rows if row.container == container}
    sharing = room_with(container)
    taken = len(used) if len(sharing) == 1 else sum(row.container in sharing for row in rows)
    size = size_of(ctx, holder, container)
    if size - taken < count:
        raise InventoryFull(holder=holder, container=container, free=max(size - taken, 0), needed=count)
    return first_free(used, size, count)


def _check_choosy(ctx: Context, holder: str, parcel: Parcel, container: Container) -> None:
    """Refuse what a container does not take: only `equip` fills equipment, and a pouch has one stack of each currency."""
    definition = ctx.definitions(content.ItemDefinition).get(parcel.item_id)
    if container != POUCH or definition is None or not is_currency(definition) or parcel.metadata or parcel.item_uid:
        raise ContainerInvalid(container=container)
    there = sum(row.quantity for row in ctx.rows(Holding, holder) if row.container == container and row.item_id == parcel.item_id)
    if there + parcel.quantity > definition.max_stack:
        raise StackOverflow(item=parcel.item_id, max_stack=definition.max_stack)

"""What may be done at a bank."""

from typing import Literal

from msgspec import Struct

from gamekeeper.errors import InvalidArgument
from gamekeeper.kernel.commands import command
from gamekeeper.kernel.records import Quantity
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, content, items

from .errors import (
    BankFull,
    CoinOverflow,
    InsufficientBankCoins,
    InsufficientPouchCoins,
    InventoryEmpty,
    MaxTabsReached,
    NoCoinsInBank,
    NotAPlaceholder,
    TabExists,
    TabNotFound,
)
from .records import MAX_TABS, BankPlaceholder, BankSlot, BankTab, OwnTab, Tab
from .rules import COINS, How, container_of, first_free, wanted
from .vault import (
    TOUCHED,
    banked,
    carried,
    chosen,
    entries,
    entry_at,
    fetch,
    in_tab,
    keeps_places,
    merged,
    pushed,
    rearrange,
    release,
    require_currency,
    require_tab,
    stack_at,
    store,
    store_of,
    target_for,
)

Carried = Literal["inventory", "pouch"]


class Deposited(Struct, frozen=True):
    """How much went into the bank, and how much for want of room did not."""

    quantity: int
    left: int = 0


class Withdrawn(Struct, frozen=True):
    """How much came out of the bank, and how much of it still lies there."""

    quantity: int
    left: int


class Released(Struct, frozen=True):
    """How many slots wait for nothing any longer."""

    placeholders: int


class MadeTab(Struct, frozen=True):
    """The number of a new tab."""

    tab: int


# In and out


@command(touches=TOUCHED, access="player")
def deposit(
    ctx: Context,
    *,
    character: characters.CharacterId,
    slot: items.Slot | None = None,
    item: items.ItemId | None = None,
    quantity: Quantity | None = None,
    tab: Tab = 0,
) -> Deposited:
    """Put what lies in an inventory slot into the bank, or an item wherever it lies, or so much of it; of a note, what it stands for.

    It goes to where the bank has it already, else to its placeholder, else into the tab.

    Raises: INVALID_ARGUMENT, SLOT_EMPTY, ITEM_NOT_FOUND, INSUFFICIENT_QUANTITY, BANK_FULL, STACK_OVERFLOW, TAB_NOT_FOUND,
    CHARACTER_NOT_FOUND.
    """
    characters.alive(ctx, character)
    require_tab(ctx, character, tab)
    if (slot is None) == (item is None):
        raise InvalidArgument(path="/slot", problem="give either a slot or an item")
    if item is None:
        rows = [items.stack_at(ctx, character, "inventory", slot or 0)]
    else:
        rows = carried(ctx, character, "inventory", item)
        if not rows:
            raise items.ItemNotFound(item=item, container="inventory")
    held = sum(row.quantity for row in rows)
    rest = held if quantity is None else quantity
    if rest > held:
        raise items.InsufficientQuantity(item=rows[0].item_id, held=held, needed=rest)
    store_of(ctx, rows, rest, tab)
    return Deposited(rest)


@command(touches=TOUCHED, access="player")
def deposit_inventory(ctx: Context, *, character: characters.CharacterId, tab: Tab = 0) -> Deposited:
    """Put everything of the inventory into the bank, as far as it fits; coins too.

    Raises: INVENTORY_EMPTY, BANK_FULL, TAB_NOT_FOUND, CHARACTER_NOT_FOUND.
    """
    return deposit_all(ctx, character, "inventory", tab)


@command(touches=TOUCHED, access="player")
def deposit_equipment(ctx: Context, *, character: characters.CharacterId, tab: Tab = 0) -> Deposited:
    """Put everything that a character wears into the bank, as far as it fits.

    Raises: INVENTORY_EMPTY, BANK_FULL, TAB_NOT_FOUND, CHARACTER_NOT_FOUND.
    """
    return deposit_all(ctx, character, "equipment", tab)


@command(touches=TOUCHED, access="player")
def withdraw(
    ctx: Context,
    *,
    character: characters.CharacterId,
    tab: Tab = 0,
    slot: BankSlot | None = None,
    item: items.ItemId | None = None,
    quantity: Quantity | None = None,
    but_one: bool = False,
    as_note: bool = False,
    placeholder: bool | None = None,
) -> Withdrawn:
    """Take what lies in a slot, or an item wherever it lies, into the inventory: so much, all, or all but one; as notes on demand.

    What does not fit stays in the bank. A slot that is emptied becomes a placeholder if that is asked for or, when nothing is said,
    if the character's setting `always_set_placeholder` is on.

    Raises: INVALID_ARGUMENT, SLOT_EMPTY, ALREADY_PLACEHOLDER, ITEM_NOT_IN_BANK, INSUFFICIENT_QUANTITY, ITEM_NOT_NOTEABLE,
    INVENTORY_FULL, CHARACTER_NOT_FOUND.
    """
    characters.alive(ctx, character)
    rows = chosen(ctx, character, tab, slot, item)
    held = sum(row.quantity for row in rows)
    rest = wanted(held, quantity, but_one)
    if rest < 1:
        raise items.InsufficientQuantity(item=rows[0].item_id, held=held, needed=held + 1)
    keep = keeps_places(ctx, character) if placeholder is None else placeholder
    moved = 0
    for row in rows:
        part = min(row.quantity, rest - moved)
        went = fetch(ctx, row, part, as_note=as_note, placeholder=keep) if part else 0
        moved += went
        if went < part:
            break
    if not moved:
        raise items.InventoryFull(holder=character, container="inventory", free=0, needed=1)
    return Withdrawn(moved, held - moved)


@command(touches=TOUCHED, access="player")
def deposit_coins(
    ctx: Context,
    *,
    character: characters.CharacterId,
    quantity: Quantity | None = None,
    currency: items.ItemId = COINS,
    source: Carried = "pouch",
    tab: Tab = 0,
) -> Deposited:
    """Put coins from the pouch, or from the inventory, into the bank: so many, or all.

    Raises: INSUFFICIENT_POUCH_COINS, INSUFFICIENT_QUANTITY, COIN_OVERFLOW, BANK_FULL, UNKNOWN_ITEM, CONTAINER_INVALID, TAB_NOT_FOUND,
    CHARACTER_NOT_FOUND.
    """
    characters.alive(ctx, character)
    require_tab(ctx, character, tab)
    require_currency(ctx, currency)
    rows = [row for row in carried(ctx, character, source, currency) if not row.metadata]
    held = sum(row.quantity for row in rows)
    part = max(held, 1) if quantity is None else quantity
    if part > held and source == "pouch":
        raise InsufficientPouchCoins(held=held, needed=part)
    if part > held:
        raise items.InsufficientQuantity(item=currency, held=held, needed=part)
    if part + sum(row.quantity for row in banked(ctx, character, currency)) > content.MAX_STACK:
        raise CoinOverflow(container=container_of(tab), limit=content.MAX_STACK)
    store_of(ctx, rows, part, tab)
    return Deposited(part)


@command(touches=TOUCHED, access="player")
def withdraw_coins(
    ctx: Context,
    *,
    character: characters.CharacterId,
    quantity: Quantity | None = None,
    currency: items.ItemId = COINS,
    into: Carried = "pouch",
) -> Withdrawn:
    """Take coins out of the bank into the pouch, or into the inventory: so many, or all, but never some of what was asked for.

    Raises: NO_COINS_IN_BANK, INSUFFICIENT_BANK_COINS, COIN_OVERFLOW, INVENTORY_FULL, UNKNOWN_ITEM, CONTAINER_INVALID,
    CHARACTER_NOT_FOUND.
    """
    characters.alive(ctx, character)
    limit = require_currency(ctx, currency).max_stack
    rows = banked(ctx, character, currency)
    held = sum(row.quantity for row in rows)
    if not held:
        raise NoCoinsInBank(currency=currency)
    rest = held if quantity is None else quantity
    if rest > held:
        raise InsufficientBankCoins(held=held, needed=rest)
    there = sum(row.quantity for row in carried(ctx, character, into, currency))
    if there + rest > limit:
        raise CoinOverflow(container=into, limit=limit)
    taken = rest
    for row in rows:
        part = min(row.quantity, rest)
        if part:
            items.put(ctx, character, items.lift(ctx, row, part), into)
        rest -= part
    return Withdrawn(taken, held - taken)


# Order


@command(touches=TOUCHED, access="player")
def move(
    ctx: Context,
    *,
    character: characters.CharacterId,
    from_tab: Tab,
    from_slot: BankSlot,
    to_tab: Tab,
    to_slot: BankSlot | None = None,
    how: How = "swap",
) -> None:
    """Put a stack or a placeholder into another slot: change places with what is there, or let that and what follows make way.

    Onto a stack of the same thing it is merged. Without a slot it goes into the tab's first free one.

    Raises: SLOT_EMPTY, TAB_NOT_FOUND, BANK_FULL, CHARACTER_NOT_FOUND.
    """
    characters.alive(ctx, character)
    require_tab(ctx, character, to_tab)
    entry = entry_at(ctx, character, from_tab, from_slot)
    found = entries(ctx, character)
    here, there = (from_tab, from_slot), (to_tab, first_free(found, to_tab) if to_slot is None else to_slot)
    if here == there:
        return
    if there[1] >= items.BANK_SLOTS:
        raise BankFull(character=character)
    other = found.get(there)
    if merged(ctx, entry, other):
        return
    if other is None:
        rearrange(ctx, character, [(entry, there)])
    elif how == "swap":
        rearrange(ctx, character, [(entry, there), (other, here)])
    else:
        rearrange(ctx, character, [(entry, there), *pushed(found, character, here, there)])


@command(touches=TOUCHED, access="player")
def close_gaps(ctx: Context, *, character: characters.CharacterId, tab: Tab = 0) -> None:
    """Let everything in a tab lie from its first slot on without a gap, in the order in which it lies now.

    Raises: TAB_NOT_FOUND, CHARACTER_NOT_FOUND.
    """
    characters.alive(ctx, character)
    require_tab(ctx, character, tab)
    inside = in_tab(entries(ctx, character), tab)
    rearrange(ctx, character, [(entry, (tab, place)) for place, (slot, entry) in enumerate(inside) if slot != place])


@command(touches=TOUCHED, access="player")
def create_tab(
    ctx: Context, *, character: characters.CharacterId, from_tab: Tab = 0, from_slot: BankSlot, tab: OwnTab | None = None
) -> MadeTab:
    """Make a tab out of a stack, which moves there and becomes its icon.

    Raises: SLOT_EMPTY, ALREADY_PLACEHOLDER, TAB_EXISTS, MAX_TABS_REACHED, CHARACTER_NOT_FOUND.
    """
    characters.alive(ctx, character)
    row = stack_at(ctx, character, from_tab, from_slot)
    taken = {where for where, _ in entries(ctx, character)} | {one.tab_index for one in ctx.rows(BankTab, character)}
    if tab in taken:
        raise TabExists(tab=tab)
    made = tab or next((index for index in range(1, MAX_TABS + 1) if index not in taken), None)
    if made is None:
        raise MaxTabsReached(limit=MAX_TABS)
    ctx.put(BankTab(character, made, row.item_id, ctx.now))
    rearrange(ctx, character, [(row, (made, 0))])
    return MadeTab(made)


@command(touches=TOUCHED, access="player")
def delete_tab(ctx: Context, *, character: characters.CharacterId, tab: OwnTab) -> None:
    """Take a tab away; everything in it goes to the main tab, or nothing happens.

    Raises: TAB_NOT_FOUND, BANK_FULL, CHARACTER_NOT_FOUND.
    """
    characters.alive(ctx, character)
    require_tab(ctx, character, tab)
    for _, entry in in_tab(entries(ctx, character), tab):
        found = entries(ctx, character)
        likes = (other for (where, _), other in found.items() if where == 0)
        if any(merged(ctx, entry, other) for other in likes):
            continue
        free = first_free(found, 0)
        if free >= items.BANK_SLOTS:
            raise BankFull(character=character)
        rearrange(ctx, character, [(entry, (0, free))])
    row = ctx.get(BankTab, character, tab)
    if row is not None:
        ctx.delete(row)


@command(touches=TOUCHED, access="player")
def set_tab_icon(ctx: Context, *, character: characters.CharacterId, tab: OwnTab, item: items.ItemId | None) -> None:
    """Show another item as a tab's icon, or none.

    Raises: TAB_NOT_FOUND, UNKNOWN_ITEM, CHARACTER_NOT_FOUND.
    """
    characters.alive(ctx, character)
    row = ctx.get(BankTab, character, tab)
    if row is None:
        raise TabNotFound(tab=tab)
    if item is not None:
        items.known(ctx, item)
    if item != row.icon_item_id:
        ctx.change(row, icon_item_id=item)


@command(touches=TOUCHED, access="player")
def release_placeholder(ctx: Context, *, character: characters.CharacterId, tab: Tab = 0, slot: BankSlot) -> None:
    """Let a slot wait for its item no longer.

    Raises: NOT_A_PLACEHOLDER, CHARACTER_NOT_FOUND.
    """
    characters.alive(ctx, character)
    if not isinstance(entries(ctx, character).get((tab, slot)), BankPlaceholder):
        raise NotAPlaceholder(tab=tab, slot=slot)
    release(ctx, character, (tab, slot))


@command(touches=TOUCHED, access="player")
def release_placeholders(ctx: Context, *, character: characters.CharacterId, tab: Tab | None = None) -> Released:
    """Let all slots, or those of a tab, wait no longer.

    Raises: CHARACTER_NOT_FOUND.
    """
    characters.alive(ctx, character)
    kept = [row for row in ctx.rows(BankPlaceholder, character) if tab in (None, row.tab_index)]
    for row in kept:
        ctx.delete(row)
    return Released(len(kept))


def deposit_all(ctx: Context, character: str, container: items.Container, tab: int) -> Deposited:
    """Put everything of a container into the bank, as far as it fits.

    Raises: INVENTORY_EMPTY, BANK_FULL, TAB_NOT_FOUND, CHARACTER_NOT_FOUND.
    """
    characters.alive(ctx, character)
    require_tab(ctx, character, tab)
    rows = sorted((row for row in ctx.rows(items.Holding, character) if row.container == container), key=lambda row: row.slot)
    if not rows:
        raise InventoryEmpty(container=container)
    moved = 0
    for row in rows:
        try:
            # Looks and changes nothing, so that what does not fit can be passed over.
            target_for(ctx, row, row.quantity, tab)
        except (BankFull, items.StackOverflow):
            continue
        store(ctx, row, row.quantity, tab)
        moved += row.quantity
    if not moved:
        raise BankFull(character=character)
    return Deposited(moved, sum(row.quantity for row in rows) - moved)

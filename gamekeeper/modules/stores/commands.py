"""What may be done in a store: money and goods change hands in one command, over the character and the world at once."""

from msgspec import Struct

from gamekeeper.kernel.commands import command
from gamekeeper.kernel.records import Quantity
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, content, items, worlds

from .errors import InsufficientCoins, ItemNotInStore, NotEnoughStock, PriceChanged, PriceOverflow
from .records import MAX_PRICE, Price, StoreDefinition, StoreId, StoreStock
from .rules import Shelf, account_of, cost, known_store, payment, restocked, shelf_of


class Bought(Struct, frozen=True):
    """What was bought: where it lies, what it cost, and how many the store has left (None without end)."""

    item: str
    quantity: int
    price: int
    slots: list[int]
    stock_left: int | None


class Sold(Struct, frozen=True):
    """What was sold, what it brought, and how many the store has now (None without end)."""

    item: str
    quantity: int
    price: int
    stock_left: int | None


@command(touches=[StoreStock, characters.Character, items.Holding, items.ItemMovement], access="player")
def buy(
    ctx: Context,
    *,
    character: characters.CharacterId,
    world: worlds.WorldId,
    store: StoreId,
    item: items.ItemId,
    quantity: Quantity = 1,
    expected_price: Price | None = None,
) -> Bought:
    """Buy from a store's stock, all of the quantity or none; the money comes from the pouch first.

    `expected_price` is what the player saw for the whole quantity: at another price nothing is bought.

    Raises: CHARACTER_NOT_FOUND, STORE_NOT_FOUND, UNKNOWN_ITEM, ITEM_NOT_IN_STORE, NOT_ENOUGH_STOCK, PRICE_OVERFLOW, PRICE_CHANGED,
    INSUFFICIENT_COINS, INVENTORY_FULL, STACK_OVERFLOW.
    """
    characters.alive(ctx, character)
    definition = known_store(ctx.definitions(StoreDefinition), store)
    bought = items.known(ctx, item)
    shelf = _shelf(definition, bought)
    stock, since = _stock(ctx, world, store, item, shelf)
    if shelf.usual is not None and quantity > stock:
        raise NotEnoughStock(store=store, item=item, stock=stock, needed=quantity)
    price = _agreed(item, quantity, cost(definition, shelf, stock, quantity), expected_price)
    _charge(ctx, character, definition, price)
    left = _put_stock(ctx, StoreStock(world, store, item, max(stock - quantity, 0), since), shelf)
    made = items.mint(ctx, character, item, quantity, source=account_of(store), container=items.place_for(bought))
    return Bought(item, quantity, price, made.slots, left)


@command(touches=[StoreStock, characters.Character, items.Holding, items.ItemMovement], access="player")
def sell(
    ctx: Context,
    *,
    character: characters.CharacterId,
    world: worlds.WorldId,
    store: StoreId,
    item: items.ItemId,
    quantity: Quantity = 1,
    expected_price: Price | None = None,
) -> Sold:
    """Sell from the inventory to a store; what is unique or has something written on it is not taken, and a note counts as its item.

    `expected_price` is what the player saw for the whole quantity: at another price nothing is sold.

    Raises: CHARACTER_NOT_FOUND, STORE_NOT_FOUND, UNKNOWN_ITEM, ITEM_NOT_IN_STORE, UNTRADEABLE_ITEM, ITEM_NOT_FOUND,
    INSUFFICIENT_QUANTITY, PRICE_OVERFLOW, PRICE_CHANGED, INVENTORY_FULL, STACK_OVERFLOW.
    """
    characters.alive(ctx, character)
    definition = known_store(ctx.definitions(StoreDefinition), store)
    kept = items.note_of(item, ctx.definitions(content.ItemDefinition)) or item
    shelf = _shelf(definition, items.known(ctx, kept))
    if definition.buys == "nothing":
        raise ItemNotInStore(store=store, item=item)
    items.require_tradeable(ctx, kept)
    _hand_over(ctx, character, definition, item, quantity)
    stock, since = _stock(ctx, world, store, kept, shelf)
    price = _agreed(item, quantity, payment(definition, shelf, stock, quantity), expected_price)
    left = _put_stock(ctx, StoreStock(world, store, kept, stock + quantity, since), shelf)
    if price:
        container = items.place_for(items.known(ctx, definition.currency))
        items.mint(ctx, character, definition.currency, price, source=account_of(store), container=container)
    return Sold(item, quantity, price, left)


# Prices and money


def _agreed(item: str, quantity: int, price: int, expected: int | None) -> int:
    """Give the price, if it can be paid and is what the player saw.

    Raises: PRICE_OVERFLOW, PRICE_CHANGED.
    """
    if price > MAX_PRICE:
        raise PriceOverflow(item=item, quantity=quantity, most=MAX_PRICE)
    if expected not in (None, price):
        raise PriceChanged(expected=expected, current=price)
    return price


def _charge(ctx: Context, character: str, store: StoreDefinition, price: int) -> None:
    """Let a payment go to the store's account.

    Raises: INSUFFICIENT_COINS.
    """
    held: dict[str, int] = {}
    for row in ctx.rows(items.Holding, character):
        if row.item_id == store.currency:
            held[row.container] = held.get(row.container, 0) + row.quantity
    in_pouch, in_inventory = held.get("pouch", 0), held.get("inventory", 0)
    if in_pouch + in_inventory < price:
        raise InsufficientCoins(currency=store.currency, held=in_pouch + in_inventory, needed=price)
    from_pouch = min(in_pouch, price)
    parcels: list[items.Parcel] = []
    if from_pouch:
        parcels += items.take(ctx, character, store.currency, from_pouch, "pouch")
    if price > from_pouch:
        parcels += items.take(ctx, character, store.currency, price - from_pouch, "inventory")
    for parcel in parcels:
        items.burn(ctx, parcel, sink=account_of(store.id))


def _hand_over(ctx: Context, character: str, store: StoreDefinition, item: str, quantity: int) -> None:
    """Let plain pieces of an item go to the store's account.

    Raises: ITEM_NOT_FOUND, INSUFFICIENT_QUANTITY.
    """
    stacks = [
        row
        for row in ctx.rows(items.Holding, character)
        if row.item_id == item and row.container == "inventory" and not row.item_uid and not row.metadata
    ]
    held = sum(row.quantity for row in stacks)
    if not held:
        raise items.ItemNotFound(item=item, container="inventory")
    if held < quantity:
        raise items.InsufficientQuantity(item=item, held=held, needed=quantity)
    for row in sorted(stacks, key=lambda row: row.slot):
        part = min(row.quantity, quantity)
        if part:
            items.burn(ctx, items.lift(ctx, row, part), sink=account_of(store.id))
            quantity -= part


# Stock


def _shelf(store: StoreDefinition, item: content.ItemDefinition) -> Shelf:
    """Give how the store deals in the item.

    Raises: ITEM_NOT_IN_STORE.
    """
    shelf = shelf_of(store, item)
    if shelf is None:
        raise ItemNotInStore(store=store.id, item=item.id)
    return shelf


def _stock(ctx: Context, world: str, store: str, item: str, shelf: Shelf) -> tuple[int, int]:
    """Give how much is there by now, and since when the next piece is on its way."""
    row = ctx.get(StoreStock, world, store, item)
    if row is None or shelf.usual is None:
        return shelf.usual or 0, ctx.now
    return restocked(row.quantity, shelf.usual, row.restocked_at, ctx.now, shelf.every_ms)


def _put_stock(ctx: Context, row: StoreStock, shelf: Shelf) -> int | None:
    """Write the new stock and give it; the usual one needs no row."""
    if shelf.usual is not None and row.quantity != shelf.usual:
        ctx.put(row)
        return row.quantity
    there = ctx.get(StoreStock, row.world_id, row.store_id, row.item_id)
    if there is not None:
        ctx.delete(there)
    return shelf.usual

"""The arithmetic of prices and stock, in whole numbers: what a player pays is rounded up, what a player gets is rounded down."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from gamekeeper.modules import content, npcs

from .errors import StoreNotFound
from .records import LEAST_BP, StoreDefinition

WHOLE_BP: Final = 10_000


class Shelf(Struct, frozen=True):
    """How a store deals in one item: the price of a piece, the usual stock (None without end), and the time until a piece comes back."""

    price: int
    usual: int | None
    every_ms: int


def known_store(definitions: Mapping[str, StoreDefinition], store: str) -> StoreDefinition:
    """Give a store's definition.

    Raises: STORE_NOT_FOUND.
    """
    definition = definitions.get(store)
    if definition is None:
        raise StoreNotFound(store=store)
    return definition


def account_of(store: str) -> str:
    """Give the name of the account from which a store's goods and payments come and to which they go.

    >>> account_of("mill")
    'store_mill'
    """
    return f"store_{store}"


def shelf_of(store: StoreDefinition, item: content.ItemDefinition) -> Shelf | None:
    """Give how a store deals in an item, or None when it does not.

    >>> mill = StoreDefinition(id="mill", name="Mill", buys="anything", restock_ticks=100)
    >>> shelf_of(mill, content.ItemDefinition(id="axe", name="Axe", value=30))
    Shelf(price=30, usual=0, every_ms=60000)
    """
    listed = next((one for one in store.items if one.item == item.id), None)
    if listed is None:
        if store.buys != "anything" or item.id == store.currency or item.kind == content.NOTE:
            return None
        return Shelf(item.value, 0, store.restock_ticks * npcs.TICK_MS)
    ticks = store.restock_ticks if listed.restock_ticks is None else listed.restock_ticks
    return Shelf(item.value if listed.price is None else listed.price, listed.stock, ticks * npcs.TICK_MS)


def restocked(stock: int, usual: int, since: int, now: int, every_ms: int) -> tuple[int, int]:
    """Give the stock after the time that has passed, and since when the next piece is on its way.

    >>> restocked(2, 5, 1_000, 3_500, 1_000), restocked(2, 5, 1_000, 9_000, 1_000), restocked(7, 5, 1_000, 2_000, 1_000)
    ((4, 3000), (5, 9000), (6, 2000))
    """
    if not every_ms or stock == usual:
        return stock, since
    pieces = max(now - since, 0) // every_ms
    if pieces >= abs(usual - stock):
        return usual, now
    return stock + (pieces if stock < usual else -pieces), since + pieces * every_ms


def cost(store: StoreDefinition, shelf: Shelf, stock: int, quantity: int) -> int:
    """Give what a player pays for a quantity: each piece costs what the stock before it makes it cost.

    >>> mill = StoreDefinition(id="mill", name="Mill", sells_at_bp=13_000, buys_at_bp=4_000, price_step_bp=300)
    >>> shelf = Shelf(price=100, usual=10, every_ms=0)
    >>> cost(mill, shelf, 10, 1), cost(mill, shelf, 9, 1), cost(mill, shelf, 10, 2)
    (130, 133, 263)
    """
    step = 0 if shelf.usual is None else store.price_step_bp
    first = store.sells_at_bp + step * ((shelf.usual or 0) - stock)
    return -(-shelf.price * sum_of(first, step, quantity, LEAST_BP) // WHOLE_BP)


def payment(store: StoreDefinition, shelf: Shelf, stock: int, quantity: int) -> int:
    """Give what a player gets for a quantity; buying it back at once costs at least as much.

    >>> mill = StoreDefinition(id="mill", name="Mill", sells_at_bp=13_000, buys_at_bp=4_000, price_step_bp=300)
    >>> shelf = Shelf(price=100, usual=10, every_ms=0)
    >>> payment(mill, shelf, 10, 1), payment(mill, shelf, 11, 1), payment(mill, shelf, 10, 2), payment(mill, shelf, 10, 1_000)
    (40, 37, 77, 287)
    """
    step = 0 if shelf.usual is None else store.price_step_bp
    first = store.buys_at_bp + step * ((shelf.usual or 0) - stock)
    return shelf.price * sum_of(first, -step, quantity, 0) // WHOLE_BP


def sum_of(first: int, step: int, count: int, least: int) -> int:
    """Give the sum of `count` terms that begin with `first` and differ by `step`, each at least `least`.

    >>> sum_of(10, -4, 5, 0), sum_of(-6, 4, 5, 0), sum_of(7, 0, 3, 0)
    (18, 18, 21)
    """
    if step < 0:
        first, step = first + step * (count - 1), -step
    if step == 0:
        return count * max(first, least)
    low = min(max(-((first - least) // step), 0), count)
    high = count - low
    return low * least + high * first + step * high * (low + count - 1) // 2

"""What may be asked of stores."""

from collections.abc import Mapping

from msgspec import Struct

from gamekeeper.kernel.queries import Cursor, Page, PageLimit, Reader, query
from gamekeeper.modules import content, worlds

from .records import StoreDefinition, StoreId, StoreStock
from .rules import Shelf, cost, known_store, payment, restocked, shelf_of


class StoreOffer(Struct, frozen=True):
    """How a store deals in an item just now: the stock (None without end), and the price of one piece either way (None for not at all)."""

    item: str
    name: str
    stock: int | None
    sells_at: int | None
    buys_at: int | None


class StoreView(Struct, frozen=True):
    """A store as a player sees it."""

    store: str
    name: str
    description: str
    currency: str
    buys_anything: bool
    """what is not listed too, at a part of its value"""
    offers: list[StoreOffer]


@query(access="public")
async def list_stores(read: Reader, *, limit: PageLimit = 50, cursor: Cursor | None = None) -> Page[StoreDefinition]:
    """List the stores, in the order of their ids."""
    return content.page_of(read.definitions(StoreDefinition), limit, cursor)


@query(access="public")
async def show(read: Reader, *, world: worlds.WorldId, store: StoreId) -> StoreView:
    """Show a store in a world with the stock and the prices of now.

    Raises: STORE_NOT_FOUND, WORLD_NOT_FOUND.
    """
    definition = known_store(read.definitions(StoreDefinition), store)
    loaded = await read.load(world, worlds.World, StoreStock)
    if loaded is None or loaded.one(worlds.World) is None:
        raise worlds.WorldNotFound(id=world)
    rows = {row.item_id: row for row in loaded.rows(StoreStock) if row.store_id == store}
    known = read.definitions(content.ItemDefinition)
    listed = [one.item for one in definition.items]
    offers = (_offer(definition, known, rows.get(item), item, read.now_ms()) for item in (*listed, *sorted(rows.keys() - set(listed))))
    return StoreView(
        definition.id,
        definition.name,
        definition.description,
        definition.currency,
        definition.buys == "anything",
        [one for one in offers if one is not None],
    )


def _offer(
    store: StoreDefinition, known: Mapping[str, content.ItemDefinition], row: StoreStock | None, item: str, now: int
) -> StoreOffer | None:
    """Give an offer; None for what the store no longer deals in, or has bought from players and sold out."""
    definition = known.get(item)
    shelf = None if definition is None else shelf_of(store, definition)
    if definition is None or shelf is None:
        return None
    stock = _stock(shelf, row, now)
    if not stock and item not in (one.item for one in store.items):
        return None
    there = stock or 0
    sells_at = None if stock == 0 else cost(store, shelf, there, 1)
    buys_at = None if store.buys == "nothing" or not definition.tradeable else payment(store, shelf, there, 1)
    return StoreOffer(item, definition.name, stock, sells_at, buys_at)


def _stock(shelf: Shelf, row: StoreStock | None, now: int) -> int | None:
    if shelf.usual is None or row is None:
        return shelf.usual
    return restocked(row.quantity, shelf.usual, row.restocked_at, now, shelf.every_ms)[0]

"""What packs may define of stores, and what is stored of them: how much is left of what has changed."""

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from gamekeeper.kernel.records import Amount, EpochMs, Key, Record
from gamekeeper.modules import content, items, npcs, worlds

StoreId = Annotated[
    str, Meta(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_]{0,63}(?!\n)$", description="a letter, then a to z, 0 to 9 or _")
]
MAX_NAME: Final = 26
"""Letters of a store's id: `store_` and the id make the name of an account."""
MAX_ITEMS: Final = 500
MAX_PRICE: Final = content.MAX_STACK
"""The largest payment: what one stack of coins can be."""
LEAST_BP: Final = 1_000
"""No price falls below a tenth, however much lies on the shelf."""

Price = Annotated[int, Meta(ge=0, le=MAX_PRICE, description="coins for the whole quantity")]
PieceAmount = Annotated[int, Meta(ge=0, le=content.MAX_STACK)]
Buys = Literal["nothing", "stocked", "anything"]
"""What a store takes from players: nothing, what it has on its list, or whatever may be traded."""


class StockedItem(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One item on a store's list."""

    item: content.DefinitionId
    price: Annotated[int, Meta(ge=0, le=MAX_PRICE)] | None = None
    """Of one piece; when left out, the item's value."""
    stock: PieceAmount | None = None
    """To how many it comes back; when left out, there is no end of it."""
    restock_ticks: content.Natural | None = None
    """How long it takes one piece to come back; when left out, as the store says."""


@content.defines("store")
class StoreDefinition(content.Defined, frozen=True, kw_only=True):
    """A store: its list, and how it makes its prices.

    It sells at `sells_at_bp` of an item's price and buys at `buys_at_bp`. Each piece by which its stock is below the usual one
    raises both by `price_step_bp`, and each above lowers them; of what it has without end the price never changes.
    """

    name: content.Label
    description: str = ""
    currency: content.DefinitionId = "coins"
    items: Annotated[tuple[StockedItem, ...], Meta(max_length=MAX_ITEMS)] = ()
    buys: Buys = "nothing"
    sells_at_bp: Annotated[int, Meta(ge=LEAST_BP, le=1_000_000)] = 10_000
    buys_at_bp: Annotated[int, Meta(ge=0, le=1_000_000)] = 5_000
    price_step_bp: Annotated[int, Meta(ge=0, le=10_000)] = 0
    restock_ticks: content.Natural = 0
    """Ticks until one piece comes back, or one that players have sold beyond the usual stock goes; 0 for never."""
    place: npcs.Place | None = None
    attributes: dict[str, Any] = {}

    def contradictions(self) -> Iterator[content.Flaw]:
        """Give what in the definition excludes something else in it.

        >>> store = StoreDefinition(id="mill", name="Mill", buys_at_bp=9_900, price_step_bp=200)
        >>> dict(store.contradictions())
        {'buys_at_bp': 'with `price_step_bp` it is more than `sells_at_bp`: whoever sold what they bought would gain'}
        """
        if len(self.id) > MAX_NAME:
            yield "id", f"a store's id has at most {MAX_NAME} characters, for it names an account"
        if self.buys_at_bp + self.price_step_bp > self.sells_at_bp:
            yield "buys_at_bp", "with `price_step_bp` it is more than `sells_at_bp`: whoever sold what they bought would gain"
        seen: set[str] = set()
        for place, one in enumerate(self.items):
            if one.item in seen:
                yield f"items.{place}.item", "stands twice on the list"
            if one.item == self.currency:
                yield f"items.{place}.item", "is what the store is paid with"
            seen.add(one.item)

    def references(self) -> Iterator[content.Reference]:
        """A store deals in items, and is paid with one."""
        yield "currency", "item", self.currency
        for place, one in enumerate(self.items):
            yield f"items.{place}.item", "item", one.item


class StoreStock(Record, table="store_stock", value=True):
    """How much a store in a world has left of an item; without a row it has its usual stock.

    It is a number, not a holding: what is sold comes into the world from `mint:store_<id>`, and what is bought leaves it.
    """

    world_id: Key[worlds.WorldId]
    store_id: Key[StoreId]
    item_id: Key[items.ItemId]
    quantity: Amount
    restocked_at: EpochMs

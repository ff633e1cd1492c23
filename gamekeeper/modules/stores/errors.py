"""What can go wrong in a store."""

from gamekeeper.errors import GameError, Kind


class StoreNotFound(GameError):
    """No loaded pack defines this store."""

    code = "STORE_NOT_FOUND"
    kind = Kind.NOT_FOUND
    store: str


class ItemNotInStore(GameError):
    """The store does not deal in this item."""

    code = "ITEM_NOT_IN_STORE"
    store: str
    item: str


class NotEnoughStock(GameError):
    """The store has fewer of the item left."""

    code = "NOT_ENOUGH_STOCK"
    store: str
    item: str
    stock: int
    needed: int


class InsufficientCoins(GameError):
    """The character has too little money, pouch and inventory together."""

    code = "INSUFFICIENT_COINS"
    currency: str
    held: int
    needed: int


class PriceOverflow(GameError):
    """So many together cost more than one payment may be."""

    code = "PRICE_OVERFLOW"
    item: str
    quantity: int
    most: int


class PriceChanged(GameError):
    """The price is no longer the one that the player saw."""

    code = "PRICE_CHANGED"
    kind = Kind.STALE
    expected: int
    current: int

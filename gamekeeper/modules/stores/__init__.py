"""Stores: what they sell and buy, at what price, and how their stock comes back."""

from .commands import Bought, Sold, buy, sell
from .errors import InsufficientCoins, ItemNotInStore, NotEnoughStock, PriceChanged, PriceOverflow, StoreNotFound
from .queries import StoreOffer, StoreView, list_stores, show
from .records import MAX_PRICE, Buys, Price, StockedItem, StoreDefinition, StoreId, StoreStock
from .rules import account_of

__all__ = [
    "MAX_PRICE",
    "Bought",
    "Buys",
    "InsufficientCoins",
    "ItemNotInStore",
    "NotEnoughStock",
    "Price",
    "PriceChanged",
    "PriceOverflow",
    "Sold",
    "StockedItem",
    "StoreDefinition",
    "StoreId",
    "StoreNotFound",
    "StoreOffer",
    "StoreStock",
    "StoreView",
    "account_of",
    "buy",
    "list_stores",
    "sell",
    "show",
]

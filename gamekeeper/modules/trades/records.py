"""What is stored of trades: each trade with both offers, and the lock that keeps a character to one of them."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.records import JSON, EpochMs, Key, OwnedBy, Quantity, Record
from gamekeeper.modules import characters, items

from .errors import InvalidTrade
from .rules import OFFER_SLOTS

TradeId = Annotated[Id, OwnedBy("trade", missing=InvalidTrade)]
NewTradeId = Annotated[Id, OwnedBy("trade", creates=True)]
Revision = Annotated[int, Meta(ge=0, le=2**53 - 1, description="rises with every change of what the sides agree to")]
TradeStatus = Literal["open", "confirmed", "completed", "cancelled", "declined"]
Screen = Literal["request", "offer", "confirm"]
"""What the two look at: the request, the offers, or once more both offers before they agree for good."""

Offer = Annotated[list[dict[str, Any]], JSON]
"""What one side offers, each as an `OfferedItem` with what was found in the slot."""


class OfferedItem(Struct, frozen=True, forbid_unknown_fields=True):
    """Some of what lies in one slot of the one who offers it."""

    slot: items.Slot
    quantity: Quantity
    item: items.ItemId | None = None
    """what the player believes to lie there; when given it is checked"""
    container: Literal["inventory", "pouch"] = "inventory"


OfferedItems = Annotated[list[OfferedItem], Meta(max_length=OFFER_SLOTS)]


class Trade(
    Record,
    table="trades",
    value=True,
    indexes=(("initiator_id", "created_at"), ("receiver_id", "created_at"), ("created_at",), ("status", "expires_at")),
    checks=(
        "initiator_id <> receiver_id",
        "(ended_at IS NULL) = (status IN ('open', 'confirmed'))",
        "status <> 'confirmed' OR screen = 'confirm'",
        "status <> 'completed' OR screen = 'confirm'",
    ),
):
    """A trade between two characters, kept for good with what each side offered."""

    trade_id: Key[TradeId]
    initiator_id: Id
    receiver_id: Id
    status: TradeStatus
    screen: Screen
    revision: Revision
    initiator_offer: Offer
    receiver_offer: Offer
    initiator_accepted_revision: Revision | None
    receiver_accepted_revision: Revision | None
    created_at: EpochMs
    updated_at: EpochMs
    expires_at: EpochMs
    ended_at: EpochMs | None = None
    end_reason: str | None = None


class TradeLock(Record, table="trade_locks"):
    """The one trade that a character is in; it counts until `until`, when the trade has expired."""

    character_id: Key[characters.CharacterId]
    trade_id: Id | None
    until: EpochMs
    requested_at: EpochMs

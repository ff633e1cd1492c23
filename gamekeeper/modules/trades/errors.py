"""What can go wrong in a trade."""

from gamekeeper.errors import GameError, Kind, OwnerNotFound


class AlreadyInTrade(GameError):
    """The character is in a trade already."""

    code = "ALREADY_IN_TRADE"
    character: str
    trade: str


class PlayerBusy(GameError):
    """The other character is in a trade already."""

    code = "PLAYER_BUSY"
    character: str


class InvalidTrade(OwnerNotFound):
    """There is no such trade, or it has ended."""

    code = "INVALID_TRADE"
    status: str | None = None


class TradeExpired(GameError):
    """The trade has waited too long."""

    code = "TRADE_EXPIRED"
    trade: str


class NotExpired(GameError):
    """The trade may still go on."""

    code = "TRADE_NOT_EXPIRED"
    trade: str


class NotInTrade(GameError):
    """The character has no part in this trade, or not this one."""

    code = "NOT_IN_TRADE"
    kind = Kind.FORBIDDEN
    character: str
    trade: str


class NotAccepted(GameError):
    """The other side has not answered the request yet."""

    code = "NOT_ACCEPTED"
    trade: str


class TradeChanged(GameError):
    """The character went into another trade while the command was on its way; look again."""

    code = "TRADE_CHANGED"
    kind = Kind.STALE
    character: str


class AlreadyAnswered(GameError):
    """The request was answered before."""

    code = "ALREADY_ANSWERED"
    trade: str


class StaleRevision(GameError):
    """The trade has changed since the revision that the player saw."""

    code = "STALE_REVISION"
    kind = Kind.STALE
    seen: int
    current: int


class InvalidQuantity(GameError):
    """Less lies in the slot than is offered."""

    code = "INVALID_QUANTITY"
    kind = Kind.INVALID
    slot: int
    held: int
    offered: int


class ItemChanged(GameError):
    """What was offered no longer lies where it lay."""

    code = "ITEM_CHANGED"
    character: str
    slot: int


class InventoryFullInitiator(GameError):
    """The one who asked for the trade has too little room for what comes."""

    code = "INVENTORY_FULL_INITIATOR"
    character: str


class InventoryFullRecipient(GameError):
    """The one who was asked has too little room for what comes."""

    code = "INVENTORY_FULL_RECIPIENT"
    character: str

"""What can go wrong at a bank."""

from gamekeeper.errors import GameError, Kind


class BankFull(GameError):
    """The bank has no free slot; placeholders take slots too."""

    code = "BANK_FULL"
    character: str


class InventoryEmpty(GameError):
    """Nothing is there that could be deposited."""

    code = "INVENTORY_EMPTY"
    container: str


class ItemNotInBank(GameError):
    """The bank has none of the item."""

    code = "ITEM_NOT_IN_BANK"
    kind = Kind.NOT_FOUND
    item: str


class ItemNotNoteable(GameError):
    """The item has no note, or this one has something of its own that a note would forget."""

    code = "ITEM_NOT_NOTEABLE"
    item: str


class TabNotFound(GameError):
    """The bank has no such tab."""

    code = "TAB_NOT_FOUND"
    kind = Kind.NOT_FOUND
    tab: int


class TabExists(GameError):
    """The bank has this tab already."""

    code = "TAB_EXISTS"
    tab: int


class MaxTabsReached(GameError):
    """The bank has as many tabs as it may have."""

    code = "MAX_TABS_REACHED"
    limit: int


class NotAPlaceholder(GameError):
    """No placeholder is in the slot."""

    code = "NOT_A_PLACEHOLDER"
    tab: int
    slot: int


class AlreadyPlaceholder(GameError):
    """Only a placeholder is in the slot."""

    code = "ALREADY_PLACEHOLDER"
    tab: int
    slot: int
    item: str


class InsufficientPouchCoins(GameError):
    """The pouch holds less than that."""

    code = "INSUFFICIENT_POUCH_COINS"
    held: int
    needed: int


class InsufficientBankCoins(GameError):
    """The bank holds less than that."""

    code = "INSUFFICIENT_BANK_COINS"
    held: int
    needed: int


class NoCoinsInBank(GameError):
    """The bank holds none of the currency."""

    code = "NO_COINS_IN_BANK"
    kind = Kind.NOT_FOUND
    currency: str


class CoinOverflow(GameError):
    """There would be more of the currency in one place than one place holds."""

    code = "COIN_OVERFLOW"
    container: str
    limit: int

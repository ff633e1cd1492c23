"""What can go wrong with items."""

from gamekeeper.errors import GameError, Kind


class UnknownItem(GameError):
    """No loaded pack defines this item."""

    code = "UNKNOWN_ITEM"
    kind = Kind.NOT_FOUND
    item: str


class ItemNotFound(GameError):
    """The holder has none of the item there."""

    code = "ITEM_NOT_FOUND"
    kind = Kind.NOT_FOUND
    item: str
    container: str


class InsufficientQuantity(GameError):
    """The holder has less of the item than the command needs."""

    code = "INSUFFICIENT_QUANTITY"
    item: str
    held: int
    needed: int


class InventoryFull(GameError):
    """The container has too few free slots."""

    code = "INVENTORY_FULL"
    holder: str
    container: str
    free: int
    needed: int


class InventoryInUse(GameError):
    """Something lies in a slot that a smaller inventory would not have."""

    code = "INVENTORY_IN_USE"
    slots: int
    needed: int


class SlotEmpty(GameError):
    """Nothing lies in the slot."""

    code = "SLOT_EMPTY"
    container: str
    slot: int


class SlotOccupied(GameError):
    """Something else lies in the slot."""

    code = "SLOT_OCCUPIED"
    container: str
    slot: int


class InvalidSlot(GameError):
    """The container has no such slot, or it is named twice."""

    code = "INVALID_SLOT"
    kind = Kind.INVALID
    container: str
    slot: int


class StackOverflow(GameError):
    """The stack is full."""

    code = "STACK_OVERFLOW"
    item: str
    max_stack: int


class StacksDiffer(GameError):
    """Only stacks of one item with equal metadata can be merged."""

    code = "STACKS_DIFFER"
    container: str
    slot: int


class ContainerInvalid(GameError):
    """The item or the command cannot use this container."""

    code = "CONTAINER_INVALID"
    kind = Kind.INVALID
    container: str


class NotEquippable(GameError):
    """The item cannot be worn."""

    code = "NOT_EQUIPPABLE"
    item: str


class UntradeableItem(GameError):
    """The item cannot go to someone else."""

    code = "UNTRADEABLE_ITEM"
    item: str


class LootProtected(GameError):
    """It lies there for its owner alone, for a while."""

    code = "LOOT_PROTECTED"
    slot: int
    until: int


class SelfTrade(GameError):
    """Both sides are the same."""

    code = "SELF_TRADE"
    kind = Kind.INVALID
    id: str

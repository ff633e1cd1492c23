"""What is stored of items: who holds what in which slot, and every movement that led there."""

from typing import Annotated, Literal

from msgspec import Meta

from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.records import AnyOwnerId, Coordinate, EpochMs, JsonObject, Key, Quantity, Record
from gamekeeper.modules import characters, worlds

HolderId = AnyOwnerId
"""Whoever holds items: a character, a world, a trade."""

ItemId = Annotated[
    str,
    Meta(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_]{0,63}(?!\n)$", description="a letter, then a to z, 0 to 9 or _"),
]
ItemUid = Id
"""The id that a unique item keeps for life."""

Container = Literal[
    "inventory",
    "equipment",
    "pouch",
    "bank:0",
    "bank:1",
    "bank:2",
    "bank:3",
    "bank:4",
    "bank:5",
    "bank:6",
    "bank:7",
    "bank:8",
    "bank:9",
    "gravestone",
    "ground",
    "escrow",
]
"""Where a holder keeps things. `bank:0` is the main tab, `bank:1` to `bank:9` are the player's own."""

ContainerOrOutside = Literal["", Container]
"""The container of a movement's side; an account outside of the world has none."""

MAX_SLOT = 2**31 - 1
Slot = Annotated[int, Meta(ge=0, le=MAX_SLOT, description="a place in a container, from 0")]
MAX_INVENTORY = 10_100
InventorySlots = Annotated[int, Meta(ge=1, le=MAX_INVENTORY, description="slots of an inventory")]

AccountName = Annotated[
    str, Meta(min_length=1, max_length=32, pattern=r"^[a-z][a-z0-9_]*(?!\n)$", description="a source or sink: loot, starter, shop ...")
]
Account = Annotated[str, Meta(min_length=1, max_length=64)]
"""One side of a movement: an owner's id, or `mint:<source>` or `burn:<sink>` for the world outside."""


class Holding(Record, table="holdings", value=True, unique=(("item_uid",),), checks=("item_uid IS NULL OR quantity = 1",)):
    """A stack of one item in one slot of a container."""

    holder_id: Key[HolderId]
    container: Key[Container]
    slot: Key[Slot]
    item_id: ItemId
    quantity: Quantity
    item_uid: ItemUid | None = None
    metadata: JsonObject = {}


class InventorySize(Record, table="inventory_sizes", beside=Holding):
    """How many slots a holder's own inventory has; without a row it is as large as everybody's."""

    holder_id: Key[HolderId]
    slots: InventorySlots


class ItemMovement(
    Record,
    table="item_movements",
    append_only=True,
    value=True,
    indexes=(("item_uid", "movement_id"), ("to_id", "movement_id")),
):
    """One stack that went from one account to another."""

    owner_id: Key[HolderId]
    movement_id: Key[Id]
    item_id: ItemId
    quantity: Quantity
    item_uid: ItemUid | None
    from_id: Account
    from_container: ContainerOrOutside
    to_id: Account
    to_container: ContainerOrOutside
    reason: str | None
    command_id: Id
    at: EpochMs


class GroundDrop(Record, table="ground_drops", indexes=(("despawns_at",),)):
    """Whose the stack is that lies in a slot of a world's ground, where it lies and how long.

    Until `protected_until` it is there for its owner alone, from `despawns_at` on for nobody.
    """

    world_id: Key[worlds.WorldId]
    slot: Key[Slot]
    dropped_by: HolderId
    dropped_at: EpochMs
    protected_until: EpochMs
    despawns_at: EpochMs
    room_id: characters.RoomId | None = None
    x: Coordinate = 0.0
    y: Coordinate = 0.0
    z: Coordinate = 0.0

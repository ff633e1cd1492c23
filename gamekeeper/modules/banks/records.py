"""What is stored of banks: a player's own tabs, and places that wait for an item. What lies there are holdings."""

from typing import Annotated

from msgspec import Meta

from gamekeeper.kernel.records import EpochMs, Key, Record
from gamekeeper.modules import characters, items

MAX_TABS = 9
"""Tabs of a player's own, beside the main one."""

Tab = Annotated[int, Meta(ge=0, le=MAX_TABS, description="a tab of a bank; 0 is the main one, which is always there")]
OwnTab = Annotated[int, Meta(ge=1, le=MAX_TABS, description="a tab that a player has made")]
BankSlot = Annotated[int, Meta(ge=0, lt=items.BANK_SLOTS, description="a place in a tab, from 0")]


class BankTab(Record, table="bank_tabs"):
    """A tab that a player has made, and the item that it shows as its icon."""

    character_id: Key[characters.CharacterId]
    tab_index: Key[OwnTab]
    icon_item_id: items.ItemId | None
    created_at: EpochMs


class BankPlaceholder(Record, table="bank_placeholders"):
    """A place that is kept for an item of which nothing lies there now. What lies there says how much: nothing is ever held 0 times."""

    character_id: Key[characters.CharacterId]
    tab_index: Key[Tab]
    slot: Key[BankSlot]
    item_id: items.ItemId

"""Content: definitions that designers author, read from packs and kept apart from player data."""

from gamekeeper.kernel.store.base import CONTENT_OWNER

from .commands import PackLoaded, load_pack
from .errors import DefinitionTaken
from .packs import (
    EQUIPMENT_SLOTS,
    MAX_STACK,
    EquipmentSlot,
    Fault,
    InvalidPack,
    ItemDefinition,
    Note,
    Pack,
    read_hyperscape_items,
    read_pack,
)
from .queries import item_definitions, load_definitions, packs
from .records import ContentId, ContentPack, Definition, DefinitionId, DefinitionKind

__all__ = [
    "CONTENT_OWNER",
    "EQUIPMENT_SLOTS",
    "MAX_STACK",
    "ContentId",
    "ContentPack",
    "Definition",
    "DefinitionId",
    "DefinitionKind",
    "DefinitionTaken",
    "EquipmentSlot",
    "Fault",
    "InvalidPack",
    "ItemDefinition",
    "Note",
    "Pack",
    "PackLoaded",
    "item_definitions",
    "load_definitions",
    "load_pack",
    "packs",
    "read_hyperscape_items",
    "read_pack",
]

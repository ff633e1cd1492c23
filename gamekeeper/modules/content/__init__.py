"""Content: definitions that designers author, read from packs and kept apart from player data."""

from gamekeeper.kernel.store.base import CONTENT_OWNER

from .commands import Changes, PackLoaded, load_pack
from .errors import DefinitionNeeded, DefinitionTaken, ReferenceUnknown
from .items import EQUIPMENT_SLOTS, MAX_STACK, EquipmentSlot, ItemDefinition
from .kinds import KINDS, Amount, Declared, Defined, Flaw, Label, Level, Natural, Reference, defines
from .packs import MAX_FILES, Fault, InvalidPack, Pack, PackReading, pack_of, read_pack
from .queries import KnownKind, Shelf, StoredDefinition, item_definitions, kinds, packs, stored
from .records import ContentId, ContentPack, Definition, DefinitionId, DefinitionKind

__all__ = [
    "CONTENT_OWNER",
    "EQUIPMENT_SLOTS",
    "KINDS",
    "MAX_FILES",
    "MAX_STACK",
    "Amount",
    "Changes",
    "ContentId",
    "ContentPack",
    "Declared",
    "Defined",
    "Definition",
    "DefinitionId",
    "DefinitionKind",
    "DefinitionNeeded",
    "DefinitionTaken",
    "EquipmentSlot",
    "Fault",
    "Flaw",
    "InvalidPack",
    "ItemDefinition",
    "KnownKind",
    "Label",
    "Level",
    "Natural",
    "Pack",
    "PackLoaded",
    "PackReading",
    "Reference",
    "ReferenceUnknown",
    "Shelf",
    "StoredDefinition",
    "defines",
    "item_definitions",
    "kinds",
    "load_pack",
    "pack_of",
    "packs",
    "read_pack",
    "stored",
]

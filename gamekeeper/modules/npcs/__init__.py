"""NPCs: the people and monsters that packs define, what they leave behind when they fall, and where banks are."""

from .errors import NpcNotFound
from .queries import list_banks, list_npcs, show
from .records import BankDefinition, Drop, DropTable, NpcDefinition, Place
from .rules import MOST_DROPS, TICK_MS, Loot, known_npc, roll_drops

__all__ = [
    "MOST_DROPS",
    "TICK_MS",
    "BankDefinition",
    "Drop",
    "DropTable",
    "Loot",
    "NpcDefinition",
    "NpcNotFound",
    "Place",
    "known_npc",
    "list_banks",
    "list_npcs",
    "roll_drops",
    "show",
]

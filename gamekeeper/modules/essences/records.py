"""What is stored of essences: which ones a character has bonded, and the abilities that came of them."""

from gamekeeper.kernel.records import Amount, EpochMs, JsonObject, Key, Record
from gamekeeper.modules import characters, content

from .definitions import AbilityLevel, AbilityName, AbilitySlot, Attribute, EssenceSlot


class CharacterEssence(
    Record,
    table="character_essences",
    value=True,
    unique=(("character_id", "essence_type"), ("character_id", "attribute_bound")),
):
    """An essence that a character has bonded for good. There are four slots, so that nobody has a fifth."""

    character_id: Key[characters.CharacterId]
    slot: Key[EssenceSlot]
    essence_type: content.DefinitionId
    attribute_bound: Attribute
    rank_bonded: characters.Rank
    created_at: EpochMs


class CharacterAbility(
    Record,
    table="character_abilities",
    value=True,
    unique=(("character_id", "essence_slot", "ability_name"),),
):
    """An ability of an essence that a character has bonded. `xp` is what was gained since its level was reached."""

    character_id: Key[characters.CharacterId]
    essence_slot: Key[EssenceSlot]
    slot: Key[AbilitySlot]
    ability_name: AbilityName
    created_at: EpochMs
    current_rank: characters.Rank = "normal"
    level: AbilityLevel = 0
    xp: Amount = 0
    awakened: bool = False
    """whether a stone opened it; the first one came with the bond"""
    metadata: JsonObject = {}


class InventoryExpansion(Record, table="inventory_expansions"):
    """How often a character's inventory was expanded: a fact of the character, not of its items."""

    character_id: Key[characters.CharacterId]
    level: Amount

"""What may be asked of a character as a whole."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args

from msgspec import Meta, Struct

from gamekeeper.kernel.queries import Loaded, Reader, query
from gamekeeper.kernel.records import Record
from gamekeeper.modules import characters, essences, items, prayer, quests, skills, titles, xp

Part = Literal["location", "vitals", "attributes", "settings", "skills", "items", "essences", "abilities", "quests", "prayers"]
EVERYTHING: Final[tuple[Part, ...]] = get_args(Part)
Parts = Annotated[list[Part], Meta(min_length=1, max_length=len(EVERYTHING))]

RECORDS_OF: Final[Mapping[Part, tuple[type[Record], ...]]] = {
    "location": (characters.CharacterLocation,),
    "vitals": (characters.CharacterVital,),
    "attributes": (characters.CharacterAttribute, xp.CharacterProgress),
    "settings": (characters.CharacterSetting,),
    "skills": (skills.CharacterSkill,),
    "items": (items.Holding,),
    "essences": (essences.CharacterEssence,),
    "abilities": (essences.CharacterEssence, essences.CharacterAbility),
    "quests": (quests.QuestProgress,),
    "prayers": (prayer.ActivePrayer,),
}
"""What is read for each part, and nothing else. The tables that grow with what a character does, ledgers and histories, are no part."""


# The fields of a sheet have the names of modules, which these types could not be told from within it.
_Skills: TypeAlias = skills.SkillSheet
_Item: TypeAlias = items.HeldItem
_Essence: TypeAlias = essences.HeldEssence
_Quest: TypeAlias = quests.QuestProgress
_Prayer: TypeAlias = prayer.ActivePrayer


class WholeCharacter(Struct, frozen=True):
    """A character as it is at one moment; a part that was not asked for is null. `version` goes into `expect_version`."""

    character: characters.Character
    version: int
    location: characters.CharacterLocation | None = None
    vitals: list[characters.CharacterVital] | None = None
    attributes: list[characters.CharacterAttribute] | None = None
    """with what the active title adds to them"""
    settings: dict[str, Any] | None = None
    skills: _Skills | None = None
    items: list[_Item] | None = None
    essences: list[_Essence] | None = None
    quests: list[_Quest] | None = None
    """those that were ever started"""
    prayers: list[_Prayer] | None = None


@query(access="player")
async def whole(
    read: Reader,
    *,
    character: characters.CharacterId,
    parts: Parts = [*EVERYTHING],  # noqa: B006 - copied for every call
) -> WholeCharacter:
    """Show a whole character as it is at one moment, or some parts of it; only they are read, in one round trip.

    Raises: CHARACTER_NOT_FOUND.
    """
    wanted = dict.fromkeys(record for part in parts for record in RECORDS_OF[part])
    row, loaded = await characters.load_alive(read, character, *wanted)
    return WholeCharacter(row, loaded.root.version, **_of_the_character(read, loaded, parts), **_of_the_game(read, loaded, parts))


def _of_the_character(read: Reader, loaded: Loaded, parts: list[Part]) -> dict[str, Any]:
    """Give where and how it is."""
    shown: dict[str, Any] = {}
    if "location" in parts:
        shown["location"] = loaded.one(characters.CharacterLocation)
    if "vitals" in parts:
        shown["vitals"] = loaded.rows(characters.CharacterVital)
    if "attributes" in parts:
        shown["attributes"] = titles.attributes_of(read, loaded)
    if "settings" in parts:
        shown["settings"] = {one.name: one.value for one in loaded.rows(characters.CharacterSetting)}
    return shown


def _of_the_game(read: Reader, loaded: Loaded, parts: list[Part]) -> dict[str, Any]:
    """Give what it can and has."""
    shown: dict[str, Any] = {}
    if "skills" in parts:
        shown["skills"] = skills.sheet_of(read, loaded.rows(skills.CharacterSkill))
    if "items" in parts:
        shown["items"] = items.held_items(read, loaded.rows(items.Holding))
    if "essences" in parts or "abilities" in parts:
        shown["essences"] = essences.essences_of(read, loaded, abilities="abilities" in parts)
    if "quests" in parts:
        shown["quests"] = loaded.rows(quests.QuestProgress)
    if "prayers" in parts:
        shown["prayers"] = loaded.rows(prayer.ActivePrayer)
    return shown

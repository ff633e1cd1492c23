"""What may be asked of prayer."""

from msgspec import Struct

from gamekeeper.kernel.queries import Loaded, Reader, query
from gamekeeper.modules import characters, content, items, skills, xp

from . import rules
from .records import ActivePrayer, PrayerDefinition


class PrayerSheet(Struct, frozen=True):
    """A character's prayer: points and their maximum in hundredths, the level, the bonus of what is worn, and the prayers said."""

    points: int
    maximum: int
    level: int
    bonus: int
    active: list[ActivePrayer]


class Boost(Struct, frozen=True):
    """A skill's level, and what it is while prayers raise it."""

    skill: str
    level: int
    boosted: int


@query(access="player")
async def show(read: Reader, *, character: characters.CharacterId) -> PrayerSheet:
    """Show a character's prayer.

    Raises: CHARACTER_NOT_FOUND.
    """
    _, loaded = await characters.load_alive(read, character, characters.CharacterVital, skills.CharacterSkill, items.Holding, ActivePrayer)
    return sheet_of(read, loaded)


def sheet_of(read: Reader, loaded: Loaded) -> PrayerSheet:
    """Give the sheet that a character's rows make: its vitals, skills, holdings and the prayers that it says."""
    trained = next((one for one in loaded.rows(skills.CharacterSkill) if one.skill == rules.PRAYER), None)
    level = rules.level_of(trained, read.definitions(skills.SkillDefinition), read.definitions(xp.CurveDefinition))
    points = next((one.current for one in loaded.rows(characters.CharacterVital) if one.vital == rules.PRAYER), None)
    maximum = level * rules.HUNDREDTHS
    bonus = rules.bonus_of(loaded.rows(items.Holding), read.definitions(content.ItemDefinition))
    return PrayerSheet(maximum if points is None else min(points, maximum), maximum, level, bonus, loaded.rows(ActivePrayer))


@query(access="player")
async def boosted(read: Reader, *, character: characters.CharacterId) -> list[Boost]:
    """List the skills that a character's prayers change, in the order of their names.

    Raises: CHARACTER_NOT_FOUND.
    """
    _, loaded = await characters.load_alive(read, character, skills.CharacterSkill, ActivePrayer)
    known = read.definitions(PrayerDefinition)
    raised = rules.multipliers(known[one.prayer_id] for one in loaded.rows(ActivePrayer) if one.prayer_id in known)
    definitions, curves = read.definitions(skills.SkillDefinition), read.definitions(xp.CurveDefinition)
    levels = skills.levels_of(loaded.rows(skills.CharacterSkill), definitions, curves)
    found = [(skill, levels.get(skill, 1), multiplier) for skill, multiplier in sorted(raised.items())]
    return [Boost(skill, level, rules.boosted_level(level, multiplier)) for skill, level, multiplier in found]

"""The arithmetic of prayer, in whole numbers: points are counted in hundredths, and what is less than one is carried on."""

from collections.abc import Iterable, Mapping
from typing import Final

from gamekeeper.modules import content, items, skills, xp

from .records import PrayerDefinition, PrayerPace

PRAYER: Final = "prayer"
"""The skill, the vital, and the bonus of what is worn."""
HUNDREDTHS: Final = 100
"""Of a point, which is also what each level of the skill gives."""
MAX_ACTIVE: Final = 5
RESISTANCE: Final = 60
RESISTANCE_PER_BONUS: Final = 2
TICK_MS: Final = 600
SECOND_MS: Final = 1_000
ONE: Final = 10_000
"""A multiplier that changes nothing, in basis points."""


def paced(pace: PrayerPace, now: int, apart_ms: int, per_second: int) -> tuple[PrayerPace, int]:
    """Give the pace once a prayer begins or ends now, and how many milliseconds too early that is.

    >>> pace = PrayerPace("ada", toggled_at=10_400, since=10_000, toggles=4)
    >>> paced(pace, 10_460, 100, 5)[1], paced(pace, 10_500, 100, 5)[1], paced(pace, 10_500, 100, 4)[1], paced(pace, 10_400, 0, 0)[1]
    (40, 0, 500, 0)
    >>> paced(pace, 11_000, 100, 5)[0]
    PrayerPace(character_id='ada', toggled_at=11000, since=11000, toggles=1)

    A clock that was set back keeps nobody waiting.
    """
    since, toggles = pace.since, pace.toggles
    if not since <= now < since + SECOND_MS:
        since, toggles = now, 0
    apart = pace.toggled_at + apart_ms - now if pace.toggled_at <= now else 0
    full = since + SECOND_MS - now if per_second and toggles >= per_second else 0
    return PrayerPace(pace.character_id, now, since, toggles + 1), max(apart, full, 0)


def resistance(bonus: int) -> int:
    """Give by what the drain is divided: what is worn makes prayers last longer.

    >>> resistance(0), resistance(15), resistance(-100)
    (60, 90, 1)
    """
    return max(RESISTANCE + RESISTANCE_PER_BONUS * bonus, 1)


def drained(drain: int, ticks: int, bonus: int, spent: int = 0, per: int = RESISTANCE) -> tuple[int, int, int]:
    """Give the hundredths that ticks cost after what was spent already, and what is spent of the next one, in how many parts.

    The parts follow the bonus. Where they change, what was spent is rounded up: changing clothes gives nothing back.

    >>> drained(3, 7, 0), drained(3, 4, 0, *drained(3, 3, 0)[1:])
    ((35, 0, 60), (20, 0, 60))
    >>> drained(1, 1, 15)
    (1, 10, 90)
    """
    parts = resistance(bonus)
    carried = -(-spent * parts // per)
    hundredths, rest = divmod(carried + HUNDREDTHS * drain * ticks, parts)
    return hundredths, rest, parts


def boosted_level(level: int, multiplier: int) -> int:
    """Give a level as a prayer raises it.

    >>> boosted_level(99, 11500), boosted_level(1, 10500)
    (113, 1)
    """
    return level * multiplier // ONE


def multipliers(active: Iterable[PrayerDefinition]) -> dict[str, int]:
    """Give by what each skill is multiplied; of several prayers that raise one skill the strongest counts.

    >>> low, high = (PrayerDefinition(id=id, name=id, effects={"attack": bp}) for id, bp in (("low", 10500), ("high", 11000)))
    >>> multipliers([high, low])
    {'attack': 11000}
    """
    found: dict[str, int] = {}
    for one in active:
        for skill, multiplier in one.effects.items():
            found[skill] = max(multiplier, found.get(skill, 0))
    return found


def exclude(one: PrayerDefinition, other: PrayerDefinition) -> bool:
    """Tell whether two prayers cannot be said together.

    >>> calm, rage = (PrayerDefinition(id=id, name=id, groups=("mood",)) for id in ("calm", "rage"))
    >>> exclude(calm, rage), exclude(calm, PrayerDefinition(id="haste", name="Haste", conflicts=("calm",)))
    (True, True)
    """
    if one.id == other.id:
        return False
    return not set(one.groups).isdisjoint(other.groups) or other.id in one.conflicts or one.id in other.conflicts


def bonus_of(rows: Iterable[items.Holding], definitions: Mapping[str, content.ItemDefinition]) -> int:
    """Add up the prayer bonus of what is worn."""
    worn = (definitions.get(row.item_id) for row in rows if row.container == "equipment")
    return sum(one.bonuses.get(PRAYER, 0) for one in worn if one is not None)


def level_of(
    row: skills.CharacterSkill | None,
    definitions: Mapping[str, skills.SkillDefinition],
    curves: Mapping[str, xp.CurveDefinition],
) -> int:
    """Give a character's level in prayer."""
    if row is not None:
        return row.level
    known = {PRAYER: definitions[PRAYER]} if PRAYER in definitions else {}
    return skills.levels_of((), known, curves).get(PRAYER, 1)

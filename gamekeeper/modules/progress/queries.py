"""What may be asked of a character's progress."""

from msgspec import Struct

from gamekeeper.kernel.queries import Reader, query
from gamekeeper.kernel.records import EpochMs
from gamekeeper.modules import characters, days, seasons, titles, xp

from . import rules


class Progress(Struct, frozen=True):
    """How far a character has come, and what an award would be changed by if it were paid now, in the order in which it would.

    `percent` is how much of the way to the next level is done, `next_level_xp` the experience at which it begins; null at the highest.
    `debuff_until` is null when there is none. `stat_bonuses` are what the active title adds to attributes.
    """

    level: int
    total_xp: int
    percent: int
    next_level_xp: int | None
    current_streak: int
    longest_streak: int
    perfect_streak: int
    grace_tokens: int
    quest_points: int
    debuff_until: EpochMs | None
    active_title: str | None
    stat_bonuses: dict[str, int]
    modifiers: list[xp.Modifier]


@query(access="player")
async def show(read: Reader, *, character: characters.CharacterId) -> Progress:
    """Show a character's level, streaks, debuff and title, and what would make an award more or less now.

    Raises: CHARACTER_NOT_FOUND, UNKNOWN_CURVE, AWARD_RULES_INVALID.
    """
    owner, loaded = await characters.load_alive(read, character, xp.CharacterProgress, *seasons.TOUCHES)
    row = loaded.one(xp.CharacterProgress) or xp.CharacterProgress(character)
    now, definitions = read.now_ms(), read.definitions(titles.TitleDefinition)
    day = days.local_day(now, await characters.zone_of(read, character))
    curve = xp.character_curve(read.definitions(xp.CurveDefinition), read.settings.xp_curve)
    level, season = curve.level(row.total_xp), seasons.modifier_of(read, owner, loaded)
    return Progress(
        level=row.level,
        total_xp=row.total_xp,
        percent=xp.progress_percent(curve, row.total_xp),
        next_level_xp=None if level >= curve.max_level else curve.threshold(level + 1),
        current_streak=row.current_streak,
        longest_streak=row.longest_streak,
        perfect_streak=row.perfect_streak,
        grace_tokens=row.grace_tokens,
        quest_points=row.quest_points,
        debuff_until=row.debuff_active_until if now < (row.debuff_active_until or 0) else None,
        active_title=row.active_title_id,
        stat_bonuses=titles.bonuses_of(read, loaded),
        modifiers=rules.gathered(
            rules.rules_of(read), row, day, now, titles.active_of(definitions, row), () if season is None else (season,)
        ),
    )

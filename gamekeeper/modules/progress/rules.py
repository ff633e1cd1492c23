"""What makes an award more or less than its base: streaks, weekends, debuffs, and how the game sets their worth."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, Protocol

import msgspec
from msgspec import Meta, Struct

from gamekeeper.modules import content, days, titles, xp

from .errors import AwardRulesInvalid

CONFIG: Final = "xp_modifiers"
"""The key of the game's configuration that says what bonuses and penalties are worth; `AwardRules` is what holds without it."""
MAX_STREAK_BONUSES: Final = 32
OF_THE_GAME: Final = {"QUEST_COMPLETION": re.compile(r"quest:[0-9]{4}-[0-9]{2}-[0-9]{2}:"), "SEASON_BONUS": re.compile("season:")}
"""How the ids begin of what is paid for quests of a day or a week, and by seasons; those of bosses and dungeons nobody can guess."""


class StreakBonus(Struct, frozen=True, forbid_unknown_fields=True):
    """What a streak of so many days and more is worth."""

    days: Annotated[int, Meta(ge=1, le=100_000)]
    multiplier_bp: Annotated[int, Meta(ge=xp.ONE_BP, le=xp.MAX_MULTIPLIER_BP)]


class AwardRules(Struct, frozen=True, forbid_unknown_fields=True):
    """What bonuses and penalties are worth, in basis points; 10000 are neither."""

    streaks: Annotated[tuple[StreakBonus, ...], Meta(max_length=MAX_STREAK_BONUSES)] = (
        StreakBonus(7, 11_000),
        StreakBonus(14, 11_500),
        StreakBonus(30, 12_500),
    )
    """Of those that are reached only the one with the most days counts."""
    weekend_bp: Annotated[int, Meta(ge=xp.ONE_BP, le=xp.MAX_MULTIPLIER_BP)] = 11_000
    debuff_bp: Annotated[int, Meta(ge=0, le=xp.ONE_BP)] = 9_000


class Definitions(Protocol):
    """A command's context or a query's reader."""

    def definitions(self, kind: type[Any], /) -> Mapping[str, Any]: ...


def read_rules(value: Any) -> AwardRules:
    """Give the rules that a configuration's value says; what it leaves out is as without it.

    Raises: AWARD_RULES_INVALID.

    >>> read_rules({"weekend_bp": 12000}).weekend_bp, read_rules({}).debuff_bp
    (12000, 9000)
    """
    try:
        return msgspec.convert(value, AwardRules)
    except msgspec.ValidationError as error:
        raise AwardRulesInvalid(key=CONFIG, problem=str(error)) from None


def rules_of(at: Definitions) -> AwardRules:
    """Give the rules that hold, within a command or a query.

    Raises: AWARD_RULES_INVALID.
    """
    try:
        return read_rules(content.config_of(at, CONFIG).value)
    except content.ConfigNotFound:
        return AwardRules()


def is_of_the_game(source: str, source_id: str) -> bool:
    """Say whether an award is one that the game pays by itself: paid before by somebody else, it could not be paid any more.

    >>> is_of_the_game("QUEST_COMPLETION", "quest:2026-03-02:walk"), is_of_the_game("SEASON_BONUS", "season:first")
    (True, True)
    >>> is_of_the_game("QUEST_COMPLETION", "quest:flour"), is_of_the_game("BOSS_DEFEAT", "quest:2026-03-02:walk")
    (False, False)
    """
    pattern = OF_THE_GAME.get(source)
    return pattern is not None and pattern.match(source_id) is not None


def streak_bonus(rules: AwardRules, streak: int) -> list[xp.Modifier]:
    """Give what a streak is worth.

    >>> [[one.multiplier_bp for one in streak_bonus(AwardRules(), streak)] for streak in (6, 7, 13, 14, 29, 30, 400)]
    [[], [11000], [11000], [11500], [11500], [12500], [12500]]
    """
    reached = max((one for one in rules.streaks if one.days <= streak), key=lambda one: one.days, default=None)
    if reached is None or reached.multiplier_bp == xp.ONE_BP:
        return []
    return [xp.Modifier("STREAK_BONUS", multiplier_bp=reached.multiplier_bp, reason=f"streak of {streak} days")]


def weekend_bonus(rules: AwardRules, day: str) -> list[xp.Modifier]:
    """Give what it is worth that a day is a Saturday or a Sunday.

    >>> [[one.multiplier_bp for one in weekend_bonus(AwardRules(), day)] for day in ("2026-01-02", "2026-01-03", "2026-01-05")]
    [[], [11000], []]
    """
    if not days.is_weekend(day) or rules.weekend_bp == xp.ONE_BP:
        return []
    return [xp.Modifier("WEEKEND_BONUS", multiplier_bp=rules.weekend_bp, reason=f"weekend, {day}")]


def debuff_penalty(rules: AwardRules, until: int | None, now: int, share_bp: int) -> list[xp.Modifier]:
    """Give what a debuff costs while it lasts, as far as it counts for who has it.

    >>> def cost(until, share):
    ...     return [one.multiplier_bp for one in debuff_penalty(AwardRules(), until, 50, share)]
    >>> cost(51, 10000), cost(51, 5000), cost(51, 0), cost(50, 10000), cost(None, 10000)
    ([9000], [9500], [], [], [])
    """
    costs = (xp.ONE_BP - rules.debuff_bp) * share_bp // titles.ALL_OF_IT
    if until is None or now >= until or not costs:
        return []
    reason = "debuff" if share_bp == titles.ALL_OF_IT else f"debuff, of which {share_bp / 100:g} % counts"
    return [xp.Modifier("DEBUFF_PENALTY", multiplier_bp=xp.ONE_BP - costs, reason=reason)]


def gathered(
    rules: AwardRules,
    progress: xp.CharacterProgress,
    day: str,
    now: int,
    bearing: titles.TitleDefinition | None,
    season: Sequence[xp.Modifier] = (),
    extra: Iterable[xp.Modifier] = (),
) -> list[xp.Modifier]:
    """Give all that makes an award more or less: of streak, weekend, season, title and what the award itself brings, then the debuff."""
    return [
        *streak_bonus(rules, progress.current_streak),
        *weekend_bonus(rules, day),
        *season,
        *titles.modifiers_of(bearing),
        *extra,
        *debuff_penalty(rules, progress.debuff_active_until, now, titles.debuff_share_of(bearing)),
    ]

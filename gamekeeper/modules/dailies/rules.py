"""The rules of days: which are due, what a day is worth for streaks, and when a debuff comes."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

from msgspec import Struct

from gamekeeper.modules import days, metrics, predicates

from .definitions import BY_ITSELF, QuestTemplate

MOST_DUE: Final = 40
"""Days of a character that are closed in one go, of two hundred in about a second; what is longer ago is made up for in several."""


class Streaks(Struct, frozen=True):
    """The streaks of a character, and the grace tokens that they brought."""

    current: int
    longest: int
    perfect: int
    tokens: int


def due(last_closed: str, zone: str, now: int, grace_ms: int) -> list[str]:
    """Give the days that are over and not yet closed, in their order; dates that the zone skipped are none.

    >>> midnight = days.start_of("2026-03-03", "UTC")
    >>> due("2026-02-28", "UTC", midnight + 899_999, 900_000), due("2026-02-28", "UTC", midnight + 900_000, 900_000)
    (['2026-03-01'], ['2026-03-01', '2026-03-02'])
    >>> due("2011-12-29", "Pacific/Apia", days.end_of("2011-12-31", "Pacific/Apia"), 0)
    ['2011-12-31']
    """
    found: list[str] = []
    while len(found) < MOST_DUE and closes_at(last_closed, zone, grace_ms) <= now:
        last_closed = coming_day(last_closed, zone)
        found.append(last_closed)
    return found


@lru_cache(maxsize=4_096)
def closes_at(last_closed: str, zone: str, grace_ms: int) -> int:
    """Give when the day after the last closed one is due."""
    return days.end_of(coming_day(last_closed, zone), zone) + grace_ms


@lru_cache(maxsize=4_096)
def coming_day(last_closed: str, zone: str) -> str:
    """Give the day after the last closed one.

    >>> coming_day("2011-12-29", "Pacific/Apia")
    '2011-12-31'
    """
    day = days.after(last_closed)
    while not days.exists(day, zone):
        day = days.after(day)
    return day


def open_days(last_closed: str, today: str) -> Iterator[str]:
    """Give the days that are not closed yet, up to today.

    >>> list(open_days("2026-02-27", "2026-03-01")), list(open_days("2026-03-01", "2026-02-28"))
    (['2026-02-28', '2026-03-01'], [])
    """
    day = days.after(last_closed)
    while day <= today:
        yield day
        day = days.after(day)


def comes(template: QuestTemplate, season: str | None) -> bool:
    """Say whether a quest comes to characters by itself, in a season or, with None, out of any."""
    return template.type in BY_ITSELF and template.season_id in (None, season)


def ends_with(day: str) -> tuple[str, ...]:
    """Give the dates under which quests are kept that are over with a day, whatever sort they were: of a Monday they may be of its week.

    >>> ends_with("2026-03-02"), ends_with("2026-03-03"), ends_with("2026-03-08")
    ((), ('2026-03-03',), ('2026-03-02', '2026-03-08'))
    """
    match days.weekday(day):
        case 0:
            return ()
        case 6:
            return days.week_of(day), day
        case _:
            return (day,)


def share(done: int, total: int) -> dict[str, int]:
    """Give what share of a day's core quests was done, in thousandths, as facts have it; of a day without any nothing is known.

    >>> share(3, 4), share(0, 0)
    ({'quest_completion_rate': 750}, {})
    """
    return {predicates.RATE: done * metrics.THOUSAND // total} if total else {}


def is_streak_day(done: int, total: int, needed: int) -> bool:
    """Say whether a day carries a streak on: with so many core quests done, or all of them where there are fewer.

    >>> [is_streak_day(done, 4, 3) for done in range(5)], is_streak_day(2, 2, 3)
    ([False, False, False, True, True], True)
    """
    return done >= min(needed, total)


def after_day(before: Streaks, done: int, total: int, *, needed: int, token_days: int, most_tokens: int) -> Streaks:
    """Give the streaks after a day. A day of a game without core quests changes nothing.

    >>> after_day(Streaks(6, 6, 2, 0), 3, 4, needed=3, token_days=7, most_tokens=3)
    Streaks(current=7, longest=7, perfect=0, tokens=1)
    >>> after_day(Streaks(7, 9, 2, 1), 2, 4, needed=3, token_days=7, most_tokens=3)
    Streaks(current=0, longest=9, perfect=0, tokens=1)
    """
    if total == 0:
        return before
    current = before.current + 1 if is_streak_day(done, total, needed) else 0
    token = 1 if current and current % token_days == 0 else 0
    return Streaks(
        current,
        max(before.longest, current),
        before.perfect + 1 if done == total else 0,
        max(before.tokens, min(before.tokens + token, most_tokens)),
    )


def brings_debuff(done: int, total: int, missed: int, until: int | None, now: int) -> bool:
    """Say whether a day brings a debuff: so many core quests missed, and none active, for it is not renewed.

    >>> brings_debuff(2, 4, 2, None, 0), brings_debuff(3, 4, 2, None, 0), brings_debuff(0, 4, 2, 10, 5), brings_debuff(0, 1, 2, None, 0)
    (True, False, False, False)
    """
    return total - done >= missed and (until is None or until <= now)


def is_settled(condition: predicates.Predicate, definitions: Mapping[str, metrics.MetricDefinition]) -> bool:
    """Say whether a condition that is met while the day goes on stays so; of the contrary of something only the end tells.

    >>> from gamekeeper.modules.predicates import read
    >>> [is_settled(read({"metric": "kcal", "op": op, "value": 5}), {}) for op in ("gte", "lte")]
    [True, False]
    >>> is_settled(predicates.Not(predicates.Event("drank")), {})
    False
    """
    contrary = any(isinstance(one, predicates.Not) for one in predicates.nodes(condition))
    return not contrary and not metrics.may_turn(condition, definitions)


def partial_xp(template: QuestTemplate, progress: int) -> int | None:
    """Give what a quest that is done in part pays, if it does.

    >>> from gamekeeper.modules.dailies import PartialReward, QuestTemplate
    >>> walk = QuestTemplate(id="walk", name="Walk", category="MOVEMENT", requirements={"metric": "steps", "op": "gte", "value": 10},
    ...     base_xp=25, partial_reward=PartialReward())
    >>> [partial_xp(walk, progress) for progress in (4999, 5000, 7599)]
    [None, 12, 18]
    """
    partial = template.partial_reward
    if partial is None or progress < partial.threshold:
        return None
    return template.base_xp * progress // predicates.FULL if partial.xp is None else partial.xp

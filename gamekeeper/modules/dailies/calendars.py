"""What a command about days must know before it begins: where its characters live, which of their days are due, and which were touched."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

from msgspec import Struct

from gamekeeper.config import Settings
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.records import Record
from gamekeeper.modules import characters, days, metrics

from . import rules
from .definitions import QuestTemplate
from .records import DailyLog, DayState, QuestLog

SUNDAY: Final = 6

Keys = list[tuple[type[Record], tuple[str, ...]]]


class Calendar(Struct, frozen=True):
    """What was found of one character: its zone, the day that it was there, and the days of which all rows were looked up.

    `over` are the days that were due, `strays` the keys of quests of these that go on though no definition leads to them any more.
    """

    zone: str
    today: str
    looked_up: frozenset[str]
    over: tuple[str, ...] = ()
    strays: tuple[tuple[str, str, str], ...] = ()


class Calendars(Struct, frozen=True):
    """What was found of several characters, and the quests whose rows were looked up."""

    of: dict[str, Calendar]
    templates: tuple[str, ...]


def grace_ms(settings: Settings) -> int:
    """Give how long after its end a day is still open, in milliseconds."""
    return settings.day_grace_minutes * 60_000


def today_of(last_closed: str | None, zone: str, now: int) -> str:
    """Give the day that it is for a character: who goes west after a day was closed does not have it twice, but a long next one.

    >>> noon = days.start_of("2026-03-02", "Asia/Tokyo") + 3_600_000
    >>> today_of("2026-03-01", "America/Los_Angeles", noon), today_of("2026-02-27", "America/Los_Angeles", noon)
    ('2026-03-02', '2026-03-01')
    """
    today = days.local_day(now, zone)
    return today if last_closed is None else max(today, days.after(last_closed))


async def find_due(read: Reader, wanted: Sequence[str]) -> tuple[Calendars, Keys]:
    """Find the days of characters that are over, and the rows that closing them needs: most days nobody has touched."""
    zones, now, grace = await characters.zones_of(read, wanted), read.now_ms(), grace_ms(read.settings)
    states = await read.each(DayState, list(zones))
    # Most characters live in few zones and have the same day before them.
    due = cache(lambda last_closed, zone: tuple(rules.due(last_closed, zone, now, grace)))
    over: dict[str, tuple[str, ...]] = {id: due(rows[0].last_closed, zones[id]) for id, rows in states.items() if rows}
    touched = await _touched(read, over)
    today = {zone: days.local_day(now, zone) for zone in set(zones.values())}
    calendars = Calendars(
        {id: Calendar(zones[id], today[zones[id]], frozenset(some), over[id]) for id, some in touched.items()},
        _templates(read),
    )
    keys: Keys = [(DailyLog, (id, day)) for id, some in over.items() for day in some]
    rows_of = cache(lambda some: _rows_of(read, calendars, some))
    for id, some in touched.items():
        keys += [(record, (id, *rest)) for record, rest in rows_of(some)]
    return calendars, keys


async def day_now(read: Reader, character: str) -> tuple[str, str]:
    """Find where a character lives, and the day that it is for it there, which what is reported now counts for."""
    zone, state = await characters.zone_of(read, character), await read.get(DayState, character)
    return zone, today_of(None if state is None else state.last_closed, zone, read.now_ms())


async def find_days(read: Reader, character: str, named: Sequence[str]) -> tuple[Calendars, Keys]:
    """Find where a character lives, and the rows of some days and of the one that it is there."""
    zone, today = await day_now(read, character)
    some = tuple(sorted({today, *named}))
    calendars = Calendars({character: Calendar(zone, today, frozenset(some))}, _templates(read))
    rows: Keys = [*((DailyLog, (day,)) for day in some), *_rows_of(read, calendars, some)]
    return calendars, [(record, (character, *rest)) for record, rest in rows]


async def _touched(read: Reader, over: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    logs = await read.some(DailyLog, [(id, day) for id, some in over.items() for day in some])
    found: dict[str, set[str]] = {id: set() for id in over}
    for row in logs:
        found[row.character_id].add(row.day_date)
    # The quests of a week end with its Sunday, be that day touched or not.
    return {id: tuple([day for day in some if day in found[id] or days.weekday(day) == SUNDAY]) for id, some in over.items()}


def _templates(read: Reader) -> tuple[str, ...]:
    return tuple(sorted(read.definitions(QuestTemplate)))


def _rows_of(read: Reader, calendars: Calendars, some: Sequence[str]) -> Keys:
    """Give the rows of some days, by what stands in their keys behind the character, which is the same for all of them."""
    definitions, measured = read.definitions(QuestTemplate), read.definitions(metrics.MetricDefinition)
    keys: Keys = []
    for day in some:
        for id in calendars.templates:
            keys.append((QuestLog, (period_of(definitions[id], day), id)))
        keys += [(record, key[1:]) for record, key in metrics.day_keys(measured, "", day)]
    return list(dict.fromkeys(keys))


def period_of(template: QuestTemplate, day: str) -> str:
    """Give the day under which a quest is kept: of a week it is the Monday.

    >>> from gamekeeper.modules.predicates import Event
    >>> walk = QuestTemplate(id="walk", name="Walk", type="WEEKLY", category="MOVEMENT", requirements=Event("walked"), base_xp=1)
    >>> period_of(walk, "2026-03-04")
    '2026-03-02'
    """
    return days.week_of(day) if template.type == "WEEKLY" else day

"""What may be asked of daily quests and days."""

from itertools import product
from typing import Final

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import BigInteger, Text, and_, bindparam, or_, select

from gamekeeper.kernel.queries import Cursor, Page, PageLimit, Reader, filled, parts, query, read_cursor, write_cursor
from gamekeeper.kernel.records import EpochMs
from gamekeeper.kernel.store.schema import table
from gamekeeper.modules import characters, days, metrics, predicates, seasons

from . import rules
from .calendars import Calendars, Keys, find_days, period_of, today_of
from .definitions import Category, QuestTemplate, QuestType
from .records import DailyLog, DayState, QuestLog, Status

states, logs, quests = table(DayState), table(DailyLog), table(QuestLog)
MOST_OWNERS: Final = 200
MOST_DAYS: Final = 8
MOST_TEMPLATES: Final = 64
"""How much one statement asks for; what is left over of it is filled up with nothing."""

DUE = (
    select(states.c.character_id, states.c.next_close_at)
    .where(
        states.c.next_close_at <= bindparam("now", type_=BigInteger),
        or_(
            states.c.next_close_at > bindparam("after_at", type_=BigInteger),
            and_(
                states.c.next_close_at == bindparam("after_at", type_=BigInteger),
                states.c.character_id > bindparam("after", type_=Text),
            ),
        ),
    )
    .order_by(states.c.next_close_at, states.c.character_id)
    .limit(bindparam("limit", type_=BigInteger))
)
HISTORY = (
    select(logs)
    .where(logs.c.character_id == bindparam("character", type_=Text), logs.c.day_date < bindparam("before", type_=Text))
    .order_by(logs.c.day_date.desc())
    .limit(bindparam("limit", type_=BigInteger))
)
STRAYS = select(quests.c.character_id, quests.c.day_date, quests.c.template_id).where(
    quests.c.character_id.in_([bindparam(f"c{place}", type_=Text) for place in range(MOST_OWNERS)]),
    quests.c.day_date.in_([bindparam(f"d{place}", type_=Text) for place in range(MOST_DAYS)]),
    quests.c.template_id.not_in([bindparam(f"t{place}", type_=Text) for place in range(MOST_TEMPLATES)]),
    quests.c.status == "ACTIVE",
)
LAST = "9999-12-31"


class DueCharacter(Struct, frozen=True):
    """A character of which a day is over, and since when it could be closed."""

    character_id: str
    next_close_at: int


class Stray(Struct, frozen=True):
    """The key of a quest that goes on though no definition leads to it."""

    character_id: str
    day_date: str
    template_id: str


class QuestView(Struct, frozen=True):
    """A quest of a day or a week, how far it is done, and what is missing, in words."""

    template: str
    name: str
    description: str
    type: QuestType
    category: Category
    is_core: bool
    base_xp: int
    status: Status
    progress: int
    xp_awarded: int
    completed_at: EpochMs | None
    missing: list[str]


class DayView(Struct, frozen=True):
    """What a day holds for a character: its quests, and how the day stands."""

    day: str
    closes_at: int | None
    """When it will be closed; null for a character whose days have not begun."""
    log: DailyLog
    quests: list[QuestView]


@query(access="player")
async def today(read: Reader, *, character: characters.CharacterId, day: days.Day | None = None) -> DayView:
    """Show the quests of today, or of another day, with what is done of each and what is missing.

    Raises: CHARACTER_NOT_FOUND, INVALID_ARGUMENT.
    """
    _, loaded = await characters.load_alive(read, character, DayState, *metrics.LOADED)
    state = loaded.one(DayState)
    found, keys = await find_days(read, character, [] if day is None else [days.checked(day)])
    zone = found.of[character].zone
    named = day or today_of(None if state is None else state.last_closed, zone, read.now_ms())
    rows = {(row.day_date, row.template_id): row for row in await read.some(QuestLog, [key for kind, key in keys if kind is QuestLog])}
    log = await read.get(DailyLog, character, named)
    measured = await metrics.day_of(read, character, named)
    share = {} if log is None else rules.share(log.core_completed, log.core_total)
    facts, of_week = (metrics.facts_of(read, loaded, measured, named, share) for _ in range(2))
    facts.of_day()
    of_week.of_week()
    season = seasons.season_at(read.definitions(seasons.SeasonDefinition), read.now_ms())
    shown = [
        _view(template, row, of_week if template.type == "WEEKLY" else facts)
        for id, template in sorted(read.definitions(QuestTemplate).items())
        if (row := rows.get((period_of(template, named), id))) is not None
        or (log is None and rules.comes(template, None if season is None else season.id))
    ]
    closes = None if state is None or named != days.after(state.last_closed) else state.next_close_at
    return DayView(named, closes, log or DailyLog(character, named, core_total=sum(one.is_core for one in shown)), shown)


def _view(template: QuestTemplate, row: QuestLog | None, facts: metrics.KnownFacts) -> QuestView:
    verdict = predicates.judge(template.requirements, facts, facts.words)
    status: Status = "ACTIVE" if row is None else row.status
    return QuestView(
        *(template.id, template.name, template.description, template.type, template.category, template.is_core, template.base_xp),
        status=status,
        progress=verdict.progress if row is None or status == "ACTIVE" else row.progress,
        xp_awarded=0 if row is None else row.xp_awarded,
        completed_at=None if row is None else row.completed_at,
        missing=predicates.explain(verdict) if status == "ACTIVE" else [],
    )


@query(access="player")
async def history(
    read: Reader, *, character: characters.CharacterId, limit: PageLimit = 50, cursor: Cursor | None = None
) -> Page[DailyLog]:
    """List a character's days, the newest first."""
    (before,) = read_cursor(cursor, str) or (LAST,)
    rows = await read.rows(DailyLog, HISTORY, character=character, before=before, limit=limit + 1)
    return Page(rows[:limit], write_cursor([rows[limit - 1].day_date]) if len(rows) > limit else None)


@query(access="operator")
async def due(read: Reader, *, limit: PageLimit = 200, cursor: Cursor | None = None) -> Page[DueCharacter]:
    """List the characters of which a day is over, those first that have waited longest."""
    after_at, after = read_cursor(cursor, int, str) or (-1, "")
    rows = await read.rows(DueCharacter, DUE, now=read.now_ms(), after_at=after_at, after=after, limit=limit + 1)
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(rows[:limit], None if last is None else write_cursor([last.next_close_at, last.character_id]))


async def with_strays(read: Reader, found: Calendars) -> tuple[Calendars, Keys]:
    """Add the quests of due days that go on though no definition leads to them any more: content has changed since they began."""
    owners = [id for id, one in found.of.items() if one.looked_up]
    dates = sorted({date for id in owners for day in found.of[id].looked_up for date in rules.ends_with(day)})
    definitions = read.definitions(QuestTemplate)
    strays: dict[str, list[tuple[str, str, str]]] = {}
    lasting = [id for id, one in definitions.items() if one.type != "WEEKLY"][:MOST_TEMPLATES]
    for some, these in product(parts(owners, MOST_OWNERS), parts(dates, MOST_DAYS)):
        named = {**filled("c", some, MOST_OWNERS), **filled("d", these, MOST_DAYS), **filled("t", lasting, MOST_TEMPLATES)}
        for row in await read.rows(Stray, STRAYS, **named):
            one = definitions.get(row.template_id)
            if one is None or period_of(one, row.day_date) != row.day_date:
                strays.setdefault(row.character_id, []).append((row.character_id, row.day_date, row.template_id))
    if not strays:
        return found, []
    calendars = {id: replace(one, strays=tuple(strays.get(id, ()))) for id, one in found.of.items()}
    return replace(found, of=calendars), [(QuestLog, key) for keys in strays.values() for key in keys]

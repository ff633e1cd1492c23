"""What may be asked of daily quests and days."""

from msgspec import Struct
from sqlalchemy import BigInteger, Text, and_, bindparam, or_, select

from gamekeeper.kernel.queries import Cursor, Page, PageLimit, Reader, query, read_cursor, write_cursor
from gamekeeper.kernel.records import EpochMs
from gamekeeper.kernel.store.schema import table
from gamekeeper.modules import characters, days, metrics, predicates

from .calendars import find_days, period_of, today_of
from .definitions import BY_ITSELF, Category, QuestTemplate, QuestType
from .records import DailyLog, DayState, QuestLog, Status

states, logs = table(DayState), table(DailyLog)

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
LAST = "9999-12-31"


class DueCharacter(Struct, frozen=True):
    """A character of which a day is over, and since when it could be closed."""

    character_id: str
    next_close_at: int


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
    facts, of_week = (metrics.facts_of(read, loaded, measured, named) for _ in range(2))
    of_week.reach = days.weekday(named) + 1
    shown = [
        _view(template, row, of_week if template.type == "WEEKLY" else facts)
        for id, template in sorted(read.definitions(QuestTemplate).items())
        if (row := rows.get((period_of(template, named), id))) is not None or (log is None and template.type in BY_ITSELF)
    ]
    closes = None if state is None or named != days.after(state.last_closed) else state.next_close_at
    return DayView(named, closes, log or DailyLog(character, named, core_total=sum(one.is_core for one in shown)), shown)


def _view(template: QuestTemplate, row: QuestLog | None, facts: predicates.Facts) -> QuestView:
    verdict = predicates.judge(template.requirements, facts)
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

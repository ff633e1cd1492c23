"""What may be asked of metrics."""

from msgspec import Struct
from sqlalchemy import BigInteger, Text, bindparam, select

from gamekeeper.kernel.queries import Cursor, Page, PageLimit, Reader, query, read_cursor, write_cursor
from gamekeeper.kernel.store.schema import table
from gamekeeper.modules import characters, days

from . import rules
from .definitions import MetricDefinition
from .facts import facts_of
from .records import EventCount, ExternalWorkout, Metric, MetricId, Tallies, Tally

LAST_DAY = "9999-99-99"
"""Sorts behind all days."""

metrics = table(Metric)
workouts = table(ExternalWorkout)

OF_DAY = (
    select(metrics)
    .where(metrics.c.character_id == bindparam("character", type_=Text), metrics.c.day_date == bindparam("day", type_=Text))
    .order_by(metrics.c.metric)
)
WORKOUTS_OF_DAY = (
    select(workouts)
    .where(workouts.c.character_id == bindparam("character", type_=Text), workouts.c.day_date == bindparam("day", type_=Text))
    .order_by(workouts.c.source, workouts.c.external_id)
)
HISTORY = (
    select(metrics)
    .where(
        metrics.c.character_id == bindparam("character", type_=Text),
        metrics.c.metric == bindparam("metric", type_=Text),
        metrics.c.day_date < bindparam("before", type_=Text),
    )
    .order_by(metrics.c.day_date.desc())
    .limit(bindparam("limit", type_=BigInteger))
)


class MetricView(Struct, frozen=True):
    """A metric of a day. What is so or not is 1 or 0. A mark has no source, for it follows from other metrics."""

    day: str
    metric: str
    name: str
    unit: str
    value: int | float
    is_mark: bool = False
    source: str | None = None
    verification: str | None = None
    sources: dict[str, int | float] = {}
    """What each source has said; what its workouts come to stands apart, under `<source>/workouts`."""
    updated_at: int | None = None


class DayView(Struct, frozen=True):
    """All that is known of a day."""

    day: str
    metrics: list[MetricView]
    workouts: list[ExternalWorkout]


class TallyView(Struct, frozen=True):
    """What all closed days of a metric come to, or how often an event (`event:...`) happened."""

    metric: str
    total: int | float
    days: int
    last_day: str | None
    in_a_row: int
    """On how many days in a row, up to the last one, it was met; 366 at the most."""


async def day_of(read: Reader, character: str, day: str) -> list[Metric]:
    """Give the stored metrics of a day, for the queries of this and other modules."""
    return await read.rows(Metric, OF_DAY, character=character, day=day)


@query(access="player")
async def show(read: Reader, *, character: characters.CharacterId, day: days.Day) -> DayView:
    """Show what is known of a character's day: the metrics that were reported, the marks that follow, and the workouts.

    Raises: CHARACTER_NOT_FOUND, INVALID_ARGUMENT.
    """
    days.checked(day)
    _, loaded = await characters.load_alive(read, character)
    rows = await day_of(read, character, day)
    definitions = read.definitions(MetricDefinition)
    shown = [_view(row, definitions.get(row.metric)) for row in rows]
    facts = facts_of(read, loaded, rows, day)
    for id, one in definitions.items():
        value = facts.number(id) if one.met is not None else None
        if value is not None:
            shown.append(MetricView(day, id, one.name, one.words, rules.number(value), is_mark=True))
    done = await read.rows(ExternalWorkout, WORKOUTS_OF_DAY, character=character, day=day)
    return DayView(day, sorted(shown, key=lambda one: one.metric), done)


@query(access="player")
async def history(
    read: Reader, *, character: characters.CharacterId, metric: MetricId, limit: PageLimit = 50, cursor: Cursor | None = None
) -> Page[MetricView]:
    """List what was reported of a metric, the latest day first; a mark is reported by nobody, and what nobody defines any more stays.

    Raises: CHARACTER_NOT_FOUND.
    """
    await characters.load_alive(read, character)
    definition = read.definitions(MetricDefinition).get(metric)
    (before,) = read_cursor(cursor, str) or (LAST_DAY,)
    rows = await read.rows(Metric, HISTORY, character=character, metric=metric, before=before, limit=limit + 1)
    more = write_cursor([rows[limit - 1].day_date]) if len(rows) > limit else None
    return Page([_view(row, definition) for row in rows[:limit]], more)


@query(access="player")
async def totals(read: Reader, *, character: characters.CharacterId) -> list[TallyView]:
    """List what all closed days of a character come to, metric by metric, and how often which event happened.

    Raises: CHARACTER_NOT_FOUND.
    """
    _, loaded = await characters.load_alive(read, character, Tallies, EventCount)
    row = loaded.one(Tallies)
    days_of = [] if row is None else [_total(name, one) for name, one in sorted(row.of.items())]
    events = [TallyView(f"event:{one.event}", one.total, 0, max(one.recent), 0) for one in loaded.rows(EventCount)]
    return sorted(events, key=lambda one: one.metric) + days_of


def _total(name: str, one: Tally) -> TallyView:
    return TallyView(name, rules.number(one.total), one.days, one.last_day, 0 if one.last_day is None else rules.run(one, one.last_day))


def _view(row: Metric, definition: MetricDefinition | None) -> MetricView:
    name, unit = (row.metric, row.metric) if definition is None else (definition.name, definition.words)
    said = {source: rules.number(value) for source, value in sorted(row.sources.items())}
    value = rules.number(row.value)
    return MetricView(row.day_date, row.metric, name, unit, value, False, row.source, row.verification, said, row.updated_at)

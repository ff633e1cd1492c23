"""What commands do with metrics: reporting the values of a day, counting events, and closing a day."""

from collections.abc import Iterable, Mapping, Sequence
from operator import is_not
from types import MappingProxyType
from typing import Annotated, Final

from msgspec import Meta, Struct

from gamekeeper.errors import InvalidArgument
from gamekeeper.kernel.commands import Keys
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import days, predicates

from . import rules
from .definitions import MetricDefinition
from .errors import DayNotOpen, MetricIsMark, MetricOutOfRange, TooManySources, UnknownMetric
from .facts import Facts, KnownFacts
from .records import Activity, EventCount, ExternalId, ExternalWorkout, Metric, MetricId, Minutes, Tallies, Tally, Verification

TOUCHES: Final = (Metric, ExternalWorkout, Tallies, EventCount)
"""What reporting, counting and closing write."""
MAX_READINGS: Final = 256
MAX_WORKOUTS: Final = 100
MAX_SOURCES: Final = 16
"""Sources that are kept apart for one metric of one day."""

NOTHING: Final = Tally()
Value = bool | int | float


class Reading(Struct, frozen=True, forbid_unknown_fields=True):
    """What a source says of a metric on a day: its total so far, not what has come since it last said so."""

    day: days.Day
    metric: MetricId
    value: Value


class Workout(Struct, frozen=True, forbid_unknown_fields=True):
    """A workout that a source knows by an id."""

    external_id: ExternalId
    day: days.Day
    minutes: Minutes
    activity: Activity = ""


Readings = Annotated[list[Reading], Meta(max_length=MAX_READINGS)]
Workouts = Annotated[list[Workout], Meta(max_length=MAX_WORKOUTS)]


class Measured(Struct, frozen=True):
    """A metric's value of a day after a report."""

    day: str
    metric: str
    value: int | float


class Reported(Struct, frozen=True):
    """What a report has changed; `workouts_known` were counted before."""

    changed: list[Measured]
    workouts_counted: int
    workouts_known: int


def report_keys(
    definitions: Mapping[str, MetricDefinition], character: str, source: str, readings: Iterable[Reading], workouts: Iterable[Workout]
) -> Keys:
    """Give the rows that a report reads, for a command's `prepare`."""
    found = {(one.day, one.metric): None for one in readings}
    found |= {(one.day, id): None for one in workouts for id in _fed(definitions)}
    known = [(ExternalWorkout, (character, source, one.external_id)) for one in workouts]
    return [*((Metric, (character, day, metric)) for day, metric in found), *known]


def day_keys(definitions: Mapping[str, MetricDefinition], character: str, day: str) -> Keys:
    """Give the rows of a whole day, for the `prepare` of a command that judges or closes it."""
    return [(Metric, (character, day, id)) for id, one in definitions.items() if one.met is None]


def report(
    ctx: Context,
    character: str,
    *,
    source: str,
    verification: Verification,
    readings: Sequence[Reading] = (),
    workouts: Sequence[Workout] = (),
    earliest: str,
    latest: str,
) -> Reported:
    """Take what a source says of the days from `earliest` to `latest`; saying the same again changes nothing.

    The command lists `TOUCHES` and declares `report_keys`. All of a report is taken or nothing.

    Raises: UNKNOWN_METRIC, METRIC_IS_MARK, METRIC_OUT_OF_RANGE, DAY_NOT_OPEN, TOO_MANY_SOURCES, INVALID_ARGUMENT.
    """
    taking = _Taking(ctx, character, source, verification)
    for place, one in enumerate(readings):
        _must_be_open(one.day, earliest, latest, f"/readings/{place}/day")
        definition = _reportable(ctx, one.metric)
        taking.said(definition, one.day, _checked(definition, one.value, f"/readings/{place}/value"))
    counted = 0
    for place, workout in enumerate(workouts):
        # One that is known may be of a day that is closed: programs send again what they have sent.
        if ctx.get(ExternalWorkout, character, source, workout.external_id) is None:
            _must_be_open(workout.day, earliest, latest, f"/workouts/{place}/day")
            taking.worked_out(workout)
            counted += 1
    changed = [Measured(day, metric, rules.number(value)) for (day, metric), value in sorted(taking.changed.items())]
    return Reported(changed, counted, len(workouts) - counted)


def count_event(ctx: Context, character: str, event: str, day: str, n: int = 1) -> int:
    """Count an event on a day of a character's, and give how often it has ever happened; the command lists `EventCount` in `touches`."""
    row = ctx.get(EventCount, character, event) or EventCount(character, event)
    return ctx.change(row, total=row.total + n, recent=rules.happened(row, day, n)).total


def events_of(ctx: Context, character: str, event: str) -> int:
    """Give how often an event has ever happened."""
    row = ctx.get(EventCount, character, event)
    return 0 if row is None else row.total


def close_day(
    ctx: Context,
    character: str,
    day: str,
    marks: Mapping[str, bool] = MappingProxyType({}),
    facts: KnownFacts | None = None,
) -> dict[str, bool]:
    """Add a day to the tallies of all that is known of it, and give what was met; a day that was added before changes nothing.

    `marks` are further things that were so or not: `quest:<template>`, `perfect_days`; `facts` are those of the day, if they have been
    gathered. The command lists `TOUCHES` and declares `day_keys`.
    """
    facts = facts or Facts(ctx, character, day)
    known = {id: value for id in ctx.definitions(MetricDefinition) if (value := facts.number(id)) is not None}
    known |= {name: rules.THOUSAND * met for name, met in sorted(marks.items())}
    add_day(ctx, character, day, known)
    return {name: value > 0 for name, value in known.items()}


def add_day(ctx: Context, character: str, day: str, values: Mapping[str, int]) -> None:
    """Add what is known of a day, in thousandths, to the tallies; the command lists `Tallies` in what it touches."""
    row = ctx.get(Tallies, character)
    known = {} if row is None else row.of
    tallies = dict(known)
    for name, value in values.items():
        tallies[name] = rules.with_day(known.get(name, NOTHING), day, value, value > 0)
    if any(map(is_not, tallies.values(), known.values())) or len(tallies) > len(known):
        ctx.put(Tallies(character, tallies))


# The parts of a report


def _fed(definitions: Mapping[str, MetricDefinition]) -> dict[str, MetricDefinition]:
    """Give the metrics to which workouts add."""
    return {id: one for id, one in definitions.items() if one.workouts is not None}


def _must_be_open(day: str, earliest: str, latest: str, path: str) -> None:
    days.checked(day, path)
    if not earliest <= day <= latest:
        raise DayNotOpen(day=day, earliest=earliest, latest=latest)


def _reportable(ctx: Context, metric: str) -> MetricDefinition:
    definition = ctx.definitions(MetricDefinition).get(metric)
    if definition is None:
        raise UnknownMetric(metric=metric)
    if definition.met is not None:
        raise MetricIsMark(metric=metric)
    return definition


def _checked(definition: MetricDefinition, value: Value, path: str) -> int:
    """Give a value in thousandths."""
    if isinstance(value, bool) != (definition.type == "boolean"):
        raise InvalidArgument(path=path, problem="expected true or false" if definition.type == "boolean" else "expected a number")
    if isinstance(value, bool):
        return rules.THOUSAND * value
    made = rules.thousandths(value)
    if made is None:
        raise InvalidArgument(path=path, problem="expected a number with at most three decimals")
    if not definition.low <= made <= definition.high:
        low, high = predicates.shown(definition.low), predicates.shown(definition.high)
        raise MetricOutOfRange(metric=definition.id, value=predicates.shown(made), minimum=low, maximum=high)
    return made


class _Taking:
    """A report that is being taken, and what it has changed so far."""

    def __init__(self, ctx: Context, character: str, source: str, verification: Verification) -> None:
        self.changed: dict[tuple[str, str], int] = {}
        self._ctx = ctx
        self._character = character
        self._source = source
        self._verification: Verification = verification

    def said(self, definition: MetricDefinition, day: str, value: int) -> None:
        """Take what the source says of a day."""
        before = self._ctx.get(Metric, self._character, day, definition.id)
        known = None if before is None else before.sources.get(self._source)
        self._write(definition, day, before, self._source, rules.reported(definition.merge, known, value))

    def worked_out(self, one: Workout) -> None:
        """Take a workout that has not been counted yet: it adds to what the source's workouts come to."""
        key = (self._character, self._source, one.external_id)
        self._ctx.put(ExternalWorkout(*key, one.day, one.minutes, one.activity, self._verification, self._ctx.now))
        whose = self._source + rules.WORKOUTS
        for definition in _fed(self._ctx.definitions(MetricDefinition)).values():
            if self._ctx.can_read(Metric, self._character, one.day, definition.id):
                before = self._ctx.get(Metric, self._character, one.day, definition.id)
                known = 0 if before is None else before.sources.get(whose, 0)
                more = one.minutes * rules.THOUSAND if definition.workouts == "minutes" else rules.THOUSAND
                self._write(definition, one.day, before, whose, min(known + more, definition.high))

    def _write(self, definition: MetricDefinition, day: str, before: Metric | None, whose: str, said: int) -> None:
        """Write a day's value, if there is news."""
        sources = {**({} if before is None else before.sources), whose: said}
        if len(sources) > MAX_SOURCES:
            raise TooManySources(metric=definition.id, day=day, most=MAX_SOURCES)
        value = rules.merged(definition.merge, sources, whose)
        resting = self._rests_on(definition, before, said, value)
        if before is not None and (before.sources, before.value, before.source, before.verification) == (sources, value, *resting):
            return
        self._ctx.put(Metric(self._character, day, definition.id, value, *resting, sources, self._ctx.now))
        if before is None or before.value != value:
            self.changed[day, definition.id] = value

    def _rests_on(self, definition: MetricDefinition, before: Metric | None, said: int, value: int) -> tuple[str, Verification]:
        """Give the source on which a value rests, and how far it can be trusted: a sum no further than its weakest part."""
        mine = (self._source, self._verification)
        if before is None or definition.merge == "last":
            return mine
        mine_is, was = rules.STRENGTH[self._verification], rules.STRENGTH[before.verification]
        if definition.merge == "sum":
            return self._source, self._verification if mine_is < was else before.verification
        better = value > before.value or (said == value and mine_is > was)
        return mine if better else (before.source, before.verification)

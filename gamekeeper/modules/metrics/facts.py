"""What is known of a character on a day: what predicates ask, answered from the rows of a command or of a query."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, Protocol

from gamekeeper.kernel.queries import Loaded, Reader
from gamekeeper.kernel.records import Record
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import days, items, predicates, quests, skills, xp

from . import rules
from .definitions import MetricDefinition
from .records import EventCount, Metric, Tallies, Tally

QUEST_COMPLETED: Final = "quest_completed"
DUNGEON_CLEARED: Final = "dungeon_cleared"
BOSS_DEFEATED: Final = "boss_defeated"
"""Events that the modules above count with `count_event`."""

CARRIED: Final = frozenset({"inventory", "equipment", "pouch"})
"""Where a character must have what a predicate asks for."""

FACTS: Final = (Tallies, EventCount, Metric, xp.CharacterProgress, skills.CharacterSkill, quests.QuestProgress, items.Holding)
"""All that facts are gathered from; of what a command does not touch, nothing is known to it."""
LOADED: Final = (Tallies, EventCount, xp.CharacterProgress, skills.CharacterSkill, quests.QuestProgress, items.Holding)
"""What a query loads of a character for its facts."""


class Rows(Protocol):
    """Where facts come from: the rows of one character, as far as they can be read."""

    def can(self, record: type[Record]) -> bool:
        """Whether rows of a type can be read at all."""
        ...

    def metric(self, day: str, metric: str) -> Metric | None:
        """Give a metric's row of a day."""
        ...

    def tally(self, name: str) -> Tally | None:
        """Give what all closed days of a metric come to."""
        ...

    def event(self, name: str) -> EventCount | None:
        """Give how often an event has happened."""
        ...

    def progress(self) -> xp.CharacterProgress | None:
        """Give how far the character has come."""
        ...

    def levels(self) -> Mapping[str, int]:
        """Give its levels in all skills."""
        ...

    def quest(self, quest: str) -> quests.QuestProgress | None:
        """Give how far it is in a quest."""
        ...

    def held(self, item: str) -> int:
        """Give how many of an item it carries."""
        ...


class KnownFacts:
    """The facts of one day. `given` are values in thousandths that whoever asks knows better, such as the day's share of quests done."""

    def __init__(
        self, rows: Rows, definitions: Mapping[str, MetricDefinition], day: str, given: Mapping[str, int] = MappingProxyType({})
    ) -> None:
        self.day = day
        self.reach = predicates.MAX_WINDOW
        """how many days windows reach back at the most"""
        self.since: str | None = None
        """from which day on events count; None for all that have ever happened"""
        self._rows = rows
        self._definitions = definitions
        self._given = given

    def given(self, given: Mapping[str, int]) -> KnownFacts:
        """Give the same facts, of which more is known."""
        return KnownFacts(self._rows, self._definitions, self.day, given)

    def of_day(self) -> None:
        """Count events of the day only, as a quest of the day does."""
        self.since = self.day

    def of_week(self) -> None:
        """Count the days of the week so far, and events of these: nothing reaches into the week before."""
        self.reach, self.since = days.weekday(self.day) + 1, days.week_of(self.day)

    def words(self, metric: str) -> str:
        """Say what a metric counts."""
        known = self._definitions.get(metric)
        return predicates.plain(metric) if known is None else known.words

    def number(self, metric: str) -> int | None:
        """Give a metric's value of the day, in thousandths."""
        if metric in self._given:
            return self._given[metric]
        definition = self._definitions.get(metric)
        if definition is not None and definition.met is not None:
            verdict = predicates.judge(definition.met, self)
            return rules.THOUSAND * verdict.met if verdict.known else None
        if definition is not None:
            row = self._rows.metric(self.day, metric)
            return None if row is None else row.value
        if metric == predicates.PERFECT_DAYS:
            return self.total(metric)
        if metric == predicates.DUNGEON_CLEARS:
            cleared = self.events(DUNGEON_CLEARED)
            return None if cleared is None else cleared * rules.THOUSAND
        if metric.startswith(predicates.OF_QUESTS):
            return self._done_on_the_day(metric)
        return None

    def flag(self, metric: str) -> bool | None:
        """Say whether something is so on the day; a number is, when it is more than 0."""
        value = self.number(metric)
        return None if value is None else value > 0

    def streak(self, perfect: bool) -> int | None:
        """Give how many days in a row were done, or were perfect."""
        if not self._rows.can(xp.CharacterProgress):
            return None
        row = self._rows.progress()
        return 0 if row is None else row.perfect_streak if perfect else row.current_streak

    def total(self, metric: str) -> int | None:
        """Give what all closed days come to, in thousandths."""
        if metric == predicates.DUNGEON_CLEARS:
            cleared = self._ever(DUNGEON_CLEARED)
            return None if cleared is None else cleared * rules.THOUSAND
        if not self._counts(metric):
            return None
        row = self._rows.tally(metric)
        return 0 if row is None else row.total

    def days(self, metric: str, window: int) -> int | None:
        """Give on how many of the last closed days a metric was met; None when nothing is known of any of them."""
        row, window = self._rows.tally(metric) if self._counts(metric) else None, min(window, self.reach)
        return None if row is None or not rules.known_days(row, self.day, window) else rules.met_days(row, self.day, window)

    def known_days(self, metric: str, window: int) -> int | None:
        """Give on how many of the last closed days it is known whether it was met."""
        row = self._rows.tally(metric) if self._counts(metric) else None
        return None if row is None else rules.known_days(row, self.day, min(window, self.reach))

    def events(self, event: str) -> int | None:
        """Give how often something happened, from the day on from which it counts."""
        if self.since is None:
            return self._ever(event)
        if not self._rows.can(EventCount):
            return None
        row = self._rows.event(event)
        return 0 if row is None else sum(count for day, count in row.recent.items() if self.since <= day <= self.day)

    def level(self, skill: str | None) -> int | None:
        """Give the character's level, or its level in a skill."""
        if skill is not None:
            return self._rows.levels().get(skill) if self._rows.can(skills.CharacterSkill) else None
        if not self._rows.can(xp.CharacterProgress):
            return None
        row = self._rows.progress()
        return 1 if row is None else row.level

    def quest_done(self, quest: str) -> bool | None:
        """Say whether a quest was completed, be it that it is being done once more."""
        if not self._rows.can(quests.QuestProgress):
            return None
        row = self._rows.quest(quest)
        return row is not None and row.times_completed > 0

    def held(self, item: str) -> int | None:
        """Give how many of an item the character carries; what lies in a bank does not count."""
        return self._rows.held(item) if self._rows.can(items.Holding) else None

    def special(self, name: str, key: str | None) -> bool | None:
        """Say whether something special is so: a character that is asked about has been created."""
        if name == "ACCOUNT_CREATION":
            return True
        happened = self._ever(QUEST_COMPLETED if name == "FIRST_QUEST" else key or "")
        return None if happened is None else happened > 0

    def _ever(self, event: str) -> int | None:
        """Give how often something has ever happened."""
        if not self._rows.can(EventCount):
            return None
        row = self._rows.event(event)
        return 0 if row is None else row.total

    def _counts(self, metric: str) -> bool:
        """Whether there can be a tally of it."""
        known = metric in self._definitions or metric == predicates.PERFECT_DAYS or metric.startswith(predicates.OF_QUESTS)
        return known and self._rows.can(Tallies)

    def _done_on_the_day(self, metric: str) -> int | None:
        done = self.days(metric, 1)
        return None if done is None else done * rules.THOUSAND


class Facts(KnownFacts):
    """The facts of a day for a command, from all rows of `FACTS` that it touches."""

    def __init__(self, ctx: Context, character: str, day: str, given: Mapping[str, int] = MappingProxyType({})) -> None:
        super().__init__(_CommandRows(ctx, character), ctx.definitions(MetricDefinition), day, given)


class _CommandRows:
    """The rows that a command has, as they are while it runs."""

    def __init__(self, ctx: Context, character: str) -> None:
        self._ctx = ctx
        self._character = character

    def can(self, record: type[Record]) -> bool:
        return self._ctx.can_read(record)

    def metric(self, day: str, metric: str) -> Metric | None:
        return self._ctx.find(Metric, self._character, day, metric)

    def tally(self, name: str) -> Tally | None:
        row = self._ctx.get(Tallies, self._character)
        return None if row is None else row.of.get(name)

    def event(self, name: str) -> EventCount | None:
        return self._ctx.get(EventCount, self._character, name)

    def progress(self) -> xp.CharacterProgress | None:
        return self._ctx.get(xp.CharacterProgress, self._character)

    def levels(self) -> Mapping[str, int]:
        return skills.levels(self._ctx, self._character)

    def quest(self, quest: str) -> quests.QuestProgress | None:
        return self._ctx.get(quests.QuestProgress, self._character, quest)

    def held(self, item: str) -> int:
        return _carried(self._ctx.rows(items.Holding, self._character), item)


class _LoadedRows:
    """The rows that a query has loaded."""

    def __init__(self, read: Reader, loaded: Loaded, metrics: list[Metric]) -> None:
        self._read = read
        self._loaded = loaded
        self._metrics = {(row.day_date, row.metric): row for row in metrics}
        row = loaded.one(Tallies) if Tallies in loaded.tables else None
        self._tallies = {} if row is None else row.of
        self._events = {one.event: one for one in loaded.rows(EventCount)} if EventCount in loaded.tables else {}

    def can(self, record: type[Record]) -> bool:
        return record is Metric or record in self._loaded.tables

    def metric(self, day: str, metric: str) -> Metric | None:
        return self._metrics.get((day, metric))

    def tally(self, name: str) -> Tally | None:
        return self._tallies.get(name)

    def event(self, name: str) -> EventCount | None:
        return self._events.get(name)

    def progress(self) -> xp.CharacterProgress | None:
        return self._loaded.one(xp.CharacterProgress)

    def levels(self) -> Mapping[str, int]:
        definitions, curves = self._read.definitions(skills.SkillDefinition), self._read.definitions(xp.CurveDefinition)
        return skills.levels_of(self._loaded.rows(skills.CharacterSkill), definitions, curves)

    def quest(self, quest: str) -> quests.QuestProgress | None:
        return next((row for row in self._loaded.rows(quests.QuestProgress) if row.quest_id == quest), None)

    def held(self, item: str) -> int:
        return _carried(self._loaded.rows(items.Holding), item)


def _carried(rows: Iterable[items.Holding], item: str) -> int:
    return sum(row.quantity for row in rows if row.item_id == item and row.container in CARRIED)


def facts_of(read: Reader, loaded: Loaded, metrics: list[Metric], day: str, given: Mapping[str, int] = MappingProxyType({})) -> KnownFacts:
    """Give the facts of a day for a query that has loaded a character with `LOADED`, or some of it, and the day's metrics."""
    return KnownFacts(_LoadedRows(read, loaded, metrics), read.definitions(MetricDefinition), day, given)


def may_turn(condition: predicates.Predicate, definitions: Mapping[str, MetricDefinition], *, contrary: bool = False) -> bool:
    """Say whether a condition that is met while a day goes on may not be at its end: of what is not to be more, only the end tells.

    >>> from gamekeeper.modules.predicates import read
    >>> [may_turn(read({"metric": "kcal", "op": op, "value": 5}), {}) for op in ("gte", "gt", "lte", "eq")]
    [False, False, True, True]
    >>> lean = MetricDefinition(id="lean", name="Lean", type="boolean", met={"metric": "kcal", "op": "lt", "value": 5})
    >>> is_lean, is_not = (read({"type": "boolean", "metric": "lean", "value": value}) for value in (True, False))
    >>> [may_turn(one, {"lean": lean}) for one in (is_lean, is_not, predicates.Not(is_lean), predicates.Not(is_not))]
    [True, True, True, True]
    >>> may_turn(predicates.Not(predicates.Numeric("kcal", "lt", 5)), {}), may_turn(predicates.Not(predicates.Streak(3)), {})
    (False, False)
    """
    match condition:
        case predicates.Numeric(predicates.STREAK | predicates.PERFECT_STREAK | predicates.LEVEL):
            return False
        case predicates.Numeric(metric, op):
            falls = op not in (("lt", "lte") if contrary else ("gt", "gte"))
            return falls or _mark_may_turn(metric, definitions)
        case predicates.Boolean(metric, value):
            return value == contrary or _mark_may_turn(metric, definitions)
        case predicates.Compound(_, of):
            return any(may_turn(one, definitions, contrary=contrary) for one in of)
        case predicates.Not(of):
            return may_turn(of, definitions, contrary=not contrary)
    return False


def _mark_may_turn(metric: str, definitions: Mapping[str, MetricDefinition]) -> bool:
    """Say whether a mark that must be there may not stay: its own condition tells."""
    mark = definitions.get(metric)
    return mark is not None and mark.met is not None and may_turn(mark.met, definitions)

"""Reading predicates: every dialect in which conditions are written becomes the one normal form, or is refused with the path of each fault.

What stands for the same thing: `op` and `operator`, `>=` and `gte`, `value` and `expected`, `logic` and `operator`, `requirements`,
`conditions` and `of`, `windowDays` and `window_days`, the types of titles (`STREAK_DAYS`, `CUMULATIVE_COUNT` ...), a title's
`conditionType` beside its `conditionConfig`, a regression's `trigger`, and what bosses ask, as a table or as a list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct, structs

from gamekeeper.modules import content

from .errors import PredicateFault
from .fields import LISTS, Fields, plainly, quoted
from .records import (
    DUNGEON_CLEARS,
    MAX_COUNT,
    MAX_DAYS,
    MAX_DEPTH,
    MAX_LEVEL,
    MAX_NODES,
    MAX_WINDOW,
    PERFECT_DAYS,
    RATE,
    Boolean,
    Compound,
    Cumulative,
    Event,
    Form,
    Item,
    Level,
    Logic,
    Name,
    Not,
    Numeric,
    Op,
    Predicate,
    Quest,
    Special,
    Streak,
    Window,
)
from .rules import joined

OPS: Final[Mapping[str, Op]] = {
    ">=": "gte",
    "<=": "lte",
    ">": "gt",
    "<": "lt",
    "==": "eq",
    "=": "eq",
    "!=": "ne",
    "<>": "ne",
    "gte": "gte",
    "lte": "lte",
    "gt": "gt",
    "lt": "lt",
    "eq": "eq",
    "ne": "ne",
    "neq": "ne",
}
LOGICS: Final[Mapping[str, Logic]] = {"and": "and", "all": "and", "or": "or", "any": "or"}
BOSS: Final = ("daily_completion_rate", RATE, PERFECT_DAYS, DUNGEON_CLEARS, "streak")
NAMES: Final[Mapping[str, Name]] = {"account_creation": "ACCOUNT_CREATION", "first_quest": "FIRST_QUEST", "custom": "CUSTOM"}


def read(value: Any, path: str = "") -> Predicate:
    """Give the predicate that something says, in whatever dialect.

    Raises: PredicateFault, for the first fault.

    >>> read({"type": "TIME_WINDOW", "metric": "alcohol_free", "count": 5, "windowDays": 7})
    Window(metric='alcohol_free', count=5, days=7)
    >>> read({"type": "compound", "logic": "AND", "requirements": []})
    Traceback (most recent call last):
    gamekeeper.modules.predicates.errors.PredicateFault: requirements: needs at least one condition
    """
    found, flaws = _read(value, path)
    if flaws:
        raise PredicateFault(*flaws[0])
    assert found is not None  # noqa: S101 - what has no flaw was read
    return found


def faults(value: Any, path: str = "") -> list[content.Flaw]:
    """Give all that is wrong with what should be a predicate.

    >>> faults({"type": "and", "of": [{"metric": "steps", "op": "~", "value": 5}, {"type": "streak", "days": 0}]}, "condition")
    [('condition.of.0.op', "'~' is no comparison"), ('condition.of.1.days', 'expected a whole number from 1 to 100000')]
    """
    return _read(value, path)[1]


def normal(value: Any) -> dict[str, Any]:
    """Give the one form in which a predicate is stored.

    Raises: PredicateFault.

    >>> normal({"metric": "protein_grams", "operator": ">=", "value": 120.0})
    {'type': 'numeric', 'metric': 'protein_grams', 'op': 'gte', 'value': 120}
    """
    made: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(read(value)))
    return made


def settle(definition: Struct, *fields: str) -> None:
    """Put predicates in place of what a definition's fields say, for its `__post_init__`; a field that says None is left.

    Raises: content.Flawed, with the path of each fault.
    """
    flaws: list[content.Flaw] = []
    for field in fields:
        value = getattr(definition, field)
        if value is not None:
            found, wrong = _read(value, field)
            flaws += wrong
            structs.force_setattr(definition, field, found)
    if flaws:
        raise content.Flawed(flaws)


def _read(value: Any, path: str) -> tuple[Predicate | None, list[content.Flaw]]:
    reading = _Reading()
    found = reading.one(value, path, 1)
    return (None, reading.flaws) if reading.flaws else (found, [])


class _Reading:
    """What was found wrong so far, and how much was read."""

    def __init__(self) -> None:
        self.flaws: list[content.Flaw] = []
        self._nodes = 0

    def one(self, value: Any, path: str, depth: int) -> Predicate | None:
        """Read a predicate; None when it has a fault, which is noted."""
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            if self._nodes <= MAX_NODES + 1:
                self.flaws.append((path, f"is more than {MAX_DEPTH} deep" if depth > MAX_DEPTH else f"has more than {MAX_NODES} parts"))
            return None
        if isinstance(value, Form):
            value = msgspec.to_builtins(value)
        if isinstance(value, list | tuple):
            return self._all(path, value, depth)
        if not isinstance(value, Mapping):
            self.flaws.append((path, "expected a table"))
            return None
        fields = Fields(self, path, depth, value)
        made = _predicate(fields)
        fields.refuse_rest()
        return made if fields.sound else None

    def _all(self, path: str, parts: Sequence[Any], depth: int) -> Predicate | None:
        """Read what must all be met: the parts of a list."""
        if not parts:
            self.flaws.append((path, "needs at least one condition"))
            return None
        if len(parts) == 1:
            return self.one(parts[0], joined(path, "0"), depth)
        found = [self.one(value, joined(path, str(place)), depth + 1) for place, value in enumerate(parts[: MAX_NODES + 1])]
        return Compound("and", tuple([one for one in found if one is not None]))


# Which form it is


def _predicate(fields: Fields) -> Predicate | None:
    """Give the predicate that fields say; when there is a fault, which is noted, nobody looks at what is given."""
    if fields.has("condition_type"):
        _unfold(fields)
    if fields.has("trigger"):
        return _regression(fields)
    if not fields.has("type"):
        return _untyped(fields)
    name, word = fields.pop("type")
    plain = plainly(word) if isinstance(word, str) else ""
    if plain not in _FORMS:
        fields.fault(name, f"{quoted(word)} is no kind of condition")
        return None
    return _FORMS[plain](fields, plain)


def _unfold(fields: Fields) -> None:
    """Put a title's type and its config, which stand beside each other, into one."""
    name, word = fields.pop("condition_type")
    config_name, config = fields.pop("condition_config")
    if not isinstance(config, Mapping | None):
        fields.fault(config_name, "expected a table")
        config = {}
    special = isinstance(word, str) and word.upper() == "SPECIAL"
    inner = {("name" if special and key == "type" else key): one for key, one in (config or {}).items()}
    if isinstance(inner.get("type"), str) and inner["type"] == word:
        del inner["type"]
    fields.put("type", (name, word))
    fields.add(inner, config_name)


def _untyped(fields: Fields) -> Predicate | None:
    """Read what does not say what it is: a metric and a number, a list with its logic, or what a boss asks."""
    if fields.has("metric"):
        return _boolean(fields) if isinstance(fields.value_of("value", "expected"), bool) else _numeric(fields)
    if fields.has(*LISTS):
        return _compound(fields)
    asked = [(name, fields.pop(name)) for name in BOSS if fields.has(name)]
    if not asked:
        fields.fault("", "says no type, and nothing from which it follows")
        return None
    found = tuple([_asked_by_boss(fields, word, *said) for word, said in asked])
    return found[0] if len(found) == 1 else Compound("and", found)


def _regression(fields: Fields) -> Predicate | None:
    """Read when a title is lost."""
    name, word = fields.pop("trigger")
    if word == "STREAK_BREAK":
        return Not(Streak(fields.integer(1, MAX_DAYS, "threshold", default=1)))
    if word == "TIME_WINDOW_FAIL":
        return _window(fields)
    if word == "CUSTOM":
        return Special("CUSTOM", fields.id("key", "event"))
    fields.fault(name, f"{quoted(word)} is no trigger")
    return None


# The forms, each by the words that stand for it


def _numeric(fields: Fields, word: str = "") -> Predicate:
    op, metric = fields.word(OPS, "comparison", "op", "operator"), fields.metric()
    fields.take("unit")  # a metric has its own
    return Numeric(metric, op, fields.number(op, metric))


def _boolean(fields: Fields, word: str = "") -> Predicate:
    return Boolean(fields.metric(), fields.boolean("value", "expected"))


def _compound(fields: Fields, word: str = "") -> Predicate | None:
    if word in LOGICS:
        return Compound(LOGICS[word], fields.parts())
    said = fields.value_of("logic", "operator")
    if isinstance(said, str) and said.lower() == "not":
        fields.take("logic", "operator")
        return _not(fields)
    return Compound(fields.word(LOGICS, "logic", "logic", "operator"), fields.parts())


def _not(fields: Fields, word: str = "") -> Predicate | None:
    part = fields.part()
    return None if part is None else Not(part)


def _streak(fields: Fields, word: str = "") -> Predicate:
    days = fields.integer(1, MAX_DAYS, "days", "value", "count")
    return Streak(days, True if word == "perfect_streak" else fields.boolean("perfect", default=False))


def _cumulative(fields: Fields, word: str = "") -> Predicate:
    return Cumulative(fields.metric(), fields.integer(1, MAX_COUNT, "count", "value"))


def _window(fields: Fields, word: str = "") -> Predicate:
    metric, count = fields.metric(), fields.integer(1, MAX_WINDOW, "count", "threshold", "value")
    days = fields.integer(1, MAX_WINDOW, "days", "window_days")
    if days and count > days:
        fields.fault("", f"{count} of {days} days can never be")
    return Window(metric, count, days)


def _event(fields: Fields, word: str = "") -> Predicate:
    return Event(fields.id("event"), fields.integer(1, MAX_COUNT, "count", "value", default=1))


def _level(fields: Fields, word: str = "") -> Predicate:
    return Level(fields.integer(1, MAX_LEVEL, "level", "value"), fields.id("skill") if fields.value_of("skill") is not None else None)


def _quest(fields: Fields, word: str = "") -> Predicate:
    return Quest(fields.id("quest", "quest_id"))


def _item(fields: Fields, word: str = "") -> Predicate:
    return Item(fields.id("item", "item_id"), fields.integer(1, content.MAX_STACK, "quantity", "count", default=1))


def _special(fields: Fields, word: str) -> Predicate:
    name = NAMES.get(word) or fields.word(NAMES, "special condition", "name", "special", "condition", "value")
    return Special(name, fields.id("key", "event") if name == "CUSTOM" else None)


def _asked(fields: Fields, word: str) -> Predicate:
    """Read an entry of what bosses ask: its type and its value."""
    return _asked_by_boss(fields, word, "value", fields.value_of("value"))


def _asked_by_boss(fields: Fields, word: str, name: str, value: Any) -> Predicate:
    fields.put("value", (name, value))
    if word == "streak":
        return _streak(fields)
    if word in (PERFECT_DAYS, DUNGEON_CLEARS):
        return Numeric(word, "gte", fields.integer(1, MAX_COUNT, "value"))
    return Numeric(RATE, "gte", fields.number("gte", RATE))


_FORMS: Final[Mapping[str, Callable[[Fields, str], Predicate | None]]] = {
    **dict.fromkeys(("numeric", "number"), _numeric),
    "boolean": _boolean,
    **dict.fromkeys(("compound", *LOGICS), _compound),
    "not": _not,
    **dict.fromkeys(("streak", "streak_days", "perfect_streak"), _streak),
    **dict.fromkeys(("cumulative", "cumulative_count"), _cumulative),
    **dict.fromkeys(("window", "time_window"), _window),
    **dict.fromkeys(("event", "event_count"), _event),
    "level": _level,
    **dict.fromkeys(("quest", "quest_done"), _quest),
    **dict.fromkeys(("item", "item_held"), _item),
    **dict.fromkeys(("special", *NAMES), _special),
    **dict.fromkeys((PERFECT_DAYS, DUNGEON_CLEARS, RATE, "daily_completion_rate"), _asked),
}

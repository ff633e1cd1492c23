"""Judging predicates: by Kleene's logic, in which the unknown stays unknown and meets nothing, and in integers only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final, Protocol

from msgspec import Struct

from gamekeeper.modules import content

from .records import (
    BUILT_IN,
    LEVEL,
    OF_QUESTS,
    PERFECT_STREAK,
    STREAK,
    Boolean,
    Compound,
    Cumulative,
    Event,
    Item,
    Level,
    Not,
    Numeric,
    Op,
    Predicate,
    Quest,
    Special,
    Streak,
    Window,
)

FULL: Final = 10_000
"""All of the way, in basis points."""
THOUSAND: Final = 1000


class Facts(Protocol):
    """What is known of a character on a day; None is what nobody knows."""

    def number(self, metric: str) -> int | None:
        """Give a metric's value of the day, in thousandths."""
        ...

    def flag(self, metric: str) -> bool | None:
        """Say whether something is so on the day."""
        ...

    def streak(self, perfect: bool) -> int | None:
        """Give how many days in a row were done, or were perfect."""
        ...

    def total(self, metric: str) -> int | None:
        """Give the sum of a metric over all closed days, in thousandths; of what is so or not each such day counts as one."""
        ...

    def days(self, metric: str, window: int) -> int | None:
        """Give on how many of the last days a metric was met."""
        ...

    def known_days(self, metric: str, window: int) -> int | None:
        """Give on how many of the last days it is known whether it was."""
        ...

    def events(self, event: str) -> int | None:
        """Give how often something happened."""
        ...

    def level(self, skill: str | None) -> int | None:
        """Give the character's level, or its level in a skill."""
        ...

    def quest_done(self, quest: str) -> bool | None:
        """Say whether a quest is completed."""
        ...

    def held(self, item: str) -> int | None:
        """Give how many of an item the character carries."""
        ...

    def special(self, name: str, key: str | None) -> bool | None:
        """Say whether something special is so."""
        ...


class Verdict(Struct, frozen=True):
    """What came of judging a predicate. The unknown is not met.

    `progress` is in basis points, 0 to 10000; `have` and `need` are in thousandths, and None where there is nothing to count.
    """

    met: bool
    known: bool
    progress: int
    have: int | None
    need: int | None
    label: str
    parts: tuple[Verdict, ...] = ()


@lru_cache(maxsize=1_024)
def plain(id: str) -> str:
    """Give an id as words.

    >>> plain("protein_grams"), plain("quest:morning_walk")
    ('protein grams', 'morning walk')
    """
    return id.removeprefix(OF_QUESTS).replace("_", " ")


def judge(predicate: Predicate, facts: Facts, words: Callable[[str], str] = plain) -> Verdict:
    """Say whether a predicate is met, as far as anybody knows; `words` says what a metric counts: `steps`.

    >>> from .dialects import read
    >>> class Day:
    ...     def number(self, metric): return {"steps": 2_300_000}.get(metric)
    >>> verdict = judge(read({"type": "numeric", "metric": "steps", "operator": ">=", "value": 10000}), Day())
    >>> verdict.met, verdict.progress, explain(verdict)
    (False, 2300, ['2,300 of 10,000 steps'])

    Nothing is met by the unknown, nor is its contrary:

    >>> lean = read({"metric": "calories", "operator": "lte", "value": 2200})
    >>> [judge(one, Day()).met for one in (lean, Not(lean))]
    [False, False]
    """
    match predicate:
        case Numeric():
            return _numeric(predicate, facts, words)
        case Boolean(metric, value):
            flag = facts.flag(metric)
            return _yes_or_no(None if flag is None else flag == value, words(metric) if value else f"not {words(metric)}")
        case Compound(logic, of):
            return _compound(logic, tuple([judge(one, facts, words) for one in of]))
        case Not(of):
            inner = judge(of, facts, words)
            met = inner.known and not inner.met
            return Verdict(met, inner.known, FULL if met else 0, None, None, "not", (inner,))
        case Streak(days, perfect):
            return _counted(facts.streak(perfect), days, _in_a_row(days, perfect))
        case Cumulative(metric, count):
            return _reached(facts.total(metric), count * THOUSAND, f"{count:,} {words(metric)} in all")
        case Window():
            return _window(predicate, facts, words)
        case Event(event, count):
            return _counted(facts.events(event), count, f"{count:,} times {plain(event)}")
        case Level(level, skill):
            return _counted(facts.level(skill), level, f"{level:,} levels" if skill is None else f"{level:,} levels of {plain(skill)}")
        case Quest(quest):
            return _yes_or_no(facts.quest_done(quest), f"quest {plain(quest)}")
        case Item(item, quantity):
            return _counted(facts.held(item), quantity, f"{quantity:,} {plain(item)}")
        case Special(name, key):
            return _yes_or_no(facts.special(name, key), plain(key or name.lower()))


def _numeric(one: Numeric, facts: Facts, words: Callable[[str], str]) -> Verdict:
    have, need = _value(one.metric, facts), one.need
    label = f"{_bound(one.op, need)} {words(one.metric)}"
    if one.op == "gte":
        return _reached(have, need, label)
    met = have is not None and compares(have, one.op, need)
    progress = FULL if met else 0
    if one.op == "gt" and not met and have is not None and need:
        # Who stands exactly at the bound has not all of the way behind them.
        progress = min(FULL - 1, FULL * have // need)
    return Verdict(met, have is not None, progress, have, need, label)


@lru_cache(maxsize=1_024)
def _in_a_row(days: int, perfect: bool) -> str:
    return f"{days:,} {'perfect ' if perfect else ''}{_days(days)} in a row"


@lru_cache(maxsize=1_024)
def _bound(op: Op, need: int) -> str:
    return f"{_RELATION[op]}{shown(need)}"


_RELATION: Final[dict[Op, str]] = {
    "gte": "",
    "gt": "more than ",
    "lte": "at most ",
    "lt": "less than ",
    "eq": "exactly ",
    "ne": "anything but ",
}


def _value(metric: str, facts: Facts) -> int | None:
    """Give a metric's value; some of them follow from other facts."""
    if metric in (STREAK, PERFECT_STREAK, LEVEL):
        count = facts.level(None) if metric == LEVEL else facts.streak(metric == PERFECT_STREAK)
        return None if count is None else count * THOUSAND
    return facts.number(metric)


def compares(have: int, op: Op, need: int) -> bool:
    """Say whether two numbers stand to each other as an operator says.

    >>> [compares(5, op, 5) for op in ("gte", "lte", "gt", "lt", "eq", "ne")]
    [True, True, False, False, True, False]
    """
    match op:
        case "gte":
            return have >= need
        case "lte":
            return have <= need
        case "gt":
            return have > need
        case "lt":
            return have < need
        case "eq":
            return have == need
        case "ne":
            return have != need


def _reached(have: int | None, need: int, label: str) -> Verdict:
    """Judge an amount, in thousandths, that is to reach another."""
    if have is None:
        return Verdict(False, False, 0, None, need, label)
    return Verdict(have >= need, True, max(0, min(FULL, FULL * have // need)), have, need, label)


def _counted(have: int | None, need: int, label: str) -> Verdict:
    return _reached(None if have is None else have * THOUSAND, need * THOUSAND, label)


def _window(one: Window, facts: Facts, words: Callable[[str], str]) -> Verdict:
    label = f"{one.count:,} {_days(one.count)} within {one.days:,}: {words(one.metric)}"
    have, known = facts.days(one.metric, one.days), facts.known_days(one.metric, one.days)
    verdict = _counted(have, one.count, label)
    if have is None or verdict.met:
        return verdict
    # What nobody knows of the other days may yet have been so.
    open_days = one.days - (known or 0)
    return verdict if have + open_days < one.count else Verdict(False, False, verdict.progress, verdict.have, verdict.need, label)


def _yes_or_no(met: bool | None, label: str) -> Verdict:
    return Verdict(bool(met), met is not None, FULL if met else 0, None, None, label)


def _compound(logic: str, parts: tuple[Verdict, ...]) -> Verdict:
    if logic == "and":
        met = all(one.met for one in parts)
        known = met or any(one.known and not one.met for one in parts)
        return Verdict(met, known, sum(one.progress for one in parts) // len(parts), None, None, "and", parts)
    met = any(one.met for one in parts)
    return Verdict(met, met or all(one.known for one in parts), max(one.progress for one in parts), None, None, "or", parts)


# In words


def shown(thousandths: int) -> str:
    """Write a number of thousandths.

    >>> shown(10_000_000), shown(7_500), shown(1), shown(-1_250)
    ('10,000', '7.5', '0.001', '-1.25')
    """
    sign, size = ("-", -thousandths) if thousandths < 0 else ("", thousandths)
    whole, rest = divmod(size, THOUSAND)
    return f"{sign}{whole:,}" + (f".{rest:03}".rstrip("0") if rest else "")


def explain(verdict: Verdict) -> list[str]:
    """Say how far each condition is, one line for each that must be met; those of which one is enough stand in one line.

    >>> walk, swim = Verdict(False, True, 2300, 2_300_000, 10_000_000, "10,000 steps"), Verdict(False, False, 0, None, None, "swim")
    >>> explain(Verdict(False, False, 1150, None, None, "and", (walk, swim)))
    ['2,300 of 10,000 steps', 'swim: not known']
    >>> explain(Verdict(False, False, 2300, None, None, "or", (walk, swim)))
    ['2,300 of 10,000 steps, or swim: not known']
    """
    if not verdict.parts:
        return [_line(verdict)]
    lines = [explain(one) for one in verdict.parts]
    if verdict.label == "and":
        return [line for some in lines for line in some]
    if verdict.label == "or":
        return [", or ".join(" and ".join(some) for some in lines)]
    return [f"not ({' and '.join(lines[0])})"]


def _line(verdict: Verdict) -> str:
    if verdict.need is None:
        return f"{verdict.label}: {'done' if verdict.met else 'not yet' if verdict.known else 'not known'}"
    return f"{verdict.label}: not known" if verdict.have is None else f"{shown(verdict.have)} of {verdict.label}"


def _days(count: int) -> str:
    return "day" if count == 1 else "days"


# What a predicate names


def references(predicate: Any, path: str = "") -> Iterator[content.Reference]:
    """Give the metrics, quest templates, quests, items and skills that a predicate names, each with its path; of nothing, nothing.

    >>> from .dialects import read
    >>> both = read({"type": "and", "of": [{"type": "level", "level": 3}, {"metric": "steps", "op": ">", "value": 5}]})
    >>> list(references(both, "condition"))
    [('condition.of.1.metric', 'metric', 'steps')]
    """
    match predicate:
        case Numeric(metric) | Boolean(metric) | Cumulative(metric) | Window(metric):
            if metric.startswith(OF_QUESTS):
                yield joined(path, "metric"), "quest_template", metric.removeprefix(OF_QUESTS)
            elif metric not in BUILT_IN:
                yield joined(path, "metric"), "metric", metric
        case Compound(_, of):
            for place, one in enumerate(of):
                yield from references(one, joined(path, f"of.{place}"))
        case Not(of):
            yield from references(of, joined(path, "of"))
        case Level(_, str(skill)):
            yield joined(path, "skill"), "skill", skill
        case Quest(quest):
            yield joined(path, "quest"), "quest", quest
        case Item(item):
            yield joined(path, "item"), "item", item


def nodes(predicate: Any) -> Iterator[Predicate]:
    """Give a predicate and all predicates within it.

    >>> [type(one).__name__ for one in nodes(Not(Compound("or", (Streak(3), Quest("flour")))))]
    ['Not', 'Compound', 'Streak', 'Quest']
    """
    yield predicate
    for one in predicate.of if isinstance(predicate, Compound) else (predicate.of,) if isinstance(predicate, Not) else ():
        yield from nodes(one)


def joined(*parts: str) -> str:
    """Give a path of parts, some of which may be empty.

    >>> joined("", "of.1", "metric")
    'of.1.metric'
    """
    return ".".join(part for part in parts if part)

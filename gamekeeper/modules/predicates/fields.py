"""The fields of a predicate as some dialect writes them: each is taken once, under any of its names, and none may be left."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from math import isfinite
from typing import Any, Final, Protocol

from .records import MAX_NODES, MAX_NUMBER, RATE, Predicate
from .rules import joined

LISTS: Final = ("of", "requirements", "conditions")
ID: Final = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")
MEASURE: Final = re.compile(r"(quest:)?[a-z][a-z0-9_]{0,63}\Z")
HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Reading(Protocol):
    """What was found wrong so far, and what reads the parts of a predicate."""

    flaws: list[tuple[str, str]]

    def one(self, value: Any, path: str, depth: int) -> Predicate | None:
        """Read a predicate; None when it has a fault, which is noted."""
        ...


def plainly(name: str) -> str:
    """Give a name as all dialects share it.

    >>> plainly("windowDays"), plainly("STREAK_DAYS"), plainly("window_days")
    ('window_days', 'streak_days', 'window_days')
    """
    return HUMP.sub("_", name).lower()


def quoted(value: Any) -> str:
    """Give what somebody wrote, or the beginning of it.

    >>> quoted("=>"), quoted("x" * 100)
    ("'=>'", "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...")
    """
    text = repr(value[:100] if isinstance(value, str | list | tuple) else value)
    return text if len(text) <= 40 else f"{text[:40]}..."


class Fields:
    """The fields of one table."""

    def __init__(self, reading: Reading, path: str, depth: int, value: Mapping[Any, Any]) -> None:
        self._reading = reading
        self._path = path
        self._depth = depth
        self._left: dict[str, tuple[str, Any]] = {}
        self._flawed = len(reading.flaws)
        self.add(value)

    def add(self, value: Mapping[Any, Any], under: str = "") -> None:
        """Take in what a table says."""
        for name, one in value.items():
            plain = plainly(str(name))
            if plain in self._left:
                self.fault(joined(under, str(name)), f"says again what {self._left[plain][0]} says")
            else:
                self._left[plain] = (joined(under, str(name)), one)

    @property
    def sound(self) -> bool:
        """Whether nothing was wrong with any of them so far."""
        return len(self._reading.flaws) == self._flawed

    def fault(self, name: str, message: str) -> None:
        """Note what is wrong with a field, or with all of them."""
        self._reading.flaws.append((joined(self._path, name), message))

    def refuse_rest(self) -> None:
        """Refuse fields that nobody has taken, unless there is another fault, which may be why."""
        if self.sound:
            for name, _ in self._left.values():
                self.fault(name, "unknown field")

    def has(self, *names: str) -> bool:
        """Whether any of these fields is there and was not taken."""
        return any(name in self._left for name in names)

    def value_of(self, *names: str) -> Any:
        """Give what a field says, by whichever of its names it has, without taking it."""
        return next((self._left[name][1] for name in names if name in self._left), None)

    def put(self, name: str, said: tuple[str, Any]) -> None:
        """Name a field anew: how it was written, and what it says."""
        self._left[name] = said

    def pop(self, name: str) -> tuple[str, Any]:
        """Take a field as it was written."""
        return self._left.pop(name, (name, None))

    def take(self, *names: str) -> tuple[str, Any] | None:
        """Give a field by whichever of its names it has, as it was written; None when it is left out."""
        there = [self._left.pop(name) for name in names if name in self._left]
        for name, _ in there[1:]:
            self.fault(name, f"says again what {there[0][0]} says")
        return there[0] if there else None

    def need(self, *names: str) -> tuple[str, Any]:
        """Give a field that must be there; None for its value when it is not."""
        found = self.take(*names)
        if found is None:
            self.fault(names[0], "is missing")
        return found or ("", None)

    def integer(self, low: int, high: int, *names: str, default: int | None = None) -> int:
        """Give a whole number."""
        found = self.take(*names) if default is not None else self.need(*names)
        if found is None:
            return default or 0
        path, value = found
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if path and (isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high):
            self.fault(path, f"expected a whole number from {low} to {high}")
        return value if isinstance(value, int) else 0

    def boolean(self, *names: str, default: bool | None = None) -> bool:
        """Give what is true or false."""
        found = self.take(*names) if default is not None else self.need(*names)
        if found is None:
            return bool(default)
        if found[0] and not isinstance(found[1], bool):
            self.fault(found[0], "expected true or false")
        return bool(found[1])

    def text(self, pattern: re.Pattern[str], said: str, *names: str) -> str:
        """Give a text that fits a pattern."""
        path, value = self.need(*names)
        if path and not (isinstance(value, str) and pattern.match(value)):
            self.fault(path, f"expected {said}")
        return str(value)

    def id(self, *names: str) -> str:
        """Give an id; events are written in capitals in some dialects."""
        for name in names:
            if name in self._left and isinstance(self._left[name][1], str):
                self._left[name] = (self._left[name][0], self._left[name][1].lower())
        return self.text(ID, "an id", *names)

    def metric(self) -> str:
        """Give a metric."""
        return self.text(MEASURE, "the id of a metric", "metric")

    def word(self, words: Mapping[str, Any], said: str, *names: str) -> Any:
        """Give what a word stands for."""
        path, value = self.need(*names)
        found = words.get(value.lower()) if isinstance(value, str) else None
        if path and found is None:
            self.fault(path, f"{quoted(value)} is no {said}")
        return found

    def number(self, op: str | None, metric: str) -> int | float:
        """Give the number with which a metric is compared."""
        path, value = self.need("value")
        problem = "" if not path else _wrong_number(value, op, metric)
        if problem:
            self.fault(path, problem)
        if problem or not path:
            return 0
        return int(value) if float(value).is_integer() else float(value)

    def parts(self) -> tuple[Predicate, ...]:
        """Give the parts of a compound."""
        path, value = self.need(*LISTS)
        if not path:
            return ()
        if isinstance(value, Mapping) or not isinstance(value, list | tuple):
            self.fault(path, "expected a list")
            return ()
        if not value:
            self.fault(path, "needs at least one condition")
        read = [self._part(one, joined(path, str(place))) for place, one in enumerate(value[: MAX_NODES + 1])]
        return tuple([one for one in read if one is not None])

    def part(self) -> Predicate | None:
        """Give the only part of a contrary: a table, or a list of one."""
        path, value = self.need("of", "requirement", "condition", *LISTS[1:])
        if isinstance(value, list | tuple):
            if len(value) != 1:
                self.fault(path, "expected one condition")
                return None
            path, value = joined(path, "0"), value[0]
        return self._part(value, path) if path else None

    def _part(self, value: Any, path: str) -> Predicate | None:
        return self._reading.one(value, joined(self._path, path), self._depth + 1)


def _wrong_number(value: Any, op: str | None, metric: str) -> str:
    """Say what is wrong with the number of a comparison."""
    if isinstance(value, bool) or not isinstance(value, int | float) or (isinstance(value, float) and not isfinite(value)):
        return "expected a number"
    if not 0 <= value <= MAX_NUMBER:
        return f"expected a number from 0 to {MAX_NUMBER}"
    exponent = Decimal(str(value)).as_tuple().exponent
    if isinstance(exponent, int) and exponent < -3 and not float(value).is_integer():
        return "has more than three decimals"
    if value == 0 and op in ("gte", "lt"):
        return "expected more than 0: " + ("everything reaches 0" if op == "gte" else "nothing is below 0")
    if metric == RATE and value > 1:
        return "a rate is at most 1"
    return ""

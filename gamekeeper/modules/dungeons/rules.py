"""The rules of dungeons: what of a character's facts counts since it entered."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from msgspec.structs import replace

from gamekeeper.modules import days, metrics, predicates

from .records import DungeonAttempt, DungeonDefinition

EVENT: Final = "event:"


def named(definition: DungeonDefinition) -> Iterator[str]:
    """Give the metrics and events that the challenges of a dungeon name, each once.

    >>> from .records import Challenge
    >>> run = Challenge(id="run", name="Run", condition={"metric": "steps", "op": "gte", "value": 3000})
    >>> win = Challenge(id="win", name="Win", condition={"type": "event", "event": "duel_won", "count": 2})
    >>> list(named(DungeonDefinition(id="cave", name="Cave", difficulty="E_RANK", challenges=(run, win), base_xp=50, duration_minutes=90)))
    ['steps', 'event:duel_won']
    """
    found = dict.fromkeys(name for one in definition.challenges for name in _names(one.condition))
    return iter(found)


def _names(predicate: predicates.Predicate) -> Iterator[str]:
    match predicate:
        case predicates.Numeric(metric) | predicates.Boolean(metric):
            yield metric
        case predicates.Event(event):
            yield EVENT + event
        case predicates.Compound(_, of):
            for one in of:
                yield from _names(one)
        case predicates.Not(of):
            yield from _names(of)


def counted(facts: predicates.Facts, names: Iterable[str]) -> dict[str, int]:
    """Give what metrics, in thousandths, and events stand at; what nobody knows stands at nothing."""
    return {name: (facts.events(name.removeprefix(EVENT)) if name.startswith(EVENT) else facts.number(name)) or 0 for name in names}


def days_of(entry_day: str, today: str) -> list[str]:
    """Give the days of an attempt so far.

    >>> days_of("2026-02-27", "2026-03-01"), days_of("2026-03-01", "2026-02-28")
    (['2026-02-27', '2026-02-28', '2026-03-01'], ['2026-03-01'])
    """
    found = [entry_day]
    while found[-1] < today:
        found.append(days.after(found[-1]))
    return found


def days_ahead(today: str) -> list[str]:
    """Give today and the days that somewhere have begun already: who has been there may have done something on them.

    >>> days_ahead("2026-02-27")
    ['2026-02-27', '2026-02-28', '2026-03-01']
    """
    return [today, days.after(today), days.after(today, 2)]


def as_of(row: DungeonAttempt, now: int) -> DungeonAttempt:
    """Give an attempt as it is at a time: past its deadline it is over, be it that nobody has written so yet."""
    is_over = row.status == "IN_PROGRESS" and now >= row.expires_at
    return replace(row, status="TIMED_OUT", completed_at=row.expires_at) if is_over else row


def shut_until(definition: DungeonDefinition | None, ended_at: int) -> int:
    """Give until when a dungeon is shut for who has left it; one that is defined no longer is not."""
    return 0 if definition is None else ended_at + definition.cooldown_hours * 3_600_000


class SinceEntry(metrics.KnownFacts):
    """The facts of an attempt: metrics and events count from the entry on, over all of its days. The rest is as it is."""

    def __init__(self, facts: list[metrics.KnownFacts], before: Mapping[str, int]) -> None:
        self._of_days = facts
        self._before = before
        last = facts[-1]
        super().__init__(last._rows, last._definitions, last.day)

    def number(self, metric: str) -> int | None:
        """Give what has come to a metric since the entry."""
        if metric in predicates.BUILT_IN:
            return super().number(metric)
        known = [value for one in self._of_days if (value := one.number(metric)) is not None]
        return max(0, sum(known) - self._before.get(metric, 0)) if known else None

    def events(self, event: str) -> int | None:
        """Give how often something has happened since the entry."""
        now = super().events(event)
        return None if now is None else max(0, now - self._before.get(EVENT + event, 0))

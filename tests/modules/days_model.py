"""Days as a slow and simple program sees them: the model that the days of the keep are compared with. It shares no code with them."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

QUARTER = 15 * 60_000
BASE_XP = 10
CORE = ("m1", "m2", "m3", "m4")


@cache
def shown(ms: int, zone: str) -> date:
    """The date that a clock of a zone shows."""
    return datetime.fromtimestamp(ms / 1000, UTC).astimezone(ZoneInfo(zone)).date()


@cache
def end_of(day: date, zone: str) -> int:
    """The first quarter of an hour, found by looking at each, at which clocks of a zone show a later date."""
    at = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000) - 16 * 3_600_000
    while shown(at, zone) <= day:
        at += QUARTER
    return at


@dataclass
class Player:
    """What one player should have come to."""

    zone: str
    last: date
    done: dict[date, set[str]] = field(default_factory=dict)
    days: list[tuple[str, int, bool, bool]] = field(default_factory=list)
    """date, core quests done, perfect, debuff"""
    streak: int = 0
    longest: int = 0
    perfect: int = 0
    tokens: int = 0
    debuff_until: int = 0
    xp: int = 0
    seen: tuple[str, date] | None = None
    """where it lived and what was its last day when its days were last looked at: who has moved since is waited for in the old zone"""

    def today(self, now: int) -> date:
        """The day that a report is for."""
        return max(shown(now, self.zone), self.last + timedelta(days=1))

    def report(self, now: int, metrics: set[str]) -> None:
        """Metrics that were reached today; each pays once."""
        self.seen = (self.zone, self.last)
        day = self.today(now)
        known = self.done.setdefault(day, set())
        for metric in sorted(metrics - known):
            known.add(metric)
            self.xp += self._worth(now, day)

    def _worth(self, now: int, day: date) -> int:
        worth = BASE_XP
        for least, percent in ((30, 125), (14, 115), (7, 110)):
            if self.streak >= least:
                worth = worth * percent // 100
                break
        if day.weekday() >= 5:
            worth = worth * 110 // 100
        return worth * 90 // 100 if now < self.debuff_until else worth

    def close(self, now: int) -> None:
        """Close what is over, as a job does that runs now."""
        zone, last = self.seen or (self.zone, self.last)
        if now < end_of(last + timedelta(days=1), zone) + QUARTER:
            return
        while end_of(self.last + timedelta(days=1), self.zone) + QUARTER <= now:
            day = self.last = self.last + timedelta(days=1)
            count = len(self.done.get(day, ()))
            self.streak = self.streak + 1 if count >= 3 else 0
            self.longest = max(self.longest, self.streak)
            self.perfect = self.perfect + 1 if count == 4 else 0
            if self.streak and self.streak % 7 == 0:
                self.tokens = min(3, self.tokens + 1)
            debuff = 4 - count >= 2 and now >= self.debuff_until
            if debuff:
                self.debuff_until = now + 24 * 3_600_000
            self.days.append((day.isoformat(), count, count == 4, debuff))
        self.seen = (self.zone, self.last)

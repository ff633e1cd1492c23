"""The arithmetic of seasons: which one is on, who may enter, who has which rank, and what a rank is worth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from gamekeeper.modules import xp

if TYPE_CHECKING:
    from .records import Bracket, Entry, SeasonDefinition, SeasonParticipation, SeasonState, SeasonStatus

DAY_MS: Final = 86_400_000
SETTLE_MS: Final = 15 * 60_000
"""How long after a season's end its close begins, so that whoever's clock is slow has stopped paying into it as well."""


@lru_cache(maxsize=1024)
def moment(text: int | str) -> int:
    """Give a time as UTC epoch milliseconds; a text says how far its clock is from UTC.

    >>> moment("2026-01-05T00:00:00Z"), moment("2026-01-05T02:00:00+02:00"), moment(5)
    (1767571200000, 1767571200000, 5)

    Raises: ValueError.
    """
    if isinstance(text, int):
        return text
    read = datetime.fromisoformat(text)
    if read.tzinfo is None:
        raise ValueError("a time says its zone: 2026-01-05T00:00:00Z")
    found = round(read.timestamp() * 1000)
    if found < 0:
        raise ValueError("a time before 1970")
    return found


def in_order(definitions: Mapping[str, SeasonDefinition]) -> list[SeasonDefinition]:
    """Put seasons in the order in which they begin."""
    return sorted(definitions.values(), key=lambda one: (one.begins, one.number, one.id))


def season_at(definitions: Mapping[str, SeasonDefinition], now: int) -> SeasonDefinition | None:
    """Give the season that is on; of two that packs have put beside each other by mistake, the one that began first."""
    on = [one for one in definitions.values() if one.begins <= now < one.ends]
    return min(on, key=lambda one: (one.begins, one.number, one.id)) if on else None


def status_at(begins: int, ends: int, now: int) -> SeasonStatus:
    """Say what a season is by the clock."""
    return "UPCOMING" if now < begins else "ACTIVE" if now < ends else "ENDED"


def told_of(season: SeasonDefinition | SeasonState) -> dict[str, Any]:
    """Give what a season says of itself, its times as milliseconds; what it pays apart."""
    told = {name: getattr(season, name) for name in ("number", "name", "theme", "description", "multiplier_bp")}
    return {**told, "starts_at": moment(season.starts_at), "ends_at": moment(season.ends_at)}


def beside(definitions: Mapping[str, SeasonDefinition], mine: SeasonDefinition) -> SeasonDefinition | None:
    """Give another season that is on at a time when this one is; each of the two may be sound by itself."""
    for other in in_order(definitions):
        if other.id != mine.id and other.begins < mine.ends and mine.begins < other.ends:
            return other
    return None


def may_enter(entry: Entry, level: int, begun_at: int, now: int) -> bool:
    """Say whether a character may enter: by its level, or by the days since it came into the world, whichever is first."""
    if entry.level is None and entry.days is None:
        return True
    return (entry.level is not None and level >= entry.level) or (entry.days is not None and now - begun_at >= entry.days * DAY_MS)


def may_win(season: SeasonDefinition, part: SeasonParticipation | None, level: int, begun_at: int, now: int) -> bool:
    """Say whether what a character earns counts in a season: it has entered, or may, and its part is neither frozen nor forfeited."""
    if part is None:
        return may_enter(season.entry, level, begun_at, now)
    return part.frozen_at is None and part.disqualified_at is None


def modifier_for(season: SeasonDefinition, part: SeasonParticipation | None, level: int, begun_at: int, now: int) -> xp.Modifier | None:
    """Give what a season adds to what a character earns."""
    if season.multiplier_bp == xp.ONE_BP or not may_win(season, part, level, begun_at, now):
        return None
    return xp.Modifier("SEASON_MULTIPLIER", season.multiplier_bp, reason=season.id)


def span(bracket: Bracket, participants: int) -> tuple[int, int]:
    """Give the first and the last rank of a bracket; some of so many in a hundred are rounded up.

    >>> from gamekeeper.modules.seasons import Bracket
    >>> span(Bracket(top_percent=10), 25), span(Bracket(from_rank=4), 25), span(Bracket(from_rank=4, to_rank=10), 25)
    ((1, 3), (4, 25), (4, 10))
    """
    if bracket.top_percent is not None:
        return bracket.from_rank, -(-participants * bracket.top_percent // 100)
    return bracket.from_rank, participants if bracket.to_rank is None else bracket.to_rank


def bracket_of(brackets: Sequence[Bracket], rank: int, participants: int) -> Bracket | None:
    """Give the first bracket that a rank is in.

    >>> from gamekeeper.modules.seasons import Bracket
    >>> brackets = (Bracket(to_rank=1, xp=50), Bracket(top_percent=10, xp=5))
    >>> [one and one.xp for one in (bracket_of(brackets, rank, 25) for rank in (1, 2, 3, 4))]
    [50, 5, 5, None]
    """
    for one in brackets:
        first, last = span(one, participants)
        if first <= rank <= last:
            return one
    return None


def ranked(scores: Iterable[int], placed: int = 0, last: tuple[int, int] | None = None) -> Iterator[int]:
    """Give the ranks of scores that come the best first; who has the same as another has the same rank, and the next ranks are left out.

    placed: how many came before. last: the score and the rank of the last one of them.

    >>> list(ranked([90, 70, 70, 50])), list(ranked([70, 50], 3, (70, 2)))
    ([1, 2, 2, 4], [2, 5])
    """
    for place, score in enumerate(scores, placed + 1):
        if last is None or score != last[0]:
            last = score, place
        yield last[1]

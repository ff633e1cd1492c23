"""What the close of a season comes to: when one is due, a look ahead, and whether a closed one is right."""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from gamekeeper.kernel import standings
from gamekeeper.kernel.queries import PageLimit, Reader, query
from gamekeeper.kernel.verify import Problem, check
from gamekeeper.modules import content

from . import queries, rules
from .records import Bracket, SeasonDefinition, SeasonParticipation, SeasonState

FAULTS: Final = 50
"""Rows that a verification names for one fault."""


class Due(Struct, frozen=True):
    """What is to be done with seasons now: those to be announced or started, and those to be closed."""

    start: list[str]
    close: list[str]


class Forecast(Struct, frozen=True):
    """What a bracket would pay, and to how many."""

    bracket: Bracket
    winners: int


class Preview(Struct, frozen=True):
    """What closing a season now would come to: the first page of its standing, and how many would win what."""

    participants: int
    first: list[queries.StandingRow]
    brackets: list[Forecast]
    xp: int
    """all that would be paid"""


@query(access="operator", module="seasons")
async def due(read: Reader) -> Due:
    """Tell what is to be done with seasons now."""
    now, definitions = read.now_ms(), read.definitions(SeasonDefinition)
    stored = {one.season: one for one in await read.rows(SeasonState, queries.STATES, limit=queries.MAX_SEASONS)}
    start, close = [], []
    for season in [one.id for one in rules.in_order(definitions)] + sorted(stored.keys() - definitions.keys()):
        state, definition = stored.get(season), definitions.get(season)
        begins, ends = (state.starts_at, state.ends_at) if state is not None else (0, 0)
        if definition is not None:
            begins, ends = definition.begins, definition.ends
        if state is None or (state.status == "UPCOMING" and begins <= now):
            start.append(season)
        if (state is None or state.closed_at is None) and ends + rules.SETTLE_MS <= now:
            close.append(season)
    return Due(start, close)


@query(access="operator", module="seasons")
async def preview(read: Reader, *, season: content.DefinitionId, limit: PageLimit = 50) -> Preview:
    """Tell what closing a season now would come to; nothing is changed.

    Those who were disqualified before the close count as participants here, with nothing earned.

    Raises: UNKNOWN_SEASON.
    """
    view = await queries.known(read, season)
    rows = [one.row for one in queries.counted((await queries.BOARD.page(read, season, limit=limit))[0])]
    first = []
    for row in rows:
        won = rules.bracket_of(view.rewards, row.rank, view.participants) or Bracket()
        first.append(queries.StandingRow(row.rank, row.character_id, row.name, row.season_xp, won.xp, won.title, disqualified=False))
    forecasts = [Forecast(one, count) for one, count in zip(view.rewards, await _winners(read, view), strict=True)]
    return Preview(view.participants, first, forecasts, sum(one.bracket.xp * one.winners for one in forecasts))


async def _winners(read: Reader, view: queries.SeasonView) -> list[int]:
    """Count the winners of each bracket: a bracket wins what no one before it has won, and whoever shares its last rank is in it."""
    counts: list[int] = []
    taken: list[tuple[int, int]] = []
    for one in view.rewards:
        first, last = rules.span(one, view.participants)
        until = await _through(read, view, last)
        since = await _through(read, view, first - 1)
        free = set_apart((since, until), taken)
        taken.append((since, until))
        counts.append(free)
    return counts


async def _through(read: Reader, view: queries.SeasonView, rank: int) -> int:
    """Count who has a rank or a better one."""
    if min(rank, view.participants) < 1:
        return 0
    found = await standings.at(read, SeasonParticipation, min(rank, view.participants), view.season)
    return 0 if found is None else found.rank - 1 + found.count


def set_apart(span: tuple[int, int], taken: Sequence[tuple[int, int]]) -> int:
    """Count the places after the first number up to the second that no other span has.

    >>> set_apart((0, 10), [(0, 3), (2, 5), (8, 20)])
    3
    """
    free, at = 0, span[0]
    for first, last in sorted(taken):
        free += max(0, min(first, span[1]) - at)
        at = max(at, last)
    return free + max(0, span[1] - at)


# Whether a closed season is right

FOUND: Final[Sequence[tuple[Any, str]]] = (
    (queries.WRONG_RANKS, "the standing's rank is not that of its score"),
    (queries.UNLIKE_PARTS, "the character's part in the season is not as its standing has it"),
    (queries.UNPLACED, "the character took part in a season that is closed, and has no place in its standing"),
    (queries.LATE, "what was earned after the close is in no standing"),
)


class _Place(Struct, frozen=True):
    season_id: str
    character_id: str


@check("seasons.standing")
async def standings_differ(read: Reader) -> list[Problem]:
    """Find the places of closed seasons that do not follow from what was earned in them."""
    return [
        Problem("seasons.standing", what, owner=row.season_id, table="season_leaderboards", key=[row.season_id, row.character_id])
        for statement, what in FOUND
        for row in await read.rows(_Place, statement, limit=FAULTS)
    ]

"""What may be asked of seasons."""

from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import Meta, Struct, structs
from sqlalchemy import BigInteger, ColumnElement, Select, Text, bindparam, case, func, or_, select, tuple_

from gamekeeper.kernel import standings
from gamekeeper.kernel.boards import Board
from gamekeeper.kernel.queries import Cursor, Loaded, Page, PageLimit, Reader, query
from gamekeeper.kernel.store.schema import table
from gamekeeper.modules import characters, content, xp

from . import rules
from .errors import UnknownSeason
from .records import Bracket, SeasonDefinition, SeasonParticipation, SeasonStanding, SeasonState, SeasonStatus

MAX_SEASONS: Final = 1_000
EachSide = Annotated[int, Meta(ge=0, le=50)]

parts = table(SeasonParticipation)
states = table(SeasonState)
places = table(SeasonStanding)
people = table(characters.Character)

_SEASON = parts.c.season == bindparam("season", type_=Text)
_LIMIT = bindparam("limit", type_=BigInteger)
_PLACE = tuple_(parts.c.season_xp, parts.c.character_id)
_HERE = tuple_(bindparam("xp", type_=BigInteger), bindparam("character", type_=Text))


def _best_first(statement: Select[Any]) -> Select[Any]:
    return statement.where(_PLACE < _HERE).order_by(parts.c.season_xp.desc(), parts.c.character_id.desc())


_SCORES = select(parts.c.character_id, parts.c.season_xp).where(_SEASON).limit(_LIMIT)
UNFROZEN = _best_first(_SCORES.where(parts.c.frozen_at.is_(None)))
TO_BE_RANKED = _best_first(_SCORES.where(parts.c.frozen_at.is_not(None), parts.c.disqualified_at.is_(None)))

STATE = select(states).where(states.c.season == bindparam("season", type_=Text))
STATES = select(states).order_by(states.c.number).limit(_LIMIT)
ROOT = select(states.c.season_id).where(states.c.season == bindparam("season", type_=Text))

_RANK = bindparam("rank", type_=BigInteger)
STANDING = (
    select(
        places.c.rank,
        places.c.character_id,
        case((people.c.tombstoned_at.is_(None), people.c.name), else_=None),
        characters.is_hidden(places.c.character_id),
        places.c.total_xp,
        places.c.reward_xp,
        places.c.reward_title,
        parts.c.disqualified_at.is_not(None),
    )
    .join_from(places, people, people.c.character_id == places.c.character_id)
    .join(parts, (parts.c.character_id == places.c.character_id) & (parts.c.season == bindparam("season", type_=Text)))
    .where(
        places.c.season_id == bindparam("root", type_=Text),
        tuple_(places.c.rank, places.c.character_id) > tuple_(_RANK, bindparam("character", type_=Text)),
    )
    .order_by(places.c.rank, places.c.character_id)
    .limit(_LIMIT)
)


# What of a closed season is not as it should be

_OF_ROOT = states.c.season_id == places.c.season_id
_COUNTED = (
    select(
        places.c.season_id,
        places.c.character_id,
        places.c.rank,
        func.rank().over(partition_by=places.c.season_id, order_by=places.c.total_xp.desc()).label("right"),
    )
).subquery()
WRONG_RANKS = select(_COUNTED.c.season_id, _COUNTED.c.character_id).where(_COUNTED.c.rank != _COUNTED.c.right).limit(_LIMIT)
_MINE = (parts.c.season == states.c.season) & (parts.c.character_id == places.c.character_id)
UNLIKE_PARTS = (
    select(places.c.season_id, places.c.character_id)
    .join_from(places, states, _OF_ROOT)
    .join(parts, _MINE, isouter=True)
    .where(
        or_(
            parts.c.rank.is_(None),
            parts.c.rank != places.c.rank,
            parts.c.season_xp + parts.c.forfeited_xp != places.c.total_xp,
            parts.c.reward_xp != places.c.reward_xp,
        )
    )
    .limit(_LIMIT)
)
LATE = (
    select(states.c.season_id, parts.c.character_id)
    .join_from(states, parts, parts.c.season == states.c.season)
    .where(states.c.closed_at.is_not(None), parts.c.frozen_at.is_(None))
    .limit(_LIMIT)
)
UNPLACED = (
    select(states.c.season_id, parts.c.character_id)
    .join_from(states, parts, parts.c.season == states.c.season)
    .join(places, _OF_ROOT & (places.c.character_id == parts.c.character_id), isouter=True)
    .where(states.c.closed_at.is_not(None), parts.c.frozen_at.is_not(None), parts.c.disqualified_at.is_(None), places.c.rank.is_(None))
    .limit(_LIMIT)
)


class Score(Struct, frozen=True):
    """Who has how much."""

    character_id: str
    season_xp: int


class BoardRow(Struct, frozen=True):
    """A place on the board of a season; those with as much share their rank.

    One whose player wants to be anonymous has no id, and a name of the board's own; a deleted one has no name.
    """

    rank: int
    character_id: str | None
    name: str | None
    season_xp: int


class _Standing(Struct, frozen=True):
    rank: int
    character_id: str
    name: str | None
    hidden: bool
    total_xp: int
    reward_xp: int
    reward_title: str | None
    disqualified: bool


class StandingRow(Struct, frozen=True):
    """A place on the board as it was frozen, and what it won. What the disqualified had won they do not get, or no longer have."""

    rank: int
    character_id: str | None
    name: str | None
    total_xp: int
    reward_xp: int
    reward_title: str | None
    disqualified: bool


class SeasonView(Struct, frozen=True):
    """A season, as its pack has it or as it was when it ended. `closed_at` says since when its standing is complete."""

    season: str
    number: int
    name: str
    theme: str
    description: str
    starts_at: int
    ends_at: int
    multiplier_bp: int
    rewards: tuple[Bracket, ...]
    status: SeasonStatus
    closing_at: int | None
    closed_at: int | None
    participants: int


class Part(Struct, frozen=True):
    """A character's part in a season; `rank` is the present one until the season is closed. None for who is on no board."""

    participation: SeasonParticipation
    rank: int | None


# One season


async def state_of(read: Reader, season: str) -> SeasonState | None:
    """Give a season as it is stored, once it was announced or started."""
    return await read.one(SeasonState, STATE, season=season)


async def root_of(read: Reader, season: str) -> str | None:
    """Give the owner that a season is."""
    found = await read.scalar(ROOT, season=season)
    return None if found is None else str(found)


async def scores(read: Reader, statement: Any, season: str, after: tuple[int, str], limit: int) -> list[Score]:
    """Give the next participants from a place on, the best first."""
    return await read.rows(Score, statement, season=season, xp=after[0], character=after[1], limit=limit)


@query(access="public")
async def list_seasons(read: Reader) -> list[SeasonView]:
    """List all seasons: those that are over, the one that is on, and those to come."""
    stored = {one.season: one for one in await read.rows(SeasonState, STATES, limit=MAX_SEASONS)}
    known = read.definitions(SeasonDefinition)
    views = [await _view(read, known.get(season), stored.get(season)) for season in {*stored, *known}]
    return sorted(views, key=lambda one: (one.number, one.season))


@query(access="public")
async def show(read: Reader, *, season: content.DefinitionId) -> SeasonView:
    """Show a season.

    Raises: UNKNOWN_SEASON.
    """
    return await known(read, season)


async def known(read: Reader, season: str) -> SeasonView:
    """Give a season that there is.

    Raises: UNKNOWN_SEASON.
    """
    definition, state = read.definitions(SeasonDefinition).get(season), await state_of(read, season)
    if definition is None and state is None:
        raise UnknownSeason(season=season)
    return await _view(read, definition, state)


async def _view(read: Reader, definition: SeasonDefinition | None, state: SeasonState | None) -> SeasonView:
    if state is not None and (definition is None or state.closing_at is not None):
        season, told, rewards = state.season, rules.told_of(state), brackets_of(state)
    else:
        assert definition is not None  # noqa: S101 - one of the two is there
        season, told, rewards = definition.id, rules.told_of(definition), definition.rewards
    if state is not None and state.frozen_at is not None:
        participants = state.participants
    else:
        participants = await standings.size(read, SeasonParticipation, season)
    closing_at = None if state is None else state.closing_at
    return SeasonView(
        season=season,
        **told,
        rewards=rewards,
        status="ENDED" if closing_at is not None else rules.status_at(told["starts_at"], told["ends_at"], read.now_ms()),
        closing_at=closing_at,
        closed_at=None if state is None else state.closed_at,
        participants=participants,
    )


def brackets_of(state: SeasonState) -> tuple[Bracket, ...]:
    """Give what a stored season pays."""
    return msgspec.convert(state.rewards, tuple[Bracket, ...])


# Boards


class Shown(NamedTuple):
    """A place on a board, and whose it is."""

    owner: str
    row: BoardRow


def board_of(season: str) -> str:
    """Give the board whose own names its anonymous ones have."""
    return f"season:{season}"


def _shown(read: Reader, rank: int, character: str, name: str | None, hidden: bool, season: str, season_xp: int) -> Shown:
    who = characters.on_board(read.keys, board_of(season), character, name, hidden=bool(hidden))
    return Shown(character, BoardRow(rank, who.character_id, who.name, season_xp))


def _name(of: ColumnElement[str]) -> ColumnElement[Any]:
    return select(people.c.name).where(people.c.character_id == of, people.c.tombstoned_at.is_(None)).scalar_subquery()


BOARD: Final = Board(SeasonParticipation, told=(_name, characters.is_hidden), columns=("season", "season_xp"), show=_shown)


def counted(rows: list[Shown]) -> list[Shown]:
    """Leave out the disqualified, who are behind all others with nothing."""
    return [one for one in rows if one.row.season_xp]


@query(access="public")
async def live(read: Reader, *, season: content.DefinitionId, limit: PageLimit = 100, cursor: Cursor | None = None) -> Page[BoardRow]:
    """List who has earned most in a season so far, page by page.

    Raises: UNKNOWN_SEASON.
    """
    await known(read, season)
    after = characters.start_of_page(read.keys, cursor, int, str)
    rows, end = await BOARD.page(read, season, limit=limit, after=None if after is None else (after[0], after[1]))
    more = None if end is None or end[0] == 0 else characters.end_of_page(read.keys, *end)
    return Page([one.row for one in counted(rows)], more)


@query(access="player")
async def around(
    read: Reader, *, character: characters.CharacterId, season: content.DefinitionId, each_side: EachSide = 5
) -> list[BoardRow]:
    """List who stands around a character on a season's board, the best first; empty when it does not stand there, or is gone.

    The character itself is shown as it is, for who asks knows it.
    """
    rows = counted(await BOARD.around(read, season, owner=character, each_side=each_side))
    if character not in [one.owner for one in rows]:
        return []
    person = await read.get(characters.Character, character)
    name = None if person is None else person.name
    return [structs.replace(one.row, character_id=character, name=name) if one.owner == character else one.row for one in rows]


@query(access="player")
async def part(read: Reader, *, character: characters.CharacterId, season: content.DefinitionId) -> Part | None:
    """Show a character's part in a season, and its rank; None when it never entered.

    Raises: CHARACTER_NOT_FOUND.
    """
    _, loaded = await characters.load_alive(read, character, SeasonParticipation)
    mine = next((row for row in loaded.rows(SeasonParticipation) if row.season == season), None)
    if mine is None or mine.disqualified_at is not None or mine.rank is not None:
        return None if mine is None else Part(mine, mine.rank if mine.disqualified_at is None else None)
    return Part(mine, await standings.rank(read, SeasonParticipation, mine.season_xp, season))


@query(access="player")
async def list_parts(read: Reader, *, character: characters.CharacterId) -> list[SeasonParticipation]:
    """List the seasons that a character was in, the latest that it entered first.

    Raises: CHARACTER_NOT_FOUND.
    """
    _, loaded = await characters.load_alive(read, character, SeasonParticipation)
    return sorted(loaded.rows(SeasonParticipation), key=lambda row: (row.joined_at, row.season), reverse=True)


@query(access="public")
async def standing(
    read: Reader, *, season: content.DefinitionId, limit: PageLimit = 100, cursor: Cursor | None = None
) -> Page[StandingRow]:
    """List how a season ended, page by page; empty until it is closed.

    Raises: UNKNOWN_SEASON.
    """
    await known(read, season)
    state = await state_of(read, season)
    if state is None or state.closed_at is None:
        return Page([])
    rank, last = characters.start_of_page(read.keys, cursor, int, str) or (0, "")
    rows = await read.rows(_Standing, STANDING, season=season, root=state.season_id, rank=rank, character=last, limit=limit + 1)
    end = rows[limit - 1] if len(rows) > limit else None
    more = None if end is None else characters.end_of_page(read.keys, end.rank, end.character_id)
    shown = [characters.on_board(read.keys, board_of(season), row.character_id, row.name, hidden=row.hidden) for row in rows[:limit]]
    return Page(
        [
            StandingRow(row.rank, who.character_id, who.name, row.total_xp, row.reward_xp, row.reward_title, row.disqualified)
            for row, who in zip(rows, shown, strict=False)
        ],
        more,
    )


def modifier_of(read: Reader, character: characters.Character, loaded: Loaded) -> xp.Modifier | None:
    """Give what `modifier` gives to a command, for a query that has loaded a character with its progress and its parts in seasons."""
    season = rules.season_at(read.definitions(SeasonDefinition), read.now_ms())
    if season is None:
        return None
    mine = next((one for one in loaded.rows(SeasonParticipation) if one.season == season.id), None)
    progress = loaded.one(xp.CharacterProgress) or xp.CharacterProgress(character.character_id)
    return rules.modifier_for(season, mine, progress.level, character.created_at, read.now_ms())

"""What may be done with seasons.

What is earned is counted with each character alone, so that no two of them wait for each other. A season's own rows are written by whoever
starts and closes it: each step looks, under the season's lock, whether another one was faster.
"""

from collections.abc import Sequence
from typing import Annotated, Final, Protocol

import msgspec
from msgspec import Meta, Struct, structs

from gamekeeper.errors import InvalidArgument, NameTaken
from gamekeeper.kernel.boards import TOP
from gamekeeper.kernel.commands import Prepared, command
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, content, titles, users, xp

from . import queries, rules
from .errors import (
    Disqualified,
    NoSeasonReward,
    NotInSeason,
    SeasonNotClosed,
    SeasonNotFound,
    SeasonRewardClaimed,
    SeasonsClash,
    SeasonStillOn,
    UnknownSeason,
)
from .records import SeasonDefinition, SeasonParticipation, SeasonStanding, SeasonState

TOUCHES: Final = (SeasonParticipation,)
"""What a command must touch that pays into the season, besides `Character` and `xp.TOUCHES`."""
NAME_CLAIM: Final = "season"
NUMBER_CLAIM: Final = "season_number"
StepSize = Annotated[int, Meta(ge=1, le=200, description="how many participants at most")]
Reason = Annotated[str, Meta(min_length=1, max_length=500, description="why it is done")]


class Step(Struct, frozen=True):
    """How far the close of a season is: how many take part in the standing, how many have their rank, and whether there is more to do."""

    participants: int
    placed: int
    more: bool


class Claimed(Struct, frozen=True):
    """What a season paid to a character."""

    rank: int
    xp: int
    title: str | None


class _OfSeason(Protocol):
    """The argument of commands that are about one season."""

    season: str


class _Stepping(Protocol):
    """The arguments of `close_step`."""

    season: str
    limit: int


class _OfCharacter(Protocol):
    """The arguments of commands that are about a character's part."""

    character: str
    season: str


# What other modules' commands do


def current(ctx: Context) -> SeasonDefinition | None:
    """Give the season that is on."""
    return rules.season_at(ctx.definitions(SeasonDefinition), ctx.now)


def modifier(ctx: Context, character: str) -> xp.Modifier | None:
    """Give what the season that is on adds to an award, for a character that is in it or may enter it."""
    season = current(ctx)
    if season is None:
        return None
    part, level = ctx.get(SeasonParticipation, character, season.id), _progress(ctx, character).level
    return rules.modifier_for(season, part, level, characters.alive(ctx, character).created_at, ctx.now)


def credit(ctx: Context, character: str, amount: int) -> SeasonParticipation | None:
    """Count what was earned for the season that is on, once it is in the ledger; the first time the character enters it.

    The time of the command alone says which season that is. None when there is none, or nothing is counted: the character may not enter
    yet, was disqualified, or its part is frozen already.

    Raises: INVALID_ARGUMENT.
    """
    if type(amount) is not int or amount < 0:
        raise InvalidArgument(path="/amount", problem="a season counts whole points, and takes none away")
    season = current(ctx)
    if season is None or amount == 0:
        return None
    row, level = ctx.get(SeasonParticipation, character, season.id), _progress(ctx, character).level
    if not rules.may_win(season, row, level, characters.alive(ctx, character).created_at, ctx.now):
        return None
    row = row or SeasonParticipation(character, season.id, 0, 0, ctx.now, level)
    return ctx.change(row, season_xp=min(row.season_xp + amount, xp.MAX_XP), awards=row.awards + 1)


def _progress(ctx: Context, character: str) -> xp.CharacterProgress:
    return ctx.get(xp.CharacterProgress, character) or xp.CharacterProgress(character)


# Its beginning and its end


async def _by_season(read: Reader, arguments: _OfSeason) -> Prepared:
    root = await queries.root_of(read, arguments.season)
    return Prepared(found=root, owners=() if root is None else (root,))


@command(touches=[SeasonState], prepare=_by_season, prepares_again=[NameTaken], access="operator")
def start(ctx: Context, *, season: content.DefinitionId) -> SeasonState:
    """Announce a season, and start it once its time has come; what its pack says of it by now is taken over until it is being closed.

    Nobody need wait for it: what is earned counts from the season's first moment on.

    Raises: UNKNOWN_SEASON, SEASONS_CLASH, NAME_TAKEN when an earlier season had its number.
    """
    definition = ctx.definitions(SeasonDefinition).get(season)
    if definition is None:
        raise UnknownSeason(season=season)
    other = rules.beside(ctx.definitions(SeasonDefinition), definition)
    if other is not None:
        raise SeasonsClash(season=season, other=other.id)
    state = None if ctx.found is None else ctx.get(SeasonState, ctx.found)
    if state is None:
        root = ctx.create_owner("season")
        ctx.claim(NAME_CLAIM, season, root)
        ctx.claim(NUMBER_CLAIM, str(definition.number), root)
        state = SeasonState(root, season, **rules.told_of(definition), rewards=[], status="UPCOMING")
    if state.closing_at is not None:
        return state
    if state.number != definition.number:
        ctx.release(NUMBER_CLAIM, str(state.number))
        ctx.claim(NUMBER_CLAIM, str(definition.number), state.season_id)
    state = _taken_over(state, definition)
    return ctx.change(state, status="UPCOMING" if ctx.now < state.starts_at else "ACTIVE")


def _taken_over(state: SeasonState, definition: SeasonDefinition) -> SeasonState:
    """Bring the copy of a season up to date."""
    rewards = [msgspec.to_builtins(one) for one in definition.rewards]
    return structs.replace(state, **rules.told_of(definition), rewards=rewards)


@command(touches=[SeasonState], prepare=_by_season, access="operator")
def close(ctx: Context, *, season: content.DefinitionId, reason: Reason) -> Step:
    """Begin to close a season that is over, without the wait for slow clocks; further steps, or the job, do the rest.

    Raises: SEASON_NOT_FOUND, SEASON_STILL_ON.
    """
    state = _state(ctx, ctx.found, season)
    return _step(state if state.closing_at is not None else _begin(ctx, state, 0))


async def _next_page(read: Reader, arguments: _Stepping) -> Prepared:
    """Find whom the next step is about, and lock them with the season."""
    state = await queries.state_of(read, arguments.season)
    if state is None:
        raise SeasonNotFound(id=arguments.season)
    if state.closing_at is None or state.closed_at is not None:
        return Prepared(found=(state, []), owners=(state.season_id,))
    statement = queries.UNFROZEN if state.frozen_at is None else queries.TO_BE_RANKED
    after = (state.cursor_xp, state.cursor_character)
    page = await queries.scores(read, statement, arguments.season, after, arguments.limit)
    return Prepared(found=(state, page), owners=(state.season_id, *(one.character_id for one in page)))


@command(touches=[SeasonState, SeasonParticipation, SeasonStanding, xp.CharacterProgress], prepare=_next_page, access="operator")
def close_step(ctx: Context, *, season: content.DefinitionId, limit: StepSize = 200) -> Step:
    """Do the next step of the close of a season that is over; done until there is no more, by however many at once, it closes once.

    First the close begins, and nothing is counted any longer. Then what each participant has is frozen, then each gets a rank.

    Raises: SEASON_NOT_FOUND, SEASON_STILL_ON.
    """
    prepared, page = ctx.found
    state = _state(ctx, prepared.season_id, season)
    if state.closing_at is None:
        return _step(_begin(ctx, state, rules.SETTLE_MS))
    if state.closed_at is not None or state != prepared:
        return _step(state)  # somebody was faster
    return _step(_freeze(ctx, state, page) if state.frozen_at is None else _place(ctx, state, page))


def _state(ctx: Context, root: str | None, season: str) -> SeasonState:
    state = None if root is None else ctx.get(SeasonState, root)
    if state is None:
        raise SeasonNotFound(id=season)
    return state


def _step(state: SeasonState) -> Step:
    return Step(state.participants, state.placed, state.closed_at is None)


def _begin(ctx: Context, state: SeasonState, settle: int) -> SeasonState:
    definition = ctx.definitions(SeasonDefinition).get(state.season)
    if definition is not None:
        # Its number is claimed, and a close is not to wait for anybody who has it now.
        state = structs.replace(_taken_over(state, definition), number=state.number)
    if ctx.now < state.ends_at + settle:
        raise SeasonStillOn(season=state.season, until=state.ends_at + settle)
    return ctx.change(state, status="ENDED", closing_at=ctx.now, cursor_xp=TOP[0], cursor_character=TOP[1])


def _freeze(ctx: Context, state: SeasonState, page: Sequence[queries.Score]) -> SeasonState:
    """Freeze the parts of a page. Whoever rises behind the cursor is found the next time: only a whole pass without anybody is enough."""
    if not page:
        from_the_top = (state.cursor_xp, state.cursor_character) == TOP
        frozen_at = ctx.now if from_the_top else None
        return ctx.change(state, frozen_at=frozen_at, cursor_xp=TOP[0], cursor_character=TOP[1])
    counted = 0
    for one in page:
        part = ctx.get(SeasonParticipation, one.character_id, state.season)
        if part is None or part.frozen_at is not None:
            continue
        now = _progress(ctx, one.character_id)
        ctx.change(part, frozen_at=ctx.now, end_level=now.level, end_total_xp=now.total_xp, end_longest_streak=now.longest_streak)
        counted += part.disqualified_at is None
    last = page[-1]
    return ctx.change(state, participants=state.participants + counted, cursor_xp=last.season_xp, cursor_character=last.character_id)


def _place(ctx: Context, state: SeasonState, page: Sequence[queries.Score]) -> SeasonState:
    """Give the next participants their ranks and what they win."""
    if not page:
        return ctx.change(state, closed_at=ctx.now)
    # Who was disqualified since the page was read has no place.
    found = [ctx.get(SeasonParticipation, one.character_id, state.season) for one in page]
    parts = [part for part in found if part is not None and part.disqualified_at is None and part.rank is None]
    if not parts:
        return state  # the next page has none of them
    brackets = queries.brackets_of(state)
    before = (state.cursor_xp, state.cursor_rank) if state.placed else None
    ranks = list(rules.ranked((part.season_xp for part in parts), state.placed, before))
    for part, rank in zip(parts, ranks, strict=True):
        won = rules.bracket_of(brackets, rank, state.participants)
        reward = (0, None) if won is None else (won.xp, won.title)
        ctx.change(part, rank=rank, reward_xp=reward[0], reward_title=reward[1])
        ctx.append(SeasonStanding(state.season_id, part.character_id, rank, part.season_xp, *reward, ctx.now))
    last, placed = parts[-1], state.placed + len(parts)
    return ctx.change(state, placed=placed, cursor_xp=last.season_xp, cursor_character=last.character_id, cursor_rank=ranks[-1])


# What the best win


class _Claiming(Struct, frozen=True):
    user: str | None
    closed: bool
    paid: bool


async def _claiming(read: Reader, arguments: _OfCharacter) -> Prepared:
    row = await read.get(characters.Character, arguments.character)
    user = None if row is None else row.user_id
    state = await queries.state_of(read, arguments.season)
    closed = state is not None and state.closed_at is not None
    paid = await xp.find_award(read, arguments.character, "SEASON_BONUS", reward_id(arguments.season))
    return Prepared(found=_Claiming(user, closed, paid is not None), owners=() if user is None else (user,))


@command(touches=[characters.Character, users.User, *xp.TOUCHES, *titles.TOUCHES, SeasonParticipation], prepare=_claiming, access="player")
def claim(ctx: Context, *, character: characters.CharacterId, season: content.DefinitionId) -> Claimed:
    """Take what a character has won in a season that is closed, once; bonuses and penalties change nothing of it.

    Raises: CHARACTER_NOT_FOUND, CHARACTER_CHANGED_HANDS, BANNED, NOT_IN_SEASON, DISQUALIFIED, SEASON_NOT_CLOSED, NO_SEASON_REWARD,
    SEASON_REWARD_CLAIMED, TITLE_NOT_FOUND, XP_OVERFLOW.
    """
    _refuse_banned(ctx, characters.alive(ctx, character))
    part = ctx.get(SeasonParticipation, character, season)
    if part is None:
        raise NotInSeason(character=character, season=season)
    if part.disqualified_at is not None:
        raise Disqualified(character=character, season=season)
    if part.rank is None or not ctx.found.closed:
        raise SeasonNotClosed(season=season)
    if part.claimed_at is not None or ctx.found.paid:
        raise SeasonRewardClaimed(season=season, claimed_at=part.claimed_at)
    if not part.reward_xp and part.reward_title is None:
        raise NoSeasonReward(season=season, rank=part.rank)
    ctx.change(part, claimed_at=ctx.now)
    if part.reward_xp:
        xp.record(ctx, character, "SEASON_BONUS", reward_id(season), part.reward_xp, description=f"rank {part.rank} of season {season}")
    if part.reward_title is not None:
        titles.earn(ctx, character, part.reward_title)
    return Claimed(part.rank, part.reward_xp, part.reward_title)


def _refuse_banned(ctx: Context, character: characters.Character) -> None:
    if character.user_id is None:
        return
    if character.user_id != ctx.found.user:
        raise characters.CharacterChangedHands(id=character.character_id)
    users.refuse_banned(users.alive(ctx, character.user_id), ctx.now)


def reward_id(season: str) -> str:
    """Give what a season's reward is paid under, in a character's ledger."""
    return f"season:{season}"


@command(touches=[characters.Character, *xp.TOUCHES, *titles.TOUCHES, SeasonParticipation], access="operator")
def disqualify(ctx: Context, *, character: characters.CharacterId, season: content.DefinitionId, reason: Reason) -> SeasonParticipation:
    """Take a character off a season's board, and from it what it has been paid for its rank; a frozen standing stays, and says so.

    Raises: NOT_IN_SEASON, DISQUALIFIED.
    """
    part = ctx.get(SeasonParticipation, character, season)
    if part is None:
        raise NotInSeason(character=character, season=season)
    if part.disqualified_at is not None:
        raise Disqualified(character=character, season=season)
    if part.claimed_at is not None:
        if part.reward_xp:
            xp.adjust(ctx, character, f"{reward_id(season)}:taken_back", -part.reward_xp, reason)
        won = None if part.reward_title is None else ctx.get(titles.UserTitle, character, part.reward_title)
        if won is not None and won.earned_by == "REWARD":
            titles.lose(ctx, character, won.title_id, "STAFF")
    return ctx.change(part, season_xp=0, forfeited_xp=part.season_xp, disqualified_at=ctx.now)


@command(touches=[SeasonParticipation], access="operator")
def reinstate(ctx: Context, *, character: characters.CharacterId, season: content.DefinitionId, reason: Reason) -> SeasonParticipation:
    """Put a character back on a season's board that was taken off it by mistake; after the close only one that has a rank.

    What was taken from it that it had been paid is given back by `xp.correct` and `titles.award`.

    Raises: NOT_IN_SEASON, SEASON_REWARD_CLAIMED.
    """
    part = ctx.get(SeasonParticipation, character, season)
    if part is None or (part.frozen_at is not None and part.rank is None):
        raise NotInSeason(character=character, season=season)
    if part.disqualified_at is None:
        return part
    if part.claimed_at is not None:
        raise SeasonRewardClaimed(season=season, claimed_at=part.claimed_at)
    return ctx.change(part, season_xp=part.forfeited_xp, forfeited_xp=0, disqualified_at=None)

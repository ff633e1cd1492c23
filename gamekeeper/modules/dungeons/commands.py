"""What may be done with dungeons."""

from typing import Annotated, Any, Final, Protocol

from msgspec import Meta, Struct

from gamekeeper.kernel.commands import Prepared, command
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, content, dailies, days, metrics, predicates, progress, seasons, xp

from . import rules
from .errors import (
    AlreadyInDungeon,
    DungeonClosed,
    DungeonCoolingDown,
    DungeonNotFound,
    EntryRefused,
    LevelTooLow,
    NotInDungeon,
)
from .records import AttemptStatus, DungeonAttempt, DungeonDefinition, DungeonState

TOUCHES: Final = (DungeonState, DungeonAttempt, *metrics.TOUCHES, *progress.TOUCHES)
"""What a command about dungeons touches, besides `Character`."""
MOST_CHARACTERS: Final = 200
"""Characters whose time one command ends."""


class Found(Struct, frozen=True):
    """What the preparation found: where the character lives, what day it is there, its attempt, and the days of which rows were read.

    Those are the days of the attempt; of one that begins they are today and those that may have begun elsewhere.
    """

    zone: str
    today: str
    attempt: str | None
    days: tuple[str, ...]


class Checked(Struct, frozen=True):
    """How an attempt stands: which challenges were done with this check, and what was paid when it was cleared."""

    attempt: DungeonAttempt
    done: list[str]
    award: progress.Awarded | None


class _OfCharacter(Protocol):
    """The argument that the preparations need."""

    character: str


class _OfMany(Protocol):
    """The argument that ending the time of many needs."""

    characters: list[str]


async def _visiting(read: Reader, arguments: _OfCharacter) -> Prepared:
    """Find the attempt of a character, and the metrics of its days."""
    character = arguments.character
    zone, today = await dailies.day_now(read, character)
    state = await read.get(DungeonState, character)
    id = None if state is None else state.attempt_id
    row = None if id is None else await read.get(DungeonAttempt, character, id)
    is_over = row is None or read.now_ms() >= row.expires_at
    some = rules.days_ahead(today) if row is None or is_over else rules.days_of(row.entry_day, today)
    definitions = read.definitions(metrics.MetricDefinition)
    keys: list[Any] = [key for day in some for key in metrics.day_keys(definitions, character, day)]
    keys += [] if id is None else [(DungeonAttempt, (character, id))]
    return Prepared(found=Found(zone, today, id, tuple(some)), keys=tuple(keys))


@command(touches=[characters.Character, *TOUCHES], prepare=_visiting, access="player")
def enter(ctx: Context, *, character: characters.CharacterId, dungeon: content.DefinitionId) -> DungeonAttempt:
    """Enter a dungeon: from now on its time runs, and what is done counts for its challenges.

    Raises: CHARACTER_NOT_FOUND, DUNGEON_NOT_FOUND, DUNGEON_CLOSED, LEVEL_TOO_LOW, ENTRY_REFUSED, ALREADY_IN_DUNGEON,
    DUNGEON_COOLING_DOWN.
    """
    characters.alive(ctx, character)
    found: Found = ctx.found
    definition, state = _known(ctx, dungeon), _state_now(ctx, character)
    _may_enter(ctx, character, definition, state, metrics.Facts(ctx, character, found.today))
    facts = rules.SinceEntry([metrics.Facts(ctx, character, day) for day in found.days], {})
    progress_row = ctx.get(xp.CharacterProgress, character)
    until = None if progress_row is None else progress_row.debuff_active_until
    row = DungeonAttempt(
        *(character, ctx.new_id(), dungeon, "IN_PROGRESS", {}),
        counted=rules.counted(facts, rules.named(definition)),
        entry_day=found.today,
        debuffed=until is not None and ctx.now < until,
        started_at=ctx.now,
        expires_at=ctx.now + definition.duration_minutes * 60_000,
    )
    ctx.add(row)
    ctx.change(state, attempt_id=row.attempt_id)
    return row


@command(touches=[characters.Character, *TOUCHES], prepare=_visiting, access="player")
def check(ctx: Context, *, character: characters.CharacterId) -> Checked:
    """See how far a character is in its dungeon: what it has really done says so. With all challenges done it is cleared, and pays.

    Past the deadline it is TIMED_OUT and pays nothing, whoever asks.

    Raises: CHARACTER_NOT_FOUND, NOT_IN_DUNGEON, DUNGEON_NOT_FOUND when no pack defines it any more, XP_OVERFLOW.
    """
    characters.alive(ctx, character)
    row = _attempt(ctx, character)
    if ctx.now >= row.expires_at:
        return Checked(_end(ctx, row, "TIMED_OUT"), [], None)
    definition = _known(ctx, row.dungeon_id)
    found: Found = ctx.found
    facts = rules.SinceEntry([metrics.Facts(ctx, character, day) for day in found.days], row.counted)
    done = [one.id for one in definition.challenges if one.id not in row.progress and predicates.judge(one.condition, facts).met]
    if done:
        row = ctx.change(row, progress=row.progress | dict.fromkeys(done, ctx.now))
    if any(one.id not in row.progress for one in definition.challenges):
        return Checked(row, done, None)
    row, award = _clear(ctx, row, definition, found.zone)
    return Checked(row, done, award)


@command(touches=[characters.Character, *TOUCHES], prepare=_visiting, access="player")
def give_up(ctx: Context, *, character: characters.CharacterId) -> DungeonAttempt:
    """Leave a dungeon before all is done: it is FAILED, pays nothing, and is shut for a while.

    Raises: CHARACTER_NOT_FOUND, NOT_IN_DUNGEON.
    """
    characters.alive(ctx, character)
    row = _attempt(ctx, character)
    return _end(ctx, row, "TIMED_OUT" if ctx.now >= row.expires_at else "FAILED")


async def _ending(read: Reader, arguments: _OfMany) -> Prepared:
    states = await read.each(DungeonState, arguments.characters)
    attempts = {id: rows[0].attempt_id for id, rows in states.items() if rows and rows[0].attempt_id is not None}
    return Prepared(found=attempts, keys=tuple((DungeonAttempt, (id, attempt)) for id, attempt in attempts.items() if attempt))


@command(touches=[characters.Character, DungeonState, DungeonAttempt], prepare=_ending, access="operator")
def time_out(
    ctx: Context,
    *,
    characters: Annotated[list[characters.CharacterId], Meta(min_length=1, max_length=MOST_CHARACTERS)],
) -> int:
    """End the attempts of characters whose time is over, and say how many those were.

    Raises: CHARACTER_NOT_FOUND.
    """
    ended = 0
    for character in dict.fromkeys(characters):
        state = ctx.get(DungeonState, character)
        attempt = ctx.found.get(character)
        if state is None or attempt is None or state.attempt_id != attempt:
            continue
        row = ctx.get(DungeonAttempt, character, attempt)
        if row is not None and row.status == "IN_PROGRESS" and ctx.now >= row.expires_at:
            _end(ctx, row, "TIMED_OUT")
            ended += 1
    return ended


def _known(ctx: Context, dungeon: str) -> DungeonDefinition:
    definition = ctx.definitions(DungeonDefinition).get(dungeon)
    if definition is None:
        raise DungeonNotFound(dungeon=dungeon)
    return definition


def _state_now(ctx: Context, character: str) -> DungeonState:
    """Give the character's state; an attempt whose time is over is ended first, so that nobody waits for a job."""
    state = ctx.get(DungeonState, character) or DungeonState(character)
    if state.attempt_id is None:
        return state
    if state.attempt_id != ctx.found.attempt:
        raise AlreadyInDungeon(attempt=state.attempt_id)
    row = _attempt(ctx, character)
    if ctx.now < row.expires_at:
        raise AlreadyInDungeon(attempt=row.attempt_id)
    _end(ctx, row, "TIMED_OUT")
    return ctx.get(DungeonState, character) or state


def _attempt(ctx: Context, character: str) -> DungeonAttempt:
    """Give the attempt in which a character is."""
    state, found = ctx.get(DungeonState, character), ctx.found
    id = None if state is None else state.attempt_id
    # One that has begun since the command was prepared is found the next time.
    row = None if id is None or id != found.attempt else ctx.get(DungeonAttempt, character, id)
    if row is None:
        raise NotInDungeon(character=character)
    return row


def _may_enter(ctx: Context, character: str, definition: DungeonDefinition, state: DungeonState, facts: metrics.KnownFacts) -> None:
    level = (ctx.get(xp.CharacterProgress, character) or xp.CharacterProgress(character)).level
    if level < definition.gate:
        raise LevelTooLow(level=level, needed=definition.gate)
    season = seasons.current(ctx)
    if definition.season_id is not None and (season is None or season.id != definition.season_id):
        raise DungeonClosed(dungeon=definition.id, season=definition.season_id)
    until = state.shut_until.get(definition.id, 0)
    if ctx.now < until:
        raise DungeonCoolingDown(dungeon=definition.id, until=until)
    if definition.requirements is not None:
        verdict = predicates.judge(definition.requirements, facts, facts.words)
        if not verdict.met:
            raise EntryRefused(dungeon=definition.id, missing=predicates.explain(verdict))


def _clear(ctx: Context, row: DungeonAttempt, definition: DungeonDefinition, zone: str) -> tuple[DungeonAttempt, progress.Awarded]:
    row = _end(ctx, row, "CLEARED")
    metrics.count_event(ctx, row.character_id, metrics.DUNGEON_CLEARED, days.local_day(ctx.now, zone))
    extra = []
    if not row.debuffed and definition.worth_bp != xp.ONE_BP:
        extra = [xp.Modifier("DUNGEON_MULTIPLIER", definition.worth_bp, reason=definition.difficulty)]
    source_id = f"dungeon:{row.attempt_id}"
    award = progress.award(ctx, row.character_id, "DUNGEON_CLEAR", source_id, definition.base_xp, extra, zone=zone)
    return ctx.change(row, xp_awarded=award.final_xp), award


def _end(ctx: Context, row: DungeonAttempt, status: AttemptStatus) -> DungeonAttempt:
    """End an attempt; from its end on the dungeon is shut for a while, and at its deadline if that is past."""
    definition = ctx.definitions(DungeonDefinition).get(row.dungeon_id)
    ended_at = min(ctx.now, row.expires_at)
    state = ctx.get(DungeonState, row.character_id) or DungeonState(row.character_id)
    open_again = {id: until for id, until in state.shut_until.items() if until > ctx.now}
    until = rules.shut_until(definition, ended_at)
    if until > ctx.now:
        open_again[row.dungeon_id] = until
    ctx.change(state, attempt_id=None, shut_until=open_again)
    return ctx.change(row, status=status, completed_at=ended_at)

"""What may be done with bosses. A fight is judged with the close of each day, by `judge_day`."""

from typing import Final, Protocol

from msgspec import Struct

from gamekeeper.kernel.commands import Prepared, command
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, dailies, days, metrics, predicates, progress, seasons, titles, xp

from . import rules
from .errors import BossAway, BossFightOn, BossNotFound, LevelBelowBoss, NoBossFight
from .records import AttemptStatus, BossAttempt, BossDefinition, BossId, PhaseProgress

TOUCHES: Final = (BossAttempt, *metrics.TOUCHES, *progress.TOUCHES)
"""What a command touches that begins or judges fights, besides `Character`."""


class Judged(Struct, frozen=True):
    """What the end of a phase brought: what it paid, and with victory the title."""

    character: str
    boss: str
    phase: int
    won: bool
    status: AttemptStatus
    awards: list[progress.Awarded]
    title: str | None


class _OfCharacter(Protocol):
    """The argument that the preparation needs."""

    character: str


async def _today(read: Reader, arguments: _OfCharacter) -> Prepared:
    zone = await characters.zone_of(read, arguments.character)
    return Prepared(found=days.local_day(read.now_ms(), zone))


@command(touches=[characters.Character, *TOUCHES], prepare=_today, access="player")
def begin(ctx: Context, *, character: characters.CharacterId, boss: BossId) -> BossAttempt:
    """Begin the fight with a boss: today is the first day of its first phase.

    Raises: CHARACTER_NOT_FOUND, BOSS_NOT_FOUND, BOSS_AWAY, LEVEL_BELOW_BOSS, BOSS_FIGHT_ON.
    """
    characters.alive(ctx, character)
    definition = ctx.definitions(BossDefinition).get(boss)
    if definition is None:
        raise BossNotFound(boss=boss)
    now = fighting(ctx, character)
    if now is not None:
        raise BossFightOn(boss=now.boss_id, attempt=now.attempt_id)
    level = (ctx.get(xp.CharacterProgress, character) or xp.CharacterProgress(character)).level
    if level < definition.required_level:
        raise LevelBelowBoss(boss=boss, level=level, needed=definition.required_level)
    season = seasons.current(ctx)
    if definition.season_id is not None and (season is None or season.id != definition.season_id):
        raise BossAway(boss=boss, season=definition.season_id)
    phase = PhaseProgress(dungeons_before=_dungeons(ctx, character))
    row = BossAttempt(character, ctx.new_id(), boss, "IN_PROGRESS", 1, phase, ctx.found, ctx.now)
    ctx.put(row)
    return row


@command(touches=[characters.Character, BossAttempt], access="player")
def abandon(ctx: Context, *, character: characters.CharacterId) -> BossAttempt:
    """Give a fight up. It costs nothing, and what its phases have paid stays; the next fight begins with the first phase.

    Of one that no day was fought nothing is kept.

    Raises: CHARACTER_NOT_FOUND, NO_BOSS_FIGHT.
    """
    characters.alive(ctx, character)
    row = fighting(ctx, character)
    if row is None:
        raise NoBossFight(character=character)
    ended = _end(ctx, row, "ABANDONED")
    if row.current_phase == 1 and row.phase_progress.days == row.phase_progress.failures == 0:
        # All fights of a character are loaded with it, so that there must not be more of them than days.
        ctx.delete(ended)
    return ended


def fighting(ctx: Context, character: str) -> BossAttempt | None:
    """Give the fight that a character is in."""
    for row in ctx.rows(BossAttempt, character):
        if row.status == "IN_PROGRESS":
            return row
    return None


def judge_day(ctx: Context, day: dailies.ClosedDay) -> Judged | None:
    """Add a closed day to the fight that its character is in; on the last day of a phase the phase is won, or begins again.

    The command lists `TOUCHES` and has closed the day.
    """
    row = fighting(ctx, day.character)
    definition = None if row is None else ctx.definitions(BossDefinition).get(row.boss_id)
    if row is None or definition is None or day.day < row.first_day:
        return None
    if row.current_phase > len(definition.phases):
        # Content has fewer phases by now, and those that are left have been won.
        return _win(ctx, row, definition, day.day, [])
    phase = definition.phases[row.current_phase - 1]
    row = ctx.change(row, phase_progress=rules.with_day(row.phase_progress, day))
    if row.phase_progress.days < phase.duration_days:
        return None
    facts = metrics.Facts(ctx, day.character, day.day, rules.given(row.phase_progress, _dungeons(ctx, day.character)))
    if predicates.judge(phase.requirements, facts).met:
        return _win_phase(ctx, row, definition, day.day)
    return _lose_phase(ctx, row, definition)


def _win_phase(ctx: Context, row: BossAttempt, definition: BossDefinition, day: str) -> Judged:
    number, character = row.current_phase, row.character_id
    paid = [(f"boss:{row.attempt_id}:{number}", definition.phases[number - 1].xp_reward)]
    if number == len(definition.phases):
        return _win(ctx, row, definition, day, paid)
    failures = row.phase_progress.failures
    fresh = PhaseProgress(dungeons_before=_dungeons(ctx, character), failures=failures)
    row = ctx.change(row, current_phase=number + 1, phase_progress=fresh)
    return Judged(character, definition.id, number, True, row.status, _paid(ctx, character, paid, day), None)


def _win(ctx: Context, row: BossAttempt, definition: BossDefinition, day: str, paid: list[tuple[str, int]]) -> Judged:
    """End a fight that is won; `paid` is what its last phase pays."""
    character, title = row.character_id, definition.title_reward_id
    row = _end(ctx, row, "VICTORY")
    metrics.count_event(ctx, character, metrics.BOSS_DEFEATED, day)
    awards = _paid(ctx, character, [*paid, (f"boss:{row.attempt_id}:victory", definition.xp_reward)], day)
    if title is not None and not titles.earn(ctx, character, title):
        title = None
    return Judged(character, definition.id, row.current_phase, True, row.status, awards, title)


def _paid(ctx: Context, character: str, paid: list[tuple[str, int]], day: str) -> list[progress.Awarded]:
    return [progress.award(ctx, character, "BOSS_DEFEAT", id, base, day=day) for id, base in paid if base]


def _lose_phase(ctx: Context, row: BossAttempt, definition: BossDefinition) -> Judged:
    failures = row.phase_progress.failures + 1
    fresh = PhaseProgress(dungeons_before=_dungeons(ctx, row.character_id), failures=failures)
    number = row.current_phase
    row = ctx.change(row, phase_progress=fresh)
    if definition.lives is not None and failures >= definition.lives:
        row = _end(ctx, row, "DEFEAT")
    return Judged(row.character_id, definition.id, number, False, row.status, [], None)


def _end(ctx: Context, row: BossAttempt, status: AttemptStatus) -> BossAttempt:
    return ctx.change(row, status=status, completed_at=ctx.now, open_slot=None)


def _dungeons(ctx: Context, character: str) -> int:
    """Give how many dungeons a character has cleared so far."""
    return metrics.events_of(ctx, character, metrics.DUNGEON_CLEARED)

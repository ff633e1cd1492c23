"""What may be done with experience: every change of it is an event of the character's ledger."""

from collections.abc import Sequence
from typing import Annotated, Final, Protocol

from msgspec import Meta, Struct

from gamekeeper.errors import AlreadyExists, ConstraintViolated, InvalidArgument
from gamekeeper.kernel.commands import Prepared, command
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, days

from . import chain, rules
from .errors import SourceIdReused, XpOverflow
from .modifiers import Modifier, Source, Step, apply
from .queries import WEEKLY, best_of, paid
from .records import Change, CharacterProgress, CurveDefinition, LeaderboardWeek, SourceId, WeekEntry, XpEvent, XpModifier

TOUCHES: Final = (CharacterProgress, XpEvent, XpModifier)
"""What a command must touch that awards experience, besides `Character`."""
PREPARES_AGAIN: Final = (ConstraintViolated,)
"""What a command is answered with that lost the race for a source and id: it is prepared once more, and finds what the other was paid."""


class Awarded(Struct, frozen=True):
    """What came of an award: what was paid, by which steps, and what the character has and is now."""

    seq: int
    base_xp: int
    final_xp: int
    total_xp_before: int
    total_xp: int
    level_before: int
    level: int
    steps: list[Step]


class _Awarding(Protocol):
    """The arguments by which a command says what an award is for."""

    @property
    def character(self) -> str: ...
    @property
    def source(self) -> Source: ...
    @property
    def source_id(self) -> str: ...


async def find_award(read: Reader, character: str, source: Source, source_id: str) -> Awarded | None:
    """Find what was paid for a source and id before, for the preparation of a command that awards."""
    found = await paid(read, character, source, source_id)
    if found is None:
        return None
    event, steps = found
    return Awarded(
        *(event.seq, event.base_xp, event.final_xp, event.total_xp_before),
        *(event.total_xp_after, event.level_before, event.level_after),
        steps=steps,
    )


async def with_award(read: Reader, arguments: _Awarding) -> Prepared:
    """Prepare a command with the arguments `character`, `source` and `source_id`: `ctx.found` is the first award, or None.

    The command also says `prepares_again=xp.PREPARES_AGAIN`: there hardly ever is a first one, so nobody looks for it before the database
    has refused the second.
    """
    return Prepared(found=await find_award(read, arguments.character, arguments.source, arguments.source_id) if read.again else None)


def paid_before(first: Awarded, source: Source, source_id: str, base: int) -> Awarded:
    """Answer a second award of one source and id with the first; one of another worth is no retry.

    Raises: SOURCE_ID_REUSED.
    """
    if first.base_xp != base:
        raise SourceIdReused(source=source, source_id=source_id, base_xp=first.base_xp)
    return first


def record(
    ctx: Context, character: str, source: Source, source_id: str, base: int, modifiers: Sequence[Modifier] = (), description: str = ""
) -> Awarded:
    """Write an award into a character's ledger, within a command of this or another module, which has `TOUCHES` in its touches.

    Nothing is looked up: where one source and id may be asked for twice, the command is prepared by `with_award`. If it is not, the second
    one is refused by the database with CONSTRAINT_VIOLATED, and pays nothing either.

    Raises: INVALID_ARGUMENT, MODIFIER_REFUSED, XP_OVERFLOW, UNKNOWN_CURVE.
    """
    _check(source_id, base, description)
    if base < 0:
        raise InvalidArgument(path="/base_xp", problem="an award takes nothing away; a correction does")
    steps = apply(base, modifiers)
    return _write(ctx, character, source, source_id, base, steps[-1].xp_after if steps else base, steps, description)


def adjust(ctx: Context, character: str, source_id: str, amount: int, reason: str) -> Awarded:
    """Write a correction into a character's ledger, within a command as `record` is; it takes no more than there is.

    Raises: INVALID_ARGUMENT, XP_OVERFLOW, UNKNOWN_CURVE.
    """
    _check(source_id, amount, reason)
    now = ctx.get(CharacterProgress, character) or CharacterProgress(character)
    return _write(ctx, character, "MANUAL_ADJUSTMENT", source_id, amount, max(amount, -now.total_xp), [], reason)


class _Correcting(Protocol):
    """The arguments of `correct` that its preparation needs."""

    @property
    def character(self) -> str: ...
    @property
    def correction_id(self) -> str | None: ...


async def _correcting(read: Reader, arguments: _Correcting) -> Prepared:
    if arguments.correction_id is None:
        return Prepared()
    return Prepared(found=await find_award(read, arguments.character, "MANUAL_ADJUSTMENT", arguments.correction_id))


@command(touches=[characters.Character, *TOUCHES], prepare=_correcting, prepares_again=PREPARES_AGAIN, access="operator")
def correct(
    ctx: Context,
    *,
    character: characters.CharacterId,
    amount: Change,
    reason: Annotated[str, Meta(min_length=1, max_length=500, description="why; it stands in the ledger")],
    correction_id: SourceId | None = None,
) -> Awarded:
    """Put a character's experience right, up or down, by a further event of its ledger; the total never goes below 0.

    correction_id: the same one twice corrects once.

    Raises: CHARACTER_NOT_FOUND, SOURCE_ID_REUSED, XP_OVERFLOW, UNKNOWN_CURVE.
    """
    characters.alive(ctx, character)
    if ctx.found is not None and correction_id is not None:
        return paid_before(ctx.found, "MANUAL_ADJUSTMENT", correction_id, amount)
    return adjust(ctx, character, correction_id or ctx.command_id, amount, reason)


class WeekKept(Struct, frozen=True):
    """The board of a week that is over; `news` says that nobody had kept it before."""

    week: str
    characters: int
    top: list[WeekEntry]
    news: bool


class _Found(Struct, frozen=True):
    """What the ledgers say of a week, and whether the owner of boards is there."""

    week: str
    there: bool
    characters: int
    top: list[WeekEntry]


class _Keeping(Protocol):
    """The argument of `keep_week` that its preparation needs."""

    @property
    def week(self) -> str | None: ...


async def _keeping(read: Reader, arguments: _Keeping) -> Prepared:
    last = days.after(rules.week_at(read.now_ms()), -7)
    week = last if arguments.week is None else days.checked(arguments.week, "/week")
    if days.weekday(week) or read.now_ms() < rules.ends_at(week) + rules.SETTLE_MS:
        raise InvalidArgument(path="/week", problem="the Monday of a week that is over in UTC")
    there = await read.root(WEEKLY) is not None
    count, top = await best_of(read, week)
    keys = ((LeaderboardWeek, (WEEKLY, week)),) if there else ()
    return Prepared(found=_Found(week, there, count, top), owners=(WEEKLY,) if there else (), keys=keys)


@command(touches=[LeaderboardWeek], prepare=_keeping, prepares_again=[AlreadyExists, ConstraintViolated], access="operator")
def keep_week(ctx: Context, *, week: days.Day | None = None) -> WeekKept:
    """Keep the board of a week that is over, as the ledgers have it, for good; the last one if none is named, and each once.

    Raises: INVALID_ARGUMENT.
    """
    found: _Found = ctx.found
    if not found.there:
        ctx.create_owner("board", WEEKLY)
    row = ctx.get(LeaderboardWeek, WEEKLY, found.week)
    if row is not None:
        return WeekKept(row.week, row.characters, row.top, news=False)
    ctx.put(LeaderboardWeek(WEEKLY, found.week, ctx.now, found.characters, found.top))
    return WeekKept(found.week, found.characters, found.top, news=True)


def _check(source_id: str, base: int, description: str) -> None:
    """Refuse what code of a module may hand over by mistake; the arguments of commands have passed a gate."""
    if type(base) is not int:
        raise InvalidArgument(path="/base_xp", problem="experience is an integer")
    if abs(base) > rules.MAX_XP:
        raise XpOverflow(most=rules.MAX_XP)
    if not 1 <= len(source_id) <= 128:
        raise InvalidArgument(path="/source_id", problem="between 1 and 128 characters")
    if len(description) > 500:
        raise InvalidArgument(path="/description", problem="at most 500 characters")


def _write(
    ctx: Context, character: str, source: Source, source_id: str, base: int, final: int, steps: list[Step], description: str
) -> Awarded:
    before = ctx.get(CharacterProgress, character) or CharacterProgress(character)
    total = before.total_xp + final
    if total > rules.MAX_XP:
        raise XpOverflow(most=rules.MAX_XP)
    seq, level = before.xp_seq + 1, rules.character_curve(ctx.definitions(CurveDefinition), ctx.settings.xp_curve).level(total)
    modifiers = [
        XpModifier(character, seq, one.order, one.type, one.multiplier_bp, one.flat, one.reason, one.xp_before, one.xp_after)
        for one in steps
    ]
    columns = (character, seq, source, source_id, base, final, before.total_xp, total, before.level, level)
    unsigned = XpEvent(*columns, description, ctx.command_id, ctx.now, before.xp_head, "")
    digest = chain.hash_of(unsigned, modifiers)
    ctx.append(XpEvent(*columns, description, ctx.command_id, ctx.now, before.xp_head, digest))
    for one in modifiers:
        ctx.append(one)
    week = rules.week_at(ctx.now)
    week_xp = max(0, (before.week_xp if before.week == week else 0) + final)
    ctx.change(before, total_xp=total, level=level, xp_seq=seq, xp_head=digest, week=week, week_xp=week_xp)
    return Awarded(seq, base, final, before.total_xp, total, before.level, level, steps)

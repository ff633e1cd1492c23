"""What may be done with titles.

Commands of other modules use `check`, `earn` and `lose`, and list `TOUCHES` in what they touch.
"""

from typing import Annotated, Final, Protocol

from msgspec import Meta, Struct

from gamekeeper.kernel.commands import Prepared, command
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, days, metrics, predicates, xp

from . import rules
from .errors import TitleNotFound, TitleNotOwned
from .records import EarnedBy, RevokedBy, TitleDefinition, TitleId, UserTitle

TOUCHES: Final = (UserTitle, xp.CharacterProgress)
"""What a command must touch that checks, gives or takes titles, besides what its facts need."""

Reason = Annotated[str, Meta(min_length=1, max_length=500, description="why it is done")]


class Checked(Struct, frozen=True):
    """The titles that a check has given and taken, in the order of their ids."""

    earned: list[str]
    revoked: list[str]


def check(ctx: Context, character: str, facts: predicates.Facts, *, final: bool = False) -> Checked:
    """Give the titles whose conditions are met and take those that are lost, within a command of this or another module.

    final: whether the day of the facts is over. Before that, nothing is earned or lost for what may still turn: no drink by noon.
    """
    checked = Checked([], [])

    def stays(condition: predicates.Predicate) -> bool:
        return final or not metrics.may_turn(condition, ctx.definitions(metrics.MetricDefinition))

    for title, definition in ctx.definitions(TitleDefinition).items():
        match rules.due(definition, ctx.get(UserTitle, character, title), facts, stays):
            case "earn":
                earn(ctx, character, title, "CONDITION")
                checked.earned.append(title)
            case "lose":
                lose(ctx, character, title, "REGRESSION")
                checked.revoked.append(title)
    return checked


def earn(ctx: Context, character: str, title: str, by: EarnedBy = "REWARD") -> bool:
    """Give a title, whatever its condition says, within a command of this or another module; False if the character has it already.

    Raises: TITLE_NOT_FOUND.
    """
    if title not in ctx.definitions(TitleDefinition):
        raise TitleNotFound(title=title)
    row = ctx.get(UserTitle, character, title)
    if rules.is_owned(row):
        return False
    ctx.put(UserTitle(character, title, ctx.now, by))
    return True


def lose(ctx: Context, character: str, title: str, by: RevokedBy = "REGRESSION") -> bool:
    """Take a title, within a command of this or another module; False if the character does not have it."""
    row = ctx.get(UserTitle, character, title)
    if row is None or row.revoked_at is not None:
        return False
    ctx.change(row, revoked_at=ctx.now, revoked_by=by, is_active=False, active_slot=None)
    if row.is_active:
        _bear(ctx, character, None)
    return True


def bearing(ctx: Context, character: str) -> TitleDefinition | None:
    """Give the title that a character bears, within a command of this or another module."""
    return rules.active_of(ctx.definitions(TitleDefinition), ctx.get(xp.CharacterProgress, character))


def modifiers(ctx: Context, character: str) -> list[xp.Modifier]:
    """Give what a character's active title adds to an award."""
    return rules.modifiers_of(bearing(ctx, character))


def debuff_share(ctx: Context, character: str) -> int:
    """Give how much of a debuff counts for a character, in basis points: 5000 of one whose active title halves it."""
    return rules.debuff_share_of(bearing(ctx, character))


# What players do


@command(touches=[characters.Character, *TOUCHES], access="player")
def activate(ctx: Context, *, character: characters.CharacterId, title: TitleId) -> UserTitle:
    """Bear a title that the character has; the one before is borne no longer.

    Raises: CHARACTER_NOT_FOUND, TITLE_NOT_FOUND, TITLE_NOT_OWNED.
    """
    characters.alive(ctx, character)
    if title not in ctx.definitions(TitleDefinition):
        raise TitleNotFound(title=title)
    row = ctx.get(UserTitle, character, title)
    if row is None or row.revoked_at is not None:
        raise TitleNotOwned(title=title)
    if not row.is_active:
        _put_down(ctx, character)
        row = ctx.change(row, is_active=True, active_slot="active")
        _bear(ctx, character, title)
    return row


@command(touches=[characters.Character, *TOUCHES], access="player")
def deactivate(ctx: Context, *, character: characters.CharacterId) -> None:
    """Bear no title; the character keeps what it has.

    Raises: CHARACTER_NOT_FOUND.
    """
    characters.alive(ctx, character)
    if _put_down(ctx, character):
        _bear(ctx, character, None)


class _OfCharacter(Protocol):
    """The argument of `review` that its preparation needs."""

    character: str


async def _today(read: Reader, arguments: _OfCharacter) -> Prepared:
    """Find the day that it is where the character's user lives, and name what was measured on it."""
    day = days.local_day(read.now_ms(), await characters.zone_of(read, arguments.character))
    keys = metrics.day_keys(read.definitions(metrics.MetricDefinition), arguments.character, day)
    return Prepared(found=day, keys=tuple(keys))


@command(touches=[characters.Character, *TOUCHES, *metrics.FACTS], prepare=_today, access="player")
def review(ctx: Context, *, character: characters.CharacterId) -> Checked:
    """Give a character the titles that are due to it by now, and take those that are lost.

    This happens with every award and at the end of each day by itself; only titles for what it carries wait until they are asked for.

    Raises: CHARACTER_NOT_FOUND.
    """
    characters.alive(ctx, character)
    return check(ctx, character, metrics.Facts(ctx, character, ctx.found))


# What operators do


@command(touches=[characters.Character, *TOUCHES], access="operator")
def award(ctx: Context, *, character: characters.CharacterId, title: TitleId, reason: Reason) -> UserTitle:
    """Give a title by hand; it is kept until it is taken by hand.

    Raises: CHARACTER_NOT_FOUND, TITLE_NOT_FOUND.
    """
    characters.alive(ctx, character)
    earn(ctx, character, title, "STAFF")
    row = ctx.get(UserTitle, character, title)
    assert row is not None  # noqa: S101 - it was there, or was put there
    return row if row.earned_by == "STAFF" else ctx.change(row, earned_by="STAFF")


@command(touches=[characters.Character, *TOUCHES], access="operator")
def revoke(ctx: Context, *, character: characters.CharacterId, title: TitleId, reason: Reason) -> UserTitle:
    """Take a title by hand, also one that content has forgotten; no condition gives it back.

    Raises: CHARACTER_NOT_FOUND, TITLE_NOT_OWNED.
    """
    characters.alive(ctx, character)
    lose(ctx, character, title, "STAFF")
    row = ctx.get(UserTitle, character, title)
    if row is None:
        raise TitleNotOwned(title=title)
    return row if row.revoked_by == "STAFF" else ctx.change(row, revoked_by="STAFF")


# The parts


def _put_down(ctx: Context, character: str) -> bool:
    """Let the title that is borne lie in its row; say whether there was one."""
    borne = [row for row in ctx.rows(UserTitle, character) if row.is_active]
    for row in borne:
        ctx.change(row, is_active=False, active_slot=None)
    return bool(borne)


def _bear(ctx: Context, character: str, title: str | None) -> None:
    """Let the character's progress say which title it bears."""
    progress = ctx.get(xp.CharacterProgress, character) or xp.CharacterProgress(character)
    if progress.active_title_id != title:
        ctx.change(progress, active_title_id=title)

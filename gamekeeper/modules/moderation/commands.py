"""What staff may do with users. Who bans whom is decided by both roles as they are at that moment.

Whoever is banned or kicked leaves the game in the same commit: their characters' trades, of which what was offered stays with its
owner, and their play sessions.
"""

from collections.abc import Mapping
from typing import Final, Protocol

from msgspec import Struct
from msgspec.structs import replace

from gamekeeper.kernel.commands import Prepared, command
from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.records import EpochMs, Personal, Record, Secret
from gamekeeper.kernel.submissions import OPERATOR_PREFIX
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, plays, sessions, trades, users

from . import rules
from .errors import NotBanned, TooManyNotes
from .records import MAX_NOTE, MAX_REASON, NoteText, Preset, Reason, StaffNote, UserBan

GAME: Final[tuple[type[Record], ...]] = (characters.CharacterSlot, trades.Trade, trades.TradeLock, *plays.TOUCHES)
"""What a command touches that lets the characters of a user leave the game."""


class BanGiven(Struct, frozen=True):
    """The new ban, and until when the user is banned by this or another one; null is for ever."""

    ban_id: str
    banned_until: EpochMs | None
    sessions_ended: int
    trades_ended: int
    play_sessions_ended: int = 0


class Kicked(Struct, frozen=True):
    """How many sessions were ended, and how many trades and play sessions with them."""

    sessions: int
    trades: int
    play_sessions: int = 0


class Lifted(Struct, frozen=True):
    """How many bans were lifted."""

    bans: int


class Noted(Struct, frozen=True):
    """The new note."""

    note_id: str


class _Staff(Struct, frozen=True):
    """Who acts: their user, if there is one, and their name."""

    id: str | None
    name: str


class _Sent(Struct, frozen=True):
    """Who acts, and the characters of whom they send away with the trades of these."""

    staff: _Staff | None
    leaving: Mapping[str, trades.OpenTrade]


class _OfUser(Protocol):
    """The argument of `ban` and `kick` that their preparation needs."""

    user: str


async def _by_staff(read: Reader, arguments: object) -> Prepared:
    """Name the acting user; an operator's key acts for a user too, whose name is worth keeping."""
    prepared = await users.with_actor(read, arguments)
    operator = None
    if read.actor.startswith(OPERATOR_PREFIX):
        operator = await read.get(users.User, read.actor.removeprefix(OPERATOR_PREFIX))
    return prepared if operator is None else replace(prepared, found=_Staff(operator.user_id, operator.username))


async def _sending_away(read: Reader, arguments: _OfUser) -> Prepared:
    """Name the acting user, and find the trades that end."""
    prepared, found = await _by_staff(read, arguments), await trades.open_trades(read, arguments.user)
    owners = {owner for one in found.values() for owner in one.owners}
    return replace(prepared, found=_Sent(prepared.found, found), owners=(*prepared.owners, *sorted(owners)))


def _staff(ctx: Context, found: _Staff | None) -> _Staff:
    acting = users.acting_user(ctx.actor)
    user = None if acting is None else ctx.get(users.User, acting)
    return found or (_Staff(None, ctx.actor) if user is None else _Staff(user.user_id, user.username))


@command(
    touches=[users.User, sessions.Session, UserBan, *GAME],
    prepare=_sending_away,
    prepares_again=[trades.TradeChanged],
    access="moderator",
)
def ban(
    ctx: Context, *, user: users.UserId, reason: Personal[Reason], until: EpochMs | None = None, preset: Preset | None = None
) -> BanGiven:
    """Ban a user until a time, or for an hour, a day, a week, a month or for ever; all their sessions, trades and play end with it.

    It holds from its commit on, in every process: tokens, API keys and logins are refused. Of several bans the one that ends last
    counts, and when it has expired the user may come back without anybody's doing.

    Raises: USER_NOT_FOUND, ROLE_TOO_LOW, INVALID_ARGUMENT, TRADE_CHANGED.
    """
    row, found = users.alive(ctx, user), ctx.found
    users.require_authority(ctx, row, "moderator")
    end, staff = rules.end_of_ban(ctx.now, until, preset), _staff(ctx, found.staff)
    given = UserBan(
        user_id=user,
        ban_id=ctx.new_id(),
        banned_by=staff.name,
        banned_by_id=staff.id,
        reason=rules.clean(reason, "/reason", MAX_REASON),
        created_at=ctx.now,
        expires_at=rules.told(end),
    )
    ctx.put(given)
    latest = max(end, row.banned_until or 0)
    ctx.change(row, banned_until=latest, updated_at=ctx.now)
    ended = sessions.end_all(ctx, user)
    gone = _leave_game(ctx, user, found.leaving, "was banned", "ban")
    return BanGiven(given.ban_id, rules.told(latest), ended, gone.trades, gone.play_sessions)


@command(
    touches=[users.User, sessions.Session, *GAME],
    prepare=_sending_away,
    prepares_again=[trades.TradeChanged],
    access="moderator",
)
def kick(ctx: Context, *, user: users.UserId, session_id: Id | None = None) -> Kicked:
    """End a session of a user of a lower role, or all of them, at once, and open trades and play with them; the user may log in again.

    While other sessions are open, only trade and play of the character end that the session plays, if no other one plays it.

    Raises: USER_NOT_FOUND, ROLE_TOO_LOW, SESSION_NOT_FOUND, TRADE_CHANGED.
    """
    users.require_authority(ctx, users.alive(ctx, user), "moderator")
    return send_away(ctx, user, ctx.found.leaving, "was kicked", "kick", session_id=session_id)


def send_away(
    ctx: Context,
    user: str,
    found: Mapping[str, trades.OpenTrade],
    why: str,
    reason: plays.EndReason,
    *,
    session_id: str | None = None,
    but: str | None = None,
) -> Kicked:
    """End a session of a user, or all of them but one, and the open trades and play sessions of characters that nobody plays then.

    Whoever calls it lists `Session` and `GAME` in what it touches. why: for the trades; reason: for the play sessions.

    Raises: SESSION_NOT_FOUND, TRADE_CHANGED.
    """
    before = sessions.open_of(ctx, user)
    if session_id is None:
        sessions.end_all(ctx, user, but=but)
    else:
        sessions.end_one(ctx, user, session_id)
    rest = sessions.open_of(ctx, user)
    if not rest:
        gone = [_leave_game(ctx, user, found, why, reason)]
    else:
        left = {one.character_id for one in before if one.character_id} - {one.character_id for one in rest}
        gone = [_leave_game(ctx, user, found, why, reason, only=one) for one in sorted(left, key=str)]
    return Kicked(len(before) - len(rest), sum(one.trades for one in gone), sum(one.play_sessions for one in gone))


def _leave_game(
    ctx: Context, user: str, found: Mapping[str, trades.OpenTrade], why: str, reason: plays.EndReason, *, only: str | None = None
) -> Kicked:
    """End the trades and the play sessions of a user's characters, or of one of them."""
    ended = trades.leave_all(ctx, user, found, why, only=only)
    played = [one for one in found if only in (None, one) and plays.leave(ctx, one, reason) is not None]
    return Kicked(0, ended, len(played))


@command(touches=[users.User, UserBan], prepare=_by_staff, access="moderator")
def unban(ctx: Context, *, user: users.UserId, reason: Personal[Reason]) -> Lifted:
    """Lift all bans of a user that are in force; sessions that they ended stay ended.

    Raises: USER_NOT_FOUND, ROLE_TOO_LOW, NOT_BANNED, INVALID_ARGUMENT.
    """
    row = users.alive(ctx, user)
    users.require_authority(ctx, row, "moderator")
    if not users.is_banned(row, ctx.now):
        raise NotBanned(user_id=user)
    staff, why = _staff(ctx, ctx.found), rules.clean(reason, "/reason", MAX_REASON)
    held = [one for one in ctx.rows(UserBan, user) if rules.in_force(one, ctx.now)]
    for one in held:
        ctx.change(one, lifted_at=ctx.now, lifted_by=staff.name, lifted_by_id=staff.id, lift_reason=why)
    ctx.change(row, banned_until=None, updated_at=ctx.now)
    return Lifted(len(held))


@command(touches=[users.User, StaffNote], prepare=_by_staff, access="moderator", reason="text")
def add_note(ctx: Context, *, user: users.UserId, text: Secret[NoteText]) -> Noted:
    """Write down something about a user for other staff; it is never shown to the user, and cannot be changed.

    Raises: USER_NOT_FOUND, ROLE_TOO_LOW, TOO_MANY_NOTES, INVALID_ARGUMENT.
    """
    row = users.alive(ctx, user)
    users.require_authority(ctx, row, "moderator")
    if len(list(ctx.rows(StaffNote, user))) >= rules.MAX_NOTES:
        raise TooManyNotes(limit=rules.MAX_NOTES)
    staff = _staff(ctx, ctx.found)
    note = StaffNote(user, ctx.new_id(), staff.name, staff.id, rules.clean_lines(text, "/text", MAX_NOTE), ctx.now)
    ctx.put(note)
    return Noted(note.note_id)


def forget_all(ctx: Context, user: str) -> None:
    """Take staff's words about a user who leaves; that and when there were bans stays. Needs `UserBan` and `StaffNote` in `touches`."""
    for note in ctx.rows(StaffNote, user):
        ctx.delete(note)
    for one in ctx.rows(UserBan, user):
        if one.reason != rules.ERASED:
            ctx.change(one, reason=rules.ERASED, lift_reason=None if one.lift_reason is None else rules.ERASED)

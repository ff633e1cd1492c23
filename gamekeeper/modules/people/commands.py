"""What may be done with whole persons: all that is kept of somebody is taken away in one commit, or what is too much in several."""

from collections.abc import Mapping
from typing import Annotated, Final, Protocol

from msgspec import Meta, Struct

from gamekeeper.kernel.commands import Prepared, command
from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.records import Record
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import guests, moderation, sessions, trades, users

from . import rules

GOING: Final[tuple[type[Record], ...]] = (sessions.Session, *moderation.GAME)
WENT: Final = "has left"
PersonLimit = Annotated[int, Meta(ge=1, le=100, description="how many people at most")]


class Erased(Struct, frozen=True):
    """What was taken off a person this time; `sessions` are sessions and API keys. `more`: do it again, for there is or may be more."""

    sessions: int
    accounts: int
    characters: int
    messages: int
    more: bool


class ErasedDue(Struct, frozen=True):
    """What was taken off how many people. `more`: do it again, for there is or may be more."""

    users: int
    sessions: int
    accounts: int
    characters: int
    messages: int
    more: bool
    user_ids: list[str] = []
    """with `dry_run`: who would be erased"""


class LoggedOut(Struct, frozen=True):
    """How many sessions were ended, and how many trades and play sessions with them."""

    sessions: int
    trades: int
    play_sessions: int = 0


class _Found(Struct, frozen=True):
    """Who is to be erased, and whether their names are held already. `more`: there are others."""

    leaving: list[guests.Leaving]
    held: Mapping[str, bool]
    more: bool = False


class _OfUser(Protocol):
    """The argument of `erase` that its preparation needs."""

    user: str


class _Many(Protocol):
    """The argument of `erase_due` that its preparation needs."""

    limit: int


async def _is_held(read: Reader, user: str) -> bool:
    row = await read.get(users.User, user)
    return row is not None and await users.is_held(read, row.username_key)


async def _one(read: Reader, arguments: _OfUser) -> Prepared:
    leaving = await guests.look_up(read, [arguments.user])
    return guests.prepared(leaving, _Found(leaving, {arguments.user: await _is_held(read, arguments.user)}))


@command(touches=guests.TOUCHED, prepare=_one, access="operator")
def erase(ctx: Context, *, user: users.UserId, early: bool = False) -> Erased:
    """Forget a person who has asked for it, after the 30 days or `early`: what is left names nobody, and cannot be undone.

    In one commit the account becomes a tombstone under a made-up name, its key is destroyed and with it everything personal in the
    journal, and sessions, API keys, linked accounts and what staff noted go. Characters stay in the world with what they have, and
    belong to nobody; what they said in chat stays under their names, without the user's id. The user name is free after 90 days, by
    `users.release_held_names`.

    Of very many characters and messages some are left over, which still carry the id of the tombstone. So do it again while it
    answers `more`; who is cut off in between goes on with the same call, or leaves it to `erase_due`. Once more changes nothing.

    Raises: USER_NOT_FOUND, DELETION_NOT_DUE.
    """
    found: _Found = ctx.found
    row = ctx.get(users.User, user)
    if row is None:
        raise users.UserNotFound(id=user)
    return _erase(ctx, row, found.leaving[0], held=found.held[user], early=early)


def _erase(ctx: Context, row: users.User, leaving: guests.Leaving, *, held: bool, early: bool = False) -> Erased:
    if row.tombstoned_at is None:
        row = users.tombstone(ctx, row, held=held, early=early)
    whole = guests.is_whole(ctx, leaving)
    done = guests.let_go(ctx, leaving)
    # A character may have spoken after the look. Now that they are nobody's they speak for nobody: the next look sees all there is.
    more = not whole or done.characters > 0
    if not more:
        users.note_erased(ctx, row)
    return Erased(done.sessions, done.accounts, done.characters, done.messages, more)


async def _due(read: Reader, arguments: _Many) -> Prepared:
    due = [one.user_id for one in await users.due_for_erasure(read, arguments.limit + 1)]
    leaving = await guests.look_up(read, due[: arguments.limit])
    held = {one.user_id: await _is_held(read, one.user_id) for one in leaving}
    return guests.prepared(leaving, _Found(leaving, held, more=len(due) > len(leaving)))


@command(touches=guests.TOUCHED, prepare=_due, access="operator")
def erase_due(ctx: Context, *, limit: PersonLimit = rules.ERASE_LIMIT, dry_run: bool = False) -> ErasedDue:
    """Erase the people whose 30 days are over, as `erase` does, and go on with those whose erasing was cut off.

    Running it twice, or at once, does nothing twice. With `dry_run` nothing changes.
    """
    found: _Found = ctx.found
    # Another run, or somebody's second thoughts, may have been faster.
    due = [(row, one) for one in found.leaving if (row := _still_due(ctx, one.user_id)) is not None]
    if dry_run:
        return ErasedDue(len(due), 0, 0, 0, 0, found.more, [row.user_id for row, _ in due])
    done = [_erase(ctx, row, one, held=found.held[row.user_id]) for row, one in due]
    return ErasedDue(
        users=len(done),
        sessions=sum(one.sessions for one in done),
        accounts=sum(one.accounts for one in done),
        characters=sum(one.characters for one in done),
        messages=sum(one.messages for one in done),
        more=found.more or any(one.more for one in done),
    )


def _still_due(ctx: Context, user: str) -> users.User | None:
    row = ctx.get(users.User, user)
    return row if row is not None and users.is_due_for_erasure(row, ctx.now) else None


# Going


async def _going(read: Reader, arguments: _OfUser) -> Prepared:
    """Find the trades that end."""
    found = await trades.open_trades(read, arguments.user)
    return Prepared(found=found, owners=tuple(sorted({owner for one in found.values() for owner in one.owners})))


@command(touches=GOING, prepare=_going, prepares_again=[trades.TradeChanged], access="player")
def log_out(ctx: Context, *, user: users.UserId, session_id: Id) -> LoggedOut:
    """End a session, and trade and play of the character that it plays, if no other session plays it; twice ends nothing more.

    Raises: USER_NOT_FOUND, SESSION_NOT_FOUND, TRADE_CHANGED.
    """
    gone = moderation.send_away(ctx, user, ctx.found, WENT, "logout", session_id=session_id)
    return LoggedOut(gone.sessions, gone.trades, gone.play_sessions)


@command(touches=GOING, prepare=_going, prepares_again=[trades.TradeChanged], access="player")
def log_out_everywhere(ctx: Context, *, user: users.UserId, but: Id | None = None) -> LoggedOut:
    """End all sessions of a user, but for one to be kept, and open trades and play of characters that nobody plays then.

    Raises: USER_NOT_FOUND, TRADE_CHANGED.
    """
    gone = moderation.send_away(ctx, user, ctx.found, WENT, "logout", but=but)
    return LoggedOut(gone.sessions, gone.trades, gone.play_sessions)

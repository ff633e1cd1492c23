"""What game servers say of who plays on them.

Whoever is logged out, kicked or banned, and whose character is deleted, is played no longer by the same commit: these commands end it
themselves, by `plays.leave`.
"""

from typing import Annotated, Final, Literal, Protocol

from msgspec import Meta, Struct

from gamekeeper.kernel.commands import Prepared, command
from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.records import EpochMs
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, plays, sessions, users, worlds

from . import queries

MOST_CHARACTERS: Final = 200
"""Characters of whom one command says that they are active."""
SessionLimit = Annotated[int, Meta(ge=1, le=200, description="how many play sessions at most")]
DAY_MS: Final = 86_400_000


class Started(Struct, frozen=True):
    """The new play session, where it is, and the one that ended with it, if one was open still."""

    play_session_id: str | None
    world_id: str
    server_id: str
    started_at: EpochMs
    replaced: plays.PlaySession | None


class Ended(Struct, frozen=True):
    """The play session that ended; none when it had ended before."""

    ended: plays.PlaySession | None


class EndedMany(Struct, frozen=True):
    """How many play sessions were ended, or would be, and whether there are more."""

    play_sessions: int
    more: bool


class Heard(Struct, frozen=True):
    """Who is not played on this server, or no longer: they were replaced, kicked, or nothing was heard of them for too long."""

    gone: list[str]


class Forgotten(Struct, frozen=True):
    """How many play sessions were forgotten, or would be, and whether there are more."""

    play_sessions: int
    more: bool


class _Starting(Protocol):
    """The arguments of `start` that its preparation needs."""

    character: str
    world_id: str | None


async def _starting(read: Reader, arguments: _Starting) -> Prepared:
    if arguments.world_id is not None:
        await worlds.require_known(read, arguments.world_id)
    row = await read.get(characters.Character, arguments.character)
    user = None if row is None else row.user_id
    return Prepared(found=user, owners=() if user is None else (user,))


@command(
    touches=[users.User, characters.Character, characters.CharacterLocation, *plays.TOUCHES],
    prepare=_starting,
    prepares_again=[characters.CharacterChangedHands],
)
def start(ctx: Context, *, character: characters.CharacterId, server_id: plays.ServerId, world_id: Id | None = None) -> Started:
    """Say that a character is played from now on, on a server, and in the world where it is if none is named.

    A play session that is still open, there or elsewhere, ends as `replaced` at its last activity. Who is banned plays nothing.

    Raises: CHARACTER_NOT_FOUND, WORLD_NOT_FOUND, BANNED, ACCOUNT_INACTIVE, CHARACTER_CHANGED_HANDS.
    """
    row = characters.alive(ctx, character)
    if row.user_id != ctx.found:
        # It changed hands after it was looked up; the new user's row is not loaded.
        raise characters.CharacterChangedHands(id=character)
    user = None if row.user_id is None else ctx.get(users.User, row.user_id)
    if user is not None:
        sessions.refuse_inactive(user, ctx.now)
    place = ctx.get(characters.CharacterLocation, character)
    here = world_id or (row.world_id if place is None else place.world_id)
    begun, replaced = plays.begin(ctx, character, here, server_id)
    return Started(begun.play_session_id, here, server_id, ctx.now, replaced)


@command(touches=plays.TOUCHES)
def end(ctx: Context, *, character: characters.CharacterId, play_session_id: Id | None = None, reason: plays.EndReason = "logout") -> Ended:
    """End a character's play session. One that has ended stays as it is, and with an id no later one ends in its place.

    `timeout`, `crash` and `replaced` end it at its last activity, everything else now.

    Raises: CHARACTER_NOT_FOUND.
    """
    if not plays.is_open(ctx.get(plays.Presence, character), play_session_id=play_session_id):
        return Ended(None)
    return Ended(plays.leave(ctx, character, reason))


@command(touches=[plays.Presence, plays.Activity], durability="checkpoint")
def active(
    ctx: Context,
    *,
    server_id: plays.ServerId,
    characters: Annotated[list[characters.CharacterId], Meta(min_length=1, max_length=MOST_CHARACTERS)],
) -> Heard:
    """Say that characters are still played on a server, some or all that are; every half minute is often enough.

    It is written only of those whose stored time is older than `play_activity_seconds`, and of those that are leased here without a
    transaction. A time that is older than the stored one changes nothing.

    Raises: CHARACTER_NOT_FOUND.
    """
    gone = []
    for character in dict.fromkeys(characters):
        row, known = ctx.get(plays.Presence, character), ctx.get(plays.Activity, character)
        last = 0 if row is None else plays.last_active(row, known)
        if not plays.is_open(row, server_id=server_id) or plays.is_over(last, ctx.now, plays.timeout_ms(ctx.settings)):
            gone.append(character)
        elif plays.activity_is_due(last, ctx.now, ctx.settings):
            ctx.put(plays.Activity(character, ctx.now))
    return Heard(gone)


class _Found(Struct, frozen=True):
    """The play sessions that are to end, each with its last activity, and whether there are more."""

    open: list[queries.Unwatched]
    more: bool


def _found(rows: list[queries.Unwatched], limit: int) -> Prepared:
    some = rows[:limit]
    return Prepared(found=_Found(some, len(rows) > limit), owners=tuple(sorted(row.character_id for row in some)))


class _OfServer(Protocol):
    """The arguments of `end_all` that its preparation needs."""

    server_id: str
    limit: int


async def _of_server(read: Reader, arguments: _OfServer) -> Prepared:
    rows = await read.rows(queries.Unwatched, queries.OF_SERVER, server=arguments.server_id, limit=arguments.limit + 1)
    return _found(rows, arguments.limit)


@command(touches=plays.TOUCHES, prepare=_of_server)
def end_all(
    ctx: Context, *, server_id: plays.ServerId, reason: Literal["shutdown", "crash"] = "shutdown", limit: SessionLimit = 100
) -> EndedMany:
    """End the play sessions of a server that shuts down, or that came up again after a `crash`, so many at the most.

    After a crash they end at their last activity. Do it again while it answers `more`, before anybody is let in.
    """
    found: _Found = ctx.found
    ended = 0
    for one in found.open:
        if plays.is_open(ctx.get(plays.Presence, one.character_id), play_session_id=one.play_session_id):
            ended += plays.leave(ctx, one.character_id, reason, last_heard=one.last_active_at) is not None
    return EndedMany(ended, found.more)


class _Many(Protocol):
    """The argument that the preparations of sweeps need."""

    limit: int


async def _stale(read: Reader, arguments: _Many) -> Prepared:
    before = read.now_ms() - plays.timeout_ms(read.settings)
    return _found(await read.rows(queries.Unwatched, queries.STALE, before=before, limit=arguments.limit + 1), arguments.limit)


@command(touches=plays.TOUCHES, prepare=_stale, access="operator")
def time_out(ctx: Context, *, limit: SessionLimit = 100, dry_run: bool = False) -> EndedMany:
    """End play sessions of whom nothing was heard for too long, at their last activity; a dry run only counts them."""
    found: _Found = ctx.found
    timeout, ended = plays.timeout_ms(ctx.settings), 0
    for one in found.open:
        character, row = one.character_id, ctx.get(plays.Presence, one.character_id)
        # They may have been heard of since the look, or have come again.
        if row is None or not plays.is_open(row, play_session_id=one.play_session_id):
            continue
        last = max(plays.last_active(row, ctx.get(plays.Activity, character)), one.last_active_at)
        if plays.is_over(last, ctx.now, timeout):
            ended += 1
            if not dry_run:
                plays.leave(ctx, character, "timeout", last_heard=last)
    return EndedMany(ended, found.more)


class _Old(Struct, frozen=True):
    """The keys of play sessions to be forgotten, and whether there are more."""

    keys: tuple[tuple[str, str], ...]
    more: bool


async def _old(read: Reader, arguments: _Many) -> Prepared:
    days = read.settings.play_session_days
    if days is None:
        return Prepared(found=_Old((), more=False))
    before = read.now_ms() - days * DAY_MS
    rows = await read.rows(queries.EndedLongAgo, queries.OLD, before=before, limit=arguments.limit + 1)
    keys = tuple([(plays.PlaySession, (row.character_id, row.play_session_id)) for row in rows[: arguments.limit]])
    some = tuple([key for _, key in keys])
    return Prepared(found=_Old(some, len(rows) > len(some)), owners=tuple(sorted({key[0] for key in some})), keys=keys)


@command(touches=[plays.PlaySession], prepare=_old, access="operator")
def forget_ended(ctx: Context, *, limit: SessionLimit = 200, dry_run: bool = False) -> Forgotten:
    """Delete play sessions that ended more than `play_session_days` ago; how long somebody played in all stays. A dry run counts them."""
    found: _Old = ctx.found
    gone = [row for key in found.keys if (row := ctx.get(plays.PlaySession, *key)) is not None]
    for row in gone if not dry_run else ():
        ctx.delete(row)
    return Forgotten(len(gone), found.more)

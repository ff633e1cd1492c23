"""What may be done with guests."""

from typing import Annotated, Protocol

from msgspec import Meta, Struct
from msgspec.structs import asdict

from gamekeeper.errors import NameTaken
from gamekeeper.kernel.commands import Prepared, command
from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.records import Personal
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, sessions, users, worlds

from . import leaving, queries, rules

PurgeLimit = Annotated[int, Meta(ge=1, le=1000, description="how many guests at most")]


class Arrived(sessions.OpenedForGuest, frozen=True, kw_only=True):
    """A new guest, logged in, and their character; the token is told here and never again."""

    character_id: str
    name: str


class Purged(Struct, frozen=True):
    """What a purge did, or with `dry_run` would do. `more` says that guests are left for another one."""

    guests: int
    characters: int
    sessions: int
    more: bool
    guest_ids: list[str] = []
    """with `dry_run`: who would be forgotten"""


# Arriving


class _Arriving(sessions.WithLength, Protocol):
    """The arguments of `create` that its preparation needs."""

    world_id: str


async def _arriving(read: Reader, arguments: _Arriving) -> Prepared:
    await worlds.require_known(read, arguments.world_id)
    return Prepared(found=(await users.free_guest_name(read), sessions.new_tokens(long_lived=arguments.long_lived)))


@command(
    touches=[
        users.User,
        sessions.Session,
        sessions.RefreshToken,
        characters.CharacterSlot,
        characters.Character,
        characters.CharacterLocation,
        characters.CharacterVital,
    ],
    prepare=_arriving,
    access="public",
    prepares_again=[NameTaken],  # another guest may have taken the number; a character's name that is taken stays so
)
def create(
    ctx: Context,
    *,
    user: users.NewUserId | None = None,
    character: characters.NewCharacterId | None = None,
    world_id: Id = worlds.DEFAULT,
    name: characters.GivenName,
    long_lived: bool = False,
    client_type: sessions.ClientType = "unknown",
    ip_address: sessions.IpAddress | None = None,
    user_agent: sessions.UserAgent | None = None,
) -> Arrived:
    """Make a guest for 24 hours, with a session and a character of this name; all of it is there or nothing.

    The world must have been made; only the one called `world` need not be.

    Raises: WORLD_NOT_FOUND, NAME_INVALID, NAME_TAKEN, ALREADY_EXISTS.
    """
    made_up, tokens = ctx.found
    guest = users.add_guest(ctx, user, made_up)
    opened = sessions.open_for(ctx, guest, tokens, sessions.Client(client_type, ip_address, user_agent))
    row = characters.add(ctx, guest, character, world_id, name)
    return Arrived(
        **asdict(opened),
        username=guest.username,
        guest_expires_at=guest.guest_expires_at or ctx.now,
        character_id=row.character_id,
        name=row.name,
    )


# Staying


class _Upgrading(sessions.WithLength, Protocol):
    """The arguments of `upgrade` that its preparation needs."""

    user: str
    username: str
    password: str


class _Credentials(Struct, frozen=True):
    """What the preparation of an upgrade found: the password's hash, tokens, and whether an address is to be kept."""

    password_hash: str
    tokens: sessions.NewTokens
    keep_email: bool


async def _upgrading(read: Reader, arguments: _Upgrading) -> Prepared:
    rules.require_guest(await read.get(users.User, arguments.user), arguments.user, read.now_ms())
    name = users.read_name(arguments.username, users.USERNAME_POLICY)
    users.check_password(arguments.password, name.shown)
    await users.refuse_held_name(read, name.key)
    hashed = await users.hash_password(arguments.password, users.password_cost(read))
    return Prepared(found=_Credentials(hashed, sessions.new_tokens(long_lived=arguments.long_lived), read.settings.keep_emails))


@command(touches=[users.User, users.Verification, sessions.Session, sessions.RefreshToken], prepare=_upgrading, access="player")
def upgrade(
    ctx: Context,
    *,
    user: users.UserId,
    username: Personal[users.Username],
    password: users.Password,
    email: users.Email | None = None,
    session_id: Id | None = None,
    long_lived: bool = False,
) -> sessions.Opened:
    """Make a guest a full user, who keeps id, characters and all they have, and logs in by name and password from now on.

    All sessions end and one begins, so that a token which somebody else may know is worth nothing. Where `session_id` played a
    character, the new session plays it. Whoever misses the answer logs in.

    Raises: USER_NOT_FOUND, NOT_A_GUEST, ACCOUNT_INACTIVE, BANNED, NAME_INVALID, NAME_TAKEN, PASSWORD_REFUSED, EMAIL_INVALID,
    SECRET_KEY_NEEDED, SESSION_NOT_FOUND, BUSY.
    """
    found: _Credentials = ctx.found
    guest = rules.require_guest(ctx.get(users.User, user), user, ctx.now)
    name = users.read_name(username, users.USERNAME_POLICY)
    ctx.release(users.USERNAME_CLAIM, guest.username_key)
    ctx.claim(users.USERNAME_CLAIM, name.key, user)
    row = ctx.change(
        guest,
        username=name.shown,
        username_key=name.key,
        password_hash=found.password_hash,
        is_guest=False,
        guest_expires_at=None,
        updated_at=ctx.now,
    )
    if email is not None:
        row = users.note_email(ctx, row, email, keep=found.keep_email)
    if session_id is None:
        opened = sessions.open_for(ctx, row, found.tokens, sessions.Client("unknown", None, None))
    else:
        opened = sessions.rotate(ctx, row, session_id, found.tokens)
    sessions.end_all(ctx, user, but=opened.session_id)
    return opened


# Leaving


class _Run(Struct, frozen=True):
    """Whom a purge is about. `more`: there are others."""

    guests: list[leaving.Leaving]
    more: bool


class _Purging(Protocol):
    """The argument of `purge` that its preparation needs."""

    limit: int


async def _expired(read: Reader, arguments: _Purging) -> Prepared:
    found = await queries.expired(read, arguments.limit + 1)
    going = await leaving.look_up(read, [one.user_id for one in found[: arguments.limit]])
    return leaving.prepared(going, _Run(going, more=len(found) > len(going)))


@command(touches=leaving.TOUCHED, prepare=_expired, access="operator")
def purge(ctx: Context, *, limit: PurgeLimit = rules.PURGE_LIMIT, dry_run: bool = False) -> Purged:
    """Forget guests whose time is over: the user goes, and the characters stay with what they have and belong to nobody.

    What was personal in the journal is unreadable from now on, and what they said in chat stays under the names of their characters.
    Running it twice, or at once, does nothing twice. A guest of whom one purge cannot take all goes with a later one. With `dry_run`
    nothing changes.
    """
    run: _Run = ctx.found
    # Another purge, or an upgrade, may have been faster.
    due = [one for one in run.guests if _is_due(ctx, one.user_id)]
    whole = [one for one in due if leaving.is_whole(ctx, one)]
    played = sum(len(list(ctx.rows(sessions.Session, one.user_id))) for one in due)
    if not dry_run:
        for one in due:
            leaving.let_go(ctx, one)
        for one in whole:
            _remove(ctx, one.user_id)
    return Purged(
        guests=len(whole),
        characters=sum(len(one.characters) for one in due),
        sessions=played,
        more=run.more or len(whole) < len(due),
        guest_ids=[one.user_id for one in whole] if dry_run else [],
    )


def _is_due(ctx: Context, user: str) -> bool:
    row = ctx.get(users.User, user)
    return row is not None and rules.is_due(row, ctx.now)


def _remove(ctx: Context, user: str) -> None:
    # A full user leaves a tombstone, to hold the name and for those who knew them; nobody needs one of a guest.
    ctx.delete(users.forget_person(ctx, users.alive(ctx, user)))

"""What may be done with sessions. Tokens are made before a command runs, and told once."""

from collections.abc import Sequence
from typing import Annotated, Protocol

from msgspec import Meta, Struct
from msgspec.structs import asdict

from gamekeeper.errors import SecretKeyNeeded
from gamekeeper.kernel.commands import Prepared, command
from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.records import EpochMs, Personal, Secret
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import users

from . import rules
from .errors import BadCredentials, SessionNotFound
from .queries import WITH_ENDED, UserWithEnded
from .records import ApiKey, ClientType, IpAddress, LoginName, RefreshToken, Session, UserAgent
from .refreshing import begin_family, forget_families

UserLimit = Annotated[int, Meta(ge=1, le=100, description="how many users at most")]


class Opened(Struct, frozen=True):
    """A new session. The token is told here and never again; a refresh token only of a long-lived session."""

    user_id: str
    session_id: str
    token: Secret[str]
    expires_at: EpochMs
    absolute_expires_at: EpochMs
    refresh_token: Secret[str] | None = None
    refreshable_until: EpochMs | None = None


class OpenedForGuest(Opened, frozen=True, kw_only=True):
    """A new guest's session; the account ends with `guest_expires_at`."""

    username: str
    guest_expires_at: EpochMs


class Touched(Struct, frozen=True):
    """When the session ends now."""

    expires_at: EpochMs


class Revoked(Struct, frozen=True):
    """How many sessions were ended."""

    sessions: int


class Forgotten(Struct, frozen=True):
    """How many rows of sessions went, and of how many users; as many users as were asked for means that there may be more."""

    users: int
    sessions: int


class Client(Struct, frozen=True):
    """Where a session is opened from."""

    client_type: str
    ip_address: str | None
    user_agent: str | None


class _Login(Struct, frozen=True):
    """What the preparation of a login found: who it is, by which hash and address, the better hash to keep, and tokens."""

    user_id: str
    password_hash: str
    email_hashes: tuple[str, ...]
    new_hash: str | None
    tokens: rules.NewTokens


class _Credentials(Protocol):
    """The arguments of `login` that its preparation needs."""

    username: str
    password: str
    long_lived: bool


class WithLength(Protocol):
    """The argument of every command that opens a session which may be long-lived, for its preparation."""

    long_lived: bool


def open_for(ctx: Context, user: users.User, tokens: rules.NewTokens, client: Client) -> Opened:
    """Open a session of a user; those over the limit end, and rows of long ended ones go. Needs `User` and `Session` in `touches`.

    The tokens are of `new_tokens`; for a long-lived session this needs `RefreshToken` in `touches` too.

    Raises: BANNED, ACCOUNT_INACTIVE.
    """
    rules.refuse_inactive(user, ctx.now)
    known = list(ctx.rows(Session, user.user_id))
    for session in rules.to_forget(known, ctx.now):
        ctx.delete(session)
    for session in rules.to_end(ctx.settings, known, ctx.now):
        ctx.change(session, revoked_at=ctx.now)
    latest = user.guest_expires_at if user.is_guest else None
    expiry = rules.first_expiry(ctx.settings, ctx.now, long_lived=tokens.refresh_token is not None, latest=latest)
    row = Session(
        user_id=user.user_id,
        session_id=ctx.new_id(),
        token_hash=rules.token_hash(tokens.token),
        created_at=ctx.now,
        last_activity_at=ctx.now,
        expires_at=expiry.sliding,
        absolute_expires_at=expiry.absolute,
        client_type=client.client_type.lower(),
        ip_address=client.ip_address,
        user_agent=client.user_agent,
        role=user.role,
        refreshable_until=expiry.refreshable_until,
    )
    ctx.put(row)
    if tokens.refresh_token is not None:
        begin_family(ctx, row, tokens.refresh_token)
    ctx.change(user, last_login_at=ctx.now)
    return Opened(
        user_id=row.user_id,
        session_id=row.session_id,
        token=tokens.token,
        expires_at=row.expires_at,
        absolute_expires_at=row.absolute_expires_at,
        refresh_token=tokens.refresh_token,
        refreshable_until=row.refreshable_until,
    )


def rotate(ctx: Context, user: users.User, session_id: str, tokens: rules.NewTokens) -> Opened:
    """Let another session go on where one was, under a new id and token; needs `User` and `Session` in `touches`.

    For whatever gives a user more rights than before: who knew the token until now has nothing of it. It is long-lived only
    if the new tokens are.

    Raises: SESSION_NOT_FOUND, BANNED, ACCOUNT_INACTIVE.
    """
    before = in_force(ctx, user.user_id, session_id)
    ctx.change(before, revoked_at=ctx.now)
    opened = open_for(ctx, user, tokens, Client(before.client_type, before.ip_address, before.user_agent))
    after = in_force(ctx, user.user_id, opened.session_id)
    ctx.change(after, character_id=before.character_id, world_id=before.world_id)
    return opened


def _addresses(read: Reader, text: str) -> tuple[str, ...]:
    try:
        return tuple(users.email_hashes(read.keys, users.canonical_email(text)))
    except (users.EmailInvalid, SecretKeyNeeded):
        return ()


async def _checked(read: Reader, arguments: _Credentials) -> Prepared:
    # No name holds an @.
    by_email = "@" in arguments.username
    user = await (users.by_email if by_email else users.named)(read, arguments.username)
    stored, cost = None if user is None else user.password_hash, users.password_cost(read)
    # The work is done for unknown names too: the time of an answer tells nobody which names exist.
    if not await users.verify_password(stored, arguments.password, cost) or user is None or stored is None:
        raise BadCredentials
    new_hash = await users.hash_password(arguments.password, cost) if users.outdated(stored, cost) else None
    found = _Login(
        user_id=user.user_id,
        password_hash=stored,
        email_hashes=_addresses(read, arguments.username) if by_email else (),
        new_hash=new_hash,
        tokens=rules.new_tokens(long_lived=arguments.long_lived),
    )
    return Prepared(found=found, owners=(user.user_id,))


@command(touches=[users.User, Session, RefreshToken], prepare=_checked, access="public")
def login(
    ctx: Context,
    *,
    username: Personal[LoginName],
    password: users.GivenPassword,
    long_lived: bool = False,
    client_type: ClientType = "unknown",
    ip_address: IpAddress | None = None,
    user_agent: UserAgent | None = None,
) -> Opened:
    """Open a session for who knows a user's name, or verified e-mail address, and password.

    A `long_lived` one is for programs on somebody's own machine: its token is good for 15 minutes and is renewed by `refresh`.

    Raises: BAD_CREDENTIALS, BANNED, ACCOUNT_INACTIVE, BUSY.
    """
    login: _Login = ctx.found
    user = ctx.get(users.User, login.user_id)
    # The password may have been changed, or the user deleted, since it was checked.
    if user is None or user.tombstoned_at is not None or user.password_hash != login.password_hash:
        raise BadCredentials
    if login.new_hash is not None:
        user = ctx.change(user, password_hash=login.new_hash)
    if login.email_hashes:
        if not user.email_verified or user.email_hash not in login.email_hashes:
            raise BadCredentials
        user = users.renew_email(ctx, user, login.email_hashes[0])
    return open_for(ctx, user, login.tokens, Client(client_type, ip_address, user_agent))


async def _tokens(_read: Reader, arguments: WithLength) -> Prepared:
    return Prepared(found=rules.new_tokens(long_lived=arguments.long_lived))


@command(touches=[users.User, Session, RefreshToken], prepare=_tokens)
def open_session(
    ctx: Context,
    *,
    user: users.UserId,
    long_lived: bool = False,
    client_type: ClientType = "unknown",
    ip_address: IpAddress | None = None,
    user_agent: UserAgent | None = None,
) -> Opened:
    """Open a session for a user whom the caller knows already, by a linked account or a console.

    Raises: USER_NOT_FOUND, BANNED, ACCOUNT_INACTIVE, ROLE_TOO_LOW.
    """
    row = users.alive(ctx, user)
    users.refuse_game_server(ctx, row)
    return open_for(ctx, row, ctx.found, Client(client_type, ip_address, user_agent))


async def _guest(read: Reader, arguments: WithLength) -> Prepared:
    return Prepared(found=(await users.free_guest_name(read), rules.new_tokens(long_lived=arguments.long_lived)))


@command(touches=[users.User, Session, RefreshToken], prepare=_guest, access="public")
def guest_session(
    ctx: Context,
    *,
    user: users.NewUserId | None = None,
    long_lived: bool = False,
    client_type: ClientType = "unknown",
    ip_address: IpAddress | None = None,
    user_agent: UserAgent | None = None,
) -> OpenedForGuest:
    """Make a guest and open a session for them; both are there or neither.

    Raises: NAME_TAKEN, ALREADY_EXISTS.
    """
    name, tokens = ctx.found
    guest = users.add_guest(ctx, user, name)
    opened = open_for(ctx, guest, tokens, Client(client_type, ip_address, user_agent))
    return OpenedForGuest(**asdict(opened), username=guest.username, guest_expires_at=guest.guest_expires_at or ctx.now)


def in_force(ctx: Context, user: str, session_id: str) -> Session:
    """Give a session that is open; whoever calls it lists `Session` in what it touches.

    Raises: SESSION_NOT_FOUND.
    """
    session = ctx.get(Session, user, session_id)
    if session is None or not rules.is_open(session, ctx.now):
        raise SessionNotFound(id=session_id)
    return session


class _Standing(Protocol):
    """The argument of `require_standing` that its preparation needs."""

    user: str


async def _standing(_read: Reader, arguments: _Standing) -> Prepared:
    return Prepared(owners=(arguments.user,))


# The user is no owner argument: one names who acts, and a user may be leased elsewhere while their character acts here.
@command(touches=[users.User, Session], prepare=_standing)
def require_standing(ctx: Context, *, user: Id, session_id: Id | None = None) -> None:
    """Refuse whatever is done together with it when a user may not act, or the session has ended; nothing is changed.

    A server puts it before its players' commands: then none of them is committed after a ban, a kick or a logout is.

    Raises: OWNER_NOT_FOUND, USER_NOT_FOUND, BANNED, ACCOUNT_INACTIVE, SESSION_NOT_FOUND.
    """
    row = ctx.get(users.User, user) if ctx.owner(user).kind == "user" else None
    if row is None:
        raise users.UserNotFound(id=user)
    rules.refuse_inactive(row, ctx.now)
    if session_id is None:
        return
    session = in_force(ctx, user, session_id)
    if rules.is_void(session, row):
        raise SessionNotFound(id=session_id)


@command(touches=[Session])
def touch(ctx: Context, *, user: users.UserId, session_id: Id) -> Touched:
    """Note activity and let the session last on from it; within a minute of the last time nothing is written.

    A long-lived session does not last on by activity: it is refreshed.

    Raises: SESSION_NOT_FOUND.
    """
    session = in_force(ctx, user, session_id)
    if rules.touch_is_due(session.last_activity_at, ctx.now):
        session = ctx.change(session, last_activity_at=ctx.now, expires_at=rules.expiry_after_use(ctx.settings, session, ctx.now))
    return Touched(session.expires_at)


@command(touches=[Session])
def revoke(ctx: Context, *, user: users.UserId, session_id: Id) -> Revoked:
    """End a session at once, and nothing else; one that has ended already stays as it is. Players leave by `people.log_out`.

    Raises: SESSION_NOT_FOUND.
    """
    before = len(open_of(ctx, user))
    end_one(ctx, user, session_id)
    return Revoked(before - len(open_of(ctx, user)))


@command(touches=[Session])
def revoke_all(ctx: Context, *, user: users.UserId, but: Id | None = None) -> Revoked:
    """End all sessions of a user at once, but for one to be kept, and nothing else. Players leave by `people.log_out_everywhere`."""
    return Revoked(end_all(ctx, user, but=but))


def end_all(ctx: Context, user: str, *, but: str | None = None) -> int:
    """End the sessions of a user and say how many; whoever calls it lists `Session` in what it touches."""
    return _end(ctx, [one for one in ctx.rows(Session, user) if one.session_id != but])


def end_one(ctx: Context, user: str, session_id: str) -> Session:
    """End a session of a user, if it is open still, and give it as it was; whoever calls it lists `Session` in what it touches.

    Raises: SESSION_NOT_FOUND.
    """
    session = ctx.get(Session, user, session_id)
    if session is None:
        raise SessionNotFound(id=session_id)
    _end(ctx, [session])
    return session


def open_of(ctx: Context, user: str) -> list[Session]:
    """Give the sessions of a user that are open; whoever calls it lists `Session` in what it touches."""
    return [one for one in ctx.rows(Session, user) if rules.is_alive(one, ctx.now)]


def _end(ctx: Context, ending: Sequence[Session]) -> int:
    alive = [one for one in ending if rules.is_alive(one, ctx.now)]
    for session in alive:
        ctx.change(session, revoked_at=ctx.now)
    return len(alive)


# Forgetting


def forget_all(ctx: Context, user: str) -> int:
    """Delete all sessions and API keys of a user who leaves, and say how many; needs `Session`, `RefreshToken`, `ApiKey` in `touches`."""
    rows = [*ctx.rows(Session, user), *ctx.rows(RefreshToken, user), *ctx.rows(ApiKey, user)]
    for row in rows:
        ctx.delete(row)
    return sum(not isinstance(row, RefreshToken) for row in rows)


class _Many(Protocol):
    """The argument of `forget_ended` that its preparation needs."""

    limit: int


async def _with_ended(read: Reader, arguments: _Many) -> Prepared:
    before = read.now_ms() - rules.KEPT_DAYS * rules.DAY
    found = tuple([one.user_id for one in await read.rows(UserWithEnded, WITH_ENDED, before=before, limit=arguments.limit)])
    return Prepared(found=found, owners=found)


@command(touches=[Session, RefreshToken], prepare=_with_ended, access="operator")
def forget_ended(ctx: Context, *, limit: UserLimit = 100, dry_run: bool = False) -> Forgotten:
    """Delete sessions whose time was over 30 days ago, of so many users at the most; a dry run only counts them."""
    gone = [one for user in ctx.found for one in ctx.rows(Session, user) if rules.ended_long_ago(one, ctx.now)]
    if not dry_run:
        for session in gone:
            ctx.delete(session)
        for user in ctx.found:
            forget_families(ctx, user)
    return Forgotten(users=len({one.user_id for one in gone}), sessions=len(gone))

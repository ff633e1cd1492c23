"""What may be done with sessions and API keys. Tokens are made before a command runs, and told once."""

from typing import Protocol

from msgspec import Struct

from gamekeeper.kernel.commands import Prepared, command
from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.records import EpochMs, Personal, Secret
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import users

from . import rules
from .errors import AccountInactive, ApiKeyNotFound, BadCredentials, SessionNotFound, TooManyApiKeys
from .records import ApiKey, ClientType, IpAddress, KeyName, Scopes, Session, UserAgent


class Opened(Struct, frozen=True):
    """A new session. The token is told here and never again."""

    user_id: str
    session_id: str
    token: Secret[str]
    expires_at: EpochMs
    absolute_expires_at: EpochMs


class OpenedForGuest(Struct, frozen=True):
    """A new guest's session; the account ends with `guest_expires_at`."""

    user_id: str
    username: str
    guest_expires_at: EpochMs
    session_id: str
    token: Secret[str]
    expires_at: EpochMs
    absolute_expires_at: EpochMs


class Touched(Struct, frozen=True):
    """When the session ends now."""

    expires_at: EpochMs


class Revoked(Struct, frozen=True):
    """How many sessions were ended."""

    sessions: int


class NewApiKey(Struct, frozen=True):
    """A new API key. The key is told here and never again."""

    user_id: str
    key_id: str
    key: Secret[str]


class _Client(Struct, frozen=True):
    """Where a session is opened from."""

    client_type: str
    ip_address: str | None
    user_agent: str | None


class _Login(Struct, frozen=True):
    """What the preparation of a login found: who it is, by which hash, the better hash to keep, and a token."""

    user_id: str
    password_hash: str
    new_hash: str | None
    token: str


class _Credentials(Protocol):
    """The arguments of `login` that its preparation needs."""

    username: str
    password: str


def open_for(ctx: Context, user: users.User, token: str, client: _Client) -> Opened:
    """Open a session of a user; those over the limit end, and rows of long ended ones go."""
    if not users.may_act(user, ctx.now):
        raise AccountInactive(user_id=user.user_id)
    known = list(ctx.rows(Session, user.user_id))
    for session in rules.to_forget(known, ctx.now):
        ctx.delete(session)
    for session in rules.to_end(known, ctx.now):
        ctx.change(session, revoked_at=ctx.now)
    expiry = rules.first_expiry(ctx.now, latest=user.guest_expires_at if user.is_guest else None)
    row = Session(
        user_id=user.user_id,
        session_id=ctx.new_id(),
        token_hash=rules.token_hash(token),
        created_at=ctx.now,
        last_activity_at=ctx.now,
        expires_at=expiry.sliding,
        absolute_expires_at=expiry.absolute,
        client_type=client.client_type.lower(),
        ip_address=client.ip_address,
        user_agent=client.user_agent,
    )
    ctx.put(row)
    ctx.change(user, last_login_at=ctx.now)
    return Opened(row.user_id, row.session_id, token, row.expires_at, row.absolute_expires_at)


async def _checked(read: Reader, arguments: _Credentials) -> Prepared:
    user = await users.named(read, arguments.username)
    stored = None if user is None else user.password_hash
    # The work is done for unknown names too: the time of an answer tells nobody which names exist.
    if not await users.verify_password(stored, arguments.password) or user is None or stored is None:
        raise BadCredentials
    new_hash = await users.hash_password(arguments.password) if users.outdated(stored) else None
    found = _Login(user.user_id, stored, new_hash, rules.new_token(rules.SESSION_PREFIX))
    return Prepared(found=found, owners=(user.user_id,))


@command(touches=[users.User, Session], prepare=_checked, access="public")
def login(
    ctx: Context,
    *,
    username: Personal[users.Username],
    password: users.GivenPassword,
    client_type: ClientType = "unknown",
    ip_address: IpAddress | None = None,
    user_agent: UserAgent | None = None,
) -> Opened:
    """Open a session for who knows a user's name and password.

    Raises: BAD_CREDENTIALS, ACCOUNT_INACTIVE, BUSY.
    """
    login: _Login = ctx.found
    user = ctx.get(users.User, login.user_id)
    # The password may have been changed, or the user deleted, since it was checked.
    if user is None or user.tombstoned_at is not None or user.password_hash != login.password_hash:
        raise BadCredentials
    if login.new_hash is not None:
        user = ctx.change(user, password_hash=login.new_hash)
    return open_for(ctx, user, login.token, _Client(client_type, ip_address, user_agent))


async def _token(_read: Reader, _arguments: object) -> Prepared:
    return Prepared(found=rules.new_token(rules.SESSION_PREFIX))


@command(touches=[users.User, Session], prepare=_token)
def open_session(
    ctx: Context,
    *,
    user: users.UserId,
    client_type: ClientType = "unknown",
    ip_address: IpAddress | None = None,
    user_agent: UserAgent | None = None,
) -> Opened:
    """Open a session for a user whom the caller knows already, by a linked account or a console.

    Raises: USER_NOT_FOUND, ACCOUNT_INACTIVE.
    """
    return open_for(ctx, users.alive(ctx, user), ctx.found, _Client(client_type, ip_address, user_agent))


async def _guest(read: Reader, _arguments: object) -> Prepared:
    return Prepared(found=(await users.free_guest_name(read), rules.new_token(rules.SESSION_PREFIX)))


@command(touches=[users.User, Session], prepare=_guest, access="public")
def guest_session(
    ctx: Context,
    *,
    user: users.NewUserId | None = None,
    client_type: ClientType = "unknown",
    ip_address: IpAddress | None = None,
    user_agent: UserAgent | None = None,
) -> OpenedForGuest:
    """Make a guest and open a session for them; both are there or neither.

    Raises: NAME_TAKEN, ALREADY_EXISTS.
    """
    name, token = ctx.found
    guest = users.add_guest(ctx, user, name)
    opened = open_for(ctx, guest, token, _Client(client_type, ip_address, user_agent))
    return OpenedForGuest(
        user_id=guest.user_id,
        username=guest.username,
        guest_expires_at=guest.guest_expires_at or ctx.now,
        session_id=opened.session_id,
        token=opened.token,
        expires_at=opened.expires_at,
        absolute_expires_at=opened.absolute_expires_at,
    )


def in_force(ctx: Context, user: str, session_id: str) -> Session:
    """Give a session that is open; whoever calls it lists `Session` in what it touches.

    Raises: SESSION_NOT_FOUND.
    """
    session = ctx.get(Session, user, session_id)
    if session is None or not rules.is_open(session, ctx.now):
        raise SessionNotFound(id=session_id)
    return session


@command(touches=[Session])
def touch(ctx: Context, *, user: users.UserId, session_id: Id) -> Touched:
    """Note activity and let the session last on from it; within a minute of the last time nothing is written.

    Raises: SESSION_NOT_FOUND.
    """
    session = in_force(ctx, user, session_id)
    if rules.touch_is_due(session.last_activity_at, ctx.now):
        session = ctx.change(session, last_activity_at=ctx.now, expires_at=rules.slide(ctx.now, session.absolute_expires_at))
    return Touched(session.expires_at)


@command(touches=[Session], access="player")
def revoke(ctx: Context, *, user: users.UserId, session_id: Id) -> Revoked:
    """End a session at once; one that has ended already stays as it is.

    Raises: SESSION_NOT_FOUND.
    """
    session = ctx.get(Session, user, session_id)
    if session is None:
        raise SessionNotFound(id=session_id)
    if not rules.is_open(session, ctx.now):
        return Revoked(0)
    ctx.change(session, revoked_at=ctx.now)
    return Revoked(1)


@command(touches=[Session], access="player")
def revoke_all(ctx: Context, *, user: users.UserId, but: Id | None = None) -> Revoked:
    """End all sessions of a user at once, but for one to be kept."""
    ending = [one for one in ctx.rows(Session, user) if one.session_id != but and rules.is_open(one, ctx.now)]
    for session in ending:
        ctx.change(session, revoked_at=ctx.now)
    return Revoked(len(ending))


async def _key(_read: Reader, _arguments: object) -> Prepared:
    return Prepared(found=rules.new_token(rules.API_KEY_PREFIX))


@command(touches=[users.User, ApiKey], prepare=_key, access="operator")
def create_key(ctx: Context, *, user: users.UserId, name: KeyName, scopes: Scopes) -> NewApiKey:
    """Make an API key that is good for its scopes while its owner's account is.

    Raises: USER_NOT_FOUND, TOO_MANY_API_KEYS.
    """
    users.alive(ctx, user)
    known = list(ctx.rows(ApiKey, user))
    if sum(one.revoked_at is None for one in known) >= rules.MAX_API_KEYS:
        raise TooManyApiKeys(limit=rules.MAX_API_KEYS)
    for key in rules.keys_to_forget(known):
        ctx.delete(key)
    made = ApiKey(user, ctx.new_id(), name, rules.token_hash(ctx.found), sorted(set(scopes)), ctx.now)
    ctx.put(made)
    return NewApiKey(user, made.key_id, ctx.found)


@command(touches=[ApiKey])
def touch_key(ctx: Context, *, user: users.UserId, key_id: Id) -> None:
    """Note that an API key was used; within a minute of the last time nothing is written.

    Raises: API_KEY_NOT_FOUND.
    """
    key = _known_key(ctx, user, key_id)
    if key.revoked_at is None and rules.touch_is_due(key.last_used_at, ctx.now):
        ctx.change(key, last_used_at=ctx.now)


@command(touches=[ApiKey], access="operator")
def revoke_key(ctx: Context, *, user: users.UserId, key_id: Id) -> None:
    """End an API key at once; one that was revoked already stays as it is.

    Raises: API_KEY_NOT_FOUND.
    """
    key = _known_key(ctx, user, key_id)
    if key.revoked_at is None:
        ctx.change(key, revoked_at=ctx.now)


def _known_key(ctx: Context, user: str, key_id: str) -> ApiKey:
    key = ctx.get(ApiKey, user, key_id)
    if key is None:
        raise ApiKeyNotFound(id=key_id)
    return key

"""What may be asked of sessions and API keys. No answer holds a token or its hash."""

from typing import Annotated

from msgspec import Meta, Struct
from sqlalchemy import BigInteger, Text, bindparam, or_, select

from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.queries import Cursor, Page, PageLimit, Reader, query, read_cursor, write_cursor
from gamekeeper.kernel.records import EpochMs, Secret
from gamekeeper.kernel.store.schema import table
from gamekeeper.modules import users

from . import rules
from .records import ApiKey, ClientType, KeyName, RefreshToken, Scopes, Session

Token = Secret[Annotated[str, Meta(max_length=rules.MAX_TOKEN)]]

sessions = table(Session)
refresh_tokens = table(RefreshToken)
api_keys = table(ApiKey)
accounts = table(users.User)

HASH = bindparam("hash", type_=Text)
NOW = bindparam("now", type_=BigInteger)
USABLE = (
    accounts.c.is_active,
    accounts.c.tombstoned_at.is_(None),
    or_(accounts.c.guest_expires_at.is_(None), accounts.c.guest_expires_at > NOW),
    or_(accounts.c.banned_until.is_(None), accounts.c.banned_until <= NOW),
)

# A new password ends all sessions that were opened up to then, but for one that may be kept.
NOT_VOID = or_(sessions.c.created_at > accounts.c.sessions_valid_from, sessions.c.session_id == accounts.c.kept_session_id)

BY_TOKEN = (
    select(
        sessions.c.user_id,
        sessions.c.session_id,
        accounts.c.username,
        accounts.c.role,
        accounts.c.is_active,
        accounts.c.is_guest,
        sessions.c.character_id,
        sessions.c.world_id,
        sessions.c.client_type,
        sessions.c.created_at,
        sessions.c.last_activity_at,
        sessions.c.expires_at,
        sessions.c.absolute_expires_at,
        sessions.c.role.label("first_role"),
    )
    .join_from(sessions, accounts, accounts.c.user_id == sessions.c.user_id)
    .where(
        sessions.c.token_hash == HASH,
        sessions.c.revoked_at.is_(None),
        sessions.c.expires_at > NOW,
        sessions.c.absolute_expires_at > NOW,
        NOT_VOID,
        *USABLE,
    )
)

# Ids of sessions sort by time, so that an index over them alone gives the newest of all users first.
LIVE = (
    select(
        sessions.c.session_id,
        sessions.c.client_type,
        sessions.c.ip_address,
        sessions.c.user_agent,
        sessions.c.character_id,
        sessions.c.world_id,
        sessions.c.created_at,
        sessions.c.last_activity_at,
        sessions.c.expires_at,
        sessions.c.refreshable_until,
        sessions.c.user_id,
        accounts.c.username,
    )
    .join_from(sessions, accounts, accounts.c.user_id == sessions.c.user_id)
    .where(
        sessions.c.session_id < bindparam("before", type_=Text),
        sessions.c.revoked_at.is_(None),
        or_(sessions.c.expires_at > NOW, sessions.c.refreshable_until > NOW),
        NOT_VOID,
        *USABLE,
    )
    .order_by(sessions.c.session_id.desc())
    .limit(bindparam("limit", type_=BigInteger))
)
LIVE_OF_USER = LIVE.where(sessions.c.user_id == bindparam("user", type_=Text))
LAST = "~"
"""Sorts behind every id."""

BY_KEY = (
    select(api_keys)
    .join_from(api_keys, accounts, accounts.c.user_id == api_keys.c.user_id)
    .where(
        api_keys.c.key_hash == HASH,
        api_keys.c.revoked_at.is_(None),
        or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > NOW),
        *USABLE,
    )
)

BY_ID = select(sessions.c.user_id).where(sessions.c.session_id == bindparam("id", type_=Text)).limit(bindparam("limit", type_=BigInteger))

BY_FAMILY = select(refresh_tokens).where(refresh_tokens.c.family_hash == HASH)

BEFORE = bindparam("before", type_=BigInteger)
WITH_ENDED = (
    select(sessions.c.user_id)
    .where(sessions.c.expires_at < BEFORE, or_(sessions.c.refreshable_until.is_(None), sessions.c.refreshable_until < BEFORE))
    .distinct()
    .limit(bindparam("limit", type_=BigInteger))
)


class SessionView(Struct, frozen=True):
    """A session in force, and whose it is."""

    user_id: str
    session_id: str
    username: str
    role: users.Role
    is_active: bool
    is_guest: bool
    character_id: Id | None
    world_id: Id | None
    client_type: ClientType
    created_at: EpochMs
    last_activity_at: EpochMs
    expires_at: EpochMs
    absolute_expires_at: EpochMs


class _Found(SessionView, frozen=True):
    """The same with the role that the user had when the session began."""

    first_role: users.Role


class UserWithEnded(Struct, frozen=True):
    """A user who has sessions whose time was over long ago."""

    user_id: str


class OwnSession(Struct, frozen=True):
    """A session that can be used, or refreshed, as its user may see it."""

    session_id: str
    client_type: ClientType
    ip_address: str | None
    user_agent: str | None
    character_id: Id | None
    world_id: Id | None
    created_at: EpochMs
    last_activity_at: EpochMs
    expires_at: EpochMs
    refreshable_until: EpochMs | None


class LiveSession(OwnSession, frozen=True):
    """A session that can be used or refreshed, in a list of all users'."""

    user_id: str
    username: str


class ApiKeyView(Struct, frozen=True):
    """An API key without the key."""

    user_id: str
    key_id: str
    name: KeyName
    scopes: Scopes
    created_at: EpochMs
    last_used_at: EpochMs | None
    revoked_at: EpochMs | None
    expires_at: EpochMs | None


@query(access="server")
async def by_token(read: Reader, *, token: Token) -> SessionView | None:
    """Give the session of a token; None when it has ended or its user may not act.

    Its role is the lower one of the user's role now and the one when the session began: less counts at once, more from the next login.
    """
    found = await read.one(_Found, BY_TOKEN, hash=rules.token_hash(token), now=read.now_ms())
    if found is None:
        return None
    values = {name: getattr(found, name) for name in SessionView.__struct_fields__}
    return SessionView(**{**values, "role": rules.lower_role(found.role, found.first_role)})


@query(access="server")
async def by_key(read: Reader, *, key: Token) -> ApiKeyView | None:
    """Give the API key of a secret; None when it was revoked or its owner may not act."""
    row = await read.one(ApiKey, BY_KEY, hash=rules.token_hash(key), now=read.now_ms())
    return None if row is None else _key_view(row)


async def holder_of(read: Reader, session_id: str) -> str | None:
    """Give the user of a session; None when there is no such session."""
    found: str | None = await read.scalar(BY_ID, id=session_id, limit=1)
    return found


@query(access="player")
async def list_sessions(read: Reader, *, user: users.UserId) -> list[OwnSession]:
    """List a user's sessions that can be used or refreshed, the last used one first."""
    loaded = await read.load(user, users.User, Session)
    owner = None if loaded is None else loaded.one(users.User)
    if loaded is None or owner is None:
        return []
    now, names = read.now_ms(), OwnSession.__struct_fields__
    rows = [one for one in loaded.rows(Session) if rules.is_alive(one, now) and not rules.is_void(one, owner)]
    rows.sort(key=lambda one: one.last_activity_at, reverse=True)
    return [OwnSession(**{name: getattr(one, name) for name in names}) for one in rows]


@query(access="operator")
async def list_live(
    read: Reader, *, user: users.UserId | None = None, limit: PageLimit = 50, cursor: Cursor | None = None
) -> Page[LiveSession]:
    """List sessions that can be used or refreshed, of everybody or of one user, the one opened last first; with their addresses."""
    (before,) = read_cursor(cursor, str) or (LAST,)
    words = {"before": before, "now": read.now_ms(), "limit": limit + 1}
    if user is None:
        rows = await read.rows(LiveSession, LIVE, **words)
    else:
        rows = await read.rows(LiveSession, LIVE_OF_USER, user=user, **words)
    return Page(rows[:limit], write_cursor([rows[limit - 1].session_id]) if len(rows) > limit else None)


@query(access="operator")
async def list_keys(read: Reader, *, user: users.UserId) -> list[ApiKeyView]:
    """List a user's API keys, the oldest first; revoked ones are among them."""
    return [_key_view(one) for one in await read.all(ApiKey, user)]


def _key_view(row: ApiKey) -> ApiKeyView:
    return ApiKeyView(row.user_id, row.key_id, row.name, row.scopes, row.created_at, row.last_used_at, row.revoked_at, row.expires_at)

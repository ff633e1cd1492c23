"""What may be asked of sessions and API keys. No answer holds a token or its hash."""

from typing import Annotated

from msgspec import Meta, Struct
from sqlalchemy import BigInteger, Text, bindparam, or_, select

from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.queries import Reader, query
from gamekeeper.kernel.records import EpochMs, Secret
from gamekeeper.kernel.store.schema import table
from gamekeeper.modules import users

from . import rules
from .records import ApiKey, ClientType, KeyName, Scopes, Session

Token = Secret[Annotated[str, Meta(max_length=rules.MAX_TOKEN)]]

sessions = table(Session)
api_keys = table(ApiKey)
accounts = table(users.User)

HASH = bindparam("hash", type_=Text)
NOW = bindparam("now", type_=BigInteger)
USABLE = (
    accounts.c.is_active,
    accounts.c.tombstoned_at.is_(None),
    or_(accounts.c.guest_expires_at.is_(None), accounts.c.guest_expires_at > NOW),
)

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
    )
    .join_from(sessions, accounts, accounts.c.user_id == sessions.c.user_id)
    .where(
        sessions.c.token_hash == HASH,
        sessions.c.revoked_at.is_(None),
        sessions.c.expires_at > NOW,
        sessions.c.absolute_expires_at > NOW,
        *USABLE,
    )
)

BY_KEY = (
    select(api_keys)
    .join_from(api_keys, accounts, accounts.c.user_id == api_keys.c.user_id)
    .where(api_keys.c.key_hash == HASH, api_keys.c.revoked_at.is_(None), *USABLE)
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


class OwnSession(Struct, frozen=True):
    """A session in force, as its user may see it."""

    session_id: str
    client_type: ClientType
    ip_address: str | None
    user_agent: str | None
    character_id: Id | None
    world_id: Id | None
    created_at: EpochMs
    last_activity_at: EpochMs
    expires_at: EpochMs


class ApiKeyView(Struct, frozen=True):
    """An API key without the key."""

    user_id: str
    key_id: str
    name: KeyName
    scopes: Scopes
    created_at: EpochMs
    last_used_at: EpochMs | None
    revoked_at: EpochMs | None


@query(access="server")
async def by_token(read: Reader, *, token: Token) -> SessionView | None:
    """Give the session of a token; None when it has ended or its user may not act."""
    return await read.one(SessionView, BY_TOKEN, hash=rules.token_hash(token), now=read.now_ms())


@query(access="server")
async def by_key(read: Reader, *, key: Token) -> ApiKeyView | None:
    """Give the API key of a secret; None when it was revoked or its owner may not act."""
    row = await read.one(ApiKey, BY_KEY, hash=rules.token_hash(key), now=read.now_ms())
    return None if row is None else _key_view(row)


@query(access="player")
async def list_sessions(read: Reader, *, user: users.UserId) -> list[OwnSession]:
    """List a user's open sessions, the last used one first."""
    now = read.now_ms()
    rows = sorted(await read.all(Session, user), key=lambda one: one.last_activity_at, reverse=True)
    names = OwnSession.__struct_fields__
    return [OwnSession(**{name: getattr(one, name) for name in names}) for one in rows if rules.is_open(one, now)]


@query(access="operator")
async def list_keys(read: Reader, *, user: users.UserId) -> list[ApiKeyView]:
    """List a user's API keys, the oldest first; revoked ones are among them."""
    return [_key_view(one) for one in await read.all(ApiKey, user)]


def _key_view(row: ApiKey) -> ApiKeyView:
    return ApiKeyView(row.user_id, row.key_id, row.name, row.scopes, row.created_at, row.last_used_at, row.revoked_at)

"""What may be done with refresh tokens, by which a session on somebody's own machine lasts for weeks.

The session's own token is good for minutes. A refresh gives another one, and another refresh token; the one before is worth
nothing from then on, and who brings it again, be it the thief or the one who was robbed, ends the session for both.
"""

from typing import Protocol

from msgspec import Struct

from gamekeeper.kernel.commands import Prepared, command
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.records import EpochMs, Secret
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import users

from . import rules
from .errors import RefreshTokenInvalid
from .queries import BY_FAMILY, Token
from .records import RefreshToken, Session


class Refreshed(Struct, frozen=True):
    """The session's new tokens; or, when the refresh token was a copy of one that was used before, `reused` and no tokens."""

    user_id: str
    session_id: str
    reused: bool = False
    token: Secret[str] | None = None
    expires_at: EpochMs | None = None
    refresh_token: Secret[str] | None = None
    refreshable_until: EpochMs | None = None
    absolute_expires_at: EpochMs | None = None


class _Family(Struct, frozen=True):
    """Whose a refresh token is, and what to derive its successor with."""

    user_id: str
    session_id: str
    salt: str


class _Bearer(Protocol):
    """The argument of `refresh`."""

    refresh_token: str


def begin_family(ctx: Context, session: Session, token: str) -> None:
    """Keep a session's first refresh token; whoever calls it lists `Session` and `RefreshToken` in what it touches."""
    forget_families(ctx, session.user_id)
    hashes = rules.token_hash(rules.family_of(token)), rules.token_hash(token)
    ctx.put(RefreshToken(session.user_id, session.session_id, *hashes, created_at=ctx.now, rotated_at=ctx.now))


def forget_families(ctx: Context, user: str) -> None:
    """Delete the refresh tokens of sessions that are over; whoever calls it lists `Session` and `RefreshToken` in what it touches."""
    for family in ctx.rows(RefreshToken, user):
        session = ctx.get(Session, user, family.session_id)
        if session is None or not rules.is_alive(session, ctx.now):
            ctx.delete(family)


async def _family(read: Reader, arguments: _Bearer) -> Prepared:
    found: RefreshToken | None = await read.one(RefreshToken, BY_FAMILY, hash=rules.token_hash(rules.family_of(arguments.refresh_token)))
    if found is None:
        raise RefreshTokenInvalid
    return Prepared(found=_Family(found.user_id, found.session_id, rules.new_salt()), owners=(found.user_id,))


@command(touches=[users.User, Session, RefreshToken], prepare=_family, access="public", module="sessions")
def refresh(ctx: Context, *, refresh_token: Token) -> Refreshed:
    """Exchange a refresh token for another one and a new token of the session, whose old ones are worth nothing from then on.

    Who missed the answer may ask again for ten seconds, under another idempotency key or none, and gets the same one. Later, or
    with a token from further back, somebody has a copy: the session ends, and the answer is no error, which would undo that, but
    `reused` and no tokens: log in again.

    Raises: REFRESH_TOKEN_INVALID, BANNED, ACCOUNT_INACTIVE.
    """
    found: _Family = ctx.found
    family, session = ctx.get(RefreshToken, found.user_id, found.session_id), ctx.get(Session, found.user_id, found.session_id)
    user = ctx.get(users.User, found.user_id)
    if family is None or session is None or user is None or user.tombstoned_at is not None:
        raise RefreshTokenInvalid
    if not rules.is_refreshable(session, ctx.now) or rules.is_void(session, user):
        raise RefreshTokenInvalid
    rules.refuse_inactive(user, ctx.now)
    hashed = rules.token_hash(refresh_token)
    if hashed == family.token_hash:
        following = rules.successor(ctx.keys, refresh_token, found.salt)
        session = _rotate(ctx, family, session, following, found.salt)
    elif rules.tells_again(family, hashed, ctx.now):
        following = rules.successor(ctx.keys, refresh_token, family.salt or "")
        if rules.token_hash(following.refresh_token) != family.token_hash:
            raise RefreshTokenInvalid  # the keep got another key in these seconds
    else:
        ctx.change(session, revoked_at=ctx.now)
        ctx.delete(family)
        return Refreshed(session.user_id, session.session_id, reused=True)
    return Refreshed(
        session.user_id,
        session.session_id,
        token=following.token,
        expires_at=session.expires_at,
        refresh_token=following.refresh_token,
        refreshable_until=session.refreshable_until,
        absolute_expires_at=session.absolute_expires_at,
    )


def _rotate(ctx: Context, family: RefreshToken, session: Session, following: rules.Successor, salt: str) -> Session:
    ctx.change(
        family,
        token_hash=rules.token_hash(following.refresh_token),
        before_hash=family.token_hash,
        salt=salt,
        rotated_at=ctx.now,
        rotations=family.rotations + 1,
    )
    expiry = rules.refreshed(ctx.settings, ctx.now, session.absolute_expires_at)
    return ctx.change(
        session,
        token_hash=rules.token_hash(following.token),
        last_activity_at=ctx.now,
        expires_at=expiry.sliding,
        refreshable_until=expiry.refreshable_until,
    )

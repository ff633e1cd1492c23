"""What may be done with API keys. A key is made before its command runs, and told once."""

from typing import Annotated

from msgspec import Meta, Struct

from gamekeeper.kernel.commands import Prepared, command
from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.records import Secret
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import users

from . import rules
from .errors import ApiKeyNotFound, TooManyApiKeys
from .records import ApiKey, KeyName, Scopes

OverlapSeconds = Annotated[int, Meta(ge=0, le=rules.MAX_OVERLAP_DAYS * 86_400, description="how long the key before goes on working")]


class NewApiKey(Struct, frozen=True):
    """A new API key. The key is told here and never again."""

    user_id: str
    key_id: str
    key: Secret[str]


async def _key(_read: Reader, _arguments: object) -> Prepared:
    return Prepared(found=rules.new_token(rules.API_KEY_PREFIX))


@command(touches=[users.User, ApiKey], prepare=_key, access="operator", module="sessions")
def create_key(ctx: Context, *, user: users.UserId, name: KeyName, scopes: Scopes) -> NewApiKey:
    """Make an API key that is good for its scopes while its owner's account is.

    Raises: USER_NOT_FOUND, TOO_MANY_API_KEYS.
    """
    users.alive(ctx, user)
    return _add(ctx, user, name, sorted(set(scopes)))


@command(touches=[users.User, ApiKey], prepare=_key, access="operator", module="sessions")
def rotate_key(ctx: Context, *, user: users.UserId, key_id: Id, overlap_seconds: OverlapSeconds = 0) -> NewApiKey:
    """Put a new API key of the same name and scopes in a key's place, which ends at once, or after the overlap.

    The answer to a key that may have leaked is no overlap; the overlap is for changing keys as a habit, while servers run.

    Raises: USER_NOT_FOUND, API_KEY_NOT_FOUND, TOO_MANY_API_KEYS.
    """
    users.alive(ctx, user)
    old = _known(ctx, user, key_id)
    if not rules.is_good(old, ctx.now):
        raise ApiKeyNotFound(id=key_id)
    if overlap_seconds:
        ends = ctx.now + overlap_seconds * 1000
        ctx.change(old, expires_at=ends if old.expires_at is None else min(ends, old.expires_at))
    else:
        ctx.change(old, revoked_at=ctx.now)
    return _add(ctx, user, old.name, old.scopes)


def _add(ctx: Context, user: str, name: str, scopes: list[str]) -> NewApiKey:
    known = list(ctx.rows(ApiKey, user))
    if sum(rules.is_good(one, ctx.now) for one in known) >= rules.MAX_API_KEYS:
        raise TooManyApiKeys(limit=rules.MAX_API_KEYS)
    for key in rules.keys_to_forget(known, ctx.now):
        ctx.delete(key)
    made = ApiKey(user, ctx.new_id(), name, rules.token_hash(ctx.found), scopes, ctx.now)
    ctx.put(made)
    return NewApiKey(user, made.key_id, ctx.found)


@command(touches=[ApiKey], module="sessions")
def touch_key(ctx: Context, *, user: users.UserId, key_id: Id) -> None:
    """Note that an API key was used; within a minute of the last time nothing is written.

    Raises: API_KEY_NOT_FOUND.
    """
    key = _known(ctx, user, key_id)
    if key.revoked_at is None and rules.touch_is_due(key.last_used_at, ctx.now):
        ctx.change(key, last_used_at=ctx.now)


@command(touches=[ApiKey], access="operator", module="sessions")
def revoke_key(ctx: Context, *, user: users.UserId, key_id: Id) -> None:
    """End an API key at once; one that was revoked already stays as it is.

    Raises: API_KEY_NOT_FOUND.
    """
    key = _known(ctx, user, key_id)
    if key.revoked_at is None:
        ctx.change(key, revoked_at=ctx.now)


def _known(ctx: Context, user: str, key_id: str) -> ApiKey:
    key = ctx.get(ApiKey, user, key_id)
    if key is None:
        raise ApiKeyNotFound(id=key_id)
    return key

"""What may be asked of linked accounts. No answer but one for game servers holds a token, and none a digest to compare."""

from typing import Annotated

from msgspec import Meta, Struct
from sqlalchemy import BigInteger, Text, bindparam, select

from gamekeeper.kernel.keyring import KeyRing
from gamekeeper.kernel.queries import Reader, query
from gamekeeper.kernel.records import EpochMs, Secret
from gamekeeper.kernel.store.schema import claims, table
from gamekeeper.kernel.verify import Problem, check
from gamekeeper.modules import users

from . import rules
from .errors import AccountNotFound
from .records import Account, AccountId, ProviderId, SignInCode, TokenScope

codes = table(SignInCode)
linked = table(Account)

HOLDER = select(claims.c.owner_id).where(claims.c.kind == bindparam("claim", type_=Text), claims.c.key == bindparam("key", type_=Text))
WITH_OLD_CODES = (
    select(codes.c.user_id)
    .where(codes.c.expires_at <= bindparam("now", type_=BigInteger))
    .distinct()
    .limit(bindparam("limit", type_=BigInteger))
)
CODE = select(codes).where(codes.c.code_hash == bindparam("hash", type_=Text))

UNLINKED = (
    select(linked.c.user_id, linked.c.provider_id)
    .where(
        ~select(claims.c.key)
        .where(
            claims.c.kind == rules.ACCOUNT_CLAIM,
            claims.c.key == linked.c.provider_id + ":" + linked.c.account_id,
            claims.c.owner_id == linked.c.user_id,
        )
        .exists()
    )
    .order_by(linked.c.user_id, linked.c.provider_id)
    .limit(bindparam("limit", type_=BigInteger))
)

FIRST_FOUND = 50
"""Linked accounts that a verification names for one fault."""


class WithOldCodes(Struct, frozen=True):
    """A user who has codes that ran out."""

    user_id: str


OpenedToken = Secret[Annotated[str, Meta(max_length=8192)]]


class AccountView(Struct, frozen=True):
    """A linked account, as its user may see it."""

    provider: ProviderId
    account_id: AccountId
    scope: TokenScope | None
    created_at: EpochMs
    last_used_at: EpochMs


class KeptTokens(Struct, frozen=True):
    """What was kept for calls to a provider in the user's name."""

    scope: TokenScope | None
    access_token: OpenedToken | None
    refresh_token: OpenedToken | None
    id_token: OpenedToken | None
    access_token_expires_at: EpochMs | None
    refresh_token_expires_at: EpochMs | None


async def holder_of(read: Reader, provider: str, ids: list[str]) -> str | None:
    """Give the user to whom an account is linked, under whichever of its ids."""
    for id in ids:
        holder = await read.scalar(HOLDER, claim=rules.ACCOUNT_CLAIM, key=rules.claim_key(provider, id))
        if holder is not None:
            return str(holder)
    return None


def open_subject(keys: KeyRing, sealed: str) -> str | None:
    """Give the provider's own name for an account; None when the keep no longer has the key of the seal."""
    return keys.open(rules.SEAL, sealed)


@query(access="player")
async def list_accounts(read: Reader, *, user: users.UserId) -> list[AccountView]:
    """List the accounts that a user may log in with."""
    return [
        AccountView(one.provider_id, one.account_id, one.scope, one.created_at, one.last_used_at) for one in await read.all(Account, user)
    ]


@query(access="server")
async def show_tokens(read: Reader, *, user: users.UserId, provider: ProviderId, account_id: AccountId) -> KeptTokens:
    """Show the tokens that were kept of an account, to call its provider; what this keep's keys no longer open is left out.

    Raises: ACCOUNT_NOT_FOUND.
    """
    row = await read.get(Account, user, provider, account_id)
    if row is None:
        raise AccountNotFound(provider=provider)
    access, refresh, identity = (
        None if sealed is None else read.keys.open(rules.SEAL, sealed)
        for sealed in (row.access_token_sealed, row.refresh_token_sealed, row.id_token_sealed)
    )
    return KeptTokens(row.scope, access, refresh, identity, row.access_token_expires_at, row.refresh_token_expires_at)


class _Found(Struct, frozen=True):
    """A linked account with which something is wrong."""

    user_id: str
    provider_id: str


@check("accounts.links")
async def links_are_claimed(read: Reader) -> list[Problem]:
    """Find the linked accounts that are not claimed for their user, so that they could be linked to another one too."""
    rows = await read.rows(_Found, UNLINKED, limit=FIRST_FOUND)
    told = "an account at {0.provider_id} is not claimed for its user"
    return [Problem("accounts.links", told.format(row), owner=row.user_id, table="claims") for row in rows]

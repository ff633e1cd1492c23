"""What may be done so that a person is forgotten: asked for, thought over for 30 days, then done for good.

The user's row stays as a tombstone, so that what others did with them still adds up. Modules above this one keep things of a
person too: `people.erase` takes all of it away in one go, and what stands here is its part for users.
"""

from typing import Annotated, Protocol

from msgspec import Meta, Struct

from gamekeeper.kernel.commands import Prepared, command
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.records import EpochMs
from gamekeeper.kernel.workingset import Context

from . import rules
from .commands import alive
from .credentials import proved, release_email, still_proved
from .errors import DeletionNotDue
from .passwords import GivenPassword
from .queries import CLAIM_HOLDER, HELD_LONG, WITH_OLD_TOKENS, HeldName, WithOldTokens
from .records import User, UserId, Verification

NameLimit = Annotated[int, Meta(ge=1, le=100, description="how many at most")]


class DeletionRequested(Struct, frozen=True):
    """When the account may be erased; until then the request can be taken back."""

    due_at: EpochMs


class Released(Struct, frozen=True):
    """How many names were given back; as many as were asked for means that there may be more."""

    names: int


class ForgottenTokens(Struct, frozen=True):
    """How many tokens went, or would go, and whether there are more."""

    tokens: int
    more: bool


class _Leaving(Struct, frozen=True):
    """What a preparation found: the hash that a password was checked against, and how the user's name is held."""

    password_hash: str | None
    mine: tuple[str, ...]
    """the keys under which it is held for this user"""
    held: bool
    """whether it is held at all"""


class _OfUser(Protocol):
    """The argument of commands about one user."""

    user: str


class _Request(_OfUser, Protocol):
    """The arguments of `request_deletion` that its preparation needs."""

    password: str | None


async def _name(read: Reader, user: User | None) -> _Leaving:
    keys = [] if user is None else rules.held_keys(read.keys, user.username_key)
    holders = {key: await read.scalar(CLAIM_HOLDER, claim=rules.HELD_CLAIM, key=key) for key in keys}
    mine = tuple(key for key, holder in holders.items() if user is not None and holder == user.user_id)
    return _Leaving(None if user is None else user.password_hash, mine, any(holder is not None for holder in holders.values()))


async def _asking(read: Reader, arguments: _Request) -> Prepared:
    return Prepared(found=await _name(read, await proved(read, arguments.user, arguments.password)))


async def _looked_up(read: Reader, arguments: _OfUser) -> Prepared:
    return Prepared(found=await _name(read, await read.get(User, arguments.user)))


@command(touches=[User], prepare=_asking, access="player", module="users")
def request_deletion(ctx: Context, *, user: UserId, password: GivenPassword | None = None) -> DeletionRequested:
    """Ask that a user is forgotten in 30 days; who has a password gives it again. Asking twice changes nothing.

    The account works on, so that its owner can log in and take it back.

    Raises: USER_NOT_FOUND, PASSWORD_WRONG, BUSY.
    """
    found: _Leaving = ctx.found
    return _requested(ctx, still_proved(ctx, user, found.password_hash), held=found.held)


@command(touches=[User], prepare=_looked_up, access="operator", module="users")
def request_deletion_for(ctx: Context, *, user: UserId) -> DeletionRequested:
    """Note that a user has asked to be forgotten, by letter for instance: as `request_deletion`, without a password.

    Raises: USER_NOT_FOUND.
    """
    found: _Leaving = ctx.found
    return _requested(ctx, alive(ctx, user), held=found.held)


def _requested(ctx: Context, row: User, *, held: bool) -> DeletionRequested:
    if row.deletion_requested_at is None:
        # Held from now on, and not from the moment of erasing: nobody can be quick enough to take the name in between.
        _hold(ctx, row, held=held)
        row = ctx.change(row, deletion_requested_at=ctx.now, updated_at=ctx.now)
    return DeletionRequested(rules.erasure_due_at(row) or ctx.now)


def _hold(ctx: Context, row: User, *, held: bool) -> None:
    if not held and not row.is_guest:
        ctx.claim(rules.HELD_CLAIM, rules.held_keys(ctx.keys, row.username_key)[0], row.user_id)


@command(touches=[User], prepare=_looked_up, access="player", module="users")
def cancel_deletion(ctx: Context, *, user: UserId) -> None:
    """Take the wish to be forgotten back; nothing happens without one.

    Raises: USER_NOT_FOUND.
    """
    found: _Leaving = ctx.found
    row = alive(ctx, user)
    if row.deletion_requested_at is not None:
        for key in found.mine:
            ctx.release(rules.HELD_CLAIM, key)
        ctx.change(row, deletion_requested_at=None, updated_at=ctx.now)


def tombstone(ctx: Context, row: User, *, held: bool, early: bool = False) -> User:
    """Make a user who has asked for it a tombstone, after the 30 days or `early`, and hold the name, unless it is `held` already.

    Whoever calls it lists `User` and `Verification` in what it touches. The tombstone shows when it was asked for until
    `note_erased` says that nothing of the person is left elsewhere either.

    Raises: DELETION_NOT_DUE.
    """
    due_at = rules.erasure_due_at(row)
    if due_at is None or not (early or due_at <= ctx.now):
        raise DeletionNotDue(due_at=due_at)
    _hold(ctx, row, held=held)
    return forget_person(ctx, row)


def note_erased(ctx: Context, tombstone: User) -> None:
    """Note that nothing is left to do for a tombstone; whoever calls it lists `User` in what it touches."""
    if tombstone.deletion_requested_at is not None:
        ctx.change(tombstone, deletion_requested_at=None, updated_at=ctx.now)


def forget_person(ctx: Context, row: User) -> User:
    """Make a user's row a tombstone, give their claims back and destroy their key; their name is not held.

    What is personal in the journal can never be read again, and what other commands of the same transaction change neither.

    Whoever calls it lists `User` and `Verification` in what it touches.
    """
    for one in ctx.rows(Verification, row.user_id):
        ctx.delete(one)
    ctx.release(rules.USERNAME_CLAIM, row.username_key)
    release_email(ctx, row)
    name = rules.tombstone_name(row.user_id)
    left = User(
        user_id=row.user_id,
        username=name,
        username_key=rules.fold(name),
        created_at=row.created_at,
        updated_at=ctx.now,
        is_active=False,
        is_guest=row.is_guest,
        guest_expires_at=row.guest_expires_at,
        account_origin=row.account_origin,
        deletion_requested_at=row.deletion_requested_at,
        tombstoned_at=ctx.now,
        sessions_valid_from=ctx.now,
    )
    ctx.put(left)
    ctx.erase_person(row.user_id)
    return left


class _Many(Protocol):
    """The argument of `release_held_names`."""

    limit: int


async def _held_long(read: Reader, arguments: _Many) -> Prepared:
    before = read.now_ms() - rules.HELD_DAYS * rules.DAY
    found = await read.rows(HeldName, HELD_LONG, claim=rules.HELD_CLAIM, before=before, limit=arguments.limit)
    return Prepared(found=found, owners=tuple(sorted({one.user_id for one in found})))


@command(touches=[User], prepare=_held_long, access="operator", module="users")
def release_held_names(ctx: Context, *, limit: NameLimit = 100, dry_run: bool = False) -> Released:
    """Give back the names of users who were erased more than 90 days ago, so that others can have them; a dry run only counts them."""
    found: list[HeldName] = ctx.found
    for one in found if not dry_run else ():
        ctx.release(rules.HELD_CLAIM, one.key)
        row = ctx.get(User, one.user_id)
        if row is not None:
            # Claims are in no journal; the change of the row tells that it happened.
            ctx.change(row, updated_at=ctx.now)
    return Released(len(found))


async def _with_old_tokens(read: Reader, arguments: _Many) -> Prepared:
    rows = await read.rows(WithOldTokens, WITH_OLD_TOKENS, now=read.now_ms(), limit=arguments.limit + 1)
    found = tuple(sorted(one.user_id for one in rows[: arguments.limit]))
    return Prepared(found=(found, len(rows) > len(found)), owners=found)


@command(touches=[Verification], prepare=_with_old_tokens, access="operator", module="users")
def forget_verifications(ctx: Context, *, limit: NameLimit = 100, dry_run: bool = False) -> ForgottenTokens:
    """Delete tokens sent by mail that ran out, of so many users at the most; a dry run only counts them."""
    found, more = ctx.found
    old = [one for user in found for one in ctx.rows(Verification, user) if one.expires_at <= ctx.now]
    for one in old if not dry_run else ():
        ctx.delete(one)
    return ForgottenTokens(len(old), more)

"""What may be done with users."""

import secrets
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from gamekeeper.errors import InvalidArgument
from gamekeeper.kernel.commands import Prepared, command
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.records import EpochMs, Personal
from gamekeeper.kernel.workingset import Context

from . import passwords, rules
from .authority import require_authority, with_actor
from .errors import UserNotFound
from .passwords import Password
from .queries import CLAIM_HOLDER
from .records import NewUserId, Role, TimeZone, User, UserId, Username

GUEST_TRIES = 20
"""How many numbers are tried before guests get longer ones."""
GUEST_DIGITS_MOST = 12


class Registered(Struct, frozen=True):
    """The new user. The name is not repeated: answers stand in the journal, and a name is a person's."""

    user_id: str


class Guest(Struct, frozen=True):
    """The new guest, whose name was made up."""

    user_id: str
    username: str
    expires_at: EpochMs


class _Registration(Protocol):
    """The arguments of `register` that its preparation needs."""

    username: str
    password: str


def alive(ctx: Context, user: str) -> User:
    """Give a user who is not deleted; whoever calls it lists `User` in what it touches.

    Raises: USER_NOT_FOUND.
    """
    row = ctx.get(User, user)
    if row is None or row.tombstoned_at is not None:
        raise UserNotFound(id=user)
    return row


async def _hashed(_read: Reader, arguments: _Registration) -> Prepared:
    rules.read_name(arguments.username, rules.USERNAME_POLICY)  # no work for a name that will be refused
    return Prepared(found=await passwords.hash_password(arguments.password))


@command(touches=[User], prepare=_hashed, access="public")
def register(
    ctx: Context,
    *,
    user: NewUserId | None = None,
    username: Personal[Username],
    password: Password,
    timezone: TimeZone = "UTC",
) -> Registered:
    """Make a user who logs in by name and password; the name is unique among all that look like it.

    Raises: NAME_INVALID, NAME_TAKEN, ALREADY_EXISTS, INVALID_ARGUMENT, BUSY.
    """
    name = rules.read_name(username, rules.USERNAME_POLICY)
    if timezone not in rules.time_zones():
        raise InvalidArgument(path="/timezone", problem="not a name of the IANA time zone database")
    made = ctx.create_owner("user", user)
    ctx.claim(rules.USERNAME_CLAIM, name.key, made)
    ctx.put(
        User(
            user_id=made,
            username=name.shown,
            username_key=name.key,
            created_at=ctx.now,
            updated_at=ctx.now,
            password_hash=ctx.found,
            timezone=timezone,
        )
    )
    return Registered(made)


async def free_guest_name(read: Reader) -> str:
    """Give a guest name that nobody has at this moment; the claim decides."""
    for digits in range(rules.GUEST_DIGITS, GUEST_DIGITS_MOST):
        for _ in range(GUEST_TRIES):
            name = f"{rules.GUEST_PREFIX}{secrets.randbelow(10**digits):0{digits}d}"
            if await read.scalar(CLAIM_HOLDER, claim=rules.USERNAME_CLAIM, key=rules.fold(name)) is None:
                return name
    return f"{rules.GUEST_PREFIX}{secrets.randbelow(10**GUEST_DIGITS_MOST):0{GUEST_DIGITS_MOST}d}"


def add_guest(ctx: Context, user: str | None, name: str) -> User:
    """Make the guest of a name from `free_guest_name`; whoever calls it lists `User` in what it touches.

    Raises: NAME_TAKEN, ALREADY_EXISTS.
    """
    made = ctx.create_owner("user", user)
    key = rules.fold(name)
    ctx.claim(rules.USERNAME_CLAIM, key, made)
    row = User(
        user_id=made,
        username=name,
        username_key=key,
        created_at=ctx.now,
        updated_at=ctx.now,
        is_guest=True,
        guest_expires_at=ctx.now + rules.GUEST_HOURS * 3_600_000,
        account_origin="visitor",
    )
    ctx.put(row)
    return row


async def _guest_name(read: Reader, _arguments: object) -> Prepared:
    return Prepared(found=await free_guest_name(read))


@command(touches=[User], prepare=_guest_name)
def create_guest(ctx: Context, *, user: NewUserId | None = None) -> Guest:
    """Make a guest, who lasts 24 hours and has no password.

    Raises: NAME_TAKEN, ALREADY_EXISTS.
    """
    row = add_guest(ctx, user, ctx.found)
    return Guest(row.user_id, row.username, row.guest_expires_at or ctx.now)


@command(touches=[User], prepare=with_actor, access="admin")
def set_role(ctx: Context, *, user: UserId, role: Role) -> None:
    """Give a user another role; staff give only roles below their own, to users below them.

    Raises: USER_NOT_FOUND, ROLE_TOO_LOW.
    """
    row = alive(ctx, user)
    require_authority(ctx, row, "admin")
    require_authority(ctx, replace(row, role=role), "admin")
    if row.role != role:
        ctx.change(row, role=role, updated_at=ctx.now)

"""What may be done with users."""

import secrets
from typing import Annotated, Any, Protocol

from msgspec import Meta, Struct
from msgspec.structs import replace

from gamekeeper.errors import InvalidArgument, NameTaken
from gamekeeper.kernel.commands import Prepared, command
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.records import EpochMs, Personal
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import days

from . import emails, passwords, rules
from .authority import require_authority, with_actor
from .errors import UserNotFound
from .passwords import Password
from .queries import CLAIM_HOLDER, is_held
from .records import Email, NewUserId, Role, TimeZone, User, UserId, Username

ShownName = Annotated[str, Meta(max_length=128, description="a name beside the user name; empty takes it away")]
ImageUrl = Annotated[
    str,
    Meta(
        max_length=2048,
        pattern=r"^(https://[A-Za-z0-9\-._~:/?#\[\]@!$&()*+,;=%]+)?(?!\n)$",
        description="an https URL; empty takes it away",
    ),
]

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
    email: str | None


class _Registering(Struct, frozen=True):
    """What the preparation of a registration found: the password's hash, and whether an address is to be kept."""

    password_hash: str
    keep_email: bool


def alive(ctx: Context, user: str) -> User:
    """Give a user who is not deleted; whoever calls it lists `User` in what it touches.

    Raises: USER_NOT_FOUND.
    """
    row = ctx.get(User, user)
    if row is None or row.tombstoned_at is not None:
        raise UserNotFound(id=user)
    return row


async def _hashed(read: Reader, arguments: _Registration) -> Prepared:
    name = rules.read_name(arguments.username, rules.USERNAME_POLICY)  # no work for what will be refused
    if arguments.email is not None:
        emails.canonical_email(arguments.email)
    passwords.check_password(arguments.password, name.shown)
    hashed = await passwords.hash_password(arguments.password, passwords.password_cost(read))
    await refuse_held_name(read, name.key)
    return Prepared(found=_Registering(hashed, read.settings.keep_emails))


async def refuse_held_name(read: Reader, username_key: str) -> None:
    """Refuse a name that is held for somebody who leaves or was erased; whoever claims a user's name prepares it by this.

    Raises: NAME_TAKEN.
    """
    if await is_held(read, username_key):
        raise NameTaken(name=username_key)


@command(touches=[User], prepare=_hashed, access="public")
def register(
    ctx: Context,
    *,
    user: NewUserId | None = None,
    username: Personal[Username],
    password: Password,
    email: Email | None = None,
    timezone: TimeZone = "UTC",
) -> Registered:
    """Make a user who logs in by name and password; the name is unique among all that look like it.

    An e-mail address counts for nothing until it is verified, and the answer is the same when it is another user's: so nobody
    learns whose address has an account.

    Raises: NAME_INVALID, NAME_TAKEN, PASSWORD_REFUSED, EMAIL_INVALID, SECRET_KEY_NEEDED, ALREADY_EXISTS, INVALID_ARGUMENT, BUSY.
    """
    name = rules.read_name(username, rules.USERNAME_POLICY)
    found: _Registering = ctx.found
    address = None if email is None else emails.canonical_email(email)
    _check_time_zone(timezone)
    made = ctx.create_owner("user", user)
    ctx.claim(rules.USERNAME_CLAIM, name.key, made)
    ctx.put(
        User(
            user_id=made,
            username=name.shown,
            username_key=name.key,
            created_at=ctx.now,
            updated_at=ctx.now,
            email_hash=None if address is None else emails.email_hashes(ctx.keys, address)[0],
            email_sealed=ctx.keys.seal(emails.PURPOSE, address) if address is not None and found.keep_email else None,
            password_hash=found.password_hash,
            timezone=timezone,
        )
    )
    return Registered(made)


def _check_time_zone(name: str) -> None:
    if not days.is_zone(name):
        raise InvalidArgument(path="/timezone", problem="not a name of the IANA time zone database")


async def free_guest_name(read: Reader) -> str:
    """Give a guest name that nobody has at this moment; the claim decides."""
    return await free_name(read, rules.GUEST_PREFIX)


async def free_name(read: Reader, prefix: str) -> str:
    """Give a name of a prefix and a number that nobody has at this moment; the claim decides."""
    for digits in range(rules.GUEST_DIGITS, GUEST_DIGITS_MOST):
        for _ in range(GUEST_TRIES):
            name = f"{prefix}{secrets.randbelow(10**digits):0{digits}d}"
            if await read.scalar(CLAIM_HOLDER, claim=rules.USERNAME_CLAIM, key=rules.fold(name)) is None:
                return name
    return f"{prefix}{secrets.randbelow(10**GUEST_DIGITS_MOST):0{GUEST_DIGITS_MOST}d}"


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


@command(touches=[User], access="player")
def set_profile(ctx: Context, *, user: UserId, name: Personal[ShownName] | None = None, image: Personal[ImageUrl] | None = None) -> None:
    """Set the name that is shown beside the user name, an image, or both; what is not said stays as it is.

    Raises: USER_NOT_FOUND, NAME_INVALID.
    """
    row = alive(ctx, user)
    said: dict[str, Any] = {}
    if name is not None:
        said["name"] = rules.read_name(name, rules.SHOWN_NAME_POLICY).shown if name else None
    if image is not None:
        said["image"] = image or None
    if replace(row, **said) != row:
        ctx.change(row, **said, updated_at=ctx.now)


@command(touches=[User], access="player")
def set_timezone(ctx: Context, *, user: UserId, timezone: TimeZone) -> None:
    """Set where a user's days begin and end.

    Raises: USER_NOT_FOUND, INVALID_ARGUMENT.
    """
    row = alive(ctx, user)
    _check_time_zone(timezone)
    if row.timezone != timezone:
        ctx.change(row, timezone=timezone, updated_at=ctx.now)

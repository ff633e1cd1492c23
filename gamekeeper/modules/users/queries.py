"""What may be asked of users. No answer holds a password's hash."""

from msgspec import Struct
from sqlalchemy import BigInteger, Text, bindparam, or_, select

from gamekeeper.kernel.queries import Cursor, Page, PageLimit, Reader, query, read_cursor, write_cursor
from gamekeeper.kernel.records import EpochMs, Personal
from gamekeeper.kernel.store.schema import claims, table
from gamekeeper.kernel.verify import Problem, check

from . import rules
from .errors import UserNotFound
from .records import AccountOrigin, Role, TimeZone, User, UserId, Username, Verification

users = table(User)

CLAIM_HOLDER = select(claims.c.owner_id).where(
    claims.c.kind == bindparam("claim", type_=Text), claims.c.key == bindparam("key", type_=Text)
)

NAMED = (
    select(users)
    .join_from(claims, users, users.c.user_id == claims.c.owner_id)
    .where(claims.c.kind == bindparam("claim", type_=Text), claims.c.key == bindparam("key", type_=Text), users.c.tombstoned_at.is_(None))
)

PAGE = (
    select(users)
    .where(users.c.user_id > bindparam("after", type_=Text))
    .order_by(users.c.user_id)
    .limit(bindparam("limit", type_=BigInteger))
)

# Texts are ordered by code point on both engines, so that a range of the index holds all that begin alike.
BEGINNING_ALIKE = PAGE.where(users.c.username_key >= bindparam("prefix", type_=Text), users.c.username_key < bindparam("end", type_=Text))
LAST_CHARACTER = "\U0010ffff"
"""Sorts behind whatever a name may go on with."""

verifications = table(Verification)

WITH_OLD_TOKENS = (
    select(verifications.c.user_id)
    .where(verifications.c.expires_at <= bindparam("now", type_=BigInteger))
    .distinct()
    .limit(bindparam("limit", type_=BigInteger))
)
BY_TOKEN = select(verifications).where(verifications.c.value_hash == bindparam("hash", type_=Text))

HELD_LONG = (
    select(claims.c.key, claims.c.owner_id)
    .join_from(users, claims, claims.c.owner_id == users.c.user_id)
    .where(claims.c.kind == bindparam("claim", type_=Text), users.c.tombstoned_at <= bindparam("before", type_=BigInteger))
    .order_by(users.c.user_id)
    .limit(bindparam("limit", type_=BigInteger))
)

DUE = (
    select(users.c.user_id)
    .where(
        users.c.deletion_requested_at.is_not(None),
        # A tombstone keeps the time until nothing of the person is left anywhere.
        or_(users.c.deletion_requested_at <= bindparam("before", type_=BigInteger), users.c.tombstoned_at.is_not(None)),
    )
    .order_by(users.c.deletion_requested_at)
    .limit(bindparam("limit", type_=BigInteger))
)

UNNAMED = (
    select(users.c.user_id)
    .where(
        users.c.tombstoned_at.is_(None),
        ~select(claims.c.key)
        .where(claims.c.kind == rules.USERNAME_CLAIM, claims.c.key == users.c.username_key, claims.c.owner_id == users.c.user_id)
        .exists(),
    )
    .order_by(users.c.user_id)
    .limit(bindparam("limit", type_=BigInteger))
)

UNVERIFIED = (
    select(users.c.user_id)
    .where(
        users.c.email_verified,
        ~select(claims.c.key)
        .where(claims.c.kind == rules.EMAIL_CLAIM, claims.c.key == users.c.email_hash, claims.c.owner_id == users.c.user_id)
        .exists(),
    )
    .order_by(users.c.user_id)
    .limit(bindparam("limit", type_=BigInteger))
)

FIRST_FOUND = 50
"""Users that a verification names for one fault."""


class UserView(Struct, frozen=True):
    """A user without secrets."""

    user_id: str
    username: str
    name: str | None
    image: str | None
    email_verified: bool
    has_password: bool
    role: Role
    is_active: bool
    is_guest: bool
    guest_expires_at: EpochMs | None
    account_origin: AccountOrigin
    timezone: TimeZone
    created_at: EpochMs
    updated_at: EpochMs
    last_login_at: EpochMs | None
    deletion_requested_at: EpochMs | None
    tombstoned_at: EpochMs | None


class WithOldTokens(Struct, frozen=True):
    """A user who has tokens that ran out."""

    user_id: str


class HeldName(Struct, frozen=True):
    """A name that is kept from being taken, and whose it was."""

    key: str
    user_id: str


class Leaving(Struct, frozen=True):
    """A user who may be erased."""

    user_id: str


def view(user: User) -> UserView:
    """Give what may be shown of a user."""
    shown = {name: getattr(user, name) for name in UserView.__struct_fields__ if name != "has_password"}
    return UserView(has_password=user.password_hash is not None, **shown)


async def named(read: Reader, username: str) -> User | None:
    """Give the user whose name looks like this one, with the secrets: for the commands of this package and of sessions."""
    key = rules.lookup_key(username)
    return None if key is None else await read.one(User, NAMED, claim=rules.USERNAME_CLAIM, key=key)


@query(access="player")
async def show(read: Reader, *, user: UserId) -> UserView:
    """Show a user's own account.

    Raises: USER_NOT_FOUND.
    """
    row = await read.get(User, user)
    if row is None or row.tombstoned_at is not None:
        raise UserNotFound(id=user)
    return view(row)


@query(access="server")
async def find(read: Reader, *, username: Personal[Username]) -> UserView | None:
    """Find the user of a name, in whatever case or look-alike letters it is written."""
    row = await named(read, username)
    return None if row is None else view(row)


@query(access="operator")
async def list_users(
    read: Reader, *, prefix: Personal[Username] | None = None, limit: PageLimit = 50, cursor: Cursor | None = None
) -> Page[UserView]:
    """List users in the order in which they came, all or those whose names begin alike; deleted ones are among them."""
    key = "" if prefix is None else rules.lookup_key(prefix)
    if key is None:
        return Page([])
    (after,) = read_cursor(cursor, str) or ("",)
    if key:
        rows = await read.rows(User, BEGINNING_ALIKE, after=after, prefix=key, end=key + LAST_CHARACTER, limit=limit + 1)
    else:
        rows = await read.rows(User, PAGE, after=after, limit=limit + 1)
    return Page([view(row) for row in rows[:limit]], write_cursor([rows[limit - 1].user_id]) if len(rows) > limit else None)


async def is_held(read: Reader, username_key: str) -> bool:
    """Say whether a name is held for a user who leaves or was erased."""
    keys = rules.held_keys(read.keys, username_key)
    return any([await read.scalar(CLAIM_HOLDER, claim=rules.HELD_CLAIM, key=key) is not None for key in keys])


@query(access="operator")
async def list_due_for_erasure(read: Reader, *, limit: PageLimit = 50) -> list[Leaving]:
    """List users whose time of grace is over or whose erasing was cut off, those who asked first before the others.

    Erasing them takes them off the list.
    """
    return await due_for_erasure(read, limit)


async def due_for_erasure(read: Reader, limit: int) -> list[Leaving]:
    """Give users who may be erased without being early, and tombstones that are not done with."""
    return await read.rows(Leaving, DUE, before=read.now_ms() - rules.GRACE_DAYS * rules.DAY, limit=limit)


class _Found(Struct, frozen=True):
    """A user with whom something is wrong."""

    user_id: str


@check("users.names")
async def names_are_claimed(read: Reader) -> list[Problem]:
    """Find the users whose name is not claimed for them, so that somebody else could have it too."""
    rows = await read.rows(_Found, UNNAMED, limit=FIRST_FOUND)
    return [Problem("users.names", "the name is not claimed for its user", owner=row.user_id, table="claims") for row in rows]


@check("users.emails")
async def emails_are_claimed(read: Reader) -> list[Problem]:
    """Find the users whose verified address is not claimed for them."""
    rows = await read.rows(_Found, UNVERIFIED, limit=FIRST_FOUND)
    return [Problem("users.emails", "the verified address is not claimed for its user", owner=row.user_id, table="claims") for row in rows]

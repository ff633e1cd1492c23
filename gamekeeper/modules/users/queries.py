"""What may be asked of users. No answer holds a password's hash."""

from msgspec import Struct
from sqlalchemy import BigInteger, Text, bindparam, func, literal_column, or_, select

from gamekeeper.kernel.queries import Cursor, Page, PageLimit, Reader, query, read_cursor, write_cursor
from gamekeeper.kernel.records import EpochMs, Personal
from gamekeeper.kernel.store.schema import claims, table

from . import rules
from .errors import UserNotFound
from .records import AccountOrigin, Role, TimeZone, User, UserId, Username

users = table(User)

CLAIM_HOLDER = select(claims.c.owner_id).where(
    claims.c.kind == bindparam("claim", type_=Text), claims.c.key == bindparam("key", type_=Text)
)

NAMED = (
    select(users)
    .join_from(claims, users, users.c.user_id == claims.c.owner_id)
    .where(claims.c.kind == bindparam("claim", type_=Text), claims.c.key == bindparam("key", type_=Text), users.c.tombstoned_at.is_(None))
)

PREFIX = bindparam("prefix", type_=Text)
BEGINNING = func.substr(users.c.username_key, literal_column("1"), func.length(PREFIX))

PAGE = (
    select(users)
    .where(
        users.c.user_id > bindparam("after", type_=Text),
        or_(bindparam("none", type_=Text) == PREFIX, BEGINNING == PREFIX),
    )
    .order_by(users.c.user_id)
    .limit(bindparam("limit", type_=BigInteger))
)


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
    rows = await read.rows(User, PAGE, after=after, prefix=key, none="", limit=limit + 1)
    return Page([view(row) for row in rows[:limit]], write_cursor([rows[limit - 1].user_id]) if len(rows) > limit else None)

"""What may be asked of guests."""

from msgspec import Struct
from sqlalchemy import BigInteger, Text, and_, bindparam, or_, select

from gamekeeper.kernel.queries import Cursor, Page, PageLimit, Reader, query, read_cursor, write_cursor
from gamekeeper.kernel.records import EpochMs
from gamekeeper.kernel.store.schema import table
from gamekeeper.modules import users

accounts = table(users.User)

AFTER = bindparam("after", type_=BigInteger)
LIMIT = bindparam("limit", type_=BigInteger)

EXPIRED = (
    select(accounts.c.user_id, accounts.c.username, accounts.c.created_at, accounts.c.guest_expires_at)
    .where(
        accounts.c.is_guest,
        accounts.c.tombstoned_at.is_(None),
        accounts.c.guest_expires_at <= bindparam("now", type_=BigInteger),
        accounts.c.guest_expires_at >= AFTER,
        or_(
            accounts.c.guest_expires_at > AFTER,
            and_(accounts.c.guest_expires_at == AFTER, accounts.c.user_id > bindparam("id", type_=Text)),
        ),
    )
    .order_by(accounts.c.guest_expires_at, accounts.c.user_id)
    .limit(LIMIT)
)


class ExpiredGuest(Struct, frozen=True):
    """A guest who may not act any longer and waits to be forgotten."""

    user_id: str
    username: str
    created_at: EpochMs
    guest_expires_at: EpochMs


async def expired(read: Reader, limit: int, after: tuple[int, str] = (0, "")) -> list[ExpiredGuest]:
    """Give the guests whose time is over, those first who have waited longest."""
    return await read.rows(ExpiredGuest, EXPIRED, now=read.now_ms(), after=after[0], id=after[1], limit=limit)


@query(access="operator")
async def list_expired(read: Reader, *, limit: PageLimit = 50, cursor: Cursor | None = None) -> Page[ExpiredGuest]:
    """List the guests whom the next purges will forget, those first who have waited longest."""
    at, id = read_cursor(cursor, int, str) or (0, "")
    rows = await expired(read, limit + 1, (at, id))
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(rows[:limit], None if last is None else write_cursor([last.guest_expires_at, last.user_id]))

"""What may be asked of worlds."""

from sqlalchemy import BigInteger, Text, bindparam, select

from gamekeeper.kernel.queries import Cursor, Page, PageLimit, Reader, query, read_cursor, write_cursor
from gamekeeper.kernel.store.schema import table

from .errors import WorldNotFound
from .records import DEFAULT, World, WorldId

worlds = table(World)

WORLDS = (
    select(worlds)
    .where(worlds.c.world_id > bindparam("after", type_=Text))
    .order_by(worlds.c.world_id)
    .limit(bindparam("limit", type_=BigInteger))
)


async def require_known(read: Reader, world: str) -> None:
    """Refuse a world that nobody has made, for commands that put somebody there; worlds stay, so that a look beforehand is enough.

    Raises: WORLD_NOT_FOUND.
    """
    if world != DEFAULT and await read.get(World, world) is None:
        raise WorldNotFound(id=world)


@query(access="public")
async def show(read: Reader, *, world: WorldId) -> World:
    """Show a world.

    Raises: WORLD_NOT_FOUND.
    """
    found = await read.get(World, world)
    if found is None:
        raise WorldNotFound(id=world)
    return found


@query(access="public")
async def list_worlds(read: Reader, *, limit: PageLimit = 50, cursor: Cursor | None = None) -> Page[World]:
    """List the worlds in the order of their ids."""
    (after,) = read_cursor(cursor, str) or ("",)
    rows = await read.rows(World, WORLDS, after=after, limit=limit + 1)
    return Page(rows[:limit], write_cursor([rows[limit - 1].world_id]) if len(rows) > limit else None)

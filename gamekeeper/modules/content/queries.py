"""What may be asked of content."""

import logging
from collections.abc import Mapping

import msgspec
from msgspec import Struct
from sqlalchemy import BigInteger, Text, bindparam, select

from gamekeeper.kernel.queries import Cursor, Page, PageLimit, Reader, query, read_cursor, write_cursor
from gamekeeper.kernel.store.base import CONTENT_OWNER
from gamekeeper.kernel.store.schema import table

from .commands import ITEM
from .packs import ItemDefinition
from .records import ContentPack, Definition

LOG = logging.getLogger("gamekeeper.content")

KINDS: Mapping[str, type[Struct]] = {ITEM: ItemDefinition}
"""What each kind of definition is read as."""

definitions = table(Definition)

ITEM_DEFINITIONS = (
    select(definitions)
    .where(
        definitions.c.content_id == bindparam("content", type_=Text),
        definitions.c.kind == ITEM,
        definitions.c.id > bindparam("after", type_=Text),
    )
    .order_by(definitions.c.id)
    .limit(bindparam("limit", type_=BigInteger))
)


@query(access="server")
async def packs(read: Reader) -> list[ContentPack]:
    """List the packs that are loaded."""
    return await read.all(ContentPack, CONTENT_OWNER)


@query(access="public")
async def item_definitions(read: Reader, *, limit: PageLimit = 50, cursor: Cursor | None = None) -> Page[ItemDefinition]:
    """List what is defined of items, in the order of their ids."""
    (after,) = read_cursor(cursor, str) or ("",)
    rows = await read.rows(Definition, ITEM_DEFINITIONS, content=CONTENT_OWNER, after=after, limit=limit + 1)
    items = [one for row in rows[:limit] if isinstance(one := decoded(row), ItemDefinition)]
    return Page(items, write_cursor([rows[limit - 1].id]) if len(rows) > limit else None)


async def load_definitions(read: Reader) -> Mapping[type, Mapping[str, Struct]]:
    """Read all definitions in force, by type and id: what `ctx.definitions` gives."""
    found: dict[type, dict[str, Struct]] = {kind: {} for kind in KINDS.values()}
    for row in await read.all(Definition, CONTENT_OWNER):
        one = decoded(row)
        if one is not None:
            found[type(one)][row.id] = one
    return found


def decoded(row: Definition) -> Struct | None:
    """Give a stored definition as its type; None, and a word in the log, when this program cannot read it."""
    kind = KINDS.get(row.kind)
    if kind is None:
        return None
    try:
        return msgspec.convert(row.body, kind)
    except msgspec.ValidationError as error:
        # Items of it are kept and count as unknown: an old definition must not keep the game from starting.
        LOG.warning("definition %s %r of pack %r cannot be read: %s", row.kind, row.id, row.pack_id, error)
        return None

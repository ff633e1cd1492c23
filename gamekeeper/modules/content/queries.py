"""What may be asked of content."""

import logging
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct
from sqlalchemy import BigInteger, Text, and_, bindparam, or_, select

from gamekeeper.kernel.queries import Cursor, Page, PageLimit, Reader, query, read_cursor, write_cursor
from gamekeeper.kernel.records import JsonObject
from gamekeeper.kernel.store.base import CONTENT_OWNER
from gamekeeper.kernel.store.schema import table

from .items import ItemDefinition
from .kinds import KINDS, Defined
from .records import ContentPack, Definition, DefinitionId, DefinitionKind
from .rules import read_back

LOG = logging.getLogger("gamekeeper.content")

ITEM: Final = "item"
"""The kind of item definitions."""
MAX_TOLD: Final = 100
"""How many definitions that cannot be read a keep logs."""

definitions = table(Definition)

OF_KIND = (
    select(definitions)
    .where(
        definitions.c.content_id == bindparam("content", type_=Text),
        definitions.c.kind == bindparam("of_kind", type_=Text),
        definitions.c.id > bindparam("after", type_=Text),
    )
    .order_by(definitions.c.id)
    .limit(bindparam("limit", type_=BigInteger))
)
OF_ALL_KINDS = (
    select(definitions)
    .where(
        definitions.c.content_id == bindparam("content", type_=Text),
        or_(
            definitions.c.kind > bindparam("after_kind", type_=Text),
            and_(definitions.c.kind == bindparam("after_kind", type_=Text), definitions.c.id > bindparam("after", type_=Text)),
        ),
    )
    .order_by(definitions.c.kind, definitions.c.id)
    .limit(bindparam("limit", type_=BigInteger))
)


TEXTS = select(definitions.c.kind, definitions.c.id, definitions.c.pack_id, definitions.c.body).where(
    definitions.c.content_id == bindparam("content", type_=Text)
)
"""All definitions, each as the text that is stored: it becomes a definition without being anything else in between."""


class StoredText(Struct, frozen=True, gc=False):
    """A definition as it is stored, not yet read."""

    kind: str
    id: str
    pack_id: str
    body: str


class KnownKind(Struct, frozen=True):
    """A kind of definition that this program knows."""

    kind: str
    plural: str
    """The name of its files in a pack, and of its list in the command that loads one."""
    schema: JsonObject
    """JSON Schema 2020-12 of one definition."""


class StoredDefinition(Struct, frozen=True):
    """A definition as it is stored."""

    kind: DefinitionKind
    id: DefinitionId
    pack_id: DefinitionId
    body: JsonObject
    problem: str | None = None
    """Why this program cannot read it, and does as if it were not there; what players hold of it stays."""


@query(access="server")
async def packs(read: Reader) -> list[ContentPack]:
    """List the packs that are loaded."""
    return await read.all(ContentPack, CONTENT_OWNER)


@query(access="server")
async def kinds(read: Reader) -> list[KnownKind]:
    """List the kinds of definitions that may be loaded, with the fields of each."""
    return [KnownKind(one.kind, one.plural, msgspec.json.schema(one.type)) for one in sorted(KINDS.values(), key=lambda one: one.kind)]


@query(access="server")
async def stored(
    read: Reader, *, kind: DefinitionKind | None = None, unreadable: bool = False, limit: PageLimit = 50, cursor: Cursor | None = None
) -> Page[StoredDefinition]:
    """List definitions of all kinds or of one, in the order of kinds and ids; on demand only those that this program cannot read."""
    after_kind, after = read_cursor(cursor, str, str) or (kind or "", "")
    found: list[StoredDefinition] = []
    while True:
        if kind is None:
            rows = await read.rows(Definition, OF_ALL_KINDS, content=CONTENT_OWNER, after_kind=after_kind, after=after, limit=limit + 1)
        else:
            rows = await read.rows(Definition, OF_KIND, content=CONTENT_OWNER, of_kind=kind, after=after, limit=limit + 1)
        for row in rows[:limit]:
            one = _shown(row)
            if one.problem is not None or not unreadable:
                found.append(one)
            after_kind, after = row.kind, row.id
            if len(found) == limit:
                return Page(found, write_cursor([after_kind, after]) if row is not rows[-1] else None)
        if len(rows) <= limit:
            return Page(found)


def _shown(row: Definition) -> StoredDefinition:
    one = read_back(row.kind, row.body)
    return StoredDefinition(row.kind, row.id, row.pack_id, row.body, one if isinstance(one, str) else None)


@query(access="public")
async def item_definitions(read: Reader, *, limit: PageLimit = 50, cursor: Cursor | None = None) -> Page[ItemDefinition]:
    """List what is defined of items, in the order of their ids."""
    (after,) = read_cursor(cursor, str) or ("",)
    rows = await read.rows(Definition, OF_KIND, content=CONTENT_OWNER, of_kind=ITEM, after=after, limit=limit + 1)
    items = [one for row in rows[:limit] if isinstance(one := read_back(row.kind, row.body), ItemDefinition)]
    return Page(items, write_cursor([rows[limit - 1].id]) if len(rows) > limit else None)


class Shelf:
    """What a keep has read: a definition whose text has not changed is not made again, and what cannot be read is logged once."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, str], tuple[str, Defined | str]] = {}
        self._told: set[str] = set()

    async def fill(self, read: Reader) -> Mapping[type, Mapping[str, Defined]]:
        """Read all definitions in force, by type and id: what `ctx.definitions` gives."""
        texts: dict[tuple[str, str], tuple[str, Defined | str]] = {}
        found: dict[type, dict[str, Defined]] = {one.type: {} for one in KINDS.values()}
        for row in await read.rows(StoredText, TEXTS, content=CONTENT_OWNER):
            text, one = self._read.get((row.kind, row.id), ("", ""))
            if text != row.body or isinstance(one, str) or type(one) not in found:
                one = read_back(row.kind, row.body)
            if isinstance(one, str):
                self._tell(row, one)
            else:
                found[type(one)][row.id] = one
            texts[row.kind, row.id] = row.body, one
        self._read = texts
        return found

    def _tell(self, row: StoredText, problem: str) -> None:
        """Log a definition that is left out: what players hold of it counts as unknown, and the game goes on."""
        text = f"definition {row.kind} {row.id!r} of pack {row.pack_id!r} cannot be read and is left out: {problem}"
        if text in self._told or len(self._told) > MAX_TOLD:
            return
        self._told.add(text)
        LOG.warning("%s", text if len(self._told) <= MAX_TOLD else "more definitions cannot be read; `gamekeeper content list` shows them")

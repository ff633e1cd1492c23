"""What may be asked of content."""

import logging
from bisect import bisect_right
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeVar

import msgspec
from msgspec import Struct
from sqlalchemy import BigInteger, Text, and_, bindparam, func, or_, select

from gamekeeper.kernel.queries import Cursor, Page, PageLimit, Reader, query, read_cursor, write_cursor
from gamekeeper.kernel.records import MAX_INTEGER, JsonObject
from gamekeeper.kernel.store.base import CONTENT_OWNER
from gamekeeper.kernel.store.schema import table

from .configs import ConfigDefinition, ConfigValue, config_of
from .errors import PackVersionNotFound
from .items import ItemDefinition
from .kinds import KINDS, Defined, kind_of_plural
from .records import ContentPack, Definition, DefinitionId, DefinitionKind, GameConfig, Number, PackVersion
from .rules import altered, read_back

LOG = logging.getLogger("gamekeeper.content")

ITEM: Final = "item"
"""The kind of item definitions."""
MAX_TOLD: Final = 100
"""How many definitions that cannot be read a keep logs."""

D = TypeVar("D")

definitions, versions_kept = table(Definition), table(PackVersion)

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


SAME = select(func.max(versions_kept.c.number)).where(
    versions_kept.c.content_id == bindparam("content", type_=Text),
    versions_kept.c.pack_id == bindparam("pack", type_=Text),
    versions_kept.c.digest == bindparam("digest", type_=Text),
)
VERSIONS = (
    select(versions_kept.c.number, versions_kept.c.version, versions_kept.c.title, versions_kept.c.digest, versions_kept.c.stored_at)
    .where(
        versions_kept.c.content_id == bindparam("content", type_=Text),
        versions_kept.c.pack_id == bindparam("pack", type_=Text),
        versions_kept.c.number < bindparam("before", type_=BigInteger),
    )
    .order_by(versions_kept.c.number.desc())
    .limit(bindparam("limit", type_=BigInteger))
)


class KeptVersion(Struct, frozen=True):
    """A version of a pack that can be put in force."""

    number: int
    version: str
    title: str
    digest: str
    stored_at: int


class Altered(Struct, frozen=True):
    """A field that differs, by its path in the definition; null where nothing stands."""

    path: str
    before: Any
    after: Any


class Difference(Struct, frozen=True):
    """A definition that differs between two versions of a pack."""

    kind: str
    id: str
    change: Literal["added", "removed", "changed"]
    fields: list[Altered] = []


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


@query(access="operator")
async def versions(read: Reader, *, pack: DefinitionId, limit: PageLimit = 50, cursor: Cursor | None = None) -> Page[KeptVersion]:
    """List the versions of a pack that were ever loaded, the newest first."""
    (before,) = read_cursor(cursor, int) or (MAX_INTEGER,)
    rows = await read.rows(KeptVersion, VERSIONS, content=CONTENT_OWNER, pack=pack, before=before, limit=limit + 1)
    return Page(rows[:limit], write_cursor([rows[limit - 1].number]) if len(rows) > limit else None)


@query(access="operator")
async def compare(read: Reader, *, pack: DefinitionId, before: Number, after: Number) -> list[Difference]:
    """Tell what differs between two versions of a pack, definition by definition and field by field.

    Raises: PACK_VERSION_NOT_FOUND.
    """
    return differences(await _kept(read, pack, before), await _kept(read, pack, after))


@query(access="operator")
async def bodies(read: Reader, *, pack: DefinitionId) -> JsonObject:
    """Give the definitions of a pack that are in force, by the plural of their kind; nothing of a pack that is not loaded."""
    known = await read.get(ContentPack, CONTENT_OWNER, pack)
    return {} if known is None else await _kept(read, pack, known.number)


@query(access="server")
async def config(read: Reader, *, key: DefinitionId) -> ConfigValue:
    """Give what holds for a key of the game's configuration.

    Raises: CONFIG_NOT_FOUND.
    """
    return config_of(read, key)


@query(access="server")
async def configs(read: Reader, *, limit: PageLimit = 50, cursor: Cursor | None = None) -> Page[ConfigValue]:
    """List the game's configuration, in the order of the keys."""
    keys = read.definitions(ConfigDefinition).keys() | {key for key, one in read.definitions(GameConfig).items() if not one.is_reset}
    return page_of({key: config_of(read, key) for key in keys}, limit, cursor)


async def _kept(read: Reader, pack: str, number: int) -> dict[str, Any]:
    row = await read.get(PackVersion, CONTENT_OWNER, pack, number)
    if row is None:
        raise PackVersionNotFound(pack=pack, number=number)
    return row.definitions


async def number_of(read: Reader, content: str, pack: str, digest: str) -> int | None:
    """Give the number under which a pack of this digest is kept already."""
    found: int | None = await read.scalar(SAME, content=content, pack=pack, digest=digest)
    return found


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Tell what differs between the definitions of two packs, each by the plural of their kind."""
    mine, theirs = _by_name(before), _by_name(after)
    found = []
    for kind, id in sorted(mine.keys() | theirs.keys()):
        one, other = mine.get((kind, id)), theirs.get((kind, id))
        if one is None or other is None:
            found.append(Difference(kind, id, "added" if one is None else "removed"))
        elif fields := [Altered(*difference) for difference in altered(one, other)]:
            found.append(Difference(kind, id, "changed", fields))
    return found


def _by_name(definitions: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    found: dict[tuple[str, str], Any] = {}
    for plural, entries in definitions.items():
        known = kind_of_plural(plural)
        found |= {(known.kind if known is not None else plural, entry["id"]): entry for entry in entries}
    return found


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
    """List what is defined of items, in the order of their ids; what is noteable is followed by its note."""
    after, shown = read_cursor(cursor, str, int) or ("", 0)
    rows = await read.rows(Definition, OF_KIND, content=CONTENT_OWNER, after=after, of_kind=ITEM, limit=limit + 1)
    found: list[ItemDefinition] = []
    for row in rows:
        one = read_back(row.kind, row.body)
        both = [one, *one.derived()] if isinstance(one, ItemDefinition) else []
        # A page may end between an item and its note.
        for at in range(min(shown, len(both)), len(both)):
            if len(found) == limit:
                return Page(found, write_cursor([after, at]))
            found.append(both[at])
        after, shown = row.id, 0
    return Page(found, write_cursor([after, 0]) if len(rows) > limit else None)


def page_of(definitions: Mapping[str, D], limit: int, cursor: str | None) -> Page[D]:
    """Give a page of definitions that are at hand, as `read.definitions` gives them, in the order of their ids.

    Raises: INVALID_ARGUMENT.
    """
    (after,) = read_cursor(cursor, str) or ("",)
    ids = sorted(definitions)
    first = bisect_right(ids, after)
    shown = ids[first : first + limit]
    return Page([definitions[id] for id in shown], write_cursor([shown[-1]]) if first + limit < len(ids) else None)


class Shelf:
    """What a keep has read: a definition whose text has not changed is not made again, and what cannot be read is logged once."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, str], tuple[str, Defined | str]] = {}
        self._told: set[str] = set()

    async def fill(self, read: Reader) -> Mapping[type, Mapping[str, Any]]:
        """Read all definitions in force and what operators have set, by type and, in their order, by id: what `ctx.definitions` gives."""
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
        for of_kind in found.values():
            for one in [derived for known in of_kind.values() for derived in known.derived()]:
                of_kind.setdefault(one.id, one)
        in_order = {kind: dict(sorted(of_kind.items())) for kind, of_kind in found.items()}
        return {**in_order, GameConfig: {row.key: row for row in await read.all(GameConfig, CONTENT_OWNER)}}

    def _tell(self, row: StoredText, problem: str) -> None:
        """Log a definition that is left out: what players hold of it counts as unknown, and the game goes on."""
        text = f"definition {row.kind} {row.id!r} of pack {row.pack_id!r} cannot be read and is left out: {problem}"
        if text in self._told or len(self._told) > MAX_TOLD:
            return
        self._told.add(text)
        LOG.warning("%s", text if len(self._told) <= MAX_TOLD else "more definitions cannot be read; `gamekeeper content list` shows them")

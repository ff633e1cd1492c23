"""What may be asked of combat."""

from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import BigInteger, Text, bindparam, select

from gamekeeper.kernel.commands import belongings, belongs_to
from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.queries import Cursor, Page, PageLimit, Reader, query, read_cursor, write_cursor
from gamekeeper.kernel.store.schema import table
from gamekeeper.modules import characters, items

from .records import GRAVESTONE, DeathLock, NpcKill, PlayerDeath

LAST = "z" * 64
"""Sorts behind every id."""

deaths_table = table(PlayerDeath)
people = table(characters.Character)
LIMIT = bindparam("limit", type_=BigInteger)
BEFORE = bindparam("before", type_=Text)

DEATHS = (
    select(deaths_table)
    .where(deaths_table.c.character_id == bindparam("character", type_=Text), deaths_table.c.death_id < BEFORE)
    .order_by(deaths_table.c.death_id.desc())
    .limit(LIMIT)
)
STANDING = (
    select(deaths_table)
    .where(
        deaths_table.c.world_id == bindparam("world", type_=Text),
        deaths_table.c.status == bindparam("status", type_=Text),
        deaths_table.c.death_id > bindparam("after", type_=Text),
    )
    .order_by(deaths_table.c.death_id)
    .limit(LIMIT)
)
EXPIRED = (
    select(deaths_table.c.character_id, deaths_table.c.death_id, deaths_table.c.gravestone_id, deaths_table.c.world_id)
    .where(deaths_table.c.status == bindparam("status", type_=Text), deaths_table.c.expires_at <= bindparam("at", type_=BigInteger))
    .order_by(deaths_table.c.expires_at, deaths_table.c.death_id)
    .limit(LIMIT)
)
BY_GRAVESTONE = select(deaths_table.c.character_id, deaths_table.c.death_id, deaths_table.c.gravestone_id, deaths_table.c.world_id).where(
    deaths_table.c.gravestone_id == bindparam("gravestone", type_=Text)
)
GRAVESTONES_OF = (
    select(deaths_table.c.character_id, deaths_table.c.death_id, deaths_table.c.gravestone_id, deaths_table.c.world_id)
    .join_from(people, deaths_table, people.c.character_id == deaths_table.c.character_id)
    .where(people.c.user_id == bindparam("user", type_=Text), deaths_table.c.gravestone_id.is_not(None))
    .order_by(deaths_table.c.gravestone_id)
)


class FoundGrave(Struct, frozen=True):
    """A gravestone, and the death for which it stands."""

    character_id: str
    death_id: str
    gravestone_id: str
    world_id: str


class OpenDeath(Struct, frozen=True):
    """A death whose gravestone stands, and what lies in it."""

    death: PlayerDeath
    inside: list[items.HeldItem]


@query(access="player")
async def kills(read: Reader, *, character: characters.CharacterId) -> list[NpcKill]:
    """List how often a character has killed each NPC, in the order of their ids."""
    return await read.all(NpcKill, character)


@query(access="player")
async def deaths(
    read: Reader, *, character: characters.CharacterId, limit: PageLimit = 50, cursor: Cursor | None = None
) -> Page[PlayerDeath]:
    """List a character's deaths, the latest first, with what was lost and what became of it."""
    (before,) = read_cursor(cursor, str) or (LAST,)
    rows = await read.rows(PlayerDeath, DEATHS, character=character, before=before, limit=limit + 1)
    return _page(rows, limit)


@query(access="player")
async def open_death(read: Reader, *, character: characters.CharacterId) -> OpenDeath | None:
    """Show a character's gravestone that stands, and what lies in it; null when none does."""
    lock = await read.get(DeathLock, character)
    if lock is None or lock.death_id is None or lock.gravestone_id is None:
        return None
    death = await read.get(PlayerDeath, character, lock.death_id)
    if death is None:
        return None
    return OpenDeath(death, await items.inventory(holder=lock.gravestone_id).run(read))


@query(access="server")
async def gravestones(read: Reader, *, world_id: Id = "world", limit: PageLimit = 50, cursor: Cursor | None = None) -> Page[PlayerDeath]:
    """List the deaths whose gravestones stand in a world, the oldest first: what a game server puts there when it starts."""
    (after,) = read_cursor(cursor, str) or ("",)
    rows = await read.rows(PlayerDeath, STANDING, world=world_id, status="open", after=after, limit=limit + 1)
    return _page(rows, limit)


def _page(rows: list[PlayerDeath], limit: int) -> Page[PlayerDeath]:
    return Page(rows[:limit], write_cursor([rows[limit - 1].death_id]) if len(rows) > limit else None)


# For preparations


async def expired(read: Reader, limit: int) -> list[FoundGrave]:
    """Find gravestones whose time is over, the oldest first."""
    return await read.rows(FoundGrave, EXPIRED, status="open", at=read.now_ms(), limit=limit)


async def find_grave(read: Reader, character: str, gravestone: str | None) -> FoundGrave | None:
    """Find a gravestone by its id, or a character's own one that stands."""
    if gravestone is None:
        lock = await read.get(DeathLock, character)
        gravestone = None if lock is None else lock.gravestone_id
    return None if gravestone is None else await read.one(FoundGrave, BY_GRAVESTONE, gravestone=gravestone)


async def ground_of(read: Reader, world: str) -> str | None:
    """Give the world on whose ground things may lie, if a world of this name was made."""
    root = await read.root(world)
    return None if root is None or root.kind != "world" else world


@belongs_to(GRAVESTONE)
async def users_of(read: Reader, gravestone: str) -> Sequence[str]:
    """Give the user whose character's gravestone it is."""
    found = await read.one(FoundGrave, BY_GRAVESTONE, gravestone=gravestone)
    return () if found is None else await characters.users_of(read, found.character_id)


@belongings(GRAVESTONE)
async def gravestones_of(read: Reader, user: str) -> Sequence[str]:
    """Give the gravestones of a user's characters, also those that are empty by now."""
    return [found.gravestone_id for found in await read.rows(FoundGrave, GRAVESTONES_OF, user=user)]

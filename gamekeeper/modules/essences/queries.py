"""What may be asked of essences."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeVar, get_args

from msgspec import Meta, Struct

from gamekeeper.kernel.queries import Cursor, Loaded, Page, PageLimit, Reader, query, read_cursor, write_cursor
from gamekeeper.kernel.records import EpochMs, Record
from gamekeeper.modules import characters, content, items

from .definitions import Attribute, AwakeningStone, Confluence, EssenceDefinition
from .records import CharacterAbility, CharacterEssence, InventoryExpansion

D = TypeVar("D", bound=content.Defined)

Part = Literal["essences", "abilities", "attributes", "inventory"]
Parts = Annotated[list[Part], Meta(min_length=1, max_length=len(get_args(Part)))]

RECORDS_OF: Final[Mapping[Part, tuple[type[Record], ...]]] = {
    "essences": (CharacterEssence,),
    "abilities": (CharacterEssence, CharacterAbility),
    "attributes": (characters.CharacterAttribute,),
    "inventory": (items.InventorySize, InventoryExpansion),
}
"""What is read for each part, and nothing else."""


class HeldEssence(Struct, frozen=True):
    """An essence that a character has; its name is empty when no loaded pack defines it."""

    slot: int
    essence: str
    name: str | None
    attribute: Attribute
    rank_bonded: characters.Rank
    bonded_at: EpochMs
    abilities: list["HeldAbility"] | None
    """left out unless asked for"""


class HeldAbility(Struct, frozen=True):
    """An ability of an essence; what a loaded pack says of it is empty when none does."""

    slot: int
    name: str
    rank: characters.Rank
    level: int
    xp: int
    awakened: bool
    metadata: dict[str, Any]
    description: str | None
    base: int | None
    multiplier_bp: int | None


class Room(Struct, frozen=True):
    """How large an inventory is; the level is empty when it was never expanded."""

    level: int | None
    slots: int


class EssenceSheet(Struct, frozen=True):
    """A character as far as essences go: the parts that were asked for."""

    character_id: str
    rank: characters.Rank
    essences: list[HeldEssence] | None
    attributes: list[characters.CharacterAttribute] | None
    inventory: Room | None


@query(access="player")
async def show(
    read: Reader,
    *,
    character: characters.CharacterId,
    parts: Parts = ["essences", "abilities", "attributes", "inventory"],  # noqa: B006 - copied for every call
) -> EssenceSheet:
    """Show a character's rank, essences, abilities, attributes and the size of its inventory, or some of these; only they are read.

    Raises: CHARACTER_NOT_FOUND.
    """
    wanted = {record for part in parts for record in RECORDS_OF[part]}
    row, loaded = await characters.load_alive(read, character, *wanted)
    essences = "essences" in parts or "abilities" in parts
    return EssenceSheet(
        character_id=character,
        rank=row.rank,
        essences=essences_of(read, loaded, abilities="abilities" in parts) if essences else None,
        attributes=loaded.rows(characters.CharacterAttribute) if "attributes" in parts else None,
        inventory=_room(loaded) if "inventory" in parts else None,
    )


def essences_of(read: Reader, loaded: Loaded, *, abilities: bool) -> list[HeldEssence]:
    """Give the essences of a character that was loaded with them, and with their abilities if these are wanted."""
    known = read.definitions(EssenceDefinition)
    awakened = loaded.rows(CharacterAbility) if abilities else []
    found: list[HeldEssence] = []
    for row in loaded.rows(CharacterEssence):
        definition = known.get(row.essence_type)
        mine = [_ability(one, definition) for one in awakened if one.essence_slot == row.slot] if abilities else None
        name = None if definition is None else definition.name
        found.append(HeldEssence(row.slot, row.essence_type, name, row.attribute_bound, row.rank_bonded, row.created_at, mine))
    return found


def _ability(row: CharacterAbility, essence: EssenceDefinition | None) -> HeldAbility:
    known = [] if essence is None else [essence.ability, *essence.pool]
    one = next((one for one in known if one.name == row.ability_name), None)
    return HeldAbility(
        slot=row.slot,
        name=row.ability_name,
        rank=row.current_rank,
        level=row.level,
        xp=row.xp,
        awakened=row.awakened,
        metadata=row.metadata,
        description=None if one is None else one.description,
        base=None if one is None else one.base,
        multiplier_bp=None if one is None else one.multiplier_bp,
    )


def _room(loaded: Loaded) -> Room:
    size, expansion = loaded.one(items.InventorySize), loaded.one(InventoryExpansion)
    return Room(None if expansion is None else expansion.level, items.INVENTORY_SLOTS if size is None else size.slots)


# What is defined


@query(access="public")
async def essence_definitions(read: Reader, *, limit: PageLimit = 50, cursor: Cursor | None = None) -> Page[EssenceDefinition]:
    """List the essences that are defined, confluences among them, in the order of their ids."""
    return _page(read.definitions(EssenceDefinition), limit, cursor)


@query(access="public")
async def stone_definitions(read: Reader, *, limit: PageLimit = 50, cursor: Cursor | None = None) -> Page[AwakeningStone]:
    """List the awakening stones that are defined, in the order of their ids."""
    return _page(read.definitions(AwakeningStone), limit, cursor)


@query(access="server")
async def confluence_definitions(read: Reader, *, limit: PageLimit = 50, cursor: Cursor | None = None) -> Page[Confluence]:
    """List what three essences become, in the order of the ids; players are to find it out."""
    return _page(read.definitions(Confluence), limit, cursor)


def _page(known: Mapping[str, D], limit: int, cursor: str | None) -> Page[D]:
    (after,) = read_cursor(cursor, str) or ("",)
    ids = sorted(id for id in known if id > after)
    return Page([known[id] for id in ids[:limit]], write_cursor([ids[limit - 1]]) if len(ids) > limit else None)

"""What packs may define of NPCs and of the places where they stand; a game's NPCs are content, and nothing is stored of them."""

from collections.abc import Iterator
from typing import Annotated, Any, Final

from msgspec import Meta, Struct, structs

from gamekeeper.modules import content

MAX_TABLES: Final = 32
MAX_ENTRIES: Final = 256
MAX_ROLLS: Final = 10
MAX_LINES: Final = 100

Weight = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Pieces = Annotated[int, Meta(ge=1, le=content.MAX_STACK)]
Words = Annotated[str, Meta(min_length=1, max_length=1_000)]
Where = Annotated[float, Meta(ge=-1e9, le=1e9)]


class Place(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where something stands."""

    zone: content.Label
    x: Where = 0.0
    y: Where = 0.0
    z: Where = 0.0


class Drop(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one entry of a drop table gives, and how much it weighs against the others."""

    item: content.DefinitionId
    least: Pieces = 1
    most: Pieces = 0
    """When left out: as many as `least`."""
    weight: Weight = 1

    def __post_init__(self) -> None:
        """Resolve the bound that was left out."""
        if self.most == 0:
            structs.force_setattr(self, "most", self.least)


class DropTable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of its entries each roll gives one, by weight; `nothing` is the weight of an empty hand.

    A table with one entry always gives it. One with an entry of weight 1 and `nothing` 127 gives it once in 128.
    """

    gives: Annotated[tuple[Drop, ...], Meta(min_length=1, max_length=MAX_ENTRIES)]
    nothing: Weight = 0
    rolls: Annotated[int, Meta(ge=1, le=MAX_ROLLS)] = 1


@content.defines("npc")
class NpcDefinition(content.Defined, frozen=True, kw_only=True):
    """A person or a monster: what everybody of that name has in common."""

    name: content.Label
    kind: content.Label = "person"
    """`person`, `monster`, or a game's own word."""
    description: str = ""
    level: content.Level = 1
    health: content.Natural = 0
    """In points; whoever has none cannot be fought."""
    stats: dict[content.DefinitionId, content.Natural] = {}
    """`attack`, `strength`, `defense` ..."""
    xp: content.Natural = 0
    """For whoever defeats it; in which skills, the game says."""
    drops: Annotated[tuple[DropTable, ...], Meta(max_length=MAX_TABLES)] = ()
    respawn_ticks: content.Natural = 0
    services: tuple[content.DefinitionId, ...] = ()
    """What it does for players: `banking`, `shop`, `quests`, `training` ..."""
    store: content.DefinitionId | None = None
    bank: content.DefinitionId | None = None
    place: Place | None = None
    lines: Annotated[tuple[Words, ...], Meta(max_length=MAX_LINES)] = ()
    """What it says."""
    attributes: dict[str, Any] = {}
    """What only the game knows the meaning of."""

    def contradictions(self) -> Iterator[content.Flaw]:
        """Give what in the definition excludes something else in it.

        >>> table = DropTable(gives=(Drop(item="coins", least=5, most=2, weight=0),))
        >>> dict(NpcDefinition(id="rat", name="Rat", drops=(table,)).contradictions())
        {'drops.0.gives.0.most': 'is less than `least`, 5', 'drops.0.gives': 'has no weight at all'}
        """
        for place, table in enumerate(self.drops):
            for entry, drop in enumerate(table.gives):
                if drop.most < drop.least:
                    yield f"drops.{place}.gives.{entry}.most", f"is less than `least`, {drop.least}"
            if not sum(drop.weight for drop in table.gives):
                yield f"drops.{place}.gives", "has no weight at all"

    def references(self) -> Iterator[content.Reference]:
        """An NPC drops items, and may keep a store or a bank."""
        for place, table in enumerate(self.drops):
            for entry, drop in enumerate(table.gives):
                yield f"drops.{place}.gives.{entry}.item", "item", drop.item
        if self.store is not None:
            yield "store", "store", self.store
        if self.bank is not None:
            yield "bank", "bank", self.bank


@content.defines("bank")
class BankDefinition(content.Defined, frozen=True, kw_only=True):
    """A place at which characters reach what they have banked; they reach the same things at all of them."""

    name: content.Label
    description: str = ""
    place: Place | None = None
    attributes: dict[str, Any] = {}

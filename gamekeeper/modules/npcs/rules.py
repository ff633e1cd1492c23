"""What NPCs leave behind, by dice that the caller brings."""

from collections.abc import Mapping
from random import Random
from typing import Final

from msgspec import Struct

from .errors import NpcNotFound
from .records import MAX_ROLLS, MAX_TABLES, Drop, DropTable, NpcDefinition

TICK_MS: Final = 600
"""How long a tick lasts in which content counts times."""

MOST_DROPS: Final = MAX_TABLES * MAX_ROLLS
"""How many items an NPC can leave behind at once."""


class Loot(Struct, frozen=True):
    """Some of one item that was left behind."""

    item: str
    quantity: int


def roll_drops(definition: NpcDefinition, random: Random) -> list[Loot]:
    """Give what an NPC leaves behind, table by table; what several rolls give of one item is one heap.

    >>> sure = DropTable(gives=(Drop(item="bones"),), rolls=2)
    >>> rare = DropTable(gives=(Drop(item="ring", weight=1),), nothing=127)
    >>> rat = NpcDefinition(id="rat", name="Rat", drops=(sure, rare))
    >>> roll_drops(rat, Random(1))
    [Loot(item='bones', quantity=2)]
    >>> dice = Random(2)
    >>> sum(len(roll_drops(rat, dice)) - 1 for _ in range(12_800))
    90
    """
    found: dict[str, int] = {}
    for table in definition.drops:
        for _ in range(table.rolls):
            drop = drawn(table, random)
            if drop is not None:
                found[drop.item] = found.get(drop.item, 0) + random.randint(drop.least, drop.most)
    return [Loot(item, quantity) for item, quantity in found.items()]


def drawn(table: DropTable, random: Random) -> Drop | None:
    """Give the entry on which a roll falls, or None for nothing.

    >>> {drawn(DropTable(gives=(Drop(item="a", weight=0), Drop(item="b")), nothing=0), Random(seed)).item for seed in range(20)}
    {'b'}
    """
    at = random.randrange(table.nothing + sum(drop.weight for drop in table.gives))
    for drop in table.gives:
        if at < drop.weight:
            return drop
        at -= drop.weight
    return None


def known_npc(definitions: Mapping[str, NpcDefinition], npc: str) -> NpcDefinition:
    """Give an NPC's definition: commands and queries bring theirs.

    Raises: NPC_NOT_FOUND.
    """
    definition = definitions.get(npc)
    if definition is None:
        raise NpcNotFound(npc=npc)
    return definition

"""Arithmetic and decisions of essences: confluences, levels, ranks, damage, experience and the room of an inventory."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from gamekeeper.modules import characters

from .definitions import (
    ATTRIBUTES,
    RANKS,
    TOP_LEVEL,
    Ability,
    Attribute,
    AwakeningStone,
    Confluence,
    EssenceDefinition,
    RankGate,
)
from .records import CharacterAbility

FIRST_ATTRIBUTE: Final = 10
"""What a character's attributes are before anything is added to them."""
LEVEL_XP: Final = 100
"""Experience from level 0 to 1 of an ability of the lowest rank."""

GATES: Final[Mapping[str, RankGate]] = {
    gate.id: gate
    for gate in (
        RankGate(id="iron"),
        RankGate(id="bronze", abilities=4),
        RankGate(id="silver", abilities=8),
        RankGate(id="gold", abilities=14),
        RankGate(id="diamond", abilities=20),
    )
}
"""What each rank asks for where no pack says it."""

WHOLE_BP: Final = 10_000
TENTHS: Final = 10

# Effects


def damage(base: int, power: int, bonus: int = 0, *, multiplier_bp: int = WHOLE_BP, resistance: int = 0) -> int:
    """Give the damage of a blow: base, a tenth of the power and the bonus, multiplied, less the resistance.

    >>> damage(12, 25, 3), damage(12, 25, 3, multiplier_bp=15_000, resistance=6), damage(1, 10, resistance=50)
    (17, 20, 0)
    """
    raised = (TENTHS * (base + bonus) + power) * multiplier_bp
    return max(0, raised // (TENTHS * WHOLE_BP) - resistance)


def experience(base: int, level_difference: int, *, multiplier_bp: int = WHOLE_BP) -> int:
    """Give the experience for a deed: a tenth more for each level that the foe is above, less for each below, never under a tenth.

    >>> experience(55, 0), experience(55, 3), experience(55, -4, multiplier_bp=20_000), experience(55, -20)
    (55, 71, 66, 5)
    """
    return base * max(1, TENTHS + level_difference) * multiplier_bp // (TENTHS * WHOLE_BP)


# Confluences


def dominant(bound: Mapping[Attribute, EssenceDefinition]) -> Attribute:
    """Give the attribute to which the strongest bonus is bound; of equals the first in the order of `ATTRIBUTES`."""
    return max((one for one in ATTRIBUTES if one in bound), key=lambda attribute: bound[attribute].bonuses.of(attribute))


def confluence_of(bound: Mapping[Attribute, EssenceDefinition], known: Iterable[Confluence]) -> Confluence | None:
    """Give what three essences become: by their recipe, else by a tag that all share, else by their dominant attribute."""
    known = list(known)
    names = {one.id for one in bound.values()}
    tags = set[str].intersection(*(set(one.tags) for one in bound.values()))
    strongest = dominant(bound)
    fitting = (
        [one for one in known if one.essences and set(one.essences) == names],
        [one for one in known if one.tag in tags],
        [one for one in known if one.attribute == strongest],
    )
    best = next((some for some in fitting if some), [])
    return min(best, key=lambda one: (-one.priority, one.id), default=None)


def attribute_left(bound: Collection[str]) -> Attribute:
    """Give the attribute that three essences leave to the fourth.

    >>> attribute_left(["speed", "power", "recovery"])
    'spirit'
    """
    return next(one for one in ATTRIBUTES if one not in bound)


# Abilities


def awakenable(essence: EssenceDefinition, stone: AwakeningStone, held: Collection[str]) -> list[Ability]:
    """Give the abilities that a stone may awaken of an essence, without those that are held."""
    return [one for one in essence.pool if one.name not in held and (not stone.tags or set(stone.tags) & set(one.tags))]


def xp_to_next(rank: characters.Rank, level: int) -> int:
    """Give the experience from one level to the next: more with each level, and with each rank.

    >>> xp_to_next("normal", 0), xp_to_next("normal", 8), xp_to_next("bronze", 0)
    (100, 900, 300)
    """
    return LEVEL_XP * (level + 1) * (RANKS.index(rank) + 1)


def trained(rank: characters.Rank, level: int, xp: int, gained: int) -> tuple[int, int, int]:
    """Give an ability's level, its experience within it, and how much of what was gained counts: none beyond the top level.

    >>> trained("normal", 0, 50, 260), trained("normal", 8, 899, 40), trained("normal", 9, 0, 40)
    ((2, 10, 260), (9, 0, 1), (9, 0, 0))
    """
    left = gained
    while level < TOP_LEVEL and left:
        step = min(left, xp_to_next(rank, level) - xp)
        left, xp = left - step, xp + step
        if xp == xp_to_next(rank, level):
            level, xp = level + 1, 0
    return level, xp, gained - left


# Ranks


def next_rank(rank: characters.Rank) -> characters.Rank | None:
    """Give the rank above, if there is one.

    >>> next_rank("normal"), next_rank("diamond")
    ('iron', None)
    """
    return RANKS[RANKS.index(rank) + 1] if rank != RANKS[-1] else None


def below(one: characters.Rank, other: characters.Rank) -> bool:
    """Tell whether a rank is lower than another.

    >>> below("iron", "bronze"), below("iron", "iron")
    (True, False)
    """
    return RANKS.index(one) < RANKS.index(other)


def lacking(gate: RankGate, rank: characters.Rank, essences: int, abilities: Sequence[CharacterAbility]) -> tuple[int, int]:
    """Give how many essences and how many abilities of a rank are lacking for the next one."""
    there = sum(not below(one.current_rank, rank) for one in abilities)
    return max(0, gate.essences - essences), max(0, gate.abilities - there)


# Room


def slots_at(level: int, base: int, step: int) -> int:
    """Give the slots of an inventory of an expansion level.

    >>> slots_at(0, 20, 10), slots_at(3, 20, 10)
    (20, 50)
    """
    return base + step * level


def level_for(slots: int, base: int, step: int) -> int:
    """Give the lowest expansion level that has so many slots; it is never below 0.

    >>> level_for(0, 20, 10), level_for(20, 20, 10), level_for(21, 20, 10), level_for(41, 20, 10)
    (0, 0, 1, 3)
    """
    return max(0, -((base - slots) // step))

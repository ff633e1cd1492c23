"""The rules of skills: levels that several skills make together, and what a gain leads to."""

from collections.abc import Iterable, Mapping
from typing import Final

from gamekeeper.modules import xp

from .records import CharacterSkill, SkillDefinition

COMBAT_SKILLS: Final = ("attack", "strength", "defense", "constitution", "ranged", "magic", "prayer")


def combat_level(levels: Mapping[str, int]) -> int:
    """Give the combat level: a quarter of defence, constitution and half of prayer, and 0.325 of the best way to attack.

    Where a skill is missing it counts as level 1. Source: Hyperscape's formula, in integers.

    >>> combat_level({"constitution": 10}), combat_level(dict.fromkeys(COMBAT_SKILLS, 99))
    (3, 126)
    """
    of = {skill: levels.get(skill, 1) for skill in COMBAT_SKILLS}
    base = 250 * (of["defense"] + of["constitution"] + of["prayer"] // 2)
    best = 325 * max(of["attack"] + of["strength"], of["ranged"] * 3 // 2, of["magic"] * 3 // 2)
    return (base + best) // 1000


def begun(definitions: Mapping[str, SkillDefinition], curves: Mapping[str, xp.CurveDefinition], skill: str) -> tuple[int, int]:
    """Give the level and the experience with which a character begins in a skill; one that nobody defines begins with nothing."""
    definition = definitions.get(skill)
    if definition is None:
        return 1, 0
    curve = curves.get(definition.curve)
    return (1 if curve is None else xp.curve_of(curve).level(definition.start_xp)), definition.start_xp


def levels_of(
    rows: Iterable[CharacterSkill], definitions: Mapping[str, SkillDefinition], curves: Mapping[str, xp.CurveDefinition]
) -> dict[str, int]:
    """Give a character's level in every skill that is defined or that it has trained."""
    levels = {skill: begun(definitions, curves, skill)[0] for skill in definitions}
    return levels | {row.skill: row.level for row in rows}

"""What may be done with skills."""

from typing import Annotated

from msgspec import Meta, Struct

from gamekeeper.kernel.commands import command
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, xp

from . import rules
from .errors import SkillTooLow, UnknownSkill
from .records import CharacterSkill, SkillDefinition, SkillId, SkillLevelUp

MAX_GAINS = 64
"""Skills that one command may train."""
Gain = Annotated[int, Meta(ge=1, le=xp.MAX_XP, description="experience points, at least 1")]
Gains = Annotated[dict[SkillId, Gain], Meta(min_length=1, max_length=MAX_GAINS)]
Requirements = dict[str, int]


class Gained(Struct, frozen=True):
    """What came of training a skill. `gained` is less than was given where the curve's cap was reached."""

    skill: str
    gained: int
    xp: int
    level_before: int
    level: int


class Trained(Struct, frozen=True):
    """What came of training several skills, and the combat level that follows."""

    gains: list[Gained]
    combat_level: int


@command(touches=[characters.Character, CharacterSkill, SkillLevelUp], access="server")
def gain(ctx: Context, *, character: characters.CharacterId, skill: SkillId, xp: Gain) -> Gained:
    """Give a character experience in a skill, up to the cap of the skill's curve.

    Raises: CHARACTER_NOT_FOUND, UNKNOWN_SKILL, UNKNOWN_CURVE.
    """
    characters.alive(ctx, character)
    return add(ctx, character, skill, xp)


@command(touches=[characters.Character, CharacterSkill, SkillLevelUp], access="server")
def gain_many(ctx: Context, *, character: characters.CharacterId, gains: Gains) -> Trained:
    """Give a character experience in several skills, all or none.

    Raises: CHARACTER_NOT_FOUND, UNKNOWN_SKILL, UNKNOWN_CURVE.
    """
    characters.alive(ctx, character)
    gained = [add(ctx, character, skill, amount) for skill, amount in gains.items()]
    return Trained(gained, rules.combat_level(levels(ctx, character)))


@command(touches=[characters.Character, CharacterSkill, SkillLevelUp], access="operator")
def set_xp(ctx: Context, *, character: characters.CharacterId, skill: SkillId, xp: xp.Xp) -> Gained:
    """Set a character's experience in a skill, up or down, up to the cap of the skill's curve; for staff who put something right.

    Raises: CHARACTER_NOT_FOUND, UNKNOWN_SKILL, UNKNOWN_CURVE.
    """
    characters.alive(ctx, character)
    return _train(ctx, character, skill, _curve(ctx, skill).add(0, xp))


def add(ctx: Context, character: str, skill: str, amount: int) -> Gained:
    """Give experience within a command of this or another module, which lists `CharacterSkill` and `SkillLevelUp` in its touches.

    Raises: UNKNOWN_SKILL, UNKNOWN_CURVE.
    """
    before = _now(ctx, character, skill)
    return _train(ctx, character, skill, _curve(ctx, skill).add(before.xp, amount))


def levels(ctx: Context, character: str) -> dict[str, int]:
    """Give a character's level in every skill; whoever calls it lists `CharacterSkill` in what it touches."""
    return rules.levels_of(ctx.rows(CharacterSkill, character), ctx.definitions(SkillDefinition), ctx.definitions(xp.CurveDefinition))


def level(ctx: Context, character: str, skill: str) -> int:
    """Give a character's level in one skill; whoever calls it lists `CharacterSkill` in what it touches."""
    return _now(ctx, character, skill).level


def require(ctx: Context, character: str, requirements: Requirements) -> None:
    """Refuse a character whose skills are too low for something; whoever calls it lists `CharacterSkill` in what it touches.

    Raises: SKILL_TOO_LOW.
    """
    for skill, needed in sorted(requirements.items()):
        has = level(ctx, character, skill)
        if has < needed:
            raise SkillTooLow(character=character, skill=skill, level=has, needed=needed)


def _now(ctx: Context, character: str, skill: str) -> CharacterSkill:
    row = ctx.get(CharacterSkill, character, skill)
    if row is not None:
        return row
    begun = rules.begun(ctx.definitions(SkillDefinition), ctx.definitions(xp.CurveDefinition), skill)
    return CharacterSkill(character, skill, *begun)


def _curve(ctx: Context, skill: str) -> xp.Curve:
    definition = ctx.definitions(SkillDefinition).get(skill)
    if definition is None:
        raise UnknownSkill(skill=skill)
    return xp.known_curve(ctx.definitions(xp.CurveDefinition).get(definition.curve), definition.curve)


def _train(ctx: Context, character: str, skill: str, points: int) -> Gained:
    before, curve = _now(ctx, character, skill), _curve(ctx, skill)
    after = CharacterSkill(character, skill, curve.level(points), points)
    if after != before:
        ctx.put(after)
    if after.level > before.level:
        ctx.append(SkillLevelUp(character, ctx.new_id(), skill, before.level, after.level, points, ctx.command_id, ctx.now))
    return Gained(skill, points - before.xp, points, before.level, after.level)

"""What is stored of skills: a row for each that a character has trained, and every level that was reached."""

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.records import EpochMs, Key, Ranked, Record
from gamekeeper.modules import characters, content, xp

SkillId = Annotated[
    str,
    Meta(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_]{0,63}(?!\n)$", description="a skill: attack, fishing ..."),
]
SkillLevel = Annotated[int, Meta(ge=1, le=10_000)]


@content.defines("skill")
class SkillDefinition(content.Defined, frozen=True, kw_only=True):
    """A skill, and where a character begins in it."""

    name: content.Label
    description: str = ""
    curve: str = "runescape"
    start_xp: xp.Xp = 0

    def references(self) -> Iterator[content.Reference]:
        """A skill rises on a curve."""
        yield "curve", "curve", self.curve


class CharacterSkill(
    Record,
    table="character_skills",
    value=True,
    ranked=Ranked("xp", within=("skill",)),
    indexes=(("skill", "xp", "character_id"),),
):
    """A skill that a character has trained; one that has no row is as its definition begins."""

    character_id: Key[characters.CharacterId]
    skill: Key[SkillId]
    level: SkillLevel
    xp: xp.Xp


class SkillLevelUp(Record, table="skill_level_ups", append_only=True, indexes=(("character_id", "at"),)):
    """A level that a character has reached."""

    character_id: Key[characters.CharacterId]
    level_up_id: Key[Id]
    skill: SkillId
    level_before: SkillLevel
    level: SkillLevel
    xp: xp.Xp
    command_id: Id
    at: EpochMs

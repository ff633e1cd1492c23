"""Skills: what characters have trained, the levels that follow, and who is best."""

from .commands import Gained, Trained, add, gain, gain_many, level, levels, require, set_xp
from .errors import SkillTooLow, UnknownSkill
from .queries import (
    HiscoreRow,
    SkillSheet,
    SkillState,
    hiscore,
    hiscores,
    hiscores_around,
    hiscores_from,
    level_ups,
    sheet,
    sheet_of,
)
from .records import CharacterSkill, SkillDefinition, SkillId, SkillLevel, SkillLevelUp
from .rules import COMBAT_SKILLS, combat_level, levels_of

__all__ = [
    "COMBAT_SKILLS",
    "CharacterSkill",
    "Gained",
    "HiscoreRow",
    "SkillDefinition",
    "SkillId",
    "SkillLevel",
    "SkillLevelUp",
    "SkillSheet",
    "SkillState",
    "SkillTooLow",
    "Trained",
    "UnknownSkill",
    "add",
    "combat_level",
    "gain",
    "gain_many",
    "hiscore",
    "hiscores",
    "hiscores_around",
    "hiscores_from",
    "level",
    "level_ups",
    "levels",
    "levels_of",
    "require",
    "set_xp",
    "sheet",
    "sheet_of",
]

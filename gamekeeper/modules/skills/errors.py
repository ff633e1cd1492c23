"""What can go wrong with skills."""

from gamekeeper.errors import GameError


class UnknownSkill(GameError):
    """No pack defines this skill."""

    code = "UNKNOWN_SKILL"
    skill: str


class SkillTooLow(GameError):
    """The character's level in a skill is lower than what is asked."""

    code = "SKILL_TOO_LOW"
    character: str
    skill: str
    level: int
    needed: int

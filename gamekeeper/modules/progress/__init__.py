"""Progress: the one way in which experience is paid, with all that makes it more or less and all that follows from it."""

from .commands import LEVEL_UP, TOUCHES, Awarded, AwardSource, award, award_xp
from .errors import AwardRulesInvalid
from .queries import Progress, show
from .rules import CONFIG, AwardRules, StreakBonus, debuff_penalty, gathered, read_rules, rules_of, streak_bonus, weekend_bonus

__all__ = [
    "CONFIG",
    "LEVEL_UP",
    "TOUCHES",
    "AwardRules",
    "AwardRulesInvalid",
    "AwardSource",
    "Awarded",
    "Progress",
    "StreakBonus",
    "award",
    "award_xp",
    "debuff_penalty",
    "gathered",
    "read_rules",
    "rules_of",
    "show",
    "streak_bonus",
    "weekend_bonus",
]

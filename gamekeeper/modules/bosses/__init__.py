"""Bosses: fights of weeks, whose phases are judged by what each day of a character came to."""

from .commands import TOUCHES, Judged, abandon, begin, fighting, judge_day
from .errors import BossAway, BossFightOn, BossNotFound, LevelBelowBoss, NoBossFight
from .queries import Fight, Fights, fights, list_bosses, show
from .records import AttemptStatus, BossAttempt, BossDefinition, Difficulty, Phase, PhaseProgress

__all__ = [
    "TOUCHES",
    "AttemptStatus",
    "BossAttempt",
    "BossAway",
    "BossDefinition",
    "BossFightOn",
    "BossNotFound",
    "Difficulty",
    "Fight",
    "Fights",
    "Judged",
    "LevelBelowBoss",
    "NoBossFight",
    "Phase",
    "PhaseProgress",
    "abandon",
    "begin",
    "fighting",
    "fights",
    "judge_day",
    "list_bosses",
    "show",
]

"""Titles: what characters have earned, the one that they bear, and what it does for them."""

from .commands import TOUCHES, Checked, activate, award, bearing, check, deactivate, debuff_share, earn, lose, modifiers, review, revoke
from .errors import TitleNotFound, TitleNotOwned
from .queries import TitleOf, active_unlike, attributes_of, bonuses_of, list_titles, of
from .records import (
    ALL_OF_IT,
    ConditionType,
    EarnedBy,
    PassiveType,
    Rarity,
    RevokedBy,
    Stat,
    TitleDefinition,
    TitleId,
    UserTitle,
)
from .rules import active_of, debuff_share_of, due, is_owned, modifiers_of, stat_bonus_of

__all__ = [
    "ALL_OF_IT",
    "TOUCHES",
    "Checked",
    "ConditionType",
    "EarnedBy",
    "PassiveType",
    "Rarity",
    "RevokedBy",
    "Stat",
    "TitleDefinition",
    "TitleId",
    "TitleNotFound",
    "TitleNotOwned",
    "TitleOf",
    "UserTitle",
    "activate",
    "active_of",
    "active_unlike",
    "attributes_of",
    "award",
    "bearing",
    "bonuses_of",
    "check",
    "deactivate",
    "debuff_share",
    "debuff_share_of",
    "due",
    "earn",
    "is_owned",
    "list_titles",
    "lose",
    "modifiers",
    "modifiers_of",
    "of",
    "review",
    "revoke",
    "stat_bonus_of",
]

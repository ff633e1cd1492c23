"""What an award is worth: bonuses and penalties, one step after the other, everything in integers."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from .errors import ModifierRefused, XpOverflow
from .rules import MAX_XP, Xp

Source = Literal[
    "QUEST_COMPLETION",
    "STREAK_BONUS",
    "BOSS_DEFEAT",
    "DUNGEON_CLEAR",
    "SEASON_BONUS",
    "TITLE_BONUS",
    "MANUAL_ADJUSTMENT",
]
"""What an award is for."""

ModifierType = Literal[
    "DEBUFF_PENALTY",
    "STREAK_BONUS",
    "WEEKEND_BONUS",
    "SEASON_MULTIPLIER",
    "TITLE_PASSIVE",
    "DUNGEON_MULTIPLIER",
]
"""Why an award is more or less than its base."""

ONE_BP: Final = 10_000
"""The multiplier that changes nothing, in basis points."""
MAX_MULTIPLIER_BP: Final = 1_000_000
"""A hundredfold: what is beyond it is no bonus but a mistake."""
MAX_FLAT: Final = 1_000_000_000
MAX_MODIFIERS: Final = 64
"""Modifiers of one award."""
MultiplierBp = Annotated[int, Meta(ge=0, le=MAX_MULTIPLIER_BP, description="a multiplier in basis points; 10000 changes nothing")]
Flat = Annotated[int, Meta(ge=-MAX_FLAT, le=MAX_FLAT, description="experience points that are added, or taken away")]
Reason = Annotated[str, Meta(max_length=200)]


class Modifier(Struct, frozen=True):
    """A bonus or a penalty: a multiplier, or points that are added, but not both."""

    type: ModifierType
    multiplier_bp: MultiplierBp = ONE_BP
    flat: Flat = 0
    reason: Reason = ""

    @property
    def is_penalty(self) -> bool:
        """Whether it makes an award less."""
        return self.multiplier_bp < ONE_BP or self.flat < 0


class Step(Struct, frozen=True):
    """A modifier at work."""

    order: int
    type: ModifierType
    multiplier_bp: MultiplierBp
    flat: Flat
    reason: Reason
    xp_before: Xp
    xp_after: Xp


def stepped(xp: int, multiplier_bp: int, flat: int) -> int:
    """Give what is left of experience after one step: multiplied, rounded down, and never below 0.

    In binary fractions 100 times 1.15 is a little less than 115.

    >>> stepped(100, 11500, 0), int(100 * 1.15), stepped(5, 9000, 0), stepped(10, 10000, 3), stepped(2, 10000, -3)
    (115, 114, 4, 13, 0)
    """
    return max(0, xp * multiplier_bp // ONE_BP + flat)


def in_order(modifiers: Iterable[Modifier]) -> list[Modifier]:
    """Put bonuses before penalties, and leave each as they came.

    >>> debuff, weekend, title = Modifier("DEBUFF_PENALTY", 9000), Modifier("WEEKEND_BONUS", 11000), Modifier("TITLE_PASSIVE", flat=3)
    >>> [one.type for one in in_order([debuff, weekend, title])]
    ['WEEKEND_BONUS', 'TITLE_PASSIVE', 'DEBUFF_PENALTY']
    """
    return sorted(modifiers, key=lambda one: one.is_penalty)


def apply(base: int, modifiers: Sequence[Modifier]) -> list[Step]:
    """Give the steps from an award's base to what is paid; without modifiers there are none.

    Raises: MODIFIER_REFUSED, XP_OVERFLOW.

    >>> [one.xp_after for one in apply(100, [Modifier("DEBUFF_PENALTY", 9000), Modifier("STREAK_BONUS", 11500)])]
    [115, 103]
    """
    if len(modifiers) > MAX_MODIFIERS:
        raise ModifierRefused(problem=f"more than {MAX_MODIFIERS} modifiers")
    steps: list[Step] = []
    for order, one in enumerate(in_order([checked(one) for one in modifiers]), 1):
        after = stepped(base, one.multiplier_bp, one.flat)
        if after > MAX_XP:
            raise XpOverflow(most=MAX_XP)
        steps.append(Step(order, one.type, one.multiplier_bp, one.flat, one.reason, base, after))
        base = after
    return steps


def checked(modifier: Modifier) -> Modifier:
    """Give a modifier that is within the bounds; those that code makes have passed no gate.

    Raises: MODIFIER_REFUSED.
    """
    for name, value, low, high in (
        ("multiplier_bp", modifier.multiplier_bp, 0, MAX_MULTIPLIER_BP),
        ("flat", modifier.flat, -MAX_FLAT, MAX_FLAT),
    ):
        if type(value) is not int or not low <= value <= high:
            raise ModifierRefused(problem=f"{name} is an integer from {low} to {high}")
    if modifier.multiplier_bp != ONE_BP and modifier.flat:
        raise ModifierRefused(problem="a modifier multiplies or adds, not both")
    return modifier

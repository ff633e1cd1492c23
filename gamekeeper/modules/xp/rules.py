"""The arithmetic of experience and levels: everything in integers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Final

from msgspec import Meta, Struct

from gamekeeper.modules import days

from .errors import UnknownCurve

if TYPE_CHECKING:
    from .records import CurveDefinition

MAX_XP: Final = 2**42 - 1
"""The most that any curve may count; the boards of ranked experience have six sizes of buckets for it."""
MAX_LEVEL: Final = 10_000
MAX_RUNESCAPE_LEVEL: Final = 200
Xp = Annotated[int, Meta(ge=0, le=MAX_XP, description="experience points")]


def runescape_threshold(level: int) -> int:
    """Give the experience at which a level begins: a quarter of the sum of floor(i + 300 * 2^(i/7)) over all i below it, floored once.

    Source: RuneScape's published table.

    >>> [runescape_threshold(level) for level in (1, 2, 3, 4, 10, 92, 99)]
    [0, 83, 174, 276, 1154, 6517253, 13034431]
    """
    # A double is exact enough here: the nearest of these sums of 98 to a whole number is far beyond its error.
    return sum(int(i + 300 * 2 ** (i / 7)) for i in range(1, level)) // 4


def solo_threshold(level: int) -> int:
    """Give the experience at which a level begins: 57.5 * level^2 rounded down, and 25 * level; level 1 begins at 0.

    >>> [solo_threshold(level) for level in (1, 2, 4, 10, 30)]
    [0, 280, 1020, 6000, 52500]
    """
    return 0 if level <= 1 else (115 * level * level) // 2 + 25 * level


class Curve(Struct, frozen=True):
    """What experience each level takes, ready to be looked up."""

    thresholds: tuple[int, ...]
    max_xp: int

    @property
    def max_level(self) -> int:
        """The highest level."""
        return len(self.thresholds)

    def level(self, xp: int) -> int:
        """Give the level that an experience has reached.

        >>> [RUNESCAPE.level(xp) for xp in (0, 82, 83, 13034430, 13034431, 200000000)]
        [1, 1, 2, 98, 99, 99]
        """
        return bisect_right(self.thresholds, xp)

    def threshold(self, level: int) -> int:
        """Give the experience at which a level begins; levels beyond the last begin where it does.

        >>> RUNESCAPE.threshold(2), RUNESCAPE.threshold(120)
        (83, 13034431)
        """
        return self.thresholds[min(max(level, 1), self.max_level) - 1]

    def add(self, xp: int, gain: int) -> int:
        """Give the experience after a gain, within the curve's cap.

        >>> RUNESCAPE.add(199999990, 50)
        200000000
        """
        return max(xp, min(xp + gain, self.max_xp))


def progress_percent(curve: Curve, xp: int) -> int:
    """Give how much of the way to the next level is done, in percent; at the highest level all of it.

    >>> progress_percent(RUNESCAPE, 83), progress_percent(RUNESCAPE, 129), progress_percent(RUNESCAPE, 13034431)
    (0, 51, 100)
    """
    level = curve.level(xp)
    if level >= curve.max_level:
        return 100
    low, high = curve.threshold(level), curve.threshold(level + 1)
    return (200 * (xp - low) + (high - low)) // (2 * (high - low))


def made_of(thresholds: Sequence[int], max_xp: int) -> Curve:
    """Give a curve; its cap lets the highest level be reached."""
    return Curve(tuple(thresholds), max(max_xp, thresholds[-1]))


RUNESCAPE: Final = made_of([runescape_threshold(level) for level in range(1, 100)], 200_000_000)


BUILT_IN: Final = "solo"
"""The curve that is there although no pack defines it."""
SOLO_LEVELS: Final = 1_000


@lru_cache(maxsize=1)
def solo_curve() -> Curve:
    """Give the built-in curve of characters.

    >>> [solo_curve().level(xp) for xp in (0, 279, 280, 6000, 52499, 52500)]
    [1, 1, 2, 10, 29, 30]
    """
    return made_of([solo_threshold(level) for level in range(1, SOLO_LEVELS + 1)], MAX_XP)


@lru_cache(maxsize=256)
def curve_of(definition: CurveDefinition) -> Curve:
    """Give the curve that a definition describes."""
    if definition.formula == "table":
        return made_of(definition.thresholds, definition.max_xp)
    threshold = runescape_threshold if definition.formula == "runescape" else solo_threshold
    return made_of([threshold(level) for level in range(1, definition.max_level + 1)], definition.max_xp)


def known_curve(definition: CurveDefinition | None, curve: str) -> Curve:
    """Give the curve of a definition that must be there.

    Raises: UNKNOWN_CURVE.
    """
    if definition is None:
        raise UnknownCurve(curve=curve)
    return curve_of(definition)


def character_curve(definitions: Mapping[str, CurveDefinition], curve: str) -> Curve:
    """Give the curve of characters' levels; `solo` is built in and may be defined otherwise.

    Raises: UNKNOWN_CURVE.
    """
    definition = definitions.get(curve)
    return solo_curve() if definition is None and curve == BUILT_IN else known_curve(definition, curve)


SETTLE_MS: Final = 60_000
"""How long after its end a week's awards may still be written: longer than any command is tried."""


def week_at(ms: int) -> str:
    """Give the Monday of the week that it is in UTC.

    >>> week_at(1_800_000_000_000), week_at(1_800_000_000_000 + 3 * 86_400_000)
    ('2027-01-11', '2027-01-18')
    """
    return days.week_of(days.local_day(ms, "UTC"))


def ends_at(week: str) -> int:
    """Give the first millisecond after a week.

    >>> ends_at("2027-01-11") == days.start_of("2027-01-18", "UTC")
    True
    """
    return days.start_of(days.after(week, 7), "UTC")

"""XP: the curves that turn experience into levels, and how far a character has come as a whole."""

from .errors import UnknownCurve
from .queries import curve, progress
from .records import CharacterProgress, CurveDefinition, Points
from .rules import MAX_XP, Curve, Xp, curve_of, known_curve, progress_percent, runescape_threshold, solo_threshold

__all__ = [
    "MAX_XP",
    "CharacterProgress",
    "Curve",
    "CurveDefinition",
    "Points",
    "UnknownCurve",
    "Xp",
    "curve",
    "curve_of",
    "known_curve",
    "progress",
    "progress_percent",
    "runescape_threshold",
    "solo_threshold",
]

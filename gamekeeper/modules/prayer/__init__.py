"""Prayer: points that drain while prayers are said, and the levels that these raise."""

from .commands import Drained, PrayerState, activate, deactivate, drain, end_all, restore
from .errors import NoPrayerPoints, TooManyPrayers, UnknownPrayer
from .queries import Boost, PrayerSheet, boosted, sheet_of, show
from .records import ActivePrayer, PrayerDebt, PrayerDefinition, PrayerId, PrayerPace
from .rules import MAX_ACTIVE, PRAYER, TICK_MS, boosted_level, drained, multipliers, resistance

__all__ = [
    "MAX_ACTIVE",
    "PRAYER",
    "TICK_MS",
    "ActivePrayer",
    "Boost",
    "Drained",
    "NoPrayerPoints",
    "PrayerDebt",
    "PrayerDefinition",
    "PrayerId",
    "PrayerPace",
    "PrayerSheet",
    "PrayerState",
    "TooManyPrayers",
    "UnknownPrayer",
    "activate",
    "boosted",
    "boosted_level",
    "deactivate",
    "drain",
    "drained",
    "end_all",
    "multipliers",
    "resistance",
    "restore",
    "sheet_of",
    "show",
]

"""What can go wrong with experience."""

from gamekeeper.errors import GameError, Kind


class UnknownCurve(GameError):
    """No pack defines this curve."""

    code = "UNKNOWN_CURVE"
    curve: str


class ModifierRefused(GameError):
    """A bonus or penalty is outside of what an award may have."""

    code = "MODIFIER_REFUSED"
    kind = Kind.INVALID
    problem: str


class XpOverflow(GameError):
    """The experience would be more than can be counted."""

    code = "XP_OVERFLOW"
    most: int


class SourceIdReused(GameError):
    """Something else was paid before under this source and id."""

    code = "SOURCE_ID_REUSED"
    kind = Kind.MISMATCH
    source: str
    source_id: str
    base_xp: int


class XpEventNotFound(GameError):
    """The character's ledger has no such event."""

    code = "XP_EVENT_NOT_FOUND"
    kind = Kind.NOT_FOUND
    character: str
    seq: int


class WeekNotKept(GameError):
    """No board is kept of this week."""

    code = "WEEK_NOT_KEPT"
    kind = Kind.NOT_FOUND
    week: str

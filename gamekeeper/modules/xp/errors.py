"""What can go wrong with experience."""

from gamekeeper.errors import GameError


class UnknownCurve(GameError):
    """No pack defines this curve."""

    code = "UNKNOWN_CURVE"
    curve: str

"""What can go wrong with prayers."""

from gamekeeper.errors import GameError, Kind


class UnknownPrayer(GameError):
    """No loaded pack defines this prayer."""

    code = "UNKNOWN_PRAYER"
    kind = Kind.NOT_FOUND
    prayer: str


class NoPrayerPoints(GameError):
    """The character has no prayer points left."""

    code = "NO_PRAYER_POINTS"
    character: str


class TooManyPrayers(GameError):
    """The character says as many prayers as one may at once."""

    code = "TOO_MANY_PRAYERS"
    character: str
    limit: int

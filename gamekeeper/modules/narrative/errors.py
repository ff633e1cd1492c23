"""What can go wrong with narrative."""

from gamekeeper.errors import GameError, Kind


class NarrativeNotFound(GameError):
    """No active text has this key."""

    code = "NARRATIVE_NOT_FOUND"
    kind = Kind.NOT_FOUND
    narrative: str

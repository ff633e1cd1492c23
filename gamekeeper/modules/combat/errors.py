"""What can go wrong with kills and deaths."""

from gamekeeper.errors import GameError, Kind


class AlreadyDead(GameError):
    """The character died a moment ago; one death told twice is one death."""

    code = "ALREADY_DEAD"
    character: str
    retry_after_seconds: float


class DeathChanged(GameError):
    """The character's gravestone changed while the command was on its way; look again."""

    code = "DEATH_CHANGED"
    kind = Kind.STALE
    character: str


class NoGravestone(GameError):
    """There is no such gravestone, or nothing is left of it."""

    code = "NO_GRAVESTONE"
    kind = Kind.NOT_FOUND
    character: str
    gravestone: str | None = None


class GravestoneProtected(GameError):
    """The gravestone is another's, and still protected."""

    code = "GRAVESTONE_PROTECTED"
    kind = Kind.FORBIDDEN
    character: str
    gravestone: str
    protected_until: int

"""What can go wrong with documents."""

from gamekeeper.errors import GameError, Kind


class StateChanged(GameError):
    """The document is not at the version that the caller expected."""

    code = "STATE_CHANGED"
    kind = Kind.STALE
    id: str
    expected: int
    current: int


class StateNotFound(GameError):
    """There is no such document."""

    code = "STATE_NOT_FOUND"
    kind = Kind.NOT_FOUND
    id: str


class StateTooNew(GameError):
    """The document was written by a newer version of the game, which this one must not overwrite."""

    code = "STATE_TOO_NEW"
    kind = Kind.MISMATCH
    id: str
    schema_version: int
    known: int


class StateNotUpgraded(GameError):
    """The document is in an old form, and the function that brings it into the next one has failed."""

    code = "STATE_NOT_UPGRADED"
    kind = Kind.MISMATCH
    id: str
    schema_version: int
    problem: str

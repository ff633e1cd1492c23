"""What can go wrong with users."""

from gamekeeper.errors import GameError, Kind, OwnerNotFound


class UserNotFound(OwnerNotFound):
    """There is no such user, or no longer."""

    code = "USER_NOT_FOUND"


class NameInvalid(GameError):
    """The name breaks a rule; `problem` says which."""

    code = "NAME_INVALID"
    kind = Kind.INVALID
    problem: str

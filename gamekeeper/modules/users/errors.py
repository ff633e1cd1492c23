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


class RoleTooLow(GameError):
    """Your role is too low to do this to that user."""

    code = "ROLE_TOO_LOW"
    kind = Kind.FORBIDDEN
    needed: str

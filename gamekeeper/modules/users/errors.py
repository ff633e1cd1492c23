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


class Banned(GameError):
    """The account is banned; `until` says until when, and is null when for ever."""

    code = "BANNED"
    kind = Kind.FORBIDDEN
    until: int | None


class PasswordRefused(GameError):
    """The password is easily guessed, or too long to be hashed; `problem` says which."""

    code = "PASSWORD_REFUSED"
    kind = Kind.INVALID
    problem: str


class PasswordWrong(GameError):
    """The account has another password, or none."""

    code = "PASSWORD_WRONG"
    kind = Kind.FORBIDDEN


class EmailInvalid(GameError):
    """This is no e-mail address."""

    code = "EMAIL_INVALID"
    kind = Kind.INVALID


class EmailDiffers(GameError):
    """The account has another e-mail address, or none."""

    code = "EMAIL_DIFFERS"


class EmailAlreadyVerified(GameError):
    """The e-mail address has been verified."""

    code = "EMAIL_ALREADY_VERIFIED"


class EmailTaken(GameError):
    """The e-mail address is that of another account, which has verified it."""

    code = "EMAIL_TAKEN"


class TokenInvalid(GameError):
    """The token is unknown, was used, or has expired."""

    code = "TOKEN_INVALID"
    kind = Kind.FORBIDDEN


class TooManyVerifications(GameError):
    """The account has as many tokens waiting to be used as one may have."""

    code = "TOO_MANY_VERIFICATIONS"
    limit: int


class DeletionNotDue(GameError):
    """The account's deletion was not requested, or its time of grace is not over; `due_at` says when it is."""

    code = "DELETION_NOT_DUE"
    due_at: int | None

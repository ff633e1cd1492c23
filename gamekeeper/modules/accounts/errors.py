"""What can go wrong with linked accounts."""

from gamekeeper.errors import GameError, Kind


class AccountTaken(GameError):
    """The provider's account is linked to another user."""

    code = "ACCOUNT_TAKEN"
    provider: str


class AlreadyLinked(GameError):
    """The provider's account is linked to this user already."""

    code = "ACCOUNT_ALREADY_LINKED"
    provider: str


class AccountNotFound(GameError):
    """The user has no such linked account, or no longer."""

    code = "ACCOUNT_NOT_FOUND"
    kind = Kind.NOT_FOUND
    provider: str


class LastLoginMethod(GameError):
    """Without this account the user could not log in any more: there is no password and no other account."""

    code = "LAST_LOGIN_METHOD"


class TooManyAccounts(GameError):
    """The user has as many linked accounts as one may have."""

    code = "TOO_MANY_ACCOUNTS"
    limit: int


class GuestCannotLink(GameError):
    """A guest's account ends with its time; it has to become a full one before anything is linked to it."""

    code = "GUEST_CANNOT_LINK"


class SignInCodeInvalid(GameError):
    """The code was used, has run out, or was made for somebody else."""

    code = "SIGN_IN_CODE_INVALID"
    kind = Kind.UNAUTHENTICATED

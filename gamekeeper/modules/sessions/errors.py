"""What can go wrong with sessions and API keys."""

from gamekeeper.errors import GameError, Kind


class BadCredentials(GameError):
    """No user has this name and this password."""

    code = "BAD_CREDENTIALS"
    kind = Kind.UNAUTHENTICATED


class AccountInactive(GameError):
    """The account is switched off, or was a guest whose time has passed."""

    code = "ACCOUNT_INACTIVE"
    kind = Kind.FORBIDDEN
    user_id: str


class RefreshTokenInvalid(GameError):
    """The refresh token is unknown, or its session has ended."""

    code = "REFRESH_TOKEN_INVALID"
    kind = Kind.UNAUTHENTICATED


class SessionNotFound(GameError):
    """There is no such session, or it has ended."""

    code = "SESSION_NOT_FOUND"
    kind = Kind.NOT_FOUND
    id: str


class ApiKeyNotFound(GameError):
    """There is no such API key."""

    code = "API_KEY_NOT_FOUND"
    kind = Kind.NOT_FOUND
    id: str


class TooManyApiKeys(GameError):
    """The user has as many API keys in force as one may have."""

    code = "TOO_MANY_API_KEYS"
    limit: int

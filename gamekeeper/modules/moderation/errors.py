"""What can go wrong in moderation."""

from gamekeeper.errors import GameError


class NotBanned(GameError):
    """The user is not banned, or no longer."""

    code = "NOT_BANNED"
    user_id: str


class TooManyNotes(GameError):
    """There are as many notes about the user as there may be."""

    code = "TOO_MANY_NOTES"
    limit: int

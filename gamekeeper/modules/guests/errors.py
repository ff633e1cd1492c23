"""What can go wrong with guests."""

from gamekeeper.errors import GameError


class NotAGuest(GameError):
    """The account is a full one already."""

    code = "NOT_A_GUEST"
    id: str

"""What can go wrong with titles."""

from gamekeeper.errors import GameError, Kind


class TitleNotFound(GameError):
    """No loaded pack defines this title."""

    code = "TITLE_NOT_FOUND"
    kind = Kind.NOT_FOUND
    title: str


class TitleNotOwned(GameError):
    """The character does not have the title, or has lost it."""

    code = "TITLE_NOT_OWNED"
    title: str

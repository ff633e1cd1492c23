"""What can go wrong in chat."""

from gamekeeper.errors import GameError, Kind


class TextInvalid(GameError):
    """The message breaks a rule for texts; `problem` says which."""

    code = "CHAT_TEXT_INVALID"
    kind = Kind.INVALID
    problem: str


class TooFast(GameError):
    """The character has said as much as one may in a short time."""

    code = "CHAT_TOO_FAST"
    kind = Kind.TOO_OFTEN
    retry_after_seconds: float


class NotInRoom(GameError):
    """The character is in another room than the one it would speak in."""

    code = "CHAT_NOT_IN_ROOM"
    room: str


class NotInWorld(GameError):
    """The character is in another world than the one it would listen to."""

    code = "CHAT_NOT_IN_WORLD"
    kind = Kind.FORBIDDEN
    world_id: str


class WorldChanged(GameError):
    """The character went to another world while it spoke; say it again."""

    code = "CHAT_WORLD_CHANGED"
    kind = Kind.STALE
    character: str


class ToOneself(GameError):
    """One neither whispers to oneself nor blocks oneself."""

    code = "CHAT_TO_ONESELF"
    kind = Kind.INVALID
    character: str


class NotDelivered(GameError):
    """The whisper did not reach the character; why is not told."""

    code = "CHAT_NOT_DELIVERED"
    recipient: str


class BlocksFull(GameError):
    """The character has blocked as many others as one may."""

    code = "CHAT_BLOCKS_FULL"
    limit: int


class MessageNotFound(GameError):
    """There is no such message, or no longer."""

    code = "CHAT_MESSAGE_NOT_FOUND"
    kind = Kind.NOT_FOUND
    id: str

"""What can go wrong with characters."""

from gamekeeper.errors import GameError, Kind, OwnerNotFound


class CharacterNotFound(OwnerNotFound):
    """There is no such character, or no longer."""

    code = "CHARACTER_NOT_FOUND"


class CharacterSlotsFull(GameError):
    """The user has as many characters in this world as one may have."""

    code = "CHARACTER_SLOTS_FULL"
    world_id: str
    limit: int


class CharacterNotYours(GameError):
    """The character belongs to another user, or to nobody."""

    code = "CHARACTER_NOT_YOURS"
    kind = Kind.FORBIDDEN
    id: str


class CharacterChangedHands(GameError):
    """The character went to another user while the command was on its way; look again."""

    code = "CHARACTER_CHANGED_HANDS"
    kind = Kind.STALE
    id: str


class CharacterNotDeleted(GameError):
    """The character is there; nothing has to be brought back."""

    code = "CHARACTER_NOT_DELETED"
    id: str


class RestoreTooLate(GameError):
    """The character was deleted so long ago that it is not brought back any more."""

    code = "RESTORE_TOO_LATE"
    id: str
    until: int


class VitalOutOfRange(GameError):
    """A vital is at least 0 and at most its maximum."""

    code = "VITAL_OUT_OF_RANGE"
    vital: str
    current: int
    maximum: int


class SheetFull(GameError):
    """The character has as many rows of this kind as one may have."""

    code = "SHEET_FULL"
    table: str
    limit: int


class SettingRefused(GameError):
    """The setting's value is larger, or deeper, than settings may be."""

    code = "SETTING_REFUSED"
    kind = Kind.INVALID
    name: str
    path: str
    problem: str

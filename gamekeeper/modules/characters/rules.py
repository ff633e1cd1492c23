"""Rules for characters: names, slots, what they begin with, and what their settings may hold."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from gamekeeper.kernel import gate
from gamekeeper.modules import users

from .errors import SettingRefused, SheetFull, VitalOutOfRange
from .records import CharacterLocation, CharacterSlot, CharacterVital

SLOTS: Final = 10
"""Characters that a user may have in one world."""
SPAWN_ROOM: Final = "spawn"
FIRST_VITALS: Final[Mapping[str, int]] = {"health": 100_00, "mana": 50_00, "stamina": 100_00}
"""What a new character begins with, full, in hundredths."""
RESTORE_DAYS: Final = users.HELD_DAYS
"""How long a deleted character may be brought back: as long as a user's name is held."""
MAX_VITALS: Final = 32
MAX_ATTRIBUTES: Final = 64
MAX_SETTINGS: Final = 128
SETTING_LIMITS: Final = gate.Limits(
    max_bytes=4096, max_depth=8, max_nodes=256, max_key_bytes=64, max_string_bytes=2048, refuse_prototype_keys=True
)
CHARACTER_NAME_POLICY: Final = users.NamePolicy(shortest=2, longest=40, punctuation=" '-.", reserved=users.RESERVED)


def name_claim(world_id: str) -> str:
    """Give the kind of claim that makes names unique within a world.

    >>> name_claim("world")
    'character_name:world'
    """
    return f"character_name:{world_id}"


def restorable_until(tombstoned_at: int) -> int:
    """Give the time from which on a deleted character is not brought back any more.

    >>> restorable_until(0)
    7776000000
    """
    return tombstoned_at + RESTORE_DAYS * 24 * 3600 * 1000


def slots_taken(slots: Iterable[CharacterSlot], world_id: str) -> int:
    """Count a user's characters in a world."""
    return sum(slot.world_id == world_id for slot in slots)


def first_location(character: str, world_id: str, now: int) -> CharacterLocation:
    """Give the place where a new character is."""
    return CharacterLocation(character_id=character, world_id=world_id, room_id=SPAWN_ROOM, updated_at=now)


def changed_vital(character: str, vital: str, before: CharacterVital | None, current: int | None, maximum: int | None) -> CharacterVital:
    """Give a vital with a new current value, a new maximum, or both.

    A maximum alone takes away what is above it; a vital that is new is full unless it is said.

    >>> changed_vital("ada", "mana", None, None, 5000).current
    5000
    >>> changed_vital("ada", "mana", CharacterVital("ada", "mana", 4000, 5000), None, 3000).current
    3000

    Raises: VITAL_OUT_OF_RANGE.
    """
    most = maximum if maximum is not None else (0 if before is None else before.maximum)
    if current is None:
        current = most if before is None else min(before.current, most)
    if not 0 <= current <= most:
        raise VitalOutOfRange(vital=vital, current=current, maximum=most)
    return CharacterVital(character, vital, current, most)


def checked_setting(name: str, value: Any) -> Any:
    """Give a setting's value as it is stored.

    >>> checked_setting("ui.scale", {"x": (1, 2)})
    {'x': [1, 2]}

    Raises: SETTING_REFUSED.
    """
    try:
        return gate.check(value, SETTING_LIMITS)
    except gate.InvalidJson as error:
        raise SettingRefused(name=name, path=error.path, problem=error.problem) from None


def check_room_for(table: str, held: int, limit: int) -> None:
    """Refuse one more row where there are as many as there may be.

    Raises: SHEET_FULL.
    """
    if held >= limit:
        raise SheetFull(table=table, limit=limit)

"""Rules for how long bans last, what staff's words may hold, and which commands are which events of the activity log."""

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final, Literal

from gamekeeper.errors import InvalidArgument
from gamekeeper.modules import users

from .records import Preset, UserBan

HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR
PRESETS: Final[Mapping[Preset, int]] = {"hour": HOUR, "day": DAY, "week": 7 * DAY, "month": 30 * DAY}
MAX_NOTES: Final = 500
"""Notes about one user."""
ERASED: Final = "erased"
"""Stands for the words about a user who has been erased."""
ACTIVITY_DAYS: Final = 90
"""How far back the activity log goes when nobody says how far."""
MAX_OWNERS: Final = 100
"""Whose entries are merged into one user's activity: the user's own, and those of what they have."""

_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINERS: Final = "\u200c\u200d"
"""Words of some scripts and some pictures are written with these."""
_BRAILLE_BLANK: Final = "\u2800"


def end_of_ban(now: int, until: int | None, preset: Preset | None) -> int:
    """Give when a ban ends, from a time or from the name of a length; one of the two must be said, for nothing is no length.

    >>> end_of_ban(1_000, 5_000, None), end_of_ban(1_000, None, "hour"), end_of_ban(1_000, None, "permanent") == users.FOR_EVER
    (5000, 3601000, True)

    Raises: INVALID_ARGUMENT.
    """
    if (until is None) == (preset is None):
        raise InvalidArgument(path="/until", problem="either until or preset says how long")
    if preset is not None:
        return users.FOR_EVER if preset == "permanent" else now + PRESETS[preset]
    if until is None or until <= now:
        raise InvalidArgument(path="/until", problem="a ban ends in the future")
    return until


def told(end: int) -> int | None:
    """Give the end of a ban as it is stored and shown.

    >>> told(5_000), told(users.FOR_EVER)
    (5000, None)
    """
    return None if end >= users.FOR_EVER else end


def in_force(ban: UserBan, now: int) -> bool:
    """Say whether a ban holds."""
    return ban.lifted_at is None and (ban.expires_at is None or ban.expires_at > now)


def longest(bans: Iterable[UserBan], now: int) -> UserBan | None:
    """Give the ban that ends last of those that hold; of several without an end the oldest."""
    held = [ban for ban in bans if in_force(ban, now)]
    return max(held, key=lambda one: (one.expires_at or users.FOR_EVER, -one.created_at), default=None)


def clean(text: str, path: str, most: int) -> str:
    """Give a text on one line without spaces at its ends, or refuse one that hides something or shows nothing.

    >>> clean("  spam,\\nagain ", "/reason", 500)
    'spam, again'

    Raises: INVALID_ARGUMENT.
    """
    text = " ".join(unicodedata.normalize("NFC", text).split())
    if any(unicodedata.category(letter) in _UNSEEN and letter not in _JOINERS for letter in text):
        raise InvalidArgument(path=path, problem="text holds what cannot be seen")
    if not any(users.visible(letter) and unicodedata.category(letter)[0] in "LNPS" and letter != _BRAILLE_BLANK for letter in text):
        raise InvalidArgument(path=path, problem="text with something to read in it is required")
    if len(text) > most:
        raise InvalidArgument(path=path, problem=f"at most {most} characters")
    return text


def clean_lines(text: str, path: str, most: int) -> str:
    """Give a text of several lines, each as `clean` gives one; empty lines part its paragraphs.

    >>> clean_lines(" one \\r\\n\\n two", "/text", 100)
    'one\\n\\ntwo'

    Raises: INVALID_ARGUMENT.
    """
    clean(text, path, most)
    whole = "\n".join(clean(line, path, most) if line.strip() else "" for line in text.strip().splitlines())
    if len(whole) > most:
        raise InvalidArgument(path=path, problem=f"at most {most} characters")
    return whole


# The activity log

EventType = Literal[
    "REGISTERED",
    "LOGIN",
    "LOGOUT",
    "KICKED",
    "PASSWORD_CHANGED",
    "SESSION_START",
    "SESSION_END",
    "CHARACTER_CREATED",
    "CHARACTER_RENAMED",
    "CHARACTER_DELETED",
    "CHARACTER_RESTORED",
    "ITEM_PICKUP",
    "ITEM_DROP",
    "ITEM_GIVEN",
    "ITEM_MOVED",
    "INVENTORY_ITEM_ADDED",
    "INVENTORY_ITEM_REMOVED",
    "EQUIPMENT_EQUIP",
    "EQUIPMENT_UNEQUIP",
    "BANK_DEPOSIT",
    "BANK_WITHDRAW",
    "TRADE_REQUEST",
    "TRADE_RESPOND",
    "TRADE_OFFER",
    "TRADE_ACCEPT",
    "TRADE_CANCEL",
    "USER_BANNED",
    "USER_UNBANNED",
    "ROLE_CHANGED",
]

EVENTS: Final[Mapping[EventType, tuple[str, ...]]] = {
    "REGISTERED": ("users.register", "users.create_guest", "sessions.guest_session", "guests.create", "guests.upgrade"),
    "LOGIN": ("sessions.login", "sessions.open_session", "accounts.sign_in", "accounts.redeem"),
    "LOGOUT": ("people.log_out", "people.log_out_everywhere", "sessions.revoke", "sessions.revoke_all"),
    "KICKED": ("moderation.kick",),
    "PASSWORD_CHANGED": ("users.change_password", "users.reset_password"),
    "SESSION_START": ("characters.select",),
    "SESSION_END": ("characters.unselect",),
    "CHARACTER_CREATED": ("characters.create",),
    "CHARACTER_RENAMED": ("characters.rename",),
    "CHARACTER_DELETED": ("characters.delete",),
    "CHARACTER_RESTORED": ("characters.restore",),
    "ITEM_PICKUP": ("items.pick_up",),
    "ITEM_DROP": ("items.drop",),
    "ITEM_GIVEN": ("items.give", "items.swap"),
    "ITEM_MOVED": ("items.move", "items.split", "items.merge"),
    "INVENTORY_ITEM_ADDED": ("items.grant", "items.grant_many"),
    "INVENTORY_ITEM_REMOVED": ("items.use_up",),
    "EQUIPMENT_EQUIP": ("items.equip",),
    "EQUIPMENT_UNEQUIP": ("items.unequip",),
    "BANK_DEPOSIT": ("banks.deposit", "banks.deposit_inventory", "banks.deposit_equipment", "banks.deposit_coins"),
    "BANK_WITHDRAW": ("banks.withdraw", "banks.withdraw_coins"),
    "TRADE_REQUEST": ("trades.request",),
    "TRADE_RESPOND": ("trades.respond",),
    "TRADE_OFFER": ("trades.offer",),
    "TRADE_ACCEPT": ("trades.accept",),
    "TRADE_CANCEL": ("trades.cancel", "trades.time_out"),
    "USER_BANNED": ("moderation.ban",),
    "USER_UNBANNED": ("moderation.unban",),
    "ROLE_CHANGED": ("users.set_role",),
}
"""The commands that are each event. A command is one event; what is not here is in the journal, but not in the log."""

EVENT_OF: Final[Mapping[str, EventType]] = {command: event for event, commands in EVENTS.items() for command in commands}


def commands_of(events: Iterable[EventType] | None) -> list[str]:
    """Give the commands of some events, or of all.

    >>> commands_of(["LOGOUT"])
    ['people.log_out', 'people.log_out_everywhere', 'sessions.revoke', 'sessions.revoke_all']
    """
    wanted = EVENTS if events is None else dict.fromkeys(events)
    return [command for event in wanted for command in EVENTS[event]]


def listed(commands: Iterable[str]) -> str:
    """Give commands as one text with a comma at each end, which a statement can look into.

    >>> listed(["sessions.revoke", "moderation.kick"])
    ',sessions.revoke,moderation.kick,'
    """
    return f",{','.join(commands)},"

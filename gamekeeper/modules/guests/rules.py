"""Who may become a full user, who is to be forgotten, and how many in one go."""

from typing import Final

from gamekeeper.modules import sessions, users

from .errors import NotAGuest

PURGE_LIMIT: Final = 100
"""Guests that one purge forgets unless it is told another number."""
MAX_CHARACTERS: Final = 500
"""Characters that one command lets go at the most: a guest may have made thousands, over many worlds."""
MAX_MESSAGES: Final = 500
"""Chat messages that one command takes a name off at the most."""


def require_guest(row: users.User | None, id: str, now: int) -> users.User:
    """Give a guest who may still become a full user.

    Raises: USER_NOT_FOUND, NOT_A_GUEST, ACCOUNT_INACTIVE, BANNED.
    """
    if row is None or row.tombstoned_at is not None:
        raise users.UserNotFound(id=id)
    if not row.is_guest:
        raise NotAGuest(id=id)
    sessions.refuse_inactive(row, now)
    return row


def is_due(row: users.User, now: int) -> bool:
    """Say whether a guest is to be forgotten: their time is over, and nobody has erased them before.

    >>> guest = users.User("u1", "guest_1", "guest_i", 0, 0, is_guest=True, guest_expires_at=1000)
    >>> is_due(guest, 999), is_due(guest, 1000)
    (False, True)
    """
    return row.tombstoned_at is None and users.guest_is_over(row, now)

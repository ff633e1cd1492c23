"""How long sessions last, how many there may be, and what tokens are."""

import hashlib
import secrets
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from .records import ApiKey, Session

SESSION_MINUTES: Final = 480
"""How long a session lasts without activity."""
SESSION_DAYS: Final = 30
"""How long a session lasts at the most."""
MAX_SESSIONS: Final = 20
"""Sessions of a user that may be open at once; the one that was idle longest makes room."""
KEPT_SESSIONS: Final = 20
"""Ended sessions of a user that are kept to be looked at."""
MAX_API_KEYS: Final = 50
KEPT_API_KEYS: Final = 50
TOUCH_SECONDS: Final = 60
"""How exact `last_activity_at` and `last_used_at` are: activity sooner than this after the last one writes nothing."""

SESSION_PREFIX: Final = "gks_"
API_KEY_PREFIX: Final = "gkk_"
TOKEN_BYTES: Final = 32
MAX_TOKEN: Final = 128


class Expiry(Struct, frozen=True):
    """When a session ends: without activity, and in any case."""

    sliding: int
    absolute: int


def new_token(prefix: str) -> str:
    """Make 256 random bits, with a prefix by which scanners recognise a leaked one.

    >>> new_token("gks_").startswith("gks_"), len(new_token("gks_"))
    (True, 47)
    """
    return prefix + secrets.token_urlsafe(TOKEN_BYTES)


def token_hash(token: str) -> str:
    """Give what is stored of a token. No salt and no slow hash: there is nothing to guess among 2**256.

    >>> token_hash("gks_x")[:8]
    '9ec6cbc7'
    """
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def first_expiry(now: int, *, latest: int | None = None) -> Expiry:
    """Give the expiry of a new session, of a guest never later than the guest's own.

    >>> first_expiry(0)
    Expiry(sliding=28800000, absolute=2592000000)
    >>> first_expiry(0, latest=1000)
    Expiry(sliding=1000, absolute=1000)
    """
    absolute = now + SESSION_DAYS * 86_400_000
    if latest is not None:
        absolute = min(absolute, latest)
    return Expiry(slide(now, absolute), absolute)


def slide(now: int, absolute: int) -> int:
    """Give the expiry after activity.

    >>> slide(0, 2592000000), slide(0, 5)
    (28800000, 5)
    """
    return min(now + SESSION_MINUTES * 60_000, absolute)


def is_open(session: Session, now: int) -> bool:
    """Say whether a session is in force."""
    return session.revoked_at is None and now < session.expires_at and now < session.absolute_expires_at


def touch_is_due(last_at: int | None, now: int) -> bool:
    """Say whether activity is worth writing down.

    >>> touch_is_due(None, 0), touch_is_due(0, 59_999), touch_is_due(0, 60_000)
    (True, False, True)
    """
    return last_at is None or now - last_at >= TOUCH_SECONDS * 1000


def to_end(sessions: Iterable[Session], now: int) -> list[Session]:
    """Give the open sessions that must end before one more may begin: those that were idle longest."""
    still_open = sorted((one for one in sessions if is_open(one, now)), key=lambda one: (one.last_activity_at, one.session_id))
    return still_open[: max(0, len(still_open) - MAX_SESSIONS + 1)]


def to_forget(sessions: Iterable[Session], now: int) -> list[Session]:
    """Give the ended sessions whose rows are not kept any longer."""
    ended = sorted((one for one in sessions if not is_open(one, now)), key=lambda one: (one.last_activity_at, one.session_id))
    return ended[: max(0, len(ended) - KEPT_SESSIONS)]


def keys_to_forget(keys: Iterable[ApiKey]) -> list[ApiKey]:
    """Give the revoked API keys whose rows are not kept any longer."""
    revoked = sorted((one for one in keys if one.revoked_at is not None), key=lambda one: (one.revoked_at or 0, one.key_id))
    return revoked[: max(0, len(revoked) - KEPT_API_KEYS)]

"""How long sessions last, how many there may be, and what tokens are."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from msgspec import Struct

from gamekeeper.config import Settings
from gamekeeper.errors import SecretKeyNeeded
from gamekeeper.kernel.keyring import KeyRing
from gamekeeper.modules import users

from .errors import AccountInactive
from .records import ApiKey, RefreshToken, Session

KEPT_SESSIONS: Final = 20
"""Ended sessions of a user that are kept to be looked at."""
KEPT_DAYS: Final = 30
"""How long they are kept at the most, for they tell where somebody was."""
MAX_API_KEYS: Final = 50
KEPT_API_KEYS: Final = 50
MAX_OVERLAP_DAYS: Final = 7
"""How long a key may go on working beside the one that takes its place."""
TOUCH_SECONDS: Final = 60
"""How exact `last_activity_at` and `last_used_at` are: activity sooner than this after the last one writes nothing."""
GRACE_SECONDS: Final = 10
"""How long a refresh token that was used tells its successor once more, to who missed the answer."""

SESSION_PREFIX: Final = "gks_"
API_KEY_PREFIX: Final = "gkk_"
REFRESH_PREFIX: Final = "gkr_"
TOKEN_BYTES: Final = 32
MAX_TOKEN: Final = 128

MINUTE: Final = 60_000
DAY: Final = 86_400_000


class Expiry(Struct, frozen=True):
    """When a session ends: without activity, in any case, and, if it can be refreshed, without being so."""

    sliding: int
    absolute: int
    refreshable_until: int | None = None


# Tokens


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


def new_refresh_token() -> str:
    """Make the first refresh token of a family: what all of the family begin with, and what is this one's own.

    >>> len(new_refresh_token())
    91
    """
    return f"{new_token(REFRESH_PREFIX)}.{secrets.token_urlsafe(TOKEN_BYTES)}"


class NewTokens(Struct, frozen=True):
    """The tokens of a session to be opened; with a refresh token it will be a long-lived one."""

    token: str
    refresh_token: str | None = None

    def __repr__(self) -> str:
        return "NewTokens(...)"  # a repr ends in logs


def new_tokens(*, long_lived: bool = False) -> NewTokens:
    """Make the tokens of a session, for a preparation: a command itself makes up nothing that must not be guessed.

    >>> new_tokens().refresh_token is None, new_tokens(long_lived=True).refresh_token is None
    (True, False)
    """
    return NewTokens(new_token(SESSION_PREFIX), new_refresh_token() if long_lived else None)


def family_of(token: str) -> str:
    """Give what all refresh tokens of a family begin with, a secret too.

    >>> family_of("gkr_abc.def"), family_of("gkr_abc")
    ('gkr_abc', 'gkr_abc')
    """
    return token.partition(".")[0]


def new_salt() -> str:
    """Make what a successor is derived with."""
    return secrets.token_hex(TOKEN_BYTES)


class Successor(Struct, frozen=True):
    """What a refresh gives: the next refresh token, and a session's token."""

    refresh_token: str
    token: str


def successor(keys: KeyRing, token: str, salt: str) -> Successor:
    """Give what follows a refresh token. It is stored nowhere in clear, and yet is the same each time.

    Who reads the database knows the salt but not the token, who stole the token does not know the salt; and in a keep with keys
    not even both are enough.

    >>> one, two = successor(KeyRing([]), "gkr_abc.def", "00"), successor(KeyRing(["k" * 32]), "gkr_abc.def", "00")
    >>> one.refresh_token[:8], len(one.refresh_token), one.token[:4], one == two
    ('gkr_abc.', 51, 'gks_', False)
    """
    with suppress(SecretKeyNeeded):  # a keep without keys has no better protection to give
        salt = keys.fingerprint("refresh", salt)
    return Successor(f"{family_of(token)}.{_derived(token, 'refresh', salt)}", SESSION_PREFIX + _derived(token, "session", salt))


def _derived(token: str, purpose: str, salt: str) -> str:
    digest = hmac.digest(token.encode("utf-8", "surrogatepass"), f"gamekeeper/{purpose}\0{salt}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def tells_again(family: RefreshToken, hashed: str, now: int) -> bool:
    """Say whether a token is the one before the last, and was used so recently that the answer may have been lost."""
    return family.before_hash == hashed and family.salt is not None and now < family.rotated_at + GRACE_SECONDS * 1000


# How long


def first_expiry(settings: Settings, now: int, *, long_lived: bool = False, latest: int | None = None) -> Expiry:
    """Give the expiry of a new session, of a guest never later than the guest's own.

    >>> first_expiry(Settings(), 0)
    Expiry(sliding=28800000, absolute=2592000000, refreshable_until=None)
    >>> first_expiry(Settings(), 0, latest=1000)
    Expiry(sliding=1000, absolute=1000, refreshable_until=None)
    >>> first_expiry(Settings(), 0, long_lived=True)
    Expiry(sliding=900000, absolute=7776000000, refreshable_until=604800000)
    """
    absolute = now + (settings.long_session_days if long_lived else settings.session_days) * DAY
    if latest is not None:
        absolute = min(absolute, latest)
    return refreshed(settings, now, absolute) if long_lived else Expiry(slide(settings, now, absolute), absolute)


def slide(settings: Settings, now: int, absolute: int) -> int:
    """Give the expiry after activity.

    >>> slide(Settings(), 0, 2592000000), slide(Settings(), 0, 5)
    (28800000, 5)
    """
    return min(now + settings.session_minutes * MINUTE, absolute)


def expiry_after_use(settings: Settings, session: Session, now: int) -> int:
    """Give the expiry of a session that was used; activity alone does not make a long-lived one last on."""
    return session.expires_at if session.refreshable_until is not None else slide(settings, now, session.absolute_expires_at)


def refreshed(settings: Settings, now: int, absolute: int) -> Expiry:
    """Give the expiry of a long-lived session that was refreshed.

    >>> refreshed(Settings(refresh_days=3), 0, 2**40), refreshed(Settings(), 0, 5)
    (Expiry(sliding=900000, absolute=1099511627776, refreshable_until=259200000), Expiry(sliding=5, absolute=5, refreshable_until=5))
    """
    days = min(settings.refresh_days, settings.refresh_idle_days)
    return Expiry(min(now + settings.access_minutes * MINUTE, absolute), absolute, min(now + days * DAY, absolute))


def is_open(session: Session, now: int) -> bool:
    """Say whether a session's token is good."""
    return session.revoked_at is None and now < session.expires_at and now < session.absolute_expires_at


def is_alive(session: Session, now: int) -> bool:
    """Say whether a session is open, or can be opened again by its refresh token."""
    return is_open(session, now) or is_refreshable(session, now)


def is_refreshable(session: Session, now: int) -> bool:
    """Say whether a session's refresh token is good."""
    return session.revoked_at is None and session.refreshable_until is not None and now < session.refreshable_until


def is_void(session: Session, user: users.User) -> bool:
    """Say whether a session ended with all of its user's, as by a new password."""
    return session.created_at <= user.sessions_valid_from and session.session_id != user.kept_session_id


def refuse_inactive(user: users.User, now: int) -> None:
    """Refuse a user who may not act, in words that are for that user alone.

    Raises: BANNED, ACCOUNT_INACTIVE.
    """
    users.refuse_banned(user, now)
    if not users.may_act(user, now):
        raise AccountInactive(user_id=user.user_id)


def lower_role(one: users.Role, other: users.Role) -> users.Role:
    """Give the lower one of two roles.

    >>> lower_role("player", "admin"), lower_role("admin", "moderator")
    ('player', 'moderator')
    """
    return min(one, other, key=users.rank)


def touch_is_due(last_at: int | None, now: int) -> bool:
    """Say whether activity is worth writing down.

    >>> touch_is_due(None, 0), touch_is_due(0, 59_999), touch_is_due(0, 60_000)
    (True, False, True)
    """
    return last_at is None or now - last_at >= TOUCH_SECONDS * 1000


# How many


def to_end(settings: Settings, sessions: Iterable[Session], now: int) -> list[Session]:
    """Give the sessions that must end before one more may begin: those that were idle longest."""
    alive = sorted((one for one in sessions if is_alive(one, now)), key=lambda one: (one.last_activity_at, one.session_id))
    return alive[: max(0, len(alive) - settings.sessions_per_user + 1)]


def to_forget(sessions: Iterable[Session], now: int) -> list[Session]:
    """Give the ended sessions whose rows are not kept any longer."""
    ended = sorted((one for one in sessions if not is_alive(one, now)), key=lambda one: (one.last_activity_at, one.session_id))
    return ended[: max(0, len(ended) - KEPT_SESSIONS)]


def ended_long_ago(session: Session, now: int) -> bool:
    """Say whether a session's time was over so long ago that its row goes."""
    return max(session.expires_at, session.refreshable_until or 0) < now - KEPT_DAYS * DAY


def is_good(key: ApiKey, now: int) -> bool:
    """Say whether an API key is in force."""
    return key.revoked_at is None and (key.expires_at is None or now < key.expires_at)


def keys_to_forget(keys: Iterable[ApiKey], now: int) -> list[ApiKey]:
    """Give the API keys that are over and whose rows are not kept any longer."""
    over = sorted((one for one in keys if not is_good(one, now)), key=lambda one: (one.revoked_at or one.expires_at or 0, one.key_id))
    return over[: max(0, len(over) - KEPT_API_KEYS)]

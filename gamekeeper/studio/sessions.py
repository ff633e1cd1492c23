"""Who is in the Studio: one-time login links, and the sessions that they open. Both live in memory, as digests.

A link's ticket is signed, so that another process which knows the secret can make one (`gamekeeper studio-link`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from typing import Final

from msgspec import Struct

TICKET_MS: Final = 10 * 60_000
"""How long a login link may be used."""
SESSION_MS: Final = 12 * 3_600_000
"""How long a session lasts."""
MAX_SESSIONS: Final = 1_000
"""Sessions at once; past it the oldest one ends."""
CLOCK_SKEW_MS: Final = 60_000
"""How far a ticket may come from the future: clocks of two processes differ."""

OPERATOR = re.compile(r"[A-Za-z0-9_.\-]{1,64}\Z")


class Session(Struct):
    """An operator who is logged in."""

    operator: str
    csrf: str
    ends_at: int
    notices: list[str] = []
    """what to say once, on the next page"""


class Sessions:
    """The tickets that were used and the sessions that are open."""

    def __init__(self, secret: str | None, now: int) -> None:
        self._key = secrets.token_bytes(32) if secret is None else hmac.digest(secret.encode(), b"gamekeeper/studio", "sha256")
        # A ticket from before the start may have been used before the start.
        self._since = now
        self._used: dict[bytes, int] = {}
        self._open: dict[bytes, Session] = {}

    def ticket(self, operator: str, now: int) -> str:
        """A ticket for one login."""
        return make_ticket(self._key, operator, now)

    def redeem(self, ticket: str, now: int) -> tuple[str, Session] | None:
        """Open a session with a ticket: the token for the cookie, and the session. None for a ticket that is not good (any more)."""
        read = _read_ticket(self._key, ticket)
        if read is None:
            return None
        issued_at, operator = read
        digest = _digest(ticket)
        self._forget(now)
        if digest in self._used or not self._since <= issued_at <= now + CLOCK_SKEW_MS or now - issued_at >= TICKET_MS:
            return None
        self._used[digest] = issued_at + TICKET_MS + CLOCK_SKEW_MS
        return self._start(operator, now)

    def _start(self, operator: str, now: int) -> tuple[str, Session]:
        token = secrets.token_urlsafe(32)
        while len(self._open) >= MAX_SESSIONS:
            del self._open[next(iter(self._open))]
        csrf = hmac.digest(self._key, b"csrf" + token.encode(), "sha256").hex()
        session = self._open[_digest(token)] = Session(operator, csrf, now + SESSION_MS, [])
        return token, session

    def find(self, token: str | None, now: int) -> Session | None:
        """The session of a cookie's token, if it is still open."""
        session = None if token is None else self._open.get(_digest(token))
        return session if session is not None and now < session.ends_at else None

    def end(self, token: str | None) -> None:
        """Log out."""
        if token is not None:
            self._open.pop(_digest(token), None)

    def _forget(self, now: int) -> None:
        self._used = {digest: until for digest, until in self._used.items() if until > now}
        self._open = {digest: session for digest, session in self._open.items() if session.ends_at > now}


def make_ticket(key: bytes, operator: str, now: int) -> str:
    """A signed ticket: when it was made, for whom, and a number that no other ticket has."""
    if not OPERATOR.match(operator):
        raise ValueError("an operator's name has 1 to 64 letters, digits, or any of _ . -")
    body = f"{now}:{operator}:{secrets.token_hex(16)}".encode()
    return base64.urlsafe_b64encode(hmac.digest(key, body, "sha256") + body).decode().rstrip("=")


def _read_ticket(key: bytes, ticket: str) -> tuple[int, str] | None:
    try:
        raw = base64.b64decode(ticket + "=" * (-len(ticket) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return None
    seal, body = raw[:32], raw[32:]
    if not hmac.compare_digest(seal, hmac.digest(key, body, "sha256")):
        return None
    issued_at, operator, _ = body.decode().split(":")
    return int(issued_at), operator


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()

"""How accounts are recognised, and how long codes last."""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from typing import Final

from .records import Account, SignInCode

ACCOUNT_CLAIM: Final = "account"
"""The kind of claim that links a provider's account to one user."""
PLAYER_PREFIX: Final = "player_"
"""How the made-up names of new users begin."""
MAX_ACCOUNTS: Final = 20
"""Linked accounts that a user may have."""
CODE_PREFIX: Final = "gkc_"
CODE_SECONDS: Final = 120
"""How long a code may wait to be redeemed."""
MAX_CODES: Final = 5
"""Codes of a user that may wait at once; the oldest makes room."""

FIND: Final = "account"
"""What digests of subjects are for, in the key ring's words."""
SEAL: Final = "account"


def subject_text(provider: str, subject: str) -> str:
    """Give the text whose digest is the account's id; subjects of two providers never meet.

    >>> subject_text("google", "110")
    'google:110'
    """
    return f"{provider}:{subject}"


def claim_key(provider: str, account_id: str) -> str:
    """Give the key under which an account is linked to one user.

    >>> claim_key("google", "9f86d081:ab12")
    'google:9f86d081:ab12'
    """
    return f"{provider}:{account_id}"


def challenge_of(verifier: str) -> str:
    """Give the challenge of a verifier, as PKCE (RFC 7636, S256) has it.

    >>> challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
    """
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("utf-8", "surrogatepass")).digest()).decode().rstrip("=")


def answers(verifier: str, challenge: str) -> bool:
    """Say whether a verifier is the one of a challenge.

    >>> answers("a", challenge_of("a")), answers("b", challenge_of("a"))
    (True, False)
    """
    return hmac.compare_digest(challenge_of(verifier), challenge)


def is_good(code: SignInCode, now: int) -> bool:
    """Say whether a code may still be redeemed."""
    return now < code.expires_at


def codes_to_forget(codes: Iterable[SignInCode], now: int) -> list[SignInCode]:
    """Give the codes that go when one more is made: those that ran out, and the oldest of too many."""
    ordered = sorted(codes, key=lambda one: (one.created_at, one.code_id))
    good = [one for one in ordered if is_good(one, now)]
    room = max(0, len(good) - MAX_CODES + 1)
    return [one for one in ordered if not is_good(one, now)] + good[:room]


def known_as(accounts: Iterable[Account], provider: str, ids: Iterable[str]) -> Account | None:
    """Give the account of a provider that has one of these ids."""
    wanted = set(ids)
    return next((one for one in accounts if one.provider_id == provider and one.account_id in wanted), None)

"""E-mail addresses: one form for each, and what stands for it where it is looked up."""

import re
import unicodedata
from typing import Final

from gamekeeper.errors import SecretKeyNeeded
from gamekeeper.kernel.keyring import KeyRing
from gamekeeper.kernel.queries import Reader

from . import rules
from .errors import EmailInvalid
from .queries import NAMED
from .records import User

PURPOSE: Final = "email"
"""The key ring's word for addresses."""

MAX_ADDRESS: Final = 254
MAX_LOCAL: Final = 64
_PUNCTUATION: Final = "!#$%&'*+-/=?^_`{|}~"
_DOMAIN: Final = re.compile(r"(?=.{4,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def canonical_email(text: str) -> str:
    """Give the one form of an address: NFC, trimmed, in lower case, the domain in IDNA; dots and +tags stay, they are the mailbox's.

    One rule says what an address is: letters of any script, digits and !#$%&'*+-/=?^_`{|}~ with single dots between, an @, and
    a domain of two labels or more.

    >>> canonical_email(" Ada.L+game@B\\u00dcCHER.example "), canonical_email("ada@example.com")
    ('ada.l+game@xn--bcher-kva.example', 'ada@example.com')

    Raises: EMAIL_INVALID.
    """
    plain = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text.strip()).lower())
    local, at, domain = plain.rpartition("@")
    try:
        address = f"{local}@{domain.encode('idna').decode('ascii').lower()}"
    except UnicodeError:
        raise EmailInvalid from None
    if not at or not _is_local(local) or not _DOMAIN.fullmatch(address.rpartition("@")[2]) or len(address) > MAX_ADDRESS:
        raise EmailInvalid
    return address


def _is_local(text: str) -> bool:
    parts = text.split(".")
    return len(text) <= MAX_LOCAL and rules.visible(text) and all(part and all(map(_in_local, part)) for part in parts)


def _in_local(letter: str) -> bool:
    return letter in _PUNCTUATION or (letter.isascii() and letter.isalnum()) or unicodedata.category(letter)[0] in "LM"


def email_hashes(keys: KeyRing, address: str) -> list[str]:
    """Give what may stand for a canonical address: one for each key, the newest first.

    Raises: SECRET_KEY_NEEDED.
    """
    return keys.fingerprints(PURPOSE, address)


def open_email(keys: KeyRing, sealed: str) -> str | None:
    """Give the address that was kept for mail; None when the keep no longer has the key of the seal."""
    return keys.open(PURPOSE, sealed)


async def by_email(read: Reader, email: str) -> User | None:
    """Give the user who has verified an address, with the secrets: for logging in and for resets.

    None for what is no address, and in a keep without keys. Every key is tried, so that the work is the same for all.
    """
    try:
        hashes = email_hashes(read.keys, canonical_email(email))
    except (EmailInvalid, SecretKeyNeeded):
        return None
    found = [await read.one(User, NAMED, claim=rules.EMAIL_CLAIM, key=one) for one in hashes]
    return next((user for user in found if user is not None), None)

"""The key ring: digests and seals of people's data that nobody makes or opens without the keep's keys.

A dump of the database must not tell whose address is in it, and an address is guessed faster than it is typed: so what is
looked up is an HMAC, and what must be read again is sealed. Each carries the id of its key, so that a key can be replaced:
the first key makes, all of them find and open.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from msgspec import Struct

from gamekeeper.errors import SecretKeyNeeded


class _Key(Struct, frozen=True):
    id: str
    secret: bytes


class KeyRing:
    """The keys, the newest first."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._keys = [_Key(hmac.digest(one.encode(), b"gamekeeper/key-id", "sha256").hex()[:8], one.encode()) for one in secrets]

    def fingerprint(self, purpose: str, text: str) -> str:
        """What stands for a text where it is looked up: the key's id, a colon, and an HMAC-SHA-256 in hex.

        Raises: SECRET_KEY_NEEDED.
        """
        return _fingerprint(self._newest(), purpose, text)

    def fingerprints(self, purpose: str, text: str) -> list[str]:
        """What may stand for a text: one for each key, the newest first.

        Raises: SECRET_KEY_NEEDED.
        """
        self._newest()
        return [_fingerprint(key, purpose, text) for key in self._keys]

    def is_newest(self, stored: str) -> bool:
        """Whether a fingerprint or seal was made with the newest key."""
        return stored.partition(":")[0] == self._newest().id

    def seal(self, purpose: str, text: str) -> str:
        """A text that only this ring opens again (AES-SIV, RFC 5297: the same text gives the same seal).

        Raises: SECRET_KEY_NEEDED.
        """
        key = self._newest()
        return f"{key.id}:{base64.b64encode(_siv(key, purpose).encrypt(text.encode(), [])).decode()}"

    def open(self, purpose: str, sealed: str) -> str | None:
        """The text again; None when its key is not in the ring or the seal was changed."""
        key_id, _, data = sealed.partition(":")
        for key in self._keys:
            if key.id == key_id:
                try:
                    return _siv(key, purpose).decrypt(base64.b64decode(data), []).decode()
                except (InvalidTag, ValueError):
                    return None
        return None

    def _newest(self) -> _Key:
        if not self._keys:
            raise SecretKeyNeeded
        return self._keys[0]


def _fingerprint(key: _Key, purpose: str, text: str) -> str:
    digest = hmac.digest(key.secret, f"gamekeeper/find/{purpose}\0{text}".encode(), "sha256")
    return f"{key.id}:{digest.hex()}"


def _siv(key: _Key, purpose: str) -> AESSIV:
    return AESSIV(hmac.digest(key.secret, f"gamekeeper/seal/{purpose}".encode(), "sha512"))

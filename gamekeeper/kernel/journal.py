"""The journal: one row per command and owner, with the images of every changed record, chained per owner.

`hash = H(previous hash, every other column)`, where H is SHA-256, or HMAC-SHA-256 when the keep has a secret key. The
head in the owner's root row is H over (owner, seq, last hash), so that a shortened chain needs the key too.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import struct
from collections.abc import Callable, Sequence
from typing import Any, cast

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from gamekeeper.kernel.commands import SECRET_TEXT, Command
from gamekeeper.kernel.records import Record, load_json, shape
from gamekeeper.kernel.workingset import CommandLog

DOMAIN = b"gamekeeper/journal/1"
GENESIS = b"\0" * 32

_ENCODE = msgspec.json.Encoder().encode
_WORDS = [struct.Struct(f">{count}Q").pack for count in range(33)]
_NULL, _INTEGER, _BYTES = 1 << 63, 1 << 62, 1 << 61
_FLAGS: dict[type, int] = {str: 0, type(None): _NULL, int: _INTEGER}


class Changed(Struct, frozen=True, array_like=True):
    """One changed record in an entry's `changes`."""

    table: str
    key: list[Any]
    before: dict[str, Any] | None
    after: dict[str, Any] | None


def canonical(values: Sequence[Any]) -> bytes:
    """An injective encoding: per value a word with its type and length in characters, then all the text.

    NULL differs from empty, and 1 from "1"; bytes stand as Latin-1.

    >>> canonical(["a", None]) == canonical(["a", ""]), canonical([1]) == canonical(["1"])
    (False, False)
    """
    texts = [value if type(value) is str else _text(value) for value in values]
    words = [len(one) | _FLAGS.get(type(value), _BYTES) for one, value in zip(texts, values, strict=True)]
    return _WORDS[len(words)](*words) + "".join(texts).encode()


def canonical_entry(
    owner_id: str,
    seq: int,
    command_id: str,
    at: int,
    command: str,
    actor: str,
    reason: str | None,
    origin_id: str,
    owners: str | None,
    arguments: str | None,
    result: str | None,
    idempotency_key: str | None,
    changes: str,
) -> bytes:
    """The same bytes as `canonical` for an entry without its hash, written out because every command pays for it."""
    number, time = str(seq), str(at)
    words = _WORDS[13](
        len(owner_id),
        len(number) | _INTEGER,
        len(command_id),
        len(time) | _INTEGER,
        len(command),
        len(actor),
        _NULL if reason is None else len(reason),
        len(origin_id),
        _NULL if owners is None else len(owners),
        _NULL if arguments is None else len(arguments),
        _NULL if result is None else len(result),
        _NULL if idempotency_key is None else len(idempotency_key),
        len(changes),
    )
    text = (
        f"{owner_id}{number}{command_id}{time}{command}{actor}{reason or ''}{origin_id}{owners or ''}{arguments or ''}"
        f"{result or ''}{idempotency_key or ''}{changes}"
    )
    return words + text.encode()


def _text(value: Any) -> str:
    return "" if value is None else str(value) if type(value) is int else bytes(value).decode("latin-1")


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _hmac_sha256(key: bytes) -> Callable[[bytes], bytes]:
    """HMAC-SHA-256 (RFC 2104) with the key taken in once: the one-shot function does that each time, for as long as an entry takes."""
    padded = key.ljust(64, b"\0")
    inner, outer = (hashlib.sha256(bytes(byte ^ pad for byte in padded)) for pad in (0x36, 0x5C))

    def digest(data: bytes) -> bytes:
        inside, outside = inner.copy(), outer.copy()
        inside.update(data)
        outside.update(inside.digest())
        return outside.digest()

    return digest


class Sealer:
    """The keep's keys: for the chain, for people's data keys, for answers kept for a retry.

    Without a secret the chain is plain SHA-256 (found edits, but not a rebuilt chain) and data keys stand unwrapped.
    """

    def __init__(self, secret: str | None) -> None:
        self.keyed = secret is not None
        root = (secret or "").encode()
        self.digest = _hmac_sha256(hmac.digest(root, b"gamekeeper/chain", "sha256")) if secret else _sha256
        """SHA-256 of the data, keyed when there is a secret"""
        self._requests = hmac.digest(root, b"gamekeeper/requests", "sha256") if secret else os.urandom(32)
        self._wrap = AESGCM(hmac.digest(root, b"gamekeeper/wrap", "sha256")) if secret else None

    def request_digest(self, data: bytes) -> bytes:
        """A digest of a request with secrets in it; without a secret key of the keep it holds for this process only."""
        return hmac.digest(self._requests, data, "sha256")

    def link(self, previous: bytes, values: Sequence[Any]) -> bytes:
        """The hash of an entry, given without its hash, that follows `previous`: as it is verified."""
        return self.digest(DOMAIN + (previous or GENESIS) + canonical(values))

    def new_link(self, previous: bytes, values: Sequence[Any]) -> bytes:
        """The same for an entry that is about to be written, whose types are known."""
        return self.digest(DOMAIN + (previous or GENESIS) + canonical_entry(*values))

    def head(self, owner: str, seq: int, last: bytes) -> bytes:
        """What the root row keeps: last hash, then a digest that binds it to the owner and the count."""
        # `canonical` of the three, written out because every command pays for it.
        number = str(seq)
        words = _WORDS[3](len(owner), len(number) | _INTEGER, len(last) | _BYTES)
        return last + self.digest(b"".join((DOMAIN, b"/head", words, f"{owner}{number}{last.decode('latin-1')}".encode())))

    def secret_digest(self, value: Any) -> dict[str, str]:
        """How a secret field stands in an image: by a digest that, where there is a secret key, nobody can try guesses on."""
        return {"hmac": self.digest(b"secret\0" + _ENCODE(value)).hex()} if self.keyed else digest_of(value)

    def new_data_key(self) -> bytes:
        """A person's key, wrapped for storage."""
        key = os.urandom(32)
        if self._wrap is None:
            return key
        nonce = os.urandom(12)
        return nonce + self._wrap.encrypt(nonce, key, b"data-key")

    def data_key(self, stored: bytes) -> AESGCM:
        """A stored person's key, ready to use."""
        if self._wrap is None or len(stored) == 32:
            return AESGCM(stored)
        return AESGCM(self._wrap.decrypt(stored[:12], stored[12:], b"data-key"))

    def seal(self, stored_key: bytes | None, value: Any) -> Any:
        """A personal value as it stands in the journal."""
        if value is None:
            return None
        if stored_key is None:
            return {"sealed": None}
        nonce = os.urandom(12)
        data = nonce + self.data_key(stored_key).encrypt(nonce, _ENCODE(value), b"personal")
        return {"sealed": base64.b64encode(data).decode()}

    def unseal(self, stored_key: bytes | None, value: Any) -> Any:
        """The value again; None for one whose key was destroyed.

        Raises: InvalidTag when the sealed text was changed.
        """
        if not isinstance(value, dict) or set(value) != {"sealed"}:
            return value
        if stored_key is None or value["sealed"] is None:
            return None
        data = base64.b64decode(value["sealed"])
        return msgspec.json.decode(self.data_key(stored_key).decrypt(data[:12], data[12:], b"personal"))

    def hide(self, text: bytes) -> str:
        """An answer with secrets, kept for a retry: sealed by the keep's secret, or not kept at all."""
        if self._wrap is None:
            return SECRET_TEXT
        nonce = os.urandom(12)
        return "sealed:" + base64.b64encode(nonce + self._wrap.encrypt(nonce, text, b"response")).decode()

    def reveal(self, text: str) -> bytes | None:
        """The kept answer, or None when it was not kept."""
        if not text.startswith("sealed:"):
            return None if text == SECRET_TEXT else text.encode()
        if self._wrap is None:
            return None
        data = base64.b64decode(text.removeprefix("sealed:"))
        try:
            return self._wrap.decrypt(data[:12], data[12:], b"response")
        except InvalidTag:
            return None


def arguments_text(command: Command[Any, Any], arguments: Struct, encoded: bytes, sealer: Sealer, data_key: bytes | None) -> str:
    """The arguments as the journal keeps them: secrets gone, personal ones sealed."""
    if not command.hidden:
        return encoded.decode()
    values = msgspec.to_builtins(arguments)
    for parameter in command.hidden:
        if values[parameter.name] is not None:
            values[parameter.name] = SECRET_TEXT if parameter.secret else sealer.seal(data_key, values[parameter.name])
    return _ENCODE(values).decode()


def result_text(command: Command[Any, Any], result: Any) -> str:
    """The answer as the journal keeps it."""
    if not command.secret_result:
        return _ENCODE(result).decode()
    values = msgspec.to_builtins(result)
    for name in command.secret_result:
        if values[name] is not None:
            values[name] = SECRET_TEXT
    return _ENCODE(values).decode()


def images(log: CommandLog, sealer: Sealer, data_key: Callable[[str], bytes | None]) -> dict[str, list[list[Any]]]:
    """Per owner, what a command changed: [table, key, before, after].

    A new row has no before, a removed one no after. Of a changed row, before holds the columns that changed. A row of an
    append-only table stands there for good, so that its digest is enough to tell that it is still the same.
    """
    found: dict[str, list[list[Any]]] = {}
    owner, mine = "", list[list[Any]]()
    for (record, key), (before, after) in log.changes.items():
        if before is after or (before == after and _ENCODE(before) == _ENCODE(after)):
            # Python takes 1, 1.0 and true for equal; JSON does not.
            continue
        made = shape(record)
        if made.personal or made.secret:
            stored = data_key(key[0])
            was, now = (_sealed(record, one, sealer, stored) for one in (before, after))
            if was is not None and now is not None:
                was = {name: was[name] for name in made.changes_of(before, after)}
        else:
            was, now = before, after
            if before is not None and after is not None:
                was = made.changes_of(before, after)
        if key[0] != owner:
            # Those of one owner mostly stand together.
            owner = key[0]
            mine = found.setdefault(owner, [])
        mine.append([made.spec.table, key, was, now])
    for row in log.appended:
        made = shape(type(row))
        key = made.key_of(row)
        found.setdefault(key[0], []).append([made.spec.table, key, None, digest_of(row)])
    return found


def digest_of(value: Any) -> dict[str, str]:
    """How a row of an append-only table stands in an image, and a secret field in a keep without a secret key."""
    return {"sha256": hashlib.sha256(_ENCODE(value)).hexdigest()}


def _sealed(record: type[Record], row: Any, sealer: Sealer, data_key: bytes | None) -> Any:
    if row is None:
        return None
    values = msgspec.to_builtins(row)
    for name in shape(record).personal:
        values[name] = sealer.seal(data_key, values[name])
    for name in shape(record).secret:
        if values[name] is not None:
            values[name] = sealer.secret_digest(values[name])
    return values


def read_changes(text: str) -> list[Changed]:
    """The changes of an entry."""
    return msgspec.json.decode(text, type=list[Changed])


def image_of_row(record: type[Record], row: Sequence[Any]) -> dict[str, Any]:
    """A table's row as an image, for comparing with the journal."""
    made = shape(record)
    values: dict[str, Any] = {}
    for field, value in zip(made.fields, row, strict=True):
        values[field.name] = (
            load_json(value) if field.kind == "json" else bool(value) if field.kind == "boolean" and value is not None else value
        )
    return cast("dict[str, Any]", msgspec.json.decode(_ENCODE(values)))

"""Identifiers: UUIDv7 text, sortable by time, made by the application and never by the database."""

from __future__ import annotations

import hashlib
import uuid
from typing import Annotated

import uuid_utils
from msgspec import Meta

# Foreign ids are allowed on import, so this is wider than a UUID. ":" is kept for named accounts ("mint:<source>").
# `(?!\n)` because Python's `$` also matches before a closing newline.
ID_PATTERN = r"^[A-Za-z0-9_.\-]{1,64}(?!\n)$"
Id = Annotated[str, Meta(min_length=1, max_length=64, pattern=ID_PATTERN, description="an identifier, UUIDv7 by default")]


def new_id() -> str:
    """A new UUIDv7 as text."""
    return str(uuid_utils.uuid7())


def derived_id(base: str, number: int) -> str:
    """The id of the `number`th thing made by `base`: the same on every run, `base` itself for the first.

    >>> derived_id("0190c2a0-0000-7000-8000-000000000001", 0)
    '0190c2a0-0000-7000-8000-000000000001'
    """
    if number == 0:
        return base
    digest = hashlib.sha256(f"{base}/{number}".encode()).digest()
    # The time bits of the base are kept, so that ids still sort by time.
    raw = bytearray(uuid.UUID(base).bytes[:6] + digest[:10])
    raw[6] = raw[6] & 0x0F | 0x70
    raw[8] = raw[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(raw)))

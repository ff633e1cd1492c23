"""Buckets of tokens: how often something may be done.

A bucket is one number: the moment at which it is full again. Taking a token puts that moment off by the time that a token
needs to come back; a take that would put it further off than a full bucket's worth is refused. One number is changed in one
step, whatever the database, and a bucket that nobody keeps is a full one. Times are microseconds since the epoch.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

SECOND_US: Final = 1_000_000
DRIFT_US: Final = 600 * SECOND_US
"""Clocks of two machines differ by less. What stands further ahead is left from a clock that was set back, and counts for nothing."""


class Bucket(Struct, frozen=True):
    """A bucket, by a key that names nobody."""

    key: bytes
    token_us: int
    """how long one token takes to come back"""
    full_us: int
    """how long a full bucket's worth takes"""


class Taken(Struct, frozen=True):
    """Whether every bucket gave a token, else none did; and by key when each is full again."""

    ok: bool
    full_at: dict[bytes, int]


def bucket(key: bytes, tokens: int, seconds: float) -> Bucket:
    """Give the bucket that lets through so much in any so long a time, all of it at once if need be.

    >>> bucket(b"ada", 10, 900)
    Bucket(key=b'ada', token_us=90000000, full_us=900000000)
    """
    token_us = max(1, round(seconds * SECOND_US / tokens))
    return Bucket(key, token_us, token_us * tokens)


def begin(full_at: int, one: Bucket, now: int) -> int:
    """Give the moment that a take puts off: now for a full bucket.

    >>> slow = bucket(b"ada", 10, 900)
    >>> begin(0, slow, 50), begin(70, slow, 50), begin(70 + slow.full_us + DRIFT_US, slow, 50)
    (50, 70, 50)
    """
    return full_at if now < full_at <= now + one.full_us + DRIFT_US else now


def wait_us(full_at: int, one: Bucket, now: int, tokens: int = 1) -> int:
    """Give how long it is until the bucket has so many tokens; 0 when it has them.

    >>> pair = bucket(b"ada", 2, 10)
    >>> wait_us(0, pair, 100), wait_us(100 + 10_000_000, pair, 100)
    (0, 5000000)
    """
    return max(0, begin(full_at, one, now) + tokens * one.token_us - now - one.full_us)


def longest_wait_us(full_at: dict[bytes, int], buckets: Sequence[Bucket], now: int) -> int:
    """Give how long it is until each of the buckets has a token."""
    return max((wait_us(full_at.get(one.key, 0), one, now) for one in buckets), default=0)


class LocalBuckets:
    """Buckets of this process, the most recently used ones."""

    def __init__(self, most: int = 100_000) -> None:
        self._most = most
        self._full_at: OrderedDict[bytes, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, one: Bucket, now: int, tokens: int = 1) -> int:
        """Take tokens; give 0, or how long to wait when there are too few, and then take none."""
        known = self._full_at.get(one.key, 0)
        wait = wait_us(known, one, now, tokens)
        if not wait:
            self._keep(one.key, begin(known, one, now) + tokens * one.token_us)
        return wait

    def see(self, full_at: dict[bytes, int]) -> None:
        """Note what shared buckets were found to be. They only empty without us, so what was refused stays refused until it is time."""
        for key, at in full_at.items():
            self._keep(key, max(at, self._full_at.get(key, 0)))

    def fill(self, key: bytes) -> None:
        """Let a bucket be full."""
        self._full_at.pop(key, None)

    def wait(self, buckets: Sequence[Bucket], now: int) -> int:
        """Give how long it is at the least until each of the buckets has a token, by what was seen of them."""
        return longest_wait_us(self._full_at, buckets, now)

    def _keep(self, key: bytes, at: int) -> None:
        self._full_at[key] = at
        self._full_at.move_to_end(key)
        if len(self._full_at) > self._most:
            self._full_at.popitem(last=False)

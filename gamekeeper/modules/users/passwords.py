"""Passwords: hashed and checked in a few threads, because either takes tens of milliseconds and 19 MiB."""

import asyncio
import os
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Annotated, Final, ParamSpec, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from msgspec import Meta

from gamekeeper.errors import Busy
from gamekeeper.kernel.records import Secret

P = ParamSpec("P")
T = TypeVar("T")

MEMORY_KIB: Final = 19 * 1024
PASSES: Final = 2
LANES: Final = 1
MIN_PASSWORD: Final = 8
MAX_PASSWORD: Final = 256
MAX_WAITING: Final = 64
"""How many passwords may wait for a thread before a caller is told to come back."""
RETRY_SECONDS: Final = 1.0

Password = Secret[Annotated[str, Meta(min_length=MIN_PASSWORD, max_length=MAX_PASSWORD)]]
"""A password that somebody chooses."""
GivenPassword = Secret[Annotated[str, Meta(max_length=MAX_PASSWORD)]]
"""A password that somebody claims to know."""

_HASHER: Final = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)
_THREADS: Final = ThreadPoolExecutor(max(1, os.cpu_count() or 1), thread_name_prefix="gamekeeper-password")
_waiting = 0


async def hash_password(password: str) -> str:
    """Give the Argon2id hash of a password, with its parameters and salt in it.

    Raises: BUSY.
    """
    return await _in_thread(_hash, password)


async def verify_password(stored: str | None, password: str) -> bool:
    """Say whether a password belongs to a stored hash; without one the work is the same and the answer no.

    Raises: BUSY.
    """
    return await _in_thread(_verify, stored, password)


def outdated(stored: str) -> bool:
    """Say whether a hash was made with other parameters than today's."""
    return _HASHER.check_needs_rehash(stored)


async def _in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    global _waiting  # one count for all keeps of the process: they share the cores
    if _waiting >= MAX_WAITING:
        raise Busy(retry_after_seconds=RETRY_SECONDS)
    _waiting += 1
    try:
        return await asyncio.wrap_future(_THREADS.submit(function, *args, **kwargs))
    finally:
        _waiting -= 1


def _plain(password: str) -> bytes:
    # The same keys give other code points on other systems; NFKC makes them one password again.
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


def _hash(password: str) -> str:
    return _HASHER.hash(_plain(password))


def _verify(stored: str | None, password: str) -> bool:
    try:
        matches = _HASHER.verify(stored or _nobodys_hash(), _plain(password))
    except (VerificationError, InvalidHashError):
        return False
    return matches and stored is not None


@cache
def _nobodys_hash() -> str:
    """What a password is compared with when there is no account, so that both answers take as long."""
    return _HASHER.hash(os.urandom(32))

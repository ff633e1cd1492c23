"""Passwords: judged, hashed and checked; the last two in a few threads, for either takes tens of milliseconds and 19 MiB."""

import asyncio
import contextlib
import os
import string
import sys
import threading
import unicodedata
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.resources import files
from typing import Annotated, Final, ParamSpec, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION
from msgspec import Meta, Struct

from gamekeeper.errors import Busy
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.records import Secret

from .errors import PasswordRefused

P = ParamSpec("P")
T = TypeVar("T")

LANES: Final = 1
MIN_PASSWORD: Final = 8
MAX_PASSWORD: Final = 128
MAX_BYTES: Final = 1024
"""How long a password may be as it is hashed; more is refused before any work, and nothing is ever cut off."""
MAX_WAITING: Final = 64
"""How many passwords may wait for a thread before a caller is told to come back."""
RETRY_SECONDS: Final = 1.0
NICE: Final = 10
"""How far the threads step back for everybody else: a flood of logins gets the time of the cores that play leaves over."""

Password = Secret[Annotated[str, Meta(min_length=MIN_PASSWORD, max_length=MAX_PASSWORD)]]
"""A password that somebody chooses."""
GivenPassword = Secret[Annotated[str, Meta(max_length=MAX_PASSWORD)]]
"""A password that somebody claims to know."""


def _step_back() -> None:
    # Only Linux knows the priority of a thread; elsewhere it would be that of the whole process.
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + NICE)


# Half of the cores: the others are there for those who play, and a hash fills the memory's bus as well.
_THREADS: Final = ThreadPoolExecutor(max(1, (os.cpu_count() or 1) // 2), "gamekeeper-password", initializer=_step_back)
_waiting = 0


class Cost(Struct, frozen=True):
    """What hashing one password takes; the least is what OWASP asks of Argon2id."""

    memory_kib: int = 19 * 1024
    passes: int = 2


LEAST: Final = Cost()


def password_cost(read: Reader) -> Cost:
    """Give what the operator lets a password cost."""
    return Cost(read.settings.password_memory_kib, read.settings.password_passes)


# Rules

_LEET: Final = str.maketrans("@013$5!7", "aoiessit")
_TAIL: Final = string.digits + string.punctuation
_RUNS: Final = (
    "01234567890123456789",
    "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
)


def check_password(password: str, username: str) -> None:
    """Refuse a password that is among the first to be tried.

    Raises: PASSWORD_REFUSED.
    """
    plain = _plain(password).decode("utf-8", "surrogatepass")
    if len(plain) < MIN_PASSWORD:
        raise PasswordRefused(problem="too_short")
    bare = username.casefold().strip(_TAIL) or username
    if bare in (plain, plain.casefold().strip(_TAIL)):
        raise PasswordRefused(problem="like_name")
    if is_common(plain):
        raise PasswordRefused(problem="common")


def is_common(password: str) -> bool:
    """Say whether a password is a common one, whatever its case, its look-alike signs, and the digits and signs at its end.

    >>> is_common("P@ssw0rd2024!"), is_common("aaaaaaaab"), is_common("23456789"), is_common("correct horse battery")
    (True, True, True, False)
    """
    text = password.casefold()
    if len(set(text)) <= 2 or any(text in run or text in run[::-1] for run in _RUNS):
        return True
    bare = text.rstrip(_TAIL)
    return any(one in common_passwords() for one in (text, bare, text.translate(_LEET), bare.translate(_LEET)))


@cache
def common_passwords() -> frozenset[str]:
    """Give the passwords that are tried first, in lower case."""
    return frozenset(files(__package__).joinpath("common_passwords.txt").read_text(encoding="utf-8").split())


def _plain(password: str) -> bytes:
    # The same keys give other code points on other systems; NFKC makes them one password again.
    plain = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
    if len(plain) > MAX_BYTES:
        raise PasswordRefused(problem="too_long")
    return plain


# Hashes


async def hash_password(password: str, cost: Cost = LEAST) -> str:
    """Give the Argon2id hash of a password, with its parameters and salt in it.

    Raises: PASSWORD_REFUSED when it is too long, BUSY.
    """
    return await _in_thread(_hasher(cost).hash, _plain(password))


async def verify_password(stored: str | None, password: str, cost: Cost = LEAST) -> bool:
    """Say whether a password belongs to a stored hash; without one the work is the same and the answer no.

    Raises: BUSY.
    """
    try:
        plain = _plain(password)
    except PasswordRefused:
        return False
    return await _in_thread(_verify, stored, plain, cost)


def outdated(stored: str, cost: Cost = LEAST) -> bool:
    """Say whether a hash was made with other parameters than today's."""
    return _hasher(cost).check_needs_rehash(stored)


def refuse_when_crowded() -> None:
    """Refuse what would have to wait for a thread when as many wait as may.

    Raises: BUSY.
    """
    if _waiting >= MAX_WAITING:
        raise Busy(retry_after_seconds=RETRY_SECONDS)


async def _in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    global _waiting  # one count for all keeps of the process: they share the cores
    refuse_when_crowded()
    _waiting += 1
    try:
        return await asyncio.wrap_future(_THREADS.submit(function, *args, **kwargs))
    finally:
        _waiting -= 1


@cache
def _hasher(cost: Cost) -> PasswordHasher:
    return PasswordHasher(time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=LANES)


def _verify(stored: str | None, plain: bytes, cost: Cost) -> bool:
    nobodys = _nobodys_hash(_hasher(cost))
    try:
        matches = _hasher(cost).verify(stored or nobodys, plain)
    except (VerificationError, InvalidHashError):
        return False
    return matches and stored is not None


def _nobodys_hash(hasher: PasswordHasher) -> str:
    """What a password is compared with when there is no account, so that both answers take as long.

    It is no password's hash but looks like one: to make a real one would take the first stranger's time twice.
    """
    salt, digest = (b64encode(os.urandom(size)).decode().rstrip("=") for size in (hasher.salt_len, hasher.hash_len))
    return f"$argon2id$v={ARGON2_VERSION}$m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}${salt}${digest}"

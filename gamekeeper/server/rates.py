"""How often: limits on guessing, which all processes share, and on calling, which each process keeps for itself.

A command is one of *guessing* when anyone may call it, or when a player proves themselves with a password in it. A stranger's
guess takes a token from three kinds of buckets, or from none: the account's, the address's and the one of all. An address that
an account has logged in from before has buckets of its own for that account, so whoever guesses elsewhere does not lock its
owner out. The account and the address are kept as keyed digests; whether there is such an account makes no difference.

A refresh token cannot be guessed, so that players who share an address may refresh as they like: only what is worth nothing
counts. Making guests and logging in at an issuer are counted like guesses, each with a limit of its own.
"""

import asyncio
import ipaddress
import logging
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from hashlib import blake2b
from typing import Any, Final, Literal, get_args

from msgspec import Struct, inspect

from gamekeeper.errors import Busy, GameError, SecretKeyNeeded, StoreUnavailable
from gamekeeper.keep import Keep
from gamekeeper.kernel.commands import Command
from gamekeeper.kernel.rates import SECOND_US, Bucket, LocalBuckets, Taken, bucket, longest_wait_us
from gamekeeper.kernel.store.base import OutcomeUnknown, Store, TryAgain, Unreachable
from gamekeeper.kernel.store.redis_buckets import RedisBuckets
from gamekeeper.modules import sessions, users

from .authorize import Caller
from .problems import RETRY_SECONDS, TooManyRequests

LOG = logging.getLogger("gamekeeper.server")

ACCOUNT_SECONDS: Final = 900
ADDRESS_SECONDS: Final = 3_600
EVERYBODY_SECONDS: Final = 10
"""How much of the limit for all may be used at once. Clocks of two servers may differ by less."""
DAY_SECONDS: Final = 86_400
DEVICE_SECONDS: Final = 30 * DAY_SECONDS
"""How long an address is known at the least after a login; twice as long at the most."""
STRANGER_SECONDS: Final = 5
"""How long an address stays unknown to an account without another look."""
FORGET_SECONDS: Final = 10
FORGET_MOST: Final = 2_000
"""Every so often so many rows of buckets that are full again are deleted."""
ASKS_AT_ONCE: Final = 2
"""How many connections of the database guesses may use at once: those of players must not wait for them."""
MOST_ASKING: Final = 512
"""How many guesses may wait for these before a caller is told to come back: requests of players count with them as under way."""

PREFIXES: Final[Mapping[int, int]] = {4: 24, 6: 64}
"""How many bits of an address count. Who has one address of such a network often has all of them."""
NOWHERE: Final = "unknown"

Class = Literal["login", "guests", "sign_in", "refresh", "general"]
"""What is counted together, in the metrics' words."""
CLASSES: Final[tuple[Class, ...]] = get_args(Class)

Step = Literal["start", "callback", "redeem"]
"""A part of logging in by OpenID Connect."""


class Guessing(Struct, frozen=True):
    """What a command guesses at: the arguments that name an account, and whether it answers with a session's token."""

    accounts: tuple[str, ...] = ()
    opens: bool = False
    share: int = 1
    """it may be done so many times less often than others"""
    kind: Class = "login"
    buckets: str | None = None
    """whose it takes from, when they are not the command's own"""


GUESTS: Final = Guessing(kind="guests", buckets="guests")
"""A guest costs nobody anything, and each may bring a starter's things: those who make them share one limit."""
DIFFERENT: Final[Mapping[str, Guessing]] = {
    "users.register": Guessing(share=2),  # each leaves an account behind
    "users.request_reset": Guessing(("username", "email"), share=3),  # each is a letter to somebody
    "users.request_email_verification": Guessing(("email",), share=3),
    "guests.create": GUESTS,
    "sessions.guest_session": GUESTS,
    "sessions.refresh": Guessing(kind="refresh"),
}
"""Commands that differ from what their declaration says."""
_PER_ADDRESS: Final[Mapping[Class, str]] = {"guests": "guests_per_address", "sign_in": "sign_ins_per_address"}
"""Classes that have a setting of their own for one network."""
_NAMES: Final = ("username", "email")
_PASSWORD: Final = "password"  # noqa: S105 - a part of an argument's name


class Attempt(Struct, frozen=True):
    """One guess: the mark that success leaves, and what failure takes from."""

    device: Bucket | None = None
    """by which an account knows an address"""
    family: Bucket | None = None
    """by which this process knows who has refreshed here"""
    failures: Bucket | None = None


@cache
def guessing_of(command: Command[Any, Any]) -> Guessing | None:
    """Say what a command guesses at; None when it does not."""
    if command.name in DIFFERENT:
        return DIFFERENT[command.name]
    names = command.arguments.__struct_fields__
    if command.access == "public":
        accounts = tuple(name for name in _NAMES if name in names)
        return Guessing(accounts, opens=bool(accounts) and _answers_token(command))
    if command.access == "player" and _takes_password(command):
        owner = next((one.name for one in command.parameters if one.owner is not None), None)
        return Guessing(() if owner is None else (owner,))
    return None


@cache
def _takes_password(command: Command[Any, Any]) -> bool:
    return any(one.secret and _PASSWORD in one.name for one in command.parameters)


def _answers_token(command: Command[Any, Any]) -> bool:
    told = inspect.type_info(command.result)
    return isinstance(told, inspect.StructType) and any(field.name == "token" for field in told.fields)


@lru_cache(4096)
def network_of(address: str) -> str:
    """Give the network by which an address is counted.

    >>> network_of("192.0.2.77"), network_of("2001:db8:1:2:3::4"), network_of("::ffff:192.0.2.77"), network_of("/run/socket")
    ('192.0.2.0/24', '2001:db8:1:2::/64', '192.0.2.0/24', 'unknown')
    """
    try:
        given = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return NOWHERE
    plain = getattr(given, "ipv4_mapped", None) or given
    return str(ipaddress.ip_network((plain, PREFIXES[plain.version]), strict=False))


class Lookups:
    """Looks shared buckets up, all that are asked for at a moment with one question: in a flood each would cost a round trip."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._wanted: dict[bytes, asyncio.Future[int]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def full_at(self, key: bytes) -> int:
        """Tell when a bucket is full again; 0 for one that is.

        Raises: what the store raises.
        """
        future = self._wanted.get(key)
        if future is None:
            future = self._wanted[key] = asyncio.get_running_loop().create_future()
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        return await asyncio.shield(future)

    async def _look(self) -> None:
        try:
            while self._wanted:
                wanted, self._wanted = self._wanted, {}
                try:
                    found = await self._store.buckets_full_at(list(wanted))
                except Exception as error:  # noqa: BLE001 - it is the askers' to judge
                    for future in wanted.values():
                        future.set_exception(error)
                        future.exception()  # whoever asked may be gone
                else:
                    for key, future in wanted.items():
                        future.set_result(found.get(key, 0))
        finally:
            self._looking = None


class Rates:
    """The limits of one server. Several servers on one database share those on guessing."""

    def __init__(self, keep: Keep) -> None:
        settings = keep.settings
        self._settings = settings
        self._store = keep.store
        self._lookups = Lookups(keep.store)
        self._clock = keep.clock
        self._keys = keep.runner.keys
        self._sealer = keep.runner.sealer
        self._redis = None if settings.redis_url is None else RedisBuckets(settings.redis_url, keep.clock)
        self._calls = LocalBuckets()
        self._seen = LocalBuckets()
        """what was found of shared buckets: a flood of guesses is refused from memory"""
        self._strangers = LocalBuckets()
        """addresses that were looked up a moment ago, and that an account was not known at"""
        self._failures = LocalBuckets()
        self._families = LocalBuckets()
        self._asking = asyncio.Semaphore(ASKS_AT_ONCE)
        self._lined_up = 0
        self._forget_at = 0
        self.refused: dict[Class, int] = dict.fromkeys(CLASSES, 0)
        """how often each class was refused, for the metrics"""

    @property
    def redis_away(self) -> bool:
        """Whether there is a Redis that does not answer."""
        return self._redis is not None and self._redis.away

    async def aclose(self) -> None:
        """Let go of the connections to Redis."""
        if self._redis is not None:
            await self._redis.close()

    # Calls

    def call(self, authorization: bytes | None, address: str, calls: int = 1) -> None:
        """Count calls of one session, or of an address without one. Programs with an API key are trusted not to flood.

        Raises: TOO_MANY_REQUESTS.
        """
        if authorization is None:
            key = network_of(address).encode()
        elif authorization.rpartition(b" ")[2].startswith(sessions.API_KEY_PREFIX.encode()):
            return
        else:
            key = blake2b(authorization, digest_size=16).digest()
        most, per_second = self._settings.calls_burst, self._settings.calls_per_second
        wait = self._calls.take(bucket(key, most, most / per_second), self._now(), min(calls, most))
        if wait:
            raise self._refusal("general", wait)

    # Guesses

    def refuse_early(self, command: Command[Any, Any], caller: Caller) -> None:
        """Refuse a password for which no thread has time, before anything of the request is read: a flood must cost little.

        Raises: BUSY.
        """
        if _takes_password(command) and caller.kind != "operator":
            users.refuse_when_crowded()

    async def guess(self, command: Command[Any, Any], arguments: Struct, caller: Caller, address: str) -> Attempt | None:
        """Let a command that guesses go on, if it may; give what `opened` or `failed` wants to know when it is done.

        Raises: TOO_MANY_REQUESTS, BUSY, STORE_UNAVAILABLE.
        """
        guessing = guessing_of(command)
        if guessing is None or caller.kind == "operator":
            return None
        hashes = _takes_password(command)
        accounts = [_account(name, getattr(arguments, name)) for name in guessing.accounts]
        network: str | None = network_of(address)
        if caller.kind == "server":
            # It speaks for its players: their address is what it says, and its own is nobody's.
            told = getattr(arguments, "ip_address", None)
            network = None if told is None else network_of(told)
        if guessing.kind == "refresh":
            return None if network is None else self._refreshing(command.name, str(getattr(arguments, "refresh_token", "")), network)
        named = [one for one in accounts if one is not None]
        return await self._attempt(command.name, guessing, named, network, hashes=hashes)

    async def sign_in(self, step: Step, caller: Caller, address: str) -> None:
        """Let somebody go a step of logging in at an issuer, which has work with it too; game servers speak for their players.

        Raises: TOO_MANY_REQUESTS, BUSY, STORE_UNAVAILABLE.
        """
        if caller.kind in ("anonymous", "player"):
            await self._attempt(f"oidc.{step}", Guessing(kind="sign_in"), (), network_of(address))

    async def _attempt(
        self, name: str, guessing: Guessing, accounts: Sequence[str], network: str | None, *, hashes: bool = False
    ) -> Attempt:
        device = self._device(name, accounts, network) if guessing.opens and network is not None else None
        if self._lined_up >= MOST_ASKING:
            raise Busy(retry_after_seconds=RETRY_SECONDS)
        self._lined_up += 1
        try:
            known = device is not None and await self._is_known(device)
            async with self._asking:
                if hashes:
                    users.refuse_when_crowded()  # rather than take a token, and write, for what is refused in any case
                await self._take(guessing.kind, self._buckets(guessing.buckets or name, guessing, accounts, network, known=known))
        finally:
            self._lined_up -= 1
        return Attempt(device)

    def _refreshing(self, name: str, token: str, network: str) -> Attempt:
        """Let a refresh token be tried, unless too many of its network were worth nothing. Those who refreshed here before go on:
        somebody behind the same address does not shut them out."""
        settings, now = self._settings, self._now()
        failures = self._bucket(settings.refresh_failures_per_address, ADDRESS_SECONDS, name, "address", network)
        family = self._bucket(1, settings.refresh_days * DAY_SECONDS, name, "family", sessions.family_of(token))
        wait = self._failures.wait([failures], now)
        if wait and not self._families.wait([family], now):
            raise self._refusal("refresh", wait)
        return Attempt(family=family, failures=failures)

    def failed(self, attempt: Attempt | None, error: GameError) -> None:
        """Count a refresh token that was worth nothing."""
        if attempt is None or attempt.failures is None or attempt.family is None or not isinstance(error, sessions.RefreshTokenInvalid):
            return
        self._failures.take(attempt.failures, self._now())
        self._families.fill(attempt.family.key)

    async def opened(self, attempt: Attempt | None) -> None:
        """Remember where an account was logged in to. That this fails is not worth an error."""
        if attempt is not None and attempt.family is not None:
            self._families.fill(attempt.family.key)
            self._families.take(attempt.family, self._now())
        if attempt is None or attempt.device is None:
            return
        self._strangers.fill(attempt.device.key)
        try:
            await self._store.take_tokens([attempt.device], self._now())
        except (Unreachable, OutcomeUnknown, TryAgain) as error:
            LOG.info("the address of a login was not noted: %s", type(error).__name__)

    def _buckets(self, name: str, guessing: Guessing, accounts: Sequence[str], network: str | None, *, known: bool) -> tuple[Bucket, ...]:
        limits, share = self._settings, guessing.share
        place = (network,) if known and network is not None else ()
        found = [self._bucket(limits.guesses_per_account // share, ACCOUNT_SECONDS, name, "account", one, *place) for one in accounts]
        if network is not None:
            most: int = getattr(limits, _PER_ADDRESS.get(guessing.kind, "guesses_per_address"))
            found.append(self._bucket(most // share, ADDRESS_SECONDS, name, "address", network))
        if not known:
            found.append(self._bucket(limits.guesses_per_second * EVERYBODY_SECONDS, EVERYBODY_SECONDS, "everybody"))
        return tuple(found)

    def _device(self, name: str, accounts: Sequence[str], network: str | None) -> Bucket | None:
        # Two tokens, of which a login takes the second only when the first has come back: the address is known while one is missing.
        return self._bucket(2, 2 * DEVICE_SECONDS, name, "device", *accounts, network or "") if accounts else None

    def _bucket(self, tokens: int, seconds: float, *words: str) -> Bucket:
        return bucket(self._digest("\0".join(words)), max(1, tokens), seconds)

    def _digest(self, text: str) -> bytes:
        try:
            return bytes.fromhex(self._keys.fingerprint("rates", text).partition(":")[2])
        except SecretKeyNeeded:
            return self._sealer.digest(b"gamekeeper/rates\0" + text.encode())

    async def _is_known(self, device: Bucket) -> bool:
        now, look = self._now(), bucket(device.key, 1, STRANGER_SECONDS)
        if self._strangers.wait([look], now):
            return False
        try:
            known = await self._lookups.full_at(device.key) > now
        except (Unreachable, OutcomeUnknown) as error:
            raise StoreUnavailable(problem=type(error).__name__) from error
        except TryAgain:
            raise Busy(retry_after_seconds=RETRY_SECONDS) from None
        if not known:
            self._strangers.take(look, now)
        return known

    async def _take(self, kind: Class, buckets: tuple[Bucket, ...]) -> None:
        now = self._now()
        wait = self._seen.wait(buckets, now)
        if not wait:
            taken = await self._ask(buckets, now)
            self._seen.see(taken.full_at)
            if taken.ok:
                await self._forget(now)
                return
            wait = max(1, longest_wait_us(taken.full_at, buckets, now))
        raise self._refusal(kind, wait)

    async def _ask(self, buckets: tuple[Bucket, ...], now: int) -> Taken:
        """Ask Redis, which may refuse, and then the database, which decides: what it allows was never allowed before."""
        taken = None if self._redis is None else await self._redis.take(buckets, now)
        if taken is not None and not taken.ok:
            return taken
        try:
            return await self._store.take_tokens(buckets, now)
        except (Unreachable, OutcomeUnknown) as error:
            raise StoreUnavailable(problem=type(error).__name__) from error
        except TryAgain:
            raise Busy(retry_after_seconds=RETRY_SECONDS) from None

    async def _forget(self, now: int) -> None:
        if now < self._forget_at:
            return
        self._forget_at = now + FORGET_SECONDS * SECOND_US
        try:
            await self._store.forget_full_buckets(now, FORGET_MOST)
        except (Unreachable, OutcomeUnknown, TryAgain) as error:
            LOG.info("buckets that are full were not deleted: %s", type(error).__name__)

    def _refusal(self, kind: Class, wait_us: int) -> TooManyRequests:
        self.refused[kind] += 1
        return TooManyRequests(retry_after_seconds=round(wait_us / SECOND_US + 0.0005, 3))

    def _now(self) -> int:
        return self._clock.now_ms() * 1000


def _account(name: str, value: Any) -> str | None:
    """Give the one form of what names an account; None for what names none."""
    if not isinstance(value, str):
        return None
    if name == "email":
        # The module's own form refuses what is no address; for a count any form will do that an address has only one of.
        return f"email {value.strip().casefold()}"
    if name == "username":
        key = users.lookup_key(value)
        return None if key is None else f"username {key}"
    return f"{name} {value}"

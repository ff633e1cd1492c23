"""A line to Redis, without which everything goes on: it fails quickly, is then left alone for a while, and says so once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from gamekeeper.errors import InvalidArgument
from gamekeeper.kernel.clock import Clock

T = TypeVar("T")

LOG = logging.getLogger("gamekeeper.store")

TIMEOUT_SECONDS: Final = 0.1
"""How long Redis may take to connect and to answer."""
REST_SECONDS: Final = 5.0
"""How long Redis is left alone after a failure."""


class RedisLine:
    """A Redis behind a URL, that may be away."""

    without = "the database does all"
    """what the log says of a Redis that is away"""

    def __init__(self, url: str, clock: Clock, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._timeout_seconds = timeout_seconds
        words: dict[str, Any] = {"socket_timeout": timeout_seconds, "socket_connect_timeout": timeout_seconds}
        try:
            self._redis = Redis.from_url(url, retry=Retry(NoBackoff(), 0), decode_responses=False, **words)
        except ValueError:
            raise InvalidArgument(path="/redis_url", problem="redis://HOST, rediss://HOST or unix://PATH is expected") from None
        self._clock = clock
        self._rests_until: float | None = None

    @property
    def away(self) -> bool:
        """Whether the last thing that it did was to fail."""
        return self._rests_until is not None

    async def _ask(self, work: Callable[[], Awaitable[T]]) -> T | None:
        """Do something with Redis; None when it cannot be asked."""
        if self._rests_until is not None and self._clock.monotonic() < self._rests_until:
            return None
        try:
            async with asyncio.timeout(self._timeout_seconds):
                answer = await work()
        except (RedisError, OSError, TimeoutError, ValueError, TypeError) as error:
            self._failed(error)
            return None
        if self.away:
            LOG.warning("Redis answers again")
        self._rests_until = None
        return answer

    def _failed(self, error: Exception) -> None:
        if not self.away:
            # Its own words are left out: they may quote the URL with its password.
            LOG.warning("Redis is away (%s); %s", type(error).__name__, self.without)
        self._rests_until = self._clock.monotonic() + REST_SECONDS

    async def close(self) -> None:
        """Let go of the connections."""
        await self._redis.aclose()

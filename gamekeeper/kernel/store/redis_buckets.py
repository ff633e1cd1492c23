"""Buckets in Redis: they spare the database what would be refused anyway.

Redis is fast and forgetful: restarted, flushed or cut off, it gives tokens a second time. So what it refuses is refused, and
what it allows the database decides. When it is away nothing is gained by that, and nothing lost but time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from gamekeeper.errors import InvalidArgument
from gamekeeper.kernel.clock import Clock
from gamekeeper.kernel.rates import DRIFT_US, Bucket, Taken

LOG = logging.getLogger("gamekeeper.store")

TIMEOUT_SECONDS: Final = 0.1
"""How long Redis may take to connect and to answer."""
REST_SECONDS: Final = 5.0
"""How long Redis is left alone after a failure."""
_PREFIX: Final = b"{gamekeeper/rates}"
"""In braces, so that a cluster keeps all of them in one place."""

# What `rates.begin` and the stores say, once more. Numbers of Lua are doubles: exact up to 2^53, which is the year 2255.
_TAKE: Final = """
local now, drift = tonumber(ARGV[1]), tonumber(ARGV[2])
local ok, after, answer = 1, {}, {}
for i, key in ipairs(KEYS) do
    local full_at = tonumber(redis.call('GET', key) or '0') or 0
    local token, full = tonumber(ARGV[2 * i + 1]), tonumber(ARGV[2 * i + 2])
    after[i] = now + token
    if full_at > now and full_at <= now + full + drift then after[i] = full_at + token end
    if after[i] > now + full then ok = 0 end
    answer[i] = string.format('%.0f', full_at)
end
if ok == 1 then
    for i, key in ipairs(KEYS) do
        answer[i] = string.format('%.0f', after[i])
        redis.call('SET', key, answer[i], 'PX', math.ceil((after[i] - now) / 1000) + 1)
    end
end
return {ok, unpack(answer)}
"""


class RedisBuckets:
    """Buckets behind one URL, shared by all processes that name it."""

    def __init__(self, url: str, clock: Clock, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._timeout_seconds = timeout_seconds
        words: dict[str, Any] = {"socket_timeout": timeout_seconds, "socket_connect_timeout": timeout_seconds}
        try:
            self._redis = Redis.from_url(url, retry=Retry(NoBackoff(), 0), decode_responses=False, **words)
        except ValueError:
            raise InvalidArgument(path="/redis_url", problem="redis://HOST, rediss://HOST or unix://PATH is expected") from None
        self._take = self._redis.register_script(_TAKE)
        self._clock = clock
        self._rests_until: float | None = None

    @property
    def away(self) -> bool:
        """Whether the last thing that it did was to fail."""
        return self._rests_until is not None

    async def take(self, buckets: Sequence[Bucket], now_us: int) -> Taken | None:
        """Take a token from each bucket, or from none; give None when Redis cannot be asked."""
        if self._rests_until is not None and self._clock.monotonic() < self._rests_until:
            return None
        numbers = [number for one in buckets for number in (one.token_us, one.full_us)]
        try:
            async with asyncio.timeout(self._timeout_seconds):
                ok, *full_at = await self._take(keys=[_PREFIX + one.key for one in buckets], args=[now_us, DRIFT_US, *numbers])
            answer = Taken(ok == 1, {one.key: int(at) for one, at in zip(buckets, full_at, strict=True)})
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
            LOG.warning("Redis is away (%s); the database alone keeps the limits", type(error).__name__)
        self._rests_until = self._clock.monotonic() + REST_SECONDS

    async def close(self) -> None:
        """Let go of the connections."""
        await self._redis.aclose()

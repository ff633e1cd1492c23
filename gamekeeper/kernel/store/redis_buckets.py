"""Buckets in Redis: they spare the database what would be refused anyway.

Redis is fast and forgetful: restarted, flushed or cut off, it gives tokens a second time. So what it refuses is refused, and
what it allows the database decides. When it is away nothing is gained by that, and nothing lost but time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gamekeeper.kernel.clock import Clock
from gamekeeper.kernel.rates import DRIFT_US, Bucket, Taken
from gamekeeper.kernel.store.redis_line import REST_SECONDS, TIMEOUT_SECONDS, RedisLine

__all__ = ["REST_SECONDS", "RedisBuckets"]

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


class RedisBuckets(RedisLine):
    """Buckets behind one URL, shared by all processes that name it."""

    without = "the database alone keeps the limits"

    def __init__(self, url: str, clock: Clock, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        super().__init__(url, clock, timeout_seconds=timeout_seconds)
        self._take = self._redis.register_script(_TAKE)

    async def take(self, buckets: Sequence[Bucket], now_us: int) -> Taken | None:
        """Take a token from each bucket, or from none; give None when Redis cannot be asked."""
        numbers = [number for one in buckets for number in (one.token_us, one.full_us)]

        async def take() -> Taken:
            ok, *full_at = await self._take(keys=[_PREFIX + one.key for one in buckets], args=[now_us, DRIFT_US, *numbers])
            return Taken(ok == 1, {one.key: int(at) for one, at in zip(buckets, full_at, strict=True)})

        return await self._ask(take)

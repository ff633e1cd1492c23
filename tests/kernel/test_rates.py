"""Buckets of tokens: in the database, in Redis, and in memory. Time is what the tests say it is."""

import asyncio
import logging
import signal
import time
from collections.abc import Iterator

import asyncpg
import pytest

from gamekeeper.errors import InvalidArgument
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.rates import DRIFT_US, SECOND_US, Bucket, LocalBuckets, bucket
from gamekeeper.kernel.store.base import Store
from gamekeeper.kernel.store.redis_buckets import REST_SECONDS, RedisBuckets
from tests.kernel.instruments import WatchedKeep, one, open_bank, verified
from tests.servers import TemporaryRedis

NOW = 1_800_000_000 * SECOND_US
ACCOUNT = bucket(b"account", 10, 900)
ADDRESS = bucket(b"address", 100, 3600)
PATIENCE = 30.0
"""Seconds for a Redis that answers, on a machine that has much else to do."""


async def allowed(store: Store, *buckets: Bucket, now: int = NOW, times: int = 1) -> int:
    """Take so often, one after the other; how often it was allowed."""
    return sum([(await store.take_tokens(buckets, now)).ok for _ in range(times)])


async def test_a_bucket_gives_what_it_holds_and_fills_again(keep: WatchedKeep) -> None:
    assert await allowed(keep.store, ACCOUNT, times=15) == 10
    assert await allowed(keep.store, ACCOUNT, now=NOW + 89 * SECOND_US) == 0
    assert await allowed(keep.store, ACCOUNT, now=NOW + 90 * SECOND_US, times=5) == 1
    assert await allowed(keep.store, ACCOUNT, now=NOW + 5000 * SECOND_US, times=15) == 10


async def test_one_empty_bucket_costs_the_others_nothing(keep: WatchedKeep) -> None:
    await allowed(keep.store, ACCOUNT, times=10)
    refused = await keep.store.take_tokens([ACCOUNT, ADDRESS], NOW)

    assert not refused.ok
    assert refused.full_at[ACCOUNT.key] == NOW + 900 * SECOND_US
    assert await keep.store.buckets_full_at([ADDRESS.key]) == {}
    assert await allowed(keep.store, ADDRESS, times=101) == 100


async def test_at_once_they_give_no_more_than_one_by_one(keep: WatchedKeep) -> None:
    """Also when they are new, from two keeps, and in whatever order they are named."""
    async with open_bank(keep.settings.url) as other:
        stores = (keep.store, other.store)
        orders = ([ACCOUNT, ADDRESS], [ADDRESS, ACCOUNT])
        answers = await asyncio.gather(*(stores[n % 2].take_tokens(orders[n // 2 % 2], NOW) for n in range(500)))

    assert sum(one.ok for one in answers) == 10
    paid = (await keep.store.buckets_full_at([ADDRESS.key]))[ADDRESS.key] - NOW
    assert paid // ADDRESS.token_us <= 10 + 16, "only who met a bucket while it was made may have paid for nothing"
    await verified(keep)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("is_new", [False, True])
async def test_who_waited_for_a_row_is_judged_by_what_it_is_then(keep: WatchedKeep, is_new: bool) -> None:
    """Statements that run side by side see the table as it was when they began; here all of them begin before the row is free."""
    two = bucket(b"two", 2, 60)
    if not is_new:
        await allowed(keep.store, two, now=NOW - 600 * SECOND_US)
    text = "INSERT INTO rate_limits VALUES ($1, 0) ON CONFLICT (key) DO UPDATE SET full_at_us = 0"
    connection = await asyncpg.connect(keep.settings.url)
    async with connection.transaction():
        await connection.execute(text, two.key)
        takes = [asyncio.create_task(keep.store.take_tokens([two, ADDRESS], NOW)) for _ in range(6)]
        while await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") < 6:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.005)
    answers = await asyncio.gather(*takes)
    await connection.close()

    assert sum(one.ok for one in answers) == 2
    if not is_new:
        assert (await keep.store.buckets_full_at([ADDRESS.key]))[ADDRESS.key] == NOW + 2 * ADDRESS.token_us, "who was refused paid nothing"


async def test_a_clock_that_is_behind_gains_nothing_and_one_set_back_locks_nobody_out(keep: WatchedKeep) -> None:
    await allowed(keep.store, ACCOUNT, times=10)

    assert await allowed(keep.store, ACCOUNT, now=NOW - 300 * SECOND_US) == 0
    assert await allowed(keep.store, ACCOUNT, now=NOW - DRIFT_US) == 0
    assert await allowed(keep.store, ACCOUNT, now=NOW - DRIFT_US - SECOND_US, times=11) == 10


async def test_rows_of_full_buckets_are_forgotten_and_no_others(keep: WatchedKeep) -> None:
    for number in range(5):
        await keep.store.take_tokens([bucket(b"%d" % number, 10, 100)], NOW)
    await allowed(keep.store, ACCOUNT)

    assert await keep.store.forget_full_buckets(NOW + 20 * SECOND_US, 3) == 3
    assert await keep.store.forget_full_buckets(NOW + 20 * SECOND_US, 3) == 2
    assert await keep.store.forget_full_buckets(NOW + 20 * SECOND_US, 3) == 0
    assert await one(keep, "SELECT count(*) FROM rate_limits") == 1


async def test_taking_and_forgetting_at_once_do_no_harm(keep: WatchedKeep) -> None:
    many = [bucket(b"%d" % number, 1, 1) for number in range(20)]

    async def take(at: int) -> None:
        for number in range(10):
            near, far = many[(at + number) % 20], many[(at + number + 7) % 20]
            await keep.store.take_tokens([near, far, ACCOUNT], NOW + number * SECOND_US)

    async def forget() -> None:
        for number in range(10):
            await keep.store.forget_full_buckets(NOW + number * SECOND_US, 50)

    await asyncio.gather(*map(take, range(8)), forget())
    assert await keep.store.buckets_full_at([ACCOUNT.key])


# Memory


def test_in_memory_only_so_many_are_kept_the_latest() -> None:
    kept = LocalBuckets(most=3)
    small = [bucket(b"%d" % number, 1, 10) for number in range(4)]
    for each in small:
        assert kept.take(each, NOW) == 0

    assert len(kept) == 3
    assert kept.take(small[3], NOW) == 10 * SECOND_US
    assert kept.take(small[0], NOW) == 0, "the oldest was let go"
    assert kept.take(bucket(b"large", 5, 5), NOW, tokens=5) == 0
    assert kept.take(bucket(b"large", 5, 5), NOW + 2 * SECOND_US, tokens=4) == 2 * SECOND_US


def test_what_was_seen_refused_is_refused_without_asking_until_it_is_time() -> None:
    seen = LocalBuckets()
    seen.see({ACCOUNT.key: NOW + ACCOUNT.full_us})
    seen.see({ACCOUNT.key: NOW})

    assert seen.wait([ADDRESS, ACCOUNT], NOW) == 90 * SECOND_US
    assert seen.wait([ADDRESS, ACCOUNT], NOW + 90 * SECOND_US) == 0


# Redis


@pytest.fixture
def own_redis(redis_server: TemporaryRedis) -> Iterator[TemporaryRedis]:
    """A Redis that a test may kill."""
    with TemporaryRedis() as server:
        yield server


async def test_redis_gives_what_a_bucket_holds_at_once_too(own_redis: TemporaryRedis) -> None:
    clock = ManualClock()
    first, second = (RedisBuckets(own_redis.url(), clock, timeout_seconds=PATIENCE) for _ in range(2))

    async def take(of: RedisBuckets, times: int) -> int:
        answers = [await of.take([ACCOUNT, ADDRESS], NOW) for _ in range(times)]
        assert None not in answers
        return sum(one is not None and one.ok for one in answers)

    assert sum(await asyncio.gather(*(take(of, 20) for of in (first, second) * 3))) == 10
    refused = await first.take([ACCOUNT, ADDRESS], NOW + SECOND_US)
    assert refused is not None
    assert refused.full_at == {ACCOUNT.key: NOW + 900 * SECOND_US, ADDRESS.key: NOW + 360 * SECOND_US}
    left = [await first._redis.pttl(b"{gamekeeper/rates}" + each.key) for each in (ACCOUNT, ADDRESS)]
    assert 0 < left[1] < left[0] <= 900_001
    await first.close()
    await second.close()


async def test_redis_killed_is_left_alone_for_a_while_and_asked_again(own_redis: TemporaryRedis, caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    redis = RedisBuckets(own_redis.url(), clock, timeout_seconds=PATIENCE)
    assert await redis.take([ACCOUNT], NOW) is not None
    own_redis.kill_hard()

    with caplog.at_level(logging.WARNING):
        assert [await redis.take([ACCOUNT], NOW) for _ in range(3)] == [None] * 3
    away = redis.away
    assert len(caplog.records) == 1
    assert str(own_redis.socket_path) not in caplog.text

    own_redis.restart()
    assert await redis.take([ACCOUNT], NOW) is None
    clock.move(REST_SECONDS)
    assert await redis.take([ACCOUNT], NOW) is not None
    assert (away, redis.away) == (True, False)
    await redis.close()


async def test_redis_that_hangs_is_waited_for_once(own_redis: TemporaryRedis) -> None:
    redis = RedisBuckets(own_redis.url(), ManualClock(), timeout_seconds=2.0)
    assert await redis.take([ACCOUNT], NOW) is not None
    assert own_redis._process is not None
    own_redis._process.send_signal(signal.SIGSTOP)
    started = time.perf_counter()

    assert [await redis.take([ACCOUNT], NOW) for _ in range(50)] == [None] * 50

    assert time.perf_counter() - started < 50 * 2.0
    own_redis._process.send_signal(signal.SIGCONT)
    await redis.close()


@pytest.mark.parametrize("found", [b"nonsense", b"", b"nan", b"1e999", b"-5"])
async def test_nonsense_in_redis_harms_nobody(own_redis: TemporaryRedis, found: bytes) -> None:
    redis = RedisBuckets(own_redis.url(), ManualClock(), timeout_seconds=PATIENCE)
    await redis._redis.set(b"{gamekeeper/rates}" + ACCOUNT.key, found)

    answers = [await redis.take([ACCOUNT], NOW) for _ in range(11)]

    assert [one is not None and one.ok for one in answers] == [True] * 10 + [False]
    await redis._redis.flushall()
    await redis._redis.rpush(b"{gamekeeper/rates}" + ACCOUNT.key, b"a list")
    assert await redis.take([ACCOUNT], NOW) is None
    await redis.close()


def test_a_url_that_is_none_is_the_operator_s_error() -> None:
    with pytest.raises(InvalidArgument):
        RedisBuckets("http://localhost", ManualClock())

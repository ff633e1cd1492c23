"""What memory and Redis hold of an owner: it spares the database, and never changes what is read."""

import asyncio
import random
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

import gamekeeper
from gamekeeper.keep import Keep
from gamekeeper.kernel.recall import LevelStats, State
from gamekeeper.kernel.records import Record
from gamekeeper.kernel.store.base import LoadRequest, LoadResult
from gamekeeper.kernel.store.redis_rows import TTL_SECONDS, RedisRows
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import characters, items, skills, users, worlds
from tests.crash.raw import raw
from tests.modules import scene
from tests.servers import TemporaryRedis

STEADY: tuple[type[Record], ...] = (characters.Character, characters.CharacterAttribute, characters.CharacterSetting, items.Holding)
WHOLE: tuple[type[Record], ...] = (*STEADY, characters.CharacterLocation, skills.SkillLevelUp)
SECRET = "the secret of all keeps of this world"


@pytest.fixture
def redis(redis_server: TemporaryRedis, monkeypatch: pytest.MonkeyPatch) -> Iterator[Redis]:
    """An empty Redis, for which keeps have patience."""
    monkeypatch.setattr(RedisRows.__init__, "__kwdefaults__", {"timeout_seconds": 30.0})
    with Redis.from_url(redis_server.url()) as client:
        client.flushall()
        yield client


@asynccontextmanager
async def opened(url: str, redis_url: str | None = None, **words: Any) -> AsyncIterator[Keep]:
    """A keep beside others."""
    async with gamekeeper.open(url, allow_unsafe_postgres=True, **{"secret_key": SECRET, "redis_url": redis_url} | words) as keep:
        yield keep


def asked_of(keep: Keep) -> list[LoadRequest]:
    """What the keep asks its database for, from now on."""
    asked: list[LoadRequest] = []
    load = keep.store.load

    async def watched(request: LoadRequest) -> LoadResult:
        asked.append(request)
        return await load(request)

    keep.store.load = watched  # type: ignore[method-assign]
    return asked


def tables(asked: list[LoadRequest]) -> list[set[type[Record]]]:
    """Which tables were asked for, trip by trip."""
    told = [set(request.tables) for request in asked]
    asked.clear()
    return told


async def seen(keep: Keep, owner: str, *records: type[Record]) -> dict[type[Record], list[Any]]:
    """What a keep reads."""
    loaded = await keep.reader.load(owner, *(records or WHOLE))
    assert loaded is not None
    return loaded.tables


async def true(keep: Keep, owner: str, *records: type[Record]) -> dict[type[Record], list[Any]]:
    """What the database says."""
    return {record: await keep.reader.all(record, owner) for record in records or WHOLE}


async def set_strength(keep: Keep, owner: str, base: int) -> None:
    """Change something steady."""
    await keep.do(characters.set_attribute(character=owner, attribute="strength", base=base))


# Memory


async def test_a_second_read_takes_the_root_row_and_what_no_version_vouches_for(keep: Keep, database_url: str) -> None:
    """And another process's command, lease and checkpoint are seen by the very next read."""
    (ada,) = await scene.people(keep, "Ada")
    async with opened(database_url) as other:
        asked = asked_of(other)
        first = await seen(other, ada)
        assert await seen(other, ada) == first == await true(keep, ada)
        assert tables(asked)[:2] == [set(WHOLE), {characters.CharacterLocation, skills.SkillLevelUp}]

        await set_strength(keep, ada, 7)
        assert [row.base for row in (await seen(other, ada))[characters.CharacterAttribute]] == [7]
        async with keep.lease(ada):
            await keep.do(characters.move_to(character=ada, x=5.0))
            await keep.flush()
            assert (await seen(other, ada))[characters.CharacterLocation][0].x == 5.0
        asked.clear()
        assert await seen(other, ada) == await true(keep, ada)
        await other.do(characters.set_attribute(character=ada, attribute="strength", base=8))
        assert await seen(other, ada) == await seen(keep, ada) == await true(keep, ada)
    assert await keep.reader.load("nobody", *STEADY) is None


async def test_who_changes_an_answer_changes_nothing_that_is_kept(keep: Keep) -> None:
    await scene.stock(keep)
    (ada,) = await scene.people(keep, "Ada")
    await keep.do(items.grant(holder=ada, item="helm", quantity=1, source="test", metadata={"runes": ["a"]}))
    for _ in range(3):
        (row,) = (await seen(keep, ada))[items.Holding]
        assert row.metadata == {"runes": ["a"]}
        row.metadata["runes"].append("b")
        row.metadata["forged"] = True
    await set_strength(keep, ada, 1)
    assert (await true(keep, ada))[items.Holding][0].metadata == {"runes": ["a"]}


async def test_a_read_after_a_command_never_tells_an_older_state(keep: Keep, database_url: str, redis_server: TemporaryRedis) -> None:
    """From three keeps, with Redis and without, while all of them write and read at once."""
    (ada,) = await scene.people(keep, "Ada")
    await set_strength(keep, ada, 0)
    acknowledged = 0
    async with opened(database_url, redis_server.url()) as second, opened(database_url, redis_server.url()) as third:
        keeps = (keep, second, third)

        async def write() -> None:
            nonlocal acknowledged
            for base in range(1, 41):
                await set_strength(random.choice(keeps), ada, base)
                acknowledged = base

        async def read(by: Keep) -> int:
            reads = 0
            while acknowledged < 40:
                at_least = acknowledged
                (row,) = (await seen(by, ada, *STEADY))[characters.CharacterAttribute]
                assert row.base >= at_least
                reads += 1
                await asyncio.sleep(0)  # a small file is read without waiting for anything
            return reads

        _, *reads = await asyncio.gather(write(), *(read(by) for by in keeps for _ in range(2)))
        assert min(count for count in reads if count is not None) > 0
        assert await seen(keep, ada) == await seen(second, ada) == await seen(third, ada) == await true(keep, ada)


async def test_what_foreign_sql_writes_is_seen_by_rows_and_not_by_whole_owners_until_another_process_writes(
    keep: Keep, database_url: str
) -> None:
    """No version tells of it; what a process does itself makes nothing new, and what it then writes of that row is as it remembers it."""
    (ada,) = await scene.people(keep, "Ada")
    await set_strength(keep, ada, 3)

    async def bases(by: Keep) -> tuple[int, int]:
        (of_owner,) = (await seen(by, ada))[characters.CharacterAttribute]
        (of_table,) = await by.reader.all(characters.CharacterAttribute, ada)
        return of_owner.base, of_table.base

    async with opened(database_url) as other, raw(database_url) as database:
        assert await bases(keep) == await bases(other) == (3, 3)
        await database.rows("UPDATE character_attributes SET base = 99")
        assert await bases(keep) == await bases(other) == (3, 99)
        await keep.do(characters.set_setting(character=ada, name="music", value=True))
        assert (await bases(keep), await bases(other)) == ((3, 99), (99, 99))
        assert [one.table for one in (await verify(keep)).problems] == ["character_attributes"]
        await keep.do(characters.set_attribute(character=ada, attribute="strength", base=3, bonus=1))
        assert await bases(keep) == await bases(other) == (3, 3), "overwritten by what the journal has always said"
        assert (await verify(keep)).problems == []


# Redis


async def test_each_level_counts_what_it_gave_lacked_and_was_not_believed(
    keep: Keep, database_url: str, redis: Redis, redis_server: Any
) -> None:
    (ada,) = await scene.people(keep, "Ada")
    await set_strength(keep, ada, 3)
    assert set(keep.recall.stats) == {"memory"}
    async with opened(database_url, redis_server.url()) as first, opened(database_url, redis_server.url()) as second:
        counts = second.recall.stats

        def told() -> tuple[tuple[int, int, int], tuple[int, int, int]]:
            """Hits, misses and refusals of each level since the last time."""
            memory, shared = counts["memory"], counts["redis"]
            counts.update(memory=LevelStats(), redis=LevelStats())
            return (memory.hits, memory.misses, memory.refused), (shared.hits, shared.misses, shared.refused)

        await seen(first, ada)
        await seen(second, ada)
        assert told() == ((0, 4, 0), (4, 0, 0))
        await seen(second, ada)
        assert told() == ((4, 0, 0), (0, 0, 0))
        await set_strength(keep, ada, 4)
        await seen(second, ada)
        assert told() == ((0, 0, 4), (0, 0, 0))
        redis.set(f"gamekeeper/rows/{ada}/characters", b"a lie")
        redis.delete(f"gamekeeper/rows/{ada}/holdings")
        await set_strength(keep, ada, 5)
        second.runner.cache.drop(ada)
        await seen(second, ada)
        assert told() == ((0, 4, 0), (0, 1, 3)), "one lie, and two that were true once"


async def test_what_one_keep_has_read_another_takes_from_redis(keep: Keep, database_url: str, redis: Redis, redis_server: Any) -> None:
    (ada,) = await scene.people(keep, "Ada")
    await set_strength(keep, ada, 3)
    async with opened(database_url, redis_server.url()) as first:
        expected = await seen(first, ada)
    names = [bytes(name) for name in redis.scan_iter()]
    tables_there = {name.decode().rpartition("/")[2] for name in names}
    assert tables_there == {"characters", "character_attributes", "character_settings", "holdings"}, "no checkpoints and no ledgers"
    assert all(TTL_SECONDS - 60 <= int(redis.ttl(name)) <= TTL_SECONDS for name in names)

    async with opened(database_url, redis_server.url()) as second:
        asked = asked_of(second)
        assert await seen(second, ada) == expected
        assert tables(asked) == [{characters.CharacterLocation, skills.SkillLevelUp}]
        redis.flushall()
        await set_strength(keep, ada, 4)
        assert await seen(second, ada) == await true(keep, ada)
    for words in ({"secret_key": "another secret, that of some stranger"}, {"secret_key": None}):
        async with opened(database_url, redis_server.url(), **words) as stranger:
            asked = asked_of(stranger)
            assert await seen(stranger, ada) == await true(keep, ada)
            assert tables(asked)[0] == set(WHOLE)


async def test_redis_is_not_asked_for_what_memory_knows_to_be_no_characters(
    keep: Keep, database_url: str, redis: Redis, redis_server: Any
) -> None:
    await keep.do(worlds.create_world(world="world", name="World"))
    async with opened(database_url, redis_server.url()) as other:
        lacked = []
        for record in (worlds.World, items.Holding, items.GroundDrop):  # Holding might be anybody's
            await other.reader.load("world", record)
            lacked.append(other.recall.stats["redis"].misses)
    assert lacked[0] == lacked[2]


async def test_what_is_personal_or_secret_stays_out_of_redis(keep: Keep, database_url: str, redis: Redis, redis_server: Any) -> None:
    guest = await keep.do(users.create_guest())
    async with opened(database_url, redis_server.url()) as other:
        await other.reader.load(guest.user_id, users.User)
    assert redis.keys() == []


async def test_abuse_a_lying_redis_is_not_believed(keep: Keep, database_url: str, redis: Redis, redis_server: Any) -> None:
    ada, bob = await scene.people(keep, "Ada", "Bob")
    await set_strength(keep, ada, 3)
    await set_strength(keep, bob, 99)
    place = f"gamekeeper/rows/{ada}/character_attributes"

    async def read() -> list[Any]:
        """As a process sees it that has just started."""
        async with opened(database_url, redis_server.url()) as fresh:
            return (await seen(fresh, ada))[characters.CharacterAttribute]

    async with opened(database_url, redis_server.url()) as fresh:
        await seen(fresh, bob)
    truth = await read()
    honest, of_bob = redis.get(place), redis.get(place.replace(ada, bob))
    assert isinstance(honest, bytes)
    assert isinstance(of_bob, bytes)
    wrong = honest.replace(b"strength", b"STRENGTH")
    root = await keep.reader.root(ada)
    assert root is not None
    assert wrong != honest
    for lie in (wrong, of_bob, honest[:-1], honest + b"\0", b"", b"\xc1", b"[]", redis.get(f"gamekeeper/rows/{ada}/holdings")):
        redis.set(place, lie)  # type: ignore[arg-type]
        assert await read() == truth

    state = await _state(keep, ada)
    forged = [characters.CharacterAttribute(ada, "strength", 1_000_000)]
    for secret, believed in (("a guess at the secret", False), (SECRET, True)):
        writer = RedisRows(redis_server.url(), keep.clock, secret)
        await writer.write(ada, state, {characters.CharacterAttribute: forged})
        await writer.close()
        assert (await read() == forged) == believed, "only who has the secret is believed, so the lies above were looked at"

    redis.set(place, honest)
    await set_strength(keep, ada, 4)
    redis.set(place, honest)
    assert [row.base for row in await read()] == [4], "what was true once is not true now"
    redis.delete(place)
    redis.rpush(place, b"not even a text")
    assert [row.base for row in await read()] == [4]


async def _state(keep: Keep, owner: str) -> State:
    root = (await keep.store.load(LoadRequest(owners=[owner]))).roots[owner]
    return State(root.version, root.epoch, root.head)


async def test_two_worlds_with_one_past_do_not_see_each_others_rows(
    sqlite_url: str, redis: Redis, redis_server: Any, tmp_path: Path
) -> None:
    """A restored backup reaches the same versions as the world that it was taken of, with other rows and the same secret."""
    async with opened(sqlite_url, redis_server.url()) as keep:
        (ada,) = await scene.people(keep, "Ada")
    copied = tmp_path / "restored.db"
    shutil.copyfile(sqlite_url.removeprefix("sqlite:///"), copied)
    for url, base in ((sqlite_url, 1), (f"sqlite:///{copied}", 2)):
        async with opened(url, redis_server.url()) as keep:
            await set_strength(keep, ada, base)
            assert [row.base for row in (await seen(keep, ada))[characters.CharacterAttribute]] == [base]
    assert redis.exists(f"gamekeeper/rows/{ada}/character_attributes")
    async with opened(sqlite_url, redis_server.url()) as keep:
        assert [row.base for row in (await seen(keep, ada))[characters.CharacterAttribute]] == [1]


async def test_abuse_a_redis_that_is_killed_or_was_never_there_changes_no_answer(keep: Keep, database_url: str, redis: Redis) -> None:
    (ada,) = await scene.people(keep, "Ada")
    with TemporaryRedis() as mortal:
        async with opened(database_url, mortal.url()) as other, opened(database_url, "unix:///nowhere/redis.sock") as lonely:
            assert await seen(other, ada) == await seen(lonely, ada)
            mortal.kill_hard()
            await set_strength(keep, ada, 9)
            started = time.perf_counter()
            for _ in range(50):
                assert await seen(other, ada) == await seen(lonely, ada) == await true(keep, ada)
            assert time.perf_counter() - started < 20, "it is asked once, and then left alone"

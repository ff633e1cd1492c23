"""Presence: who plays where, how long somebody has played, and that nobody plays twice or for ever."""

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import pytest

import gamekeeper
from gamekeeper import jobs
from gamekeeper.errors import GameError, InvalidArgument, OwnerLeased
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import characters, guests, moderation, people, plays, presence, sessions, users, worlds
from tests.modules import scene

SECRET = "a key for tests, long enough for the keep"
STAFF = "operator:desk"


@pytest.fixture
async def keep(database_url: str, clock: ManualClock) -> AsyncIterator[Keep]:
    """A keep whose time the test moves, and in which sessions are forgotten after ten days."""
    words: dict[str, Any] = {"create": True, "clock": clock, "secret_key": SECRET, "allow_unsafe_postgres": True, "lease_seconds": 3_600}
    async with gamekeeper.open(database_url, play_session_days=10, **words) as keep:
        yield keep


async def start(keep: Keep, character: str, server: str = "east-1", **words: Any) -> presence.Started:
    """Begin to play."""
    return await keep.do(presence.start(character=character, server_id=server, **words))


async def heard(keep: Keep, *those: str, server: str = "east-1") -> list[str]:
    """Say that these are played on a server; give who is not."""
    return (await keep.do(presence.active(server_id=server, characters=list(those)))).gone


async def past(keep: Keep, character: str) -> list[tuple[str, str, int]]:
    """The play sessions that ended, the oldest first: where, why, and how long they were."""
    found = (await keep.ask(presence.history(character=character))).items
    return [(one.server_id, one.reason, one.playtime) for one in reversed(found)]


async def online(keep: Keep, **where: Any) -> list[str]:
    """Who plays."""
    return [one.name for one in (await keep.ask(presence.online(**where))).items]


async def test_play_is_begun_heard_of_replaced_and_ended(keep: Keep, clock: ManualClock) -> None:
    await keep.do(worlds.create_world(world="fen", name="The Fen"))
    ada, bob = await scene.people(keep, "Ada", "Bob")
    assert (await keep.ask(presence.show(character=ada))) == presence.Playing(ada, False, None, None, None, None, None, 0, 0)

    began = await start(keep, ada)
    assert (began.world_id, began.server_id, began.started_at, began.replaced) == ("world", "east-1", clock.now_ms(), None)
    clock.move(59)
    assert await heard(keep, ada, bob) == [bob]
    assert (await keep.ask(presence.show(character=ada))).last_active_at == began.started_at
    clock.move(31.5)
    assert await heard(keep, ada) == []
    now = await keep.ask(presence.show(character=ada))
    assert (now.is_online, now.server_id, now.since, now.last_active_at) == (True, "east-1", began.started_at, clock.now_ms())
    assert (now.playtime, now.play_sessions) == (90, 0)

    clock.move(20)
    again = await start(keep, ada, "west-1", world_id="fen")
    assert again.replaced is not None
    assert (again.replaced.play_session_id, again.replaced.ended_at) == (began.play_session_id, clock.now_ms() - 20_000)
    assert await heard(keep, ada) == [ada]
    clock.move(100.4)
    late = await keep.do(presence.end(character=ada, play_session_id=began.play_session_id))
    assert late.ended is None
    assert await online(keep) == ["Ada"]
    ended = (await keep.do(presence.end(character=ada, play_session_id=again.play_session_id))).ended
    assert ended is not None
    assert (await keep.do(presence.end(character=ada))).ended is None

    assert await past(keep, ada) == [("east-1", "replaced", 90), ("west-1", "logout", 100)]
    over = await keep.ask(presence.show(character=ada))
    assert (over.is_online, over.server_id, over.last_active_at, over.playtime, over.play_sessions) == (False, None, clock.now_ms(), 190, 2)
    with pytest.raises(worlds.WorldNotFound):
        await start(keep, ada, world_id="nowhere")
    with pytest.raises(InvalidArgument):
        await start(keep, ada, "east 1")
    assert (await verify(keep)).problems == []


async def test_a_server_that_died_and_players_of_whom_nothing_is_heard_are_swept(keep: Keep, clock: ManualClock) -> None:
    await jobs.run_due(keep)
    ada, bob, cid, dan = await scene.people(keep, "Ada", "Bob", "Cid", "Dan")
    for one, server in ((ada, "east-1"), (bob, "east-1"), (cid, "west-1"), (dan, "west-1")):
        await start(keep, one, server)
    clock.move(120)
    assert await heard(keep, ada, bob) == []

    # One server comes up again after a crash, the other one never does.
    clock.move(100)
    assert await heard(keep, cid, server="west-1") == []
    assert await keep.do(presence.end_all(server_id="east-1", reason="crash", limit=1)) == presence.EndedMany(1, True)
    assert await keep.do(presence.end_all(server_id="east-1", reason="crash", limit=1)) == presence.EndedMany(1, False)
    assert [await past(keep, one) for one in (ada, bob)] == [[("east-1", "crash", 120)]] * 2
    await start(keep, ada)

    # Whoever was not heard of for too long is not there any more, also before the job comes.
    clock.move(299)
    assert await online(keep) == ["Ada", "Cid"]
    clock.move(1)
    assert await heard(keep, dan, server="west-1") == [dan]
    assert (await keep.ask(presence.counts())).characters == 0
    shown = await keep.ask(presence.show(character=cid))
    assert (shown.is_online, shown.playtime, shown.play_sessions) == (False, 220, 1)
    await start(keep, ada)
    told = await jobs.rehearse(keep, jobs.job_named("end_stale_play_sessions"))
    assert (told.counted, await past(keep, cid)) == (2, [])
    ran = await jobs.run_now(keep, "end_stale_play_sessions", asked_by=STAFF, reason="to see it")
    assert ran is not None
    assert (ran.status, ran.counted) == ("succeeded", 2)
    assert await past(keep, cid) == [("west-1", "timeout", 220)]
    assert await past(keep, dan) == [("west-1", "timeout", 0)]
    assert await past(keep, ada) == [("east-1", "crash", 120), ("east-1", "timeout", 0)]
    assert await online(keep) == ["Ada"]

    # A server that says that it goes down ends them now.
    clock.move(30)
    assert await keep.do(presence.end_all(server_id="east-1")) == presence.EndedMany(1, False)
    assert (await past(keep, ada))[-1] == ("east-1", "shutdown", 30)

    # After ten days only the sum is left.
    clock.move(10 * 86_400 + 1)
    old = await jobs.run_now(keep, "forget_play_sessions", asked_by=STAFF, reason="to see it")
    assert old is not None
    assert (old.counted, await past(keep, ada), (await keep.ask(presence.show(character=ada))).playtime) == (6, [], 150)
    assert (await verify(keep)).problems == []


async def test_who_goes_or_is_sent_away_plays_no_longer(keep: Keep, clock: ManualClock) -> None:
    staff = (await keep.do(users.create_guest())).user_id
    guest = await keep.do(guests.create(name="Wren"))
    user, wren = guest.user_id, guest.character_id
    other = (await keep.do(characters.create(user=user, name="Wren Two"))).character_id

    async def log_in() -> str:
        opened = (await keep.do(sessions.open_session(user=user))).session_id
        await keep.do(characters.select(user=user, session_id=opened, character=wren))
        for one in (wren, other):
            await start(keep, one)
        clock.move(10)
        return opened

    # Another session stays, so only the character goes that this one plays.
    opened = await log_in()
    assert await keep.do(people.log_out(user=user, session_id=opened)) == people.LoggedOut(1, 0, 1)
    assert await online(keep) == ["Wren Two"]
    await log_in()
    assert (await keep.do(moderation.kick(user=user), actor=STAFF)).play_sessions == 2
    await log_in()
    given = await keep.do(moderation.ban(user=user, reason="spam", preset="hour"), actor=STAFF)
    assert (given.play_sessions_ended, await online(keep)) == (2, [])
    with pytest.raises(users.Banned):
        await start(keep, wren)
    assert [reason for _, reason, _ in await past(keep, wren)] == ["logout", "kick", "ban"]
    assert [reason for _, reason, _ in await past(keep, other)] == ["replaced", "kick", "ban"]

    await keep.do(moderation.unban(user=user, reason="sorry"), actor=STAFF)
    await log_in()
    await keep.do(characters.delete(character=other))
    assert ((await past(keep, other))[-1], await online(keep)) == (("east-1", "deleted", 10), ["Wren"])
    with pytest.raises(characters.CharacterNotFound):
        await start(keep, other)
    assert await heard(keep, other) == [other]

    # Everything of it is in the archive of a person, and nobody is named in what is left of them.
    archive = io.BytesIO()
    await people.export(keep, user, archive)
    told = zipfile.ZipFile(archive)
    rows = json.loads(told.read("records/play_sessions.json"))
    assert {row["reason"] for row in rows} == {"logout", "kick", "ban", "replaced", "deleted"}
    assert [row["character_id"] for row in json.loads(told.read("records/presence.json")) if row["since"]] == [wren]
    await keep.do(users.request_deletion_for(user=user), actor=STAFF, reason="a letter")
    await keep.do(people.erase(user=user, early=True), actor=STAFF, reason="a letter")
    assert (await past(keep, wren))[-1] == ("east-1", "deleted", 10)
    rest = await keep.reader.all(plays.Presence, wren)
    assert (await online(keep), user in repr(rest), staff in repr(rest)) == ([], False, False)
    assert (await verify(keep)).problems == []


async def test_of_fifty_starts_at_once_one_is_open_and_all_others_ended(keep: Keep) -> None:
    (ada,) = await scene.people(keep, "Ada")
    began = await asyncio.gather(*(start(keep, ada, f"server-{number}") for number in range(50)))

    assert len({one.play_session_id for one in began}) == 50
    (now,) = (await keep.ask(presence.online())).items
    ended = (await keep.ask(presence.history(character=ada))).items
    assert {now.play_session_id, *(one.play_session_id for one in ended)} == {one.play_session_id for one in began}
    assert {one.reason for one in ended} == {"replaced"}
    # Each ended just once: who replaced it was told so.
    assert len(ended) == sum(one.replaced is not None for one in began) == 49
    twice = await asyncio.gather(*(keep.do(presence.end(character=ada)) for _ in range(10)))
    assert sum(one.ended is not None for one in twice) == 1
    assert (await verify(keep)).problems == []


async def test_clocks_that_go_back_take_nothing_away(keep: Keep, clock: ManualClock) -> None:
    (ada,) = await scene.people(keep, "Ada")
    clock.move(7_200)
    began = await start(keep, ada)
    clock.move(100)
    assert await heard(keep, ada) == []
    last = clock.now_ms()

    clock.move(-3_600)
    assert await heard(keep, ada) == []
    assert (await keep.ask(presence.show(character=ada))).last_active_at == last
    assert await keep.do(presence.time_out(), actor=STAFF) == presence.EndedMany(0, False)
    again = await start(keep, ada)
    assert again.started_at < began.started_at
    clock.move(-50)
    ended = (await keep.do(presence.end(character=ada))).ended
    assert ended is not None
    assert (ended.started_at, ended.ended_at, ended.playtime) == (again.started_at, again.started_at, 0)
    assert (await keep.ask(presence.show(character=ada))).playtime == 100


async def test_a_server_that_holds_leases_is_heard_without_transactions(keep: Keep, clock: ManualClock) -> None:
    ada, bob = await scene.people(keep, "Ada", "Bob")
    words: dict[str, Any] = {"clock": clock, "secret_key": SECRET, "allow_unsafe_postgres": True}
    async with gamekeeper.open(keep.settings.url, **words) as other, keep.lease(ada, bob):
        for one in (ada, bob):
            await start(keep, one)
        assert await heard(keep, ada, bob) == []
        clock.move(90)
        batches = keep.stats.batches
        assert await heard(keep, ada, bob) == []
        assert keep.stats.batches == batches
        assert (await keep.ask(presence.show(character=ada))).playtime == 90
        await keep.leasing.flush()
        assert (await other.ask(presence.show(character=ada))).playtime == 90
        # Nobody else lets it be played meanwhile; staff of the game may end it all the same, and this server learns of it.
        with pytest.raises(OwnerLeased):
            await start(other, ada, "west-1")
        clock.move(60)
        assert await heard(keep, ada, bob) == []
        clock.move(10)
        ended = (await other.do(presence.end(character=ada, reason="kick"), actor=STAFF)).ended
        assert ended is not None
        assert ended.playtime == 160
        await keep.leasing.renew()
        assert await heard(keep, ada, bob) == [ada]
    assert (await verify(keep)).problems == []


async def test_who_plays_is_listed_by_world_and_server_page_by_page(keep: Keep, clock: ManualClock) -> None:
    await keep.do(worlds.create_world(world="fen", name="The Fen"))
    names = [f"Player {letter}" for letter in "abcdefg"]
    for number, one in enumerate(await scene.people(keep, *names)):
        await start(keep, one, f"east-{number % 2}", world_id="fen" if number < 4 else "world")
        clock.move(number % 2)

    listed, cursor = [], None
    while True:
        page = await keep.ask(presence.online(limit=3, cursor=cursor))
        listed += [one.name for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(listed) == names
    assert listed[0] == "Player g"
    assert await online(keep, world_id="fen", server_id="east-1") == ["Player d", "Player b"]
    assert sorted(await online(keep, server_id="east-1")) == ["Player b", "Player d", "Player f"]
    assert await online(keep, world_id="elsewhere") == []
    counted = await keep.ask(presence.counts())
    assert (counted.characters, counted.by_world, counted.by_server) == (7, {"fen": 4, "world": 3}, {"east-0": 4, "east-1": 3})

    (first,) = [one.character_id for one in (await keep.ask(presence.online())).items if one.name == "Player a"]
    for _ in range(4):
        await start(keep, first)
    found, cursor = [], None
    while True:
        some = await keep.ask(presence.history(character=first, limit=2, cursor=cursor))
        found += [one.play_session_id for one in some.items]
        cursor = some.next_cursor
        if cursor is None:
            break
    assert len(found) == len(set(found)) == 4
    with pytest.raises(GameError):
        await keep.ask(presence.history(character=first, cursor="nonsense"))

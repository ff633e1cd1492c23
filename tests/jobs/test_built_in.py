"""The jobs of every world: each takes away what is over and nothing else, and a dry run takes nothing."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import gamekeeper
from gamekeeper import jobs
from gamekeeper.errors import KeyReused
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import accounts, characters, chat, combat, guests, items, sessions, trades, users, worlds
from tests.jobs.test_jobs import everything
from tests.modules.scene import people, stock

SECRET = "a key for tests, long enough for the keep"
DAY = 86_400
PASSWORD = "correct horse battery"


@pytest.fixture
async def world(database_url: str, clock: ManualClock) -> AsyncIterator[Keep]:
    """A keep with a world, and time that stands still."""
    words: dict[str, Any] = {"create": True, "clock": clock, "secret_key": SECRET, "allow_unsafe_postgres": True, "chat_days": 5}
    async with gamekeeper.open(database_url, **words) as keep:
        await stock(keep)
        await keep.do(worlds.create_world(world="world", name="World"))
        yield keep


async def would(keep: Keep) -> dict[str, int]:
    """What each job would count."""
    return {name: (await jobs.rehearse(keep, job)).counted for name, job in jobs.JOBS.items() if name in TAKEN}


TAKEN = {
    "time_out_trades": 1,
    "purge_guests": 1,
    "sweep_ground": 4,
    "expire_gravestones": 1,
    "forget_tokens": 2,
    "prune_chat": 1,
    "erase_people": 1,
    "forget_sessions": 1,
    "release_names": 1,
    "forget_answers": 1,
}
"""How much each job has to do here; other jobs have other tests."""


async def test_each_job_takes_away_what_is_over(world: Keep, clock: ManualClock) -> None:
    keep = world
    await jobs.run_due(keep)
    ada, bob, cid = await people(keep, "Ada", "Bob", "Cid")
    user = (await keep.do(users.register(username="Rowan", password=PASSWORD, email="rowan@example.com"))).user_id
    await keep.do(users.request_email_verification(user=user, email="rowan@example.com"))
    await keep.do(accounts.issue_code(provider="google", subject="110", challenge=accounts.challenge_of("v" * 43)))
    stays = (await keep.do(users.register(username="Robin", password=PASSWORD))).user_id
    await keep.do(sessions.open_session(user=stays))
    await keep.do(users.request_deletion_for(user=user), actor="operator:test")
    guest = await keep.do(guests.create(name="Passer-by"))
    await keep.do(chat.yell(character=ada, message="hello"))
    await keep.do(trades.request(initiator=ada, receiver=cid))
    for who in (ada, bob):
        await keep.do(items.grant(holder=who, item="logs", quantity=3, source="test"))
    await keep.do(items.drop(character=ada, world="world", slot=0))
    await keep.do(combat.die(character=bob, keeps=0), key="kept")
    assert await would(keep) == dict.fromkeys(TAKEN, 0)

    counted = dict.fromkeys(TAKEN, 0)
    for days in (1.5, 30, 59, 32):
        clock.move(days * DAY)
        rows = await everything(keep)
        before = await would(keep)
        assert await everything(keep) == rows
        ended = {run.job_id: run for run in await jobs.run_due(keep)}
        assert {run.status for run in ended.values()} == {"succeeded"}
        for name in TAKEN:
            last = (await keep.ask(jobs.show(name=name))).last
            run = None if last is None else ended.get(last.job_id)
            if run is not None:
                # What a dry run told is what is done.
                assert before[name] == run.counted
                counted[name] += run.counted
    assert counted == TAKEN
    assert await keep.reader.get(users.User, guest.user_id) is None
    assert (await keep.reader.get(users.User, user) or guest).username != "Rowan"
    assert await keep.reader.get(characters.Character, guest.character_id) is not None
    assert (await verify(keep)).problems == []


@pytest.mark.parametrize("key_days", [None, 40])
async def test_an_answer_is_kept_for_its_days_and_its_key_for_ever(
    database_url: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, key_days: int | None
) -> None:
    monkeypatch.setattr(jobs.upkeep, "KEYS", 3)
    words: dict[str, Any] = {"create": True, "clock": clock, "allow_unsafe_postgres": True, "key_days": key_days}
    async with gamekeeper.open(database_url, **words) as keep:
        await stock(keep)
        (ada,) = await people(keep, "Ada")
        for day in ("old", "new"):
            for number in range(4):
                await keep.do(items.grant(holder=ada, item="logs", quantity=1, source="test"), key=f"{day}-{number}")
            clock.move(30 * DAY + 1)
        again = items.grant(holder=ada, item="logs", quantity=1, source="test")
        await keep.do(again, key="old-1")
        clock.move(-1.5)

        ended = await jobs.run_now(keep, "forget_answers", asked_by="operator:test")

        assert ended is not None
        assert (ended.status, ended.counted, ended.facts) == ("succeeded", 4, {} if key_days is None else {"keys": 4})
        assert await keep.do(again, key="new-1") is not None
        if key_days is None:
            with pytest.raises(KeyReused):
                await keep.do(again, key="old-1")
            assert (await jobs.rehearse(keep, jobs.job_named("forget_answers"))).counted == 0
        else:
            await keep.do(again, key="old-1")
        assert await keep.ask(items.held(holder=ada, item="logs")) == (8 if key_days is None else 9)
        assert (await verify(keep)).problems == []


def test_every_job_stands_on_its_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "jobs.md").read_text(encoding="utf-8")
    assert [name for name, job in jobs.JOBS.items() if job.module.startswith("gamekeeper.") and f"| `{name}` |" not in page] == []

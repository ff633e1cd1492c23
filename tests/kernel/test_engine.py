"""The engine: how commands become batches, and that nobody notices which batch they were in."""

import asyncio
import random

import pytest

from gamekeeper.errors import Busy, ConstraintViolated, GameError, NameTaken, StoreUnavailable
from gamekeeper.keep import Keep
from gamekeeper.kernel.commands import Call
from gamekeeper.kernel.store.base import OutcomeUnknown, TryAgain, Unreachable
from tests.kernel import bank
from tests.kernel.instruments import Gate, WatchedKeep, accounts, fund, one, open_bank, rows, verified

# Batches


async def test_an_idle_engine_writes_a_cached_owners_command_with_one_call_and_reads_nothing(keep: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    keep.forget()

    await keep.do(bank.pay(giver=ada, receiver=bob, amount=1))

    assert keep.watched.calls == {"apply": 1}


async def test_an_owner_that_is_not_cached_costs_one_read(keep: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    keep.runner.cache.drop(ada)
    keep.runner.cache.drop(bob)
    keep.forget()

    await keep.do(bank.pay(giver=ada, receiver=bob, amount=1))

    assert keep.watched.calls == {"load": 1, "apply": 1}


async def test_commands_that_wait_at_the_same_moment_are_written_as_two_batches(keep: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    keep.forget()

    answers = await asyncio.gather(*(keep.do(bank.pay(giver=ada, receiver=bob, amount=1)) for _ in range(50)))

    assert answers == [99 - i for i in range(50)]
    # The second half runs in memory while the first is written.
    assert keep.watched.calls == {"apply": 2}
    assert keep.stats.built_ahead == 1
    assert await keep.version(ada) == 3
    assert await one(keep, "SELECT count(*) FROM journal WHERE owner_id = ?", ada) == 51
    assert [len(rows) for rows in keep.watched.writes[0].upserts.values()] == [2]
    await verified(keep)


async def test_a_batch_is_bounded(database_url: str) -> None:
    async with open_bank(database_url, max_batch=7) as keep:
        ada, bob = await accounts(keep, "ada", "bob")
        keep.forget()

        await asyncio.gather(*(keep.do(bank.pay(giver=ada, receiver=bob, amount=1)) for _ in range(50)))

        assert keep.watched.calls["apply"] >= 8
        assert max(len(writes.journal) for writes in keep.watched.writes) <= 2 * 7
        assert await fund(keep, ada) == 50


async def test_the_commands_of_one_owner_keep_their_order(keep: Keep) -> None:
    ada, bob, cy = await accounts(keep, "ada", "bob", "cy")

    async def burst() -> list[int]:
        tasks = []
        for i in range(30):
            tasks.append(asyncio.create_task(keep.do(bank.pay(giver=ada, receiver=random.choice([bob, cy]), amount=1))))
            if i % 3 == 0:
                await asyncio.sleep(0.001)
        return [await task for task in tasks]

    assert await burst() == [99 - i for i in range(30)]
    await verified(keep)


async def test_disjoint_owners_overlap_while_one_of_them_is_being_written(keep: WatchedKeep) -> None:
    ada, bob, cy, dan = await accounts(keep, "ada", "bob", "cy", "dan")
    gate = Gate()

    async def stop_ada(writes: object) -> None:
        if any(guard.owner == ada for guard in keep.watched.writes[-1].guards):
            await gate(writes)

    keep.forget()
    keep.watched.before["apply"] = stop_ada
    slow = asyncio.create_task(keep.do(bank.pay(giver=ada, receiver=bob, amount=1)))
    await gate.reached.wait()
    behind = asyncio.create_task(keep.do(bank.pay(giver=bob, receiver=cy, amount=1)))

    # The owners that are free do not wait for those that are not, not even behind one that does.
    assert await asyncio.wait_for(keep.do(bank.pay(giver=dan, receiver=dan, amount=1)), 5) == 99
    assert not slow.done()
    assert not behind.done()

    gate.open()
    assert (await slow, await behind) == (99, 100)
    assert keep.watched.most_running >= 2
    await verified(keep)


async def test_one_guilty_command_of_twenty_fails_alone(keep: WatchedKeep) -> None:
    people = await accounts(keep, *(f"nick{i}" for i in range(20)))
    faults: list[bank.Fault] = ["negative", "huge", "immense", "text", "fraction", "missing", "surrogate", "unencodable"]

    for number, fault in enumerate(faults, 1):
        calls = [keep.do(bank.pay(giver=giver, receiver=people[0], amount=1)) for giver in people[1:]]
        calls.insert(7, keep.do(bank.miswrite(account=people[0], fault=fault)))
        answers = await asyncio.gather(*calls, return_exceptions=True)

        guilty = answers.pop(7)
        assert isinstance(guilty, Exception), fault
        assert answers == [100 - number] * 19, fault

    assert await fund(keep, people[0]) == 100 + 19 * len(faults)
    await verified(keep)


async def test_a_unique_column_fails_the_one_that_broke_it(keep: Keep) -> None:
    ada, bob, cy = await accounts(keep, "ada", "bob", "cy")

    answers = await asyncio.gather(
        keep.do(bank.take_nick(account=ada, nick="new")),
        keep.do(bank.take_nick(account=bob, nick="new")),
        keep.do(bank.take_nick(account=cy, nick="other")),
        return_exceptions=True,
    )

    assert (answers[0], answers[2]) == (None, None)
    assert isinstance(answers[1], ConstraintViolated)
    assert answers[1].constraint == "uq_bank_profiles_nick"
    assert await rows(keep, "SELECT nick FROM bank_profiles ORDER BY nick") == [("bob",), ("new",), ("other",)]
    await verified(keep)


async def test_two_owners_exchange_a_unique_value_in_one_batch(keep: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    keep.forget()

    await asyncio.gather(
        keep.do(bank.take_nick(account=ada, nick="-")),
        keep.do(bank.take_nick(account=bob, nick="ada")),
        keep.do(bank.take_nick(account=ada, nick="bob")),
    )

    assert keep.watched.calls == {"apply": 1}
    assert await rows(keep, "SELECT account_id, nick FROM bank_profiles ORDER BY nick") == [(bob, "ada"), (ada, "bob")]
    await verified(keep)


async def test_a_refused_command_in_the_middle_leaves_the_others_untouched(keep: WatchedKeep) -> None:
    ada, bob, cy = await accounts(keep, "ada", "bob", "cy")
    keep.forget()

    answers = await asyncio.gather(
        keep.do(bank.pay(giver=ada, receiver=bob, amount=10)),
        keep.do(bank.spend_then_look(account=ada, amount=1)),
        keep.do(bank.crash(account=bob)),
        keep.do(bank.pay(giver=bob, receiver=cy, amount=110), bank.pay(giver=cy, receiver=ada, amount=211)),
        keep.do(bank.pay(giver=bob, receiver=cy, amount=110)),
        return_exceptions=True,
    )

    assert [type(answer) for answer in answers] == [int, bank.TooPoor, ZeroDivisionError, bank.TooPoor, int]
    assert [await fund(keep, one) for one in (ada, bob, cy)] == [90, 0, 210]
    assert keep.watched.calls == {"apply": 1}
    await verified(keep)


# Names


async def test_a_name_is_taken_once_released_and_taken_again(keep: Keep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")

    with pytest.raises(NameTaken) as refused:
        await keep.do(bank.rename(account=ada, nick="bob"))
    assert refused.value.name == "bob"
    assert await keep.do(bank.rename(account=bob, nick="bert")) == "bob"
    assert await keep.do(bank.rename(account=ada, nick="bob")) == "ada"
    assert await keep.do(bank.rename(account=ada, nick="bob")) == "bob"

    assert await rows(keep, "SELECT key, owner_id FROM claims ORDER BY key") == [("bert", bob), ("bob", ada)]
    await verified(keep)


async def test_fifty_race_for_a_name_and_one_gets_it(keep: Keep) -> None:
    people = await accounts(keep, *(f"nick{i}" for i in range(25)))

    answers = await asyncio.gather(
        *(keep.do(bank.rename(account=person, nick="king")) for person in people),
        *(keep.do(bank.open_account(nick="king")) for _ in range(25)),
        return_exceptions=True,
    )

    refused = [answer for answer in answers if isinstance(answer, NameTaken)]
    assert len(refused) == 49
    assert {error.name for error in refused} == {"king"}
    assert await one(keep, "SELECT count(*) FROM claims WHERE key = 'king'") == 1
    assert await one(keep, "SELECT count(*) FROM bank_profiles WHERE nick = 'king'") == 1
    await verified(keep)


async def test_fifty_race_for_a_name_in_two_processes_and_one_gets_it(database_url: str) -> None:
    async with open_bank(database_url, max_batch=3) as here, open_bank(database_url, max_batch=3) as there:
        answers = await asyncio.gather(
            *(keep.do(bank.open_account(nick="king")) for _ in range(25) for keep in (here, there)), return_exceptions=True
        )

        refused = [answer for answer in answers if isinstance(answer, NameTaken)]
        assert len(refused) == 49
        assert {error.name for error in refused} == {"king"}
        await verified(here)


async def test_a_name_taken_between_the_look_and_the_write_is_named_and_spares_the_others(database_url: str) -> None:
    async with open_bank(database_url) as here, open_bank(database_url) as there:
        thief = [there.do(bank.open_account(nick="king"))]

        async def steal(_: object) -> None:
            if thief:
                await thief.pop()

        here.watched.before["apply"] = steal
        taken, other = await asyncio.gather(
            here.do(bank.open_account(nick="king")), here.do(bank.open_account(nick="queen")), return_exceptions=True
        )

        assert isinstance(taken, NameTaken)
        assert taken.name == "king"
        assert isinstance(other, bank.Opened)
        await verified(here)


async def test_a_name_that_one_command_gives_back_the_next_of_the_batch_may_take(keep: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    keep.forget()

    answers = await asyncio.gather(
        keep.do(bank.rename(account=ada, nick="new")),
        keep.do(bank.rename(account=bob, nick="ada")),
        keep.do(bank.rename(account=ada, nick="bob")),
        keep.do(bank.open_account(nick="bob")),
        keep.do(bank.open_account(nick="new")),
        return_exceptions=True,
    )

    assert list(answers[:3]) == ["ada", "bob", "new"]
    assert isinstance(answers[3], NameTaken)
    assert isinstance(answers[4], bank.Opened)
    assert keep.watched.calls["apply"] == 1
    assert await rows(keep, "SELECT key, owner_id FROM claims ORDER BY key") == [
        ("ada", bob),
        ("bob", ada),
        ("new", answers[4].account_id),
    ]
    await verified(keep)


# Pressure


async def test_a_full_queue_says_busy_and_how_long_to_wait(database_url: str) -> None:
    async with open_bank(database_url, max_queue=10) as keep:
        ada, bob = await accounts(keep, "ada", "bob")
        gate = Gate()
        keep.watched.before["apply"] = gate
        running = asyncio.create_task(keep.do(bank.pay(giver=ada, receiver=bob, amount=1)))
        await gate.reached.wait()

        waiting = [asyncio.create_task(keep.do(bank.pay(giver=ada, receiver=bob, amount=1))) for _ in range(15)]
        await asyncio.sleep(0)
        refused = [task.exception() for task in waiting if task.done()]
        assert len(refused) == 5
        for error in refused:
            assert isinstance(error, Busy)
            assert 0 < error.retry_after_seconds < 60

        gate.open()
        await asyncio.gather(running, *waiting, return_exceptions=True)
        assert await fund(keep, ada) == 100 - 1 - 10


async def test_a_caller_that_gives_up_does_not_undo_its_command(keep: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    gate = Gate()
    keep.watched.before["apply"] = gate
    call = bank.pay(giver=ada, receiver=bob, amount=30)
    running = asyncio.create_task(keep.do(call, key="k"))
    await gate.reached.wait()
    queued = asyncio.create_task(keep.do(bank.pay(giver=ada, receiver=bob, amount=5)))
    await asyncio.sleep(0)

    running.cancel()
    queued.cancel()
    gate.open()
    await asyncio.gather(running, queued, return_exceptions=True)

    assert running.cancelled()
    assert await keep.do(call, key="k") == 70
    assert await keep.do(bank.change_nothing(account=ada)) == 65
    await verified(keep)


async def test_closing_answers_what_waits_and_takes_nothing_new(database_url: str) -> None:
    async with open_bank(database_url) as keep:
        ada, bob = await accounts(keep, "ada", "bob")
        gate = Gate()
        keep.watched.before["apply"] = gate
        tasks = [asyncio.create_task(keep.do(bank.pay(giver=ada, receiver=bob, amount=1)))]
        await gate.reached.wait()
        tasks += [asyncio.create_task(keep.do(bank.pay(giver=ada, receiver=bob, amount=1))) for _ in range(20)]
        await asyncio.sleep(0)

        closing = asyncio.create_task(keep.close())
        await asyncio.sleep(0)
        with pytest.raises(StoreUnavailable, match="closing"):
            await keep.do(bank.pay(giver=ada, receiver=bob, amount=1))
        assert not closing.done()
        gate.open()
        await closing

        assert [task.result() for task in tasks] == [99 - i for i in range(21)]
    async with open_bank(database_url) as keep:
        assert await fund(keep, ada) == 79


# Faults of the database


async def test_a_deadlock_or_a_lost_connection_is_tried_again(keep: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    faults: list[Exception] = [TryAgain("deadlock"), Unreachable("gone")]

    async def fail(_: object) -> None:
        if faults:
            raise faults.pop()

    keep.watched.before["apply"] = fail
    assert await keep.do(bank.pay(giver=ada, receiver=bob, amount=1)) == 99

    assert await fund(keep, ada) == 99
    assert keep.stats.retries == 2
    await verified(keep)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_write_of_unknown_outcome_happens_once(keep: WatchedKeep, when: str) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    left = 2

    async def break_off(_: object) -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            raise OutcomeUnknown("the line went dead")

    (keep.watched.before if when == "before" else keep.watched.after)["apply"] = break_off
    answers = await asyncio.gather(*(keep.do(bank.pay(giver=ada, receiver=bob, amount=1)) for _ in range(5)))

    assert answers == [99, 98, 97, 96, 95]
    assert await fund(keep, ada) == 95
    assert keep.stats.unknown_committed == (1 if when == "after" else 0)
    assert await keep.do(bank.pay(giver=ada, receiver=bob, amount=1)) == 94
    await verified(keep)


async def test_a_database_that_stays_away_is_reported_in_time(database_url: str) -> None:
    async with open_bank(database_url, deadline_seconds=0.2) as keep:
        ada, bob = await accounts(keep, "ada", "bob")

        async def fail(_: object) -> None:
            raise TryAgain("locked")

        keep.watched.before["apply"] = fail
        async with keep.store.transaction() as transaction:
            # The certain way finds the door closed too.
            await transaction.lock([ada])
            with pytest.raises(StoreUnavailable):
                await asyncio.wait_for(_without_transactions(keep, bank.pay(giver=ada, receiver=bob, amount=1)), 10)
        keep.watched.before.clear()
        assert await fund(keep, ada) == 100


async def test_a_write_that_may_have_been_done_is_not_called_refused(database_url: str) -> None:
    async with open_bank(database_url, deadline_seconds=0.3) as keep:
        ada, bob = await accounts(keep, "ada", "bob")

        async def break_off(_: object) -> None:
            raise OutcomeUnknown("the line went dead")

        keep.watched.after["apply"] = break_off
        with pytest.raises(StoreUnavailable) as told:
            await _without_transactions(keep, bank.pay(giver=ada, receiver=bob, amount=1), key="once")
        assert told.value.facts["outcome"] == "unknown"

        del keep.watched.after["apply"]
        assert await keep.do(bank.pay(giver=ada, receiver=bob, amount=1), key="once") == 99
        assert await fund(keep, ada) == 99


async def _without_transactions(keep: WatchedKeep, call: Call[int], key: str | None = None) -> int:
    def refuse() -> object:
        raise Unreachable("no connection")

    keep.watched.transaction = refuse  # type: ignore[attr-defined]
    try:
        return await keep.do(call, key=key)
    finally:
        del keep.watched.transaction


# The cache


async def test_the_cache_is_bounded_and_a_batch_larger_than_it_still_runs(database_url: str) -> None:
    async with open_bank(database_url, cache_rows=10) as keep:
        people = await accounts(keep, *(f"nick{i}" for i in range(20)))

        for _ in range(2):
            await asyncio.gather(*(keep.do(bank.pay(giver=person, receiver=people[0], amount=1)) for person in people[1:]))

        await keep.do(bank.change_nothing(account=people[0]))
        assert keep.runner.cache.rows <= 10 + 3
        assert await fund(keep, people[0]) == 138
        await verified(keep)


async def test_two_processes_that_write_by_turns_never_decide_with_stale_rows(database_url: str) -> None:
    async with open_bank(database_url) as here, open_bank(database_url) as there:
        people = await accounts(here, "ada", "bob", "cy")
        dice = random.Random(7)
        expected = dict.fromkeys(people, 100)

        for turn in range(200):
            keep = (here, there)[turn % 2]
            giver, receiver = dice.sample(people, 2)
            amount = dice.randint(1, 60)
            if amount > expected[giver]:
                with pytest.raises(bank.TooPoor) as refused:
                    await keep.do(bank.pay(giver=giver, receiver=receiver, amount=amount))
                assert refused.value.held == expected[giver]
                continue
            expected[giver] -= amount
            expected[receiver] += amount
            assert await keep.do(bank.pay(giver=giver, receiver=receiver, amount=amount)) == expected[giver]

        assert {person: await fund(here, person) for person in people} == expected
        assert here.stats.reloads > 0
        await verified(here)


async def test_two_processes_that_write_at_once_lose_nothing(database_url: str) -> None:
    async with open_bank(database_url) as here, open_bank(database_url) as there:
        people = await accounts(here, *(f"nick{i}" for i in range(6)))

        async def trade(keep: Keep, seed: int) -> None:
            dice = random.Random(seed)
            for _ in range(15):
                giver, receiver = dice.sample(people, 2)
                try:
                    await keep.do(bank.pay(giver=giver, receiver=receiver, amount=dice.randint(1, 40)))
                except bank.TooPoor:
                    continue

        await asyncio.gather(*(trade(keep, seed) for seed in range(8) for keep in (here, there)))

        assert await one(here, "SELECT sum(amount) FROM bank_purses") == 600
        assert await one(here, "SELECT min(amount) FROM bank_purses") >= 0
        seen = [[await keep.do(bank.change_nothing(account=person)) for person in people] for keep in (here, there)]
        assert seen[0] == seen[1]
        await verified(here)


async def test_every_refusal_is_a_game_error_with_a_code() -> None:
    assert all(kind.code and kind.__doc__ for kind in GameError.__subclasses__())

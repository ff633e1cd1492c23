"""Adding: a row under a key that is known to be new costs no look, and the write sees to it that it was new."""

import asyncio

import msgspec
import pytest

from gamekeeper.errors import AlreadyExists
from gamekeeper.keep import Keep
from gamekeeper.kernel.ids import new_id
from gamekeeper.kernel.store.base import OutcomeUnknown, WriteSet
from tests.kernel import bank
from tests.kernel.instruments import Gate, WatchedKeep, accounts, fund, one, open_bank, rows, verified
from tests.kernel.test_flights import until_ahead

COUPONS = "SELECT code, worth FROM bank_coupons WHERE account_id = ? ORDER BY code"


async def forget(keep: WatchedKeep, account: str) -> None:
    """Let memory know of the account, but of none of its coupons."""
    keep.runner.cache.drop(account)
    await keep.do(bank.change_nothing(account=account))
    keep.forget()


async def test_an_added_row_is_looked_for_by_nobody_and_journaled_like_any_other(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    await forget(keep, ada)

    made = await asyncio.gather(*(keep.do(bank.coin(account=ada, worth=5)) for _ in range(5)))

    assert keep.watched.calls == {"apply": 1}
    assert await rows(keep, COUPONS, ada) == sorted((coupon.code, 5) for coupon in made)
    entries = await rows(keep, "SELECT changes FROM journal WHERE owner_id = ? AND command = 'bank.coin' ORDER BY seq", ada)
    changes = [change for (text,) in entries for change in msgspec.json.decode(text)]
    assert changes == [["bank_coupons", [ada, one.code], None, msgspec.to_builtins(one)] for one in made]
    # From now on it is a row like any other, of which memory knows already.
    keep.forget()
    assert await keep.do(bank.redeem(account=ada, code=made[0].code)) == 5
    assert keep.watched.calls == {"apply": 1}
    await verified(keep)


async def test_batches_that_add_build_on_each_other(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    await forget(keep, ada)
    gate = Gate()
    keep.watched.before["apply"] = gate
    first = asyncio.create_task(keep.do(bank.coin(account=ada, worth=5)))
    await gate.reached.wait()
    second = asyncio.create_task(keep.do(bank.coin(account=ada, worth=6)))
    await until_ahead(keep)
    gate.open()

    made = await asyncio.gather(first, second)

    assert keep.watched.calls == {"apply": 2}
    assert keep.stats.built_ahead == 1
    assert await rows(keep, COUPONS, ada) == sorted((coupon.code, coupon.worth) for coupon in made)
    await verified(keep)


async def test_a_row_that_was_there_refuses_its_command_and_no_other(keep: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    await keep.do(bank.issue(account=ada, code="SPRING", worth=50))
    await forget(keep, ada)

    # Only the write finds out, and it is one for all of them.
    answers = await asyncio.gather(
        keep.do(bank.pay(giver=ada, receiver=bob, amount=1)),
        keep.do(bank.pay(giver=ada, receiver=bob, amount=10), bank.coin(account=ada, code="SPRING", worth=1, price=3)),
        keep.do(bank.coin(account=ada, code="AUTUMN", worth=7, price=3)),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [int, AlreadyExists, bank.Coupon]
    assert (answers[1].id, answers[1].code) == ("SPRING", "ALREADY_EXISTS")  # type: ignore[union-attr]

    # Memory tells it alone: of what it has looked for, and of what an earlier command of the batch has added.
    assert await keep.do(bank.redeem(account=ada, code="SPRING")) == 50
    keep.forget()
    with pytest.raises(AlreadyExists):
        await keep.do(bank.coin(account=ada, code="SPRING", worth=1))
    twice = await asyncio.gather(*(keep.do(bank.coin(account=ada, code="TWICE", worth=n)) for n in (1, 2)), return_exceptions=True)
    assert [type(answer) for answer in twice] == [bank.Coupon, AlreadyExists]
    assert keep.watched.calls["load"] == 0

    assert await rows(keep, COUPONS, ada) == [("AUTUMN", 7), ("SPRING", 50), ("TWICE", 1)]
    assert (await fund(keep, ada), await fund(keep, bob)) == (146, 101)
    await verified(keep)


async def test_a_row_that_another_process_makes_meanwhile_is_not_overwritten(database_url: str) -> None:
    async with open_bank(database_url) as keep, open_bank(database_url) as other:
        (ada,) = await accounts(keep, "ada")
        await forget(keep, ada)
        gate = Gate()
        keep.watched.before["apply"] = gate
        late = asyncio.create_task(keep.do(bank.coin(account=ada, code="SPRING", worth=1)))
        await gate.reached.wait()
        await other.do(bank.coin(account=ada, code="SPRING", worth=50))
        gate.open()

        with pytest.raises(AlreadyExists):
            await late

        assert await rows(keep, COUPONS, ada) == [("SPRING", 50)]
        await verified(keep)


async def test_of_a_command_that_is_undone_nothing_is_believed(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    await keep.do(bank.issue(account=ada, code="SPRING", worth=50), bank.issue(account=ada, code="AUTUMN", worth=60))
    await forget(keep, ada)

    for call in (
        bank.coin(account=ada, code="SPRING", worth=1, price=1_000),
        bank.coin_and_tear(account=ada, code="AUTUMN", again=False),
    ):
        answer = (await asyncio.gather(keep.do(call), return_exceptions=True))[0]
        assert isinstance(answer, bank.TooPoor) or answer is False

    # Nobody has looked for either, so that they are looked for now.
    assert await keep.do(bank.redeem(account=ada, code="SPRING")) == 50
    assert await keep.do(bank.redeem(account=ada, code="AUTUMN")) == 60
    assert await keep.do(bank.coin_and_tear(account=ada, code="NEW", again=True)) is True
    assert await rows(keep, COUPONS, ada) == [("AUTUMN", 60), ("NEW", 1), ("SPRING", 50)]
    await verified(keep)


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_write_of_unknown_outcome_adds_once(keep: WatchedKeep, moment: str) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    failures = [OutcomeUnknown("the answer was lost")]

    async def lose_one(_: WriteSet) -> None:
        if failures:
            raise failures.pop()

    getattr(keep.watched, moment)["apply"] = lose_one
    named = bank.coin(account=ada, code="SPRING", worth=5)
    coupon = await keep.do(named, key="k")
    failures.append(OutcomeUnknown("the answer was lost"))
    fresh = await keep.do(bank.coin(account=bob, worth=6), key="f")
    # A retry is the same command, not another one that finds its row there; whether memory knows of the row or not.
    assert await keep.do(named, key="k") == coupon
    await forget(keep, ada)
    assert await keep.do(named, key="k") == coupon
    async with open_bank(keep.settings.url) as restarted:
        assert await restarted.do(named, key="k") == coupon
        assert await restarted.do(bank.coin(account=bob, worth=6), key="f") == fresh

    assert keep.stats.unknown_outcomes == 2
    assert await rows(keep, COUPONS, ada) == [("SPRING", 5)]
    assert await rows(keep, COUPONS, bob) == [(fresh.code, 6)]
    await verified(keep)


async def test_a_row_that_another_command_added_is_read_by_those_that_declare_it(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    await forget(keep, ada)

    made, redeemed, torn, made_again, misread = await asyncio.gather(
        keep.do(bank.coin(account=ada, code="A", worth=5)),
        keep.do(bank.redeem(account=ada, code="A")),
        keep.do(bank.tear(account=ada, code="A")),
        keep.do(bank.coin(account=ada, code="A", worth=6)),
        keep.do(bank.coin(account=ada, code="B-other", worth=7), bank.tear_another(account=ada, code="B")),
        return_exceptions=True,
    )

    assert (made, made_again) == (bank.Coupon(ada, "A", 5), bank.Coupon(ada, "A", 6))
    assert (redeemed, torn) == (5, True)
    assert isinstance(misread, TypeError)
    assert await rows(keep, COUPONS, ada) == [("A", 6)]
    await verified(keep)


async def test_a_new_owner_and_types_that_load_by_owner_take_added_rows_too(keep: Keep) -> None:
    mint = await keep.do(bank.found_mint(account=new_id(), code="FIRST"))

    await keep.do(bank.add_purse(account=mint, coin="silver"))
    with pytest.raises(AlreadyExists):
        await keep.do(bank.add_purse(account=mint, coin="silver"))

    assert await rows(keep, COUPONS, mint) == [("FIRST", 1)]
    assert await one(keep, "SELECT count(*) FROM bank_purses WHERE account_id = ?", mint) == 2
    await verified(keep)


async def test_what_was_not_declared_cannot_be_added(keep: Keep) -> None:
    (ada,) = await accounts(keep, "ada")
    wrong: list[bank.Misadded] = ["untouched", "ledger", "owner"]

    for what in wrong:
        with pytest.raises(TypeError):
            await keep.do(bank.misadd(account=ada, what=what))

    assert await rows(keep, COUPONS, ada) == []
    assert await one(keep, "SELECT count(*) FROM bank_receipts") == 0
    await verified(keep)


async def test_what_a_command_knows_of_rows_read_by_key_is_what_it_declared_and_not_what_memory_happens_to_hold(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    await keep.do(bank.issue(account=ada, code="a", worth=5))

    assert [await keep.do(verb(account=ada, code="a")) for verb in (bank.glance, bank.look)] == [False, True]
    keep.forget()
    assert [await keep.do(verb(account=ada, code="a")) for verb in (bank.glance, bank.look)] == [False, True]
    assert not await keep.do(bank.look(account=ada, code="b"))
    assert await keep.do(bank.issue(account=ada, code="c", worth=5), bank.glance(account=ada, code="c")) == (None, False)


async def test_what_a_command_has_written_first_of_all_it_reads(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")

    assert await keep.do(bank.overwrite(account=ada, quantity=7)) == bank.Purse(ada, bank.GOLD, 7)


async def test_who_changes_an_answer_changes_nothing_that_memory_goes_on_with(keep: WatchedKeep) -> None:
    (ada,) = await accounts(keep, "ada")
    await keep.acquire(ada)

    shown = await keep.do(bank.show_off(account=ada, meta={"bag": ["lamp"]}))
    shown.profiles[0].meta["bag"].append("a stolen crown")
    read = await keep.reader.get(bank.Profile, ada)
    assert read is not None
    read.meta["bag"].clear()
    (row,) = await keep.reader.all(bank.Profile, ada)
    row.meta.clear()

    assert (await keep.do(bank.show_off(account=ada, meta={"bag": []}))).profiles[0].meta == {"bag": []}
    entry = await one(keep, "SELECT changes FROM journal WHERE owner_id = ? ORDER BY seq DESC LIMIT 1", ada)
    assert '"bag":["lamp"]' in entry, "what it was before is what was saved"
    await keep.release(ada)
    await verified(keep)

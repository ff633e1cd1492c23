"""Keys: however often a caller asks again, a command happens once and is answered as the first time."""

import asyncio
import hashlib

import msgspec
import pytest

from gamekeeper.errors import KeyReused, OwnerNotFound
from gamekeeper.keep import Keep
from gamekeeper.kernel.ids import new_id
from tests.kernel import bank
from tests.kernel.instruments import SECRET_KEY, WatchedKeep, accounts, fund, one, open_bank, rows, verified


async def test_the_same_key_and_arguments_are_answered_as_the_first_time(keep: Keep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    call = bank.pay(giver=ada, receiver=bob, amount=30)

    first = await keep.do(call, key="k")
    await keep.do(bank.pay(giver=ada, receiver=bob, amount=1))
    again = await keep.do(bank.pay(giver=ada, receiver=bob, amount=30), key="k")

    assert (first, again) == (70, 70)
    assert await fund(keep, ada) == 69
    assert keep.stats.replays == 1
    await verified(keep)


async def test_other_arguments_under_the_same_key_are_refused(keep: Keep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    await keep.do(bank.pay(giver=ada, receiver=bob, amount=30), key="k")

    for other in (
        bank.pay(giver=ada, receiver=bob, amount=31),
        bank.pay(giver=bob, receiver=ada, amount=30),
        bank.create_and_fund(giver=ada, account=bob, amount=30),
    ):
        with pytest.raises(KeyReused) as refused:
            await keep.do(other, key="k")
        assert (refused.value.code, refused.value.key) == ("IDEMPOTENCY_KEY_REUSED", "k")
    with pytest.raises(KeyReused):
        await keep.do(bank.pay(giver=ada, receiver=bob, amount=30), bank.pay(giver=ada, receiver=bob, amount=30), key="k")

    assert await fund(keep, ada) == 70


async def test_one_actors_keys_say_nothing_to_another(keep: Keep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    call = bank.pay(giver=ada, receiver=bob, amount=30)

    answers = [await keep.do(call, key="k", actor=actor) for actor in ("ada", "bob", "ada")]

    assert answers == [70, 40, 70]


async def test_a_replay_gives_back_structs_and_several_answers(keep: Keep) -> None:
    made = new_id()
    calls = (bank.open_account(nick="ada", account=made), bank.pay_in(account=made, amount=5), bank.say(account=made))

    first = await keep.do(*calls, key="k")
    again = await keep.do(*calls, key="k")

    assert again == first
    assert isinstance(again[0], bank.Opened)
    assert isinstance(again[2], tuple)
    assert await fund(keep, made) == 105


async def test_a_refused_command_stores_nothing_and_may_be_tried_again(keep: Keep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    call = bank.pay(giver=ada, receiver=bob, amount=150)

    with pytest.raises(bank.TooPoor):
        await keep.do(call, key="k")
    assert await one(keep, "SELECT count(*) FROM idempotency") == 0

    await keep.do(bank.pay_in(account=ada, amount=50))
    assert await keep.do(call, key="k") == 0


async def test_a_retry_is_answered_although_it_would_now_be_refused(keep: WatchedKeep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    call = bank.pay(giver=ada, receiver=bob, amount=70)
    assert await keep.do(call, key="k") == 30

    # Once with everything in the cache, once with nothing.
    assert await keep.do(call, key="k") == 30
    keep.runner.cache.drop(ada)
    assert await keep.do(call, key="k") == 30
    # And among others that are carried out.
    again, other = await asyncio.gather(keep.do(call, key="k"), keep.do(bank.pay(giver=bob, receiver=ada, amount=1)))

    assert (again, other) == (30, 169)
    assert await fund(keep, ada) == 31


async def test_a_retry_is_answered_although_its_prepare_step_would_now_be_refused(keep: Keep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    call = bank.pay_nick(giver=ada, nick="bob", amount=70)
    assert await keep.do(call, key="k") == 30
    await keep.do(bank.rename(account=bob, nick="bert"))

    assert await keep.do(call, key="k") == 30

    with pytest.raises(OwnerNotFound):
        await keep.do(call, key="other")


async def test_a_retry_after_a_restart_is_answered(database_url: str) -> None:
    async with open_bank(database_url) as keep:
        ada, bob = await accounts(keep, "ada", "bob")
        await keep.do(bank.pay(giver=ada, receiver=bob, amount=70), key="k")

    async with open_bank(database_url) as keep:
        assert await keep.do(bank.pay(giver=ada, receiver=bob, amount=70), key="k") == 30
        assert await fund(keep, ada) == 30


async def test_fifty_racing_calls_with_one_key_happen_once(keep: Keep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")

    paid = await asyncio.gather(*(keep.do(bank.pay(giver=ada, receiver=bob, amount=30), key="k") for _ in range(50)))
    opened = await asyncio.gather(*(keep.do(bank.open_account(nick="cy"), key="o") for _ in range(50)))

    assert paid == [70] * 50
    assert len({answer.account_id for answer in opened}) == 1
    assert await fund(keep, ada) == 70
    await verified(keep)


async def test_fifty_racing_calls_with_one_key_from_two_processes_happen_once(database_url: str) -> None:
    async with open_bank(database_url, secret_key=SECRET_KEY) as here, open_bank(database_url, secret_key=SECRET_KEY) as there:
        opened = await asyncio.gather(*(keep.do(bank.open_account(nick="cy"), key="o") for _ in range(25) for keep in (here, there)))

        assert len({answer.account_id for answer in opened}) == 1
        assert await one(here, "SELECT count(*) FROM bank_purses") == 1
        await verified(here)


async def test_an_answer_with_a_secret_is_sealed_and_replayed(database_url: str) -> None:
    async with open_bank(database_url, secret_key=SECRET_KEY) as keep:
        (ada,) = await accounts(keep, "ada")
        first = await keep.do(bank.new_token(account=ada), key="k")
        again = await keep.do(bank.new_token(account=ada), key="k")

        assert first == again
        assert first.token.startswith("token-")
        assert first.token not in str(await rows(keep, "SELECT response FROM idempotency"))

    async with open_bank(database_url, secret_key=SECRET_KEY) as keep:
        assert await keep.do(bank.new_token(account=ada), key="k") == first
    async with open_bank(database_url, secret_key="another key, with which nothing can be opened") as keep:
        with pytest.raises(KeyReused):
            await keep.do(bank.new_token(account=ada), key="k")


async def test_without_a_key_to_seal_it_a_secret_answer_is_not_kept_and_a_retry_is_told_so(keep: Keep) -> None:
    (ada,) = await accounts(keep, "ada")
    await keep.do(bank.new_token(account=ada), key="k")

    with pytest.raises(KeyReused, match="its answer was not kept"):
        await keep.do(bank.new_token(account=ada), key="k")

    found = await keep.ask(bank.profile(account=ada))
    assert found is not None
    assert found.meta == {"tokens": 1}


@pytest.mark.parametrize("secret_key", [None, SECRET_KEY])
async def test_a_secret_cannot_be_guessed_from_what_is_kept_of_the_request(database_url: str, secret_key: str | None) -> None:
    async with open_bank(database_url, secret_key=secret_key) as keep:
        (ada,) = await accounts(keep, "ada")
        call = bank.set_pin(account=ada, pin="1234")
        await keep.do(call, key="k")

        (digest,) = (await rows(keep, "SELECT request_hash FROM idempotency"))[0]
        guess = b"bank.set_pin\0" + msgspec.json.encode(call.arguments) + b"\0"
        assert bytes(digest) != hashlib.sha256(guess).digest()

        await keep.do(bank.set_pin(account=ada, pin="1234"), key="k")
        with pytest.raises(KeyReused):
            await keep.do(bank.set_pin(account=ada, pin="1235"), key="k")

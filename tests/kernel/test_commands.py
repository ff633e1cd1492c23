"""Commands: what their functions may do, how their arguments are checked, and that they happen wholly or not at all."""

import asyncio
import math
from typing import Any

import pytest

import gamekeeper
from gamekeeper.errors import (
    AlreadyExists,
    ConstraintViolated,
    GameError,
    InvalidArgument,
    OwnerNotFound,
    StoreUnavailable,
    VersionConflict,
)
from gamekeeper.keep import Keep
from gamekeeper.kernel import gate
from gamekeeper.kernel.commands import COMMANDS, Call, Command, command
from gamekeeper.kernel.ids import new_id
from gamekeeper.kernel.records import RECORDS, SPECS, Key, Record
from gamekeeper.kernel.workingset import Context
from tests.kernel import bank
from tests.kernel.instruments import accounts, fund, one, open_bank, rows, verified


async def test_a_game_outside_the_package_plugs_in_by_the_name_of_its_module(database_url: str) -> None:
    async with gamekeeper.open(database_url, create=True, modules=("tests.kernel.bank",), allow_unsafe_postgres=True) as keep:
        opened = await keep.do(bank.open_account(nick="ada"))

        assert await keep.ask(bank.gold(account=opened.account_id)) == bank.START

    assert COMMANDS["bank.pay"] is bank.pay
    assert RECORDS["bank_purses"] is bank.Purse


async def test_a_command_changes_both_owners_and_answers_after_the_commit(keep: Keep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")

    left = await keep.do(bank.pay(giver=ada, receiver=bob, amount=30))

    assert left == 70
    assert (await fund(keep, ada), await fund(keep, bob)) == (70, 130)
    await verified(keep)


async def test_paying_oneself_makes_nothing(keep: Keep) -> None:
    (ada,) = await accounts(keep, "ada")

    await keep.do(bank.pay(giver=ada, receiver=ada, amount=30))

    assert await fund(keep, ada) == bank.START
    await verified(keep)


async def test_a_refusal_undoes_every_write_before_it(keep: Keep) -> None:
    (ada,) = await accounts(keep, "ada")

    with pytest.raises(bank.TooPoor) as refused:
        await keep.do(bank.spend_then_look(account=ada, amount=500))

    assert (refused.value.held, refused.value.needed) == (100, 500)
    assert await rows(keep, "SELECT coin, amount FROM bank_purses WHERE account_id = ?", ada) == [("gold", 100)]
    assert await keep.do(bank.change_nothing(account=ada)) == 100
    await verified(keep)


async def test_an_unexpected_exception_undoes_the_command_and_reaches_the_caller(keep: Keep) -> None:
    (ada,) = await accounts(keep, "ada")

    with pytest.raises(ZeroDivisionError, match="a fault of the game"):
        await keep.do(bank.crash(account=ada))

    assert await keep.do(bank.change_nothing(account=ada)) == 100
    await verified(keep)


async def test_touching_what_was_not_declared_is_a_type_error_at_once(keep: Keep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    faults: list[tuple[Call[None], str]] = [
        (bank.peek_at_profile(account=ada), "does not touch Profile"),
        (bank.write_undeclared(account=ada), "does not touch Lamp"),
        (bank.peek_at_other(account=ada, other=bob), "does not name owner"),
        (bank.rewrite_receipt(account=ada, receipt=new_id()), "append-only"),
        (bank.append_purse(account=ada), "not an append-only record"),
        (bank.tear_another(account=ada, code="A"), "was not declared"),
    ]

    for call, message in faults:
        with pytest.raises(TypeError, match=message):
            # The other owner is in the same batch, and is out of reach all the same.
            await asyncio.gather(keep.do(call), keep.do(bank.change_nothing(account=bob)))

    assert await keep.version(ada) == 1
    await verified(keep)


async def test_deleting_while_going_over_rows_works_whatever_ran_before_in_the_batch(keep: Keep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")

    _, count, again = await asyncio.gather(
        keep.do(bank.pay(giver=bob, receiver=ada, amount=1)), keep.do(bank.empty(account=ada)), keep.do(bank.empty(account=ada))
    )

    assert (count, again) == (1, 1)
    assert await rows(keep, "SELECT coin FROM bank_purses WHERE account_id = ?", ada) == [("dust of dust of gold",)]
    await verified(keep)


async def test_a_context_tells_the_actor_the_reason_the_time_and_the_version(keep: Keep) -> None:
    (ada,) = await accounts(keep, "ada")
    before = keep.clock.now_ms()

    actor, reason, now, die, version = await keep.do(bank.say(account=ada), actor="operator:eve", reason="to see")

    assert (actor, reason, version) == ("operator:eve", "to see", 1)
    assert before <= now <= keep.clock.now_ms()
    assert (await keep.do(bank.say(account=ada)))[3] != die


async def test_several_calls_happen_wholly_or_not_at_all(keep: Keep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")

    with pytest.raises(bank.TooPoor):
        await keep.do(bank.pay(giver=ada, receiver=bob, amount=60), bank.pay(giver=ada, receiver=bob, amount=60))
    assert (await fund(keep, ada), await fund(keep, bob)) == (100, 100)

    assert await keep.do(bank.pay(giver=ada, receiver=bob, amount=60), bank.pay(giver=ada, receiver=bob, amount=40)) == (40, 0)
    assert (await fund(keep, ada), await fund(keep, bob)) == (0, 200)
    await verified(keep)


async def test_a_later_call_may_name_the_owner_that_an_earlier_one_makes(keep: Keep) -> None:
    (ada,) = await accounts(keep, "ada")
    made = new_id()

    opened, left = await keep.do(bank.open_account(nick="bob", account=made), bank.create_and_fund(giver=ada, account=made, amount=30))

    assert (opened.account_id, left) == (made, 70)
    assert (await fund(keep, ada), await fund(keep, made)) == (70, 130)
    await verified(keep)


async def test_an_owner_made_by_a_call_that_fails_later_was_never_made(keep: Keep) -> None:
    (ada,) = await accounts(keep, "ada")
    made = new_id()

    with pytest.raises(bank.TooPoor):
        await keep.do(bank.open_account(nick="bob", account=made), bank.create_and_fund(giver=ada, account=made, amount=101))

    assert await keep.version(made) is None
    assert await one(keep, "SELECT count(*) FROM claims WHERE key = 'bob'") == 0
    assert (await keep.do(bank.open_account(nick="bob", account=made))).account_id == made
    await verified(keep)


async def test_an_owner_is_made_once(keep: Keep) -> None:
    made = new_id()

    answers = await asyncio.gather(*(keep.do(bank.open_account(nick=f"nick{i}", account=made)) for i in range(20)), return_exceptions=True)

    assert sum(isinstance(answer, bank.Opened) for answer in answers) == 1
    assert {type(answer) for answer in answers} == {bank.Opened, AlreadyExists}
    with pytest.raises(AlreadyExists):
        await keep.do(bank.open_account(nick="late", account=made))
    await verified(keep)


async def test_an_owner_that_does_not_exist_is_named_in_the_refusal(keep: Keep) -> None:
    (ada,) = await accounts(keep, "ada")

    with pytest.raises(OwnerNotFound) as refused:
        await keep.do(bank.pay(giver=ada, receiver="nobody", amount=1))

    assert refused.value.id == "nobody"
    assert await fund(keep, ada) == 100


async def test_a_prepare_step_finds_further_owners_and_the_function_looks_again(keep: Keep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")

    assert await keep.do(bank.pay_nick(giver=ada, nick="bob", amount=10)) == 90
    assert await fund(keep, bob) == 110

    # The nick moves on between the two: what was found before the batch no longer holds under the lock.
    renamed, paid = await asyncio.gather(
        keep.do(bank.rename(account=bob, nick="bert")), keep.do(bank.pay_nick(giver=ada, nick="bob", amount=10)), return_exceptions=True
    )
    assert renamed == "bob"
    assert isinstance(paid, OwnerNotFound)
    with pytest.raises(OwnerNotFound):
        await keep.do(bank.pay_nick(giver=ada, nick="bob", amount=10))
    assert await fund(keep, bob) == 110
    await verified(keep)


async def test_rows_that_load_by_key_are_read_written_and_deleted(keep: Keep) -> None:
    (ada,) = await accounts(keep, "ada")
    await keep.do(bank.issue(account=ada, code="SPRING", worth=5))

    assert await keep.do(bank.redeem(account=ada, code="SPRING")) == 5
    with pytest.raises(bank.CouponUsed):
        await keep.do(bank.redeem(account=ada, code="SPRING"))
    with pytest.raises(bank.CouponUsed):
        await keep.do(bank.redeem(account=ada, code="AUTUMN"))

    assert await keep.ask(bank.coupon(account=ada, code="SPRING")) == bank.Coupon(ada, "SPRING", 5, True)
    assert await keep.do(bank.tear(account=ada, code="SPRING")) is True
    assert await keep.do(bank.tear(account=ada, code="SPRING")) is False
    assert await keep.ask(bank.coupon(account=ada, code="SPRING")) is None
    assert await fund(keep, ada) == 105
    await verified(keep)


async def test_a_row_by_key_is_written_and_taken_back_within_one_batch(keep: Keep) -> None:
    (ada,) = await accounts(keep, "ada")

    first = await asyncio.gather(
        keep.do(bank.issue(account=ada, code="A", worth=5)),
        keep.do(bank.redeem(account=ada, code="A"), bank.pay(giver=ada, receiver=ada, amount=1_000)),
        keep.do(bank.redeem(account=ada, code="A")),
        keep.do(bank.redeem(account=ada, code="A")),
        keep.do(bank.tear(account=ada, code="A")),
        keep.do(bank.redeem(account=ada, code="A")),
        return_exceptions=True,
    )

    assert [answer if not isinstance(answer, Exception) else type(answer) for answer in first] == [
        None,
        bank.TooPoor,
        5,
        bank.CouponUsed,
        True,
        bank.CouponUsed,
    ]
    assert await fund(keep, ada) == 105
    await verified(keep)


# Arguments


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda: bank.pay(giver="a", receiver="b", amount="5"), "/amount"),  # type: ignore[arg-type]
        (lambda: bank.pay(giver="a", receiver="b", amount=True), "/amount"),
        (lambda: bank.pay(giver="a", receiver="b", amount=5.0), "/amount"),  # type: ignore[arg-type]
        (lambda: bank.pay(giver="a", receiver="b", amount=1.5), "/amount"),  # type: ignore[arg-type]
        (lambda: bank.pay(giver="a", receiver="b", amount=None), "/amount"),  # type: ignore[arg-type]
        (lambda: bank.pay(giver="a", receiver="b", amount=0), "/amount"),
        (lambda: bank.pay(giver="a", receiver="b", amount=-5), "/amount"),
        (lambda: bank.pay(giver="a", receiver="b", amount=2**53), "/amount"),
        (lambda: bank.pay(giver="a", receiver="b", amount=10**30), "/amount"),
        (lambda: bank.pay(giver="a", receiver="b"), "/amount"),  # type: ignore[call-arg]
        (lambda: bank.pay(giver="a", receiver="b", amount=1, tip=1), "/tip"),  # type: ignore[call-arg]
        (lambda: bank.pay(giver="", receiver="b", amount=1), "/giver"),
        (lambda: bank.pay(giver="a b", receiver="b", amount=1), "/giver"),
        (lambda: bank.pay(giver="a\n", receiver="b", amount=1), "/giver"),
        (lambda: bank.pay(giver="a" * 65, receiver="b", amount=1), "/giver"),
        (lambda: bank.pay(giver="a\ud800", receiver="b", amount=1), "/giver"),
        (lambda: bank.pay(giver="a\0", receiver="b", amount=1), "/giver"),
        (lambda: bank.pay(giver="../a", receiver="b", amount=1), "/giver"),
        (lambda: bank.walk(account="a", x=math.nan), "/x"),
        (lambda: bank.walk(account="a", x=math.inf), "/x"),
        (lambda: bank.walk(account="a", x=-math.inf), "/x"),
        (lambda: bank.walk(account="a", x="0"), "/x"),  # type: ignore[arg-type]
        (lambda: bank.open_account(nick="a\0b"), "/nick"),
        (lambda: bank.open_account(nick="a\ud800b"), "/nick"),
        (lambda: bank.open_account(nick=b"ada"), "/nick"),  # type: ignore[arg-type]
        (lambda: bank.miswrite(account="a", fault="other"), "/fault"),  # type: ignore[arg-type]
    ],
)
def test_arguments_are_refused_with_the_path_of_the_fault(make: Any, path: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        make()

    assert refused.value.code == "INVALID_ARGUMENT"
    assert refused.value.path == path
    assert refused.value.problem


@pytest.mark.parametrize("nick", ["a\0b", "a\ud800b"])
def test_the_arguments_of_a_query_are_checked_alike(nick: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        bank.whose(nick=nick)

    assert refused.value.path == "/nick"


def test_arguments_are_given_by_name_only() -> None:
    with pytest.raises(InvalidArgument):
        bank.pay("a", "b", 1)  # type: ignore[call-arg]
    with pytest.raises(InvalidArgument):
        bank.gold("a")  # type: ignore[call-arg]


def test_a_whole_number_is_a_coordinate_and_a_backslash_is_no_nul() -> None:
    assert bank.walk(account="a", x=5).arguments == bank.walk(account="a", x=5.0).arguments
    assert rb"a\\u0000b" in bank.open_account(nick=r"a\u0000b").encoded


@pytest.mark.parametrize(
    ("meta", "path", "problem"),
    [
        ({"a": {"b": math.nan}}, "/a/b", "not_finite"),
        ({"a": [1, 2**53]}, "/a/1", "number_out_of_range"),
        ({"a": "\0"}, "/a", "nul"),
        ({"a": "\ud800"}, "/a", "surrogate"),
        ({"a": {1, 2}}, "/a", "wrong_type"),
        ({1: 2}, "", "wrong_type"),
    ],
)
def test_json_arguments_pass_the_gate_when_they_come_from_python_too(meta: Any, path: str, problem: str) -> None:
    with pytest.raises(gate.InvalidJson) as refused:
        bank.set_meta(account="a", meta=meta)

    assert (refused.value.path.removeprefix("/meta"), refused.value.problem) == (path, problem)


async def test_json_comes_back_as_it_was_given(keep: Keep) -> None:
    (ada,) = await accounts(keep, "ada")
    meta = {"å": ["x", 1, 1.5, True, None, {"deep": {"é😀": -(2**53) + 1}}], "empty": {}, "1": 1e300}

    await keep.do(bank.set_meta(account=ada, meta=meta))

    found = await keep.ask(bank.profile(account=ada))
    assert found is not None
    assert found.meta == meta
    await verified(keep)


async def test_the_words_beside_a_call_are_checked(keep: Keep) -> None:
    (ada,) = await accounts(keep, "ada")
    wrong: list[dict[str, Any]] = [
        {"key": ""},
        {"key": "k" * 256},
        {"key": "a\0"},
        {"actor": ""},
        {"actor": "\ud800"},
        {"reason": "r" * 1001},
    ]

    for words in wrong:
        with pytest.raises(InvalidArgument) as refused:
            await keep.do(bank.change_nothing(account=ada), **words)
        assert refused.value.path == f"/{next(iter(words))}"


async def test_what_is_no_call_is_refused(keep: Keep) -> None:
    with pytest.raises(InvalidArgument):
        await keep.do()
    with pytest.raises(InvalidArgument):
        await keep.do(bank.pay)  # type: ignore[call-overload]
    with pytest.raises(InvalidArgument):
        await keep.do(*[bank.change_nothing(account="a")] * 101)


def test_secrets_do_not_stand_in_the_text_of_a_call_or_an_error() -> None:
    call = bank.open_account(nick="ada", pin="hunter2")
    assert "hunter2" not in f"{call!r} {call}"

    with pytest.raises(InvalidArgument) as refused:
        bank.set_pin(account="a", pin=["hunter2"])  # type: ignore[arg-type]
    assert "hunter2" not in f"{refused.value!r} {refused.value}"


# Declarations


def test_value_is_never_in_the_checkpoint_class() -> None:
    with pytest.raises(TypeError, match="value is never in the checkpoint class"):

        @command(touches=[bank.Purse], durability="checkpoint", module="nowhere")
        def pocket(ctx: Context, *, account: bank.AccountId) -> None:
            """Would be forgotten in a crash."""

    assert "nowhere.pocket" not in COMMANDS


def test_two_commands_of_one_name_are_refused() -> None:
    def pay(ctx: Context) -> None:
        """Another payment."""

    pay.__module__ = "elsewhere.bank"
    with pytest.raises(TypeError, match=r"bank\.pay is declared by tests\.kernel\.bank already"):
        command()(pay)
    assert isinstance(bank.pay, Command)


# Versions


async def test_an_expected_version_is_met_or_the_command_refused(keep: Keep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")
    version = await keep.version(ada)
    assert version == 1

    await keep.do(bank.pay(giver=ada, receiver=bob, amount=1), expect_version=version)
    with pytest.raises(VersionConflict) as refused:
        await keep.do(bank.pay(giver=ada, receiver=bob, amount=1), expect_version=version)

    assert (refused.value.expected, refused.value.current) == (1, 2)
    assert await keep.version(ada) == 2
    await keep.do(bank.pay(giver=ada, receiver=bob, amount=1), expect_version={ada: 2, bob: 2})
    with pytest.raises(VersionConflict):
        await keep.do(bank.pay(giver=ada, receiver=bob, amount=1), expect_version={ada: 3, bob: 2})
    assert await fund(keep, ada) == 98


async def test_of_many_that_expect_one_version_only_the_first_goes_through(keep: Keep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")

    answers = await asyncio.gather(
        *(keep.do(bank.pay(giver=ada, receiver=bob, amount=1), expect_version=1) for _ in range(20)), return_exceptions=True
    )

    assert [answer for answer in answers if not isinstance(answer, VersionConflict)] == [99]
    assert (await fund(keep, ada), await keep.version(ada)) == (99, 2)


async def test_calls_that_go_together_expect_the_version_from_before_all_of_them(keep: Keep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")

    pays = [bank.pay(giver=ada, receiver=bob, amount=1) for _ in range(2)]

    assert await keep.do(*pays, expect_version=1) == (99, 98)
    assert await keep.version(ada) == 2


async def test_expecting_a_version_of_an_owner_that_is_not_named_is_refused(keep: Keep) -> None:
    ada, bob = await accounts(keep, "ada", "bob")

    with pytest.raises(InvalidArgument):
        await keep.do(bank.change_nothing(account=ada), expect_version={bob: 1})
    with pytest.raises(InvalidArgument):
        await keep.do(bank.open_account(nick="cy"), expect_version=1)


async def test_a_command_that_changes_nothing_leaves_version_and_journal_alone(keep: Keep) -> None:
    (ada,) = await accounts(keep, "ada")

    await keep.do(bank.change_nothing(account=ada))
    await keep.do(bank.set_mail(account=ada, mail="ada@example.org"))

    assert await keep.version(ada) == 1
    assert await one(keep, "SELECT count(*) FROM journal WHERE owner_id = ?", ada) == 1


# What the database refuses


async def test_a_row_that_the_database_refuses_is_a_constraint_violated(keep: Keep) -> None:
    (ada,) = await accounts(keep, "ada")
    faults: list[bank.Fault] = ["negative", "huge", "immense", "text", "fraction", "missing"]

    for fault in faults:
        with pytest.raises(ConstraintViolated) as refused:
            await keep.do(bank.miswrite(account=ada, fault=fault))
        assert refused.value.constraint

    assert await keep.do(bank.change_nothing(account=ada)) == 100
    await verified(keep)


async def test_no_float_that_is_not_a_number_is_stored(keep: Keep) -> None:
    (ada,) = await accounts(keep, "ada")

    for oil in (math.nan, math.inf, -math.inf):
        with pytest.raises(ConstraintViolated):
            await keep.do(bank.light(account=ada, oil=oil))

    assert await one(keep, "SELECT count(*) FROM bank_lamps") == 0
    await verified(keep)


async def test_a_closed_keep_refuses_in_its_own_words_and_closes_twice(database_url: str) -> None:
    async with open_bank(database_url) as keep:
        (ada,) = await accounts(keep, "ada")

        await keep.close()

        with pytest.raises(StoreUnavailable):
            await keep.do(bank.change_nothing(account=ada))
        with pytest.raises(StoreUnavailable):
            await keep.ask(bank.gold(account=ada))
        with pytest.raises(GameError):
            await keep.acquire(ada)
        await keep.close()


def test_a_record_beside_another_comes_with_it() -> None:
    known, specs = dict(RECORDS), dict(SPECS)
    try:

        class Shelf(Record, table="beside_shelves"):
            """What is put somewhere."""

            account_id: Key[bank.AccountId]

        class Room(Record, table="beside_rooms", beside=Shelf):
            """How much of it fits."""

            account_id: Key[bank.AccountId]

        def tidy(ctx: Context, *, account: bank.AccountId) -> None: ...

        made: Command[Any, None] = Command(tidy, touches=[Shelf], keys=None, prepare=None, durability="commit", access="server", module="x")
        assert made.touches == {Shelf, Room}
        assert set(made.loads) == {Shelf, Room}
        with pytest.raises(TypeError, match="declared in the same file"):

            class Foreign(Record, table="beside_foreign", beside=bank.Purse):
                """Commands of the bank, which are declared already, would not know of it."""

                account_id: Key[bank.AccountId]
    finally:
        RECORDS.clear()
        RECORDS.update(known)
        SPECS.clear()
        SPECS.update(specs)

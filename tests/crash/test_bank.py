"""The bank test: 64 tasks trade among 20 characters while a reader adds everything up in one statement, again and again."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

import gamekeeper
from gamekeeper import GameError
from gamekeeper.keep import Keep
from gamekeeper.kernel.commands import Call, Command
from gamekeeper.kernel.records import Quantity
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, items, trades
from tests.crash import bank as banks
from tests.crash.raw import Raw, raw

TASKS = 60
TRADING_PAIRS = 4
CONTROL_SECONDS = 10


def conjure(
    ctx: Context, *, giver: characters.CharacterId, receiver: characters.CharacterId, item: items.ItemId, quantity: Quantity
) -> None:
    """Give without taking: the mistake that this test is there to find."""
    row = next((row for row in ctx.rows(items.Holding, receiver) if row.item_id == item and row.container == "inventory"), None)
    if row is not None:
        ctx.change(row, quantity=row.quantity + quantity)


CONJURE: Command[Any, None] = Command(
    conjure, touches=(items.Holding,), keys=None, prepare=None, durability="commit", access="operator", module="test_bank"
)
"""Made without the decorator, so that no registry learns of it."""


class Traffic:
    """What the tasks have done so far."""

    def __init__(self, seconds: float) -> None:
        self.ends_at = time.monotonic() + seconds
        self.done = 0
        self.refused: Counter[str] = Counter()
        self.trades = 0
        self.reads = 0
        self.faults: list[str] = []

    @property
    def over(self) -> bool:
        """Whether it is time to stop."""
        return time.monotonic() >= self.ends_at or bool(self.faults)


async def one_trader(keep: Keep, bank: banks.Bank, traffic: Traffic, seed: int, broken: bool) -> None:
    dice = random.Random(seed)
    while not traffic.over:
        call: Call[Any] = banks.deal(bank, dice)
        if broken and dice.random() < 0.02:
            giver, receiver = dice.sample(bank.people, 2)
            call = CONJURE(giver=giver, receiver=receiver, item="coins", quantity=1)
        try:
            await keep.do(call, actor=f"task:{seed}")
            traffic.done += 1
        except GameError as error:
            traffic.refused[error.code] += 1


async def one_pair(keep: Keep, first: str, second: str, traffic: Traffic, seed: int) -> None:
    """Trade by the trades module, all the way through both screens."""
    dice = random.Random(seed)
    while not traffic.over:
        try:
            await trade(keep, dice, first, second)
            traffic.trades += 1
        except GameError as error:
            traffic.refused[error.code] += 1
            for one in (first, second):
                await leave_trades(keep, one)
        await asyncio.sleep(0.05 if traffic.over else 3.05)  # a character may ask for a trade every 3 s


async def trade(keep: Keep, dice: random.Random, first: str, second: str) -> None:
    made = await keep.do(trades.request(initiator=first, receiver=second))
    await keep.do(trades.respond(character=second, trade=made.trade_id, accept=True))
    state = made
    for one in (first, second):
        state = await keep.do(trades.offer(character=one, trade=made.trade_id, items=await something(keep, dice, one)))
    for _ in range(2):
        await keep.do(trades.accept(character=first, trade=made.trade_id, revision=state.revision))
        state = await keep.do(trades.accept(character=second, trade=made.trade_id, revision=state.revision))
    assert state.status == "completed"


async def something(keep: Keep, dice: random.Random, character: str) -> list[trades.OfferedItem]:
    """Some of the purse, and now and then something that others are after at the same moment."""
    held = await keep.ask(items.inventory(holder=character))
    purse = [row for row in held if row.container == "pouch"]
    wanted = [row for row in held if row.container == "inventory"] if dice.random() < 0.2 else []
    return [
        trades.OfferedItem(slot=row.slot, quantity=max(1, row.quantity // 4), container="pouch" if row in purse else "inventory")
        for row in (*purse, *wanted[:1])
    ]


async def leave_trades(keep: Keep, character: str) -> None:
    for row in (await keep.ask(trades.of_character(character=character))).items:
        if row.status in ("open", "confirmed"):
            try:
                await keep.do(trades.cancel(character=character, trade=row.trade_id))
            except GameError:
                continue


async def one_auditor(database: Raw, bank: banks.Bank, traffic: Traffic) -> None:
    while not traffic.over:
        traffic.faults += banks.faults_of(await database.rows(banks.SUMS), bank.supply)
        traffic.reads += 1
        await asyncio.sleep(0.005)


async def soak(url: str, seconds: float, *, broken: bool = False) -> tuple[Traffic, list[str]]:
    """Trade for some seconds; gives what was done, and what was wrong at the end."""
    async with gamekeeper.open(url, create=True, allow_unsafe_postgres=True) as keep, raw(url) as database:
        bank = await banks.found_bank(keep)
        traffic = Traffic(seconds)
        workers: Sequence[Any] = [one_trader(keep, bank, traffic, seed, broken) for seed in range(TASKS)]
        pairs = [one_pair(keep, bank.people[i], bank.people[-1 - i], traffic, i) for i in range(TRADING_PAIRS)]
        await asyncio.gather(*workers, *pairs, one_auditor(database, bank, traffic))
        return traffic, await banks.faults_at_rest(keep, database, bank)


@pytest.mark.timeout(900)
async def test_nothing_becomes_more_or_less(database_url: str, pytestconfig: pytest.Config, record_property: Any) -> None:
    seconds = pytestconfig.getoption("soak_seconds")

    traffic, at_rest = await soak(database_url, seconds)

    record_property("deals", traffic.done)
    print(f"{traffic.done} deals, {traffic.trades} trades, {traffic.reads} audits, refused {dict(traffic.refused)}")
    assert traffic.faults == []
    assert at_rest == []
    assert traffic.done > 100 * seconds
    assert traffic.reads > 5 * seconds
    assert traffic.trades >= TRADING_PAIRS or seconds < 10
    # Only refusals that are rules of the game: nothing of the machine's.
    assert not set(traffic.refused) & {"STORE_UNAVAILABLE", "BUSY", "CONSTRAINT_VIOLATED", "VERSION_CONFLICT", "GAME_ERROR"}


async def test_the_bank_finds_a_command_that_gives_without_taking(database_url: str) -> None:
    traffic, at_rest = await soak(database_url, CONTROL_SECONDS, broken=True)

    assert any(fault.startswith("held ") for fault in traffic.faults)
    assert any(fault.startswith("coins differs by ") for fault in at_rest)
    assert any("moved" in fault for fault in at_rest)

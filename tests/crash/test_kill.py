"""Kill -9: a writer dies at random moments, and the server under it; what was acknowledged stays, and nothing is done twice.

Writers trade; or they die, bank and do quests, and then nothing is half done either.
"""

import asyncio
import os
import random
import selectors
import signal
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import apsw
import msgspec
import pytest

import gamekeeper
from gamekeeper import GameError
from gamekeeper.errors import StoreUnavailable
from gamekeeper.modules import banks as banks_module
from gamekeeper.modules import combat, quests
from tests.crash import bank as banks
from tests.crash import deeds
from tests.crash.raw import file_of, raw
from tests.forks import Forked
from tests.servers import TemporaryPostgres

SAMPLE = 5
"""How many acknowledged keys each next writer sends again."""


class Pipe:
    """What a writer has said, also after its death."""

    def __init__(self, process: Forked, out: int) -> None:
        self.process = process
        self._left = b""
        self._said: deque[str] = deque()
        self._selector = selectors.DefaultSelector()
        self._out = out
        os.set_blocking(self._out, False)
        self._selector.register(self._out, selectors.EVENT_READ)

    def lines(self, seconds: float) -> Iterator[str]:
        """The lines of the next seconds, or until the writer has closed its end."""
        ends_at = time.monotonic() + seconds
        while True:
            while self._said:  # whoever stops listening in between finds the rest the next time
                yield self._said.popleft()
            if not self._selector.select(max(0.0, ends_at - time.monotonic())):
                return
            data = os.read(self._out, 1 << 20)
            if not data:
                return
            *whole, self._left = (self._left + data).split(b"\n")
            self._said.extend(line.decode() for line in whole)


class Story:
    """What is known of every key: under way, or answered, and how."""

    def __init__(self) -> None:
        self.under_way: set[str] = set()
        self.answers: dict[str, str] = {}
        self.contradictions: list[str] = []
        self.after_commit = 0

    def hear(self, line: str) -> None:
        """Take in what a writer said."""
        sign, _, rest = line.partition(" ")
        key, _, answer = rest.partition(" ")
        if sign == ">":
            if key not in self.answers:
                self.under_way.add(key)
        elif sign == "<":
            before = self.answers.get(key)
            if before is not None and before != answer and not before.startswith("!"):
                self.contradictions.append(f"{key}: first {before}, then {answer}")
            self.under_way.discard(key)
            self.answers[key] = answer

    @property
    def done(self) -> set[str]:
        """Keys whose commands were acknowledged as done."""
        return {key for key, answer in self.answers.items() if not answer.startswith("!")}


@contextmanager
def writer(url: str, bank: banks.Bank, *words: str) -> Iterator[Pipe]:
    """A writer process, killed at the end of the block at the latest."""
    (its_in, order), (out, its_out) = os.pipe(), os.pipe()
    process = Forked("tests.crash.writer", url, *words, stdin=its_in, stdout=its_out)
    os.close(its_in)
    os.close(its_out)
    try:
        with open(order, "wb") as file:
            file.write(msgspec.json.encode(bank))
        yield Pipe(process, out)
    finally:
        process.kill()
        process.wait()
        os.close(out)


def live_and_die(url: str, bank: banks.Bank, story: Story, seed: str, dice: random.Random, *words: str) -> None:
    """One life: what was left is retried, some answered keys are sent again, and then comes the signal."""
    left = sorted(story.under_way)
    again = dice.sample(sorted(story.done), min(SAMPLE, len(story.done)))
    with writer(url, bank, *words, seed, *left, *again) as pipe:
        for line in pipe.lines(20):
            story.hear(line)
            if line.startswith("= "):
                break
        for line in pipe.lines(10.0 if "--die-after" in words else dice.uniform(0.0, 0.4)):
            story.hear(line)
        pipe.process.send_signal(signal.SIGKILL)
        for line in pipe.lines(5):
            story.hear(line)


def finish(url: str, bank: banks.Bank, story: Story, *words: str) -> None:
    """A last life without new commands, in which everything is answered."""
    with writer(url, bank, *words, "", *sorted(story.under_way)) as pipe:
        for line in pipe.lines(30):
            story.hear(line)
    assert story.under_way == set()


async def found(url: str) -> banks.Bank:
    async with gamekeeper.open(url, create=True, allow_unsafe_postgres=True) as keep:
        return await banks.found_bank(keep)


async def faults(url: str, bank: banks.Bank, story: Story) -> list[str]:
    """What is wrong after all the killing."""
    async with gamekeeper.open(url, allow_unsafe_postgres=True) as keep, raw(url) as database:
        wrong = await banks.faults_at_rest(keep, database, bank)
        times = await banks.done_per_reason(database)
        wrong += [f"acknowledged and lost: {key}" for key in sorted(story.done - set(times))]
        wrong += [f"done {count} times: {key}" for key, count in times.items() if count > 1]
        wrong += [f"refused and done: {key}" for key in times if story.answers.get(key, "").startswith("!")]
        wrong += [f"done without an answer: {key}" for key in times if key not in story.answers]
        wrong += story.contradictions
    if url.startswith("sqlite"):
        file = apsw.Connection(file_of(url), flags=apsw.SQLITE_OPEN_READWRITE)
        wrong += [f"integrity_check: {row[0]}" for row in file.execute("PRAGMA integrity_check") if row[0] != "ok"]
        file.close()
    return wrong


@pytest.mark.timeout(300)
async def test_a_killed_writer_leaves_no_death_withdrawal_or_quest_half_done(database_url: str, pytestconfig: pytest.Config) -> None:
    kills, story, dice = pytestconfig.getoption("kills_deeds"), Story(), random.Random(9)
    async with gamekeeper.open(database_url, create=True, allow_unsafe_postgres=True) as keep:
        bank = await deeds.found_deeds(keep)
    left: Counter[str] = Counter()

    for life in range(kills):
        words = ("--deeds", "--die-after", str(dice.randint(1, 60))) if life % 2 else ("--deeds",)
        live_and_die(database_url, bank, story, f"deeds{life}", dice, *words)
        left.update(deeds.named(bank, key) for key in story.under_way)
    finish(database_url, bank, story, "--deeds")

    done = Counter(deeds.named(bank, key) for key in story.done)
    print(f"{kills} kills, acknowledged {dict(done)}, left without an answer and retried {dict(left)}")
    async with gamekeeper.open(database_url, allow_unsafe_postgres=True) as keep:
        assert await deeds.half_done(keep, bank) == []
        supply = await deeds.supply_now(keep, bank)
    assert await faults(database_url, supply, story) == []
    assert left.total() >= kills
    assert all(done[name] for name in ("combat.die", "banks.withdraw", "quests.complete"))


async def test_what_is_half_done_is_found(database_url: str) -> None:
    async with gamekeeper.open(database_url, create=True, allow_unsafe_postgres=True) as keep:
        bank = await deeds.found_deeds(keep)
        who = bank.people[0]
        await keep.do(
            *(combat.die(character=who, keeps=0), banks_module.withdraw(character=who, slot=1, placeholder=True)),
            *(quests.start(character=who, quest="chore"), quests.advance(character=who, quest="chore", stage="sweep")),
            quests.complete(character=who, quest="chore"),
        )
        assert await deeds.half_done(keep, bank) == []
    async with raw(database_url) as database:
        for table in ("death_locks", "bank_placeholders", "character_skills"):
            await database.rows(f"DELETE FROM {table} WHERE character_id = ?", who)
    async with gamekeeper.open(database_url, allow_unsafe_postgres=True) as keep:
        found = await deeds.half_done(keep, bank)
    assert [fault.split(": ")[1].split(" ")[:2] for fault in found] == [["the", "open"], ["the", "bank"], ["completed", "1"]]


@pytest.mark.timeout(900)
async def test_a_killed_writer_loses_nothing_and_does_nothing_twice(database_url: str, pytestconfig: pytest.Config) -> None:
    kills = pytestconfig.getoption("kills_sqlite" if database_url.startswith("sqlite") else "kills_postgres")
    bank, story, dice = await found(database_url), Story(), random.Random(7)
    left_over = 0

    for life in range(kills):
        # Every fifth dies by its own hand: after a commit, and before it could say so.
        words = ("--die-after", str(dice.randint(1, 60))) if life % 5 == 4 else ()
        live_and_die(database_url, bank, story, f"life{life}", dice, *words)
        left_over += len(story.under_way)
    finish(database_url, bank, story)

    print(f"{kills} kills, {len(story.done)} acknowledged, {left_over} left without an answer and retried")
    assert await faults(database_url, bank, story) == []
    assert len(story.done) > 10 * kills
    assert left_over >= kills


async def test_a_retry_with_a_new_key_is_found_to_be_done_twice(database_url: str) -> None:
    bank, story, dice = await found(database_url), Story(), random.Random(8)

    twice: list[str] = []
    for life in range(10):  # what was done may be refused the second time, and then shows nothing
        live_and_die(database_url, bank, story, f"control{life}", dice, "--die-after", "20", "--fresh-keys")
        twice += [fault for fault in await faults(database_url, bank, story) if fault.startswith("done 2 times: ")]
        if twice:
            break

    assert twice


@pytest.mark.timeout(300)
async def test_a_killed_server_is_survived(pytestconfig: pytest.Config) -> None:
    kills = pytestconfig.getoption("server_kills")
    with TemporaryPostgres(fsync=True) as server:
        url = server.create_database()
        async with gamekeeper.open(url, create=True, statement_timeout_seconds=2.0) as keep, asyncio.timeout(240):
            bank, story = await banks.found_bank(keep), Story()
            over = asyncio.Event()

            async def trade(task: int) -> None:
                number = 0
                while not over.is_set():
                    number += 1
                    key = f"{task}.{number}"
                    call = banks.deal(bank, random.Random(key))
                    while key not in story.answers:
                        try:
                            answer: Any = await keep.do(call, key=key, reason=key)
                            story.answers[key] = msgspec.json.encode(answer).decode()
                        except StoreUnavailable:
                            story.after_commit += 1
                        except GameError as error:
                            story.answers[key] = f"!{error.code}"

            tasks = [asyncio.create_task(trade(task)) for task in range(16)]
            before = 0
            for _ in range(kills):
                await asyncio.sleep(random.uniform(0.5, 1.2))
                await asyncio.to_thread(server.kill_hard)
                await asyncio.sleep(random.uniform(0.0, 0.5))
                before = len(story.done)
                await asyncio.to_thread(server.restart)
            await asyncio.sleep(0.5)
            over.set()
            await asyncio.gather(*tasks)
            print(f"{kills} server kills, {len(story.done)} acknowledged, {keep.stats}, sent again {story.after_commit}")
            assert len(story.done) > before  # it works again after the last one
        assert await faults(url, bank, story) == []

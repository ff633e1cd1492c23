"""Gathering: what many ask at once is asked together, and no answer is older than its question."""

import asyncio

import pytest

from gamekeeper.errors import StoreUnavailable
from gamekeeper.kernel.gathering import AT_ONCE, FEW, Gathering
from gamekeeper.kernel.store.base import LoadRequest, LoadResult
from tests.kernel.bank import Purse


class _Slow:
    """A database that answers when it is told to, with what is there when it begins to look."""

    def __init__(self) -> None:
        self.gold: dict[str, int] = {}
        self.asked: list[list[str]] = []
        self.broken = False
        self.gate = asyncio.Event()

    async def load(self, request: LoadRequest) -> LoadResult:
        owners = request.tables[Purse]
        self.asked.append(owners)
        rows = [Purse(owner, "gold", self.gold[owner]) for owner in owners if owner in self.gold]
        await self.gate.wait()
        if self.broken:
            raise StoreUnavailable(problem="gone")
        return LoadResult(tables={Purse: rows})


async def _settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_flood_of_questions_is_a_few_round_trips_and_each_is_answered_as_things_are_when_it_is_asked() -> None:
    slow = _Slow()
    slow.gold = {f"a{n}": n for n in range(40)}
    gathering = Gathering(slow.load)
    first = [asyncio.create_task(gathering.rows(Purse, [f"a{n}"])) for n in range(AT_ONCE)]
    await _settled()

    # What is committed while those are on their way must be told to whoever asks after it.
    slow.gold |= {f"a{n}": n + 1_000 for n in range(40)}
    later = [asyncio.create_task(gathering.rows(Purse, [f"a{n}", "nobody"])) for n in range(40)]
    given_up = asyncio.create_task(gathering.rows(Purse, ["a1"]))
    await _settled()
    given_up.cancel()
    slow.gate.set()

    assert [sum(row.amount for row in (await one)[f"a{n}"]) for n, one in enumerate(first)] == list(range(AT_ONCE))
    assert [(await one) for one in later] == [{f"a{n}": [Purse(f"a{n}", "gold", n + 1_000)]} for n in range(40)]
    assert given_up.cancelled()
    assert len(slow.asked) == AT_ONCE + 1


async def test_what_goes_wrong_is_told_to_all_who_wait_and_to_nobody_after_them() -> None:
    slow = _Slow()
    slow.broken = True
    gathering = Gathering(slow.load)
    waiting = [asyncio.create_task(gathering.rows(Purse, [f"a{n}"])) for n in range(10)]
    await _settled()
    slow.gate.set()

    told = await asyncio.gather(*waiting, return_exceptions=True)

    assert all(isinstance(one, StoreUnavailable) for one in told)
    slow.broken, slow.gold = False, {"a1": 5}
    assert await gathering.rows(Purse, ["a1"]) == {"a1": [Purse("a1", "gold", 5)]}


@pytest.mark.parametrize("many", [FEW + 1, 200])
async def test_who_asks_of_many_waits_for_nobody(many: int) -> None:
    slow = _Slow()
    gathering = Gathering(slow.load)
    few = [asyncio.create_task(gathering.rows(Purse, [f"a{n}"])) for n in range(AT_ONCE + 3)]
    large = asyncio.create_task(gathering.rows(Purse, [f"b{n}" for n in range(many)]))
    await _settled()

    assert [len(owners) for owners in slow.asked] == [1] * AT_ONCE + [many]
    slow.gate.set()
    await asyncio.gather(large, *few)

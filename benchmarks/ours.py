"""Our side: what a gamekeeper contestant has to offer, and the register of them."""

import asyncio
import random
import time
from contextlib import AsyncExitStack
from typing import Any, Protocol

import gamekeeper
from gamekeeper.keep import Keep
from gamekeeper.modules import content, items, progress, titles
from gamekeeper.modules.xp.queries import ledgers_differ

from . import sheet, world
from .measure import WARM_UP_SECONDS, Refusal, drive
from .result import BenchmarkFailed, Result, summed_up

SETTINGS: dict[str, Any] = {"secret_key": "a benchmark needs no secret, but pays for one", "modules": ["benchmarks.sheet"]}


class Candidate(Protocol):
    """One workload done through one way; built without arguments, in a process of its own.

    The harness calls `setup` and `close` once before the first round, so that the data stands, and then
    `setup`, `run`, `close` in a fresh process for every round and number of tasks, always on the same database.
    """

    name: str

    async def setup(self, url: str) -> None:
        """Open the database; fill it with `benchmarks.world` if it is still empty, else leave the data alone."""

    async def run(self, tasks: int, seconds: float) -> Result:
        """Measure, best through `benchmarks.measure.drive`."""

    async def close(self) -> None:
        """Check that the work was right (W4: sums conserved, nothing negative), raise if not, and let go."""


class _Ours:
    """A keep, and the characters that a workload needs."""

    name = "gamekeeper"
    workload = ""
    settings: dict[str, Any] = {}

    async def setup(self, url: str) -> None:
        """Open the keep; make the characters if they are not there."""
        self._stack = AsyncExitStack()
        self.keep: Keep = await self._stack.enter_async_context(gamekeeper.open(url, create=True, **SETTINGS, **self.settings))
        if await self.keep.version(world.character_id(1)) is None:
            await self.fill()

    async def fill(self) -> None:
        """Make whole characters."""
        calls = [sheet.create_sheet(character=world.character_id(number)) for number in range(1, world.characters() + 1)]
        for start in range(0, len(calls), 500):
            await asyncio.gather(*(self.keep.do(call) for call in calls[start : start + 500]))

    async def run(self, tasks: int, seconds: float) -> Result:
        """Measure the operation."""
        return await drive(self.workload, self.name, tasks, seconds, self.operation)

    async def operation(self) -> object:
        """One of it."""
        raise BenchmarkFailed("no operation")

    async def close(self) -> None:
        """Let go."""
        await self._stack.aclose()


class LoadCharacter(_Ours):
    """W1: one round trip to the database; nothing comes from a cache."""

    workload = "W1"
    settings = {"cache_rows": 1}

    async def operation(self) -> object:
        """Load a whole character."""
        tables = (sheet.Sheet, sheet.SheetSkill, items.Holding, sheet.SheetEssence, sheet.SheetAbility)
        loaded = await self.keep.reader.load(any_character(), *tables)
        if loaded is None or len(loaded.rows(sheet.SheetAbility)) != 40:
            raise BenchmarkFailed("half a character")
        return loaded


class SaveCharacter(_Ours):
    """W2: a command without a lease, so committed and journaled before it is answered."""

    workload = "W2"

    async def operation(self) -> object:
        """Save one character."""
        return await self.keep.do(any_save(any_character()))


class SaveThousand(_Ours):
    """W3: a thousand leased characters that have all moved, flushed at once."""

    workload = "W3"
    settings = {"checkpoint_seconds": 3_600.0, "lease_seconds": 3_600.0}

    async def setup(self, url: str) -> None:
        """Take the leases, and let each character's rows be read once."""
        await super().setup(url)
        self.dirty = [world.character_id(number) for number in range(1, world.DIRTY + 1)]
        await self.keep.acquire(*self.dirty)
        await asyncio.gather(*(self.keep.do(any_save(character)) for character in self.dirty))

    async def run(self, tasks: int, seconds: float) -> Result:
        """Measure the flush alone: the commands before it are acknowledged from memory, as a peer's game changes its objects."""
        latencies: list[float] = []
        stop_at = time.perf_counter() + WARM_UP_SECONDS + seconds
        measure_from = stop_at - seconds
        while time.perf_counter() < stop_at:
            for character in self.dirty:
                await self.keep.do(any_save(character))
            started = time.perf_counter()
            await self.keep.flush()
            if started >= measure_from:
                latencies.append(time.perf_counter() - started)
        return summed_up(self.workload, self.name, tasks, latencies, sum(latencies) or seconds)


class Trade(_Ours):
    """W4 and W10: the real command, with movements, journal, images, hash chain and idempotency key."""

    workload = "W4"

    async def fill(self) -> None:
        """Make the items and the hot characters."""
        definitions = tuple(content.ItemDefinition(id=f"item_{n}", name=f"Item {n}", stackable=True) for n in range(world.STACKS))
        pack = content.pack_of(*definitions, id="bench", version="1", title="Bench")
        await self.keep.do(content.load_pack(pack=pack))
        for number in range(1, world.HOT + 1):
            call = sheet.create_trader(character=world.character_id(number), stacks=world.STACKS, quantity=world.QUANTITY)
            await self.keep.do(call)

    async def operation(self) -> object:
        """Swap one item for another between two hot characters."""
        trade = world.any_trade()
        call = items.swap(
            first=world.character_id(trade.left + 1),
            second=world.character_id(trade.right + 1),
            first_gives=f"item_{trade.gives}",
            first_quantity=1,
            second_gives=f"item_{trade.takes}",
            second_quantity=1,
        )
        try:
            return await self.keep.do(call, key=f"{random.getrandbits(96):x}")
        except (items.InsufficientQuantity, items.ItemNotFound, items.InventoryFull):
            raise Refusal("a rule said no") from None

    async def close(self) -> None:
        """Check that nothing was made or lost."""
        rows = [row for number in range(1, world.HOT + 1) for row in await self.keep.reader.all(items.Holding, world.character_id(number))]
        await super().close()
        total = sum(row.quantity for row in rows)
        if total != world.HOT * world.STACKS * world.QUANTITY:
            raise BenchmarkFailed(f"{total} units where {world.HOT * world.STACKS * world.QUANTITY} were made")


class AwardXp(_Ours):
    """W5: the real command, with its bonuses and their steps, the ledger's chain, titles, the board's counts and the journal."""

    workload = "W5"

    async def fill(self) -> None:
        """Make characters with two bonuses, on whatever day this is."""
        title = titles.TitleDefinition(
            id=sheet.TITLE,
            name="Steady",
            description="A year in a row.",
            system_message="You do not tire.",
            condition={"type": "STREAK_DAYS", "days": 365},
            passive_type="PERCENT_XP_BONUS",
            passive_value=1_000,
        )
        weekends = content.ConfigDefinition(id=progress.CONFIG, value={"weekend_bp": 10_000})
        await self.keep.do(content.load_pack(pack=content.pack_of(title, weekends, id="bench", version="1", title="Bench")))
        calls = [sheet.create_hero(character=world.character_id(number)) for number in range(1, world.characters() + 1)]
        for start in range(0, len(calls), 500):
            await asyncio.gather(*(self.keep.do(call) for call in calls[start : start + 500]))

    async def operation(self) -> object:
        """Award one character experience."""
        source_id = f"{random.getrandbits(96):x}"
        call = progress.award_xp(
            character=any_character(), source="QUEST_COMPLETION", source_id=source_id, base_xp=random.randrange(10, 500)
        )
        awarded = await self.keep.do(call)
        if len(awarded.steps) != 2:
            raise BenchmarkFailed(f"an award with {len(awarded.steps)} bonuses")
        return awarded

    async def close(self) -> None:
        """Check that every ledger is sound and adds up."""
        problems = await ledgers_differ(self.keep.reader.patient())
        await super().close()
        if problems:
            raise BenchmarkFailed(f"{len(problems)} ledgers are wrong, the first: {problems[0].message}")


class TradeAlone(Trade):
    """W10: the same with one caller."""

    workload = "W10"


def any_character() -> str:
    """One of all characters."""
    return world.character_id(random.randrange(world.characters()) + 1)


def any_save(character: str) -> Any:
    """New values for the fifteen fields, as the peers choose them."""
    n = random.randrange(1_000)
    return sheet.save_sheet(
        character=character,
        x=float(n),
        y=2.5,
        z=float(n % 77),
        room_id=f"room_{n % 500}",
        health=n % 100,
        mana=50,
        stamina=n % 60,
        coins=n * 3,
        level=n % 99,
        total_xp=n * 100,
        prayer_points=5,
        active_prayers='["thick_skin"]',
        quest_points=n % 300,
    )


OURS: dict[str, type[Candidate]] = {
    "W1": LoadCharacter,
    "W2": SaveCharacter,
    "W3": SaveThousand,
    "W4": Trade,
    "W5": AwardXp,
    "W10": TradeAlone,
}
"""Workload -> our contestant, for both stores; the URL given to `setup` tells which one it is."""

"""A demonstration from its first to its last word: the world is prepared, bots play in it, and the books are checked."""

import asyncio
import contextlib
import random
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from gamekeeper.kernel.ids import new_id
from gamekeeper.modules.content import NOTE, ItemDefinition, Pack, pack_of

from .api import Api, Pace, Problem, Tally
from .bots import Bot, Game, Thing
from .content import read
from .failures import ServerRefused, warn
from .local import LocalKeys
from .mossbrook import WORLD
from .terminal import is_terminal, live

SAID_EVERY_SECONDS: Final = 3.0
SHOWN_EVERY_SECONDS: Final = 0.25
PAGE: Final = 200
WORST_SHOWN: Final = 20
FAULTS: Final = ("INTERNAL_ERROR", "HTTP_")
"""How codes begin that are no rule of a game but a fault of the server."""


class Plan(Struct, frozen=True):
    """What to play, where and for how long."""

    url: str
    keys: LocalKeys
    seconds: float
    rate: float
    bots: int
    items: Path | None


class Balance(Struct, frozen=True):
    """How much of an item came, went and is there."""

    item: str
    minted: int
    burned: int
    held: int
    difference: int


class Outcome(Struct, frozen=True):
    """What was played, and whether the books of the whole world are right."""

    seconds: float
    bots: int
    commands: int
    trades: int
    done: dict[str, int]
    problems: dict[str, int]
    sent_again: int
    balances: list[Balance]
    wrong_holders: list[dict[str, Any]]
    interrupted: bool

    @property
    def conserved(self) -> bool:
        """Whether nothing was lost or duplicated."""
        return not self.wrong_holders and all(one.difference == 0 for one in self.balances)

    @property
    def faults(self) -> int:
        """How often the server failed, instead of refusing something."""
        return sum(count for code, count in self.problems.items() if code.startswith(FAULTS))


async def play(plan: Plan) -> Outcome:
    """Play a plan.

    Raises: NO_SERVER, SERVER_REFUSED; INVALID_PACK and FILE_REFUSED for its items.
    """
    api = Api(plan.url, Tally(), Pace(plan.rate))
    try:
        await api.ready()
        things = await _things(api, plan)
        world = await _world(api, plan.keys.operator)
        api.tally = Tally()  # what was prepared is not played
        game = Game(api, plan.keys.server, world, things, [], [])
        luck = random.SystemRandom().getrandbits(64)
        game.bots.extend(Bot(game, number, random.Random(luck + number)) for number in range(plan.bots))  # noqa: S311 - for play
        interrupted = await _play(game, plan.seconds)
        return await _outcome(api, plan.keys.server, len(game.bots), interrupted=interrupted)
    finally:
        await api.close()


# Before


async def _things(api: Api, plan: Plan) -> dict[str, Thing]:
    """Give what the bots play with: the items of a manifest, else all that are defined."""
    wanted = None if plan.items is None else await _load(api, plan.keys.operator, read(plan.items, "hyperscape"))
    things: dict[str, Thing] = {}
    cursor: str | None = None
    while True:
        page = await api.ask("content.item_definitions", limit=PAGE, cursor=cursor)
        for one in page["items"]:
            # What there is one of is not found by everybody, and notes come from banks.
            if not one["unique"] and one["kind"] != NOTE and (wanted is None or one["id"] in wanted):
                things[one["id"]] = Thing(one["id"], one["stackable"], one["tradeable"], one["equip_slot"] is not None)
        cursor = page["next_cursor"]
        if cursor is None:
            break
    if not things:
        raise ServerRefused(query="content.item_definitions", answer="no items are defined; load some with gamekeeper content load")
    return things


async def _load(api: Api, operator: str, pack: Pack) -> set[str]:
    """Load a pack but for what others define already, and give the ids of all of its items."""
    items = {one.id: one for one in pack.of(ItemDefinition)}
    wanted = set(items)
    while True:
        try:
            loaded = await api.do("content.load_pack", operator, pack=msgspec.to_builtins(_of(pack, items)))
        except Problem as problem:
            if problem.code != "DEFINITION_TAKEN" or items.pop(str(problem.facts.get("id")), None) is None:
                raise ServerRefused(command="content.load_pack", answer=str(problem)) from None
            warn(f"note: {problem.facts['id']} is defined by {problem.facts.get('pack')} already, and stays as it is")
        else:
            warn(f"Loaded {pack.title}: {loaded['added']} new, {loaded['changed']} changed, {loaded['unchanged']} as before.")
            return wanted


def _of(pack: Pack, items: dict[str, ItemDefinition]) -> Pack:
    """Give these items of the pack."""
    return pack_of(*items.values(), id=pack.id, version=pack.version, title=pack.title)


async def _world(api: Api, operator: str) -> str:
    """Give the world to play in: Mossbrook, else any that is open, else a new one."""
    page = await api.ask("worlds.list_worlds", limit=PAGE)
    ids = [str(one["world_id"]) for one in page["items"] if one["status"] == "open"]
    if ids:
        return WORLD if WORLD in ids else ids[0]
    try:
        made = await api.do("worlds.create_world", operator, world=new_id(), name="Playground")
    except Problem as problem:
        raise ServerRefused(command="worlds.create_world", answer=str(problem)) from None
    return str(made["world_id"])


# Meanwhile


async def _play(game: Game, seconds: float) -> bool:
    """Let the bots play for a time, or until somebody has seen enough; tell whether that was so."""
    stop = asyncio.Event()
    interrupted = False

    def enough() -> None:
        nonlocal interrupted
        interrupted = True
        stop.set()

    with contextlib.suppress(NotImplementedError):
        for one in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(one, enough)
    async with _shown(game.api.tally):
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_ring(stop, seconds))
                for bot in game.bots:
                    group.create_task(_visit(bot, stop))
        except ExceptionGroup as group_of_errors:
            # Only arriving and leaving can fail for good, or the server be gone; all bots then have one tale to tell.
            raise _first(group_of_errors) from None
    return interrupted


def _first(errors: ExceptionGroup[Exception]) -> Exception:
    one = errors.exceptions[0]
    return ServerRefused(answer=str(one)) if isinstance(one, Problem) else one


async def _ring(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
    stop.set()


async def _visit(bot: Bot, stop: asyncio.Event) -> None:
    await bot.arrive()
    await bot.play(stop)
    await bot.leave()


@contextlib.asynccontextmanager
async def _shown(tally: Tally) -> AsyncIterator[None]:
    """Tell how it goes on the standard error: as a picture on a terminal, else as a line now and then."""
    telling = asyncio.create_task(_picture(tally) if is_terminal(sys.stderr) else _lines(tally))
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


async def _lines(tally: Tally) -> None:
    while True:
        await asyncio.sleep(SAID_EVERY_SECONDS)
        warn(line_of(tally))


async def _picture(tally: Tally) -> None:
    from rich.live import Live

    with Live(console=live(sys.stderr), transient=True, auto_refresh=False) as picture:
        while True:
            picture.update(_table(tally), refresh=True)
            await asyncio.sleep(SHOWN_EVERY_SECONDS)


def _table(tally: Tally) -> Any:
    from rich.console import Group
    from rich.table import Table

    table = Table(box=None, padding=(0, 3, 0, 0))
    table.add_column("done", style="green")
    table.add_column(justify="right")
    table.add_column("refused by the rules", style="yellow")
    table.add_column(justify="right")
    done, problems = tally.done.most_common(), tally.problems.most_common()
    for row in range(max(len(done), len(problems))):
        pairs = [side[row] if row < len(side) else ("", "") for side in (done, problems)]
        table.add_row(*(f"{value:,}" if isinstance(value, int) else value for pair in pairs for value in pair))
    return Group(line_of(tally), table)


def line_of(tally: Tally) -> str:
    """Say in one line how it goes."""
    commands, refused = tally.done.total(), tally.problems.total()
    codes = ", ".join(f"{code} {count}" for code, count in tally.problems.most_common(3))
    rate = commands / max(tally.seconds, 0.001)
    said = f"{tally.seconds:.0f} s: {commands:,} commands ({rate:.0f}/s), {tally.trades:,} trades, {refused:,} refused"
    return said + (f" ({codes})" if codes else "")


# Afterwards


async def _outcome(api: Api, key: str, bots: int, *, interrupted: bool) -> Outcome:
    tally, seconds = api.tally, api.tally.seconds
    balances = await api.ask("items.conservation", key)
    wrong = await api.ask("items.balances_differ", key)
    return Outcome(
        seconds=round(seconds, 3),
        bots=bots,
        commands=tally.done.total(),
        trades=tally.trades,
        done=dict(tally.done.most_common()),
        problems=dict(tally.problems.most_common()),
        sent_again=tally.sent_again,
        balances=msgspec.convert(balances, list[Balance]),
        wrong_holders=wrong,
        interrupted=interrupted,
    )

"""A game of ordinary days on Gamekeeper: what a watch counts becomes quests, streaks, a boss and a title.

    python fitness_quests.py         watch forty days of two players, in two time zones, go by in a moment

Days are closed by a job, at each player's own midnight; here a clock that the game moves itself stands in for them.
"""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

import gamekeeper
from gamekeeper import jobs, packs
from gamekeeper.errors import GameError
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import bosses, characters, content, dailies, days, dungeons, narrative, titles, users, xp

HOUR, DAY = 3_600.0, 86_400.0
DAYS = 40
Values = dict[str, int | float | bool]
GOOD_DAY: Values = {"steps": 12_400, "workout_minutes": 45, "protein_grams": 130, "wake_on_time": True, "sleep_hours": 7.75}
LAZY_DAY: Values = {"steps": 5_300, "wake_on_time": False}
TELL = Callable[[str], None]


class Player(Struct, frozen=True):
    """Somebody with a watch."""

    keep: Keep
    id: str
    name: str
    zone: str

    async def say(self, text: str, **values: str | int) -> str:
        """What the game says, in the words of its pack."""
        return (await self.keep.ask(narrative.tell(narrative=text, values={**values, "name": self.name}))).text


async def found(keep: Keep) -> None:
    """Load the game's content; a world that has it stays as it is."""
    folder = packs.built_in("solo")
    if folder is not None:
        await keep.do(content.load_pack(pack=content.read_pack(folder)))


async def arrive(keep: Keep, name: str, zone: str, tell: TELL) -> Player:
    """Make a player who lives somewhere, and begin their first day."""
    guest = await keep.do(users.create_guest())
    await keep.do(users.set_timezone(user=guest.user_id, timezone=zone))
    made = await keep.do(characters.create(name=name, user=guest.user_id))
    player = Player(keep, made.character_id, name, zone)
    await keep.do(dailies.begin(character=player.id))
    tell(await player.say("welcome"))
    return player


async def evening(player: Player, values: Values, tell: TELL) -> None:
    """The watch tells its day, twice: what it has said before changes nothing."""
    report = dailies.report(character=player.id, source="watch", verification="VERIFIED", values=values)
    first, again = await player.keep.do(report), await player.keep.do(report)
    assert not again.completed
    for done in first.completed:
        award = done.award
        if award.level > award.level_before:
            tell(f"{player.name}: " + await player.say("level_up", level=award.level))
        for title in award.titles_earned:
            tell(f"{player.name}: " + await player.say("title_earned", title=title.replace("_", " ")))


async def night(keep: Keep, clock: ManualClock, tell: TELL) -> None:
    """Six hours at a time, the job closes the days that are over somewhere."""
    for _ in range(4):
        clock.move(DAY / 4)
        run = await jobs.run_now(keep, "close_days", asked_by="operator:example")
        if run is not None and run.facts.get("phases_judged"):
            tell("A phase of a fight was judged.")


async def delve(player: Player, clock: ManualClock, tell: TELL) -> None:
    """Go down into the cellar, and walk: what was walked before the door does not count."""
    keep, steps = player.keep, GOOD_DAY["steps"]
    await keep.do(dungeons.enter(character=player.id, dungeon="cellar_of_soles"))
    try:
        await keep.do(dungeons.enter(character=player.id, dungeon="foundry_floor"))
    except GameError as error:
        tell(f"{player.name}: {error.message}")
    clock.move(HOUR)
    await keep.do(dailies.report(character=player.id, source="watch", values={"steps": steps + 4_200}))
    cleared = await keep.do(dungeons.check(character=player.id))
    if cleared.award is not None:
        tell(await player.say("dungeon_cleared", dungeon="The Cellar of Worn Soles", xp=cleared.award.final_xp))
        tell("; ".join(f"{step.reason} {step.xp_before} -> {step.xp_after}" for step in cleared.award.steps))


async def sheet(player: Player) -> str:
    """How far somebody has come."""
    row = await player.keep.ask(xp.progress(character=player.id))
    earned = [one.title for one in await player.keep.ask(titles.of(character=player.id)) if one.earned_at is not None]
    fights = await player.keep.ask(bosses.fights(character=player.id))
    last = fights.before[0].status if fights.before else "none" if fights.now is None else "going on"
    return (
        f"{player.name} in {player.zone}: level {row.level}, {row.total_xp} points, streak {row.current_streak} (longest "
        f"{row.longest_streak}), {row.grace_tokens} grace tokens, fight {last}, titles: {', '.join(earned)}."
    )


async def play(url: str) -> list[str]:
    """Let forty days go by."""
    told: list[str] = []
    clock = ManualClock()
    async with gamekeeper.open(url, create=True, clock=clock) as keep:
        await found(keep)
        ada = await arrive(keep, "Ada", "America/New_York", told.append)
        bob = await arrive(keep, "Bob", "Asia/Kolkata", told.append)
        for number in range(DAYS):
            await evening(ada, GOOD_DAY, told.append)
            await evening(bob, LAZY_DAY if number % 3 else GOOD_DAY, told.append)
            if number == 5:
                await delve(ada, clock, told.append)
            if number == 15:
                await keep.do(bosses.begin(character=ada.id, boss="the_easy_chair"))
                told.append(await ada.say("boss_begins", boss="The Easy Chair"))
            await night(keep, clock, told.append)
        try:
            await keep.do(dailies.use_grace(character=bob.id))
        except GameError as error:
            told.append(f"Bob: {error.message}")
        told += [await sheet(ada), await sheet(bob)]
        today = days.local_day(clock.now_ms(), ada.zone)
        told.append(f"It is {today} where Ada lives; every day before it was evaluated once.")
        report = await verify(keep)
        told.append(f"{report.entries} journal entries, {len(report.problems)} problems.")
    return told


def main() -> None:
    """Let a script play in a folder that goes away."""
    with tempfile.TemporaryDirectory() as folder:
        print("\n".join(asyncio.run(play(f"sqlite:///{Path(folder) / 'days.db'}"))))


if __name__ == "__main__":
    main()

"""A world for the Studio's tests in which somebody has lived some days of the pack `solo`."""

from __future__ import annotations

from typing import Any, Final

from gamekeeper import packs
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.modules import bosses, characters, content, dailies, dungeons, evening, progress, seasons, users, xp

DAY: Final = 86_400
START: Final = 1_800_000_000_000
"""A Friday in January 2027, eight in the morning in UTC."""
DAYS: Final = 9
WALK: Final[dict[str, Any]] = {
    "steps": 12_400,
    "workout_minutes": 45,
    "protein_grams": 130,
    "wake_on_time": True,
    "sleep_hours": 7.75,
}


def spring(start: int) -> seasons.SeasonDefinition:
    """A season that is on from the day before to a day after the days that are lived."""
    return seasons.SeasonDefinition(
        id="spring_of_tests",
        name="The Spring of Tests",
        number=9,
        theme="Walking on",
        description="It was over before it was noticed.",
        starts_at=start - DAY * 1000,
        ends_at=start + (DAYS + 1) * DAY * 1000,
        rewards=(seasons.Bracket(to_rank=1, xp=500, title="even_keel"), seasons.Bracket(top_percent=50, xp=20)),
    )


async def live(keep: Keep, clock: ManualClock) -> tuple[str, str]:
    """Let Ada do nine good days and Bob few; Ada fights and has been in a dungeon."""
    read = content.read_pack(packs.FOLDER / "solo")
    solo = [one for some in read.definitions.values() for one in some if not isinstance(one, seasons.SeasonDefinition)]
    await keep.do(content.load_pack(pack=content.pack_of(*solo, spring(clock.now_ms()), id="solo", version="1.0.0", title=read.title)))
    ada, bob = [await _arrive(keep, name, zone) for name, zone in (("Ada", "Europe/Berlin"), ("Bob", "UTC"))]
    await keep.do(
        progress.award_xp(character=ada, source="BOSS_DEFEAT", source_id="boss:before", base_xp=5_000, description="an old score")
    )
    await keep.do(bosses.begin(character=ada, boss="the_easy_chair"))
    for day in range(DAYS):
        await keep.do(dailies.report(character=ada, source="watch", verification="VERIFIED", values=WALK))
        await keep.do(dailies.report(character=bob, source="watch", values={"steps": 10_000 if day % 3 else 3_000}))
        if day == 2:
            await keep.do(dungeons.enter(character=ada, dungeon="cellar_of_soles"))
            clock.move(3_600)
            await keep.do(dailies.report(character=ada, source="watch", values={"steps": 17_000}))
            await keep.do(dungeons.check(character=ada))
        clock.move(DAY - (3_600 if day == 2 else 0))
        await keep.do(evening.close_days(characters=[ada, bob]), actor="operator:job:close_days")
    await keep.do(dailies.report(character=ada, source="watch", values={"steps": 4_200}))
    await keep.do(dungeons.enter(character=ada, dungeon="foundry_floor"))
    await keep.do(xp.correct(character=bob, amount=-1_000_000, reason="<b>a fault</b> of the server"))
    return ada, bob


async def _arrive(keep: Keep, name: str, zone: str) -> str:
    guest = await keep.do(users.create_guest())
    await keep.do(users.set_timezone(user=guest.user_id, timezone=zone))
    made = await keep.do(characters.create(name=name, user=guest.user_id))
    await keep.do(dailies.begin(character=made.character_id))
    return made.character_id

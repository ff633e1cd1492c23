"""Prayer: what it costs to the last hundredth, what ends it, and what it raises."""

import random
from collections.abc import AsyncIterator
from fractions import Fraction
from typing import Any, Final

import pytest

import gamekeeper
from gamekeeper import packs
from gamekeeper.errors import RateLimited
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.commands import Call
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import characters, combat, content, items, prayer, skills, xp
from tests.modules import scene

UNHURRIED: Final[dict[str, Any]] = {"prayer_toggle_ms": 0, "prayer_toggles_per_second": 0}
"""Settings without a pace at which prayers may be begun and ended."""
LEVEL_43: Final = 50_339
"""The experience at which level 43 begins."""


def said(id: str, *groups: str, level: int = 1, drain: int = 3, conflicts: tuple[str, ...] = (), **effects: int) -> prayer.PrayerDefinition:
    """A prayer."""
    return prayer.PrayerDefinition(
        id=id, name=id.title(), level=level, drain=drain, groups=groups, conflicts=conflicts, effects=dict(effects)
    )


PACK: Final = scene.pack(
    xp.CurveDefinition(id="runescape", name="RuneScape", formula="runescape"),
    *(skills.SkillDefinition(id=id, name=id.title()) for id in ("prayer", "attack", "defense")),
    said("bark", "skin", defense=10500),
    said("stone", "skin", level=10, drain=6, defense=11000),
    said("edge", "aim", attack=10500),
    said("fury", level=40, drain=19, conflicts=("edge",), attack=11500),
    *(said(f"hum_{number}", drain=number) for number in range(5)),
    content.ItemDefinition(id="holy_robe", name="Holy robe", equip_slot="body", bonuses={"prayer": 6}),
    content.ItemDefinition(id="holy_ring", name="Holy ring", equip_slot="ring", bonuses={"prayer": 2}),
    id="prayers",
)


async def monk(keep: Keep, name: str, *, experience: int = LEVEL_43) -> str:
    """A character with a level in prayer."""
    (made,) = await scene.people(keep, name)
    if experience:
        await keep.do(skills.gain(character=made, skill="prayer", xp=experience))
    return made


@pytest.fixture
async def keep(database_url: str) -> AsyncIterator[Keep]:
    """A keep with prayers."""
    async with gamekeeper.open(database_url, create=True, allow_unsafe_postgres=True, **UNHURRIED) as keep:
        await keep.do(content.load_pack(pack=PACK))
        yield keep


async def test_a_prayer_wants_a_level_and_points_and_ends_what_it_excludes(keep: Keep) -> None:
    ada = await monk(keep, "Ada", experience=0)
    assert await keep.do(prayer.activate(character=ada, prayer="bark")) == prayer.PrayerState(100, 100, ["bark"])
    with pytest.raises(skills.SkillTooLow) as low:
        await keep.do(prayer.activate(character=ada, prayer="stone"))
    assert (low.value.facts["level"], low.value.facts["needed"]) == (1, 10)
    with pytest.raises(prayer.UnknownPrayer):
        await keep.do(prayer.activate(character=ada, prayer="nonsense"))

    # The maximum rises with the level, and the points stay.
    await keep.do(skills.gain(character=ada, skill="prayer", xp=LEVEL_43))
    sheet = await keep.ask(prayer.show(character=ada))
    assert (sheet.points, sheet.maximum, sheet.level) == (100, 4300, 43)
    state = await keep.do(prayer.activate(character=ada, prayer="stone"))
    assert state == prayer.PrayerState(100, 4300, ["stone"])
    vitals = (await keep.ask(characters.show(character=ada))).vitals
    assert [(one.current, one.maximum) for one in vitals if one.vital == "prayer"] == [(100, 4300)]

    # A conflict works from either side, whichever names the other.
    await keep.do(prayer.activate(character=ada, prayer="edge"))
    assert (await keep.do(prayer.activate(character=ada, prayer="fury"))).active == ["fury", "stone"]
    assert (await keep.do(prayer.activate(character=ada, prayer="edge"))).active == ["edge", "stone"]

    # Five at once; a sixth only in the place of another.
    for number in range(3):
        await keep.do(prayer.activate(character=ada, prayer=f"hum_{number}"))
    with pytest.raises(prayer.TooManyPrayers):
        await keep.do(prayer.activate(character=ada, prayer="hum_3"))
    five = await keep.do(prayer.activate(character=ada, prayer="bark"))
    assert five.active == ["bark", "edge", "hum_0", "hum_1", "hum_2"]
    assert (await keep.do(prayer.activate(character=ada, prayer="bark"))) == five
    assert (await keep.do(prayer.deactivate(character=ada, prayer="bark"))).active == ["edge", "hum_0", "hum_1", "hum_2"]
    assert (await keep.do(prayer.deactivate(character=ada))).active == []
    assert (await verify(keep)).ok


async def test_the_last_point_puts_everything_out_and_an_altar_gives_them_back(keep: Keep) -> None:
    ada = await monk(keep, "Ada")
    await keep.do(prayer.activate(character=ada, prayer="bark"))
    await keep.do(prayer.activate(character=ada, prayer="fury"))
    almost = await keep.do(prayer.drain(character=ada, ticks=117))
    assert (almost.drained, almost.points, almost.went_out) == (100 * 22 * 117 // 60, 10, [])
    gone = await keep.do(prayer.drain(character=ada, ticks=1_000_000))
    assert (gone.drained, gone.points, gone.went_out) == (10, 0, ["bark", "fury"])
    assert await keep.do(prayer.drain(character=ada)) == prayer.Drained(0, 0, 4300, [])
    with pytest.raises(prayer.NoPrayerPoints):
        await keep.do(prayer.activate(character=ada, prayer="bark"))

    assert (await keep.do(prayer.restore(character=ada, points=250))).points == 250
    assert (await keep.do(prayer.restore(character=ada, points=10**9))).points == 4300
    await keep.do(prayer.drain(character=ada, ticks=50))
    assert (await keep.do(prayer.restore(character=ada))).points == 4300


async def test_prayers_raise_levels_and_the_strongest_counts(keep: Keep) -> None:
    ada = await monk(keep, "Ada")
    await keep.do(skills.gain(character=ada, skill="attack", xp=13_034_431))
    assert await keep.ask(prayer.boosted(character=ada)) == []
    await keep.do(prayer.activate(character=ada, prayer="edge"))
    await keep.do(prayer.activate(character=ada, prayer="stone"))
    # floor(99 * 1.05), floor(1 * 1.1)
    assert await keep.ask(prayer.boosted(character=ada)) == [prayer.Boost("attack", 99, 103), prayer.Boost("defense", 1, 1)]


async def test_draining_is_the_formula_however_ticks_are_split_and_logging_out_heals_nothing(database_url: str) -> None:
    dice = random.Random(7)
    ticks, spent, done = 1_000, Fraction(0), 0

    async def some(keep: Keep, ada: str, until: int) -> None:
        nonlocal spent, done
        while done < until:
            part = min(dice.choice((1, 1, 1, 2, 7, 40)), until - done)
            cost = 3 + (2 if dice.random() < 0.5 else 0)
            await keep.do(
                prayer.activate(character=ada, prayer="hum_2") if cost > 3 else prayer.deactivate(character=ada, prayer="hum_2"),
                prayer.drain(character=ada, ticks=part),
            )
            spent += Fraction(100 * cost * part, 60 + 2 * 8)
            done += part

    async with gamekeeper.open(database_url, create=True, allow_unsafe_postgres=True, **UNHURRIED) as keep:
        await keep.do(content.load_pack(pack=PACK))
        ada = await monk(keep, "Ada", experience=13_034_431)
        for item in ("holy_robe", "holy_ring"):
            await keep.do(items.grant(holder=ada, item=item, quantity=1, source="test"))
            await keep.do(items.equip(character=ada, slot=0))
        assert (await keep.ask(prayer.show(character=ada))).bonus == 8
        await keep.do(prayer.activate(character=ada, prayer="bark"))
        await some(keep, ada, 200)
        # Ten short games, each from memory and left again at once; what is less than a hundredth is never given back.
        for _ in range(10):
            async with keep.lease(ada):
                await keep.do(prayer.drain(character=ada))
                spent, done = spent + Fraction(100 * (await _cost(keep, ada)), 76), done + 1
        async with keep.lease(ada):
            await some(keep, ada, 700)
        assert (await keep.ask(prayer.show(character=ada))).points == 9900 - int(spent)
    async with gamekeeper.open(database_url, allow_unsafe_postgres=True, **UNHURRIED) as keep:
        await some(keep, ada, ticks)
        assert (await keep.ask(prayer.show(character=ada))).points == 9900 - int(spent)
        assert (await verify(keep)).ok
    # Changing clothes gives back nothing of the part that is spent either.
    one = prayer.drained(3, 1, 8)
    there_and_back = prayer.drained(0, 1, 8, *prayer.drained(0, 1, 0, *one[1:])[1:])
    assert one[0] * 76 + one[1] <= 76 * (one[0] + there_and_back[0]) + there_and_back[1]


async def _cost(keep: Keep, character: str) -> int:
    active = {one.prayer_id for one in (await keep.ask(prayer.show(character=character))).active}
    return sum(one.drain for one in PACK.of(prayer.PrayerDefinition) if one.id in active)


async def test_prayers_begin_and_end_at_a_pace_of_a_tenth_of_a_second_and_five_in_a_second(timed: Keep, clock: ManualClock) -> None:
    await timed.do(content.load_pack(pack=PACK))
    ada, bob = await monk(timed, "Ada"), await monk(timed, "Bob")
    on, off = prayer.activate(character=ada, prayer="bark"), prayer.deactivate(character=ada, prayer="bark")

    async def wait(call: Call[prayer.PrayerState]) -> float:
        before = (await timed.ask(prayer.show(character=ada))).active
        with pytest.raises(RateLimited) as refused:
            await timed.do(call)
        assert (await timed.ask(prayer.show(character=ada))).active == before
        return refused.value.retry_after_seconds

    async with timed.lease(ada):  # where only memory knows of it
        await timed.do(off)  # changes nothing, and so is no toggle
        await timed.do(on)
        await timed.do(on)
        await timed.do(prayer.activate(character=bob, prayer="bark"))  # somebody else's pace
        clock.move(0.06)
        assert await wait(off) == 0.04
        clock.move(0.04)
        await timed.do(off)
    for call in (on, off, on):  # and where nobody has a lease: what was done under it counts
        clock.move(0.1)
        await timed.do(call)
    clock.move(0.1)
    assert await wait(off) == 0.5
    clock.move(0.5)
    await timed.do(off)
    # Neither what puts all prayers out nor what drains them waits.
    clock.move(0.2)
    await timed.do(on)
    await timed.do(combat.die(character=ada))
    assert (await timed.ask(prayer.show(character=ada))).active == []
    assert (await verify(timed)).ok


async def test_a_prayer_that_content_forgets_costs_nothing_and_can_be_ended(keep: Keep) -> None:
    ada = await monk(keep, "Ada")
    await keep.do(prayer.activate(character=ada, prayer="bark"))
    await keep.do(content.load_pack(pack=scene.pack(id="prayers")))
    assert (await keep.do(prayer.drain(character=ada, ticks=100))).drained == 0
    assert await keep.ask(prayer.boosted(character=ada)) == []
    assert (await keep.do(prayer.deactivate(character=ada, prayer="bark"))).active == []


async def test_the_prayers_of_the_pack_name_what_is_there(keep: Keep) -> None:
    await keep.do(content.load_pack(pack=scene.pack(id="prayers")))
    read = content.read_pack(packs.FOLDER / "runescape")
    await keep.do(content.load_pack(pack=read))
    prayers = read.of(prayer.PrayerDefinition)
    assert len(prayers) >= 12
    assert len({one.level for one in prayers}) == len(prayers)
    ada = await monk(keep, "Ada", experience=13_034_431)
    for one in prayers:
        await keep.do(prayer.deactivate(character=ada))
        assert (await keep.do(prayer.activate(character=ada, prayer=one.id))).active == [one.id]

"""Progress: what an award is worth to the last point, what follows from it, and that nothing of it happens twice."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from msgspec.structs import asdict

import gamekeeper
from gamekeeper.errors import GameError, InvalidArgument
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.commands import command
from gamekeeper.kernel.verify import verify
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, content, days, metrics, progress, seasons, titles, users, xp
from gamekeeper.modules.xp import Modifier
from tests.modules import scene
from tests.modules.solo import DAY_SECONDS, TITLES, live

SATURDAY: Final = "2027-01-16"
SEASON: Final = seasons.SeasonDefinition(
    id="thaw",
    number=1,
    name="Thaw",
    theme="Water",
    description="Ice breaks.",
    starts_at="2027-01-01T00:00:00Z",
    ends_at="2027-02-01T00:00:00Z",
    multiplier_bp=12_000,
)


def title(id: str, condition: dict[str, Any], lost_if: dict[str, Any] | None = None) -> titles.TitleDefinition:
    """A title without a passive."""
    return titles.TitleDefinition(id=id, name=id.title(), description="-", system_message="-", condition=condition, lost_if=lost_if)


LEVEL_TWO: Final = {"type": "level", "level": 2}
AT_LEVEL_TWO: Final = title("second", LEVEL_TWO, {"type": "not", "of": LEVEL_TWO})
CLIMBER: Final = title("climber", {"type": "EVENT_COUNT", "event": progress.LEVEL_UP, "count": 2})


@command(
    touches=[characters.Character, *progress.TOUCHES], prepare=xp.with_award, prepares_again=xp.PREPARES_AGAIN, module="progress_tests"
)
def clear(
    ctx: Context,
    *,
    character: characters.CharacterId,
    source: xp.Source = "DUNGEON_CLEAR",
    source_id: xp.SourceId,
    base: int,
    extra: tuple[Modifier, ...] = (),
    day: days.Day | None = None,
    zone: str = "UTC",
) -> progress.Awarded:
    """Award as a dungeon does."""
    characters.alive(ctx, character)
    if ctx.found is not None:
        return progress.Awarded(**asdict(xp.paid_before(ctx.found, source, source_id, base)))
    return progress.award(ctx, character, source, source_id, base, extra, day=day, zone=zone)


@pytest.fixture
async def keep(database_url: str, clock: ManualClock) -> AsyncIterator[Keep]:
    """A keep with titles, on a Friday."""
    async with gamekeeper.open(database_url, create=True, clock=clock, allow_unsafe_postgres=True) as keep:
        await keep.do(content.load_pack(pack=TITLES))
        yield keep


@pytest.fixture
async def ada(keep: Keep) -> str:
    """A character that belongs to nobody, and so lives by UTC."""
    (made,) = await scene.people(keep, "Ada")
    return made


async def more(keep: Keep, *definitions: content.Defined) -> None:
    """Load further definitions."""
    await keep.do(content.load_pack(pack=scene.pack(*definitions, id="more")))


def quest(character: str, source_id: str, base: int) -> Any:
    """An award for a quest."""
    return progress.award_xp(character=character, source="QUEST_COMPLETION", source_id=source_id, base_xp=base)


def worth(steps: list[xp.Step]) -> list[tuple[str, int, int]]:
    """What each step was, and what it made of the experience."""
    return [(one.type, one.multiplier_bp, one.xp_after) for one in steps]


async def test_the_ledger_shows_every_modifier_in_order_bonuses_first(keep: Keep, ada: str, clock: ManualClock) -> None:
    await more(keep, SEASON)
    await keep.do(titles.award(character=ada, title="even_keel", reason="for the test"))
    await keep.do(titles.activate(character=ada, title="even_keel"))
    await keep.do(live(character=ada, streak=14, debuff_until=clock.now_ms() + 1))
    dungeon = Modifier("DUNGEON_MULTIPLIER", 15_000, reason="rank E")

    paid = await keep.do(clear(character=ada, source_id="dungeon:1", base=101, extra=(dungeon,), day=SATURDAY))

    assert worth(paid.steps) == [
        ("STREAK_BONUS", 11_500, 116),  # 116.15
        ("WEEKEND_BONUS", 11_000, 127),  # 127.6
        ("SEASON_MULTIPLIER", 12_000, 152),  # 152.4
        ("TITLE_PASSIVE", 10_500, 159),  # 159.6
        ("DUNGEON_MULTIPLIER", 15_000, 238),  # 238.5
        ("DEBUFF_PENALTY", 9_000, 214),  # 214.2
    ]
    shown = await keep.ask(xp.breakdown(character=ada, seq=paid.seq))
    assert (shown.steps, shown.replayed, shown.hash_matches) == (paid.steps, 214, True)
    (part,) = await keep.ask(seasons.list_parts(character=ada))
    assert (part.season, part.season_xp, part.awards) == ("thaw", 214, 1)
    # A debuff lasts until its last millisecond and no longer, and a season ends.
    clock.move(0.001)
    assert (await keep.do(quest(ada, "later", 100))).final_xp == 144
    clock.move(31 * DAY_SECONDS)
    last = await keep.do(quest(ada, "last", 100))
    assert worth(last.steps) == [("STREAK_BONUS", 11_500, 115), ("TITLE_PASSIVE", 10_500, 120)]
    assert (await verify(keep)).ok


async def test_only_the_highest_streak_counts_and_a_title_halves_the_debuff(keep: Keep, ada: str, clock: ManualClock) -> None:
    for streak, paid in ((6, 1000), (7, 1100), (13, 1100), (14, 1150), (29, 1150), (30, 1250), (365, 1250)):
        await keep.do(live(character=ada, streak=streak))
        assert (await keep.do(quest(ada, f"streak {streak}", 1000))).final_xp == paid
    await keep.do(live(character=ada, streak=30, debuff_until=clock.now_ms() + 5))
    assert worth((await keep.do(quest(ada, "low", 1000))).steps)[1:] == [("DEBUFF_PENALTY", 9_000, 1125)]

    await keep.do(titles.activate(character=ada, title="cold_anvil"))

    halved = await keep.do(quest(ada, "less low", 1000))
    assert worth(halved.steps)[1:] == [("DEBUFF_PENALTY", 9_500, 1187)]
    shown = await keep.ask(progress.show(character=ada))
    assert [(one.type, one.multiplier_bp) for one in shown.modifiers] == [(one.type, one.multiplier_bp) for one in halved.steps]
    assert (shown.active_title, shown.debuff_until, shown.current_streak) == ("cold_anvil", clock.now_ms() + 5, 30)
    clock.move(1)
    assert (await keep.ask(progress.show(character=ada))).debuff_until is None


async def test_weekends_are_where_the_player_lives(keep: Keep, ada: str, clock: ManualClock) -> None:
    clock.move(4 * 3_600)  # noon in London, two in the morning of Saturday on Kiritimati
    user = (await keep.do(users.create_guest())).user_id
    await keep.do(users.set_timezone(user=user, timezone="Pacific/Kiritimati"))
    early = (await keep.do(characters.create(user=user, name="Early"))).character_id
    assert worth((await keep.do(quest(early, "a", 100))).steps) == [("WEEKEND_BONUS", 11_000, 110)]
    assert [one.type for one in (await keep.ask(progress.show(character=early))).modifiers] == ["WEEKEND_BONUS"]
    assert (await keep.do(quest(ada, "a", 100))).steps == []
    # A module says the day that an award is for, or the zone that it knows.
    assert len((await keep.do(clear(character=ada, source_id="b", base=10, zone="Pacific/Kiritimati"))).steps) == 1
    assert len((await keep.do(clear(character=ada, source_id="c", base=10, day="2027-01-17"))).steps) == 1
    assert (await keep.do(clear(character=early, source_id="d", base=10, day="2027-01-14"))).steps == []


async def test_an_award_says_what_it_has_earned_and_show_tells_how_far_the_next_level_is(keep: Keep, ada: str) -> None:
    await more(keep, AT_LEVEL_TWO)
    fresh = await keep.ask(progress.show(character=ada))
    assert (fresh.level, fresh.total_xp, fresh.percent, fresh.next_level_xp, fresh.modifiers) == (1, 0, 0, 280, [])
    assert (await keep.do(quest(ada, "a", 279))).titles_earned == ["struck_awake"]
    paid = await keep.do(quest(ada, "b", 1))
    assert (paid.level_before, paid.level, paid.titles_earned) == (1, 2, ["second"])
    shown = await keep.ask(progress.show(character=ada))
    assert (shown.level, shown.total_xp, shown.percent, shown.next_level_xp) == (2, 280, 0, 592)
    with pytest.raises(InvalidArgument):
        await keep.do(progress.award_xp(character=ada, source="MANUAL_ADJUSTMENT", source_id="c", base_xp=5))  # type: ignore[arg-type]


async def test_abuse_54_a_source_and_id_pay_once_whoever_asks_and_whatever_has_changed(keep: Keep, ada: str) -> None:
    many = await asyncio.gather(*(keep.do(quest(ada, "quest:1", 280)) for _ in range(20)))
    first = many[0]
    assert {(one.seq, one.final_xp, one.total_xp) for one in many} == {(1, 280, 280)}
    await keep.do(live(character=ada, streak=30))
    again = await keep.do(quest(ada, "quest:1", 280))
    assert (again.final_xp, again.steps, again.total_xp, again.titles_earned) == (280, first.steps, 280, [])
    with pytest.raises(xp.SourceIdReused) as refused:
        await keep.do(quest(ada, "quest:1", 281))
    assert refused.value.base_xp == 280
    assert (await keep.do(progress.award_xp(character=ada, source="BOSS_DEFEAT", source_id="quest:1", base_xp=280))).seq == 2
    assert [one.base_xp for one in (await keep.ask(xp.ledger(character=ada))).items] == [280, 280]
    assert (await verify(keep)).ok


async def test_abuse_55_a_level_that_is_taken_back_and_reached_again_rewards_nothing_twice(
    keep: Keep, ada: str, clock: ManualClock
) -> None:
    await more(keep, AT_LEVEL_TWO, CLIMBER, SEASON)
    up = await keep.do(quest(ada, "up", 300))
    assert (up.level, up.titles_earned) == (2, ["second", "struck_awake"])
    for turn in range(3):
        clock.move(60)
        assert (await keep.do(xp.correct(character=ada, amount=-300, reason="undone"))).level == 1
        # It falls below the level, loses what that level gives, and has it back in the same row.
        assert (await keep.do(quest(ada, f"low {turn}", 1))).titles_revoked == ["second"]
        assert (await keep.do(quest(ada, f"redo {turn}", 299))).titles_earned == ["second"]
    (levels,) = [one for one in await keep.ask(metrics.totals(character=ada)) if one.metric == f"event:{progress.LEVEL_UP}"]
    assert levels.total == 1
    paid = await keep.do(quest(ada, "third", 100))
    assert (paid.level, paid.titles_earned) == (3, ["climber"])
    assert (await verify(keep)).ok


async def test_abuse_56_no_modifier_and_no_sum_goes_beyond_its_bounds_and_a_refused_award_leaves_nothing(keep: Keep, ada: str) -> None:
    await more(keep, SEASON)
    await keep.do(titles.review(character=ada))
    bad: list[tuple[Modifier, ...]] = [
        (Modifier("DUNGEON_MULTIPLIER", -1),),
        (Modifier("DUNGEON_MULTIPLIER", 1_000_001),),
        (Modifier("DUNGEON_MULTIPLIER", 11_000, flat=5),),
        (Modifier("DUNGEON_MULTIPLIER", flat=2**40),),
        (Modifier("DUNGEON_MULTIPLIER", 10_001),) * 65,
    ]
    before = await keep.ask(progress.show(character=ada))
    for extra in bad:
        with pytest.raises(GameError):
            await keep.do(clear(character=ada, source_id="bad", base=10, extra=extra))
    for base in (-1, xp.MAX_XP + 1, 10**30):
        with pytest.raises(GameError):
            await keep.do(quest(ada, "bad", base))
    with pytest.raises(xp.XpOverflow):
        await keep.do(quest(ada, "bad", xp.MAX_XP))
    assert await keep.ask(progress.show(character=ada)) == before
    assert await keep.ask(seasons.list_parts(character=ada)) == []
    # In whatever order they are handed over, penalties come last; less than nothing is never paid.
    extra = (Modifier("DEBUFF_PENALTY", flat=-7), Modifier("DUNGEON_MULTIPLIER", 15_000), Modifier("DEBUFF_PENALTY", 5_000))
    for number, order in enumerate((extra, extra[::-1])):
        paid = await keep.do(clear(character=ada, source_id=f"order {number}", base=9, extra=order))
        assert [one.type for one in paid.steps] == ["SEASON_MULTIPLIER", "DUNGEON_MULTIPLIER", "DEBUFF_PENALTY", "DEBUFF_PENALTY"]
        assert paid.final_xp == (4, 0)[number]
    (part,) = await keep.ask(seasons.list_parts(character=ada))
    assert (part.season_xp, (await keep.ask(progress.show(character=ada))).total_xp) == (4, 4)


async def test_what_bonuses_are_worth_is_the_games_configuration(keep: Keep, ada: str) -> None:
    await more(keep, content.ConfigDefinition(id=progress.CONFIG, value={"streaks": [{"days": 2, "multiplier_bp": 13_000}]}))
    await keep.do(live(character=ada, streak=2))
    assert (await keep.do(quest(ada, "a", 100))).final_xp == 130
    await keep.do(content.set_config(key=progress.CONFIG, value={"debuff_bp": 5_000, "weekend_bp": 10_000}))
    assert (await keep.do(clear(character=ada, source_id="b", base=100, day=SATURDAY))).final_xp == 100
    with pytest.raises(InvalidArgument):
        await keep.do(content.set_config(key=progress.CONFIG, value=None))
    faults: list[Any] = [{"weekend_bp": 9_999}, {"streak": []}, {"debuff_bp": 0.9}, []]
    for wrong in faults:
        await keep.do(content.set_config(key=progress.CONFIG, value=wrong))
        with pytest.raises(progress.AwardRulesInvalid):
            await keep.do(quest(ada, "c", 100))
        with pytest.raises(progress.AwardRulesInvalid):
            await keep.ask(progress.show(character=ada))
    await keep.do(content.reset_config(key=progress.CONFIG))
    assert (await keep.do(quest(ada, "c", 100))).final_xp == 130

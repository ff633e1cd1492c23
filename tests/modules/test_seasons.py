"""Seasons: what counts for which, who may enter, ranks, the close that happens once, what the best win, and who is shown how."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec import structs

import gamekeeper
from gamekeeper import jobs
from gamekeeper.errors import GameError, InvalidArgument, NameTaken
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.commands import COMMANDS, command
from gamekeeper.kernel.verify import verify
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, content, moderation, seasons, titles, users, xp
from gamekeeper.modules.seasons import Bracket, Entry, SeasonDefinition
from tests.crash.faults import FAULTS, Fault, faulty, tried
from tests.modules import scene

START: Final = 1_800_000_000_000
"""Where a clock of tests stands at first."""
DAY: Final = 86_400
WHY: Final = "a bot"


@command(touches=[characters.Character, *xp.TOUCHES, *seasons.TOUCHES], access="server", module="season_tests")
def earn(ctx: Context, *, people: list[characters.CharacterId], points: list[int]) -> list[bool]:
    """Pay characters as a game's own module would, and say for whom it counted."""
    counted = []
    for one, amount in zip(people, points, strict=True):
        bonus = seasons.modifier(ctx, one)
        paid = xp.record(ctx, one, "QUEST_COMPLETION", ctx.new_id(), amount, () if bonus is None else (bonus,))
        counted.append(seasons.credit(ctx, one, paid.final_xp) is not None)
    return counted


@command(touches=[characters.Character, *xp.TOUCHES, *seasons.TOUCHES], access="server", module="season_tests")
def credit(ctx: Context, *, character: characters.CharacterId, amount: Any) -> None:
    """Count whatever code may hand over by mistake."""
    seasons.credit(ctx, character, amount)


def season(number: int, first_day: float, last_day: float, **more: Any) -> SeasonDefinition:
    """A season from one day of the test to another."""
    begins, ends = (START + int(day * DAY) * 1000 for day in (first_day, last_day))
    more = {"name": f"Season {number}", "theme": "Frost", "description": "Cold."} | more
    return SeasonDefinition(id=f"s{number}", number=number, starts_at=begins, ends_at=ends, **more)


async def load(keep: Keep, *definitions: content.Defined, version: str = "1") -> None:
    """Put seasons in force."""
    await keep.do(content.load_pack(pack=scene.pack(*definitions, version=version)))


async def closed(keep: Keep, season: str, limit: int = 200) -> seasons.Step:
    """Close a season, as the job does."""
    while (step := await keep.do(seasons.close_step(season=season, limit=limit))).more:
        pass
    return step


async def board(keep: Keep, season: str, limit: int = 100) -> list[seasons.BoardRow]:
    """A season's whole board as it is now, page by page."""
    page = await keep.ask(seasons.live(season=season, limit=limit))
    rows = page.items
    while page.next_cursor is not None:
        page = await keep.ask(seasons.live(season=season, limit=limit, cursor=page.next_cursor))
        rows = [*rows, *page.items]
    return rows


async def standing(keep: Keep, season: str, limit: int = 100) -> list[seasons.StandingRow]:
    """A season's whole standing, page by page."""
    page = await keep.ask(seasons.standing(season=season, limit=limit))
    rows = page.items
    while page.next_cursor is not None:
        page = await keep.ask(seasons.standing(season=season, limit=limit, cursor=page.next_cursor))
        rows = [*rows, *page.items]
    return rows


async def sound(keep: Keep) -> None:
    """All that is stored follows from what was done."""
    assert (await verify(keep)).problems == []


LAUREL: Final = titles.TitleDefinition(
    id="laurel",
    name="Laurel",
    description="First of all.",
    system_message="You are first.",
    condition={"type": "SPECIAL", "name": "CUSTOM", "key": "laurel"},
)
REWARDS: Final = (
    Bracket(to_rank=1, xp=500, title="laurel"),
    Bracket(from_rank=2, to_rank=3, xp=200),
    Bracket(top_percent=33, xp=10),
)


async def test_what_is_earned_counts_for_the_season_that_is_on_and_anew_in_the_next(timed: Keep, clock: ManualClock) -> None:
    await load(timed, season(1, 1, 10, multiplier_bp=12_000), season(2, 10, 20))
    (ada,) = await scene.people(timed, "Ada")
    said = [(one.season, one.status) for one in await timed.ask(seasons.list_seasons())]
    assert said == [("s1", "UPCOMING"), ("s2", "UPCOMING")]
    pays = earn(people=[ada], points=[100])

    assert await timed.do(pays) == [False], "before the first one"
    clock.move(DAY)
    assert await timed.do(pays) == [True], "from its first millisecond"
    clock.move(9 * DAY - 0.001)
    assert await timed.do(pays) == [True], "until its last"
    clock.move(0.001)
    assert await timed.do(pays) == [True], "the next one follows"

    parts = await timed.ask(seasons.list_parts(character=ada))
    assert [(one.season, one.season_xp, one.awards) for one in parts] == [("s2", 100, 1), ("s1", 240, 2)]
    assert (await timed.ask(xp.progress(character=ada))).total_xp == 440, "which seasons leave alone"
    clock.move(10 * DAY)
    assert await timed.do(pays) == [False], "after the last one"
    assert {one.status for one in await timed.ask(seasons.list_seasons())} == {"ENDED"}
    with pytest.raises(seasons.UnknownSeason):
        await timed.ask(seasons.live(season="s9"))
    await sound(timed)


async def test_a_season_is_entered_by_level_or_by_days_whichever_comes_first(timed: Keep, clock: ManualClock) -> None:
    await load(timed, season(1, 0, 90, entry=Entry(level=2, days=60), multiplier_bp=11_000))
    ada, bob = await scene.people(timed, "Ada", "Bob")

    assert await timed.do(earn(people=[ada], points=[279])) == [False], "at level 1"
    assert await timed.do(earn(people=[ada], points=[1])) == [True], "the one that brings the level counts, and has no bonus yet"
    assert await timed.do(earn(people=[ada], points=[100])) == [True]
    clock.move(60 * DAY - 1)
    assert await timed.do(earn(people=[bob], points=[10])) == [False]
    clock.move(1)
    assert await timed.do(earn(people=[bob], points=[10])) == [True]

    assert [(row.name, row.season_xp) for row in await board(timed, "s1")] == [("Ada", 111), ("Bob", 11)]
    part = await timed.ask(seasons.part(character=ada, season="s1"))
    assert part is not None
    assert (part.rank, part.participation.joined_level) == (1, 2)


async def test_ranks_and_rewards_are_what_sorting_everybody_would_give(timed: Keep, clock: ManualClock) -> None:
    await load(timed, LAUREL, season(1, 0, 30, rewards=REWARDS))
    await timed.do(seasons.start(season="s1"))
    dice = random.Random(58)
    ids = await asyncio.gather(*(timed.do(characters.create(name=f"Hero {number}")) for number in range(230)))
    points = {one.character_id: dice.choice((1, 7, 7, dice.randrange(1, 200), dice.randrange(1, 10**6))) for one in ids}
    names = list(points)
    for some in (names[:115], names[115:]):
        await timed.do(earn(people=some, points=[points[one] for one in some]))

    ranks = {one: 1 + sum(other > points[one] for other in points.values()) for one in points}
    best_first = sorted(points, key=lambda one: (points[one], one), reverse=True)
    live = await board(timed, "s1", limit=30)
    assert [(row.character_id, row.rank, row.season_xp) for row in live] == [(one, ranks[one], points[one]) for one in best_first]
    for place in (0, 3, 113, 229):
        near = await timed.ask(seasons.around(character=best_first[place], season="s1", each_side=2))
        assert [(row.character_id, row.rank) for row in near] == [(one, ranks[one]) for one in best_first[max(place - 2, 0) : place + 3]]
    foreseen = await timed.ask(seasons.preview(season="s1", limit=200))

    clock.move(30 * DAY + seasons.SETTLE_MS / 1000)
    assert await closed(timed, "s1") == seasons.Step(230, 230, more=False)
    frozen = await standing(timed, "s1", limit=70)
    assert {row.character_id: (row.rank, row.total_xp) for row in frozen} == {one: (ranks[one], points[one]) for one in points}
    assert [row.rank for row in frozen] == sorted(ranks.values())

    won = [500 if rank == 1 else 200 if rank <= 3 else 10 if rank <= 76 else 0 for rank in sorted(ranks.values())]
    assert [row.reward_xp for row in frozen] == won
    assert (foreseen.participants, foreseen.xp) == (230, sum(won))
    assert [one.winners for one in foreseen.brackets] == [won.count(500), won.count(200), won.count(10)]
    assert {row.character_id: row.rank for row in foreseen.first} == {one: ranks[one] for one in best_first[:200]}
    assert all(row.reward_title == ("laurel" if row.rank == 1 else None) for row in frozen)
    await sound(timed)


async def test_the_job_starts_and_closes_seasons_and_a_kept_copy_outlives_the_pack(timed: Keep, clock: ManualClock) -> None:
    await load(timed, season(1, 1, 10, rewards=(Bracket(xp=5),)))
    (ada,) = await scene.people(timed, "Ada")

    async def turned() -> list[tuple[str, bool]]:
        await jobs.run_now(timed, "turn_seasons", asked_by="tests")
        clock.move(1)
        return [(one.status, one.closed_at is not None) for one in await timed.ask(seasons.list_seasons())]

    assert await turned() == [("UPCOMING", False)]
    clock.move(DAY)
    await timed.do(earn(people=[ada], points=[100]))
    assert await turned() == [("ACTIVE", False)]
    await load(timed, season(1, 1, 9, rewards=(Bracket(xp=7),)), season(2, 20, 21), version="2")
    await timed.do(seasons.start(season="s1"))
    await load(timed, season(2, 20, 21), version="3")
    clock.move(8 * DAY)
    with pytest.raises(seasons.SeasonStillOn):
        await timed.do(seasons.close_step(season="s1"))
    assert await turned() == [("ENDED", False), ("UPCOMING", False)], "a slow clock may still pay into it"
    clock.move(seasons.SETTLE_MS / 1000)
    rehearsed = await jobs.rehearse(timed, jobs.job_named("turn_seasons"))
    assert rehearsed.facts == {"closed": 1, "participants": 1}
    assert await turned() == [("ENDED", True), ("UPCOMING", False)]

    part = await timed.ask(seasons.part(character=ada, season="s1"))
    assert part is not None
    assert (part.rank, part.participation.reward_xp) == (1, 7)
    assert (part.participation.end_level, part.participation.end_total_xp) == (1, 100)
    assert await timed.ask(seasons.due()) == seasons.Due([], [])
    await sound(timed)


async def test_what_excludes_itself_is_refused_and_what_clashes_is_not_started(timed: Keep, clock: ManualClock) -> None:
    for wrong, path in (
        ({"starts_at": "soon"}, "starts_at"),
        ({"starts_at": "2027-01-01T00:00:00"}, "starts_at"),
        ({"starts_at": START + 10 * DAY * 1000}, "ends_at"),
        ({"multiplier_bp": 9_999}, "multiplier_bp"),
        ({"rewards": [{"from_rank": 3, "to_rank": 2, "xp": 1}]}, "rewards/0/to_rank"),
        ({"rewards": [{"to_rank": 2, "top_percent": 10, "xp": 1}]}, "rewards/0"),
        ({"rewards": [{"to_rank": 2}]}, "rewards/0"),
    ):
        body = {"id": "s1", "number": 1, "name": "S", "theme": "T", "description": "D", "starts_at": START, "ends_at": START + 1000}
        with pytest.raises(InvalidArgument) as refused:
            await timed.do(content.load_pack(pack=content.Pack("bad", "1", "Bad", {"seasons": (body | wrong,)})))
        assert refused.value.path == f"/pack/definitions/seasons/0/{path}"
    with pytest.raises(content.ReferenceUnknown):
        await load(timed, season(1, 0, 10, rewards=REWARDS))

    twice = SeasonDefinition(
        id="again", number=1, name="A", theme="T", description="D", starts_at="2027-06-01T00:00:00Z", ends_at="2027-07-01T02:00:00+02:00"
    )
    with pytest.raises(InvalidArgument, match="season s1 has the same"):
        await load(timed, season(1, 0, 10), twice)
    await load(timed, season(1, 0, 10), season(2, 9, 20), season(3, 20, 30))
    for one, other in (("s1", "s2"), ("s2", "s1")):
        with pytest.raises(seasons.SeasonsClash) as clashed:
            await timed.do(seasons.start(season=one))
        assert clashed.value.other == other
    await timed.do(seasons.start(season="s3"))
    (ada,) = await scene.people(timed, "Ada")
    clock.move(9.5 * DAY)
    await timed.do(earn(people=[ada], points=[5]))
    assert [one.season for one in await timed.ask(seasons.list_parts(character=ada))] == ["s1"], "one season at the most, clash or not"
    await load(timed, season(5, 40, 50), structs.replace(twice, number=3), version="2")
    with pytest.raises(NameTaken):
        await timed.do(seasons.start(season="again"))


# The close, once


@pytest.fixture
async def crowd(database_url: str, clock: ManualClock) -> AsyncIterator[list[Keep]]:
    """Three keeps of one world, the last of which has a clock that is slow, and a season with six characters in it."""
    slow = ManualClock(START)
    async with AsyncExitStack() as stack:
        opened = [gamekeeper.open(database_url, clock=one, allow_unsafe_postgres=True, pool_size=3) for one in (clock, clock, slow)]
        keeps = [await stack.enter_async_context(one) for one in opened]
        await load(keeps[0], LAUREL, season(1, 0, 10, rewards=REWARDS), season(2, 10, 20))
        for number, keep in enumerate(keeps):
            await scene.people(keep, f"Nobody {number}")  # a keep learns of new content by what it writes
        await keeps[0].do(seasons.start(season="s1"))
        clock.move(10 * DAY)
        slow.move(10 * DAY - 60)
        yield keeps


async def test_abuse_58_a_score_that_races_the_close_counts_in_one_season_and_ten_closers_freeze_one_standing(crowd: list[Keep]) -> None:
    first, _, slow = crowd
    people = await scene.people(first, *(f"Hero {letter}" for letter in "abcdef"))
    await slow.do(earn(people=people, points=[10, 20, 20, 30, 40, 5]))
    counted = dict.fromkeys(people, 0)

    async def pays(keep: Keep, who: str, amount: int) -> None:
        if (await keep.do(earn(people=[who], points=[amount])))[0]:
            counted[who] += amount

    async def closes(keep: Keep) -> None:
        await keep.do(seasons.close(season="s1", reason="now"))
        await closed(keep, "s1", limit=2)

    await asyncio.gather(
        *(closes(crowd[number % 3 if number % 3 < 2 else 0]) for number in range(10)),
        *(pays(keep, who, number + 1) for number in range(3) for who in people for keep in (first, slow)),
    )
    assert await slow.do(earn(people=people, points=[7] * 6)) == [False] * 6, "nor is anything counted for what is frozen"
    frozen = {row.character_id: row for row in await standing(first, "s1")}
    assert len(frozen) == 6
    for who, begun in zip(people, (10, 20, 20, 30, 40, 5), strict=True):
        parts = {row.season: row.season_xp for row in await first.ask(seasons.list_parts(character=who))}
        assert parts["s1"] == frozen[who].total_xp, "what was frozen does not move"
        assert sum(parts.values()) == begun + counted[who], "nothing counts twice"
        assert parts["s2"] >= 6, "what was paid by a right clock is in the season that is on"
    assert [row.rank for row in frozen.values()] == sorted(row.rank for row in frozen.values())
    state = await first.ask(seasons.show(season="s1"))
    assert (state.participants, state.closed_at is not None) == (6, True)
    assert await first.do(seasons.close_step(season="s1")) == seasons.Step(6, 6, more=False)

    winner = next(row.character_id for row in frozen.values() if row.rank == 1)
    assert winner is not None
    claims = [keep.do(seasons.claim(character=winner, season="s1")) for keep in crowd for _ in range(3)]
    answers = await asyncio.gather(*claims, return_exceptions=True)
    assert [one for one in answers if not isinstance(one, GameError)] == [seasons.Claimed(1, 500, "laurel")]
    assert {type(one) for one in answers if isinstance(one, GameError)} == {seasons.SeasonRewardClaimed}
    ledger = (await first.ask(xp.ledger(character=winner))).items
    assert [row.final_xp for row in ledger if row.event_source == "SEASON_BONUS"] == [500]
    assert "s2" not in [row.season for row in await first.ask(seasons.list_parts(character=winner)) if row.season_xp >= 500]
    await sound(first)


class Impatient(ManualClock):
    """A clock that stands, while patience with a database that does not answer runs out as ever."""

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()


async def test_a_close_that_is_cut_off_at_any_step_ends_in_one_standing(database_url: str) -> None:
    """Each step fails in one way after the other, and whoever comes next goes on."""
    clock = Impatient()
    ends = dict(zip(FAULTS, range(1, 6), strict=True))
    async with faulty(database_url, clock=clock, deadline_seconds=0.05, checkpoint_seconds=3600.0) as (keep, store):
        await load(keep, *(season(number, number, number + 1, rewards=(Bracket(to_rank=3, xp=9),)) for number in ends.values()))
        people = await scene.people(keep, *(f"Hero {letter}" for letter in "abcde"))
        for number in ends.values():
            clock.move(DAY)
            await keep.do(earn(people=people, points=[3, 1, 4, 1, 5]))
            await keep.do(seasons.start(season=f"s{number}"))
        clock.move(2 * DAY)
        fired = 0
        for fault, number in ends.items():
            fired += await _cut_off(keep, store, f"s{number}", fault, people)
            assert [(row.rank, row.total_xp) for row in await standing(keep, f"s{number}")] == [(1, 5), (2, 4), (3, 3), (4, 1), (4, 1)]
            assert (await keep.ask(seasons.show(season=f"s{number}"))).participants == 5
        assert fired >= 25
        await sound(keep)


async def _cut_off(keep: Keep, store: Any, season: str, fault: Fault, people: Sequence[str]) -> int:
    fired, times = 0, 99 if fault == "unreachable" else 1
    for number in range(60):
        call = seasons.close_step(season=season, limit=2)
        answer, happened = await tried(keep, store, call, key=f"{season}/{number}", owners=people, nth=1, fault=fault, times=times)
        fired += happened
        if fault == "unreachable":  # nothing was done, and somebody else comes
            answer = await keep.do(call)
        if answer is not None and not answer.more:
            return fired
        if answer is None and (await keep.ask(seasons.show(season=season))).closed_at is not None:
            return fired
    raise AssertionError("the close does not end")


# What the best win, and who wins nothing


async def test_abuse_59_equal_scores_share_a_rank_whatever_their_ids_and_no_score_can_be_forged(timed: Keep, clock: ManualClock) -> None:
    await load(timed, season(1, 0, 10, rewards=(Bracket(to_rank=1, xp=50),)))
    await timed.do(seasons.start(season="s1"))
    (ada,) = await scene.people(timed, "Ada")
    chosen = [(await timed.do(characters.create(character=id, name=name))).character_id for id, name in (("zzzz", "Zed"), ("0000", "Nul"))]
    await timed.do(earn(people=[ada, *chosen], points=[7, 7, 6]))
    for forged in (-5, 0.5, float("nan"), "9", True, None):
        with pytest.raises(InvalidArgument):
            await timed.do(credit(character=ada, amount=forged))
    mine = [one for one in COMMANDS.values() if one.module == "seasons"]
    assert {one.verb: one.access for one in mine} == {"claim": "player"} | dict.fromkeys(
        ("start", "close", "close_step", "disqualify", "reinstate"), "operator"
    )
    given = {parameter.name for one in mine for parameter in one.parameters}
    assert given == {"character", "season", "limit", "reason"}, "nobody says a score"

    clock.move(10 * DAY)
    await timed.do(seasons.close(season="s1", reason="now"))
    await closed(timed, "s1")
    assert {row.character_id: (row.rank, row.reward_xp) for row in await standing(timed, "s1")} == {
        ada: (1, 50),
        "zzzz": (1, 50),
        "0000": (3, 0),
    }
    with pytest.raises(seasons.NoSeasonReward):
        await timed.do(seasons.claim(character="0000", season="s1"))


async def test_abuse_60_the_banned_are_paid_nothing_and_what_a_cheat_was_paid_is_taken_back(timed: Keep, clock: ManualClock) -> None:
    await load(timed, LAUREL, season(1, 0, 10, rewards=REWARDS))
    await timed.do(seasons.start(season="s1"))
    user = (await timed.do(users.create_guest())).user_id
    cheat = (await timed.do(characters.create(user=user, name="Cheat"))).character_id
    bot, ada, bob = await scene.people(timed, "Bot", "Ada", "Bob")
    await timed.do(earn(people=[cheat, bot, ada, bob], points=[900, 800, 70, 60]))

    gone = await timed.do(seasons.disqualify(character=bot, season="s1", reason=WHY))
    assert (gone.season_xp, gone.forfeited_xp) == (0, 800)
    assert await timed.do(earn(people=[bot], points=[50])) == [False]
    assert [(row.rank, row.name) for row in await board(timed, "s1")] == [(1, "Cheat"), (2, "Ada"), (3, "Bob")]
    await timed.do(seasons.disqualify(character=ada, season="s1", reason="a slip of the finger"))
    back = await timed.do(seasons.reinstate(character=ada, season="s1", reason="it was Bot"))
    assert (back.season_xp, back.forfeited_xp, back.disqualified_at) == (70, 0, None)
    with pytest.raises(seasons.SeasonNotClosed):
        await timed.do(seasons.claim(character=cheat, season="s1"))
    clock.move(10 * DAY)
    await timed.do(seasons.close(season="s1", reason="now"))
    assert await closed(timed, "s1") == seasons.Step(3, 3, more=False)

    await timed.do(moderation.ban(user=user, reason=WHY, preset="hour"), actor="operator:mod")
    with pytest.raises(users.Banned):
        await timed.do(seasons.claim(character=cheat, season="s1"))
    clock.move(3600)
    assert await timed.do(seasons.claim(character=cheat, season="s1")) == seasons.Claimed(1, 500, "laurel")
    before = (await timed.ask(xp.progress(character=cheat))).total_xp
    part = await timed.do(seasons.disqualify(character=cheat, season="s1", reason=WHY), actor="operator:mod")
    assert part.claimed_at is not None
    assert (await timed.ask(xp.progress(character=cheat))).total_xp == before - 500
    assert not [one for one in await timed.ask(titles.of(character=cheat)) if one.revoked_at is None]
    for refused, who in ((seasons.Disqualified, cheat), (seasons.Disqualified, bot), (seasons.NotInSeason, await _stranger(timed))):
        with pytest.raises(refused):
            await timed.do(seasons.claim(character=who, season="s1"))
    for why_not, who in ((seasons.SeasonRewardClaimed, cheat), (seasons.NotInSeason, bot)):
        with pytest.raises(why_not):
            await timed.do(seasons.reinstate(character=who, season="s1", reason=WHY))
    frozen = [(row.rank, row.name, row.disqualified) for row in await standing(timed, "s1")]
    assert frozen == [(1, "Cheat", True), (2, "Ada", False), (3, "Bob", False)], "what was frozen stays, and says what it was worth"
    await sound(timed)


async def _stranger(keep: Keep) -> str:
    return (await scene.people(keep, "Stranger"))[0]


async def test_whoever_wants_to_be_anonymous_is_so_on_every_page(database_url: str, clock: ManualClock) -> None:
    async with gamekeeper.open(database_url, create=True, clock=clock, allow_unsafe_postgres=True, secret_key="k" * 32) as keep:
        await load(keep, season(1, 0, 10), season(2, 10, 20))
        await keep.do(seasons.start(season="s1"))
        ada, bob, eve = await scene.people(keep, "Ada", "Bob", "Eve")
        await keep.do(earn(people=[ada, bob, eve], points=[30, 20, 10]))
        await keep.do(characters.set_setting(character=bob, name=characters.ANONYMOUS, value=True))
        await keep.do(characters.set_setting(character=eve, name=characters.ANONYMOUS, value="true"))
        hidden = characters.anonymous_name(keep.reader.keys, "season:s1", bob)

        page = await keep.ask(seasons.live(season="s1", limit=2))
        assert [(row.character_id, row.name) for row in page.items] == [(ada, "Ada"), (None, hidden)]
        assert page.next_cursor is not None
        assert bob not in str(seasons_cursor(page.next_cursor)), "nor does the way to the next page tell"
        rest = await keep.ask(seasons.live(season="s1", limit=2, cursor=page.next_cursor))
        assert [row.name for row in rest.items] == ["Eve"], "a text is not yes"
        near = await keep.ask(seasons.around(character=bob, season="s1"))
        assert [(row.character_id, row.name) for row in near] == [(ada, "Ada"), (bob, "Bob"), (eve, "Eve")], "who asks knows who it is"
        clock.move(10 * DAY)
        await keep.do(seasons.close(season="s1", reason="now"))
        await closed(keep, "s1")
        assert [(row.character_id, row.name) for row in await standing(keep, "s1", limit=1)] == [(ada, "Ada"), (None, hidden), (eve, "Eve")]
        await keep.do(characters.delete(character=ada))
        assert (await standing(keep, "s1"))[0].name is None
        assert characters.anonymous_name(keep.reader.keys, "season:s2", bob) != hidden


def seasons_cursor(cursor: str) -> bytes:
    """All that can be read out of a cursor without a key."""
    import base64  # noqa: PLC0415

    text = cursor.rpartition(":")[2]
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_")


def test_the_seasons_of_the_solo_pack_follow_each_other() -> None:
    pack = content.read_pack(Path(str(gamekeeper.__file__)).parent / "packs" / "solo")
    known = {one.id: one for one in pack.of(SeasonDefinition)}
    in_order = sorted(known.values(), key=lambda one: one.begins)
    assert [(one.number, one.multiplier_bp, one.entry) for one in in_order] == [
        (1, 10_000, Entry()),
        (2, 11_000, Entry(level=15, days=60)),
        (3, 12_000, Entry(level=25, days=120)),
    ]
    assert [one.ends for one in in_order[:-1]] == [one.begins for one in in_order[1:]]
    assert all(one.rewards and one.description for one in in_order)

"""Dungeons: gates, challenges that the server checks, deadlines, and the time in which they are shut."""

import asyncio
from typing import Any, get_args

import pytest

from gamekeeper.errors import InvalidArgument
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.modules import characters, content, dailies, dungeons, evening, users, xp
from tests.modules.scene import pack, people
from tests.modules.test_dailies import metric, quest

MINUTE, HOUR = 60.0, 3600.0
RUN = dungeons.Challenge(id="run", name="Run", condition={"metric": "steps", "op": "gte", "value": 3_000})
WIN = dungeons.Challenge(id="win", name="Win", condition={"type": "event", "event": "duel_won", "count": 2})


def dungeon(id: str = "cave", **fields: Any) -> dungeons.DungeonDefinition:
    words = {"id": id, "name": id, "difficulty": "E_RANK", "challenges": (RUN, WIN), "base_xp": 100, "duration_minutes": 90}
    return dungeons.DungeonDefinition(**{**words, **fields})


async def hero(keep: Keep, *definitions: content.Defined, level: int = 3) -> str:
    """A character of a level, in a game with these dungeons."""
    await keep.do(content.load_pack(pack=pack(metric("steps"), *definitions)))
    (ada,) = await people(keep, "Ada")
    points = xp.solo_threshold(level)
    await keep.do(xp.correct(character=ada, amount=points, reason="a test begins"))
    return ada


async def walk(keep: Keep, character: str, steps: float) -> None:
    await keep.do(dailies.report(character=character, source="watch", values={"steps": steps}))


async def test_what_was_done_before_the_entry_does_not_count_and_clearing_pays_once(timed: Keep, clock: ManualClock) -> None:
    ada = await hero(timed, dungeon())
    await walk(timed, ada, 9_000)
    await timed.do(dailies.count(character=ada, event="duel_won", times=5))
    entered = await timed.do(dungeons.enter(character=ada, dungeon="cave"))

    assert (await timed.do(dungeons.check(character=ada))).done == []
    await walk(timed, ada, 11_000)
    shown = await timed.ask(dungeons.visit(character=ada))
    assert [(one.id, one.progress, one.missing) for one in shown.challenges] == [
        ("run", 6_666, ["2,000 of 3,000 steps"]),
        ("win", 0, ["0 of 2 times duel won"]),
    ]
    await walk(timed, ada, 12_000)
    assert (await timed.do(dungeons.check(character=ada))).done == ["run"]
    await timed.do(dailies.count(character=ada, event="duel_won", times=2))
    answers = await asyncio.gather(*(timed.do(dungeons.check(character=ada)) for _ in range(5)), return_exceptions=True)

    paid = [one.award for one in answers if isinstance(one, dungeons.Checked) and one.award is not None]
    assert [(one.base_xp, one.final_xp, [step.type for step in one.steps]) for one in paid] == [(100, 150, ["DUNGEON_MULTIPLIER"])]
    (row,) = (await timed.ask(dungeons.history(character=ada))).items
    assert (row.attempt_id, row.status, row.xp_awarded) == (entered.attempt_id, "CLEARED", 150)
    assert sum(isinstance(one, dungeons.NotInDungeon) for one in answers) == 4


async def test_an_attempt_over_midnight_counts_both_days(timed: Keep, clock: ManualClock) -> None:
    ada = await hero(timed, dungeon(challenges=(RUN,), duration_minutes=300))
    clock.move(14 * HOUR)  # ten in the evening
    await walk(timed, ada, 5_000)
    await timed.do(dungeons.enter(character=ada, dungeon="cave"))
    await walk(timed, ada, 6_500)
    clock.move(3 * HOUR)
    await walk(timed, ada, 1_500)

    assert (await timed.do(dungeons.check(character=ada))).attempt.status == "CLEARED"


async def test_past_the_deadline_it_is_timed_out_and_pays_nothing_whoever_asks(timed: Keep, clock: ManualClock) -> None:
    ada = await hero(timed, dungeon(challenges=(RUN,)))
    await timed.do(dungeons.enter(character=ada, dungeon="cave"))
    await walk(timed, ada, 5_000)
    clock.move(90 * MINUTE)

    checked = await timed.do(dungeons.check(character=ada))

    assert (checked.attempt.status, checked.award, checked.attempt.xp_awarded) == ("TIMED_OUT", None, 0)
    assert (await timed.ask(xp.progress(character=ada))).total_xp == xp.solo_threshold(3)
    clock.move(24 * HOUR)
    await timed.do(dungeons.enter(character=ada, dungeon="cave"))
    clock.move(89 * MINUTE)
    assert await timed.do(dungeons.time_out(characters=[ada]), actor="operator:job") == 0
    clock.move(1 * MINUTE)
    assert [one.character_id for one in await dungeons.overdue(timed.reader, 10)] == [ada]
    assert await timed.do(dungeons.time_out(characters=[ada]), actor="operator:job") == 1
    assert await timed.do(dungeons.time_out(characters=[ada]), actor="operator:job") == 0
    assert {one.status for one in (await timed.ask(dungeons.history(character=ada))).items} == {"TIMED_OUT"}


async def test_one_at_a_time_and_shut_for_a_day_after_any_end(timed: Keep, clock: ManualClock) -> None:
    ada = await hero(timed, dungeon(), dungeon("mine"))
    tries = [timed.do(dungeons.enter(character=ada, dungeon=name)) for name in ("cave", "mine", "cave")]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, dungeons.DungeonAttempt) for one in answers) == 1
    assert sum(isinstance(one, dungeons.AlreadyInDungeon) for one in answers) == 2
    (left,) = (one.dungeon_id for one in answers if isinstance(one, dungeons.DungeonAttempt))

    assert (await timed.do(dungeons.give_up(character=ada))).status == "FAILED"

    for verb in (dungeons.give_up, dungeons.check):
        with pytest.raises(dungeons.NotInDungeon):
            await timed.do(verb(character=ada))
    with pytest.raises(dungeons.DungeonCoolingDown) as shut:
        await timed.do(dungeons.enter(character=ada, dungeon=left))
    assert shut.value.until == clock.now_ms() + 24 * HOUR * 1000
    clock.move(24 * HOUR)
    assert (await timed.do(dungeons.enter(character=ada, dungeon=left))).status == "IN_PROGRESS"


@pytest.mark.parametrize(
    ("difficulty", "gate", "bp"),
    [
        ("E_RANK", 3, 15_000),
        ("D_RANK", 6, 17_500),
        ("C_RANK", 10, 20_000),
        ("B_RANK", 15, 22_500),
        ("A_RANK", 20, 25_000),
        ("S_RANK", 25, 30_000),
    ],
)
def test_enum_dungeon_difficulty_has_gates_and_multipliers(difficulty: str, gate: int, bp: int) -> None:
    definition = dungeon(difficulty=difficulty)
    assert (definition.gate, definition.worth_bp) == (gate, bp)
    assert len(get_args(dungeons.Difficulty)) == 6
    assert (dungeon(required_level=9).gate, dungeon(multiplier_bp=12_000).worth_bp) == (9, 12_000)


async def test_gates_of_level_and_condition_are_checked_at_the_entry(timed: Keep) -> None:
    ada = await hero(
        timed, dungeon("deep", difficulty="D_RANK"), dungeon("hall", requirements={"type": "event", "event": "oath", "count": 1})
    )
    with pytest.raises(dungeons.LevelTooLow) as low:
        await timed.do(dungeons.enter(character=ada, dungeon="deep"))
    assert low.value.facts == {"level": 3, "needed": 6}
    with pytest.raises(dungeons.EntryRefused) as refused:
        await timed.do(dungeons.enter(character=ada, dungeon="hall"))
    assert refused.value.missing == ["0 of 1 times oath"]
    with pytest.raises(dungeons.DungeonNotFound):
        await timed.do(dungeons.enter(character=ada, dungeon="nowhere"))
    await timed.do(dailies.count(character=ada, event="oath"))
    assert (await timed.do(dungeons.enter(character=ada, dungeon="hall"))).status == "IN_PROGRESS"


async def test_who_enters_with_a_debuff_has_no_multiplier(timed: Keep, clock: ManualClock) -> None:
    core = [quest(f"q{n}", {"metric": "steps", "op": "gte", "value": 99_000}, is_core=True) for n in range(2)]
    ada = await hero(timed, dungeon(challenges=(RUN,), duration_minutes=3_000), *core)
    await timed.do(dailies.begin(character=ada))
    clock.move(24 * HOUR)
    await timed.do(evening.close_days(characters=[ada]), actor="operator:job")
    assert (await timed.do(dungeons.enter(character=ada, dungeon="cave"))).debuffed
    clock.move(25 * HOUR)
    await walk(timed, ada, 3_000)

    award = (await timed.do(dungeons.check(character=ada))).award

    assert award is not None
    assert [step.type for step in award.steps if step.type == "DUNGEON_MULTIPLIER"] == [], (
        "the debuff is over, but it was there at the entry"
    )


async def test_abuse_53_steps_of_a_day_that_has_begun_elsewhere_are_no_steps_in_the_dungeon(timed: Keep) -> None:
    """Who has walked in the east, enters in the west and looks again from the east has done nothing in the dungeon."""
    await hero(timed, dungeon(challenges=(RUN,), duration_minutes=3_000, required_level=1))
    user = (await timed.do(users.create_guest())).user_id
    nomad = (await timed.do(characters.create(name="Nomad", user=user))).character_id
    await timed.do(users.set_timezone(user=user, timezone="Etc/GMT+12"))
    await timed.do(dailies.begin(character=nomad))
    await timed.do(users.set_timezone(user=user, timezone="Pacific/Kiritimati"))
    await walk(timed, nomad, 9_000)
    await timed.do(users.set_timezone(user=user, timezone="Etc/GMT+12"))
    await timed.do(dungeons.enter(character=nomad, dungeon="cave"))
    await timed.do(users.set_timezone(user=user, timezone="Pacific/Kiritimati"))

    assert (await timed.do(dungeons.check(character=nomad))).done == []
    await walk(timed, nomad, 12_000)
    assert (await timed.do(dungeons.check(character=nomad))).done == ["run"]


async def test_whoever_asks_after_the_deadline_is_told_that_the_time_is_over(timed: Keep, clock: ManualClock) -> None:
    ada = await hero(timed, dungeon())
    await timed.do(dungeons.enter(character=ada, dungeon="cave"))
    clock.move(90 * MINUTE)

    async def told() -> tuple[Any, Any, list[tuple[str, int | None]]]:
        shown = await timed.ask(dungeons.visit(character=ada))
        past = (await timed.ask(dungeons.history(character=ada))).items
        return shown.attempt, shown.shut_until, [(one.status, one.completed_at) for one in past]

    before = await told()
    assert before[0] is None
    assert before[2] == [("TIMED_OUT", clock.now_ms())]
    assert await timed.do(dungeons.time_out(characters=[ada]), actor="operator:job") == 1
    assert await told() == before


async def test_who_is_in_a_dungeon_that_content_has_lost_can_leave_it(timed: Keep, clock: ManualClock) -> None:
    ada = await hero(timed, dungeon(), dungeon("mine"))
    for leave in (dungeons.give_up(character=ada), dungeons.check(character=ada)):
        await timed.do(dungeons.enter(character=ada, dungeon="cave"))
        await timed.do(content.load_pack(pack=pack(metric("steps"), dungeon("mine"))))
        with pytest.raises(dungeons.DungeonNotFound):
            await timed.do(dungeons.check(character=ada))
        clock.move((leave.command is dungeons.check) * 90 * MINUTE)
        await timed.do(leave)
        assert (await timed.do(dungeons.enter(character=ada, dungeon="mine"))).status == "IN_PROGRESS"
        await timed.do(dungeons.give_up(character=ada))
        await timed.do(content.load_pack(pack=pack(metric("steps"), dungeon(), dungeon("mine"))))
        clock.move(24 * HOUR)


async def test_a_challenge_that_is_met_by_doing_nothing_is_refused_with_its_place(keep: Keep) -> None:
    fast = dungeons.Challenge(id="fast", name="Fast", condition={"metric": "steps", "op": "lte", "value": 10})
    with pytest.raises(InvalidArgument) as refused:
        await keep.do(content.load_pack(pack=pack(metric("steps"), dungeon(challenges=(RUN, fast)))))
    assert refused.value.facts["path"] == "/pack/definitions/dungeons/0/challenges/1/condition"

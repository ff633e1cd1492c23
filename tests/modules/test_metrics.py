"""Metrics: what sources report, what counts once, the tally of closed days, and the facts that follow."""

import asyncio
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gamekeeper import packs
from gamekeeper.errors import InvalidArgument
from gamekeeper.keep import Keep
from gamekeeper.kernel.commands import Prepared, command
from gamekeeper.kernel.queries import Reader, query
from gamekeeper.kernel.verify import verify
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, content, dailies, days, items, metrics, predicates, quests, skills, xp
from gamekeeper.modules.metrics import rules
from tests.modules import scene

DAY: Final = "2026-03-10"
EARLIEST: Final = "2026-03-09"
METRICS: Final = packs.FOLDER / "solo" / "metrics.toml"


async def _rows_of_report(read: Reader, arguments: Any) -> Prepared:
    known = read.definitions(metrics.MetricDefinition)
    keys = metrics.report_keys(known, arguments.character, arguments.source, arguments.readings, arguments.workouts)
    return Prepared(keys=tuple(keys))


@command(touches=[characters.Character, *metrics.TOUCHES], prepare=_rows_of_report, module="syncing")
def sync(
    ctx: Context,
    *,
    character: characters.CharacterId,
    source: metrics.SourceName = "watch",
    verification: metrics.Verification = "VERIFIED",
    readings: metrics.Readings = [],  # noqa: B006 - a command's default is copied
    workouts: metrics.Workouts = [],  # noqa: B006
) -> metrics.Reported:
    """Report what a source has measured."""
    return metrics.report(
        ctx,
        character,
        source=source,
        verification=verification,
        readings=readings,
        workouts=workouts,
        earliest=EARLIEST,
        latest=DAY,
    )


async def _rows_of_days(read: Reader, arguments: Any) -> Prepared:
    known = read.definitions(metrics.MetricDefinition)
    return Prepared(keys=tuple(key for one in arguments.chosen for key in metrics.day_keys(known, one, arguments.day)))


@command(touches=[characters.Character, *metrics.TOUCHES], prepare=_rows_of_days, module="syncing")
def close(ctx: Context, *, chosen: list[characters.CharacterId], day: days.Day, marks: dict[str, bool] = {}) -> list[dict[str, bool]]:  # noqa: B006
    """Close a day of several characters."""
    return [metrics.close_day(ctx, one, day, marks) for one in chosen]


async def _rows_of_day(read: Reader, arguments: Any) -> Prepared:
    return Prepared(keys=tuple(metrics.day_keys(read.definitions(metrics.MetricDefinition), arguments.character, arguments.day)))


@command(touches=[characters.Character, *metrics.FACTS], prepare=_rows_of_day, module="syncing")
def judge(ctx: Context, *, character: characters.CharacterId, day: days.Day, condition: dict[str, Any]) -> predicates.Verdict:
    """Judge a condition with all that a command can know."""
    facts = metrics.Facts(ctx, character, day, {predicates.RATE: 750})
    return predicates.judge(predicates.read(condition), facts, facts.words)


@command(touches=[characters.Character], module="syncing")
def judge_blindly(ctx: Context, *, character: characters.CharacterId, day: days.Day, condition: dict[str, Any]) -> predicates.Verdict:
    """Judge a condition in a command that touches nothing of what it asks."""
    return predicates.judge(predicates.read(condition), metrics.Facts(ctx, character, day))


@query(module="syncing")
async def judged(read: Reader, *, character: characters.CharacterId, day: days.Day, condition: dict[str, Any]) -> predicates.Verdict:
    """Judge a condition in a query."""
    _, loaded = await characters.load_alive(read, character, *metrics.LOADED)
    facts = metrics.facts_of(read, loaded, await metrics.day_of(read, character, day), day, {predicates.RATE: 750})
    return predicates.judge(predicates.read(condition), facts, facts.words)


@pytest.fixture
async def world(keep: Keep) -> Keep:
    """A keep with the metrics of the solo pack, and a skill, an item and a quest."""
    await keep.do(content.load_pack(pack=content.read_pack(METRICS)))
    walk = quests.QuestDefinition(id="walk", name="A walk", stages=(quests.Stage(id="go", type="travel", location="hill"),))
    fishing = skills.SkillDefinition(id="fishing", name="Fishing", curve="short")
    short = xp.CurveDefinition(id="short", name="Short", thresholds=(0, 10, 30))
    await keep.do(content.load_pack(pack=scene.pack(*scene.ALL, walk, fishing, short)))
    return keep


def said(metric: str, value: bool | int | float, day: str = DAY) -> metrics.Reading:
    return metrics.Reading(day, metric, value)


async def values(keep: Keep, character: str, day: str = DAY) -> dict[str, int | float]:
    return {one.metric: one.value for one in (await keep.ask(metrics.show(character=character, day=day))).metrics if not one.is_mark}


OF_THE_SEED: Final = frozenset(
    (
        *("steps", "protein_grams", "sleep_hours", "workout_minutes", "workout_completed", "alcohol_free", "no_alcohol", "wake_on_time"),
        *("calories_under", "calories_over", "meals_logged", "sugar_under", "water_oz", "meditation_minutes", "days_with_steps_goal"),
    )
)


def test_the_pack_has_all_metrics_of_the_seed() -> None:
    defined = {one.id: one for one in content.read_pack(METRICS).of(metrics.MetricDefinition)}
    assert defined.keys() >= OF_THE_SEED
    assert all(one.description and one.unit for one in defined.values())


# Reports


async def test_a_report_sent_again_changes_nothing_and_each_metric_merges_as_it_says(world: Keep) -> None:
    (ada,) = await scene.people(world, "Ada")
    morning = [said("steps", 5_000), said("sleep_hours", 7.5), said("water_oz", 20), said("alcohol_free", True)]
    first = await world.do(sync(character=ada, readings=morning))
    again = await world.do(sync(character=ada, readings=morning))
    assert [(one.metric, one.value) for one in first.changed] == [
        ("alcohol_free", 1),
        ("sleep_hours", 7.5),
        ("steps", 5000),
        ("water_oz", 20),
    ]
    assert again.changed == []

    late = [said("steps", 4_000), said("sleep_hours", 6.25), said("water_oz", 30), said("alcohol_free", False)]
    await world.do(sync(character=ada, readings=late))
    assert await values(world, ada) == {"steps": 5000, "sleep_hours": 6.25, "water_oz": 30, "alcohol_free": 0}

    phone = [said("steps", 6_000), said("water_oz", 8)]
    await world.do(sync(character=ada, source="phone", verification="IMPORTED", readings=phone))
    await world.do(sync(character=ada, source="manual", verification="SELF_REPORTED", readings=[said("steps", 5_500)]))
    shown = {one.metric: one for one in (await world.ask(metrics.show(character=ada, day=DAY))).metrics}
    steps, water = shown["steps"], shown["water_oz"]
    assert (steps.value, steps.source, steps.verification) == (6000, "phone", "IMPORTED")
    assert steps.sources == {"watch": 5000, "phone": 6000, "manual": 5500}
    assert (water.value, water.verification) == (38, "IMPORTED")
    assert (await verify(world)).ok


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 20)), min_size=1, max_size=12), st.data())
def test_whatever_comes_again_in_whatever_order_a_day_is_the_same(reports: list[tuple[str, int]], data: st.DataObject) -> None:
    """Of what merges by the highest or by the sum; the values of a source are its totals so far."""
    more = data.draw(st.permutations([*reports, *data.draw(st.lists(st.sampled_from(reports), max_size=5))]))
    for merge in ("max", "sum"):
        outcomes = set()
        for sent in (reports, more):
            sources: dict[str, int] = {}
            for source, value in sent:
                sources[source] = rules.reported(merge, sources.get(source), value)
            outcomes.add(rules.merged(merge, sources, sent[-1][0]))
        best = {source: max(value for one, value in reports if one == source) for source, _ in reports}
        assert outcomes == {max(best.values()) if merge == "max" else sum(best.values())}


async def test_a_workout_counts_once_however_often_it_is_sent(world: Keep) -> None:
    """Defect of the original: workouts that were known already were added to the totals with each sync."""
    (ada,) = await scene.people(world, "Ada")
    run, swim = metrics.Workout("r-1", DAY, 30, "run"), metrics.Workout("s-1", DAY, 45, "swim")
    first = await world.do(sync(character=ada, workouts=[run]))
    assert (first.workouts_counted, first.workouts_known) == (1, 0)
    outcome = await world.do(sync(character=ada, workouts=[run, swim, run]))
    assert (outcome.workouts_counted, outcome.workouts_known) == (1, 2)
    for _ in range(3):
        again = await world.do(sync(character=ada, workouts=[swim, run], readings=[said("workout_minutes", 60)]))
        assert again.changed == []
    assert await values(world, ada) == {"workout_minutes": 75, "workouts": 2, "workout_completed": 1}

    # Another program knows them by ids of its own: the day is not twice as long for it.
    await world.do(sync(character=ada, source="phone", workouts=[metrics.Workout("x", DAY, 75)], readings=[said("workout_minutes", 80)]))
    assert await values(world, ada) == {"workout_minutes": 80, "workouts": 2, "workout_completed": 1}
    assert len((await world.ask(metrics.show(character=ada, day=DAY))).workouts) == 3


async def test_what_cannot_be_is_refused_and_nothing_of_its_report_is_taken(world: Keep) -> None:
    (ada,) = await scene.people(world, "Ada")
    fine = said("steps", 100)
    refused: list[tuple[dict[str, Any], type[Exception], dict[str, Any]]] = [
        ({"readings": [fine, said("steps", 200_001)]}, metrics.MetricOutOfRange, {"value": "200,001", "maximum": "200,000"}),
        ({"readings": [fine, said("steps", -1)]}, metrics.MetricOutOfRange, {"value": "-1"}),
        ({"readings": [fine, said("steps", 1, "2026-03-11")]}, metrics.DayNotOpen, {"day": "2026-03-11", "latest": DAY}),
        ({"readings": [fine, said("steps", 1, "2026-03-08")]}, metrics.DayNotOpen, {"day": "2026-03-08", "earliest": EARLIEST}),
        ({"readings": [fine, said("stepps", 1)]}, metrics.UnknownMetric, {"metric": "stepps"}),
        ({"readings": [fine, said("no_alcohol", True)]}, metrics.MetricIsMark, {"metric": "no_alcohol"}),
        ({"readings": [fine, said("sleep_hours", 7.1234)]}, InvalidArgument, {"path": "/readings/1/value"}),
        ({"readings": [fine, said("alcohol_free", 1)]}, InvalidArgument, {"path": "/readings/1/value"}),
        ({"readings": [fine, said("steps", True)]}, InvalidArgument, {"path": "/readings/1/value"}),
        ({"readings": [fine, said("steps", 1, "2026-02-30")]}, InvalidArgument, {"path": "/readings/1/day"}),
        ({"readings": [fine], "workouts": [metrics.Workout("w", "2026-03-08", 5)]}, metrics.DayNotOpen, {"day": "2026-03-08"}),
    ]
    for arguments, error, facts in refused:
        with pytest.raises(error) as caught:
            await world.do(sync(character=ada, **arguments))
        assert {name: getattr(caught.value, name) for name in facts} == facts
    assert await values(world, ada) == {}

    for n in range(metrics.MAX_SOURCES):
        await world.do(sync(character=ada, source=f"s{n}", readings=[fine]))
    with pytest.raises(metrics.TooManySources):
        await world.do(sync(character=ada, source="one_more", readings=[fine]))


async def test_reports_at_once_are_not_lost(world: Keep) -> None:
    (ada,) = await scene.people(world, "Ada")
    sent = [sync(character=ada, workouts=[metrics.Workout(f"w{n % 20}", DAY, 3)], readings=[said("steps", n)]) for n in range(40)]
    await asyncio.gather(*(world.do(one) for one in sent))
    assert await values(world, ada) == {"steps": 39, "workout_minutes": 60, "workouts": 20, "workout_completed": 1}


# Tallies


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(
    st.lists(st.tuples(st.integers(1, 3) | st.integers(300, 800), st.integers(0, 3)), max_size=40),
    st.integers(-20, 400),
    st.integers(1, 366),
)
def test_a_tally_says_what_counting_all_days_would(steps: list[tuple[int, int]], later: int, window: int) -> None:
    tally, day, closed = metrics.Tally(), "2020-01-01", dict[str, int]()
    for gap, value in steps:
        day = days.after(day, gap)
        closed[day] = value
        tally = metrics.with_day(tally, day, value * 1000, value > 0)
        assert metrics.with_day(tally, day, 5000, True) is tally, "no day counts twice"
    seen_from = days.after(day, later)
    # What lies more than a year before the last closed day is forgotten, which matters to who looks back from before it.
    oldest = max(days.after(day, -365), days.after(seen_from, 1 - window))
    inside = [one for one in closed if oldest <= one <= seen_from]
    assert tally.total == sum(closed.values()) * 1000
    assert tally.days == sum(value > 0 for value in closed.values())
    assert metrics.met_days(tally, seen_from, window) == sum(closed[one] > 0 for one in inside)
    assert metrics.known_days(tally, seen_from, window) == len(inside)
    row, at = 0, seen_from
    while closed.get(at, 0) > 0 and at >= days.after(day, -365):
        row, at = row + 1, days.after(at, -1)
    assert metrics.run(tally, seen_from) == row
    assert max(len(tally.recent), len(tally.known)) <= 92


async def test_closing_days_adds_what_is_known_of_them_once(world: Keep) -> None:
    ada, bob = await scene.people(world, "Ada", "Bob")
    first = [said("steps", 12_000, EARLIEST), said("alcohol_free", False, EARLIEST), said("calories", 2_000, EARLIEST)]
    second = [said("steps", 4_000), said("alcohol_free", True), said("calories", 2_000), said("meals_logged", 3)]
    await world.do(sync(character=ada, readings=first + second))
    marks = {"quest:walk": True, "perfect_days": False}

    met, nothing = await world.do(close(chosen=[ada, bob], day=EARLIEST, marks=marks))
    assert nothing == marks, "of what nobody has measured nothing is counted, and nothing has happened"
    assert met["days_with_steps_goal"]
    assert met["drinking_day"]
    assert not met["no_alcohol"]
    assert "calories_under" not in met, "no plate was written down"
    for _ in range(2):
        met, _ = await world.do(close(chosen=[ada, bob], day=DAY, marks=marks))
    assert met["calories_under"]

    shown = {one.metric: one for one in await world.ask(metrics.totals(character=ada))}
    assert (shown["steps"].total, shown["steps"].days, shown["steps"].last_day) == (16_000, 2, DAY)
    assert (shown["days_with_steps_goal"].days, shown["days_with_steps_goal"].in_a_row) == (1, 0)
    assert (shown["quest:walk"].days, shown["quest:walk"].in_a_row, shown["perfect_days"].days) == (2, 2, 0)
    assert {one.metric for one in await world.ask(metrics.totals(character=bob))} == {"quest:walk", "perfect_days"}
    assert (await verify(world)).ok


async def test_a_day_and_a_history_are_shown_page_by_page(world: Keep) -> None:
    (ada,) = await scene.people(world, "Ada")
    await world.do(sync(character=ada, readings=[said("steps", 12_000, EARLIEST), said("steps", 500), said("sleep_hours", 8)]))
    view = await world.ask(metrics.show(character=ada, day=EARLIEST))
    assert [(one.metric, one.value, one.is_mark) for one in view.metrics] == [("days_with_steps_goal", 1, True), ("steps", 12_000, False)]
    page = await world.ask(metrics.history(character=ada, metric="steps", limit=1))
    rest = await world.ask(metrics.history(character=ada, metric="steps", limit=1, cursor=page.next_cursor))
    assert [(one.day, one.value) for one in page.items + rest.items] == [(DAY, 500), (EARLIEST, 12_000)]
    assert rest.next_cursor is None
    assert (await world.ask(metrics.history(character=ada, metric="stepps"))).items == []
    with pytest.raises(InvalidArgument):
        await world.ask(metrics.show(character=ada, day="2026-02-30"))


# Facts


async def test_a_command_and_a_query_know_the_same_of_a_day(world: Keep) -> None:
    (ada,) = await scene.people(world, "Ada")
    readings = [said("steps", 12_000, EARLIEST), said("steps", 2_300), said("alcohol_free", False), said("sleep_hours", 7.5)]
    await world.do(sync(character=ada, readings=readings))
    await world.do(close(chosen=[ada], day=EARLIEST, marks={"quest:walk": True, "perfect_days": True}))
    for event in (metrics.QUEST_COMPLETED, metrics.DUNGEON_CLEARED, "found_the_door"):
        assert (await world.do(dailies.count(character=ada, event=event, times=2))).count == 2
    await world.do(skills.gain(character=ada, skill="fishing", xp=15))
    await world.do(items.grant(holder=ada, item="arrow", quantity=3, source="test"))
    await world.do(quests.start(character=ada, quest="walk"))
    await world.do(quests.progress(character=ada, type="travel", target="hill"))
    await world.do(quests.complete(character=ada, quest="walk"))

    conditions: list[tuple[Any, bool, bool, list[str]]] = [
        ({"metric": "steps", "op": ">=", "value": 10_000}, False, True, ["2,300 of 10,000 steps"]),
        ({"metric": "sleep_hours", "op": ">=", "value": 7.5}, True, True, ["7.5 of 7.5 hours of sleep"]),
        ({"metric": "drinking_day", "value": True}, True, True, ["days with alcohol: done"]),
        ({"metric": "calories", "op": "<=", "value": 2_200}, False, False, ["at most 2,200 kilocalories: not known"]),
        ({"metric": "wake_on_time", "expected": False}, False, False, ["not getting up in time: not known"]),
        ({"type": "cumulative", "metric": "steps", "count": 12_000}, True, True, ["12,000 of 12,000 steps in all"]),
        ({"type": "window", "metric": "days_with_steps_goal", "count": 1, "days": 2}, True, True, []),
        ({"type": "window", "metric": "days_with_steps_goal", "count": 2, "days": 2}, False, False, []),
        (
            {"type": "window", "metric": "days_with_sleep_goal", "count": 1, "days": 2},
            False,
            False,
            ["1 day within 2: days after enough sleep: not known"],
        ),
        ({"type": "cumulative", "metric": "quest:walk", "count": 2}, False, True, ["1 of 2 walk in all"]),
        ({"type": "EVENT_COUNT", "event": "dungeon_cleared", "count": 3}, False, True, ["2 of 3 times dungeon cleared"]),
        ({"dungeonClears": 2, "perfectDays": 1, "dailyCompletionRate": 0.75}, True, True, []),
        ({"type": "level", "level": 1}, True, True, ["1 of 1 levels"]),
        ({"type": "level", "level": 3, "skill": "fishing"}, False, True, ["2 of 3 levels of fishing"]),
        ({"type": "streak", "days": 1}, False, True, ["0 of 1 day in a row"]),
        ({"type": "quest", "quest": "walk"}, True, True, ["quest walk: done"]),
        ({"type": "item", "item": "arrow", "quantity": 4}, False, True, ["3 of 4 arrow"]),
        ({"type": "ACCOUNT_CREATION"}, True, True, []),
        ({"type": "FIRST_QUEST"}, True, True, []),
        ({"type": "custom", "key": "found_the_door"}, True, True, []),
        ({"type": "custom", "key": "found_the_key"}, False, True, []),
    ]
    for condition, met, known, lines in conditions:
        verdict = await world.do(judge(character=ada, day=DAY, condition=condition))
        assert (verdict.met, verdict.known) == (met, known), condition
        assert not lines or predicates.explain(verdict) == lines
        assert await world.ask(judged(character=ada, day=DAY, condition=condition)) == verdict
        if condition.get("type") != "ACCOUNT_CREATION":
            assert not (await world.do(judge_blindly(character=ada, day=DAY, condition=condition))).known


async def test_a_pack_with_marks_that_need_each_other_is_refused(keep: Keep, tmp_path: Path) -> None:
    (tmp_path / "pack.toml").write_text('id = "odd"\nversion = "1"\ntitle = "Odd"\n')
    (tmp_path / "metrics.toml").write_text(
        '[metrics.a]\nname = "A"\ntype = "boolean"\nmet = { metric = "b", value = true }\n'
        '[metrics.b]\nname = "B"\ntype = "boolean"\nmet = { metric = "a", value = true }\n'
    )
    with pytest.raises(content.InvalidPack, match="can never begin"):
        content.read_pack(tmp_path)


async def test_what_was_reported_stays_when_its_definition_goes(world: Keep) -> None:
    (ada,) = await scene.people(world, "Ada")
    await world.do(sync(character=ada, readings=[said("distance_km", 5.25)]))
    await world.do(close(chosen=[ada], day=DAY))
    solo = content.read_pack(METRICS)
    left = [one for kind in solo.definitions.values() for one in kind if one.id != "distance_km"]
    await world.do(content.load_pack(pack=content.pack_of(*left, id="metrics", version="2", title="Less")))
    assert await values(world, ada) == {"distance_km": 5.25}
    condition = {"type": "cumulative", "metric": "distance_km", "count": 5}
    assert not (await world.ask(judged(character=ada, day=DAY, condition=condition))).known
    assert (await world.ask(metrics.history(character=ada, metric="distance_km"))).items[0].name == "distance_km"

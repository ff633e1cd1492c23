"""Predicates: every dialect, one normal form, refusals by path, and judging that never takes the unknown for something."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from gamekeeper.errors import InvalidArgument
from gamekeeper.keep import Keep
from gamekeeper.modules import content, metrics, predicates

STEPS = {"type": "numeric", "metric": "steps", "op": "gte", "value": 10000}
DRY = {"type": "boolean", "metric": "alcohol_free", "value": True}

DIALECTS: list[tuple[str, Any, dict[str, Any]]] = [
    ("numeric as the seed writes it", {"type": "numeric", "metric": "steps", "op": ">=", "value": 10000}, STEPS),
    ("numeric without a type, for nutrition", {"metric": "steps", "operator": "gte", "value": 10000}, STEPS),
    (
        "numeric as the implementation writes it",
        {"type": "numeric", "metric": "steps", "operator": "gte", "value": 10000.0, "unit": "steps"},
        STEPS,
    ),
    (
        "numeric with decimals",
        {"metric": "sleep_hours", "op": "<", "value": 7.5},
        STEPS | {"metric": "sleep_hours", "op": "lt", "value": 7.5},
    ),
    ("numeric exactly", {"metric": "steps", "op": "==", "value": 0}, STEPS | {"op": "eq", "value": 0}),
    ("numeric anything but", {"metric": "steps", "op": "!=", "value": 3}, STEPS | {"op": "ne", "value": 3}),
    ("boolean as the seed writes it", {"type": "boolean", "metric": "alcohol_free", "value": True}, DRY),
    ("boolean as the implementation writes it", {"type": "boolean", "metric": "alcohol_free", "expected": True}, DRY),
    ("boolean without a type", {"metric": "alcohol_free", "expected": False}, DRY | {"value": False}),
    (
        "compound as the seed writes it",
        {"type": "compound", "logic": "AND", "requirements": [STEPS, DRY]},
        {"type": "compound", "logic": "and", "of": [STEPS, DRY]},
    ),
    (
        "compound as the implementation writes it",
        {"type": "compound", "operator": "or", "requirements": [STEPS, DRY]},
        {"type": "compound", "logic": "or", "of": [STEPS, DRY]},
    ),
    ("a contrary as a logic", {"type": "compound", "logic": "not", "requirements": [DRY]}, {"type": "not", "of": DRY}),
    ("all and any as types", {"type": "any", "of": [STEPS]}, {"type": "compound", "logic": "or", "of": [STEPS]}),
    ("title STREAK_DAYS", {"type": "STREAK_DAYS", "days": 14}, {"type": "streak", "days": 14}),
    (
        "title CUMULATIVE_COUNT",
        {"type": "CUMULATIVE_COUNT", "metric": "days_with_steps_goal", "count": 60},
        {"type": "cumulative", "metric": "days_with_steps_goal", "count": 60},
    ),
    (
        "title TIME_WINDOW",
        {"type": "TIME_WINDOW", "metric": "steps", "count": 5, "windowDays": 7},
        {"type": "window", "metric": "steps", "count": 5, "days": 7},
    ),
    (
        "title EVENT_COUNT",
        {"type": "EVENT_COUNT", "event": "BOSS_DEFEATED", "count": 3},
        {"type": "event", "event": "boss_defeated", "count": 3},
    ),
    (
        "title COMPOUND",
        {"type": "COMPOUND", "operator": "and", "conditions": [{"type": "STREAK_DAYS", "days": 7}, DRY]},
        {"type": "compound", "logic": "and", "of": [{"type": "streak", "days": 7}, DRY]},
    ),
    ("title SPECIAL", {"type": "SPECIAL", "name": "ACCOUNT_CREATION"}, {"type": "special", "name": "ACCOUNT_CREATION"}),
    ("title SPECIAL by its own name", {"type": "FIRST_QUEST"}, {"type": "special", "name": "FIRST_QUEST"}),
    (
        "title SPECIAL CUSTOM",
        {"type": "SPECIAL", "name": "CUSTOM", "key": "found_the_door"},
        {"type": "special", "name": "CUSTOM", "key": "found_the_door"},
    ),
    (
        "a title's type and config in two columns",
        {"conditionType": "STREAK_DAYS", "conditionConfig": {"days": 30}},
        {"type": "streak", "days": 30},
    ),
    (
        "a title's special type and config in two columns",
        {"condition_type": "SPECIAL", "condition_config": {"type": "ACCOUNT_CREATION"}},
        {"type": "special", "name": "ACCOUNT_CREATION"},
    ),
    (
        "a compound title in two columns",
        {"conditionType": "COMPOUND", "conditionConfig": {"operator": "or", "conditions": [{"type": "STREAK_DAYS", "days": 7}]}},
        {"type": "compound", "logic": "or", "of": [{"type": "streak", "days": 7}]},
    ),
    ("regression STREAK_BREAK", {"trigger": "STREAK_BREAK", "threshold": 1}, {"type": "not", "of": {"type": "streak", "days": 1}}),
    (
        "regression TIME_WINDOW_FAIL",
        {"trigger": "TIME_WINDOW_FAIL", "metric": "drinking_day", "threshold": 3, "windowDays": 7},
        {"type": "window", "metric": "drinking_day", "count": 3, "days": 7},
    ),
    ("regression CUSTOM", {"trigger": "CUSTOM", "key": "left_guild"}, {"type": "special", "name": "CUSTOM", "key": "left_guild"}),
    (
        "a boss's table as the spec writes it",
        {"dailyCompletionRate": 0.7, "perfectDays": 3, "dungeonClears": 2, "streak": 10},
        {
            "type": "compound",
            "logic": "and",
            "of": [
                {"type": "numeric", "metric": "quest_completion_rate", "op": "gte", "value": 0.7},
                {"type": "numeric", "metric": "perfect_days", "op": "gte", "value": 3},
                {"type": "numeric", "metric": "dungeon_clears", "op": "gte", "value": 2},
                {"type": "streak", "days": 10},
            ],
        },
    ),
    ("a boss's table of one", {"perfectDays": 3}, {"type": "numeric", "metric": "perfect_days", "op": "gte", "value": 3}),
    (
        "a boss's list as the implementation writes it",
        [{"type": "streak", "value": 14}, {"type": "quest_completion_rate", "value": 0.9}],
        {
            "type": "compound",
            "logic": "and",
            "of": [
                {"type": "streak", "days": 14},
                {"type": "numeric", "metric": "quest_completion_rate", "op": "gte", "value": 0.9},
            ],
        },
    ),
    ("a perfect streak", {"type": "perfect_streak", "value": 3}, {"type": "streak", "days": 3, "perfect": True}),
    ("level", {"type": "level", "level": 5}, {"type": "level", "level": 5}),
    ("level of a skill", {"type": "level", "value": 5, "skill": "fishing"}, {"type": "level", "level": 5, "skill": "fishing"}),
    ("quest", {"type": "quest_done", "questId": "flour"}, {"type": "quest", "quest": "flour"}),
    ("item", {"type": "item_held", "item": "arrow", "count": 5}, {"type": "item", "item": "arrow", "quantity": 5}),
    (
        "days of a quest template",
        {"type": "cumulative", "metric": "quest:walk", "count": 60.0},
        {"type": "cumulative", "metric": "quest:walk", "count": 60},
    ),
]


@pytest.mark.parametrize(("raw", "expected"), [one[1:] for one in DIALECTS], ids=[one[0] for one in DIALECTS])
def test_a_dialect_is_read_into_the_normal_form(raw: Any, expected: dict[str, Any]) -> None:
    assert predicates.normal(raw) == expected
    assert predicates.normal(expected) == expected
    assert predicates.read(predicates.read(raw)) == predicates.read(raw)
    assert msgspec.convert(expected, predicates.Predicate) == predicates.read(raw), "the normal form is what the types say"


def test_the_page_about_conditions_says_what_can_be_read() -> None:
    page = (Path(__file__).parents[2] / "docs" / "conditions.md").read_text(encoding="utf-8")
    written = [one for one in re.findall(r"`(\{ [^`]*\}|\[\{[^`]*\])`", page) if "..." not in one]
    forms = {type(predicates.read(tomllib.loads(f"x = {one}")["x"])) for one in written}
    assert forms == set(get_args(predicates.Predicate))


def _deep(levels: int) -> Any:
    return STEPS if levels == 1 else {"type": "and", "of": [_deep(levels - 1)]}


REFUSED: list[tuple[str, Any, str, str]] = [
    ("an empty compound", {"type": "compound", "logic": "and", "requirements": []}, "requirements", "needs at least one condition"),
    ("an empty list", [], "", "needs at least one condition"),
    ("a target of zero", STEPS | {"value": 0}, "value", "expected more than 0: everything reaches 0"),
    ("less than nothing", STEPS | {"op": "lt", "value": 0}, "value", "expected more than 0: nothing is below 0"),
    ("a negative number", STEPS | {"value": -5}, "value", "expected a number from 0 to 1000000000"),
    ("four decimals", STEPS | {"value": 7.1234}, "value", "has more than three decimals"),
    ("infinity", STEPS | {"value": float("inf")}, "value", "expected a number"),
    ("no number", STEPS | {"value": float("nan")}, "value", "expected a number"),
    ("a text for a number", STEPS | {"value": "10000"}, "value", "expected a number"),
    ("true for a number", STEPS | {"value": True}, "value", "expected a number"),
    ("a huge number", STEPS | {"value": 10**30}, "value", "expected a number from 0 to 1000000000"),
    ("a rate in percent", {"dailyCompletionRate": 70}, "dailyCompletionRate", "a rate is at most 1"),
    ("a streak of no days", {"type": "STREAK_DAYS", "days": 0}, "days", "expected a whole number from 1 to 100000"),
    ("half a day", {"type": "STREAK_DAYS", "days": 1.5}, "days", "expected a whole number from 1 to 100000"),
    ("more days than the window has", {"type": "window", "metric": "steps", "count": 8, "days": 7}, "", "8 of 7 days can never be"),
    (
        "a window of two years",
        {"type": "window", "metric": "steps", "count": 8, "days": 700},
        "days",
        "expected a whole number from 1 to 366",
    ),
    ("an unknown type", {"type": "wish"}, "type", "'wish' is no kind of condition"),
    ("a type that is no text", {"type": 5}, "type", "5 is no kind of condition"),
    ("an unknown comparison", STEPS | {"op": "=>"}, "op", "'=>' is no comparison"),
    ("an unknown logic", {"type": "compound", "logic": "xor", "of": [STEPS]}, "logic", "'xor' is no logic"),
    ("an unknown field", STEPS | {"bonus": 1}, "bonus", "unknown field"),
    ("the same said twice", STEPS | {"operator": "gte"}, "operator", "says again what op says"),
    ("a metric that is no id", STEPS | {"metric": "Steps!"}, "metric", "expected the id of a metric"),
    ("nothing", {}, "", "says no type, and nothing from which it follows"),
    ("a text", "steps >= 5", "", "expected a table"),
    ("a missing number", {"type": "numeric", "metric": "steps", "op": "gte"}, "value", "is missing"),
    ("a custom condition without its key", {"type": "custom"}, "key", "is missing"),
    ("nine levels", _deep(9), ".".join(["of.0"] * 8), "is more than 8 deep"),
    ("65 parts", {"type": "and", "of": [STEPS] * 64}, "of.63", "has more than 64 parts"),
    (
        "a fault deep inside",
        {"type": "and", "of": [STEPS, {"type": "or", "of": [DRY, {"type": "level", "level": 0}]}]},
        "of.1.of.1.level",
        "expected",
    ),
    (
        "a fault in a boss's list",
        [{"type": "streak", "value": 3}, {"type": "perfect_days", "value": 0}],
        "1.value",
        "expected a whole number",
    ),
    ("a fault in a title's config", {"conditionType": "STREAK_DAYS", "conditionConfig": {"days": -1}}, "conditionConfig.days", "expected"),
]


@pytest.mark.parametrize(("raw", "path", "message"), [one[1:] for one in REFUSED], ids=[one[0] for one in REFUSED])
def test_what_is_wrong_is_refused_with_its_path(raw: Any, path: str, message: str) -> None:
    found = predicates.faults(raw, "condition")
    assert len(found) == 1, found
    assert found[0][0] == ".".join(part for part in ("condition", path) if part)
    assert found[0][1].startswith(message)
    with pytest.raises(predicates.PredicateFault) as refused:
        predicates.read(raw)
    assert refused.value.path == path


def test_eight_levels_and_64_parts_are_allowed() -> None:
    assert predicates.faults(_deep(8)) == []
    assert predicates.faults({"type": "and", "of": [STEPS] * 63}) == []


# Of any predicate

IDS = st.sampled_from(["steps", "sleep_hours", "alcohol_free"])
COUNTS = st.integers(1, 5)
NUMBERS = st.one_of(st.integers(1, 9), st.integers(1, 9000).map(lambda n: n / 1000))


def _leaves() -> st.SearchStrategy[dict[str, Any]]:
    operator = st.sampled_from(["op", "operator"])
    comparison = st.sampled_from([">=", "<=", ">", "<", "==", "!=", "gte", "lte", "gt", "lt", "eq", "ne"])
    numeric = st.builds(lambda m, o, c, v: {"metric": m, o: c, "value": v}, IDS, operator, comparison, NUMBERS)
    boolean = st.builds(lambda m, n, v: {"type": "boolean", "metric": m, n: v}, IDS, st.sampled_from(["value", "expected"]), st.booleans())
    return st.one_of(
        numeric,
        boolean,
        st.builds(lambda n: {"type": "STREAK_DAYS", "days": n}, COUNTS),
        st.builds(lambda m, n: {"type": "CUMULATIVE_COUNT", "metric": m, "count": n}, IDS, COUNTS),
        st.builds(lambda m, n, more: {"type": "TIME_WINDOW", "metric": m, "count": n, "windowDays": n + more}, IDS, COUNTS, COUNTS),
        st.builds(lambda n: {"type": "EVENT_COUNT", "event": "BOSS", "count": n}, COUNTS),
        st.builds(lambda n: {"perfectDays": n, "streak": n}, COUNTS),
        st.builds(lambda n: {"type": "level", "level": n}, COUNTS),
        st.just({"type": "FIRST_QUEST"}),
        st.just({"type": "quest", "quest": "flour"}),
        st.just({"type": "item", "item": "arrow", "quantity": 2}),
    )


def _around(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    some = st.lists(inner, min_size=1, max_size=3)
    seed = st.builds(lambda logic, of: {"type": "compound", "logic": logic, "requirements": of}, st.sampled_from(["AND", "OR"]), some)
    title = st.builds(lambda logic, of: {"type": "COMPOUND", "operator": logic, "conditions": of}, st.sampled_from(["and", "or"]), some)
    return st.one_of(seed, title, st.builds(lambda one: {"type": "not", "of": one}, inner))


WRITTEN = st.recursive(_leaves(), _around, max_leaves=8).filter(lambda raw: not predicates.faults(raw))


@settings(deadline=None, derandomize=True, database=None)
@given(WRITTEN)
def test_the_normal_form_is_its_own(raw: dict[str, Any]) -> None:
    once = predicates.normal(raw)
    assert predicates.normal(once) == once
    assert predicates.read(once) == predicates.read(raw)
    assert msgspec.convert(once, predicates.Predicate) == predicates.read(raw)


NONSENSE = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers() | st.just(10**400),
        st.floats(),
        st.sampled_from(["steps", "gte", "AND", "not", "STREAK_DAYS", "SPECIAL", "CUSTOM", "STREAK_BREAK", "compound", "streak", "", "\0"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                [
                    *(
                        "type",
                        "metric",
                        "op",
                        "operator",
                        "value",
                        "expected",
                        "logic",
                        "of",
                        "requirements",
                        "days",
                        "count",
                        "windowDays",
                    ),
                    *("trigger", "threshold", "conditionType", "conditionConfig", "name", "key", "level", "perfectDays", "streak", "event"),
                ]
            ),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(NONSENSE)
def test_whatever_is_written_is_read_or_refused(raw: Any) -> None:
    try:
        once = predicates.normal(raw)
    except predicates.PredicateFault:
        assert predicates.faults(raw)
    else:
        assert predicates.normal(once) == once


class Told:
    """Facts by name; what is not among them nobody knows."""

    def __init__(self, facts: dict[str, int]) -> None:
        self._facts = facts

    def number(self, metric: str) -> int | None:
        return self._facts.get(f"number {metric}")

    def flag(self, metric: str) -> bool | None:
        value = self._facts.get(f"number {metric}")
        return None if value is None else value > 0

    def streak(self, perfect: bool) -> int | None:
        return self._facts.get("perfect streak" if perfect else "streak")

    def total(self, metric: str) -> int | None:
        return self._facts.get(f"total {metric}")

    def days(self, metric: str, window: int) -> int | None:
        return sum(self._facts[name] for name in self._days(metric, window)) if self._days(metric, window) else None

    def known_days(self, metric: str, window: int) -> int | None:
        return len(self._days(metric, window))

    def _days(self, metric: str, window: int) -> list[str]:
        return [name for ago in range(window) if (name := f"{ago} days ago {metric}") in self._facts]

    def events(self, event: str) -> int | None:
        return self._facts.get(f"events {event}")

    def level(self, skill: str | None) -> int | None:
        return self._facts.get("level" if skill is None else f"level {skill}")

    def quest_done(self, quest: str) -> bool | None:
        return self._so(f"quest {quest}")

    def held(self, item: str) -> int | None:
        return self._facts.get(f"held {item}")

    def special(self, name: str, key: str | None) -> bool | None:
        return self._so(f"special {key or name}")

    def _so(self, name: str) -> bool | None:
        return None if name not in self._facts else bool(self._facts[name])


METRICS = ("steps", "sleep_hours", "alcohol_free")
COUNTED = [*(f"{ago} days ago {metric}" for metric in METRICS for ago in range(10)), "quest flour", "special FIRST_QUEST"]
MEASURED = [*(f"{what} {metric}" for metric in METRICS for what in ("number", "total")), "number perfect_days"]
WHOLE = st.fixed_dictionaries(
    {
        **dict.fromkeys(COUNTED, st.integers(0, 1)),
        **dict.fromkeys(MEASURED, st.integers(0, 10).map(lambda n: n * 1000)),
        **dict.fromkeys(("streak", "events boss", "level", "held arrow"), st.integers(0, 6)),
    }
)


@settings(max_examples=120, deadline=None, derandomize=True, database=None)
@given(WRITTEN, WHOLE, st.data())
def test_what_is_known_stays_so_whatever_else_comes_to_light(raw: dict[str, Any], whole: dict[str, int], data: st.DataObject) -> None:
    predicate = predicates.read(raw)
    told = data.draw(st.sets(st.sampled_from(sorted(whole))))
    some = predicates.judge(predicate, Told({name: whole[name] for name in told}))
    everything = predicates.judge(predicate, Told(whole))
    nothing = predicates.judge(predicate, Told({}))

    assert everything.known
    assert not nothing.known
    assert not nothing.met
    if some.known:
        assert some.met == everything.met
    for verdict in (some, everything, nothing):
        assert verdict.met == (verdict.progress == predicates.FULL)
        assert 0 <= verdict.progress <= predicates.FULL
        assert verdict.known or not verdict.met
        assert predicates.explain(verdict)


def test_nothing_is_met_by_the_unknown() -> None:
    """Defect of the original: under 2,200 kcal was met by whoever had written down no meal."""
    lean = {"metric": "calories", "operator": "lte", "value": 2200}
    for raw in (lean, {"type": "not", "of": lean}, {"metric": "calories", "op": "!=", "value": 1}, {"metric": "dry", "expected": False}):
        verdict = predicates.judge(predicates.read(raw), Told({}))
        assert (verdict.met, verdict.known, verdict.progress) == (False, False, 0)
    fed = Told({"number calories": 2_100_000})
    assert predicates.judge(predicates.read(lean), fed).met
    either = predicates.judge(predicates.read({"type": "or", "of": [lean, {"metric": "dry", "value": True}]}), fed)
    assert (either.met, either.known) == (True, True)
    never = predicates.judge(predicates.read({"type": "and", "of": [DRY, {"metric": "calories", "op": ">", "value": 2200}]}), fed)
    assert (never.met, never.known) == (False, True), "whatever the other comes to"


def test_a_verdict_is_explained_in_words() -> None:
    told = Told(
        {"number steps": 2_300_000, "number sleep_hours": 7_500, "streak": 4, "level": 3, "0 days ago steps": 1, "total steps": 9_000}
    )
    raws: list[tuple[dict[str, Any], list[str]]] = [
        (STEPS, ["2,300 of 10,000 steps"]),
        ({"metric": "sleep_hours", "op": "<=", "value": 8}, ["7.5 of at most 8 sleep hours"]),
        ({"type": "and", "of": [STEPS, {"type": "streak", "days": 7}]}, ["2,300 of 10,000 steps", "4 of 7 days in a row"]),
        ({"type": "or", "of": [DRY, {"type": "level", "level": 5}]}, ["alcohol free: not known, or 3 of 5 levels"]),
        ({"type": "not", "of": {"type": "streak", "days": 1}}, ["not (4 of 1 day in a row)"]),
        ({"type": "TIME_WINDOW", "metric": "steps", "count": 3, "windowDays": 7}, ["1 of 3 days within 7: steps"]),
        ({"type": "cumulative", "metric": "steps", "count": 60}, ["9 of 60 steps in all"]),
    ]
    for raw, lines in raws:
        assert predicates.explain(predicates.judge(predicates.read(raw), told)) == lines
    named = predicates.judge(predicates.read(STEPS), told, lambda metric: f"{metric} walked")
    assert predicates.explain(named) == ["2,300 of 10,000 steps walked"]


# In definitions


class Phase(Struct, frozen=True, forbid_unknown_fields=True):
    asks: predicates.Condition

    def __post_init__(self) -> None:
        predicates.settle(self, "asks")


class Foe(content.Defined, frozen=True, kw_only=True):
    """Somebody with phases."""

    opens: predicates.Condition | None = None
    level: content.Natural = 1
    phases: tuple[Phase, ...] = ()

    def __post_init__(self) -> None:
        predicates.settle(self, "opens")

    def references(self) -> Iterator[content.Reference]:
        yield from predicates.references(self.opens, "opens")
        for place, phase in enumerate(self.phases):
            yield from predicates.references(phase.asks, f"phases.{place}.asks")


@pytest.fixture
def foes() -> Iterator[None]:
    """One more kind, for the length of a test."""
    before = dict(content.KINDS)
    content.defines("foe")(Foe)
    yield
    content.KINDS.clear()
    content.KINDS.update(before)


@pytest.mark.usefixtures("foes")
def test_all_faults_of_a_file_are_told_with_their_paths(tmp_path: Path) -> None:
    (tmp_path / "pack.toml").write_text('id = "foes"\nversion = "1"\ntitle = "Foes"\n')
    (tmp_path / "foes.toml").write_text(
        '[foes.wolf]\nlevel = -1\nopens = { type = "wish" }\n'
        'phases = [{ asks = { perfectDays = 3 } }, { asks = [{ type = "streak", value = 0 }, { type = "x" }] }]\n'
        '[foes.bear]\nopens = { type = "and", of = [{ metric = "steps", op = ">=", value = 0 }] }\n'
    )
    with pytest.raises(content.InvalidPack) as refused:
        content.read_pack(tmp_path)
    assert {(one.path, one.message.split(":")[0]) for one in refused.value.faults} == {
        ("foes.wolf.level", "expected `int` >= 0"),
        ("foes.wolf.opens.type", "'wish' is no kind of condition"),
        ("foes.wolf.phases.1.asks.0.value", "expected a whole number from 1 to 100000"),
        ("foes.wolf.phases.1.asks.1.type", "'x' is no kind of condition"),
        ("foes.bear.opens.of.0.value", "expected more than 0"),
    }


@pytest.mark.usefixtures("foes")
async def test_definitions_store_the_normal_form_and_name_only_what_is_there(keep: Keep) -> None:
    walk = metrics.MetricDefinition(id="steps", name="Steps")
    walking = {"metric": "steps", "operator": ">=", "value": 5000}
    wolf = {
        "id": "wolf",
        "opens": walking,
        "phases": [{"asks": {"dailyCompletionRate": 0.7, "streak": 3}}],
    }
    raw = content.Pack("foes", "1", "Foes", {"metrics": (walk,), "foes": (wolf,)})
    assert (await keep.do(content.load_pack(pack=raw))).added == 2
    again = await keep.do(content.load_pack(pack=raw))
    assert (again.changed, again.unchanged) == (0, 2)
    (stored,) = (await keep.ask(content.stored(kind="foe"))).items
    assert stored.body["opens"] == {"type": "numeric", "metric": "steps", "op": "gte", "value": 5000}
    assert stored.body["phases"][0]["asks"]["of"][1] == {"type": "streak", "days": 3}

    unknown = {**wolf, "phases": [{"asks": {"type": "and", "of": [STEPS | {"metric": "stepps"}]}}]}
    with pytest.raises(content.ReferenceUnknown) as refused:
        await keep.do(content.load_pack(pack=content.Pack("foes", "2", "Foes", {"metrics": (walk,), "foes": (unknown,)})))
    assert (refused.value.path, refused.value.id) == ("/pack/definitions/foes/0/phases/0/asks/of/0/metric", "stepps")

    empty = {**wolf, "opens": {"type": "and", "of": []}}
    with pytest.raises(InvalidArgument) as wrong:
        await keep.do(content.load_pack(pack=content.Pack("foes", "2", "Foes", {"metrics": (walk,), "foes": (empty,)})))
    assert wrong.value.path == "/pack/definitions/foes/0/opens/of"


def test_what_a_later_program_has_stored_and_this_one_cannot_read_is_left_out() -> None:
    """`read_back` says why, and the game goes on without the definition."""
    with pytest.raises(msgspec.ValidationError, match=r"met\.type: 'moon_phase' is no kind of condition"):
        msgspec.json.decode(b'{"id":"m","name":"M","type":"boolean","met":{"type":"moon_phase"}}', type=metrics.MetricDefinition)

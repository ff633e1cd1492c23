"""Titles: what earns them, what loses them, the one that is borne, and what it does."""

import random
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, get_args

import msgspec
import pytest

import gamekeeper
from gamekeeper.errors import InvalidArgument
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.commands import Call, command
from gamekeeper.kernel.verify import verify
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, content, days, items, metrics, sheets, titles, xp
from gamekeeper.modules.titles import Checked, TitleDefinition
from tests.crash.raw import raw
from tests.modules import scene
from tests.modules.solo import FRIDAY, TITLES, live


@command(
    touches=[characters.Character, *metrics.TOUCHES, *titles.TOUCHES],
    keys=lambda arguments: [(metrics.Metric, (arguments.character, FRIDAY, "steps"))],
    module="titles_tests",
)
def walk(ctx: Context, *, character: characters.CharacterId, steps: int) -> Checked:
    """Report steps of the day, and check titles without knowing what was measured yesterday or is carried."""
    readings = [metrics.Reading(FRIDAY, "steps", steps)]
    metrics.report(ctx, character, source="watch", verification="VERIFIED", readings=readings, earliest=FRIDAY, latest=FRIDAY)
    return titles.check(ctx, character, metrics.Facts(ctx, character, days.after(FRIDAY, -1)))


@pytest.fixture
async def keep(database_url: str, clock: ManualClock) -> AsyncIterator[Keep]:
    """A keep with the titles of the pack, on a Friday."""
    async with gamekeeper.open(database_url, create=True, clock=clock, allow_unsafe_postgres=True) as keep:
        await keep.do(content.load_pack(pack=TITLES))
        yield keep


@pytest.fixture
async def ada(keep: Keep) -> str:
    """A character."""
    (made,) = await scene.people(keep, "Ada")
    return made


async def mine(keep: Keep, character: str, title: str) -> titles.TitleOf:
    """What a title is to a character."""
    (found,) = [one for one in await keep.ask(titles.of(character=character)) if one.title == title]
    return found


# What earns a title, by the types of conditions


async def test_condition_special_gives_the_first_title_to_whoever_was_made(keep: Keep, ada: str) -> None:
    assert await keep.do(titles.review(character=ada)) == Checked(["struck_awake"], [])
    assert await keep.do(titles.review(character=ada)) == Checked([], [])
    found = await mine(keep, ada, "struck_awake")
    assert (found.status, found.earned_by, found.earned_at, found.progress) == ("EARNED", "CONDITION", keep.clock.now_ms(), 10_000)


async def test_condition_streak_days_is_earned_on_the_fourteenth_day_and_explained_before(keep: Keep, ada: str) -> None:
    assert (await keep.do(live(character=ada, streak=12))).earned == ["struck_awake"]
    waiting = await mine(keep, ada, "even_keel")
    assert (waiting.status, waiting.progress, waiting.conditions) == ("OPEN", 8571, ["12 of 14 days in a row"])
    assert (await keep.do(live(character=ada, streak=13))).earned == []
    assert (await keep.do(live(character=ada, streak=14))).earned == ["even_keel"]


async def test_condition_cumulative_count_counts_days_and_amounts(keep: Keep, ada: str) -> None:
    await keep.do(live(character=ada, until=days.after(FRIDAY, -2), count=59, met={"days_with_steps_goal": True}, amounts={"workouts": 1}))
    assert (await mine(keep, ada, "milestone_eater")).conditions == ["59 of 60 days with the steps goal reached in all"]
    last = await keep.do(live(character=ada, met={"days_with_steps_goal": True}, amounts={"workouts": 40}))
    assert last.earned == ["milestone_eater"]
    assert (await mine(keep, ada, "hundred_doors")).conditions == ["99 of 100 workouts in all"]
    # A day is closed once: telling it again adds nothing.
    assert (await keep.do(live(character=ada, amounts={"workouts": 40}))).earned == []
    assert (await keep.do(live(character=ada, until=FRIDAY, amounts={"workouts": 1}))).earned == ["hundred_doors"]


async def test_condition_compound_and_time_window_want_all_of_it(keep: Keep, ada: str) -> None:
    early, late = {"wake_on_time": True}, {"wake_on_time": False}
    await keep.do(live(character=ada, until=days.after(FRIDAY, -9), count=20, met=early))
    await keep.do(live(character=ada, until=days.after(FRIDAY, -4), count=5, met=late))
    assert (await keep.do(live(character=ada, count=3, met=early))).earned == []
    waiting = await mine(keep, ada, "lamplighter")
    assert (waiting.status, waiting.progress) == ("OPEN", (10_000 + 6_000) // 2)
    assert [one[:12] for one in waiting.conditions] == ["23 of 21 get", "3 of 5 days "]
    assert (await keep.do(live(character=ada, until=FRIDAY, met=early))).earned == []
    assert (await keep.do(live(character=ada, until=days.after(FRIDAY), met=early))).earned == ["lamplighter"]


async def test_condition_event_count_is_earned_with_the_third_boss(keep: Keep, ada: str) -> None:
    assert (await keep.do(live(character=ada, events={metrics.BOSS_DEFEATED: 2}))).earned == ["struck_awake"]
    assert (await keep.do(live(character=ada, events={metrics.BOSS_DEFEATED: 1}))).earned == ["three_thrones"]


async def test_titles_for_what_a_character_carries_and_does_today_come_with_a_review(keep: Keep, ada: str) -> None:
    carried = said(id="archer", name="Archer", condition={"type": "item", "item": "arrow", "quantity": 3})
    walked = said(id="out", name="Out", condition={"metric": "steps", "op": ">=", "value": 1000})
    await keep.do(content.load_pack(pack=scene.pack(*scene.ALL)))
    await load(keep, carried, walked)
    await keep.do(items.grant(holder=ada, item="arrow", quantity=3, source="test"))
    assert (await keep.do(walk(character=ada, steps=1000))).earned == ["struck_awake"]
    assert [(await mine(keep, ada, one)).progress for one in ("archer", "out")] == [10_000, 10_000]
    assert await keep.do(titles.review(character=ada)) == Checked(["archer", "out"], [])


# What loses it


async def test_a_broken_streak_takes_the_title_and_what_it_did_and_the_next_one_gives_the_same_row_back(
    keep: Keep, ada: str, clock: ManualClock
) -> None:
    await keep.do(live(character=ada, streak=14))
    await keep.do(titles.activate(character=ada, title="even_keel"))
    assert (await keep.ask(xp.progress(character=ada))).active_title_id == "even_keel"

    clock.move(60)
    assert (await keep.do(live(character=ada, streak=0))).revoked == ["even_keel"]
    lost = await mine(keep, ada, "even_keel")
    assert (lost.status, lost.is_active, lost.revoked_at, lost.revoked_by) == ("LOST", False, clock.now_ms(), "REGRESSION")
    assert (await keep.ask(xp.progress(character=ada))).active_title_id is None
    with pytest.raises(titles.TitleNotOwned):
        await keep.do(titles.activate(character=ada, title="even_keel"))

    clock.move(60)
    assert (await keep.do(live(character=ada, streak=14))).earned == ["even_keel"]
    again = await mine(keep, ada, "even_keel")
    assert (again.status, again.earned_at, again.revoked_at, again.is_active) == ("EARNED", clock.now_ms(), None, False)
    assert (await verify(keep)).ok


async def test_what_a_title_is_lost_for_keeps_it_away_while_it_lasts(keep: Keep, ada: str) -> None:
    dry, wet = {"no_alcohol": True, "drinking_day": False}, {"no_alcohol": False, "drinking_day": True}
    await keep.do(live(character=ada, until=days.after(FRIDAY, -10), count=30, met=dry))
    assert (await mine(keep, ada, "dry_well")).status == "EARNED"
    assert (await keep.do(live(character=ada, until=days.after(FRIDAY, -8), count=2, met=wet))).revoked == []
    assert (await keep.do(live(character=ada, until=days.after(FRIDAY, -7), met=wet))).revoked == ["dry_well"]
    # The thirty days are still there, and do not give it back until the three are more than a week old.
    assert (await keep.do(live(character=ada, until=days.after(FRIDAY, -3), count=4, met=dry))).earned == []
    assert (await keep.do(live(character=ada, until=days.after(FRIDAY, -2), met=dry))).earned == ["dry_well"]


async def test_days_of_which_nothing_is_known_lose_no_title(keep: Keep, ada: str) -> None:
    await keep.do(live(character=ada, until=days.after(FRIDAY, -60), count=25, met={"wake_on_time": True}))
    assert (await mine(keep, ada, "lamplighter")).status == "EARNED"
    assert await keep.do(titles.review(character=ada)) == Checked([], [])


async def test_what_staff_have_given_or_taken_no_condition_undoes(keep: Keep, ada: str) -> None:
    given = await keep.do(titles.award(character=ada, title="even_keel", reason="found by hand"))
    assert (given.earned_by, given.revoked_at) == ("STAFF", None)
    assert await keep.do(live(character=ada, streak=0)) == Checked(["struck_awake"], [])
    await keep.do(titles.activate(character=ada, title="even_keel"))
    taken = await keep.do(titles.revoke(character=ada, title="even_keel", reason="it was not them"))
    assert (taken.revoked_by, taken.is_active) == ("STAFF", False)
    assert (await keep.ask(xp.progress(character=ada))).active_title_id is None
    assert await keep.do(live(character=ada, streak=20)) == Checked([], [])
    # One that a condition has given is kept once staff have said so too, and one that was lost before can be kept away for good.
    assert (await keep.do(titles.award(character=ada, title="struck_awake", reason="so it be"))).earned_by == "STAFF"
    assert (await keep.do(titles.award(character=ada, title="even_keel", reason="it was them"))).revoked_at is None
    with pytest.raises(titles.TitleNotFound):
        await keep.do(titles.award(character=ada, title="nobody", reason="a slip"))
    with pytest.raises(titles.TitleNotOwned):
        await keep.do(titles.revoke(character=ada, title="dry_well", reason="a slip"))


async def test_a_title_that_content_forgets_is_kept_and_does_nothing(keep: Keep, ada: str) -> None:
    await keep.do(live(character=ada, streak=14))
    await keep.do(titles.activate(character=ada, title="even_keel"))
    await keep.do(content.load_pack(pack=scene.pack(id="solo")))
    kept = await mine(keep, ada, "even_keel")
    assert (kept.status, kept.is_active, kept.name, kept.conditions) == ("EARNED", True, "even_keel", [])
    assert await keep.do(live(character=ada, streak=0)) == Checked([], [])
    with pytest.raises(titles.TitleNotFound):
        await keep.do(titles.activate(character=ada, title="struck_awake"))
    assert (await keep.do(titles.revoke(character=ada, title="even_keel", reason="tidying"))).is_active is False
    await keep.do(titles.deactivate(character=ada))
    assert (await verify(keep)).ok


# The one that is borne


async def test_one_title_is_active_at_a_time_and_only_one_that_is_had(keep: Keep, ada: str) -> None:
    await keep.do(live(character=ada, streak=30))
    with pytest.raises(titles.TitleNotOwned):
        await keep.do(titles.activate(character=ada, title="three_thrones"))
    with pytest.raises(titles.TitleNotFound):
        await keep.do(titles.activate(character=ada, title="nobody"))
    for title in ("cold_anvil", "even_keel", "even_keel", "cold_anvil"):
        assert (await keep.do(titles.activate(character=ada, title=title))).is_active
        assert [one.title for one in await keep.ask(titles.of(character=ada)) if one.is_active] == [title]
        assert (await keep.ask(xp.progress(character=ada))).active_title_id == title
    # Two calls of one commit that exchange the place.
    await keep.do(titles.activate(character=ada, title="struck_awake"), titles.activate(character=ada, title="even_keel"))
    assert (await keep.ask(xp.progress(character=ada))).active_title_id == "even_keel"
    for _ in range(2):
        await keep.do(titles.deactivate(character=ada))
        assert (await keep.ask(xp.progress(character=ada))).active_title_id is None
    assert [one.title for one in await keep.ask(titles.of(character=ada)) if one.is_active] == []
    assert (await verify(keep)).ok


async def test_whatever_happens_the_active_title_is_one_that_is_had_and_that_progress_names(keep: Keep, ada: str) -> None:
    dice = random.Random(11)
    every = ("even_keel", "cold_anvil", "struck_awake", "three_thrones")
    for _ in range(60):
        title = dice.choice(every)
        steps: list[Call[Any]] = [
            *[titles.activate(character=ada, title=title)] * 3,
            titles.deactivate(character=ada),
            titles.award(character=ada, title=title, reason="dice"),
            titles.revoke(character=ada, title=title, reason="dice"),
            *[live(character=ada, streak=streak) for streak in (0, 14, 30)],
        ]
        with suppress(titles.TitleNotOwned):
            await keep.do(dice.choice(steps), titles.review(character=ada))
        active = [(one.title, one.status) for one in await keep.ask(titles.of(character=ada)) if one.is_active]
        named = (await keep.ask(xp.progress(character=ada))).active_title_id
        assert active == ([] if named is None else [(named, "EARNED")])
    assert (await verify(keep)).ok


async def test_table_user_titles_has_one_row_a_title_and_one_active_a_character(keep: Keep, ada: str, database_url: str) -> None:
    await keep.do(live(character=ada, streak=30))
    await keep.do(titles.activate(character=ada, title="cold_anvil"))
    async with raw(database_url) as database:
        columns = "character_id, title_id, earned_at, revoked_at, is_active"
        rows = await database.rows(f"SELECT {columns} FROM user_titles ORDER BY title_id")
        now = keep.clock.now_ms()
        assert [(*row[:4], bool(row[4])) for row in rows] == [
            (ada, "cold_anvil", now, None, True),
            (ada, "even_keel", now, None, False),
            (ada, "struck_awake", now, None, False),
        ]
        for change in (
            "INSERT INTO user_titles SELECT * FROM user_titles WHERE title_id = 'even_keel'",
            "UPDATE user_titles SET is_active = true, active_slot = 'active' WHERE title_id = 'even_keel'",
            "UPDATE user_titles SET is_active = true WHERE title_id = 'even_keel'",
            "UPDATE user_titles SET active_slot = 'second', is_active = true WHERE title_id = 'even_keel'",
            "UPDATE user_titles SET revoked_at = 5, revoked_by = 'STAFF' WHERE title_id = 'cold_anvil'",
            "UPDATE user_titles SET revoked_at = 5 WHERE title_id = 'even_keel'",
        ):
            with pytest.raises(Exception, match=r"(?i)unique|check"):
                await database.rows(change)
        # The one thing that no constraint sees: the character's progress names another title.
        await database.rows("UPDATE character_progress SET active_title_id = 'even_keel'")
    found = {(one.check, (one.key or [None])[-1]) for one in (await verify(keep)).problems}
    assert {("titles.active", "cold_anvil"), ("titles.active", "even_keel")} <= found


# What it does


async def test_passives_flat_percent_and_debuff_are_what_awards_ask_for(keep: Keep, ada: str) -> None:
    definitions = {one.id: one for one in TITLES.of(TitleDefinition)}
    worth = {id: [(one.multiplier_bp, one.flat) for one in titles.modifiers_of(one)] for id, one in definitions.items()}
    assert worth == {
        **{id: [] for id in ("struck_awake", "dry_well", "cold_anvil", "hundred_doors")},
        "even_keel": [(10_500, 0)],
        "three_thrones": [(11_000, 0)],
        "milestone_eater": [(10_000, 3)],
        "lamplighter": [(10_000, 2)],
    }
    assert {id for id, one in definitions.items() if titles.debuff_share_of(one) == 5_000} == {"cold_anvil"}


async def test_passive_stat_bonus_counts_where_sheets_show_attributes_while_it_is_active(keep: Keep, ada: str) -> None:
    async def shown() -> dict[str, tuple[int, int]]:
        sheet = await keep.ask(sheets.whole(character=ada, parts=["attributes"]))
        return {one.attribute: (one.base, one.bonus) for one in sheet.attributes or []}

    await keep.do(characters.set_attribute(character=ada, attribute="vit", base=9, bonus=1))
    for title in ("dry_well", "hundred_doors"):
        await keep.do(titles.award(character=ada, title=title, reason="for the test"))
    assert await shown() == {"vit": (9, 1)}
    await keep.do(titles.activate(character=ada, title="dry_well"))
    assert await shown() == {"vit": (9, 3)}
    await keep.do(titles.activate(character=ada, title="hundred_doors"))
    assert await shown() == {"str": (0, 5), "vit": (9, 1)}
    await keep.do(titles.deactivate(character=ada))
    assert await shown() == {"vit": (9, 1)}


# What packs may say


def said(**fields: Any) -> dict[str, Any]:
    """A title as a pack says it."""
    title = {
        "id": "calm",
        "name": "Calm",
        "description": "Quiet.",
        "system_message": "Hush.",
        "condition": {"type": "STREAK_DAYS", "days": 3},
    }
    return {**title, **fields}


async def load(keep: Keep, *definitions: dict[str, Any], id: str = "more") -> None:
    """Load titles as plain data."""
    await keep.do(content.load_pack(pack=content.Pack(id, "1", "More", {"titles": definitions})))


async def test_table_titles_is_public_content_with_every_column_and_names_are_unique(keep: Keep) -> None:
    page = await keep.ask(titles.list_titles(limit=3))
    assert [one.id for one in page.items] == ["cold_anvil", "dry_well", "even_keel"]
    assert [one.id for one in (await keep.ask(titles.list_titles(rarity="LEGENDARY"))).items] == ["three_thrones"]
    columns = ["id", "name", "description", "system_message", "condition", "passive_type", "passive_value", "rarity", "can_regress"]
    assert set(columns) <= set(msgspec.to_builtins(page.items[0]))
    # The seed's pair of columns is a dialect of its own; what is stored is the normal form.
    pair = {"condition_type": "CUMULATIVE_COUNT", "condition_config": {"metric": "steps", "count": 1000}}
    await load(keep, said(condition=pair))
    (found,) = [one for one in (await keep.ask(titles.list_titles())).items if one.id == "calm"]
    assert msgspec.to_builtins(found.condition) == {"type": "cumulative", "metric": "steps", "count": 1000}
    assert (found.rarity, found.can_regress, found.passive_type) == ("COMMON", True, None)
    for others in ([said(), said(id="calmer", name="CALM")], [said(id="keel", name="even keel")]):
        with pytest.raises(InvalidArgument) as refused:
            await load(keep, *others)
        assert (refused.value.path.rpartition("/")[2], refused.value.problem.rpartition(" ")[0].endswith("has the")) == ("name", True)


async def test_enums_of_titles_have_the_values_of_the_first_game(keep: Keep) -> None:
    assert get_args(titles.ConditionType) == ("STREAK_DAYS", "CUMULATIVE_COUNT", "TIME_WINDOW", "EVENT_COUNT", "COMPOUND", "SPECIAL")
    assert get_args(titles.PassiveType) == ("FLAT_XP_BONUS", "PERCENT_XP_BONUS", "STAT_BONUS", "DEBUFF_REDUCTION")
    assert get_args(titles.Rarity) == ("COMMON", "UNCOMMON", "RARE", "EPIC", "LEGENDARY")
    streak = {"type": "STREAK_DAYS", "days": 3}
    configs: dict[str, dict[str, Any]] = {
        "STREAK_DAYS": {"days": 14},
        "CUMULATIVE_COUNT": {"metric": "steps", "count": 60},
        "TIME_WINDOW": {"metric": "steps", "count": 5, "windowDays": 7},
        "EVENT_COUNT": {"event": "BOSS_DEFEATED", "count": 3},
        "COMPOUND": {"operator": "or", "conditions": [streak, streak]},
        "SPECIAL": {"type": "FIRST_QUEST"},
    }
    kinds = [said(id=word.lower(), name=word, condition={"conditionType": word, "conditionConfig": configs[word]}) for word in configs]
    rarities = [said(id=word.lower(), name=word, rarity=word) for word in get_args(titles.Rarity)]
    stat = {"passive_stat": "DISC"}
    passives = [
        said(id=word.lower(), name=word, passive_type=word, passive_value=1, **(stat if word == "STAT_BONUS" else {}))
        for word in get_args(titles.PassiveType)
    ]
    await load(keep, *kinds, *rarities, *passives)
    assert len((await keep.ask(titles.list_titles(limit=200))).items) == 8 + 6 + 5 + 4


def test_files_of_a_pack_with_two_titles_of_one_name_are_refused_where_the_second_stands(tmp_path: Path) -> None:
    words = 'description = "-"\nsystem_message = "-"\ncondition = { type = "STREAK_DAYS", days = 3 }\n'
    (tmp_path / "titles.toml").write_text(f'[titles.calm]\nname = "Calm"\n{words}[titles.calmer]\nname = "CALM"\n{words}')
    with pytest.raises(content.InvalidPack) as refused:
        content.read_pack(tmp_path / "titles.toml")
    assert [str(one) for one in refused.value.faults] == ["titles.toml: titles.calmer.name: calm has the same"]


FAULTS: Final[list[tuple[dict[str, Any], str]]] = [
    ({"condition": {"type": "COMPOUND", "operator": "and", "conditions": []}}, "condition/conditions"),
    ({"condition": {"type": "STREAK_DAYS", "days": 0}}, "condition/days"),
    ({"condition": {"type": "CUMULATIVE_COUNT", "metric": "naps", "count": 5}}, "condition/metric"),
    ({"lost_if": {"trigger": "TIME_WINDOW_FAIL", "metric": "naps", "threshold": 3, "windowDays": 7}}, "lost_if/metric"),
    ({"lost_if": {"trigger": "WHIM"}}, "lost_if/trigger"),
    ({"lost_if": {"trigger": "STREAK_BREAK"}, "can_regress": False}, "lost_if"),
    ({"passive_type": "STAT_BONUS", "passive_value": 2}, "passive_stat"),
    ({"passive_type": "FLAT_XP_BONUS", "passive_value": 2, "passive_stat": "VIT"}, "passive_stat"),
    ({"passive_type": "DEBUFF_REDUCTION", "passive_value": 10_001}, "passive_value"),
    ({"passive_type": "PERCENT_XP_BONUS"}, "passive_value"),
    ({"passive_type": "PERCENT_XP_BONUS", "passive_value": 0.05}, "passive_value"),
    ({"passive_type": "FLAT_XP_BONUS", "passive_value": -1}, "passive_value"),
    ({"passive_value": 5}, "passive_value"),
    ({"passive_type": "LUCK", "passive_value": 5}, "passive_type"),
    ({"rarity": "MYTHIC"}, "rarity"),
]


async def test_a_title_with_a_fault_is_refused_with_its_path(keep: Keep) -> None:
    for fields, path in FAULTS:
        with pytest.raises((InvalidArgument, content.ReferenceUnknown)) as refused:
            await load(keep, said(**fields))
        assert refused.value.facts["path"] == f"/pack/definitions/titles/0/{path}"

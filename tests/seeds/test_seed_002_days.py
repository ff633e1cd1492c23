"""Seed 002, a fitness game on PostgreSQL: its quests and days, bosses, dungeons, configuration and texts."""

from typing import Any, Final, get_args

import pytest

from gamekeeper import packs
from gamekeeper.errors import InvalidArgument
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import bosses, characters, content, dailies, dungeons, evening, metrics, narrative, xp
from tests.modules import scene
from tests.modules.test_dailies import HOUR, metric, quest
from tests.seeds.rows import copied, refuses, row_of

TODAY: Final = "2027-01-15"
STEPS: Final = {"metric": "steps", "operator": "gte", "value": 100}
WALK: Final = quest("walk", STEPS, is_core=True, partial_reward={"threshold": 5_000, "xp": 7})
REST: Final = quest("rest", {"type": "boolean", "metric": "steps", "expected": False}, is_core=True)
CAVE: Final = {
    "id": "cave",
    "name": "Cave",
    "description": "Deep.",
    "difficulty": "E_RANK",
    "required_level": 1,
    "challenges": [{"id": "walk", "name": "Walk", "condition": STEPS}],
    "base_xp": 10,
    "duration_minutes": 60,
}
GIANT: Final = {
    "id": "giant",
    "name": "Giant",
    "description": "Tall.",
    "intro_monologue": "Ha.",
    "defeat_message": "Oh.",
    "difficulty": "NORMAL",
    "xp_reward": 500,
    "phases": [{"name": "One", "description": "-", "requirements": {"perfectDays": 1}, "duration_days": 1}],
}


def game(**more: Any) -> content.Pack:
    """The game's pack, as it comes over the wire, with further definitions."""
    plain = {"quest_templates": (WALK, REST), "metrics": (metric("steps"),), "bosses": (GIANT,), "dungeons": (CAVE,)}
    return content.Pack("scene", "1", "Scene", {**plain, **more})


@pytest.fixture
async def jin(keep: Keep) -> str:
    """A hunter in a world with these definitions."""
    await keep.do(content.load_pack(pack=game()))
    return (await keep.do(characters.create(name="Jin"))).character_id


async def _walk(keep: Keep, character: str, steps: int) -> None:
    await keep.do(dailies.report(character=character, source="watch", values={"steps": steps}))


async def _midnight(keep: Keep, clock: ManualClock, character: str) -> None:
    clock.move(24 * HOUR)
    await keep.do(evening.close_days(characters=[character]), actor="operator:job")


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("type", get_args(dailies.QuestType)),
        ("category", get_args(dailies.Category)),
        ("stat_affected", get_args(dailies.Stat)),
    ],
    ids=["quest_type", "quest_category", "stat_type"],
)
async def test_enums_of_quest_templates_of_seed_002(keep: Keep, field: str, values: tuple[str, ...]) -> None:
    assert values in {
        ("DAILY", "WEEKLY", "DUNGEON", "BOSS"),
        ("MOVEMENT", "STRENGTH", "RECOVERY", "NUTRITION", "DISCIPLINE"),
        ("STR", "AGI", "VIT", "DISC"),
    }
    some = tuple(quest(f"q{place}", STEPS, **{field: value}) for place, value in enumerate(values))
    await keep.do(content.load_pack(pack=scene.pack(metric("steps"), *some)))
    assert {getattr(one, field) for one in keep.reader.definitions(dailies.QuestTemplate).values()} == set(values)
    wrong = {"id": "odd", "name": "Odd", "category": "MOVEMENT", "requirements": STEPS, "base_xp": 1, field: "OTHER"}
    with pytest.raises(InvalidArgument) as refused:
        await keep.do(content.load_pack(pack=game(quest_templates=(wrong,))))
    assert refused.value.path == f"/pack/definitions/quest_templates/0/{field}"


async def test_quest_templates_table_of_seed_002(keep: Keep) -> None:
    """Name, description, type, category, requirements, base_xp, stat_affected, partial_reward, is_core, season_id."""
    await keep.do(content.load_pack(pack=game()))
    walk = keep.reader.definitions(dailies.QuestTemplate)["walk"]
    assert (walk.name, walk.description, walk.type, walk.is_core, walk.base_xp, walk.stat_affected) == (
        "walk",
        "",
        "DAILY",
        True,
        100,
        None,
    )
    assert walk.partial_reward == dailies.PartialReward(threshold=5_000, xp=7)
    (stored,) = [one.body for one in (await keep.ask(content.stored(kind="quest_template"))).items if one.id == "walk"]
    assert stored["requirements"] == {"type": "numeric", "metric": "steps", "op": "gte", "value": 100}, "one normal form"


async def test_quest_status_enum_and_quest_logs_table_of_seed_002(keep: Keep, clock: ManualClock, jin: str, database_url: str) -> None:
    assert get_args(dailies.Status) == ("ACTIVE", "COMPLETED", "FAILED", "EXPIRED")
    await keep.do(dailies.begin(character=jin))
    assert (await row_of(keep, dailies.QuestLog, jin, TODAY, "walk")).status == "ACTIVE"
    await keep.do(dailies.give_up(character=jin, template="rest"))
    assert (await row_of(keep, dailies.QuestLog, jin, TODAY, "rest")).status == "FAILED"
    await _walk(keep, jin, 100)
    done = await row_of(keep, dailies.QuestLog, jin, TODAY, "walk")
    assert (done.status, done.progress, done.completed_at, done.xp_awarded) == ("COMPLETED", 10_000, clock.now_ms(), 100)
    await _midnight(keep, clock, jin)
    await keep.do(dailies.begin(character=jin))
    await _midnight(keep, clock, jin)
    assert (await row_of(keep, dailies.QuestLog, jin, "2027-01-16", "walk")).status == "EXPIRED"
    await refuses(
        database_url,
        "UPDATE quest_logs SET status = 'DONE'",
        "UPDATE quest_logs SET status = 'COMPLETED', completed_at = NULL",
        "UPDATE quest_logs SET progress = 10001",
        "UPDATE quest_logs SET day_date = NULL",
        "UPDATE quest_logs SET xp_awarded = 5 WHERE status = 'EXPIRED'",
    )


async def test_quest_logs_are_unique_by_user_template_and_day_as_in_seed_002(keep: Keep, jin: str, database_url: str) -> None:
    await keep.do(dailies.begin(character=jin))
    await refuses(database_url, copied(dailies.QuestLog))
    await keep.do(dailies.begin(character=jin))
    assert len((await keep.ask(dailies.today(character=jin))).quests) == 2


async def test_daily_logs_table_of_seed_002_is_unique_by_user_and_day(keep: Keep, clock: ManualClock, jin: str, database_url: str) -> None:
    await _walk(keep, jin, 100)
    log = await row_of(keep, dailies.DailyLog, jin, TODAY)
    assert (log.core_completed, log.core_total, log.all_completed, log.debuff_triggered, log.evaluated) == (1, 2, False, False, False)
    await _midnight(keep, clock, jin)
    assert (await row_of(keep, dailies.DailyLog, jin, TODAY)).evaluated
    await refuses(
        database_url,
        copied(dailies.DailyLog),
        "UPDATE daily_logs SET core_completed = core_total + 1",
        "UPDATE daily_logs SET all_completed = TRUE, core_completed = 0",
        "UPDATE daily_logs SET debuff_triggered = TRUE, evaluated = FALSE",
    )
    assert (await verify(keep)).problems == []


@pytest.mark.parametrize("value", get_args(bosses.Difficulty))
async def test_boss_difficulty_enum_and_bosses_table_of_seed_002(keep: Keep, value: str) -> None:
    """With their phases: what each asks for, and how many days it takes; a phase's number is its place."""
    await keep.do(content.load_pack(pack=game(bosses=({**GIANT, "difficulty": value},))))
    giant = await keep.ask(bosses.show(boss="giant"))
    assert (giant.name, giant.description, giant.intro_monologue, giant.defeat_message) == ("Giant", "Tall.", "Ha.", "Oh.")
    assert (giant.difficulty, giant.required_level, giant.xp_reward, giant.title_reward_id, giant.season_id) == (value, 1, 500, None, None)
    assert [(phase.name, phase.duration_days) for phase in giant.phases] == [("One", 1)]
    twin = {**GIANT, "id": "twin"}
    with pytest.raises(InvalidArgument, match="giant has the same"):
        await keep.do(content.load_pack(pack=game(bosses=(GIANT, twin))))
    with pytest.raises(InvalidArgument) as refused:
        await keep.do(content.load_pack(pack=game(bosses=({**GIANT, "difficulty": "EASY"},))))
    assert refused.value.path == "/pack/definitions/bosses/0/difficulty"


async def test_boss_attempt_status_enum_and_boss_attempts_table_of_seed_002(
    keep: Keep, clock: ManualClock, jin: str, database_url: str
) -> None:
    assert get_args(bosses.AttemptStatus) == ("IN_PROGRESS", "VICTORY", "DEFEAT", "ABANDONED")
    row = await keep.do(bosses.begin(character=jin, boss="giant"))
    assert (row.boss_id, row.status, row.current_phase, row.started_at, row.completed_at) == (
        "giant",
        "IN_PROGRESS",
        1,
        clock.now_ms(),
        None,
    )
    await refuses(
        database_url,
        copied(bosses.BossAttempt, attempt_id="'another'"),
        "UPDATE boss_attempts SET status = 'WON'",
        "UPDATE boss_attempts SET status = 'VICTORY'",
        "UPDATE boss_attempts SET current_phase = 0",
    )
    assert (await keep.do(bosses.abandon(character=jin))).status == "ABANDONED"
    again = await keep.do(bosses.begin(character=jin, boss="giant"))
    assert (again.status, again.attempt_id != row.attempt_id) == ("IN_PROGRESS", True)


@pytest.mark.parametrize("value", get_args(dungeons.Difficulty))
async def test_dungeon_difficulty_enum_and_dungeons_table_of_seed_002(keep: Keep, value: str) -> None:
    """The multiplier is in basis points: 15000 is the seed's default of 1.5, for the lowest rank."""
    await keep.do(content.load_pack(pack=game(dungeons=({**CAVE, "difficulty": value},))))
    cave = await keep.ask(dungeons.show(dungeon="cave"))
    assert (cave.name, cave.description, cave.difficulty, cave.duration_minutes, cave.cooldown_hours) == ("Cave", "Deep.", value, 60, 24)
    assert (cave.worth_bp >= 15_000, cave.season_id, [one.id for one in cave.challenges]) == (True, None, ["walk"])
    with pytest.raises(InvalidArgument) as refused:
        await keep.do(content.load_pack(pack=game(dungeons=({**CAVE, "difficulty": "F_RANK"},))))
    assert refused.value.path == "/pack/definitions/dungeons/0/difficulty"


async def test_dungeon_attempt_status_enum_and_dungeon_attempts_table_of_seed_002(
    keep: Keep, clock: ManualClock, jin: str, database_url: str
) -> None:
    assert get_args(dungeons.AttemptStatus) == ("IN_PROGRESS", "CLEARED", "FAILED", "TIMED_OUT")
    seen = []
    for end in ("CLEARED", "FAILED", "TIMED_OUT"):
        row = await keep.do(dungeons.enter(character=jin, dungeon="cave"))
        assert (row.status, row.started_at, row.completed_at, row.xp_awarded) == ("IN_PROGRESS", clock.now_ms(), None, 0)
        if end == "CLEARED":
            await _walk(keep, jin, 100)
            seen.append((await keep.do(dungeons.check(character=jin))).attempt)
        elif end == "FAILED":
            seen.append(await keep.do(dungeons.give_up(character=jin)))
        else:
            clock.move(HOUR)
            seen.append((await keep.do(dungeons.check(character=jin))).attempt)
        clock.move(24 * HOUR)
    assert [(one.status, one.xp_awarded > 0) for one in seen] == [("CLEARED", True), ("FAILED", False), ("TIMED_OUT", False)]
    assert (await keep.ask(xp.ledger(character=jin))).items[0].final_xp == seen[0].xp_awarded, "row and ledger agree"
    await refuses(
        database_url,
        copied(dungeons.DungeonAttempt),
        "UPDATE dungeon_attempts SET status = 'LOST'",
        "UPDATE dungeon_attempts SET completed_at = NULL",
        "UPDATE dungeon_attempts SET xp_awarded = 5 WHERE status = 'FAILED'",
    )
    assert (await verify(keep)).problems == []


async def test_game_configs_table_of_seed_002_is_unique_by_key_and_counts_versions(
    keep: Keep, clock: ManualClock, database_url: str
) -> None:
    made = await keep.do(content.set_config(key="rate", value=[1, {"a": None}]))
    assert (made.key, made.value, made.version, made.updated_at) == ("rate", [1, {"a": None}], 1, clock.now_ms())
    clock.move(5)
    assert (await keep.do(content.set_config(key="rate", value=2))).version == 2
    await refuses(
        database_url,
        copied(content.GameConfig),
        "UPDATE game_configs SET version = 0",
        "UPDATE game_configs SET value = NULL",
    )


async def test_narrative_contents_table_of_seed_002_is_unique_by_key(keep: Keep) -> None:
    text = {"id": "hail", "category": "BOSS", "content": "{{name}}!", "context": {"name": "who"}}
    await keep.do(content.load_pack(pack=game(narratives=(text,))))
    (hail,) = (await keep.ask(narrative.list_texts(category="BOSS"))).items
    assert (hail.id, hail.content, hail.context, hail.is_active) == ("hail", "{{name}}!", {"name": "who"}, True)
    with pytest.raises(InvalidArgument, match="stands twice"):
        await keep.do(content.load_pack(pack=game(narratives=(text, {**text, "content": "-", "context": {}}))))
    with pytest.raises(content.DefinitionTaken):
        await keep.do(content.load_pack(pack=content.Pack("other", "1", "Other", {"narratives": (text,)})))


async def test_the_pack_solo_has_all_that_the_seed_has(keep: Keep) -> None:
    """Texts of all ten categories, three bosses of each difficulty, a dungeon of each rank, eight titles, three seasons."""

    solo = content.read_pack(packs.FOLDER / "solo")
    await keep.do(content.load_pack(pack=solo))
    assert {one.category for one in keep.reader.definitions(narrative.NarrativeDefinition).values()} == set(get_args(narrative.Category))
    assert {one.difficulty for one in keep.reader.definitions(bosses.BossDefinition).values()} == set(get_args(bosses.Difficulty))
    assert {one.difficulty for one in keep.reader.definitions(dungeons.DungeonDefinition).values()} == set(get_args(dungeons.Difficulty))
    assert {one.type for one in keep.reader.definitions(dailies.QuestTemplate).values()} == set(get_args(dailies.QuestType))
    assert {one.category for one in keep.reader.definitions(dailies.QuestTemplate).values()} == set(get_args(dailies.Category))
    assert len(keep.reader.definitions(metrics.MetricDefinition)) > 20

"""Quests: what they ask for, how they go on, and that each pays once, whole, and leaves its traces."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import gamekeeper
from gamekeeper import packs
from gamekeeper.errors import GameError
from gamekeeper.keep import Keep
from gamekeeper.kernel.commands import command
from gamekeeper.kernel.verify import verify
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, combat, content, items, npcs, quests, skills, xp
from gamekeeper.modules.quests import ItemAmount, OnStart, QuestDefinition, Requirements, Rewards, Stage
from tests.crash.faults import FAULTS, faulty, tried
from tests.modules.scene import ALL, adds_up, fill, lying, people

ASK = Stage(id="ask", type="dialogue", npc="miller", description="Ask the miller what is wrong.")
RATS = Stage(id="rats", type="kill", target="mill_rat", count=10, label="rats")
TELL = Stage(id="tell", type="dialogue", npc="miller", description="Tell the miller.")

MILL = QuestDefinition(
    id="mill",
    name="Rats in the mill",
    stages=(ASK, RATS, TELL),
    on_start=OnStart(items=(ItemAmount("arrow", 20), ItemAmount("helm")), dialogue="They eat my flour!"),
    rewards=Rewards(quest_points=2, items=(ItemAmount("coins", 50), ItemAmount("crown")), xp={"attack": 100}),
)
PLAGUE = QuestDefinition(id="plague", name="Plague", quest_points=1, stages=(msgspec.structs.replace(RATS, count=4),))
CHORE = QuestDefinition(
    id="chore",
    name="Firewood",
    replayable=True,
    stages=(Stage(id="fetch", type="gather", target="logs", count=3),),
    rewards=Rewards(items=(ItemAmount("coins", 5),), xp={"attack": 10}),
)
CASTLE = QuestDefinition(
    id="castle",
    name="The castle",
    difficulty="master",
    requirements=Requirements(quests=("mill",), skills={"attack": 5}, items=(ItemAmount("coins", 60), ItemAmount("helm"))),
    stages=(Stage(id="go", type="travel", location="castle/gate"), Stage(id="pull", type="interact", target="lever")),
)
REST = (
    xp.CurveDefinition(id="runescape", name="RuneScape", formula="runescape"),
    skills.SkillDefinition(id="attack", name="Attack"),
    npcs.NpcDefinition(id="mill_rat", name="Mill rat", kind="monster", health=3),
)


def pack(*definitions: QuestDefinition, id: str = "scene") -> content.Pack:
    """The scene with these quests."""
    return content.pack_of(*ALL, *REST, *definitions, id=id, version="1", title="Scene")


QUESTS = pack(MILL, PLAGUE, CHORE, CASTLE)


@pytest.fixture
async def keep(keep: Keep) -> AsyncIterator[Keep]:
    """A keep with quests, of which everything must add up in the end."""
    await keep.do(content.load_pack(pack=QUESTS))
    yield keep
    assert (await verify(keep)).problems == []


async def entry(keep: Keep, character: str, quest: str) -> quests.QuestEntry:
    """How a character stands to a quest."""
    (found,) = [one for one in await keep.ask(quests.log(character=character)) if one.quest == quest]
    return found


async def up_to_reward(keep: Keep, character: str) -> None:
    """Do everything for the mill but to complete it."""
    await keep.do(quests.start(character=character, quest="mill"))
    await keep.do(quests.advance(character=character, quest="mill", stage="ask"))
    await keep.do(quests.progress(character=character, type="kill", target="mill_rat", count=10))
    await keep.do(quests.advance(character=character, quest="mill", stage="tell"))


async def stores(keep: Keep, character: str) -> tuple[int, int, dict[str, int], str]:
    """What a quest could have paid: points, experience, items; and how the mill stands."""
    held: dict[str, int] = {}
    for row in await keep.ask(items.inventory(holder=character)):
        held[row.item] = held.get(row.item, 0) + row.quantity
    points = (await keep.ask(xp.progress(character=character))).quest_points
    trained = (await keep.ask(skills.sheet(character=character))).total_xp
    return points, trained, held, (await entry(keep, character, "mill")).state


async def actions(keep: Keep, character: str, quest: str | None = None) -> list[tuple[str, str, str | None, int]]:
    """What the audit tells, the first first."""
    rows, cursor = [], None
    while True:
        page = await keep.ask(quests.audit(character=character, quest=quest, limit=3, cursor=cursor))
        rows += page.items
        cursor = page.next_cursor
        if cursor is None:
            return [(row.quest_id, row.action, row.stage_id, row.quest_points_awarded) for row in reversed(rows)]


async def test_a_quest_goes_from_its_start_over_its_stages_to_its_reward(keep: Keep) -> None:
    (ada,) = await people(keep, "Ada")
    begun = await keep.do(quests.start(character=ada, quest="mill"))
    assert begun == quests.Started("mill", "ask", "They eat my flour!", [ItemAmount("arrow", 20), ItemAmount("helm", 1)])
    with pytest.raises(quests.QuestAlreadyStarted):
        await keep.do(quests.start(character=ada, quest="mill"))
    assert (await keep.do(quests.progress(character=ada, type="kill", target="mill_rat"))).steps == []  # it is not their turn
    with pytest.raises(quests.StageNotCurrent) as early:
        await keep.do(quests.advance(character=ada, quest="mill", stage="tell"))
    assert early.value.current == "ask"

    await keep.do(quests.start(character=ada, quest="plague"))
    spoken = await keep.do(quests.progress(character=ada, type="dialogue", target="miller"))
    assert spoken.steps == [quests.Step("mill", "ask", 1, 1, True, "rats")]
    with pytest.raises(quests.StageCounted):
        await keep.do(quests.advance(character=ada, quest="mill", stage="rats"))
    # One event counts for both quests, and for neither beyond what is asked.
    await keep.do(quests.progress(character=ada, type="kill", target="mill_rat", count=3))
    assert (await entry(keep, ada, "mill")).progress == "3 of 10 rats"
    both = await keep.do(quests.progress(character=ada, type="kill", target="mill_rat", count=5))
    assert both.steps == [quests.Step("mill", "rats", 8, 10, False, "rats"), quests.Step("plague", "rats", 4, 4, True, None)]
    with pytest.raises(quests.QuestNotComplete) as refused:
        await keep.do(quests.complete(character=ada, quest="mill"))
    assert (refused.value.stage, refused.value.count, refused.value.needed) == ("rats", 8, 10)
    most = await keep.do(quests.progress(character=ada, type="kill", target="mill_rat", count=1_000_000))
    assert most.steps == [quests.Step("mill", "rats", 10, 10, True, "tell")]
    assert (await entry(keep, ada, "mill")).progress == "Tell the miller."
    await keep.do(quests.advance(character=ada, quest="mill", stage="tell"))

    row = await keep.reader.get(quests.QuestProgress, ada, "mill")
    assert (await entry(keep, ada, "mill")).state == "ready_to_complete"
    assert row is not None
    assert row.status == "in_progress"
    paid = await keep.do(quests.complete(character=ada, quest="mill"))
    assert (paid.quest_points_awarded, paid.quest_points, paid.times_completed) == (2, 2, 1)
    assert paid.xp == [skills.Gained("attack", 100, 100, 1, 2)]
    held = {"arrow": 20, "helm": 1, "coins": 50, "crown": 1}
    assert await stores(keep, ada) == (2, 100, held, "completed")
    assert (await keep.do(quests.complete(character=ada, quest="plague"))).quest_points == 3
    seen = await keep.ask(quests.show(character=ada, quest="mill"))
    assert [(one.id, one.done) for one in seen.stages] == [("ask", True), ("rats", True), ("tell", True)]
    assert await actions(keep, ada, "mill") == [
        ("mill", "started", "ask", 0),
        ("mill", "progressed", "ask", 0),
        ("mill", "progressed", "rats", 0),
        ("mill", "progressed", "tell", 0),
        ("mill", "completed", None, 2),
    ]
    assert len(await actions(keep, ada)) == 5 + 3


async def test_a_kill_and_what_it_means_for_quests_are_one(keep: Keep) -> None:
    (ada,) = await people(keep, "Ada")
    await keep.do(quests.start(character=ada, quest="plague"))
    counts = quests.progress(character=ada, type="kill", target="mill_rat", count=2)
    kills, counted = await keep.do(combat.kill(character=ada, npc="mill_rat", count=2), counts)
    assert (kills.kill_count, counted.steps[0].count) == (2, 2)
    with pytest.raises(npcs.NpcNotFound):
        await keep.do(quests.progress(character=ada, type="kill", target="mill_rat"), combat.kill(character=ada, npc="basilisk"))
    assert (await entry(keep, ada, "plague")).progress == "2 of 4 rats"


async def test_each_requirement_is_asked_for_and_what_is_missing_is_said(keep: Keep) -> None:
    (ada,) = await people(keep, "Ada")
    with pytest.raises(quests.RequirementsNotMet) as refused:
        await keep.do(quests.start(character=ada, quest="castle"))
    assert refused.value.facts == {"quest": "castle", "quests": ["mill"], "skills": {"attack": 5}, "items": {"coins": 60, "helm": 1}}
    assert (await entry(keep, ada, "castle")).missing == quests.Missing(["mill"], {"attack": 5}, {"coins": 60, "helm": 1})

    await up_to_reward(keep, ada)  # lends a helm
    await keep.do(quests.complete(character=ada, quest="mill"))  # pays 50 coins and a crown
    assert (await entry(keep, ada, "castle")).missing == quests.Missing([], {"attack": 5}, {"coins": 10})
    await keep.do(skills.gain(character=ada, skill="attack", xp=288))
    await keep.do(items.grant(holder=ada, item="coins", quantity=10, source="test", container="bank:0"))  # not at hand
    with pytest.raises(quests.RequirementsNotMet) as short:
        await keep.do(quests.start(character=ada, quest="castle"))
    assert (short.value.quests, short.value.skills, short.value.items) == ([], {}, {"coins": 10})
    assert [one.quest for one in await keep.ask(quests.available(character=ada))] == ["chore", "plague"]
    await keep.do(items.grant(holder=ada, item="coins", quantity=10, source="test"))  # in the bag, beside those in the pouch
    helm = next(row for row in await keep.ask(items.inventory(holder=ada)) if row.item == "helm")
    await keep.do(items.equip(character=ada, slot=helm.slot))  # what is worn is carried
    assert [one.quest for one in await keep.ask(quests.available(character=ada))] == ["castle", "chore", "plague"]
    await keep.do(quests.start(character=ada, quest="castle"))
    for kind, target in (("travel", "castle/gate"), ("interact", "lever")):
        assert len((await keep.do(quests.progress(character=ada, type=kind, target=target))).steps) == 1  # type: ignore[arg-type]
    assert (await keep.do(quests.complete(character=ada, quest="castle"))).items == []
    for unknown in (quests.start, quests.complete):
        with pytest.raises(quests.QuestNotFound):
            await keep.do(unknown(character=ada, quest="dragon"))
    for call in (quests.complete(character=ada, quest="plague"), quests.abandon(character=ada, quest="plague")):
        with pytest.raises(quests.QuestNotStarted):
            await keep.do(call)


async def test_abuse_51_a_completion_posted_many_times_at_once_pays_once(keep: Keep) -> None:
    (ada,) = await people(keep, "Ada")
    await up_to_reward(keep, ada)
    answers = await asyncio.gather(*(keep.do(quests.complete(character=ada, quest="mill")) for _ in range(30)), return_exceptions=True)
    assert [type(one) for one in answers].count(quests.Completed) == 1
    assert {type(one) for one in answers} == {quests.Completed, quests.QuestAlreadyCompleted}
    assert await stores(keep, ada) == (2, 100, {"arrow": 20, "helm": 1, "coins": 50, "crown": 1}, "completed")
    with pytest.raises(quests.QuestAlreadyCompleted):
        await keep.do(quests.start(character=ada, quest="mill"))


async def test_abuse_52_a_quest_that_staff_put_back_does_not_pay_again_unless_they_say_so(keep: Keep) -> None:
    (ada,) = await people(keep, "Ada")
    await up_to_reward(keep, ada)
    await keep.do(quests.complete(character=ada, quest="mill"))
    with pytest.raises(quests.QuestAlreadyCompleted):
        await keep.do(quests.set_stage(character=ada, quest="mill", stage="tell", reason="a wish"))
    await keep.do(quests.reset(character=ada, quest="mill", reason="wants to see it again"))
    await keep.do(quests.start(character=ada, quest="mill"))
    with pytest.raises(quests.StageNotFound):
        await keep.do(quests.set_stage(character=ada, quest="mill", stage="dance", reason="stuck"))
    await keep.do(quests.set_stage(character=ada, quest="mill", stage="tell", reason="stuck"))
    last = (await keep.ask(quests.audit(character=ada, quest="mill", limit=1))).items[0]
    assert (last.action, last.metadata) == ("progressed", {"reason": "stuck"})
    await keep.do(quests.advance(character=ada, quest="mill", stage="tell"))
    again = await keep.do(quests.complete(character=ada, quest="mill"))
    assert (again.times_completed, again.quest_points_awarded, again.quest_points, again.items, again.xp) == (2, 0, 2, [], [])

    await keep.do(quests.reset(character=ada, quest="mill", reason="the reward was lost in a bug", pays_again=True))
    await up_to_reward(keep, ada)
    assert (await keep.do(quests.complete(character=ada, quest="mill"))).quest_points == 4


async def test_a_replayable_quest_pays_each_time_and_stays_completed_when_given_up(keep: Keep) -> None:
    (ada,) = await people(keep, "Ada")
    for times in (1, 2):
        await keep.do(quests.start(character=ada, quest="chore"))
        await keep.do(quests.progress(character=ada, type="gather", target="logs", count=2))
        assert (await entry(keep, ada, "chore")).progress == "2 of 3 Logs"
        await keep.do(quests.progress(character=ada, type="gather", target="logs", count=2))
        assert (await keep.do(quests.complete(character=ada, quest="chore"))).times_completed == times
    await keep.do(quests.start(character=ada, quest="chore"))
    await keep.do(quests.abandon(character=ada, quest="chore"))
    shown = await entry(keep, ada, "chore")
    assert (shown.state, shown.startable, shown.times_completed) == ("completed", True, 2)
    assert (await lying(keep, ada), await lying(keep, ada, "pouch")) == ({}, {0: ("coins", 10)})


async def test_abuse_38_a_full_bag_refuses_the_whole_completion(keep: Keep) -> None:
    ada, bob = await people(keep, "Ada", "Bob")
    await up_to_reward(keep, ada)
    await fill(keep, ada, 26)  # there is room for the coins, not for the crown
    before = await stores(keep, ada)
    with pytest.raises(items.InventoryFull):
        await keep.do(quests.complete(character=ada, quest="mill"))
    assert await stores(keep, ada) == before
    assert [action for _, action, _, _ in await actions(keep, ada)].count("completed") == 0
    await keep.do(items.give(giver=ada, receiver=bob, item="logs", quantity=1))
    await keep.do(quests.complete(character=ada, quest="mill"))
    assert (await stores(keep, ada))[0] == 2


async def test_who_gives_up_and_starts_again_is_lent_nothing_twice(keep: Keep) -> None:
    ada, bob = await people(keep, "Ada", "Bob")
    await keep.do(quests.start(character=ada, quest="mill"))
    await keep.do(quests.advance(character=ada, quest="mill", stage="ask"))
    await keep.do(quests.progress(character=ada, type="kill", target="mill_rat", count=9))
    await keep.do(items.give(giver=ada, receiver=bob, item="arrow", quantity=15))
    left = await keep.do(quests.abandon(character=ada, quest="mill"))
    assert left.returned == [ItemAmount("arrow", 5), ItemAmount("helm", 1)]
    assert await lying(keep, ada) == {}
    assert (await entry(keep, ada, "mill")).state == "not_started"
    again = await keep.do(quests.start(character=ada, quest="mill"))
    assert again.items == [ItemAmount("arrow", 5), ItemAmount("helm", 1)]  # 15 are still out
    assert (await entry(keep, ada, "mill")).stage == "ask"
    await keep.do(items.give(giver=bob, receiver=ada, item="arrow", quantity=15))
    assert (await keep.do(quests.abandon(character=ada, quest="mill"))).returned == [ItemAmount("arrow", 20), ItemAmount("helm", 1)]
    assert await keep.reader.all(quests.QuestProgress, ada) == []
    assert [action for _, action, _, _ in await actions(keep, ada)] == ["started", "progressed", "abandoned", "started", "abandoned"]


async def test_coins_are_paid_and_lent_into_the_pouch_and_given_back_from_wherever_they_are_carried(keep: Keep) -> None:
    toll = QuestDefinition(id="toll", name="Toll", stages=(ASK,), on_start=OnStart(items=(ItemAmount("coins", 30),)))
    await keep.do(content.load_pack(pack=content.pack_of(toll, id="toll", version="1", title="Toll")))
    (ada,) = await people(keep, "Ada")
    await fill(keep, ada)  # a full bag is no hindrance
    await keep.do(quests.start(character=ada, quest="toll"))
    assert await lying(keep, ada, "pouch") == {0: ("coins", 30)}
    await keep.do(items.use_up(holder=ada, item="logs", quantity=1, sink="test"))
    await keep.do(items.move(holder=ada, from_container="pouch", from_slot=0, to_container="inventory", quantity=20))
    await keep.do(items.use_up(holder=ada, item="coins", quantity=5, sink="test"))
    assert (await keep.do(quests.abandon(character=ada, quest="toll"))).returned == [ItemAmount("coins", 25)]
    assert await items_of(keep, ada, "coins") == 0
    assert (await keep.do(quests.start(character=ada, quest="toll"))).items == [ItemAmount("coins", 25)]

    most = await items_of(keep, ada, "coins")
    await keep.do(quests.abandon(character=ada, quest="toll"))
    await keep.do(items.grant(holder=ada, item="coins", quantity=content.MAX_STACK - most + 1, source="test", container="pouch"))
    with pytest.raises(items.StackOverflow):
        await keep.do(quests.start(character=ada, quest="toll"))
    assert (await entry(keep, ada, "toll")).state == "not_started"


async def items_of(keep: Keep, who: str, item: str) -> int:
    """How many of an item somebody has."""
    return await keep.ask(items.held(holder=who, item=item))


async def test_a_quest_that_packs_no_longer_define_keeps_its_progress_and_is_said_to_be_unknown(keep: Keep) -> None:
    (ada,) = await people(keep, "Ada")
    await keep.do(quests.start(character=ada, quest="mill"))
    await keep.do(quests.start(character=ada, quest="plague"))
    await keep.do(quests.advance(character=ada, quest="mill", stage="ask"))
    await keep.do(quests.progress(character=ada, type="kill", target="mill_rat", count=3))
    await keep.do(content.load_pack(pack=pack(CHORE)))
    gone = await entry(keep, ada, "mill")
    assert (gone.unknown, gone.state, gone.name, gone.startable) == (True, "in_progress", None, False)
    assert (await keep.do(quests.progress(character=ada, type="kill", target="mill_rat"))).steps == []
    for call in (quests.complete(character=ada, quest="mill"), quests.show(character=ada, quest="mill")):
        with pytest.raises(quests.QuestNotFound):
            await (keep.do(call) if isinstance(call, gamekeeper.kernel.commands.Call) else keep.ask(call))
    assert len((await keep.do(quests.abandon(character=ada, quest="plague"))).returned) == 0

    # It comes back, with fewer rats, another stage in front, and without its last one.
    feed = Stage(id="feed", type="interact", target="cat")
    await keep.do(content.load_pack(pack=pack(msgspec.structs.replace(MILL, stages=(feed, ASK, msgspec.structs.replace(RATS, count=3))))))
    assert (await entry(keep, ada, "mill")).state == "ready_to_complete"
    await keep.do(content.load_pack(pack=pack(msgspec.structs.replace(MILL, stages=(ASK, TELL)))))
    assert (await entry(keep, ada, "mill")).stage == "tell"  # it was at the rats, which are gone


async def test_the_audit_outlives_the_character_and_still_adds_up(keep: Keep) -> None:
    (ada,) = await people(keep, "Ada")
    await up_to_reward(keep, ada)
    await keep.do(quests.complete(character=ada, quest="mill"))
    before = await actions(keep, ada)
    await keep.do(characters.delete(character=ada))
    assert await actions(keep, ada) == before
    for call in (quests.start(character=ada, quest="chore"), quests.progress(character=ada, type="gather", target="logs")):
        with pytest.raises(characters.CharacterNotFound):
            await keep.do(call)
    with pytest.raises(characters.CharacterNotFound):
        await keep.ask(quests.log(character=ada))


@command(touches=[xp.CharacterProgress], module="quest_cheats")
def cheat(ctx: Context, *, character: characters.CharacterId, points: int) -> None:
    """Set quest points that nothing has paid."""
    ctx.put(xp.CharacterProgress(character, quest_points=points))


async def test_points_that_no_quest_has_paid_are_found(keep: Keep) -> None:
    (ada,) = await people(keep, "Ada")
    await keep.do(cheat(character=ada, points=7))
    assert [(one.check, one.owner) for one in (await verify(keep)).problems] == [("quests.points", ada)]
    await keep.do(cheat(character=ada, points=0))


async def test_seed_000_defect_17_a_fault_at_any_call_of_a_completion_leaves_all_of_it_or_nothing(database_url: str) -> None:
    async with faulty(database_url, deadline_seconds=0.4, checkpoint_seconds=3600.0) as (keep, store):
        await keep.do(content.load_pack(pack=QUESTS))
        paid = (2, 100, {"arrow": 20, "helm": 1, "coins": 50, "crown": 1}, "completed")
        fired_in_all = 0
        for fault in FAULTS:
            nth, fired = 0, True
            while fired:
                nth += 1
                (ada,) = await people(keep, f"Ada {fault.replace('_', '')} {nth}")
                await up_to_reward(keep, ada)
                before = await stores(keep, ada)
                keep.runner.cache.drop(ada)
                call, key = quests.complete(character=ada, quest="mill"), f"{fault}-{nth}"
                _, fired = await tried(keep, store, call, key=key, owners=[ada], nth=nth, fault=fault)
                fired_in_all += fired
                assert await stores(keep, ada) in (before, paid)
                await keep.do(call, key=key)
                assert await stores(keep, ada) == paid
                assert [action for _, action, _, _ in await actions(keep, ada)].count("completed") == 1
        await adds_up(keep)
        assert (await verify(keep)).problems == []
        assert fired_in_all > len(FAULTS)


# What packs may say


def quest(**fields: Any) -> dict[str, Any]:
    """A quest as it stands in a file."""
    return {"id": "mill", "name": "Mill", "stages": [{"id": "rats", "type": "kill", "target": "mill_rat", "count": 3}], **fields}


TALK = {"id": "talk", "type": "dialogue", "npc": "miller"}


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (quest(stages=[TALK, TALK]), "stages.1.id"),
        (quest(stages=[]), "stages"),
        (quest(stages=[{"id": "rats", "type": "kill", "target": "rat", "count": 0}]), "stages.0.count"),
        (quest(stages=[{"id": "rats", "type": "kill", "count": 2}]), "stages.0.target"),
        (quest(stages=[{"id": "rats", "type": "dance", "target": "rat"}]), "stages.0.type"),
        (quest(stages=[TALK | {"cuont": 3}]), "stages.0.cuont"),
        (quest(requirements={"quests": ["mill"]}), "requirements.quests.0"),
        (quest(requirements={"skills": {"attack": 0}}), "requirements.skills.attack"),
        (quest(requirements={"items": [{"item": "helm"}, {"item": "helm"}]}), "requirements.items.1"),
        (quest(rewards={"items": [{"item": "coins", "quantity": 0}]}), "rewards.items.0.quantity"),
        (quest(rewards={"xp": {"attack": -5}}), "rewards.xp.attack"),
        (quest(quest_points=2, rewards={"quest_points": 3}), "rewards.quest_points"),
        (quest(quest_points=-1), "quest_points"),
        (quest(difficulty="easy"), "difficulty"),
    ],
)
def test_a_quest_with_a_flaw_is_refused_with_its_path(tmp_path: Path, raw: dict[str, Any], path: str) -> None:
    (tmp_path / "pack.toml").write_text('id = "flawed"\nversion = "1"\ntitle = "Flawed"\n')
    (tmp_path / "quests.json").write_bytes(msgspec.json.encode([raw]))
    with pytest.raises(content.InvalidPack) as refused:
        content.read_pack(tmp_path)
    assert [fault.path for fault in refused.value.faults] == [f"quests.mill.{path}"]


async def test_a_pack_whose_quests_name_what_is_not_there_or_each_other_is_refused(keep: Keep, tmp_path: Path) -> None:
    def of(*definitions: QuestDefinition, id: str = "more") -> content.Pack:
        return content.pack_of(*definitions, id=id, version="1", title="More")

    def needing(id: str, *others: str) -> QuestDefinition:
        return QuestDefinition(id=id, name=id, stages=(ASK,), requirements=Requirements(quests=others))

    base = needing("tower")
    gold = (ItemAmount("gold"),)
    for dangling, path in (
        (needing("tower", "moon"), "requirements/quests/0"),
        (msgspec.structs.replace(base, requirements=Requirements(skills={"juggling": 1})), "requirements/skills/juggling"),
        (msgspec.structs.replace(base, requirements=Requirements(items=gold)), "requirements/items/0/item"),
        (msgspec.structs.replace(base, on_start=OnStart(items=gold)), "on_start/items/0/item"),
        (msgspec.structs.replace(base, rewards=Rewards(items=gold)), "rewards/items/0/item"),
        (msgspec.structs.replace(base, rewards=Rewards(xp={"juggling": 1})), "rewards/xp/juggling"),
        (msgspec.structs.replace(base, stages=(Stage(id="dig", type="gather", target="gold"),)), "stages/0/target"),
    ):
        with pytest.raises(content.ReferenceUnknown) as refused:
            await keep.do(content.load_pack(pack=of(dangling)))
        assert refused.value.path == f"/pack/definitions/quests/0/{path}"

    circle = (needing("a", "c"), needing("b", "a"), needing("c", "b"))
    with pytest.raises(content.DefinitionsInCircle):
        await keep.do(content.load_pack(pack=of(*circle)))
    (tmp_path / "pack.toml").write_text('id = "circle"\nversion = "1"\ntitle = "Circle"\n')
    (tmp_path / "quests.json").write_bytes(msgspec.json.encode(list(circle)))
    with pytest.raises(content.InvalidPack, match=r"can never begin: . needs . needs . needs"):
        content.read_pack(tmp_path)
    # Over two packs too, of which neither has one.
    await keep.do(content.load_pack(pack=of(needing("a"))))
    await keep.do(content.load_pack(pack=of(needing("b", "a"), id="others")))
    with pytest.raises(content.DefinitionsInCircle) as over:
        await keep.do(content.load_pack(pack=of(needing("a", "b"))))
    assert sorted(over.value.ids) == ["a", "b"]
    assert isinstance(over.value, GameError)


async def test_every_quest_of_the_pack_can_be_played_to_its_end(keep: Keep) -> None:
    folder = packs.built_in("runescape")
    assert folder is not None
    read = content.read_pack(folder)
    await keep.do(content.load_pack(pack=content.pack_of(id="scene", version="2", title="Nothing left")))
    await keep.do(content.load_pack(pack=read))
    told = {one.id: one for one in read.of(QuestDefinition)}
    people_of = {one.id for one in read.of(npcs.NpcDefinition)}
    named = {
        one for quest in told.values() for stage in quest.stages for one in (stage.npc, stage.target if stage.type == "kill" else None)
    }
    assert len(told) >= 6
    assert {one for one in named if one} | {one.start_npc for one in told.values()} <= people_of

    (ada,) = await people(keep, "Ada")
    while open_ones := [one for one in await keep.ask(quests.log(character=ada)) if one.times_completed == 0]:
        chosen = next(one for one in open_ones if one.missing is not None and not one.missing.quests)
        assert chosen.missing is not None
        for skill, level in chosen.missing.skills.items():
            await keep.do(skills.gain(character=ada, skill=skill, xp=xp.runescape_threshold(level)))
        for item, quantity in chosen.missing.items.items():
            await keep.do(items.grant(holder=ada, item=item, quantity=quantity, source="test"))
        await keep.do(quests.start(character=ada, quest=chosen.quest))
        for stage in told[chosen.quest].stages:
            assert stage.about is not None
            await keep.do(quests.progress(character=ada, type=stage.type, target=stage.about, count=stage.count))
        await keep.do(quests.complete(character=ada, quest=chosen.quest))
    assert (await keep.ask(xp.progress(character=ada))).quest_points == sum(one.points for one in told.values())

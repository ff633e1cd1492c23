"""Seed 000, Hyperscape: the defects that it had or has, none of which may return. Each is a named test that fails if it is put in.

| defect | what went wrong | where its test is, or why it cannot occur |
|---|---|---|
| 1 | "not ready" was taken for "owns nothing", and saved over what was there | here, `test_seed_000_defect_01_` |
| 2 | equipment was deleted and inserted again without a transaction | here, `test_seed_000_defect_02_` |
| 3 | what was being saved when the server stopped was lost | here, `test_seed_000_defect_03_` |
| 4 | a purse that memory held was saved over a purchase | `tests/modules/test_stores.py`, `tests/modules/test_banks.py` |
| 5 | duplicates by what was done at the same moment | here, `test_seed_000_defect_05_`, and `tests/modules/test_banks.py` |
| 6 | a system was registered twice, and experience was paid twice | here, `test_seed_000_defect_06_` |
| 7 | a new skill was missing where skills were saved or loaded | here, `test_seed_000_defect_07_` |
| 8 | migrations were missing, doubled, in a wrong order | there are no migrations yet |
| 9 | whatever a migrator said already exists was passed over: the server ran on old tables | \
there are no migrations yet; a table that lacks a column is refused by name in `tests/kernel/test_opening.py` |
| 10 | a migration took placeholders for faults and deleted them | `tests/modules/test_banks.py` |
| 11 | what did not fit into the bag was destroyed by a withdrawal that left a placeholder | `tests/modules/test_banks.py` |
| 12 | the stake of a duel was moved without a transaction, and checked after it was taken | \
there are no duels; settling a trade is the like of it: here, `test_seed_000_defect_12_` |
| 13 | every save wrote away the metadata of items | `tests/modules/test_banks.py` |
| 14 | items that content no longer defines were deleted | `tests/modules/test_banks.py` |
| 15 | of two items in one slot one was kept | `tests/modules/test_banks.py` |
| 16 | the log of operations said completed of what nobody had executed | \
here, `test_seed_000_defect_16_`; nothing prunes histories yet, chat apart |
| 17 | rewards came after the completion of a quest, or not at all | `tests/modules/test_quests.py` |
| 18 | what a death had to do after its commit was not done when the server fell; no record told of it | `tests/modules/test_combat.py` |
"""

import asyncio
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import gamekeeper
from gamekeeper import packs
from gamekeeper.errors import GameError, StoreUnavailable
from gamekeeper.keep import Keep, import_modules
from gamekeeper.kernel.commands import COMMANDS, Call, command
from gamekeeper.kernel.queries import Ask
from gamekeeper.kernel.verify import verify
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, combat, content, items, npcs, quests, sheets, skills, trades
from tests.crash.faults import Fault, faulty
from tests.crash.raw import raw
from tests.crash.test_fail_nth import SETTINGS, Case, Prepare, complete_trade, lying, once
from tests.modules import scene
from tests.modules.test_skills import skilled

__all__ = ["skilled"]

ALWAYS = 1_000_000
"""Faults enough for a store to be gone until it is told to come back."""


def test_each_defect_of_the_table_has_its_test() -> None:
    rows = re.findall(r"^\| (\d+) \|.*\| (.+) \|$", str(__doc__), re.MULTILINE)
    assert [int(number) for number, _ in rows] == [*range(1, 19)]
    for number, where in rows:
        named = f"def test_seed_000_defect_{int(number):02}_"
        files = [Path(path) for path in re.findall(r"`(tests/\S+\.py)`", where)] + ([Path(__file__)] if "here" in where else [])
        if "no migrations" not in where:
            assert files
            assert all(named in file.read_text(encoding="utf-8") for file in files), number


async def test_seed_000_defect_01_what_cannot_be_read_is_not_taken_for_nothing(database_url: str) -> None:
    async with faulty(database_url, deadline_seconds=0.1) as (keep, store):
        await scene.stock(keep)
        (ada,) = await scene.people(keep, "Ada")
        await keep.do(items.grant(holder=ada, item="helm", quantity=2, source="test"))
        await keep.do(items.equip(character=ada, slot=0))
        worn = await keep.ask(items.inventory(holder=ada))
        keep.runner.cache.drop(ada)

        store.fail(1, "unreachable", times=ALWAYS)
        questions: list[Ask[Any]] = [items.inventory(holder=ada), sheets.whole(character=ada), characters.show(character=ada)]
        for question in questions:
            with pytest.raises(StoreUnavailable):
                await keep.ask(question)
        # A login whose store cannot be read yet, and comes back in the middle of it: what is saved then is on top of what was there.
        async with keep.lease(ada):
            for call in (items.equip(character=ada, slot=1), characters.move_to(character=ada, x=1.0)):
                with pytest.raises(StoreUnavailable):
                    await keep.do(call)
            store.fail(0, "unreachable", times=0)
            await keep.flush()
            await keep.do(characters.move_to(character=ada, x=2.0))
            await keep.flush()
        assert await keep.ask(items.inventory(holder=ada)) == worn
        assert (await keep.ask(characters.show(character=ada))).location.x == 2.0  # type: ignore[union-attr]
        with pytest.raises(characters.CharacterNotFound):
            await keep.ask(sheets.whole(character="nobody"))
        assert (await verify(keep)).problems == []


async def change_helms(keep: Keep, tag: str) -> Case:
    """Somebody who wears a crown and puts a helm on instead."""
    (ada,) = await scene.people(keep, f"Ada {tag}")
    await keep.do(items.grant(holder=ada, item="crown", quantity=1, source="test"))
    await keep.do(items.equip(character=ada, slot=0))
    await keep.do(items.grant(holder=ada, item="helm", quantity=1, source="test", metadata={"charges": 3}))
    return Case(items.equip(character=ada, slot=0), [ada])


async def at_every_call(url: str, prepare: Prepare) -> None:
    """Do a command whose store is gone from its first call on, its second ...: all of it is there afterwards, or nothing.

    It stays away until the command has given up: one that is back for the next try would hide what two steps leave between them.
    """
    faults: tuple[Fault, ...] = ("lost_before", "lost_after")
    async with faulty(url, **{**SETTINGS, "deadline_seconds": 0.1}) as (keep, store):
        await scene.stock(keep)
        outcomes = []
        for fault in faults:
            nth, fired = 0, True
            while fired:
                nth += 1
                tag = f"{fault.replace('_', '')} {nth}"
                fired, after = await once(keep, store, prepare, tag, nth, fault, warm=nth % 2 == 0, times=ALWAYS)
                outcomes.append(after)
        assert len(outcomes) > len(faults)
        assert all(one == outcomes[0] for one in outcomes)
        await scene.adds_up(keep)
        assert (await verify(keep)).problems == []


async def test_seed_000_defect_02_what_is_worn_is_never_between_taken_off_and_put_on(database_url: str) -> None:
    await at_every_call(database_url, change_helms)


async def test_seed_000_defect_03_closing_saves_what_was_under_way_and_what_memory_held(database_url: str) -> None:
    async with gamekeeper.open(database_url, create=True, allow_unsafe_postgres=True, checkpoint_seconds=3600.0) as keep:
        await scene.stock(keep)
        ada, bob = await scene.people(keep, "Ada", "Bob")
        await keep.acquire(ada)
        for step in range(50):
            await keep.do(characters.move_to(character=ada, room_id="mill", x=float(step)))
        calls = [items.grant(holder=who, item="arrow", quantity=1, source="test") for who in (ada, bob) * 40]
        waiting = [asyncio.ensure_future(keep.do(call)) for call in calls]
        await asyncio.sleep(0)  # they are on their way, and nobody waits for them
    assert all(isinstance(one, items.Minted) for one in await asyncio.gather(*waiting))

    async with gamekeeper.open(database_url, allow_unsafe_postgres=True) as again:
        assert await scene.totals(again, [ada, bob], "arrow") == [40, 40]
        location = (await again.ask(sheets.whole(character=ada, parts=["location"]))).location
        assert location is not None
        assert (location.room_id, location.x) == ("mill", 49.0)
        await scene.adds_up(again)


async def test_seed_000_defect_05_nothing_is_doubled_by_what_happens_at_the_same_moment(keep: Keep) -> None:
    await scene.stock(keep)
    ada, bob = await scene.people(keep, "Ada", "Bob")
    await keep.do(items.grant(holder=ada, item="helm", quantity=1, source="test"))
    await keep.do(items.grant(holder=ada, item="arrow", quantity=60, source="test"))
    trade = (await keep.do(trades.request(initiator=ada, receiver=bob))).trade_id
    await keep.do(trades.respond(character=bob, trade=trade, accept=True))
    state = await keep.do(trades.offer(character=ada, trade=trade, items=[trades.OfferedItem(slot=0, quantity=1)]))
    for who in (ada, bob, ada):
        state = await keep.do(trades.accept(character=who, trade=trade, revision=state.revision))
    calls: list[Call[Any]] = [
        items.equip(character=ada, slot=0),
        trades.accept(character=bob, trade=trade, revision=state.revision),
        items.unequip(character=ada, equip_slot="helmet"),
        items.give(giver=ada, receiver=bob, item="helm", quantity=1),
        items.drop(character=ada, world="world", slot=1, quantity=20),
        items.pick_up(character=bob, world="world", slot=0),
        items.pick_up(character=ada, world="world", slot=0),
        combat.die(character=ada, zone_type="pvp_zone"),
        combat.recover(character=ada),
        items.give(giver=bob, receiver=ada, item="helm", quantity=1),
    ]
    for turn in range(len(calls)):
        answers = await asyncio.gather(*(keep.do(one) for one in (calls[turn:] + calls[:turn]) * 3), return_exceptions=True)
        assert all(isinstance(one, GameError) or not isinstance(one, BaseException) for one in answers)
        await scene.adds_up(keep)

    assert (await verify(keep)).problems == []
    assert {row.item: (row.minted, row.held) for row in await keep.ask(items.conservation())} == {"helm": (1, 1), "arrow": (60, 60)}


async def test_seed_000_defect_06_what_is_registered_twice_pays_once(skilled: Keep, database_url: str) -> None:
    rat = npcs.NpcDefinition(id="rat", name="Rat", kind="monster", health=3)
    chore = quests.QuestDefinition(
        id="chore",
        name="Rats",
        stages=(quests.Stage(id="hunt", type="kill", target="rat", count=2),),
        rewards=quests.Rewards(quest_points=1, xp={"attack": 50}),
    )
    await skilled.do(content.load_pack(pack=scene.pack(rat, chore, id="rats")))
    (ada,) = await scene.people(skilled, "Ada")
    import_modules(("gamekeeper.modules.skills", "gamekeeper.modules.quests") * 2)
    async with gamekeeper.open(database_url, allow_unsafe_postgres=True) as other:
        await other.do(skills.gain(character=ada, skill="attack", xp=10))
        await skilled.do(quests.start(character=ada, quest="chore"))
        for keep in (skilled, other):
            await keep.do(combat.kill(character=ada, npc="rat"))
        counted = await other.do(quests.progress(character=ada, type="kill", target="rat", count=2), key="hunt")
        assert await skilled.do(quests.progress(character=ada, type="kill", target="rat", count=2), key="hunt") == counted
        await skilled.do(quests.complete(character=ada, quest="chore"), key="reward")
        await other.do(quests.complete(character=ada, quest="chore"), key="reward")

        sheet = await other.ask(sheets.whole(character=ada, parts=["skills", "quests"]))
    assert {one.skill: one.xp for one in sheet.skills.skills if one.skill == "attack"} == {"attack": 60}  # type: ignore[union-attr]
    assert [one.times_completed for one in sheet.quests or []] == [1]
    assert [one.kill_count for one in await skilled.ask(combat.kills(character=ada))] == [2]
    # Two commands of one name are a mistake that is found when the program starts, and not a command that runs twice.
    with pytest.raises(TypeError, match=r"skills\.gain is declared by gamekeeper\.modules\.skills"):
        command(touches=[])(_another_gain)
    assert COMMANDS["skills.gain"] is skills.gain


def _another_gain(ctx: Context, *, character: characters.CharacterId) -> None:
    """Train twice."""


_another_gain.__name__, _another_gain.__module__ = "gain", "another.game.skills.commands"


async def test_seed_000_defect_07_every_skill_is_saved_and_loaded_one_that_is_new_among_them(database_url: str) -> None:
    folder = packs.built_in("runescape")
    assert folder is not None
    async with gamekeeper.open(database_url, create=True, allow_unsafe_postgres=True) as keep:
        await keep.do(content.load_pack(pack=content.read_pack(folder)))
        (ada,) = await scene.people(keep, "Ada")
        known = sorted(keep.reader.definitions(skills.SkillDefinition))
        assert len(known) >= 17
        begun = await points(keep, ada)
        # A skill that the game gets later needs no column and no line of code.
        sailing = skills.SkillDefinition(id="sailing", name="Sailing", curve="runescape")
        await keep.do(content.load_pack(pack=scene.pack(sailing, id="sailing")))
        expected = {"sailing": 7} | {skill: begun[skill] + 100 + number for number, skill in enumerate(known)}
        await keep.do(skills.gain(character=ada, skill="sailing", xp=7))
        async with keep.lease(ada):
            for number, skill in enumerate(known):
                await keep.do(skills.gain(character=ada, skill=skill, xp=100 + number))
            await keep.do(characters.move_to(character=ada, x=1.0))
    async with gamekeeper.open(database_url, allow_unsafe_postgres=True) as again:
        assert await points(again, ada) == expected
        assert [row.difference for row in await again.ask(items.conservation())] == []
        assert (await verify(again)).problems == []


async def points(keep: Keep, character: str) -> dict[str, int]:
    """Experience by skill."""
    return {one.skill: one.xp for one in (await keep.ask(skills.sheet(character=character))).skills}


async def test_seed_000_defect_12_a_stake_is_moved_whole_and_checked_before_it_is_taken(database_url: str) -> None:
    await at_every_call(database_url, complete_trade)
    async with gamekeeper.open(database_url, allow_unsafe_postgres=True) as keep:
        ada, bob = await scene.people(keep, "Rich Ada", "Bob")
        await keep.do(items.grant(holder=ada, item="coins", quantity=2**31 - 1, source="test", container="pouch"))
        await keep.do(items.grant(holder=bob, item="coins", quantity=5, source="test", container="pouch"))
        await keep.do(items.grant(holder=ada, item="arrow", quantity=9, source="test"))
        trade = (await keep.do(trades.request(initiator=ada, receiver=bob))).trade_id
        await keep.do(trades.respond(character=bob, trade=trade, accept=True))
        await keep.do(trades.offer(character=ada, trade=trade, items=[trades.OfferedItem(slot=0, quantity=9)]))
        stake = trades.OfferedItem(container="pouch", slot=0, quantity=5)
        state = await keep.do(trades.offer(character=bob, trade=trade, items=[stake]))
        for who in (ada, bob, ada):
            state = await keep.do(trades.accept(character=who, trade=trade, revision=state.revision))
        before = await lying(keep, [ada, bob])

        with pytest.raises(GameError) as refused:
            await keep.do(trades.accept(character=bob, trade=trade, revision=state.revision))

        assert refused.value.code in {"STACK_OVERFLOW", "COIN_OVERFLOW"}
        assert await lying(keep, [ada, bob]) == before
        await scene.adds_up(keep)


async def test_seed_000_defect_16_only_what_was_executed_counts_as_done_and_it_counts_once(database_url: str) -> None:
    async with faulty(database_url, **SETTINGS) as (keep, store):
        await scene.stock(keep)
        (ada,) = await scene.people(keep, "Ada")
        counts = {"a": 1, "b": 10, "c": 100, "d": 1_000, "e": 10_000}
        calls = {key: items.grant(holder=ada, item="coins", quantity=count, source="test") for key, count in counts.items()}
        await keep.do(calls["a"], key="a")
        faults: tuple[tuple[str, Fault, int], ...] = (
            *(("b", "lost_before", ALWAYS), ("c", "lost_after", ALWAYS)),  # nobody can tell the caller
            *(("d", "lost_before", 1), ("e", "lost_after", 1)),  # the journal tells, and the caller never hears of it
        )
        for key, fault, times in faults:
            store.fail(1, fault, times=times)
            if times == 1:
                await keep.do(calls[key], key=key)
            else:
                with pytest.raises(StoreUnavailable):
                    await keep.do(calls[key], key=key)
            store.fail(0, fault, times=0)
    async with raw(database_url) as database:
        noted = {row[0] for row in await database.rows("SELECT key FROM idempotency WHERE key IN ('a', 'b', 'c', 'd', 'e')")}
    assert noted == {*counts} - {"b"}, "done is what is stored with its effect, in one commit"

    # Another process goes on: whatever the first one's callers were told, each command has its effect once.
    async with gamekeeper.open(database_url, allow_unsafe_postgres=True) as again:
        assert await scene.totals(again, [ada], "coins") == [11_101]
        for _ in range(2):
            for key, call in calls.items():
                await again.do(call, key=key)
        assert await scene.totals(again, [ada], "coins") == [11_111]
        moved = Counter(row.quantity for row in (await again.ask(items.movements(holder=ada))).items)
        assert moved == dict.fromkeys(counts.values(), 1)
        assert (await verify(again)).problems == []

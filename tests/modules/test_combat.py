"""Kills, deaths and gravestones: nothing is lost but by the rules, and nothing comes back twice."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final
from unittest.mock import AsyncMock

import pytest

import gamekeeper
from gamekeeper.errors import GameError, StoreUnavailable
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import characters, combat, content, items, npcs, prayer, trades, worlds
from gamekeeper.modules.combat import queries
from tests.crash.faults import Fault, faulty
from tests.modules.scene import adds_up, fill, lying, pack, people, stock, totals

PACK: Final = pack(
    content.ItemDefinition(id="ruby", name="Ruby", value=500),
    content.ItemDefinition(id="sword", name="Sword", value=100, equip_slot="weapon"),
    content.ItemDefinition(id="bread", name="Bread", value=5, stackable=True),
    content.ItemDefinition(id="ring", name="Ring", value=4, unique=True, equip_slot="ring"),
    npcs.NpcDefinition(id="wolf", name="Wolf", kind="monster", health=10),
    prayer.PrayerDefinition(id="bark", name="Bark", drain=3),
    id="combat",
)
QUARTER: Final = 15 * 60


@pytest.fixture
async def keep(database_url: str, clock: ManualClock) -> AsyncIterator[Keep]:
    """A keep with a world, things of different value, and a wolf."""
    async with gamekeeper.open(database_url, create=True, allow_unsafe_postgres=True, clock=clock) as keep:
        await found(keep)
        yield keep


async def found(keep: Keep) -> None:
    """Load the packs and make the world."""
    await stock(keep)
    await keep.do(content.load_pack(pack=PACK))
    await keep.do(worlds.create_world(world="world", name="World"))


async def give(keep: Keep, holder: str, item: str, quantity: int = 1, **more: Any) -> None:
    """Grant an item."""
    await keep.do(items.grant(holder=holder, item=item, quantity=quantity, source="test", **more))


async def bread(keep: Keep, *who: str) -> None:
    """Give ten loaves to each, of which a death takes seven."""
    for one in who:
        await give(keep, one, "bread", 10)


async def held(keep: Keep, holder: str) -> list[tuple[str, str, int]]:
    """What lies in which container."""
    return sorted((row.container, row.item, row.quantity) for row in await keep.ask(items.inventory(holder=holder)))


async def grave_of(keep: Keep, character: str) -> str:
    """The gravestone that stands for a character."""
    open_death = await keep.ask(combat.open_death(character=character))
    assert open_death is not None
    assert open_death.death.gravestone_id is not None
    return open_death.death.gravestone_id


async def statuses(keep: Keep, character: str) -> list[str]:
    """What became of a character's deaths, the latest first."""
    return [one.status for one in (await keep.ask(combat.deaths(character=character))).items]


async def at_peace(keep: Keep) -> None:
    """Nothing is more or less than it was, and the journal tells how it came."""
    await adds_up(keep)
    assert (await verify(keep)).problems == []


async def test_a_death_keeps_what_is_most_valuable_and_the_gravestone_gives_the_rest_back_once(keep: Keep) -> None:
    (ada,) = await people(keep, "Ada")
    await give(keep, ada, "sword")
    await keep.do(items.equip(character=ada, slot=0))
    await bread(keep, ada)
    await give(keep, ada, "ring", metadata={"engraved": ["for", "Bob"]})
    await give(keep, ada, "helm", metadata={"charges": 3})
    await keep.do(items.equip(character=ada, slot=2))
    for item in ("ruby", "cell_key"):
        await give(keep, ada, item)
    await give(keep, ada, "coins", 50, container="pouch")
    await give(keep, ada, "logs", container="bank:0")
    before = await held(keep, ada)
    (ring,) = [row.item_uid for row in await keep.ask(items.inventory(holder=ada)) if row.item == "ring"]
    await keep.do(characters.set_vitals(character=ada, vitals={"health": 0, "mana": 5}))
    await keep.do(prayer.activate(character=ada, prayer="bark"))
    await keep.do(characters.move_to(character=ada, room_id="swamp", x=3.5))

    died = await keep.do(combat.die(character=ada, killed_by="wolf"), key="death-1")

    assert (died.item_count, died.replaced) == (11, None)
    # The ruby, the sword in the hand and one loaf are kept, and what may not go to anybody else.
    kept = [("bank:0", "logs", 1), ("equipment", "sword", 1), ("inventory", "bread", 1)]
    assert await held(keep, ada) == [*kept, ("inventory", "cell_key", 1), ("inventory", "ruby", 1), ("pouch", "coins", 50)]
    shown = await keep.ask(combat.open_death(character=ada))
    assert shown is not None
    assert died.gravestone_id is not None
    inside = {row.item: (row.quantity, row.item_uid, row.metadata) for row in shown.inside}
    assert inside == {"bread": (9, None, {}), "ring": (1, ring, {"engraved": ["for", "Bob"]}), "helm": (1, None, {"charges": 3})}
    death = shown.death
    assert (death.status, death.killed_by, death.zone_type, death.room_id, death.x) == ("open", "wolf", "safe_area", "swamp", 3.5)
    lines = [{"item": "bread", "quantity": 9}, {"item": "ring", "quantity": 1, "item_uid": ring}, {"item": "helm", "quantity": 1}]
    assert death.items == lines
    sheet = await keep.ask(characters.show(character=ada))
    assert all(one.current == one.maximum for one in sheet.vitals)
    assert (await keep.ask(prayer.show(character=ada))).active == []
    assert [one.gravestone_id for one in (await keep.ask(combat.gravestones())).items] == [died.gravestone_id]
    assert await keep.do(combat.die(character=ada, killed_by="wolf"), key="death-1") == died

    assert await keep.do(combat.recover(character=ada)) == combat.Recovered(died.death_id, 11, 0)
    with pytest.raises(combat.NoGravestone):
        await keep.do(combat.recover(character=ada))
    with pytest.raises(combat.NoGravestone):
        await keep.do(combat.recover(character=ada, gravestone=died.gravestone_id))

    worn_and_carried = [(row.item, row.quantity, row.item_uid, row.metadata) for row in await keep.ask(items.inventory(holder=ada))]
    assert ("ring", 1, ring, {"engraved": ["for", "Bob"]}) in worn_and_carried
    assert ("helm", 1, None, {"charges": 3}) in worn_and_carried
    assert await held(keep, ada) == sorted([*(row for row in before if row[1] != "helm"), ("inventory", "helm", 1)])
    assert await statuses(keep, ada) == ["recovered"]
    await at_peace(keep)


async def test_a_second_death_lets_the_first_gravestone_fall_only_if_something_is_lost(keep: Keep, clock: ManualClock) -> None:
    ada, bob = await people(keep, "Ada", "Bob")
    await bread(keep, ada)
    first = await keep.do(combat.die(character=ada))
    with pytest.raises(combat.AlreadyDead) as refused:
        await keep.do(combat.die(character=ada, zone_type="wilderness"))
    assert refused.value.facts["retry_after_seconds"] == 3.0

    clock.move(5)
    bare = await keep.do(combat.die(character=ada))
    assert (bare.gravestone_id, bare.item_count, bare.replaced) == (None, 0, None)
    assert await grave_of(keep, ada) == first.gravestone_id

    clock.move(5)
    await give(keep, ada, "sword")
    second = await keep.do(combat.die(character=ada, keeps=0))
    assert (second.item_count, second.replaced) == (4, first.death_id)
    assert await grave_of(keep, ada) == second.gravestone_id
    assert await statuses(keep, ada) == ["open", "nothing_lost", "replaced"]
    assert await lying(keep, "world", "ground") == {0: ("bread", 7)}
    with pytest.raises(items.LootProtected):
        await keep.do(items.pick_up(character=bob, world="world", slot=0))
    clock.move(60)
    await keep.do(items.pick_up(character=bob, world="world", slot=0))
    await keep.do(combat.recover(character=ada))
    assert await totals(keep, [ada, bob], "bread") == [3, 7]
    await at_peace(keep)


async def test_abuse_death_twice_at_once_is_one_death(keep: Keep) -> None:
    (ada,) = await people(keep, "Ada")
    await bread(keep, ada)
    told = await asyncio.gather(
        *(keep.do(combat.die(character=ada, zone_type=zone)) for zone in ("safe_area", "pvp_zone") * 10), return_exceptions=True
    )
    died = [one for one in told if isinstance(one, combat.Died)]
    assert len(died) == 1
    assert all(isinstance(one, combat.AlreadyDead | combat.Died) for one in told)
    assert await statuses(keep, ada) == ["open"]
    assert sum(await totals(keep, [ada, await grave_of(keep, ada)], "bread")) == 10
    await at_peace(keep)


async def test_abuse_the_dead_do_not_trade(keep: Keep, clock: ManualClock) -> None:
    ada, bob = await people(keep, "Ada", "Bob")
    await bread(keep, ada, bob)
    for ada_first in (True, False):
        trade = (await keep.do(trades.request(initiator=ada, receiver=bob))).trade_id
        await keep.do(trades.respond(character=bob, trade=trade, accept=True))
        revision = 0
        for who in (ada, bob):
            state = await keep.do(trades.offer(character=who, trade=trade, items=[trades.OfferedItem(slot=0, quantity=1)]))
            revision = state.revision
        for who in (ada, bob, ada):
            revision = (await keep.do(trades.accept(character=who, trade=trade, revision=revision))).revision
        last: Sequence[Any] = (trades.accept(character=bob, trade=trade, revision=revision), combat.die(character=ada))
        outcome = await asyncio.gather(*(keep.do(one) for one in (reversed(last) if ada_first else last)), return_exceptions=True)
        assert sum(isinstance(one, GameError) for one in outcome) <= 1
        ended = await keep.ask(trades.show(trade=trade))
        assert ended.status in ("completed", "cancelled")
        if ended.status == "cancelled":
            assert ended.end_reason == "the initiator died"
        assert await keep.ask(combat.open_death(character=ada)) is not None
        clock.move(5)
        await keep.do(combat.recover(character=ada))
        # Both are free again.
        assert await keep.do(trades.cancel_all(character=ada)) == trades.Cancelled(0)
        assert sum(await totals(keep, [ada, bob], "bread")) == 20
    await at_peace(keep)


async def test_a_death_ends_the_trade_also_one_that_began_meanwhile(
    keep: Keep, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bob = await people(keep, "Ada", "Bob")
    look, looks = trades.open_trade, 0

    async def late(read: Reader, character: str) -> trades.OpenTrade:
        """Tell at first what was true before the trade began."""
        nonlocal looks
        looks += 1
        return await look(read, character) if looks > 1 else trades.OpenTrade()

    trade = (await keep.do(trades.request(initiator=bob, receiver=ada))).trade_id
    with monkeypatch.context() as patched:
        patched.setattr(trades, "open_trade", late)
        await keep.do(combat.die(character=ada))

    ended = await keep.ask(trades.show(trade=trade))
    assert (looks, ended.status, ended.end_reason) == (2, "cancelled", "the receiver died")
    clock.move(3)
    await keep.do(trades.request(initiator=bob, receiver=ada))


async def test_what_is_recovered_while_its_owner_dies_anew_is_lost_once_more_and_no_gravestone_falls(
    keep: Keep, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ada,) = await people(keep, "Ada")
    await bread(keep, ada)
    await keep.do(combat.die(character=ada))
    clock.move(5)
    look = queries.ground_of

    async def late(read: Reader, world: str) -> str | None:
        """Let the owner be faster."""
        monkeypatch.setattr(queries, "ground_of", look)
        await keep.do(combat.recover(character=ada))
        return await look(read, world)

    monkeypatch.setattr(queries, "ground_of", late)
    again = await keep.do(combat.die(character=ada))

    assert (again.item_count, again.replaced) == (7, None)
    assert await statuses(keep, ada) == ["open", "recovered"]
    await at_peace(keep)


async def test_on_a_full_ground_the_new_gravestone_holds_everything(keep: Keep, clock: ManualClock) -> None:
    (ada,) = await people(keep, "Ada")
    await give(keep, "world", "logs", items.GROUND_SLOTS, container="ground")
    await bread(keep, ada)
    await keep.do(combat.die(character=ada, keeps=0))
    clock.move(QUARTER)

    # Nothing has room to fall; it stays, and is still protected.
    assert await keep.do(combat.expire_gravestones()) == combat.Expired(0, 0, 1)
    await give(keep, ada, "ruby")
    second = await keep.do(combat.die(character=ada, keeps=0))
    assert second.item_count == 11
    assert await keep.do(combat.recover(character=ada)) == combat.Recovered(second.death_id, 11, 0)
    assert await statuses(keep, ada) == ["recovered", "replaced"]
    await adds_up(keep)


async def test_what_does_not_fit_stays_and_fifty_at_once_recover_it_once(keep: Keep, clock: ManualClock) -> None:
    ada, bob = await people(keep, "Ada", "Bob")
    await fill(keep, ada, 20)
    await bread(keep, ada)
    died = await keep.do(combat.die(character=ada, keeps=0))
    await fill(keep, ada, 28)
    with pytest.raises(items.InventoryFull):
        await keep.do(combat.recover(character=ada))
    await keep.do(items.use_up(holder=ada, item="logs", quantity=10, sink="test"))
    # The bread is worth more, and so it comes first, in one slot; nine of the logs fit.
    assert await keep.do(combat.recover(character=ada)) == combat.Recovered(died.death_id, 19, 11)
    assert await statuses(keep, ada) == ["open"]
    await keep.do(items.use_up(holder=ada, item="logs", quantity=20, sink="test"))
    assert await keep.do(combat.recover(character=ada)) == combat.Recovered(died.death_id, 11, 0)
    clock.move(5)
    await keep.do(combat.die(character=ada, keeps=0))

    told = await asyncio.gather(*(keep.do(combat.recover(character=one)) for one in (ada, bob) for _ in range(50)), return_exceptions=True)

    assert len([one for one in told if isinstance(one, combat.Recovered)]) == 1
    assert sum(isinstance(one, combat.NoGravestone) for one in told) == 99
    assert await totals(keep, [ada, bob], "bread") == [10, 0]
    await at_peace(keep)


async def test_another_takes_nothing_while_it_is_protected(keep: Keep, clock: ManualClock) -> None:
    ada, bob, cid = await people(keep, "Ada", "Bob", "Cid")
    await bread(keep, ada, bob)
    safe = (await keep.do(combat.die(character=ada))).gravestone_id
    wild = (await keep.do(combat.die(character=bob, zone_type="wilderness", killed_by=cid))).gravestone_id
    assert await totals(keep, [ada, bob], "bread") == [3, 0]
    for thief, grave in ((bob, safe), (ada, wild)):
        with pytest.raises(combat.GravestoneProtected):
            await keep.do(combat.recover(character=thief, gravestone=grave))
    with pytest.raises(combat.NoGravestone):
        await keep.do(combat.recover(character=cid))
    # By hand nobody takes anything out of it either.
    with pytest.raises(items.ContainerInvalid):
        await keep.do(items.move(holder=str(safe), from_container="gravestone", from_slot=0, to_container="inventory"))

    assert (await keep.do(combat.recover(character=cid, gravestone=wild))).taken == 10
    assert await statuses(keep, bob) == ["looted"]
    clock.move(899)
    with pytest.raises(combat.GravestoneProtected):
        await keep.do(combat.recover(character=bob, gravestone=safe))
    assert (await keep.do(combat.recover(character=ada))).taken == 7
    await at_peace(keep)


async def test_gravestones_fall_after_a_quarter_of_an_hour(keep: Keep, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, bob, eve = await people(keep, "Ada", "Bob", "Eve")
    await bread(keep, ada, bob, eve)
    with monkeypatch.context() as patched:  # as an import may leave somebody: in a world that nobody has made
        patched.setattr(worlds, "require_known", AsyncMock())
        await keep.do(characters.move_to(character=eve, world_id="nowhere"))
    for who in (ada, eve):
        await keep.do(combat.die(character=who))
    assert await keep.do(combat.expire_gravestones()) == combat.Expired(0, 0, 0)
    clock.move(QUARTER)
    await keep.do(combat.die(character=bob))

    assert await keep.do(combat.expire_gravestones(dry_run=True)) == combat.Expired(2, 14, 0)
    # Of Eve's world there is no ground; hers stands for as long again.
    both = await asyncio.gather(*(keep.do(combat.expire_gravestones()) for _ in range(2)))
    assert sum(one.gravestones for one in both) == 1
    assert await keep.do(combat.expire_gravestones()) == combat.Expired(0, 0, 0)
    assert [await statuses(keep, who) for who in (ada, bob, eve)] == [["expired"], ["open"], ["open"]]
    with pytest.raises(combat.NoGravestone):
        await keep.do(combat.recover(character=ada))
    assert await keep.ask(combat.open_death(character=ada)) is None
    clock.move(59)
    with pytest.raises(items.LootProtected):
        await keep.do(items.pick_up(character=bob, world="world", slot=0))
    await keep.do(items.pick_up(character=ada, world="world", slot=0))
    assert await totals(keep, [ada], "bread") == [10]
    assert (await keep.do(combat.recover(character=eve))).taken == 7
    await at_peace(keep)


async def mortal(keep: Keep, name: str) -> str:
    """Somebody with a crown and ten loaves to lose."""
    (one,) = await people(keep, name)
    await give(keep, one, "crown", metadata={"gem": "ruby"})
    await bread(keep, one)
    return one


async def test_seed_000_defect_18_a_death_is_whole_and_is_found_again_when_the_server_comes_back(database_url: str) -> None:
    async with gamekeeper.open(database_url, create=True, allow_unsafe_postgres=True) as keep:
        await found(keep)
        ada = await mortal(keep, "Ada")
        died = await keep.do(combat.die(character=ada, keeps=0))
    async with gamekeeper.open(database_url, allow_unsafe_postgres=True) as keep:
        (standing,) = (await keep.ask(combat.gravestones(world_id="world"))).items
        assert (standing.character_id, standing.gravestone_id) == (ada, died.gravestone_id)
        shown = await keep.ask(combat.open_death(character=ada))
        assert shown is not None
        assert {row.item: row.metadata for row in shown.inside} == {"bread": {}, "crown": {"gem": "ruby"}}
        assert (await keep.do(combat.recover(character=ada))).taken == 11
        (crown,) = [row for row in await keep.ask(items.inventory(holder=ada)) if row.item == "crown"]
        assert crown.metadata == {"gem": "ruby"}
        # The death and everything that it moved can be told for good.
        assert await statuses(keep, ada) == ["recovered"]
        reasons = [one.reason for one in (await keep.ask(items.movements(holder=ada))).items]
        assert reasons.count("death") == reasons.count("recovered") == 2
        await at_peace(keep)


@pytest.mark.parametrize("fault", ["lost_before", "lost_after"])
async def test_seed_000_defect_18_a_death_is_whole_wherever_the_server_falls_during_it(database_url: str, fault: Fault) -> None:
    whole, nth, fired, ends = {"bread": 10, "crown": 1}, 0, True, set()
    async with gamekeeper.open(database_url, create=True, allow_unsafe_postgres=True) as keep:
        await found(keep)
    while fired:
        nth += 1
        async with faulty(database_url, deadline_seconds=0.05, checkpoint_seconds=3600.0) as (falling, store):
            ada = await mortal(falling, f"Ada {nth}")
            falling.runner.cache.drop(ada)
            store.fail(nth, fault, times=1_000_000)  # gone from here on, whatever is still to be done
            with contextlib.suppress(StoreUnavailable):
                await falling.do(combat.die(character=ada, keeps=0))
            fired = store.fired
            store.fail(0, fault, times=0)
        async with gamekeeper.open(database_url, allow_unsafe_postgres=True) as again:
            death = await again.ask(combat.open_death(character=ada))
            ends.add(death is not None)
            lost = {} if death is None else {row.item: row.quantity for row in death.inside}
            held = {row.item: row.quantity for row in await again.ask(items.inventory(holder=ada))}
            assert (held, lost) == ((whole, {}) if death is None else ({}, whole)), nth
            if death is not None:
                assert (await again.do(combat.recover(character=ada))).taken == 11
            await at_peace(again)
    assert ends == {True, False}


async def test_kills_are_counted_for_what_there_is(keep: Keep) -> None:
    (ada,) = await people(keep, "Ada")
    await asyncio.gather(*(keep.do(combat.kill(character=ada, npc="wolf", count=2)) for _ in range(20)))
    assert await keep.do(combat.kill(character=ada, npc="wolf")) == combat.Kills("wolf", 41)
    with pytest.raises(npcs.NpcNotFound):
        await keep.do(combat.kill(character=ada, npc="dragon"))
    assert [(one.npc_id, one.kill_count) for one in await keep.ask(combat.kills(character=ada))] == [("wolf", 41)]

"""The ground: whose a heap is and for how long, who sees it, and what goes when its time is over."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

import gamekeeper
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import characters, content, items, worlds
from tests.modules.scene import ALL, ARROW, adds_up, lying, pack, people, stock, totals


@pytest.fixture
async def timed(database_url: str) -> AsyncIterator[tuple[Keep, ManualClock]]:
    """A keep whose time stands until it is moved."""
    clock = ManualClock()
    async with gamekeeper.open(database_url, create=True, clock=clock, drop_seconds=300, allow_unsafe_postgres=True) as keep:
        await stock(keep)
        await keep.do(worlds.create_world(world="world", name="Mossbrook"))
        yield keep, clock


async def seen(keep: Keep, who: str, **where: Any) -> list[tuple[str, int, bool]]:
    """What somebody sees on the ground."""
    return [(one.item, one.quantity, one.yours) for one in (await keep.ask(items.ground(character=who, world="world", **where))).items]


async def test_a_heap_is_its_owner_s_at_first_then_everybody_s_and_gone_in_the_end(timed: tuple[Keep, ManualClock]) -> None:
    keep, clock = timed
    ada, bob = await people(keep, "Ada", "Bob")
    for item, count, metadata in (("arrow", 50, {"fletcher": "Cid"}), ("cell_key", 1, {}), ("crown", 1, {}), ("coins", 7, {})):
        await keep.do(items.grant(holder=ada, item=item, quantity=count, source="test", metadata=metadata))
    drops = [await keep.do(items.drop(character=ada, world="world", slot=slot)) for slot in range(4)]
    assert {one.despawns_at for one in drops} == {clock.now_ms() + 300_000}

    assert [len(await seen(keep, who)) for who in (ada, bob)] == [4, 0]
    clock.move(59.9)
    with pytest.raises(items.LootProtected) as refused:
        await keep.do(items.pick_up(character=bob, world="world", slot=0))
    assert refused.value.facts["until"] == clock.now_ms() + 100
    await keep.do(items.pick_up(character=ada, world="world", slot=3))
    clock.move(0.1)
    assert await seen(keep, bob) == [("arrow", 50, False), ("crown", 1, False)]
    assert await seen(keep, ada) == [("arrow", 50, True), ("cell_key", 1, True), ("crown", 1, True)]
    with pytest.raises(items.UntradeableItem):
        await keep.do(items.pick_up(character=bob, world="world", slot=1))
    await keep.do(items.pick_up(character=bob, world="world", slot=0))
    assert [row.metadata for row in await keep.ask(items.inventory(holder=bob))] == [{"fletcher": "Cid"}]

    clock.move(239.9)
    assert len(await seen(keep, ada)) == 2
    assert await keep.do(items.sweep_ground(world="world")) == items.Swept(0, {}, False)
    clock.move(0.1)
    assert await seen(keep, ada) == []
    with pytest.raises(items.SlotEmpty):
        await keep.do(items.pick_up(character=ada, world="world", slot=1))
    tried = await keep.do(items.sweep_ground(world="world", limit=1, dry_run=True))
    assert tried == items.Swept(1, {"cell_key": 1}, True)
    assert await keep.ask(items.held(holder="world", item="cell_key")) == 1
    assert await keep.do(items.sweep_ground(world="world", limit=1)) == tried
    assert await keep.do(items.sweep_ground(world="world")) == items.Swept(1, {"crown": 1}, False)
    assert await lying(keep, "world", "ground") == {}
    sinks = (await keep.ask(items.economy())).sinks
    assert {(one.account, one.item, one.quantity) for one in sinks} == {("burn:despawn", "cell_key", 1), ("burn:despawn", "crown", 1)}
    await adds_up(keep)
    assert (await verify(keep)).problems == []


async def test_the_ground_is_seen_by_rooms_by_nearness_and_in_pages(timed: tuple[Keep, ManualClock]) -> None:
    keep, clock = timed
    ada, bob = await people(keep, "Ada", "Bob")
    await keep.do(items.grant(holder=ada, item="arrow", quantity=30, source="test"))
    await keep.do(items.grant(holder=ada, item="cell_key", quantity=8, source="test"))
    for count, (room, x, y) in enumerate([("square", 0.0, 0.0), ("square", 3.0, -2.5), ("square", 30.0, 0.0), ("mill", 0.0, 0.0)], 1):
        await keep.do(characters.move_to(character=ada, room_id=room, x=x, y=y))
        await keep.do(items.drop(character=ada, world="world", slot=0, quantity=count))
        await keep.do(items.drop(character=ada, world="world", slot=count))
    await keep.do(items.grant(holder="world", item="logs", quantity=1, source="spawn", container="ground"))
    clock.move(60)
    await keep.do(characters.move_to(character=bob, room_id="square", x=1.0))

    assert await seen(keep, bob) == [*(("arrow", count, False) for count in (1, 2, 3, 4)), ("logs", 1, False)]
    assert await seen(keep, bob, room="mill") == [("arrow", 4, False)]
    assert await seen(keep, bob, within=2.5) == [("arrow", 1, False), ("arrow", 2, False)]
    assert await seen(keep, bob, within=2.4) == [("arrow", 1, False)]
    assert await seen(keep, bob, within=9.0, room="mill") == []
    async with keep.lease(bob):
        await keep.do(characters.move_to(character=bob, x=30.0))
        assert await seen(keep, bob, within=1.0) == [("arrow", 3, False)], "where memory knows the character to be"
    pages, cursor = [], None
    while True:
        page = await keep.ask(items.ground(character=bob, world="world", limit=2, cursor=cursor))
        pages.append([(one.item, one.quantity) for one in page.items])
        cursor = page.next_cursor
        if cursor is None:
            break
    assert [one for page in pages for one in page] == [*(("arrow", count) for count in (1, 2, 3, 4)), ("logs", 1)]
    assert max(map(len, pages)) == 2
    with pytest.raises(characters.CharacterNotFound):
        await keep.ask(items.ground(character="nobody", world="world"))

    # What nobody defines any more stays its owner's, who may still take it.
    await keep.do(content.load_pack(pack=pack(*(one for one in ALL if one is not ARROW), version="2")))
    assert await seen(keep, bob) == [("logs", 1, False)]
    with pytest.raises(items.UntradeableItem):
        await keep.do(items.pick_up(character=bob, world="world", slot=0))
    await keep.do(items.pick_up(character=ada, world="world", slot=0))
    await keep.do(items.pick_up(character=bob, world="world", slot=8))
    assert await totals(keep, [ada, bob], "logs") == [0, 1]
    await adds_up(keep)


async def test_a_full_ground_makes_room_with_what_is_over(timed: tuple[Keep, ManualClock], monkeypatch: pytest.MonkeyPatch) -> None:
    keep, clock = timed
    monkeypatch.setitem(items.SLOTS, "ground", 3)
    (ada,) = await people(keep, "Ada")
    await keep.do(items.grant(holder=ada, item="logs", quantity=5, source="test"))
    for slot in range(3):
        await keep.do(items.drop(character=ada, world="world", slot=slot))
        clock.move(99)
    with pytest.raises(items.InventoryFull):
        await keep.do(items.drop(character=ada, world="world", slot=3))
    clock.move(3)

    made = await keep.do(items.drop(character=ada, world="world", slot=3))

    assert (made.slot, await keep.ask(items.held(holder="world", item="logs"))) == (0, 3)
    await adds_up(keep)

"""Seed 004: the seven faults of the engine that the guide describes (seed-systems 5.2), none of which may come back."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

import gamekeeper
from gamekeeper.errors import InvalidArgument, StoreUnavailable
from gamekeeper.keep import Keep
from gamekeeper.kernel.gate import InvalidJson
from gamekeeper.kernel.store.base import Unreachable
from gamekeeper.modules import states, worlds

WORLD = "valley"
STORED = text("SELECT entity_id, components FROM entity_states ORDER BY entity_id")


async def stored(keep: Keep) -> dict[str, str]:
    """What the database holds of the entities."""
    return {row[0]: row[1] for row in await keep.store.fetch(STORED, {})}


async def build(keep: Keep, *ids: str, blocks: int) -> None:
    """Save entities."""
    await keep.do(states.save_entities(world=WORLD, entities=[states.Entity(id, components={"blocks": blocks}) for id in ids]))


async def leased(keep: Keep, *ids: str) -> None:
    """A world that is leased here, with entities that are in memory."""
    await keep.do(worlds.create_world(world=WORLD, name="Valley"))
    await keep.acquire(WORLD)
    await build(keep, *ids, blocks=0)


async def test_fault_a_what_was_built_last_is_saved_when_the_server_ends(database_url: str) -> None:
    async with gamekeeper.open(database_url, create=True, allow_unsafe_postgres=True, checkpoint_seconds=60) as keep:
        await leased(keep, "tower", "wall")
        await build(keep, "tower", blocks=7)
        assert await stored(keep) == {"tower": '{"blocks":0}', "wall": '{"blocks":0}'}, "only memory has it"
    async with gamekeeper.open(database_url, allow_unsafe_postgres=True) as keep:
        assert await stored(keep) == {"tower": '{"blocks":7}', "wall": '{"blocks":0}'}


async def test_fault_b_a_flush_that_fails_is_told_and_tried_again_also_when_it_deletes(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gamekeeper.open(database_url, create=True, allow_unsafe_postgres=True, checkpoint_seconds=0.1) as keep:
        await leased(keep, "tower", "wall")
        real, failures = keep.store.apply, 3

        async def apply(writes: Any) -> Any:
            nonlocal failures
            if failures:
                failures -= 1
                raise Unreachable("the disk is away")
            return await real(writes)

        monkeypatch.setattr(keep.store, "apply", apply)
        await keep.do(states.delete_entities(world=WORLD, entities=["wall"]))
        await build(keep, "tower", blocks=8)
        with pytest.raises(StoreUnavailable):
            await keep.flush()
        for _ in range(100):
            if await stored(keep) == {"tower": '{"blocks":8}'}:
                break
            await asyncio.sleep(0.05)
        assert await stored(keep) == {"tower": '{"blocks":8}'}
        assert failures == 0


async def test_fault_c_an_edit_that_arrives_during_a_flush_survives_it(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    await leased(keep, "tower")
    await build(keep, "tower", blocks=1)
    real, begun, go_on = keep.store.apply, asyncio.Event(), asyncio.Event()

    async def apply(writes: Any) -> Any:
        begun.set()
        await go_on.wait()
        return await real(writes)

    monkeypatch.setattr(keep.store, "apply", apply)
    flush = asyncio.create_task(keep.flush())
    await begun.wait()
    edit = asyncio.create_task(build(keep, "tower", blocks=2))
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(flush, edit)

    entity = await keep.ask(states.load_entity(world=WORLD, entity="tower"))
    assert entity is not None
    assert entity.components == {"blocks": 2}
    await keep.flush()
    assert await stored(keep) == {"tower": '{"blocks":2}'}


async def test_fault_d_what_is_saved_is_what_was_given_and_nothing_that_was_changed_later(keep: Keep) -> None:
    await leased(keep, "tower")
    components: dict[str, Any] = {"blocks": 1, "rooms": [{"door": "shut"}]}
    call = states.save_entities(world=WORLD, entities=[states.Entity("tower", components=components)])
    components["rooms"][0]["door"] = "open"
    await keep.do(call)
    components["rooms"].clear()
    entity = await keep.ask(states.load_entity(world=WORLD, entity="tower"))
    assert entity is not None
    entity.components["rooms"].append("a hole")

    await keep.flush()
    assert await stored(keep) == {"tower": '{"blocks":1,"rooms":[{"door":"shut"}]}'}


async def test_fault_e_an_entity_that_cannot_be_saved_says_why_and_takes_no_other_with_it(keep: Keep) -> None:
    await leased(keep, "tower", "wall")
    with pytest.raises((InvalidArgument, InvalidJson)) as caught:
        await build(keep, "wall", blocks=float("nan"))  # type: ignore[arg-type]
    assert "blocks" in str(caught.value.facts["path"])
    with pytest.raises(states.StateNotFound):
        await keep.do(states.patch_entity(world=WORLD, entity="blueprint-that-is-gone", merge={"a": 1}))
    await build(keep, "tower", blocks=3)
    await keep.flush()
    assert await stored(keep) == {"tower": '{"blocks":3}', "wall": '{"blocks":0}'}


async def test_fault_f_a_thousand_entities_are_one_transaction(keep: Keep) -> None:
    await keep.do(worlds.create_world(world=WORLD, name="Valley"))
    before = keep.stats.batches
    await build(keep, *(f"e{n}" for n in range(1_000)), blocks=1)
    assert keep.stats.batches == before + 1
    assert len(await stored(keep)) == 1_000


async def test_fault_g_long_settings_are_kept_whole(keep: Keep) -> None:
    await keep.do(worlds.create_world(world=WORLD, name="Valley"))
    settings = {f"setting {n}": "on" * 100 for n in range(1_000)}
    await keep.do(states.save_world(world=WORLD, state=settings))
    found = await keep.ask(states.load_world(world=WORLD))
    assert found is not None
    assert found.state == settings

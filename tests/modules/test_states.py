"""Free state: documents of players, entities, worlds and apps, their versions and forms, from memory under a lease and without one."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

import gamekeeper
from gamekeeper.errors import InvalidArgument
from gamekeeper.keep import Keep
from gamekeeper.kernel.gate import InvalidJson
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import states, worlds
from gamekeeper.modules.states import rules

WORLD = "the-world"


@pytest.fixture
async def world(keep: Keep) -> str:
    """A world."""
    return (await keep.do(worlds.create_world(world=WORLD, name="The world"))).world_id


@pytest.fixture
def forms() -> Iterator[None]:
    """Lets a test declare forms of its own."""
    before = {kind: dict(known) for kind, known in rules.UPGRADES.items()}
    yield
    rules.UPGRADES.clear()
    rules.UPGRADES.update(before)


async def test_seed_004_the_examples_of_the_guide(keep: Keep, world: str) -> None:
    await keep.do(
        states.save_player(
            world=world,
            player="player-1",
            position={"x": 100, "y": 50, "z": 200},
            rotation={"x": 0, "y": 1.5, "z": 0, "w": 1},
            state={
                "health": 100,
                "mana": 50,
                "inventory": [{"itemId": "sword", "quantity": 1}, {"itemId": "potion", "quantity": 5}],
                "skills": {"combat": {"level": 10, "xp": 1500}, "magic": {"level": 5, "xp": 250}},
            },
        )
    )
    state = await keep.ask(states.load_player(world=world, player="player-1"))
    assert state is not None
    assert (state.position, state.state["health"]) == ({"x": 100, "y": 50, "z": 200}, 100)
    assert state.state["inventory"][1] == {"itemId": "potion", "quantity": 5}
    assert await keep.ask(states.load_player(world=world, player="player-2")) is None, "not there is not the same as empty"

    merchant = states.Entity(
        "merchant", type="npc", name="Merchant", position=states.Position(1.5, 0, -2), components={"shop": {"gold": 5}}, metadata={"v": 1}
    )
    await keep.do(states.save_entities(world=world, entities=[merchant, states.Entity("chest", type="box")]))
    entities = await keep.ask(states.load_entities(world=world))
    assert [(one.entity_id, one.type, one.x, one.components) for one in entities.items] == [
        ("chest", "box", None, {}),
        ("merchant", "npc", 1.5, {"shop": {"gold": 5}}),
    ]

    await keep.do(
        states.save_world(
            world=world,
            state={
                "time": "day",
                "weather": "sunny",
                "npcs": [{"id": "merchant", "position": {"x": 0, "y": 0, "z": 0}}],
                "quests": {"main_quest": {"stage": 3, "completed": False}},
            },
        )
    )
    whole = await keep.ask(states.load_world(world=world))
    assert whole is not None
    assert whole.state["quests"]["main_quest"] == {"stage": 3, "completed": False}

    await keep.do(
        states.save_app(world=world, app="my-rpg-app", player="player-1", key="character", value={"class": "warrior", "level": 25}),
        states.save_app(world=world, app="my-rpg-app", key="settings", value={"difficulty": "hard", "pvpEnabled": True}),
    )
    mine = await keep.ask(states.load_app(world=world, app="my-rpg-app", player="player-1", key="character"))
    everybodys = await keep.ask(states.load_app(world=world, app="my-rpg-app", key="settings"))
    assert mine is not None
    assert everybodys is not None
    assert (mine.value["level"], everybodys.value["pvpEnabled"]) == (25, True)
    for other in (
        states.load_app(world=world, app="my-rpg-app", key="character"),
        states.load_app(world=world, app="my-rpg-app", player="player-2", key="character"),
        states.load_app(world=world, app="another-app", key="settings"),
    ):
        assert await keep.ask(other) is None
    assert [one.key for one in (await keep.ask(states.list_app_keys(world=world, app="my-rpg-app"))).items] == ["settings"]
    assert (await verify(keep)).ok


async def test_what_a_save_leaves_out_stays_and_a_patch_changes_what_it_names(keep: Keep, world: str) -> None:
    await keep.do(states.save_player(world=world, player="p", position={"x": 1}, state={"hp": 5, "bag": {"a": 1, "b": 2}}))
    await keep.do(states.save_player(world=world, player="p", position={"x": 2}))
    told = await keep.do(states.patch_player(world=world, player="p", merge={"hp": None, "bag": {"b": 3, "c": [4]}, "new": True}))
    row = await keep.ask(states.load_player(world=world, player="p"))

    assert row is not None
    assert (row.position, row.state) == ({"x": 2}, {"bag": {"a": 1, "b": 3, "c": [4]}, "new": True})
    assert (told.version, row.version) == (3, 3)
    await keep.do(states.save_entities(world=world, entities=[states.Entity("e", components={"door": "open"})]))
    await keep.do(states.patch_entity(world=world, entity="e", merge={"door": None, "lamp": {"lit": True}}))
    entity = await keep.ask(states.load_entity(world=world, entity="e"))
    assert entity is not None
    assert entity.components == {"lamp": {"lit": True}}
    await keep.do(states.save_world(world=world, metadata={"by": "us"}))
    await keep.do(states.patch_world(world=world, merge={"day": 2}))
    whole = await keep.ask(states.load_world(world=world))
    assert whole is not None
    assert (whole.state, whole.metadata) == ({"day": 2}, {"by": "us"})
    for nothing in (states.patch_player(world=world, player="q", merge={}), states.patch_entity(world=world, entity="f", merge={})):
        with pytest.raises(states.StateNotFound):
            await keep.do(nothing)
    with pytest.raises(worlds.WorldNotFound):
        await keep.do(states.save_player(world="nowhere", player="p"))
    with pytest.raises(InvalidArgument, match="null is no value"):
        await keep.do(states.save_app(world=world, app="a", key="k", value=None))


async def test_abuse_62_of_two_servers_that_load_change_and_save_one_is_told_the_current_version(keep: Keep, world: str) -> None:
    first = await keep.do(states.save_player(world=world, player="p", state={"gold": 1}, expect=0))
    tries = [keep.do(states.save_player(world=world, player="p", state={"gold": n}, expect=first.version)) for n in range(10)]
    answers = await asyncio.gather(*tries, return_exceptions=True)

    refused = [one for one in answers if isinstance(one, states.StateChanged)]
    assert len(refused) == 9
    assert {(one.expected, one.current) for one in refused} == {(1, 2)}
    for call in (
        states.delete_player(world=world, player="p", expect=1),
        states.patch_player(world=world, player="p", merge={}, expect=0),
        states.save_entities(world=world, entities=[states.Entity("new"), states.Entity("gone", expect=4)]),
        states.save_app(world=world, app="a", key="k", value=1, expect=2),
        states.delete_app(world=world, app="a", key="k", expect=1),
    ):
        with pytest.raises(states.StateChanged):
            await keep.do(call)
    assert await keep.ask(states.load_entity(world=world, entity="new")) is None, "all entities of a call or none"
    assert await keep.do(states.delete_player(world=world, player="p", expect=2))
    assert not await keep.do(states.delete_player(world=world, player="p"))
    assert (await keep.do(states.save_app(world=world, app="a", key="k", value=[1, "two", None]))).version == 1
    assert await keep.do(states.delete_app(world=world, app="a", key="k"))


async def test_entities_are_found_by_type_and_area_page_by_page_and_saved_by_thousands(keep: Keep, world: str) -> None:
    grid = [
        states.Entity(f"e{x:02}{z:02}", type="tree" if (x + z) % 2 else "rock", position=states.Position(x, 0, z))
        for x in range(40)
        for z in range(40)
    ]
    saved = await keep.do(states.save_entities(world=world, entities=grid))
    assert len(saved) == 1_600

    async def ids(**asked: Any) -> list[str]:
        found, cursor = list[str](), None
        while True:
            page = await keep.ask(states.load_entities(world=world, limit=300, cursor=cursor, **asked))
            found += [one.entity_id for one in page.items]
            cursor = page.next_cursor
            if cursor is None:
                return found

    assert await ids() == [one.id for one in grid]
    assert await ids(type="tree") == [one.id for one in grid if one.type == "tree"]
    corner = states.Area(west=3, east=5, north=38)
    assert await ids(area=corner) == ["e0338", "e0339", "e0438", "e0439", "e0538", "e0539"]
    assert await ids(area=corner, type="rock") == ["e0339", "e0438", "e0539"]
    assert await keep.do(states.delete_entities(world=world, entities=["e0338", "e0338", "nobody"])) == 1
    assert "e0338" not in await ids(area=corner)


async def test_under_a_lease_saves_are_answered_from_memory_and_lists_see_them(keep: Keep, world: str) -> None:
    await keep.acquire(world)
    everybody = [f"p{n:03}" for n in range(50)]
    for player in everybody:
        await keep.do(states.save_player(world=world, player=player, position={"x": 0}))
    await keep.do(states.save_entities(world=world, entities=[states.Entity("cart", type="cart", position=states.Position(0, 0, 0))]))
    before = keep.stats.checkpoints
    for x in range(1, 5):
        for player in everybody:
            await keep.do(states.save_player(world=world, player=player, position={"x": x}))
        await keep.do(states.save_entities(world=world, entities=[states.Entity("cart", position=states.Position(x, 0, 0))]))
    assert keep.stats.checkpoints - before == 4 * 51

    one = await keep.ask(states.load_player(world=world, player="p007"))
    assert one is not None
    assert (one.position, one.version) == ({"x": 4}, 5)
    near = await keep.ask(states.load_entities(world=world, area=states.Area(west=4)))
    assert [entity.entity_id for entity in near.items] == ["cart"]
    page = await keep.ask(states.list_players(world=world, limit=30))
    rest = await keep.ask(states.list_players(world=world, limit=30, cursor=page.next_cursor))
    assert [(row.player_id, row.position) for row in page.items + rest.items] == [(player, {"x": 4}) for player in everybody]
    await keep.release(world)
    assert (await verify(keep)).ok


async def test_old_forms_are_upgraded_on_read_and_newer_ones_are_never_overwritten(database_url: str, forms: None) -> None:
    async with gamekeeper.open(database_url, create=True, allow_unsafe_postgres=True) as keep:
        world = (await keep.do(worlds.create_world(world=WORLD, name="The world"))).world_id
        await keep.do(states.save_player(world=world, player="old", state={"hp": 7}))
        await keep.do(states.save_app(world=world, app="a", key="k", value=[1]))

        @states.upgrades("player_state", 2)
        def with_health(body: dict[str, Any]) -> dict[str, Any]:
            body["state"]["health"] = {"now": body["state"].pop("hp"), "most": 10}
            return body

        @states.upgrades("player_state", 3)
        def with_mana(body: dict[str, Any]) -> dict[str, Any]:
            body["state"]["mana"] = body["state"]["health"]["most"] // 2
            return body

        read = await keep.ask(states.load_player(world=world, player="old"))
        assert read is not None
        assert (read.schema_version, read.version, read.state) == (3, 1, {"health": {"now": 7, "most": 10}, "mana": 5})
        stored = (await keep.store.fetch(text("SELECT schema_version FROM player_states"), {}))[0][0]
        assert stored == 1, "reading changes nothing"
        patched = await keep.do(states.patch_player(world=world, player="old", merge={"mana": 6}))
        assert (patched.version, patched.schema_version) == (2, 3)

        with pytest.raises(TypeError, match="the next upgrade of player_state is to 4"):
            states.upgrades("player_state", 7)(dict)

        del rules.UPGRADES["player_state"][3]
        newer = await keep.ask(states.load_player(world=world, player="old"))
        assert newer is not None
        assert (newer.schema_version, newer.state["mana"]) == (3, 6), "an old program may look at it"
        for call in (states.save_player(world=world, player="old", state={}), states.patch_player(world=world, player="old", merge={})):
            with pytest.raises(states.StateTooNew) as caught:
                await keep.do(call)
            assert (caught.value.schema_version, caught.value.known) == (3, 2)

        @states.upgrades("app_document", 2)
        def broken(body: dict[str, Any]) -> dict[str, Any]:
            return {"value": body["value"]["no"]}

        with pytest.raises(states.StateNotUpgraded, match="to 2"):
            await keep.ask(states.load_app(world=world, app="a", key="k"))


async def test_abuse_70_a_whole_world_is_upgraded_in_parts_to_what_reading_gives(keep: Keep, world: str, forms: None) -> None:
    for number in range(7):
        await keep.do(states.save_player(world=world, player=f"p{number}", state={"hp": number}))
        await keep.do(states.save_app(world=world, app=f"app{number % 2}", player=f"p{number % 3}", key=f"k{number}", value=number))
    await keep.do(states.save_player(world=world, player="p3b", state={"hp": "many"}))
    await keep.do(states.save_world(world=world, state={"day": 1}))

    @states.upgrades("player_state", 2)
    def in_tenths(body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "state": {"tenths": 10 * int(body["state"]["hp"])}}

    @states.upgrades("app_document", 2)
    def in_a_list(body: dict[str, Any]) -> dict[str, Any]:
        return {"value": [body["value"]]}

    @states.upgrades("world_state", 2)
    def with_a_year(body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "state": {**body["state"], "year": 1}}

    read = {row.player_id: row.state for row in [await keep.ask(states.load_player(world=world, player=f"p{n}")) for n in range(7)] if row}
    tried = await keep.do(states.upgrade(world=world, kind="player_state", limit=5, dry_run=True))
    assert (tried.upgraded, [one.key for one in tried.failed]) == (4, [["p3b"]]), "five of them, one of which cannot be upgraded"
    assert tried.next_cursor is not None

    first = await keep.do(states.upgrade(world=world, kind="player_state", limit=5))
    rest = await keep.do(states.upgrade(world=world, kind="player_state", limit=5, cursor=first.next_cursor))
    assert (first.upgraded, rest.upgraded, rest.next_cursor) == (4, 3, None)
    assert "invalid literal" in first.failed[0].problem
    again = await keep.do(states.upgrade(world=world, kind="player_state"))
    assert (again.upgraded, len(again.failed)) == (0, 1), "twice changes nothing more"

    stored = await keep.reader.some(states.PlayerState, [(world, player) for player in read])
    assert {row.player_id: row.state for row in stored} == read
    assert {(row.schema_version, row.version) for row in stored} == {(2, 2)}
    parts, cursor = 0, None
    while True:
        some = await keep.do(states.upgrade(world=world, kind="app_document", limit=2, cursor=cursor))
        parts, cursor = parts + some.upgraded, some.next_cursor
        if cursor is None:
            break
    assert parts == 7
    assert (await keep.do(states.upgrade(world=world, kind="world_state"))).upgraded == 1
    assert (await keep.do(states.upgrade(world=world, kind="entity_state"))).upgraded == 0
    assert (await verify(keep)).ok


async def test_abuse_66_a_patch_cannot_make_a_document_that_could_not_come_from_outside(keep: Keep, world: str) -> None:
    many = {f"a{number}": "x" * 60_000 for number in range(12)}
    await keep.do(states.save_world(world=world, state=many))
    with pytest.raises(InvalidJson):
        await keep.do(states.patch_world(world=world, merge={f"b{name}": value for name, value in many.items()}))
    whole = await keep.ask(states.load_world(world=world))
    assert whole is not None
    assert whole.state == many

"""Worlds: they are made once and found again."""

import pytest

from gamekeeper.errors import AlreadyExists, InvalidArgument
from gamekeeper.keep import Keep
from gamekeeper.modules import characters, guests, worlds


async def test_a_world_is_made_open_and_found_again(keep: Keep) -> None:
    made = await keep.do(worlds.create_world(world="mossbrook", name="Mossbrook"))

    assert (made.world_id, made.name, made.status) == ("mossbrook", "Mossbrook", "open")
    assert await keep.ask(worlds.show(world="mossbrook")) == made
    with pytest.raises(AlreadyExists):
        await keep.do(worlds.create_world(world="mossbrook", name="Another"))
    with pytest.raises(worlds.WorldNotFound):
        await keep.ask(worlds.show(world="elsewhere"))


async def test_worlds_come_in_pages(keep: Keep) -> None:
    for id in ("b", "a", "c"):
        await keep.do(worlds.create_world(world=id, name=id.upper()))

    first = await keep.ask(worlds.list_worlds(limit=2))
    second = await keep.ask(worlds.list_worlds(limit=2, cursor=first.next_cursor))

    assert [one.name for one in first.items + second.items] == ["A", "B", "C"]
    assert second.next_cursor is None


async def test_nobody_arrives_in_a_world_that_nobody_has_made(keep: Keep) -> None:
    """The one called `world` is there for games that have no other."""
    await keep.do(characters.create(character="ash", name="Ash"), guests.create(user="eve", name="Eve"))
    for world in ("nowhere", "ash", "eve"):
        for call in (characters.create(name="Bob", world_id=world), guests.create(name="Bob", world_id=world)):
            with pytest.raises(worlds.WorldNotFound) as refused:
                await keep.do(call)
            assert refused.value.facts == {"id": world}

    await keep.do(worlds.create_world(world="nowhere", name="Somewhere"))
    await keep.do(characters.create(name="Bob", world_id="nowhere"))
    assert (await keep.do(guests.create(name="Bobby", world_id="nowhere"))).character_id


@pytest.mark.parametrize("name", ["", "a\nb", "a\n", "x" * 65])
def test_a_name_is_one_line_of_1_to_64_characters(name: str) -> None:
    with pytest.raises(InvalidArgument):
        worlds.create_world(name=name)

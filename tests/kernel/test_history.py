"""What may be asked of the journal."""

import pytest

from gamekeeper.errors import InvalidArgument
from gamekeeper.keep import Keep
from gamekeeper.kernel import history
from gamekeeper.modules import characters, trades


async def make(keep: Keep, name: str) -> str:
    """Make a character."""
    return (await keep.do(characters.create(name=name))).character_id


async def test_a_timeline_is_read_page_by_page_the_newest_first(keep: Keep) -> None:
    ada = await make(keep, "Ada")
    for name in ("Berta", "Clara", "Dora", "Edda"):
        await keep.do(characters.rename(character=ada, name=name), actor="test", reason=f"now {name}")

    first = await keep.ask(history.timeline(owner=ada, limit=2))
    second = await keep.ask(history.timeline(owner=ada, limit=2, cursor=first.next_cursor))
    third = await keep.ask(history.timeline(owner=ada, limit=2, cursor=second.next_cursor))

    pages = [first.items, second.items, third.items]
    assert [entry.seq for page in pages for entry in page] == [5, 4, 3, 2, 1]
    assert third.next_cursor is None
    entry = first.items[0]
    assert (entry.command, entry.actor, entry.reason) == ("characters.rename", "test", "now Edda")
    assert entry.arguments == {"character": ada, "name": "Edda"}
    assert [(change.table, change.before and change.before["name"], change.after and change.after["name"]) for change in entry.changes] == [
        ("characters", "Dora", "Edda")
    ]


async def test_a_timeline_is_filtered_by_command(keep: Keep) -> None:
    ada = await make(keep, "Ada")
    await keep.do(characters.rename(character=ada, name="Berta"))

    page = await keep.ask(history.timeline(owner=ada, command="characters.create"))

    assert [entry.command for entry in page.items] == ["characters.create"]


async def test_a_command_is_shown_over_all_its_owners_with_its_arguments(keep: Keep) -> None:
    ada, bob = await make(keep, "Ada"), await make(keep, "Bob")

    await keep.do(trades.request(initiator=ada, receiver=bob))
    of_bob = (await keep.ask(history.timeline(owner=bob))).items[0]

    entries = await keep.ask(history.command(command_id=of_bob.command_id))

    assert of_bob.arguments["receiver"] == bob
    assert len(entries) == 3
    assert entries[0].owner_id == ada
    assert {entry.owner_id for entry in entries} == set(entries[0].owners)
    assert await keep.ask(history.command(command_id="nothing")) == []


async def test_the_newest_commands_come_first_and_once_each(keep: Keep) -> None:
    for name in ("Ada", "Bob", "Clara"):
        await make(keep, name)

    first = await keep.ask(history.newest(limit=2))
    second = await keep.ask(history.newest(limit=2, cursor=first.next_cursor))

    ids = [entry.command_id for page in (first, second) for entry in page.items]
    assert ids == sorted(ids, reverse=True)
    assert [entry.arguments["name"] for page in (first, second) for entry in page.items] == ["Clara", "Bob", "Ada"]


async def test_a_reason_that_reads_null_is_kept(keep: Keep) -> None:
    await keep.do(characters.create(name="Ada"), reason="null")

    assert (await keep.ask(history.newest())).items[0].reason == "null"


@pytest.mark.parametrize("cursor", ["x", "WyJhIl0", "////"])
async def test_a_cursor_that_was_not_given_is_refused(keep: Keep, cursor: str) -> None:
    with pytest.raises(InvalidArgument):
        await keep.ask(history.timeline(owner="ada", cursor=cursor))

"""Loading packs: what comes, changes and goes, and what must stay as it is."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from gamekeeper.errors import InvalidArgument
from gamekeeper.keep import Keep
from gamekeeper.modules import content, items
from tests.modules.scene import ARROW, COINS, LOGS, pack, people

STARTER = Path(content.__file__).parent / "starter"


async def test_the_starter_pack_loads_and_its_definitions_are_in_force(keep: Keep) -> None:
    starter = content.read_pack(STARTER)

    loaded = await keep.do(content.load_pack(pack=starter))

    defined = starter.of(content.ItemDefinition)
    assert loaded.kinds["item"] == content.Changes(added=len(defined))
    assert loaded.added == sum(map(len, starter.definitions.values()))
    assert set(loaded.kinds) == {"curve", "item", "skill"}
    known = keep.reader.definitions(content.ItemDefinition)
    notes = {note.id: note for item in defined for note in item.derived()}
    assert {item.id: item for item in defined} | notes == dict(known)


async def test_loading_the_same_pack_again_changes_nothing(keep: Keep) -> None:
    await keep.do(content.load_pack(pack=pack(COINS, ARROW)))
    version = await keep.version("content")
    (before,) = await keep.ask(content.packs())

    again = await keep.do(content.load_pack(pack=pack(COINS, ARROW)))

    assert again == content.PackLoaded(0, 0, 0, 2, {"item": content.Changes(unchanged=2)}, 1)
    assert await keep.version("content") == version
    assert await keep.ask(content.packs()) == [before]


async def test_a_new_version_adds_changes_and_removes(keep: Keep) -> None:
    await keep.do(content.load_pack(pack=pack(COINS, ARROW)))
    dear = msgspec.structs.replace(COINS, value=9)

    loaded = await keep.do(content.load_pack(pack=pack(dear, LOGS, version="2")))

    assert loaded == content.PackLoaded(1, 1, 1, 0, {"item": content.Changes(added=1, changed=1, removed=1)}, 2)
    assert [item.id for item in (await keep.ask(content.item_definitions())).items] == ["coins", "logs"]
    assert keep.reader.definitions(content.ItemDefinition)["coins"].value == 9
    (known,) = await keep.ask(content.packs())
    assert (known.pack_id, known.version) == ("scene", "2")


async def test_a_pack_cannot_take_what_another_one_defines(keep: Keep) -> None:
    await keep.do(content.load_pack(pack=pack(COINS)))

    with pytest.raises(content.DefinitionTaken) as refused:
        await keep.do(content.load_pack(pack=pack(LOGS, COINS, id="other")))

    assert refused.value.facts == {"of_kind": "item", "id": "coins", "pack": "scene"}
    assert [item.id for item in (await keep.ask(content.item_definitions())).items] == ["coins"]


async def test_a_definition_that_goes_leaves_what_is_held_of_it(keep: Keep) -> None:
    (ada,) = await people(keep, "Ada")
    await keep.do(content.load_pack(pack=pack(ARROW, LOGS)))
    await keep.do(items.grant(holder=ada, item="arrow", quantity=30, source="test", metadata={"fletcher": "Bob"}))

    await keep.do(content.load_pack(pack=pack(LOGS, version="2")))

    (held,) = await keep.ask(items.inventory(holder=ada))
    assert (held.item, held.name, held.quantity, held.metadata, held.unknown) == ("arrow", None, 30, {"fletcher": "Bob"}, True)


@pytest.mark.parametrize(
    ("broken", "path"),
    [
        ([COINS, COINS], "/pack/definitions/items/1/id"),
        ([msgspec.structs.replace(COINS, unique=True)], "/pack/definitions/items/0/stackable"),
        ([msgspec.structs.replace(LOGS, max_stack=5)], "/pack/definitions/items/0/max_stack"),
        ([msgspec.structs.replace(LOGS, attributes={"at": float("nan")})], "/pack/definitions/items/0/attributes/at"),
    ],
    ids=["twice", "unique and stackable", "a stack of what cannot be stacked", "no number"],
)
async def test_a_pack_with_a_fault_is_refused_with_its_path(keep: Keep, broken: list[Any], path: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await keep.do(content.load_pack(pack=pack(*broken)))

    assert refused.value.path == path
    assert await keep.ask(content.packs()) == []


async def test_definitions_come_in_pages(keep: Keep) -> None:
    logs = content.ItemDefinition(id="logs", name="Logs", noteable=True)
    await keep.do(content.load_pack(pack=pack(COINS, ARROW, logs, content.ItemDefinition(id="logs_a", name="A log"))))

    for limit in (1, 2, 3, 4, 5, 6):
        cursor: str | None = None
        pages: list[list[content.ItemDefinition]] = []
        while not pages or cursor is not None:
            page = await keep.ask(content.item_definitions(limit=limit, cursor=cursor))
            pages.append(page.items)
            cursor = page.next_cursor
        found = [item for page in pages for item in page]
        assert [item.id for item in found] == ["arrow", "coins", "logs", "logs_noted", "logs_a"], "what is noteable is followed by its note"
        assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
        assert [item.id for item in found if item.noteable] == ["logs"]

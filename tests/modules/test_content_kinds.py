"""Kinds of definitions that a game declares: in files, in commands, and in a database that another program wrote."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta, Struct

import gamekeeper
from gamekeeper.cli import run
from gamekeeper.errors import InvalidArgument
from gamekeeper.keep import Keep
from gamekeeper.kernel.commands import command
from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, content
from tests.modules.scene import ARROW, COINS, LOGS, pack, people

Price = Annotated[int, Meta(ge=1)]


class Ware(Struct, frozen=True, forbid_unknown_fields=True):
    item: str
    price: Price = 1


class Stall(content.Defined, frozen=True, kw_only=True):
    """A stall on a market."""

    name: content.Label
    opens: int = 8
    closes: int = 18
    wares: tuple[Ware, ...] = ()
    next_to: str | None = None

    def contradictions(self) -> Iterator[content.Flaw]:
        if self.closes <= self.opens:
            yield "closes", "closes before it opens"

    def references(self) -> Iterator[content.Reference]:
        for place, ware in enumerate(self.wares):
            yield f"wares.{place}.item", "item", ware.item
        if self.next_to is not None:
            yield "next_to", "stall", self.next_to


class Gossip(content.Defined, frozen=True, kw_only=True):
    """What people say."""

    text: str


class DatedGossip(content.Defined, frozen=True, kw_only=True):
    """What a later program wants to know of what people say."""

    text: str
    since: int


@command(module="market")
def opening_hour(ctx: Context, *, character: characters.CharacterId, stall: Id) -> int:
    """Tell when a stall opens."""
    return ctx.definitions(Stall)[stall].opens


@pytest.fixture(autouse=True)
def market() -> Iterator[None]:
    """Two more kinds, for the length of a test."""
    before = dict(content.KINDS)
    content.defines("stall")(Stall)
    content.defines("gossip", plural="gossip")(Gossip)
    yield
    content.KINDS.clear()
    content.KINDS.update(before)


BAKER = Stall(id="baker", name="Baker", wares=(Ware("logs", 3), Ware("arrow")))
SMITH = Stall(id="smith", name="Smith", next_to="baker")
RUMOUR = Gossip(id="rumour", text="The lake is haunted.")


def by_json(**definitions: Any) -> Any:
    """The call of a client that speaks JSON."""
    body = {"pack": {"id": "town", "version": "1", "title": "Town", "definitions": definitions}}
    return content.load_pack.call(json.loads(json.dumps(body)))


# In commands


async def test_definitions_of_all_kinds_come_change_and_go_in_one_command(keep: Keep) -> None:
    loaded = await keep.do(content.load_pack(pack=pack(COINS, ARROW, LOGS, BAKER, SMITH, RUMOUR)))
    (ada,) = await people(keep, "Ada")

    assert loaded == content.PackLoaded(
        6, 0, 0, 0, {"gossip": content.Changes(added=1), "item": content.Changes(added=3), "stall": content.Changes(added=2)}, 1
    )
    assert dict(keep.reader.definitions(Stall)) == {"baker": BAKER, "smith": SMITH}
    assert await keep.do(opening_hour(character=ada, stall="baker")) == 8
    (known,) = await keep.ask(content.packs())
    assert known.digest == pack(RUMOUR, SMITH, BAKER, LOGS, ARROW, COINS).digest

    early = msgspec.structs.replace(BAKER, opens=5, wares=())
    loaded = await keep.do(content.load_pack(pack=pack(COINS, ARROW, early, SMITH, version="2")))

    assert (loaded.added, loaded.changed, loaded.removed, loaded.unchanged) == (0, 1, 2, 3)
    assert loaded.kinds["gossip"] == content.Changes(removed=1)
    assert loaded.kinds["stall"] == content.Changes(changed=1, unchanged=1)
    assert await keep.do(opening_hour(character=ada, stall="baker")) == 5
    assert dict(keep.reader.definitions(Gossip)) == {}
    first = await keep.ask(content.stored(limit=3))
    rest = await keep.ask(content.stored(limit=3, cursor=first.next_cursor))
    assert [(one.kind, one.id) for one in first.items + rest.items] == [
        ("item", "arrow"),
        ("item", "coins"),
        ("stall", "baker"),
        ("stall", "smith"),
    ]
    assert rest.next_cursor is None
    assert [one.id for one in (await keep.ask(content.stored(kind="stall"))).items] == ["baker", "smith"]


async def test_json_is_loaded_like_python(keep: Keep) -> None:
    await keep.do(content.load_pack(pack=pack(LOGS)))
    stall = {"id": "baker", "name": "Baker", "wares": [{"item": "logs", "price": 3}]}

    assert (await keep.do(by_json(stalls=[stall], gossip=[]))).kinds == {"stall": content.Changes(added=1)}

    assert keep.reader.definitions(Stall)["baker"].wares == (Ware("logs", 3),)
    same = content.pack_of(msgspec.convert(stall, Stall), id="town", version="1", title="Town")
    assert (await keep.do(content.load_pack(pack=same))).unchanged == 1


@pytest.mark.parametrize(
    ("definitions", "path", "problem"),
    [
        ({"stals": []}, "/pack/definitions/stals", "no known kind of definition; known are "),
        ({"stalls": [{"id": "a", "name": "A"}, {"id": "b"}]}, "/pack/definitions/stalls/1/name", "is missing"),
        (
            {"stalls": [{"id": "a", "name": "A", "wares": [{"item": "logs", "price": 0}]}]},
            "/pack/definitions/stalls/0/wares/0/price",
            ">= 1",
        ),
        ({"stalls": [{"id": "a", "name": "A", "wares": [{"thing": "x"}]}]}, "/pack/definitions/stalls/0/wares/0/item", "is missing"),
        ({"stalls": [{"id": "a", "name": "A", "opens": 20}]}, "/pack/definitions/stalls/0/closes", "closes before it opens"),
        ({"gossip": [{"id": "a", "text": "b"}, {"id": "a", "text": "c"}]}, "/pack/definitions/gossip/1/id", "twice"),
        ({"gossip": ["a"]}, "/pack/definitions/gossip/0", "expected an object"),
        ({"items": [{"id": "a", "name": "A", "unique": True, "stackable": True}]}, "/pack/definitions/items/0/stackable", "a unique item"),
    ],
)
async def test_what_is_wrong_is_refused_with_its_path(keep: Keep, definitions: dict[str, Any], path: str, problem: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await keep.do(by_json(**definitions))

    assert refused.value.path == path
    assert problem in refused.value.problem
    assert await keep.ask(content.packs()) == []


async def test_what_is_named_is_there_and_stays(keep: Keep) -> None:
    lonely = msgspec.structs.replace(SMITH, next_to="cobbler")
    with pytest.raises(content.ReferenceUnknown) as unknown:
        await keep.do(content.load_pack(pack=pack(ARROW, lonely, BAKER, id="town")))
    assert unknown.value.facts == {
        "path": "/pack/definitions/stalls/0/next_to",
        "of_kind": "stall",
        "id": "cobbler",
        "also": ["/pack/definitions/stalls/1/wares/0/item"],
    }

    await keep.do(content.load_pack(pack=pack(ARROW, LOGS, COINS)))
    await keep.do(content.load_pack(pack=pack(BAKER, SMITH, id="town")))
    with pytest.raises(content.DefinitionNeeded) as needed:
        await keep.do(content.load_pack(pack=pack(ARROW, COINS, version="2")))
    assert needed.value.facts == {"of_kind": "item", "id": "logs", "pack": "town", "by": "stall baker"}

    assert (await keep.do(content.load_pack(pack=pack(ARROW, LOGS, version="3")))).removed == 1  # nobody names coins
    await keep.do(content.load_pack(pack=pack(id="town", version="2")))
    assert (await keep.do(content.load_pack(pack=pack(ARROW, version="4")))).removed == 1


async def test_two_kinds_may_share_an_id_and_two_packs_may_not(keep: Keep) -> None:
    await keep.do(content.load_pack(pack=pack(LOGS, Gossip(id="logs", text="Wood is dear."))))

    with pytest.raises(content.DefinitionTaken) as taken:
        await keep.do(content.load_pack(pack=pack(Gossip(id="logs", text="Wood is cheap."), id="town")))

    assert taken.value.facts == {"of_kind": "gossip", "id": "logs", "pack": "scene"}


# Another program


async def test_what_a_later_program_cannot_read_is_left_out_told_once_and_listed(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with gamekeeper.open(database_url, create=True, allow_unsafe_postgres=True) as keep:
        await keep.do(content.load_pack(pack=pack(LOGS, SMITH, BAKER, ARROW, RUMOUR)))
    content.KINDS["gossip"] = content.Declared("gossip", "gossip", DatedGossip)
    del content.KINDS["stall"]

    async with gamekeeper.open(database_url, allow_unsafe_postgres=True) as keep:
        await keep.load_content()
        found = {one.id: one.problem for one in (await keep.ask(content.stored(unreadable=True, limit=2))).items}
        more = await keep.ask(content.stored(unreadable=True, limit=2, cursor=(await keep.ask(content.stored(limit=4))).next_cursor))

        assert dict(keep.reader.definitions(DatedGossip)) == {}
        assert sorted(keep.reader.definitions(content.ItemDefinition)) == ["arrow", "logs"]
        assert found == {"rumour": "Object missing required field `since`", "baker": "of no kind that this program knows"}
        assert [one.id for one in more.items] == ["smith"]
        assert caplog.text.count("'rumour' of pack 'scene' cannot be read and is left out") == 1

        # The pack of the later program mends it.
        loaded = await keep.do(content.load_pack(pack=pack(LOGS, ARROW, DatedGossip(id="rumour", text="So they say.", since=3))))
        assert (loaded.kinds["gossip"].changed, loaded.kinds["stall"].removed) == (1, 2)
        assert keep.reader.definitions(DatedGossip)["rumour"].since == 3
        assert (await keep.ask(content.stored(unreadable=True))).items == []


# In files


def write(place: Path, **files: str) -> Path:
    place.mkdir(exist_ok=True)
    (place / "pack.toml").write_text('id = "town"\nversion = "1"\ntitle = "Town"\n')
    for name, text in files.items():
        (place / ".".join(name.rsplit("_", 1))).write_text(text)
    return place


TABLES = '[stalls.baker]\nname = "Baker"\nwares = [{ item = "logs", price = 3 }]\n'


def test_each_kind_has_its_files_and_the_digest_knows_no_order(tmp_path: Path) -> None:
    logs = '[items.logs]\nname = "Logs"\n'
    folder = write(tmp_path / "a", stalls_toml=TABLES, items_toml=logs, gossip_json='[{"id":"rumour","text":"Boo"}]')
    spread = write(
        tmp_path / "b",
        stalls_2_json=json.dumps({"stalls": [{"wares": [{"price": 3, "item": "logs"}], "name": "Baker", "id": "baker"}]}),
        gossip_old_toml='[[gossip]]\nid = "rumour"\ntext = "Boo"\n',
        items_toml=logs,
    )
    single = tmp_path / "town.toml"
    single.write_text(f'[pack]\nid = "town"\nversion = "1"\ntitle = "Town"\n[gossip.rumour]\ntext = "Boo"\n{logs}{TABLES}')

    read = [content.read_pack(path) for path in (folder, spread, single)]

    assert {one.digest for one in read} == {read[0].digest}
    assert read[0].of(Stall) == (Stall(id="baker", name="Baker", wares=(Ware("logs", 3),)),)
    assert [one.id for one in read[2].of(Gossip)] == ["rumour"]


def test_all_faults_of_all_kinds_are_told_at_once(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "a",
        gossips_toml='[gossips.a]\ntext = "x"\n',
        items_toml='[items.logs]\nname = "Logs"\nbonuses = { "a b" = 1 }\n',
        stalls_json=json.dumps([{"id": "a", "name": "A", "wares": [{"item": 5, "worth": 1}], "opens": 20}, {"id": "A", "name": ""}]),
        stallholders_json="[]",
    )

    with pytest.raises(content.InvalidPack) as refused:
        content.read_pack(folder)

    assert [(one.file, one.path) for one in refused.value.faults] == [
        ("gossips.toml", ""),
        ("stallholders.json", ""),
        ("items.toml", "items.logs.bonuses.a b"),
        ("stalls.json", "stalls.a.wares.0.item"),
        ("stalls.json", "stalls.a.wares.0.worth"),
        ("stalls.json", "stalls.a.closes"),
        ("stalls.json", "stalls.1.id"),
        ("stalls.json", "stalls.1.name"),
        ("stalls.json", "stalls.1.id"),
    ]
    assert "items*" in refused.value.faults[0].message
    assert "gossip*" in refused.value.faults[0].message


def test_a_kind_is_declared_once_and_properly() -> None:
    content.defines("stall")(Stall)  # a file that is imported again
    for kind, plural, broken in (("stall", "", Gossip), ("tale", "gossip", Gossip), ("Tale", "", Gossip), ("tale", "version", Gossip)):
        with pytest.raises(TypeError):
            content.defines(kind, plural=plural)(broken)
    with pytest.raises(TypeError, match="no content"):
        content.defines("ware")(Ware)  # type: ignore[type-var]
    with pytest.raises(TypeError, match="no kind of definition"):
        content.pack_of(DatedGossip(id="a", text="b", since=1), id="a", version="1", title="A")


# On the command line


def test_the_command_line_loads_and_lists_all_kinds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def make() -> None:
        async with gamekeeper.open(url, create=True):
            """Nothing is in it yet."""

    url = f"sqlite:///{tmp_path}/world.db"
    asyncio.run(make())
    folder = write(tmp_path / "a", stalls_toml=TABLES, items_toml='[items.logs]\nname = "Logs"\n')

    assert run(["content", "load", str(folder), "--url", url]) == 0
    assert run(["content", "list", "--url", url]) == 0
    assert "  stall: 1 new, 0 changed, 0 removed, 0 as before\n" in (told := capsys.readouterr().out)
    assert told.endswith("Town (town 1)\n  item: 1\n  stall: 1\n")

    del content.KINDS["stall"]
    assert run(["content", "list", "--url", url, "--json"]) == 0
    assert [one["id"] for one in json.loads(capsys.readouterr().out)["unreadable"]] == ["baker"]
    assert run(["content", "load", str(folder), "--url", url]) == 4
    assert "stalls.toml: is of no known kind" in capsys.readouterr().err

    content.defines("stall")(Stall)
    write(folder, items_toml='[items.arrow]\nname = "Arrow"\n')
    assert run(["content", "load", str(folder), "--url", url]) == 4
    assert "REFERENCE_UNKNOWN" in capsys.readouterr().err

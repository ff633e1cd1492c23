"""`gamekeeper character` and `gamekeeper item`: what an operator looks up and puts right, in a world in which somebody has played."""

import asyncio
import io
from pathlib import Path
from typing import Any

import pytest

import gamekeeper
from gamekeeper import packs
from gamekeeper.cli import character, run
from gamekeeper.cli.failures import Exit
from gamekeeper.keep import Keep
from gamekeeper.kernel import history
from gamekeeper.modules import banks, characters, combat, content, essences, items, prayer, presence, quests, skills, worlds
from gamekeeper.modules.content import read_pack
from tests.cli.verbs import said, told

SECRET = "the key of a world that is thrown away"


async def lived(keep: Keep) -> None:
    """Nell, who has done a little of everything, and Tam, who has a hatchet of his own kind."""
    for name in packs.names():
        await keep.do(content.load_pack(pack=read_pack(packs.FOLDER / name)))
    relic = content.ItemDefinition(id="first_axe", name="First axe", unique=True)
    await keep.do(content.load_pack(pack=content.pack_of(relic, id="relics", version="1", title="Relics")))
    await keep.do(worlds.create_world(world="world", name="World"))
    await keep.do(characters.create(character="nell", name="Nell Marsh"))
    await keep.do(characters.create(character="tam", name="Tam"))
    await keep.do(skills.gain(character="nell", skill="woodcutting", xp=500))
    hatchet = await keep.do(items.grant(holder="nell", item="bronze_hatchet", quantity=1, source="shop"))
    await keep.do(items.equip(character="nell", slot=hatchet.slots[0]))
    for item, quantity, container in (("coins", 90, "pouch"), ("waxed_thread", 8, "inventory"), ("ember_essence", 1, "inventory")):
        place: Any = container
        await keep.do(items.grant(holder="nell", item=item, quantity=quantity, source="loot", container=place))
    await keep.do(banks.deposit(character="nell", item="waxed_thread", quantity=3))
    await keep.do(essences.bond(character="nell", essence="ember", attribute="power"))
    await keep.do(quests.start(character="nell", quest="a_boot_full_of_rats"))
    await keep.do(quests.progress(character="nell", type="kill", target="marsh_rat", count=4))
    await keep.do(combat.die(character="nell", killed_by="marsh_rat", zone_type="wilderness"))
    await keep.do(prayer.activate(character="nell", prayer="oaken_hide"))
    made = await keep.do(items.grant(holder="tam", item="first_axe", quantity=1, source="event"), reason="won \x1b[31mit")
    await keep.do(items.give(giver="tam", receiver="nell", item="first_axe", quantity=1))
    Path("axe").write_text(made.item_uids[0])


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A world in which Nell has played."""
    url = f"sqlite:///{tmp_path}/world.db"
    monkeypatch.setenv("GAMEKEEPER_URL", url)
    monkeypatch.setenv("GAMEKEEPER_SECRET_KEY", SECRET)
    monkeypatch.chdir(tmp_path)

    async def make() -> None:
        async with gamekeeper.open(url, create=True, secret_key=SECRET) as keep:
            await lived(keep)

    asyncio.run(make())
    return url


def test_a_name_is_found_in_whatever_world_it_is_borne(world: str, capsys: pytest.CaptureFixture[str]) -> None:
    async def settle() -> None:
        async with gamekeeper.open(world, secret_key=SECRET) as keep:
            await keep.do(worlds.create_world(world="fen", name="The Fen"))
            await keep.do(characters.create(character="wren", name="Wren", world_id="fen"))
            await keep.do(characters.create(character="tam-of-the-fen", name="Tam", world_id="fen"))

    asyncio.run(settle())
    assert said(capsys, "character", "show", "wren")["character"]["world_id"] == "fen"
    assert said(capsys, "item", "trace", "WREN")["holder_id"] == "wren"
    assert run(["character", "delete", "Tam", "--reason", "which one?", "--yes"]) == Exit.USAGE
    assert (
        "NAME_IN_SEVERAL_WORLDS: Characters of this name live in several worlds. (name: Tam; worlds: world, fen)" in capsys.readouterr().err
    )
    assert said(capsys, "character", "show", "Tam", "--in", "fen")["character"]["character_id"] == "tam-of-the-fen"
    assert run(["character", "show", "Nell Marsh", "--in", "fen"]) == Exit.REFUSED


def test_a_character_is_shown_whole_and_put_right_with_a_reason(
    world: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = said(capsys, "character", "show", "nell marsh")
    assert sheet == said(capsys, "character", "show", "nell", "--in", "nowhere")
    assert {one["skill"]: one["level"] for one in sheet["skills"]["skills"]}["woodcutting"] == 5
    assert sheet["bank"]["tabs"][0]["stacks"][0]["quantity"] == 3
    assert [one["count"] for one in sheet["quests"] if one["quest"] == "a_boot_full_of_rats"] == [4]
    assert sheet["essences"][0]["abilities"][0]["name"] == "Cinder Lash"
    assert (sheet["deaths"][0]["status"], sheet["prayer"]["active"][0]["prayer_id"]) == ("open", "oaken_hide")
    page = told(capsys, "character", "show", "Nell Marsh")
    for line in (
        "Nell Marsh  nell",
        "woodcutting        5",
        "90 Coins (coins)",
        "tab 0: 1 stack, 3 things",
        "Cinder Lash",
        "oaken_hide since",
    ):
        assert line in page, line
    assert "A Boot Full of Rats (a_boot_full_of_rats): in progress, " in page

    assert [one["name"] for one in said(capsys, "character", "list")["items"]] == ["Nell Marsh", "Tam"]
    assert run(["character", "list", "--limit", "1"]) == Exit.OK
    out, err = capsys.readouterr()
    assert out.startswith("nell  world  Nell Marsh")
    assert told(capsys, "character", "list", "--after", err.split()[-1]).startswith("tam  ")
    assert said(capsys, "character", "list", "TA")["items"][0]["character_id"] == "tam"

    give = ["character", "give", "tam", "coins", "40", "--reason", "lost in the flood", "--container", "pouch", "--key", "flood"]
    assert said(capsys, *give) == said(capsys, *give)
    assert said(capsys, "character", "rename", "Tam", "Tam Reed", "--reason", "asked by mail")["name"] == "Tam Reed"
    assert said(capsys, "character", "show", "tam reed")["carried"][0]["quantity"] == 40
    monkeypatch.setattr(character, "is_terminal", lambda _stream: True)
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert run(["character", "delete", "tam reed", "--reason", "asked for it"]) == Exit.REFUSED
    assert "Delete Tam Reed (tam)?" in capsys.readouterr().err
    said(capsys, "character", "delete", "tam reed", "--reason", "asked for it", "--yes")
    assert "deleted 20" in told(capsys, "character", "show", "tam")
    assert run(["character", "show", "tam reed"]) == Exit.REFUSED
    assert "CHARACTER_NOT_FOUND" in capsys.readouterr().err
    assert said(capsys, "character", "restore", "tam", "--reason", "a mistake")["name"] == "Tam Reed"
    assert run(["character", "restore", "tam", "--reason", "twice"]) == Exit.REFUSED
    assert "CHARACTER_NOT_DELETED" in capsys.readouterr().err
    assert said(capsys, "character", "show", "tam reed")["carried"][0]["quantity"] == 40
    said(capsys, "character", "delete", "tam", "--reason", "asked again", "--yes")
    for words, code in (
        (["give", "tam", "coins", "1", "--reason", "gone"], Exit.REFUSED),
        (["give", "nell", "coins", "1"], Exit.USAGE),
        (["give", "nell", "coins", "0", "--reason", "nothing"], Exit.USAGE),
        (["give", "nell", "moon", "1", "--reason", "no such thing"], Exit.REFUSED),
        (["rename", "nell", "Nell/", "--reason", "no such name"], Exit.USAGE),
        (["delete", "tam", "--reason", "twice"], Exit.REFUSED),
        (["list", "--limit", "0"], Exit.USAGE),
    ):
        assert run(["character", *words]) == code, words
    assert run(["verify"]) == Exit.OK

    async def why() -> list[tuple[str, str, str | None]]:
        async with gamekeeper.open(world, secret_key=SECRET) as keep:
            entries = (await keep.ask(history.timeline(owner="tam"))).items
            return [(one.command, one.actor, one.reason) for one in entries[:5]]

    assert asyncio.run(why()) == [
        ("characters.delete", "operator:cli", "asked again"),
        ("characters.restore", "operator:cli", "a mistake"),
        ("characters.delete", "operator:cli", "asked for it"),
        ("characters.rename", "operator:cli", "asked by mail"),
        ("items.grant", "operator:cli", "lost in the flood"),
    ]


def test_an_item_is_traced_from_its_mint_to_now(world: str, capsys: pytest.CaptureFixture[str]) -> None:
    uid = Path("axe").read_text()

    life = said(capsys, "item", "show", uid)

    assert [(one["from_id"], one["to_id"]) for one in life["movements"]] == [("mint:event", "tam"), ("tam", "nell")]
    assert (life["holding"]["holder_id"], life["names"]) == ("nell", {"nell": "Nell Marsh", "tam": "Tam"})
    page = told(capsys, "item", "show", uid)
    assert "now with Nell Marsh (nell), inventory" in page
    assert "mint:event -> Tam (tam) inventory  (won \\x1b[31mit)" in page
    assert said(capsys, "item", "find", "first_axe")["pieces"][0]["item_uid"] == uid
    assert f"{uid}  Nell Marsh (nell), inventory" in told(capsys, "item", "find", "first_axe")
    assert "90  Nell Marsh (nell)" in told(capsys, "item", "find", "coins")
    assert run(["item", "find", "iron_hatchet"]) == Exit.OK
    assert "Nobody holds it." in capsys.readouterr().err

    newest = said(capsys, "item", "trace", "nell marsh", "--limit", "1")
    assert newest["movements"][0]["item_uid"] == uid
    older = told(capsys, "item", "trace", "nell", "--after", newest["next_cursor"])
    assert "90 coins  mint:loot -> Nell Marsh (nell) pouch" in older
    assert "first_axe" not in older
    for words, code in ((["show", "nothing"], Exit.REFUSED), (["find", "moon"], Exit.REFUSED), (["trace", "nobody"], Exit.REFUSED)):
        assert run(["item", *words]) == code, words
    assert {"NO_SUCH_PIECE", "UNKNOWN_ITEM", "CHARACTER_NOT_FOUND"} <= {line.split(":")[0] for line in capsys.readouterr().err.splitlines()}


def test_who_plays_and_how_long_somebody_has_played_is_told(world: str, capsys: pytest.CaptureFixture[str]) -> None:
    async def begin() -> None:
        async with gamekeeper.open(world, secret_key=SECRET) as keep:
            for one, server in (("nell", "east-1"), ("tam", "east-1"), ("tam", "west-1")):
                await keep.do(presence.start(character=one, server_id=server))

    asyncio.run(begin())
    found = said(capsys, "online", "--on", "west-1")
    assert ([one["name"] for one in found["items"]], found["counts"]["by_server"]) == (["Tam"], {"east-1": 1, "west-1": 1})
    lines = told(capsys, "online")
    assert "2 online: 1 in world on east-1, 1 in world on west-1" in lines
    played = said(capsys, "character", "play", "tam")
    assert (played["playing"]["server_id"], [one["reason"] for one in played["history"]]) == ("west-1", ["replaced"])
    assert "plays on west-1 in world since" in told(capsys, "character", "play", "tam")

"""NPCs and the pack that the valley is made of: everything in it can be reached, worn, bought or dropped."""

from pathlib import Path
from random import Random
from typing import Final

import pytest

from gamekeeper import packs
from gamekeeper.cli.content import read
from gamekeeper.cli.failures import FileRefused
from gamekeeper.keep import Keep
from gamekeeper.modules import content, items, npcs, skills, stores, xp
from tests.modules.scene import COINS, pack, people

SKILLS: Final = [
    *("attack", "strength", "defense", "constitution", "ranged", "magic", "prayer", "woodcutting", "mining", "fishing", "firemaking"),
    *("cooking", "smithing", "agility", "crafting", "fletching", "runecrafting"),
]


def valley() -> content.Pack:
    """The pack, as it is read from its folder."""
    folder = packs.built_in("runescape")
    assert folder is not None
    return content.read_pack(folder)


async def test_the_valley_loads_and_its_people_are_found(keep: Keep) -> None:
    loaded = await keep.do(content.load_pack(pack=valley()))
    assert loaded.kinds["skill"].added == 17
    await keep.load_content()

    (ada,) = await people(keep, "Ada")
    sheet = await keep.ask(skills.sheet(character=ada))
    assert {one.skill for one in sheet.skills} == set(SKILLS)
    assert (sheet.combat_level, sheet.total_level, sheet.total_xp) == (3, 26, 1154)

    seen, cursor = [], None
    while True:
        page = await keep.ask(npcs.list_npcs(kind="monster", limit=3, cursor=cursor))
        seen += [one.id for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(seen) == 7
    assert seen == sorted(seen)
    assert (await keep.ask(npcs.show(npc="bramwell"))).store == "kestrel_general"
    assert [one.id for one in (await keep.ask(npcs.list_banks())).items] == ["ferry_strongroom", "vale_counting_house"]
    with pytest.raises(npcs.NpcNotFound):
        await keep.ask(npcs.show(npc="nobody"))


async def test_an_npc_that_drops_what_nobody_defines_is_refused_with_its_place(keep: Keep) -> None:
    imp = npcs.NpcDefinition(id="imp", name="Imp", store="den", drops=(npcs.DropTable(gives=(npcs.Drop(item="moon"),)),))

    with pytest.raises(content.ReferenceUnknown) as refused:
        await keep.do(content.load_pack(pack=pack(COINS, imp)))

    assert (refused.value.path, refused.value.of_kind, refused.value.id) == (
        "/pack/definitions/npcs/0/drops/0/gives/0/item",
        "item",
        "moon",
    )
    assert refused.value.also == ["/pack/definitions/npcs/0/store"]


def test_everything_in_the_valley_fits_together() -> None:
    read = valley()
    wares = {one.id: one for one in read.of(content.ItemDefinition)}
    shops = read.of(stores.StoreDefinition)

    assert len(wares) >= 60
    assert {one.equip_slot for one in wares.values() if one.equip_slot} == set(content.EQUIPMENT_SLOTS)
    assert all(one.description for one in wares.values())
    assert {skill for one in wares.values() for skill in one.requirements} <= set(SKILLS)
    assert items.is_currency(wares["coins"])
    assert [one.id for one in read.of(skills.SkillDefinition)] == SKILLS
    assert {one.start_xp for one in read.of(skills.SkillDefinition) if one.id != "constitution"} == {0}
    assert [xp.curve_of(one).max_level for one in read.of(xp.CurveDefinition)] == [99]
    assert len(shops) == 4
    assert {one.store for one in read.of(npcs.NpcDefinition) if one.store} == {one.id for one in shops}
    assert all(wares[one.item].value for shop in shops for one in shop.items)


def test_a_thousand_fights_leave_what_the_tables_say() -> None:
    known = {one.id: one for one in valley().of(npcs.NpcDefinition)}
    for npc in known.values():
        entries = {drop.item: table.rolls for table in npc.drops for drop in table.gives}
        most = {item: sum(d.most * t.rolls for t in npc.drops for d in t.gives if d.item == item) for item in entries}
        dice = Random(npc.id)
        heaps = [npcs.roll_drops(npc, dice) for _ in range(1_000)]
        assert all(1 <= one.quantity <= most[one.item] for heap in heaps for one in heap)
        assert all(len({one.item for one in heap}) == len(heap) <= npcs.MOST_DROPS for heap in heaps)
        assert heaps == [npcs.roll_drops(npc, again) for again in [Random(npc.id)] for _ in range(1_000)]
    rare = sum(one.item == "thrush_amulet" for _ in range(12_800) for one in npcs.roll_drops(known["barrow_sentry"], _DICE))
    assert 70 <= rare <= 135


_DICE: Final = Random(5)


def test_a_pack_that_comes_along_is_read_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read(Path("runescape"), "pack").id == "runescape"
    with pytest.raises(FileRefused) as refused:
        read(Path("../packs/runescape"), "pack")
    assert "essence, runescape" in refused.value.problem
    # What lies here comes first.
    (tmp_path / "runescape").mkdir()
    (tmp_path / "runescape" / "pack.toml").write_text('id = "mine"\nversion = "1"\ntitle = "Mine"\n')
    (tmp_path / "runescape" / "items.toml").write_text('[items.axe]\nname = "Axe"\n')
    assert read(Path("runescape"), "pack").id == "mine"

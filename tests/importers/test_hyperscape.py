"""Hyperscape's manifests: what is read of them, in our words, and what is said of the rest."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from gamekeeper.importers import Note, read_hyperscape
from gamekeeper.keep import Keep
from gamekeeper.modules import items, npcs, stores, worlds
from gamekeeper.modules.content import Fault, InvalidPack, ItemDefinition, load_pack
from tests.modules.scene import adds_up, people

MANIFESTS = Path(__file__).parents[3] / "shared" / "data" / "hyperscape"
"""What Hyperscape itself has published, where somebody has put it beside the repository."""

AXE = {
    "id": "stone_axe",
    "name": "Stone Axe",
    "type": "tool",
    "quantity": 1,
    "stackable": False,
    "maxStackSize": 1,
    "value": 12,
    "weight": 1.1,
    "equipSlot": "weapon",
    "weaponType": "AXE",
    "attackType": None,
    "description": "A stone on a stick",
    "examine": "A stone on a stick",
    "tradeable": True,
    "rarity": "common",
    "modelPath": "asset://axe.glb",
    "iconPath": None,
    "healAmount": 0,
    "bonuses": {"attack": 2, "defense": -1},
    "requirements": {"level": 1, "skills": {"woodcutting": 3}},
}


def hyperscape(place: Path, *items: Any) -> Path:
    path = place / "items.json"
    path.write_text(json.dumps(list(items)))
    return path


def test_a_hyperscape_item_is_read_in_our_words(tmp_path: Path) -> None:
    berry = {"id": "berry", "name": "Berry", "type": "food", "stackable": True, "maxStackSize": 50, "weight": 0.1, "healAmount": 2}
    pack, notes = read_hyperscape(hyperscape(tmp_path, AXE, berry | {"description": "Red", "examine": "Red, and ripe"}))

    assert pack.of(ItemDefinition) == (
        ItemDefinition(
            id="stone_axe",
            name="Stone Axe",
            kind="tool",
            description="A stone on a stick",
            value=12,
            weight_g=1100,
            equip_slot="weapon",
            requirements={"woodcutting": 3},
            bonuses={"attack": 2, "defense": -1},
            attributes={"weapon_type": "AXE"},
        ),
        ItemDefinition(
            id="berry",
            name="Berry",
            kind="food",
            description="Red",
            stackable=True,
            max_stack=50,
            weight_g=100,
            heal=2,
            attributes={"examine": "Red, and ripe"},
        ),
    )
    assert [note.path for note in notes] == ["requirements.level", "quantity", "modelPath"]
    assert pack == read_hyperscape(tmp_path / "items.json")[0]


def test_what_cannot_be_kept_is_noted_once_for_each_key(tmp_path: Path) -> None:
    lance = AXE | {"id": "lance", "equipSlot": "2h", "maxStackSize": 10}
    saddle = AXE | {"id": "saddle", "equipSlot": "mount", "glow": {"deep": 1}}
    pack, notes = read_hyperscape(hyperscape(tmp_path, AXE, lance, saddle, AXE | {"id": "pike", "equipSlot": "2h"}))
    items = {item.id: item for item in pack.of(ItemDefinition)}

    assert (items["lance"].equip_slot, items["lance"].two_handed, items["lance"].max_stack) == ("weapon", True, 1)
    assert items["saddle"].equip_slot is None
    assert set(notes) == {
        Note("items.json", "requirements.level", "left out (4 items, first stone_axe)"),
        Note("items.json", "quantity", "left out (4 items, first stone_axe)"),
        Note("items.json", "modelPath", "left out (4 items, first stone_axe)"),
        Note("items.json", "maxStackSize", "became 1, because the item is not stackable (1 item, first lance)"),
        Note("items.json", "equipSlot", "2h became weapon, two_handed (2 items, first lance)"),
        Note("items.json", "equipSlot", "unknown slot 'mount' left out (1 item, first saddle)"),
        Note("items.json", "glow", "left out (1 item, first saddle)"),
    }


@pytest.mark.parametrize(
    ("bad", "path"),
    [
        ({"weight": -1}, "weight"),
        ({"weight": "1"}, "weight"),
        ({"weight": True}, "weight"),
        ({"weight": 1e308}, "weight"),
        ({"value": 1.5}, "value"),
        ({"stackable": "yes"}, "stackable"),
        ({"stackable": True, "maxStackSize": 0}, "maxStackSize"),
        ({"maxStackSize": True}, "maxStackSize"),
        ({"equipSlot": 3}, "equipSlot"),
        ({"type": ""}, "type"),
        ({"healAmount": -1}, "healAmount"),
        ({"description": 5, "examine": None}, "description"),
        ({"requirements": [1]}, "requirements.skills"),
        ({"requirements": {"skills": {"attack": "high"}}}, "requirements.skills.attack"),
        ({"bonuses": {"attack": 0.5}}, "bonuses.attack"),
        ({"name": None}, "name"),
    ],
)
def test_a_bad_hyperscape_item_is_refused_under_its_own_names(tmp_path: Path, bad: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidPack) as refused:
        read_hyperscape(hyperscape(tmp_path, AXE | {"id": "other"}, AXE | bad))

    assert [(fault.file, fault.path) for fault in refused.value.faults] == [("items.json", f"items.stone_axe.{path}")]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{}", Fault("items.json", "", "expected a list of items")),
        ("[[]]", Fault("items.json", "items.0", "expected a table")),
        ('[{"id":"a","name":NaN}]', Fault("items.json", "0.name", "not_finite: a number must be finite")),
    ],
)
def test_a_bad_hyperscape_file_is_refused(tmp_path: Path, text: str, fault: Fault) -> None:
    (tmp_path / "items.json").write_text(text)

    with pytest.raises(InvalidPack) as refused:
        read_hyperscape(tmp_path / "items.json")

    assert refused.value.faults == (fault,)


def test_a_folder_is_read_as_far_as_there_are_kinds_for_it(tmp_path: Path) -> None:
    hyperscape(tmp_path, AXE)
    (tmp_path / "weather.json").write_text('[{"id": "rain"}]')
    pack, notes = read_hyperscape(tmp_path)

    assert (pack.id, [item.id for item in pack.of(ItemDefinition)]) == ("hyperscape", ["stone_axe"])
    assert pack.digest == read_hyperscape(tmp_path / "items.json")[0].digest
    assert Note("weather.json", "", "left out: no kind for it") in notes

    (tmp_path / "items.json").write_text("[{")
    with pytest.raises(InvalidPack) as refused:
        read_hyperscape(tmp_path)
    assert [fault.file for fault in refused.value.faults] == ["items.json"]


# In CI nothing may be skipped, and the manifests are not ours to keep here.
STALL = {
    "id": "stall",
    "name": "Stall",
    "location": {"zone": "square", "position": {"x": -5, "y": 0, "z": 8.5}, "facing": "north"},
    "buyback": True,
    "buybackRate": 0.45,
    "description": "Planks on barrels",
    "items": [
        {"id": "axe", "itemId": "stone_axe", "name": "Stone Axe", "price": 50, "stockQuantity": -1, "restockTime": 0},
        {"id": "moon", "itemId": "moon", "price": 1, "stockQuantity": 1, "restockTime": 1},
    ],
}
WOLF = {
    "id": "wolf",
    "name": "Wolf",
    "type": "beast",
    "mobType": "beast",
    "level": 3,
    "health": 4,
    "maxHealth": 9,
    "stats": {"level": 3, "health": 9, "attack": 4, "defense": 2},
    "attackSpeed": 1.5,
    "respawnTime": 900_001,
    "xpReward": 12,
    "drops": [
        {"itemId": "stone_axe", "quantity": 2, "chance": 1.0, "isGuaranteed": True},
        {"itemId": "stone_axe", "quantity": 1, "chance": 0.05},
        {"itemId": "moon", "quantity": 1, "chance": 0.5},
    ],
    "modelPath": "asset://wolf.glb",
}
CLERK = {"id": "clerk", "name": "Clerk", "type": "npc", "npcType": "bank", "services": ["banking"], "dialogueLines": ["Next!"]}
VAULT = {"id": "vault", "name": "Vault", "location": {"zone": "square", "position": {"x": 5, "y": 0, "z": 8}}, "isShared": False}


def manifests(place: Path, **files: list[Any]) -> Path:
    for name, entries in files.items():
        (place / f"{name}.json").write_text(json.dumps(entries))
    return place


def test_stores_mobs_npcs_and_banks_are_read_in_our_words(tmp_path: Path) -> None:
    folder = manifests(tmp_path, items=[AXE], stores=[STALL], mobs=[WOLF], npcs=[CLERK], banks=[VAULT])
    pack, notes = read_hyperscape(folder)

    assert pack.of(stores.StoreDefinition) == (
        stores.StoreDefinition(
            id="stall",
            name="Stall",
            description="Planks on barrels",
            items=(stores.StockedItem(item="stone_axe", price=50),),
            buys="anything",
            buys_at_bp=4_500,
            place=npcs.Place(zone="square", x=-5, z=8.5),
        ),
    )
    assert pack.of(npcs.NpcDefinition) == (
        npcs.NpcDefinition(
            id="wolf",
            name="Wolf",
            kind="monster",
            level=3,
            health=9,
            stats={"attack": 4, "defense": 2},
            xp=12,
            respawn_ticks=1_501,
            drops=(
                npcs.DropTable(gives=(npcs.Drop(item="stone_axe", least=2),)),
                npcs.DropTable(gives=(npcs.Drop(item="stone_axe", weight=50_000),), nothing=950_000),
            ),
            attributes={"mob_type": "beast", "attack_speed": 1.5},
        ),
        npcs.NpcDefinition(id="clerk", name="Clerk", services=("banking",), lines=("Next!",), attributes={"role": "bank"}),
    )
    assert pack.of(npcs.BankDefinition) == (npcs.BankDefinition(id="vault", name="Vault", place=npcs.Place(zone="square", x=5, z=8)),)
    assert {note for note in notes if note.file != "items.json"} == {
        Note("banks.json", "isShared", "left out (1 bank, first vault)"),
        Note("mobs.json", "modelPath", "left out (1 mob, first wolf)"),
        Note("mobs.json", "drops", "moon left out, for items.json does not define it (1 mob, first wolf)"),
        Note("stores.json", "location.facing", "left out (1 store, first stall)"),
        Note("stores.json", "items.name", "left out (1 store, first stall)"),
        Note("stores.json", "items", "moon left out, for items.json does not define it (1 store, first stall)"),
    }
    # Alone it cannot know what others define.
    (alone,) = read_hyperscape(folder / "stores.json")[0].of(stores.StoreDefinition)
    assert [one.item for one in alone.items] == ["stone_axe", "moon"]
    assert alone.items[1] == stores.StockedItem(item="moon", price=1, stock=1, restock_ticks=1)


@pytest.mark.parametrize(
    ("file", "entry", "path"),
    [
        ("stores", STALL | {"buybackRate": "half"}, "stall.buybackRate"),
        ("stores", STALL | {"buybackRate": 1.5}, "stall.buybackRate"),
        ("stores", STALL | {"items": [{"itemId": "axe", "price": 0.5}]}, "stall.items.0.price"),
        ("stores", STALL | {"items": ["axe"]}, "stall.items.0"),
        ("stores", STALL | {"items": [{"price": 5}]}, "stall.items.0.item"),
        ("stores", STALL | {"location": "square"}, "stall.location"),
        ("mobs", WOLF | {"xpReward": -1}, "wolf.xpReward"),
        ("mobs", WOLF | {"stats": [4]}, "wolf.stats"),
        ("mobs", WOLF | {"respawnTime": 1.5}, "wolf.respawnTime"),
        ("mobs", WOLF | {"drops": [{"itemId": "axe", "chance": 7}]}, "wolf.drops.0.nothing"),
        ("mobs", WOLF | {"drops": {"itemId": "axe"}}, "wolf.drops"),
        ("npcs", CLERK | {"dialogueLines": "Next!"}, "clerk.dialogueLines"),
        ("banks", VAULT | {"location": {"position": {"x": 1}}}, "vault.location.zone"),
    ],
)
def test_what_is_wrong_is_refused_under_its_own_names(tmp_path: Path, file: str, entry: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidPack) as refused:
        read_hyperscape(manifests(tmp_path, **{file: [entry]}))

    assert [(fault.file, fault.path) for fault in refused.value.faults] == [(f"{file}.json", f"{file}.{path}")]


if MANIFESTS.is_dir():

    async def test_the_published_manifests_are_read_and_played(keep: Keep) -> None:
        pack, notes = read_hyperscape(MANIFESTS)

        assert len(pack.of(ItemDefinition)) == len(json.loads((MANIFESTS / "items.json").read_text()))
        assert {note.file for note in notes} <= {path.name for path in MANIFESTS.iterdir()}
        loaded = await keep.do(load_pack(pack=pack))
        assert {kind: one.added for kind, one in loaded.kinds.items()} == {"bank": 5, "item": 15, "npc": 13, "store": 5}

        await keep.do(worlds.create_world(world="central", name="Central"))
        (ada,) = await people(keep, "Ada")
        goblin = await keep.ask(npcs.show(npc="goblin"))
        for loot in npcs.roll_drops(goblin, Random(1)) * 10:
            await keep.do(items.grant(holder=ada, item=loot.item, quantity=loot.quantity, source="loot"))
        await keep.do(stores.buy(character=ada, world="central", store="central_store", item="bronze_hatchet", expected_price=50))
        await keep.do(stores.sell(character=ada, world="central", store="central_store", item="bronze_hatchet", expected_price=25))
        assert await keep.ask(items.held(holder=ada, item="coins")) == 25
        await adds_up(keep)

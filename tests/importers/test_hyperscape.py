"""Hyperscape's manifests: what is read of them, in our words, and what is said of the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gamekeeper.importers import Note, read_hyperscape
from gamekeeper.modules.content import Fault, InvalidPack, ItemDefinition

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

    assert (items["lance"].equip_slot, items["lance"].attributes["two_handed"], items["lance"].max_stack) == ("weapon", True, 1)
    assert items["saddle"].equip_slot is None
    assert set(notes) == {
        Note("items.json", "requirements.level", "left out (4 items, first stone_axe)"),
        Note("items.json", "quantity", "left out (4 items, first stone_axe)"),
        Note("items.json", "modelPath", "left out (4 items, first stone_axe)"),
        Note("items.json", "maxStackSize", "became 1, because the item is not stackable (1 item, first lance)"),
        Note("items.json", "equipSlot", "2h became weapon with the attribute two_handed (2 items, first lance)"),
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
if MANIFESTS.is_dir():

    def test_the_published_manifests_are_read() -> None:
        pack, notes = read_hyperscape(MANIFESTS)

        assert len(pack.of(ItemDefinition)) == len(json.loads((MANIFESTS / "items.json").read_text()))
        assert {note.file for note in notes} <= {path.name for path in MANIFESTS.iterdir()}

"""Packs: what they read, and each fault with its file and path beside a pack that lacks only that fault."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gamekeeper.modules.content import EQUIPMENT_SLOTS, MAX_STACK, InvalidPack, ItemDefinition, Pack, read_pack

packs = import_module("gamekeeper.modules.content.packs")  # the front door has a query of the same name
STARTER = Path(read_pack.__code__.co_filename).parent / "starter"
HEAD = 'id = "test"\nversion = "1"\ntitle = "A test"\n'
SWORD = {"id": "sword", "name": "Sword"}


def folder(place: Path, **files: str) -> Path:
    """Write a pack folder; `items_toml` becomes items.toml."""
    for name, text in {"pack_toml": HEAD, **files}.items():
        (place / ".".join(name.rsplit("_", 1))).write_text(text, encoding="utf-8")
    return place


def items_of(pack: Pack) -> tuple[ItemDefinition, ...]:
    return pack.of(ItemDefinition)


def faults(path: Path) -> list[tuple[str, str, str]]:
    with pytest.raises(InvalidPack) as refused:
        read_pack(path)
    assert all(str(fault) in str(refused.value) for fault in refused.value.faults)
    return [(fault.file, fault.path, fault.message) for fault in refused.value.faults]


def item_faults(place: Path, **fields: Any) -> list[tuple[str, str]]:
    """Give the faults of one item as path and message."""
    found = faults(folder(place, items_json=json.dumps([SWORD | fields])))
    assert {file for file, _, _ in found} == {"items.json"}
    return [(path, message) for _, path, message in found]


def test_the_starter_pack_has_something_for_every_slot() -> None:
    pack = read_pack(STARTER)
    items = {item.id: item for item in items_of(pack)}

    assert (pack.id, pack.version) == ("starter", "1.0.0")
    assert len(items) >= 40
    assert items["coins"].stackable
    assert items["coins"].max_stack == MAX_STACK
    assert {item.equip_slot for item in items_of(pack) if item.equip_slot} == set(EQUIPMENT_SLOTS)
    assert sum(item.unique for item in items_of(pack)) == 3
    assert all(item.description for item in items_of(pack))


def test_toml_tables_toml_lists_and_json_give_the_same_pack(tmp_path: Path) -> None:
    spellings = [
        {"items_toml": '[items.sword]\nname = "Sword"\n[items.arrow]\nname = "Arrow"\nstackable = true\n'},
        {"items_toml": '[[items]]\nid = "sword"\nname = "Sword"\n[[items]]\nid = "arrow"\nname = "Arrow"\nstackable = true\n'},
        {"items_json": json.dumps([{"id": "arrow", "name": "Arrow", "stackable": True}, SWORD])},
        {"items_json": json.dumps({"items": [SWORD, {"id": "arrow", "name": "Arrow", "stackable": True, "max_stack": MAX_STACK}]})},
        {"items_1_toml": '[items.sword]\nname = "Sword"\n', "items_2_json": '{"items":[{"name":"Arrow","stackable":true,"id":"arrow"}]}'},
    ]
    read = []
    for number, files in enumerate(spellings):
        place = tmp_path / str(number)
        place.mkdir()
        read.append(read_pack(folder(place, **files)))

    assert {pack.digest for pack in read} == {read[0].digest}
    assert {tuple(sorted(item.id for item in items_of(pack))) for pack in read} == {("arrow", "sword")}


def test_the_digest_changes_with_the_content(tmp_path: Path) -> None:
    first = read_pack(folder(tmp_path, items_json=json.dumps([SWORD])))
    dearer = read_pack(folder(tmp_path, items_json=json.dumps([SWORD | {"value": 1}])))
    newer = read_pack(folder(tmp_path, pack_toml=HEAD.replace('"1"', '"2"')))

    assert len({first.digest, dearer.digest, newer.digest}) == 3
    assert len(first.digest) == 64


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ({}, 1),
        ({"max_stack": 1}, 1),
        ({"stackable": True}, MAX_STACK),
        ({"stackable": True, "max_stack": 100}, 100),
    ],
)
def test_a_stack_size_left_out_follows_from_stackable(tmp_path: Path, given: dict[str, Any], size: int) -> None:
    (item,) = items_of(read_pack(folder(tmp_path, items_json=json.dumps([SWORD | given]))))

    assert item.max_stack == size
    assert ItemDefinition(id="sword", name="Sword", **given).max_stack == size


def test_a_definition_has_no_other_fields() -> None:
    assert msgspec.convert(SWORD, ItemDefinition) == ItemDefinition(id="sword", name="Sword")
    with pytest.raises(msgspec.ValidationError, match="tradable"):
        msgspec.convert(SWORD | {"tradable": True}, ItemDefinition)


def test_one_file_is_a_pack_named_after_itself_or_by_its_own_table(tmp_path: Path) -> None:
    plain, named = tmp_path / "My swords.json", tmp_path / "swords.toml"
    plain.write_text(json.dumps([SWORD]))
    named.write_text('[pack]\nid = "blades"\nversion = "3"\ntitle = "Blades"\n[items.sword]\nname = "Sword"\n')

    assert (read_pack(plain).id, read_pack(plain).version) == ("my_swords", "0")
    assert (read_pack(named).id, read_pack(named).version, read_pack(named).title) == ("blades", "3", "Blades")
    named.write_text('pack = "blades"\n[items.sword]\nname = "Sword"\n')
    assert faults(named) == [("swords.toml", "pack", "expected a table")]
    named.write_text('[pack]\nid = "blades"\nversion = "3"\n')
    assert faults(named) == [("swords.toml", "pack.title", "is missing")]


@pytest.mark.parametrize(
    ("good", "bad", "path", "message"),
    [
        ({"name": "x" * 80}, {"name": "x" * 81}, "name", "expected `str` of length <= 80"),
        ({"name": "Śword"}, {"name": ""}, "name", "expected `str` of length >= 1"),
        ({"name": "a b"}, {"name": "a\nb"}, "name", "expected 1 to 80 characters, no control characters"),
        ({"name": "7"}, {"name": 7}, "name", "expected `str`, got `int`"),
        ({"kind": "tool"}, {"kind": None}, "kind", "expected `str`, got `null`"),
        ({"max_stack": 1}, {"max_stack": 5}, "max_stack", "an item that is not stackable has a stack of 1"),
        (
            {"stackable": True, "max_stack": MAX_STACK},
            {"stackable": True, "max_stack": 2**31},
            "max_stack",
            f"expected `int` <= {MAX_STACK}",
        ),
        ({"stackable": True, "max_stack": 1}, {"stackable": True, "max_stack": 0}, "max_stack", "expected `int` >= 1"),
        ({"stackable": False}, {"stackable": 0}, "stackable", "expected `bool`, got `int`"),
        ({"unique": True}, {"unique": True, "stackable": True}, "stackable", "a unique item cannot be stackable"),
        (
            {"noteable": True},
            {"unique": True, "noteable": True},
            "noteable",
            "a unique item cannot be noted: a note would forget which one it was",
        ),
        ({"equip_slot": "ring"}, {"equip_slot": "tail"}, "equip_slot", "expected one of " + ", ".join(EQUIPMENT_SLOTS)),
        ({"equip_slot": None}, {"equip_slot": 1}, "equip_slot", "expected `str | null`, got `int`"),
        ({"value": 2**53 - 1}, {"value": 2**53 - 1.5}, "value", "expected `int`, got `float`"),
        ({"value": 0}, {"value": -1}, "value", "expected `int` >= 0"),
        ({"value": 1}, {"value": True}, "value", "expected `int`, got `bool`"),
        ({"weight_g": 5}, {"weight_g": 0.5}, "weight_g", "expected `int`, got `float`"),
        ({"heal": 0}, {"heal": -3}, "heal", "expected `int` >= 0"),
        ({"requirements": {"magic": 5}}, {"requirements": {"magic": "5"}}, "requirements.magic", "expected `int`, got `str`"),
        (
            {"bonuses": {"magic": -5}},
            {"bonuses": {"a b": 1}},
            "bonuses.a b",
            "expected a lower-case letter, then up to 63 letters, digits or _",
        ),
        ({"bonuses": {}}, {"bonuses": [1]}, "bonuses", "expected `object`, got `array`"),
        ({"attributes": {"a": [1.5]}}, {"attributes": [1]}, "attributes", "expected `object`, got `array`"),
        ({"tradeable": False}, {"tradable": False}, "tradable", "unknown field"),
    ],
)
def test_a_bad_field_is_named_and_its_good_neighbour_passes(
    tmp_path: Path, good: dict[str, Any], bad: dict[str, Any], path: str, message: str
) -> None:
    assert len(items_of(read_pack(folder(tmp_path, items_json=json.dumps([SWORD | good]))))) == 1
    assert item_faults(tmp_path, **bad) == [(f"items.sword.{path}", message)]


@pytest.mark.parametrize("bad", ["", "Sword", "7sword", "sword\n", "swörd", "a" * 65, "a-b", "../sword", "_noted"])
def test_a_bad_id_is_refused(tmp_path: Path, bad: str) -> None:
    assert item_faults(tmp_path, id=bad) == [("items.0.id", "expected a lower-case letter, then up to 63 letters, digits or _")]


def test_what_is_missing_or_no_table_is_named(tmp_path: Path) -> None:
    found = faults(folder(tmp_path, items_json='[{"name":"A"},{"id":"b"},7]', items2_json='"x"', items3_json='{"item":[]}'))

    assert found == [
        ("items.json", "items.0.id", "is missing"),
        ("items.json", "items.b.name", "is missing"),
        ("items.json", "items.2", "expected a table"),
        ("items2.json", "items", "expected a list or tables by id"),
        ("items3.json", "item", "unknown field; items stand under `items`"),
    ]


def test_all_faults_of_a_pack_are_told_at_once(tmp_path: Path) -> None:
    found = faults(
        folder(
            tmp_path,
            pack_toml='id = "Test"\ntitle = "T"\nauthor = "A"\n',
            items_toml='[items.bronze_sword]\nname = "Bronze sword"\nmax_stack = 5\nvalue = -1\n[items.herb]\nname = ""\n',
            items_more_json='[{"id":"coin","name":"Coin","worth":1}]',
        )
    )

    assert [(file, path) for file, path, _ in found] == [
        ("pack.toml", "id"),
        ("pack.toml", "version"),
        ("pack.toml", "author"),
        ("items.toml", "items.bronze_sword.value"),
        ("items.toml", "items.bronze_sword.max_stack"),
        ("items.toml", "items.herb.name"),
        ("items_more.json", "items.coin.worth"),
    ]


def test_an_id_that_stands_twice_is_told_with_both_places(tmp_path: Path) -> None:
    place = folder(tmp_path, items_a_toml='[items.sword]\nname = "Sword"\n', items_b_json=json.dumps([SWORD]))

    assert faults(place) == [("items_b.json", "items.sword.id", "sword stands also in items_a.toml at items.sword")]
    (place / "items_b.json").write_text(json.dumps([SWORD | {"id": "sword2"}]))
    assert len(items_of(read_pack(place))) == 2


@pytest.mark.parametrize("variant", ["SWORD", "Sword", "\uff53word"])
def test_another_spelling_of_an_id_is_told_as_such(tmp_path: Path, variant: str) -> None:
    found = faults(folder(tmp_path, items_json=json.dumps([SWORD, SWORD | {"id": variant}])))

    assert ("items.json", "items.1.id", f"{variant} differs only in spelling from sword in items.json at items.sword") in found


def test_a_table_whose_id_is_another_is_refused(tmp_path: Path) -> None:
    place = folder(tmp_path, items_toml='[items.sword]\nid = "axe"\nname = "Axe"\n')

    assert faults(place) == [("items.toml", "items.sword.id", "differs from the name of its table")]
    folder(tmp_path, items_toml='[items.sword]\nid = "sword"\nname = "Sword"\n')
    assert items_of(read_pack(place))[0].id == "sword"


@pytest.mark.parametrize(
    ("files", "file", "line"),
    [
        ({"items_toml": '[items.sword]\nname = "Sword"\nvalue = = 3\n'}, "items.toml", "line 3"),
        ({"items_toml": '[items.sword]\nname = "Sword"\n[items.sword]\nname = "Twice"\n'}, "items.toml", "line 3"),
        ({"items_json": '[\n{"id": "sword",\n "name" "Sword"}]'}, "items.json", "line 3"),
        ({"pack_toml": 'id = "test"\nversion\n', "items_json": "[]"}, "pack.toml", "line 2"),
    ],
)
def test_a_syntax_error_is_told_with_its_line(tmp_path: Path, files: dict[str, str], file: str, line: str) -> None:
    ((told_file, _, message),) = faults(folder(tmp_path, **files))

    assert told_file == file
    assert line in message


def test_what_is_not_json_everywhere_is_refused_in_toml_too(tmp_path: Path) -> None:
    place = folder(
        tmp_path, items_toml='[items.sword]\nname = "Sword"\nattributes = { at = [0.0, nan], on = 2024-01-01, big = 9007199254740992 }\n'
    )
    assert faults(place) == [("items.toml", "items.sword.attributes.at.1", "not_finite: a number must be finite")]

    folder(tmp_path, items_toml='[items.sword]\nname = "Sword"\nattributes = { at = [0.0, -0.0], big = 9007199254740991 }\n')
    assert items_of(read_pack(place))[0].attributes["big"] == 2**53 - 1


def test_a_key_that_stands_twice_in_json_is_refused_with_its_path(tmp_path: Path) -> None:
    assert faults(folder(tmp_path, items_json='[{"id":"sword","name":"Sword","value":1,"value":2}]')) == [
        ("items.json", "0.value", "duplicate_key: the key stands more than once in its object")
    ]


def test_toml_that_is_not_utf8_or_is_nested_without_end_is_refused(tmp_path: Path) -> None:
    place = folder(tmp_path)
    (place / "items.toml").write_bytes(b'[items.sword]\nname = "\xff"\n')
    assert faults(place) == [("items.toml", "", "is not UTF-8 (at line 2)")]

    (place / "items.toml").write_bytes(b"a = " + b"[" * 5_000)
    assert faults(place) == [("items.toml", "", "nested too deeply")]


def test_a_link_out_of_the_folder_is_refused_and_one_within_is_read(tmp_path: Path) -> None:
    place = tmp_path / "pack"
    place.mkdir()
    (tmp_path / "secret.toml").write_text('[items.sword]\nname = "Sword"\n')
    (folder(place) / "items.toml").symlink_to(tmp_path / "secret.toml")
    assert faults(place) == [("items.toml", "", "is a link that leads out of the pack")]

    (place / "items.toml").unlink()
    (place / "kept").mkdir()
    (place / "kept" / "swords.toml").write_text('[items.sword]\nname = "Sword"\n')
    (place / "items.toml").symlink_to(place / "kept" / "swords.toml")
    assert len(items_of(read_pack(place))) == 1
    assert len(items_of(read_pack(place / "items.toml"))) == 1


def test_a_link_to_itself_a_folder_and_nothing_are_refused(tmp_path: Path) -> None:
    place = folder(tmp_path)
    assert faults(place) == [("", "", f"{place.name} has no definitions in files {packs._names_of_files()}")]
    assert faults(place / "items.toml") == [("items.toml", "", "no such file")]

    (place / "items.toml").mkdir()
    assert faults(place) == [("items.toml", "", "is not a plain file")]
    (place / "items.toml").rmdir()
    (place / "items.toml").symlink_to(place / "items.toml")
    assert [file for file, _, _ in faults(place)] == ["items.toml"]
    (place / "items.toml").unlink()
    folder(place, items_json="[]")
    (place / "pack.toml").unlink()
    assert faults(place) == [("pack.toml", "", "no such file")]


def test_a_file_beyond_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = folder(tmp_path, items_json=json.dumps([SWORD]))
    size = (place / "items.json").stat().st_size

    assert packs.MAX_FILE_BYTES == 8 * 1024 * 1024
    monkeypatch.setattr(packs, "MAX_FILE_BYTES", max(size, len(HEAD)))
    assert len(items_of(read_pack(place))) == 1
    (place / "items.json").write_text(json.dumps([SWORD]) + " " * len(HEAD))
    assert [(file, path) for file, path, _ in faults(place)] == [("items.json", "")]

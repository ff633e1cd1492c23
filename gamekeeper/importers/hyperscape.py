"""Hyperscape's manifests, read as a pack: `items.json` and whatever else its folder holds of kinds that are declared.

To read one more file, write a function that puts one of its entries into our words, and name it in `FILES`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from msgspec import Struct

from gamekeeper.kernel import gate
from gamekeeper.modules import content

Entry = dict[str, Any]
NO_KIND: Final = "left out: no kind for it"
TITLE: Final = "Hyperscape"


class Note(Struct, frozen=True):
    """What a foreign file says that a pack cannot keep as it stands."""

    file: str
    path: str
    message: str


class Notes:
    """What could not be kept of one file, counted by key and reason."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._ids: dict[tuple[str, str], list[str]] = {}

    def add(self, raw: Mapping[str, Any], key: str, reason: str) -> None:
        """Note what became of a key of an entry."""
        self._ids.setdefault((key, reason), []).append(str(raw.get("id", "?")))

    def left_out(self, raw: Mapping[str, Any], used: frozenset[str]) -> None:
        """Note the keys of an entry that nobody reads."""
        for key, value in raw.items():
            if key not in used and value is not None:
                self.add(raw, key, "left out")

    def sentences(self, noun: str) -> list[Note]:
        """Give one note for each key and reason, with how many entries it concerns and the first of them."""
        return [
            Note(self._file, key, f"{reason} ({len(ids)} {noun}{'s' * (len(ids) > 1)}, first {ids[0]})")
            for (key, reason), ids in self._ids.items()
        ]


class Translator(Struct, frozen=True):
    """How the entries of a file become definitions of one kind."""

    kind: str
    translate: Callable[[Entry, Notes], Entry | None]
    """Puts an entry into our words, or gives None where it has nothing for this kind. What has a wrong type it passes on as it is, so
    that it is refused with its path."""
    names: Mapping[str, str] = MappingProxyType({})
    """Their names of our fields, for faults: what is not here is called the same."""


def read_hyperscape(path: Path) -> tuple[content.Pack, tuple[Note, ...]]:
    """Read a folder of manifests, or one of them, as a pack; note once for each key what a pack cannot keep.

    Raises InvalidPack with all that is wrong.
    """
    reading, notes = content.PackReading(), list[Note]()
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix == ".json" and not file.name.startswith("."))
        if not files:
            reading.fault("", "", f"{path.name} has no manifests: no *.json")
        for file in files[: content.MAX_FILES]:
            notes += _read(reading, path, file, file.name, FILES.get(file.name, ()))
    else:
        translators = FILES.get(path.name, FILES["items.json"])
        notes += _read(reading, path.resolve().parent, path.resolve(), path.name, translators)
    return reading.pack({"id": "hyperscape", "version": "0", "title": TITLE}), tuple(notes)


def _read(reading: content.PackReading, folder: Path, file: Path, name: str, translators: tuple[Translator, ...]) -> list[Note]:
    known = [(content.KINDS[one.kind], one) for one in translators if one.kind in content.KINDS]
    if not known:
        return [Note(name, "", NO_KIND)]
    faults = len(reading.faults)
    plural = name.removesuffix(".json")
    document = reading.table(folder, file, name)
    entries = document.get(plural) if isinstance(document, dict) else document
    if not isinstance(entries, list):
        if len(reading.faults) == faults:
            reading.fault(name, "", f"expected a list of {plural}")
        return []
    notes = Notes(name)
    for place, raw in reading.entries(name, entries, plural):
        for kind, one in known:
            ours = one.translate(raw, notes)
            if ours is not None:
                reading.take(kind, name, place, ours, one.names)
    return notes.sentences(plural.removesuffix("s"))


# Items

_SAME_NAME: Final = ("id", "name", "stackable", "tradeable", "noteable", "rarity", "value", "bonuses")
_RENAMED: Final = {"type": "kind", "healAmount": "heal"}
_KEPT_AS_ATTRIBUTE: Final = {"weaponType": "weapon_type", "attackType": "attack_type"}
_TRANSLATED: Final = ("maxStackSize", "equipSlot", "weight", "description", "examine", "requirements")
_USED: Final = frozenset((*_SAME_NAME, *_RENAMED, *_KEPT_AS_ATTRIBUTE, *_TRANSLATED))
_THEIR_NAMES: Final = MappingProxyType(
    {
        "kind": "type",
        "heal": "healAmount",
        "max_stack": "maxStackSize",
        "equip_slot": "equipSlot",
        "weight_g": "weight",
        "requirements": "requirements.skills",
    }
)


def _item(raw: Entry, notes: Notes) -> Entry:
    item: Entry = {key: raw[key] for key in _SAME_NAME if raw.get(key) is not None}
    item |= {ours: raw[theirs] for theirs, ours in _RENAMED.items() if raw.get(theirs) is not None}
    attributes = {ours: raw[theirs] for theirs, ours in _KEPT_AS_ATTRIBUTE.items() if raw.get(theirs) is not None}
    _translate_texts(raw, item, attributes)
    _translate_stack(raw, item, notes)
    _translate_slot(raw, item, attributes, notes)
    _translate_requirements(raw, item, notes)
    if raw.get("weight") is not None:
        item["weight_g"] = _grams(raw["weight"])
    notes.left_out(raw, _USED)
    return item | ({"attributes": attributes} if attributes else {})


def _grams(kilograms: Any) -> Any:
    """Give whole grams; what is no weight stays as it is."""
    return round(kilograms * 1000) if type(kilograms) in (int, float) and abs(kilograms) < gate.MAX_INTEGER else kilograms


def _translate_texts(raw: Mapping[str, Any], item: dict[str, Any], attributes: dict[str, Any]) -> None:
    """Keep both texts where they differ."""
    description, examine = raw.get("description"), raw.get("examine")
    if description or examine:
        item["description"] = description or examine
    if description and examine and examine != description:
        attributes["examine"] = examine


def _translate_stack(raw: Mapping[str, Any], item: dict[str, Any], notes: Notes) -> None:
    """Theirs gives unstackable items a size too; only a stackable item's counts."""
    most = raw.get("maxStackSize")
    if most is None:
        return
    if raw.get("stackable") is True or not isinstance(most, int) or most == 1:
        item["max_stack"] = most
    else:
        notes.add(raw, "maxStackSize", "became 1, because the item is not stackable")


def _translate_slot(raw: Mapping[str, Any], item: dict[str, Any], attributes: dict[str, Any], notes: Notes) -> None:
    """A two-handed weapon lies in the weapon slot; a slot that we do not have makes the item one that is not worn."""
    slot = raw.get("equipSlot")
    if slot == "2h":
        item["equip_slot"] = "weapon"
        attributes["two_handed"] = True
        notes.add(raw, "equipSlot", "2h became weapon with the attribute two_handed")
    elif not isinstance(slot, str) or slot in content.EQUIPMENT_SLOTS:
        item["equip_slot"] = slot
    else:
        notes.add(raw, "equipSlot", f"unknown slot {slot!r} left out")


def _translate_requirements(raw: Mapping[str, Any], item: dict[str, Any], notes: Notes) -> None:
    """Keep the skills; a level without a skill has no meaning here."""
    theirs = raw.get("requirements")
    if theirs is None:
        return
    if not isinstance(theirs, dict):
        item["requirements"] = theirs
        return
    if theirs.get("skills") is not None:
        item["requirements"] = theirs["skills"]
    for key in theirs:
        if key != "skills":
            notes.add(raw, f"requirements.{key}", "left out")


FILES: Final[Mapping[str, tuple[Translator, ...]]] = MappingProxyType({"items.json": (Translator("item", _item, _THEIR_NAMES),)})
"""How each file is read. One file may hold what becomes definitions of several kinds; a file that is not here is left out with a note."""

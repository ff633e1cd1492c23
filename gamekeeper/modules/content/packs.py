"""Item packs: folders or files of TOML or JSON, read into typed definitions or refused with every fault at once.

    starter/
      pack.toml       id, version, title
      items.toml      [items.<id>] tables or [[items]]; also items*.json: a list or {"items": [...]}

Nothing here touches a database; a pack is a value.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, get_args

import msgspec
from msgspec import Meta

from gamekeeper.kernel import gate

EquipmentSlot = Literal["weapon", "shield", "helmet", "body", "legs", "boots", "gloves", "cape", "amulet", "ring", "arrows"]
EQUIPMENT_SLOTS: Final[tuple[str, ...]] = get_args(EquipmentSlot)
MAX_STACK: Final = 2**31 - 1
MAX_FILE_BYTES: Final = 8 * 1024 * 1024
MAX_FILES: Final = 256

_FILE_LIMITS: Final = gate.Limits(max_bytes=MAX_FILE_BYTES, max_nodes=1_000_000)

# `$` alone would let a line break at the end pass.
Id = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}$(?!\n)", description="a lower-case letter, then up to 63 letters, digits or _")]
Label = Annotated[
    str, Meta(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)", description="1 to 80 characters, no control characters")
]
Digest = Annotated[str, Meta(min_length=1, max_length=128, description="SHA-256 over the pack's content")]
Natural = Annotated[int, Meta(ge=0, le=gate.MAX_INTEGER)]
Amount = Annotated[int, Meta(ge=-gate.MAX_INTEGER, le=gate.MAX_INTEGER)]
Level = Annotated[int, Meta(ge=0, le=10_000)]
Stack = Annotated[int, Meta(ge=1, le=MAX_STACK)]


class ItemDefinition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every item of one kind has in common."""

    id: Id
    name: Label
    kind: Label = "misc"
    description: str = ""
    stackable: bool = False
    max_stack: Stack = 0
    """When left out: as many as fit if the item is stackable, else 1."""
    noteable: bool = False
    tradeable: bool = True
    equip_slot: EquipmentSlot | None = None
    value: Natural = 0
    weight_g: Natural = 0
    heal: Natural = 0
    rarity: Label = "common"
    unique: bool = False
    """Each piece keeps an id for life."""
    requirements: dict[str, Level] = {}
    bonuses: dict[str, Amount] = {}
    attributes: dict[str, Any] = {}

    def __post_init__(self) -> None:
        """Resolve the stack size that was left out."""
        if self.max_stack == 0:
            msgspec.structs.force_setattr(self, "max_stack", MAX_STACK if self.stackable else 1)


class Pack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One version of a set of definitions."""

    id: Id
    version: Label
    title: Label
    items: tuple[ItemDefinition, ...]
    digest: Digest
    """SHA-256 over the content; the same however the items are spread over files and ordered in them."""


class Fault(msgspec.Struct, frozen=True):
    """What is wrong, and where."""

    file: str
    path: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.path, self.message) if part)


class Note(msgspec.Struct, frozen=True):
    """What a foreign file says that a pack cannot keep as it stands."""

    file: str
    path: str
    message: str


class InvalidPack(ValueError):
    """The pack has faults; none of it was taken."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self.faults = faults
        super().__init__("\n".join(map(str, faults)))


def read_pack(path: Path) -> Pack:
    """Read a folder with `pack.toml` and its item files, or one item file; refuse it with all of its faults."""
    reading = _Reading()
    if path.is_dir():
        head = reading.table(path, path / "pack.toml")
        reading.header(head, "pack.toml")
        for file in reading.item_files(path):
            reading.items_of(file.name, reading.table(path, file))
    else:
        document = reading.table(path.resolve().parent, path.resolve(), path.name)
        head = {"id": _as_id(path.stem), "version": "0", "title": path.stem}
        if isinstance(document, dict):
            head = document.pop("pack", head)
        reading.header(head, path.name, under="pack.")
        reading.items_of(path.name, document)
    return reading.pack(head)


class _Reading:
    """Everything seen so far of one pack: its items and its faults."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.items: list[ItemDefinition] = []
        self._seen: dict[str, tuple[str, str, str]] = {}

    def fault(self, file: str, path: str, message: str) -> None:
        self.faults.append(Fault(file, path, message))

    def item_files(self, folder: Path) -> list[Path]:
        """List the item files of a folder in the order of their names."""
        files = sorted(file for kind in ("toml", "json") for file in folder.glob(f"items*.{kind}"))
        if not files:
            self.fault("", "", f"{folder.name} has no items*.toml or items*.json")
        if len(files) > MAX_FILES:
            self.fault("", "", f"{folder.name} has more than {MAX_FILES} item files")
        return files[:MAX_FILES]

    def table(self, folder: Path, file: Path, name: str = "") -> Any:
        """Give what a file holds, or note why it cannot be read and give nothing."""
        name = name or file.name  # a link is known by its own name
        try:
            data = _read_bytes(folder, file)
            return _decode_toml(data) if name.endswith(".toml") else gate.parse(data, _FILE_LIMITS)
        except gate.InvalidJson as error:
            self.fault(name, _dotted(error.path), f"{error.problem}: {error.detail}")
        except (OSError, ValueError, RuntimeError) as error:
            self.fault(name, "", _plain(error))
        return {}

    def header(self, head: Any, file: str, *, under: str = "") -> None:
        """Check the id, version and title of the pack."""
        if not isinstance(head, dict):
            self.fault(file, "pack", "expected a table")
            return
        if not head and self.faults:
            return  # it could not be read, and that was said
        for name, kind in (("id", Id), ("version", Label), ("title", Label)):
            if name not in head:
                self.fault(file, under + name, "is missing")
            else:
                self.faults += [Fault(file, under + name, message) for _, message in _mismatches(head[name], kind)]
        self.faults += [Fault(file, under + name, "unknown field") for name in head if name not in ("id", "version", "title")]

    def items_of(self, file: str, document: Any) -> None:
        """Take the items of one file."""
        if isinstance(document, dict):
            for name in document:
                if name != "items":
                    self.fault(file, name, "unknown field; items stand under `items`")
            document = document.get("items", [])
        for path, raw in self.entries(file, document):
            self.item(file, path, raw)

    def entries(self, file: str, document: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give each item with its path, whether they came as a list or as a table by id."""
        if not isinstance(document, dict | list):
            self.fault(file, "items", "expected a list or tables by id")
            return
        pairs = document.items() if isinstance(document, dict) else enumerate(document)
        for place, raw in pairs:
            path = f"items.{place}"
            if not isinstance(raw, dict):
                self.fault(file, path, "expected a table")
            elif isinstance(place, int):
                named = isinstance(raw.get("id"), str) and _ID.match(raw["id"])
                yield (f"items.{raw['id']}" if named else path), raw
            elif raw.get("id", place) != place:
                self.fault(file, f"{path}.id", "differs from the name of its table")
            else:
                yield path, {"id": place, **raw}

    def item(self, file: str, path: str, raw: dict[str, Any], names: Mapping[str, str] = MappingProxyType({})) -> None:
        """Take one item, or note each of its faults; `names` are the fields' names in a foreign file."""
        faults = list(_faults_of(raw))
        for field, message in faults:
            name, dot, rest = field.partition(".")
            self.fault(file, f"{path}.{names.get(name, name)}{dot}{rest}", message)
        if isinstance(raw.get("id"), str):
            self._claim(file, path, raw["id"])
        if not faults:
            self.items.append(msgspec.convert(raw, ItemDefinition))

    def _claim(self, file: str, path: str, item_id: str) -> None:
        """Refuse an id that stands elsewhere, also in another spelling."""
        folded = unicodedata.normalize("NFKC", item_id).casefold()
        if folded not in self._seen:
            self._seen[folded] = (file, path, item_id)
            return
        other_file, other_path, other_id = self._seen[folded]
        how = "stands also" if other_id == item_id else f"differs only in spelling from {other_id}"
        self.fault(file, f"{path}.id", f"{item_id} {how} in {other_file} at {other_path}")

    def pack(self, head: dict[str, str]) -> Pack:
        """Give the pack, or refuse it with all that was noted."""
        if self.faults:
            raise InvalidPack(tuple(self.faults))
        items = tuple(self.items)
        content: dict[str, object] = {**head, "items": sorted(items, key=_by_id)}
        digest = hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()
        return Pack(head["id"], head["version"], head["title"], items, digest)


def _by_id(item: ItemDefinition) -> str:
    return item.id


# Files


def _read_bytes(folder: Path, file: Path) -> bytes:
    """Read a plain file of bounded size that lies in the folder, links followed."""
    if not file.resolve().is_relative_to(folder.resolve()):
        raise ValueError("is a link that leads out of the pack")
    if not file.exists():
        raise ValueError("no such file")
    if not file.is_file():
        raise ValueError("is not a plain file")
    with file.open("rb") as stream:
        data = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ValueError(f"is larger than {MAX_FILE_BYTES} bytes")
    return data


def _decode_toml(data: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"is not UTF-8 (at line {line})") from None


def _plain(error: Exception) -> str:
    """Say an error without the path of the machine that it was read on."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


def _as_id(stem: str) -> str:
    name = re.sub(r"[^a-z0-9_]+", "_", stem.lower()).strip("_")
    return (name if name[:1].isalpha() else f"pack_{name}")[:64]


def _dotted(pointer: str) -> str:
    return pointer.removeprefix("/").replace("/", ".")


# Fields

_ID: Final = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")
_FIELDS: Final[Mapping[str, msgspec.structs.FieldInfo]] = {field.name: field for field in msgspec.structs.fields(ItemDefinition)}
_ENTRIES: Final[Mapping[str, Any]] = {"requirements": Level, "bonuses": Amount}


def _faults_of(raw: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Give every fault of one item as the field's path and a message."""
    for name, field in _FIELDS.items():
        if name in raw:
            yield from ((name + rest, message) for rest, message in _mismatches(raw[name], field.type, _ENTRIES.get(name)))
        elif field.required:
            yield name, "is missing"
    for name in raw:
        if name not in _FIELDS:
            yield name, "unknown field"
    yield from _contradictions(raw)


def _mismatches(value: Any, kind: Any, entry: Any = None) -> Iterator[tuple[str, str]]:
    """Give what is wrong with one field; in a table of numbers, with each of its entries."""
    try:
        gate.check(value)
    except gate.InvalidJson as error:
        yield error.path.replace("/", "."), f"{error.problem}: {error.detail}"
        return
    if entry is not None and isinstance(value, dict):
        for key, number in value.items():
            yield from ((f".{key}", message) for _, message in _mismatches(key, Id))
            yield from ((f".{key}", message) for _, message in _mismatches(number, entry))
        return
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        yield "", _describe(str(error), kind)


def _describe(message: str, kind: Any) -> str:
    """Say what was expected in words where msgspec would show a regular expression or only the wrong value."""
    meta = next((meta for meta in getattr(kind, "__metadata__", ()) if meta.description), None)
    if meta and "matching regex" in message:
        return f"expected {meta.description}"
    if message.startswith("Invalid enum value"):
        return f"expected one of {', '.join(EQUIPMENT_SLOTS)}"
    return message[0].lower() + message[1:]


def _contradictions(raw: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Give the faults that lie between fields."""
    stackable, unique, most = raw.get("stackable") is True, raw.get("unique") is True, raw.get("max_stack", 1)
    if not stackable and isinstance(most, int) and most > 1:
        yield "max_stack", "an item that is not stackable has a stack of 1"
    if unique and stackable:
        yield "stackable", "a unique item cannot be stackable"
    if unique and raw.get("noteable") is True:
        yield "noteable", "a unique item cannot be noted: a note would forget which one it was"


# Hyperscape

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


def read_hyperscape_items(path: Path) -> tuple[Pack, tuple[Note, ...]]:
    """Read Hyperscape's `items.json` as a pack, and note once for each key what a pack cannot keep."""
    reading, notes = _Reading(), _Notes(path.name)
    document = reading.table(path.resolve().parent, path.resolve(), path.name)
    items = document.get("items") if isinstance(document, dict) else document
    if not isinstance(items, list) and not reading.faults:
        reading.fault(path.name, "", "expected a list of items")
    for place, raw in reading.entries(path.name, items if isinstance(items, list) else []):
        reading.item(path.name, place, _from_hyperscape(raw, notes), _THEIR_NAMES)
    return reading.pack({"id": "hyperscape", "version": "0", "title": "Hyperscape items"}), notes.sentences()


class _Notes:
    """What could not be kept, counted by key and reason."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._ids: dict[tuple[str, str], list[str]] = {}

    def add(self, raw: Mapping[str, Any], key: str, reason: str) -> None:
        self._ids.setdefault((key, reason), []).append(str(raw.get("id", "?")))

    def sentences(self) -> tuple[Note, ...]:
        """Give one note for each key and reason, with how many items it concerns and the first of them."""
        return tuple(
            Note(self._file, key, f"{reason} ({len(ids)} item{'s' * (len(ids) > 1)}, first {ids[0]})")
            for (key, reason), ids in self._ids.items()
        )


def _from_hyperscape(raw: Mapping[str, Any], notes: _Notes) -> dict[str, Any]:
    """Put one of their items into our words; what has the wrong type is passed on, so that it is refused with its path."""
    item: dict[str, Any] = {key: raw[key] for key in _SAME_NAME if raw.get(key) is not None}
    item |= {ours: raw[theirs] for theirs, ours in _RENAMED.items() if raw.get(theirs) is not None}
    attributes = {ours: raw[theirs] for theirs, ours in _KEPT_AS_ATTRIBUTE.items() if raw.get(theirs) is not None}
    _translate_texts(raw, item, attributes)
    _translate_stack(raw, item, notes)
    _translate_slot(raw, item, attributes, notes)
    _translate_requirements(raw, item, notes)
    if raw.get("weight") is not None:
        item["weight_g"] = _grams(raw["weight"])
    for key, value in raw.items():
        if key not in _USED and value is not None:
            notes.add(raw, key, "left out")
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


def _translate_stack(raw: Mapping[str, Any], item: dict[str, Any], notes: _Notes) -> None:
    """Theirs gives unstackable items a size too; only a stackable item's counts."""
    most = raw.get("maxStackSize")
    if most is None:
        return
    if raw.get("stackable") is True or not isinstance(most, int) or most == 1:
        item["max_stack"] = most
    else:
        notes.add(raw, "maxStackSize", "became 1, because the item is not stackable")


def _translate_slot(raw: Mapping[str, Any], item: dict[str, Any], attributes: dict[str, Any], notes: _Notes) -> None:
    """A two-handed weapon lies in the weapon slot; a slot that we do not have makes the item one that is not worn."""
    slot = raw.get("equipSlot")
    if slot == "2h":
        item["equip_slot"] = "weapon"
        attributes["two_handed"] = True
        notes.add(raw, "equipSlot", "2h became weapon with the attribute two_handed")
    elif not isinstance(slot, str) or slot in EQUIPMENT_SLOTS:
        item["equip_slot"] = slot
    else:
        notes.add(raw, "equipSlot", f"unknown slot {slot!r} left out")


def _translate_requirements(raw: Mapping[str, Any], item: dict[str, Any], notes: _Notes) -> None:
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

"""Hyperscape's manifests, read as a pack: items, stores, mobs, NPCs and banks, and a note for what a pack cannot keep of them.

To read one more file, write a function that puts one of its entries into our words, and name it in `FILES`.
"""

from collections.abc import Callable, Mapping, Set
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from msgspec import Struct

from gamekeeper.kernel import gate
from gamekeeper.modules import content, npcs

Entry = dict[str, Any]
NO_KIND: Final = "left out: no kind for it"
TITLE: Final = "Hyperscape"
ITEMS: Final = "items.json"


class Note(Struct, frozen=True):
    """What a foreign file says that a pack cannot keep as it stands."""

    file: str
    path: str
    message: str


class Notes:
    """What could not be kept of one file, counted by key and reason."""

    def __init__(self, file: str, items: Set[str] | None = None) -> None:
        self._file = file
        self._items = items
        self._ids: dict[tuple[str, str], list[str]] = {}

    def knows_item(self, item: Any) -> bool:
        """Whether the folder defines an item, as far as that can be said: without `items.json` another pack may."""
        return self._items is None or not isinstance(item, str) or item in self._items

    def add(self, raw: Mapping[str, Any], key: str, reason: str) -> None:
        """Note what became of a key of an entry."""
        ids = self._ids.setdefault((key, reason), [])
        id = str(raw.get("id", "?"))
        if id not in ids[-1:]:
            ids.append(id)

    def left_out(self, raw: Mapping[str, Any], used: Set[str], *, of: str = "") -> None:
        """Note the keys of an entry, or of what stands `of` one of its keys, that nobody reads."""
        for key, value in raw.items():
            if key not in used and value is not None:
                self.add(raw, f"{of}.{key}" if of else key, "left out")

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
        # The items first: what the other files say of items that are not there is left out.
        items = set[str]() if any(file.name == ITEMS for file in files) else None
        for file in sorted(files[: content.MAX_FILES], key=lambda file: file.name != ITEMS):
            notes += _read(reading, path, file, file.name, FILES.get(file.name, ()), items)
    else:
        translators = FILES.get(path.name, FILES[ITEMS])
        notes += _read(reading, path.resolve().parent, path.resolve(), path.name, translators, None)
    return reading.pack({"id": "hyperscape", "version": "0", "title": TITLE}), tuple(notes)


def _read(
    reading: content.PackReading, folder: Path, file: Path, name: str, translators: tuple[Translator, ...], items: set[str] | None
) -> list[Note]:
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
    notes = Notes(name, items)
    for place, raw in reading.entries(name, entries, plural):
        if name == ITEMS and items is not None:
            items.add(str(raw.get("id")))
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
    _translate_slot(raw, item, notes)
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


def _translate_slot(raw: Mapping[str, Any], item: dict[str, Any], notes: Notes) -> None:
    """Say of a two-handed weapon that it is one; a slot that we do not have makes the item one that is not worn."""
    slot = raw.get("equipSlot")
    if slot == "2h":
        item["equip_slot"] = "weapon"
        item["two_handed"] = True
        notes.add(raw, "equipSlot", "2h became weapon, two_handed")
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


# Places, and times in ticks

_PLACE_NAMES: Final = MappingProxyType({"place": "location"})


def _place(raw: Entry, notes: Notes) -> Any:
    """Give where something stands; what is no place stays as it is."""
    location = raw.get("location")
    if not isinstance(location, dict):
        return location
    notes.left_out({"id": raw.get("id"), **location}, {"id", "zone", "position"}, of="location")
    position = location.get("position")
    here = {key: location[key] for key in ("zone",) if key in location}
    return here | (position if isinstance(position, dict) else {} if position is None else {"position": position})


def _ticks(milliseconds: Any) -> Any:
    """Give whole ticks, rounded up; what is no time stays as it is."""
    return -(-milliseconds // npcs.TICK_MS) if type(milliseconds) is int else milliseconds


def _said(raw: Entry, *keys: str) -> Entry:
    """Give those of the keys that the entry has."""
    return {key: raw[key] for key in keys if raw.get(key) is not None}


# Stores

_STORE_NAMES: Final = MappingProxyType({"place": "location", "buys_at_bp": "buybackRate"})
_STORE_USED: Final = frozenset(("id", "name", "description", "location", "items", "buyback", "buybackRate"))
_STOCK_USED: Final = frozenset(("id", "itemId", "price", "stockQuantity", "restockTime"))
ENDLESS: Final = -1
"""The stock of what never runs out."""


def _store(raw: Entry, notes: Notes) -> Entry:
    store = _said(raw, "id", "name", "description")
    if raw.get("location") is not None:
        store["place"] = _place(raw, notes)
    if raw.get("buyback") is True:
        store |= {"buys": "anything", "buys_at_bp": _basis_points(raw.get("buybackRate", 0.5))}
    elif raw.get("buyback") not in (None, False):
        store["buys"] = raw["buyback"]
    entries = raw.get("items")
    if isinstance(entries, list):
        store["items"] = [_stocked(raw, one, notes) for one in entries if _in_stock(raw, one, notes)]
    elif entries is not None:
        store["items"] = entries
    notes.left_out(raw, _STORE_USED)
    return store


def _in_stock(raw: Entry, stocked: Any, notes: Notes) -> bool:
    item = stocked.get("itemId") if isinstance(stocked, dict) else None
    if notes.knows_item(item):
        return True
    notes.add(raw, "items", f"{item} left out, for {ITEMS} does not define it")
    return False


def _stocked(raw: Entry, stocked: Any, notes: Notes) -> Any:
    """Give an entry of a store's list; what is none stays as it is."""
    if not isinstance(stocked, dict):
        return stocked
    notes.left_out(stocked | {"id": raw.get("id")}, _STOCK_USED, of="items")
    ours = _said(stocked, "price") | ({"item": stocked["itemId"]} if "itemId" in stocked else {})
    if stocked.get("stockQuantity") not in (None, ENDLESS):
        ours["stock"] = stocked["stockQuantity"]
        if stocked.get("restockTime"):
            ours["restock_ticks"] = _ticks(stocked["restockTime"])
    return ours


def _basis_points(rate: Any) -> Any:
    """Give a rate in basis points; what is no rate stays as it is."""
    return round(rate * 10_000) if type(rate) in (int, float) and abs(rate) < gate.MAX_INTEGER else rate


# Mobs

CHANCES: Final = 1_000_000
"""Into how many parts a chance is cut."""
_MOB_NAMES: Final = MappingProxyType({"xp": "xpReward", "respawn_ticks": "respawnTime", "health": "maxHealth"})
_MOB_ATTRIBUTES: Final = {
    "mobType": "mob_type",
    "difficultyLevel": "difficulty",
    "behavior": "behavior",
    "attackSpeed": "attack_speed",
    "moveSpeed": "move_speed",
    "combatRange": "combat_range",
    "spawnBiomes": "spawn_biomes",
}
_MOB_USED: Final = frozenset(
    ("id", "name", "type", "description", "level", "health", "maxHealth", "stats", "xpReward", "respawnTime", "drops", *_MOB_ATTRIBUTES)
)


def _mob(raw: Entry, notes: Notes) -> Entry:
    mob = {"kind": "monster", **_said(raw, "id", "name", "description", "level")}
    mob["health"] = raw.get("maxHealth", raw.get("health", 0))
    stats = raw.get("stats")
    if stats is not None:
        # Level and health stand beside it already.
        mob["stats"] = {key: value for key, value in stats.items() if key not in ("level", "health")} if isinstance(stats, dict) else stats
    if raw.get("xpReward") is not None:
        mob["xp"] = raw["xpReward"]
    if raw.get("respawnTime") is not None:
        mob["respawn_ticks"] = _ticks(raw["respawnTime"])
    if raw.get("drops") is not None:
        mob["drops"] = _drops(raw, notes)
    attributes = {ours: raw[theirs] for theirs, ours in _MOB_ATTRIBUTES.items() if raw.get(theirs) is not None}
    if raw.get("type") not in (None, raw.get("mobType")):
        attributes["type"] = raw["type"]
    notes.left_out(raw, _MOB_USED)
    return mob | ({"attributes": attributes} if attributes else {})


def _drops(raw: Entry, notes: Notes) -> Any:
    """Give each drop as a table of its own, for their chances do not exclude each other."""
    drops = raw["drops"]
    if not isinstance(drops, list):
        return drops
    tables: list[Any] = []
    for drop in drops:
        if isinstance(drop, dict) and not notes.knows_item(drop.get("itemId")):
            notes.add(raw, "drops", f"{drop['itemId']} left out, for {ITEMS} does not define it")
        else:
            tables.append(_drop_table(drop))
    return tables


def _drop_table(drop: Any) -> Any:
    if not isinstance(drop, dict):
        return drop
    gives = ({"item": drop["itemId"]} if "itemId" in drop else {}) | ({"least": drop["quantity"]} if "quantity" in drop else {})
    chance = 1 if drop.get("isGuaranteed") is True else drop.get("chance", 1)
    if type(chance) not in (int, float) or not 0 < chance <= 1:
        return {"gives": [gives], "nothing": f"no chance: {chance!r}"}
    weight = max(1, round(chance * CHANCES))
    return {"gives": [gives | {"weight": weight}], "nothing": CHANCES - weight} if weight < CHANCES else {"gives": [gives]}


# NPCs and banks

_NPC_NAMES: Final = MappingProxyType({"lines": "dialogueLines"})
_NPC_USED: Final = frozenset(("id", "name", "type", "npcType", "description", "services", "dialogueLines"))
_BANK_USED: Final = frozenset(("id", "name", "description", "location"))


def _npc(raw: Entry, notes: Notes) -> Entry:
    npc = _said(raw, "id", "name", "description", "services")
    if raw.get("dialogueLines") is not None:
        npc["lines"] = raw["dialogueLines"]
    if raw.get("npcType") is not None:
        npc["attributes"] = {"role": raw["npcType"]}
    notes.left_out(raw, _NPC_USED)
    return npc


def _bank(raw: Entry, notes: Notes) -> Entry:
    bank = _said(raw, "id", "name", "description")
    if raw.get("location") is not None:
        bank["place"] = _place(raw, notes)
    notes.left_out(raw, _BANK_USED)
    return bank


FILES: Final[Mapping[str, tuple[Translator, ...]]] = MappingProxyType(
    {
        ITEMS: (Translator("item", _item, _THEIR_NAMES),),
        "stores.json": (Translator("store", _store, _STORE_NAMES),),
        "mobs.json": (Translator("npc", _mob, _MOB_NAMES),),
        "npcs.json": (Translator("npc", _npc, _NPC_NAMES),),
        "banks.json": (Translator("bank", _bank, _PLACE_NAMES),),
    }
)
"""How each file is read. One file may hold what becomes definitions of several kinds; a file that is not here is left out with a note."""

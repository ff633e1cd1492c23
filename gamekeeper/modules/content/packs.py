"""Packs: folders or files of TOML or JSON, read into typed definitions or refused with every fault at once.

    starter/
      pack.toml       id, version, title
      items.toml      [items.<id>] tables or [[items]]; also items*.json: a list or {"items": [...]}
      prayers.toml    and so on: each kind of definition that is declared has files named after its plural

Nothing here touches a database; a pack is a value.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from gamekeeper.kernel import gate

from .flaws import dotted, examined, mismatches
from .kinds import KINDS, Declared, Defined, Id, Label, circle, folded, kind_of

MAX_FILE_BYTES: Final = 8 * 1024 * 1024
MAX_FILES: Final = 256

Digest = Annotated[str, Meta(min_length=1, max_length=128, description="SHA-256 over the pack's content")]
DigestOrNone = Annotated[str, Meta(max_length=128)]
Plural = Annotated[str, Meta(pattern=r"^[a-z][a-z_]{0,31}$(?!\n)", description="items, quests ...")]

D = TypeVar("D", bound=Defined)

_FILE_LIMITS: Final = gate.Limits(max_bytes=MAX_FILE_BYTES, max_nodes=1_000_000)


class Pack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One version of a set of definitions."""

    id: Id
    version: Label
    title: Label
    definitions: dict[Plural, tuple[Any, ...]]
    """By the plural of their kind; the query `content.kinds` tells the fields of each."""
    digest: DigestOrNone = ""
    """SHA-256 over the content; the same however it is spread over files and ordered in them. Made when it is left out."""

    def of(self, type: type[D]) -> tuple[D, ...]:
        """Give the definitions of one kind.

        >>> from .items import ItemDefinition
        >>> pack_of(ItemDefinition(id="axe", name="Axe"), id="tools", version="1", title="Tools").of(ItemDefinition)[0].name
        'Axe'
        """
        kind = next((one for one in KINDS.values() if one.type is type), None)
        return () if kind is None else self.definitions.get(kind.plural, ())


def pack_of(*definitions: Defined, id: str, version: str, title: str) -> Pack:
    """Make a pack of definitions of whatever kinds."""
    found: dict[str, list[Defined]] = {}
    for one in definitions:
        kind = kind_of(one)
        if kind is None:
            raise TypeError(f"{type(one).__qualname__} is no kind of definition: declare it with content.defines")
        found.setdefault(kind.plural, []).append(one)
    made = Pack(id, version, title, {plural: tuple(some) for plural, some in found.items()})
    return msgspec.structs.replace(made, digest=digest_of(made))


def digest_of(pack: Pack) -> str:
    """Give the digest of what a pack holds, whatever the order."""
    ordered = {plural: sorted(some, key=_id_of) for plural, some in pack.definitions.items() if some}
    content: dict[str, object] = {"id": pack.id, "version": pack.version, "title": pack.title, **ordered}
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


def _id_of(definition: Any) -> str:
    return str(definition.get("id") if isinstance(definition, dict) else definition.id)


class Fault(msgspec.Struct, frozen=True):
    """What is wrong, and where."""

    file: str
    path: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.path, self.message) if part)


class InvalidPack(ValueError):
    """The pack has faults; none of it was taken."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self.faults = faults
        super().__init__("\n".join(map(str, faults)))


def read_pack(path: Path) -> Pack:
    """Read a folder with `pack.toml` and a file or more for each kind, or one file; refuse it with all of its faults.

    The kinds are those that are declared by then: import a game's modules first, as opening a keep does.
    """
    reading = PackReading()
    if path.is_dir():
        head = reading.table(path, path / "pack.toml")
        reading.header(head, "pack.toml")
        for kind, file in reading.files(path):
            reading.document(file.name, reading.table(path, file), [kind])
    else:
        document = reading.table(path.resolve().parent, path.resolve(), path.name)
        head = {"id": _as_id(path.stem), "version": "0", "title": path.stem}
        if isinstance(document, dict):
            head = document.pop("pack", head)
        reading.header(head, path.name, under="pack.")
        kind = kind_of_file(path) or KINDS["item"]
        reading.document(path.name, document, [kind, *(one for one in KINDS.values() if one is not kind)])
    return reading.pack(head)


def kind_of_file(path: Path) -> Declared | None:
    """Give the kind whose plural a file is named after: `items.toml`, `items_rare.json`, `items2.json`."""
    named = [kind for kind in KINDS.values() if re.match(rf"{kind.plural}(?![a-z])", path.stem)]
    return max(named, key=lambda kind: len(kind.plural), default=None)


class PackReading:
    """Everything seen so far of one pack: its definitions and its faults. What reads foreign files builds on it too."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self._found: dict[str, list[Defined]] = {}
        self._seen: dict[tuple[str, str], tuple[str, str, str]] = {}

    def fault(self, file: str, path: str, message: str) -> None:
        """Note a fault."""
        self.faults.append(Fault(file, path, message))

    def files(self, folder: Path) -> list[tuple[Declared, Path]]:
        """List the files of a folder with their kinds, in the order of their names."""
        found: list[tuple[Declared, Path]] = []
        for file in sorted(folder.iterdir()):
            if file.suffix not in (".toml", ".json") or file.name == "pack.toml" or file.name.startswith("."):
                continue
            kind = kind_of_file(file)
            if kind is None:
                self.fault(file.name, "", f"is of no known kind; a pack has files {_names_of_files()}")
            else:
                found.append((kind, file))
        if not found and not self.faults:
            self.fault("", "", f"{folder.name} has no definitions in files {_names_of_files()}")
        if len(found) > MAX_FILES:
            self.fault("", "", f"{folder.name} has more than {MAX_FILES} files")
        return found[:MAX_FILES]

    def table(self, folder: Path, file: Path, name: str = "") -> Any:
        """Give what a file holds, or note why it cannot be read and give nothing."""
        name = name or file.name  # a link is known by its own name
        try:
            data = _read_bytes(folder, file)
            return _decode_toml(data) if name.endswith(".toml") else gate.parse(data, _FILE_LIMITS)
        except gate.InvalidJson as error:
            self.fault(name, dotted(error.path), f"{error.problem}: {error.detail}")
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
                self.faults += [Fault(file, under + name, message) for _, message in mismatches(head[name], kind)]
        self.faults += [Fault(file, under + name, "unknown field") for name in head if name not in ("id", "version", "title")]

    def document(self, file: str, document: Any, kinds: Sequence[Declared]) -> None:
        """Take the definitions of one file; a bare list is of the first of the kinds."""
        if not isinstance(document, dict):
            self.entries_of(file, document, kinds[0])
            return
        plurals = {kind.plural: kind for kind in kinds}
        for name in document:
            if name not in plurals:
                self.fault(file, name, f"unknown field; {kinds[0].plural} stand under `{kinds[0].plural}`")
        for name, entries in document.items():
            if name in plurals:
                self.entries_of(file, entries, plurals[name])

    def entries_of(self, file: str, entries: Any, kind: Declared) -> None:
        """Take definitions of one kind."""
        for path, raw in self.entries(file, entries, kind.plural):
            self.take(kind, file, path, raw)

    def entries(self, file: str, entries: Any, plural: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give each definition with its path, whether they came as a list or as a table by id."""
        if not isinstance(entries, dict | list):
            self.fault(file, plural, "expected a list or tables by id")
            return
        pairs: Iterable[tuple[Any, Any]] = entries.items() if isinstance(entries, dict) else enumerate(entries)
        for place, raw in pairs:
            path = f"{plural}.{place}"
            if not isinstance(raw, dict):
                self.fault(file, path, "expected a table")
            elif isinstance(place, int):
                named = isinstance(raw.get("id"), str) and _ID.match(raw["id"])
                yield (f"{plural}.{raw['id']}" if named else path), raw
            elif raw.get("id", place) != place:
                self.fault(file, f"{path}.id", "differs from the name of its table")
            else:
                yield path, {"id": place, **raw}

    def take(self, kind: Declared, file: str, path: str, raw: dict[str, Any], names: Mapping[str, str] = MappingProxyType({})) -> None:
        """Take one definition, or note each of its faults; `names` are the fields' names in a foreign file."""
        one, flaws = examined(kind.type, raw)
        for field, message in flaws:
            name, dot, rest = field.partition(".")
            self.fault(file, f"{path}.{names.get(name, name)}{dot}{rest}".rstrip("."), message)
        if isinstance(raw.get("id"), str):
            self._claim(kind, file, path, raw["id"])
        if one is not None and not flaws:
            self._found.setdefault(kind.plural, []).append(one)

    def _claim(self, kind: Declared, file: str, path: str, id: str) -> None:
        """Refuse an id that stands elsewhere, also in another spelling."""
        claim = (kind.kind, folded(id))
        if claim not in self._seen:
            self._seen[claim] = (file, path, id)
            return
        other_file, other_path, other_id = self._seen[claim]
        how = "stands also" if other_id == id else f"differs only in spelling from {other_id}"
        self.fault(file, f"{path}.id", f"{id} {how} in {other_file} at {other_path}")

    def _note_alike(self) -> None:
        """Refuse definitions that are alike in what tells those of their kind apart."""
        for kind in KINDS.values():
            for field in kind.type.DISTINCT:
                seen: dict[str, str] = {}
                for one in self._found.get(kind.plural, []):
                    other = seen.setdefault(folded(str(getattr(one, field))), one.id)
                    if other != one.id:
                        file, path, _ = self._seen[kind.kind, one.id]
                        self.fault(file, f"{path}.{field}", f"{other} has the same")

    def _note_circle(self) -> None:
        """Refuse definitions that need each other in a circle."""
        kinds = {kind.plural: kind.kind for kind in KINDS.values()}
        found = circle({(kinds[plural], one.id): one for plural, some in self._found.items() for one in some})
        if found:
            file, path, _ = self._seen[found[0]]
            self.fault(file, path, f"can never begin: {' needs '.join(id for _, id in reversed([*found, found[0]]))}")

    def pack(self, head: Mapping[str, str]) -> Pack:
        """Give the pack, or refuse it with all that was noted."""
        self._note_alike()
        self._note_circle()
        if self.faults:
            raise InvalidPack(tuple(self.faults))
        made = Pack(head["id"], head["version"], head["title"], {plural: tuple(some) for plural, some in self._found.items()})
        return msgspec.structs.replace(made, digest=digest_of(made))


def _names_of_files() -> str:
    """Say what the files of a pack are called."""
    return ", ".join(f"{kind.plural}*" for kind in KINDS.values()) + " as .toml or .json"


# Files

_ID: Final = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")


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

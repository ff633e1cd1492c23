"""`gamekeeper content`: definitions that designers author."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
from cyclopts import Parameter

from gamekeeper.config import Settings

from .failures import Exit, FileRefused, PackRefused, warn
from .inside import moment
from .options import NO_WORDS, World, answer

if TYPE_CHECKING:
    from gamekeeper.kernel.commands import Call
    from gamekeeper.modules.content import Changes, ContentPack, Difference, KeptVersion, Pack, PackLoaded, StoredDefinition

Format = Literal["pack", "hyperscape"]
FAULTS_SHOWN: Final = 50
PAGE: Final = 200
MAX_SHOWN: Final = 80
"""Characters of a value that are printed."""
ACTOR: Final = "operator:cli"


PackPath = Annotated[
    Path, Parameter(help="A folder with pack.toml, items*.toml and so on, one file, or a pack that comes along: runescape, essence.")
]
PackFormat = Annotated[Format, Parameter(help="hyperscape reads that game's manifests, a folder or one file.")]
PackId = Annotated[str, Parameter(help="The pack's id.")]


def load(path: PackPath, /, *, format: PackFormat = "pack", world: World = NO_WORDS) -> None:
    """Make a pack's definitions the ones in force; a running server takes them up by itself.

    Raises: INVALID_PACK, FILE_REFUSED, DEFINITION_TAKEN, REFERENCE_UNKNOWN, DEFINITION_NEEDED, STORE_UNAVAILABLE.
    """
    settings = world.settings()
    pack = read(path, format, settings.modules)
    loaded = asyncio.run(_do(settings, _loading(pack), "gamekeeper content load"))
    if world.json:
        answer("content-load", {"pack": pack.id, "version": pack.version, "digest": pack.digest, "loaded": loaded})
    else:
        print(f"{pack.title} ({pack.id} {pack.version}): {_counts(loaded)}")
        if len(loaded.kinds) > 1:
            for kind, changes in loaded.kinds.items():
                print(f"  {kind}: {_counts(changes)}")


def _counts(changes: "Changes | PackLoaded") -> str:
    return f"{changes.added} new, {changes.changed} changed, {changes.removed} removed, {changes.unchanged} as before"


def read(path: Path, format: Format, modules: Sequence[str] = ()) -> "Pack":
    """Read a pack of what the built-in modules and a game's own define; what it cannot keep is said.

    Raises: INVALID_PACK, FILE_REFUSED, INVALID_ARGUMENT.
    """
    from gamekeeper import packs
    from gamekeeper.importers import read_hyperscape
    from gamekeeper.keep import import_modules
    from gamekeeper.modules import content

    import_modules(modules)

    if not path.exists():
        ours = packs.built_in(str(path)) if format == "pack" else None
        if ours is None:
            problem = f"no such file or folder, and no pack that comes along: those are {', '.join(packs.names())}"
            raise FileRefused(file=str(path), problem=problem)
        path = ours
    try:
        if format == "pack":
            return content.read_pack(path)
        pack, notes = read_hyperscape(path)
    except content.InvalidPack as error:
        for fault in error.faults[:FAULTS_SHOWN]:
            warn(str(fault))
        raise PackRefused(file=str(path), faults=len(error.faults)) from None
    for note in notes:
        warn("note: " + ": ".join(part for part in (note.file, note.path, note.message) if part))
    return pack


def _loading(pack: "Pack") -> "Call[PackLoaded]":
    from gamekeeper.modules import content

    return content.load_pack(pack=pack)


def check(path: PackPath, /, *, format: PackFormat = "pack", world: World = NO_WORDS) -> None:
    """Read a pack and say what is wrong with it; no world is needed.

    Raises: INVALID_PACK, FILE_REFUSED, INVALID_ARGUMENT.
    """
    from gamekeeper.errors import InvalidArgument
    from gamekeeper.modules import content

    pack = read(path, format, world.settings().modules)
    try:
        found = Counter(kind for kind, _ in content.drafted(pack))
    except InvalidArgument as error:
        warn(f"{error.path}: {error.problem}")
        raise PackRefused(file=str(path), faults=1) from None
    if world.json:
        answer("content-check", {"pack": pack.id, "version": pack.version, "digest": pack.digest, "kinds": dict(found)})
    else:
        print(f"{pack.title} ({pack.id} {pack.version}): {', '.join(f'{count} {kind}' for kind, count in sorted(found.items()))}")


def diff(path: PackPath, /, *, format: PackFormat = "pack", world: World = NO_WORDS) -> int:
    """Say what loading a pack would change, field by field; the exit code is 3 when there is something.

    Raises: INVALID_PACK, FILE_REFUSED, INVALID_ARGUMENT, STORE_UNAVAILABLE.
    """
    from gamekeeper.modules import content

    settings = world.settings()
    pack = read(path, format, settings.modules)
    before = asyncio.run(_bodies(settings, pack.id))
    found = content.differences(before, content.by_plural(content.drafted(pack)))
    if world.json:
        answer("content-diff", {"pack": pack.id, "version": pack.version, "differences": found})
    else:
        _print_differences(found)
        print(f"{pack.title} ({pack.id} {pack.version}): {_counted(found)}")
    return Exit.CHANGES if found else Exit.OK


def _print_differences(found: "Sequence[Difference]") -> None:
    signs = {"added": "+", "removed": "-", "changed": "~"}
    for one in found:
        print(f"{signs[one.change]} {one.kind} {one.id}")
        for field in one.fields:
            print(f"    {field.path}: {_shown(field.before)} -> {_shown(field.after)}")


def _shown(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


def _counted(found: "Sequence[Difference]") -> str:
    counts = Counter(one.change for one in found)
    return f"{counts['added']} new, {counts['changed']} changed, {counts['removed']} removed"


async def _bodies(settings: Settings, pack: str) -> dict[str, Any]:
    from gamekeeper.keep import open_keep
    from gamekeeper.modules import content

    async with open_keep(settings) as keep:
        return await keep.ask(content.bodies(pack=pack))


def versions(pack: PackId, /, *, world: World = NO_WORDS) -> None:
    """List the versions of a pack that were ever loaded, the newest first, and which of them is in force.

    Raises: INVALID_ARGUMENT, STORE_UNAVAILABLE.
    """
    kept, in_force = asyncio.run(_versions(world.settings(), pack))
    if world.json:
        answer("content-versions", {"pack": pack, "in_force": in_force, "versions": kept})
        return
    for one in kept:
        print(
            f"{'*' if one.number == in_force else ' '} {one.number}  {one.version}  {one.title}  {moment(one.stored_at)}  {one.digest[:12]}"
        )


async def _versions(settings: Settings, pack: str) -> "tuple[list[KeptVersion], int | None]":
    from gamekeeper.keep import open_keep
    from gamekeeper.modules import content

    async with open_keep(settings) as keep:
        in_force = next((one.number for one in await keep.ask(content.packs()) if one.pack_id == pack), None)
        return (await keep.ask(content.versions(pack=pack, limit=PAGE))).items, in_force


def activate(
    pack: PackId,
    number: Annotated[int, Parameter(help="The version's number, as `content versions` gives it.")],
    /,
    *,
    world: World = NO_WORDS,
) -> None:
    """Put a version of a pack that was loaded before in force.

    Raises: PACK_VERSION_NOT_FOUND, DEFINITION_TAKEN, REFERENCE_UNKNOWN, DEFINITION_NEEDED, INVALID_ARGUMENT, STORE_UNAVAILABLE.
    """
    from gamekeeper.modules import content

    _switched(world, pack, content.activate_pack(pack=pack, number=number), "gamekeeper content activate")


def rollback(pack: PackId, /, *, world: World = NO_WORDS) -> None:
    """Put the version of a pack in force that was so before; again and again it goes further back.

    Raises: NO_FORMER_VERSION, DEFINITION_TAKEN, REFERENCE_UNKNOWN, DEFINITION_NEEDED, INVALID_ARGUMENT, STORE_UNAVAILABLE.
    """
    from gamekeeper.modules import content

    _switched(world, pack, content.rollback_pack(pack=pack), "gamekeeper content rollback")


def _switched(world: World, pack: str, call: "Call[PackLoaded]", reason: str) -> None:
    loaded = asyncio.run(_do(world.settings(), call, reason))
    if world.json:
        answer("content-load", {"pack": pack, "loaded": loaded})
    else:
        print(f"{pack} version {loaded.number} is in force: {_counts(loaded)}")


async def _do(settings: Settings, call: "Call[PackLoaded]", reason: str) -> "PackLoaded":
    from gamekeeper.keep import open_keep

    async with open_keep(settings) as keep:
        return await keep.do(call, actor=ACTOR, reason=reason)


def list_content(
    *,
    kind: Annotated[str | None, Parameter(help="List the definitions of this kind.")] = None,
    world: World = NO_WORDS,
) -> None:
    """List the packs that are loaded, how much of each kind they define, and what this program cannot read of it.

    Raises: INVALID_ARGUMENT, STORE_UNAVAILABLE.
    """
    packs, found = asyncio.run(_list(world.settings(), kind))
    counts, unreadable = Counter(one.kind for one in found), [one for one in found if one.problem is not None]
    if world.json:
        listed = [one for one in found if kind is not None]
        answer("content-list", {"packs": packs, "kinds": dict(counts), "definitions": listed, "unreadable": unreadable})
        return
    for pack in packs:
        print(f"{pack.title} ({pack.pack_id} {pack.version})")
    for name, count in counts.items():
        print(f"  {name}: {count}")
    for one in found if kind is not None else unreadable:
        print(
            f"    {one.kind} {one.id} of {one.pack_id}" + ("" if one.problem is None else f" cannot be read and is left out: {one.problem}")
        )


async def _list(settings: Settings, kind: str | None) -> "tuple[list[ContentPack], list[StoredDefinition]]":
    from gamekeeper.keep import open_keep
    from gamekeeper.modules import content

    async with open_keep(settings) as keep:
        found: list[StoredDefinition] = []
        cursor: str | None = None
        while True:
            page = await keep.ask(content.stored(kind=kind, limit=PAGE, cursor=cursor))
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                return await keep.ask(content.packs()), found

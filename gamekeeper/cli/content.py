"""`gamekeeper content`: definitions that designers author."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

from cyclopts import Parameter

from gamekeeper.config import Settings

from .failures import FileRefused, PackRefused, warn
from .options import NO_WORDS, World, answer

if TYPE_CHECKING:
    from gamekeeper.modules.content import Changes, ContentPack, Pack, PackLoaded, StoredDefinition

Format = Literal["pack", "hyperscape"]
FAULTS_SHOWN: Final = 50
PAGE: Final = 200
ACTOR: Final = "operator:cli"


def load(
    path: Annotated[
        Path, Parameter(help="A folder with pack.toml, items*.toml and so on, one file, or a pack that comes along: runescape.")
    ],
    /,
    *,
    format: Annotated[Format, Parameter(help="hyperscape reads that game's manifests, a folder or one file.")] = "pack",
    world: World = NO_WORDS,
) -> None:
    """Make a pack's definitions the ones in force; a running server takes them up by itself.

    Raises: INVALID_PACK, FILE_REFUSED, DEFINITION_TAKEN, REFERENCE_UNKNOWN, DEFINITION_NEEDED, STORE_UNAVAILABLE.
    """
    settings = world.settings()
    pack = read(path, format, settings.modules)
    loaded = asyncio.run(_load(settings, pack))
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


async def _load(settings: Settings, pack: "Pack") -> "PackLoaded":
    from gamekeeper.keep import open_keep
    from gamekeeper.modules import content

    async with open_keep(settings) as keep:
        return await keep.do(content.load_pack(pack=pack), actor=ACTOR, reason="gamekeeper content load")


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

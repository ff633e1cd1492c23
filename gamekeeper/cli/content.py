"""`gamekeeper content`: definitions that designers author."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

from cyclopts import Parameter

from gamekeeper.config import Settings

from .failures import FileRefused, PackRefused, warn
from .options import NO_WORDS, World, answer

if TYPE_CHECKING:
    from gamekeeper.modules.content import Pack, PackLoaded

Format = Literal["pack", "hyperscape"]
FAULTS_SHOWN: Final = 50
ACTOR: Final = "operator:cli"


def load(
    path: Annotated[Path, Parameter(help="A folder with pack.toml and items*.toml, or one file.")],
    /,
    *,
    format: Annotated[Format, Parameter(help="hyperscape reads that game's items.json.")] = "pack",
    world: World = NO_WORDS,
) -> None:
    """Make a pack's definitions the ones in force; a running server takes them up by itself.

    Raises: INVALID_PACK, FILE_REFUSED, DEFINITION_TAKEN, STORE_UNAVAILABLE.
    """
    settings = world.settings()
    pack = read(path, format)
    loaded = asyncio.run(_load(settings, pack))
    if world.json:
        answer("content-load", {"pack": pack.id, "version": pack.version, "digest": pack.digest, "loaded": loaded})
    else:
        counts = f"{loaded.added} new, {loaded.changed} changed, {loaded.removed} removed, {loaded.unchanged} as before"
        print(f"{pack.title} ({pack.id} {pack.version}): {counts}")


def read(path: Path, format: Format) -> "Pack":
    """Read a pack; what it cannot keep is said.

    Raises: INVALID_PACK, FILE_REFUSED.
    """
    from gamekeeper.modules import content

    if not path.exists():
        raise FileRefused(file=str(path), problem="no such file or folder")
    try:
        if format == "pack":
            return content.read_pack(path)
        pack, notes = content.read_hyperscape_items(path)
    except content.InvalidPack as error:
        for fault in error.faults[:FAULTS_SHOWN]:
            warn(str(fault))
        raise PackRefused(file=str(path), faults=len(error.faults)) from None
    for note in notes:
        warn(f"note: {note.file}: {note.path}: {note.message}")
    return pack


async def _load(settings: Settings, pack: "Pack") -> "PackLoaded":
    from gamekeeper.keep import open_keep
    from gamekeeper.modules import content

    async with open_keep(settings) as keep:
        return await keep.do(content.load_pack(pack=pack), actor=ACTOR, reason="gamekeeper content load")

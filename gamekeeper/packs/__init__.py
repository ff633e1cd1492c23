"""The content packs that come with Gamekeeper, one folder each."""

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
HEAD: Final = "pack.toml"


def names() -> list[str]:
    """List the packs by the names of their folders."""
    return sorted(path.parent.name for path in FOLDER.glob(f"*/{HEAD}"))


def built_in(name: str) -> Path | None:
    """Give the folder of a pack for `content.read_pack`, if there is one of this name.

    >>> built_in("essence").name, built_in("../essence"), built_in("moonbeam")
    ('essence', None, None)
    """
    return FOLDER / name if name in names() else None

"""What several verbs take, and how verbs answer."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from cyclopts import Parameter

from gamekeeper.config import Settings, load_settings

from .failures import FileRefused

Flag = Parameter(negative="", show_default=False)
"""A switch without a --no- twin."""
Json = Annotated[bool, Flag, Parameter(help="Print one JSON object to the standard output.")]


@Parameter(name="*")
@dataclass(frozen=True)
class World:
    """Which world, and how to answer."""

    config: Annotated[Path | None, Parameter(help="A file of settings, instead of gamekeeper.toml in this folder.")] = None
    url: Annotated[str | None, Parameter(help="The database: sqlite:///PATH or postgresql://...")] = None
    json: Json = False

    def settings(self, **flags: Any) -> Settings:
        """Read the settings; what is said here wins.

        Raises: INVALID_ARGUMENT, FILE_REFUSED.
        """
        if self.config is not None and not self.config.is_file():
            raise FileRefused(file=str(self.config), problem="no such file")
        return load_settings(self.config, flags={"url": self.url, **flags})


NO_WORDS: Final = World()


def answer(name: str, value: Any) -> None:
    """Print one JSON object that says what it is.

    >>> answer("version", {"version": "1"})
    {"$schema":"urn:gamekeeper:version:1","version":"1"}
    """
    fields = msgspec.to_builtins(value)
    if not isinstance(fields, Mapping):
        fields = {"items": fields}
    sys.stdout.write(msgspec.json.encode({"$schema": f"urn:gamekeeper:{name}:1", **fields}).decode() + "\n")
    sys.stdout.flush()

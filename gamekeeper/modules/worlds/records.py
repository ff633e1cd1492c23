"""What is stored of worlds."""

from typing import Annotated, Literal

from msgspec import Meta

from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.records import EpochMs, Key, OwnedBy, Record

from .errors import WorldNotFound

DEFAULT = "world"
"""The world of a game that has only one. Characters may be in it before anybody has made it; all others must be made first."""

WorldId = Annotated[Id, OwnedBy("world", missing=WorldNotFound)]
NewWorldId = Annotated[Id, OwnedBy("world", creates=True)]
WorldName = Annotated[
    str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]*(?!\n)$", description="1 to 64 characters, no control characters")
]
WorldStatus = Literal["open", "closed"]


class World(Record, table="worlds"):
    """A place where characters meet; what lies on its ground belongs to it."""

    world_id: Key[WorldId]
    name: WorldName
    status: WorldStatus
    created_at: EpochMs

"""What is stored of content: definitions by kind and id, and the packs that they came with."""

from typing import Annotated, Any

from msgspec import Meta

from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.records import JSON, MAX_INTEGER, EpochMs, JsonObject, Key, OwnedBy, Record

from .kinds import Id as AuthoredId
from .kinds import Label
from .packs import Digest

DefinitionId = AuthoredId
ContentId = Annotated[Id, OwnedBy("content")]
"""The owner of all definitions."""

DefinitionKind = Annotated[str, Meta(pattern=r"^[a-z][a-z_]{0,31}(?!\n)$", description="what is defined: item, quest ...")]


Number = Annotated[int, Meta(ge=1, le=MAX_INTEGER, description="a version, counted from 1")]


class Definition(Record, table="definitions"):
    """One thing that designers have defined, as its pack says it."""

    content_id: Key[ContentId]
    kind: Key[DefinitionKind]
    id: Key[DefinitionId]
    body: JsonObject
    pack_id: DefinitionId


class ContentPack(Record, table="content_packs"):
    """The version of a pack that is in force."""

    content_id: Key[ContentId]
    pack_id: Key[DefinitionId]
    version: Label
    title: Label
    digest: Digest
    loaded_at: EpochMs
    number: Number
    newest: Number
    former: list[Number] = []
    """The versions that were in force before, the last one last: where rolling back goes."""


class PackVersion(Record, table="pack_versions", loads="key", indexes=(("content_id", "pack_id", "digest"),)):
    """A pack as it was loaded once, so that it can be put in force again. They are counted from 1 by pack."""

    content_id: Key[ContentId]
    pack_id: Key[DefinitionId]
    number: Key[Number]
    version: Label
    title: Label
    digest: Digest
    stored_at: EpochMs
    definitions: JsonObject
    """The definitions by the plural of their kind, as `load_pack` takes them."""


class GameConfig(Record, table="game_configs", checks=("version >= 1",)):
    """A value that operators have set for a key, instead of what a pack says of it, unless it `is_reset`."""

    content_id: Key[ContentId]
    key: Key[DefinitionId]
    value: Annotated[Any, JSON]
    version: Number
    updated_at: EpochMs
    is_reset: bool = False

"""What is stored of content: definitions by kind and id, and the packs that they came with."""

from typing import Annotated

from msgspec import Meta

from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.records import EpochMs, JsonObject, Key, OwnedBy, Record

from .kinds import Id as AuthoredId
from .kinds import Label
from .packs import Digest

DefinitionId = AuthoredId
ContentId = Annotated[Id, OwnedBy("content")]
"""The owner of all definitions."""

DefinitionKind = Annotated[str, Meta(pattern=r"^[a-z][a-z_]{0,31}(?!\n)$", description="what is defined: item, quest ...")]


class Definition(Record, table="definitions"):
    """One thing that designers have defined, as its pack says it."""

    content_id: Key[ContentId]
    kind: Key[DefinitionKind]
    id: Key[DefinitionId]
    body: JsonObject
    pack_id: DefinitionId


class ContentPack(Record, table="content_packs"):
    """The version of a pack that is loaded."""

    content_id: Key[ContentId]
    pack_id: Key[DefinitionId]
    version: Label
    title: Label
    digest: Digest
    loaded_at: EpochMs

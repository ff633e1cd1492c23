"""Whom a typed word means: an id, or a name."""

from __future__ import annotations

from msgspec import Struct

from gamekeeper.keep import Keep
from gamekeeper.modules import characters, users

from . import queries
from .asking import is_id

LONGEST_NAME = 96
"""Longer texts are nobody's name."""


class Meant(Struct, frozen=True):
    """What a filter says of somebody: what was typed, and whom it means; nobody when no such one is there."""

    typed: str
    id: str | None

    @property
    def unknown(self) -> bool:
        """Whether something was typed that means nobody."""
        return bool(self.typed) and self.id is None


async def user_meant(keep: Keep, text: str) -> Meant:
    """The user whose id or name this is; one who is gone only by the id."""
    if not text or len(text) > LONGEST_NAME:
        return Meant(text, None)
    if await _is_kind(keep, text, "user"):
        return Meant(text, text)
    found = await keep.ask(users.find(username=text))
    return Meant(text, None if found is None else found.user_id)


async def character_meant(keep: Keep, text: str, world: str) -> Meant:
    """The character whose id or name in a world this is; one who is gone only by the id."""
    if not text or len(text) > LONGEST_NAME:
        return Meant(text, None)
    if await _is_kind(keep, text, "character"):
        return Meant(text, text)
    found = await keep.ask(characters.find(name=text, world_id=world))
    return Meant(text, None if found is None else found.character_id)


async def character_anywhere(keep: Keep, text: str) -> Meant:
    """The character whose id or name this is, in whatever world; of a name that several bear, the one that came last."""
    if not text or len(text) > LONGEST_NAME:
        return Meant(text, None)
    if await _is_kind(keep, text, "character"):
        return Meant(text, text)
    found = await queries.newest_named(keep.reader, name=text)
    return Meant(text, None if found is None else found.character_id)


async def _is_kind(keep: Keep, text: str, kind: str) -> bool:
    label = (await queries.labels(keep, [text])).get(text) if is_id(text) else None
    return label is not None and label.kind == kind

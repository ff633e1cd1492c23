"""What packs may define of what a game says; nothing is stored of it but the packs."""

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta

from gamekeeper.modules import content

from .rules import broken, placeholders

Category = Literal[
    "ONBOARDING",
    "SYSTEM_MESSAGE",
    "DAILY_QUEST",
    "DEBUFF",
    "DUNGEON",
    "BOSS",
    "TITLE",
    "SEASON",
    "LEVEL_UP",
    "DAILY_REMINDER",
]

MAX_TEXT = 8_000
Names = Annotated[dict[content.DefinitionId, str], Meta(max_length=32)]
Flaws = Iterator[content.Flaw]
Text = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]


@content.defines("narrative")
class NarrativeDefinition(content.Defined, frozen=True, kw_only=True):
    """Something that the game says: by its id, which programs know it by, in words that designers change."""

    category: Category
    content: Text
    """With `{{name}}` where a value goes."""
    context: Names = {}
    """What goes into each of its places, for those who write it: `{"name": "the character's name"}`."""
    is_active: bool = True
    """Whether it is told at all."""

    def contradictions(self) -> Flaws:
        """Every place in the text is explained, and what is explained stands in it."""
        if broken(self.content):
            yield "content", "double braces enclose a name of lower-case letters, digits and _"
        named = placeholders(self.content)
        for name in named:
            if name not in self.context:
                yield "content", f"{{{{{name}}}}} is not explained in context"
        for name in self.context:
            if name not in named:
                yield f"context.{name}", "stands nowhere in the text"

"""What is stored of a character's progress as a whole, and how curves are defined."""

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta

from gamekeeper.kernel.records import MAX_INTEGER, Key, Record
from gamekeeper.modules import characters, content

from .rules import MAX_LEVEL, MAX_RUNESCAPE_LEVEL, Xp

Points = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]

Formula = Literal["runescape", "solo", "table"]


@content.defines("curve")
class CurveDefinition(content.Defined, frozen=True, kw_only=True):
    """How much experience each level takes: by one of the formulas, or by a table of its own that begins with level 1."""

    name: content.Label
    formula: Formula = "table"
    max_level: Annotated[int, Meta(ge=1, le=MAX_LEVEL)] = 99
    max_xp: Xp = 200_000_000
    """Experience beyond it is not counted."""
    thresholds: Annotated[tuple[Xp, ...], Meta(max_length=MAX_LEVEL)] = ()
    """The experience at which each level begins, for the formula `table`; its length is the highest level."""

    def contradictions(self) -> Iterator[content.Flaw]:
        """A table begins with 0 and rises."""
        if self.formula != "table":
            if self.thresholds:
                yield "thresholds", "only the formula `table` has them"
            if self.formula == "runescape" and self.max_level > MAX_RUNESCAPE_LEVEL:
                yield "max_level", f"the formula goes up to level {MAX_RUNESCAPE_LEVEL}"
            return
        if not self.thresholds or self.thresholds[0] != 0:
            yield "thresholds", "begins with 0, where level 1 does"
        for place, (low, high) in enumerate(zip(self.thresholds, self.thresholds[1:], strict=False), 1):
            if high <= low:
                yield f"thresholds.{place}", f"does not rise above {low}"
                return


class CharacterProgress(Record, table="character_progress", value=True):
    """How far a character has come, skills apart."""

    character_id: Key[characters.CharacterId]
    quest_points: Points = 0

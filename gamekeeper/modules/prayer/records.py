"""What is stored of prayer: which prayers are said, and the part of a hundredth of a point that is spent and not yet taken away.

The points themselves are the vital `prayer`. All of it is of the checkpoint class: it changes with every tick, and nobody owns it.
"""

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from gamekeeper.kernel.records import Amount, EpochMs, Key, Record
from gamekeeper.modules import characters, content

MAX_DRAIN = 10_000
MAX_EFFECTS = 16

PrayerId = Annotated[
    str,
    Meta(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_]{0,63}(?!\n)$", description="a prayer: a letter, then a to z, 0 to 9 or _"),
]
Multiplier = Annotated[int, Meta(ge=1, le=1_000_000, description="basis points: 10500 makes 105 of 100")]


@content.defines("prayer")
class PrayerDefinition(content.Defined, frozen=True, kw_only=True):
    """A prayer: from which level on it can be said, what it costs and what it does."""

    name: content.Label
    description: str = ""
    level: Annotated[int, Meta(ge=1, le=10_000)] = 1
    drain: Annotated[int, Meta(ge=0, le=MAX_DRAIN)] = 0
    """What it costs each tick, in sixtieths of a point for a character without any prayer bonus."""
    groups: tuple[content.DefinitionId, ...] = ()
    """Of the prayers of one group only one is said at a time."""
    conflicts: tuple[content.DefinitionId, ...] = ()
    """Prayers that end when this one begins, and the other way round."""
    effects: Annotated[dict[content.DefinitionId, Multiplier], Meta(max_length=MAX_EFFECTS)] = {}
    """By what a skill's level is multiplied while it is said."""

    def contradictions(self) -> Iterator[content.Flaw]:
        """Nothing excludes itself.

        >>> dict(PrayerDefinition(id="calm", name="Calm", conflicts=("calm",)).contradictions())
        {'conflicts.0': 'a prayer does not exclude itself'}
        """
        for place, other in enumerate(self.conflicts):
            if other == self.id:
                yield f"conflicts.{place}", "a prayer does not exclude itself"

    def references(self) -> Iterator[content.Reference]:
        """It names the prayers that it excludes and the skills that it raises."""
        for place, other in enumerate(self.conflicts):
            yield f"conflicts.{place}", "prayer", other
        for skill in self.effects:
            yield f"effects.{skill}", "skill", skill


class ActivePrayer(Record, table="active_prayers", durability="checkpoint"):
    """A prayer that a character says."""

    character_id: Key[characters.CharacterId]
    prayer_id: Key[PrayerId]
    activated_at: EpochMs


class PrayerPace(Record, table="prayer_paces", durability="checkpoint"):
    """When a character last began or ended a prayer, and how many it did in the second that began at `since`."""

    character_id: Key[characters.CharacterId]
    toggled_at: EpochMs
    since: EpochMs
    toggles: Amount


class PrayerDebt(Record, table="prayer_debts", durability="checkpoint", beside=ActivePrayer, checks=("spent < per",)):
    """What is spent of a hundredth of a point: `spent` of `per` parts. It stays, so that no short call and no logout gives it back."""

    character_id: Key[characters.CharacterId]
    spent: Amount
    per: Annotated[int, Meta(ge=1, le=2**53 - 1)]

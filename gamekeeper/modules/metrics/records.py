"""What is stored of metrics: the values of a day, the workouts that have been counted, tallies of all closed days, and events.

All values are in thousandths, so that 7.5 hours of sleep are 7500; what is so or not is 1000 or 0.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from gamekeeper.kernel.records import MAX_INTEGER, Amount, EpochMs, Key, Record
from gamekeeper.modules import characters, content, days, predicates

Day = days.Day
MetricId = content.DefinitionId
Verification = Literal["VERIFIED", "IMPORTED", "SELF_REPORTED"]
SourceName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_.\-]{0,31}$(?!\n)", description="what has measured: apple_health, manual ...")]
ExternalId = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$(?!\n)", description="the source's own id")]
Activity = Annotated[str, Meta(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)")]
Minutes = Annotated[int, Meta(ge=1, le=1_440)]
Thousandths = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
RECENT_DAYS: Final = 366


class Metric(Record, table="metrics", loads="key", indexes=(("character_id", "metric", "day_date"),)):
    """What a metric was on a day. `sources` is what each source has reported; `source` and `verification` say on whom the value rests."""

    character_id: Key[characters.CharacterId]
    day_date: Key[Day]
    metric: Key[MetricId]
    value: Thousandths
    source: SourceName
    verification: Verification
    sources: dict[str, Amount]
    updated_at: EpochMs


class ExternalWorkout(Record, table="external_workouts", loads="key", indexes=(("character_id", "day_date"),)):
    """A workout that has been counted, so that it never is again."""

    character_id: Key[characters.CharacterId]
    source: Key[SourceName]
    external_id: Key[ExternalId]
    day_date: Day
    minutes: Minutes
    activity: Activity
    verification: Verification
    reported_at: EpochMs


class Tally(Struct, frozen=True, omit_defaults=True):
    """What all closed days of a metric come to.

    `total` is the sum of the values. `days` is on how many days it was met: more than 0, or so. `recent` are the last days on which it was
    met, `known` those on which anything was known of it, so that no rows of the past are ever read: hexadecimal numbers, whose lowest bit
    is `last_day` and the next one the day before, up to 366 days ago. It is only ever computed, so that nothing here is checked again.
    """

    total: int = 0
    days: int = 0
    last_day: str | None = None
    recent: str = ""
    known: str = ""


class Tallies(Record, table="tallies", value=True):
    """What all closed days of a character come to, metric by metric: in one row, for the close of a day changes most of them."""

    character_id: Key[characters.CharacterId]
    of: dict[str, Tally] = {}


class EventCount(Record, table="event_counts", value=True):
    """How often an event has happened, and on which of the last days: quests ask for what has happened since they began."""

    character_id: Key[characters.CharacterId]
    event: Key[predicates.EventName]
    total: Amount = 0
    recent: dict[str, int] = {}

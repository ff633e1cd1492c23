"""What is stored of metrics: the values of a day, the workouts that have been counted, and a tally of all closed days.

All values are in thousandths, so that 7.5 hours of sleep are 7500; what is so or not is 1000 or 0.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta

from gamekeeper.kernel.records import MAX_INTEGER, Amount, EpochMs, Key, Record
from gamekeeper.modules import characters, content, days

Day = days.Day
MetricId = content.DefinitionId
Verification = Literal["VERIFIED", "IMPORTED", "SELF_REPORTED"]
SourceName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_.\-]{0,31}$(?!\n)", description="what has measured: apple_health, manual ...")]
ExternalId = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$(?!\n)", description="the source's own id")]
Activity = Annotated[str, Meta(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)")]
Minutes = Annotated[int, Meta(ge=1, le=1_440)]
Thousandths = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
TallyName = Annotated[str, Meta(max_length=80, pattern=r"^(event:|quest:)?[a-z][a-z0-9_]{0,63}$(?!\n)")]
RECENT_DAYS: Final = 366
Bits = Annotated[str, Meta(max_length=92, pattern=r"^([1-9a-f][0-9a-f]*)?$(?!\n)")]
"""The last 366 days as a hexadecimal number: its lowest bit is `last_day`, the next one the day before."""


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


class Tally(Record, table="tallies", value=True):
    """What all closed days of a metric come to, or how often an event has happened.

    `total` is the sum of the values, or how many events there were. `days` is on how many days it was met: more than 0, or so. `recent`
    are the last days on which it was met, `known` those on which anything was known of it, so that no rows of the past are ever read.
    """

    character_id: Key[characters.CharacterId]
    metric: Key[TallyName]
    total: Thousandths = 0
    days: Amount = 0
    last_day: Day | None = None
    recent: Bits = ""
    known: Bits = ""

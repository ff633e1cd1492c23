"""What is drawn by day: what came, what went, and what there is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from .asking import DAY_MS

DAYS_CHARTED: Final = 90


class Day(Struct, frozen=True):
    """How much came and how much went on one day (UTC)."""

    day: int
    came: int
    went: int


class Chart(Struct, frozen=True):
    """Flows by day, in the columns that the chart wants; days without any are 0."""

    days: list[int]
    came: list[int]
    went: list[int]
    there: list[int]

    @property
    def text(self) -> str:
        """As JSON for the page's script. It draws with floats; exact numbers stand in the table."""
        return json.dumps([[day // 1000 for day in self.days], self.came, [-one for one in self.went], self.there])

    @property
    def rows(self) -> list[tuple[str, int, int, int]]:
        """The days on which something came or went, the latest first, for the table below the chart."""
        columns = zip(self.days, self.came, self.went, self.there, strict=True)
        return [(day_text(day), came, went, there) for day, came, went, there in reversed(list(columns)) if came or went]


def chart_of(flows: Sequence[Day]) -> Chart:
    """Fill the gaps between days, and add up what there is.

    >>> chart_of([Day(0, 5, 0), Day(2 * DAY_MS, 0, 3)]).there
    [5, 5, 2]
    """
    chart = Chart([], [], [], [])
    by_day = {flow.day: flow for flow in flows}
    there = 0
    for day in range(flows[0].day, flows[-1].day + 1, DAY_MS) if flows else ():
        flow = by_day.get(day) or Day(day, 0, 0)
        there += flow.came - flow.went
        chart.days.append(day)
        chart.came.append(flow.came)
        chart.went.append(flow.went)
        chart.there.append(there)
    return Chart(*(column[-DAYS_CHARTED:] for column in (chart.days, chart.came, chart.went, chart.there)))


def day_text(day: int) -> str:
    """A day (UTC) as it is written."""
    return datetime.fromtimestamp(day / 1000, UTC).strftime("%Y-%m-%d")

"""Economy: what came into the world, what left it, what is there, and whether that adds up."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gamekeeper.keep import Keep
from gamekeeper.modules import content, items
from gamekeeper.studio import queries
from gamekeeper.studio.asking import keep_of, word
from gamekeeper.studio.bag import piece_of
from gamekeeper.studio.rendering import page

FRESH_SECONDS: Final = 30.0
"""How long a balance is shown again before every holding and movement is read anew."""
DAYS_CHARTED: Final = 90


class Balance(Struct, frozen=True):
    """The whole economy at one moment."""

    economy: items.Economy
    at: int
    read_at: float


class Ledger:
    """The economy, read at most once in a while however many look."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._turn = asyncio.Lock()
        self._last: Balance | None = None

    async def balance(self) -> Balance:
        """The economy as it was a short while ago."""
        async with self._turn:
            if self._last is None or time.monotonic() - self._last.read_at > FRESH_SECONDS:
                at = self._keep.clock.now_ms()
                self._last = Balance(await items.economy().run(self._keep.reader.patient()), at, time.monotonic())
            return self._last


def ledger_of(request: Request) -> Ledger:
    """The ledger that all rooms share."""
    ledger: Ledger = request.app.state.ledger
    return ledger


class Chart(Struct, frozen=True):
    """An item's flows by day, in the columns that the chart wants; days without any are 0."""

    days: list[int]
    minted: list[int]
    burned: list[int]
    supply: list[int]

    @property
    def text(self) -> str:
        """As JSON for the page's script. It draws with floats; exact numbers stand in the table."""
        return json.dumps([[day // 1000 for day in self.days], self.minted, [-one for one in self.burned], self.supply])


def chart_of(flows: list[queries.Day]) -> Chart:
    """Fill the gaps between days and add up the supply."""
    chart = Chart([], [], [], [])
    by_day = {flow.day: flow for flow in flows}
    supply = 0
    for day in range(flows[0].day, flows[-1].day + 1, queries.DAY_MS) if flows else ():
        flow = by_day.get(day) or queries.Day(day, 0, 0)
        supply += flow.minted - flow.burned
        chart.days.append(day)
        chart.minted.append(flow.minted)
        chart.burned.append(flow.burned)
        chart.supply.append(supply)
    return Chart(*(column[-DAYS_CHARTED:] for column in (chart.days, chart.minted, chart.burned, chart.supply)))


def day_text(day: int) -> str:
    """A day (UTC) as it is written."""
    return datetime.fromtimestamp(day / 1000, UTC).strftime("%Y-%m-%d")


async def index(request: Request) -> Response:
    """The balance of every item, and one item's flows by day."""
    keep = keep_of(request)
    balance = await ledger_of(request).balance()
    known = keep.reader.definitions(content.ItemDefinition)
    rows = balance.economy.items
    # What comes and goes says more than what only came.
    liveliest = max(rows, key=lambda row: (min(row.minted, row.burned), row.minted, row.item), default=None)
    chosen = word(request, "item") or (liveliest.item if liveliest is not None else "")
    chart = chart_of(await queries.days(keep.reader.patient(), item=chosen)) if chosen else chart_of([])
    recent = [(day_text(day), *rest) for day, *rest in zip(chart.days, chart.minted, chart.burned, chart.supply, strict=True)]
    return page(
        request,
        "economy.html",
        room="economy",
        rows=[(row, piece_of(known, row.item, 1)) for row in rows],
        wrong=[row for row in rows if row.difference],
        sources=balance.economy.sources,
        sinks=balance.economy.sinks,
        at=balance.at,
        chosen=piece_of(known, chosen, 1) if chosen else None,
        chart=chart,
        days=[row for row in reversed(recent) if row[1] or row[2]],
    )


ROUTES = [Route("/economy", index)]

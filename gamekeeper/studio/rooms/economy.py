"""Economy: what came into the world, what left it, what is there, and whether that adds up."""

from __future__ import annotations

import asyncio
import time
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
from gamekeeper.studio.charts import chart_of
from gamekeeper.studio.rendering import page

FRESH_SECONDS: Final = 30.0
"""How long a balance is shown again before every holding and movement is read anew."""


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
        days=chart.rows,
    )


ROUTES = [Route("/economy", index)]

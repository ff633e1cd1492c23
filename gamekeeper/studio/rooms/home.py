"""Home: how the keep does, and what is newest."""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Final

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gamekeeper.errors import StoreUnavailable
from gamekeeper.keep import Keep
from gamekeeper.kernel import history
from gamekeeper.kernel.store.base import TryAgain, Unreachable
from gamekeeper.modules import content, trades
from gamekeeper.studio import queries
from gamekeeper.studio.asking import is_id, keep_of, word
from gamekeeper.studio.problems import PROBLEMS
from gamekeeper.studio.rendering import go_to, page

SHOWN: Final = 8
"""Rows of each short list."""
RATE_SECONDS: Final = 60.0


class Figure(Struct, frozen=True):
    """A number with its name, what it means, and whether it is a cause for worry."""

    name: str
    value: int
    meaning: str
    alarm: bool = False


class Pulse:
    """How fast commands are answered, over the last minute in which somebody looked."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def rate(self, commands: int) -> float | None:
        """Commands a second; None until there are two looks to compare."""
        now = time.monotonic()
        self._seen.append((now, commands))
        while self._seen[0][0] < now - RATE_SECONDS and len(self._seen) > 2:
            self._seen.popleft()
        seconds, before = now - self._seen[0][0], self._seen[0][1]
        return None if seconds < 1 else (commands - before) / seconds


def figures(keep: Keep) -> list[Figure]:
    """The numbers that an operator looks at first."""
    stats, limits = keep.stats, keep.engine.limits
    queued = keep.engine.queued
    return [
        Figure("commands", stats.commands, "answered since the keep was opened"),
        Figure("refused", stats.refused, "of these, answered with an error"),
        Figure("queue", queued, f"waiting now; at {limits.max_queue:,} callers are told BUSY", queued > limits.max_queue // 2),
        Figure("batches", stats.batches, "transactions that carried them"),
        Figure("checkpoints", stats.checkpoints, "acknowledged from memory, written in turn"),
        Figure("replays", stats.replays, "retries answered as the first time"),
        Figure("reloads", stats.reloads, "batches that found their cached rows behind"),
        Figure("retries", stats.retries, "batches tried again after a fault of the database", stats.retries > 0),
        Figure("unknown outcomes", stats.unknown_outcomes, "writes that the journal had to decide", stats.unknown_outcomes > 0),
        Figure("leases", len(keep.runner.leases.held), "owners that this process acts for"),
        Figure("leases lost", len(keep.runner.leases.lost), "taken by another process, not yet noticed", bool(keep.runner.leases.lost)),
    ]


async def home(request: Request) -> Response:
    """The first room."""
    keep = keep_of(request)
    newest = await queries.newest_characters(keep.reader, prefix="", limit=SHOWN)
    try:
        database = await keep.store.describe()
    except (Unreachable, TryAgain) as error:
        raise StoreUnavailable(problem=str(error)) from error
    return page(
        request,
        "home.html",
        room="home",
        characters=newest.items,
        users=await queries.newest_users(keep.reader, limit=SHOWN),
        database=database,
        **await _live(request, keep),
    )


async def live(request: Request) -> Response:
    """The part of the first room that refreshes itself."""
    return page(request, "home_live.html", **await _live(request, keep_of(request)))


async def _live(request: Request, keep: Keep) -> dict[str, Any]:
    entries = (await keep.ask(history.newest(limit=SHOWN))).items
    latest = (await keep.ask(trades.list_trades(limit=SHOWN))).items
    ids = [entry.origin_id for entry in entries] + [id for trade in latest for id in (trade.initiator_id, trade.receiver_id)]
    pulse: Pulse = request.app.state.pulse
    return {
        "figures": figures(keep),
        "rate": pulse.rate(keep.stats.commands),
        "problems": PROBLEMS.newest(SHOWN),
        "entries": entries,
        "trades": latest,
        "labels": await queries.labels(keep, ids),
        "now": keep.clock.now_ms(),
    }


async def find(request: Request) -> Response:
    """The search field: an id leads to what it names or defines, everything else is the beginning of a character's name."""
    text = word(request, "q")
    keep = keep_of(request)
    if is_id(text):
        label = (await queries.labels(keep, [text])).get(text)
        if label is not None:
            return go_to(request, label.room, text)
        if await keep.ask(history.command(command_id=text)):
            return go_to(request, "journal", text)
        if await queries.piece(keep.reader, uid=text) is not None:
            return go_to(request, "pieces", text)
    if text in keep.reader.definitions(content.ItemDefinition):
        return go_to(request, "items", text)
    kind = next((one.kind for one in content.KINDS.values() if text in keep.reader.definitions(one.type)), None)
    if kind is not None:
        return go_to(request, "seasons", text) if kind == "season" else go_to(request, "definitions", f"{kind}.{text}")
    return go_to(request, "characters", q=text)


ROUTES = [Route("/", home), Route("/live", live), Route("/find", find)]

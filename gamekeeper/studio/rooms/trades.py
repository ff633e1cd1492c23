"""Trades: the list, and one trade with both sides beside each other."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gamekeeper.kernel import history
from gamekeeper.modules import content, trades
from gamekeeper.studio import queries
from gamekeeper.studio.asking import PAGE, id_of, keep_of, word
from gamekeeper.studio.bag import Definitions, Piece, piece_of
from gamekeeper.studio.rendering import page


class Side(Struct, frozen=True):
    """One side of a trade, and what it offers."""

    role: str
    character: str
    offer: list[Piece]
    accepted: int | None
    """the revision that this side has accepted"""


async def index(request: Request) -> Response:
    """The list of trades."""
    keep = keep_of(request)
    cursor, character = word(request, "cursor") or None, word(request, "character")
    if character:
        found = await keep.ask(trades.of_character(character=character, limit=PAGE, cursor=cursor))
    else:
        found = await keep.ask(trades.list_trades(limit=PAGE, cursor=cursor))
    ids = [id for trade in found.items for id in (trade.initiator_id, trade.receiver_id)]
    labels = await queries.labels(keep, [*ids, *([character] if character else [])])
    now = keep.clock.now_ms()
    return page(request, "trades.html", room="trades", found=found, cursor=cursor, character=character, labels=labels, now=now)


async def show(request: Request) -> Response:
    """One trade."""
    keep, id = keep_of(request), id_of(request)
    trade = await keep.ask(trades.show(trade=id))
    known = keep.reader.definitions(content.ItemDefinition)
    sides = [
        Side("initiator", trade.initiator_id, _offer(known, trade.initiator_offer), trade.initiator_accepted_revision),
        Side("receiver", trade.receiver_id, _offer(known, trade.receiver_offer), trade.receiver_accepted_revision),
    ]
    timeline = await keep.ask(history.timeline(owner=id, limit=PAGE))
    ids = {trade.initiator_id, trade.receiver_id} | {owner for entry in timeline.items for owner in entry.owners}
    labels = await queries.labels(keep, ids)
    now = keep.clock.now_ms()
    return page(request, "trade.html", room="trades", trade=trade, sides=sides, timeline=timeline, owner=id, labels=labels, now=now)


def _offer(known: Definitions, offer: list[dict[str, Any]]) -> list[Piece]:
    return [piece_of(known, one["item"], one["quantity"], one.get("item_uid"), one.get("metadata")) for one in offer]


ROUTES = [Route("/trades", index), Route("/trades/{id}", show)]

"""Items: what is defined, what is held without a definition, and the life of one unique piece."""

from __future__ import annotations

from bisect import bisect_right

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gamekeeper.kernel.queries import Page, read_cursor, write_cursor
from gamekeeper.modules import content, items
from gamekeeper.studio import queries
from gamekeeper.studio.asking import PAGE, id_of, keep_of, word
from gamekeeper.studio.bag import Definitions, piece_of
from gamekeeper.studio.rendering import page

from .economy import ledger_of


async def index(request: Request) -> Response:
    """The list of items."""
    known = keep_of(request).reader.definitions(content.ItemDefinition)
    q, cursor = word(request, "q"), word(request, "cursor") or None
    balances = {row.item: row for row in (await ledger_of(request).balance()).economy.items}
    unknown = [row for row in balances.values() if row.item not in known and row.held]
    found = _matching(known, q, cursor)
    shown = [(one, piece_of(known, one.id, 1), balances.get(one.id)) for one in found.items]
    return page(
        request,
        "items.html",
        room="items",
        shown=shown,
        next_cursor=found.next_cursor,
        unknown=[] if cursor or q else unknown,
        q=q,
        cursor=cursor,
    )


def _matching(known: Definitions, q: str, cursor: str | None) -> Page[content.ItemDefinition]:
    # Definitions are in memory; a page of them is still only a page.
    words = q.casefold().split()
    ids = sorted(id for id, one in known.items() if all(word in f"{id} {one.name} {one.kind} {one.rarity}".casefold() for word in words))
    after = read_cursor(cursor, str)
    start = 0 if after is None else bisect_right(ids, after[0])
    page_of = ids[start : start + PAGE]
    more = len(ids) > start + PAGE
    return Page([known[id] for id in page_of], write_cursor([page_of[-1]]) if more else None)


async def show(request: Request) -> Response:
    """One kind of item; who holds it only when asked, for that reads every holding."""
    keep, id = keep_of(request), id_of(request)
    known = keep.reader.definitions(content.ItemDefinition)
    balances = {row.item: row for row in (await ledger_of(request).balance()).economy.items}
    definition, balance = known.get(id), balances.get(id)
    if definition is None and balance is None:
        raise HTTPException(404)
    asked = bool(word(request, "holders"))
    holders = await queries.holders(keep.reader.patient(), item=id) if asked else []
    pieces = await queries.pieces(keep.reader.patient(), item=id) if asked else []
    labels = await queries.labels(keep, [*(one.holder_id for one in holders), *(one.holder_id for one in pieces)])
    return page(
        request,
        "item.html",
        room="items",
        definition=definition,
        piece=piece_of(known, id, 1),
        note=items.note_for(definition),
        note_of=items.note_of(id, known),
        balance=balance,
        asked=asked,
        holders=holders,
        pieces=pieces,
        labels=labels,
    )


async def life(request: Request) -> Response:
    """One unique piece: where it is, and every movement since it came into the world."""
    keep, uid = keep_of(request), id_of(request)
    cursor = word(request, "cursor") or None
    row = await queries.piece(keep.reader, uid=uid)
    moves = await keep.ask(items.provenance(item_uid=uid, limit=PAGE, cursor=cursor))
    if row is None and not moves.items:
        raise HTTPException(404)
    item = row.item_id if row is not None else moves.items[0].item_id
    known = keep.reader.definitions(content.ItemDefinition)
    piece = piece_of(known, item, 1, uid, row.metadata if row is not None else None)
    ids = {id for move in moves.items for id in (move.from_id, move.to_id)} | ({row.holder_id} if row is not None else set())
    labels = await queries.labels(keep, ids)
    return page(request, "piece.html", room="items", piece=piece, row=row, moves=moves, cursor=cursor, labels=labels)


ROUTES = [Route("/items", index), Route("/items/{id}", show), Route("/pieces/{id}", life)]

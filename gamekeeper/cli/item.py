"""`gamekeeper item`: who holds what, and every movement that led there."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import Parameter

from .failures import NoSuchPiece, warn
from .inside import character_row, in_keep, moment, plain
from .options import NO_WORDS, World, answer

if TYPE_CHECKING:
    from gamekeeper.keep import Keep

PAGE = 200
"""Movements that are read at once."""
Found = dict[str, Any]
"""What is answered; `names` says what the owners in it are called."""


def show(uid: Annotated[str, Parameter(help="The id of a unique item.")], /, *, world: World = NO_WORDS) -> None:
    """Show a unique item: where it is, and every movement since it came into the world.

    Raises: NO_SUCH_PIECE, INVALID_ARGUMENT, STORE_UNAVAILABLE.
    """
    found = in_keep(world.settings(), lambda keep: _piece(keep, uid))
    if world.json:
        answer("item-show", found)
        return
    print(f"{found['item']}  {uid}")
    held = found["holding"]
    if held is None:
        print("  no longer in the world")
    else:
        print(f"  now with {_called(held['holder_id'], found['names'])}, {held['container']} {held['slot'] + 1}")
    _print_movements(found)


def find(item: Annotated[str, Parameter(help="The id of the item.")], /, *, world: World = NO_WORDS) -> None:
    """Find those who hold most of an item, and its unique pieces; reads every holding.

    Raises: UNKNOWN_ITEM, STORE_UNAVAILABLE.
    """
    found = in_keep(world.settings(), lambda keep: _holders(keep, item))
    if world.json:
        answer("item-find", found)
        return
    for one in found["holders"]:
        print(f"{one['held']:>15,}  {_called(one['holder_id'], found['names'])}")
    for one in found["pieces"]:
        print(f"{one['item_uid']}  {_called(one['holder_id'], found['names'])}, {one['container']} {one['slot'] + 1}")
    if not found["holders"]:
        warn("Nobody holds it.")


def trace(
    who: Annotated[str, Parameter(help="The name of a character, or the id of any holder.")],
    /,
    *,
    in_: Annotated[
        str | None, Parameter(name="--in", help="The id of the world in which the name is borne, if it is borne in several.")
    ] = None,
    limit: Annotated[int, Parameter(help="How many movements at most, 1 to 200.")] = 50,
    after: Annotated[str | None, Parameter(help="Where the page before ended, as it said.")] = None,
    world: World = NO_WORDS,
) -> None:
    """List what went to and from a holder, the newest first.

    Raises: CHARACTER_NOT_FOUND, NAME_IN_SEVERAL_WORLDS, INVALID_ARGUMENT, STORE_UNAVAILABLE.
    """
    found = in_keep(world.settings(), lambda keep: _trace(keep, who, in_, limit, after))
    if world.json:
        answer("item-trace", found)
        return
    _print_movements(found, item=True)
    if found["next_cursor"] is not None:
        warn(f"There are more: --after {found['next_cursor']}")


def _print_movements(found: Found, *, item: bool = False) -> None:
    for one in found["movements"]:
        what = f"{one['quantity']:,} {one['item_id']}  " if item else ""
        way = " -> ".join(_side(one[f"{side}_id"], one[f"{side}_container"], found["names"]) for side in ("from", "to"))
        why = f"  ({plain(one['reason'])})" if one["reason"] else ""
        print(f"  {moment(one['at'])}  {what}{way}{why}")


def _side(id: str, container: str, names: Mapping[str, str]) -> str:
    return " ".join(filter(None, (_called(id, names), container)))


def _called(id: str, names: Mapping[str, str]) -> str:
    return f"{plain(names[id])} ({id})" if id in names else plain(id)


async def _piece(keep: "Keep", uid: str) -> Found:
    """Read a piece's whole life, page by page.

    Raises: NO_SUCH_PIECE, INVALID_ARGUMENT.
    """
    from gamekeeper.modules import items
    from gamekeeper.studio import queries

    moves: list[items.ItemMovement] = []
    cursor: str | None = None
    while not moves or cursor is not None:
        page = await keep.ask(items.provenance(item_uid=uid, limit=PAGE, cursor=cursor))
        moves += page.items
        cursor = page.next_cursor
        if not moves:
            raise NoSuchPiece(item_uid=uid)
    row = await queries.piece(keep.reader, uid=uid)
    owners = {id for one in moves for id in (one.from_id, one.to_id)} | ({row.holder_id} if row is not None else set())
    found = {"item_uid": uid, "item": moves[0].item_id, "holding": row, "movements": moves}
    return await _with_names(keep, found, owners)


async def _holders(keep: "Keep", item: str) -> Found:
    """Read who has an item that is defined, or that somebody still has.

    Raises: UNKNOWN_ITEM.
    """
    from gamekeeper.modules import content, items
    from gamekeeper.studio import queries

    patient = keep.reader.patient()
    holders = await queries.holders(patient, item=item)
    if not holders and item not in keep.reader.definitions(content.ItemDefinition):
        raise items.UnknownItem(item=item)
    pieces = await queries.pieces(patient, item=item)
    owners = {one.holder_id for one in holders} | {one.holder_id for one in pieces}
    return await _with_names(keep, {"item": item, "holders": holders, "pieces": pieces}, owners)


async def _trace(keep: "Keep", who: str, realm: str | None, limit: int, after: str | None) -> Found:
    from gamekeeper.modules import items

    root = await keep.reader.root(who)
    holder = who if root is not None else (await character_row(keep, who, realm)).character_id
    page = await keep.ask(items.movements(holder=holder, limit=limit, cursor=after))
    found = {"holder_id": holder, "movements": page.items, "next_cursor": page.next_cursor}
    return await _with_names(keep, found, {id for one in page.items for id in (one.from_id, one.to_id)})


async def _with_names(keep: "Keep", found: Found, owners: Iterable[str]) -> Found:
    from gamekeeper.studio import queries

    labels = await queries.labels(keep, owners)
    built: Found = msgspec.to_builtins(found)
    return built | {"names": {id: one.name or one.kind for id, one in labels.items()}}

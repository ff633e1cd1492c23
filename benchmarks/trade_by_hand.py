"""The rows that a two-way trade writes, worked out in plain Python; what the hand-written peer of W10 sends to either store."""

import hashlib
import time
from dataclasses import dataclass, field
from typing import Any

import msgspec
from uuid_utils import uuid7

from . import world
from .measure import Refusal

ACTOR = "game-server"
COMMAND = "items.trade"
Key = tuple[str, str, int]
Owner = tuple[str, int, bytes, int]
"""id, version, head hash, journal sequence"""
Holding = tuple[str, str, int, str, int, str | None, str]
"""owner, container, slot, item, quantity, item uid, metadata"""

HOLDING_FIELDS = ("owner_id", "container", "slot", "item_id", "quantity", "item_uid", "metadata")
_json = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Rows:
    """What one trade writes, table by table."""

    holdings: list[Holding] = field(default_factory=list)
    movements: list[tuple[Any, ...]] = field(default_factory=list)
    journal: list[tuple[Any, ...]] = field(default_factory=list)
    idempotency: tuple[Any, ...] = ()
    owners: list[tuple[int, bytes, int, str]] = field(default_factory=list)


def request_hash(trade: world.Trade) -> bytes:
    """What tells a retry from another request with the same key."""
    return hashlib.sha256(_json(trade)).digest()


def rows_of(trade: world.Trade, key: str, owners: dict[str, Owner], holdings: dict[Key, Holding]) -> Rows:
    """Check the trade and work out every row of it."""
    left, right = world.character_id(trade.left + 1), world.character_id(trade.right + 1)
    moves = [(left, right, f"item_{trade.gives}"), (right, left, f"item_{trade.takes}")]
    after: dict[Key, Holding] = {}
    for giver, taker, item in moves:
        for owner, change in ((giver, -1), (taker, 1)):
            place = _place(owner, item, holdings)
            held = after.get(place, holdings[place])
            if held[4] + change < 1:
                raise Refusal("not enough")
            after[place] = (*held[:4], held[4] + change, *held[5:])
    at = int(time.time() * 1000)
    command = str(uuid7())
    arguments = _text({"left": left, "right": right, "gives": {moves[0][2]: 1}, "takes": {moves[1][2]: 1}})
    result = _text(
        {"command_id": command, "moved": [{"from": giver, "to": taker, "item_id": item, "quantity": 1} for giver, taker, item in moves]}
    )
    rows = Rows(holdings=list(after.values()))
    rows.movements = [(giver, str(uuid7()), at, item, 1, giver, taker, "trade", command) for giver, taker, item in moves]
    for owner in sorted((left, right)):
        changes = [_change(place, holdings[place], held) for place, held in after.items() if place[0] == owner]
        _, version, head, seq = owners[owner]
        entry = (
            owner,
            seq + 1,
            command,
            at,
            COMMAND,
            ACTOR,
            None,
            left,
            _text(sorted((left, right))),
            arguments,
            result,
            key,
            _text(changes),
        )
        digest = hashlib.sha256(head + _json(entry)).digest()
        rows.journal.append((*entry, digest))
        rows.owners.append((version + 1, digest, seq + 1, owner))
    rows.idempotency = (ACTOR, key, request_hash(trade), result, at)
    return rows


def opening_owners() -> list[tuple[str, str, int, int, bytes, int]]:
    """The root rows before the first trade."""
    return [(world.character_id(number), "character", 0, 0, bytes(32), 0) for number in range(1, world.HOT + 1)]


def opening_holdings() -> list[Holding]:
    """The stacks before the first trade: item_n lies in slot n."""
    return [
        (world.character_id(number), "inventory", slot, f"item_{slot}", world.QUANTITY, None, "{}")
        for number in range(1, world.HOT + 1)
        for slot in range(world.STACKS)
    ]


def _place(owner: str, item: str, holdings: dict[Key, Holding]) -> Key:
    for place, held in holdings.items():
        if place[0] == owner and held[3] == item:
            return place
    raise Refusal("not held")


def _change(place: Key, before: Holding, after: Holding) -> dict[str, Any]:
    images = (dict(zip(HOLDING_FIELDS, image, strict=True)) for image in (before, after))
    return {"table": "holdings", "key": place, "before": next(images), "after": next(images)}


def _text(value: object) -> str:
    return _json(value).decode()

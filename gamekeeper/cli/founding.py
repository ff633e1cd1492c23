"""How Mossbrook comes to be: by commands, in few batches. Every id is known beforehand and a step is done once, by its
idempotency key or because it shows that it was done: a start that was cut off is taken up again and does nothing twice.
"""

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from gamekeeper import packs
from gamekeeper.keep import MAX_CALLS, Keep
from gamekeeper.kernel.commands import Call
from gamekeeper.modules import characters, content, dailies, items, sessions, skills, trades, users, worlds

from .mossbrook import BARGAINS, CHARACTERS_EACH, FALLEN, KITS, PEOPLE, PLAYERS, TITLE, TRAINED, TREASURES, WORLD, Bargain, Kit, id_of

OPERATOR: Final = "operator"
"""The id of the user in whose name keys are made here."""
OPERATOR_NAME: Final = "local-operator"
"""Names that speak for the game are reserved, so it is not called what its id says."""
SERVER_SCOPES: Final = ("*",)
OPERATOR_SCOPES: Final = ("operator.*",)

ACTOR: Final = "operator:dev"
WHY: Final = "the founding of Mossbrook"
SOURCE: Final = "founding"
DILIGENT: Final = 16
"""How many have done something for their day."""
PASSWORD_BYTES: Final = 24
COINS: Final = "coins"


class NewKeys(Struct, frozen=True):
    """Two keys that are told only now."""

    server: str
    operator: str


class Begun(Struct, frozen=True):
    """What a start found or made."""

    keys: NewKeys | None
    """only at the first start"""
    founded: bool
    """whether Mossbrook was made just now"""
    lives: bool
    """whether there is a Mossbrook"""


async def begin(keep: Keep, *, empty: bool) -> Begun:
    """Found Mossbrook in a world where nothing is yet, and make the first keys; in one that has begun do nothing."""
    if await operator_exists(keep):
        return Begun(None, False, await _lives(keep))
    if not await _untouched(keep):
        return Begun(None, False, await _lives(keep))
    if not empty:
        await found(keep)
    return Begun(await first_keys(keep), not empty, not empty)


async def operator_exists(keep: Keep) -> bool:
    """Whether the first start came to its end: the operator is made last."""
    return await keep.version(OPERATOR) is not None


async def _lives(keep: Keep) -> bool:
    return await keep.version(id_of(PEOPLE[0][0])) is not None


async def _untouched(keep: Keep) -> bool:
    """Whether nobody is here but whom an earlier founding may have left half done."""
    ours = {id_of(name) for name, _ in PEOPLE} | {_player(name) for name in PLAYERS}
    people = await keep.ask(characters.list_characters(limit=200))
    players = await keep.ask(users.list_users(limit=200))
    return {one.character_id for one in people.items} | {one.user_id for one in players.items} <= ours


async def first_keys(keep: Keep) -> NewKeys:
    """Make the operator, and a key for a game server and one for an operator."""
    await make_operator(keep)
    made = [
        await keep.do(sessions.create_key(user=OPERATOR, name=name, scopes=list(scopes)), actor=ACTOR, reason="first start")
        for name, scopes in (("first game server", SERVER_SCOPES), ("first operator", OPERATOR_SCOPES))
    ]
    return NewKeys(made[0].key, made[1].key)


async def make_operator(keep: Keep) -> None:
    """Make the user in whose name keys are made; nobody knows its password."""
    call = users.register(user=OPERATOR, username=OPERATOR_NAME, password=secrets.token_urlsafe(PASSWORD_BYTES))
    await keep.do(call, actor=ACTOR, reason="keys belong to somebody")


async def found(keep: Keep) -> None:
    """Make Mossbrook, its people and their things."""
    # A password's hash takes long by design, and in threads; the rest goes on meanwhile.
    await asyncio.gather(_load_packs(keep), *(_register(keep, name) for name in PLAYERS))
    await _together(keep, "world", iter([worlds.create_world(world=WORLD, name=TITLE)]))
    await _together(keep, "people", _people())
    await _together(keep, "skills", _skills())
    await _together(keep, "kits", _kits())
    await _together(keep, "clothes", _clothes())
    await _together(keep, "places", _places())
    await _together(keep, "requests", _requests())
    await _together(keep, "days", _days())
    await _deeds(keep)


async def _load_packs(keep: Keep) -> None:
    for folder in (Path(content.__file__).parent / "starter", packs.FOLDER / "solo"):
        await keep.do(content.load_pack(pack=content.read_pack(folder)), actor=ACTOR, reason=WHY)
    await keep.load_content()


async def _together(keep: Keep, step: str, calls: Iterator[Call[Any]]) -> None:
    """Do the calls of a step, as many at once as may be; each such bundle is done wholly or not at all."""
    number = 0
    while bundle := list(islice(calls, MAX_CALLS)):
        await keep.do(*bundle, key=f"founding:{step}:{number}", actor=ACTOR, reason=WHY)
        number += 1


async def _deeds(keep: Keep) -> None:
    """Let things fall and trades take their course, all at once: what they name depends on where things lie before."""
    if (await keep.ask(trades.show(trade=_trade(0)))).screen != "request":
        return
    held = {who: await keep.ask(items.inventory(holder=id_of(who))) for who in _with_things_to_move()}
    await keep.do(*_falls(held), *_answers(held), actor=ACTOR, reason=WHY)


# Who lives there


def _player(name: str) -> str:
    return f"player-{id_of(name)}"


async def _register(keep: Keep, name: str) -> None:
    if await keep.version(_player(name)) is None:
        await keep.do(users.register(user=_player(name), username=name, password=secrets.token_urlsafe(PASSWORD_BYTES)), actor=ACTOR)


def _people() -> Iterator[Call[Any]]:
    for number, (name, _) in enumerate(PEOPLE):
        player = number // CHARACTERS_EACH
        user = _player(PLAYERS[player]) if player < len(PLAYERS) else None
        yield characters.create(user=user, character=id_of(name), world_id=WORLD, name=name)


def _places() -> Iterator[Call[Any]]:
    for number, (name, calling) in enumerate(PEOPLE):
        yield characters.move_to(character=id_of(name), room_id=KITS[calling].room, x=float(number % 7), y=float(number // 7))


# What they have


def _skills() -> Iterator[Call[Any]]:
    for name, calling in PEOPLE:
        if calling in TRAINED:
            yield skills.gain_many(character=id_of(name), gains=TRAINED[calling])


def _kits() -> Iterator[Call[Any]]:
    for name, calling in PEOPLE:
        yield items.grant_many(holder=id_of(name), items=list(_lines(KITS[calling])), source=SOURCE)
    for name, treasure in TREASURES:
        yield items.grant(holder=id_of(name), item=treasure, quantity=1, source=SOURCE)


def _lines(kit: Kit) -> Iterator[items.Line]:
    # What is to be worn comes first, so that it lies in the first slots.
    for item in kit.wears:
        yield items.Line(item, 1)
    for things in (kit.quiver, kit.carries):
        for item, quantity in things.items():
            yield items.Line(item, quantity)
    for item, quantity in kit.bank.items():
        yield items.Line(item, quantity, "bank:0")
    yield items.Line(COINS, kit.coins, "pouch")


def _clothes() -> Iterator[Call[Any]]:
    for name, calling in PEOPLE:
        kit = KITS[calling]
        for slot in range(len(kit.wears) + len(kit.quiver)):
            yield items.equip(character=id_of(name), slot=slot)


def _days() -> Iterator[Call[Any]]:
    """Let some of them have walked and worked today: each a little less than the one before."""
    for number, (name, _) in enumerate(PEOPLE[:DILIGENT]):
        done: dict[str, bool | int | float] = {
            "steps": 14_000 - 600 * number,
            "workout_minutes": 45 - 2 * number,
            "wake_on_time": number % 3 != 0,
        }
        yield dailies.report(character=id_of(name), source="pedometer", verification="VERIFIED", values=done)


# What they do with it

Held = dict[str, list[items.HeldItem]]


def _with_things_to_move() -> Iterator[str]:
    for name, _ in FALLEN:
        yield name
    for one in BARGAINS:
        yield from (one.asks, one.answers)


def _falls(held: Held) -> Iterator[Call[Any]]:
    for name, item in FALLEN:
        slot = next(one.slot for one in held[name] if one.item == item and one.container == "inventory")
        yield items.drop(character=id_of(name), world=WORLD, slot=slot)


def _trade(number: int) -> str:
    return f"{WORLD}-trade-{number + 1:02}"


def _requests() -> Iterator[Call[Any]]:
    for number, one in enumerate(BARGAINS):
        yield trades.request(initiator=id_of(one.asks), receiver=id_of(one.answers), trade=_trade(number))


def _answers(held: Held) -> Iterator[Call[Any]]:
    for number, one in enumerate(BARGAINS):
        yield from _course(_trade(number), one, _offer(held[one.asks], one.gives), _offer(held[one.answers], one.gets))


def _course(trade: str, one: Bargain, gives: list[trades.OfferedItem], gets: list[trades.OfferedItem]) -> Iterator[Call[Any]]:
    """Give the steps of a trade after its request, as far as it went."""
    asks, answers = id_of(one.asks), id_of(one.answers)
    if one.ending == "request":
        return
    yield trades.respond(character=answers, trade=trade, accept=one.ending != "declined")
    if one.ending == "declined":
        return
    yield trades.offer(character=asks, trade=trade, items=gives)
    yield trades.offer(character=answers, trade=trade, items=gets)
    if one.ending == "cancelled":
        yield trades.cancel(character=answers, trade=trade)
    # Two offers make revision 2; when both accept it, it is shown once more as revision 3.
    screens = {"confirm": (2,), "completed": (2, 3)}.get(one.ending, ())
    for revision in screens:
        yield trades.accept(character=asks, trade=trade, revision=revision)
        yield trades.accept(character=answers, trade=trade, revision=revision)


def _offer(held: Sequence[items.HeldItem], things: dict[str, int]) -> list[trades.OfferedItem]:
    """Give what to offer for so and so many of some items, over as many slots as they lie in."""
    offered: list[trades.OfferedItem] = []
    for item, quantity in things.items():
        wanted = quantity
        for one in held:
            if wanted and one.item == item and one.container in ("inventory", "pouch"):
                part = min(wanted, one.quantity)
                offered.append(trades.OfferedItem(one.slot, part, item, "pouch" if one.container == "pouch" else "inventory"))
                wanted -= part
        if wanted:
            raise ValueError(f"a bargain wants {wanted} more {item} than there are")
    return offered

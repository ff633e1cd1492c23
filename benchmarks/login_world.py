"""The people, the market, the server and the requests of the benchmark of logging in."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import gamekeeper
from gamekeeper.keep import Keep
from gamekeeper.modules import content, moderation, sessions, users
from tests.server.running import Running

from . import sheet, world
from .callers import request
from .ours import SETTINGS, any_save

PASSWORD = "a long one that is nobody's"  # noqa: S105 - of nobody
WRONG = "a long one that is a guess!"
EACH = 10
"""names of every kind"""
UNKNOWN, UNKNOWN_ADDRESS = "unknown name", "unknown address"
REQUESTS, LOGINS = "requests", "logins"
PROXY: Mapping[str, Any] = {"trusted_proxies": ["127.0.0.0/8"]}
"""so that a flood comes from everywhere"""


@dataclass(slots=True)
class Filled:
    """What a database was filled with."""

    names: dict[str, list[str]] = field(default_factory=dict)
    key: str = ""


async def fill(url: str) -> Filled:
    """Make people of every kind, and a market for those who play."""
    filled = Filled({UNKNOWN: [f"nobody_{n:04}" for n in range(EACH)], UNKNOWN_ADDRESS: [f"nobody{n:04}@example.org" for n in range(EACH)]})
    async with gamekeeper.open(url, create=True, **SETTINGS) as keep:
        for kind, made in (("known name", "player"), ("banned user", "banned")):
            filled.names[kind] = [f"{made}_{n:04}" for n in range(EACH)]
            for number, name in enumerate(filled.names[kind]):
                user = (await keep.do(users.register(username=name, password=PASSWORD))).user_id
                if kind == "banned user":
                    await keep.do(moderation.ban(user=user, reason="a benchmark", preset="permanent"), actor="operator:benchmark")
                else:
                    filled.names.setdefault("known address", []).append(f"player{number:04}@example.org")
                    await _verify_address(keep, user, filled.names["known address"][-1])
        guests = [await keep.do(users.create_guest()) for _ in range(EACH)]
        filled.names["guest, no password"] = [guest.username for guest in guests]
        filled.key = (await keep.do(sessions.create_key(user=guests[0].user_id, name="play", scopes=["*"]))).key
        await _open_market(keep)
    return filled


async def _verify_address(keep: Keep, user: str, email: str) -> None:
    await keep.do(users.set_email(user=user, email=email, password=PASSWORD))
    sent = await keep.do(users.request_email_verification(user=user, email=email))
    await keep.do(users.verify_email(token=sent.token))


async def _open_market(keep: Keep) -> None:
    definitions = tuple(content.ItemDefinition(id=f"item_{n}", name=f"Item {n}", stackable=True) for n in range(world.STACKS))
    await keep.do(content.load_pack(pack=content.pack_of(*definitions, id="bench", version="1", title="Bench")))
    for number in range(1, world.HOT + 1):
        await keep.do(sheet.create_trader(character=world.character_id(number), stacks=world.STACKS, quantity=world.QUANTITY))
        await keep.do(sheet.create_sheet(character=world.character_id(world.HOT + number)))


def login(name: str, **headers: str) -> bytes:
    """Write a request that tries a wrong password."""
    return request("/v1/sessions/login", {"username": name, "password": WRONG}, x_request_id="one-and-the-same", **headers)


def play(key: str) -> list[bytes]:
    """Write what players' servers ask for: to load what a character has, to save one, to trade."""
    requests = []
    for number in range(100):
        trade, who = world.any_trade(), world.character_id(world.HOT + 1 + number % world.HOT)
        headers = {"authorization": f"Bearer {key}", "idempotency_key": "#KEY#"}
        swap = {
            "first": world.character_id(trade.left + 1),
            "second": world.character_id(trade.right + 1),
            "first_gives": f"item_{trade.gives}",
            "first_quantity": 1,
            "second_gives": f"item_{trade.takes}",
            "second_quantity": 1,
        }
        saved = any_save(who).arguments
        requests += [
            request(f"/v1/items/inventory?holder={who}", authorization=headers["authorization"]),
            request("/v1/bench/save_sheet", {name: getattr(saved, name) for name in saved.__struct_fields__}, **headers),
            request("/v1/items/swap", swap, **headers),
        ]
    return requests


def floods(filled: Filled) -> dict[str, list[bytes]]:
    """Write what floods a server: logins from everywhere at everybody, and requests that ask for nothing."""
    names = [*filled.names["known name"], *(f"nobody_{n}" for n in range(5_000))]
    return {
        LOGINS: [login(name, x_forwarded_for=".".join(str(random.randrange(1, 255)) for _ in range(4))) for name in names],
        REQUESTS: [request("/livez")],
    }


@contextmanager
def serving(url: str, **settings: Any) -> Iterator[Running]:
    """Run a server as an operator would."""
    words = {**SETTINGS, **PROXY, "allow_unsafe_postgres": False, **settings}
    with Running(url, **words) as server:
        yield server
        server.stop()

"""The bank: characters who trade what there is, so that nothing may ever become more or less; and what must be true of it."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from gamekeeper.keep import Keep
from gamekeeper.kernel.commands import Call
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import items, worlds
from tests.crash.raw import Raw
from tests.modules import scene

COINS_EACH = 1_000
PURSE_EACH = 500
"""Coins in the pouch, which only trades touch."""
ARROWS_EACH = 50
CROWNS = 5

SUMS = (
    "SELECT item_id, SUM(quantity), MIN(quantity), COUNT(item_uid), COUNT(DISTINCT item_uid) "
    "FROM holdings GROUP BY item_id ORDER BY item_id"
)
"""Everything that is held, in one statement, and so at one moment."""


class Bank(Struct, frozen=True):
    """Who trades, where, and how much of each item there is for good."""

    people: list[str]
    world: str
    supply: dict[str, int]


async def found_bank(keep: Keep, count: int = 20) -> Bank:
    """Make the characters and give each what they begin with."""
    await scene.stock(keep)
    # Names that cannot be taken for one another: "Trader i" and "Trader l" would be one name.
    syllables = [consonant + vowel for vowel in "aeou" for consonant in "bdfgkmnprstvz"]
    people = await scene.people(keep, *(f"Trader {syllable}" for syllable in syllables[:count]))
    world = (await keep.do(worlds.create_world(name="Market"), actor="operator:test")).world_id
    for person in people:
        await keep.do(
            items.grant(holder=person, item="coins", quantity=COINS_EACH, source="starter"),
            items.grant(holder=person, item="coins", quantity=PURSE_EACH, source="starter", container="pouch"),
            items.grant(holder=person, item="arrow", quantity=ARROWS_EACH, source="starter"),
        )
    for person in people[:CROWNS]:
        await keep.do(items.grant(holder=person, item="crown", quantity=1, source="starter"))
    return same_bank(people, world)


def same_bank(people: Sequence[str], world: str) -> Bank:
    """A bank that was founded before."""
    count = len(people)
    supply = {"arrow": ARROWS_EACH * count, "coins": (COINS_EACH + PURSE_EACH) * count, "crown": min(CROWNS, count)}
    return Bank(list(people), world, supply)


def deal(bank: Bank, dice: random.Random) -> Call[Any]:
    """One deal between two of them; many are refused, because the one who gives has not enough."""
    giver, receiver = dice.sample(bank.people, 2)
    kinds: tuple[tuple[int, Callable[[], Call[Any]]], ...] = (
        (8, lambda: items.give(giver=giver, receiver=receiver, item="coins", quantity=dice.randint(1, 80))),
        (3, lambda: items.give(giver=giver, receiver=receiver, item="arrow", quantity=dice.randint(1, 20))),
        (3, lambda: items.give(giver=giver, receiver=receiver, item="crown", quantity=1)),
        (4, lambda: _swap(giver, receiver, "coins", dice.randint(1, 60), "arrow", dice.randint(1, 9))),
        (1, lambda: _swap(giver, receiver, "crown", 1, "coins", dice.randint(1, 200))),
        (1, lambda: items.move(holder=giver, from_container="inventory", from_slot=dice.randint(0, 3), to_container="bank:0")),
        (2, lambda: items.move(holder=giver, from_container="bank:0", from_slot=dice.randint(0, 3), to_container="inventory")),
        (1, lambda: items.drop(character=giver, world=bank.world, slot=dice.randint(0, 3), quantity=dice.choice([None, 1]))),
        (2, lambda: items.pick_up(character=giver, world=bank.world, slot=dice.randint(0, 5))),
    )
    (make,) = dice.choices([kind for _, kind in kinds], [weight for weight, _ in kinds])
    return make()


def _swap(first: str, second: str, gives: str, quantity: int, gets: str, price: int) -> Call[Any]:
    return items.swap(first=first, second=second, first_gives=gives, first_quantity=quantity, second_gives=gets, second_quantity=price)


def faults_of(rows: Sequence[Sequence[Any]], supply: dict[str, int]) -> list[str]:
    """What is wrong with one answer to SUMS."""
    wrong = []
    held = {row[0]: int(row[1]) for row in rows}
    if held != supply:
        wrong.append(f"held {held}, and there is {supply}")
    for item, _, least, uids, distinct in rows:
        if least < 1:
            wrong.append(f"a row of {least} {item}")
        if uids != distinct:
            wrong.append(f"{uids} unique {item} with {distinct} ids")
    return wrong


async def faults_at_rest(keep: Keep, raw: Raw, bank: Bank) -> list[str]:
    """All that is wrong with a bank at rest: sums, conservation, every holder's balance, chains and rows."""
    wrong = faults_of(await raw.rows(SUMS), bank.supply)
    wrong += [f"{row.item} differs by {row.difference}" for row in await keep.ask(items.conservation()) if row.difference]
    wrong += [f"{row.holder}: moved {row.moved}, holds {row.held} {row.item}" for row in await keep.ask(items.balances_differ())]
    wrong += [f"verify: {problem}" for problem in (await verify(keep)).problems]
    wrong += [f"unique item {uid} ends with {one}, lies with {two}" for uid, one, two in await _strayed(raw)]
    return wrong


async def _strayed(raw: Raw) -> list[tuple[str, str, str]]:
    """Unique items that do not lie where their last movement took them."""
    lies: dict[str, str] = dict(await raw.rows("SELECT item_uid, holder_id FROM holdings WHERE item_uid IS NOT NULL"))  # type: ignore[arg-type]
    moves = await raw.rows("SELECT item_uid, from_id, to_id FROM item_movements WHERE item_uid IS NOT NULL")
    # Movements within one millisecond have no order of their own: of a chain, the end is where more came in than went out.
    balance: Counter[tuple[str, str]] = Counter()
    for uid, source, target in moves:
        balance[uid, target] += 1
        balance[uid, source] -= 1
    ends = {uid: holder for (uid, holder), count in balance.items() if count == 1}
    return [(uid, ends.get(uid, "nowhere"), holder) for uid, holder in lies.items() if ends.get(uid) != holder]


async def done_per_key(raw: Raw) -> Counter[str]:
    """How often each idempotency key's command stands in the journal; it must be once."""
    rows = await raw.rows("SELECT idempotency_key, COUNT(*) FROM journal WHERE idempotency_key IS NOT NULL GROUP BY idempotency_key")
    return Counter({key: int(count) for key, count in rows})


async def done_per_reason(raw: Raw) -> Counter[str]:
    """How often each command stands in the journal, for callers that name theirs by the reason."""
    rows = await raw.rows("SELECT reason, COUNT(*) FROM journal WHERE reason IS NOT NULL AND owners IS NOT NULL GROUP BY reason")
    return Counter({reason: int(count) for reason, count in rows})

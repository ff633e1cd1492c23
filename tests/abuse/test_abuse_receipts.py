"""Abuse of receipts, number 61 of the list: redeemed at once, on two accounts, and refunded when the goods are spent.

A game's own two commands, as docs/your-own-game.md has them: a claim makes a receipt good once, wherever it is brought.
"""

import asyncio

import pytest

from gamekeeper.errors import NameTaken
from gamekeeper.keep import Keep
from gamekeeper.kernel.commands import command
from gamekeeper.kernel.records import Key, Quantity, Record
from gamekeeper.kernel.verify import verify
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, items
from tests.modules import scene

RECEIPT, BOUGHT = "receipt", "receipts"


class Receipt(Record, table="abuse_receipts", value=True):
    """A receipt that was redeemed, and what it brought."""

    character_id: Key[characters.CharacterId]
    receipt: Key[str]
    coins: Quantity


@command(touches=[characters.Character, Receipt, items.Holding, items.ItemMovement], module="abuse_receipts")
def redeem(ctx: Context, *, character: characters.CharacterId, receipt: str, coins: Quantity) -> int:
    """Pay what a receipt is worth, once.

    Raises: CHARACTER_NOT_FOUND, NAME_TAKEN.
    """
    characters.alive(ctx, character)
    ctx.claim(RECEIPT, receipt, character)
    ctx.put(Receipt(character, receipt, coins))
    items.mint(ctx, character, "coins", coins, source=BOUGHT)
    return coins


@command(touches=[characters.Character, Receipt, items.Holding, items.ItemMovement], module="abuse_receipts")
def refund(ctx: Context, *, character: characters.CharacterId, receipt: str) -> int:
    """Take back what a receipt brought, all of it or nothing; the receipt stays used.

    Raises: CHARACTER_NOT_FOUND, ITEM_NOT_FOUND, INSUFFICIENT_QUANTITY.
    """
    characters.alive(ctx, character)
    row = ctx.get(Receipt, character, receipt)
    if row is None:
        return 0
    for parcel in items.take(ctx, character, "coins", row.coins):
        items.burn(ctx, parcel, sink=BOUGHT)
    ctx.delete(row)
    return row.coins


async def test_abuse_61_a_receipt_is_good_once_whoever_brings_it_and_is_taken_back_whole_or_not(keep: Keep) -> None:
    await scene.stock(keep)
    ada, bob = await scene.people(keep, "Ada", "Bob")

    tries = [keep.do(redeem(character=who, receipt="GPA.1", coins=100)) for who in (ada, bob) * 10]
    answers = await asyncio.gather(*tries, return_exceptions=True)

    assert [one for one in answers if not isinstance(one, NameTaken)] == [100]
    (owner,) = [who for who in (ada, bob) if await keep.ask(items.held(holder=who, item="coins"))]
    await keep.do(items.use_up(holder=owner, item="coins", quantity=30, sink="shop"))
    with pytest.raises(items.InsufficientQuantity):
        await keep.do(refund(character=owner, receipt="GPA.1"))
    await keep.do(items.grant(holder=owner, item="coins", quantity=30, source="test"))
    refunds = await asyncio.gather(*(keep.do(refund(character=owner, receipt="GPA.1")) for _ in range(5)))
    assert sorted(refunds) == [0, 0, 0, 0, 100]
    with pytest.raises(NameTaken):
        await keep.do(redeem(character=ada, receipt="GPA.1", coins=100))
    assert await scene.totals(keep, [ada, bob], "coins") == [0, 0]
    await scene.adds_up(keep)
    assert (await verify(keep)).problems == []

"""Trades: two screens, revisions, and both sides or neither."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

import gamekeeper
from gamekeeper.errors import GameError, InvalidArgument, OwnerNotFound, RateLimited
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.modules import characters, items, sessions, trades, users
from tests.modules.scene import adds_up, fill, lying, people, stock, totals, unique_id


@pytest.fixture
async def keep(database_url: str, clock: ManualClock) -> AsyncIterator[Keep]:
    """A keep whose time the test moves, with the items of the scene."""
    async with gamekeeper.open(database_url, create=True, allow_unsafe_postgres=True, clock=clock) as keep:
        await stock(keep)
        yield keep


@pytest.fixture
async def pair(keep: Keep) -> tuple[str, str]:
    """Ada with 50 arrows and Bob with 80 coins, both in slot 0."""
    ada, bob = await people(keep, "Ada", "Bob")
    await keep.do(items.grant(holder=ada, item="arrow", quantity=50, source="test"))
    await keep.do(items.grant(holder=bob, item="coins", quantity=80, source="test"))
    return ada, bob


async def begin(keep: Keep, one: str, other: str) -> str:
    """Ask for a trade and accept to trade."""
    trade = (await keep.do(trades.request(initiator=one, receiver=other))).trade_id
    await keep.do(trades.respond(character=other, trade=trade, accept=True))
    return trade


async def offer(keep: Keep, who: str, trade: str, *offered: trades.OfferedItem) -> trades.TradeState:
    """Offer things."""
    return await keep.do(trades.offer(character=who, trade=trade, items=list(offered)))


async def agree(keep: Keep, trade: str, *who: str) -> trades.TradeState:
    """Accept the current revision, one after the other; give how the trade stands after the last one."""
    revision = (await keep.ask(trades.show(trade=trade))).revision
    return [await keep.do(trades.accept(character=one, trade=trade, revision=revision)) for one in who][-1]


TEN = trades.OfferedItem(slot=0, quantity=10)


async def test_two_agree_on_two_screens_and_things_change_hands(keep: Keep, pair: tuple[str, str]) -> None:
    ada, bob = pair
    trade = await begin(keep, ada, bob)
    await offer(keep, ada, trade, trades.OfferedItem(slot=0, quantity=20, item="arrow"))
    await offer(keep, bob, trade, trades.OfferedItem(slot=0, quantity=80))

    first = await agree(keep, trade, ada, bob)
    assert (first.status, first.screen) == ("confirmed", "confirm")
    assert await totals(keep, pair, "arrow") == [50, 0]
    second = await agree(keep, trade, bob, ada)

    assert second.status == "completed"
    assert (await lying(keep, ada), await lying(keep, bob)) == ({0: ("arrow", 30), 1: ("coins", 80)}, {0: ("arrow", 20)})
    kept = await keep.ask(trades.show(trade=trade))
    assert ([one["item"] for one in kept.initiator_offer], [one["item"] for one in kept.receiver_offer]) == (["arrow"], ["coins"])
    assert (kept.ended_at, kept.end_reason) == (kept.updated_at, "completed")
    (movement,) = [one for one in (await keep.ask(items.movements(holder=bob))).items if one.item_id == "arrow"]
    assert (movement.from_id, movement.to_id, movement.quantity, movement.reason) == (ada, bob, 20, "trade")
    await adds_up(keep)


async def test_unique_items_and_metadata_go_through_a_trade_unchanged(keep: Keep) -> None:
    ada, bob = await people(keep, "Ada", "Bob")
    for who, gem in ((ada, "ruby"), (bob, "opal")):
        await keep.do(items.grant(holder=who, item="crown", quantity=1, source="test", metadata={"gem": gem}))
    uids = await unique_id(keep, ada), await unique_id(keep, bob)
    trade = await begin(keep, ada, bob)
    for who in (ada, bob):
        await offer(keep, who, trade, trades.OfferedItem(slot=0, quantity=1))

    await agree(keep, trade, ada, bob)
    await agree(keep, trade, ada, bob)

    assert (await unique_id(keep, bob), await unique_id(keep, ada)) == uids
    (crown,) = await keep.ask(items.inventory(holder=bob))
    assert crown.metadata == {"gem": "ruby"}
    await adds_up(keep)


async def test_coins_of_the_pouch_go_to_the_other_pouch(keep: Keep) -> None:
    ada, bob = await people(keep, "Ada", "Bob")
    await keep.do(items.grant(holder=ada, item="coins", quantity=30, source="test", container="pouch"))
    trade = await begin(keep, ada, bob)
    await offer(keep, ada, trade, trades.OfferedItem(slot=0, quantity=30, container="pouch"))

    await agree(keep, trade, ada, bob)
    await agree(keep, trade, ada, bob)

    assert await lying(keep, bob, "pouch") == {0: ("coins", 30)}


async def test_a_request_is_declined_or_answered_once(keep: Keep, pair: tuple[str, str], clock: ManualClock) -> None:
    ada, bob = pair
    asked = await keep.do(trades.request(initiator=ada, receiver=bob, trade="trade-1"))
    assert asked.trade_id == "trade-1"

    with pytest.raises(trades.NotInTrade):
        await keep.do(trades.respond(character=ada, trade="trade-1", accept=True))
    with pytest.raises(trades.NotAccepted):
        await offer(keep, ada, "trade-1", TEN)
    with pytest.raises(trades.NotAccepted):
        await keep.do(trades.accept(character=ada, trade="trade-1", revision=0))
    declined = await keep.do(trades.respond(character=bob, trade="trade-1", accept=False))
    assert declined.status == "declined"
    with pytest.raises(trades.InvalidTrade):
        await keep.do(trades.respond(character=bob, trade="trade-1", accept=True))

    clock.move(3)
    trade = await begin(keep, ada, bob)
    with pytest.raises(trades.AlreadyAnswered):
        await keep.do(trades.respond(character=bob, trade=trade, accept=False))


async def test_a_character_is_in_one_trade_at_a_time(keep: Keep, pair: tuple[str, str]) -> None:
    ada, bob = pair
    (cid,) = await people(keep, "Cid")
    await keep.do(trades.request(initiator=ada, receiver=bob))

    with pytest.raises(trades.AlreadyInTrade):
        await keep.do(trades.request(initiator=ada, receiver=cid))
    with pytest.raises(trades.AlreadyInTrade):
        await keep.do(trades.request(initiator=bob, receiver=cid))
    with pytest.raises(trades.PlayerBusy):
        await keep.do(trades.request(initiator=cid, receiver=bob))


async def test_requests_need_three_seconds_between_them(keep: Keep, pair: tuple[str, str], clock: ManualClock) -> None:
    ada, bob = pair
    trade = (await keep.do(trades.request(initiator=ada, receiver=bob))).trade_id
    await keep.do(trades.cancel(character=ada, trade=trade))

    clock.move(1)
    with pytest.raises(RateLimited) as refused:
        await keep.do(trades.request(initiator=ada, receiver=bob))
    assert refused.value.facts["retry_after_seconds"] == 2.0
    clock.move(2)
    await keep.do(trades.request(initiator=ada, receiver=bob))


async def test_an_expired_request_frees_both_even_before_it_is_closed(keep: Keep, pair: tuple[str, str], clock: ManualClock) -> None:
    ada, bob = pair
    (cid,) = await people(keep, "Cid")
    old = (await keep.do(trades.request(initiator=ada, receiver=bob))).trade_id
    with pytest.raises(trades.NotExpired):
        await keep.do(trades.time_out(trade=old))

    clock.move(30)
    with pytest.raises(trades.TradeExpired):
        await keep.do(trades.respond(character=bob, trade=old, accept=True))
    new = (await keep.do(trades.request(initiator=ada, receiver=cid))).trade_id
    (found,) = await keep.ask(trades.expired(at=clock.now_ms()))
    closed = await keep.do(trades.time_out(trade=found.trade_id))

    assert (found.trade_id, closed.status) == (old, "cancelled")
    assert (await keep.ask(trades.show(trade=old))).end_reason == "timed out"
    with pytest.raises(trades.AlreadyInTrade) as still:
        await keep.do(trades.request(initiator=ada, receiver=bob))
    assert still.value.facts["trade"] == new
    with pytest.raises(trades.InvalidTrade):
        await keep.do(trades.time_out(trade=old))


async def test_an_idle_trade_expires_after_five_minutes(keep: Keep, pair: tuple[str, str], clock: ManualClock) -> None:
    ada, bob = pair
    trade = await begin(keep, ada, bob)
    clock.move(299)
    state = await offer(keep, ada, trade, TEN)
    assert state.expires_at == clock.now_ms() + 300_000

    clock.move(300)
    for late in (
        trades.offer(character=ada, trade=trade, items=[]),
        trades.accept(character=ada, trade=trade, revision=1),
        trades.cancel(character=ada, trade=trade),
    ):
        with pytest.raises(trades.TradeExpired):
            await keep.do(late)


async def test_a_stranger_has_no_part_in_a_trade(keep: Keep, pair: tuple[str, str]) -> None:
    ada, bob = pair
    (cid,) = await people(keep, "Cid")
    trade = await begin(keep, ada, bob)

    for meddling in (
        trades.offer(character=cid, trade=trade, items=[]),
        trades.accept(character=cid, trade=trade, revision=0),
        trades.cancel(character=cid, trade=trade),
        trades.respond(character=cid, trade=trade, accept=True),
    ):
        with pytest.raises(trades.NotInTrade):
            await keep.do(meddling)
    with pytest.raises(trades.InvalidTrade):
        await keep.do(trades.cancel(character=ada, trade="no-such-trade"))
    with pytest.raises(trades.InvalidTrade):
        await keep.ask(trades.show(trade="no-such-trade"))
    with pytest.raises(OwnerNotFound):
        await keep.do(trades.request(initiator=ada, receiver="nobody"))


async def test_an_offer_is_checked_against_what_lies_there(keep: Keep, pair: tuple[str, str]) -> None:
    ada, bob = pair
    await keep.do(items.grant(holder=ada, item="cell_key", quantity=1, source="test"))
    trade = await begin(keep, ada, bob)
    one = trades.OfferedItem

    for offered, wrong in (
        ([one(slot=5, quantity=1)], items.SlotEmpty),
        ([one(slot=28, quantity=1)], items.InvalidSlot),
        ([one(slot=0, quantity=51)], trades.InvalidQuantity),
        ([one(slot=0, quantity=1, item="coins")], trades.ItemChanged),
        ([one(slot=1, quantity=1)], items.UntradeableItem),
    ):
        with pytest.raises(wrong):
            await keep.do(trades.offer(character=ada, trade=trade, items=offered))
    with pytest.raises(InvalidArgument):
        trades.offer(character=ada, trade=trade, items=[one(slot=i, quantity=1) for i in range(29)])

    assert (await keep.ask(trades.show(trade=trade))).revision == 0


async def test_an_offer_replaces_the_one_before(keep: Keep, pair: tuple[str, str]) -> None:
    ada, bob = pair
    trade = await begin(keep, ada, bob)
    await offer(keep, ada, trade, TEN)

    await offer(keep, ada, trade)

    assert (await keep.ask(trades.show(trade=trade))).initiator_offer == []


async def test_the_deleted_do_not_trade(keep: Keep, pair: tuple[str, str]) -> None:
    ada, bob = pair
    trade = await begin(keep, ada, bob)
    await offer(keep, ada, trade, TEN)
    await agree(keep, trade, ada, bob)
    await keep.do(characters.delete(character=bob))

    with pytest.raises(characters.CharacterNotFound):
        await agree(keep, trade, ada, bob)

    assert await totals(keep, pair, "arrow") == [50, 0]


async def test_trades_are_listed_newest_first(keep: Keep, pair: tuple[str, str], clock: ManualClock) -> None:
    ada, bob = pair
    (cid,) = await people(keep, "Cid")
    made = []
    for other in (bob, cid, bob):
        made.append((await keep.do(trades.request(initiator=ada, receiver=other))).trade_id)
        await keep.do(trades.cancel(character=ada, trade=made[-1]))
        clock.move(5)

    first = await keep.ask(trades.list_trades(limit=2))
    second = await keep.ask(trades.list_trades(limit=2, cursor=first.next_cursor))

    assert [one.trade_id for one in first.items + second.items] == made[::-1]
    assert [one.trade_id for one in (await keep.ask(trades.of_character(character=bob))).items] == [made[2], made[0]]


async def test_who_leaves_the_game_leaves_the_trade_with_it_or_neither(keep: Keep, pair: tuple[str, str]) -> None:
    ada, bob = pair
    user = (await keep.do(users.create_guest())).user_id
    session = (await keep.do(sessions.open_session(user=user))).session_id
    trade = await begin(keep, ada, bob)
    await offer(keep, ada, trade, TEN)
    revision = (await agree(keep, trade, ada, bob)).revision
    await keep.do(trades.accept(character=bob, trade=trade, revision=revision))

    gone = sessions.revoke(user=user, session_id="no-such-session"), trades.cancel_all(character=bob)
    with pytest.raises(sessions.SessionNotFound):
        await keep.do(*gone)
    assert (await keep.ask(trades.show(trade=trade))).status == "confirmed"
    left = await keep.do(sessions.revoke(user=user, session_id=session), trades.cancel_all(character=bob))
    again = await keep.do(trades.cancel_all(character=bob))

    assert (left[1], again) == (trades.Cancelled(1), trades.Cancelled(0))
    with pytest.raises(trades.InvalidTrade):
        await keep.do(trades.accept(character=ada, trade=trade, revision=revision))
    assert (await keep.ask(trades.show(trade=trade))).end_reason == "the receiver left the game"
    assert await totals(keep, pair, "arrow") == [50, 0]


async def test_staff_read_what_both_sides_offered(keep: Keep, pair: tuple[str, str], clock: ManualClock) -> None:
    ada, bob = pair
    (cid,) = await people(keep, "Cid")
    trade = await begin(keep, ada, bob)
    await offer(keep, ada, trade, TEN)
    await offer(keep, bob, trade, trades.OfferedItem(slot=0, quantity=80))
    for _ in range(2):
        await agree(keep, trade, ada, bob)
    clock.move(5)
    await keep.do(trades.request(initiator=cid, receiver=bob))
    await keep.do(characters.delete(character=ada))

    first = await keep.ask(trades.log(limit=1))
    second = await keep.ask(trades.log(limit=1, cursor=first.next_cursor))
    assert [(one.initiator_name, one.receiver_name) for one in first.items + second.items] == [("Cid", "Bob"), ("Ada", "Bob")]
    (done,) = (await keep.ask(trades.log(character=ada))).items
    assert [(one["item"], one["quantity"]) for one in done.trade.initiator_offer + done.trade.receiver_offer] == [
        ("arrow", 10),
        ("coins", 80),
    ]
    assert (done.trade.status, second.next_cursor) == ("completed", None)


# Abuse, by the numbers of the checklist


async def test_abuse_25_an_offer_swapped_after_the_partner_confirmed_voids_the_confirmation(keep: Keep, pair: tuple[str, str]) -> None:
    ada, bob = pair
    trade = await begin(keep, ada, bob)
    await offer(keep, ada, trade, TEN)
    seen = await agree(keep, trade, bob)

    await offer(keep, ada, trade, trades.OfferedItem(slot=0, quantity=1))
    with pytest.raises(trades.StaleRevision) as refused:
        await keep.do(trades.accept(character=bob, trade=trade, revision=seen.revision))
    await agree(keep, trade, ada)

    assert (refused.value.facts["seen"], refused.value.facts["current"]) == (1, 2)
    now = await keep.ask(trades.show(trade=trade))
    assert (now.status, now.receiver_accepted_revision) == ("open", None)


async def test_abuse_25_on_the_second_screen_a_new_offer_leads_back_to_the_first(keep: Keep, pair: tuple[str, str]) -> None:
    ada, bob = pair
    trade = await begin(keep, ada, bob)
    await offer(keep, ada, trade, TEN)
    await agree(keep, trade, ada, bob)
    await agree(keep, trade, bob)

    back = await offer(keep, ada, trade)
    state = await agree(keep, trade, ada)

    assert (back.status, back.screen, state.status) == ("open", "offer", "open")
    assert await totals(keep, pair, "arrow") == [50, 0]


async def test_abuse_26_both_confirm_while_one_cancels(keep: Keep, pair: tuple[str, str]) -> None:
    ada, bob = pair
    trade = await begin(keep, ada, bob)
    await offer(keep, ada, trade, TEN)
    revision = (await agree(keep, trade, ada, bob)).revision

    outcomes = await asyncio.gather(
        keep.do(trades.accept(character=ada, trade=trade, revision=revision)),
        keep.do(trades.cancel(character=ada, trade=trade)),
        keep.do(trades.accept(character=bob, trade=trade, revision=revision)),
        return_exceptions=True,
    )

    status = (await keep.ask(trades.show(trade=trade))).status
    assert status in ("completed", "cancelled")
    assert all(isinstance(one, trades.TradeState | trades.InvalidTrade) for one in outcomes)
    assert await totals(keep, pair, "arrow") == ([40, 10] if status == "completed" else [50, 0])
    await adds_up(keep)


@pytest.mark.parametrize("how", ["dropped in part", "given away", "worn", "another one in its slot", "other metadata"])
async def test_abuse_27_what_was_offered_and_then_went_elsewhere_is_not_traded(keep: Keep, pair: tuple[str, str], how: str) -> None:
    ada, bob = pair
    (cid,) = await people(keep, "Cid")
    await keep.do(items.grant(holder=ada, item="crown", quantity=2, source="test"))
    trade = await begin(keep, ada, bob)
    slot, quantity = (0, 50) if how in ("dropped in part", "given away", "other metadata") else (1, 1)
    await offer(keep, ada, trade, trades.OfferedItem(slot=slot, quantity=quantity))
    await agree(keep, trade, ada, bob)
    if how == "dropped in part":
        await keep.do(items.use_up(holder=ada, item="arrow", quantity=1, sink="shooting"))
    elif how == "given away":
        await keep.do(items.give(giver=ada, receiver=cid, item="arrow", quantity=50))
    elif how == "worn":
        await keep.do(items.equip(character=ada, slot=1))
    elif how == "another one in its slot":
        await keep.do(items.move(holder=ada, from_container="inventory", from_slot=1, to_container="inventory", to_slot=2))
    else:
        await keep.do(items.use_up(holder=ada, item="arrow", quantity=50, sink="shooting"))
        await keep.do(items.grant(holder=ada, item="arrow", quantity=50, source="test", metadata={"bent": True}))
    before = await lying(keep, ada)

    with pytest.raises(trades.ItemChanged) as refused:
        await agree(keep, trade, ada, bob)

    assert refused.value.facts == {"character": ada, "slot": slot}
    assert (await lying(keep, ada), await lying(keep, bob)) == (before, {0: ("coins", 80)})
    assert (await keep.ask(trades.show(trade=trade))).status == "confirmed"
    await adds_up(keep)


async def test_abuse_27_one_thing_cannot_be_in_two_trades(keep: Keep, pair: tuple[str, str]) -> None:
    ada, bob = pair
    others = await people(keep, "Cid", "Dan", "Eve")

    outcomes = await asyncio.gather(
        *(keep.do(trades.request(initiator=ada, receiver=other)) for other in (bob, *others)), return_exceptions=True
    )

    assert sum(isinstance(one, trades.TradeState) for one in outcomes) == 1
    assert sum(isinstance(one, trades.AlreadyInTrade) for one in outcomes) == 3


async def test_abuse_28_nobody_trades_with_oneself(keep: Keep, pair: tuple[str, str]) -> None:
    with pytest.raises(items.SelfTrade):
        await keep.do(trades.request(initiator=pair[0], receiver=pair[0]))


async def test_abuse_29_a_circle_of_three_neither_hangs_nor_gives_two_trades(keep: Keep) -> None:
    three = await people(keep, "Ada", "Bob", "Cid")

    outcomes = await asyncio.wait_for(
        asyncio.gather(
            *(keep.do(trades.request(initiator=three[i], receiver=three[(i + 1) % 3])) for i in range(3)), return_exceptions=True
        ),
        timeout=30,
    )

    (made,) = [one for one in outcomes if isinstance(one, trades.TradeState)]
    assert all(isinstance(one, trades.AlreadyInTrade | trades.PlayerBusy) for one in outcomes if one is not made)


async def test_abuse_29_two_characters_of_one_player_keep_the_sum(keep: Keep, pair: tuple[str, str]) -> None:
    ada, bob = pair
    trade = await begin(keep, ada, bob)
    await offer(keep, ada, trade, TEN)
    await offer(keep, bob, trade, TEN)

    for _ in range(2):
        revision = (await keep.ask(trades.show(trade=trade))).revision
        await asyncio.gather(*(keep.do(trades.accept(character=who, trade=trade, revision=revision)) for who in (ada, bob)))

    assert (await totals(keep, pair, "arrow"), await totals(keep, pair, "coins")) == ([40, 10], [10, 70])
    await adds_up(keep)


async def test_abuse_30_a_confirmation_that_is_replayed_counts_once(keep: Keep, pair: tuple[str, str]) -> None:
    ada, bob = pair
    trade = await begin(keep, ada, bob)
    await offer(keep, ada, trade, TEN)

    # Ada's double click on the first screen must not agree to the second one.
    await keep.do(trades.accept(character=bob, trade=trade, revision=1))
    await keep.do(trades.accept(character=ada, trade=trade, revision=1))
    with pytest.raises(trades.StaleRevision):
        await keep.do(trades.accept(character=ada, trade=trade, revision=1))
    assert (await keep.ask(trades.show(trade=trade))).initiator_accepted_revision is None

    await keep.do(trades.accept(character=bob, trade=trade, revision=2))
    await keep.do(trades.accept(character=bob, trade=trade, revision=2))
    last = trades.accept(character=ada, trade=trade, revision=2)
    outcomes = await asyncio.gather(
        *(keep.do(last, key="click") for _ in range(5)), *(keep.do(last) for _ in range(5)), return_exceptions=True
    )

    assert {one.status for one in outcomes if isinstance(one, trades.TradeState)} == {"completed"}
    assert all(isinstance(one, trades.TradeState | trades.InvalidTrade) for one in outcomes)
    assert await totals(keep, pair, "arrow") == [40, 10]
    await adds_up(keep)


async def test_abuse_39_no_room_on_one_side_only_stops_both(keep: Keep, pair: tuple[str, str]) -> None:
    ada, bob = pair
    await fill(keep, bob, 27)
    trade = await begin(keep, ada, bob)
    await offer(keep, ada, trade, TEN)
    await offer(keep, bob, trade, TEN)
    await agree(keep, trade, ada, bob)
    before = await lying(keep, ada), await lying(keep, bob)

    with pytest.raises(trades.InventoryFullRecipient):
        await agree(keep, trade, ada, bob)
    assert (await lying(keep, ada), await lying(keep, bob)) == before

    # With all of the slot offered, what Bob gives makes room for what he gets.
    await offer(keep, bob, trade, trades.OfferedItem(slot=0, quantity=80))
    await agree(keep, trade, ada, bob)
    done = await agree(keep, trade, ada, bob)
    assert done.status == "completed"
    assert (await lying(keep, bob))[0] == ("arrow", 10)
    await adds_up(keep)


async def test_abuse_39_the_initiator_may_be_the_one_without_room(keep: Keep, pair: tuple[str, str]) -> None:
    ada, bob = pair
    await fill(keep, ada, 27)
    trade = await begin(keep, ada, bob)
    await offer(keep, bob, trade, TEN)
    await agree(keep, trade, ada, bob)

    with pytest.raises(trades.InventoryFullInitiator):
        await agree(keep, trade, bob, ada)

    assert await totals(keep, pair, "coins") == [0, 80]


@pytest.mark.parametrize("quantity", [-5, 0, 2**53, 10**30, 0.5, 1e3, "5", True, float("nan"), None], ids=str)
def test_abuse_41_to_44_an_offered_quantity_is_an_integer_from_1(quantity: Any) -> None:
    with pytest.raises(InvalidArgument):
        trades.offer.call({"character": "ada", "trade": "t", "items": [{"slot": 0, "quantity": quantity}]})


async def test_abuse_49_one_slot_offered_twice_is_refused(keep: Keep, pair: tuple[str, str]) -> None:
    ada, bob = pair
    trade = await begin(keep, ada, bob)
    half = trades.OfferedItem(slot=0, quantity=25)

    with pytest.raises(items.InvalidSlot):
        await offer(keep, ada, trade, half, half)
    with pytest.raises(items.InvalidSlot):
        await offer(keep, ada, trade, half, msgspec.structs.replace(half, item="arrow"))


async def test_any_moves_of_both_sides_at_once_add_up(keep: Keep, pair: tuple[str, str]) -> None:
    ada, bob = pair
    trade = await begin(keep, ada, bob)
    steps: list[Any] = []
    for revision in range(12):
        for who in pair:
            steps += [
                trades.offer(character=who, trade=trade, items=[trades.OfferedItem(slot=0, quantity=1 + revision)]),
                trades.accept(character=who, trade=trade, revision=revision),
                trades.accept(character=who, trade=trade, revision=revision + 1),
            ]

    outcomes = await asyncio.gather(*map(keep.do, steps), return_exceptions=True)

    assert [one for one in outcomes if isinstance(one, BaseException) and not isinstance(one, GameError)] == []
    assert (sum(await totals(keep, pair, "arrow")), sum(await totals(keep, pair, "coins"))) == (50, 80)
    await adds_up(keep)

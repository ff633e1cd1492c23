"""Abuse of characters that change their name or their owner while something goes on: number 23 of the list of known dupes."""

import pytest

import gamekeeper
from gamekeeper.errors import NameTaken
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import characters, guests, items, sessions, trades, users
from tests.modules import scene

DAY = 24 * 60 * 60


async def half_traded(keep: Keep, ada: str, bob: str) -> trades.TradeState:
    """A trade of Ada's crown for Bob's arrows, which both have agreed to once."""
    await scene.stock(keep)
    await keep.do(items.grant(holder=ada, item="crown", quantity=1, source="loot"))
    await keep.do(items.grant(holder=bob, item="arrow", quantity=5, source="loot"))
    trade = (await keep.do(trades.request(initiator=ada, receiver=bob))).trade_id
    state = await keep.do(trades.respond(character=bob, trade=trade, accept=True))
    for character in (ada, bob):
        quantity = 1 if character == ada else 5
        state = await keep.do(trades.offer(character=character, trade=trade, items=[trades.OfferedItem(slot=0, quantity=quantity)]))
    for character in (ada, bob):
        state = await keep.do(trades.accept(character=character, trade=trade, revision=state.revision))
    return state


async def test_abuse_23_a_new_name_takes_along_the_trade_and_the_session_and_the_old_one_gets_neither(keep: Keep) -> None:
    """Names are free again at once; whatever goes on goes on under the id."""
    for user in ("ann", "eve"):
        await keep.do(users.create_guest(user=user))
    await keep.do(characters.create(user="ann", character="ada", name="Ada"))
    await keep.do(characters.create(character="bob", name="Bob"))
    opened, stranger = [await keep.do(sessions.open_session(user=user)) for user in ("ann", "eve")]
    await keep.do(characters.select(user="ann", session_id=opened.session_id, character="ada"))
    state = await half_traded(keep, "ada", "bob")

    await keep.do(characters.rename(character="ada", name="Ada the Second"))
    await keep.do(characters.create(user="eve", character="thief", name="Ada"))
    with pytest.raises(trades.NotInTrade):
        await keep.do(trades.accept(character="thief", trade=state.trade_id, revision=state.revision))
    with pytest.raises(sessions.SessionNotFound):
        await keep.do(characters.select(user="eve", session_id=opened.session_id, character="thief"))
    await keep.do(characters.select(user="eve", session_id=stranger.session_id, character="thief"))

    for character in ("ada", "bob"):
        state = await keep.do(trades.accept(character=character, trade=state.trade_id, revision=state.revision))
    assert state.status == "completed"
    assert await scene.totals(keep, ["ada", "bob", "thief"], "crown") == [0, 1, 0]
    assert await scene.totals(keep, ["ada", "bob", "thief"], "arrow") == [5, 0, 0]
    found = await keep.ask(sessions.by_token(token=opened.token))
    assert found is not None
    assert found.character_id == "ada"
    await scene.adds_up(keep)
    assert (await verify(keep)).problems == []


async def test_abuse_23_a_character_that_leaves_its_user_takes_everything_along_and_is_played_by_nobody(database_url: str) -> None:
    """Its user goes with half of a trade agreed to; neither the next of that name nor another user can end it in the old one's place."""
    clock = ManualClock()
    async with gamekeeper.open(database_url, create=True, clock=clock, allow_unsafe_postgres=True) as keep:
        ann = await keep.do(guests.create(name="Ada"))
        ada = ann.character_id
        await keep.do(characters.create(character="bob", name="Bob"))
        await keep.do(characters.select(user=ann.user_id, session_id=ann.session_id, character=ada))
        clock.move(DAY - 60)
        state = await half_traded(keep, ada, "bob")
        clock.move(60)

        assert (await keep.do(guests.purge())).characters == 1

        assert await keep.ask(sessions.by_token(token=ann.token)) is None
        eve = (await keep.do(users.create_guest())).user_id
        opened = await keep.do(sessions.open_session(user=eve))
        with pytest.raises(characters.CharacterNotYours):
            await keep.do(characters.select(user=eve, session_id=opened.session_id, character=ada))
        with pytest.raises(NameTaken):
            await keep.do(characters.create(user=eve, name="Ada"))
        # The other side alone completes nothing.
        assert (await keep.do(trades.accept(character="bob", trade=state.trade_id, revision=state.revision))).status != "completed"
        clock.move(301)
        assert (await keep.do(trades.time_out(trade=state.trade_id))).status == "cancelled"

        assert await scene.totals(keep, [ada, "bob"], "crown") == [1, 0]
        assert await scene.totals(keep, [ada, "bob"], "arrow") == [0, 5]
        await scene.adds_up(keep)
        assert (await verify(keep)).problems == []

"""Stores: money, goods and stock change together or not at all, prices follow the stock, and nobody gains by going round."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

import gamekeeper
from gamekeeper.errors import GameError
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import characters, content, items, npcs, stores, worlds
from gamekeeper.modules.stores import rules
from tests.modules import scene

MILL: Final = stores.StoreDefinition(
    id="mill",
    name="Mill",
    items=(
        stores.StockedItem(item="axe", stock=5, restock_ticks=100),
        stores.StockedItem(item="flour"),
        stores.StockedItem(item="crown", price=900, stock=1),
    ),
    buys="anything",
    sells_at_bp=13_000,
    buys_at_bp=4_000,
    price_step_bp=300,
    restock_ticks=10,
)
SMITH: Final = stores.StoreDefinition(id="smith", name="Smith", items=(stores.StockedItem(item="axe", price=30, stock=1),), buys="stocked")
SHUT: Final = stores.StoreDefinition(id="shut", name="Shut", items=(stores.StockedItem(item="axe"),))
WARES: Final = (
    *scene.ALL,
    content.ItemDefinition(id="axe", name="Axe", noteable=True, value=40),
    content.ItemDefinition(id="flour", name="Flour", stackable=True, value=3),
)


@pytest.fixture
async def market(database_url: str, clock: ManualClock) -> AsyncIterator[Keep]:
    """A keep with three stores and a world in which they stand."""
    async with gamekeeper.open(database_url, create=True, clock=clock, allow_unsafe_postgres=True) as keep:
        await keep.do(content.load_pack(pack=scene.pack(*WARES, MILL, SMITH, SHUT)))
        await keep.do(worlds.create_world(world="vale", name="Vale"))
        yield keep


async def customer(keep: Keep, name: str = "Ada", *, coins: int = 0, **things: int) -> str:
    """Somebody with money in the pouch, and things."""
    (one,) = await scene.people(keep, name)
    lines = [items.Line(item, quantity) for item, quantity in things.items()]
    if coins:
        lines.append(items.Line("coins", coins, "pouch"))
    if lines:
        await keep.do(items.grant_many(holder=one, items=lines, source="test"))
    return one


async def coins_of(keep: Keep, who: str) -> int:
    """Money, wherever it is."""
    return await keep.ask(items.held(holder=who, item="coins"))


async def offers(keep: Keep, store: str = "mill") -> dict[str, tuple[int | None, int | None, int | None]]:
    """Stock and both prices by item."""
    seen = await keep.ask(stores.show(world="vale", store=store))
    return {one.item: (one.stock, one.sells_at, one.buys_at) for one in seen.offers}


async def test_money_goods_and_stock_change_in_one_command(market: Keep) -> None:
    ada = await customer(market, coins=100)
    await market.do(items.grant(holder=ada, item="coins", quantity=90, source="test"))
    assert await offers(market) == {"axe": (5, 52, 16), "flour": (None, 4, 1), "crown": (1, 1170, 360)}

    bought = await market.do(stores.buy(character=ada, world="vale", store="mill", item="axe", quantity=3, expected_price=160))
    assert bought == stores.Bought("axe", 3, 160, [1, 2, 3], 2)
    assert await scene.lying(market, ada, "pouch") == {}
    assert await scene.lying(market, ada) == {0: ("coins", 30), 1: ("axe", 1), 2: ("axe", 1), 3: ("axe", 1)}
    await market.do(stores.buy(character=ada, world="vale", store="mill", item="flour", quantity=7))
    assert await offers(market) == {"axe": (2, 56, 19), "flour": (None, 4, 1), "crown": (1, 1170, 360)}

    sold = await market.do(stores.sell(character=ada, world="vale", store="mill", item="axe", quantity=2))
    assert sold == stores.Sold("axe", 2, 38, 4)
    assert await scene.lying(market, ada, "pouch") == {0: ("coins", 38)}
    logs = await customer(market, "Bob", logs=2)
    assert await market.do(stores.sell(character=logs, world="vale", store="mill", item="logs", quantity=2)) == stores.Sold("logs", 2, 0, 2)
    assert (await offers(market))["logs"] == (2, 0, 0)

    flows = await market.ask(items.economy())
    assert {(one.account, one.item): one.quantity for one in flows.sinks} == {
        ("burn:store_mill", "coins"): 188,
        ("burn:store_mill", "axe"): 2,
        ("burn:store_mill", "logs"): 2,
    }
    assert ("mint:store_mill", "coins", 38) in {(one.account, one.item, one.quantity) for one in flows.sources}
    await scene.adds_up(market)
    assert (await verify(market)).ok


async def test_what_has_a_name_or_an_id_of_its_own_is_not_sold_and_a_note_counts_as_its_item(market: Keep) -> None:
    ada = await customer(market, crown=1, axe_noted=3)
    await market.do(items.grant(holder=ada, item="axe", quantity=1, source="test", metadata={"smith": "Cid"}))
    for item in ("crown", "axe"):
        with pytest.raises(items.ItemNotFound):
            await market.do(stores.sell(character=ada, world="vale", store="mill", item=item))

    sold = await market.do(stores.sell(character=ada, world="vale", store="mill", item="axe_noted", quantity=2))

    assert (sold.price, sold.stock_left) == (30, 7)
    assert (await offers(market))["axe"][0] == 7
    assert await scene.totals(market, [ada], "axe_noted") == [1]
    with pytest.raises(stores.ItemNotInStore):
        await market.do(stores.buy(character=ada, world="vale", store="mill", item="axe_noted"))
    await scene.adds_up(market)


REFUSED: Final[tuple[tuple[dict[str, Any], str], ...]] = (
    ({"store": "moon"}, "STORE_NOT_FOUND"),
    ({"store": "smith", "item": "flour"}, "ITEM_NOT_IN_STORE"),
    ({"item": "coins"}, "ITEM_NOT_IN_STORE"),
    ({"item": "unicorn"}, "UNKNOWN_ITEM"),
    ({"item": "logs"}, "NOT_ENOUGH_STOCK"),
    ({"quantity": 6}, "NOT_ENOUGH_STOCK"),
    ({"item": "crown"}, "INSUFFICIENT_COINS"),
    ({"item": "flour", "quantity": 2**53 - 1}, "PRICE_OVERFLOW"),
    ({"expected_price": 51}, "PRICE_CHANGED"),
    ({"quantity": 2}, "INVENTORY_FULL"),
    ({"world": "00000000-0000-0000-0000-000000000001"}, "WORLD_NOT_FOUND"),
    ({"sell": True, "store": "shut"}, "ITEM_NOT_IN_STORE"),
    ({"sell": True, "store": "smith", "item": "logs"}, "ITEM_NOT_IN_STORE"),
    ({"sell": True, "item": "coins"}, "ITEM_NOT_IN_STORE"),
    ({"sell": True, "item": "cell_key"}, "UNTRADEABLE_ITEM"),
    ({"sell": True, "item": "helm"}, "ITEM_NOT_FOUND"),
    ({"sell": True, "item": "logs", "quantity": 30}, "INSUFFICIENT_QUANTITY"),
    ({"sell": True, "expected_price": 20}, "PRICE_CHANGED"),
)


async def test_a_refusal_changes_nothing(market: Keep) -> None:
    ada = await customer(market, coins=200, axe=1, cell_key=1, logs=25)
    before = await market.ask(items.inventory(holder=ada)), await offers(market)
    for given, code in REFUSED:
        verb = stores.sell if "sell" in given else stores.buy
        arguments = {"character": ada, "world": "vale", "store": "mill", "item": "axe"} | given
        arguments.pop("sell", None)

        with pytest.raises(GameError) as refused:
            await market.do(verb(**arguments))

        assert refused.value.code == code, given
        assert (await market.ask(items.inventory(holder=ada)), await offers(market)) == before
    await scene.adds_up(market)


async def test_the_last_one_goes_to_one_of_fifty_and_the_others_keep_their_money(market: Keep) -> None:
    buyers = [await customer(market, f"Buyer {a}{b}", coins=100) for a in "abcde" for b in "abcdefghij"]

    tries = [market.do(stores.buy(character=one, world="vale", store="smith", item="axe")) for one in buyers]
    answers = await asyncio.gather(*tries, return_exceptions=True)

    winners = [one for one in answers if isinstance(one, stores.Bought)]
    losers = [one for one in answers if isinstance(one, stores.NotEnoughStock)]
    assert (len(winners), len(losers)) == (1, 49)
    assert sorted(await scene.totals(market, buyers, "coins")) == [70] + [100] * 49
    assert sum(await scene.totals(market, buyers, "axe")) == 1
    assert await offers(market, "smith") == {"axe": (0, None, 15)}
    await scene.adds_up(market)


async def test_stock_comes_back_with_time_and_what_players_sold_goes(market: Keep, clock: ManualClock) -> None:
    ada = await customer(market, coins=1_000, logs=3)
    tick = npcs.TICK_MS
    await market.do(stores.buy(character=ada, world="vale", store="mill", item="axe", quantity=3))
    await market.do(stores.sell(character=ada, world="vale", store="mill", item="logs", quantity=3))

    clock.move(15 * tick / 1000)
    assert {item: one[0] for item, one in (await offers(market)).items()} == {"axe": 2, "flour": None, "crown": 1, "logs": 2}
    # What is on its way stays on its way when somebody buys.
    clock.move(84 * tick / 1000)
    await market.do(stores.buy(character=ada, world="vale", store="mill", item="axe"))
    assert (await offers(market))["axe"][0] == 1
    clock.move(tick / 1000)
    assert (await offers(market))["axe"][0] == 2
    assert "logs" not in await offers(market)
    clock.move(10_000 * tick / 1000)
    assert (await market.do(stores.buy(character=ada, world="vale", store="mill", item="axe"))).stock_left == 4
    # It does not fall behind while it is full: the next piece takes its whole time.
    clock.move(99 * tick / 1000)
    assert (await offers(market))["axe"][0] == 4


async def test_seed_000_defect_04_coins_do_not_revert_after_shopping(market: Keep, database_url: str) -> None:
    ada = await customer(market, coins=500)
    async with market.lease(ada):
        # A checkpoint is on its way while the purchase commits; nothing that is saved later may bring the old purse back.
        await market.do(characters.move_to(character=ada, room_id="mill", x=1.0))
        await market.do(stores.buy(character=ada, world="vale", store="mill", item="axe", quantity=2), key="shopping")
        await market.do(characters.move_to(character=ada, room_id="mill", x=2.0))
        await market.leasing.flush()
        assert await coins_of(market, ada) == 500 - 106
        # What is bought next is paid from the purse as it is by now, and not from the one that was remembered.
        flour = await market.do(stores.buy(character=ada, world="vale", store="mill", item="flour"))
        left = 500 - 106 - flour.price
        assert await coins_of(market, ada) == left
    market.runner.cache.drop(ada)
    await market.do(stores.buy(character=ada, world="vale", store="mill", item="axe", quantity=2), key="shopping")
    assert await coins_of(market, ada) == left

    async with gamekeeper.open(database_url, allow_unsafe_postgres=True) as again:
        assert await coins_of(again, ada) == left
        assert await scene.totals(again, [ada], "axe") == [2]
        await scene.adds_up(again)


async def test_another_list_makes_nothing_of_what_players_have(market: Keep) -> None:
    ada = await customer(market, coins=500)
    await market.do(stores.buy(character=ada, world="vale", store="smith", item="axe"))
    endless = stores.StoreDefinition(id="smith", name="Smith", items=(stores.StockedItem(item="axe", price=30),))
    await market.do(content.load_pack(pack=scene.pack(*WARES, MILL, endless, version="2")))
    await market.load_content()

    assert await offers(market, "smith") == {"axe": (None, 30, None)}
    assert (await market.do(stores.buy(character=ada, world="vale", store="smith", item="axe", quantity=4))).stock_left is None
    with pytest.raises(stores.StoreNotFound):
        await market.do(stores.buy(character=ada, world="vale", store="shut", item="axe"))
    assert await scene.totals(market, [ada], "axe") == [5]
    assert [one.id for one in (await market.ask(stores.list_stores(limit=1))).items] == ["mill"]
    await scene.adds_up(market)


def test_whoever_goes_round_never_gains() -> None:
    dice = random.Random(7)
    for _ in range(2_000):
        sells = dice.randrange(1_000, 30_000)
        step = dice.choice((0, dice.randrange(0, 900)))
        if step > sells:
            continue
        store = stores.StoreDefinition(
            id="odd", name="Odd", sells_at_bp=sells, price_step_bp=step, buys_at_bp=dice.randrange(0, sells - step + 1)
        )
        assert not dict(store.contradictions())
        shelf = rules.Shelf(dice.choice((0, 1, 7, 100, 12_345)), dice.choice((None, 0, 5, 400)), 0)
        stock = dice.randrange(1, 500) if shelf.usual is not None else 0
        many = dice.randrange(1, stock + 1) if shelf.usual is not None else dice.randrange(1, 500)
        paid, after = rules.cost(store, shelf, stock, many), stock - many if shelf.usual is not None else 0

        assert rules.payment(store, shelf, after, many) <= paid
        assert sum(rules.payment(store, shelf, after + done if shelf.usual is not None else 0, 1) for done in range(many)) <= paid
        one_by_one = [rules.cost(store, shelf, stock - done if shelf.usual is not None else 0, 1) for done in range(many)]
        assert paid <= sum(one_by_one) <= paid + many


def test_a_sum_of_prices_is_the_sum_of_the_prices() -> None:
    dice = random.Random(11)
    for _ in range(2_000):
        first, step, count, least = dice.randrange(-500, 500), dice.randrange(-60, 60), dice.randrange(1, 60), dice.randrange(0, 100)
        assert rules.sum_of(first, step, count, least) == sum(max(least, first + step * place) for place in range(count))

"""Defects of the seeds, put in on purpose: the named test of each goes red. A test that stays green is no proof that they are out."""

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import pytest

from gamekeeper.errors import GameError
from gamekeeper.keep import Keep
from gamekeeper.kernel.batch import Runner
from gamekeeper.kernel.commands import Call, Prepared, command
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.store.base import RootRow
from gamekeeper.kernel.submissions import Plan
from gamekeeper.kernel.workingset import Context, OwnerState
from gamekeeper.modules import characters, combat, items
from tests.crash.raw import raw
from tests.modules import test_banks, test_combat, test_essences, test_stores
from tests.modules.test_stores import market
from tests.seeds import test_seed_000_defects

__all__ = ["market"]

Patch = pytest.MonkeyPatch
Do = Callable[..., Awaitable[Any]]


def instead_of(patch: Patch, one: Any, what: Callable[[Do, Keep, Call[Any], dict[str, Any]], Awaitable[Any]]) -> None:
    """Let every keep do something else when it is told to do a command of one name."""
    do = Keep.do

    async def otherwise(self: Keep, *calls: Call[Any], **how: Any) -> Any:
        if len(calls) == 1 and calls[0].command is one:
            return await what(do, self, calls[0], how)
        return await do(self, *calls, **how)

    patch.setattr(Keep, "do", otherwise)


def who(call: Call[Any]) -> str:
    """The character that acts."""
    return call.owners[0]


def of(how: dict[str, Any], step: str) -> dict[str, Any]:
    """The words for one of several steps: a key of its own, so that a retry does no step twice."""
    return how | {"key": f"{how['key']}:{step}"} if how.get("key") else how


async def test_seed_000_defect_02_put_in(database_url: str, monkeypatch: Patch) -> None:
    async def take_off_and_then_put_on(do: Do, keep: Keep, call: Call[Any], how: dict[str, Any]) -> Any:
        with contextlib.suppress(items.SlotEmpty):
            await do(keep, items.unequip(character=who(call), equip_slot="helmet"), **of(how, "off"))
        return await do(keep, call, **how)

    instead_of(monkeypatch, items.equip, take_off_and_then_put_on)
    with pytest.raises(AssertionError):
        await test_seed_000_defects.test_seed_000_defect_02_what_is_worn_is_never_between_taken_off_and_put_on(database_url)


def keep_the_old_purse_in_memory(patch: Patch) -> None:
    """Let the memory of a process not learn what a command has changed of things and coins."""
    finish = Runner.finish

    def forgetful(self: Runner, plan: Plan) -> None:
        for draft in plan.drafts.values():
            if items.Holding in draft.state.tables:
                draft.tables.pop(items.Holding, None)
        finish(self, plan)

    patch.setattr(Runner, "finish", forgetful)


async def test_seed_000_defect_04_put_in_by_memory_that_keeps_the_old_purse(market: Keep, database_url: str, monkeypatch: Patch) -> None:
    keep_the_old_purse_in_memory(monkeypatch)
    with pytest.raises(AssertionError):
        await test_stores.test_seed_000_defect_04_coins_do_not_revert_after_shopping(market, database_url)


@command(touches=[items.Holding], module="purse_cheats")
def save_purse(ctx: Context, *, character: characters.CharacterId, coins: int) -> None:
    """Save a purse as it was remembered, over what there is."""
    (row,) = [one for one in ctx.rows(items.Holding, character) if (one.container, one.item_id) == ("pouch", "coins")]
    ctx.change(row, quantity=coins)


async def test_seed_000_defect_04_put_in_by_a_save_of_the_old_purse(market: Keep, database_url: str, monkeypatch: Patch) -> None:
    remembered: dict[str, int] = {}
    do = market.do

    async def remember(do: Do, keep: Keep, call: Call[Any], how: dict[str, Any]) -> Any:
        remembered.setdefault(who(call), await keep.ask(items.held(holder=who(call), item="coins")))
        return await do(keep, call, **how)

    async def save() -> None:
        for one, coins in remembered.items():
            await do(save_purse(character=one, coins=coins))

    instead_of(monkeypatch, characters.move_to, remember)
    monkeypatch.setattr(market.leasing, "flush", save)
    with pytest.raises(AssertionError):
        await test_stores.test_seed_000_defect_04_coins_do_not_revert_after_shopping(market, database_url)


async def test_seed_000_defect_04_put_in_at_the_bank(keep: Keep, monkeypatch: Patch) -> None:
    keep_the_old_purse_in_memory(monkeypatch)
    with pytest.raises((AssertionError, GameError)):
        await test_banks.test_seed_000_defect_04_coins_of_the_bank_never_come_back_from_an_older_balance(keep)


TAKEN: list[items.Parcel] = []
"""What memory holds between the two steps of a death."""


class _Grave(Protocol):
    gravestone: str


async def _grave_in(_: Reader, arguments: _Grave) -> Prepared:
    return Prepared(owners=(arguments.gravestone,))


@command(touches=[items.Holding, items.ItemMovement], prepare=_grave_in, module="death_cheats")
def bury_later(ctx: Context, *, character: characters.CharacterId, gravestone: str) -> None:
    """Lay into a gravestone what a death has taken, after the death is committed."""
    for slot, parcel in enumerate(TAKEN):
        items.put_at(ctx, gravestone, parcel, "gravestone", slot, reason="death")


async def test_seed_000_defect_18_put_in(sqlite_url: str, monkeypatch: Patch) -> None:
    def only_remember(_: Context, holder: str, parcel: items.Parcel, container: str, slot: int, *, reason: str) -> None:
        TAKEN.append(parcel)

    async def die_and_then_bury(do: Do, keep: Keep, call: Call[Any], how: dict[str, Any]) -> Any:
        TAKEN.clear()
        with monkeypatch.context() as patch:
            patch.setattr(items, "put_at", only_remember)
            died = await do(keep, call, **how)
        await do(keep, bury_later(character=who(call), gravestone=died.gravestone_id))
        return died

    instead_of(monkeypatch, combat.die, die_and_then_bury)
    with pytest.raises(AssertionError, match=r"\(\{\}, \{\}\)"):
        await test_combat.test_seed_000_defect_18_a_death_is_whole_wherever_the_server_falls_during_it(sqlite_url, "lost_before")


async def test_seed_001_defect_4_put_in(keep: Keep, monkeypatch: Patch) -> None:
    note_root = Runner.note_root

    def take_only_the_version(self: Runner, root: RootRow) -> OwnerState:
        state = self.cache.peek(root.id)
        if state is None:
            return note_root(self, root)
        state.version, state.epoch, state.head, state.seq = root.version, root.epoch, root.head, root.seq
        return state

    monkeypatch.setattr(Runner, "note_root", take_only_the_version)
    with pytest.raises(AssertionError):
        await test_essences.test_seed_001_defect_4_the_last_writer_wins(keep)


async def test_seed_001_defect_6_put_in(keep: Keep, database_url: str, monkeypatch: Patch) -> None:
    async def take_along(do: Do, keep: Keep, call: Call[Any], how: dict[str, Any]) -> Any:
        answer = await do(keep, call, **how)
        async with raw(database_url) as database:
            await database.rows("DELETE FROM character_essences WHERE character_id = ?", who(call))
        return answer

    instead_of(monkeypatch, characters.delete, take_along)
    with pytest.raises(AssertionError):
        await test_essences.test_seed_001_defect_6_a_deletion_that_takes_the_essences_along(keep)

"""Mossbrook: what `gamekeeper dev` fills a new world with."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from gamekeeper.cli import founding
from gamekeeper.cli.mossbrook import BARGAINS, FALLEN, PEOPLE, PLAYERS, WORLD, id_of
from gamekeeper.errors import Busy
from gamekeeper.keep import Keep
from gamekeeper.kernel.commands import Call
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import characters, items, sessions, trades, users, worlds
from tests.modules.scene import adds_up


async def test_a_new_world_lives(keep: Keep) -> None:
    begun = await founding.begin(keep, empty=False)

    people = (await keep.ask(characters.list_characters(world_id=WORLD, limit=200))).items
    assert [one.name for one in sorted(people, key=lambda one: one.name)] == sorted(name for name, _ in PEOPLE)
    assert len(people) == 50
    assert Counter(one.status for one in (await keep.ask(trades.list_trades(limit=200))).items) == Counter(
        completed=7, confirmed=1, open=2, cancelled=1, declined=1
    )
    held = [row for one in people for row in await keep.ask(items.inventory(holder=one.character_id))]
    assert {row.container for row in held} >= {"inventory", "equipment", "pouch", "bank:0"}
    assert len({row.item for row in held}) > 30
    assert not any(row.unknown for row in held)
    fallen = await keep.ask(items.inventory(holder=WORLD, container="ground"))
    assert len(fallen) == len(FALLEN)
    assert (await keep.ask(worlds.show(world=WORLD))).name == "Mossbrook"
    assert (begun.founded, begun.lives) == (True, True)
    await adds_up(keep)
    assert (await verify(keep)).problems == []


async def test_the_first_keys_open_what_they_are_for(keep: Keep) -> None:
    keys = (await founding.begin(keep, empty=True)).keys

    assert keys is not None
    server, operator = [await keep.ask(sessions.by_key(key=key)) for key in (keys.server, keys.operator)]
    assert server is not None
    assert operator is not None
    assert (server.scopes, operator.scopes) == (["*"], ["operator.*"])


async def test_nobody_knows_the_passwords_of_the_founding(keep: Keep) -> None:
    await founding.begin(keep, empty=False)

    everybody = (await keep.ask(users.list_users(limit=200))).items
    assert {one.username for one in everybody} == {*PLAYERS, founding.OPERATOR_NAME}
    with pytest.raises(sessions.BadCredentials):
        await keep.do(sessions.login(username=PLAYERS[0], password=PLAYERS[0]))


async def test_a_second_start_changes_nothing(keep: Keep) -> None:
    await founding.begin(keep, empty=False)
    before = await verify(keep)

    begun = await founding.begin(keep, empty=False)

    after = await verify(keep)
    assert (begun.keys, begun.founded, begun.lives) == (None, False, True)
    assert (after.owners, after.entries, after.rows) == (before.owners, before.entries, before.rows)


async def test_an_empty_world_stays_empty(keep: Keep) -> None:
    begun = await founding.begin(keep, empty=True)

    assert (begun.founded, begun.lives) == (False, False)
    assert (await keep.ask(characters.list_characters())).items == []
    assert (await founding.begin(keep, empty=False)).founded is False


async def test_a_world_that_began_elsewhere_is_left_alone(keep: Keep) -> None:
    await keep.do(characters.create(name="Ada"))

    begun = await founding.begin(keep, empty=False)

    assert (begun.keys, begun.founded, begun.lives) == (None, False, False)
    assert [one.name for one in (await keep.ask(characters.list_characters())).items] == ["Ada"]
    assert (await keep.ask(users.list_users())).items == []


@pytest.mark.parametrize("step", ["_people", "_clothes", "_answers", "first_keys"])
async def test_a_founding_that_was_cut_off_is_taken_up_again(keep: Keep, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def cut_off(*_: Any) -> Iterator[Call[Any]]:
        raise Busy(retry_after_seconds=1.0)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(founding, step, cut_off)
        with pytest.raises(Busy):
            await founding.begin(keep, empty=False)

    begun = await founding.begin(keep, empty=False)

    assert begun.keys is not None
    assert len((await keep.ask(characters.list_characters(limit=200))).items) == len(PEOPLE)
    assert len((await keep.ask(trades.list_trades(limit=200))).items) == len(BARGAINS)
    assert await keep.ask(items.held(holder=id_of("Osric Fenn"), item="coins")) == 35 + 18
    await adds_up(keep)

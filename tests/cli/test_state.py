"""Free state on the command line."""

import asyncio
import json
from pathlib import Path

import pytest

import gamekeeper
from gamekeeper.cli import run
from gamekeeper.cli.failures import Exit
from gamekeeper.modules import states, worlds
from gamekeeper.modules.states import rules
from tests.cli.verbs import said, told


def test_documents_are_upgraded_and_those_that_cannot_be_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/world.db"
    monkeypatch.setenv("GAMEKEEPER_URL", url)
    monkeypatch.setattr(rules, "UPGRADES", {})

    async def make() -> None:
        async with gamekeeper.open(url, create=True) as keep:
            for world in ("east", "west"):
                await keep.do(worlds.create_world(world=world, name=world))
                await keep.do(states.save_world(world=world, state={"day": 1}))
            await keep.do(states.save_entities(world="west", entities=[states.Entity("ox"), states.Entity("odd", metadata={"no": 1})]))

    asyncio.run(make())
    assert "in the latest form" in told(capsys, "state", "upgrade")
    states.upgrades("world_state", 2)(lambda body: {**body, "metadata": {"new": True}})
    states.upgrades("entity_state", 2)(lambda body: {**body, "metadata": {"left": 1 // (1 - body["metadata"].get("no", 0))}})

    assert run(["state", "upgrade", "--dry-run", "--json"]) == Exit.REFUSED
    tried = json.loads(capsys.readouterr().out)
    assert [(one["world"], one["kind"], one["upgraded"], one["failed"]) for one in tried["done"]] == [
        ("east", "world_state", 1, 0),
        ("west", "entity_state", 1, 1),
        ("west", "world_state", 1, 0),
    ]
    assert "east  world_state  1 upgraded" in told(capsys, "state", "upgrade", "--in", "east")
    assert run(["state", "upgrade", "--in", "west"]) == Exit.REFUSED
    assert "odd of form 1: to 2: ZeroDivisionError" in capsys.readouterr().err
    assert said(capsys, "state", "upgrade", "--kind", "world_state")["done"] == []

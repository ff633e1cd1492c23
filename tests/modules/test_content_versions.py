"""Versions of packs: kept, compared, put in force again and rolled back as one; and what operators set beside them."""

import asyncio
import json
from pathlib import Path

import msgspec
import pytest

import gamekeeper
from gamekeeper.cli import run
from gamekeeper.keep import Keep
from gamekeeper.modules import content
from tests.modules.scene import ARROW, COINS, LOGS, pack

DEAR = msgspec.structs.replace(COINS, value=9)
FIRST, SECOND, THIRD = pack(COINS, ARROW), pack(DEAR, LOGS, version="2"), pack(LOGS, version="3")


def in_force(keep: Keep) -> dict[str, int]:
    return {id: one.value for id, one in keep.reader.definitions(content.ItemDefinition).items()}


async def test_a_pack_is_rolled_back_as_one_again_and_again(keep: Keep) -> None:
    for one in (FIRST, SECOND, THIRD):
        await keep.do(content.load_pack(pack=one))

    back = await keep.do(content.rollback_pack(pack="scene"))

    assert (back.number, back.added, back.changed, back.removed, back.unchanged) == (2, 1, 0, 0, 1)
    assert in_force(keep) == {"coins": 9, "logs": 0}
    await keep.do(content.rollback_pack(pack="scene"))
    assert in_force(keep) == {"coins": 0, "arrow": 0}
    with pytest.raises(content.NoFormerVersion):
        await keep.do(content.rollback_pack(pack="scene"))
    (known,) = await keep.ask(content.packs())
    assert (known.version, known.number, known.newest, known.former) == ("1", 1, 3, [])


async def test_a_kept_version_is_put_in_force_by_its_number(keep: Keep) -> None:
    loaded = [(await keep.do(content.load_pack(pack=one))).number for one in (FIRST, SECOND, FIRST)]
    assert loaded == [1, 2, 1], "what was loaded before is no new version"

    await keep.do(content.activate_pack(pack="scene", number=2))

    assert in_force(keep) == {"coins": 9, "logs": 0}
    assert [one.number for one in (await keep.ask(content.versions(pack="scene"))).items] == [2, 1]
    (known,) = await keep.ask(content.packs())
    assert known.former == [1, 2, 1]
    assert (await keep.do(content.load_pack(pack=THIRD))).number == 3
    for number, name in ((4, "scene"), (1, "other")):
        with pytest.raises(content.PackVersionNotFound):
            await keep.do(content.activate_pack(pack=name, number=number))


async def test_two_rollbacks_at_once_go_back_twice_or_say_why(keep: Keep) -> None:
    for one in (FIRST, SECOND, THIRD):
        await keep.do(content.load_pack(pack=one))

    await asyncio.gather(keep.do(content.rollback_pack(pack="scene")), keep.do(content.rollback_pack(pack="scene")))

    (known,) = await keep.ask(content.packs())
    assert known.number == 1
    assert in_force(keep) == {"coins": 0, "arrow": 0}


async def test_a_version_whose_ids_another_pack_has_taken_is_refused_whole(keep: Keep) -> None:
    await keep.do(content.load_pack(pack=FIRST))
    await keep.do(content.load_pack(pack=THIRD))
    await keep.do(content.load_pack(pack=pack(ARROW, id="other")))

    with pytest.raises(content.DefinitionTaken):
        await keep.do(content.rollback_pack(pack="scene"))

    assert in_force(keep) == {"arrow": 0, "logs": 0}
    assert next(one.number for one in await keep.ask(content.packs()) if one.pack_id == "scene") == 2


async def test_versions_are_compared_field_by_field(keep: Keep) -> None:
    for one in (FIRST, SECOND):
        await keep.do(content.load_pack(pack=one))

    assert await keep.ask(content.compare(pack="scene", before=1, after=2)) == [
        content.Difference("item", "arrow", "removed"),
        content.Difference("item", "coins", "changed", [content.Altered("value", 0, 9)]),
        content.Difference("item", "logs", "added"),
    ]
    with pytest.raises(content.PackVersionNotFound):
        await keep.ask(content.compare(pack="scene", before=1, after=7))


async def test_what_operators_set_counts_before_what_packs_say_until_it_is_reset(keep: Keep) -> None:
    await keep.do(content.load_pack(pack=pack(content.ConfigDefinition(id="weekend", value={"bp": 11000}, description="bonus"))))
    assert await keep.ask(content.config(key="weekend")) == content.ConfigValue("weekend", {"bp": 11000}, 0, "bonus")

    await keep.do(content.set_config(key="weekend", value={"bp": 12000}))
    again = await keep.do(content.set_config(key="weekend", value={"bp": 12000}))
    assert again.version == 1, "the same value is no new version"
    assert (await keep.do(content.set_config(key="weekend", value=True, expect=1))).version == 2
    assert (await keep.do(content.set_config(key="weekend", value=1))).version == 3, "1 is not true"

    assert await keep.ask(content.config(key="weekend")) == content.ConfigValue("weekend", 1, 3, "bonus")
    with pytest.raises(content.ConfigChanged) as refused:
        await keep.do(content.set_config(key="weekend", value=0, expect=1))
    assert refused.value.facts == {"key": "weekend", "expected": 1, "current": 3}
    await keep.do(content.reset_config(key="weekend"))
    assert [one.value for one in (await keep.ask(content.configs())).items] == [{"bp": 11000}]
    with pytest.raises(content.ConfigChanged):
        await keep.do(content.set_config(key="weekend", value=0, expect=3))
    assert (await keep.do(content.set_config(key="weekend", value=5, expect=0))).version == 5, "no number stands for two values"
    with pytest.raises(content.ConfigChanged):
        await keep.do(content.set_config(key="weekend", value=6, expect=0))
    await keep.do(content.reset_config(key="weekend"))
    for key in ("weekend", "weekday"):
        with pytest.raises(content.ConfigNotSet):
            await keep.do(content.reset_config(key=key))
    with pytest.raises(content.ConfigNotFound):
        await keep.ask(content.config(key="weekday"))


def test_the_command_line_checks_compares_and_rolls_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    url = f"sqlite:///{tmp_path / 'world.db'}"
    folder = tmp_path / "tools"
    folder.mkdir()
    (folder / "pack.toml").write_text('id = "tools"\nversion = "1"\ntitle = "Tools"\n')
    (folder / "items.toml").write_text('[items.axe]\nname = "Axe"\nvalue = 5\n')
    _made(url)
    assert run(["content", "check", str(folder)]) == 0
    assert run(["content", "diff", str(folder), "--url", url]) == 3
    assert run(["content", "load", str(folder), "--url", url]) == 0
    assert run(["content", "diff", str(folder), "--url", url]) == 0
    (folder / "items.toml").write_text('[items.axe]\nname = "Axe"\nvalue = 6\n')
    capsys.readouterr()

    assert run(["content", "diff", str(folder), "--url", url, "--json"]) == 3

    said = json.loads(capsys.readouterr().out)
    assert said["differences"] == [
        {"kind": "item", "id": "axe", "change": "changed", "fields": [{"path": "value", "before": 5, "after": 6}]}
    ]
    assert run(["content", "load", str(folder), "--url", url]) == 0
    assert run(["content", "rollback", "tools", "--url", url]) == 0
    capsys.readouterr()
    assert run(["content", "versions", "tools", "--url", url]) == 0
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()] == [["2", "1"], ["*", "1"]]
    assert run(["content", "activate", "tools", "9", "--url", url]) == 4
    (folder / "items.toml").write_text('[items.axe]\nname = "Axe"\nvalue = -6\n')
    assert run(["content", "check", str(folder)]) == 4


def _made(url: str) -> None:
    """Make an empty world."""

    async def make() -> None:
        async with gamekeeper.open(url, create=True):
            pass

    asyncio.run(make())

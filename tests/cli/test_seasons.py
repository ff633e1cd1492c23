"""Days, seasons and configuration on the command line, in a world in which somebody has lived some days."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import gamekeeper
from gamekeeper.cli import run
from gamekeeper.cli.failures import Exit
from gamekeeper.kernel.clock import ManualClock
from tests.cli.verbs import said, told
from tests.studio.progress_world import DAYS, live


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A world whose season was over a day ago. It is morning where they live, so that every day is over for long when it is closed."""
    url = f"sqlite:///{tmp_path}/world.db"
    monkeypatch.setenv("GAMEKEEPER_URL", url)
    monkeypatch.chdir(tmp_path)
    morning = datetime.now(UTC).replace(hour=8, minute=0, second=0, microsecond=0)
    start = int((morning - timedelta(days=DAYS + 3)).timestamp() * 1000)

    async def make() -> None:
        clock = ManualClock(start)
        async with gamekeeper.open(url, create=True, clock=clock) as keep:
            await live(keep, clock)

    asyncio.run(make())
    return url


def test_a_season_is_listed_rehearsed_closed_once_and_shown(world: str, capsys: pytest.CaptureFixture[str]) -> None:
    (season,) = said(capsys, "season", "list")["items"]
    assert (season["season"], season["status"], season["closed_at"], season["participants"]) == ("spring_of_tests", "ENDED", None, 2)
    assert "spring_of_tests  over" in told(capsys, "season", "list")
    board = said(capsys, "season", "show", "spring_of_tests", "--limit", "1")
    assert ([one["name"] for one in board["board"]], board["frozen"]) == (["Ada"], False)
    assert run(["season", "show", "spring_of_tests", "--limit", "1"]) == Exit.OK
    out, err = capsys.readouterr()
    assert "rank 1: 500 XP, title even_keel" in out
    assert "Bob" in told(capsys, "season", "show", "spring_of_tests", "--after", err.split()[-1])
    assert [one["name"] for one in said(capsys, "season", "show", "spring_of_tests", "--around", "bob")["board"]] == ["Ada", "Bob"]

    preview = said(capsys, "season", "close", "spring_of_tests", "--dry-run")
    assert ([one["winners"] for one in preview["brackets"]], preview["xp"]) == ([1, 0], 500)
    assert "Nothing was changed." in told(capsys, "season", "close", "spring_of_tests", "--dry-run")
    assert said(capsys, "season", "list")["items"][0]["closing_at"] is None

    closed = said(capsys, "season", "close", "spring_of_tests", "--reason", "no job runs here")
    assert (closed["participants"], closed["placed"]) == (2, 2)
    assert "spring_of_tests is closed: 2 of 2 have their rank." in told(capsys, "season", "close", "spring_of_tests")
    standing = said(capsys, "season", "show", "spring_of_tests")
    assert [(one["rank"], one["name"], one["reward_xp"]) for one in standing["board"]] == [(1, "Ada", 500), (2, "Bob", 0)]
    assert "Ada  500 XP, title even_keel" in told(capsys, "season", "show", "spring_of_tests")
    assert run(["season", "show", "none"]) == run(["season", "close", "none"]) == Exit.REFUSED
    assert run(["season", "show", "spring_of_tests", "--limit", "0"]) == Exit.USAGE
    assert run(["verify"]) == Exit.OK


def test_progress_is_shown_whole_and_configuration_set_and_reset(world: str, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = said(capsys, "character", "progress", "ada", "--limit", "3")
    assert (sheet["progress"]["current_streak"], sheet["progress"]["level"]) == (9, 10)
    assert (len(sheet["ledger"]), sheet["audit"]["fault"], sheet["audit"]["events"]) == (3, None, sheet["ledger"][0]["seq"])
    page = told(capsys, "character", "progress", "Ada")
    for line in (
        "streak 9 (longest 9, perfect 9)",
        "grace tokens 1",
        "an award now: x 1.1 streak of 9 days",
        "To the far side and back (far_side, core): active",
        "Fight with The Easy Chair, The long week, day 2 of 7: ",
        "Struck Awake (struck_awake): earned",
        "Even Keel (even_keel): open, 64 %: 9 of 14 days in a row",
        "all follow from one another",
    ):
        assert line in page, line

    (config,) = said(capsys, "content", "config", "list")["items"]
    assert (config["key"], config["version"], config["value"]["weekend_bp"]) == ("xp_modifiers", 0, 11_000)
    value = '{"streaks": [{"days": 9, "multiplier_bp": 30000}]}'
    assert said(capsys, "content", "config", "set", "xp_modifiers", value, "--reason", "a feast")["version"] == 1
    assert "x 3 streak of 9 days" in told(capsys, "character", "progress", "ada")
    assert "(set, version 1)" in told(capsys, "content", "config", "list")
    assert run(["content", "config", "set", "xp_modifiers", "3", "--expect", "7"]) == Exit.REFUSED
    assert run(["content", "config", "set", "xp_modifiers", "{"]) == Exit.USAGE
    assert run(["content", "config", "set", "xp_modifiers"]) == Exit.USAGE
    assert "`gamekeeper content config set --help`" in capsys.readouterr().err
    assert "as the packs say again" in told(capsys, "content", "config", "reset", "xp_modifiers")
    assert run(["content", "config", "reset", "xp_modifiers"]) == Exit.REFUSED
    assert "x 1.1 streak of 9 days" in told(capsys, "character", "progress", "ada")
    assert run(["character", "progress", "nobody"]) == Exit.REFUSED

"""`gamekeeper jobs`: what is due and what ran, and running it by hand or for good."""

import asyncio
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import gamekeeper
from gamekeeper import jobs
from gamekeeper.cli import run
from gamekeeper.cli.failures import Exit
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.modules import users
from tests.cli.verbs import said

GAME = """
from gamekeeper import jobs

@jobs.job("tidy_up", cron="* * * * *", catch_up="skip")
async def tidy_up(run: jobs.Run) -> None:
    \"\"\"Tidy the village up.\"\"\"
    run.done(3, brooms=2)
"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A world with a guest whose time was over long ago."""
    url = f"sqlite:///{tmp_path}/world.db"
    monkeypatch.setenv("GAMEKEEPER_URL", url)
    monkeypatch.chdir(tmp_path)

    async def make() -> None:
        long_ago = ManualClock(int((datetime.now(UTC) - timedelta(days=3)).timestamp() * 1000))
        async with gamekeeper.open(url, create=True, clock=long_ago) as keep:
            await keep.do(users.create_guest())
            await jobs.run_due(keep)

    asyncio.run(make())
    return url


def test_a_job_is_listed_rehearsed_run_and_remembered(world: str, capsys: pytest.CaptureFixture[str]) -> None:
    listed = {one["name"]: one for one in said(capsys, "jobs", "list")["items"]}
    assert set(jobs.JOBS) == set(listed)
    assert (listed["purge_guests"]["cron"], listed["purge_guests"]["last"]) == ("*/10 * * * *", None)
    assert said(capsys, "jobs", "run", "purge_guests", "--dry-run")["counted"] == 1
    assert said(capsys, "jobs", "run", "purge_guests", "--dry-run")["counted"] == 1
    assert said(capsys, "jobs", "run", "purge_guests", "--reason", "now")["counted"] == 1
    assert run(["jobs", "run", "purge_guests"]) == Exit.OK
    assert "purge_guests succeeded, counted 0." in capsys.readouterr().out

    assert [one["counted"] for one in said(capsys, "jobs", "history", "purge_guests")["items"]] == [0, 1]
    yesterday = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:00")
    assert run(["jobs", "run", "purge_guests", "--period", yesterday]) == Exit.USAGE  # three days are not decided yet
    assert said(capsys, "jobs", "work", "--once")["items"]
    left_out = said(capsys, "jobs", "run", "purge_guests", "--period", yesterday)
    assert (left_out["status"], left_out["asked_by"]) == ("succeeded", "operator:cli")
    assert run(["jobs", "run", "purge_guests", "--period", "yesterday"]) == Exit.USAGE
    assert run(["jobs", "run", "nothing"]) == Exit.REFUSED
    assert run(["jobs", "history"]) == Exit.OK
    assert "purge_guests succeeded, counted 1" in capsys.readouterr().out
    assert run(["jobs", "list"]) == Exit.OK


def test_a_process_of_its_own_runs_a_games_jobs_until_it_is_told_to_stop(world: str, tmp_path: Path) -> None:
    (tmp_path / "village.py").write_text(GAME)
    (tmp_path / "gamekeeper.toml").write_text(f'url = "{world}"\nmodules = ["village"]\njob_poll_seconds = 0.2\n')

    async def look() -> str:
        async with gamekeeper.open(world) as keep:
            done = {one.name: one for one in (await keep.ask(jobs.history(limit=200))).items}
            return done["purge_guests"].status if "purge_guests" in done else ""

    process = subprocess.Popen([sys.executable, "-m", "gamekeeper.cli", "jobs", "work"], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert "Running the jobs of" in process.stderr.readline()
    for _ in range(100):
        if asyncio.run(look()) == "succeeded":
            break
    process.send_signal(signal.SIGTERM)
    said, code = process.stderr.read(), process.wait(20)
    assert (code, "Stopped" in said) == (0, True)
    assert asyncio.run(look()) == "succeeded"

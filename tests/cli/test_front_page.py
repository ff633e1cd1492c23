"""The command line before any world is opened: pages of help, options, failures and their exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import gamekeeper
from gamekeeper.cli import VERBS, run
from gamekeeper.cli.failures import Exit
from gamekeeper.errors import NameTaken, StoreUnavailable

HEAVY = (
    "msgspec",
    "cyclopts",
    "rich",
    "sqlalchemy",
    "starlette",
    "uvicorn",
    "httpx2",
    "asyncpg",
    "gamekeeper.kernel.records",
    "gamekeeper.keep",
)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without settings, keys or a world."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("GAMEKEEPER_"):
            monkeypatch.delenv(name)
    return tmp_path


def loaded_after(*tokens: str) -> set[str]:
    """Which modules a fresh Python has imported after a command line."""
    code = f"import sys; from gamekeeper.cli import run; run({list(tokens)!r}); print(*sys.modules, file=sys.stderr)"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stderr.split())


@pytest.mark.parametrize("tokens", [[], ["--help"], ["-h"]], ids=["nothing", "help", "h"])
def test_the_front_page_names_every_verb_and_imports_nothing_heavy(tokens: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tokens) == Exit.OK

    page = capsys.readouterr().out
    assert [verb for verb in VERBS if f"\n  {verb} " not in page] == []
    assert loaded_after(*tokens).isdisjoint(HEAVY)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_says_what_it_takes_without_importing_a_database(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*verb.split(), "--help"]) == Exit.OK

    page = capsys.readouterr().out
    assert f"Usage: gamekeeper {verb}" in page
    assert VERBS[verb][1].split(",")[0] in " ".join(page.split())
    if verb != "bench":
        assert "--json" in page


def test_help_of_a_verb_needs_no_database() -> None:
    assert loaded_after("dev", "--help").isdisjoint({"sqlalchemy", "starlette", "uvicorn", "httpx2", "gamekeeper.keep"})


@pytest.mark.parametrize(
    ("tokens", "code", "said"),
    [
        (["bogus"], Exit.USAGE, "USAGE"),
        (["dev", "--bogus"], Exit.USAGE, "USAGE"),
        (["dev", "--port", "many"], Exit.USAGE, "--port"),
        (["dev", "--port", "99999"], Exit.USAGE, "INVALID_ARGUMENT"),
        (["key", "create", "name"], Exit.USAGE, "--scope"),
        (["key", "create", "name", "--scope", "everything"], Exit.USAGE, "--scope"),
        (["demo", "--rate", "0"], Exit.USAGE, "--rate"),
        (["demo", "--for", "ever"], Exit.USAGE, "--for"),
        (["verify", "--config", "nowhere.toml"], Exit.REFUSED, "FILE_REFUSED"),
        (["verify", "--url", "mysql://db/world"], Exit.USAGE, "INVALID_ARGUMENT"),
        (["verify"], Exit.UNREACHABLE, "STORE_UNAVAILABLE"),
        (["verify", "--url", "postgresql://ada:hunter2@127.0.0.1:1/world"], Exit.UNREACHABLE, "STORE_UNAVAILABLE"),
        (["serve"], Exit.UNREACHABLE, "gamekeeper dev"),
        (["serve", "--host", "192.0.2.1"], Exit.REFUSED, "--behind-proxy"),
        (["demo", "--url", "http://127.0.0.1:1"], Exit.UNREACHABLE, "gamekeeper dev"),
        (["demo", "--url", "http://127.0.0.1:1", "--key-file", "nowhere.json"], Exit.UNREACHABLE, "gamekeeper dev"),
        (["content", "load", "nowhere"], Exit.REFUSED, "FILE_REFUSED"),
        (["user", "create", "ada"], Exit.USAGE, "PASSWORD_MISSING"),
        (["user", "create", "ada", "--password-file", "nowhere"], Exit.REFUSED, "FILE_REFUSED"),
        (["studio-link"], Exit.REFUSED, "NO_SECRET"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_failure_is_two_lines_and_an_exit_code(tokens: list[str], code: Exit, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    answered = run(tokens)

    out, err = capsys.readouterr()
    lines = err.strip().splitlines()
    assert (answered, said in err, out) == (code, True, "")
    assert "Traceback" not in err
    assert "hunter2" not in err
    assert lines[-1].startswith("  ")
    assert list(Path.cwd().glob("*.db")) == []


def test_what_stands_before_the_verb_counts_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--json", "version"]) == Exit.OK

    assert json.loads(capsys.readouterr().out) == {"$schema": "urn:gamekeeper:version:1", "version": gamekeeper.__version__}


def test_debug_shows_where_a_failure_came_from(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--debug", "verify"]) == Exit.UNREACHABLE

    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "STORE_UNAVAILABLE" in err


def test_an_error_that_nobody_expected_is_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(VERBS, "version", ("version:nothing_of_that_name", ""))

    assert run(["version"]) == Exit.UNEXPECTED

    err = capsys.readouterr().err
    assert err.startswith("UNEXPECTED: ")
    assert "Traceback" not in err


def test_ctrl_c_answers_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gamekeeper.cli._dispatch", interrupted)

    assert run(["version"]) == 130


def test_a_database_that_somebody_else_holds_answers_6(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def held(*_: object) -> None:
        raise StoreUnavailable(problem="database is locked")

    monkeypatch.setattr("gamekeeper.cli._dispatch", held)

    assert run(["verify"]) == Exit.LOCKED
    assert "try again" in capsys.readouterr().err


def test_an_error_of_the_game_is_told_with_its_facts(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def taken(*_: object) -> None:
        raise NameTaken(name="ada")

    monkeypatch.setattr("gamekeeper.cli._dispatch", taken)

    assert run(["user", "create", "ada"]) == Exit.REFUSED
    assert capsys.readouterr().err == "NAME_TAKEN: The name belongs to someone else. (name: ada)\n  Choose another name.\n"


def test_the_openapi_document_needs_no_world(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["openapi", "--json"]) == Exit.OK

    document = json.loads(capsys.readouterr().out)
    assert document["openapi"].startswith("3.1")
    assert "/v1/items/grant" in document["paths"]


def test_output_that_nobody_reads_to_its_end_is_no_failure() -> None:
    with subprocess.Popen([sys.executable, "-m", "gamekeeper.cli", "openapi"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as printing:
        assert printing.stdout is not None
        assert printing.stderr is not None
        printing.stdout.read(1)
        printing.stdout.close()
        assert printing.stderr.read() == b""
    assert printing.returncode == 0


def test_outside_of_a_checkout_bench_says_where_the_benchmarks_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gamekeeper, "__file__", str(tmp_path / "site-packages" / "gamekeeper" / "__init__.py"))

    assert run(["bench"]) == Exit.REFUSED
    assert "make bench" in capsys.readouterr().err


def test_in_a_checkout_bench_passes_its_words_on(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "--no-such-word"]) == 2
    assert "python -m benchmarks" in capfd.readouterr().err

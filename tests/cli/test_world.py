"""A whole life on the command line, with real processes: `dev` in an empty folder, bots in it, verification, and a thief with SQLite."""

import http.cookiejar
import io
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import chdir, closing, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import apsw
import pytest

from gamekeeper.cli import run
from gamekeeper.cli.failures import Exit
from gamekeeper.cli.mossbrook import PEOPLE

MANIFEST = [
    {"id": "coins", "name": "Coins", "type": "currency", "stackable": True, "maxStackSize": 1000, "value": 1},
    {"id": "sky_blade", "name": "Sky Blade", "type": "weapon", "equipSlot": "weapon", "tradeable": True, "value": 90},
    {"id": "sky_berry", "name": "Sky Berry", "type": "food", "stackable": True, "maxStackSize": 50, "healAmount": 3},
]
ANYWHERE = "0.0.0.0"  # noqa: S104 - a server behind a proxy listens there
START_SECONDS = 30
STOP_SECONDS = 20


def environment(**more: str) -> dict[str, str]:
    """The environment without settings of whoever runs the tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GAMEKEEPER_")} | more


@dataclass(frozen=True)
class Done:
    """What a verb answered and said."""

    returncode: int
    stdout: str
    stderr: str


def cli(folder: Path, *tokens: str, **more: str) -> Done:
    """Run a verb in a folder until its end; in this process, for importing a database's library takes longer than most verbs."""
    out, err = io.StringIO(), io.StringIO()
    with chdir(folder), patch.dict(os.environ, environment(**more), clear=True), redirect_stdout(out), redirect_stderr(err):
        code = run(tokens)
    return Done(code, out.getvalue(), err.getvalue())


def facts(done: Done) -> dict[str, Any]:
    """The one JSON object that a verb printed."""
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    assert isinstance(value, dict)
    assert value["$schema"].startswith("urn:gamekeeper:")
    return value


@contextmanager
def running(folder: Path, *tokens: str, ends_with: int = 0, by: signal.Signals = signal.SIGTERM, **more: str) -> Iterator[dict[str, Any]]:
    """A server for the length of a block: what it told when it was ready. It must end as it should."""
    command = [sys.executable, "-m", "gamekeeper.cli", *tokens, "--json"]
    with subprocess.Popen(
        command, cwd=folder, env=environment(**more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            assert line, f"no word from {tokens}: {server.communicate()[1]}"
            yield json.loads(line)
            assert server.poll() is None
            server.send_signal(by)
            _, said = server.communicate(timeout=STOP_SECONDS)
            assert server.returncode == ends_with, said
            assert "Traceback" not in said
        finally:
            if server.poll() is None:
                server.kill()


def get(url: str, key: str | None = None) -> Any:
    """The JSON that a server answers."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:  # noqa: S310 - our own server
        return json.load(answer)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Any]]]:
    """A folder in which `gamekeeper dev` runs since it was empty, and what it told."""
    folder = tmp_path_factory.mktemp("world")
    with running(folder, "dev", "--port", "0") as told:
        yield folder, told


World = tuple[Path, dict[str, Any]]


@pytest.fixture(scope="module")
def world_that_ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `gamekeeper dev` has made a world and ended; tests take copies of it."""
    folder = tmp_path_factory.mktemp("ended")
    with running(folder, "dev", "--port", "0"):
        pass
    return folder


@pytest.fixture
def founded(world_that_ended: Path, tmp_path: Path) -> Path:
    """A folder of the test's own, with a world that no process has open."""
    shutil.copytree(world_that_ended, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_dev_makes_a_world_that_is_ready(world: World) -> None:
    folder, told = world

    assert get(told["api"] + "/readyz") == {"status": "ok"}
    assert get(told["openapi"])["openapi"].startswith("3.1")
    assert (told["founded"], told["database"]) == (True, "sqlite:///world.db")
    for name in ("gamekeeper.toml", "world.db", ".gamekeeper/keys.json"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600, name
    assert stat.S_IMODE((folder / ".gamekeeper").stat().st_mode) == 0o700


def test_the_printed_key_opens_the_world(world: World) -> None:
    _, told = world

    sheet = get(told["api"] + "/v1/characters/show?character=wren-tallow", told["keys"]["server"])

    assert sheet["character"]["name"] == "Wren Tallow"
    people = get(told["api"] + "/v1/characters/list_characters?limit=200", told["keys"]["operator"])["items"]
    assert len(people) == len(PEOPLE) == 50


def test_the_printed_python_loads_somebody(world: World) -> None:
    folder, told = world
    assert len(told["python"]) == 3

    done = subprocess.run([sys.executable, "-"], input="\n".join(told["python"]), cwd=folder, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "Wren Tallow" in done.stdout


def test_the_printed_link_opens_the_studio_once(world: World) -> None:
    _, told = world
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    stranger = urllib.request.build_opener()

    with browser.open(told["studio"], timeout=10) as page:
        assert page.status == 200
        assert page.url == told["api"] + "/studio/"
    with pytest.raises(urllib.request.HTTPError) as refused:
        stranger.open(told["studio"], timeout=10)
    assert refused.value.code == 401


def test_another_link_comes_from_studio_link(world: World) -> None:
    folder, told = world

    link = facts(cli(folder, "studio-link", "--json"))["studio"]

    assert link.startswith(told["api"] + "/studio/login?ticket=")
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    with browser.open(link, timeout=10) as page:
        assert page.status == 200


def test_bots_play_and_the_books_are_right(world: World) -> None:
    folder, _ = world

    outcome = facts(cli(folder, "demo", "--for", "3s", "--rate", "150", "--bots", "8", "--json"))

    assert outcome["conserved"]
    assert {"items.grant", "items.use_up", "items.drop", "trades.accept"} <= outcome["done"].keys()
    assert all(one["minted"] - one["burned"] == one["held"] for one in outcome["balances"])
    assert outcome["trades"] > 0
    assert not {"INTERNAL_ERROR", "NOT_ALLOWED", "NOT_AUTHENTICATED"} & outcome["problems"].keys()


def test_bots_play_with_the_items_of_another_game(world: World) -> None:
    folder, told = world
    (folder / "items.json").write_text(json.dumps(MANIFEST))

    done = cli(folder, "demo", "--for", "1s", "--rate", "100", "--bots", "4", "--items", "items.json", "--json")

    balances = {one["item"]: one["minted"] for one in facts(done)["balances"]}
    assert balances["sky_berry"] > 0
    assert "coins is defined by starter already" in done.stderr
    items = get(told["api"] + "/v1/content/item_definitions?limit=200")["items"]
    assert {"sky_blade", "mill_loaf"} <= {one["id"] for one in items}


def test_without_a_terminal_the_demo_tells_in_plain_lines(world: World) -> None:
    folder, _ = world

    done = cli(folder, "demo", "--for", "4s", "--rate", "20", "--bots", "2")

    assert done.returncode == 0, done.stderr
    assert re.search(r"^3 s: \d+ commands \(\d+/s\), \d+ trades, \d+ refused", done.stderr, re.MULTILINE)
    assert "OK: nothing was lost or duplicated." in done.stdout
    assert "\x1b" not in done.stdout + done.stderr


def test_the_demo_does_not_send_local_keys_to_other_machines(world: World) -> None:
    folder, _ = world

    done = cli(folder, "demo", "--url", "http://198.51.100.1:8420")

    assert done.returncode == Exit.REFUSED
    assert "NO_KEYS" in done.stderr


def test_a_taken_port_makes_dev_take_the_next_one_and_say_so(world: World) -> None:
    folder, told = world
    port = int(told["api"].rpartition(":")[2])

    with running(folder, "dev", "--port", str(port)) as second:
        assert second["api"] != told["api"]
        assert get(second["api"] + "/readyz") == {"status": "ok"}
        assert (second["founded"], second["keys"]) == (False, None)
    (folder / ".gamekeeper" / "keys.json").write_text(json.dumps({"url": told["api"], **told["keys"]}))


def test_keys_are_made_listed_and_revoked_beside_the_running_server(world: World) -> None:
    folder, told = world
    show = told["api"] + "/v1/characters/show?character=osric-fenn"

    made = facts(cli(folder, "key", "create", "arena", "--scope", "server", "--json"))
    assert get(show, made["key"])["character"]["name"] == "Osric Fenn"
    assert ("arena", ["*"]) in [(one["name"], one["scopes"]) for one in facts(cli(folder, "key", "list", "--json"))["items"]]
    assert "arena" in cli(folder, "key", "list").stdout

    facts(cli(folder, "key", "revoke", made["key_id"], "--json"))
    with pytest.raises(urllib.request.HTTPError) as refused:
        get(show, made["key"])
    assert refused.value.code == 401
    plain = cli(folder, "key", "create", "lobby", "--scope", "operator")
    assert re.fullmatch(r"gkk_\S+\n", plain.stdout)
    assert cli(folder, "key", "revoke", "nothing").returncode == Exit.REFUSED


def test_users_are_made_with_a_role_and_a_password_that_is_no_argument(world: World) -> None:
    folder, told = world
    (folder / "password").write_text("correct horse battery\n")

    by_variable = facts(cli(folder, "user", "create", "Ada", "--role", "admin", "--json", GAMEKEEPER_PASSWORD="staple of long words"))
    by_file = facts(cli(folder, "user", "create", "Bob", "--password-file", "password", "--json"))

    for user, role in ((by_variable, "admin"), (by_file, "player")):
        shown = get(told["api"] + f"/v1/users/show?user={user['user_id']}", told["keys"]["operator"])
        assert (shown["username"], shown["role"], shown["has_password"]) == (user["username"], role, True)
    again = cli(folder, "user", "create", "ADA", GAMEKEEPER_PASSWORD="staple of long words")
    assert (again.returncode, again.stderr.partition(":")[0]) == (Exit.REFUSED, "NAME_TAKEN")
    assert cli(folder, "user", "create", "eve", GAMEKEEPER_PASSWORD="short").returncode == Exit.USAGE


def test_a_running_server_takes_up_content_that_is_loaded_beside_it(world: World) -> None:
    folder, told = world
    (folder / "pack.toml").write_text('[pack]\nid = "more"\nversion = "1"\ntitle = "More"\n\n[items.moon_cheese]\nname = "Moon cheese"\n')

    loaded = facts(cli(folder, "content", "load", "pack.toml", "--json"))

    counts = {"added": 1, "changed": 0, "removed": 0, "unchanged": 0}
    assert loaded["loaded"] == counts | {"kinds": {"item": counts}, "number": 1}
    assert "1 as before" in cli(folder, "content", "load", "pack.toml").stdout
    body = json.dumps({"holder": "wren-tallow", "item": "moon_cheese", "quantity": 1, "source": "test", "container": "bank:1"}).encode()
    headers = {"Authorization": f"Bearer {told['keys']['server']}", "Content-Type": "application/json", "Idempotency-Key": "cheese"}
    with urllib.request.urlopen(urllib.request.Request(told["api"] + "/v1/items/grant", body, headers), timeout=10) as answer:  # noqa: S310
        assert answer.status == 200
    (folder / "broken.toml").write_text('[pack]\nid = "broken"\nversion = "1"\ntitle = "B"\n\n[items.x]\nweight_g = -1\n')
    broken = cli(folder, "content", "load", "broken.toml")
    assert broken.returncode == Exit.REFUSED
    assert "items.x.weight_g" in broken.stderr


def test_verify_finds_a_world_as_it_was_written(world: World) -> None:
    folder, _ = world

    report = facts(cli(folder, "verify", "--json"))

    assert (report["ok"], report["problems"]) == (True, [])
    assert report["entries"] > 400
    assert cli(folder, "verify").stdout.startswith("OK: ")


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_second_start_finds_everything_as_it_was(tmp_path: Path, by: signal.Signals) -> None:
    with running(tmp_path, "dev", "--port", "0", by=by):
        pass
    before = facts(cli(tmp_path, "verify", "--json"))

    # Without jobs: where the second start falls on the minute of one, its run would be in the journal too.
    with running(tmp_path, "dev", "--port", "0", by=by, GAMEKEEPER_RUN_JOBS="false") as told:
        assert (told["founded"], told["keys"]) == (False, None)
        done = subprocess.run(
            [sys.executable, "-"], input="\n".join(told["python"]), cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert "Wren Tallow" in done.stdout

    after = facts(cli(tmp_path, "verify", "--json"))
    assert after["problems"] == []
    # The key was used by the three lines, and that is noted.
    assert (after["owners"], after["entries"]) == (before["owners"], before["entries"] + 1)


def test_an_empty_world_can_be_filled_by_hand(tmp_path: Path) -> None:
    with running(tmp_path, "dev", "--empty", "--port", "0") as told:
        assert (told["founded"], told["python"]) == (False, None)
        assert get(told["api"] + "/v1/content/item_definitions")["items"] == []
        nothing = cli(tmp_path, "demo", "--for", "1s")
        assert (nothing.returncode, "no items are defined" in nothing.stderr) == (Exit.REFUSED, True)
        (tmp_path / "items.json").write_text(json.dumps(MANIFEST))
        assert facts(cli(tmp_path, "demo", "--for", "1s", "--bots", "2", "--items", "items.json", "--json"))["conserved"]


def test_what_a_thief_writes_into_the_file_is_found(founded: Path) -> None:
    with apsw.Connection(str(founded / "world.db")) as thief:
        thief.execute("UPDATE holdings SET quantity = quantity + 1000 WHERE holder_id = 'wren-tallow' AND item_id = 'coins'")
    thief.close()

    found = cli(founded, "verify", "--json")
    told = cli(founded, "verify")

    assert (found.returncode, told.returncode) == (Exit.INTEGRITY, Exit.INTEGRITY)
    problems = json.loads(found.stdout)["problems"]
    assert ("rows", "wren-tallow", "holdings") in {(one["check"], one["owner"], one["table"]) for one in problems}
    assert "wren-tallow" in told.stdout
    with running(founded, "dev", "--port", "0"):
        demo = cli(founded, "demo", "--for", "1s", "--bots", "2")
    assert demo.returncode == Exit.INTEGRITY
    assert re.search(r"coins .* WRONG by -1,000", demo.stdout)


def test_another_secret_does_not_open_the_books(founded: Path) -> None:
    assert cli(founded, "verify", GAMEKEEPER_SECRET_KEY="x" * 32).returncode == Exit.INTEGRITY
    (founded / "gamekeeper.toml").unlink()

    command = [sys.executable, "-m", "gamekeeper.cli", "dev", "--port", "0"]
    lost = subprocess.run(command, cwd=founded, env=environment(), capture_output=True, text=True, timeout=START_SECONDS, check=False)

    assert (lost.returncode, lost.stderr.partition(":")[0]) == (Exit.REFUSED, "SECRET_MISSING")
    assert not (founded / "gamekeeper.toml").exists()


def test_serve_takes_a_world_that_exists_and_makes_none(founded: Path) -> None:
    with running(founded, "serve", "--port", "0") as told:
        assert get(told["api"] + "/readyz") == {"status": "ok"}
        assert told["studio"] is None
        with pytest.raises(urllib.request.HTTPError):
            get(told["api"] + "/studio/")
    with running(founded, "serve", "--port", "0", "--studio") as told:
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        with browser.open(told["studio"], timeout=10) as page:
            assert page.status == 200
    with running(founded, "serve", "--host", ANYWHERE, "--behind-proxy", "--port", "0"):
        pass


def test_a_world_that_another_process_writes_to_answers_6(founded: Path) -> None:
    writer = apsw.Connection(str(founded / "world.db"))
    writer.execute("BEGIN IMMEDIATE")

    held = cli(
        founded, "key", "create", "late", "--scope", "server", GAMEKEEPER_BUSY_TIMEOUT_SECONDS="0.1", GAMEKEEPER_DEADLINE_SECONDS="0.5"
    )

    writer.execute("ROLLBACK")
    writer.close()
    assert held.returncode == Exit.LOCKED


def _wait_until_bots_play(database: Path) -> None:
    """Wait until somebody does something in a world that has been founded."""
    with closing(apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)) as world:

        def entries() -> int:
            counted: Any = world.execute("SELECT count(*) FROM journal").fetchall()[0][0]
            return int(counted)

        founded, until = entries(), time.monotonic() + 60
        while entries() < founded + 20 and time.monotonic() < until:
            time.sleep(0.1)


def test_the_demo_outlives_a_server_that_is_killed(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "gamekeeper.cli", "dev", "--json", "--port", port]
    first = subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE)
    assert first.stdout is not None
    first.stdout.readline()
    playing = [sys.executable, "-m", "gamekeeper.cli", "demo", "--for", "8s", "--bots", "6", "--json"]
    with subprocess.Popen(playing, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        _wait_until_bots_play(tmp_path / "world.db")
        first.kill()
        first.communicate()
        with running(tmp_path, "dev", "--port", port) as told:
            assert told["api"].endswith(port)
            out, err = demo.communicate(timeout=60)
    assert demo.returncode == 0, err
    outcome = json.loads(out)
    assert outcome["conserved"]
    assert outcome["sent_again"] > 0
    assert facts(cli(tmp_path, "verify", "--json"))["ok"]

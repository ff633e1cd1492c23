"""The search for secrets behind every test, and that it goes red."""

import base64
import json
import logging
import secrets
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gamekeeper.keep import Keep
from gamekeeper.modules import characters, users
from tests.crash.raw import raw
from tests.secrecy import Secrecy, search, searchable
from tests.servers import TemporaryPostgres

PASSWORD = 'p\u00e4ss "w\u00f6rd" it\'s long & odd'


@pytest.fixture
def plugin() -> Iterator[Secrecy]:
    """Another one, which notes nothing by itself."""
    made = Secrecy()
    logging.getLogger("gamekeeper.tests").addHandler(made.log)
    yield made
    logging.getLogger("gamekeeper.tests").removeHandler(made.log)


def ended(plugin: Secrecy, item: Any) -> str:
    """Let a test end; gives what it failed with."""
    hook = plugin.pytest_runtest_teardown(item)
    next(hook)
    try:
        next(hook)
    except StopIteration:
        return ""
    except pytest.fail.Exception as error:
        return str(error)
    raise AssertionError("the hook goes on")


def a_test(folder: Path, *sections: tuple[str, str, str]) -> Any:
    """A test that has run."""
    return SimpleNamespace(funcargs={"tmp_path": folder}, _report_sections=sections, get_closest_marker=lambda _: None)


@pytest.mark.plants_secrets
def test_control_a_test_that_leaves_a_secret_in_a_file_goes_red(plugin: Secrecy, tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "world.db-wal").write_bytes(b"\0" * 4096 + b"name\0" + PASSWORD.encode() + b"\0" * 4096)
    assert ended(plugin, a_test(tmp_path)) == ""

    plugin.recorder.note(PASSWORD, "a password")
    told = ended(plugin, a_test(tmp_path))

    assert "a password stands in world.db-wal" in told
    assert PASSWORD not in told
    assert ended(plugin, a_test(tmp_path)) == "", "each test answers for its own"


@pytest.mark.plants_secrets
def test_control_a_token_of_another_process_is_known_by_its_looks(plugin: Secrecy, tmp_path: Path) -> None:
    token = f"gkv_{secrets.token_urlsafe(32)}"
    shifted = base64.b64encode(b"x" + token.encode()).decode()
    for form in (token, token.encode().hex(), shifted, base64.urlsafe_b64encode(token.encode()).decode()):
        plugin.recorder.note(PASSWORD, "a password")
        (tmp_path / "world.db").write_text(f"<{form}>")
        assert "looks like a token stands in world.db" in ended(plugin, a_test(tmp_path)), form
    (tmp_path / "world.db").write_text(f"gkv_{'x' * 43} and gks_short and {token[4:]}")
    assert ended(plugin, a_test(tmp_path)) == ""


@pytest.mark.plants_secrets
def test_control_what_is_logged_or_printed_is_searched(plugin: Secrecy, tmp_path: Path) -> None:
    for origin, section in (("a password", ("call", "stderr", f"no such user: {PASSWORD!r}")), ("a word", ("call", "log", PASSWORD))):
        plugin.recorder.note(PASSWORD, origin)
        assert (f"{origin} stands in what was printed" in ended(plugin, a_test(tmp_path, section))) is (origin == "a password")
    plugin.recorder.note(PASSWORD, "a password")
    logging.getLogger("gamekeeper.tests").warning("no such user: %s", json.dumps(PASSWORD))
    assert "a password stands in the program's log" in ended(plugin, a_test(tmp_path))


@pytest.mark.parametrize(
    "form",
    [
        PASSWORD.encode(),
        PASSWORD.encode("utf-16-le"),
        json.dumps(PASSWORD).encode(),
        repr(PASSWORD).encode(),
        PASSWORD.encode().hex().encode(),
        PASSWORD.encode().hex().upper().encode(),
        base64.b64encode(b"one" + PASSWORD.encode()),
        base64.urlsafe_b64encode(b"x" + PASSWORD.encode()),
    ],
    ids=["as it is", "UTF-16", "JSON", "Python", "hex", "HEX", "base64", "base64 for URLs"],
)
def test_control_a_secret_is_found_in_every_form(form: bytes) -> None:
    assert search({PASSWORD: "it"}, {"here": b"before " + form + b" after"}) == ["it stands in here"]
    assert search({PASSWORD: "it"}, {"here": b"before and after"}) == []


def test_the_bytes_of_a_token_are_searched_for_too() -> None:
    token = f"gks_{secrets.token_urlsafe(32)}"
    raw_bytes = base64.urlsafe_b64decode(token[4:] + "=").replace(b"\0", b"")

    assert raw_bytes.hex().encode() not in searchable(raw_bytes)
    if len(raw_bytes) == 32:
        assert search({token: "it"}, {"here": b"<" + raw_bytes + b">"}) == ["it stands in here"]
        assert search({token: "it"}, {"here": b"<" + raw_bytes.hex().encode() + b">"}) == ["it stands in here"]


@pytest.mark.plants_secrets
async def test_control_what_a_database_writes_is_searched_and_what_passes_the_doors_is_noted(
    keep: Keep, database_url: str, request: pytest.FixtureRequest
) -> None:
    plugin: Any = request.config.pluginmanager.get_plugin("secrecy")
    given, deep = (f"planted {secrets.token_hex(12)}" for _ in range(2))
    ada = (await keep.do(users.register(username="ada", password=given))).user_id
    ash = (await keep.do(characters.create(user=ada, name="Ash"))).character_id
    assert plugin.recorder.secrets[given] in ("an argument of users.register", "a password")
    plugin.recorder.note(deep, "one in a long row")
    assert search(plugin.recorder.secrets, plugin.places(request.node)) == []

    await keep.do(users.set_profile(user=ada, name=given))
    # Of a kind that PostgreSQL keeps compressed.
    await keep.do(
        characters.set_setting(character=ash, name="notes", value=[*(["the same again and again"] * 50), *deep, deep, "end" * 500])
    )
    places = plugin.places(request.node)
    found = "\n".join(search(plugin.recorder.secrets, places))

    where = ("world.db",) if database_url.startswith("sqlite") else ("PostgreSQL's write-ahead log",)
    assert all(f"{plugin.recorder.secrets[given]} stands in {one}" in found for one in where), (found, list(places))
    assert "one in a long row stands in" in found


@pytest.mark.plants_secrets
async def test_control_the_write_ahead_log_is_read_on_over_the_ends_of_its_files(
    postgres: TemporaryPostgres, request: pytest.FixtureRequest
) -> None:
    plugin: Any = request.config.pluginmanager.get_plugin("secrecy")
    url = postgres.create_database()
    plugin.places(request.node)
    async with raw(url) as database:
        await database.rows("CREATE TABLE letters (body text)")
        for number in range(3):
            await database.rows("INSERT INTO letters VALUES (?)", f"planted letter {number}")
            await database.rows("SELECT pg_switch_wal()")
    written = plugin.places(request.node)["PostgreSQL's write-ahead log"]
    postgres.drop_database(url)

    assert all(f"planted letter {number}".encode() in written for number in range(3))
    assert b"planted letter" not in plugin.places(request.node).get("PostgreSQL's write-ahead log", b"")

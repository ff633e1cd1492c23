"""`gamekeeper user`: what an operator does with users by hand, in a world that was made by the library."""

import asyncio
import io
import json
import zipfile
from pathlib import Path

import pytest

import gamekeeper
from gamekeeper.cli import erasing, failures, run
from gamekeeper.cli.failures import Exit
from gamekeeper.errors import StoreUnavailable
from gamekeeper.modules import characters, chat, sessions, users, worlds
from tests.cli.verbs import said

SECRET = "the key of a world that is thrown away"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A world with Ada, who is logged in, and her character; and with Bob."""
    url = f"sqlite:///{tmp_path}/world.db"
    monkeypatch.setenv("GAMEKEEPER_URL", url)
    monkeypatch.setenv("GAMEKEEPER_SECRET_KEY", SECRET)
    monkeypatch.chdir(tmp_path)

    async def make() -> None:
        async with gamekeeper.open(url, create=True, secret_key=SECRET) as keep:
            ada = (await keep.do(users.register(username="Ada", password="a staple of words"))).user_id
            await keep.do(users.register(username="Bob", password="a staple of words"))
            await keep.do(sessions.open_session(user=ada, client_type="web"))
            await keep.do(characters.create(user=ada, name="Ada the Bold"))

    asyncio.run(make())
    return url


def test_a_user_is_shown_with_sessions_and_characters(world: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = said(capsys, "user", "show", "ada")

    assert (found["user"]["username"], len(found["sessions"]), found["characters"][0]["name"]) == ("Ada", 1, "Ada the Bold")
    assert "password_hash" not in json.dumps(found)
    assert run(["user", "show", "ada"]) == Exit.OK
    assert "open sessions: 1; characters: Ada the Bold" in capsys.readouterr().out
    assert run(["user", "show", "nobody"]) == Exit.REFUSED


def test_a_role_is_given_with_a_reason(world: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["user", "role", "bob", "moderator"]) == Exit.USAGE
    capsys.readouterr()

    said(capsys, "user", "role", "bob", "moderator", "--reason", "he asked nicely")

    assert said(capsys, "user", "show", "bob")["user"]["role"] == "moderator"


def test_a_ban_ends_sessions_and_is_lifted(world: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "user", "ban", "ada", "--for", "week", "--reason", "shouting in the tavern")["until"] > 0
    assert said(capsys, "user", "show", "ada")["sessions"] == []
    assert said(capsys, "user", "ban", "bob", "--for", "permanent", "--reason", "sold his account")["until"] is None

    said(capsys, "user", "unban", "ada", "--reason", "said sorry")

    assert run(["user", "unban", "ada", "--reason", "once more"]) == Exit.REFUSED
    assert "NOT_BANNED" in capsys.readouterr().err


def test_everything_of_a_person_goes_into_one_archive(world: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "ada.zip"

    assert said(capsys, "user", "export", "ada", str(file))["bytes"] == file.stat().st_size

    with zipfile.ZipFile(io.BytesIO(file.read_bytes())) as archive:
        names = archive.namelist()
        text = b"".join(archive.read(name) for name in names)
    assert "records/users.json" in names
    assert b"Ada the Bold" in text
    assert b"Bob" not in text
    # An archive that is there already is nobody's to overwrite, and none is begun for nobody.
    assert run(["user", "export", "ada", str(file)]) == Exit.REFUSED
    assert run(["user", "export", "nobody", str(tmp_path / "nobody.zip")]) == Exit.REFUSED
    assert not (tmp_path / "nobody.zip").exists()


def leaving(world: str, *texts: str) -> None:
    """Let Ada ask to be forgotten, after she has said something."""

    async def ask() -> None:
        async with gamekeeper.open(world, secret_key=SECRET) as keep:
            ada = await keep.ask(users.find(username="ada"))
            assert ada is not None
            (bold,) = await keep.ask(characters.list_of_user(user=ada.user_id))
            await keep.do(worlds.create_world(world="world", name="World"))
            for text in texts:
                await keep.do(chat.say(character=bold.character_id, message=text))
            await keep.do(users.request_deletion(user=ada.user_id, password="a staple of words"))

    asyncio.run(ask())


def test_a_person_is_erased_page_by_page_and_once_more_does_no_harm(
    world: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("gamekeeper.modules.guests.rules.MAX_MESSAGES", 2)
    user = said(capsys, "user", "show", "ada")["user"]["user_id"]
    erase = ["user", "erase", "ada", "--reason", "asked for it"]
    assert run(["user", "erase", "ada"]) == Exit.USAGE
    assert run([*erase, "--early"]) == Exit.REFUSED
    leaving(world, "one", "two", "three")
    assert run([*erase, "--by-letter"]) == Exit.REFUSED
    assert capsys.readouterr().err.count("DELETION_NOT_DUE") == 2

    assert run([*erase, "--early", "--json"]) == Exit.OK

    out, err = capsys.readouterr()
    counts = {"sessions": 1, "accounts": 0, "characters": 1, "messages": 3}
    assert json.loads(out) == {"$schema": "urn:gamekeeper:user-erase:1", "user_id": user, **counts}
    assert "1 characters and 2 messages so far" in err
    assert run(erase) == Exit.REFUSED
    assert said(capsys, "user", "erase", user, "--reason", "once more", "--yes") == {
        "$schema": "urn:gamekeeper:user-erase:1",
        "user_id": user,
        **dict.fromkeys(counts, 0),
    }
    assert run(["verify"]) == Exit.OK


def test_an_erasing_that_is_cut_off_says_how_to_go_on(
    world: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    leaving(world, "one")
    user = said(capsys, "user", "show", "ada")["user"]["user_id"]

    def cut_off(text: str) -> None:
        failures.warn(text)
        if "so far" in text:
            raise StoreUnavailable(problem="the server went away")

    with monkeypatch.context() as patched:
        patched.setattr(erasing, "warn", cut_off)
        assert run(["user", "erase", "ada", "--reason", "asked for it", "--early"]) == Exit.PARTIAL
    assert f"run it again for {user}" in capsys.readouterr().err

    assert run(["user", "erase", user, "--reason", "asked for it"]) == Exit.OK


@pytest.mark.parametrize(("answered", "code"), [("y\n", Exit.OK), ("n\n", Exit.REFUSED), ("", Exit.REFUSED)], ids=["yes", "no", "end"])
def test_on_a_terminal_it_is_asked_whether_it_is_meant(
    world: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answered: str, code: Exit
) -> None:
    leaving(world)
    monkeypatch.setattr(erasing, "is_terminal", lambda _stream: True)
    monkeypatch.setattr("sys.stdin", io.StringIO(answered))

    assert run(["user", "erase", "ada", "--reason", "asked for it", "--early"]) == code

    assert "Erase ada for good?" in capsys.readouterr().err
    assert run(["user", "show", "ada"]) == (Exit.REFUSED if code == Exit.OK else Exit.OK)


def test_a_token_is_told_once_listed_as_a_session_and_revoked(world: str, capsys: pytest.CaptureFixture[str]) -> None:
    made = said(capsys, "token", "create", "bob", "--client", "support")

    assert made["token"].startswith("gks_")
    listed = said(capsys, "token", "list", "bob")["items"]
    assert [(one["session_id"], one["client_type"]) for one in listed] == [(made["session_id"], "support")]
    assert made["token"] not in json.dumps(listed)
    assert run(["token", "list", "bob"]) == Exit.OK
    assert made["session_id"] in capsys.readouterr().out
    assert run(["token", "create", "bob"]) == Exit.OK
    out, err = capsys.readouterr()
    assert out.startswith("gks_")
    assert out.strip() not in err

    # A session's id is enough; with a name it is looked up faster.
    assert said(capsys, "token", "revoke", made["session_id"])["sessions"] == 1
    assert said(capsys, "token", "revoke", made["session_id"], "bob")["sessions"] == 0
    assert run(["token", "revoke", made["session_id"], "ada"]) == Exit.REFUSED
    assert said(capsys, "token", "revoke", "--all", "bob")["sessions"] == 1
    assert said(capsys, "token", "list", "bob")["items"] == []
    assert len(said(capsys, "token", "list", "ada")["items"]) == 1
    capsys.readouterr()
    for words, code in (
        (["revoke", "nothing"], Exit.REFUSED),
        (["revoke", "--all", "nobody"], Exit.REFUSED),
        (["revoke", "nothing", "bob", "--all"], Exit.USAGE),
        (["create", "nobody"], Exit.REFUSED),
        (["create", "bob", "--client", "no words"], Exit.USAGE),
        (["list"], Exit.USAGE),
    ):
        assert run(["token", *words]) == code, words
    assert "SESSION_NOT_FOUND" in capsys.readouterr().err


def test_users_and_keys_are_made_listed_and_ended(world: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("GAMEKEEPER_PASSWORD", "a staple of words")

    cyd = said(capsys, "user", "create", "Cyd", "--role", "worldbuilder")
    assert said(capsys, "user", "show", "cyd")["user"]["user_id"] == cyd["user_id"]
    assert run(["user", "create", "cyd"]) == Exit.REFUSED
    capsys.readouterr()
    made = said(capsys, "key", "create", "arena", "--scope", "server", "--user", "cyd")
    assert [one["key_id"] for one in said(capsys, "key", "list", "--user", "cyd")["items"]] == [made["key_id"]]
    said(capsys, "key", "revoke", made["key_id"], "--user", "cyd")
    assert said(capsys, "key", "list", "--user", "cyd")["items"][0]["revoked_at"] is not None
    assert run(["key", "revoke", "nothing", "--user", "cyd"]) == Exit.REFUSED

"""`gamekeeper user`: what an operator does with users by hand, in a world that was made by the library."""

import asyncio
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

import gamekeeper
from gamekeeper.cli import run
from gamekeeper.cli.failures import Exit
from gamekeeper.modules import characters, sessions, users

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


def said(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """Run a verb that must succeed, and read its answer."""
    assert run([*words, "--json"]) == Exit.OK
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


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
    # An archive that is there already is nobody's to overwrite.
    assert run(["user", "export", "ada", str(file)]) == Exit.REFUSED

"""What a person is handed out: all of theirs, opened, and nothing of anybody else."""

import io
import json
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import pytest

import gamekeeper
from gamekeeper.keep import Keep
from gamekeeper.modules import characters, items, sessions, users
from tests.modules import scene

PASSWORD = "correct horse battery"
KEY = "k" * 32


@pytest.fixture
async def keyed(database_url: str) -> AsyncIterator[Keep]:
    """A keep that keeps addresses."""
    async with gamekeeper.open(database_url, create=True, secret_key=KEY, keep_emails=True, allow_unsafe_postgres=True) as keep:
        yield keep


def unpacked(archive: bytes) -> dict[str, list[Any]]:
    """The files of an archive, each as its list."""
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        texts = {name: files.read(name).decode() for name in files.namelist()}
    return {
        name: [json.loads(line) for line in text.splitlines()] if name.endswith(".jsonl") else json.loads(text)
        for name, text in texts.items()
    }


async def test_a_person_gets_everything_of_theirs_opened(keyed: Keep) -> None:
    ada = (await keyed.do(users.register(username="Ada", password=PASSWORD, email="ada@example.com"))).user_id
    opened = await keyed.do(sessions.login(username="ada", password=PASSWORD, ip_address="203.0.113.7"))
    reed, gone = [(await keyed.do(characters.create(user=ada, name=name))).character_id for name in ("Reed", "Sedge")]
    await keyed.do(characters.delete(character=gone))
    await keyed.do(users.set_profile(user=ada, name="Ada Lovelace"), actor=f"player:{ada}")

    archive = await users.export_person(keyed, ada)

    files = unpacked(archive)
    assert files["about.json"]["owners"] == {ada: "user", reed: "character", gone: "character"}  # type: ignore[call-overload]
    (user,) = files["records/users.json"]
    assert (user["username"], user["name"], user["email"]) == ("Ada", "Ada Lovelace", "ada@example.com")
    assert [row["ip_address"] for row in files["records/sessions.json"]] == ["203.0.113.7"]
    assert {row["name"] for row in files["records/characters.json"]} == {"Reed", "Sedge"}
    newest, *_, first = files[f"journal/{ada}.jsonl"]
    assert (newest["command"], newest["actor"]) == ("users.set_profile", f"player:{ada}")
    assert newest["arguments"]["name"] == newest["changes"][0]["after"]["name"] == "Ada Lovelace"
    assert (first["command"], first["arguments"]["username"], first["arguments"]["email"]) == ("users.register", "Ada", "ada@example.com")
    text = repr(files)
    row = await keyed.reader.get(users.User, ada)
    assert row is not None
    for secret in (PASSWORD, opened.token, str(row.password_hash), KEY):
        assert secret not in text
    assert "password_hash" not in text


async def test_abuse_99_an_export_holds_nothing_of_another_user(keyed: Keep) -> None:
    await scene.stock(keyed)
    ada, bob = [
        (await keyed.do(users.register(username=name, password=PASSWORD, email=f"{name}@example.com"))).user_id
        for name in ("Ada", "Boudicca")
    ]
    reed = (await keyed.do(characters.create(user=ada, name="Reed"))).character_id
    sedge = (await keyed.do(characters.create(user=bob, name="Sedgewick"))).character_id
    await keyed.do(sessions.open_session(user=bob, ip_address="198.51.100.9", user_agent="Icenian/1.0"))
    await keyed.do(items.grant(holder=sedge, item="coins", quantity=5, source="test"))
    await keyed.do(items.give(giver=sedge, receiver=reed, item="coins", quantity=5), actor=f"player:{bob}")

    files = unpacked(await users.export_person(keyed, ada))

    text = repr(files).lower()
    for word in ("boudicca", "sedgewick", "198.51.100.9", "icenian", bob):
        assert word not in text
    gift = files[f"journal/{reed}.jsonl"][0]
    assert (gift["command"], gift["actor"], gift["arguments"]) == ("items.give", "player", None)


async def test_of_who_was_erased_only_the_tombstone_can_be_exported(keyed: Keep) -> None:
    await keyed.do(users.create_guest(user="u-1"))
    await keyed.do(users.set_profile(user="u-1", name="Persephone"))
    await keyed.do(users.request_deletion(user="u-1"))
    await keyed.do(users.erase(user="u-1", early=True))

    files = unpacked(await users.export_person(keyed, "u-1"))

    assert "persephone" not in repr(files).lower()
    assert files["records/users.json"][0]["username"].startswith("deleted_")
    for nobody in ("nobody", "content"):
        with pytest.raises(users.UserNotFound):
            await users.export_person(keyed, nobody)

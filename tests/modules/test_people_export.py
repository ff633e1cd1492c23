"""What a person is handed out: all of theirs, opened, and nothing of anybody else."""

import io
import json
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import pytest

import gamekeeper
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.modules import accounts, characters, chat, items, moderation, people, sessions, users, worlds
from tests.modules import scene

PASSWORD = "correct horse battery"
KEY = "k" * 32


@pytest.fixture
async def keyed(database_url: str, clock: ManualClock) -> AsyncIterator[Keep]:
    """A keep that keeps addresses."""
    async with gamekeeper.open(
        database_url, create=True, clock=clock, secret_key=KEY, keep_emails=True, allow_unsafe_postgres=True
    ) as keep:
        yield keep


async def exported(keep: Keep, user: str) -> bytes:
    """An archive of a person."""
    file = io.BytesIO()
    await people.export(keep, user, file)
    return file.getvalue()


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

    archive = await exported(keyed, ada)

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

    files = unpacked(await exported(keyed, ada))

    text = repr(files).lower()
    for word in ("boudicca", "sedgewick", "198.51.100.9", "icenian", bob):
        assert word not in text
    gift = files[f"journal/{reed}.jsonl"][0]
    assert (gift["command"], gift["actor"], gift["arguments"]) == ("items.give", "player", None)


async def test_a_person_gets_what_they_wrote_and_what_was_whispered_to_them(
    keyed: Keep, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And of who is at the other end the name, and neither where they are nor whose they are."""
    monkeypatch.setattr("gamekeeper.modules.chat.queries.PAGE", 2)
    await keyed.do(worlds.create_world(world="world", name="World"))
    ada, bob = [(await keyed.do(users.create_guest(user=f"user_of_{name}"))).user_id for name in ("ada", "bob")]
    reed, rush, sedge = [
        (await keyed.do(characters.create(user=user, name=name))).character_id
        for user, name in ((ada, "Reed"), (ada, "Rush"), (bob, "Sedge"))
    ]
    for number in range(5):
        await keyed.do(chat.say(character=reed, message=f"said {number}"))
        await keyed.do(chat.say(character=sedge, message=f"answered {number}"))
        clock.move(2)
    await keyed.do(characters.move_to(character=sedge, room_id="hideout"))
    for giver, receiver in ((rush, sedge), (sedge, rush), (sedge, reed)):
        await keyed.do(chat.whisper(character=giver, recipient=receiver, message=f"psst {len({giver, rush})}"))
        clock.move(2)

    files = unpacked(await exported(keyed, ada))

    written = [(one["character_id"], one["author"], one["recipient"], one["room"], one["message"]) for one in files["chat/written.jsonl"]]
    assert written == [*[(reed, "Reed", None, "spawn", f"said {n}") for n in range(5)], (rush, "Rush", "Sedge", "spawn", "psst 1")]
    heard = sorted((one["character_id"], one["author"], one["room"], one["message"]) for one in files["chat/received.jsonl"])
    assert heard == sorted([(rush, "Sedge", None, "psst 2"), (reed, "Sedge", None, "psst 2")])
    told = repr([files["chat/written.jsonl"], files["chat/received.jsonl"]])
    assert [word for word in (sedge, bob, "hideout", "answered") if word in told] == []
    assert [word for word in (bob, "hideout", "answered") if word in repr(files)] == []


async def test_a_person_can_read_which_account_is_linked_and_why_they_were_banned(keyed: Keep) -> None:
    signed = await keyed.do(accounts.sign_in(provider="steam", subject="7656119", tokens=accounts.Tokens(access_token="an access token")))
    await keyed.do(users.create_guest(user="a_moderator"))
    await keyed.do(users.set_role(user="a_moderator", role="moderator"))
    staff = "player:a_moderator"
    await keyed.do(moderation.ban(user=signed.user_id, reason="shouting", preset="hour"), actor=staff)
    await keyed.do(moderation.unban(user=signed.user_id, reason="said sorry"), actor=staff)
    await keyed.do(moderation.add_note(user=signed.user_id, text="a neighbour complained"), actor=staff)

    files = unpacked(await exported(keyed, signed.user_id))

    (account,) = files["records/accounts.json"]
    assert (account["provider_id"], account["subject"]) == ("steam", "7656119")
    linked = [
        one["after"]["subject"]
        for entry in files[f"journal/{signed.user_id}.jsonl"]
        for one in entry["changes"]
        if one["table"] == "accounts"
    ]
    assert linked == ["7656119"]
    (ban,) = files["records/user_bans.json"]
    assert (ban["reason"], ban["lift_reason"]) == ("shouting", "said sorry")
    moderator = (await keyed.ask(users.show(user="a_moderator"))).username
    for word in ("a_moderator", moderator, "neighbour", "an access token", "subject_sealed"):
        assert word not in repr(files)


async def test_an_archive_of_much_is_whole_and_written_bit_by_bit(keyed: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gamekeeper.modules.people.rules.PAGE", 3)
    await scene.stock(keyed)
    ada = (await keyed.do(users.create_guest())).user_id
    reed = (await keyed.do(characters.create(user=ada, name="Reed"))).character_id
    for number in range(10):
        await keyed.do(items.grant(holder=reed, item="coins", quantity=number + 1, source="test"))
    written: list[int] = []

    class Sink(io.RawIOBase):
        """A pipe: nothing can be read back, and nothing is sought."""

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            written.append(len(data))
            kept.extend(data)
            return len(data)

    kept = bytearray()
    await people.export(keyed, ada, Sink())

    files = unpacked(bytes(kept))
    moved = [row["quantity"] for row in files["records/item_movements.json"] if row["quantity"] > 0]
    assert sorted(moved) == list(range(1, 11))
    assert [entry["seq"] for entry in files[f"journal/{reed}.jsonl"]] == list(range(11, 0, -1))
    assert len(written) > 20


async def test_of_who_was_erased_only_the_tombstone_can_be_exported(keyed: Keep) -> None:
    await keyed.do(users.create_guest(user="u-1"))
    await keyed.do(users.set_profile(user="u-1", name="Persephone"))
    await keyed.do(users.request_deletion(user="u-1"))
    await keyed.do(people.erase(user="u-1", early=True))

    files = unpacked(await exported(keyed, "u-1"))

    assert "persephone" not in repr(files).lower()
    assert files["records/users.json"][0]["username"].startswith("deleted_")
    for nobody in ("nobody", "content"):
        with pytest.raises(users.UserNotFound):
            await exported(keyed, nobody)

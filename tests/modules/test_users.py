"""Users: names that nobody can imitate, passwords that nobody can read, and guests."""

import asyncio
from typing import Any

import argon2
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import select

from gamekeeper.errors import AlreadyExists, Busy, GameError, InvalidArgument, NameTaken, OwnerNotFound
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.store.schema import all_tables
from gamekeeper.modules import users

PASSWORD = "correct horse battery"


async def everything(keep: Keep) -> dict[str, list[list[Any]]]:
    """All rows of all tables, to see that nothing has changed, or that something stands nowhere."""
    return {one.name: sorted([list(row) for row in await keep.store.fetch(select(one), {})], key=repr) for one in all_tables()}


async def test_a_registered_user_is_found_by_the_name_in_any_case(keep: Keep) -> None:
    ada = await keep.do(users.register(username="Ada_Lovelace", password=PASSWORD, timezone="Europe/London"))

    shown = await keep.ask(users.show(user=ada.user_id))
    assert (shown.username, shown.role, shown.timezone, shown.has_password) == ("Ada_Lovelace", "player", "Europe/London", True)
    assert (shown.is_active, shown.is_guest, shown.last_login_at, shown.account_origin) == (True, False, None, "registered")
    for name in ("Ada_Lovelace", "ADA_LOVELACE", "ad\u0430_lovel\u0430ce", "\uff21da_Lovelace"):
        assert await keep.ask(users.find(username=name)) == shown
    assert await keep.ask(users.find(username="bob")) is None


@pytest.mark.parametrize("name", ["ADA_L", "Ad\u00e1_l", "\uff21da_I", "ada_1"])
async def test_a_name_that_looks_like_another_is_taken(keep: Keep, name: str) -> None:
    await keep.do(users.register(username="ada_l", password=PASSWORD))
    before = await everything(keep)

    with pytest.raises(NameTaken):
        await keep.do(users.register(username=name, password=PASSWORD))

    assert await everything(keep) == before


async def test_of_many_who_want_a_name_at_once_one_gets_it(keep: Keep) -> None:
    calls = [keep.do(users.register(username=name, password=PASSWORD)) for name in ("Grace", "grace", "GRACE", "Gr\u00e2ce")]

    answers = await asyncio.gather(*calls, return_exceptions=True)

    assert sorted(type(one).__name__ for one in answers) == ["NameTaken", "NameTaken", "NameTaken", "Registered"]
    assert len((await keep.ask(users.list_users())).items) == 1


BAD_NAMES = [
    ("ab", "too_short"),
    ("a" * 33, "too_long"),
    ("\ufdfa" * 3, "too_long"),
    ("ad\u200ba", "invisible"),
    ("\u202eada", "invisible"),
    ("ada\u2066x", "invisible"),
    ("ada\n", "invisible"),
    ("ada\u3164", "invisible"),
    ("ada\ufe0f", "invisible"),
    ("ada\ue000", "invisible"),
    ("\u0430da", "scripts"),
    ("ada\u03bb", "scripts"),
    ("ada lovelace", "character"),
    ("ada\u00a0x", "character"),
    ("ada\U0001f600", "character"),
    ("<script>", "edge"),
    ("a<script>", "character"),
    ("_ada", "edge"),
    ("ada..x", "repeated"),
    ("a\u0335\u0336\u0337b", "marks"),
    ("Admin", "reserved"),
    ("a.d.m.i.n", "reserved"),
    ("\uff41\uff44\uff4d\uff49\uff4e", "reserved"),
    ("SYSTEM", "reserved"),
    ("guest_12345", "reserved"),
    ("Guest_X", "reserved"),
]


@pytest.mark.parametrize(("name", "problem"), [pytest.param(name, problem, id=ascii(name)) for name, problem in BAD_NAMES])
def test_a_name_that_could_deceive_is_refused_with_the_reason(name: str, problem: str) -> None:
    with pytest.raises(users.NameInvalid) as refused:
        users.read_name(name, users.USERNAME_POLICY)

    assert refused.value.facts == {"problem": problem}


@pytest.mark.parametrize(
    "name",
    ["ada", "Zo\u00eb", "\u041c\u0430\u0448\u0430", "\u7530\u4e2d\u3055\u3093", "\uae40\u7530\uc218", "x-1.y_2", "\u05d3\u05d5\u05d3"],
    ids=ascii,
)
def test_names_of_one_script_are_welcome(name: str) -> None:
    assert users.read_name(name, users.USERNAME_POLICY).shown == name


@given(st.text(max_size=40) | st.text(alphabet="aA\u00e9l1I0oO_-. '\u0430\u03b1\u0131\u0130\u00df\u0301\u200d", max_size=40))
@example("00\u0300")
@example("\u0149ad")
def test_every_text_is_refused_or_becomes_one_name_and_one_key(text: str) -> None:
    try:
        name = users.read_name(text, users.USERNAME_POLICY)
    except users.NameInvalid:
        return

    assert users.read_name(name.shown, users.USERNAME_POLICY) == name
    assert users.fold(name.key) == name.key == users.lookup_key(text) == users.lookup_key(name.shown)
    assert 3 <= len(name.shown) <= 32
    assert len(name.key) <= 128
    assert users.visible(name.shown)


BAD_ARGUMENTS: list[tuple[dict[str, Any], str]] = [
    ({"username": "ada"}, "/password"),
    ({"username": "ada", "password": "short"}, "/password"),
    ({"username": "ada", "password": "x" * 129}, "/password"),
    ({"username": "ada", "password": 12345678}, "/password"),
    ({"username": None, "password": PASSWORD}, "/username"),
    ({"username": "a" * 97, "password": PASSWORD}, "/username"),
    ({"username": "a\0da", "password": PASSWORD}, "/username"),
    ({"username": "ada", "password": "\0" * 8}, "/password"),
    ({"username": "ada", "password": PASSWORD, "role": "superuser"}, "/role"),
    ({"username": "ada", "password": PASSWORD, "user": "../etc"}, "/user"),
    ({"username": "ada", "password": PASSWORD, "timezone": "Mars/Olympus"}, "/timezone"),
    ({"username": "ada", "password": PASSWORD, "timezone": "../../etc/passwd"}, "/timezone"),
]


@pytest.mark.parametrize(("arguments", "path"), BAD_ARGUMENTS)
async def test_arguments_out_of_bounds_are_refused_by_path_and_change_nothing(keep: Keep, arguments: dict[str, Any], path: str) -> None:
    before = await everything(keep)

    with pytest.raises(InvalidArgument) as refused:
        await keep.do(users.register(**arguments))

    assert refused.value.facts["path"] == path
    assert PASSWORD not in str(refused.value)
    assert await everything(keep) == before


async def test_a_refused_name_changes_nothing(keep: Keep) -> None:
    before = await everything(keep)

    for name in ("ad\u200ba", "\u202eada", "\u0430da", "admin"):
        with pytest.raises(users.NameInvalid):
            await keep.do(users.register(username=name, password=PASSWORD))

    assert await everything(keep) == before


async def test_a_user_may_bring_an_id_but_not_another_users(keep: Keep) -> None:
    await keep.do(users.register(user="ada-1", username="ada", password=PASSWORD))

    with pytest.raises(AlreadyExists):
        await keep.do(users.register(user="ada-1", username="bob", password=PASSWORD))

    assert (await keep.ask(users.show(user="ada-1"))).username == "ada"
    assert await keep.ask(users.find(username="bob")) is None


async def test_a_password_is_stored_as_argon2id_and_told_to_nobody(keep: Keep) -> None:
    ada = await keep.do(users.register(username="ada", password=PASSWORD), key="once")

    dump = await everything(keep)
    assert PASSWORD not in repr(dump)
    stored = await keep.reader.get(users.User, ada.user_id)
    assert stored is not None
    assert stored.password_hash is not None
    assert stored.password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert stored.password_hash not in repr(dump["journal"])
    for answer in (
        await keep.ask(users.show(user=ada.user_id)),
        await keep.ask(users.find(username="ada")),
        await keep.ask(users.list_users()),
    ):
        assert "argon2" not in msgspec.json.encode(answer).decode()


async def test_a_persons_name_stands_in_the_journal_only_sealed(keep: Keep) -> None:
    await keep.do(users.register(username="Persephone", password=PASSWORD), key="once")

    dump = await everything(keep)

    assert "persephone" not in repr([dump["journal"], dump["idempotency"]]).lower()


async def test_a_retried_registration_answers_as_the_first(keep: Keep) -> None:
    first = await keep.do(users.register(username="ada", password=PASSWORD), key="once")

    assert await keep.do(users.register(username="ada", password=PASSWORD), key="once") == first
    assert len((await keep.ask(users.list_users())).items) == 1


async def test_checking_a_password_takes_the_same_work_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = await users.hash_password(PASSWORD)
    await users.verify_password(None, PASSWORD)
    checked: list[str] = []
    verify = argon2.PasswordHasher.verify

    def spy(self: argon2.PasswordHasher, hash: str | bytes, password: str | bytes) -> bool:
        checked.append(str(hash)[:30])
        return verify(self, hash, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", spy)
    answers = [await users.verify_password(one, two) for one, two in ((stored, PASSWORD), (stored, "wrong"), (None, PASSWORD))]

    assert answers == [True, False, False]
    assert checked == ["$argon2id$v=19$m=19456,t=2,p=1"] * 3


async def test_a_hash_that_cannot_be_read_lets_nobody_in() -> None:
    assert not await users.verify_password("", PASSWORD)
    assert not await users.verify_password("$argon2id$broken", PASSWORD)


async def test_a_password_is_the_same_however_its_letters_are_composed() -> None:
    stored = await users.hash_password("caf\u00e9 cr\u00e8me")

    assert await users.verify_password(stored, "cafe\u0301 cre\u0300me")


async def test_the_sixty_fifth_password_of_a_flood_is_told_to_come_back() -> None:
    answers = await asyncio.gather(*(users.verify_password("$broken", PASSWORD) for _ in range(65)), return_exceptions=True)

    assert [type(one) for one in answers] == [bool] * 64 + [Busy]
    assert not await users.verify_password("$broken", PASSWORD)


async def test_a_guest_has_a_number_for_a_name_and_a_day(timed: Keep, clock: ManualClock) -> None:
    guest = await timed.do(users.create_guest())

    shown = await timed.ask(users.show(user=guest.user_id))
    assert (shown.is_guest, shown.has_password, shown.account_origin) == (True, False, "visitor")
    assert shown.guest_expires_at == guest.expires_at == clock.now_ms() + 24 * 3_600_000
    assert shown.username == guest.username
    prefix, _, number = guest.username.partition("_")
    assert (prefix, len(number), number.isascii() and number.isdigit()) == ("guest", 5, True)


async def test_guests_at_once_get_names_of_their_own(keep: Keep) -> None:
    guests = await asyncio.gather(*(keep.do(users.create_guest()) for _ in range(20)), return_exceptions=True)

    named = [one.username for one in guests if isinstance(one, users.Guest)]
    assert len(set(named)) == len(named) >= 18
    assert all(isinstance(one, users.Guest | NameTaken) for one in guests)


async def test_users_are_listed_by_pages_and_by_the_beginning_of_the_name(keep: Keep) -> None:
    for name in ("ada_one", "bob", "Ada_two", "ad", "ada_three"):
        if len(name) > 2:
            await keep.do(users.register(username=name, password=PASSWORD))

    first = await keep.ask(users.list_users(limit=3))
    rest = await keep.ask(users.list_users(limit=3, cursor=first.next_cursor))
    assert [one.username for one in first.items + rest.items] == ["ada_one", "bob", "Ada_two", "ada_three"]
    assert (first.next_cursor is None, rest.next_cursor) == (False, None)
    assert [one.username for one in (await keep.ask(users.list_users(prefix="ADA_T"))).items] == ["Ada_two", "ada_three"]
    for nothing in ("%", "_", "ada%", "'; DROP TABLE users; --"):
        assert (await keep.ask(users.list_users(prefix=nothing))).items == []
    for unstorable in ("a\0", "\ud800"):
        with pytest.raises(InvalidArgument):
            users.list_users(prefix=unstorable)


async def test_a_forged_cursor_is_refused(keep: Keep) -> None:
    for cursor in ("x", "bnVsbA", "WzFd", "W10"):
        with pytest.raises(InvalidArgument):
            await keep.ask(users.list_users(cursor=cursor))


async def test_nobody_is_not_found(keep: Keep) -> None:
    with pytest.raises(OwnerNotFound) as refused:
        await keep.ask(users.show(user="nobody"))

    assert (refused.value.code, refused.value.facts) == ("USER_NOT_FOUND", {"id": "nobody"})
    for name in ("a\0b", "\ud800ab", "\u202eada", ""):
        try:
            assert await keep.ask(users.find(username=name)) is None
        except GameError as error:
            assert isinstance(error, InvalidArgument)  # noqa: PT017 - an empty name may be refused, or found nowhere


def test_the_declared_access_is_what_the_surfaces_enforce() -> None:
    operations: list[Any] = [users.register, users.create_guest, users.show, users.find, users.list_users]

    assert [one.access for one in operations] == ["public", "server", "player", "server", "operator"]

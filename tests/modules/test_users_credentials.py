"""Passwords that are changed, addresses that are verified, and tokens that are good once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import select

import gamekeeper
from gamekeeper.config import Settings
from gamekeeper.errors import GameError, InvalidArgument, NameTaken, SecretKeyNeeded
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.store.schema import all_tables
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import sessions, users
from gamekeeper.modules.users import passwords

PASSWORD = "correct horse battery"
OTHER = "staple of long words"
OLD_KEY, NEW_KEY = "o" * 32, "n" * 32
MINUTE = 60
HOUR = 60 * MINUTE
ADDRESS = "ada@example.com"


async def everything(keep: Keep) -> dict[str, list[list[Any]]]:
    """All rows of all tables, to see that nothing has changed, or that something stands nowhere."""
    return {one.name: sorted([list(row) for row in await keep.store.fetch(select(one), {})], key=repr) for one in all_tables()}


@pytest.fixture
async def keyed(database_url: str, clock: ManualClock) -> AsyncIterator[Keep]:
    """A keep with a key for people's data, whose time stands still."""
    async with gamekeeper.open(database_url, create=True, clock=clock, person_keys=[OLD_KEY], allow_unsafe_postgres=True) as keep:
        yield keep


async def join(keep: Keep, name: str, email: str | None = None) -> str:
    """A user with a password."""
    return (await keep.do(users.register(username=name, password=PASSWORD, email=email))).user_id


async def join_verified(keep: Keep, name: str, email: str) -> str:
    """A user whose address is verified; without a password, so that tests are quick."""
    user = (await keep.do(users.create_guest(user=name))).user_id
    await keep.do(users.set_email(user=user, email=email))
    await verify_address(keep, user, email)
    return user


async def verify_address(keep: Keep, user: str, email: str) -> None:
    """Read the mail and follow the link."""
    sent = await keep.do(users.request_email_verification(user=user, email=email))
    await keep.do(users.verify_email(token=sent.token))


async def told(answer: Awaitable[Any]) -> str:
    """What a caller learns: the answer or the error, in words."""
    try:
        return repr(await answer)
    except GameError as error:
        return f"{error.code} {error.facts}"


# Addresses

ADDRESSES = [
    (" Ada@Example.COM\n", "ada@example.com"),
    ("a.d.a+game@example.com", "a.d.a+game@example.com"),
    ("ada@B\u00dcCHER.example", "ada@xn--bcher-kva.example"),
    ("ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"),
    ("ada@b\u00fccher\u3002example", "ada@xn--bcher-kva.example"),
    ("Jose\u0301@example.com", "jos\u00e9@example.com"),
    ("\u212a@example.com", "k@example.com"),
]


@pytest.mark.parametrize(("text", "address"), [pytest.param(*one, id=ascii(one[0])) for one in ADDRESSES])
def test_an_address_has_one_form(text: str, address: str) -> None:
    assert users.canonical_email(text) == address


NO_ADDRESSES = [
    *("", "@", "ada", "ada@", "@example.com", "ada@example", "ada@exa mple.com", "a@b@example.com", ".ada@example.com", "ada.@example.com"),
    *("a..b@example.com", "ada@-a.com", "ada@a-.com", "ada@a..com", "ada@example.com.", "ada lovelace@example.com", '"ada"@example.com'),
    *("ada\u200b@example.com", "\u202eada@example.com", "ada@example.com\u0000", "a" * 65 + "@example.com", "ada@" + "a" * 64 + ".com"),
    *(
        "ada@[127.0.0.1]",
        "ada@exam\u200bple.c\u2028om",
        "Ada <ada@example.com>",
        "ada@example.com,bob@example.com",
        "ada@" + "a." * 127 + "com",
    ),
]


@pytest.mark.parametrize("text", [pytest.param(one, id=ascii(one)[:40]) for one in NO_ADDRESSES])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(users.EmailInvalid) as refused:
        users.canonical_email(text)

    assert refused.value.facts == {}


@given(st.text(max_size=40) | st.from_regex(r"[A-Za-z0-9.+\u00e9\u0130]{1,12}@[A-Za-z0-9\u00dc\u00df.\-]{1,20}", fullmatch=True))
@example("\u0130@\u0130.example")
def test_the_form_of_an_address_is_its_own_form(text: str) -> None:
    try:
        address = users.canonical_email(text)
    except users.EmailInvalid:
        return

    assert users.canonical_email(address) == address


async def test_an_address_is_the_users_once_its_mail_was_read(keyed: Keep) -> None:
    ada = await join(keyed, "ada")

    await keyed.do(users.set_email(user=ada, email="Ada@EXAMPLE.com", password=PASSWORD))
    assert (await keyed.ask(users.show(user=ada))).email_verified is False
    assert await users.by_email(keyed.reader, ADDRESS) is None
    sent = await keyed.do(users.request_email_verification(user=ada, email="ada@example.COM"))
    assert sent.address == ADDRESS
    await keyed.do(users.verify_email(token=sent.token))

    assert (await keyed.ask(users.show(user=ada))).email_verified is True
    found = await users.by_email(keyed.reader, " ADA@example.com")
    assert found is not None
    assert found.user_id == ada
    for other in ("a.da@example.com", "ada+x@example.com", "nobody", ""):
        assert await users.by_email(keyed.reader, other) is None
    with pytest.raises(users.EmailAlreadyVerified):
        await keyed.do(users.request_email_verification(user=ada, email=ADDRESS))


async def test_an_address_stands_nowhere_in_the_database(keyed: Keep) -> None:
    ada = await join(keyed, "ada", "ada.lovelace@example.com")
    await verify_address(keyed, ada, "ada.lovelace@example.com")
    reset = await keyed.do(users.request_reset(email="Ada.Lovelace@example.com"), key="once")
    assert reset.address == "ada.lovelace@example.com"
    assert reset.token is not None

    dump = repr(await everything(keyed)).lower()

    assert "lovelace" not in dump
    assert reset.token.lower() not in dump
    assert (await verify(keyed)).ok


async def test_an_address_is_kept_sealed_only_where_the_game_says_so(database_url: str) -> None:
    async with gamekeeper.open(database_url, create=True, secret_key=OLD_KEY, keep_emails=True, allow_unsafe_postgres=True) as keep:
        ada = await join(keep, "ada", "Ada@Example.com")
        await verify_address(keep, ada, ADDRESS)

        row = await keep.reader.get(users.User, ada)
        assert row is not None
        assert row.email_sealed is not None
        assert "example.com" not in row.email_sealed
        assert (await keep.do(users.request_reset(username="ada"))).address == ADDRESS
        assert (keep.reader.settings.secret_key, keep.reader.settings.url) == (None, "")


async def test_without_a_key_no_address_is_taken_and_nothing_is_found(keep: Keep) -> None:
    ada = (await keep.do(users.create_guest(user="ada"))).user_id

    with pytest.raises(SecretKeyNeeded):
        await keep.do(users.set_email(user=ada, email=ADDRESS))

    assert await users.by_email(keep.reader, ADDRESS) is None
    assert await keep.do(users.request_reset(email=ADDRESS)) == users.ResetToken()


async def test_setting_an_address_wants_the_password_of_who_has_one(keyed: Keep) -> None:
    ada = await join(keyed, "ada")
    before = await everything(keyed)

    for password in (None, "", "wrong horse"):
        with pytest.raises(users.PasswordWrong):
            await keyed.do(users.set_email(user=ada, email=ADDRESS, password=password))
    with pytest.raises(users.EmailInvalid):
        await keyed.do(users.set_email(user=ada, email="ada", password=PASSWORD))

    assert await everything(keyed) == before


async def test_of_two_who_verify_one_address_the_first_has_it(keyed: Keep) -> None:
    tokens = []
    for name in ("ada", "bob"):
        await keyed.do(users.create_guest(user=name))
        await keyed.do(users.set_email(user=name, email=ADDRESS))
        tokens.append((await keyed.do(users.request_email_verification(user=name, email=ADDRESS))).token)

    answers = await asyncio.gather(*(keyed.do(users.verify_email(token=token)) for token in tokens), return_exceptions=True)

    assert sorted(type(one) in (users.EmailTaken, NameTaken) for one in answers) == [False, True]
    late = tokens[0] if isinstance(answers[0], GameError) else tokens[1]
    with pytest.raises(users.EmailTaken):
        await keyed.do(users.verify_email(token=late))


async def test_another_address_gives_the_one_before_back(keyed: Keep) -> None:
    await join_verified(keyed, "ada", ADDRESS)
    await keyed.do(users.set_email(user="ada", email="lady@example.com"))

    assert (await keyed.ask(users.show(user="ada"))).email_verified is False
    await join_verified(keyed, "bob", ADDRESS)
    with pytest.raises(users.EmailDiffers):
        await keyed.do(users.request_email_verification(user="ada", email=ADDRESS))


async def test_a_token_for_the_address_before_verifies_nothing(keyed: Keep) -> None:
    await keyed.do(users.create_guest(user="ada"))
    await keyed.do(users.set_email(user="ada", email=ADDRESS))
    sent = await keyed.do(users.request_email_verification(user="ada", email=ADDRESS))
    await keyed.do(users.set_email(user="ada", email="victim@example.com"))

    with pytest.raises(users.TokenInvalid):
        await keyed.do(users.verify_email(token=sent.token))

    assert (await keyed.ask(users.show(user="ada"))).email_verified is False


async def test_an_address_is_found_and_taken_under_every_key_and_renewed_to_the_newest(database_url: str) -> None:
    async with gamekeeper.open(database_url, create=True, person_keys=[OLD_KEY], allow_unsafe_postgres=True) as keep:
        await join_verified(keep, "ada", ADDRESS)
    async with gamekeeper.open(database_url, person_keys=[NEW_KEY, OLD_KEY], allow_unsafe_postgres=True) as keep:
        found = await users.by_email(keep.reader, ADDRESS)
        assert found is not None
        await keep.do(users.create_guest(user="bob"))
        await keep.do(users.set_email(user="bob", email=ADDRESS))
        sent = await keep.do(users.request_email_verification(user="bob", email=ADDRESS))
        with pytest.raises(users.EmailTaken):
            await keep.do(users.verify_email(token=sent.token))

        await keep.do(users.set_email(user="ada", email=ADDRESS))

        shown = await keep.ask(users.show(user="ada"))
        assert shown.email_verified is True
    async with gamekeeper.open(database_url, person_keys=[NEW_KEY], allow_unsafe_postgres=True) as keep:
        found = await users.by_email(keep.reader, ADDRESS)
        assert found is not None
        assert found.user_id == "ada"
        assert (await verify(keep)).ok


async def test_no_more_tokens_wait_than_a_mailbox_bears(keyed: Keep, clock: ManualClock) -> None:
    await keyed.do(users.create_guest(user="ada"))
    await keyed.do(users.set_email(user="ada", email=ADDRESS))
    for _ in range(3):
        await keyed.do(users.request_email_verification(user="ada", email=ADDRESS))

    with pytest.raises(users.TooManyVerifications):
        await keyed.do(users.request_email_verification(user="ada", email=ADDRESS))
    clock.move(24 * HOUR)
    await keyed.do(users.request_email_verification(user="ada", email=ADDRESS))

    assert len(await keyed.reader.all(users.Verification, "ada")) == 1


# What strangers learn


async def test_abuse_73_strangers_learn_from_no_answer_who_has_an_account(keyed: Keep) -> None:
    await join_verified(keyed, "eve", "eve@example.com")
    await join(keyed, "ada")
    operations: list[Any] = [users.find, users.list_users, users.request_reset, users.request_email_verification]
    assert {one.access for one in operations} <= {"server", "operator"}
    assert [one.access for one in (users.verify_email, users.reset_password)] == ["public", "public"]

    # An address with an account, and one without.
    answers = [await told(keyed.do(users.set_email(user="eve", email=one))) for one in ("eve@example.com", "new@example.com")]
    assert answers == ["None", "None"]
    await keyed.do(users.create_guest(user="stranger"))
    answers = [await told(keyed.do(users.set_email(user="stranger", email=one))) for one in ("eve@example.com", "free@example.com")]
    assert answers == ["None", "None"]
    registered = [
        await keyed.do(users.register(user=name, username=name, password=PASSWORD, email=email))
        for name, email in (("carol", "eve@example.com"), ("david", "unknown@example.com"))
    ]
    assert [type(one).__name__ for one in registered] == ["Registered", "Registered"]
    assert {(await keyed.ask(users.show(user=name))).email_verified for name in ("carol", "david", "stranger")} == {False}
    # Tokens: none that is wrong says why.
    wrong = ["gkv_" + "x" * 43, "", "gkv_", "x" * 128]
    assert {await told(keyed.do(users.verify_email(token=one))) for one in wrong} == {"TOKEN_INVALID {}"}
    assert {await told(keyed.do(users.reset_password(token=one, password=OTHER))) for one in wrong} == {"TOKEN_INVALID {}"}


async def test_abuse_73_a_reset_for_nobody_is_no_error_and_writes_nothing(keyed: Keep) -> None:
    ada = await join(keyed, "ada", ADDRESS)
    await join_verified(keyed, "guest", "guest@example.com")
    before = await everything(keyed)

    # ada has not verified the address; a guest has nothing to reset.
    nobody = ({"email": ADDRESS}, {"email": "bob@example.com"}, {"email": "nonsense"}, {"username": "bob"}, {"email": "guest@example.com"})
    for number, who in enumerate(nobody):
        assert await keyed.do(users.request_reset(**who), key=f"request {number}") == users.ResetToken()
    after = await everything(keyed)
    assert {name: rows for name, rows in after.items() if name != "idempotency"} == {
        name: rows for name, rows in before.items() if name != "idempotency"
    }

    known = await keyed.do(users.request_reset(username="ADA"))
    assert (known.user_id, known.address, known.token is not None) == (ada, None, True)
    for neither in ({}, {"username": "ada", "email": ADDRESS}):
        with pytest.raises(InvalidArgument):
            await keyed.do(users.request_reset(**neither))


# Resets


async def test_a_reset_gives_a_new_password_and_ends_all_sessions(keyed: Keep, clock: ManualClock) -> None:
    ada = await join(keyed, "ada")
    opened = await keyed.do(sessions.login(username="ada", password=PASSWORD))
    reset = await keyed.do(users.request_reset(username="ada"))
    assert reset.token is not None
    assert reset.expires_at == clock.now_ms() + 3_600_000

    await keyed.do(users.reset_password(token=reset.token, password=OTHER))
    clock.move(1)

    assert await keyed.ask(sessions.by_token(token=opened.token)) is None
    with pytest.raises(sessions.BadCredentials):
        await keyed.do(sessions.login(username="ada", password=PASSWORD))
    again = await keyed.do(sessions.login(username="ada", password=OTHER))
    found = await keyed.ask(sessions.by_token(token=again.token))
    assert found is not None
    assert found.user_id == ada
    assert (await verify(keyed)).ok


async def test_abuse_74_a_reset_token_is_good_once_even_for_two_at_once(keyed: Keep) -> None:
    await join(keyed, "ada")
    reset = await keyed.do(users.request_reset(username="ada"), key="mail")
    assert reset.token is not None
    assert reset.token not in repr(await everything(keyed))

    answers = await asyncio.gather(
        *(keyed.do(users.reset_password(token=reset.token, password=word)) for word in (OTHER, "third of its kind")), return_exceptions=True
    )

    assert sorted(type(one).__name__ for one in answers) == ["NoneType", "TokenInvalid"]
    with pytest.raises(users.TokenInvalid):
        await keyed.do(users.reset_password(token=reset.token, password=PASSWORD))


async def test_abuse_74_a_reset_token_ends_with_its_hour_and_with_a_changed_password(keyed: Keep, clock: ManualClock) -> None:
    ada = await join(keyed, "ada")
    late, void, last = [(await keyed.do(users.request_reset(username="ada"))).token or "" for _ in range(3)]
    assert await keyed.do(users.request_reset(username="ada")) == users.ResetToken()

    clock.move(HOUR)
    with pytest.raises(users.TokenInvalid):
        await keyed.do(users.reset_password(token=late, password=OTHER))
    void = (await keyed.do(users.request_reset(username="ada"))).token or ""
    last = (await keyed.do(users.request_reset(username="ada"))).token or ""
    await keyed.do(users.change_password(user=ada, old_password=PASSWORD, new_password=OTHER))
    for token in (void, last):
        with pytest.raises(users.TokenInvalid):
            await keyed.do(users.reset_password(token=token, password=PASSWORD))
    # A token for one purpose is none for another.
    reset = (await keyed.do(users.request_reset(username="ada"))).token or ""
    with pytest.raises(users.TokenInvalid):
        await keyed.do(users.verify_email(token=reset))


async def test_a_refused_password_leaves_the_token_good(keyed: Keep) -> None:
    await join(keyed, "ada")
    token = (await keyed.do(users.request_reset(username="ada"))).token or ""

    for password in ("password1", "ada12345", "short"):
        with pytest.raises((users.PasswordRefused, InvalidArgument)):
            await keyed.do(users.reset_password(token=token, password=password))

    await keyed.do(users.reset_password(token=token, password=OTHER))


async def test_changing_the_password_ends_all_sessions_but_the_kept_one(keyed: Keep, clock: ManualClock) -> None:
    ada = await join(keyed, "ada")
    mine, theirs = [await keyed.do(sessions.open_session(user=ada)) for _ in range(2)]
    with pytest.raises(users.PasswordWrong):
        await keyed.do(users.change_password(user=ada, old_password=OTHER, new_password=OTHER))

    await keyed.do(users.change_password(user=ada, old_password=PASSWORD, new_password=OTHER, keep_session=mine.session_id))
    clock.move(1)

    assert await keyed.ask(sessions.by_token(token=theirs.token)) is None
    assert await keyed.ask(sessions.by_token(token=mine.token)) is not None
    fresh = await keyed.do(sessions.open_session(user=ada))
    assert await keyed.ask(sessions.by_token(token=fresh.token)) is not None


async def test_who_has_no_password_cannot_change_it(keyed: Keep) -> None:
    await keyed.do(users.create_guest(user="guest"))

    with pytest.raises(users.PasswordWrong):
        await keyed.do(users.change_password(user="guest", old_password="", new_password=OTHER))


# Passwords


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("password", "common"),
        ("P@ssw0rd2024!", "common"),
        ("12345678", "common"),
        ("qwertyuiop", "common"),
        ("abababab", "common"),
        ("Countess1815", "like_name"),
        ("e\u0301" * 7, "too_short"),
        ("\ufdfa" * 128, "too_long"),
    ],
    ids=ascii,
)
async def test_a_password_that_is_guessed_first_is_refused(password: str, problem: str) -> None:
    with pytest.raises(users.PasswordRefused) as refused:
        users.check_password(password, "countess")

    assert refused.value.facts == {"problem": problem}


def test_names_of_digits_and_long_phrases_are_no_hindrance() -> None:
    users.check_password("81927364", "12345")
    users.check_password(PASSWORD, "correct")
    users.check_password("\U0001f40e" * 3 + " of the night", "ada")


async def test_abuse_86_a_password_of_a_megabyte_costs_nothing_and_none_is_cut_off(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    for call in (users.register, sessions.login):
        with pytest.raises(InvalidArgument):
            call(username="ada", password="x" * 1024 * 1024)
        with pytest.raises(InvalidArgument):
            call(username="ada", password="correct\0horse battery")
    stored = await users.hash_password("x" * 127 + "y")
    assert not await users.verify_password(stored, "x" * 127 + "z")
    assert not await users.verify_password(stored, "x" * 127)
    assert await users.verify_password(stored, "x" * 127 + "y")
    # What grows past a KiB by normalization is refused before any work.
    monkeypatch.setattr(passwords, "_in_thread", None)
    with pytest.raises(users.PasswordRefused):
        await users.hash_password("\ufdfa" * 128)
    assert not await users.verify_password(stored, "\ufdfa" * 128)
    with pytest.raises(users.PasswordRefused):
        await keep.do(users.register(username="ada", password="\ufdfa" * 128))


async def test_passwords_cost_what_the_operator_says_and_not_less_than_owasp(database_url: str) -> None:
    with pytest.raises(InvalidArgument):
        gamekeeper.open(database_url, create=True, password_memory_kib=19 * 1024 - 1)
    with pytest.raises(InvalidArgument):
        gamekeeper.open(database_url, create=True, password_passes=1)
    async with gamekeeper.open(database_url, create=True, allow_unsafe_postgres=True) as keep:
        ada = await join(keep, "ada")
    async with gamekeeper.open(database_url, password_memory_kib=20 * 1024, password_passes=3, allow_unsafe_postgres=True) as keep:
        await keep.do(sessions.login(username="ada", password=PASSWORD))

        row = await keep.reader.get(users.User, ada)
        assert row is not None
        assert str(row.password_hash).startswith("$argon2id$v=19$m=20480,t=3,p=1$")
        assert Settings().password_memory_kib == 19 * 1024

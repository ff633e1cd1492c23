"""Linked accounts: one user for each account at a provider, whoever races, and no token or name of a provider to be read."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

import gamekeeper
from gamekeeper.errors import GameError, InvalidArgument, NameTaken, SecretKeyNeeded
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.commands import command
from gamekeeper.kernel.store.schema import all_tables
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import accounts, people, sessions, users

KEY = "a secret of the keep that is long enough"
NEWER = "another secret that has come after the first"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"


@command(touches=[users.User], module="test_accounts")
def shape(ctx: Context, *, user: users.UserId, is_active: bool = True, password_hash: str | None = None) -> None:
    """Switch an account off, or give it a password that costs no time."""
    row = ctx.get(users.User, user)
    assert row is not None
    ctx.change(row, is_active=is_active, password_hash=password_hash)


@pytest.fixture
async def keep(database_url: str, clock: ManualClock) -> AsyncIterator[Keep]:
    """A keep with a secret key, whose time stands still."""
    async with gamekeeper.open(database_url, create=True, clock=clock, secret_key=KEY, allow_unsafe_postgres=True) as keep:
        yield keep


async def signed_in(keep: Keep, subject: str = "110", provider: str = "google", **more: Any) -> accounts.SignedIn:
    """Somebody whom a provider vouches for."""
    return await keep.do(accounts.sign_in(provider=provider, subject=subject, **more))


async def everything(keep: Keep) -> str:
    """All that stands in the database, as text."""
    return repr({one.name: sorted([list(row) for row in await keep.store.fetch(select(one), {})], key=repr) for one in all_tables()})


async def test_a_new_account_makes_a_user_and_a_known_one_finds_them(keep: Keep, clock: ManualClock) -> None:
    profile = accounts.Profile(name="Ada Reed", email="Ada@Example.com", picture="https://example.com/ada.png")
    first = await signed_in(keep, profile=profile, client_type="web")
    clock.move(5)
    second = await signed_in(keep, profile=accounts.Profile(name="Other"))

    assert (first.is_new, second.is_new, second.user_id) == (True, False, first.user_id)
    shown = await keep.ask(users.show(user=first.user_id))
    assert shown.username.startswith("player_")
    assert (shown.name, shown.image, shown.role, shown.account_origin) == ("Ada Reed", "https://example.com/ada.png", "player", "google")
    assert (shown.is_guest, shown.has_password, shown.email_verified) == (False, False, True)
    for opened in (first, second):
        session = await keep.ask(sessions.by_token(token=opened.token))
        assert session is not None
        assert session.user_id == first.user_id
    (listed,) = await keep.ask(accounts.list_accounts(user=first.user_id))
    assert (listed.provider, listed.last_used_at - listed.created_at) == ("google", 5000)


async def test_fifty_first_sign_ins_at_once_make_one_user(keep: Keep) -> None:
    answers = await asyncio.gather(*[signed_in(keep, "race") for _ in range(50)])

    assert len({one.user_id for one in answers}) == 1
    assert sum(one.is_new for one in answers) == 1
    assert len((await keep.ask(users.list_users())).items) == 1
    (listed,) = await keep.ask(accounts.list_accounts(user=answers[0].user_id))
    assert listed.provider == "google"


async def test_one_subject_at_two_providers_is_two_people(keep: Keep) -> None:
    assert (await signed_in(keep, provider="google")).user_id != (await signed_in(keep, provider="discord")).user_id


async def test_a_chosen_name_is_the_users_and_a_taken_one_is_refused(keep: Keep) -> None:
    ada = await signed_in(keep, "1", profile=accounts.Profile(username="Ada"))
    assert (await keep.ask(users.show(user=ada.user_id))).username == "Ada"

    with pytest.raises(NameTaken):
        await signed_in(keep, "2", profile=accounts.Profile(username="ADA"))
    with pytest.raises(users.NameInvalid):
        await signed_in(keep, "2", profile=accounts.Profile(username="admin"))
    assert len((await keep.ask(users.list_users())).items) == 1


async def test_an_address_that_somebody_has_links_nobody_to_them(keep: Keep) -> None:
    ada = await signed_in(keep, "1", profile=accounts.Profile(email="ada@example.com"))

    thief = await signed_in(keep, "2", provider="discord", profile=accounts.Profile(email="ADA@example.com"))
    odd = await signed_in(keep, "3", profile=accounts.Profile(email="no@address"))

    assert thief.user_id != ada.user_id
    for one, verified in ((ada, True), (thief, False), (odd, False)):
        assert (await keep.ask(users.show(user=one.user_id))).email_verified is verified


async def test_ten_new_users_with_one_address_at_once_all_get_in_and_one_has_it(keep: Keep) -> None:
    profile = accounts.Profile(email="ada@example.com")

    answers = await asyncio.gather(*[signed_in(keep, f"s{number}", profile=profile) for number in range(10)])

    shown = [await keep.ask(users.show(user=one.user_id)) for one in answers]
    assert len({one.user_id for one in answers}) == 10
    assert sum(one.email_verified for one in shown) == 1


async def test_a_switched_off_user_does_not_get_in(keep: Keep) -> None:
    ada = await signed_in(keep)
    await keep.do(shape(user=ada.user_id, is_active=False))

    with pytest.raises(sessions.AccountInactive):
        await signed_in(keep)
    with pytest.raises(sessions.AccountInactive):
        await keep.do(accounts.issue_code(provider="google", subject="110", challenge=accounts.challenge_of(VERIFIER)))
    with pytest.raises(sessions.AccountInactive):
        await keep.do(accounts.link(user=ada.user_id, provider="discord", subject="1"))


async def test_a_linked_account_opens_the_same_user(keep: Keep) -> None:
    ada = await signed_in(keep, "1")

    linked = await keep.do(accounts.link(user=ada.user_id, provider="discord", subject="77"))

    again = await signed_in(keep, "77", provider="discord")
    assert (again.user_id, again.is_new) == (ada.user_id, False)
    assert linked.account_id in {one.account_id for one in await keep.ask(accounts.list_accounts(user=ada.user_id))}


async def test_abuse_22_an_account_is_linked_once_and_to_one_user(keep: Keep) -> None:
    ada, bob = await signed_in(keep, "1"), await signed_in(keep, "2")
    guest = await keep.do(users.create_guest())
    before = await everything(keep)

    with pytest.raises(accounts.AlreadyLinked):
        await keep.do(accounts.link(user=ada.user_id, provider="google", subject="1"))
    with pytest.raises(accounts.AccountTaken) as refused:
        await keep.do(accounts.link(user=bob.user_id, provider="google", subject="1"))
    with pytest.raises(accounts.GuestCannotLink):
        await keep.do(accounts.link(user=guest.user_id, provider="discord", subject="3"))

    assert refused.value.facts == {"provider": "google"}
    assert await everything(keep) == before


async def test_abuse_22_two_users_who_link_one_account_at_once_do_not_share_it(keep: Keep) -> None:
    people = [(await signed_in(keep, f"own-{number}")).user_id for number in range(6)]

    answers = await asyncio.gather(
        *[keep.do(accounts.link(user=one, provider="discord", subject="x")) for one in [*people, *people]], return_exceptions=True
    )

    assert sum(isinstance(one, accounts.Linked) for one in answers) == 1
    assert all(isinstance(one, accounts.Linked | accounts.AccountTaken | accounts.AlreadyLinked) for one in answers)
    linked = [one for user in people for one in await keep.ask(accounts.list_accounts(user=user)) if one.provider == "discord"]
    assert len(linked) == 1


async def test_the_last_way_to_log_in_stays(keep: Keep) -> None:
    ada = (await signed_in(keep, "1")).user_id
    (own,) = await keep.ask(accounts.list_accounts(user=ada))

    with pytest.raises(accounts.LastLoginMethod):
        await keep.do(accounts.unlink(user=ada, provider="google", account_id=own.account_id))
    other = await keep.do(accounts.link(user=ada, provider="discord", subject="2"))
    both = await asyncio.gather(
        keep.do(accounts.unlink(user=ada, provider="google", account_id=own.account_id)),
        keep.do(accounts.unlink(user=ada, provider="discord", account_id=other.account_id)),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in both) == ["LastLoginMethod", "NoneType"]

    (left,) = await keep.ask(accounts.list_accounts(user=ada))
    await keep.do(shape(user=ada, password_hash="x"))
    await keep.do(accounts.unlink(user=ada, provider=left.provider, account_id=left.account_id))
    assert await keep.ask(accounts.list_accounts(user=ada)) == []
    with pytest.raises(accounts.AccountNotFound):
        await keep.do(accounts.unlink(user=ada, provider=left.provider, account_id=left.account_id))


async def test_an_unlinked_account_is_free_for_somebody_else(keep: Keep) -> None:
    ada, bob = await signed_in(keep, "1"), await signed_in(keep, "2")
    linked = await keep.do(accounts.link(user=ada.user_id, provider="discord", subject="x"))
    await keep.do(accounts.unlink(user=ada.user_id, provider="discord", account_id=linked.account_id))

    await keep.do(accounts.link(user=bob.user_id, provider="discord", subject="x"))

    assert (await signed_in(keep, "x", provider="discord")).user_id == bob.user_id


async def test_a_user_has_so_many_accounts_and_no_more(keep: Keep) -> None:
    ada = (await signed_in(keep, "0")).user_id
    await keep.do(*[accounts.link(user=ada, provider="google", subject=f"{number}") for number in range(1, accounts.MAX_ACCOUNTS)])

    with pytest.raises(accounts.TooManyAccounts):
        await keep.do(accounts.link(user=ada, provider="google", subject="one more"))


async def test_tokens_are_kept_sealed_and_what_is_not_given_again_stays(keep: Keep, tmp_path: Path) -> None:
    tokens = accounts.Tokens("access-canary-1", "refresh-canary-1", None, "openid email", 5_000, None)
    subject = "subject-canary-12345"
    ada = await signed_in(keep, subject, tokens=tokens)
    await signed_in(keep, subject, tokens=accounts.Tokens(access_token="access-canary-2", access_token_expires_at=9_000))
    (listed,) = await keep.ask(accounts.list_accounts(user=ada.user_id))

    kept = await keep.ask(accounts.show_tokens(user=ada.user_id, provider="google", account_id=listed.account_id))

    assert (kept.access_token, kept.refresh_token, kept.id_token) == ("access-canary-2", "refresh-canary-1", None)
    assert (kept.scope, kept.access_token_expires_at) == ("openid email", 9_000)
    dump = await everything(keep)
    files = b"".join(one.read_bytes() for one in tmp_path.glob("world.db*"))
    assert "canary" not in dump
    assert b"canary" not in files
    assert ada.token not in dump


async def test_a_keep_without_a_key_says_that_it_needs_one(database_url: str) -> None:
    async with gamekeeper.open(database_url, create=True, allow_unsafe_postgres=True) as keep:
        with pytest.raises(SecretKeyNeeded):
            await signed_in(keep)


async def test_an_account_is_found_under_an_old_key_and_stands_under_the_new_one_then(database_url: str) -> None:
    words: dict[str, Any] = {"secret_key": KEY, "allow_unsafe_postgres": True}
    async with gamekeeper.open(database_url, create=True, **words) as keep:
        ada = await signed_in(keep)
    async with gamekeeper.open(database_url, person_keys=[NEWER, KEY], **words) as keep:
        with pytest.raises(accounts.AlreadyLinked):
            await keep.do(accounts.link(user=ada.user_id, provider="google", subject="110"))
        answers = await asyncio.gather(*[signed_in(keep) for _ in range(5)])
        assert {one.user_id for one in answers} == {ada.user_id}
    async with gamekeeper.open(database_url, person_keys=[NEWER], **words) as keep:
        assert (await signed_in(keep)).user_id == ada.user_id
        (listed,) = await keep.ask(accounts.list_accounts(user=ada.user_id))
        assert listed.provider == "google"


async def test_a_code_opens_one_session_for_who_knows_the_verifier(keep: Keep) -> None:
    issued = await keep.do(accounts.issue_code(provider="google", subject="1", challenge=accounts.challenge_of(VERIFIER)))

    with pytest.raises(accounts.SignInCodeInvalid):
        await keep.do(accounts.redeem(code=issued.code, verifier="a guess"))
    answers = await asyncio.gather(
        *[keep.do(accounts.redeem(code=issued.code, verifier=VERIFIER, client_type="web")) for _ in range(8)], return_exceptions=True
    )

    (opened,) = [one for one in answers if isinstance(one, sessions.Opened)]
    assert all(isinstance(one, sessions.Opened | accounts.SignInCodeInvalid) for one in answers)
    assert opened.user_id == issued.user_id
    assert await keep.ask(sessions.by_token(token=opened.token)) is not None
    assert issued.code not in await everything(keep)


async def test_a_code_runs_out_and_codes_do_not_pile_up(keep: Keep, clock: ManualClock) -> None:
    call = accounts.issue_code(provider="google", subject="1", challenge=accounts.challenge_of(VERIFIER))
    issued = [await keep.do(call) for _ in range(8)]

    with pytest.raises(accounts.SignInCodeInvalid):
        await keep.do(accounts.redeem(code=issued[0].code, verifier=VERIFIER))
    assert len(await keep.reader.all(accounts.SignInCode, issued[0].user_id)) <= 5
    clock.move(accounts.CODE_SECONDS)
    with pytest.raises(accounts.SignInCodeInvalid):
        await keep.do(accounts.redeem(code=issued[-1].code, verifier=VERIFIER))
    await keep.do(call)
    assert len(await keep.reader.all(accounts.SignInCode, issued[0].user_id)) == 1


async def test_an_erased_user_leaves_no_account_behind(keep: Keep) -> None:
    ada = await signed_in(keep, "erase-canary", tokens=accounts.Tokens(access_token="token"))
    await keep.do(accounts.issue_code(provider="google", subject="erase-canary", challenge=accounts.challenge_of(VERIFIER)))
    await keep.do(users.request_deletion(user=ada.user_id))

    await keep.do(people.erase(user=ada.user_id, early=True))

    assert await keep.ask(accounts.list_accounts(user=ada.user_id)) == []
    assert await keep.reader.all(accounts.SignInCode, ada.user_id) == []
    again = await signed_in(keep, "erase-canary")
    assert (again.is_new, again.user_id != ada.user_id) == (True, True)


@pytest.mark.parametrize(
    "words",
    [
        {"provider": "Google"},
        {"provider": "a:b"},
        {"subject": ""},
        {"subject": "x" * 256},
        {"subject": "a\0b"},
        {"profile": {"picture": "javascript:alert(1)"}},
    ],
)
def test_arguments_out_of_bounds_are_refused(words: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        accounts.sign_in.call({"provider": "google", "subject": "1", **words})


async def test_what_ends_in_logs_names_nobody(keep: Keep) -> None:
    ada, _ = await signed_in(keep, "log-canary"), await signed_in(keep, "2")
    call = accounts.link(user=ada.user_id, provider="google", subject="log-canary", tokens=accounts.Tokens("log-canary"))

    with pytest.raises(GameError) as refused:
        await keep.do(call)

    assert "log-canary" not in repr(call) + str(refused.value)

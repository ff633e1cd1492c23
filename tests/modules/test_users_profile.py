"""Profiles, roles, and what nobody can write by naming it."""

from typing import Any

import msgspec
import pytest

from gamekeeper.errors import GameError, InvalidArgument
from gamekeeper.keep import Keep
from gamekeeper.kernel.commands import COMMANDS
from gamekeeper.modules import users

PASSWORD = "correct horse battery"
ROLES: tuple[users.Role, ...] = ("player", "worldbuilder", "moderator", "admin", "superuser")


async def people(keep: Keep) -> None:
    """One user of each role, under an id that says which."""
    for role in ROLES:
        await keep.do(users.create_guest(user=role))
        await keep.do(users.set_role(user=role, role=role))


async def test_a_profile_is_set_field_by_field_and_taken_away_by_nothing(keep: Keep) -> None:
    await keep.do(users.create_guest(user="ada"))

    await keep.do(users.set_profile(user="ada", name="Ada King, Countess of Lovelace"))
    await keep.do(users.set_profile(user="ada", image="https://example.com/a.png?size=64#face"))
    await keep.do(users.set_timezone(user="ada", timezone="Europe/London"))
    shown = await keep.ask(users.show(user="ada"))
    assert (shown.name, shown.image) == ("Ada King, Countess of Lovelace", "https://example.com/a.png?size=64#face")
    assert shown.timezone == "Europe/London"

    await keep.do(users.set_profile(user="ada", name="", image=""))
    shown = await keep.ask(users.show(user="ada"))
    assert (shown.name, shown.image) == (None, None)
    version = await keep.version("ada")
    await keep.do(users.set_profile(user="ada", name=""))
    assert await keep.version("ada") == version


async def test_a_profile_that_could_do_harm_is_refused(keep: Keep) -> None:
    await keep.do(users.create_guest(user="ada"))
    version = await keep.version("ada")

    for image in (
        "javascript:alert(1)",
        "http://example.com",
        "https://",
        "https://x\n",
        'https://x"onerror=1',
        "https://<script>",
        "data:,x",
    ):
        with pytest.raises(InvalidArgument):
            await keep.do(users.set_profile(user="ada", image=image))
    for name in ("a\u200bb", "\u202eada", "<b>", " ada", "Mod\u0435rator", "A d m i n"):
        with pytest.raises(users.NameInvalid):
            await keep.do(users.set_profile(user="ada", name=name))
    with pytest.raises(InvalidArgument):
        await keep.do(users.set_timezone(user="ada", timezone="Mars/Olympus"))

    assert await keep.version("ada") == version


async def test_abuse_78_nobody_writes_a_column_by_naming_it(keep: Keep) -> None:
    columns = {*users.User.__struct_fields__, "balance", "is_admin", "id"}
    arguments: dict[str, dict[str, Any]] = {
        "users.register": {"username": "ada", "password": PASSWORD},
        "users.set_profile": {"user": "ada"},
        "users.set_timezone": {"user": "ada", "timezone": "UTC"},
        "users.set_email": {"user": "ada", "email": "a@b.example"},
        "users.change_password": {"user": "ada", "old_password": PASSWORD, "new_password": PASSWORD},
        "users.reset_password": {"token": "x", "password": PASSWORD},
        "users.verify_email": {"token": "x"},
        "users.request_deletion": {"user": "ada"},
        "users.cancel_deletion": {"user": "ada"},
    }
    open_to_players = {name for name, one in COMMANDS.items() if one.module == "users" and one.access in ("public", "player")}
    assert open_to_players == set(arguments)

    for name, values in arguments.items():
        for column in sorted(columns - {one.name for one in COMMANDS[name].parameters}):
            with pytest.raises(InvalidArgument) as refused:
                COMMANDS[name].call({**values, column: 1})
            assert refused.value.facts["path"] == f"/{column}"


async def test_abuse_79_no_name_looks_like_one_of_staff(keep: Keep) -> None:
    for name in (
        "M0derator",
        "mod\u0435rator",
        "moder\u200bator",
        "\uff2doderator",
        "m.o.d",
        "Admin",
        "adm\u0131n",
        "ADM1N",
        "\u0430dmin",
        "G-M",
    ):
        with pytest.raises(users.NameInvalid):
            await keep.do(users.register(username=name, password=PASSWORD))


async def test_abuse_81_staff_give_roles_below_their_own_to_users_below_them(keep: Keep) -> None:
    await people(keep)
    await keep.do(users.create_guest(user="target"))
    given: set[tuple[str, str, str]] = set()

    for actor in ROLES:
        for before in ROLES:
            for after in ROLES:
                await keep.do(users.set_role(user="target", role=before))
                try:
                    await keep.do(users.set_role(user="target", role=after), actor=f"player:{actor}", reason="a try")
                except users.RoleTooLow:
                    continue
                given.add((actor, before, after))

    below_admin, below_superuser = ROLES[:3], ROLES[:4]
    assert given == {("admin", before, after) for before in below_admin for after in below_admin} | {
        ("superuser", before, after) for before in below_superuser for after in below_superuser
    }


async def test_abuse_81_nobody_raises_themselves_and_lost_roles_give_nothing(keep: Keep) -> None:
    await people(keep)
    await keep.do(users.create_guest(user="target"))

    for role in ROLES:
        for wanted in ROLES:
            with pytest.raises(users.RoleTooLow):
                await keep.do(users.set_role(user=role, role=wanted), actor=f"player:{role}", reason="a try")
    await keep.do(users.set_role(user="admin", role="player"))
    for actor in ("player:admin", "player:nobody"):
        with pytest.raises(GameError):
            await keep.do(users.set_role(user="target", role="moderator"), actor=actor, reason="a try")

    assert (await keep.ask(users.show(user="target"))).role == "player"


async def test_abuse_78_no_answer_shows_what_is_secret(keep: Keep) -> None:
    await keep.do(users.create_guest(user="ada"))
    shown = msgspec.to_builtins(await keep.ask(users.show(user="ada")))

    assert not {"password_hash", "email_hash", "email_sealed", "username_key", "sessions_valid_from"} & set(shown)


async def test_users_are_found_by_the_beginning_of_the_name_in_any_script(keep: Keep) -> None:
    for name in ("adam", "Ada\u00e9", "\u0416\u0443\u043a", "ada-x", "adb", "\u7530\u4e2d\u3055\u3093"):
        await keep.do(users.register(username=name, password=PASSWORD))

    async def beginning(prefix: str) -> set[str]:
        return {one.username for one in (await keep.ask(users.list_users(prefix=prefix))).items}

    assert await beginning("ADA") == {"adam", "Ada\u00e9", "ada-x"}
    assert await beginning("\u0436") == {"\u0416\u0443\u043a"}
    assert await beginning("\u7530") == {"\u7530\u4e2d\u3055\u3093"}
    assert await beginning("adaz") == set()

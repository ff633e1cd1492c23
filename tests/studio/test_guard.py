"""Who gets in, and what is refused at the door; without a browser, so that requests can be of a kind that no browser sends."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from httpx2 import ASGITransport, AsyncClient, Response
from msgspec import Struct
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import Message

import gamekeeper
from gamekeeper.keep import Keep
from gamekeeper.kernel import history
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.modules import characters, chat, content, items, moderation, sessions, trades, users, worlds
from gamekeeper.studio import make_login_link, make_studio, sign_login_link

BASE = "http://127.0.0.1:8420"
STUDIO = f"{BASE}/studio"
SECRET = "a secret of at least thirty-two letters"
FORM = {"content-type": "application/x-www-form-urlencoded", "origin": BASE, "sec-fetch-site": "same-origin"}


class Door(Struct):
    """A Studio with one character behind it."""

    keep: Keep
    clock: ManualClock
    app: Starlette
    http: AsyncClient
    ada: str
    path: Path

    async def log_in(self) -> str:
        """Log in, and give the token of the session's forms."""
        await self.http.get(make_login_link(self.app, STUDIO, operator="tess"))
        page = await self.http.get(f"{STUDIO}/characters/{self.ada}")
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)
        assert found is not None
        return found[1]

    async def rename(self, token: str | None, name: str = "Berta", headers: dict[str, str] | None = None, **fields: str) -> Response:
        """Send the form that renames Ada."""
        form = {"name": name, "reason": "she asked", "key": f"key-{name}", **fields} | ({} if token is None else {"csrf": token})
        address = f"{STUDIO}/characters/{self.ada}/rename"
        return await self.http.post(address, content=urlencode(form), headers=FORM if headers is None else headers)

    async def name(self) -> str:
        """What Ada is called now."""
        return (await self.keep.ask(characters.show(character=self.ada))).character.name


@pytest.fixture
async def door(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Door]:
    """A small keep on SQLite, its Studio mounted at /studio, and a client."""
    clock = ManualClock()
    path = tmp_path / "world.db"
    async with gamekeeper.open(sqlite_url, clock=clock) as keep:
        pack = content.read_pack(Path(content.__file__).parent / "starter")
        await keep.do(content.load_pack(pack=pack))
        ada = (await keep.do(characters.create(name="Ada"))).character_id
        app = make_studio(keep, hosts=["Studio.Test"])
        async with AsyncClient(transport=ASGITransport(Starlette(routes=[Mount("/studio", app=app)])), base_url=BASE) as http:
            yield Door(keep, clock, app, http, ada, path)


async def test_nobody_gets_in_without_a_link(door: Door) -> None:
    for path in ("/", "/characters", f"/characters/{door.ada}", "/economy", "/live", "/nowhere"):
        answer = await door.http.get(STUDIO + path)
        assert answer.status_code == 401
        assert "gamekeeper studio-link" in answer.text
        assert "Ada" not in answer.text
    assert (await door.rename("0" * 64)).status_code == 401
    assert await door.name() == "Ada"


async def test_a_login_link_works_once(door: Door) -> None:
    link = make_login_link(door.app, STUDIO)
    first = await door.http.get(link)
    cookie = first.headers["set-cookie"]
    door.http.cookies.clear()
    second = await door.http.get(link, follow_redirects=True)

    assert first.status_code == 303
    assert first.headers["location"] == "/studio/"
    assert {"HttpOnly", "SameSite=strict", "Path=/studio", "Max-Age=43200"} <= {part.strip() for part in cookie.split(";")}
    assert second.status_code == 401
    assert "used before" in second.text
    assert "set-cookie" not in second.headers


async def test_a_login_link_lasts_ten_minutes_and_a_session_twelve_hours(door: Door) -> None:
    late = make_login_link(door.app, STUDIO)
    door.clock.move(600)
    await door.http.get(late)
    assert (await door.http.get(f"{STUDIO}/")).status_code == 401

    await door.log_in()
    door.clock.move(12 * 3600 - 1)
    assert (await door.http.get(f"{STUDIO}/")).status_code == 200
    door.clock.move(1)
    assert (await door.http.get(f"{STUDIO}/")).status_code == 401


async def test_looking_at_a_link_without_following_it_does_not_use_it_up(door: Door) -> None:
    link = make_login_link(door.app, STUDIO)
    await door.http.head(link)
    await door.http.get(link)
    assert (await door.http.get(f"{STUDIO}/")).status_code == 200


@pytest.mark.parametrize("ticket", ["", "x", "%00", "a" * 2000, "ÿ", "QUJD"])
async def test_a_made_up_ticket_opens_nothing(door: Door, ticket: str) -> None:
    answer = await door.http.get(f"{STUDIO}/login", params={"ticket": ticket})
    assert "set-cookie" not in answer.headers


async def test_another_process_makes_links_with_the_secret_alone(door: Door) -> None:
    app = make_studio(door.keep, secret=SECRET)
    now = door.clock.now_ms()
    async with AsyncClient(transport=ASGITransport(app), base_url=BASE) as http:
        wrong = await http.get(sign_login_link(SECRET + "!", BASE, now))
        old = await http.get(sign_login_link(SECRET, BASE, now - 1))
        right = await http.get(sign_login_link(SECRET, BASE, now, operator="otto"))
        home = await http.get("/")
    assert "set-cookie" not in wrong.headers
    assert "set-cookie" not in old.headers, "a link from before the start may have been used before the start"
    assert "Path=/;" in right.headers["set-cookie"]
    assert "otto" in home.text


@pytest.mark.parametrize("operator", ["", "a b", "x" * 65, "a:b", "<b>"])
def test_an_operator_has_a_plain_name(operator: str) -> None:
    with pytest.raises(ValueError, match="operator's name"):
        sign_login_link(SECRET, BASE, 0, operator=operator)


async def test_logging_out_ends_the_session_everywhere(door: Door) -> None:
    token = await door.log_in()
    cookie = door.http.cookies["gamekeeper_studio"]
    await door.http.post(f"{STUDIO}/logout", content=urlencode({"csrf": token}), headers=FORM)
    assert (await door.http.get(f"{STUDIO}/", headers={"cookie": f"gamekeeper_studio={cookie}"})).status_code == 401


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8420", "", "127.0.0.2", "[::2]", "0"])
async def test_abuse_84_a_foreign_host_is_told_nothing(door: Door, host: str) -> None:
    await door.log_in()
    for path in ("/", "/login", "/static/studio.css"):
        answer = await door.http.get(STUDIO + path, headers={"host": host})
        assert answer.status_code == 421
        assert "Gamekeeper" not in answer.text


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:9", "[::1]", "[::1]:8420", "studio.test"])
async def test_loopback_and_configured_hosts_are_served(door: Door, host: str) -> None:
    assert (await door.http.get(f"{STUDIO}/", headers={"host": host})).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "null"},
        {"origin": BASE, "sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"origin": "null", "sec-fetch-site": "cross-site"},
    ],
)
async def test_abuse_84_a_form_of_another_site_changes_nothing(door: Door, headers: dict[str, str]) -> None:
    token = await door.log_in()
    answer = await door.rename(token, headers={"content-type": FORM["content-type"], **headers})
    assert answer.status_code == 403
    assert await door.name() == "Ada"


@pytest.mark.parametrize("token", [None, "", "0" * 64, "ä"])
async def test_abuse_84_a_form_without_the_sessions_token_changes_nothing(door: Door, token: str | None) -> None:
    await door.log_in()
    assert (await door.rename(token)).status_code == 403
    assert await door.name() == "Ada"


async def test_abuse_84_the_token_of_another_session_changes_nothing(door: Door) -> None:
    other = await door.log_in()
    await door.log_in()
    assert (await door.rename(other)).status_code == 403
    assert await door.name() == "Ada"


async def test_abuse_84_a_websocket_is_closed_whoever_opens_it(door: Door) -> None:
    await door.log_in()
    cookie = f"gamekeeper_studio={door.http.cookies['gamekeeper_studio']}"
    for origin in (b"https://evil.example", b"null", BASE.encode()):
        headers = [(b"host", b"127.0.0.1:8420"), (b"origin", origin), (b"cookie", cookie.encode())]
        sent: list[Message] = []

        async def send(message: Message, to: list[Message] = sent) -> None:
            to.append(message)

        async def receive() -> Message:
            return {"type": "websocket.connect"}

        scope = {"type": "websocket", "path": f"/characters/{door.ada}/rename", "headers": headers, "query_string": b"", "root_path": ""}
        await door.app(scope, receive, send)
        assert sent == [{"type": "websocket.close", "code": 1008}]


async def test_abuse_84_the_forms_that_act_on_people_are_guarded_too(door: Door) -> None:
    token = await door.log_in()
    user = (await door.keep.do(users.create_guest())).user_id
    form = {"length": "permanent", "until": "", "reason": "because", "confirm": "yes", "csrf": token}
    foreign = {**FORM, "origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    address = f"{STUDIO}/users/{user}/ban"

    assert (await door.http.post(address, content=urlencode(form), headers=foreign)).status_code == 403
    assert (await door.http.post(address, content=urlencode({**form, "csrf": "0" * 64}), headers=FORM)).status_code == 403
    assert (await door.http.post(address, content=urlencode(form), headers={**FORM, "host": "evil.example"})).status_code == 421
    assert (await door.http.get(address, params=form)).status_code == 405
    bans = await door.keep.ask(moderation.bans_of(user=user))
    assert bans == []
    assert (await door.http.post(address, content=urlencode(form), headers=FORM)).status_code == 303
    bans = await door.keep.ask(moderation.bans_of(user=user))
    assert [one.expires_at for one in bans] == [None]


async def test_the_token_may_stand_in_a_header(door: Door) -> None:
    token = await door.log_in()
    assert (await door.rename(None, headers={**FORM, "x-studio-token": token})).status_code == 303
    assert await door.name() == "Berta"


async def test_a_browser_without_referrers_may_call_its_origin_null(door: Door) -> None:
    token = await door.log_in()
    assert (await door.rename(token, headers={**FORM, "origin": "null"})).status_code == 303


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("text/plain", b"name=Berta", 415),
        ("multipart/form-data; boundary=x", b"--x--", 415),
        ("application/x-www-form-urlencoded", b"a=" + b"x" * 70_000, 413),
        ("application/x-www-form-urlencoded", b"&".join(b"a=b" for _ in range(60)), 400),
        ("application/x-www-form-urlencoded", b"name=%ff%fe", 400),
        ("application/x-www-form-urlencoded", b"name=\xff", 400),
    ],
)
async def test_only_small_plain_forms_are_read(door: Door, kind: str, body: bytes, status: int) -> None:
    await door.log_in()
    address = f"{STUDIO}/characters/{door.ada}/rename"
    assert (await door.http.post(address, content=body, headers={**FORM, "content-type": kind})).status_code == status


@pytest.mark.parametrize("path", ["/", "/login", "/nowhere", "/static/studio.css", "/static/none", "/characters/%00", "/journal?cursor=x"])
async def test_every_answer_carries_the_headers(door: Door, path: str) -> None:
    await door.log_in()
    answer = await door.http.get(STUDIO + path)
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'; base-uri 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == ("no-cache" if path == "/static/studio.css" else "no-store")


async def test_a_failure_says_nothing_of_the_inside(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    await door.log_in()

    async def broken(*_: object) -> None:
        raise RuntimeError("the inside")

    monkeypatch.setattr(door.keep.reader, "load", broken)
    answer = await door.http.get(f"{STUDIO}/characters/{door.ada}")
    home = await door.http.get(f"{STUDIO}/")
    assert answer.status_code == 500
    assert "the inside" not in answer.text
    assert "content-security-policy" in answer.headers
    assert "the Studio failed at GET" in home.text, "it is among the last problems"


@pytest.mark.parametrize("path", ["/../app.py", "/..%2fapp.py", "/vendor/..%2fstudio.css", "/vendor/README.md", "/", "//etc/passwd"])
async def test_only_listed_files_are_given_out(door: Door, path: str) -> None:
    assert (await door.http.get(f"{STUDIO}/static{path}")).status_code in (401, 404)


@pytest.mark.parametrize("word", ["\0", "x" * 600, "'; DROP TABLE owners; --", "%", "\ud800".encode("utf-8", "surrogatepass")])
async def test_odd_words_in_an_address_break_nothing(door: Door, word: str) -> None:
    await door.log_in()
    places = [("/characters", "q"), ("/items", "q"), ("/find", "q"), ("/trades", "character"), ("/economy", "item"), ("/journal", "cursor")]
    places += [("/sessions", "user"), ("/sessions", "cursor"), ("/moderation", "state"), ("/moderation/ban", "user")]
    places += [("/moderation/notes", "user"), *(("/moderation/activity", name) for name in ("user", "event", "since", "until"))]
    places += [*(("/chat", name) for name in ("world", "room", "channel", "author", "cursor")), ("/chat/message?world=world", "id")]
    for path, name in places:
        answer = await door.http.get(STUDIO + path, params={name: word}, follow_redirects=True)
        assert answer.status_code in (200, 400, 404)


async def test_an_item_that_was_duplicated_raises_the_alarm(door: Door) -> None:
    await door.keep.do(items.grant(holder=door.ada, item="coins", quantity=100, source="loot", container="pouch"))
    with sqlite3.connect(door.path) as raw:
        raw.execute("UPDATE holdings SET quantity = 9007199254740991 WHERE item_id = 'coins'")
    await door.log_in()
    answer = await door.http.get(f"{STUDIO}/economy")
    assert "1 item does not add up." in answer.text
    assert "-9,007,199,254,740,891" in answer.text


async def test_a_page_asks_the_database_a_handful_of_times(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    await door.log_in()
    user = (await door.keep.do(users.create_guest())).user_id
    await door.keep.do(sessions.open_session(user=user))
    asked: list[str] = []
    load, fetch = door.keep.store.load, door.keep.store.fetch

    async def counted_load(*words: Any, **more: Any) -> Any:
        asked.append("load")
        return await load(*words, **more)

    async def counted_fetch(statement: Any, *words: Any, **more: Any) -> Any:
        asked.append(str(statement))
        return await fetch(statement, *words, **more)

    monkeypatch.setattr(door.keep.store, "load", counted_load)
    monkeypatch.setattr(door.keep.store, "fetch", counted_fetch)
    people = (
        (f"/users/{user}", 8),
        ("/sessions", 2),
        ("/moderation", 2),
        ("/moderation/notes", 2),
        ("/moderation/activity", 2),
        ("/chat", 4),
    )
    for path, most in (
        (f"/characters/{door.ada}", 5),
        ("/characters", 3),
        ("/trades", 3),
        ("/journal", 3),
        ("/live", 4),
        ("/items", 4),
        *people,
    ):
        asked.clear()
        assert (await door.http.get(STUDIO + path)).status_code == 200
        assert len(asked) <= most, (path, asked)
        assert not [text for text in asked if "count(" in text.lower() or "offset" in text.lower()]


async def test_every_room_opens_on_both_databases(keep: Keep) -> None:
    pack = content.read_pack(Path(content.__file__).parent / "starter")
    await keep.do(content.load_pack(pack=pack))
    ada, bob = [(await keep.do(characters.create(name=name))).character_id for name in ("Ada", "Bob")]
    await keep.do(items.grant(holder=ada, item="coins", quantity=5, source="loot", container="pouch"))
    hammer = (await keep.do(items.grant(holder=ada, item="wheelwrights_hammer", quantity=1, source="boss"))).item_uids[0]
    trade = (await keep.do(trades.request(initiator=ada, receiver=bob))).trade_id
    user = (await keep.do(users.create_guest())).user_id
    await keep.do(moderation.ban(user=user, reason="because", preset="day"), moderation.add_note(user=user, text="a note"))
    await keep.do(sessions.open_session(user=(await keep.do(users.create_guest())).user_id))
    await keep.do(worlds.create_world(world="world", name="World"))
    said = (await keep.do(chat.say(character=ada, message="hello"))).message_id
    newest = (await keep.ask(history.newest(limit=1))).items[0].command_id
    app = make_studio(keep)
    async with AsyncClient(transport=ASGITransport(app), base_url=BASE) as http:
        await http.get(make_login_link(app, BASE))
        for path in (
            "/",
            "/live",
            "/characters?q=a",
            f"/characters/{ada}",
            f"/characters/{ada}?command=items.grant",
            f"/users/{user}",
            "/sessions",
            f"/sessions?user={user}",
            *(f"/moderation?state={state}" for state in ("in_force", "past", "all")),
            "/moderation/notes",
            f"/moderation/notes?user={user}",
            f"/moderation/activity?user={user}&event=USER_BANNED&since=2020-01-01&until=2999-01-01",
            "/chat?room=spawn&channel=say",
            "/chat?author=Ada",
            f"/chat/world/{said}",
            "/owners/content",
            "/items?q=coin",
            "/items/coins?holders=1",
            f"/pieces/{hammer}",
            "/trades",
            f"/trades?character={ada}",
            f"/trades/{trade}",
            "/economy?item=coins",
            "/journal",
            f"/journal/{newest}",
        ):
            assert (await http.get(path)).status_code == 200, path

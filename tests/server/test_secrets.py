"""P34, P50: whatever was issued or typed as a secret stands in no file of the database, no log, and no answer but its own."""

import asyncio
import logging
import secrets
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import asyncpg
import pytest
from httpx2 import ASGITransport, AsyncClient
from msgspec import inspect

import gamekeeper
from gamekeeper.errors import StoreUnavailable
from gamekeeper.keep import Keep
from gamekeeper.kernel.commands import COMMANDS, Operation
from gamekeeper.kernel.reading import StoreReader
from gamekeeper.modules import sessions
from gamekeeper.modules.users import passwords
from gamekeeper.server import OPERATOR_SCOPE, make_app
from tests.server import matrix
from tests.server.conftest import ORIGIN, Caller, key_holder, player
from tests.server.issued import Issued, forms, has_secrets, secret_arguments, secrets_in
from tests.server.matrix import OWN, Cell, Wire, World, operations
from tests.server.values import fields_of
from tests.servers import TemporaryPostgres

PASSWORD = 'p\u00e4ss "w\u00f6rd" it\'s \\1 & <b>%41+\ufb01sh\U0001f511'
"""With whatever somebody would escape, and a letter that normalization changes."""
CANARY_LENGTHS = (31, 20, 43, 64, 128, 12, 8)
PAGE = 8192
SEGMENT = 16 * 1024 * 1024


class Traces:
    """What a database leaves on disk."""

    def __init__(self, url: str, server: TemporaryPostgres | None) -> None:
        self.url = url
        self.server = server
        self._start = "" if server is None else self._position()
        self._log_start = 0 if server is None else (server.folder / "log").stat().st_size

    def places(self) -> dict[str, bytes]:
        """Read everything."""
        if self.server is None:
            path = Path(self.url.removeprefix("sqlite:///"))
            return {one.name: one.read_bytes() for one in sorted(path.parent.glob(f"{path.name}*"))}
        log = (self.server.folder / "log").read_bytes()[self._log_start :]
        return {"the dump": self._dump(), "the write-ahead log": self._wal(), "PostgreSQL's log": log}

    def _dump(self) -> bytes:
        assert self.server is not None
        program = self.server.binaries.folder / "pg_dump"
        if program.exists():
            return subprocess.run([program, "--dbname", self.url], check=True, capture_output=True).stdout
        return self.tables()

    def tables(self) -> bytes:
        """Every row as text, where the server came without pg_dump."""
        assert self.server is not None
        database = self.url.rpartition("/")[2]
        names = self.server.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", database=database)
        rows = [self.server.execute(f'SELECT t::text FROM "{one[0]}" t', database=database) for one in names]
        return "\n".join(row[0] for table in rows for row in table).encode()

    def _position(self) -> str:
        assert self.server is not None
        return str(self.server.execute("SELECT pg_current_wal_lsn()::text")[0][0])

    def _wal(self) -> bytes:
        """What was written since the start, without the heads of pages that would cut a text in two."""
        assert self.server is not None
        self.server.execute("SELECT pg_switch_wal()")
        names = self.server.execute(
            f"SELECT name FROM pg_ls_waldir() WHERE name >= pg_walfile_name('{self._start}'::pg_lsn)"
            " AND name <= pg_walfile_name(pg_current_wal_lsn()) AND length(name) = 24 ORDER BY name"
        )
        skipped = int(self._start.partition("/")[2], 16) % SEGMENT // PAGE * PAGE
        parts = []
        for one in names:
            segment = (self.server.folder / "data" / "pg_wal" / one[0]).read_bytes()
            parts += [segment[at + (24 if at else 40) : at + PAGE] for at in range(skipped, len(segment), PAGE)]
            skipped = 0
        return b"".join(one for one in parts if one.strip(b"\0"))


@pytest.fixture
def traces(request: pytest.FixtureRequest, database_url: str) -> Traces:
    """The files of the database."""
    server = None if database_url.startswith("sqlite") else request.getfixturevalue("postgres")
    return Traces(database_url, cast("TemporaryPostgres | None", server))


@pytest.fixture
async def keep(database_url: str, traces: Traces, issued: Issued) -> AsyncIterator[Keep]:
    """A keep with keys of its own, which are secrets too, on a server with a password in its URL."""
    own = [issued.note(secrets.token_hex(24), f"the setting {name}") for name in ("secret_key", "person_keys")]
    url = database_url
    if not url.startswith("sqlite"):
        url = url.replace("postgres@", f"postgres:{issued.note(secrets.token_hex(12), 'the URL of the database')}@")
    words: dict[str, Any] = {"allow_unsafe_postgres": True, "secret_key": own[0], "person_keys": own[1:], **matrix.UNLIMITED}
    async with gamekeeper.open(url, create=True, **words) as keep:
        yield keep


@pytest.fixture
def app(keep: Keep, issued: Issued) -> Any:
    """The application, watched."""
    return issued.watch(make_app(keep))


@pytest.fixture
async def http(app: Any) -> AsyncIterator[AsyncClient]:
    """A client in front of the watched application."""
    async with AsyncClient(transport=ASGITransport(app), base_url=ORIGIN) as client:
        yield client


@pytest.fixture(autouse=True)
def talkative(caplog: pytest.LogCaptureFixture, quick_passwords: None) -> None:
    """Everything that anybody logs."""
    caplog.set_level(logging.DEBUG)
    for name in list(logging.Logger.manager.loggerDict):
        caplog.set_level(logging.DEBUG, logger=name)


async def log_in(http: AsyncClient, issued: Issued) -> Caller:
    """Register and log in, with mistakes on the way."""
    anyone = Caller(http, None)
    secret = issued.note(f"{PASSWORD}{secrets.token_hex(4)}", "a password")
    made = await anyone.do("users.register", {"username": "ada_l", "password": secret})
    assert made.status_code == 200, made.text
    for wrong in (
        {"username": "ada_l", "password": f"wrong {secret}"},
        {"username": "nobody", "password": f"nobody's {secret}"},
        {"username": "ada_l", "password": secret * 20},
        {"username": "ada_l", "password": [secret]},
        {"username": {"password": secret}, "password": 5},
        {"username": "ada_l", "password": secret, "unheard_of": secret},
    ):
        assert (await anyone.do("sessions.login", wrong)).status_code in (401, 422)
    for name in ("users.register", "sessions.login"):
        headers = {"idempotency-key": secrets.token_hex(16), "content-type": "application/json"}
        broken = await http.post(
            f"/v1/{name.replace('.', '/')}", content=f'{{"password": "{secrets.token_hex(8)}'.encode(), headers=headers
        )
        assert broken.status_code == 400
    opened = await anyone.do("sessions.login", {"username": "ada_l", "password": secret})
    assert opened.status_code == 200, opened.text
    return Caller(http, opened.json()["token"], opened.json()["user_id"])


async def break_things(ada: Caller, server: Caller, monkeypatch: pytest.MonkeyPatch, issued: Issued) -> None:
    """Fail where nobody planned it, with the secret in the fault's own words."""
    assert (await server.do("guilds.explode", {"word": issued.note(secrets.token_hex(8), "a word that explodes")})).status_code == 500
    login = {"username": "ada_l", "password": issued.note(f"broken {PASSWORD}", "a password that meets a fault")}

    def faulty(*words: Any) -> Any:
        raise RuntimeError(f"no hash of {words}")

    with monkeypatch.context() as patch:
        patch.setattr(passwords, "_verify", faulty)
        assert (await Caller(ada.http, None).do("sessions.login", login)).status_code == 500

    async def away(*_: Any, **words: Any) -> Any:
        raise StoreUnavailable(problem=f"could not connect with {words}")

    with monkeypatch.context() as patch:
        patch.setattr(StoreReader, "_fetch", away)
        patch.setattr(StoreReader, "one", away)
        assert (await ada.ask("guilds.motto")).status_code == 503
        assert (await Caller(ada.http, None).do("sessions.login", login)).status_code == 503


async def live(keep: Keep, http: AsyncClient, issued: Issued, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day with every kind of credential."""
    ada = await log_in(http, issued)
    guest = await Caller(http, None).do("sessions.guest_session", {})
    operator = await key_holder(keep, http, OPERATOR_SCOPE)
    made = await operator.do("sessions.create_key", {"user": ada.user, "name": "a server's", "scopes": ["*"]}, x_reason="a server")
    assert (guest.status_code, made.status_code) == (200, 200)
    server = Caller(http, made.json()["key"], ada.user)
    for caller in (ada, server, operator):
        assert (await caller.ask("users.show", {"user": ada.user})).status_code == 200
        for name, argument in (("sessions.by_token", "token"), ("sessions.by_key", "key")):
            for credential in (ada.token, server.token):
                await caller.do(name, {argument: credential})
                # Nobody should, but somebody will put it into an address.
                assert (await caller.ask(name, {argument: credential})).status_code in (403, 405)
    for shown in (f"Bearer {secrets.token_hex(16)}", f"Basic {ada.token}", f"Bearer {sessions.SESSION_PREFIX}{secrets.token_hex(20)}"):
        assert (await http.get("/v1/guilds/motto", headers={"authorization": shown})).status_code == 401
    batch = [{"command": "guilds.found", "arguments": {"user": ada.user, "motto": secrets.token_hex(8)}}]
    answer = await http.post("/v1/batch", json=batch, headers=ada.headers(idempotency_key="a-batch"))
    assert answer.status_code == 200, answer.text
    await break_things(ada, server, monkeypatch, issued)
    assert (await ada.do("people.log_out_everywhere", {"user": ada.user})).status_code == 200
    assert (await ada.ask("guilds.motto")).status_code == 401
    await asyncio.sleep(0)


def with_canaries(operation: Operation[Any, Any], values: dict[str, Any], issued: Issued) -> dict[str, Any]:
    """Put a new secret into each argument that is declared as one."""
    changed = dict(values)
    for field in fields_of(operation):
        if any(True for _ in secret_arguments(operation, {field.name: "a text"})):
            changed |= _canary(operation, changed, field, issued)
    return changed


def _canary(operation: Operation[Any, Any], values: dict[str, Any], field: inspect.Field, issued: Issued) -> dict[str, Any]:
    """A canary of a form that the argument takes; nothing where a secret looks otherwise. What goes by is noted anyhow."""
    for length in CANARY_LENGTHS:
        text = secrets.token_hex(64)[:length]
        for canary in (text, {name: f"{number}{text}"[:length] for number, name in enumerate(_text_fields(field.type))}):
            try:
                operation.check({**values, field.name: canary})
            except gamekeeper.GameError:
                continue
            for secret in secret_arguments(operation, {field.name: canary}):
                issued.note(secret, f"an argument of {operation.name}")
            return {field.name: canary}
    return {}


def _text_fields(kind: inspect.Type) -> list[str]:
    """The fields of a struct that hold text."""
    if isinstance(kind, inspect.Metadata):
        return _text_fields(kind.type)
    if isinstance(kind, inspect.UnionType):
        return [name for one in kind.types for name in _text_fields(one)]
    return [one.encode_name for one in kind.fields if "StrType" in repr(one.type)] if isinstance(kind, inspect.StructType) else []


async def try_everything_secret(wire: Wire, world: World, issued: Issued) -> list[str]:
    """Call whatever takes or tells a secret, by those who may; new operations are in here by being declared."""
    called = []
    for operation in operations():
        if not has_secrets(operation):
            continue
        called.append(operation.name)
        for caller in ("anonymous", "player", "server", "operator"):
            cell = Cell(operation, caller, OWN, allowed=True)
            values = with_canaries(operation, matrix.arguments_for(world, cell), issued)
            answers = [await matrix.call(wire, world, cell, values) for _ in range(2)]
            answers.append(await matrix.call(wire, world, cell, {**values, "unheard_of": 1}))
            assert all(one.status < 500 for one in answers), (operation.name, caller, answers)
    return called


async def everywhere(http: AsyncClient, traces: Traces, issued: Issued, caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    """Every place where no secret may be."""
    told = {path: (await http.get(path)).content for path in ("/metrics", "/v1/openapi.json")}
    assert min(map(len, told.values())) > 1000
    # The client lives in the same process, and writes into its log what it asks for.
    records = [one for one in caplog.records if not one.name.startswith(("httpx", "httpcore", "tests"))]
    lines = [one.getMessage() + "\n" + (one.exc_text or "") for one in records]
    logs = {"the logs": "\n".join(lines), "the log's records": "\n".join(str(one.__dict__) for one in records)}
    return {**traces.places(), **told, **logs, "the answers": issued.heard}


async def test_no_secret_stands_where_it_must_not(
    keep: Keep,
    app: Any,
    http: AsyncClient,
    traces: Traces,
    issued: Issued,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await live(keep, http, issued, monkeypatch)
    world = await matrix.make_world(keep, matrix.FEW)
    for caller in world.callers.values():
        issued.note(caller.token or "", "a caller's token")
    called = await try_everything_secret(Wire(app), world, issued)

    assert {"users.register", "sessions.login", "sessions.guest_session", "sessions.create_key", "sessions.by_token"} <= set(called)
    assert len(issued.secrets) > 40
    places = await everywhere(http, traces, issued, caplog)
    found = issued.found_in(places)
    assert not found, "\n".join(found)


async def test_control_a_planted_secret_is_found(
    keep: Keep, http: AsyncClient, traces: Traces, issued: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    ada = await player(keep, http)
    assert (await ada.ask("users.show", {"user": ada.user})).status_code == 200
    in_row, in_log, told = (issued.note(f"{PASSWORD}{secrets.token_hex(4)}", name) for name in ("one in a row", "one in a log", "one told"))
    guild = (await ada.do("guilds.found", {"user": ada.user})).json()["guild_id"]
    assert issued.found_in(await everywhere(http, traces, issued, caplog)) == []

    logging.getLogger("some.library").debug("somebody logged in with %r", in_log)
    assert (await ada.do("guilds.save", {"guild": guild, "coins": 1, "note": {"word": in_row}})).status_code == 200
    assert (await ada.ask("guilds.echo", {"words": told})).status_code == 422
    assert (await ada.ask("guilds.echo", {"words": ada.token, "times": 1})).status_code in (200, 422)
    found = issued.found_in(await everywhere(http, traces, issued, caplog))

    assert any(one.startswith("one in a log") and one.endswith("the logs") for one in found), found
    for place in ("world.db",) if traces.server is None else ("the dump", "the write-ahead log"):
        assert any(one.startswith("one in a row") and place in one for one in found), (place, found)


async def test_control_where_a_server_has_no_pg_dump_the_tables_are_read(postgres: TemporaryPostgres) -> None:
    url = postgres.create_database()
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE letters (body text, raw bytea)")
    await connection.execute("INSERT INTO letters VALUES ($1, $2)", "a planted text", b"planted bytes")
    await connection.close()
    told = Traces(url, postgres).tables()
    postgres.drop_database(url)

    assert b"a planted text" in told
    assert forms("planted bytes")["hex"] in told


def test_a_secret_is_found_in_every_form() -> None:
    issued = Issued()
    issued.note(PASSWORD, "it")

    for form, needle in forms(PASSWORD).items():
        assert issued.found_in({"here": b"before " + needle + b" after"}), form
    assert issued.found_in({"here": "before and after"}) == []


def test_secrets_are_known_by_their_declarations() -> None:
    create = COMMANDS["sessions.create_key"]
    answer = {"user_id": "u", "key_id": "k", "key": "gkk_secret"}

    assert list(secrets_in(create.result, answer)) == ["gkk_secret"]
    assert list(secrets_in(COMMANDS["users.register"].arguments, {"username": "ada", "password": "hush"})) == ["hush"]

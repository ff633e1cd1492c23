"""P40: every operation times every caller times every object, generated from the declarations and judged by rules written by hand."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import msgspec
import pytest
from msgspec import inspect

import gamekeeper
from gamekeeper.errors import InvalidArgument
from gamekeeper.keep import Keep
from gamekeeper.kernel import history
from gamekeeper.kernel.commands import COMMANDS, Command, Operation
from gamekeeper.kernel.records import RECORDS, shape
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import users
from gamekeeper.server import make_app
from gamekeeper.server.routes import routes
from tests.server import matrix
from tests.server.matrix import (
    ABSENT,
    CALLERS,
    FEW,
    FOREIGN,
    NONE,
    NOTHING,
    OWN,
    SHARED,
    TYPICAL,
    Answer,
    Cell,
    Wire,
    World,
    cells,
    operations,
    target,
)
from tests.server.values import arguments_of

DANGEROUS = ("role", "is_guest", "user_id", "balance", "is_active", "banned_until", "ctx", "read", "actor", "reason", "unheard_of")
"""What somebody would try first."""

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what the database has no part in: the whole matrix runs on both."""


@pytest.fixture
async def keep(database_url: str) -> AsyncIterator[Keep]:
    """A keep that can seal, so that nothing is refused for want of a key."""
    words: dict[str, Any] = {"allow_unsafe_postgres": True, "secret_key": "k" * 32, **matrix.UNLIMITED}
    async with gamekeeper.open(database_url, create=True, **words) as keep:
        yield keep


@pytest.fixture
async def world(request: pytest.FixtureRequest, keep: Keep, quick_passwords: None, monkeypatch: pytest.MonkeyPatch) -> World:
    """Callers, few unless a test asks for others by `with_callers`, and commands that are undone."""
    made = await matrix.make_world(keep, getattr(request, "param", FEW))
    matrix.undo_everything(monkeypatch)
    return made


@pytest.fixture
def wire(keep: Keep) -> Wire:
    """The application."""
    return Wire(make_app(keep))


def with_callers(chosen: Sequence[str]) -> pytest.MarkDecorator:
    """Ask for a world with these callers."""
    return pytest.mark.parametrize("world", [chosen], indirect=True, ids=[""])


def commands() -> Iterator[Command[Any, Any]]:
    """The operations that change something."""
    return (one for one in operations() if isinstance(one, Command))


def none(found: Sequence[str]) -> None:
    """Fail with a line for each difference."""
    if found:
        pytest.fail(f"{len(found)} differ:\n" + "\n".join(found), pytrace=False)


@on_sqlite
async def test_every_operation_has_its_rule_and_its_route(world: World) -> None:
    none(list(matrix.undeclared(operations(), world.callers["player"].things)))
    tried = {matrix.path_of(cell.operation) for cell in cells(world, operations())}
    served = {path for path, one in routes().items() if one.operation.name not in matrix.FAILS_BY_DESIGN}

    # The games of other tests are known to this process too, and are not of this server.
    assert {path for path in served if routes()[path].operation.__module__.startswith("gamekeeper.")} <= tried


@pytest.mark.parametrize(
    ("database_url", "world"), [("sqlite", CALLERS), ("postgresql", TYPICAL)], indirect=True, ids=["sqlite", "postgresql"]
)
async def test_everybody_reaches_what_the_rules_say_and_nothing_else(world: World, wire: Wire) -> None:
    """abuse 77, 81: all of it on SQLite, and a caller of each kind on PostgreSQL."""
    tried = cells(world, operations())

    none(await matrix.differences(wire, world, tried))
    kinds = Counter(cell.allowed for cell in tried)
    assert min(kinds.values()) > 200


@on_sqlite
@with_callers(TYPICAL)
async def test_a_batch_is_no_way_around(world: World, wire: Wire) -> None:
    tried = [cell for cell in cells(world, commands()) if not cell.allowed]

    none(await matrix.differences(wire, world, tried, matrix.call_in_batch))


def test_what_strangers_may_call_stands_here_by_name_and_with_a_reason() -> None:
    """An operation that becomes public by a slip of its declaration is not among these."""
    house = {one.name for one in operations() if one.access == "public" and one.__module__.startswith("gamekeeper.")}

    none([f"{name} is open to strangers, and matrix.PUBLIC does not say why" for name in sorted(house - matrix.PUBLIC.keys())])
    none([f"{name} stands in matrix.PUBLIC, and is not open to strangers" for name in sorted(matrix.PUBLIC.keys() - house)])


def _closed(world: World) -> list[tuple[Operation[Any, Any], str]]:
    """Operations, and callers for whom they are closed whatever the arguments are."""
    everybody = world.callers.items()
    return [(one, name) for one in operations() for name, caller in everybody if matrix.reached(one, name, caller.scopes) == NONE]


NONSENSE: tuple[tuple[bytes, dict[str, str]], ...] = (
    (b"", {"content-type": "", "idempotency-key": "", "x-reason": ""}),
    (b'{"unheard_of": [', {"content-type": "text/plain", "idempotency-key": "a b", "if-match": "?"}),
)


@on_sqlite
@with_callers(TYPICAL)
async def test_who_may_not_call_at_all_is_told_so_before_anything_else(world: World, wire: Wire) -> None:
    """Whatever is wrong with a request: what is closed to its caller tells nothing of itself."""
    found: list[str] = []

    async def attempt(operation: Operation[Any, Any], caller: str, method: str, body: bytes, headers: dict[str, str]) -> None:
        query = "user=1&user=2&%ff" if method != "POST" else ""
        path = matrix.path_of(operation)
        answer = await wire.send(method, path, token=world.callers[caller].token, body=body, query=query, headers=headers)
        if answer.status not in (401, 403):
            found.append(f"{operation.name} by {caller}, {method} {body.decode()}: {answer.status} {answer.code}")

    known = routes()
    attempts = [
        attempt(operation, caller, method, *one)
        for operation, caller in _closed(world)
        for method in known[matrix.path_of(operation)].methods
        for one in (NONSENSE if method == "POST" else NONSENSE[:1])
    ]
    assert len(attempts) > 500
    for start in range(0, len(attempts), matrix.AT_ONCE):
        await asyncio.gather(*attempts[start : start + matrix.AT_ONCE])
    none(found)


def _without_ids(answer: Answer) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.json.decode(answer.body)
    del told["instance"]  # the request's own id
    return told


def _of_players() -> Iterator[Operation[Any, Any]]:
    return (one for one in operations() if one.access == "player" and target(one) is not None)


async def test_a_stranger_s_thing_and_one_that_is_not_there_look_alike(world: World, wire: Wire) -> None:
    """abuse 77: ids that are tried at random tell nobody which exist."""
    found = []
    for operation in _of_players():
        answers = [await matrix.call(wire, world, Cell(operation, "player", one, allowed=False)) for one in (FOREIGN, ABSENT)]
        if {one.status for one in answers} != {403} or _without_ids(answers[0]) != _without_ids(answers[1]):
            found.append(f"{operation.name}: {answers}")
    none(found)


@on_sqlite
async def test_acting_for_oneself_gives_no_hold_on_what_else_is_named(world: World, wire: Wire) -> None:
    """abuse 77: one's own id in the first place, and somebody else's in the second."""
    found, tried = [], 0
    for operation in _of_players():
        acting = target(operation)
        further = [one for one in operation.parameters if one.owner is not None and not one.owner.creates and one is not acting]
        stolen = {
            one.name: world.foreign.things[matrix.kind_of(one)]
            for one in further
            if matrix.kind_of(one) not in SHARED and f"{operation.name}.{one.name}" not in matrix.MAY_NAME_OTHERS
        }
        if any(one.name == "session_id" for one in operation.parameters):
            stolen["session_id"] = world.foreign.session_id
        for name, id in stolen.items():
            tried += 1
            answer = await matrix.call(wire, world, Cell(operation, "player", OWN, allowed=True), {name: id})
            if answer.code == matrix.Undone.code or not 400 <= answer.status < 500 or answer.status == 429:
                found.append(f"{operation.name} took another player's {name}: {answer.status} {answer.code}")
    none(found)
    assert tried >= 5


@on_sqlite
async def test_what_a_player_is_shown_of_their_own_names_nobody_else(world: World, wire: Wire) -> None:
    found = []
    foreign = {id for kind, id in world.foreign.things.items() if kind not in SHARED} | {world.foreign.session_id}
    for operation in _of_players():
        if not isinstance(operation, Command):
            answer = await matrix.call(wire, world, Cell(operation, "player", OWN, allowed=True))
            named = [id for id in foreign if id.encode() in answer.body and operation.name not in matrix.SHOWS_OTHERS]
            found += [f"{operation.name} shows {id}" for id in named]
            if answer.status != 200:
                found.append(f"{operation.name} does not show a player their own: {answer.status} {answer.code}")
    none(found)


# What goes red


OTHERWISE = (
    ("items.grant", "public", "by anonymous on foreign: should be refused, was answered 409 UNDONE_BY_THE_MATRIX"),
    ("items.grant", "player", "by guest on own: should be refused, was answered 409 UNDONE_BY_THE_MATRIX"),
    ("people.log_out_everywhere", "server", "by player on own: should be allowed, was refused with 403 NOT_ALLOWED"),
    ("users.set_role", "player", "by server on foreign: should be refused, was answered 409 UNDONE_BY_THE_MATRIX"),
    ("users.set_role", "operator", "by admin on foreign: should be allowed, was refused with 403 NOT_ALLOWED"),
)


@on_sqlite
async def test_control_another_access_turns_the_matrix_red(world: World, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, access, difference in OTHERWISE:
        tried = [cell for cell in cells(world, operations()) if cell.operation.name == name]
        with monkeypatch.context() as patch:
            patch.setattr(COMMANDS[name], "access", access)
            found = await matrix.differences(wire, world, tried)

        assert any(difference in one for one in found), found


@on_sqlite
async def test_control_a_server_that_asks_nobody_turns_the_matrix_red(world: World, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    async def yes(*_: Any) -> None:
        return None

    monkeypatch.setattr("gamekeeper.server.app.authorize", yes)
    chosen = [one for one in operations() if one.module == "characters"]
    found = await matrix.differences(wire, world, cells(world, chosen))

    assert any(one.startswith("characters.rename (player) by guest on foreign: should be refused") for one in found)


@on_sqlite
async def test_control_a_fault_is_a_difference(world: World, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(ctx: Context, *, character: str, name: str) -> None:
        raise RuntimeError

    # What a command's arguments are is read from its function when first asked for: before that is another one.
    chosen = [cell for cell in cells(world, operations()) if cell.operation.name == "characters.rename"]
    monkeypatch.setattr(COMMANDS["characters.rename"], "function", broken)
    found = await matrix.differences(wire, world, chosen)

    assert any("by player on own: answered 500 INTERNAL_ERROR" in one for one in found), found


def test_control_an_operation_without_a_rule_is_named() -> None:
    """Made by hand and not declared, so that no other test meets them."""

    def anything(ctx: Context) -> None: ...

    def at_home(ctx: Context, *, user: users.UserId) -> None: ...

    def made(function: Any, access: str) -> Command[Any, Any]:
        words: dict[str, Any] = {"touches": [], "keys": None, "prepare": None, "durability": "commit", "module": "new"}
        return Command(function, access=access, **words)  # type: ignore[arg-type]

    told = list(matrix.undeclared([made(anything, "friends"), made(anything, "player"), made(at_home, "player")], {"guild"}))

    assert told == [
        "new.anything: RULES in tests/server/matrix.py says nothing of the access 'friends'",
        "new.anything is for players and names no owner, so that it is open to all of them or to none",
        "new.at_home acts for a user; belongings in tests/server/matrix.py must make one",
    ]


# Mass assignment


def _columns() -> set[str]:
    """Every column of every record."""
    return {name for record in RECORDS.values() for name in shape(record).names}


def test_abuse_78_no_operation_takes_a_column_that_it_does_not_declare() -> None:
    found = []
    for operation in operations():
        right = arguments_of(operation, {})
        operation.check(right)
        for name in (_columns() | set(DANGEROUS)) - set(operation.arguments.__struct_fields__):
            try:
                operation.check({**right, name: None})
            except InvalidArgument as error:
                if error.path == f"/{name}":
                    continue
            found.append(f"{operation.name} takes {name}")
    none(found)


def test_abuse_78_nothing_inside_an_argument_takes_more_either() -> None:
    found = [f"{operation.name}: {one.cls.__name__}" for operation in operations() for one in _structs(operation) if not _closes(one)]

    none(found)


def _structs(operation: Operation[Any, Any]) -> Iterator[inspect.StructType]:
    waiting: list[Any] = [inspect.type_info(operation.arguments)]
    seen: set[type] = set()
    while waiting:
        one = waiting.pop()
        if isinstance(one, inspect.StructType):
            if one.cls in seen:
                continue
            seen.add(one.cls)
            yield one
            waiting += [field.type for field in one.fields]
        elif isinstance(one, inspect.Type):
            inner = [
                getattr(one, name) for name in one.__struct_fields__ if name in ("type", "types", "item_type", "item_types", "value_type")
            ]
            waiting += [part for each in inner for part in (each if isinstance(each, tuple) else (each,))]


def _closes(one: inspect.StructType) -> bool:
    return one.forbid_unknown_fields


async def test_abuse_78_the_columns_of_what_a_command_writes_are_not_set_by_callers(world: World, wire: Wire, keep: Keep) -> None:
    """Over HTTP, by an operator, who may do everything but this; nothing changes."""
    before = await _last_change(keep)
    found: list[str] = []

    async def attempt(command: Command[Any, Any], more: dict[str, Any]) -> None:
        cell = Cell(command, "operator", NOTHING if target(command) is None else OWN, allowed=True)
        answer = await matrix.call(wire, world, cell, more)
        if (answer.status, answer.code) != (422, "INVALID_ARGUMENT"):
            found.append(f"{command.name} with {', '.join(more)}: {answer.status} {answer.code}")

    for command in commands():
        columns = {name for record in command.touches for name in shape(record).names} | set(DANGEROUS)
        more = sorted(columns - set(command.arguments.__struct_fields__))
        await asyncio.gather(*(attempt(command, {name: 1}) for name in more), attempt(command, dict.fromkeys(more, "admin")))
    none(found)
    assert await _last_change(keep) == before


async def _last_change(keep: Keep) -> Any:
    """The newest thing that was done, but for the notes of who was here."""
    page = await keep.ask(history.newest(limit=50))
    return next(one for one in page.items if not one.command.startswith("sessions.touch"))

"""Who may do what, written by hand, and a small world to try it in.

The rules stand here and nowhere in the server: `RULES` says for each kind of access which callers reach which objects, and
`EXCEPTIONS` where an operation differs. `cells` pairs every operation with every caller and object; `differences` tries them.
"""

import asyncio
import itertools
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import pytest
from msgspec import Struct
from starlette.types import ASGIApp, Message

from gamekeeper.errors import GameError
from gamekeeper.keep import Keep
from gamekeeper.kernel.batch import Runner
from gamekeeper.kernel.commands import COMMANDS, Command, Operation, Parameter
from gamekeeper.kernel.ids import new_id
from gamekeeper.kernel.queries import QUERIES
from gamekeeper.kernel.submissions import Outcome
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, content, items, quests, sessions, trades, users, worlds, xp
from gamekeeper.server import OPERATOR_SCOPE
from tests.modules import scene
from tests.server import game
from tests.server.values import arguments_of, fields_of

OWN, FOREIGN, ABSENT, SENIOR, OMITTED, NOTHING = "own", "foreign", "absent", "senior", "omitted", "nothing"
"""The object of an operation: the caller's, another player's, nobody's, that of staff who are no lower, not named though it could
be; and for operations that name no owner, nothing."""

ALL: Final = frozenset({OWN, FOREIGN, ABSENT, SENIOR, OMITTED, NOTHING})
NONE: Final = frozenset[str]()
THEIRS: Final = frozenset({OWN, NOTHING})
LOWER: Final = frozenset({FOREIGN, ABSENT, OMITTED, NOTHING})

PLAYERS: Final = ("guest", "player", "worldbuilder", "moderator", "admin", "superuser")
SERVERS: Final = ("server", "server of some modules", "server of some names")
SHUT_OUT: Final = ("banned", "deactivated", "logged out", "server with a revoked key")
CALLERS: Final = ("anonymous", *PLAYERS, *SERVERS, "operator", *SHUT_OUT)
FEW: Final = ("anonymous", "guest", "player", "admin", "server", "operator")
"""Enough where not everybody is tried."""
TYPICAL: Final = ("anonymous", "player", "moderator", "server", "server of some names", "operator", "banned")
"""A caller of each kind, where all of them would take long."""

_OPEN: Final = {"operator": ALL} | dict.fromkeys(SERVERS, ALL)
RULES: Final[Mapping[str, Mapping[str, frozenset[str]]]] = {
    "public": {"anonymous": ALL, **dict.fromkeys(PLAYERS, ALL), **_OPEN},
    "player": {**dict.fromkeys(PLAYERS, THEIRS), **_OPEN},
    "server": _OPEN,
    "moderator": {**dict.fromkeys(("moderator", "admin", "superuser"), LOWER), "operator": ALL},
    "admin": {**dict.fromkeys(("admin", "superuser"), LOWER), "operator": ALL},
    "operator": {"operator": ALL},
}
"""Which objects a caller reaches, by the access that an operation declares. Who is not named reaches none; a server with scopes
reaches only what is in them."""

STAFF: Final = ("moderator", "admin")
STAFF_QUERIES_SHOW: Final = ALL
"""Staff may look at everybody, also at themselves and those above them; what they may do ends at lower roles."""

EXCEPTIONS: Final[Mapping[str, Mapping[str, frozenset[str]]]] = {}
"""Operations whose own rule differs: for a caller, the objects that are reached instead. Each has its reason behind it."""

OPEN_TO_ALL_PLAYERS: Final = {
    "guilds.motto",  # says the same to everybody
}
"""Operations for players that name no owner. Another one is refused here until somebody has thought about it."""

MAY_NAME_OTHERS: Final = {
    "items.give.receiver",  # whoever is given something need not be asked
    "trades.request.receiver",  # may decline
    "chat.whisper.recipient",  # may block
}
"""Further owners of a player's operation that may be somebody else's."""

SHOWS_OTHERS: Final = {
    "seasons.around",  # the part of a public board where the player stands
    "xp.leaderboard_around",  # the same
}
"""What players are shown of their own that names others too."""

AUTHORITY: Final = {"NOT_AUTHENTICATED", "NOT_ALLOWED", "ROLE_TOO_LOW"}
"""The codes of refusals that say who may do what. Others of status 401 or 403 are an operation's own, as of a wrong password."""

UNLIMITED: Final[Mapping[str, int]] = dict.fromkeys(
    ("guesses_per_account", "guesses_per_address", "guests_per_address", "guesses_per_second", "calls_per_second", "calls_burst"), 1_000_000
)
"""Settings under which nobody is told to come later, which would say nothing of who may do what."""

PUBLIC: Final[Mapping[str, str]] = {
    "content.item_definitions": "what items there are is the game's manual, and shown before anybody logs in",
    "essences.essence_definitions": "what may be bonded belongs to the same manual; what three of them become is not told",
    "essences.stone_definitions": "the same for awakening stones",
    "guests.create": "whoever has no account yet must be able to begin to play; few for each network",
    "npcs.list_banks": "where banks are stands on the game's map; what NPCs drop does not",
    "seasons.list_seasons": "which season is on, and what it pays, is told before anybody logs in; it names nobody",
    "seasons.live": "boards are there to be seen; a deleted character has no name on them, and one that wants to be anonymous another",
    "seasons.show": "the same as for the list of all",
    "seasons.standing": "the same as for the board as it is now",
    "sessions.guest_session": "the same for games that make the character later",
    "sessions.login": "nobody has a token before it; names and passwords are guessed only so often",
    "sessions.refresh": "the token of the session has run out by then; the refresh token is proof enough",
    "skills.hiscore": "boards are there to be seen; a deleted character has no name on them",
    "skills.hiscores": "the same",
    "skills.hiscores_around": "the same",
    "skills.hiscores_from": "the same",
    "stores.list_stores": "a shop window: what is sold, and at what price",
    "stores.show": "the same with what is left of it now; it names nobody",
    "titles.list_titles": "what may be earned, and how, is shown before anybody logs in; it names nobody",
    "users.register": "whoever has no account yet must be able to get one; few for each network",
    "users.reset_password": "who has forgotten the password cannot log in; the token out of the letter is proof enough",
    "users.verify_email": "the link in the letter is opened in any browser; its token is proof enough",
    "xp.leaderboard": "boards are there to be seen; a deleted character has no name on them",
    "xp.leaderboard_from": "the same",
    "xp.weekly": "the same",
    "xp.past_week": "the same",
    "worlds.list_worlds": "which world to play in is chosen before anybody logs in; it names nobody",
    "worlds.show": "the same for one of them",
}
"""What strangers may call, and why. Another one is refused here until somebody has thought about it."""

FAILS_BY_DESIGN: Final = {"guilds.explode"}

AT_ONCE: Final = 32
"""How many cells are tried side by side."""
REASON: Final = "a try of the matrix"
KNOWN: Final = "known_by_name"
ERRAND: Final = quests.QuestDefinition(id="errand", name="Errand", stages=(quests.Stage(id="go", type="travel", location="market"),))
"""A quest, for what names one."""


class Undone(GameError):
    """The command went through, and was undone by the test that tried it."""

    code = "UNDONE_BY_THE_MATRIX"


# The wire


class Answer(Struct, frozen=True):
    """What came back."""

    status: int
    code: str
    body: bytes


class Wire:
    """An application, spoken to without a client: the thousands of calls of a matrix cost seconds that way."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._addresses = itertools.count(1)

    async def send(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: bytes = b"",
        query: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request, each from an address of its own."""
        given = {"content-type": "application/json", "idempotency-key": new_id(), "x-reason": REASON, **(headers or {})}
        if token is not None:
            given["authorization"] = f"Bearer {token}"
        number = next(self._addresses)
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in given.items() if value],
            "client": (f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", 40_000),
            "server": ("game.test", 80),
        }
        said: list[Message] = []
        asked = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> Message:
            return next(asked, {"type": "http.disconnect"})

        async def send(message: Message) -> None:
            said.append(message)

        await self.app(scope, receive, send)
        text = b"".join(one.get("body", b"") for one in said)
        status = int(said[0]["status"])
        return Answer(status, "" if status < 400 or not text else str(msgspec.json.decode(text)["code"]), text)


# The world


class Person(Struct):
    """Somebody who calls or is called upon: a token, and what they have by kind of owner."""

    token: str | None
    things: dict[str, str]
    session_id: str = ""
    scopes: frozenset[str] = frozenset()


class World(Struct):
    """Callers by name, and those whom they act upon."""

    callers: dict[str, Person]
    foreign: Person
    senior: Person
    password: str
    username: str


_words = (f"{a}{b}{c}" for a, b, c in itertools.product("abcdefghij", repeat=3))


async def belongings(keep: Keep, user: str) -> dict[str, str]:
    """Give a user one of each kind of owner that can be theirs. A kind that is missing here fails the matrix by name."""
    word = next(_words)
    mine = (await keep.do(characters.create(user=user, name=f"Mine {word}"))).character_id
    partner = (await keep.do(characters.create(name=f"Partner {word}"))).character_id
    trade = (await keep.do(trades.request(initiator=partner, receiver=mine))).trade_id
    guild = (await keep.do(game.found(user=user))).guild_id
    await keep.do(items.grant(holder=mine, item="arrow", quantity=5, source="test"))
    await keep.do(xp.correct(character=mine, amount=1, reason="for a ledger with something in it"))
    return {"user": user, "character": mine, "trade": trade, "guild": guild, "": mine, "world": "world", "content": "content"}


SHARED: Final = {"world", "content"}
"""Kinds of owners that are nobody's: for a player they are always another's."""


async def person(keep: Keep, role: str = "player", *, guest: bool = False) -> Person:
    """Somebody logged in, with a role and belongings."""
    if guest:
        user = (await keep.do(users.create_guest())).user_id
    else:
        user = (await keep.do(users.register(username=f"user_{next(_words)}", password=new_id()))).user_id
    if role != "player":
        await keep.do(users.set_role(user=user, role=role))  # type: ignore[arg-type]
    opened = await keep.do(sessions.open_session(user=user))
    return Person(opened.token, await belongings(keep, user), opened.session_id)


async def program(keep: Keep, *scopes: str) -> Person:
    """A program with an API key."""
    owner = await person(keep)
    made = await keep.do(sessions.create_key(user=owner.things["user"], name="key", scopes=list(scopes)))
    return Person(made.key, owner.things, owner.session_id, frozenset(scopes))


Shut = Callable[[Keep, Person], Awaitable[None]]


async def _change_user(keep: Keep, who: Person, **columns: Any) -> None:
    """Change a user's row by a command that nobody else knows."""

    def changed(ctx: Context, *, user: users.UserId) -> None:
        row = ctx.get(users.User, user)
        assert row is not None
        ctx.change(row, **columns)

    made: Command[Any, None] = Command(
        changed, touches=[users.User], keys=None, prepare=None, durability="commit", access="server", module="matrix"
    )
    await keep.do(made.call({"user": who.things["user"]}))


async def _deactivate(keep: Keep, who: Person) -> None:
    await _change_user(keep, who, is_active=False)


async def _ban(keep: Keep, who: Person) -> None:
    """Ban somebody as the module does; without one they are deactivated."""
    command = COMMANDS.get("moderation.ban")
    if command is None:
        await _deactivate(keep, who)
        return
    values = arguments_of(command, {"user": who.things["user"], "reason": REASON, "until": keep.clock.now_ms() + 86_400_000})
    await keep.do(command.call(values), actor="operator:test", reason=REASON)


async def _log_out(keep: Keep, who: Person) -> None:
    await keep.do(sessions.revoke_all(user=who.things["user"]))


async def _revoke(keep: Keep, who: Person) -> None:
    (key,) = await keep.ask(sessions.list_keys(user=who.things["user"]))
    await keep.do(sessions.revoke_key(user=who.things["user"], key_id=key.key_id))


SHUTTING: Final[Mapping[str, Shut]] = {
    "banned": _ban,
    "deactivated": _deactivate,
    "logged out": _log_out,
    "server with a revoked key": _revoke,
}


async def _caller(keep: Keep, name: str) -> Person:
    if name == "anonymous":
        return Person(None, {})
    scopes: dict[str, Sequence[str]] = {
        "server": ["*"],
        "server of some modules": ["items.*", "users.*"],
        "server of some names": [one.name for one in operations()][::2][:64],
        "server with a revoked key": ["*"],
        "operator": [OPERATOR_SCOPE],
    }
    if name in scopes:
        made = await program(keep, *scopes[name])
    else:
        made = await person(keep, name if name in PLAYERS[1:] else "player", guest=name == "guest")
    if name in SHUTTING:
        await SHUTTING[name](keep, made)
    return made


async def make_world(keep: Keep, chosen: Sequence[str] = CALLERS) -> World:
    """Make a world with these callers."""
    await scene.stock(keep)
    await keep.do(content.load_pack(pack=scene.pack(ERRAND, id="errands")))
    await keep.do(worlds.create_world(world="world", name="World"))
    callers = {name: await _caller(keep, name) for name in chosen}
    await keep.do(users.register(username=KNOWN, password="as it is told"))
    return World(callers, await person(keep), await person(keep, "superuser"), "as it is told", KNOWN)


# The cells


class Cell(Struct, frozen=True):
    """One operation, tried by one caller on one object."""

    operation: Operation[Any, Any]
    caller: str
    object: str
    allowed: bool

    def __str__(self) -> str:
        return f"{self.operation.name} ({self.operation.access}) by {self.caller} on {self.object}"


def operations() -> list[Operation[Any, Any]]:
    """Every operation that is served: those of the house and of the game beside this file, not the games of other tests."""
    declared = (*COMMANDS.values(), *QUERIES.values())
    served = [one for one in declared if one.__module__.startswith(("gamekeeper.", "tests.server.game"))]
    return [one for one in served if one.name not in FAILS_BY_DESIGN]


def target(operation: Operation[Any, Any]) -> Parameter | None:
    """The argument that says on whom an operation acts: the first that names an owner which is there already."""
    return next((one for one in operation.parameters if one.owner is not None and not one.owner.creates), None)


def kind_of(one: Parameter) -> str:
    """The kind of owner that an argument names; "" for any."""
    assert one.owner is not None
    return one.owner.kind


def objects_for(operation: Operation[Any, Any], caller: str, world: World) -> list[str]:
    """The objects that make a difference to a caller."""
    acting = target(operation)
    if acting is None:
        return [NOTHING]
    objects = [FOREIGN, ABSENT]
    if kind_of(acting) in world.callers["player"].things and kind_of(acting) not in SHARED and caller != "anonymous":
        objects.append(OWN)
    if operation.access in STAFF and kind_of(acting) == "user":
        objects.append(SENIOR)
    if not _required(operation, acting.name):
        objects.append(OMITTED)
    return objects


def _required(operation: Operation[Any, Any], name: str) -> bool:
    return any(one.name == name and one.required for one in fields_of(operation))


def reached(operation: Operation[Any, Any], caller: str, scopes: frozenset[str]) -> frozenset[str]:
    """The objects that the rules let a caller reach.

    Raises: KeyError for an access without rules.
    """
    rule = RULES[operation.access]
    if caller in SERVERS and not scopes & {"*", operation.name, f"{operation.module}.*"}:
        return NONE
    found = EXCEPTIONS.get(operation.name, {}).get(caller, rule.get(caller, NONE))
    if found is LOWER and operation.name in QUERIES:
        return STAFF_QUERIES_SHOW
    return found


def cells(world: World, chosen: Iterable[Operation[Any, Any]]) -> list[Cell]:
    """Pair operations with callers and objects."""
    return [
        Cell(operation, name, one, one in reached(operation, name, caller.scopes))
        for operation in chosen
        for name, caller in world.callers.items()
        for one in objects_for(operation, name, world)
    ]


def undeclared(chosen: Iterable[Operation[Any, Any]], kinds: Iterable[str]) -> Iterator[str]:
    """Name the operations that the rules do not cover.

    kinds: the kinds of owners that `belongings` makes.
    """
    chosen = list(chosen)
    yield from (f"{name} stands in EXCEPTIONS, and is no more" for name in EXCEPTIONS.keys() - {one.name for one in chosen})
    for operation in chosen:
        acting = target(operation)
        if operation.access not in RULES:
            yield f"{operation.name}: RULES in tests/server/matrix.py says nothing of the access {operation.access!r}"
        elif operation.access != "player":
            continue
        elif acting is None and operation.name not in OPEN_TO_ALL_PLAYERS:
            yield f"{operation.name} is for players and names no owner, so that it is open to all of them or to none"
        elif acting is not None and kind_of(acting) in SHARED:
            yield f"{operation.name} is for players and acts for a {kind_of(acting)}, which is nobody's: no player could call it"
        elif acting is not None and kind_of(acting) not in kinds:
            yield f"{operation.name} acts for a {kind_of(acting)}; belongings in tests/server/matrix.py must make one"


# Trying


def arguments_for(world: World, cell: Cell) -> dict[str, Any]:
    """Give arguments that are right but for the object."""
    caller = world.callers[cell.caller]
    strangers = {FOREIGN: world.foreign, SENIOR: world.senior}
    # Whoever may act for everybody names what belongs together; a player mixes in what is theirs.
    whole = cell.allowed or not caller.things
    base = strangers.get(cell.object, world.foreign) if whole and cell.object in strangers else caller if caller.things else world.foreign
    known: dict[str, Any] = {
        "session_id": base.session_id,
        "item": "arrow",
        "quest": ERRAND.id,
        "username": world.username,
        "password": world.password,
        "world_id": "world",
        "role": "player",
    }
    for one in cell.operation.parameters:
        if one.owner is not None and not one.owner.creates:
            known[one.name] = base.things.get(kind_of(one), new_id())
    acting = target(cell.operation)
    if acting is not None and cell.object == OMITTED:
        del known[acting.name]
    elif acting is not None and cell.object == ABSENT:
        known[acting.name] = new_id()
    elif acting is not None and cell.object in strangers:
        known[acting.name] = strangers[cell.object].things.get(kind_of(acting), new_id())
    if cell.operation.name == "users.register":
        known["username"] = f"new_{new_id()[-12:]}"
    return arguments_of(cell.operation, _as_declared(cell.operation, known))


def _as_declared(operation: Operation[Any, Any], known: dict[str, Any]) -> dict[str, Any]:
    """Put the value of an argument that takes several into a list."""
    listed = {one.name for one in fields_of(operation) if _takes_several(one.type)}
    return {name: [value] if name in listed else value for name, value in known.items()}


def _takes_several(kind: msgspec.inspect.Type) -> bool:
    if isinstance(kind, msgspec.inspect.Metadata):
        return _takes_several(kind.type)
    if isinstance(kind, msgspec.inspect.UnionType):
        return any(_takes_several(one) for one in kind.types)
    return isinstance(kind, msgspec.inspect.ListType | msgspec.inspect.VarTupleType)


def path_of(operation: Operation[Any, Any]) -> str:
    """Where an operation stands."""
    return f"/v1/{operation.name.replace('.', '/', 1)}"


async def call(wire: Wire, world: World, cell: Cell, more: Mapping[str, Any] | None = None) -> Answer:
    """Try a cell as its caller would; `more` are arguments instead of the right ones, or beyond them."""
    body = msgspec.json.encode({**arguments_for(world, cell), **(more or {})})
    return await wire.send("POST", path_of(cell.operation), token=world.callers[cell.caller].token, body=body)


async def call_in_batch(wire: Wire, world: World, cell: Cell) -> Answer:
    """Try a cell by the other door."""
    body = msgspec.json.encode([{"command": cell.operation.name, "arguments": arguments_for(world, cell)}])
    return await wire.send("POST", "/v1/batch", token=world.callers[cell.caller].token, body=body)


Trying = Callable[[Wire, World, Cell], Awaitable[Answer]]


def wrong(cell: Cell, answer: Answer) -> str | None:
    """Say what is wrong with an answer, if something is."""
    if answer.status >= 500 or answer.status == 429:
        return f"{cell}: answered {answer.status} {answer.code}"
    refused = answer.status in (401, 403)
    if cell.allowed:
        own_rule = answer.code not in AUTHORITY and answer.code in raises(cell.operation)
        return f"{cell}: should be allowed, was refused with {answer.status} {answer.code}" if refused and not own_rule else None
    if refused and (answer.code in AUTHORITY or cell.caller in SHUT_OUT):
        return None
    return f"{cell}: should be refused, was answered {answer.status} {answer.code}"


def raises(operation: Operation[Any, Any]) -> set[str]:
    """The codes that an operation declares."""
    _, _, told = (operation.__doc__ or "").partition("Raises:")
    return set(re.findall(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+", told))


async def differences(wire: Wire, world: World, tried: Iterable[Cell], by: Trying = call) -> list[str]:
    """Try cells, and say where the answer is not what the rules say."""
    found: list[str] = []
    for together in _in_parts(tried, AT_ONCE):
        answers = await asyncio.gather(*(by(wire, world, cell) for cell in together))
        found += [problem for cell, answer in zip(together, answers, strict=True) if (problem := wrong(cell, answer))]
    return found


def _in_parts(given: Iterable[Cell], size: int) -> Iterator[tuple[Cell, ...]]:
    rest = iter(given)
    while part := tuple(itertools.islice(rest, size)):
        yield part


def undo_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo each request that the matrix gets done, so that no cell changes what another one finds."""
    run_one = Runner._run_one

    def undone(self: Runner, outcome: Outcome, *words: Any) -> None:
        run_one(self, outcome, *words)
        if outcome.error is None and outcome.submission.reason == REASON:
            for context in reversed(outcome.contexts):
                context.undo()
            outcome.error = Undone()

    monkeypatch.setattr(Runner, "_run_one", undone)

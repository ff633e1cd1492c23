"""Commands: declared once, checked once, and the only way to change durable state."""

from __future__ import annotations

import inspect as python_inspect
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Concatenate, Final, Generic, Literal, ParamSpec, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Struct

from gamekeeper.errors import GameError, InvalidArgument, invalid_argument
from gamekeeper.kernel import gate
from gamekeeper.kernel.records import SPECS, Durability, OwnedBy, Record, markers, owned_by, shape, with_companions

if TYPE_CHECKING:
    from gamekeeper.kernel.queries import Reader
    from gamekeeper.kernel.workingset import Context

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound="Callable[[Reader, str], Awaitable[Sequence[str]]]")

Access = Literal["public", "player", "server", "moderator", "admin", "operator"]
"""Who may call: anyone, a player for what is theirs, a game server by key, players with a role of at least moderator or admin, or
only an operator, who may call everything."""

STAFF = frozenset({"moderator", "admin"})
"""The kinds of access for players who are staff."""

ENCODE = msgspec.json.Encoder().encode
SECRET_TEXT = "[secret]"  # noqa: S105 - what stands in a secret's place


class Prepared(Struct, frozen=True):
    """What a `prepare` step found: a value for the function, further owners to lock, rows to read by key."""

    found: Any = None
    owners: tuple[str, ...] = ()
    keys: tuple[tuple[type[Record], tuple[Any, ...]], ...] = ()


class Parameter(Struct, frozen=True):
    """One argument, as the declaration says it."""

    name: str
    owner: OwnedBy | None
    secret: bool
    personal: bool
    json: bool


Keys = Sequence[tuple[type[Record], tuple[Any, ...]]]


class Operation(Generic[P, R]):
    """What commands and queries have in common: a name, typed arguments, and a check of them."""

    def __init__(self, function: Callable[..., Any], access: Access, module: str | None) -> None:
        self.function = function
        self.access: Access = access
        self.verb: str = function.__name__
        self.module = module or module_of(function)
        self.name = f"{self.module}.{self.verb}"
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__
        self.__qualname__ = function.__qualname__
        self.__module__ = function.__module__

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return get_type_hints(self.function, include_extras=True)

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The arguments without the first one (`ctx` or `read`)."""
        names = list(python_inspect.signature(self.function).parameters)[1:]
        return tuple(self._parameter(name) for name in names)

    def _parameter(self, name: str) -> Parameter:
        hint = self._hints[name]
        words = markers(hint)
        return Parameter(name, owned_by(hint), "secret" in words, "personal" in words, "json" in words)

    @cached_property
    def arguments(self) -> type[Struct]:
        """The arguments as one struct: what callers' values are converted to."""
        fields: list[Any] = []
        for name, parameter in list(python_inspect.signature(self.function).parameters.items())[1:]:
            if parameter.default is python_inspect.Parameter.empty:
                fields.append((name, self._hints[name]))
            elif isinstance(parameter.default, list | dict):
                fields.append((name, self._hints[name], msgspec.field(default_factory=parameter.default.copy)))
            else:
                fields.append((name, self._hints[name], parameter.default))
        return msgspec.defstruct(self.name, fields, kw_only=True, frozen=True, forbid_unknown_fields=True)

    @cached_property
    def result(self) -> Any:
        """The type of the answer."""
        return self._hints.get("return", type(None))

    @cached_property
    def json_names(self) -> tuple[str, ...]:
        """Arguments that are free JSON, which the gate checks."""
        return tuple(parameter.name for parameter in self.parameters if parameter.json)

    @cached_property
    def nested_names(self) -> tuple[str, ...]:
        """Arguments that hold structs with free JSON in them."""
        return tuple(one.name for one in self.parameters if not one.json and _holds_json(self._hints[one.name], set()))

    def check(self, values: dict[str, Any], *, strict: bool = True) -> Struct:
        """The arguments, converted and within their bounds.

        Raises: INVALID_ARGUMENT, INVALID_JSON.
        """
        return self.encoded(values, strict=strict)[0]

    def encoded(self, values: dict[str, Any], *, strict: bool = True) -> tuple[Struct, bytes]:
        """The same, with their JSON."""
        for name in self.json_names:
            if values.get(name) is not None:
                values = {**values, name: gate.check(values[name])}
        for name in self.nested_names:
            if values.get(name) is not None:
                values = {**values, name: _gated(values[name], f"/{name}")}
        try:
            arguments: Struct = msgspec.convert(values, self.arguments, strict=strict)
            encoded = ENCODE(arguments)
            if b"\\u0000" in encoded:
                _refuse_nul(arguments)
        except msgspec.ValidationError as error:
            raise invalid_argument(str(error)) from None
        except UnicodeEncodeError:
            raise InvalidArgument(path=_surrogate_path(values), problem="text holds a lone surrogate") from None
        return arguments, encoded


WHOLE: Final = gate.Limits(max_bytes=64 * 1024 * 1024, max_nodes=2_000_000)
"""How large a struct with free JSON in it may be; the elements of a list are held to what any document is."""


def _holds_json(hint: Any, seen: set[Any]) -> bool:
    """Whether structs that stand in a type, however deeply, have fields of free JSON."""
    if isinstance(hint, type) and issubclass(hint, Struct):
        if hint in seen:
            return False
        seen.add(hint)
        fields = get_type_hints(hint, include_extras=True).values()
        return any("json" in markers(field) or _holds_json(field, seen) for field in fields)
    return any(_holds_json(one, seen) for one in get_args(hint))


def _holds_rows(hint: Any, seen: set[Any]) -> bool:
    """Whether rows with free JSON stand in a type."""
    if isinstance(hint, type) and issubclass(hint, Struct):
        if hint in seen:
            return False
        seen.add(hint)
        if hint in SPECS and any(field.kind == "json" for field in shape(hint).fields):
            return True
        return any(_holds_rows(field, seen) for field in get_type_hints(hint).values())
    return any(_holds_rows(one, seen) for one in get_args(hint))


def _gated(value: Any, path: str) -> Any:
    """Let what is in structs through the gate as well; what comes out is nobody else's.

    Raises: INVALID_JSON.
    """
    if isinstance(value, list | tuple):
        return [_checked(one, f"{path}/{place}", gate.DEFAULT) for place, one in enumerate(value)]
    return _checked(value, path, WHOLE)


def _checked(value: Any, path: str, limits: gate.Limits) -> Any:
    try:
        return gate.check(msgspec.to_builtins(value), limits)
    except gate.InvalidJson as error:
        raise gate.InvalidJson(error.problem, path + error.path, error.detail) from None


class Command(Operation[P, R]):
    """A declared command; calling it with arguments gives a `Call` for `keep.do`."""

    def __init__(
        self,
        function: Callable[..., R],
        *,
        touches: Sequence[type[Record]],
        keys: Callable[..., Keys] | None,
        prepare: Callable[..., Awaitable[Prepared]] | None,
        durability: Durability,
        access: Access,
        module: str | None,
        prepares_again: Sequence[type[GameError]] = (),
        reason: str = "reason",
    ) -> None:
        super().__init__(function, access, module)
        self.reason = reason if reason in python_inspect.signature(function).parameters else None
        """the argument that says why"""
        self.touches = with_companions(touches)
        self.keys = keys
        self.prepare = prepare
        self.prepares_again = tuple(prepares_again)
        self.durability: Durability = durability
        # Rows of big tables are read by key, appended ones never.
        self.loads = tuple(sorted((one for one in self.touches if _loads_by_owner(one)), key=lambda one: SPECS[one].table))

    @property
    def value(self) -> bool:
        """Whether it can change something of value: then HTTP asks for an idempotency key."""
        return any(SPECS[one].value for one in self.touches)

    @cached_property
    def owner_names(self) -> tuple[str, ...]:
        """Arguments that name owners which must exist."""
        return tuple(name for name, _ in self.marks)

    @cached_property
    def new_owner_names(self) -> tuple[str, ...]:
        """Arguments that name owners which the command makes."""
        return tuple(p.name for p in self.parameters if p.owner is not None and p.owner.creates)

    @cached_property
    def marks(self) -> tuple[tuple[str, OwnedBy], ...]:
        """Each argument that names an owner which must exist, with its mark."""
        return tuple((p.name, p.owner) for p in self.parameters if p.owner is not None and not p.owner.creates)

    @cached_property
    def hidden(self) -> tuple[Parameter, ...]:
        """Secret and personal arguments."""
        return tuple(p for p in self.parameters if p.secret or p.personal)

    @cached_property
    def answers_rows(self) -> bool:
        """Whether its answer holds rows with JSON in them, which are also what memory goes on with."""
        return _holds_rows(self.result, set())

    @cached_property
    def secret_result(self) -> tuple[str, ...]:
        """Fields of the answer that stay out of the journal and the idempotency table."""
        if not (isinstance(self.result, type) and issubclass(self.result, Struct)):
            return ()
        hints = get_type_hints(self.result, include_extras=True)
        return tuple(name for name, hint in hints.items() if "secret" in markers(hint))

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """Check the arguments and give the call.

        Raises: INVALID_ARGUMENT, INVALID_JSON.
        """
        if args:
            raise InvalidArgument(path="", problem=f"{self.name} takes keyword arguments only")
        return self.call(kwargs)

    def call(self, values: dict[str, Any]) -> Call[R]:
        """The same for arguments that came as a mapping."""
        return Call(self, *self.encoded(values))

    def __repr__(self) -> str:
        return f"<command {self.name}>"


class Call(Generic[R]):
    """A command with checked arguments, not yet done."""

    __slots__ = ("arguments", "command", "encoded", "marked", "owners")

    def __init__(self, command: Command[Any, R], arguments: Struct, encoded: bytes) -> None:
        self.command = command
        self.arguments = arguments
        self.encoded = encoded
        self.marked = [(owner, mark) for name, mark in command.marks for owner in _owners(getattr(arguments, name))]
        """the owners that must exist, each with the mark of its argument"""
        self.owners = tuple([owner for owner, _ in self.marked])

    def new_owners(self) -> Iterator[str]:
        """Ids that the caller chose for owners to be made."""
        return (owner for name in self.command.new_owner_names for owner in _owners(getattr(self.arguments, name)))

    def __repr__(self) -> str:
        # Arguments may hold secrets, and a repr ends in logs.
        return f"<call {self.command.name}>"


COMMANDS: dict[str, Command[Any, Any]] = {}
"""Every declared command by `module.verb`."""


def command(
    *,
    touches: Sequence[type[Record]] = (),
    keys: Callable[..., Keys] | None = None,
    prepare: Callable[..., Awaitable[Prepared]] | None = None,
    durability: Durability = "commit",
    access: Access = "server",
    module: str | None = None,
    prepares_again: Sequence[type[GameError]] = (),
    reason: str = "reason",
) -> Callable[[Callable[Concatenate[Context, P], R]], Command[P, R]]:
    """Declare a command.

    touches: record types to load for each owner it names, and all that it may write; those declared `beside` one come with it.
    keys: for types that load by key, a function of the arguments that gives (record type, key) pairs.
    prepare: `async (read, arguments) -> Prepared`, run before the batch; `read.actor` is who does it.
    durability: `checkpoint` is acknowledged from memory while the owner's lease is held here.
    access: who may call it over the network; a player only for owners that are theirs. A command for staff checks in itself
    whom the actor may act on.
    prepares_again: errors that say that somebody was faster: the command is prepared and done once more, over what is there now.
    reason: the argument that says why, where there is one: staff who give it need not say it twice.
    """

    def declare(function: Callable[Concatenate[Context, P], R]) -> Command[P, R]:
        made: Command[P, R] = Command(
            function,
            touches=touches,
            keys=keys,
            prepare=prepare,
            durability=durability,
            access=access,
            module=module,
            prepares_again=prepares_again,
            reason=reason,
        )
        if reason not in ("reason", made.reason):
            raise TypeError(f"{made.name} has no argument {reason!r}")
        if durability == "checkpoint" and any(SPECS[one].value for one in made.touches):
            raise TypeError(f"{made.name}: value is never in the checkpoint class")
        _register(COMMANDS, made)
        return made

    return declare


BELONGS_TO: dict[str, Callable[[Reader, str], Awaitable[Sequence[str]]]] = {}
"""Whose an owner is, by its kind: the ids of the users to whom it belongs. A kind that is missing here belongs to nobody."""


def belongs_to(kind: str) -> Callable[[F], F]:
    """Declare how to find the users to whom an owner of a kind belongs; a surface lets players act only for what is theirs."""

    def declare(function: F) -> F:
        BELONGS_TO[kind] = function
        return function

    return declare


BELONGINGS: dict[str, Callable[[Reader, str], Awaitable[Sequence[str]]]] = {}
"""What a user has, by kind of owner: ids of owners that are theirs alone, deleted ones among them."""


def belongings(kind: str) -> Callable[[F], F]:
    """Declare how to find the owners of a kind that are a user's: what is exported of a person goes over them."""

    def declare(function: F) -> F:
        BELONGINGS[kind] = function
        return function

    return declare


def _register(registry: dict[str, Any], made: Operation[Any, Any]) -> None:
    known = registry.get(made.name)
    if known is not None and known.__module__ != made.__module__:
        raise TypeError(f"{made.name} is declared by {known.__module__} already")
    registry[made.name] = made


def module_of(function: Callable[..., Any]) -> str:
    """The feature's name: the folder of `commands.py` or `queries.py`, else the file's own name."""
    parts = function.__module__.split(".")
    if parts[-1] in {"commands", "queries", "jobs"} and len(parts) > 1:
        return parts[-2]
    return parts[-1].strip("_") or "main"


def _refuse_nul(arguments: Struct) -> None:
    for name in arguments.__struct_fields__:
        for text in _texts(getattr(arguments, name)):
            if "\0" in text:
                raise InvalidArgument(path=f"/{name}", problem="text holds a NUL character")


def _surrogate_path(values: dict[str, Any]) -> str:
    for name, value in values.items():
        if any("\ud800" <= one <= "\udfff" for text in _texts(value) for one in text):
            return f"/{name}"
    return ""


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from _texts(name)
            yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, Struct):
        for name in value.__struct_fields__:
            yield from _texts(getattr(value, name))


def _owners(value: str | Sequence[str] | None) -> Sequence[str]:
    return (value,) if isinstance(value, str) else value or ()


def _loads_by_owner(record: type[Record]) -> bool:
    spec = SPECS[record]
    return spec.loads == "owner" and not spec.append_only

"""Routes: what the registry of commands and queries looks like from outside."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct, inspect

from gamekeeper.kernel.commands import COMMANDS, Command, Operation
from gamekeeper.kernel.queries import QUERIES, Query

PREFIX: Final = "/v1/"

_Form: TypeAlias = Literal["one", "list", "deep"]
_ONE = (
    inspect.BoolType,
    inspect.BytesType,
    inspect.EnumType,
    inspect.FloatType,
    inspect.IntType,
    inspect.LiteralType,
    inspect.NoneType,
    inspect.StrType,
)
_MANY = (inspect.FrozenSetType, inspect.ListType, inspect.SetType, inspect.VarTupleType)


class Route(Struct, frozen=True, eq=False):
    """A command or a query, and what the server must know of it at every request."""

    operation: Operation[Any, Any]
    command: Command[Any, Any] | None
    query: Query[Any, Any] | None
    methods: tuple[str, ...]
    lists: frozenset[str]
    """arguments that a query string may repeat"""
    owner: str | None
    """the first argument that names an owner"""

    @property
    def path(self) -> str:
        """Where it stands."""
        return path_of(self.operation)


def path_of(operation: Operation[Any, Any]) -> str:
    """Give the path of an operation: its own name with a slash."""
    return f"{PREFIX}{operation.module}/{operation.verb}"


def routes() -> dict[str, Route]:
    """Give a route for every declared command and query, by path.

    Raises: TypeError when a command and a query have one name.
    """
    found: dict[str, Route] = {}
    for operation in _operations():
        path = path_of(operation)
        if path in found:
            raise TypeError(f"{operation.name} is a command and a query; one of them needs another name")
        found[path] = route_of(operation)
    return found


def _operations() -> Iterator[Operation[Any, Any]]:
    yield from COMMANDS.values()
    yield from QUERIES.values()


def route_of(operation: Operation[Any, Any]) -> Route:
    """Give the route of one operation."""
    if isinstance(operation, Command):
        owners = operation.owner_names
        return Route(operation, operation, None, ("POST",), frozenset(), owners[0] if owners else None)
    if not isinstance(operation, Query):
        raise TypeError(f"{operation!r} is neither a command nor a query")
    forms = forms_of(operation)
    # A URL stands in logs and histories, so nothing secret may stand in one; and it has no way to write an object.
    plain = "deep" not in forms.values() and not any(one.secret for one in operation.parameters)
    lists = frozenset(name for name, form in forms.items() if form == "list")
    owners = operation.owner_names
    return Route(operation, None, operation, ("GET", "HEAD", "POST") if plain else ("POST",), lists, owners[0] if owners else None)


def forms_of(operation: Operation[Any, Any]) -> Mapping[str, _Form]:
    """Say of each argument whether a query string could carry it: as one text, as a list of them, or not at all."""
    described = inspect.type_info(operation.arguments)
    if not isinstance(described, inspect.StructType):  # pragma: no cover - the arguments are a struct
        raise TypeError(f"{operation.name} has no arguments struct")
    return {field.name: _form(field.type) for field in described.fields}


def _form(kind: inspect.Type) -> _Form:
    if isinstance(kind, inspect.Metadata):
        return _form(kind.type)
    if isinstance(kind, _ONE):
        return "one"
    if isinstance(kind, _MANY):
        return "list" if _form(kind.item_type) == "one" else "deep"
    if isinstance(kind, inspect.UnionType):
        forms = {_form(one) for one in kind.types if not isinstance(one, inspect.NoneType)}
        return forms.pop() if len(forms) == 1 else "deep"
    return "deep"

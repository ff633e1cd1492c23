"""The OpenAPI 3.1 document, made from the registry of commands and queries."""

import inspect as python_inspect
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

import gamekeeper
from gamekeeper.errors import Kind
from gamekeeper.keep import import_modules
from gamekeeper.kernel.commands import STAFF, Access, Operation

from .fixed import FIXED, PART, Fixed, Who
from .problems import STATUS, HttpError, known_errors
from .requests import MAX_KEY, MAX_REASON
from .routes import Route, routes

Json = dict[str, Any]

SCHEMAS: Final = "#/components/schemas/"
PROBLEM: Final = "Problem"
PROBLEM_TYPE: Final = "application/problem+json"

_RAISES: Final = re.compile(r"^\s*Raises:\s*(.+?)\s*\Z", re.MULTILINE | re.DOTALL)
_CODE: Final = re.compile(r"\b[A-Z][A-Z0-9_]{2,}\b")
_SECURITY: Final[dict[Access, list[Json]]] = {
    "public": [{}, {"session": []}, {"key": []}],
    "player": [{"session": []}, {"key": []}],
    "server": [{"key": []}],
    "moderator": [{"session": []}, {"key": []}],
    "admin": [{"session": []}, {"key": []}],
    "operator": [{"key": []}],
}
_SCHEMES: Final[Json] = {
    "session": {"type": "http", "scheme": "bearer", "description": "a player's session token, `gks_...`"},
    "key": {"type": "http", "scheme": "bearer", "description": "the API key of a game server or an operator, `gkk_...`"},
}
_CALLERS: Final[dict[Who, Json]] = {"anyone": {}, "session": {"session": []}, "key": {"key": []}}
_KEY_SCHEMA: Final[Json] = {"type": "string", "minLength": 1, "maxLength": MAX_KEY, "pattern": "^[!-~]+$"}
_KEY_TEXT: Final = "the same key and arguments answer as the first time; 16 characters or more from a caller without a token"
_INFO: Final = "Commands change the world, each in one transaction; queries read it. Every error is a problem with a stable code."
_ACCESS: Final[dict[Access, str]] = {
    "public": "Anyone may call it.",
    "player": "A player may call it for what is theirs; game servers and operators for everybody.",
    "server": "Game servers and operators may call it.",
    "moderator": "Moderators and whoever ranks above them may call it, for users of a lower role.",
    "admin": "Admins and superusers may call it, for users of a lower role.",
    "operator": "Only operators may call it.",
}
_COMMON: Final[dict[int, str]] = {
    400: "The request is malformed.",
    401: "The caller has not shown a valid token or key.",
    403: "The caller may not do this.",
    422: "An argument is missing, unknown, or breaks its type or bounds.",
    429: "The caller did this too often; Retry-After says when it may be done again.",
    500: "Something went wrong here.",
    503: "The server or its database is busy or away; Retry-After says when to try again.",
}
_WITH_BODY: Final[dict[int, str]] = {413: "The body is too large.", 415: "The body is not application/json."}
_BY_OWNER: Final[dict[int, str]] = {412: "The owner is not at the version of If-Match, or a lease was lost."}


def document(modules: Sequence[str] = ()) -> Json:
    """Give the document for the built-in modules and a game's own; needs no database."""
    import_modules(modules)
    return describe()


def describe() -> Json:
    """Give the document for what is declared so far."""
    found = routes()
    types = [kind for route in found.values() for kind in (route.operation.arguments, route.operation.result)]
    others = [kind for one in FIXED for kind in _types_of(one)]
    schemas, components = msgspec.json.schema_components([*types, *others], ref_template=SCHEMAS + "{name}")
    described = iter(schemas)
    paths: Json = {path: _path_item(route, next(described), next(described), components) for path, route in found.items()}
    by_type = {id(kind): schema for kind, schema in zip(others, described, strict=True)}
    for one in FIXED:
        paths.setdefault(one.path, {})[one.method.lower()] = _fixed_item(one, by_type, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Gamekeeper", "version": gamekeeper.__version__, "description": _INFO},
        "tags": list(_tags(found)),
        "paths": _clean(paths),
        "components": {"schemas": _clean({**components, PROBLEM: _problem_schema()}), "securitySchemes": _SCHEMES},
    }


# Operations


def _path_item(route: Route, arguments: Json, result: Json, components: Json) -> Json:
    item: Json = {}
    for method in route.methods:
        if method == "HEAD":
            continue
        shared = _operation(route, method, result)
        if method == "GET":
            shared["parameters"] += _query_parameters(arguments, components)
            shared["responses"]["304"] = {"description": "The answer is the one that If-None-Match names."}
        else:
            shared["requestBody"] = {"required": True, "content": {"application/json": {"schema": arguments}}}
        item[method.lower()] = shared
    return item


def _operation(route: Route, method: str, result: Json) -> Json:
    operation = route.operation
    summary, text, codes = _documentation(operation)
    suffix = ".get" if method == "GET" else ""
    return {
        "operationId": operation.name + suffix,
        "summary": summary,
        "description": "\n\n".join(part for part in (text, _ACCESS[operation.access]) if part),
        "tags": [operation.module],
        "security": _SECURITY[operation.access],
        "parameters": _header_parameters(route),
        "responses": _responses(route, method, result, codes),
        "x-gamekeeper-access": operation.access,
        "x-gamekeeper-errors": codes,
    }


def _documentation(operation: Operation[Any, Any]) -> tuple[str, str, list[str]]:
    """Split a docstring into its promise, the rest, and the codes of its errors."""
    text = python_inspect.cleandoc(operation.__doc__ or operation.name)
    raises = _RAISES.search(text)
    codes = _CODE.findall(raises[1]) if raises else []
    if raises:
        text = text[: raises.start()].rstrip()
    summary, _, rest = text.partition("\n")
    return summary.strip(), rest.strip(), list(dict.fromkeys(codes))


def _header_parameters(route: Route) -> list[Json]:
    parameters: list[Json] = []
    if route.owner is not None:
        text = 'the version at which the first owner must be, like `"v17"`, or `*`'
        parameters.append(_header("If-Match", text, {"type": "string", "pattern": r'^(\*|"v[0-9]{1,16}(-[0-9a-f]{1,64})?")$'}))
    if route.command is None:
        return parameters
    parameters.append(_header("Idempotency-Key", _KEY_TEXT, _KEY_SCHEMA, required=route.command.value))
    reason = {"type": "string", "minLength": 1, "maxLength": MAX_REASON, "pattern": "^[!-~]([ -~]*[!-~])?$"}
    needed = route.command.access in STAFF and route.command.reason is None
    parameters.append(_header("X-Reason", "why, for the journal; operators must say it for commands of value", reason, required=needed))
    return parameters


def _header(name: str, text: str, schema: Json, *, required: bool = False) -> Json:
    return {"name": name, "in": "header", "required": required, "description": text, "schema": schema}


def _query_parameters(arguments: Json, components: Json) -> list[Json]:
    """Give each field of the arguments as a parameter of the query string."""
    described = components[arguments["$ref"].removeprefix(SCHEMAS)]
    required = set(described.get("required", ()))
    parameters: list[Json] = []
    for name, schema in described.get("properties", {}).items():
        text, given = schema.get("description"), _without_null(schema)
        one: Json = {"name": name, "in": "query", "required": name in required, "schema": given, "style": "form", "explode": True}
        if text or given.get("description"):
            one["description"] = text or given["description"]
        parameters.append(one)
    return parameters


def _without_null(schema: Json) -> Json:
    """What an argument may be when it is given: a query string leaves out what is None."""
    options = schema.get("anyOf")
    if options is None:
        return schema
    kept = [one for one in options if one != {"type": "null"}]
    rest = {name: value for name, value in schema.items() if name != "anyOf" and not (name == "default" and value is None)}
    return {**kept[0], **rest} if len(kept) == 1 else {**rest, "anyOf": kept}


def _responses(route: Route, method: str, result: Json, codes: Sequence[str]) -> Json:
    ok: Json = {"description": "Done." if route.command else "The answer.", "content": {"application/json": {"schema": result}}}
    if route.query is not None and route.owner is not None:
        ok["headers"] = {"ETag": {"description": "the owner's version and a digest of the answer", "schema": {"type": "string"}}}
    texts = dict(_COMMON)
    if method != "GET":
        texts |= _WITH_BODY
    if route.owner is not None:
        texts |= _BY_OWNER
    return {"200": ok, **_error_responses(texts, codes), "default": _problem_response("Any other problem.", [])}


def _error_responses(texts: dict[int, str], codes: Sequence[str]) -> Json:
    statuses = _statuses()
    by_status: dict[int, list[str]] = {status: [] for status in texts}
    for code in codes:
        by_status.setdefault(statuses.get(code, STATUS[Kind.REFUSED]), []).append(code)
    return {
        str(status): _problem_response(texts.get(status, "The command was refused and nothing has changed."), listed)
        for status, listed in sorted(by_status.items())
    }


def _problem_response(text: str, codes: Sequence[str]) -> Json:
    named = text + (" Codes: " + ", ".join(codes) + "." if codes else "")
    return {"description": named, "content": {PROBLEM_TYPE: {"schema": {"$ref": SCHEMAS + PROBLEM}}}}


def _statuses() -> dict[str, int]:
    """Give the status of each known error code."""
    return {kind.code: kind.status if issubclass(kind, HttpError) else STATUS[kind.kind] for kind in known_errors()}


# The rest


def _tags(found: dict[str, Route]) -> Iterator[Json]:
    seen: dict[str, str] = {}
    for route in found.values():
        package = route.operation.__module__.rpartition(".")[0]
        for name in (package, route.operation.__module__):
            text = (getattr(sys.modules.get(name), "__doc__", None) or "").strip()
            if name.rpartition(".")[2] == route.operation.module and text:
                seen.setdefault(route.operation.module, text.splitlines()[0])
        seen.setdefault(route.operation.module, "")
    for name, text in sorted(seen.items()):
        yield {"name": name, "description": text} if text else {"name": name}


def _fixed_item(fixed: Fixed, described: Mapping[int, Json], components: Json) -> Json:
    """Describe a route that is no operation."""
    operation: Json = {
        "operationId": fixed.name + (".get" if fixed.method == "GET" and "{" in fixed.path else ""),
        "summary": fixed.summary,
        "security": [_CALLERS[one] for one in fixed.callers],
        "parameters": [_path_parameter(name) for name in PART.findall(fixed.path)],
        "responses": _fixed_responses(fixed, described),
        "x-gamekeeper-errors": list(fixed.codes),
    }
    if fixed.description:
        operation["description"] = fixed.description
    if fixed.method == "GET" and fixed.arguments is not None:
        operation["parameters"] += _query_parameters(described[id(fixed.arguments)], components)
    elif fixed.arguments is not None:
        body = {"application/json": {"schema": described[id(fixed.arguments)]}}
        operation["requestBody"] = {"required": True, "content": body}
    if fixed.keyed:
        operation["parameters"].append(_header("Idempotency-Key", _KEY_TEXT, _KEY_SCHEMA))
    return operation


def _types_of(fixed: Fixed) -> Iterator[Any]:
    if fixed.arguments is not None:
        yield fixed.arguments
    for said in fixed.answers.values():
        yield from said.kinds


def _fixed_responses(fixed: Fixed, described: Mapping[int, Json]) -> Json:
    answers: Json = {}
    for status, said in fixed.answers.items():
        answers[str(status)] = {"description": said.text}
        schemas = [described[id(kind)] for kind in said.kinds]
        if schemas:
            answers[str(status)]["content"] = {said.media: {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}}
    if fixed.plain:
        return {**answers, **_error_responses({}, fixed.codes), "default": _problem_response("Any other problem.", [])}
    texts = {**_COMMON, **(_WITH_BODY if fixed.method == "POST" else {})}
    return {**answers, **_error_responses(texts, fixed.codes), "default": _problem_response("Any other problem.", [])}


def _path_parameter(name: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _problem_schema() -> Json:
    error = {
        "type": "object",
        "properties": {"pointer": {"type": "string"}, "message": {"type": "string"}},
        "required": ["pointer", "message"],
    }
    return {
        "type": "object",
        "description": "An error as RFC 9457 has it. The facts of the error stand beside these members.",
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {"type": "string"},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string"},
            "instance": {"type": "string", "description": "the request's id"},
            "code": {"type": "string", "description": "stable; what a program should look at"},
            "retryable": {"type": "boolean", "description": "whether the same request may be sent again"},
            "retry_after_ms": {"type": "integer", "minimum": 0},
            "current_version": {"type": "integer", "description": "the owner's version, when another one was expected"},
            "errors": {"type": "array", "items": error},
        },
        "required": ["type", "title", "status", "detail", "instance", "code", "retryable"],
    }


def _clean(value: Any) -> Any:
    """Leave out what only Python's regular expressions need: in JSON Schema `$` never matches before a closing newline."""
    if isinstance(value, dict):
        return {
            name: one.replace(r"(?!\n)", "") if name == "pattern" and isinstance(one, str) else _clean(one) for name, one in value.items()
        }
    if isinstance(value, list):
        return [_clean(one) for one in value]
    return value

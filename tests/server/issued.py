"""Every secret that was issued while somebody watched, and the search for them where they must not be.

What is secret is known from the declarations: arguments and fields of answers marked `Secret`, and the tokens of callers.
"""

import base64
import html
import json
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_type_hints
from urllib.parse import quote, quote_plus

import msgspec
from msgspec import Struct
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gamekeeper.kernel.commands import COMMANDS, Operation
from gamekeeper.kernel.queries import QUERIES
from gamekeeper.kernel.records import markers
from gamekeeper.modules.sessions import API_KEY_PREFIX, SESSION_PREFIX

NO_SECRETS = {
    "accounts.challenge",  # the digest of a verifier, which is the secret; marked to stay out of the journal
    "accounts.tokens.scope",  # what secret tokens are good for
    # Kept where they can be deleted, and marked to stay out of the journal, where nothing can.
    "chat.message",
    "moderation.text",
}
"""Arguments, by module, whose mark says more than the truth: what they hold may be known to whoever reads the database."""
SHORTEST = 8
"""Shorter texts are no secrets: they would be found by chance."""


class Issued:
    """Secrets, each with the place that it came from."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        self.heard = bytearray()
        """all that was answered, without what was told on purpose"""

    def note(self, secret: str, origin: str) -> str:
        """Remember a secret, and give it back."""
        if len(secret) >= SHORTEST:
            self.secrets.setdefault(secret, origin)
        return secret

    def watch(self, app: ASGIApp) -> ASGIApp:
        """Give the application with an ear at its door."""

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            for name, value in scope["headers"]:
                if name == b"authorization":
                    self.note(value.decode("latin-1").partition(" ")[2].strip(), "the Authorization of a request")
            asked, told, status = bytearray(), bytearray(), 0

            async def hear() -> Message:
                message = await receive()
                asked.extend(message.get("body", b""))
                return message

            async def tell(message: Message) -> None:
                nonlocal status
                status = message.get("status", status)
                told.extend(message.get("body", b""))
                for name, value in message.get("headers", ()):
                    self.heard.extend(b"%s: %s\n" % (name, value))
                await send(message)

            try:
                await app(scope, hear, tell)
            finally:
                self._take(scope["path"], bytes(asked), bytes(told), is_answer=status == 200)

        return watched

    def _take(self, path: str, asked: bytes, told: bytes, *, is_answer: bool) -> None:
        name = path.removeprefix("/v1/").replace("/", ".", 1)
        arguments, answer = _parsed(asked), _parsed(told) if is_answer else None
        calls: list[tuple[str, Any, Any]] = [(name, arguments, answer)]
        if name == "batch" and isinstance(arguments, list):
            answers = answer if isinstance(answer, list) else [None] * len(arguments)
            calls = [
                (str(one.get("command")), one.get("arguments"), result)
                for one, result in zip(arguments, answers, strict=False)
                if isinstance(one, dict)
            ]
        for called, given, result in calls:
            operation = COMMANDS.get(called) or QUERIES.get(called)
            if operation is None:
                continue
            for secret in secret_arguments(operation, given):
                self.note(secret, f"an argument of {called}")
            for secret in secrets_in(operation.result, result):
                self.note(secret, f"the answer of {called}")
                told = told.replace(json.dumps(secret, ensure_ascii=False).encode(), b"")
        self.heard.extend(told + b"\n")

    def found_in(self, places: Mapping[str, bytes | bytearray | str]) -> list[str]:
        """Say where a secret stands, in whatever form, by where it came from; never the secret itself."""
        texts = {name: text.encode("utf-8", "surrogatepass") if isinstance(text, str) else bytes(text) for name, text in places.items()}
        found = {
            f"{origin}, as {form}, stands in {name}"
            for secret, origin in self.secrets.items()
            for form, needle in forms(secret).items()
            for name, text in texts.items()
            if needle in text
        }
        return sorted(found)


def _parsed(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def has_secrets(operation: Operation[Any, Any]) -> bool:
    """Whether an operation takes or tells a secret, by its declaration."""
    return _declares(operation.arguments, frozenset()) or _declares(operation.result, frozenset())


def _declares(hint: Any, seen: frozenset[type[Struct]]) -> bool:
    new = [struct for struct in _structs(hint) if struct not in seen]
    return "secret" in markers(hint) or any(_declares(one, seen.union(new)) for struct in new for one in _fields(struct).values())


def secret_arguments(operation: Operation[Any, Any], given: Any) -> Iterator[str]:
    """Give the secrets among the arguments of a call."""
    if isinstance(given, dict):
        yield from secrets_in(operation.arguments, _without_exceptions(operation.module, given))


def _without_exceptions(path: str, given: dict[str, Any]) -> dict[str, Any]:
    kept = {name: one for name, one in given.items() if f"{path}.{name}" not in NO_SECRETS}
    return {name: _without_exceptions(f"{path}.{name}", one) if isinstance(one, dict) else one for name, one in kept.items()}


def secrets_in(hint: Any, value: Any) -> Iterator[str]:
    """Give the texts of a JSON value that its type marks as secret."""
    if value is None:
        return
    if "secret" in markers(hint):
        yield from _texts(value)
    elif isinstance(value, list):
        for one in value:
            yield from secrets_in(hint, one)
    elif isinstance(value, dict):
        for struct in _structs(hint):
            for name, kind in _fields(struct).items():
                yield from secrets_in(kind, value.get(name))
        for inner in get_args(hint):  # what a page holds
            for one in value.values():
                if isinstance(one, list):
                    yield from secrets_in(inner, one)


def _structs(hint: Any) -> Iterator[type[Struct]]:
    """The structs in a type, through `Annotated`, `| None`, lists and generic ones such as pages."""
    origin = getattr(hint, "__origin__", hint)
    if isinstance(origin, type) and issubclass(origin, Struct):
        yield origin
    for one in get_args(hint):
        yield from _structs(one)


def _fields(struct: type[Struct]) -> dict[str, Any]:
    return get_type_hints(struct, include_extras=True)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def forms(secret: str) -> dict[str, bytes]:
    """Give the bytes by which a secret could stand somewhere: as it is, escaped as the many ways do, or encoded."""
    words = {"it is": secret, "a normalized text": unicodedata.normalize("NFKC", secret)}
    for prefix in (SESSION_PREFIX, API_KEY_PREFIX):
        if secret.startswith(prefix) and len(secret) >= len(prefix) + SHORTEST:
            words["a token without its prefix"] = secret.removeprefix(prefix)
    core = list(words.values())[-1]
    words |= {
        "JSON": json.dumps(secret)[1:-1],
        "JSON in UTF-8": json.dumps(secret, ensure_ascii=False)[1:-1],
        "a Python text": repr(secret)[1:-1],
        "HTML": html.escape(secret),
        "part of a URL": quote(secret, safe=""),
        "part of a query": quote_plus(secret),
        "SQL": secret.replace("'", "''"),
        "COPY": secret.replace("\\", "\\\\"),
        "JSON in COPY": json.dumps(secret, ensure_ascii=False)[1:-1].replace("\\", "\\\\"),
        "hex": core.encode().hex(),
        "hex in capitals": core.encode().hex().upper(),
    }
    found = {form: text.encode() for form, text in words.items()}
    found["UTF-16"] = core.encode("utf-16-le")
    for shift in range(3):
        # Three bytes are four letters: what stands before decides how it is cut, and the letters at both ends hold others' bits.
        encoded = base64.b64encode(b"\0" * shift + core.encode())
        found[f"base64 after {shift}"] = encoded[(0, 2, 3)[shift] : len(encoded) // 4 * 4 - 4]
        found[f"base64 for URLs after {shift}"] = found[f"base64 after {shift}"].translate(bytes.maketrans(b"+/", b"-_"))
    seen: dict[bytes, str] = {}
    for form, needle in found.items():
        if len(needle) >= SHORTEST:
            seen.setdefault(needle, form)
    return {form: needle for needle, form in seen.items()}

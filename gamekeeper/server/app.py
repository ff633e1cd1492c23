"""The application: from a request to one call of the keep, and back."""

import asyncio
import logging
import math
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from gamekeeper.errors import Busy, GameError, InvalidArgument, NotAllowed, NotAuthenticated, VersionConflict
from gamekeeper.keep import Keep
from gamekeeper.kernel.commands import Call, Command
from gamekeeper.kernel.queries import Ask, Query
from gamekeeper.kernel.store.base import CONTENT_OWNER
from gamekeeper.modules import sessions

from . import openapi
from .authorize import STAFF, Caller, admit, authorize, identify, standing_of
from .fixed import FIXED, fixed_at
from .limits import Limits, limits_of
from .metrics import CONTENT_TYPE, OTHER, Metrics
from .problems import (
    PROBLEMS,
    RETRY_SECONDS,
    Answer,
    Headers,
    IdempotencyKeyRequired,
    InternalError,
    MalformedRequest,
    MethodNotAllowed,
    NotReady,
    ReasonRequired,
    RouteNotFound,
    TimedOut,
    explained,
    kind_of,
    problem,
)
from .rates import Rates
from .requests import Buffered, ClientGone, Request, calls_of, object_of
from .routes import PREFIX, Route, routes
from .tags import NotingReader, tag_of

if TYPE_CHECKING:
    from .oidc import Oidc

LOG = logging.getLogger("gamekeeper.server")

STUDIO: Final = "/studio"
LAST_WORDS_SECONDS: Final = 1.0
"""How long the answer to a request that ran out of time may take to be sent."""

_ENCODE = msgspec.json.Encoder().encode
_REPLAYED: Final = (b"idempotent-replayed", b"true")
_JSON_HEADERS: Final = (b"content-type", b"application/json")
_COMMON: Final[Headers] = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]

Plain = Callable[[Request], Awaitable[Answer]]
Special = Callable[[Request, str, Caller], Awaitable[Answer]]
"""Is also told the part of the path that stands in braces, and who calls."""


def make_app(
    keep: Keep, *, studio: ASGIApp | None = None, limits: Limits | None = None, open_metrics: bool = True, rates: Rates | None = None
) -> Starlette:
    """Give the ASGI application that serves a keep's commands and queries; it can be mounted into another one.

    studio: an application to stand at `/studio`.
    limits: others than those of the settings.
    open_metrics: whether `/metrics` asks for no key.
    rates: limits that the caller closes at the end, which matters when Redis has a part in them.

    Raises: INVALID_ARGUMENT and SECRET_KEY_NEEDED for settings of OpenID Connect that cannot work.
    """
    mounted: list[BaseRoute] = [] if studio is None else [Mount(STUDIO, app=studio)]
    limits, rates = limits or limits_of(keep.settings), rates or Rates(keep)
    buffered = Buffered(limits.max_buffered_bytes)
    front = Middleware(
        Front,
        keep=keep,
        limits=limits,
        studio=studio is not None,
        open_metrics=open_metrics,
        rates=rates,
        buffered=buffered,
        oidc=_oidc(keep, limits, buffered, rates) if keep.settings.oidc_providers else None,
    )
    return Starlette(routes=mounted, middleware=[front])


class Front:
    """Answers everything but what is mounted. It stands before Starlette's router, which costs more than the rest together."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        keep: Keep,
        limits: Limits,
        studio: bool,
        open_metrics: bool,
        rates: Rates,
        buffered: Buffered,
        oidc: "Oidc | None",
    ) -> None:
        self._app = app
        self._keep = keep
        self._limits = limits
        self._studio = studio
        self._open_metrics = open_metrics
        self._routes = routes()
        self._rates = rates
        self._metrics = Metrics(keep, rates)
        self._buffered = buffered
        self._openapi: bytes | None = None
        self._loads: dict[str, bool] = {}
        """whether a query has always loaded its owner first, and its version with it"""
        self._looking: dict[bytes, asyncio.Task[Caller]] = {}
        self._touching: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        plain: dict[str, Plain] = {
            "livez": self._livez,
            "readyz": self._readyz,
            "metrics": self._metrics_text,
            "openapi": self._document,
        }
        special: dict[str, Special] = {"batch": self._batch, "problem": _explain} | _of_oidc(oidc)
        self._plain = {one.name: plain[one.name] for one in FIXED if one.plain}
        self._special = {one.name: special[one.name] for one in FIXED if not one.plain}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on to what is mounted."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = _path(scope)
        if self._studio and (path == STUDIO or path.startswith(STUDIO + "/")):
            await self._app(scope, receive, send)
            return
        await self._serve(Request(scope, receive), path, send)

    async def _serve(self, request: Request, path: str, send: Send) -> None:
        """Answer within the deadline, also if sending is what takes too long, and count it."""
        started = time.perf_counter()
        self._metrics.running += 1
        route = self._routes.get(path)
        result, answered = "ok", False
        try:
            async with asyncio.timeout(self._limits.deadline_seconds):
                answer, result = await self._answer(request, path, route)
                answered = True
                await _send(send, request, answer)
        except ClientGone:
            result = "gone"
        except TimeoutError:
            result = "timed_out"
            if not answered:
                await self._last_words(send, request, route)
        finally:
            self._metrics.running -= 1
            self._metrics.count(OTHER if route is None else route.operation.name, result, time.perf_counter() - started)

    async def _last_words(self, send: Send, request: Request, route: Route | None) -> None:
        try:
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                await _send(send, request, problem(TimedOut(), request.id, repeatable=_repeatable(request, route)))
        except TimeoutError:
            return

    async def _answer(self, request: Request, path: str, route: Route | None) -> tuple[Answer, str]:
        """Give the answer and its kind; whatever goes wrong becomes a problem."""
        try:
            return await self._dispatch(request, path, route), "ok"
        except GameError as error:
            return problem(error, request.id, repeatable=_repeatable(request, route)), kind_of(error).value
        except ClientGone:
            raise
        except Exception as error:  # noqa: BLE001 - nothing may get out but a problem
            self._log(request, path if route is not None else OTHER, error)
            return problem(InternalError(), request.id), InternalError.kind.value

    def _log(self, request: Request, path: str, error: BaseException) -> None:
        """Log where an unexpected error came from. Its words are left out: those of a driver quote the values of a row."""
        chain = []
        cause: BaseException | None = error
        while cause is not None:
            frames = traceback.extract_tb(cause.__traceback__)
            where = " < ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames))
            chain.append(f"{type(cause).__qualname__} at {where}")
            cause = cause.__cause__ or cause.__context__
        LOG.error("request %s to %s failed: %s", request.id, path, "; from ".join(chain))

    async def _dispatch(self, request: Request, path: str, route: Route | None) -> Answer:
        request.read_headers(self._limits)
        fixed = None if route is not None else fixed_at(path)
        if fixed is not None and fixed.plain:
            _require_method(request, *fixed.methods)
            return await self._plain[fixed.name](request)
        if self._metrics.running > self._limits.max_concurrent:
            raise Busy(retry_after_seconds=RETRY_SECONDS)
        self._rates.call(request.headers.get(b"authorization"), request.address)
        if fixed is not None:
            _require_method(request, *fixed.methods)
            return await self._special[fixed.name](request, fixed.part, await self._caller(request))
        if route is None:
            raise RouteNotFound
        _require_method(request, *route.methods)
        caller = await self._caller(request)
        admit(caller, route.operation)
        if route.command is not None:
            return await self._command(request, route.command, caller)
        if route.query is not None:
            return await self._query(request, route, route.query, caller)
        raise RouteNotFound

    async def _caller(self, request: Request) -> Caller:
        caller = await self._identify(request.headers.get(b"authorization"), request.address)
        credential = caller.credential
        if credential is not None and sessions.touch_is_due(caller.used_at, self._keep.clock.now_ms()):
            self._note_use(caller, credential)
        return caller

    async def _identify(self, authorization: bytes | None, address: str) -> Caller:
        """Tell who calls. Requests with one token at one moment share a look; none is kept for later ones: a ban holds at once."""
        if authorization is None:
            return await identify(self._keep, None, address)
        looking = self._looking.get(authorization)
        if looking is None:
            looking = asyncio.get_running_loop().create_task(identify(self._keep, authorization, address))
            self._looking[authorization] = looking
            looking.add_done_callback(lambda done: self._looked(authorization, done))
        return await asyncio.shield(looking)

    def _looked(self, authorization: bytes, done: asyncio.Task[Caller]) -> None:
        del self._looking[authorization]
        if not done.cancelled():
            done.exception()  # else it would be reported when all who waited have gone

    # Commands

    async def _command(self, request: Request, command: Command[Any, Any], caller: Caller) -> Answer:
        self._rates.refuse_early(command, caller)
        key, reason = self._words(request, caller, [command])
        expected = request.expected_version()
        request.require_json()
        call = command.call(object_of(await self._buffered.read(request.receive, self._limits)))
        await authorize(self._keep.reader, caller, command, call.arguments)
        _check_expectation(expected, call)
        attempt = await self._rates.guess(command, call.arguments, caller, request.address)
        standing = standing_of(caller, [call])
        try:
            told = await self._keep.tell(call, key=key, actor=caller.actor, reason=reason, expect_version=expected, standing=standing)
        except GameError as error:
            self._rates.failed(attempt, error)
            raise
        await self._rates.opened(attempt)
        return _success(told.results[0], replayed=told.replayed)

    async def _batch(self, request: Request, _part: str, caller: Caller) -> Answer:
        """Do several commands all-or-nothing."""
        if caller.kind == "anonymous":
            raise NotAuthenticated
        request.require_json()
        named = calls_of(await self._buffered.read(request.receive, self._limits), self._limits)
        if len(named) > 1:
            self._rates.call(request.headers.get(b"authorization"), request.address, len(named) - 1)
        calls: list[Call[Any]] = []
        for position, (name, arguments) in enumerate(named):
            calls.append(await self._call(caller, position, name, arguments))
        key, reason = self._words(request, caller, [call.command for call in calls])
        expected = request.expected_version()
        _check_expectation(expected, calls[0])
        for call in calls:
            await self._rates.guess(call.command, call.arguments, caller, request.address)
        standing = standing_of(caller, calls)
        told = await self._keep.tell(*calls, key=key, actor=caller.actor, reason=reason, expect_version=expected, standing=standing)
        return _success(told.results, replayed=told.replayed)

    async def _call(self, caller: Caller, position: int, name: str, arguments: dict[str, Any]) -> Call[Any]:
        route = self._routes.get(PREFIX + name.replace(".", "/", 1))
        if route is None or route.command is None:
            raise InvalidArgument(path=f"/{position}/command", problem="there is no such command")
        command = route.command
        if command.access == "public" and caller.kind == "player":
            # These are what strangers do, and each may cost the hash of a password: one at a time.
            raise InvalidArgument(path=f"/{position}/command", problem="a command for everybody is not done in a batch")
        admit(caller, command)
        try:
            call = command.call(arguments)
        except GameError as error:
            if isinstance(error.facts.get("path"), str):
                error.facts["path"] = f"/{position}/arguments{error.facts['path']}"
            raise
        await authorize(self._keep.reader, caller, command, call.arguments)
        return call

    def _words(self, request: Request, caller: Caller, commands: Sequence[Command[Any, Any]]) -> tuple[str | None, str | None]:
        """Give the idempotency key and the reason; commands of value want the one, and of operators and staff the other too."""
        value = any(command.value for command in commands)
        staff = any(command.access in STAFF and command.reason is None for command in commands)
        key = request.idempotency_key(anonymous=caller.kind == "anonymous")
        reason = request.reason()
        if value and key is None:
            raise IdempotencyKeyRequired
        if reason is None and (staff or (value and caller.kind == "operator")):
            raise ReasonRequired
        return key, reason

    # Queries

    async def _query(self, request: Request, route: Route, query: Query[Any, Any], caller: Caller) -> Answer:
        ask = Ask(query, await self._arguments(request, route, query))
        await authorize(self._keep.reader, caller, query, ask.arguments)
        owner = None if route.owner is None else getattr(ask.arguments, route.owner)
        if not isinstance(owner, str):
            return _success(await self._keep.ask(ask, actor=caller.actor))
        result, version = await self._ask_with_version(ask, owner, caller.actor)
        expected = request.expected_version()
        if expected is not None and version is not None and expected != version:
            raise VersionConflict(expected=expected, current=version)
        status, headers, body = _success(result)
        if version is None:
            return status, headers, body
        tag = tag_of(version, body)
        headers.append((b"etag", tag))
        return (304, headers[1:], b"") if request.method != "POST" and request.knows(tag) else (status, headers, body)

    async def _ask_with_version(self, ask: Ask[Any], owner: str, actor: str) -> tuple[Any, int | None]:
        """Ask, and tell the owner's version from before what was read. Queries that load their owner need no read for it."""
        name = ask.query.name
        version = None if self._loads.get(name) else await self._keep.version(owner)
        reader = NotingReader(self._keep.reader.acting(actor), owner)
        result = await ask.run(reader.as_reader())
        self._loads[name] = reader.version is not None and self._loads.get(name, True)
        return result, version if reader.version is None else reader.version

    async def _arguments(self, request: Request, route: Route, query: Query[Any, Any]) -> Struct:
        if request.method == "POST":
            request.require_json()
            return query.check(object_of(await self._buffered.read(request.receive, self._limits)))
        arguments = query.check(request.parameters(self._limits, route.lists), strict=False)
        for name in arguments.__struct_fields__:
            value = getattr(arguments, name)
            if isinstance(value, float) and not math.isfinite(value):
                raise InvalidArgument(path=f"/{name}", problem="a number must be finite")
        return arguments

    # Sessions and keys last on by use

    def _note_use(self, caller: Caller, credential: str) -> None:
        """Note the use of a session or key beside the request, which does not wait for it."""
        if credential in self._touching:
            return
        self._touching.add(credential)
        task = asyncio.get_running_loop().create_task(self._touch(caller, credential))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _touch(self, caller: Caller, credential: str) -> None:
        try:
            if caller.user is None:
                return
            if caller.kind == "player":
                await self._keep.do(sessions.touch(user=caller.user, session_id=credential), actor=caller.actor)
            else:
                await self._keep.do(sessions.touch_key(user=caller.user, key_id=credential), actor=caller.actor)
        except GameError as error:
            LOG.info("the use of a session or key was not noted: %s", type(error).code)
        finally:
            self._touching.discard(credential)

    # What is no operation

    async def _livez(self, _request: Request) -> Answer:
        return _success({"status": "ok"})

    async def _readyz(self, _request: Request) -> Answer:
        """Say whether the database answers and the content in force is loaded here."""
        try:
            async with asyncio.timeout(self._limits.ready_seconds):
                version = await self._keep.version(CONTENT_OWNER)
                if version != self._keep.runner.content_version:
                    await self._keep.load_content()
        except (TimeoutError, GameError):
            raise NotReady from None
        if version is None or not self._keep.runner.definitions:
            raise NotReady
        return _success({"status": "ok"})

    async def _metrics_text(self, request: Request) -> Answer:
        if not self._open_metrics:
            caller = await self._caller(request)
            if caller.kind == "anonymous":
                raise NotAuthenticated
            if caller.kind == "player":
                raise NotAllowed
        return 200, [(b"content-type", CONTENT_TYPE), *_COMMON], self._metrics.text()

    async def _document(self, _request: Request) -> Answer:
        if self._openapi is None:
            self._openapi = _ENCODE(openapi.describe())
        return 200, [_JSON_HEADERS, *_COMMON], self._openapi


def _oidc(keep: Keep, limits: Limits, buffered: Buffered, rates: Rates) -> "Oidc":
    from .oidc import Oidc  # noqa: PLC0415 - only a server with providers pays for an HTTP client and cryptography of tokens

    return Oidc(keep, limits, buffered, rates)


def _of_oidc(oidc: "Oidc | None") -> dict[str, Special]:
    if oidc is None:
        return dict.fromkeys(("oidc.start", "oidc.callback", "oidc.redeem"), _nothing)
    return {"oidc.start": oidc.start, "oidc.callback": oidc.callback, "oidc.redeem": oidc.redeem}


async def _nothing(_request: Request, _part: str, _caller: Caller) -> Answer:
    raise RouteNotFound


def _path(scope: Scope) -> str:
    """Give the path below where the application is mounted."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    if root and path.startswith(root + "/"):
        return path[len(root) :]
    return path


def _require_method(request: Request, *methods: str) -> None:
    if request.method not in methods:
        raise MethodNotAllowed(allowed=list(methods))


def _check_expectation(expected: int | None, call: Call[Any]) -> None:
    if expected is not None and not call.owners:
        raise MalformedRequest(where="if-match", problem=f"{call.command.name} names no owner")


def _repeatable(request: Request, route: Route | None) -> bool:
    """Whether sending the request again does no harm: it only reads, or it carries a key."""
    return (route is not None and route.query is not None) or b"idempotency-key" in request.headers


async def _explain(_request: Request, part: str, _caller: Caller) -> Answer:
    """Say what the type of a problem means."""
    told = explained(PROBLEMS + part)
    if told is None:
        raise RouteNotFound
    return _success(told)


def _success(result: Any, *, replayed: bool = False) -> Answer:
    return 200, [_JSON_HEADERS, *_COMMON, *([_REPLAYED] if replayed else ())], _ENCODE(result)


async def _send(send: Send, request: Request, answer: Answer) -> None:
    status, headers, body = answer
    if status >= 400:
        headers = headers + _COMMON
    headers.append((b"x-request-id", request.id.encode()))
    if status != 304:
        headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else body})

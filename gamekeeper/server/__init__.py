"""The server: HTTP over the registry of commands and queries; nothing is listed twice."""

from .app import make_app
from .authorize import OPERATOR_SCOPE, Caller, authorize, identify
from .limits import Limits
from .problems import (
    BodyTooLarge,
    HeadersTooLarge,
    HttpError,
    IdempotencyKeyRequired,
    InternalError,
    MalformedRequest,
    MethodNotAllowed,
    NotReady,
    QueryTooLong,
    ReasonRequired,
    RouteNotFound,
    TimedOut,
    UnsupportedMediaType,
    problem,
    status_of,
)
from .serving import Server, make_server, serve

__all__ = [
    "OPERATOR_SCOPE",
    "BodyTooLarge",
    "Caller",
    "HeadersTooLarge",
    "HttpError",
    "IdempotencyKeyRequired",
    "InternalError",
    "Limits",
    "MalformedRequest",
    "MethodNotAllowed",
    "NotReady",
    "QueryTooLong",
    "ReasonRequired",
    "RouteNotFound",
    "Server",
    "TimedOut",
    "UnsupportedMediaType",
    "authorize",
    "identify",
    "make_app",
    "make_server",
    "problem",
    "serve",
    "status_of",
]

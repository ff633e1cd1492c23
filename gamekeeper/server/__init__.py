"""The server: HTTP over the registry of commands and queries; nothing is listed twice."""

from .app import make_app
from .authorize import OPERATOR_SCOPE, Caller, authorize, identify
from .limits import Limits
from .problems import (
    BodyTooLarge,
    HeadersTooLarge,
    HttpError,
    IdempotencyKeyRequired,
    IdTokenInvalid,
    InternalError,
    MalformedRequest,
    MethodNotAllowed,
    NotReady,
    ProviderRefused,
    ProviderUnavailable,
    QueryTooLong,
    ReasonRequired,
    RouteNotFound,
    SignInStateInvalid,
    TimedOut,
    TooManyRequests,
    UnsupportedMediaType,
    problem,
    status_of,
)
from .rates import Rates
from .serving import Server, make_server, serve

__all__ = [
    "OPERATOR_SCOPE",
    "BodyTooLarge",
    "Caller",
    "HeadersTooLarge",
    "HttpError",
    "IdTokenInvalid",
    "IdempotencyKeyRequired",
    "InternalError",
    "Limits",
    "MalformedRequest",
    "MethodNotAllowed",
    "NotReady",
    "ProviderRefused",
    "ProviderUnavailable",
    "QueryTooLong",
    "Rates",
    "ReasonRequired",
    "RouteNotFound",
    "Server",
    "SignInStateInvalid",
    "TimedOut",
    "TooManyRequests",
    "UnsupportedMediaType",
    "authorize",
    "identify",
    "make_app",
    "make_server",
    "problem",
    "serve",
    "status_of",
]

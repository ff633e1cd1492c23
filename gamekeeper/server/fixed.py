"""Routes that are no operation: health, the document, batches, logging in at an issuer. The server and the document go by this list."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from gamekeeper.modules import accounts, sessions

from .limits import DEFAULT
from .problems import PROBLEMS
from .routes import PREFIX

# What they take and answer


class Health(Struct, frozen=True):
    """It is so."""

    status: Literal["ok"] = "ok"


class BatchCall(Struct, frozen=True, forbid_unknown_fields=True):
    """One command of a batch."""

    command: str
    arguments: dict[str, Any] = {}


class Explained(Struct, frozen=True):
    """What an error means."""

    type: str
    title: str
    code: str
    kind: str


ReturnTo = Annotated[str, Meta(min_length=1, max_length=512, description="a path of this server, or an address of `oidc_return_to`")]
Challenge = Annotated[
    str, Meta(min_length=43, max_length=43, pattern=r"^[A-Za-z0-9_\-]+(?!\n)$", description="SHA-256 of the verifier, in base64url")
]
_Text = Annotated[str, Meta(max_length=2048)]


class Start(Struct, frozen=True, forbid_unknown_fields=True):
    """What a login may be begun with."""

    return_to: ReturnTo | None = None
    challenge: Challenge | None = None
    client_type: sessions.ClientType = "unknown"
    long_lived: bool = False


class Sent(Struct, frozen=True):
    """Where a page goes next."""

    url: str


class Back(Struct, frozen=True):
    """What an issuer sends a browser back with."""

    state: _Text = ""
    code: _Text = ""
    error: _Text = ""
    iss: _Text = ""


class Redeem(Struct, frozen=True, forbid_unknown_fields=True):
    """What a session is had for. The browser that logged in has the verifier in a cookie."""

    code: accounts.Code
    verifier: accounts.Verifier = ""
    long_lived: bool = False
    client_type: sessions.ClientType = "unknown"
    ip_address: sessions.IpAddress | None = None
    user_agent: sessions.UserAgent | None = None


# Where they stand

Who: TypeAlias = Literal["anyone", "session", "key"]
_ANYBODY: Final[tuple[Who, ...]] = ("anyone", "session", "key")
_PLAYERS: Final[tuple[Who, ...]] = ("anyone", "session")


class Said(Struct, frozen=True):
    """An answer that is no problem."""

    text: str
    kinds: tuple[Any, ...] = ()
    """the types that its body may have; none when there is no body"""
    media: str = "application/json"


class Fixed(Struct, frozen=True, eq=False):
    """A path and a method that work there."""

    name: str
    """the document's id for it, which the server knows its function by; several methods may share one"""
    path: str
    """a part in braces stands for any text without a slash"""
    method: Literal["GET", "POST"]
    summary: str
    answers: Mapping[int, Said]
    arguments: Any = None
    """the type of the body, or of the query string of a GET"""
    description: str = ""
    codes: tuple[str, ...] = ()
    callers: tuple[Who, ...] = _ANYBODY
    plain: bool = False
    """answered whatever the server is busy with"""
    keyed: bool = False
    """it takes an Idempotency-Key"""

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods as HTTP has them; HEAD stands beside a GET that takes nothing."""
        return ("GET", "HEAD") if self.method == "GET" and self.arguments is None else (self.method,)


_ONLY_WITH: Final = "The server answers 404 unless the settings name providers."
_OIDC_CODES: Final = ("ROUTE_NOT_FOUND", "INVALID_ARGUMENT", "NOT_ALLOWED", "TOO_MANY_REQUESTS", "PROVIDER_UNAVAILABLE")

FIXED: Final = (
    Fixed("livez", "/livez", "GET", "Say that the process is up.", {200: Said("It is.", (Health,))}, callers=("anyone",), plain=True),
    Fixed(
        "readyz",
        "/readyz",
        "GET",
        "Say whether the database answers and the content is loaded.",
        {200: Said("It is so.", (Health,))},
        codes=("NOT_READY",),
        callers=("anyone",),
        plain=True,
    ),
    Fixed(
        "metrics",
        "/metrics",
        "GET",
        "Give the metrics, for Prometheus.",
        {200: Said("The metrics.", (str,), "text/plain")},
        codes=("NOT_AUTHENTICATED", "NOT_ALLOWED"),
        callers=("anyone", "key"),
        plain=True,
    ),
    Fixed(
        "openapi",
        PREFIX + "openapi.json",
        "GET",
        "Give this document.",
        {200: Said("The document.", (dict[str, Any],))},
        callers=("anyone",),
        plain=True,
    ),
    Fixed(
        "problem",
        PROBLEMS + "{code}",
        "GET",
        "Say what the type of a problem means.",
        {200: Said("What it means.", (Explained,))},
        codes=("ROUTE_NOT_FOUND",),
    ),
    Fixed(
        "batch",
        PREFIX + "batch",
        "POST",
        "Do several commands all-or-nothing.",
        {200: Said("The answers.", (list[Any],))},
        Annotated[list[BatchCall], Meta(min_length=1, max_length=DEFAULT.max_batch)],
        "They are done in their order; each needs what it would need alone.",
        ("OWNER_NOT_FOUND", "CONSTRAINT_VIOLATED", "VERSION_CONFLICT"),
        callers=("session", "key"),
        keyed=True,
    ),
    Fixed(
        "oidc.start",
        PREFIX + "oidc/{provider}/start",
        "GET",
        "Send the browser to an OpenID Connect issuer.",
        {302: Said("To the issuer.")},
        Start,
        _ONLY_WITH,
        _OIDC_CODES,
        _PLAYERS,
    ),
    Fixed(
        "oidc.start",
        PREFIX + "oidc/{provider}/start",
        "POST",
        "Tell a page where to send its browser to log in by OpenID Connect.",
        {200: Said("The address at the issuer.", (Sent,))},
        Start,
        "With a player's token the account will be linked to that player. " + _ONLY_WITH,
        _OIDC_CODES,
        _PLAYERS,
    ),
    Fixed(
        "oidc.callback",
        PREFIX + "oidc/{provider}/callback",
        "GET",
        "Take back the browser that an issuer has sent.",
        {
            200: Said("A session, or the account that was linked.", (accounts.SignedIn, accounts.Linked)),
            302: Said("To `return_to`, with a code, with what was linked, or with an error."),
        },
        Back,
        _ONLY_WITH,
        (*_OIDC_CODES, "SIGN_IN_STATE_INVALID", "PROVIDER_REFUSED", "ID_TOKEN_INVALID", "BANNED", "ACCOUNT_INACTIVE"),
        _PLAYERS,
    ),
    Fixed(
        "oidc.redeem",
        PREFIX + "oidc/redeem",
        "POST",
        "Give the session for a code.",
        {200: Said("The session.", (sessions.Opened,))},
        Redeem,
        _ONLY_WITH,
        ("ROUTE_NOT_FOUND", "INVALID_ARGUMENT", "TOO_MANY_REQUESTS", "SIGN_IN_CODE_INVALID", "BANNED", "ACCOUNT_INACTIVE"),
        keyed=True,
    ),
)
"""Each of them; what is not here and is no operation is not served."""

PART: Final = re.compile(r"\{(\w+)\}")


class At(Struct, frozen=True):
    """What stands at a path."""

    name: str
    methods: tuple[str, ...]
    plain: bool
    part: str = ""
    """the text for the part in braces"""


def _methods(path: str) -> tuple[str, ...]:
    return tuple(method for one in FIXED if one.path == path for method in one.methods)


_EXACT: Final = {one.path: At(one.name, _methods(one.path), one.plain) for one in FIXED if "{" not in one.path}
_TEMPLATES: Final = {
    one.path: (re.compile(PART.sub("([^/]+)", one.path)), At(one.name, _methods(one.path), one.plain)) for one in FIXED if "{" in one.path
}


def fixed_at(path: str) -> At | None:
    """Give what stands at a path, if it is one of these.

    >>> fixed_at("/livez").name, fixed_at("/v1/oidc/steam/start").part, fixed_at("/v1/oidc/steam/start/x")
    ('livez', 'steam', None)
    """
    found = _EXACT.get(path)
    if found is not None:
        return found
    for pattern, at in _TEMPLATES.values():
        match = pattern.fullmatch(path)
        if match is not None:
            return At(at.name, at.methods, at.plain, match[1])
    return None

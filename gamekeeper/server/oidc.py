"""Logging in by OpenID Connect: the code flow with PKCE, without a state on the server.

    GET  /v1/oidc/{provider}/start     to the issuer, with what has to come back in a sealed cookie
    POST /v1/oidc/{provider}/start     the same for a page: the address of the issuer as JSON
    GET  /v1/oidc/{provider}/callback  from the issuer: a session as JSON, or back to `return_to` with a code
    POST /v1/oidc/redeem               the session for the code

A player who starts it is linked to the account, anybody else is signed in with it.
"""

import hmac
import logging
import secrets
from typing import Any, Final, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Struct
from msgspec.structs import asdict
from starlette.requests import cookie_parser

from gamekeeper.config import OidcProvider
from gamekeeper.errors import GameError, InvalidArgument, NotAllowed, invalid_argument
from gamekeeper.keep import Keep
from gamekeeper.modules import accounts, sessions, users

from .authorize import Caller
from .fixed import Back, Redeem, Sent, Start
from .issuers import Granted, Issuer, check_address
from .limits import Limits
from .problems import Answer, Headers, ProviderRefused, RouteNotFound, SignInStateInvalid, problem
from .rates import Rates
from .requests import Buffered, Request, object_of
from .routes import PREFIX

S = TypeVar("S", bound=Struct)

LOG = logging.getLogger("gamekeeper.server")

ROOT: Final = PREFIX + "oidc/"
REDEEM: Final = "redeem"
STATE_SECONDS: Final = 600
"""How long a player may take at the provider."""
RANDOM_BYTES: Final = 32
MAX_TOKEN_SECONDS: Final = 100 * 365 * 86_400

_ENCODE: Final = msgspec.json.Encoder().encode
_JSON: Final = (b"content-type", b"application/json")
_HEADERS: Final[Headers] = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
_SEAL: Final = "oidc"
_REFUSALS: Final = frozenset(
    {
        "access_denied",
        "consent_required",
        "interaction_required",
        "invalid_request",
        "login_required",
        "server_error",
        "temporarily_unavailable",
    }
)
"""Words of an issuer that are passed on; whatever else stands in a URL is not."""


class State(Struct, frozen=True):
    """What must come back unchanged; it stands sealed in a cookie."""

    provider: str
    state: str
    nonce: str
    verifier: str
    expires_at: int
    client_type: str
    long_lived: bool
    return_to: str | None
    challenge: str | None
    user: str | None
    session_id: str | None


class Oidc:
    """The flow for the providers of the settings."""

    def __init__(self, keep: Keep, limits: Limits, buffered: Buffered, rates: Rates) -> None:
        settings = keep.settings
        self._keep = keep
        self._rates = rates
        self._limits = limits
        self._buffered = buffered
        if settings.public_url is None:
            raise InvalidArgument(path="/public_url", problem="it is needed for logging in by OpenID Connect")
        self._public_url = check_address(settings.public_url, "/public_url")
        for position, address in enumerate(settings.oidc_return_to):
            if not _is_plain(address) or not urlsplit(address).scheme or "://" not in address:
                raise InvalidArgument(path=f"/oidc_return_to/{position}", problem="a whole address is needed, in ASCII, without a fragment")
        self._allowed = frozenset(settings.oidc_return_to)
        self._issuers: dict[str, Issuer] = {}
        for position, provider in enumerate(settings.oidc_providers):
            self._add(position, provider)
        keep.reader.keys.seal(_SEAL, "")  # better told now than to the first player: it needs a key
        self._secure = urlsplit(self._public_url).scheme == "https"
        # The prefix keeps other hosts of the domain from setting it.
        prefix = "__Host-" if self._secure else ""
        self._state_cookie, self._verifier_cookie = f"{prefix}gamekeeper-login", f"{prefix}gamekeeper-redeem"

    def _add(self, position: int, provider: OidcProvider) -> None:
        check_address(provider.issuer, f"/oidc_providers/{position}/issuer")
        if provider.id in self._issuers or provider.id == REDEEM:
            raise InvalidArgument(path=f"/oidc_providers/{position}/id", problem="another one has this id")
        self._issuers[provider.id] = Issuer(provider, self._keep.clock)

    async def start(self, request: Request, provider: str, caller: Caller) -> Answer:
        """Send the browser to the issuer.

        Raises: ROUTE_NOT_FOUND, NOT_ALLOWED, TOO_MANY_REQUESTS, INVALID_ARGUMENT, PROVIDER_UNAVAILABLE.
        """
        issuer = self._issuer(provider, caller)
        await self._rates.sign_in("start", caller, request.address)
        return await self._start(request, issuer, caller)

    async def callback(self, request: Request, provider: str, caller: Caller) -> Answer:
        """Take the browser back, and end the login whatever comes of it: the state is good once.

        Raises: ROUTE_NOT_FOUND, NOT_ALLOWED, TOO_MANY_REQUESTS, SIGN_IN_STATE_INVALID.
        """
        issuer = self._issuer(provider, caller)
        await self._rates.sign_in("callback", caller, request.address)
        return await self._callback(request, issuer, caller)

    async def redeem(self, request: Request, _provider: str, caller: Caller) -> Answer:
        """Give the session for a code.

        Raises: TOO_MANY_REQUESTS, INVALID_ARGUMENT, SIGN_IN_CODE_INVALID, BANNED, ACCOUNT_INACTIVE.
        """
        await self._rates.sign_in("redeem", caller, request.address)
        request.require_json()
        given = _converted(object_of(await self._buffered.read(request.receive, self._limits)), Redeem)
        verifier = given.verifier or _cookies(request).get(self._verifier_cookie, "")
        key = request.idempotency_key(anonymous=caller.kind == "anonymous")
        told = await self._keep.tell(accounts.redeem.call({**asdict(given), "verifier": verifier}), key=key, actor=caller.actor)
        answer = _json(told.results[0])
        answer[1].append(self._cookie(self._verifier_cookie, "", 0, "Strict"))
        return answer

    def _issuer(self, provider: str, caller: Caller) -> Issuer:
        issuer = self._issuers.get(provider)
        if issuer is None:
            raise RouteNotFound
        if caller.kind not in ("anonymous", "player"):
            raise NotAllowed
        return issuer

    # There

    async def _start(self, request: Request, issuer: Issuer, caller: Caller) -> Answer:
        start = _converted(await self._arguments(request), Start, strict=request.method == "POST")
        self._check_return(start)
        metadata = await issuer.metadata()
        state = State(
            provider=issuer.provider.id,
            state=secrets.token_urlsafe(RANDOM_BYTES),
            nonce=secrets.token_urlsafe(RANDOM_BYTES),
            verifier=secrets.token_urlsafe(RANDOM_BYTES),
            expires_at=self._keep.clock.now_ms() + STATE_SECONDS * 1000,
            client_type=start.client_type,
            long_lived=start.long_lived,
            return_to=start.return_to,
            challenge=start.challenge,
            user=caller.user,
            session_id=caller.credential,
        )
        url = _with_query(metadata.authorization_endpoint, self._question(issuer, state))
        cookie = self._cookie(self._state_cookie, self._keep.reader.keys.seal(_SEAL, _ENCODE(state).decode()), STATE_SECONDS, "Lax")
        if request.method == "POST":
            return 200, [_JSON, *_HEADERS, cookie], _ENCODE(Sent(url))
        return _redirect(url, cookie)

    def _question(self, issuer: Issuer, state: State) -> dict[str, str]:
        return {
            "response_type": "code",
            "client_id": issuer.provider.client_id,
            "redirect_uri": self._redirect_uri(issuer),
            "scope": " ".join(dict.fromkeys(("openid", *issuer.provider.scopes))),
            "state": state.state,
            "nonce": state.nonce,
            "code_challenge": accounts.challenge_of(state.verifier),
            "code_challenge_method": "S256",
        }

    async def _arguments(self, request: Request) -> dict[str, Any]:
        if request.method != "POST":
            return request.parameters(self._limits, frozenset())
        request.require_json()
        return object_of(await self._buffered.read(request.receive, self._limits))

    def _check_return(self, start: Start) -> None:
        """Refuse to send anybody but to our own pages and to the addresses of the settings."""
        if start.return_to is None or _is_own_path(start.return_to):
            return
        if start.return_to not in self._allowed:
            raise InvalidArgument(path="/return_to", problem="a path of this server, or one of the addresses in `oidc_return_to`")
        if start.challenge is None:
            # Another place does not get our cookie, so the code would be good for whoever finds it.
            raise InvalidArgument(path="/challenge", problem="it is needed to return to another address")

    def _redirect_uri(self, issuer: Issuer) -> str:
        return f"{self._public_url}{ROOT}{issuer.provider.id}/callback"

    # And back

    async def _callback(self, request: Request, issuer: Issuer, caller: Caller) -> Answer:
        back = _converted(request.parameters(self._limits, frozenset()), Back)
        state = self._state(request, issuer, back)
        try:
            answer = await self._finish(issuer, state, back, caller)
        except GameError as error:
            if state.return_to is None:
                answer = problem(error, request.id, repeatable=False)
            else:
                answer = _redirect(_with_query(state.return_to, {"error": type(error).code}))
        answer[1].append(self._cookie(self._state_cookie, "", 0, "Lax"))
        return answer

    def _state(self, request: Request, issuer: Issuer, back: Back) -> State:
        sealed = _cookies(request).get(self._state_cookie, "")
        text = self._keep.reader.keys.open(_SEAL, sealed)
        if not text:
            raise SignInStateInvalid
        state = msgspec.json.decode(text, type=State)
        same = hmac.compare_digest(state.state.encode(), back.state.encode("utf-8", "surrogatepass"))
        if not same or state.provider != issuer.provider.id or self._keep.clock.now_ms() >= state.expires_at:
            raise SignInStateInvalid
        return state

    async def _finish(self, issuer: Issuer, state: State, back: Back, caller: Caller) -> Answer:
        granted, claims = await self._believed(issuer, state, back)
        provider, subject = issuer.provider.id, str(claims["sub"])
        tokens = _tokens(issuer.provider, granted, self._keep.clock.now_ms())
        if state.user is not None:
            call = accounts.link(user=state.user, provider=provider, subject=subject, tokens=tokens)
            # Somebody who has logged out, or was thrown out, since they began is linked to nothing.
            standing = sessions.require_standing(user=state.user, session_id=state.session_id)
            told = await self._keep.tell(call, actor=f"player:{state.user}", standing=standing)
            return _json(told.results[0]) if state.return_to is None else _redirect(_with_query(state.return_to, {"linked": provider}))
        profile = profile_of(claims)
        if state.return_to is None:
            signing = accounts.sign_in(
                provider=provider,
                subject=subject,
                profile=profile,
                tokens=tokens,
                long_lived=state.long_lived,
                client_type=state.client_type,
            )
            return _json(await self._keep.do(signing, actor=caller.actor))
        return await self._return(state, provider, subject, profile, tokens, caller)

    async def _believed(self, issuer: Issuer, state: State, back: Back) -> tuple[Granted, dict[str, Any]]:
        """Exchange the code, and give what the issuer says of the player."""
        metadata = await issuer.metadata()
        # RFC 9207: an answer that another issuer has sent here is not for this one's ears.
        if (back.iss or metadata.authorization_response_iss_parameter_supported) and back.iss != metadata.issuer:
            raise SignInStateInvalid
        if back.error or not back.code:
            raise ProviderRefused(problem=back.error if back.error in _REFUSALS else "refused")
        granted = await issuer.exchange(back.code, state.verifier, self._redirect_uri(issuer))
        return granted, await issuer.verify(granted.id_token, state.nonce)

    async def _return(
        self, state: State, provider: str, subject: str, profile: accounts.Profile, tokens: accounts.Tokens | None, caller: Caller
    ) -> Answer:
        """Send the browser on with a code. Its challenge is the client's, or that of a verifier which only this browser has."""
        verifier = secrets.token_urlsafe(RANDOM_BYTES)
        challenge = state.challenge or accounts.challenge_of(verifier)
        call = accounts.issue_code(provider=provider, subject=subject, challenge=challenge, profile=profile, tokens=tokens)
        issued = await self._keep.do(call, actor=caller.actor)
        answer = _redirect(_with_query(str(state.return_to), {"code": issued.code}))
        if state.challenge is None:
            answer[1].append(self._cookie(self._verifier_cookie, verifier, accounts.CODE_SECONDS, "Strict"))
        return answer

    def _cookie(self, name: str, value: str, seconds: int, same_site: str) -> tuple[bytes, bytes]:
        secure = "; Secure" if self._secure else ""
        return b"set-cookie", f"{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite={same_site}{secure}".encode()


def profile_of(claims: dict[str, Any]) -> accounts.Profile:
    """Give what a new user takes over from an ID token; what does not fit is left out.

    >>> profile_of({"name": "Ada", "email": "ada@example.com", "picture": "http://example.com/a.png"})
    Profile(username=None, name='Ada', email=None, picture=None)
    """
    name, email, picture = claims.get("name"), claims.get("email"), claims.get("picture")
    profile = accounts.Profile()
    for given in (
        {"name": name if isinstance(name, str) and users.visible(name) else None},
        {"email": email if claims.get("email_verified") is True else None},
        {"picture": picture},
    ):
        try:
            fitting = msgspec.convert(given, accounts.Profile)
        except msgspec.ValidationError:
            continue
        profile = accounts.Profile(None, profile.name or fitting.name, profile.email or fitting.email, profile.picture or fitting.picture)
    return profile


def _tokens(provider: OidcProvider, granted: Granted, now: int) -> accounts.Tokens | None:
    """Give those of the tokens that the settings want kept."""
    if not provider.keep_tokens:
        return None
    kept: dict[str, Any] = {name: getattr(granted, name) for name in provider.keep_tokens}
    for name, seconds in (("access_token", granted.expires_in), ("refresh_token", granted.refresh_expires_in)):
        if kept.get(name) is not None and seconds is not None and 0 < seconds <= MAX_TOKEN_SECONDS:
            kept[f"{name}_expires_at"] = now + seconds * 1000
    try:
        return msgspec.convert({**kept, "scope": granted.scope}, accounts.Tokens)
    except msgspec.ValidationError:
        LOG.warning("OpenID Connect provider %s: its tokens are too long to be kept", provider.id)
        return None


def _is_own_path(text: str) -> bool:
    """Say whether browsers take a text for a path of this server; they read `//x`, `/\\x` and tabs within as other servers.

    >>> [_is_own_path(one) for one in ("/play?a=1", "//evil.example", "/\\\\evil.example", "/\\t/evil.example", "https://a.test", "play")]
    [True, False, False, False, False, False]
    """
    return _is_plain(text) and text.startswith("/") and not text.startswith("//")


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and not any(letter in text for letter in " \\#")


def _with_query(url: str, values: dict[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(values)}"


def _redirect(url: str, *cookies: tuple[bytes, bytes]) -> Answer:
    return 302, [(b"location", url.encode("ascii")), *_HEADERS, *cookies], b""


def _json(value: Struct) -> Answer:
    return 200, [_JSON, *_HEADERS], _ENCODE(value)


def _converted(values: dict[str, Any], kind: type[S], *, strict: bool = True) -> S:
    try:
        return msgspec.convert(values, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise invalid_argument(str(error)) from None


def _cookies(request: Request) -> dict[str, str]:
    """Give the cookies of a request; those of others may hold anything."""
    found: dict[str, str] = {}
    for name, value in request.scope["headers"]:
        if name == b"cookie":
            found |= cookie_parser(value.decode("latin-1"))
    return found

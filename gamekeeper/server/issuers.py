"""Issuers: what is asked of OpenID Connect providers, and what is believed of their answers.

Requests go to the issuers of the settings and to the hosts named beside them, nowhere else, whatever a discovery document says.
"""

import asyncio
import logging
import math
import ssl
from base64 import b64encode
from collections.abc import Awaitable, Callable
from functools import cache
from ipaddress import ip_address
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote_plus, urlsplit

import httpx2
import msgspec
from joserfc import jwt
from joserfc.errors import BadSignatureError, ClaimError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from msgspec import Struct

from gamekeeper.config import OidcProvider
from gamekeeper.errors import InvalidArgument
from gamekeeper.kernel.clock import Clock

from .problems import IdTokenInvalid, ProviderRefused, ProviderUnavailable

S = TypeVar("S", bound=Struct)
T = TypeVar("T")

LOG = logging.getLogger("gamekeeper.server")

DISCOVERY: Final = "/.well-known/openid-configuration"
FETCH_SECONDS: Final = 5.0
"""How long an issuer may take for one answer."""
MAX_ANSWER_BYTES: Final = 256 * 1024
MAX_KEYS: Final = 64
KEPT_SECONDS: Final = 3600.0
"""How long a discovery document and keys are believed without asking again."""
STALE_SECONDS: Final = 86_400.0
"""How long an older copy of them serves while the issuer is away."""
PAUSE_SECONDS: Final = 30.0
"""How soon keys are asked for again because a token names one that is not known."""
RETRY_SECONDS: Final = 5.0
"""How soon an issuer that was away is asked again."""
SKEW_SECONDS: Final = 60
"""How far the issuer's clock may be from ours."""
MAX_AGE_SECONDS: Final = 600
"""How long ago a token may have been made; it comes straight from the issuer."""
MAX_SUBJECT: Final = 255

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Signatures that only the issuer can make: no `none`, and none by a key that we have too."""
_KEY_TYPES: Final = frozenset({"RSA", "EC", "OKP"})


class Metadata(Struct, frozen=True):
    """What is used of a discovery document."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class Granted(Struct, frozen=True):
    """What an issuer gives for a code."""

    id_token: str
    access_token: str | None = None
    refresh_token: str | None = None
    scope: str | None = None
    expires_in: int | None = None
    refresh_expires_in: int | None = None


class _KeyDocument(Struct, frozen=True):
    keys: list[dict[str, Any]]


class _Refusal(Struct, frozen=True):
    error: str


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("example.com")
    (True, True, False)
    """
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def check_address(url: str, path: str) -> str:
    """Give an address of the settings without a slash at its end: https, or http on this machine.

    Raises: INVALID_ARGUMENT.
    """
    if not _is_safe(url) or urlsplit(url).query:
        raise InvalidArgument(path=path, problem="an https:// address is needed, or http:// on this machine, without query and fragment")
    return url.rstrip("/")


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and " " not in url and "\\" not in url
    if not plain or not host or "@" in parts.netloc or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))


class _Kept(Generic[T]):
    """Something that is asked for and then kept for a while."""

    def __init__(self) -> None:
        self._value: T | None = None
        self._got_at = 0.0
        self._failed_at: float | None = None
        self._asking = asyncio.Lock()

    def is_older(self, seconds: float, now: float) -> bool:
        """Say whether it was got longer ago, or never."""
        return self._value is None or now - self._got_at >= seconds

    async def get(self, ask: Callable[[], Awaitable[T]], now: Callable[[], float], fresh_seconds: float = KEPT_SECONDS) -> T:
        """Give it, asked for by one caller for all that want it at the moment.

        Raises: PROVIDER_UNAVAILABLE.
        """
        if self._value is not None and not self.is_older(fresh_seconds, now()):
            return self._value
        async with self._asking:
            if self.is_older(fresh_seconds, now()) and (self._failed_at is None or now() - self._failed_at >= RETRY_SECONDS):
                try:
                    self._value, self._got_at, self._failed_at = await ask(), now(), None
                except ProviderUnavailable:
                    self._failed_at = now()
            if self._value is None or self.is_older(STALE_SECONDS, now()):
                raise ProviderUnavailable
            return self._value


class Issuer:
    """One issuer: its discovery document and its keys, kept for a while, and the questions put to it."""

    def __init__(self, provider: OidcProvider, clock: Clock) -> None:
        self.provider = provider
        self._clock = clock
        self._base = provider.issuer.rstrip("/")
        self._netlocs = frozenset({urlsplit(provider.issuer).netloc.lower(), *(host.lower() for host in provider.hosts)})
        self._metadata: _Kept[Metadata] = _Kept()
        self._keys: _Kept[KeySet] = _Kept()

    async def metadata(self) -> Metadata:
        """Give the discovery document.

        Raises: PROVIDER_UNAVAILABLE.
        """
        return await self._metadata.get(self._discover, self._clock.monotonic)

    async def exchange(self, code: str, verifier: str, redirect_uri: str) -> Granted:
        """Give what the issuer gives for a code.

        Raises: PROVIDER_REFUSED, PROVIDER_UNAVAILABLE.
        """
        metadata = await self.metadata()
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier}
        headers, more = self._proof(metadata)
        status, body = await self._fetch("POST", metadata.token_endpoint, data=form | more, headers=headers)
        if status == 200:
            return self._read(body, Granted, "the token endpoint's answer")
        error = self._read(body, _Refusal, "the token endpoint's refusal").error if 400 <= status < 500 else ""
        if error == "invalid_grant":
            raise ProviderRefused(problem=error)
        raise self._away(f"the token endpoint answers {status} {error[:64]!r}")

    def _proof(self, metadata: Metadata) -> tuple[dict[str, str], dict[str, str]]:
        """Give the headers and fields by which the game proves that it is itself."""
        client, secret = self.provider.client_id, self.provider.client_secret
        if secret is None:
            return {}, {"client_id": client}
        if "client_secret_basic" in metadata.token_endpoint_auth_methods_supported:
            # RFC 6749, 2.3.1: both are encoded as a form's values first.
            pair = f"{quote_plus(client)}:{quote_plus(secret)}"
            return {"authorization": f"Basic {b64encode(pair.encode()).decode()}"}, {}
        return {}, {"client_id": client, "client_secret": secret}

    async def verify(self, id_token: str, nonce: str) -> dict[str, Any]:
        """Give the claims of an ID token that this issuer made for this game, now, and for this login.

        Raises: ID_TOKEN_INVALID, PROVIDER_UNAVAILABLE.
        """
        try:
            claims = await self._signed(id_token)
        except BadSignatureError:
            raise self._invalid("signature") from None
        except InvalidKeyIdError:
            raise self._invalid("key") from None
        except (JoseError, ValueError, TypeError, RecursionError):
            raise self._invalid("token") from None
        now = self._clock.now_ms() // 1000
        expected = jwt.JWTClaimsRegistry(
            now=now,
            leeway=SKEW_SECONDS,
            iss={"essential": True, "value": (await self.metadata()).issuer},
            aud={"essential": True, "value": self.provider.client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            expected.validate(claims)
        except ClaimError as error:
            raise self._invalid(str(error.claim)) from None
        self._check_more(claims, now)
        return claims

    def _check_more(self, claims: dict[str, Any], now: int) -> None:
        """Check what the library's registry does not know of: OpenID Connect Core, 3.1.3.7."""
        if not math.isfinite(claims["exp"]) or not math.isfinite(claims["iat"]):
            raise self._invalid("exp")
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if (several or "azp" in claims) and claims.get("azp") != self.provider.client_id:
            raise self._invalid("azp")
        if claims["iat"] < now - MAX_AGE_SECONDS:
            raise self._invalid("iat")
        subject = claims["sub"]
        if not 0 < len(subject) <= MAX_SUBJECT or not subject.isascii() or not subject.isprintable():
            raise self._invalid("sub")

    async def _signed(self, id_token: str) -> dict[str, Any]:
        keys = await self._keys.get(self._fetch_keys, self._clock.monotonic)
        try:
            return jwt.decode(id_token, keys, algorithms=ALGORITHMS).claims
        except InvalidKeyIdError:
            # The issuer may have new keys since. Whoever sends nonsense makes us ask only so often.
            if not self._keys.is_older(PAUSE_SECONDS, self._clock.monotonic()):
                raise
        keys = await self._keys.get(self._fetch_keys, self._clock.monotonic, fresh_seconds=PAUSE_SECONDS)
        return jwt.decode(id_token, keys, algorithms=ALGORITHMS).claims

    # Asking

    async def _discover(self) -> Metadata:
        status, body = await self._fetch("GET", self._base + DISCOVERY)
        if status != 200:
            raise self._away(f"the discovery document's address answers {status}")
        found = self._read(body, Metadata, "the discovery document")
        if found.issuer != self.provider.issuer:
            raise self._away("the discovery document is another issuer's")
        for url in (found.token_endpoint, found.jwks_uri):
            self._check_asked(url)
        if not _is_safe(found.authorization_endpoint):
            raise self._away("the authorization endpoint is not https")
        return found

    async def _fetch_keys(self) -> KeySet:
        status, body = await self._fetch("GET", (await self.metadata()).jwks_uri)
        if status != 200:
            raise self._away(f"the keys' address answers {status}")
        given = self._read(body, _KeyDocument, "the keys").keys[:MAX_KEYS]
        keys = []
        for one in given:
            if one.get("kty") in _KEY_TYPES and one.get("use", "sig") == "sig":
                try:
                    keys += KeySet.import_key_set({"keys": [one]}).keys
                except (JoseError, ValueError, TypeError, KeyError):
                    continue  # of a kind that we do not know yet, or broken: the others may do
        if not keys:
            raise self._away("there is no key that signs")
        return KeySet(keys)

    def _check_asked(self, url: str) -> None:
        if not _is_safe(url) or urlsplit(url).netloc.lower() not in self._netlocs:
            raise self._away(f"its document names {url[:200]!r}, whose host is not among its `hosts`")

    async def _fetch(self, method: str, url: str, **words: Any) -> tuple[int, bytes]:
        """Ask, within a time and a size; a redirect is an answer like others, and is not followed."""
        self._check_asked(url)
        headers = {"accept": "application/json", "accept-encoding": "identity", **words.pop("headers", {})}
        host = urlsplit(url).hostname or ""
        try:
            async with (
                asyncio.timeout(FETCH_SECONDS),
                # A proxy of the environment has no business between us and this machine.
                httpx2.AsyncClient(verify=_tls(), timeout=FETCH_SECONDS, follow_redirects=False, trust_env=not is_loopback(host)) as client,
                client.stream(method, url, headers=headers, **words) as answer,
            ):
                body = bytearray()
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > MAX_ANSWER_BYTES:
                        raise self._away("an answer is too large")
                return answer.status_code, bytes(body)
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, OSError) as error:
            raise self._away(type(error).__name__) from None

    def _read(self, body: bytes, kind: type[S], what: str) -> S:
        try:
            return msgspec.json.decode(body, type=kind, strict=False)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise self._away(f"{what} cannot be read") from None

    def _away(self, problem: str) -> ProviderUnavailable:
        LOG.warning("OpenID Connect provider %s: %s", self.provider.id, problem)
        return ProviderUnavailable()

    def _invalid(self, problem: str) -> IdTokenInvalid:
        LOG.warning("OpenID Connect provider %s: an ID token was refused for its %s", self.provider.id, problem)
        return IdTokenInvalid(problem=problem)


@cache
def _tls() -> ssl.SSLContext:
    return httpx2.create_ssl_context()

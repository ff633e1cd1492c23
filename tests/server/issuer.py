"""An OpenID Connect issuer of our own, on a port of loopback, that can be told to lie."""

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT = "game:one"
SECRET = "s3cret & with signs:"


class LocalIssuer:
    """`with LocalIssuer() as issuer:` and `issuer.url`; what it answers follows its attributes, which `reset` sets back."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})
        self.other_key = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})
        self.url = ""
        self.now: Callable[[], float] = time.time
        self.hits: Counter[str] = Counter()
        self.reset()
        routes = [
            Route("/.well-known/openid-configuration", self._discovery),
            Route("/authorize", self._authorize),
            Route("/token", self._token, methods=["POST"]),
            Route("/jwks", self._jwks),
        ]
        config = uvicorn.Config(Starlette(routes=routes), port=0, log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def reset(self) -> None:
        """Be honest again, and forget."""
        self.subject = "110169484474386276334"
        self.claims: dict[str, Any] = {}
        """instead of the right ones; None leaves a claim out"""
        self.header: dict[str, Any] = {"alg": "RS256", "kid": "first"}
        self.sign: Callable[[dict[str, Any], dict[str, Any]], str] = self._sign
        self.document: dict[str, Any] = {}
        self.published = [self.key]
        self.signing = self.key
        self.answers: dict[str, Response] = {}
        """by path, what is answered instead"""
        self.granted: dict[str, Any] = {"access_token": "access-canary", "refresh_token": "refresh-canary", "expires_in": 3600}
        self.codes: dict[str, dict[str, str]] = {}
        self.hits.clear()

    async def _discovery(self, request: Request) -> Response:
        document = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize?tenant=1",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        }
        return self._answer(request, JSONResponse(document | self.document))

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        assert asked["tenant"] == "1"
        assert asked["response_type"] == "code"
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(8)
        self.codes[code] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}", 302)

    async def _token(self, request: Request) -> Response:
        given = dict(parse_qsl((await request.body()).decode()))
        basic = base64.b64decode(request.headers.get("authorization", "").removeprefix("Basic ")).decode()
        if [unquote_plus(part) for part in basic.split(":")] != [CLIENT, SECRET]:
            return JSONResponse({"error": "invalid_client"}, 401)
        asked = self.codes.pop(given["code"], None)
        challenge = _base64(hashlib.sha256(given["code_verifier"].encode()).digest())
        if asked is None or asked["redirect_uri"] != given["redirect_uri"] or asked["code_challenge"] != challenge:
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(self.now())
        claims = {"iss": self.url, "aud": CLIENT, "sub": self.subject, "exp": now + 300, "iat": now, "nonce": asked["nonce"]} | self.claims
        claims = {name: value(now) if callable(value) else value for name, value in claims.items() if value is not None}
        return self._answer(request, JSONResponse(self.granted | {"token_type": "Bearer", "id_token": self.sign(self.header, claims)}))

    def _sign(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        return jwt.encode(header, claims, self.signing)

    async def _jwks(self, request: Request) -> Response:
        unknown = {"kty": "AKP", "kid": "of a kind to come", "alg": "ML-DSA-44", "pub": "AA"}
        return self._answer(request, JSONResponse({"keys": [unknown, *(one.as_dict(private=False) for one in self.published)]}))

    def _answer(self, request: Request, answer: Response) -> Response:
        self.hits[request.url.path] += 1
        return self.answers.get(request.url.path, answer)

    def __enter__(self) -> "LocalIssuer":
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        host, port = self._server.servers[0].sockets[0].getsockname()[:2]
        self.url = f"http://{host}:{port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """A token that says of itself that nobody has signed it."""
    return f"{_part(header | {'alg': 'none'})}.{_part(claims)}."


def signed_by_hand(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    """A token with an HMAC, for libraries refuse to make it with a key that everybody knows."""
    text = f"{_part(header | {'alg': 'HS256'})}.{_part(claims)}"
    return f"{text}.{_base64(hmac.digest(secret, text.encode(), 'sha256'))}"


def _part(value: dict[str, Any]) -> str:
    return _base64(json.dumps(value).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")

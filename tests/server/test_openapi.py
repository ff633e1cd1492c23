"""The document says what the server does."""

import asyncio
import contextlib
import copy
import itertools
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import SkipTest

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from jsonschema_rs import meta  # what schemathesis stands on
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

import gamekeeper
from gamekeeper.kernel.commands import COMMANDS
from gamekeeper.kernel.ids import new_id
from gamekeeper.kernel.queries import QUERIES
from gamekeeper.modules import sessions, users
from gamekeeper.server import openapi
from gamekeeper.server.fixed import FIXED
from gamekeeper.server.routes import routes
from tests.server.conftest import Caller
from tests.server.running import Running


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi.document(["tests.server.game"])


def test_every_operation_is_in_the_document(document: dict[str, Any]) -> None:
    for operation in (*COMMANDS.values(), *QUERIES.values()):
        item = document["paths"][f"/v1/{operation.module}/{operation.verb}"]
        assert item["post"]["operationId"] == operation.name
        assert item["post"]["x-gamekeeper-access"] == operation.access
        assert item["post"]["summary"].endswith((".", ".)"))
        assert ("get" not in item) or operation.name in QUERIES


async def test_every_route_of_the_application_is_in_the_document_and_nothing_else(document: dict[str, Any], anyone: Caller) -> None:
    """Whatever is no operation is served by a list that the document is made from too."""
    served = {*routes(), *(one.path for one in FIXED)}
    assert served == set(document["paths"])
    for one in FIXED:
        assert document["paths"][one.path][one.method.lower()]["summary"] == one.summary
        with_another = "DELETE" if one.method == "GET" else "PUT"
        answer = await anyone.http.request(with_another, one.path.replace("{", "").replace("}", ""))
        assert (answer.status_code, answer.json()["code"]) == (405, "METHOD_NOT_ALLOWED"), one.path
    for path in ("/v1/oidc", "/v1/oidc/", "/v1/oidc/local", "/v1/oidc/local/token", "/v1/oidc/local/start/", "/livez/", "/problems/a/b"):
        assert (await anyone.http.get(path)).json()["code"] == "ROUTE_NOT_FOUND", path
    assert (await anyone.http.get("/v1/oidc/local/start")).json()["code"] == "ROUTE_NOT_FOUND"  # no provider is set
    redeem = document["paths"]["/v1/oidc/redeem"]["post"]
    assert redeem["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Redeem"}
    assert document["components"]["schemas"]["Redeem"]["required"] == ["code"]
    start = document["paths"]["/v1/oidc/{provider}/start"]
    assert start.keys() == {"get", "post"}
    assert {(one["name"], one["in"]) for one in start["get"]["parameters"]} >= {("provider", "path"), ("return_to", "query")}
    batch = document["paths"]["/v1/batch"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert (batch["type"], batch["maxItems"]) == ("array", 100)


def test_staff_say_why_once(document: dict[str, Any]) -> None:
    """In X-Reason, or in the command's own argument for it; of a note, its text is that."""
    for name, needed in (("moderation/ban", False), ("moderation/add_note", False), ("moderation/kick", True), ("items/grant", False)):
        parameters = {one["name"]: one for one in document["paths"][f"/v1/{name}"]["post"]["parameters"]}
        assert parameters["X-Reason"]["required"] is needed, name


def test_the_document_tells_what_a_command_s_docstring_says(document: dict[str, Any]) -> None:
    spend = document["paths"]["/v1/guilds/spend"]["post"]
    assert (spend["summary"], spend["tags"], spend["x-gamekeeper-errors"]) == (
        "Take coins out of the vault.",
        ["guilds"],
        ["VAULT_EMPTY", "INVALID_ARGUMENT"],
    )
    assert spend["description"].startswith("More is told here.")
    assert "Raises" not in spend["description"]
    assert "VAULT_EMPTY" in spend["responses"]["409"]["description"]
    required = {one["name"]: one["required"] for one in spend["parameters"]}
    assert required == {"If-Match": False, "Idempotency-Key": True, "X-Reason": False}


def test_every_code_that_a_docstring_names_is_an_error_that_exists(document: dict[str, Any]) -> None:
    known = openapi._statuses()
    for path, item in document["paths"].items():
        for operation in item.values():
            unknown = set(operation.get("x-gamekeeper-errors", ())) - set(known)
            assert not unknown, path


def test_queries_become_parameters(document: dict[str, Any]) -> None:
    echo = document["paths"]["/v1/guilds/echo"]["get"]
    described = {one["name"]: one for one in echo["parameters"] if one["in"] == "query"}
    assert described.keys() == {"words", "times", "loud", "share"}
    assert described["words"]["schema"]["type"] == "array"
    assert "get" not in document["paths"]["/v1/guilds/measure"]
    assert "get" not in document["paths"]["/v1/guilds/whisper"]
    assert {"name": "items", "description": "Items: who holds what, and every movement that led there."} in document["tags"]


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    schemathesis.openapi.from_dict(document).validate()
    for schema in document["components"]["schemas"].values():
        meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


def test_the_document_needs_no_database_and_no_running_loop() -> None:
    code = "from gamekeeper.server import openapi; print(len(openapi.document(['tests.server.game'])['paths']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": "."})

    assert int(done.stdout) > 20, done.stderr


async def test_the_server_gives_the_document(anyone: Caller) -> None:
    answer = await anyone.http.get("/v1/openapi.json")

    assert (answer.status_code, answer.json()["openapi"]) == (200, "3.1.0")
    assert "/v1/guilds/spend" in answer.json()["paths"]


# What a machine makes of the document


BOUNDS = settings(
    phases=[Phase.generate],
    database=None,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
TOO_LONG = (414, 431)
"""HTTP itself has refused the request's line, for which the checks know no name."""
CHECKS = [content_type_conformance, negative_data_rejection, not_a_server_error, response_schema_conformance, status_code_conformance]


async def prepare(url: str) -> list[dict[str, str]]:
    """Make a database in which an operator, a game server and a player have tokens; give the headers of each."""
    async with gamekeeper.open(url, create=True, modules=["tests.server.game"]) as keep:
        user = (await keep.do(users.create_guest())).user_id
        tokens = [(await keep.do(sessions.create_key(user=user, name="k", scopes=[scope]))).key for scope in ("operator.*", "*")]
        tokens.append((await keep.do(sessions.open_session(user=user))).token)
    return [{"authorization": f"Bearer {token}"} for token in tokens]


def without_headers(document: dict[str, Any]) -> dict[str, Any]:
    """Leave headers to our own tests: of the wrong ones that a machine makes, HTTP itself repairs many."""
    left = copy.deepcopy(document)
    del left["paths"]["/v1/guilds/explode"]
    for item in left["paths"].values():
        for operation in item.values():
            operation["parameters"] = [one for one in operation.get("parameters", ()) if one["in"] != "header"]
            operation.pop("security")
    return left


def test_no_request_that_a_machine_thinks_of_is_answered_against_the_document(
    document: dict[str, Any], tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    bounds = settings(BOUNDS, max_examples=pytestconfig.getoption("fuzz_requests"))
    url = f"sqlite:///{tmp_path}/world.db"
    callers = itertools.cycle(asyncio.run(prepare(url)))
    schema = schemathesis.openapi.from_dict(without_headers(document))
    answered: Counter[int] = Counter()
    with Running(url) as server, requests.Session() as session:
        results: list[Any] = list(schema.get_all_operations())
        for result in results:
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                explore(result.ok(), mode, bounds, server.address, session, callers, answered)
        status, out, err = server.stop()

    assert (status, out, err) == (0, "closed\n", "")
    assert min(answered[200], answered[422]) > 100, answered


def explore(
    operation: Any,
    mode: GenerationMode,
    bounds: settings,
    address: str,
    session: requests.Session,
    callers: Iterator[dict[str, str]],
    answered: Counter[int],
) -> None:
    """Send some requests for one operation, and check each answer against the document."""

    @bounds
    @given(case=operation.as_strategy(generation_mode=mode))
    def attempt(case: Any) -> None:
        headers = {**next(callers), "idempotency-key": new_id(), "x-reason": "test"}
        answer = case.call(base_url=address, session=session, headers=headers)
        answered[answer.status_code] += 1
        if answer.status_code not in TOO_LONG:
            case.validate_response(answer, checks=CHECKS)

    with contextlib.suppress(Unsatisfiable, SkipTest):  # an operation without arguments has no wrong ones
        attempt()

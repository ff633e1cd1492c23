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
    assert "/v1/batch" in document["paths"]


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


EXAMPLES = 6
"""Requests for each operation, method and kind of data."""

BOUNDS = settings(
    max_examples=EXAMPLES,
    phases=[Phase.generate],
    database=None,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
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


def test_no_request_that_a_machine_thinks_of_is_answered_against_the_document(document: dict[str, Any], tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/world.db"
    callers = itertools.cycle(asyncio.run(prepare(url)))
    schema = schemathesis.openapi.from_dict(without_headers(document))
    answered: Counter[int] = Counter()
    with Running(url) as server, requests.Session() as session:
        results: list[Any] = list(schema.get_all_operations())
        for result in results:
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                explore(result.ok(), mode, server.address, session, callers, answered)
        status, out, err = server.stop()

    assert (status, out, err) == (0, "closed\n", "")
    assert min(answered[200], answered[422]) > 100, answered


def explore(
    operation: Any, mode: GenerationMode, address: str, session: requests.Session, callers: Iterator[dict[str, str]], answered: Counter[int]
) -> None:
    """Send some requests for one operation, and check each answer against the document."""

    @BOUNDS
    @given(case=operation.as_strategy(generation_mode=mode))
    def attempt(case: Any) -> None:
        headers = {**next(callers), "idempotency-key": new_id(), "x-reason": "test"}
        answer = case.call_and_validate(base_url=address, session=session, headers=headers, checks=CHECKS)
        answered[answer.status_code] += 1

    with contextlib.suppress(Unsatisfiable, SkipTest):  # an operation without arguments has no wrong ones
        attempt()

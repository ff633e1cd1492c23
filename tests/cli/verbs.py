"""Running a verb that must succeed, and reading what it says."""

import json
from typing import Any

import pytest

from gamekeeper.cli import run
from gamekeeper.cli.failures import Exit


def said(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """What it says to programs."""
    assert run([*words, "--json"]) == Exit.OK
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def told(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What it says to people, without colours where there is no terminal."""
    assert run(words) == Exit.OK
    out = capsys.readouterr().out
    assert "\x1b" not in out
    return out

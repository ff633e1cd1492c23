"""The characters every contestant plays with, so that all of them do the same work."""

import hashlib
import os
import random
from functools import cache
from typing import NamedTuple

CHARACTERS_VARIABLE = "GAMEKEEPER_BENCHMARK_CHARACTERS"
"""`--quick` lowers it; every process of a run reads the same number from it."""


def characters() -> int:
    """How many whole characters of 1 + 13 skills + 28 inventory + 4 essences + 40 abilities rows stand for W1 to W3."""
    return int(os.environ.get(CHARACTERS_VARIABLE, "10000"))


DIRTY = 1_000
"""Characters saved at once by one operation of W3; always the first ones."""

HOT = 20
"""Characters that everybody trades with in W4 and W10."""

STACKS = 26
"""Stacks each of them holds: of item_0, item_1, ... in slot 0, 1, ..."""

QUANTITY = 1_000
"""Units in each of these stacks at the start."""


class Trade(NamedTuple):
    """A two-way swap of one unit each: `left` gives item number `gives`, `right` gives item number `takes`."""

    left: int
    right: int
    gives: int
    takes: int


def any_trade() -> Trade:
    """Two hot characters by number from 0, and what each of them gives."""
    left = random.randrange(HOT)
    right = (left + random.randrange(1, HOT)) % HOT
    return Trade(left, right, random.randrange(STACKS), random.randrange(STACKS))


@cache
def character_id(number: int) -> str:
    """The id of a character by number from 1, the same in SQL, JavaScript and here.

    >>> character_id(1)
    'cc4ca4238a0b923820dcc509'
    """
    return "c" + hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()[:23]

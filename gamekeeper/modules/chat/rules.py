"""Rules for chat: what a message may hold, how fast a character may speak, what a pruning must say."""

import unicodedata
from typing import Final

from gamekeeper.errors import InvalidArgument
from gamekeeper.modules import users

from .errors import TextInvalid, TooFast
from .records import MAX_MESSAGE

MAX_ACCENTS: Final = 2
"""How many marks may pile up over, under or across one letter."""
MAX_MARKS: Final = 4
"""How many marks of all kinds may follow one letter: vowel signs are marks too, and Hindi and Hebrew have three on a letter."""
MESSAGE_MS: Final = 2_000
"""One message is earned in this time."""
BURST: Final = 5
"""So many messages may be said at once. With what is earned meanwhile, no ten seconds hold more than ten."""
MAX_BLOCKS: Final = 500
PRUNE_HOURS_LEAST: Final = 1
"""What is younger is pruned only with its world or room as a whole."""
HOUR_MS: Final = 3_600_000

# What joins letters and emoji, says which way a letter runs, or how an emoji is drawn. Other format characters hide text or turn it around.
_JOINERS: Final = frozenset("\u200c\u200d\u200e\u200f\u061c")
_REFUSED: Final = {"Cc": "control", "Zl": "control", "Zp": "control", "Cf": "format", "Cs": "character", "Co": "character"}
_MARKS: Final = frozenset({"Mn", "Mc", "Me"})
_OVERLAY: Final = 1
_ATTACHED: Final = 200
"""Combining classes from here on are placed around the letter; those below, but for overlays, spell it."""


def checked_text(text: str) -> str:
    """Give a message as it is stored: composed, without spaces at its ends. Signs of HTML and other languages are only text.

    >>> checked_text("  cafe\\u0301 <b> "), checked_text("\\u092a\\u0922\\u093c\\u0942\\u0901\\u0917\\u093e") != ""
    ('caf\\xe9 <b>', True)

    Raises: CHAT_TEXT_INVALID.
    """
    text = unicodedata.normalize("NFC", text)
    problem = _problem_of_letters(text)
    if problem is None:
        text = text.strip()
        problem = "too_long" if len(text) > MAX_MESSAGE else None if _shows_something(text) else "empty"
    if problem is not None:
        raise TextInvalid(problem=problem)
    return text


def _problem_of_letters(text: str) -> str | None:
    marks = accents = 0
    for letter in text:
        category = unicodedata.category(letter)
        if category in _REFUSED and letter not in _JOINERS:
            return _REFUSED[category]
        if category not in _MARKS:
            marks = accents = 0
            continue
        marks += 1
        accents += unicodedata.combining(letter) == _OVERLAY or unicodedata.combining(letter) >= _ATTACHED
        if marks > MAX_MARKS or accents > MAX_ACCENTS:
            return "marks"
    return None


def _shows_something(text: str) -> bool:
    # An emoji that is younger than this Python's tables has no category yet.
    return any(not letter.isspace() and (users.visible(letter) or unicodedata.category(letter) == "Cn") for letter in text)


def pay(paid_at: int, now: int) -> int:
    """Give when a character that says one more message will have paid for everything, or refuse it.

    >>> paid = 0
    >>> for _ in range(5):
    ...     paid = pay(paid, 100_000)
    >>> pay(paid, 102_000) - paid
    2000

    Raises: CHAT_TOO_FAST.
    """
    debt_ms = max(paid_at - now, 0)
    if debt_ms > BURST * MESSAGE_MS:
        # Nobody can owe so much: the clock was set back, and that mutes nobody.
        debt_ms = 0
    wait_ms = debt_ms - (BURST - 1) * MESSAGE_MS
    if wait_ms > 0:
        raise TooFast(retry_after_seconds=wait_ms / 1000)
    return now + debt_ms + MESSAGE_MS


def check_pruning(hours: int | None, world: str | None, room: str | None) -> None:
    """Refuse a pruning that would take everything, or a room of no world.

    Raises: INVALID_ARGUMENT.
    """
    if room is not None and world is None:
        raise InvalidArgument(path="/world", problem="a room is one of a world")
    if hours is None and world is None:
        raise InvalidArgument(path="/older_than_hours", problem="an age, a world or both are needed")


def prune_before(hours: int | None, now: int) -> int:
    """Give the time before which messages are pruned.

    >>> prune_before(1, 3_600_001), prune_before(None, 5)
    (1, 6)
    """
    return now + 1 if hours is None else max(now - hours * HOUR_MS, 0)

"""How characters are shown on boards that everybody reads: by their names, or, if their player wants so, by one of the board's own.

Whoever lists characters by rank selects `is_hidden` beside their names and shows each row by `on_board`. Its pages begin where
`end_of_page` says, and not at an id that anybody could read.
"""

from hashlib import sha256
from typing import Any, Final

from msgspec import Struct

from gamekeeper.errors import InvalidArgument, SecretKeyNeeded
from gamekeeper.kernel.keyring import KeyRing
from gamekeeper.kernel.queries import read_cursor, write_cursor

ANONYMOUS: Final = "leaderboards.anonymous"
"""The setting of a character by which boards do not show who it is, when it is `true`."""
LETTERS: Final = "0123456789BCDFGHJKMNPQRSTVWXYZ"
"""Of what names of boards are made: nothing that makes a word, or looks like another."""
NAME_LETTERS: Final = 5
CURSOR: Final = "boards.cursor"


class OnBoard(Struct, frozen=True):
    """Who a row of a board shows. The id of an anonymous one is left out, and a deleted one has no name."""

    character_id: str | None
    name: str | None


def on_board(keys: KeyRing, board: str, character: str, name: str | None, *, hidden: bool) -> OnBoard:
    """Give what a board shows of a character; whoever does not hide is shown as it is."""
    return OnBoard(None, anonymous_name(keys, board, character)) if hidden and name is not None else OnBoard(character, name)


def anonymous_name(keys: KeyRing, board: str, character: str) -> str:
    """Give the name under which a board shows a character that is anonymous: always the same there, and another one on other boards.

    It follows from the keep's key, so that nobody can try out whose it is; without a key only from ids that are hard to guess.

    >>> anonymous_name(KeyRing(["k" * 32]), "season:spring", "ada"), anonymous_name(KeyRing(["k" * 32]), "season:autumn", "ada")
    ('Hunter-16KBW', 'Hunter-77B54')
    """
    try:
        digest = keys.fingerprint(f"board:{board}", character).partition(":")[2]
    except SecretKeyNeeded:
        digest = sha256(f"{board}\0{character}".encode()).hexdigest()
    number, letters = int(digest, 16), ""
    for _ in range(NAME_LETTERS):
        number, place = divmod(number, len(LETTERS))
        letters += LETTERS[place]
    return f"Hunter-{letters}"


def end_of_page(keys: KeyRing, *values: Any) -> str:
    """Give a cursor that tells nobody at whose row a page ended; a keep without a key has nothing to hide it by."""
    cursor = write_cursor(values)
    try:
        return keys.seal(CURSOR, cursor)
    except SecretKeyNeeded:
        return cursor


def start_of_page(keys: KeyRing, cursor: str | None, *types: type) -> tuple[Any, ...] | None:
    """Give the values of a cursor that `end_of_page` made.

    Raises: INVALID_ARGUMENT.
    """
    if cursor is not None and ":" in cursor:
        cursor = keys.open(CURSOR, cursor)
        if cursor is None:
            raise InvalidArgument(path="/cursor", problem="not a cursor that this server gave")
    return read_cursor(cursor, *types)

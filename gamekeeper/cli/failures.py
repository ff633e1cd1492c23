"""What a failure looks like on the command line: a code, a sentence, what to do, and the exit code."""

import enum
import re
import sys
from collections.abc import Mapping
from typing import Final

from gamekeeper.errors import GameError, Kind


class Exit(enum.IntEnum):
    """What the process answers."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    CHANGES = 3
    REFUSED = 4
    UNREACHABLE = 5
    LOCKED = 6
    INTEGRITY = 7
    PARTIAL = 8
    INTERRUPTED = 130


class NoServer(GameError):
    """No server answers there."""

    code = "NO_SERVER"
    kind = Kind.UNAVAILABLE
    url: str


class NoKeys(GameError):
    """No key opens this server's doors."""

    code = "NO_KEYS"
    file: str


class ServerRefused(GameError):
    """The server did not do what it was asked for."""

    code = "SERVER_REFUSED"
    answer: str


class NotOnLoopback(GameError):
    """The server speaks plain HTTP, so that tokens and keys could be read on the way from other machines."""

    code = "NOT_ON_LOOPBACK"
    host: str


class NoFreePort(GameError):
    """Neither the port nor one of those after it is free."""

    code = "NO_FREE_PORT"
    kind = Kind.UNAVAILABLE
    first: int
    last: int


class SecretMissing(GameError):
    """There is a database, but not the secret key that its journal was written with."""

    code = "SECRET_MISSING"
    database: str


class NoSecret(GameError):
    """The settings have no secret key, so nobody but the server itself can make a login link."""

    code = "NO_SECRET"


class PasswordMissing(GameError):
    """No password was given."""

    code = "PASSWORD_MISSING"
    kind = Kind.INVALID


class NotConfirmed(GameError):
    """It was not confirmed, and nothing was done."""

    code = "NOT_CONFIRMED"


class NoSuchPiece(GameError):
    """No unique item of this id ever came into the world."""

    code = "NO_SUCH_PIECE"
    kind = Kind.NOT_FOUND
    item_uid: str


class NameInSeveralWorlds(GameError):
    """Characters of this name live in several worlds."""

    code = "NAME_IN_SEVERAL_WORLDS"
    kind = Kind.INVALID
    name: str
    worlds: str


class FileRefused(GameError):
    """The file cannot be used."""

    code = "FILE_REFUSED"
    file: str
    problem: str


class PackRefused(GameError):
    """The pack has faults; none of it was taken."""

    code = "INVALID_PACK"
    file: str
    faults: int


class NoBenchmarks(GameError):
    """The benchmarks are not part of an installation."""

    code = "NO_BENCHMARKS"


_EXITS: Final[Mapping[Kind, Exit]] = {
    Kind.INVALID: Exit.USAGE,
    Kind.BUSY: Exit.LOCKED,
    Kind.TOO_OFTEN: Exit.LOCKED,
    Kind.UNAVAILABLE: Exit.UNREACHABLE,
    Kind.INTERNAL: Exit.UNEXPECTED,
}
"""Whatever is not here was refused."""

_HINTS: Final[Mapping[str, str]] = {
    "INVALID_ARGUMENT": "Correct what the path names: an argument, a setting in gamekeeper.toml, or GAMEKEEPER_<NAME> in the environment.",
    "STORE_UNAVAILABLE": "Is --url right, and the database there? `gamekeeper dev` makes a new world in an empty folder.",
    "NO_SERVER": "Start one with `gamekeeper dev` in this or another folder, or say with --url where it is.",
    "NO_KEYS": "Run this in the folder where `gamekeeper dev` was started, or give --key-file; `gamekeeper key create` makes a key.",
    "SERVER_REFUSED": "The server's log says more. Was the key revoked, or is the server another one?",
    "NOT_ON_LOOPBACK": "Put a proxy with TLS in front of it and say --behind-proxy, or let it listen on 127.0.0.1.",
    "NO_FREE_PORT": "Give another one with --port.",
    "SECRET_MISSING": "Set GAMEKEEPER_SECRET_KEY or name the settings with --config; or start in an empty folder for a new world.",
    "NO_SECRET": "Put secret_key into gamekeeper.toml and start the server again, or take the link that it prints when it starts.",
    "PASSWORD_MISSING": "Give it with --password-file FILE, or as GAMEKEEPER_PASSWORD in the environment.",
    "INVALID_PACK": "Mend the faults above; a pack is taken whole or not at all.",
    "DEFINITION_TAKEN": "Rename it in this pack, take it out of the other one, or load this one into a world without it: "
    "`gamekeeper dev --empty` in an empty folder makes one.",
    "REFERENCE_UNKNOWN": "Load the pack that defines it first, or correct what the path names.",
    "DEFINITION_NEEDED": "Leave it in this pack, or take out of the other one what names it.",
    "NO_BENCHMARKS": "They are in the repository: clone it and run `make bench`.",
    "NAME_TAKEN": "Choose another name.",
    "NAME_INVALID": "Choose another name: 3 to 32 letters, digits, or _ - . between them; for a character 2 to 40, and spaces too.",
    "OWNER_LEASED": "Wait until the game server that holds it lets go of it, or stop that one.",
    "BUSY": "Try again in a moment.",
    "SESSION_NOT_FOUND": "`gamekeeper token list USER` shows the sessions with their ids.",
    "NOT_CONFIRMED": "Answer with y, or give --yes.",
    "DELETION_NOT_DUE": "The user asks for it first (users.request_deletion; --by-letter for one who asked outside of the game). "
    "--early does not wait for the 30 days after that.",
    "API_KEY_NOT_FOUND": "`gamekeeper key list` shows the keys with their ids.",
    "CHARACTER_NOT_FOUND": "`gamekeeper character list` shows who is there; a deleted one has only its id.",
    "NAME_IN_SEVERAL_WORLDS": "Say with --in which world is meant, or give the character's id.",
    "UNKNOWN_ITEM": "`gamekeeper content list` shows what is defined; items go by their ids.",
    "INVENTORY_FULL": "Give it with --container bank:0, or less of it.",
    "NO_SUCH_PIECE": "`gamekeeper item find ITEM` lists the unique pieces of an item with their ids.",
    "USER_NOT_FOUND": "Was the name spelt as at `gamekeeper user create`?",
}
_OTHERWISE: Final[Mapping[Kind, str]] = {
    Kind.INVALID: "Run the verb with --help to see what it takes.",
    Kind.UNAVAILABLE: "Try again, or look into the log of the database.",
    Kind.BUSY: "Try again in a moment.",
    Kind.TOO_OFTEN: "Try again after the time that it says.",
    Kind.STALE: "Look again, and repeat it if it is still wanted.",
    Kind.INTERNAL: "Run it again with --debug, and report what it says.",
}
_LAST_WORD: Final = "Nothing was changed; the message names the reason."
_LOCKED: Final = re.compile(r"\b(locked|lock timeout|deadlock)\b")
"""How SQLite and PostgreSQL say that somebody else was there first."""
_PASSWORD_IN_URL: Final = re.compile(r"(\w+://[^\s/:@]*):[^\s@]*@")


def exit_code(error: GameError) -> Exit:
    """Give the exit code of an error.

    >>> from gamekeeper.errors import NameTaken, StoreUnavailable
    >>> exit_code(NameTaken(name="ada")).name, exit_code(StoreUnavailable(problem="no such host")).name
    ('REFUSED', 'UNREACHABLE')
    >>> exit_code(StoreUnavailable(problem="database is locked")).name
    'LOCKED'
    """
    if error.code == "OWNER_LEASED" or _was_locked(error):
        return Exit.LOCKED
    return _EXITS.get(error.kind, Exit.REFUSED)


def _was_locked(error: GameError) -> bool:
    """Whether the database was there, but another process held it for too long."""
    if error.code != "STORE_UNAVAILABLE":
        return False
    return type(error.__cause__).__name__ == "TryAgain" or _LOCKED.search(str(error.facts.get("problem"))) is not None


def described(error: GameError) -> str:
    """Give the two lines: the code with its message and facts, and what to do.

    >>> from gamekeeper.errors import NameTaken
    >>> print(described(NameTaken(name="ada")))
    NAME_TAKEN: The name belongs to someone else. (name: ada)
      Choose another name.
    """
    facts = "; ".join(f"{name}: {value}" for name, value in error.facts.items() if value not in ("", None, [], ()))
    line = f"{error.code}: {error.message}" + (f" ({facts})" if facts else "")
    return f"{redacted(line)}\n  {hint(error)}"


def hint(error: GameError) -> str:
    """Say in one line what to do."""
    if _was_locked(error):
        return "Another process writes to the database; try again when it is done."
    return _HINTS.get(error.code) or _OTHERWISE.get(error.kind, _LAST_WORD)


def redacted(text: str) -> str:
    """Take the password out of every URL.

    >>> redacted("postgresql://ada:secret@db.example/world")
    'postgresql://ada:***@db.example/world'
    """
    return _PASSWORD_IN_URL.sub(r"\1:***@", text)


def warn(text: str) -> None:
    """Say something to people, which no program reads."""
    print(text, file=sys.stderr, flush=True)

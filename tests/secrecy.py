"""P34 for every test there is: what was issued or typed as a secret stands in no file of a database and in no log afterwards.

A recorder at the few doors that secrets pass notes them: what declarations mark as secret in calls and answers, each password that is
hashed or checked, each random token that is made, the keys of each keep. Behind every test, before its database goes, its SQLite file
with the write-ahead log, what PostgreSQL wrote into its own and into its log, and what the program said are searched. A token is also
known by its looks, so that those made in other processes are found too. A hit fails the test that left it. Redis keeps nothing on disk.
"""

import base64
import binascii
import contextlib
import functools
import logging
import re
import secrets
import struct
import time
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import asyncpg
import msgspec
import pytest

from gamekeeper.keep import Keep
from gamekeeper.kernel.commands import Operation
from gamekeeper.modules.users import passwords
from tests.crash.raw import file_of
from tests.server.issued import forms, has_secrets, secret_arguments, secrets_in
from tests.servers import TemporaryPostgres
from tests.worlds import SharedDatabase

SHORTEST = 12
"""Shorter texts would be found by chance: passwords of the tests are longer, tokens much longer."""
FEWEST_LETTERS = 6
"""Of how many different letters a secret is; `"k" * 32` would be found by chance as well."""
RANDOM_LETTERS = 16
"""Of how many a token is: all that are made are, and hardly one that somebody writes by hand."""
TOKEN = re.compile(rb"gk[a-z]_[A-Za-z0-9_-]{43}")
HEX = re.compile(rb"[0-9a-fA-F]{24,}")
BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")
STANDARD = bytes.maketrans(b"-_", b"+/")
BETWEEN_WORDS = bytes(one if one in BASE64 else ord(" ") for one in range(256))
"""Leaves the letters of base64 in both alphabets, of which those of hex are some."""
SHORTEST_WORD = 20
CLIENTS = ("httpx", "httpcore", "hypothesis", "tests")
"""Loggers that are not the program's: clients live in the same process and write what they ask for."""
LOOKED_UP = ("sessions.by_token", "sessions.by_key")
"""What these are asked for was noted when it was made, or it never was a secret."""
KEPT_IN_CLEAR = ("chat", "moderation")
"""Modules that mark texts as secret to keep them out of the journal only; of their arguments `issued` knows which."""
LONG_ROW = 2_000
"""From this length on PostgreSQL may keep a row compressed, so that its write-ahead log does not show it."""
DATABASE_FILES = (".db", ".db-wal", ".db-journal", ".log", ".sqlite")
FIRST_OWN = 16_384
"""The number of PostgreSQL's first file that holds a table which somebody has made."""
SEGMENT_NAME = re.compile(r"[0-9A-F]{24}")
SEGMENT, PAGE, HEAD, FIRST_HEAD = 16 * 1024 * 1024, 8192, 24, 40

OVERHEARD = bytearray()
"""What servers in processes of their own have said since the last test."""


# What to look for, and in what


def is_telling(secret: str) -> bool:
    """Say whether a secret is long and odd enough to be no other text.

    >>> is_telling("correct horse battery"), is_telling("k" * 32), is_telling("hunter2")
    (True, False, False)
    """
    return len(secret) >= SHORTEST and len(set(secret)) >= FEWEST_LETTERS


def spellings(secret: str) -> set[bytes]:
    """Give the texts by which a secret could stand somewhere; encoded ones are not among them, for what is searched is decoded.

    >>> b"it%27s%20secret" in spellings("it's secret")
    True
    """
    found = {text for form, text in forms(secret).items() if not form.startswith(("hex", "base64", "UTF-16"))}
    found.add(secret.encode("utf-16-le", "surrogatepass").translate(None, b"\0"))
    if TOKEN.fullmatch(secret.encode("utf-8", "surrogatepass")):
        found.add(base64.urlsafe_b64decode(secret[4:] + "="))
    return found


def searchable(data: bytes) -> bytes:
    """Give bytes in a form in which texts are found: without NULs, which UTF-16 and pages are full of, and once more decoded.

    >>> b"a secret" in searchable("a secret".encode("utf-16-le")), b"a long secret" in searchable(b"<" + b"a long secret".hex().encode())
    (True, True)
    """
    text = data.translate(None, b"\0")
    return b"\n".join([text, *_decoded(text)])


def _decoded(text: bytes) -> Iterator[bytes]:
    for word in {one for one in text.translate(BETWEEN_WORDS).split() if len(one) >= SHORTEST_WORD}:
        for run in HEX.findall(word):
            for start in range(2):
                yield binascii.unhexlify(run[start : start + (len(run) - start) // 2 * 2])
        if not word.islower():  # names of columns are
            standard = word.translate(STANDARD)
            for start in range(4):
                # One letter alone is no byte; of two and three the padding stands elsewhere, or nowhere.
                yield binascii.a2b_base64(standard[start : len(word) - ((len(word) - start) % 4 == 1)] + b"==")


class WriteAheadLog:
    """What a PostgreSQL has written into its write-ahead log since it was read last, page by page from its own files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._at = 0

    def read(self) -> bytes:
        """Read on to the end; whatever was committed is there, and the page that is not full is read again next time."""
        found = bytearray()
        while (path := self._segment()) is not None:
            with path.open("rb") as segment:
                while page := self._page(segment, self._at):
                    found += page[HEAD if self._at % SEGMENT else FIRST_HEAD :]
                    self._at += PAGE
                    if self._at % SEGMENT == 0:
                        break
            if self._at % SEGMENT == 0:
                if not self._goes_on(self._at):
                    break
            elif self._goes_on(following := (self._at // SEGMENT + 1) * SEGMENT):
                self._at = following  # the rest of the file was left empty
            else:
                self._at -= PAGE
                break
        return bytes(found)

    def _page(self, segment: BinaryIO, address: int) -> bytes:
        """Give a page; nothing if it is one of an earlier address, for files are used again."""
        segment.seek(address % SEGMENT)
        page = segment.read(PAGE)
        return page if len(page) == PAGE and struct.unpack_from("<Q", page, 8)[0] == address else b""

    def _goes_on(self, address: int) -> bool:
        path = self._segment_of(address)
        if not path.exists():
            return False
        with path.open("rb") as segment:
            return self._page(segment, address) != b""

    def _segment(self) -> Path | None:
        """The file to go on with: the next one or, at the beginning and when a checkpoint was faster, the oldest that is left."""
        path = self._segment_of(self._at)
        if path.exists():
            return path
        later = sorted(one for one in self._folder.glob("0000*") if SEGMENT_NAME.fullmatch(one.name) and one.name > path.name)
        if not later:
            return None
        self._at = (int(later[0].name[8:16], 16) << 32) + int(later[0].name[16:], 16) * SEGMENT
        return later[0]

    def _segment_of(self, address: int) -> Path:
        return self._folder / f"00000001{address >> 32:08X}{(address & 0xFFFFFFFF) // SEGMENT:08X}"


# Recording


class Recorder:
    """The secrets of one test after another, each with the door that it came through."""

    def __init__(self) -> None:
        self.total = 0
        self.secrets: dict[str, str] = {}
        self._undo = pytest.MonkeyPatch()

    def note(self, secret: Any, origin: str) -> None:
        """Remember a text."""
        if isinstance(secret, str) and is_telling(secret) and secret not in self.secrets:
            self.secrets[secret] = origin
            self.total += 1

    def listen(self) -> None:
        """Stand at the doors, until `stop`."""
        tell, ask, start, plain, random_text = Keep.tell, Keep.ask, Keep.start, passwords._plain, secrets.token_urlsafe

        @functools.wraps(tell)
        async def watched_tell(keep: Keep, *calls: Any, **words: Any) -> Any:
            for call in calls:
                self._arguments(getattr(call, "command", None), getattr(call, "arguments", None))
            told = await tell(keep, *calls, **words)
            for call, result in zip(calls, told.results, strict=False):
                self._result(call.command, result)
            return told

        @functools.wraps(ask)
        async def watched_ask(keep: Keep, question: Any, **words: Any) -> Any:
            self._arguments(getattr(question, "query", None), getattr(question, "arguments", None))
            answer = await ask(keep, question, **words)
            self._result(question.query, answer)
            return answer

        @functools.wraps(start)
        async def watched_start(keep: Keep, **words: Any) -> None:
            for key in (keep.settings.secret_key, *(keep.settings.person_keys or ())):
                self.note(key, "a key of the keep")
            await start(keep, **words)

        @functools.wraps(plain)
        def watched_plain(password: str) -> bytes:
            self.note(password, "a password")
            return plain(password)

        @functools.wraps(random_text)
        def watched_random(size: int | None = None) -> str:
            made = random_text(size)
            self.note(made, "a random token")
            return made

        for place, name, watched in (
            (Keep, "tell", watched_tell),
            (Keep, "ask", watched_ask),
            (Keep, "start", watched_start),
            (passwords, "_plain", watched_plain),
            (secrets, "token_urlsafe", watched_random),
        ):
            self._undo.setattr(place, name, watched)

    def stop(self) -> None:
        """Leave the doors."""
        self._undo.undo()

    def _arguments(self, operation: Operation[Any, Any] | None, arguments: Any) -> None:
        if operation is not None and operation.name not in LOOKED_UP and _tells_secrets(operation):
            for secret in secret_arguments(operation, msgspec.to_builtins(arguments)):
                self.note(secret, f"an argument of {operation.name}")

    def _result(self, operation: Operation[Any, Any], result: Any) -> None:
        if operation.module not in KEPT_IN_CLEAR and _tells_secrets(operation):
            for secret in secrets_in(operation.result, msgspec.to_builtins(result)):
                self.note(secret, f"the answer of {operation.name}")


@functools.cache
def _tells_secrets(operation: Operation[Any, Any]) -> bool:
    # The games of tests mark what they like.
    return operation.__module__.startswith("gamekeeper.modules.") and has_secrets(operation)


class Log(logging.Handler):
    """Everything that the program logs, with what it was given and the faults."""

    def __init__(self) -> None:
        super().__init__()
        self.text = bytearray()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record, unless a client wrote it."""
        if not record.name.startswith(CLIENTS):
            self.text += f"{self.format(record)}\n{record.args!r}\n".encode("utf-8", "surrogatepass")


# Searching


def search(secrets: Mapping[str, str], places: Mapping[str, bytes]) -> list[str]:
    """Say where a secret stands, by the door that it came through; never the secret itself."""
    found = set()
    wanted = [(origin, spelling) for secret, origin in secrets.items() for spelling in spellings(secret)]
    for name, data in places.items():
        # Most tests have no secrets; decoding for the tokens of other processes alone would double the time.
        text = searchable(data) if wanted else data.translate(None, b"\0")
        found |= {f"{origin} stands in {name}" for origin, spelling in wanted if spelling in text}
        if any(len(set(one[4:])) >= RANDOM_LETTERS for one in TOKEN.findall(text)):
            found.add(f"something that looks like a token stands in {name}")
    return sorted(found)


class Secrecy:
    """The plugin: each test is followed by a search, and fails by what is found."""

    def __init__(self) -> None:
        self.recorder, self.log = Recorder(), Log()
        self._ever: dict[str, str] = {}
        """without tokens, which are known by their looks"""
        self._searched = 0
        self._seconds = 0.0
        self.shared: SharedDatabase | None = None
        self._server: TemporaryPostgres | None = None
        self._written: WriteAheadLog | None = None
        self._logged = 0

    def start(self) -> None:
        """Begin to listen."""
        self.recorder.listen()
        logging.getLogger().addHandler(self.log)

    def stop(self) -> None:
        """Listen no more."""
        self.recorder.stop()
        logging.getLogger().removeHandler(self.log)

    def follow(self, server: TemporaryPostgres) -> None:
        """Follow a server that lasts over many tests."""
        self._server = server
        self._written = WriteAheadLog(server.folder / "data" / "pg_wal")
        self._written.read()

    def leave(self) -> None:
        """Search what such a server leaves behind, once more and for all secrets, before it goes."""
        assert self._server is not None
        server, self._server = self._server, None
        server.execute("CHECKPOINT")
        places = {"PostgreSQL's log": (server.folder / "log").read_bytes()}
        for path in sorted((server.folder / "data" / "base").glob("*/*")):
            # Below are the tables of PostgreSQL itself, in each database.
            if path.name.partition("_")[0].partition(".")[0].isdigit() and int(re.split(r"[_.]", path.name)[0]) >= FIRST_OWN:
                places[f"PostgreSQL's file {path.parent.name}/{path.name}"] = path.read_bytes()
        found = self._search(self._ever, places)
        if found:
            pytest.fail("secrets stand where they must not:\n" + "\n".join(found), pytrace=False)

    def told(self) -> dict[str, int]:
        """Give what was done, in whole numbers, which can be added up."""
        return {
            "secrets": self.recorder.total,
            "kilobytes": self._searched // 1024,
            "milliseconds": round(self._seconds * 1000),
        }

    def _search(self, secrets: Mapping[str, str], places: Mapping[str, bytes]) -> list[str]:
        began = time.perf_counter()
        found = search(secrets, places)
        self._searched += sum(map(len, places.values()))
        self._seconds += time.perf_counter() - began
        return found

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, None, None]:
        """Search before the fixtures take everything away, and complain after they have."""
        began = time.perf_counter()
        noted, self.recorder.secrets = self.recorder.secrets, {}
        places = self.places(item, thorough=bool(noted))
        self._seconds += time.perf_counter() - began
        found = self._search(noted, places)
        self._ever |= {secret: origin for secret, origin in noted.items() if not TOKEN.match(secret.encode("utf-8", "surrogatepass"))}
        yield
        if found and item.get_closest_marker("plants_secrets") is None:
            pytest.fail("secrets stand where they must not:\n" + "\n".join(found), pytrace=False)

    def places(self, item: pytest.Item, *, thorough: bool = True) -> dict[str, bytes]:
        """Read whatever a test may have left a secret in, and take what was written since the last time."""
        return {name: data for name, data in self._places(item, thorough=thorough) if data}

    def _places(self, item: pytest.Item, *, thorough: bool) -> Iterator[tuple[str, bytes]]:
        known: dict[str, Any] = getattr(item, "funcargs", None) or {}
        yield "the program's log", bytes(self.log.text)
        yield "what servers said", bytes(OVERHEARD)
        self.log.text.clear()
        OVERHEARD.clear()
        for _, kind, text in item._report_sections:
            if kind != "log":  # the same as above, with that of the clients
                yield f"what was printed ({kind})", text.encode("utf-8", "surrogatepass")
        url = str(known.get("database_url"))
        folders = {known.get("tmp_path"), Path(file_of(url)).parent if url.startswith("sqlite") else None}
        for folder in (one for one in folders if isinstance(one, Path)):
            for path in sorted(folder.rglob("*")):
                if path.name.endswith(DATABASE_FILES) and path.is_file():
                    yield path.name, path.read_bytes()
        if self._server is not None and self._written is not None:
            yield "PostgreSQL's write-ahead log", self._written.read()
            yield "PostgreSQL's log", self._newly_logged(self._server.folder / "log")
            if thorough and self.shared is not None and url == self.shared.url:
                with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):  # some tests break connections
                    yield "PostgreSQL's longer rows", _long_rows(self.shared)

    def _newly_logged(self, path: Path) -> bytes:
        with path.open("rb") as log:
            log.seek(self._logged)
            text = log.read()
            self._logged = log.tell()
        return text


def _long_rows(database: SharedDatabase) -> bytes:
    """Give the rows that PostgreSQL may keep compressed."""
    names = database.fetch(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0"
    )
    parts = [f'SELECT t::text FROM "{one[0]}" t WHERE length(t::text) > {LONG_ROW}' for one in names]
    return "\n".join(row[0] for row in database.fetch(" UNION ALL ".join(parts))).encode() if parts else b""

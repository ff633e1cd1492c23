"""Settings: `gamekeeper.toml`, then the environment, then flags; the later one wins.

Every setting can be given as `GAMEKEEPER_<NAME>` in the environment.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from gamekeeper.errors import InvalidArgument

FILE = "gamekeeper.toml"
PREFIX = "GAMEKEEPER_"
LISTS = frozenset({"modules", "person_keys"})
"""Settings that the environment gives with commas between."""

Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Count = Annotated[int, Meta(ge=1, le=100_000_000)]


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator may set."""

    url: str = "sqlite:///world.db"
    """`sqlite:///PATH` or `postgresql://...`"""
    secret_key: Annotated[str, Meta(min_length=32, max_length=512)] | None = None
    """keys the journal's chains, wraps people's data keys; keep it apart from the database"""
    person_keys: tuple[Annotated[str, Meta(min_length=32, max_length=512)], ...] = ()
    """keys for digests and seals of e-mail addresses, the newest first, each kept until nothing uses it; `secret_key` when empty"""
    modules: tuple[str, ...] = ()
    """a game's own Python modules with records and commands"""
    pool_size: Annotated[int, Meta(ge=2, le=200)] = 8
    """connections to PostgreSQL per process"""
    overlap: Annotated[int, Meta(ge=1, le=16)] | None = None
    """batches that run at once; the store's own default when unset"""
    cache_rows: Count = 500_000
    """rows of owners kept in memory"""
    max_queue: Count = 10_000
    """commands that may wait; past it callers are told BUSY"""
    max_batch: Annotated[int, Meta(ge=1, le=10_000)] = 256
    """commands in one transaction at the most"""
    checkpoint_seconds: Seconds = 5.0
    """how much checkpoint state a crash may cost"""
    lease_seconds: Seconds = 30.0
    """how long a lease lasts without renewal"""
    deadline_seconds: Seconds = 20.0
    """how long a command is tried again after faults of the database"""
    statement_timeout_seconds: Seconds = 5.0
    """how long PostgreSQL may work on one statement, and how long a free connection is waited for"""
    lock_timeout_seconds: Seconds = 2.0
    """how long PostgreSQL waits for an owner's lock before the batch is tried again"""
    busy_timeout_seconds: Seconds = 5.0
    """how long SQLite waits for another process's write"""
    allow_unsafe_postgres: bool = False
    """run on a server with fsync or full_page_writes off; for tests only"""
    host: str = "127.0.0.1"
    """the address that the server listens on"""
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8420
    """the port that the server listens on; 0 takes a free one"""


def load_settings(
    path: Path | None = None, *, environment: Mapping[str, str] | None = None, flags: Mapping[str, Any] | None = None
) -> Settings:
    """The settings from a file (when it is there), the environment and flags.

    Raises: INVALID_ARGUMENT with the file or variable as the path.
    """
    values: dict[str, Any] = {}
    file = path or Path(FILE)
    if file.exists():
        try:
            values |= tomllib.loads(file.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InvalidArgument(path=str(file), problem=str(error)) from None
    values |= _from_environment(os.environ if environment is None else environment)
    values |= {name: value for name, value in (flags or {}).items() if value is not None}
    return settings_from(values)


def settings_from(values: Mapping[str, Any]) -> Settings:
    """Settings from plain values.

    Raises: INVALID_ARGUMENT.
    """
    try:
        return msgspec.convert(dict(values), Settings, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidArgument(path=FILE, problem=str(error)) from None


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in Settings.__struct_fields__:
        value = environment.get(PREFIX + name.upper())
        if value is not None:
            found[name] = [part for part in value.split(",") if part] if name in LISTS else value
    return found

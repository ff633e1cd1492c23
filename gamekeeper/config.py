"""Settings: `gamekeeper.toml`, then the environment, then flags; the later one wins.

Every setting can be given as `GAMEKEEPER_<NAME>` in the environment.
"""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from gamekeeper.errors import InvalidArgument, invalid_argument

FILE = "gamekeeper.toml"
PREFIX = "GAMEKEEPER_"
LISTS = frozenset({"modules", "oidc_return_to", "person_keys", "trusted_proxies"})
"""Settings that the environment gives with commas between."""
DOCUMENTS = frozenset({"oidc_providers"})
"""Settings that the environment gives as JSON."""

Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Count = Annotated[int, Meta(ge=1, le=100_000_000)]


class OidcProvider(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An OpenID Connect issuer that players may log in with."""

    id: Annotated[str, Meta(max_length=32, pattern=r"^[a-z][a-z0-9_\-]*(?!\n)$")]
    """its name in paths and among users' accounts; never to be given to another issuer"""
    issuer: Annotated[str, Meta(max_length=512)]
    """as its discovery document and its tokens write it; `https://`, or on this machine `http://`"""
    client_id: Annotated[str, Meta(min_length=1, max_length=512)]
    """what the issuer calls this game"""
    client_secret: Annotated[str, Meta(min_length=1, max_length=2048)] | None = None
    """what it gave the game to prove itself; without one the game is a public client"""
    scopes: tuple[Annotated[str, Meta(max_length=128, pattern=r"^[\x21\x23-\x5b\x5d-\x7e]+(?!\n)$")], ...] = ("openid", "profile", "email")
    """what is asked for; `openid` is always among it"""
    hosts: tuple[Annotated[str, Meta(max_length=255)], ...] = ()
    """other hosts than the issuer's own that its discovery document may send the server to"""
    keep_tokens: tuple[Literal["access_token", "refresh_token", "id_token"], ...] = ()
    """which of the issuer's tokens are kept, sealed, for a game that calls the issuer in its players' names"""

    def __repr__(self) -> str:
        return f"OidcProvider({self.id!r})"  # what has a secret in it is not shown


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator may set."""

    def __repr__(self) -> str:
        return "Settings(...)"  # what has secrets in it is not shown

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
    keep_emails: bool = False
    """whether e-mail addresses are kept, sealed, for a game that sends mail; without it only what they hash to"""
    session_minutes: Annotated[int, Meta(ge=1, le=525_600)] = 480
    """how long a session lasts without activity"""
    session_days: Annotated[int, Meta(ge=1, le=365)] = 30
    """how long a session lasts at the most"""
    sessions_per_user: Annotated[int, Meta(ge=1, le=100)] = 20
    """how many sessions of one user may be open; with 1 each login ends the one before"""
    access_minutes: Annotated[int, Meta(ge=1, le=1_440)] = 15
    """how long the token of a long-lived session is good, until it is refreshed"""
    refresh_days: Annotated[int, Meta(ge=1, le=365)] = 30
    """how long a refresh token is good"""
    refresh_idle_days: Annotated[int, Meta(ge=1, le=365)] = 7
    """how long a long-lived session lasts without being refreshed; the smaller of this and `refresh_days` counts"""
    long_session_days: Annotated[int, Meta(ge=1, le=365)] = 90
    """how long a long-lived session lasts at the most"""
    password_memory_kib: Annotated[int, Meta(ge=19 * 1024, le=1024 * 1024)] = 19 * 1024
    """how much memory hashing one password takes (Argon2id); until those who have an account have logged in once after a change, the time
    that a refusal takes tells strangers whose password still has the old cost"""
    password_passes: Annotated[int, Meta(ge=2, le=20)] = 2
    """how often hashing a password goes over that memory"""
    expansion_base_slots: Annotated[int, Meta(ge=1, le=1_000)] = 20
    """slots of an inventory of expansion level 0; one that was never expanded has 28"""
    expansion_step_slots: Annotated[int, Meta(ge=1, le=90)] = 10
    """slots that each further expansion level of an inventory adds"""
    drop_protection_seconds: Annotated[int, Meta(ge=0, le=86_400)] = 60
    """how long only its owner sees and takes what has fallen to the ground"""
    drop_seconds: Annotated[int, Meta(ge=1, le=604_800)] = 180
    """how long what somebody drops lies on the ground"""
    death_drop_seconds: Annotated[int, Meta(ge=1, le=604_800)] = 3_600
    """how long what the dead leave lies on the ground"""
    gravestone_seconds: Annotated[int, Meta(ge=1, le=604_800)] = 900
    """how long a gravestone stands before what is in it falls to the ground"""
    death_keeps: Annotated[int, Meta(ge=0, le=28)] = 3
    """how many of its most valuable things a character keeps that dies where it is safe"""
    prayer_toggle_ms: Annotated[int, Meta(ge=0, le=60_000)] = 100
    """how long a character waits between two beginnings or ends of prayers"""
    prayer_toggles_per_second: Annotated[int, Meta(ge=0, le=1_000)] = 5
    """how many prayers a character may begin or end in a second; 0 sets no limit"""
    xp_curve: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}(?!\n)$")] = "solo"
    """the curve of characters' levels, which follow from all their experience; `solo` is there without a pack"""
    play_session_timeout_seconds: Annotated[int, Meta(ge=30, le=86_400)] = 300
    """how long a play session lasts of whose character nothing is heard"""
    play_activity_seconds: Annotated[int, Meta(ge=0, le=3_600)] = 60
    """how old the stored activity of a character may be before a newer one is written; at the most half of the timeout"""
    play_session_days: Annotated[int, Meta(ge=1, le=36_500)] | None = None
    """how long a play session that has ended is kept; for ever when unset"""
    run_jobs: bool = True
    """whether a server runs jobs beside serving; `gamekeeper jobs work` always does"""
    job_poll_seconds: Seconds = 5.0
    """how often a process looks whether a job is due"""
    job_history_days: Annotated[int, Meta(ge=1, le=3_650)] = 30
    """how long it is remembered how jobs went"""
    chat_days: Annotated[int, Meta(ge=1, le=3_650)] | None = None
    """how long what was said is kept; for ever when unset"""
    answer_days: Annotated[int, Meta(ge=1, le=3_650)] = 30
    """how long an answer is kept under its idempotency key; a retry that comes later is only told that it was done"""
    key_days: Annotated[int, Meta(ge=1, le=36_500)] | None = None
    """how long idempotency keys themselves are kept; for ever when unset, for a retry that comes later is done once more"""
    day_grace_minutes: Annotated[int, Meta(ge=0, le=720)] = 15
    """how long after local midnight a day is still open, for what comes late"""
    streak_core_quests: Annotated[int, Meta(ge=1, le=64)] = 3
    """how many core quests carry a streak on; all of them where there are fewer"""
    debuff_missed_quests: Annotated[int, Meta(ge=1, le=64)] = 2
    """how many missed core quests of a day bring a debuff"""
    debuff_hours: Annotated[int, Meta(ge=1, le=720)] = 24
    """how long a debuff lasts; it is not renewed while it does"""
    grace_token_days: Annotated[int, Meta(ge=1, le=366)] = 7
    """days of a streak that bring a grace token"""
    grace_tokens_most: Annotated[int, Meta(ge=0, le=100)] = 3
    """how many grace tokens a character may have"""
    grace_hours: Annotated[int, Meta(ge=1, le=168)] = 24
    """how long after it broke a streak can be mended with a grace token"""
    host: str = "127.0.0.1"
    """the address that the server listens on"""
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8420
    """the port that the server listens on; 0 takes a free one"""
    trusted_proxies: tuple[Annotated[str, Meta(max_length=64)], ...] = ()
    """networks like `10.0.0.0/8` of proxies whose X-Forwarded-For is believed"""
    guesses_per_account: Count = 10
    """how often in 15 minutes a password of one account may be tried, by strangers and from each address that it is known at"""
    guesses_per_address: Count = 100
    """how often in an hour one network (/24, or /64 of IPv6) may try passwords, register and the like: each of these so often"""
    guests_per_address: Count = 30
    """how many guests one network may make in an hour"""
    sign_ins_per_address: Count = 300
    """how often in an hour one network may begin to log in by OpenID Connect, come back from it, redeem a code: each so often"""
    refresh_failures_per_address: Count = 100
    """how often in an hour one network may bring a refresh token that is worth nothing, to each process; good ones do not count"""
    guesses_per_second: Count = 50
    """how often all strangers together may do these things; ten seconds' worth at once"""
    calls_per_second: Count = 50
    """calls of one session, or of one network without one, in each process of the server"""
    calls_burst: Count = 200
    """how many of these calls may come at once"""
    max_requests: Annotated[int, Meta(ge=1, le=1_000_000)] = 1_000
    """requests under way at once in each process of the server; past it callers are told BUSY"""
    max_connections: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    """open connections of each process of the server; past it new ones are closed at once"""
    request_seconds: Annotated[float, Meta(ge=1, le=3_600)] = 30.0
    """how long a request may take, from its first header to the last byte of the answer"""
    keep_alive_seconds: Annotated[int, Meta(ge=1, le=3_600)] = 15
    """how long a connection may rest between two requests; behind a proxy longer than the proxy's own"""
    shutdown_seconds: Annotated[int, Meta(ge=1, le=3_600)] = 20
    """how long requests may still run once the server was told to stop"""
    redis_url: Annotated[str, Meta(max_length=512)] | None = None
    """`redis://HOST`, `rediss://HOST` or `unix://PATH`: spares the database what the limits on guessing refuse, and with
    a `secret_key` what another process has just read of a character; nothing that it says or forgets changes an answer"""
    public_url: Annotated[str, Meta(max_length=512)] | None = None
    """where browsers reach the server, as `https://game.example`; needed for logging in by OpenID Connect"""
    oidc_providers: tuple[OidcProvider, ...] = ()
    """the issuers that players may log in with by OpenID Connect; in the environment as JSON"""
    oidc_return_to: tuple[Annotated[str, Meta(max_length=512)], ...] = ()
    """addresses outside of the server that a login may return to, each in full; paths of the server always may"""

    def without_secrets(self) -> Settings:
        """The same without the keys and the database's address, which may hold a password: for the eyes of modules."""
        return replace(self, url="", redis_url=None, secret_key=None, person_keys=(), oidc_providers=())


def load_settings(
    path: Path | None = None, *, environment: Mapping[str, str] | None = None, flags: Mapping[str, Any] | None = None
) -> Settings:
    """The settings from a file (when it is there), the environment and flags.

    Raises: INVALID_ARGUMENT with the setting, or what cannot be read, as the path.
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
        made = msgspec.convert(dict(values), Settings, strict=False)
    except msgspec.ValidationError as error:
        raise invalid_argument(str(error)) from None
    for name in Settings.__struct_fields__:
        value = getattr(made, name)
        if isinstance(value, float) and not math.isfinite(value):
            # No bound keeps out what is neither more nor less than it.
            raise InvalidArgument(path=f"/{name}", problem="a number must be finite")
    return made


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in Settings.__struct_fields__:
        value = environment.get(PREFIX + name.upper())
        if value is not None:
            found[name] = _value(name, value)
    return found


def _value(name: str, text: str) -> Any:
    if name in LISTS:
        return [part for part in text.split(",") if part]
    if name in DOCUMENTS:
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            raise InvalidArgument(path=PREFIX + name.upper(), problem="JSON is expected") from None
    return text

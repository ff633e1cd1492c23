"""What is stored of sessions and API keys. The tokens themselves are not: only what they hash to."""

from typing import Annotated

from msgspec import Meta

from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.records import Amount, EpochMs, Key, Personal, Record, Secret
from gamekeeper.modules import users

ClientType = Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9_\-]+(?!\n)$", description="web, tui, unity ...")]
IpAddress = Personal[Annotated[str, Meta(min_length=2, max_length=45)]]
LoginName = Annotated[str, Meta(min_length=1, max_length=320, description="a user name, or a verified e-mail address")]
UserAgent = Personal[Annotated[str, Meta(max_length=512)]]
TokenHash = Secret[Annotated[str, Meta(max_length=64, description="SHA-256 of the token, in hex")]]
Salt = Secret[Annotated[str, Meta(max_length=64, description="random, in hex")]]
KeyName = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+(?!\n)$", description="what the key is for")]
Scope = Annotated[
    str, Meta(max_length=64, pattern=r"^(\*|[a-z][a-z0-9_]*\.(\*|[a-z][a-z0-9_]*))(?!\n)$", description="*, items.* or items.grant")
]
Scopes = Annotated[list[Scope], Meta(max_length=64)]


class Session(
    Record,
    table="sessions",
    unique=(("token_hash",),),
    indexes=(("expires_at",), ("session_id",)),
    checks=(
        "(character_id IS NULL) = (world_id IS NULL)",
        "expires_at <= absolute_expires_at",
        "refreshable_until <= absolute_expires_at",
        "client_type = lower(client_type)",
    ),
):
    """Somebody's being logged in somewhere. `expires_at` slides with activity, `absolute_expires_at` does not.

    A long-lived one has a short `expires_at` and a refresh token, which is good until `refreshable_until`. `role` is the user's
    as it was at the beginning: a session never gains rights that came later.
    """

    user_id: Key[users.UserId]
    session_id: Key[Id]
    token_hash: TokenHash
    created_at: EpochMs
    last_activity_at: EpochMs
    expires_at: EpochMs
    absolute_expires_at: EpochMs
    client_type: ClientType = "unknown"
    ip_address: IpAddress | None = None
    user_agent: UserAgent | None = None
    character_id: Id | None = None
    world_id: Id | None = None
    revoked_at: EpochMs | None = None
    role: users.Role = "player"
    refreshable_until: EpochMs | None = None


class RefreshToken(Record, table="refresh_tokens", unique=(("family_hash",),)):
    """The refresh token of a long-lived session: one row for its whole family, of which only the last one made is good.

    All tokens of a family begin with the same secret, so that one that is neither the last nor the one before is known for what
    it is, a copy, without a row for each that ever was. `salt` tells the successor of the one before once more, to whoever has it.
    Whether the session may still be refreshed stands in the session alone.
    """

    user_id: Key[users.UserId]
    session_id: Key[Id]
    family_hash: TokenHash
    token_hash: TokenHash
    created_at: EpochMs
    rotated_at: EpochMs
    rotations: Amount = 0
    before_hash: TokenHash | None = None
    salt: Salt | None = None


class ApiKey(Record, table="api_keys", unique=(("key_hash",),)):
    """The right of a game server or a tool to call commands and queries within its scopes, in the name of its owner."""

    user_id: Key[users.UserId]
    key_id: Key[Id]
    name: KeyName
    key_hash: TokenHash
    scopes: Scopes
    created_at: EpochMs
    last_used_at: EpochMs | None = None
    revoked_at: EpochMs | None = None
    expires_at: EpochMs | None = None

"""What is stored of users: who somebody is, and no fact of the game."""

from typing import Annotated, Literal

from msgspec import Meta

from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.records import EpochMs, Key, OwnedBy, Personal, Record, Secret

from .errors import UserNotFound

UserId = Annotated[Id, OwnedBy("user", missing=UserNotFound)]
NewUserId = Annotated[Id, OwnedBy("user", creates=True)]

Role = Literal["player", "worldbuilder", "moderator", "admin", "superuser"]
AccountOrigin = Annotated[str, Meta(min_length=1, max_length=32, description="how the account came to be: registered, visitor ...")]
TimeZone = Annotated[str, Meta(min_length=1, max_length=64, description="a name of the IANA time zone database")]
Username = Annotated[str, Meta(min_length=1, max_length=96, description="3 to 32 characters once normalized")]
"""Wide enough for text that normalization shortens; the rules for names measure what remains."""
Email = Personal[Annotated[str, Meta(min_length=1, max_length=320, description="an e-mail address")]]
EmailHash = Annotated[str, Meta(max_length=80, description="a key's id, a colon, and an HMAC-SHA-256 in hex")]
TokenHash = Secret[Annotated[str, Meta(max_length=64, description="SHA-256 of the token, in hex")]]
Purpose = Literal["email", "reset"]


class User(Record, table="users", indexes=(("username_key",), ("deletion_requested_at",), ("guest_expires_at",))):
    """A person's account. `username_key` is the folded name, unique through the registry of claims.

    `email_hash` is unique through it too, but only once it is verified. Sessions opened up to `sessions_valid_from` have ended,
    but for the kept one.
    """

    user_id: Key[UserId]
    username: Personal[Annotated[str, Meta(max_length=32)]]
    username_key: Personal[Annotated[str, Meta(max_length=128)]]
    created_at: EpochMs
    updated_at: EpochMs
    name: Personal[Annotated[str, Meta(max_length=128)]] | None = None
    image: Personal[Annotated[str, Meta(max_length=2048)]] | None = None
    email_hash: Personal[EmailHash] | None = None
    email_sealed: Personal[Annotated[str, Meta(max_length=2048)]] | None = None
    email_verified: bool = False
    password_hash: Secret[Annotated[str, Meta(max_length=256)]] | None = None
    role: Role = "player"
    is_active: bool = True
    is_guest: bool = False
    guest_expires_at: EpochMs | None = None
    account_origin: AccountOrigin = "registered"
    timezone: TimeZone = "UTC"
    last_login_at: EpochMs | None = None
    deletion_requested_at: EpochMs | None = None
    tombstoned_at: EpochMs | None = None
    sessions_valid_from: EpochMs = 0
    kept_session_id: Id | None = None
    banned_until: EpochMs | None = None


class Verification(Record, table="verifications", unique=(("value_hash",),), indexes=(("expires_at",),)):
    """A token on its way to a person, who shows by it that they read mail sent to an address. Good once, and not for long."""

    user_id: Key[UserId]
    verification_id: Key[Id]
    purpose: Purpose
    value_hash: TokenHash
    created_at: EpochMs
    expires_at: EpochMs
    used_at: EpochMs | None = None
    email_hashes: Personal[list[EmailHash]] = []

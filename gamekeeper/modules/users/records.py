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


class User(Record, table="users", indexes=(("username_key",),)):
    """A person's account. `username_key` is the folded name, unique through the registry of claims."""

    user_id: Key[UserId]
    username: Personal[Annotated[str, Meta(max_length=32)]]
    username_key: Personal[Annotated[str, Meta(max_length=128)]]
    created_at: EpochMs
    updated_at: EpochMs
    name: Personal[Annotated[str, Meta(max_length=128)]] | None = None
    image: Personal[Annotated[str, Meta(max_length=2048)]] | None = None
    email_hash: Personal[Annotated[str, Meta(max_length=64)]] | None = None
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

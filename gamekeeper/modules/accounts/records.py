"""What is stored of linked accounts. A provider's name for somebody stands in no key: a digest of it does."""

from typing import Annotated

from msgspec import Meta, Struct

from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.records import EpochMs, Key, Personal, Record, Secret
from gamekeeper.modules import users

ProviderId = Annotated[str, Meta(max_length=32, pattern=r"^[a-z][a-z0-9_\-]*(?!\n)$", description="google, steam, our_site ...")]
Subject = Annotated[str, Meta(min_length=1, max_length=255, description="the provider's own name for the account, which never changes")]
AccountId = Annotated[str, Meta(min_length=1, max_length=80, description="a digest of provider and subject")]
DisplayName = Annotated[str, Meta(min_length=1, max_length=128)]
EmailAddress = Annotated[str, Meta(min_length=3, max_length=254, pattern=r"^[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+(?!\n)$")]
PictureUrl = Annotated[str, Meta(max_length=2048, pattern=r"^https://[^\s\x00-\x1f\x7f]+(?!\n)$")]
Token = Annotated[str, Meta(min_length=1, max_length=8192)]
TokenScope = Annotated[str, Meta(max_length=1024, description="what the tokens are good for")]
Code = Secret[Annotated[str, Meta(max_length=128)]]
Verifier = Secret[Annotated[str, Meta(max_length=128, description="what the challenge is the digest of")]]
Challenge = Secret[Annotated[str, Meta(min_length=43, max_length=43, description="SHA-256 of a verifier, in base64url without padding")]]

_Sealed = Secret[Annotated[str, Meta(max_length=45_000)]]


class Profile(Struct, frozen=True, forbid_unknown_fields=True):
    """What a provider says of a new user. Give an address only if the provider has verified it."""

    username: users.Username | None = None
    name: DisplayName | None = None
    email: EmailAddress | None = None
    picture: PictureUrl | None = None


class Tokens(Struct, frozen=True, forbid_unknown_fields=True):
    """What a provider gave for calls in the user's name; what is not given is not kept."""

    access_token: Token | None = None
    refresh_token: Token | None = None
    id_token: Token | None = None
    scope: TokenScope | None = None
    access_token_expires_at: EpochMs | None = None
    refresh_token_expires_at: EpochMs | None = None


class Account(Record, table="accounts"):
    """An account at a provider that its user may log in with; it is linked to one user, through the registry of claims."""

    user_id: Key[users.UserId]
    provider_id: Key[ProviderId]
    account_id: Key[AccountId]
    subject_sealed: Personal[Annotated[str, Meta(max_length=2048)]]
    created_at: EpochMs
    updated_at: EpochMs
    last_used_at: EpochMs
    scope: TokenScope | None = None
    access_token_sealed: _Sealed | None = None
    refresh_token_sealed: _Sealed | None = None
    id_token_sealed: _Sealed | None = None
    access_token_expires_at: EpochMs | None = None
    refresh_token_expires_at: EpochMs | None = None


class SignInCode(Record, table="sign_in_codes", unique=(("code_hash",),), indexes=(("expires_at",),)):
    """The right to open one session soon, for who knows the code and the verifier of its challenge."""

    user_id: Key[users.UserId]
    code_id: Key[Id]
    code_hash: Secret[Annotated[str, Meta(max_length=64)]]
    challenge: Challenge
    created_at: EpochMs
    expires_at: EpochMs

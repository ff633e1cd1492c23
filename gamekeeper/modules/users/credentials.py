"""What may be done about how somebody proves who they are: the password, the e-mail address, and tokens sent by mail.

Gamekeeper sends no mail. A game's server asks for a token, puts it into a letter to the address that the answer names, and its
page hands the token back by `verify_email` or `reset_password`.
"""

from typing import Annotated, Protocol

from msgspec import Meta, Struct

from gamekeeper.errors import InvalidArgument
from gamekeeper.kernel.commands import Prepared, command
from gamekeeper.kernel.ids import Id
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.records import EpochMs, Personal, Secret
from gamekeeper.kernel.workingset import Context

from . import emails, passwords, rules
from .authority import refuse_game_server
from .commands import alive
from .errors import EmailAlreadyVerified, EmailDiffers, EmailTaken, PasswordWrong, TokenInvalid, TooManyVerifications, UserNotFound
from .passwords import GivenPassword, Password
from .queries import BY_TOKEN, CLAIM_HOLDER, named
from .records import Email, EmailHash, Purpose, User, UserId, Username, Verification

Token = Secret[Annotated[str, Meta(max_length=rules.MAX_TOKEN)]]

HOUR = 3_600_000


class SentToken(Struct, frozen=True):
    """A token to be sent to an address, and told to nobody else."""

    user_id: str
    token: Secret[str]
    address: Secret[str]
    expires_at: EpochMs


class ResetToken(Struct, frozen=True):
    """A token to be sent to whom it belongs, or nothing but nulls when nobody is to get one.

    `address` is null too when the user was named by name and no verified address is kept: then the game knows where to write to.
    """

    user_id: str | None = None
    token: Secret[str] | None = None
    address: Secret[str] | None = None
    expires_at: EpochMs | None = None


# Passwords


class _Proved(Struct, frozen=True):
    """What a preparation found: by which hash the caller is who they say, what to keep of addresses, and a new hash."""

    password_hash: str | None
    keep_email: bool = False
    new_hash: str | None = None


async def proved(read: Reader, user: str, password: str | None) -> User:
    """Give a user who has shown their password, or has none to show.

    Raises: USER_NOT_FOUND, PASSWORD_WRONG, BUSY.
    """
    row = await read.get(User, user)
    if row is None or row.tombstoned_at is not None:
        raise UserNotFound(id=user)
    if row.password_hash is not None and not await passwords.verify_password(row.password_hash, password or ""):
        raise PasswordWrong
    return row


def still_proved(ctx: Context, user: str, password_hash: str | None) -> User:
    """Give the user if the password is still the one that was shown; whoever calls it lists `User` in what it touches.

    Raises: USER_NOT_FOUND, PASSWORD_WRONG.
    """
    row = alive(ctx, user)
    if row.password_hash != password_hash:
        raise PasswordWrong
    return row


def void(ctx: Context, user: str) -> None:
    """Take back the tokens that wait to be used; whoever calls it lists `Verification` in what it touches."""
    for one in ctx.rows(Verification, user):
        if one.used_at is None:
            ctx.delete(one)


class _Change(Protocol):
    """The arguments of `change_password` that its preparation needs."""

    user: str
    old_password: str
    new_password: str


async def _changed(read: Reader, arguments: _Change) -> Prepared:
    row = await proved(read, arguments.user, arguments.old_password)
    if row.password_hash is None:
        raise PasswordWrong
    passwords.check_password(arguments.new_password, row.username)
    new_hash = await passwords.hash_password(arguments.new_password, passwords.password_cost(read))
    return Prepared(found=_Proved(row.password_hash, new_hash=new_hash))


@command(touches=[User, Verification], prepare=_changed, access="player", module="users")
def change_password(
    ctx: Context, *, user: UserId, old_password: GivenPassword, new_password: Password, keep_session: Id | None = None
) -> None:
    """Give a user who knows the password another one; all sessions end but `keep_session`, and all tokens are void.

    Sessions that are opened in the same millisecond end too. Who has no password yet, coming by a linked account, gets one by a reset.

    Raises: USER_NOT_FOUND, PASSWORD_WRONG, PASSWORD_REFUSED, BUSY.
    """
    found: _Proved = ctx.found
    row = still_proved(ctx, user, found.password_hash)
    _new_password(ctx, row, found.new_hash, keep_session)


def _new_password(ctx: Context, row: User, password_hash: str | None, kept: str | None) -> None:
    void(ctx, row.user_id)
    ctx.change(row, password_hash=password_hash, sessions_valid_from=ctx.now, kept_session_id=kept, updated_at=ctx.now)


# E-mail


class _Setting(Protocol):
    """The arguments of `set_email` that its preparation needs."""

    user: str
    password: str | None


async def _may_set(read: Reader, arguments: _Setting) -> Prepared:
    row = await proved(read, arguments.user, arguments.password)
    return Prepared(found=_Proved(row.password_hash, read.settings.keep_emails))


@command(touches=[User, Verification], prepare=_may_set, access="player", module="users")
def set_email(ctx: Context, *, user: UserId, email: Email, password: GivenPassword | None = None) -> None:
    """Note a user's e-mail address, not verified; who has a password gives it again. Tokens for the address before are void.

    The answer is the same when the address is another user's, so nobody learns whose address has an account: an address is
    claimed by verifying it, and until then it opens nothing. The user's own address, verified before, stays so.

    Raises: USER_NOT_FOUND, PASSWORD_WRONG, EMAIL_INVALID, SECRET_KEY_NEEDED, BUSY.
    """
    found: _Proved = ctx.found
    note_email(ctx, still_proved(ctx, user, found.password_hash), email, keep=found.keep_email)


def note_email(ctx: Context, row: User, email: str, *, keep: bool) -> User:
    """Note an address as a user's, not verified unless it was theirs before; `keep` it, sealed, for a game that sends mail.

    Whoever calls it lists `User` and `Verification` in what it touches.

    Raises: EMAIL_INVALID, SECRET_KEY_NEEDED.
    """
    address = emails.canonical_email(email)
    hashes = emails.email_hashes(ctx.keys, address)
    sealed = ctx.keys.seal(emails.PURPOSE, address) if keep else None
    if row.email_verified and row.email_hash in hashes:
        return ctx.change(renew_email(ctx, row, hashes[0]), email_sealed=sealed, updated_at=ctx.now)
    void(ctx, row.user_id)
    release_email(ctx, row)
    return ctx.change(row, email_hash=hashes[0], email_sealed=sealed, email_verified=False, updated_at=ctx.now)


def release_email(ctx: Context, row: User) -> None:
    """Give a user's verified address back, so that it can be verified by another; the row is the caller's to change."""
    if row.email_verified and row.email_hash is not None:
        ctx.release(rules.EMAIL_CLAIM, row.email_hash)


def renew_email(ctx: Context, row: User, newest: str) -> User:
    """Let a verified address stand under the newest key: `newest` is the first of its hashes, by `emails.email_hashes`.

    Whoever calls it lists `User` in what it touches. A key is no longer needed when everybody has logged in since.
    """
    if not row.email_verified or row.email_hash is None or row.email_hash == newest:
        return row
    ctx.release(rules.EMAIL_CLAIM, row.email_hash)
    ctx.claim(rules.EMAIL_CLAIM, newest, row.user_id)
    return ctx.change(row, email_hash=newest)


async def _token(_read: Reader, _arguments: object) -> Prepared:
    return Prepared(found=rules.new_token())


def _issue(ctx: Context, user: str, purpose: Purpose, token: str, hours: int, hashes: list[EmailHash]) -> EpochMs:
    """Store what a token hashes to; those of the same purpose that are over go."""
    for one in ctx.rows(Verification, user):
        if one.purpose == purpose and not rules.waits(one, purpose, ctx.now):
            ctx.delete(one)
    ends = ctx.now + hours * HOUR
    ctx.put(Verification(user, ctx.new_id(), purpose, rules.token_hash(token), ctx.now, ends, email_hashes=hashes))
    return ends


@command(touches=[User, Verification], prepare=_token, module="users")
def request_email_verification(ctx: Context, *, user: UserId, email: Email) -> SentToken:
    """Make a token that verifies the address which the user has set, good once and for 24 hours.

    For game servers only: who gets the token without reading mail at the address verifies what is not theirs. Send it to the
    `address` of the answer and nowhere else.

    Raises: USER_NOT_FOUND, EMAIL_INVALID, EMAIL_DIFFERS, EMAIL_ALREADY_VERIFIED, TOO_MANY_VERIFICATIONS, SECRET_KEY_NEEDED.
    """
    row = alive(ctx, user)
    address = emails.canonical_email(email)
    hashes = emails.email_hashes(ctx.keys, address)
    if row.email_hash not in hashes:
        raise EmailDiffers
    if row.email_verified:
        raise EmailAlreadyVerified
    if not rules.may_have_another(ctx.rows(Verification, user), "email", ctx.now):
        raise TooManyVerifications(limit=rules.MAX_OPEN)
    return SentToken(user, ctx.found, address, _issue(ctx, user, "email", ctx.found, rules.EMAIL_HOURS, hashes))


class _Bearer(Protocol):
    """The argument by which tokens are looked up."""

    token: str


async def _borne(read: Reader, token: str, purpose: Purpose) -> Verification:
    one = await read.one(Verification, BY_TOKEN, hash=rules.token_hash(token))
    if one is None or not rules.waits(one, purpose, read.now_ms()):
        raise TokenInvalid
    return one


def _use(ctx: Context, looked_up: Verification) -> None:
    """Mark a token as used; of two who bring it at once, one is too late."""
    one = ctx.get(Verification, looked_up.user_id, looked_up.verification_id)
    if one is None or not rules.waits(one, looked_up.purpose, ctx.now):
        raise TokenInvalid
    ctx.change(one, used_at=ctx.now)


async def _verifying(read: Reader, arguments: _Bearer) -> Prepared:
    one = await _borne(read, arguments.token, "email")
    holders = {await read.scalar(CLAIM_HOLDER, claim=rules.EMAIL_CLAIM, key=key) for key in one.email_hashes}
    if holders - {None, one.user_id}:
        raise EmailTaken
    return Prepared(found=one, owners=(one.user_id,))


@command(touches=[User, Verification], prepare=_verifying, access="public", module="users")
def verify_email(ctx: Context, *, token: Token) -> None:
    """Take an address as the user's own, for its mail was read; nobody else can verify it any longer.

    Only who read that mail is told that the address is another account's: by EMAIL_TAKEN, or by NAME_TAKEN when both do it at once.

    Raises: TOKEN_INVALID, EMAIL_TAKEN, NAME_TAKEN.
    """
    looked_up: Verification = ctx.found
    _use(ctx, looked_up)
    row = alive(ctx, looked_up.user_id)
    if row.email_hash not in looked_up.email_hashes:
        raise TokenInvalid
    if not row.email_verified:
        newest = looked_up.email_hashes[0]
        ctx.claim(rules.EMAIL_CLAIM, newest, row.user_id)
        ctx.change(row, email_hash=newest, email_verified=True, updated_at=ctx.now)


# Resets


class _Wish(Protocol):
    """The arguments of `request_reset` that its preparation needs."""

    username: str | None
    email: str | None


class _Resetting(Struct, frozen=True):
    """Who is to get a token, and where."""

    user_id: str
    token: str
    address: str | None


async def _wished(read: Reader, arguments: _Wish) -> Prepared:
    username, email = arguments.username, arguments.email
    if (username is None) == (email is None):
        raise InvalidArgument(path="/username", problem="either a username or an email")
    user = await emails.by_email(read, email) if email is not None else await named(read, username or "")
    if user is None:
        return Prepared()
    address = None
    if email is not None:
        address = emails.canonical_email(email)
    elif user.email_verified and user.email_sealed is not None:
        address = read.keys.open(emails.PURPOSE, user.email_sealed)
    return Prepared(found=_Resetting(user.user_id, rules.new_token(), address), owners=(user.user_id,))


@command(touches=[User, Verification], prepare=_wished, module="users")
def request_reset(ctx: Context, *, username: Personal[Username] | None = None, email: Email | None = None) -> ResetToken:
    """Make a token that resets a password, good once and for an hour, for the user of a name or of a verified address.

    For game servers only. Tell the player the same sentence whatever the answer, and before asking: an account that exists costs a
    write. If the answer names an `address`, send the token there and nowhere else, least of all to an address as it was
    typed. Nobody is to get one when there is no such account, it is a guest's or switched off, or three wait to be used.

    Raises: INVALID_ARGUMENT, ROLE_TOO_LOW for a game server's key and a user who is staff.
    """
    found: _Resetting | None = ctx.found
    row = None if found is None else ctx.get(User, found.user_id)
    if found is None or row is None or row.is_guest or not rules.may_act(row, ctx.now):
        return ResetToken()
    refuse_game_server(ctx, row)
    if not rules.may_have_another(ctx.rows(Verification, row.user_id), "reset", ctx.now):
        return ResetToken()
    ends = _issue(ctx, row.user_id, "reset", found.token, rules.RESET_HOURS, [])
    return ResetToken(row.user_id, found.token, found.address, ends)


class _Reset(_Bearer, Protocol):
    """The arguments of `reset_password` that its preparation needs."""

    password: str


class _NewPassword(Struct, frozen=True):
    """A token as it was looked up, and the hash of the password that it brings."""

    verification: Verification
    password_hash: str


async def _resetting(read: Reader, arguments: _Reset) -> Prepared:
    one = await _borne(read, arguments.token, "reset")
    row = await read.get(User, one.user_id)
    if row is None or row.tombstoned_at is not None:
        raise TokenInvalid
    passwords.check_password(arguments.password, row.username)
    hashed = await passwords.hash_password(arguments.password, passwords.password_cost(read))
    return Prepared(found=_NewPassword(one, hashed), owners=(one.user_id,))


@command(touches=[User, Verification], prepare=_resetting, access="public", module="users")
def reset_password(ctx: Context, *, token: Token, password: Password) -> None:
    """Give whoever brings the token of a reset another password; all sessions end, and all other tokens are void.

    Raises: TOKEN_INVALID, PASSWORD_REFUSED, BUSY.
    """
    found: _NewPassword = ctx.found
    _use(ctx, found.verification)
    row = ctx.get(User, found.verification.user_id)
    if row is None or row.tombstoned_at is not None:
        raise TokenInvalid
    _new_password(ctx, row, found.password_hash, None)

"""What may be done with linked accounts. Who calls these has checked with the provider that the account is the user's."""

from typing import Annotated, Any, Protocol

from msgspec import Meta, Struct
from msgspec.structs import asdict

from gamekeeper.errors import NameTaken
from gamekeeper.kernel.commands import Prepared, command
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.records import EpochMs, Personal, Secret
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import sessions, users

from . import rules
from .errors import AccountNotFound, AccountTaken, AlreadyLinked, GuestCannotLink, LastLoginMethod, SignInCodeInvalid, TooManyAccounts
from .queries import CODE, WITH_OLD_CODES, WithOldCodes, holder_of
from .records import Account, AccountId, Challenge, Code, Profile, ProviderId, SignInCode, Subject, Tokens, Verifier

UserLimit = Annotated[int, Meta(ge=1, le=100, description="how many users at most")]


class SignedIn(sessions.Opened, frozen=True, kw_only=True):
    """A new session of a known user or a new one. The token is told here and never again."""

    is_new: bool


class IssuedCode(Struct, frozen=True):
    """A code that opens one session. It is told here and never again."""

    user_id: str
    code: Secret[str]
    expires_at: EpochMs
    is_new: bool


class ForgottenCodes(Struct, frozen=True):
    """How many codes went, or would go, and whether there are more."""

    codes: int
    more: bool


class Linked(Struct, frozen=True):
    """The account as the user's list shows it."""

    account_id: AccountId


class _Known(Struct, frozen=True):
    """What the preparation found: a session's tokens or a code, and whose the account is, or what a new user would get."""

    given: sessions.NewTokens | str
    holder: str | None = None
    name: users.Name = users.Name("", "")
    email: str | None = None
    keep_email: bool = False


class _Arguments(Protocol):
    """The arguments that the preparations need."""

    provider: str
    subject: str
    profile: Profile | None


class _SigningIn(_Arguments, sessions.WithLength, Protocol):
    """The arguments of `sign_in` that its preparation needs."""


def _ids(keys: Any, provider: str, subject: str) -> list[str]:
    ids: list[str] = keys.fingerprints(rules.FIND, rules.subject_text(provider, subject))
    return ids


async def _name(read: Reader, username: str | None) -> users.Name:
    """Give the name of a new user: the one that was chosen, or a made-up one."""
    if username is not None:
        name = users.read_name(username, users.USERNAME_POLICY)
    else:
        made_up = await users.free_name(read, rules.PLAYER_PREFIX)
        name = users.Name(made_up, users.fold(made_up))
    await users.refuse_held_name(read, name.key)
    return name


async def _free_email(read: Reader, email: str | None) -> str | None:
    """Give an address that no user has verified. One that somebody has is no proof of who signs in, and is not kept."""
    try:
        address = None if email is None else users.canonical_email(email)
    except users.EmailInvalid:
        return None
    return None if address is None or await users.by_email(read, address) is not None else address


async def _prepared(read: Reader, arguments: _Arguments, given: sessions.NewTokens | str) -> Prepared:
    holder = await holder_of(read, arguments.provider, _ids(read.keys, arguments.provider, arguments.subject))
    if holder is not None:
        return Prepared(found=_Known(given, holder), owners=(holder,))
    profile = arguments.profile or Profile()
    name, email = await _name(read, profile.username), await _free_email(read, profile.email)
    return Prepared(found=_Known(given, None, name, email, read.settings.keep_emails))


async def _for_session(read: Reader, arguments: _SigningIn) -> Prepared:
    return await _prepared(read, arguments, sessions.new_tokens(long_lived=arguments.long_lived))


async def _for_code(read: Reader, arguments: _Arguments) -> Prepared:
    return await _prepared(read, arguments, sessions.new_token(rules.CODE_PREFIX))


@command(
    touches=[users.User, users.Verification, sessions.Session, sessions.RefreshToken, Account],
    prepare=_for_session,
    prepares_again=(NameTaken, AccountNotFound),
)
def sign_in(
    ctx: Context,
    *,
    provider: ProviderId,
    subject: Personal[Subject],
    profile: Personal[Profile] | None = None,
    tokens: Secret[Tokens] | None = None,
    long_lived: bool = False,
    client_type: sessions.ClientType = "unknown",
    ip_address: sessions.IpAddress | None = None,
    user_agent: sessions.UserAgent | None = None,
) -> SignedIn:
    """Open a session for the user of a provider's account; an account that nobody has becomes a new user's.

    The profile is for new users only. An e-mail address never finds a user, and one that a user has already is not kept.

    Raises: BANNED, ACCOUNT_INACTIVE, NAME_INVALID, NAME_TAKEN, SECRET_KEY_NEEDED, ROLE_TOO_LOW.
    """
    user, is_new = _user_of(ctx, provider, subject, profile, tokens)
    users.refuse_game_server(ctx, user)
    opened = sessions.open_for(ctx, user, ctx.found.given, sessions.Client(client_type, ip_address, user_agent))
    return SignedIn(**asdict(opened), is_new=is_new)


@command(
    touches=[users.User, users.Verification, Account, SignInCode],
    prepare=_for_code,
    prepares_again=(NameTaken, AccountNotFound),
)
def issue_code(
    ctx: Context,
    *,
    provider: ProviderId,
    subject: Personal[Subject],
    challenge: Challenge,
    profile: Personal[Profile] | None = None,
    tokens: Secret[Tokens] | None = None,
) -> IssuedCode:
    """Find or make the user of a provider's account as `sign_in` does, and give a code for which a session is had soon, once.

    A code may stand in a URL where a session's token may not: it is worth nothing without the verifier of the challenge.

    Raises: BANNED, ACCOUNT_INACTIVE, NAME_INVALID, NAME_TAKEN, SECRET_KEY_NEEDED, ROLE_TOO_LOW.
    """
    user, is_new = _user_of(ctx, provider, subject, profile, tokens)
    users.refuse_game_server(ctx, user)
    sessions.refuse_inactive(user, ctx.now)
    for code in rules.codes_to_forget(ctx.rows(SignInCode, user.user_id), ctx.now):
        ctx.delete(code)
    text, expires_at = ctx.found.given, ctx.now + rules.CODE_SECONDS * 1000
    ctx.put(SignInCode(user.user_id, ctx.new_id(), sessions.token_hash(text), challenge, ctx.now, expires_at))
    return IssuedCode(user.user_id, text, expires_at, is_new)


class _Redeeming(sessions.WithLength, Protocol):
    """The arguments of `redeem` that its preparation needs."""

    code: str


async def _code(read: Reader, arguments: _Redeeming) -> Prepared:
    row = await read.one(SignInCode, CODE, hash=sessions.token_hash(arguments.code))
    if row is None:
        raise SignInCodeInvalid
    return Prepared(found=(row.user_id, row.code_id, sessions.new_tokens(long_lived=arguments.long_lived)), owners=(row.user_id,))


@command(touches=[users.User, sessions.Session, sessions.RefreshToken, SignInCode], prepare=_code)
def redeem(
    ctx: Context,
    *,
    code: Code,
    verifier: Verifier,
    long_lived: bool = False,
    client_type: sessions.ClientType = "unknown",
    ip_address: sessions.IpAddress | None = None,
    user_agent: sessions.UserAgent | None = None,
) -> sessions.Opened:
    """Open the session that a code is good for, once, for who knows the verifier.

    Raises: SIGN_IN_CODE_INVALID, BANNED, ACCOUNT_INACTIVE.
    """
    holder, code_id, tokens = ctx.found
    row, user = ctx.get(SignInCode, holder, code_id), ctx.get(users.User, holder)
    if row is None or user is None or not rules.is_good(row, ctx.now) or not rules.answers(verifier, row.challenge):
        raise SignInCodeInvalid
    ctx.delete(row)
    return sessions.open_for(ctx, user, tokens, sessions.Client(client_type, ip_address, user_agent))


class _Linking(Protocol):
    """The arguments of `link` that its preparation needs."""

    provider: str
    subject: str


async def _holder(read: Reader, arguments: _Linking) -> Prepared:
    return Prepared(found=await holder_of(read, arguments.provider, _ids(read.keys, arguments.provider, arguments.subject)))


@command(touches=[users.User, Account], prepare=_holder, prepares_again=(NameTaken,))
def link(
    ctx: Context, *, user: users.UserId, provider: ProviderId, subject: Personal[Subject], tokens: Secret[Tokens] | None = None
) -> Linked:
    """Let a user log in with one more account.

    Raises: USER_NOT_FOUND, BANNED, ACCOUNT_INACTIVE, GUEST_CANNOT_LINK, ACCOUNT_ALREADY_LINKED, ACCOUNT_TAKEN, TOO_MANY_ACCOUNTS,
    SECRET_KEY_NEEDED.
    """
    row = users.alive(ctx, user)
    sessions.refuse_inactive(row, ctx.now)
    if row.is_guest:
        raise GuestCannotLink
    known = list(ctx.rows(Account, user))
    if rules.known_as(known, provider, _ids(ctx.keys, provider, subject)) is not None:
        raise AlreadyLinked(provider=provider)
    if ctx.found not in (None, user):
        raise AccountTaken(provider=provider)
    if len(known) >= rules.MAX_ACCOUNTS:
        raise TooManyAccounts(limit=rules.MAX_ACCOUNTS)
    return Linked(_add(ctx, user, provider, subject, tokens).account_id)


@command(touches=[users.User, Account], access="player")
def unlink(ctx: Context, *, user: users.UserId, provider: ProviderId, account_id: AccountId) -> None:
    """Take an account off a user; it may be linked to anybody again, and what was kept of it is gone.

    Raises: USER_NOT_FOUND, ACCOUNT_NOT_FOUND, LAST_LOGIN_METHOD.
    """
    row = users.alive(ctx, user)
    account = ctx.get(Account, user, provider, account_id)
    if account is None:
        raise AccountNotFound(provider=provider)
    if row.password_hash is None and len(list(ctx.rows(Account, user))) == 1:
        raise LastLoginMethod
    _remove(ctx, account)


def forget_all(ctx: Context, user: str) -> int:
    """Take all accounts and codes off a user and say how many accounts; needs `Account` and `SignInCode` in `touches`."""
    linked = list(ctx.rows(Account, user))
    for account in linked:
        _remove(ctx, account)
    for code in ctx.rows(SignInCode, user):
        ctx.delete(code)
    return len(linked)


class _Many(Protocol):
    """The argument of `forget_codes` that its preparation needs."""

    limit: int


async def _with_old_codes(read: Reader, arguments: _Many) -> Prepared:
    rows = await read.rows(WithOldCodes, WITH_OLD_CODES, now=read.now_ms(), limit=arguments.limit + 1)
    found = tuple(sorted(one.user_id for one in rows[: arguments.limit]))
    return Prepared(found=(found, len(rows) > len(found)), owners=found)


@command(touches=[SignInCode], prepare=_with_old_codes, access="operator")
def forget_codes(ctx: Context, *, limit: UserLimit = 100, dry_run: bool = False) -> ForgottenCodes:
    """Delete codes for opening a session that ran out, of so many users at the most; a dry run only counts them."""
    found, more = ctx.found
    old = [one for user in found for one in ctx.rows(SignInCode, user) if not rules.is_good(one, ctx.now)]
    for one in old if not dry_run else ():
        ctx.delete(one)
    return ForgottenCodes(len(old), more)


# Users and their accounts


def _user_of(ctx: Context, provider: str, subject: str, profile: Profile | None, tokens: Tokens | None) -> tuple[users.User, bool]:
    """Give the user of an account and whether they are new, and note the account's use."""
    known: _Known = ctx.found
    if known.holder is None:
        user = _new_user(ctx, provider, profile or Profile(), known)
        _add(ctx, user.user_id, provider, subject, tokens)
        return user, True
    holder = ctx.get(users.User, known.holder)
    account = rules.known_as(ctx.rows(Account, known.holder), provider, _ids(ctx.keys, provider, subject))
    if holder is None or account is None:
        raise AccountNotFound(provider=provider)  # unlinked since the preparation looked
    _note_use(ctx, account, subject, tokens)
    return holder, False


def _new_user(ctx: Context, provider: str, profile: Profile, known: _Known) -> users.User:
    made = ctx.create_owner("user")
    ctx.claim(users.USERNAME_CLAIM, known.name.key, made)
    user = users.User(
        user_id=made,
        username=known.name.shown,
        username_key=known.name.key,
        created_at=ctx.now,
        updated_at=ctx.now,
        name=profile.name,
        image=profile.picture,
        account_origin=provider,
    )
    ctx.put(user)
    if known.email is None:
        return user
    user = users.note_email(ctx, user, known.email, keep=known.keep_email)
    ctx.claim(users.EMAIL_CLAIM, user.email_hash or "", made)
    return ctx.change(user, email_verified=True)


def _add(ctx: Context, user: str, provider: str, subject: str, tokens: Tokens | None) -> Account:
    account_id = _ids(ctx.keys, provider, subject)[0]
    ctx.claim(rules.ACCOUNT_CLAIM, rules.claim_key(provider, account_id), user)
    account = Account(
        user,
        provider,
        account_id,
        ctx.keys.seal(rules.SEAL, subject),
        created_at=ctx.now,
        updated_at=ctx.now,
        last_used_at=ctx.now,
        **_sealed(ctx, tokens),
    )
    ctx.put(account)
    return account


def _note_use(ctx: Context, account: Account, subject: str, tokens: Tokens | None) -> None:
    given = _sealed(ctx, tokens)
    if given:
        given["updated_at"] = ctx.now
    account_id = _ids(ctx.keys, account.provider_id, subject)[0]
    if account_id != account.account_id:
        # The id was made with a key that has been replaced since; now is the time when the subject is known.
        _remove(ctx, account)
        ctx.claim(rules.ACCOUNT_CLAIM, rules.claim_key(account.provider_id, account_id), account.user_id)
        given |= {"account_id": account_id, "subject_sealed": ctx.keys.seal(rules.SEAL, subject), "updated_at": ctx.now}
    ctx.change(account, last_used_at=ctx.now, **given)


def _sealed(ctx: Context, tokens: Tokens | None) -> dict[str, Any]:
    """Give the columns that tokens change. Providers send a refresh token once: what is not given now stays as it is."""
    given = {} if tokens is None else {name: value for name, value in asdict(tokens).items() if value is not None}
    return {f"{name}_sealed" if name.endswith("_token") else name: _seal(ctx, name, value) for name, value in given.items()}


def _seal(ctx: Context, name: str, value: Any) -> Any:
    return ctx.keys.seal(rules.SEAL, value) if name.endswith("_token") else value


def _remove(ctx: Context, account: Account) -> None:
    ctx.delete(account)
    ctx.release(rules.ACCOUNT_CLAIM, rules.claim_key(account.provider_id, account.account_id))

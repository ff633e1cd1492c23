"""Rules for names, tokens, expiry and time zones; names of characters follow the same ones under another policy."""

import hashlib
import secrets
import unicodedata
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from gamekeeper.errors import SecretKeyNeeded
from gamekeeper.kernel.keyring import KeyRing
from gamekeeper.kernel.records import MAX_INTEGER

from .errors import Banned, NameInvalid
from .records import Purpose, Role, User, Verification

GUEST_HOURS: Final = 24
"""How long a guest account lasts."""
GUEST_DIGITS: Final = 5
GUEST_PREFIX: Final = "guest_"
USERNAME_CLAIM: Final = "username"
"""The kind of claim that makes user names unique."""
HELD_CLAIM: Final = "username_held"
"""The kind of claim that keeps the name of who leaves from being taken; its key tells nobody the name."""
EMAIL_CLAIM: Final = "email"
"""The kind of claim that makes verified e-mail addresses unique."""

MAX_MARKS: Final = 2
"""How many combining marks may follow one letter."""

# Letters and marks by category that show nothing: the Hangul fillers, the grapheme joiner, variation selectors.
_BLANK: Final = frozenset(
    [
        0x034F,
        0x115F,
        0x1160,
        0x17B4,
        0x17B5,
        0x180F,
        0x3164,
        0xFFA0,
        *range(0x180B, 0x180E),
        *range(0xFE00, 0xFE10),
        *range(0xE0100, 0xE01F0),
    ]
)
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_MARKS: Final = frozenset({"Mn", "Mc"})
_APOSTROPHES: Final = str.maketrans("\u2018\u2019\u02bc", "'''")
# Scripts of one writing system; any other two in one name are refused.
_WRITTEN_TOGETHER: Final = (
    frozenset({"CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA"}),
    frozenset({"CJK", "IDEOGRAPHIC", "BOPOMOFO"}),
    frozenset({"CJK", "IDEOGRAPHIC", "HANGUL"}),
)
# Accents tell words of these scripts apart, but not people; in other scripts marks are vowels.
_MARKS_FOLD: Final = frozenset({"LATIN", "GREEK", "CYRILLIC", "DIGIT"})
# What looks alike, in the form that case folding leaves: digits and letters, then Cyrillic and Greek as their capitals look.
_LOOK_ALIKE: Final = str.maketrans(
    "01l|\u0131\u01c0\u2018\u2019\u02bc" + "авеіјкмнорсѕтухһԁԛԝ" + "αβεζηικμνορτυχ",
    "oiiiii'''" + "abeijkmhopcstyxhdqw" + "abezhikmnoptyx",
)


class Name(Struct, frozen=True):
    """A name as it is shown, and the key under which it is unique."""

    shown: str
    key: str


class NamePolicy(Struct, frozen=True):
    """What names of one kind may be: lengths in characters, punctuation between letters, reserved words as keys."""

    shortest: int
    longest: int
    punctuation: str
    reserved: frozenset[str] = frozenset()
    reserved_prefix: str | None = None


def fold(text: str) -> str:
    """Give the key of a name: names that look alike have one key.

    >>> fold("Jos\\u00e9"), fold("ILIAD_0"), fold("\\uff21da"), fold("\\u0430\\u0440\\u0435")
    ('jose', 'iiiad_o', 'ada', 'ape')
    """
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    kept: list[str] = []
    base = ""
    for letter in unicodedata.normalize("NFD", text).translate(_LOOK_ALIKE):
        if unicodedata.category(letter) not in _MARKS:
            base = letter
        elif script(base) in _MARKS_FOLD:
            continue
        kept.append(letter)
    return unicodedata.normalize("NFC", "".join(kept))


def script(letter: str) -> str:
    """Name the script of a letter, as far as its Unicode name tells it.

    >>> script("a"), script("\\u0434"), script("\\u30fc")
    ('LATIN', 'CYRILLIC', 'KATAKANA')
    """
    return unicodedata.name(letter, "").split(" ")[0].split("-")[0] if letter else ""


def visible(text: str) -> bool:
    """Say whether a text holds only what is seen; nothing else can be part of a name.

    >>> visible("ada"), visible("a\\u200bda"), visible("ada\\x00"), visible("\\ud800")
    (True, False, False, False)
    """
    return all(unicodedata.category(letter) not in _INVISIBLE and ord(letter) not in _BLANK for letter in text)


def read_name(text: str, policy: NamePolicy) -> Name:
    """Give a name in the form that is shown and its key, or refuse it.

    >>> read_name("Ada_L", USERNAME_POLICY)
    Name(shown='Ada_L', key='ada_i')

    Raises: NAME_INVALID.
    """
    if not visible(text):
        raise NameInvalid(problem="invisible")
    shown = unicodedata.normalize("NFKC", text).translate(_APOSTROPHES)
    name = Name(shown, fold(shown))
    problem = _problem(name, policy)
    if problem is not None:
        raise NameInvalid(problem=problem)
    return name


def lookup_key(text: str) -> str | None:
    """Give the key to look a name up by; None for what no name can be.

    >>> lookup_key("ADA"), lookup_key("a\\x00da")
    ('ada', None)
    """
    return fold(text) if visible(text) else None


def _problem(name: Name, policy: NamePolicy) -> str | None:
    """Say which rule a name breaks, by a word."""
    shown = name.shown
    if not visible(shown):
        return "invisible"
    if len(shown) < policy.shortest:
        return "too_short"
    if len(shown) > policy.longest:
        return "too_long"
    bare = name.key
    for mark in policy.punctuation:
        bare = bare.replace(mark, "")
    prefix = policy.reserved_prefix
    if bare in policy.reserved or (prefix is not None and name.key.startswith(prefix)):
        return "reserved"
    return _problem_of_characters(shown, policy.punctuation) or _problem_of_scripts(shown)


def _problem_of_characters(shown: str, punctuation: str) -> str | None:
    if not _stands_alone(shown[0]) or shown[-1] == " ":
        return "edge"
    marks = 0
    for before, letter in zip(" " + shown, shown, strict=False):
        if unicodedata.category(letter) in _MARKS:
            marks += 1
            if marks > MAX_MARKS or before in punctuation:
                return "marks"
            continue
        marks = 0
        if letter in punctuation:
            if letter == before:
                return "repeated"
        elif not _stands_alone(letter):
            return "character"
    return None


def _stands_alone(letter: str) -> bool:
    return unicodedata.category(letter)[0] == "L" or letter in "0123456789"


def _problem_of_scripts(shown: str) -> str | None:
    scripts = {script(letter) for letter in shown if unicodedata.category(letter)[0] == "L"}
    if len(scripts) > 1 and not any(scripts <= together for together in _WRITTEN_TOGETHER):
        return "scripts"
    return None


RESERVED: Final = frozenset(
    fold(word)
    for word in (  # noqa: SIM905 - a text of words, not thirty lines of them
        "admin administrator anonymous console content deleted everyone gamekeeper gamemaster gm guest here mod moderator none null "
        "official operator owner root server staff superuser support system undefined unknown user world worldbuilder you"
    ).split()
)
"""Names that would speak for the game; punctuation between their letters changes nothing."""

USERNAME_POLICY: Final = NamePolicy(shortest=3, longest=32, punctuation="_-.", reserved=RESERVED, reserved_prefix=fold(GUEST_PREFIX))

SHOWN_NAME_POLICY: Final = NamePolicy(shortest=1, longest=128, punctuation=" _-.,'", reserved=RESERVED)
"""For the name beside the user name, which is not unique."""


def guest_is_over(user: User, now: int) -> bool:
    """Say whether a guest's time has passed."""
    return user.is_guest and user.guest_expires_at is not None and user.guest_expires_at <= now


FOR_EVER: Final = MAX_INTEGER
"""When a ban without an end would end."""


def may_act(user: User, now: int) -> bool:
    """Say whether the account may be used: active, not deleted, not banned, and no guest whose time has passed."""
    return user.is_active and user.tombstoned_at is None and not guest_is_over(user, now) and not is_banned(user, now)


def is_banned(user: User, now: int) -> bool:
    """Say whether a ban is in force; it ends by itself, without anybody's doing."""
    return user.banned_until is not None and user.banned_until > now


def refuse_banned(user: User, now: int) -> None:
    """Tell the banned so; only for who has proved to be that user: to others it would tell that there is such an account.

    Raises: BANNED.
    """
    if is_banned(user, now):
        raise Banned(until=None if user.banned_until == FOR_EVER else user.banned_until)


ROLES: Final[tuple[Role, ...]] = ("player", "worldbuilder", "moderator", "admin", "superuser")
"""From the lowest to the highest."""


def rank(role: Role) -> int:
    """Give how high a role stands; who manages others ranks above them.

    >>> rank("player") < rank("moderator") < rank("admin")
    True
    """
    return ROLES.index(role)


# Tokens

VERIFICATION_PREFIX: Final = "gkv_"
TOKEN_BYTES: Final = 32
MAX_TOKEN: Final = 128
EMAIL_HOURS: Final = 24
"""How long the token that verifies an e-mail address is good."""
RESET_HOURS: Final = 1
"""How long the token that resets a password is good."""
MAX_OPEN: Final = 3
"""Tokens for one purpose that may wait to be used: nobody's mailbox is flooded through us."""


def new_token() -> str:
    """Make 256 random bits, with a prefix by which scanners recognise a leaked one.

    >>> new_token().startswith("gkv_"), len(new_token())
    (True, 47)
    """
    return VERIFICATION_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)


def token_hash(token: str) -> str:
    """Give what is stored of a token. No salt and no slow hash: there is nothing to guess among 2**256.

    >>> token_hash("gkv_x")[:8]
    'ecf0dc02'
    """
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def waits(one: Verification, purpose: Purpose, now: int) -> bool:
    """Say whether a token may still be used for a purpose."""
    return one.purpose == purpose and one.used_at is None and now < one.expires_at


def may_have_another(known: Iterable[Verification], purpose: Purpose, now: int) -> bool:
    """Say whether one more token may be sent."""
    return sum(waits(one, purpose, now) for one in known) < MAX_OPEN


# Leaving

GRACE_DAYS: Final = 30
"""How long somebody who wants to be forgotten may think better of it."""
HELD_DAYS: Final = 90
"""How long nobody else may have the name of a user who was erased."""
DAY: Final = 86_400_000


def erasure_due_at(user: User) -> int | None:
    """Give when a user may be erased; None for one who did not ask for it."""
    return None if user.deletion_requested_at is None else user.deletion_requested_at + GRACE_DAYS * DAY


def is_due_for_erasure(user: User, now: int) -> bool:
    """Say whether a user's time of grace is over, or erasing them was cut off.

    >>> asked = User("u1", "ada", "ada", 0, 0, deletion_requested_at=0)
    >>> is_due_for_erasure(asked, GRACE_DAYS * DAY - 1), is_due_for_erasure(asked, GRACE_DAYS * DAY)
    (False, True)
    """
    due_at = erasure_due_at(user)
    return due_at is not None and (user.tombstoned_at is not None or due_at <= now)


def tombstone_name(user: str) -> str:
    """Give the name that an erased user is shown under: one that tells nothing, not even a part of an id that may be a name.

    >>> tombstone_name("ada")
    'deleted_fdee430d40bd57de'
    """
    return f"deleted_{hashlib.sha256(user.encode()).hexdigest()[:16]}"


def held_keys(keys: KeyRing, username_key: str) -> list[str]:
    """Give what may stand for a name that is held, the one to make first. Without a key of the keep it is a plain digest."""
    plain = f"plain:{hashlib.sha256(username_key.encode()).hexdigest()}"
    try:
        return [*keys.fingerprints(HELD_CLAIM, username_key), plain]
    except SecretKeyNeeded:
        return [plain]

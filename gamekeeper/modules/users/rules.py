"""Rules for names, expiry and time zones; names of characters follow the same ones under another policy."""

import unicodedata
import zoneinfo
from functools import cache
from typing import Final

from msgspec import Struct

from .errors import NameInvalid
from .records import Role, User

GUEST_HOURS: Final = 24
"""How long a guest account lasts."""
GUEST_DIGITS: Final = 5
GUEST_PREFIX: Final = "guest_"
USERNAME_CLAIM: Final = "username"
"""The kind of claim that makes user names unique."""

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


@cache
def time_zones() -> frozenset[str]:
    """All names of time zones that this machine knows."""
    return frozenset(zoneinfo.available_timezones())


def guest_is_over(user: User, now: int) -> bool:
    """Say whether a guest's time has passed."""
    return user.is_guest and user.guest_expires_at is not None and user.guest_expires_at <= now


def may_act(user: User, now: int) -> bool:
    """Say whether the account may be used: active, not deleted, and no guest whose time has passed."""
    return user.is_active and user.tombstoned_at is None and not guest_is_over(user, now)


ROLES: Final[tuple[Role, ...]] = ("player", "worldbuilder", "moderator", "admin", "superuser")
"""From the lowest to the highest."""


def rank(role: Role) -> int:
    """Give how high a role stands; who manages others ranks above them.

    >>> rank("player") < rank("moderator") < rank("admin")
    True
    """
    return ROLES.index(role)

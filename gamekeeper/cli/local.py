"""What `gamekeeper dev` leaves in its folder: settings with a fresh secret, and keys for tools that are run beside it."""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from gamekeeper.config import FILE, PREFIX

from .failures import FileRefused, SecretMissing

FOLDER: Final = Path(".gamekeeper")
KEYS: Final = FOLDER / "keys.json"
PRIVATE: Final = 0o600
SECRET_BYTES: Final = 32
DEFAULT_URL: Final = "sqlite:///world.db"
SECRET: Final = PREFIX + "SECRET_KEY"

_SETTINGS: Final = """\
# Gamekeeper's settings for the world in this folder, written by `gamekeeper dev`.
# Each can also be given in the environment, as GAMEKEEPER_URL and so on, and that wins.

# Where the world is: sqlite:///PATH, or postgresql://USER@HOST/NAME
url = {url}

# It keys the journal's hash chains and seals people's data, so `gamekeeper verify` needs the one that the world began with.
# Keep this file out of version control, and apart from backups of the world: who has both can rewrite history.
secret_key = {secret}

# Everybody comes from this one machine here. Take these out before strangers play.
guesses_per_address = 10_000
guests_per_address = 10_000
guesses_per_second = 500
"""


@dataclass(frozen=True)
class LocalKeys:
    """The server that was started last in this folder, and keys for it."""

    url: str
    server: str
    operator: str


def write_settings(url: str | None, environment: Mapping[str, str] = os.environ) -> Path | None:
    """Write the settings of a new world, if there are none; None when nothing was to be written.

    Raises: SECRET_MISSING when there is a database already, which was made with another secret.
    """
    file = Path(FILE)
    if file.exists() or environment.get(SECRET):
        return None
    place = url or environment.get(PREFIX + "URL") or DEFAULT_URL
    database = sqlite_file(place)
    if database is not None and database.exists():
        raise SecretMissing(database=str(database))
    text = _SETTINGS.format(url=json.dumps(place), secret=json.dumps(secrets.token_urlsafe(SECRET_BYTES)))
    write_private(file, text, new=True)
    return file


def sqlite_file(url: str) -> Path | None:
    """Give the file of a SQLite URL; None for another database.

    >>> sqlite_file("sqlite:///world.db").name, sqlite_file("postgresql:///world")
    ('world.db', None)
    """
    parts = urlsplit(url)
    return Path(unquote(parts.path.removeprefix("/"))) if parts.scheme == "sqlite" else None


def write_private(file: Path, text: str, *, new: bool = False) -> None:
    """Write a file that only its owner may read, as a whole or not at all."""
    if new:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "w", encoding="utf-8") as stream:
            stream.write(text)
        return
    beside = file.with_name(f"{file.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    write_private(beside, text, new=True)
    beside.replace(file)


def write_keys(keys: LocalKeys) -> None:
    """Keep the keys for local tools, out of reach of others and of version control."""
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    (FOLDER / ".gitignore").write_text("*\n", encoding="utf-8")
    write_private(KEYS, json.dumps(asdict(keys), indent=2) + "\n")


def read_keys(file: Path = KEYS) -> LocalKeys | None:
    """Read the keys; None when there is no such file.

    Raises: FILE_REFUSED.
    """
    if not file.exists():
        return None
    try:
        values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        keys = LocalKeys(**{name: values[name] for name in LocalKeys.__dataclass_fields__})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileRefused(file=str(file), problem=f"no keys as `gamekeeper dev` writes them: {type(error).__name__}") from None
    if not all(isinstance(value, str) for value in asdict(keys).values()):
        raise FileRefused(file=str(file), problem="a key that is no text")
    return keys

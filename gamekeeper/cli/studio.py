"""`gamekeeper studio-link`."""

import time

from .failures import NoSecret, warn
from .local import read_keys
from .options import NO_WORDS, World, answer


def studio_link(*, address: str | None = None, world: World = NO_WORDS) -> None:
    """Print a link that opens the Studio of a running server once, within ten minutes.

    Parameters
    ----------
    address
        Where the server is, as the browser sees it; the one of `gamekeeper dev` in this folder if not given.

    Raises: SECRET_MISSING, INVALID_ARGUMENT.
    """
    settings = world.settings()
    if settings.secret_key is None:
        raise NoSecret
    keys = read_keys()
    from gamekeeper.studio import sign_login_link

    from .serving import STUDIO

    base = address or (f"http://{settings.host}:{settings.port}" if keys is None else keys.url)
    link = sign_login_link(settings.secret_key, base.rstrip("/") + STUDIO, time.time_ns() // 1_000_000)
    if world.json:
        answer("studio-link", {"studio": link})
    else:
        print(link)
        warn("It opens the Studio once, within ten minutes.")

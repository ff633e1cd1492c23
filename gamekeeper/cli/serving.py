"""What `dev` and `serve` have in common: a socket, a Studio, and an end that is no failure."""

import contextlib
import errno
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from starlette.applications import Starlette

from gamekeeper.config import Settings
from gamekeeper.keep import Keep
from gamekeeper.server import make_server
from gamekeeper.studio import make_login_link, make_studio

from .failures import NoFreePort

LOOPBACK: Final = "127.0.0.1"
TRIES: Final = 20
"""How many ports are tried, from the one that was wanted on."""
STUDIO: Final = "/studio"
MAX_PORT: Final = 65_535

Listening = Callable[[str, str | None], None]
"""Is told the address, and the Studio's one-time link if there is a Studio."""


def listen(first: int) -> socket.socket:
    """Take the first free port on loopback.

    Raises: NO_FREE_PORT.
    """
    last = min(first + TRIES - 1, MAX_PORT) if first else 0
    for port in range(first, last + 1):
        taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if sys.platform != "win32":
            # So that a port can be used again at once; on Windows it would let two listen on one.
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind((LOOPBACK, port))
            taken.listen()
        except OSError as error:
            taken.close()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
        else:
            return taken
    raise NoFreePort(first=first, last=last)


def address_of(listening: socket.socket) -> str:
    """Give the address of a socket."""
    host, port = listening.getsockname()[:2]
    return f"http://{host}:{port}"


def run_server(
    settings: Settings,
    told: Listening,
    *,
    studio: bool = True,
    hosts: Iterable[str] = (),
    sockets: list[socket.socket] | None = None,
    **words: Any,
) -> None:
    """Serve until SIGTERM or Ctrl-C, which is how it is meant to end.

    hosts: names under which the Studio is reached, besides those of loopback.
    """
    made: list[Starlette] = []

    def with_studio(keep: Keep) -> Starlette:
        made.append(make_studio(keep, secret=settings.secret_key, hosts=hosts))
        return made[0]

    def started(_keep: Keep, address: str) -> None:
        told(address, make_login_link(made[0], address + STUDIO) if made else None)

    server = make_server(settings, studio=with_studio if studio else None, on_start=started, **words)
    with _until_stopped():
        server.run(sockets=sockets)


@contextlib.contextmanager
def _until_stopped() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        return

"""`gamekeeper serve`: a world in production. It makes no database, no content and no keys."""

import ipaddress
from typing import Annotated

from cyclopts import Parameter

from .failures import NotOnLoopback, redacted, warn
from .options import NO_WORDS, Flag, World, answer


def serve(
    *,
    host: Annotated[str | None, Parameter(help="Where to listen, instead of what the settings say.")] = None,
    port: Annotated[int | None, Parameter(help="The port, instead of what the settings say.")] = None,
    behind_proxy: Annotated[
        bool, Flag, Parameter(help="A proxy with TLS stands in front, so that another host than loopback is safe.")
    ] = False,
    trusted_proxy: Annotated[list[str] | None, Parameter(help="Proxies (CIDR) whose X-Forwarded-For is believed; may be repeated.")] = None,
    studio: Annotated[bool, Parameter(help="Serve the Studio too.")] = False,
    studio_host: Annotated[list[str] | None, Parameter(help="A name under which the Studio is reached; may be repeated.")] = None,
    world: World = NO_WORDS,
) -> None:
    """Serve a world that exists, until SIGTERM or Ctrl-C; then answer what waits, save and close.

    Raises: NOT_ON_LOOPBACK, STORE_UNAVAILABLE, INVALID_ARGUMENT.
    """
    settings = world.settings(host=host, port=port, trusted_proxies=trusted_proxy or None)
    if not behind_proxy and not is_loopback(settings.host):
        raise NotOnLoopback(host=settings.host)
    if settings.secret_key is None:
        warn("There is no secret_key: whoever can write to the database can also rewrite its history unseen.")
    from .serving import run_server

    def told(address: str, link: str | None) -> None:
        if world.json:
            answer("serve", {"database": redacted(settings.url), "api": address, "studio": link})
        warn(f"Serving {redacted(settings.url)} at {address}." + (f" Studio, once within ten minutes: {link}" if link else ""))

    run_server(settings, told, studio=studio, hosts=studio_host or (), log_level="warning")
    warn("Saved and closed.")


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches a host.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0"), is_loopback("db.example")
    (True, True, True, False, False)
    """
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False

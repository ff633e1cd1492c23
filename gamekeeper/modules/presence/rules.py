"""Sums of time and of people."""

from collections.abc import Iterable

from gamekeeper.modules import plays


def last_heard(row: plays.Presence, known: plays.Activity | None) -> int | None:
    """Give when a character was last heard of: by its last activity, or at the end of its last play session.

    >>> last_heard(plays.Presence("c1", last_seen_at=9_000), plays.Activity("c1", 4_000))
    9000
    """
    return plays.last_active(row, known) if plays.is_open(row) else row.last_seen_at


def played(row: plays.Presence, last: int | None) -> int:
    """Give how many seconds a character has played, with those of an open play session up to its last activity.

    >>> played(plays.Presence("c1", "p1", "world", "east", since=1_000, playtime=60), 31_500)
    90
    """
    return row.playtime + (0 if row.since is None or last is None else plays.seconds_between(row.since, last))


def summed(places: Iterable[tuple[str, str, int]]) -> tuple[dict[str, int], dict[str, int]]:
    """Sum counts of (world, server, how many) by world and by server.

    >>> summed([("fen", "east", 2), ("fen", "west", 3), ("vale", "east", 1)])
    ({'fen': 5, 'vale': 1}, {'east': 3, 'west': 3})
    """
    by_world: dict[str, int] = {}
    by_server: dict[str, int] = {}
    for world, server, number in places:
        by_world[world] = by_world.get(world, 0) + number
        by_server[server] = by_server.get(server, 0) + number
    return by_world, by_server


def span(seconds: int) -> str:
    """Say how long something was, for people.

    >>> span(59), span(3_600), span(90_061)
    ('59 s', '1 h 00 min', '25 h 01 min')
    """
    if seconds < 60:
        return f"{seconds} s"
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours:,} h {minutes:02} min" if hours else f"{minutes} min"

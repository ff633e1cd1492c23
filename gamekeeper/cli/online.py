"""`gamekeeper online` and `gamekeeper character play`: who plays where, and how long somebody has played."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from msgspec import Struct

from gamekeeper.modules import characters, plays, presence

from .character import Realm, Who
from .failures import warn
from .inside import character_row, in_keep, moment, plain
from .options import NO_WORDS, World, answer

if TYPE_CHECKING:
    from gamekeeper.keep import Keep


class WhoPlays(Struct, frozen=True):
    """Some of those who play, and how many do, in all and where."""

    items: list[presence.Online]
    next_cursor: str | None
    counts: presence.Counted


class Played(Struct, frozen=True):
    """Whether a character is played now, and its latest play sessions."""

    character: characters.Character
    playing: presence.Playing
    history: list[plays.PlaySession]


def online(
    *,
    in_: Annotated[str | None, Parameter(name="--in", help="Only those in the world of this id.")] = None,
    on: Annotated[str | None, Parameter(help="Only those on the game server of this name.")] = None,
    limit: Annotated[int, Parameter(help="How many at most, 1 to 200.")] = 50,
    after: Annotated[str | None, Parameter(help="Where the page before ended, as it said.")] = None,
    world: World = NO_WORDS,
) -> None:
    """List who plays, the one who came last first, and count them by world and server.

    Raises: INVALID_ARGUMENT, STORE_UNAVAILABLE.
    """
    found = in_keep(world.settings(), lambda keep: _online(keep, in_, on, limit, after))
    if world.json:
        answer("online", found)
        return
    for one in found.items:
        heard = f"since {moment(one.since)}, last active {moment(one.last_active_at)}"
        print(f"{one.character_id}  {one.world_id}  {one.server_id}  {plain(one.name)}  {heard}")
    places = ", ".join(f"{one.characters:,} in {one.world_id} on {one.server_id}" for one in found.counts.places)
    print(f"{found.counts.characters:,} online" + (f": {places}" if places else ""))
    if found.next_cursor is not None:
        warn(f"There are more: --after {found.next_cursor}")


def play(
    who: Who,
    /,
    *,
    in_: Realm = None,
    limit: Annotated[int, Parameter(help="How many play sessions at most, the latest; 1 to 200.")] = 10,
    world: World = NO_WORDS,
) -> None:
    """Show whether a character is played now, how long it has been in all, and its latest play sessions.

    Raises: CHARACTER_NOT_FOUND, NAME_IN_SEVERAL_WORLDS, INVALID_ARGUMENT, STORE_UNAVAILABLE.
    """
    found = in_keep(world.settings(), lambda keep: _played(keep, who, in_, limit))
    if world.json:
        answer("character-play", found)
        return
    now = found.playing
    print(f"{plain(found.character.name)}  {found.character.character_id}")
    if now.is_online:
        print(f"  plays on {now.server_id} in {now.world_id} since {moment(now.since)}")
    print(f"  last active {moment(now.last_active_at)}, played {presence.span(now.playtime)} in all; {now.play_sessions:,} sessions ended")
    for one in found.history:
        print(f"  {moment(one.started_at)}  {presence.span(one.playtime)} on {one.server_id} in {one.world_id}, {one.reason}")


async def _online(keep: "Keep", realm: str | None, server: str | None, limit: int, after: str | None) -> WhoPlays:
    found = await keep.ask(presence.online(world_id=realm, server_id=server, limit=limit, cursor=after))
    return WhoPlays(found.items, found.next_cursor, await keep.ask(presence.counts()))


async def _played(keep: "Keep", who: str, realm: str | None, limit: int) -> Played:
    row = await character_row(keep, who, realm)
    past = await keep.ask(presence.history(character=row.character_id, limit=limit))
    return Played(row, await keep.ask(presence.show(character=row.character_id)), past.items)

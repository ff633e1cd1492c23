"""`gamekeeper character`: who acts in a world, as an operator looks at them and puts something right."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from .failures import NotConfirmed, warn
from .inside import ACTOR, character_row, in_keep, moment, plain
from .options import NO_WORDS, Flag, World, answer
from .terminal import is_terminal

if TYPE_CHECKING:
    from gamekeeper.keep import Keep
    from gamekeeper.kernel.commands import Call
    from gamekeeper.kernel.queries import Page
    from gamekeeper.modules.characters import Character, Renamed
    from gamekeeper.modules.items import Minted

Who = Annotated[str, Parameter(help="The name of the character, or its id; a deleted one has only its id.")]
Realm = Annotated[str | None, Parameter(name="--in", help="The id of the world in which the name is borne, if it is borne in several.")]
Reason = Annotated[str, Parameter(help="Why: it stands in the journal.")]
Place = Literal["inventory", "pouch", "bank:0"]
SOURCE = "operator"
"""Where what is given comes from: `mint:operator`."""


def show(who: Who, /, *, in_: Realm = None, world: World = NO_WORDS) -> None:
    """Show a character with all that it has and has done: skills, equipment, bank, quests, essences, prayers, deaths.

    Raises: CHARACTER_NOT_FOUND, NAME_IN_SEVERAL_WORLDS, STORE_UNAVAILABLE.
    """
    from .sheet import read_sheet, written

    found = in_keep(world.settings(), lambda keep: read_sheet(keep, who, in_))
    if world.json:
        answer("character-show", found)
    else:
        print("\n".join(written(found)))


def list_characters(
    prefix: Annotated[str | None, Parameter(help="How the names begin; all if not given.")] = None,
    /,
    *,
    in_: Annotated[str | None, Parameter(name="--in", help="Only those of the world of this id.")] = None,
    limit: Annotated[int, Parameter(help="How many at most, 1 to 200.")] = 50,
    after: Annotated[str | None, Parameter(help="Where the page before ended, as it said.")] = None,
    world: World = NO_WORDS,
) -> None:
    """List the characters in the order in which they came; deleted ones are not among them.

    Raises: INVALID_ARGUMENT, STORE_UNAVAILABLE.
    """
    found = in_keep(world.settings(), lambda keep: _list(keep, in_, prefix, limit, after))
    if world.json:
        answer("character-list", found)
        return
    for row in found.items:
        print(f"{row.character_id}  {row.world_id}  {plain(row.name)}  {row.rank}, last login {moment(row.last_login_at)}")
    if found.next_cursor is not None:
        warn(f"There are more: --after {found.next_cursor}")


def rename(
    who: Who,
    name: Annotated[str, Parameter(help="What it is called from now on.")],
    /,
    *,
    reason: Reason,
    in_: Realm = None,
    world: World = NO_WORDS,
) -> None:
    """Give a character another name; the old one is free again.

    Raises: CHARACTER_NOT_FOUND, NAME_IN_SEVERAL_WORLDS, NAME_INVALID, NAME_TAKEN, INVALID_ARGUMENT, STORE_UNAVAILABLE.
    """
    row, done = in_keep(world.settings(), lambda keep: _rename(keep, who, in_, name, reason))
    if world.json:
        answer("character-rename", {"character_id": row.character_id, "before": done.before, "name": done.after})
    else:
        print(f"{plain(done.before)} is {plain(done.after)} now.")


def delete(
    who: Who,
    /,
    *,
    reason: Reason,
    in_: Realm = None,
    yes: Annotated[bool, Flag, Parameter(help="Do not ask whether it is meant.")] = False,
    world: World = NO_WORDS,
) -> None:
    """Delete a character: its name stays taken, its slot is free, and what it had stays where it is.

    Raises: CHARACTER_NOT_FOUND, NAME_IN_SEVERAL_WORLDS, CHARACTER_CHANGED_HANDS, NOT_CONFIRMED, STORE_UNAVAILABLE.
    """
    settings = world.settings()
    row = in_keep(settings, lambda keep: character_row(keep, who, in_))
    if not yes:
        _confirm(row)
    in_keep(settings, lambda keep: _delete(keep, row.character_id, reason))
    if world.json:
        answer("character-delete", {"character_id": row.character_id, "name": row.name})
    else:
        print(f"{plain(row.name)} is deleted; `gamekeeper character show {row.character_id}` still shows it.")


def restore(
    id: Annotated[str, Parameter(help="The id of the deleted character: its name no longer leads to it.")],
    /,
    *,
    reason: Reason,
    world: World = NO_WORDS,
) -> None:
    """Bring back a character that was deleted less than 90 days ago, with its name and all that it had.

    Raises: CHARACTER_NOT_FOUND, CHARACTER_NOT_DELETED, RESTORE_TOO_LATE, CHARACTER_CHANGED_HANDS, NAME_TAKEN, CHARACTER_SLOTS_FULL,
    USER_NOT_FOUND, STORE_UNAVAILABLE.
    """
    from gamekeeper.modules import characters

    done = in_keep(world.settings(), lambda keep: keep.do(characters.restore(character=id), actor=ACTOR, reason=reason))
    if world.json:
        answer("character-restore", {"character_id": done.character_id, "name": done.name})
    else:
        print(f"{plain(done.name)} is back.")


def give(
    who: Who,
    item: Annotated[str, Parameter(help="The id of the item.")],
    quantity: Annotated[int, Parameter(help="How many.")],
    /,
    *,
    reason: Reason,
    container: Annotated[Place, Parameter(help="Where it is put.")] = "inventory",
    key: Annotated[str | None, Parameter(help="Say the same key again to be sure that it is given once.")] = None,
    in_: Realm = None,
    world: World = NO_WORDS,
) -> None:
    """Give new items to a character, out of `mint:operator`.

    Raises: CHARACTER_NOT_FOUND, NAME_IN_SEVERAL_WORLDS, UNKNOWN_ITEM, INVENTORY_FULL, STACK_OVERFLOW, KEY_REUSED, INVALID_ARGUMENT,
    STORE_UNAVAILABLE.
    """
    from gamekeeper.modules import items

    def gift(holder: str) -> "Call[Minted]":
        return items.grant(holder=holder, item=item, quantity=quantity, source=SOURCE, container=container)

    row, made = in_keep(world.settings(), lambda keep: _give(keep, who, in_, gift, reason, key))
    if world.json:
        told = {"character_id": row.character_id, "item": item, "quantity": quantity, "container": container}
        answer("character-give", told | {"slots": made.slots, "item_uids": made.item_uids})
        return
    print(f"{plain(row.name)} has {quantity:,} {item} more in {container}.")
    for uid in made.item_uids:
        print(uid)


def _confirm(row: "Character") -> None:
    """Ask whether it is meant, where somebody is there to be asked."""
    if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        return
    print(f"Delete {plain(row.name)} ({row.character_id})? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise NotConfirmed


async def _list(keep: "Keep", realm: str | None, prefix: str | None, limit: int, after: str | None) -> "Page[Character]":
    from gamekeeper.modules import characters

    return await keep.ask(characters.list_characters(world_id=realm, prefix=prefix, limit=limit, cursor=after))


async def _rename(keep: "Keep", who: str, realm: str | None, name: str, reason: str) -> "tuple[Character, Renamed]":
    from gamekeeper.modules import characters

    row = await character_row(keep, who, realm)
    return row, await keep.do(characters.rename(character=row.character_id, name=name), actor=ACTOR, reason=reason)


async def _delete(keep: "Keep", character: str, reason: str) -> None:
    from gamekeeper.modules import characters

    await keep.do(characters.delete(character=character), actor=ACTOR, reason=reason)


async def _give(
    keep: "Keep", who: str, realm: str | None, gift: "Callable[[str], Call[Minted]]", reason: str, key: str | None
) -> "tuple[Character, Minted]":
    from gamekeeper.modules import characters

    row = await character_row(keep, who, realm)
    if row.tombstoned_at is not None:
        raise characters.CharacterNotFound(id=who)
    return row, await keep.do(gift(row.character_id), key=key, actor=ACTOR, reason=reason)

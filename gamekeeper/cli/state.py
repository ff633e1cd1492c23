"""`gamekeeper state`: what operators do with documents of free state."""

from typing import TYPE_CHECKING, Annotated, Final, get_args

from cyclopts import Parameter
from msgspec import Struct

from gamekeeper.modules import states, worlds

from .failures import Exit, warn
from .inside import ACTOR, PAGE, in_keep, plain
from .options import NO_WORDS, World, answer

if TYPE_CHECKING:
    from gamekeeper.keep import Keep

MOST_SHOWN: Final = 100
"""documents that could not be upgraded and are named; all are counted"""


class Done(Struct):
    """What became of the documents of one kind in one world."""

    world: str
    kind: str
    upgraded: int = 0
    failed: int = 0


class Upgraded(Struct):
    """What became of all documents, and the first of those that could not be upgraded."""

    dry_run: bool
    done: list[Done]
    failed: list[states.NotUpgraded]


def upgrade(
    *,
    in_: Annotated[str | None, Parameter(name="--in", help="Only in the world of this id.")] = None,
    kind: Annotated[states.Kind | None, Parameter(help="Only documents of this kind.")] = None,
    dry_run: Annotated[bool, Parameter(help="Change nothing, and say what would be done.", negative="")] = False,
    world: World = NO_WORDS,
) -> int:
    """Bring documents into the latest form that the game's modules declare; cut off, it goes on where it was.

    Raises: WORLD_NOT_FOUND, STORE_UNAVAILABLE.
    """
    found = in_keep(world.settings(), lambda keep: _upgrade(keep, in_, kind, dry_run))
    if world.json:
        answer("state-upgrade", found)
    else:
        verb = "would be upgraded" if dry_run else "upgraded"
        for one in found.done:
            print(f"{one.world}  {one.kind}  {one.upgraded:,} {verb}" + (f", {one.failed:,} failed" if one.failed else ""))
        if not found.done:
            print("Every document is in the latest form.")
        for failed in found.failed:
            warn(f"{plain(' '.join(failed.key))} of form {failed.schema_version}: {plain(failed.problem)}")
    return Exit.REFUSED if found.failed else Exit.OK


async def _upgrade(keep: "Keep", realm: str | None, kind: states.Kind | None, dry_run: bool) -> Upgraded:
    found = Upgraded(dry_run, [], [])
    kinds: tuple[states.Kind, ...] = get_args(states.Kind) if kind is None else (kind,)
    for world in await _worlds(keep) if realm is None else [realm]:
        for one in kinds:
            done = await _upgrade_kind(keep, world, one, dry_run, found.failed)
            if done.upgraded or done.failed:
                found.done.append(done)
    return found


async def _worlds(keep: "Keep") -> list[str]:
    ids, cursor = list[str](), None
    while True:
        page = await keep.ask(worlds.list_worlds(limit=PAGE, cursor=cursor))
        ids += [one.world_id for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return ids


async def _upgrade_kind(keep: "Keep", world: str, kind: states.Kind, dry_run: bool, failed: list[states.NotUpgraded]) -> Done:
    done, cursor = Done(world, kind), None
    while True:
        call = states.upgrade(world=world, kind=kind, limit=PAGE, cursor=cursor, dry_run=dry_run)
        some = await keep.do(call, actor=ACTOR, reason="gamekeeper state upgrade")
        done.upgraded += some.upgraded
        done.failed += len(some.failed)
        failed += some.failed[: max(0, MOST_SHOWN - len(failed))]
        cursor = some.next_cursor
        if cursor is None:
            return done

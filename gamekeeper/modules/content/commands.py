"""Loading content."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Protocol

from msgspec import Struct
from msgspec.structs import replace

from gamekeeper.errors import InvalidArgument
from gamekeeper.kernel.commands import Prepared, command
from gamekeeper.kernel.queries import Reader
from gamekeeper.kernel.records import JSON, Amount
from gamekeeper.kernel.store.base import CONTENT_OWNER
from gamekeeper.kernel.workingset import Context

from .errors import ConfigChanged, ConfigNotSet, DefinitionTaken, NoFormerVersion, PackHasChanged, PackVersionNotFound
from .packs import Pack
from .queries import number_of
from .records import ContentId, ContentPack, Definition, DefinitionId, GameConfig, Number, PackVersion
from .rules import (
    Drafted,
    Named,
    as_pack,
    by_plural,
    difference,
    digest_as_kept,
    drafted,
    refuse_alike,
    refuse_circles,
    refuse_to_remove_what_is_named,
    refuse_unknown_references,
    same_json,
)

MAX_FORMER: Final = 50
"""How far back a pack can be rolled."""
Json = Annotated[Any, JSON]


class Changes(Struct, frozen=True):
    """How many definitions of a kind came, changed, went and stayed."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0


class PackLoaded(Struct, frozen=True):
    """How many definitions came, changed, went and stayed: in all, and of each kind."""

    added: int
    changed: int
    removed: int
    unchanged: int
    kinds: dict[str, Changes]
    number: int
    """The version of the pack that is in force now."""


class _Loading(Protocol):
    """The arguments of `load_pack` that its preparation needs."""

    content: str
    pack: Pack


class _RollingBack(Protocol):
    """The arguments of `rollback_pack` that its preparation needs."""

    content: str
    pack: str


async def _loading(read: Reader, arguments: _Loading) -> Prepared:
    digest = digest_as_kept(arguments.pack, drafted(arguments.pack))
    return Prepared(found=await number_of(read, arguments.content, arguments.pack.id, digest))


@command(touches=[Definition, ContentPack, PackVersion], prepare=_loading, access="operator")
def load_pack(ctx: Context, *, content: ContentId = CONTENT_OWNER, pack: Pack) -> PackLoaded:
    """Make a pack's definitions the ones in force; loading the same pack again changes nothing.

    Definitions of the same pack that it no longer holds are removed, of whatever kind. What players hold of them stays as it is.
    The pack is kept as a version of its own, so that it can be put in force again.

    Raises: DEFINITION_TAKEN, REFERENCE_UNKNOWN, DEFINITIONS_IN_CIRCLE, DEFINITION_NEEDED, INVALID_ARGUMENT.
    """
    known, new = ctx.get(ContentPack, content, pack.id), drafted(pack)
    digest = digest_as_kept(pack, new)
    number = known.number if known is not None and known.digest == digest else ctx.found
    if number is None:
        number = known.newest + 1 if known is not None else 1
        ctx.add(PackVersion(content, pack.id, number, pack.version, pack.title, digest, ctx.now, by_plural(new)))
    loaded = _put_in_force(ctx, content, pack.id, new, number)
    former = [] if known is None else known.former
    if known is not None and known.number != number:
        former = [*former, known.number][-MAX_FORMER:]
    _note(ctx, known, ContentPack(content, pack.id, pack.version, pack.title, digest, ctx.now, number, number, former))
    return loaded


@command(
    touches=[Definition, ContentPack, PackVersion],
    keys=lambda arguments: [(PackVersion, (arguments.content, arguments.pack, arguments.number))],
    access="operator",
)
def activate_pack(ctx: Context, *, content: ContentId = CONTENT_OWNER, pack: DefinitionId, number: Number) -> PackLoaded:
    """Put a version of a pack that was loaded before in force, as if it were loaded now.

    Raises: PACK_VERSION_NOT_FOUND, DEFINITION_TAKEN, REFERENCE_UNKNOWN, DEFINITIONS_IN_CIRCLE, DEFINITION_NEEDED, INVALID_ARGUMENT.
    """
    known = ctx.get(ContentPack, content, pack)
    former = [] if known is None or known.number == number else [known.number]
    return _activate(ctx, content, pack, number, [*(known.former if known is not None else []), *former][-MAX_FORMER:])


async def _rolling_back(read: Reader, arguments: _RollingBack) -> Prepared:
    known = await read.get(ContentPack, arguments.content, arguments.pack)
    number = known.former[-1] if known is not None and known.former else 0
    return Prepared(found=number, keys=((PackVersion, (arguments.content, arguments.pack, number)),))


@command(touches=[Definition, ContentPack, PackVersion], prepare=_rolling_back, prepares_again=[PackHasChanged], access="operator")
def rollback_pack(ctx: Context, *, content: ContentId = CONTENT_OWNER, pack: DefinitionId) -> PackLoaded:
    """Put the version of a pack in force that was so before the present one; again and again it goes further back.

    Raises: NO_FORMER_VERSION, PACK_HAS_CHANGED, DEFINITION_TAKEN, REFERENCE_UNKNOWN, DEFINITIONS_IN_CIRCLE, DEFINITION_NEEDED,
    INVALID_ARGUMENT.
    """
    known = ctx.get(ContentPack, content, pack)
    if known is None or not known.former:
        raise NoFormerVersion(pack=pack)
    if known.former[-1] != ctx.found:
        raise PackHasChanged(pack=pack)
    return _activate(ctx, content, pack, known.former[-1], known.former[:-1])


@command(touches=[GameConfig], access="operator")
def set_config(
    ctx: Context, *, content: ContentId = CONTENT_OWNER, key: DefinitionId, value: Json, expect: Amount | None = None
) -> GameConfig:
    """Set the value of a key of the game's configuration, instead of what a pack says of it; every change counts as a version.

    Args:
        expect: refuse unless the key is at this version, which is 0 where what a pack says counts; without it the last one wins.

    Raises: CONFIG_CHANGED, INVALID_ARGUMENT.
    """
    if value is None:
        raise InvalidArgument(path="/value", problem="null is no value; `reset_config` lets what the packs say count again")
    row = ctx.get(GameConfig, content, key)
    current = 0 if row is None or row.is_reset else row.version
    if expect is not None and expect != current:
        raise ConfigChanged(key=key, expected=expect, current=current)
    if row is None:
        row = GameConfig(content, key, value, 1, ctx.now)
        ctx.put(row)
    elif row.is_reset or not same_json(row.value, value):
        row = ctx.change(row, value=value, version=row.version + 1, updated_at=ctx.now, is_reset=False)
    return row


@command(touches=[GameConfig], access="operator")
def reset_config(ctx: Context, *, content: ContentId = CONTENT_OWNER, key: DefinitionId) -> None:
    """Let what the packs say of a key count again.

    Raises: CONFIG_NOT_SET.
    """
    row = ctx.get(GameConfig, content, key)
    if row is None or row.is_reset:
        raise ConfigNotSet(key=key)
    # The row stays, so that no later version has the number of an earlier one.
    ctx.change(row, is_reset=True, version=row.version + 1, updated_at=ctx.now)


def _activate(ctx: Context, content: str, pack: str, number: int, former: list[int]) -> PackLoaded:
    """Put a kept version in force. What it holds is read anew: the program may know other kinds by now."""
    stored, known = ctx.get(PackVersion, content, pack, number), ctx.get(ContentPack, content, pack)
    if stored is None or known is None:
        raise PackVersionNotFound(pack=pack, number=number)
    loaded = _put_in_force(ctx, content, pack, drafted(as_pack(stored)), number)
    now = ContentPack(content, pack, stored.version, stored.title, stored.digest, ctx.now, number, known.newest, former)
    _note(ctx, known, now)
    return loaded


def _put_in_force(ctx: Context, content: str, pack: str, new: Mapping[Named, Drafted], number: int) -> PackLoaded:
    rows = {(row.kind, row.id): row for row in ctx.rows(Definition, content)}
    others = {named: row for named, row in rows.items() if row.pack_id != pack}
    for kind, id in new:
        if (kind, id) in others:
            raise DefinitionTaken(of_kind=kind, id=id, pack=others[kind, id].pack_id)
    refuse_unknown_references(new, others)
    refuse_alike(new, others)
    refuse_circles(new, others)
    before = {named: row.body for named, row in rows.items() if row.pack_id == pack}
    come, changed, gone = difference(before, {named: one.body for named, one in new.items()})
    refuse_to_remove_what_is_named(set(gone), others.values())
    for kind, id in come + changed:
        ctx.put(Definition(content, kind, id, new[kind, id].body, pack))
    for named in gone:
        ctx.delete(rows[named])
    return _counted(come, changed, gone, new, number)


def _note(ctx: Context, known: ContentPack | None, now: ContentPack) -> None:
    if known is None:
        ctx.put(now)
        return
    now = replace(now, newest=max(known.newest, now.newest))
    if replace(now, loaded_at=known.loaded_at) != known:
        ctx.put(now)


def _counted(come: Iterable[Named], changed: Iterable[Named], gone: Iterable[Named], new: Iterable[Named], number: int) -> PackLoaded:
    added, altered, removed, held = (Counter(kind for kind, _ in some) for some in (come, changed, gone, new))
    kinds = {
        kind: Changes(added[kind], altered[kind], removed[kind], held[kind] - added[kind] - altered[kind])
        for kind in sorted(held.keys() | removed.keys())
    }
    total = held.total() - added.total() - altered.total()
    return PackLoaded(added.total(), altered.total(), removed.total(), total, kinds, number)

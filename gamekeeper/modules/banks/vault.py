"""What the commands of a bank build on: what lies where, where there is room, and moving it so that nothing is lost.

A bank stacks everything that is alike, be it stackable elsewhere or not: one slot for each kind of thing. What has an id of its
own, and what no pack defines, lies alone.
"""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from gamekeeper.errors import InvalidArgument
from gamekeeper.kernel.workingset import Context
from gamekeeper.modules import characters, content, items

from . import rules
from .errors import AlreadyPlaceholder, BankFull, ItemNotInBank, ItemNotNoteable, TabNotFound
from .records import BankPlaceholder, BankTab
from .rules import Spot

Entry: TypeAlias = items.Holding | BankPlaceholder
TOUCHED = (items.Holding, items.ItemMovement, BankTab, BankPlaceholder, characters.Character, characters.CharacterSetting)
"""What every command of a bank may look at or write."""


def entries(ctx: Context, character: str) -> dict[Spot, Entry]:
    """Give what lies in each slot of a bank, placeholders among it. Where both are, the placeholder is void."""
    found: dict[Spot, Entry] = {(row.tab_index, row.slot): row for row in ctx.rows(BankPlaceholder, character)}
    for row in ctx.rows(items.Holding, character):
        if row.container in items.BANK_TABS:
            found[rules.tab_of(row.container), row.slot] = row
    return found


def stack_at(ctx: Context, character: str, tab: int, slot: int) -> items.Holding:
    """Give the stack in a slot.

    Raises: SLOT_EMPTY, ALREADY_PLACEHOLDER.
    """
    entry = entry_at(ctx, character, tab, slot)
    if isinstance(entry, BankPlaceholder):
        raise AlreadyPlaceholder(tab=tab, slot=slot, item=entry.item_id)
    return entry


def entry_at(ctx: Context, character: str, tab: int, slot: int) -> Entry:
    """Give what lies in a slot, a stack or a placeholder.

    Raises: SLOT_EMPTY.
    """
    found = ctx.get(items.Holding, character, rules.container_of(tab), slot) or ctx.get(BankPlaceholder, character, tab, slot)
    if found is None:
        raise items.SlotEmpty(container=rules.container_of(tab), slot=slot)
    return found


def require_tab(ctx: Context, character: str, tab: int) -> None:
    """Refuse a tab that the bank does not have. One in which a game has laid something is there.

    Raises: TAB_NOT_FOUND.
    """
    if tab and ctx.get(BankTab, character, tab) is None and not any(where == tab for where, _ in entries(ctx, character)):
        raise TabNotFound(tab=tab)


# Into the bank


def target_for(ctx: Context, row: items.Holding, quantity: int, tab: int) -> items.Holding | Spot:
    """Find where some of a stack goes: onto what is alike, to its placeholder, or into a free slot of the tab. Changes nothing.

    Raises: BANK_FULL, STACK_OVERFLOW.
    """
    definitions = ctx.definitions(content.ItemDefinition)
    item = items.note_of(row.item_id, definitions) or row.item_id
    spots = entries(ctx, row.holder_id)
    definition = definitions.get(item)
    if definition is not None and not definition.unique and row.item_uid is None:
        like = {spot: one for spot, one in spots.items() if isinstance(one, items.Holding) and alike(one, item, row)}
        if like:
            target = like[min(like)]
            if target.quantity + quantity > content.MAX_STACK:
                raise items.StackOverflow(item=item, max_stack=content.MAX_STACK)
            return target
    kept = [spot for spot, one in spots.items() if isinstance(one, BankPlaceholder) and one.item_id == item]
    if kept:
        return min(kept)
    if len(spots) >= items.BANK_SLOTS:
        raise BankFull(character=row.holder_id)
    return tab, rules.first_free(spots, tab)


def alike(one: items.Holding, item: str, other: items.Holding) -> bool:
    """Tell whether a stack of a bank takes in some of another stack, which is or stands for an item."""
    return one.item_id == item and one.item_uid is None and items.same_metadata(one.metadata, other.metadata)


def store(ctx: Context, row: items.Holding, quantity: int, tab: int) -> None:
    """Put some of what a character holds into its bank; of a note, what it stands for.

    Raises: BANK_FULL, STACK_OVERFLOW.
    """
    target = target_for(ctx, row, quantity, tab)
    parcel = items.lift(ctx, row, quantity)
    base = items.note_of(parcel.item_id, ctx.definitions(content.ItemDefinition))
    if base is not None:
        parcel = items.turned_into(ctx, parcel, base, account=rules.NOTE_ACCOUNT)
    if isinstance(target, items.Holding):
        items.merge_into(ctx, parcel, target)
    else:
        lay(ctx, row.holder_id, parcel, target)


def lay(ctx: Context, character: str, what: items.Parcel | BankPlaceholder, spot: Spot) -> None:
    """Put a parcel, or a placeholder, into a slot in which at most a placeholder is."""
    tab, slot = spot
    if isinstance(what, BankPlaceholder):
        ctx.put(BankPlaceholder(character, tab, slot, what.item_id))
        return
    release(ctx, character, spot)
    items.put_at(ctx, character, what, rules.container_of(tab), slot)


def release(ctx: Context, character: str, spot: Spot) -> None:
    """Let a slot wait for nothing any longer."""
    kept = ctx.get(BankPlaceholder, character, *spot)
    if kept is not None:
        ctx.delete(kept)


# Out of the bank


def fetch(ctx: Context, row: items.Holding, quantity: int, *, as_note: bool, placeholder: bool) -> int:
    """Take of a stack what fits into the inventory; the rest stays where it is. Give how much went.

    Raises: ITEM_NOT_NOTEABLE.
    """
    character = row.holder_id
    note = note_for(ctx, row) if as_note else None
    unique = row.item_uid is not None
    room = items.free_slots(ctx, character) if unique else items.room_for(ctx, character, note or row.item_id, row.metadata)
    part = min(quantity, room)
    if part < 1:
        return 0
    parcel = items.lift(ctx, row, part)
    if part == row.quantity:
        leave(ctx, row, placeholder=placeholder)
    if note is not None:
        parcel = items.turned_into(ctx, parcel, note, account=rules.NOTE_ACCOUNT)
    items.put(ctx, character, parcel)
    return part


def note_for(ctx: Context, row: items.Holding) -> str:
    """Give the note of what lies in a slot.

    Raises: ITEM_NOT_NOTEABLE.
    """
    note = items.note_for(ctx.definitions(content.ItemDefinition).get(row.item_id))
    if note is None or row.metadata or row.item_uid is not None:
        raise ItemNotNoteable(item=row.item_id)
    return note


def leave(ctx: Context, row: items.Holding, *, placeholder: bool) -> None:
    """Keep the slot of a stack that has gone, or let it go."""
    spot = rules.tab_of(row.container), row.slot
    if placeholder:
        ctx.put(BankPlaceholder(row.holder_id, *spot, row.item_id))
    else:
        release(ctx, row.holder_id, spot)


def keeps_places(ctx: Context, character: str) -> bool:
    """Tell whether the player wants placeholders."""
    setting = ctx.get(characters.CharacterSetting, character, rules.SETTING)
    return setting is not None and setting.value is True


# Within the bank


def rearrange(ctx: Context, character: str, moves: Iterable[tuple[Entry, Spot]]) -> None:
    """Put stacks and placeholders into other slots, all at once, so that none ever lies where another one does."""
    lifted = [(take_out(ctx, entry), spot) for entry, spot in list(moves)]
    for what, spot in lifted:
        lay(ctx, character, what, spot)


def take_out(ctx: Context, entry: Entry) -> items.Parcel | BankPlaceholder:
    """Take what lies in a slot out of it."""
    if isinstance(entry, BankPlaceholder):
        ctx.delete(entry)
        return entry
    release(ctx, entry.holder_id, (rules.tab_of(entry.container), entry.slot))
    return items.lift(ctx, entry, entry.quantity)


def in_tab(found: dict[Spot, Entry], tab: int) -> Sequence[tuple[int, Entry]]:
    """Give what lies in a tab, in the order of its slots."""
    return sorted(((slot, entry) for (where, slot), entry in found.items() if where == tab), key=lambda pair: pair[0])


# What is found in it


def carried(ctx: Context, character: str, container: items.Container, item: str) -> list[items.Holding]:
    """Give the stacks of an item that a character carries, in the order of their slots."""
    rows = (row for row in ctx.rows(items.Holding, character) if row.container == container and row.item_id == item)
    return sorted(rows, key=lambda row: row.slot)


def banked(ctx: Context, character: str, item: str) -> list[items.Holding]:
    """Give the stacks of an item, each without anything of its own, that lie in a bank, in the order of their slots."""
    found = entries(ctx, character)
    rows = [(spot, row) for spot, row in found.items() if isinstance(row, items.Holding) and row.item_id == item and not row.metadata]
    return [row for _, row in sorted(rows, key=lambda pair: pair[0])]


def chosen(ctx: Context, character: str, tab: int, slot: int | None, item: str | None) -> list[items.Holding]:
    """Give what a slot or an item's name stands for in a bank.

    Raises: INVALID_ARGUMENT, SLOT_EMPTY, ALREADY_PLACEHOLDER, ITEM_NOT_IN_BANK.
    """
    if (slot is None) == (item is None):
        raise InvalidArgument(path="/slot", problem="give either a slot or an item")
    if slot is not None:
        return [stack_at(ctx, character, tab, slot)]
    found = sorted((spot, row) for spot, row in entries(ctx, character).items() if row.item_id == item)
    rows = [row for _, row in found if isinstance(row, items.Holding)]
    if not rows:
        raise ItemNotInBank(item=item)
    return rows


def store_of(ctx: Context, rows: list[items.Holding], quantity: int, tab: int) -> None:
    """Put a quantity of several stacks into the bank, from the first one on.

    Raises: BANK_FULL, STACK_OVERFLOW.
    """
    for row in rows:
        part = min(row.quantity, quantity)
        if part:
            store(ctx, row, part, tab)
        quantity -= part


def merged(ctx: Context, entry: Entry, other: Entry | None) -> bool:
    """Make one stack, or one placeholder, of two that are the same; say whether they were."""
    if isinstance(entry, BankPlaceholder) and isinstance(other, BankPlaceholder) and entry.item_id == other.item_id:
        ctx.delete(entry)
        return True
    if not isinstance(entry, items.Holding) or not isinstance(other, items.Holding) or entry.item_uid is not None:
        return False
    defined = ctx.definitions(content.ItemDefinition).get(entry.item_id)
    if defined is None or not alike(other, entry.item_id, entry) or entry.quantity + other.quantity > content.MAX_STACK:
        return False
    parcel = take_out(ctx, entry)
    if isinstance(parcel, items.Parcel):
        items.merge_into(ctx, parcel, other)
    return True


def pushed(found: dict[Spot, Entry], character: str, here: Spot, there: Spot) -> list[tuple[Entry, Spot]]:
    """Give what makes way for what goes from here to there, and where to.

    Raises: BANK_FULL.
    """
    tab, at = there
    used = {slot for where, slot in found if where == tab and (where, slot) != here}
    hole = here[1] if here[0] == tab else rules.nearest_hole(used, at, items.BANK_SLOTS)
    if hole is None:
        raise BankFull(character=character)
    return [(found[tab, old], (tab, new)) for old, new in rules.make_way(used, at, hole).items()]


def require_currency(ctx: Context, item: str) -> content.ItemDefinition:
    """Give the definition of a currency.

    Raises: UNKNOWN_ITEM, CONTAINER_INVALID.
    """
    definition = items.known(ctx, item)
    if not items.is_currency(definition):
        raise items.ContainerInvalid(container="pouch")
    return definition

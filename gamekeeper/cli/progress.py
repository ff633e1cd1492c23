"""`gamekeeper character progress`: how far a character has come, its day, its titles and the latest of its ledger."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from msgspec import Struct

from gamekeeper.modules import bosses, characters, dailies, dungeons, progress, seasons, titles, xp

from .character import Realm, Who
from .inside import character_row, in_keep, moment, plain
from .options import NO_WORDS, World, answer

if TYPE_CHECKING:
    from gamekeeper.keep import Keep


class WholeProgress(Struct, frozen=True):
    """All that a character's days have come to. Shares are in basis points, multipliers too: 11500 is 1.15 times."""

    character: characters.Character
    progress: progress.Progress
    today: dailies.DayView
    titles: list[titles.TitleOf]
    fights: bosses.Fights
    dungeon: dungeons.Visit
    seasons: list[seasons.SeasonParticipation]
    ledger: list[xp.XpEvent]
    audit: xp.LedgerAudit


def show(
    who: Who,
    /,
    *,
    in_: Realm = None,
    limit: Annotated[int, Parameter(help="How many events of the ledger at most, the latest; 1 to 200.")] = 10,
    world: World = NO_WORDS,
) -> None:
    """Show how far a character has come: level, streaks, today's quests, titles, its fight and dungeon, and its ledger gone through.

    Raises: CHARACTER_NOT_FOUND, NAME_IN_SEVERAL_WORLDS, UNKNOWN_CURVE, AWARD_RULES_INVALID, INVALID_ARGUMENT, STORE_UNAVAILABLE.
    """
    found = in_keep(world.settings(), lambda keep: _read(keep, who, in_, limit))
    if world.json:
        answer("character-progress", found)
    else:
        print("\n".join(_written(found)))


async def _read(keep: "Keep", who: str, realm: str | None, limit: int) -> WholeProgress:
    row = await character_row(keep, who, realm)
    id = row.character_id
    return WholeProgress(
        character=row,
        progress=await keep.ask(progress.show(character=id)),
        today=await keep.ask(dailies.today(character=id)),
        titles=await keep.ask(titles.of(character=id)),
        fights=await keep.ask(bosses.fights(character=id)),
        dungeon=await keep.ask(dungeons.visit(character=id)),
        seasons=await keep.ask(seasons.list_parts(character=id)),
        ledger=(await keep.ask(xp.ledger(character=id, limit=limit))).items,
        audit=await keep.ask(xp.audit(character=id)),
    )


def _written(found: WholeProgress) -> Iterator[str]:
    yield from _standing(found)
    yield f"{found.today.day}, closes {moment(found.today.closes_at)}:"
    for quest in found.today.quests:
        core = ", core" if quest.is_core else ""
        missing = f": {plain('; '.join(quest.missing))}" if quest.missing else ""
        yield f"  {plain(quest.name)} ({quest.template}{core}): {quest.status.lower()} {quest.progress // 100} %{missing}"
    yield from _adventures(found)
    yield "Titles:"
    for title in found.titles:
        borne = ", borne" if title.is_active else ""
        yield f"  {plain(title.name)} ({title.title}): {title.status.lower()}{borne}" + (
            "" if title.status == "EARNED" else f", {title.progress // 100} %: {plain('; '.join(title.conditions))}"
        )
    fault = found.audit.fault
    sound = "all follow from one another" if fault is None else f"event {fault.seq} is wrong: {plain(fault.problem)}"
    yield f"Ledger, {found.audit.events:,} events, {sound}:"
    for event in found.ledger:
        yield f"  {event.seq:>6}  {moment(event.created_at)}  {event.final_xp:>+9,} of {event.base_xp:,}  {plain(event.source_id)}"


def _standing(found: WholeProgress) -> Iterator[str]:
    now = found.progress
    way = "the highest level" if now.next_level_xp is None else f"{now.percent} % of the way to {now.next_level_xp:,}"
    yield f"{plain(found.character.name)}  {found.character.character_id}"
    yield f"  level {now.level:,}, {now.total_xp:,} XP, {way}"
    yield f"  streak {now.current_streak:,} (longest {now.longest_streak:,}, perfect {now.perfect_streak:,})"
    yield f"  grace tokens {now.grace_tokens}, quest points {now.quest_points:,}"
    if now.debuff_until is not None:
        yield f"  debuff until {moment(now.debuff_until)}"
    if now.active_title is not None:
        yield f"  bears {now.active_title}"
    for one in now.modifiers:
        effect = f"{one.flat:+,}" if one.flat else f"x {one.multiplier_bp / xp.ONE_BP:g}"
        yield f"  an award now: {effect} {plain(one.reason)}"
    for part in found.seasons:
        rank = "" if part.rank is None else f", rank {part.rank:,}"
        yield f"  season {part.season}: {part.season_xp:,} XP{rank}"


def _adventures(found: WholeProgress) -> Iterator[str]:
    fight, visit = found.fights.now, found.dungeon
    if fight is not None:
        phase = "a phase that is defined no more" if fight.phase is None else f"{plain(fight.phase)}, day {fight.day} of {fight.days}"
        yield f"Fight with {plain(fight.boss)}, {phase}: {plain('; '.join(fight.missing))}"
    if visit.attempt is not None:
        yield f"In {visit.attempt.dungeon_id} until {moment(visit.attempt.expires_at)}:"
        for one in visit.challenges:
            yield f"  {plain(one.name)}: " + ("done" if one.done_at is not None else plain("; ".join(one.missing)))

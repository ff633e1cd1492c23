"""Seasons: when each is on, who is where on its board, what its close would come to, and the forms that start and close it."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gamekeeper.errors import Busy, GameError
from gamekeeper.keep import Keep
from gamekeeper.kernel.commands import Call
from gamekeeper.kernel.queries import Page
from gamekeeper.modules import days, seasons, xp
from gamekeeper.studio import queries
from gamekeeper.studio.asking import DAY_MS, PAGE, STATUS, id_of, keep_of, word
from gamekeeper.studio.finding import Meant, character_anywhere
from gamekeeper.studio.guard import session_of
from gamekeeper.studio.rendering import page

from .edits import Draft, Form, Forms, Typed, change, new_drafts

ROOM: Final = "seasons"
EACH_SIDE: Final = 5
DRY_SECONDS: Final = 20.0
"""How long a dry run may take before nobody waits for it any more."""
DRY_ROWS: Final = 20
STEPS_AT_ONCE: Final = 25
"""Steps of a close that are done while an operator waits: five thousand participants; the job does the rest."""


class Span(Struct, frozen=True):
    """Where a season is drawn in the calendar, in hundredths of a percent of its width."""

    season: str
    status: str
    begins: float
    width: float


class Calendar(Struct, frozen=True):
    """All seasons beside each other, and where now is among them."""

    spans: list[Span]
    now: float | None


def calendar_of(found: list[seasons.SeasonView], now: int) -> Calendar:
    """Put seasons beside each other in percent of the time that they take together."""
    if not found:
        return Calendar([], None)
    first, last = min(one.starts_at for one in found), max(one.ends_at for one in found)
    whole = max(last - first, 1)
    spans = [
        Span(one.season, one.status, round(100 * (one.starts_at - first) / whole, 2), round(100 * (one.ends_at - one.starts_at) / whole, 2))
        for one in found
    ]
    return Calendar(spans, round(100 * (now - first) / whole, 2) if first <= now <= last else None)


async def index(request: Request) -> Response:
    """The list of seasons."""
    keep = keep_of(request)
    found, now = await keep.ask(seasons.list_seasons()), keep.clock.now_ms()
    return page(request, "seasons.html", room=ROOM, found=found, calendar=calendar_of(found, now), now=now, day=DAY_MS)


async def everybody(request: Request) -> Response:
    """The board of all experience, whatever the season."""
    keep, cursor = keep_of(request), word(request, "cursor") or None
    who = await character_anywhere(keep, word(request, "around"))
    rows: Page[xp.LeaderboardRow] = Page([])
    if who.id is not None:
        rows = Page(await keep.ask(xp.leaderboard_around(character=who.id, each_side=EACH_SIDE)))
    elif not who.unknown:
        rows = await keep.ask(xp.leaderboard(limit=PAGE, cursor=cursor))
    return page(request, "leaderboard.html", room=ROOM, found=rows, who=who, cursor=cursor)


async def week(request: Request) -> Response:
    """The board of this week, or of one that is over."""
    keep, cursor, wanted = keep_of(request), word(request, "cursor") or None, word(request, "week")
    monday = days.week_of(days.checked(wanted)) if wanted else xp.week_at(keep.clock.now_ms())
    missing, kept = False, None
    rows: Page[xp.WeeklyRow] = Page([])
    if monday >= xp.week_at(keep.clock.now_ms()):
        rows = await keep.ask(xp.weekly(limit=PAGE, cursor=cursor))
    else:
        try:
            kept = await keep.ask(xp.past_week(week=monday))
            rows = Page(kept.top)
        except xp.WeekNotKept:
            missing = True
    before = days.after(monday, -7)
    return page(request, "week.html", room=ROOM, found=rows, kept=kept, missing=missing, week=monday, before=before, cursor=cursor)


async def show(request: Request) -> Response:
    """One season with its board."""
    return await answer(request, new_drafts(request, FORMS))


async def rehearse(request: Request) -> Response:
    """Say what closing the season now would come to, which changes nothing and so needs no reason."""
    keep, drafts = keep_of(request), new_drafts(request, FORMS)
    try:
        async with asyncio.timeout(DRY_SECONDS):
            told = await keep.ask(seasons.preview(season=id_of(request), limit=DRY_ROWS))
    except TimeoutError:
        return await answer(request, drafts, 503, error=Busy(retry_after_seconds=DRY_SECONDS))
    except GameError as error:
        return await answer(request, drafts, STATUS[error.kind], error=error)
    return await answer(request, drafts, told=told)


async def edit(request: Request) -> Response:
    """Run the command of a form; after a close has begun, its next steps too, as many as an operator will wait for."""
    answered = await change(request, FORMS, answer, ROOM)
    if request.path_params["form"] in ("close", "go-on") and answered.status_code == 303:
        await _go_on(keep_of(request), id_of(request), f"operator:{session_of(request).operator}")
    return answered


async def _go_on(keep: Keep, season: str, actor: str) -> None:
    for _ in range(STEPS_AT_ONCE):
        if not (await keep.do(seasons.close_step(season=season), actor=actor)).more:
            return


async def answer(
    request: Request, drafts: dict[str, Draft], status: int = 200, *, told: seasons.Preview | None = None, error: GameError | None = None
) -> Response:
    """The page of a season: its board as it is, or as it was frozen, with the forms and what a dry run has told."""
    keep, id, cursor = keep_of(request), id_of(request), word(request, "cursor") or None
    season, who = await _season(keep, id), await character_anywhere(keep, word(request, "around"))
    definition = keep.reader.definitions(seasons.SeasonDefinition).get(id)
    return page(
        request,
        "season.html",
        status,
        room=ROOM,
        season=season,
        state=await queries.season_state(keep.reader, season=id),
        entry=None if definition is None else definition.entry,
        defined=definition is not None,
        now=keep.clock.now_ms(),
        day=DAY_MS,
        settle=seasons.SETTLE_MS,
        board=await _board(keep, season, who, cursor),
        who=who,
        cursor=cursor,
        drafts=drafts,
        told=told,
        error=error,
    )


async def _season(keep: Keep, id: str) -> seasons.SeasonView:
    try:
        return await keep.ask(seasons.show(season=id))
    except seasons.UnknownSeason:
        raise HTTPException(404) from None


async def _board(keep: Keep, season: seasons.SeasonView, who: Meant, cursor: str | None) -> Page[Any]:
    if who.id is not None:
        return Page(await keep.ask(seasons.around(character=who.id, season=season.season, each_side=EACH_SIDE)))
    if who.unknown:
        return Page([])
    if season.closed_at is not None:
        return await keep.ask(seasons.standing(season=season.season, limit=PAGE, cursor=cursor))
    return await keep.ask(seasons.live(season=season.season, limit=PAGE, cursor=cursor))


# Forms


def _start(season: str, _typed: Typed) -> Call[Any]:
    return seasons.start(season=season)


def _started(_typed: Typed, result: seasons.SeasonState) -> str:
    return {"UPCOMING": "Announced; it starts when its time comes.", "ACTIVE": "It is on."}.get(result.status, "It is over already.")


def _close(season: str, typed: Typed) -> Call[Any]:
    return seasons.close(season=season, reason=typed.get("reason", "").strip())


def _closed(_typed: Typed, _result: Any) -> str:
    return "The close has begun: what each participant has is frozen, and each gets a rank."


def _step(season: str, _typed: Typed) -> Call[Any]:
    return seasons.close_step(season=season)


def _stepped(_typed: Typed, _result: Any) -> str:
    return "The close has gone on."


def _disqualify(season: str, typed: Typed) -> Call[Any]:
    return seasons.disqualify(character=typed.get("character", "").strip(), season=season, reason=typed.get("reason", "").strip())


def _disqualified(_typed: Typed, result: seasons.SeasonParticipation) -> str:
    return f"Taken off the board; {result.forfeited_xp:,} XP no longer count in this season."


def _reinstate(season: str, typed: Typed) -> Call[Any]:
    return seasons.reinstate(character=typed.get("character", "").strip(), season=season, reason=typed.get("reason", "").strip())


def _reinstated(_typed: Typed, result: seasons.SeasonParticipation) -> str:
    return f"On the board again, with {result.season_xp:,} XP."


FORMS: Final[Forms] = {
    "start": Form(("reason",), _start, _started),
    "close": Form(("reason", "confirm"), _close, _closed),
    "go-on": Form(("reason",), _step, _stepped),
    "disqualify": Form(("character", "reason", "confirm"), _disqualify, _disqualified),
    "reinstate": Form(("character", "reason"), _reinstate, _reinstated),
}

ROUTES = [
    Route("/leaderboard", everybody),
    Route("/leaderboard/week", week),
    Route("/seasons", index),
    Route("/seasons/{id}", show),
    Route("/seasons/{id}/dry-run", rehearse, methods=["POST"]),
    Route("/seasons/{id}/{form}", edit, methods=["POST"]),
]

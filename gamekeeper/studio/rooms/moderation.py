"""Moderation: bans in force and past, what staff noted, and what people did."""

from __future__ import annotations

from typing import Any, Final, cast, get_args

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gamekeeper.kernel.queries import Page
from gamekeeper.modules import moderation, users
from gamekeeper.studio import queries
from gamekeeper.studio.asking import DAY_MS, PAGE, day_of, is_id, keep_of, one_of, word
from gamekeeper.studio.finding import Meant, user_meant
from gamekeeper.studio.rendering import go_to, page

ROOM: Final = "moderation"
STATES: Final = {"in_force": "in force", "past": "past", "all": "all"}
NOBODY: Final = Meant("", None)
EVENTS: Final[tuple[str, ...]] = get_args(moderation.EventType)


async def bans(request: Request) -> Response:
    """The list of bans, those in force unless others are asked for."""
    keep, cursor = keep_of(request), word(request, "cursor") or None
    state = one_of(request, "state", STATES) or "in_force"
    wanted = cast("moderation.BanState | None", None if state == "all" else state)
    found = await keep.ask(moderation.list_bans(state=wanted, limit=PAGE, cursor=cursor))
    return _bans_page(request, found, state, cursor=cursor)


async def ban(request: Request) -> Response:
    """Where somebody is banned: the form on the page of the user whose name or id was typed."""
    user = await user_meant(keep_of(request), word(request, "user"))
    if user.id is not None:
        return go_to(request, "users", user.id, form="ban", back=ROOM, fragment="edits")
    return _bans_page(request, Page([]), "in_force", user=user, status=404)


def _bans_page(
    request: Request, found: Page[moderation.ListedBan], state: str, *, cursor: str | None = None, user: Meant = NOBODY, status: int = 200
) -> Response:
    return page(request, "bans.html", status, room=ROOM, found=found, state=state, states=STATES, cursor=cursor, user=user)


async def notes(request: Request) -> Response:
    """The list of notes about everybody, or about one user."""
    keep, cursor = keep_of(request), word(request, "cursor") or None
    user = await user_meant(keep, word(request, "user"))
    found: Page[Any] = Page([])
    if user.id is not None:
        found = await keep.ask(moderation.list_notes(user=user.id, limit=PAGE, cursor=cursor))
    elif not user.unknown:
        found = await keep.ask(moderation.newest_notes(limit=PAGE, cursor=cursor))
    about = {one.note_id: getattr(one, "user_id", user.id) for one in found.items}
    labels = await queries.labels(keep, [id for one in found.items for id in (about[one.note_id], one.author_id) if id is not None])
    return page(request, "notes.html", room=ROOM, found=found, user=user, about=about, cursor=cursor, labels=labels)


async def activity(request: Request) -> Response:
    """The activity log: of everybody or of one user, of all events or of one, of some days."""
    keep, cursor = keep_of(request), word(request, "cursor") or None
    user, event = await user_meant(keep, word(request, "user")), one_of(request, "event", EVENTS)
    since, until = day_of(request, "since"), day_of(request, "until")
    found: Page[moderation.Activity] = Page([])
    if not user.unknown:
        found = await keep.ask(
            moderation.activity(
                user=user.id,
                events=[cast("moderation.EventType", event)] if event else None,
                since=since,
                until=None if until is None else until + DAY_MS,
                limit=PAGE,
                cursor=cursor,
            )
        )
    labels = await queries.labels(keep, {id for one in found.items for id in _ids(one)})
    return page(
        request,
        "activity.html",
        room=ROOM,
        found=found,
        user=user,
        event=event,
        events=EVENTS,
        since=word(request, "since"),
        until=word(request, "until"),
        days=moderation.ACTIVITY_DAYS,
        cursor=cursor,
        labels=labels,
        actors={one.actor: users.acting_user(one.actor) for one in found.items},
    )


def _ids(one: moderation.Activity) -> set[str]:
    """Everybody who may stand in a line of the log."""
    named = {value for value in one.details.values() if isinstance(value, str) and is_id(value)}
    actor = users.acting_user(one.actor)
    return {one.owner_id, one.origin_id} | named | ({actor} if actor is not None else set())


ROUTES = [
    Route("/moderation", bans),
    Route("/moderation/ban", ban),
    Route("/moderation/notes", notes),
    Route("/moderation/activity", activity),
]

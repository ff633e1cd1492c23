"""Days: local dates through every change of clocks that a zone has had."""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from gamekeeper.errors import InvalidArgument
from gamekeeper.keep import Keep
from gamekeeper.modules import days, users

HOUR: Final = 3_600_000

ODD: Final = (
    "America/Sao_Paulo",  # set forward and back at midnight
    "America/Havana",  # the first hour of a day comes twice
    "America/St_Johns",  # set back one minute after midnight; a quarter and a half hour
    "America/Toronto",
    "America/Nuuk",
    "Africa/Cairo",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Antarctica/Troll",  # two hours
    "Australia/Lord_Howe",  # half an hour
    "Pacific/Apia",  # went over the date line
    "Pacific/Kiritimati",
    "Pacific/Kwajalein",  # went over it twice
    "Pacific/Chatham",
)
"""Zones whose clocks have done something odd."""


def hours(day: str, zone: str) -> float:
    """How long a day is."""
    return (days.end_of(day, zone) - days.start_of(day, zone)) / HOUR


@pytest.mark.parametrize("zone", ODD)
def test_abuse_53_every_instant_is_in_one_day_whatever_the_clocks_do(zone: str) -> None:
    """Around each change of the zone's offset from 1970 to 2045: days have no gap and no overlap, and never run backwards."""
    tz, at, seen = ZoneInfo(zone), datetime(1970, 1, 4, tzinfo=UTC), 0
    while at.year < 2045:
        before, at = at, at + timedelta(days=1)
        if before.astimezone(tz).utcoffset() == at.astimezone(tz).utcoffset():
            continue
        seen += 1
        first, last = "", ""
        for half in range(-2, 2 * 26):
            ms = (int(before.timestamp()) + half * 1_800 + half % 3 * 30) * 1_000 + half % 2
            day = days.local_day(ms, zone)
            assert last <= day, "a day that has ended begins again"
            assert days.start_of(day, zone) <= ms < days.end_of(day, zone)
            assert days.local_day(days.start_of(day, zone), zone) == day
            assert days.local_day(days.end_of(day, zone) - 1, zone) == day
            assert days.exists(day, zone)
            first, last = first or day, day
        while first != last:
            following = days.after(first)
            assert days.end_of(first, zone) == days.start_of(following, zone)
            first = following
    assert seen or zone == "Asia/Kolkata"


def test_a_day_begins_when_clocks_go_over_midnight_and_is_as_long_as_they_make_it() -> None:
    assert days.start_of("2017-10-15", "America/Sao_Paulo") == int(datetime(2017, 10, 15, 3, tzinfo=UTC).timestamp()) * 1_000
    assert [hours(day, "America/Sao_Paulo") for day in ("2017-10-14", "2017-10-15", "2018-02-17", "2018-02-18")] == [24, 23, 25, 24]
    assert [hours(day, "Africa/Cairo") for day in ("2023-04-27", "2023-04-28", "2023-10-26", "2023-10-27")] == [24, 23, 25, 24]
    assert [hours(day, "Australia/Lord_Howe") for day in ("2024-04-07", "2024-10-06")] == [24.5, 23.5]
    assert [hours(day, "Europe/London") for day in ("2024-03-31", "2024-10-27", "2024-06-01")] == [23, 25, 24]
    assert hours("2011-12-30", "Pacific/Apia") == 0
    assert not days.exists("2011-12-30", "Pacific/Apia")
    assert days.end_of("2011-12-29", "Pacific/Apia") == days.start_of("2011-12-31", "Pacific/Apia")
    noon = int(datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp()) * 1_000
    zones = ("Pacific/Kiritimati", "Asia/Kathmandu", "Etc/GMT+12")
    assert [days.local_day(noon, zone) for zone in zones] == ["2026-06-02", "2026-06-01", "2026-06-01"]


def test_dates_that_no_calendar_has_are_refused() -> None:
    other_forms = ("20260101", "2026-W01-1", "2026-1-1", "", "2026-01-01\n", "\u0662\u0660\u0662\u0666-01-01")
    for day in ("2026-02-30", "2023-02-29", "1969-12-31", "9999-01-01", *other_forms):
        with pytest.raises(InvalidArgument) as refused:
            days.checked(day)
        assert refused.value.path == "/day"
    for ms in (2**53 - 1, -(2**53)):
        with pytest.raises(InvalidArgument):
            days.local_day(ms, "UTC")
    with pytest.raises(InvalidArgument):
        days.after("9990-12-31")


async def test_users_can_be_in_no_zone_that_days_do_not_know(keep: Keep) -> None:
    made = (await keep.do(users.create_guest())).user_id
    for zone in ("localtime", "Factory", "Mars/Olympus", "europe/london", "../../etc/passwd", "posixrules"):
        assert not days.is_zone(zone)
        with pytest.raises(InvalidArgument) as refused:
            await keep.do(users.set_timezone(user=made, timezone=zone))
        assert refused.value.path == "/timezone"
        with pytest.raises(InvalidArgument):
            days.start_of("2026-01-01", zone)
    await keep.do(users.set_timezone(user=made, timezone="Asia/Kathmandu"))

"""Jobs: each period runs once, whoever is there to run it, and what is cut off is gone on with where it was."""

import asyncio
import contextlib
import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

import gamekeeper
from gamekeeper import jobs
from gamekeeper.config import settings_from
from gamekeeper.errors import AlreadyExists, GameError, InvalidArgument, OwnerLeased
from gamekeeper.jobs import commands, queries
from gamekeeper.jobs import schedule as schedules
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.kernel.store.schema import all_tables
from gamekeeper.kernel.verify import verify
from gamekeeper.modules import worlds
from gamekeeper.server import make_server
from gamekeeper.server.metrics import Metrics
from gamekeeper.server.rates import Rates
from tests.forks import Forked
from tests.jobs import worker

HOUR = 3600
Work = Callable[[jobs.Run], Any]


@pytest.fixture(autouse=True)
def only_ours() -> Iterator[None]:
    """No job but those that a test declares."""
    before = dict(jobs.JOBS)
    jobs.JOBS.clear()
    yield
    jobs.JOBS.clear()
    jobs.JOBS.update(before)


def declared(work: Work, *, name: str = "chores", cron: str = "0 * * * *", **words: Any) -> None:
    """Declare a job."""
    jobs.job(name, cron=cron, **words)(work)


@contextlib.asynccontextmanager
async def another(url: str, clock: ManualClock, **settings: Any) -> AsyncIterator[Keep]:
    """Another keep on the same database."""
    async with gamekeeper.open(url, clock=clock, allow_unsafe_postgres=True, **settings) as keep:
        yield keep


async def past(keep: Keep, name: str = "chores") -> list[tuple[str, int, int]]:
    """How the runs of a job went, the newest first: status, attempts, count."""
    page = await keep.ask(jobs.history(name=name))
    return [(one.status, one.attempt, one.counted) for one in page.items]


async def everything(keep: Keep) -> dict[str, list[list[Any]]]:
    """All rows of all tables."""
    return {one.name: sorted([list(row) for row in await keep.store.fetch(select(one), {})], key=repr) for one in all_tables()}


async def test_several_processes_never_run_a_period_twice(timed: Keep, clock: ManualClock, database_url: str) -> None:
    ran: list[tuple[str, int]] = []

    async def work(run: jobs.Run) -> None:
        """Do something that takes a while."""
        ran.append((run.name, run.period))
        await run.do(worlds.create_world(world=f"{run.name}-{run.period}", name="Land"))
        await asyncio.sleep(0.01)
        run.done()

    declared(work)
    declared(work, name="errands", catch_up="each")
    async with another(database_url, clock) as second, another(database_url, clock) as third:
        keeps = (timed, second, third)
        await asyncio.gather(*(jobs.run_due(one) for one in keeps))
        assert ran == []  # the first period of a new job is the next one
        for _ in range(4):
            clock.move(HOUR)
            await asyncio.gather(*(jobs.run_due(one) for one in keeps))
    assert len(ran) == len(set(ran)) == 8
    assert await past(timed) == await past(timed, "errands") == [("succeeded", 1, 1)] * 4
    assert (await verify(timed)).problems == []


@pytest.mark.parametrize(("catch_up", "expected"), [("latest", [5]), ("each", [1, 2, 3, 4, 5]), ("skip", [])])
async def test_after_a_downtime_missed_periods_are_made_up_for_as_declared(
    timed: Keep, clock: ManualClock, catch_up: Any, expected: list[int]
) -> None:
    ran: list[int] = []

    async def work(run: jobs.Run) -> None:
        ran.append(run.period)

    declared(work, catch_up=catch_up)
    await jobs.run_due(timed)
    (state,) = await timed.ask(jobs.list_jobs())
    first = state.next_at or 0
    clock.move((first - clock.now_ms()) / 1000 + 4.5 * HOUR)

    await jobs.run_due(timed)
    assert ran == [first + (number - 1) * HOUR * 1000 for number in expected]
    assert [status for status, _, _ in await past(timed)] == (["succeeded"] * len(expected) or ["skipped"])

    clock.move(0.5 * HOUR)
    await jobs.run_due(timed)
    assert ran[-1] == first + 5 * HOUR * 1000  # nobody missed this one
    if catch_up == "skip":
        # Within minutes is in time; later is not.
        for late_seconds, count in ((schedules.LATE_SECONDS, 2), (schedules.LATE_SECONDS + 1, 2)):
            clock.move((ran[0] - clock.now_ms()) / 1000 + HOUR * (1 if late_seconds == schedules.LATE_SECONDS else 2) + late_seconds)
            await jobs.run_due(timed)
            assert len(ran) == count
        assert [status for status, _, _ in await past(timed)] == ["skipped", "succeeded", "succeeded", "skipped"]


async def test_who_is_killed_in_the_middle_is_followed_by_another_where_it_was(database_url: str) -> None:
    worker.declare(None)
    async with gamekeeper.open(database_url, create=True, lease_seconds=worker.LEASE_SECONDS, allow_unsafe_postgres=True) as keep:
        ours, theirs = os.pipe()
        process = Forked("tests.jobs.worker", database_url, "15", stdin=os.open(os.devnull, os.O_RDONLY), stdout=theirs)
        os.close(theirs)
        with os.fdopen(ours, "rb") as told:
            assert await asyncio.to_thread(told.readline) == b"!\n"
            with pytest.raises(OwnerLeased):
                await jobs.run_now(keep, worker.NAME, asked_by="operator:test")
            assert await jobs.run_due(keep) == []
            process.kill()
            process.wait()
        ended: list[jobs.JobRun] = []
        while not ended:
            await asyncio.sleep(0.1)  # until the lease is over
            ended = await jobs.run_due(keep)
        # The worlds that were there already would have refused to be made again.
        assert (ended[0].status, ended[0].attempt, ended[0].error) == ("succeeded", 2, None)
        assert ended[0].counted in (worker.ALL, worker.ALL - 1)  # its last count may have died with it
        assert len((await keep.ask(worlds.list_worlds(limit=200))).items) == worker.ALL
        assert await jobs.run_due(keep) == []


async def test_a_holder_that_slept_too_long_does_nothing_more(timed: Keep, clock: ManualClock, database_url: str) -> None:
    refused: list[str] = []

    async def work(run: jobs.Run) -> None:
        if run.keep is not timed:
            await run.do(worlds.create_world(world="second", name="Second"), cursor="2")
            return
        await run.do(worlds.create_world(world="first", name="First"), cursor="1")
        # As after a long pause: the lease is another's by now, who took the run up and ended it.
        await timed.store.release_leases([(run._begun.job_id, timed.runner.leases.held[run._begun.job_id].epoch)], timed.holder, None, 0)
        async with another(database_url, clock) as other:
            taken = await jobs.run_due(other)
            assert [(one.status, one.attempt, one.cursor) for one in taken] == [("succeeded", 2, "2")]
        try:
            await run.do(worlds.create_world(world="third", name="Third"), cursor="3")
        except GameError as error:
            refused.append(error.code)
            raise

    declared(work)
    await jobs.run_due(timed)
    clock.move(HOUR)
    assert await jobs.run_due(timed) == []
    assert refused
    assert refused[0] in ("JOB_RUN_LOST", "STALE_LEASE")
    assert [one.world_id for one in (await timed.ask(worlds.list_worlds())).items] == ["first", "second"]
    assert await past(timed) == [("succeeded", 2, 0)]
    assert jobs.stats_of(timed).runs == {("chores", "lost"): 1}


async def test_who_fails_waits_longer_each_time_and_stops_nobody(timed: Keep, clock: ManualClock) -> None:
    async def work(run: jobs.Run) -> None:
        tries.append(run.period)
        run.done(3, seen=2)
        if len(tries) == 1:
            await run.do(worlds.create_world(world="half", name="Half"), cursor="half")
        if len(tries) < 3:
            raise ValueError("a word that stands in no log")
        # What is refused leaves the mark where it was.
        assert run.cursor == "half"
        with pytest.raises(AlreadyExists):
            await run.do(worlds.create_world(world="half", name="Half"), cursor="whole")
        await run.do(worlds.create_world(world="late", name="Late"))

    async def fine(run: jobs.Run) -> None:
        run.done()

    tries: list[int] = []
    declared(work)
    declared(fine, name="fine")
    await jobs.run_due(timed)
    clock.move(HOUR)
    await jobs.run_due(timed)
    assert await past(timed, "fine") == [("succeeded", 1, 1)]
    (failed,) = (await timed.ask(jobs.history(name="chores"))).items
    assert failed.status == "failed"
    assert (failed.error or "").startswith("ValueError in work:")
    assert "word" not in (failed.error or "")
    assert len(tries) == 1
    for seconds, tried in ((29, 1), (1, 2), (59, 2), (1, 3)):
        clock.move(seconds)
        await jobs.run_due(timed)
        assert len(tries) == tried
    assert len(set(tries)) == 1
    assert await past(timed) == [("succeeded", 3, 9)]
    assert (await timed.ask(jobs.show(name="chores"))).failures == 0
    assert jobs.stats_of(timed).runs["chores", "failed"] == 2
    async with contextlib.aclosing(Rates(timed)) as rates:
        assert b'gamekeeper_job_runs_total{job="chores",result="failed"} 2.0' in Metrics(timed, rates).text()


async def test_a_failed_run_makes_room_for_the_next_period_unless_each_counts(timed: Keep, clock: ManualClock) -> None:
    async def work(run: jobs.Run) -> None:
        raise worlds.WorldNotFound(id="nowhere")

    declared(work)
    declared(work, name="each_one", catch_up="each")
    await jobs.run_due(timed)
    clock.move(HOUR)
    await jobs.run_due(timed)
    clock.move(HOUR)
    await jobs.run_due(timed)
    assert await past(timed) == [("failed", 1, 0), ("failed", 1, 0)]
    assert await past(timed, "each_one") == [("failed", 2, 0)]
    assert ((await timed.ask(jobs.show(name="each_one"))).last or failing()).error is not None
    await timed.do(jobs.give_up(name="each_one"), actor="operator:ada", reason="it never will")
    await jobs.run_due(timed)
    assert await past(timed, "each_one") == [("failed", 1, 0), ("failed", 2, 0)]


def failing() -> Any:
    """What is not there."""
    raise AssertionError


async def test_a_quiet_job_leaves_no_trace_while_there_is_nothing_to_do(timed: Keep, clock: ManualClock) -> None:
    async def work(run: jobs.Run) -> None:
        looks.append(run.dry_run)
        run.done(len(waiting))
        if not run.dry_run:
            waiting.clear()

    looks, waiting = list[bool](), list[str]()
    declared(work, quiet=True)
    runner = jobs.JobRunner(timed)
    await runner.turn()
    rows = await everything(timed)
    for _ in range(3):
        clock.move(HOUR)
        assert [await runner.turn() for _ in range(3)] == [0, 0, 0]
    assert looks == [True] * 3  # one look for each period
    assert await everything(timed) == rows
    assert (await timed.ask(jobs.show(name="chores"))).next_at == jobs.after(jobs.Schedule("0 * * * *"), clock.now_ms())

    waiting.append("something")
    clock.move(HOUR)
    assert [(one.status, one.counted) for one in await jobs.run_due(timed)] == [("succeeded", 1)]
    clock.move(23 * HOUR)
    assert await jobs.run_due(timed) == []
    clock.move(HOUR)
    assert [(one.status, one.counted) for one in await jobs.run_due(timed)] == [("succeeded", 0)]
    await timed.do(jobs.request(name="chores"), actor="operator:ada")
    assert len(await jobs.run_due(timed)) == 1


async def test_a_process_that_ends_leaves_its_run_to_the_next_one(timed: Keep, clock: ManualClock, database_url: str) -> None:
    started = asyncio.Event()

    async def work(run: jobs.Run) -> None:
        for number in range(int(run.cursor or 0), 1_000 if run.keep is timed else 1_002):
            await run.do(worlds.create_world(world=f"land-{run.keep is timed}-{number}", name="Land"), cursor=str(number + 1))
            run.done()
            started.set()

    declared(work)
    await jobs.run_due(timed)
    clock.move(HOUR)
    async with gamekeeper.run_jobs(timed):
        await asyncio.wait_for(started.wait(), 10)
    (stopped,) = (await timed.ask(jobs.history())).items
    assert stopped.status == "stopped"
    assert stopped.cursor == str(stopped.counted)
    done = len((await timed.ask(worlds.list_worlds(limit=200))).items)
    assert stopped.counted == min(done, 1_000) or done == 200

    jobs.JOBS.clear()

    async def rest(run: jobs.Run) -> None:
        assert run.cursor == stopped.cursor
        run.done()

    declared(rest)
    async with another(database_url, clock) as other:
        await jobs.run_due(other)
    assert await past(timed) == [("succeeded", 2, stopped.counted + 1)]


@pytest.mark.parametrize("wanted", [True, False])
async def test_a_server_runs_jobs_beside_serving_unless_it_is_told_not_to(database_url: str, wanted: bool) -> None:
    began, started, orders, ended = asyncio.Event(), asyncio.Event(), asyncio.Queue[dict[str, str]](), list[Any]()

    async def work(run: jobs.Run) -> None:
        began.set()
        while True:
            await asyncio.sleep(0.01)
            run.go_on()

    async def told(message: Any) -> None:
        ended.append(message["type"])
        started.set()

    declared(work)
    async with gamekeeper.open(database_url, create=True, allow_unsafe_postgres=True) as keep:
        await jobs.run_due(keep)
        await keep.do(jobs.request(name="chores"), actor="operator:ada")
    settings = settings_from({"url": database_url, "run_jobs": wanted, "allow_unsafe_postgres": True})
    server = asyncio.create_task(make_server(settings)._opening({"type": "lifespan"}, orders.get, told))
    await orders.put({"type": "lifespan.startup"})
    await asyncio.wait_for((began if wanted else started).wait(), 20)
    await orders.put({"type": "lifespan.shutdown"})
    await server
    assert ended == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    async with gamekeeper.open(database_url, allow_unsafe_postgres=True) as keep:
        assert [status for status, _, _ in await past(keep)] == (["stopped"] if wanted else [])


async def test_what_is_asked_for_runs_once_and_a_dry_run_changes_nothing(timed: Keep, clock: ManualClock, database_url: str) -> None:
    async def work(run: jobs.Run) -> None:
        found = await run.do(jobs.forget_runs(dry_run=run.dry_run))
        run.done(found.runs, hello="you")

    async def careless(run: jobs.Run) -> None:
        await run.do(worlds.create_world(world="never", name="Never"))

    declared(work)
    declared(careless, name="careless")
    await jobs.run_due(timed)
    before = await everything(timed)
    assert (await jobs.rehearse(timed, jobs.job_named("chores"))).facts == {"hello": "you"}
    with pytest.raises(InvalidArgument):
        await jobs.rehearse(timed, jobs.job_named("careless"))
    assert await everything(timed) == before

    asked = await timed.do(jobs.request(name="chores"), actor="operator:ada", reason="now")
    assert await timed.do(jobs.request(name="chores"), actor="operator:bob", reason="now") == asked
    async with another(database_url, clock) as other:
        await asyncio.gather(jobs.run_due(timed), jobs.run_due(other))
    (run,) = (await timed.ask(jobs.history())).items
    assert (run.status, run.period, run.asked_by) == ("succeeded", asked.period, "operator:ada")

    clock.move(5)
    here = await jobs.run_now(timed, "chores", asked_by="operator:cli", reason="by hand")
    assert here is not None
    assert here.status == "succeeded"
    clock.move(HOUR)
    await jobs.run_due(timed)  # what was asked for did not stand for the schedule's period
    runs = (await timed.ask(jobs.history(name="chores", limit=2))).items
    assert [one.asked_by for one in runs] == [None, "operator:cli"]
    for period, error in (
        (runs[0].period, jobs.PeriodDone),
        (runs[0].period + 1, jobs.NoPeriod),
        (runs[0].period + HOUR * 1000, jobs.NoPeriod),
        (runs[0].period - 1_000 * HOUR * 1000, jobs.NoPeriod),
    ):
        with pytest.raises(error):
            await jobs.run_now(timed, "chores", asked_by="operator:cli", period=period)
    again = await jobs.run_now(timed, "chores", asked_by="operator:cli", period=runs[0].period - HOUR * 1000)
    assert again is not None
    assert again.status == "succeeded"
    with pytest.raises(jobs.JobNotFound):
        await timed.do(jobs.request(name="nothing"))


async def test_the_history_has_pages_and_is_forgotten_in_time(timed: Keep, clock: ManualClock) -> None:
    async def work(run: jobs.Run) -> None:
        if run.period % 5 == 0 and run.name == "broken":
            raise worlds.WorldNotFound(id="nowhere")

    declared(work)
    declared(work, name="broken", cron="0 0 * * *", catch_up="each")
    await jobs.run_due(timed)
    for _ in range(18):
        clock.move(HOUR)
        await jobs.run_due(timed)
    whole = (await timed.ask(jobs.history(limit=200))).items
    found, cursor = list[jobs.PastRun](), None
    for _ in range(4):
        page = await timed.ask(jobs.history(limit=5, cursor=cursor))
        found, cursor = found + page.items, page.next_cursor
    assert (found, cursor) == (whole, None)
    assert [one for one in whole if one.name == "chores"] == (await timed.ask(jobs.history(name="chores", limit=200))).items

    clock.move(31 * 24 * HOUR)
    would = await timed.do(jobs.forget_runs(dry_run=True), actor="operator:x")
    assert await timed.do(jobs.forget_runs(), actor="operator:x") == would
    assert would.runs == 18
    assert [one.name for one in (await timed.ask(jobs.history())).items] == ["broken"]  # it is not over
    assert await timed.do(jobs.forget_runs(), actor="operator:x") == jobs.Forgotten(0, False)


async def test_bookkeeping_is_refused_to_who_does_not_hold_the_lease(timed: Keep, clock: ManualClock, database_url: str) -> None:
    async def work(run: jobs.Run) -> None:
        async with another(database_url, clock) as other:
            job, words = run._begun.job_id, {"period": run.period, "attempt": 1, "counted": 0, "facts": {}}
            for call in (
                commands.begin(job=job, period=run.period, holder="other"),
                commands.hold(job=job, cursor=None, **words),
                commands.end(job=job, status="succeeded", **words),
            ):
                with pytest.raises(OwnerLeased):
                    await other.do(call, actor="job:chores")
            with pytest.raises(jobs.RunLost):
                await other.do(commands.hold(job=job, cursor=None, **{**words, "attempt": 2}), actor="operator:job:chores")

    declared(work)
    assert (await run_one_hour(timed, clock))[0].status == "succeeded"
    state = await queries.state_of(timed.reader, "chores")
    assert state is not None
    with pytest.raises(jobs.PeriodDone):
        await timed.do(commands.begin(job=state.job_id, period=state.decided_until, holder="other"), actor="job:chores")


async def run_one_hour(keep: Keep, clock: ManualClock) -> list[jobs.JobRun]:
    """Let the jobs be known, and an hour pass."""
    await jobs.run_due(keep)
    clock.move(HOUR)
    return await jobs.run_due(keep)


def at(text: str, zone: str) -> int:
    """A moment by local time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


@pytest.mark.parametrize(
    ("cron", "zone", "since", "until", "expected"),
    [
        # The clocks jump from 2 to 3: what was to run between runs right after, once.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", "2026-03-30T12:00", ["2026-03-29T03:00", "2026-03-30T02:30"]),
        ("15,45 2 * * *", "Europe/Berlin", "2026-03-28T12:00", "2026-03-29T12:00", ["2026-03-29T03:00"]),
        # They go back from 3 to 2: once, and not again an hour later.
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", "2026-10-26T12:00", ["2026-10-25T02:30", "2026-10-26T02:30"]),
        # A day that a zone left out altogether.
        ("0 0 * * *", "Pacific/Apia", "2011-12-29T12:00", "2011-12-31T12:00", ["2011-12-31T00:00"]),
        ("30 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00", "2026-04-05T12:00", ["2026-04-05T01:30"]),
    ],
)
def test_a_period_that_local_time_skips_or_has_twice_runs_once(cron: str, zone: str, since: str, until: str, expected: list[str]) -> None:
    schedule = jobs.Schedule(cron, zone)
    begin, end = at(since, zone), at(until, zone)
    found = []
    # From wherever one looks, the periods are the same ones: every half an hour here.
    for start in range(begin, end, 1_800_000):
        moment = jobs.after(schedule, start)
        assert moment is not None
        assert moment > start
        if moment <= end and moment not in found:
            found.append(moment)
    assert found == [at(one, zone) for one in expected]
    assert all(schedules.newest(schedule, begin, one) == one and schedules.is_period(schedule, one) for one in found)


def test_who_runs_every_so_many_minutes_keeps_to_real_time() -> None:
    schedule = jobs.Schedule("*/30 * * * *", "Europe/Berlin")
    found, start = [], at("2026-10-25T01:45", "Europe/Berlin")
    for _ in range(5):
        start = jobs.after(schedule, start) or 0
        found.append(start)
    assert {later - earlier for earlier, later in itertools.pairwise(found)} == {1_800_000}


def test_what_is_no_schedule_is_refused_where_it_is_declared() -> None:
    async def work(run: jobs.Run) -> None: ...

    for words in ({"cron": "* * *"}, {"cron": "61 * * * *"}, {"timezone": "Mars/Olympus"}, {"name": "No Name"}, {"cron": "0 0 31 2 *"}):
        with pytest.raises(TypeError):
            declared(work, **words)
    declared(work)
    declared(work)  # a module that is imported again
    work.__module__ = "elsewhere"
    with pytest.raises(TypeError):
        declared(work)

"""A seeded keep with its Studio on loopback, and a browser in front of it."""

from __future__ import annotations

import asyncio
import shutil
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from msgspec import Struct
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright
from starlette.applications import Starlette
from starlette.routing import Mount

import gamekeeper
from gamekeeper.keep import Keep
from gamekeeper.kernel.clock import ManualClock
from gamekeeper.studio import make_login_link, make_studio
from tests.studio.world import World, seed

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SEEDED_DAYS = 20


class Open(Struct):
    """A Studio that runs, and the keep behind it."""

    keep: Keep
    world: World
    app: Starlette
    url: str

    def link(self) -> str:
        """A new login link."""
        return make_login_link(self.app, self.url, operator="tess")


class Server(uvicorn.Server):
    """A server that leaves signals to the test runner."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    """Serve an app on a free port of loopback."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110 - uvicorn tells nobody
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await task


@pytest_asyncio.fixture(loop_scope="package", scope="package")
async def studio(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Open]:
    """A small world on SQLite with a Studio at /studio."""
    path = tmp_path_factory.mktemp("studio") / "world.db"
    clock = ManualClock(int(time.time() * 1000) - SEEDED_DAYS * 86_400_000)
    async with gamekeeper.open(f"sqlite:///{path}", create=True, clock=clock) as keep:
        world = await seed(keep, clock)
        app = make_studio(keep)
        async with serving(Starlette(routes=[Mount("/studio", app=app)])) as origin:
            yield Open(keep, world, app, f"{origin}/studio")


@pytest_asyncio.fixture(loop_scope="package", scope="package")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, without a window."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no chromium on the PATH (Debian: apt-get install chromium)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, headless=True, args=list(ARGUMENTS))
        yield browser
        await browser.close()


class Operator:
    """A person in front of the Studio: a browser window, and everything that went wrong in it."""

    def __init__(self, studio: Open, context: BrowserContext, page: Page) -> None:
        self.studio = studio
        self.context = context
        self.page = page
        self.faults: list[str] = []
        self.requests: list[str] = []
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("dialog", lambda dialog: self.faults.append(f"dialog: {dialog.message}"))
        context.on("request", lambda request: self.requests.append(request.url))

    def _note(self, message: ConsoleMessage) -> None:
        # A page that answers 4xx is an answer here, not a fault.
        if message.type in ("error", "warning") and "Failed to load resource: the server responded" not in message.text:
            self.faults.append(message.text)

    async def visit(self, path: str) -> int:
        """Open a page; gives the status."""
        answer = await self.page.goto(self.studio.url + path)
        return answer.status if answer is not None else 0

    async def text(self, selector: str = "main") -> str:
        """What stands somewhere on the page."""
        return await self.page.inner_text(selector)

    async def overflow(self) -> int:
        """How many pixels the page is wider than the window."""
        width: int = await self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        return width

    def check(self) -> None:
        """Nothing was written to the console, no policy was broken, and nobody else was asked for anything."""
        assert self.faults == []
        assert [url for url in self.requests if not url.startswith((self.studio.url, "data:"))] == []


VIOLATIONS = """
window.violations = [];
addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective + " " + event.blockedURI));
"""


@asynccontextmanager
async def at_work(studio: Open, browser: Browser, *, logged_in: bool = True, **options: Any) -> AsyncIterator[Operator]:
    """An operator with a window of their own."""
    options.setdefault("viewport", {"width": 1280, "height": 900})
    context = await browser.new_context(**options)
    context.set_default_timeout(10_000)
    await context.add_init_script(VIOLATIONS)
    page = await context.new_page()
    operator = Operator(studio, context, page)
    if logged_in:
        await page.goto(studio.link())
    try:
        yield operator
    finally:
        await context.close()

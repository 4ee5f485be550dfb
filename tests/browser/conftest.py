"""A real browser on a served Cifra; a page that does anything it should not fails its test."""

import os
import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, sync_playwright

from tests.served import Client, Server

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run"),
]
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}

# Chromium's own words on an answer of 4xx or 5xx, which the answer itself is judged by.
_STATUS_TOLD = "Failed to load resource: the server responded"


class Visitors:
    """Opens pages, each in a browser context of its own, and notes what goes wrong in them.

    A test adds the refusals that it provokes to `expected`, as "422 /api/ab/predict".
    """

    def __init__(self, browser: Browser) -> None:
        self.expected = {"401 /refresh"}  # nobody is logged in yet
        self.faults: list[str] = []
        self._forgiven: list[str] = []
        self._browser = browser

    def page(self, server: Server, **options: object) -> Page:
        """A page in a fresh context; `options` are Playwright's of a context."""
        context = self._browser.new_context(base_url=server.url, **({"locale": "en"} | options))
        context.set_default_timeout(15_000)
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.faults.append(f"thrown: {error.error}"))
        context.on("request", lambda request: self._see(request, server))
        context.on("response", self._judge)
        return context.new_page()

    def forgive(self, fault: str) -> None:
        """Let faults that begin so pass, before and after: the test brings them about."""
        self._forgiven.append(fault)

    def unforgiven(self) -> list[str]:
        """What went wrong and was not brought about by the test."""
        return [each for each in self.faults if not each.startswith(tuple(self._forgiven))]

    def leave(self) -> None:
        """Close all that was opened."""
        for context in self._browser.contexts:
            context.close()

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not message.text.startswith(_STATUS_TOLD):
            self.faults.append(f"console: {message.text}")

    def _see(self, request: Request, server: Server) -> None:
        url = urlsplit(request.url)
        if url.scheme not in {"blob", "data"} and not request.url.startswith(server.url):
            self.faults.append(f"another host: {request.url}")

    def _judge(self, response: Response) -> None:
        told = f"{response.status} {urlsplit(response.url).path}"
        if response.status >= 400 and told not in self.expected:
            self.faults.append(f"refused: {response.request.method} {told}")


def executable() -> str | None:
    """Where a browser is installed."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests; without one they are skipped, but for CI."""
    path = executable()
    if path is None:
        missing = f"no browser: none of {', '.join(BROWSERS)} is installed"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def visitors(browser: Browser) -> Iterator[Visitors]:
    """Opens pages; what went wrong in any of them fails the test at its end."""
    opened = Visitors(browser)
    yield opened
    opened.leave()
    assert opened.unforgiven() == []


@pytest.fixture
def page(visitors: Visitors, server: Server) -> Page:
    """A page of the server that tests share."""
    return visitors.page(server)


@pytest.fixture
def kim(server: Server) -> Client:
    """Somebody who has an account and nothing else yet."""
    return server.newcomer(f"kim-{uuid4().hex[:8]}")


@pytest.fixture
def home(page: Page, kim: Client) -> Page:
    """The home page, with kim logged in."""
    come_in(page, kim)
    return page


def name_of(client: Client) -> str:
    """Whose client it is."""
    return str(client.call("GET", "/me").json()["username"])


def come_in(page: Page, client: Client) -> None:
    """Open the home page as somebody who was registered by Server.newcomer."""
    name = name_of(client)
    enter(page, "/", name, f"password of {name}")


def enter(page: Page, path: str, username: str, password: str) -> None:
    """Open a page and log in at its door."""
    page.goto(path)
    page.locator('[name="username"]').fill(username)
    page.locator('[name="password"]').fill(password)
    page.locator('#login-form button[value="login"]').click()
    page.locator("#page").wait_for()

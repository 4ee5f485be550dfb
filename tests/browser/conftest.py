"""Fixtures for a real browser on a served Cifra; any fault of a page fails its test."""

import os
import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Request,
    Response,
    expect,
    sync_playwright,
)

from tests.support.server_process import Client, Server

BROWSERS = (
    "chromium-headless-shell",  # half the work of the others
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
)
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run"),
]
EXPECT_TIMEOUT_MS = 20_000  # a busy machine may be slow; how soon is no matter of these tests
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}

# Chromium's console message for a 4xx or 5xx response; the response itself is checked instead.
_STATUS_MESSAGE = "Failed to load resource: the server responded"


APPEARANCES = [("en", "light"), ("es", "dark"), ("en", "dark"), ("es", "light")]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that has a language and a color scheme in two pairs; in its long form in all."""
    if {"language", "scheme"} <= set(metafunc.fixturenames):
        is_long = metafunc.config.getoption("--long")
        metafunc.parametrize(("language", "scheme"), APPEARANCES if is_long else APPEARANCES[:2])


class BrowserPages:
    """Opens pages, each in its own browser context, and records their faults.

    A test adds the error responses that it provokes to `expected`, as "422 /api/ab/predict".
    """

    def __init__(self, browser: Browser) -> None:
        self.expected = {"401 /refresh"}  # nobody is logged in yet
        self.faults: list[str] = []
        self._allowed: list[str] = []
        self._browser = browser

    def open(self, server: Server, **options: object) -> Page:
        """Open a page in a new context; `options` are those of Playwright's contexts."""
        context = self._browser.new_context(base_url=server.url, **({"locale": "en"} | options))
        context.set_default_timeout(15_000)
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self.faults.append(f"thrown: {error.error}"))
        context.on("request", lambda request: self._on_request(request, server))
        context.on("response", self._on_response)
        return context.new_page()

    def allow(self, prefix: str) -> None:
        """Allow faults that begin with `prefix`, before and after: the test provokes them."""
        self._allowed.append(prefix)

    def unexpected_faults(self) -> list[str]:
        """Return the faults that the test did not provoke."""
        return [each for each in self.faults if not each.startswith(tuple(self._allowed))]

    def close(self) -> None:
        """Close all pages."""
        for context in self._browser.contexts:
            context.close()

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not message.text.startswith(_STATUS_MESSAGE):
            self.faults.append(f"console: {message.text}")

    def _on_request(self, request: Request, server: Server) -> None:
        url = urlsplit(request.url)
        if url.scheme not in {"blob", "data"} and not request.url.startswith(server.url):
            self.faults.append(f"another host: {request.url}")

    def _on_response(self, response: Response) -> None:
        outcome = f"{response.status} {urlsplit(response.url).path}"
        if response.status >= 400 and outcome not in self.expected:
            self.faults.append(f"refused: {response.request.method} {outcome}")


def find_browser() -> str | None:
    """Return the path of an installed browser, or None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start one Chromium for all tests; without one they are skipped, or fail in CI."""
    path = find_browser()
    if path is None:
        missing = f"no browser: none of {', '.join(BROWSERS)} is installed"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)
    with sync_playwright() as playwright:
        expect.set_options(timeout=EXPECT_TIMEOUT_MS)
        launched = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def pages(browser: Browser) -> Iterator[BrowserPages]:
    """Open pages; an unexpected fault in any of them fails the test at its end."""
    opened = BrowserPages(browser)
    yield opened
    opened.close()
    assert opened.unexpected_faults() == []


@pytest.fixture
def page(pages: BrowserPages, server: Server) -> Page:
    """Open a page of the server that tests share."""
    return pages.open(server)


@pytest.fixture
def kim(server: Server) -> Client:
    """Register a new user and return their client."""
    return server.register(f"kim-{uuid4().hex[:8]}")


@pytest.fixture
def home(page: Page, kim: Client) -> Page:
    """Open the home page, with kim logged in."""
    log_in_client(page, kim)
    return page


def username_of(client: Client) -> str:
    """Return the username of a client."""
    return str(client.call("GET", "/me").json()["username"])


def log_in_client(page: Page, client: Client) -> None:
    """Open the home page as a user registered by Server.register."""
    name = username_of(client)
    log_in(page, "/", name, f"password of {name}")


def log_in(page: Page, path: str, username: str, password: str) -> None:
    """Open a page and log in."""
    page.goto(path)
    page.locator('[name="username"]').fill(username)
    page.locator('[name="password"]').fill(password)
    page.locator('#login-form button[value="login"]').click()
    page.locator("#page").wait_for()

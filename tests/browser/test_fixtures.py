"""The checks that other browser tests rely on: faults of a page, accessibility violations."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.accessibility import accessibility_violations
from tests.browser.conftest import BrowserPages
from tests.support.server_process import Server

FAULTS = {
    "console: logged": "() => console.error('logged')",
    "thrown: ": "() => { setTimeout(() => { throw new Error('thrown'); }); }",
    "refused: GET 404 /nothing": "() => fetch('/nothing')",
    "refused: GET 401 /predictions": "() => fetch('/predictions')",
    "console: ": "() => { document.body.setAttribute('onclick', 'close()'); }",
    "another host: http://127.0.0.2/": "() => { location.href = 'http://127.0.0.2/'; }",
}


@pytest.fixture
def lenient(browser: Browser) -> Iterator[BrowserPages]:
    """Open pages whose faults fail no test."""
    opened = BrowserPages(browser)
    yield opened
    opened.close()


@pytest.mark.parametrize("fault", FAULTS)
def test_page_fault_is_recorded(lenient: BrowserPages, server: Server, fault: str) -> None:
    page = lenient.open(server)
    page.goto("/")
    page.locator("#login").wait_for()
    assert lenient.faults == []
    page.evaluate(FAULTS[fault])
    page.wait_for_timeout(300)
    assert [recorded for recorded in lenient.faults if recorded.startswith(fault)]


def test_accessibility_violation_is_found(page: Page) -> None:
    page.goto("/")
    page.locator("#login").wait_for()
    page.evaluate("() => { document.querySelector('.brand').replaceChildren(); }")
    assert [line for line in accessibility_violations(page) if line.startswith("link-name")]

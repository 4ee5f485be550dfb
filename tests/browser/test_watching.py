"""What the other browser tests rely on would be noticed: a page's faults, and its barriers."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.accessibility import barriers
from tests.browser.conftest import Visitors
from tests.served import Server

FAULTS = {
    "console: spoken": "() => console.error('spoken')",
    "thrown: ": "() => { setTimeout(() => { throw new Error('thrown'); }); }",
    "refused: GET 404 /nothing": "() => fetch('/nothing')",
    "refused: GET 401 /predictions": "() => fetch('/predictions')",
    "console: ": "() => { document.body.setAttribute('onclick', 'close()'); }",
    "another host: http://127.0.0.2/": "() => { location.href = 'http://127.0.0.2/'; }",
}


@pytest.fixture
def lenient(browser: Browser) -> Iterator[Visitors]:
    """Visitors whose faults fail no test."""
    opened = Visitors(browser)
    yield opened
    opened.leave()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_a_page_is_noticed(lenient: Visitors, server: Server, fault: str) -> None:
    page = lenient.page(server)
    page.goto("/")
    page.locator("#login").wait_for()
    assert lenient.faults == []
    page.evaluate(FAULTS[fault])
    page.wait_for_timeout(300)
    assert [noted for noted in lenient.faults if noted.startswith(fault)]


def test_a_barrier_is_found(page: Page) -> None:
    page.goto("/")
    page.locator("#login").wait_for()
    page.evaluate("() => { document.querySelector('.brand').replaceChildren(); }")
    assert [line for line in barriers(page) if line.startswith("link-name")]

"""Common actions on the pages."""

from itertools import count

from playwright.sync_api import Page, Response, expect

from tests.browser.conftest import BrowserPages, log_in
from tests.support.server_process import Client, Server


def recognize(page: Page) -> None:
    """Submit the drawing and wait for the result."""
    page.get_by_role("button", name="Recognize").click()
    expect(page.locator("#result-details")).to_be_visible()


def latest_prediction(client: Client) -> dict[str, object]:
    """Return a user's last prediction, from the API."""
    found: dict[str, object] = client.call("GET", "/predictions?limit=1").json()["predictions"][0]
    return found


def record_posts(page: Page) -> list[str]:
    """Return a list that collects the URLs of POST requests from now on."""
    paths: list[str] = []
    page.on("request", lambda request: request.method == "POST" and paths.append(request.url))
    return paths


def open_dashboard(pages: BrowserPages, server: Server, **options: object) -> Page:
    """Open the dashboard as the admin and wait until it is live and has fetched everything.

    It fetches everything when it opens and again when it is connected; reviewers come last.
    """
    page, fetched = pages.open(server, **options), count(1)

    def is_last(response: Response) -> bool:
        return response.url.endswith("/admin/users/reviewers") and next(fetched) == 2

    with page.expect_response(is_last):
        log_in(page, "/dashboard", "admin", server.admin_password)
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    return page

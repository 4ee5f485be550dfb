"""Common actions on the home page."""

from playwright.sync_api import Page, expect

from tests.support.server_process import Client


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

"""What tests of the home page do and look at over and over."""

from playwright.sync_api import Page, expect

from tests.served import Client


def read_it(page: Page) -> None:
    """Have the sheet read, and wait for the answer."""
    page.get_by_role("button", name="Recognize").click()
    expect(page.locator("#result-details")).to_be_visible()


def newest(client: Client) -> dict[str, object]:
    """The last prediction as the API tells it."""
    found: dict[str, object] = client.call("GET", "/predictions?limit=1").json()["predictions"][0]
    return found


def sent(page: Page) -> list[str]:
    """The paths of the pictures that are sent from now on."""
    paths: list[str] = []
    page.on("request", lambda request: request.method == "POST" and paths.append(request.url))
    return paths

"""The API documentation page: it renders, calls the API and stores nothing."""

from playwright.sync_api import Page, expect

from tests.support.server_process import Server


def test_docs_page_shows_every_operation(page: Page) -> None:
    page.goto("/docs")
    page.locator(".opblock").first.wait_for()
    paths = page.request.get("/openapi.json").json()["paths"]
    expect(page.locator(".opblock")).to_have_count(sum(len(each) for each in paths.values()))
    assert page.locator(".errors-wrapper").count() == 0


def test_docs_page_uses_a_token_and_does_not_store_it(page: Page, server: Server) -> None:
    token = server.register("docs reader").tokens["access_token"]
    page.goto("/docs")
    page.get_by_role("button", name="Authorize").click()
    page.locator(".auth-container input").first.fill(token)
    page.locator(".auth-container").first.get_by_role("button", name="Apply").click()
    page.locator(".close-modal").click()
    shown = page.locator("#operations-me-me_get_account")
    shown.locator(".opblock-summary-control").click()
    shown.get_by_role("button", name="Try it out").click()
    shown.get_by_role("button", name="Execute").click()
    expect(shown.locator(".live-responses-table .response-col_status").last).to_have_text("200")
    expect(shown.locator(".live-responses-table")).to_contain_text("docs reader")
    assert (
        page.evaluate("localStorage.length + sessionStorage.length + document.cookie.length") == 0
    )

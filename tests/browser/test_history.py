"""The user's own images on the home page: reopened, deleted, hidden from other users."""

import re
from uuid import uuid4

import requests
from playwright.sync_api import Page, expect

from tests.browser.actions import recognize
from tests.browser.conftest import BrowserPages, log_in_client, username_of
from tests.browser.drawing import ONE, draw
from tests.conftest import Disagreements, GoldenSet
from tests.support.server_process import Client, Server


def test_history_loads_older_entries_and_reopens_one(
    home: Page, kim: Client, golden: GoldenSet
) -> None:
    for index in range(14):
        assert kim.predict("ab", golden.png(index)).status_code == 200
    home.reload()
    entries = home.locator("#entries > li")
    expect(entries).to_have_count(12)
    home.get_by_role("button", name="Show older").click()
    expect(entries).to_have_count(14)
    expect(home.get_by_role("button", name="Show older")).to_be_hidden()
    digits = [int(text) for text in entries.locator(".glyph").all_inner_texts()]
    listed = kim.call("GET", "/predictions").json()["predictions"]
    assert digits == [entry["prediccion"] for entry in listed]
    entries.last.scroll_into_view_if_needed()
    expect(entries.last.locator("img")).to_have_attribute("src", re.compile("^blob:"))
    entries.last.locator(".open").click()
    expect(home.locator("#prediction .glyph")).to_have_text(str(digits[-1]))
    expect(home.locator("#result")).to_be_in_viewport()


def test_images_are_fetched_only_when_they_come_into_view(
    page: Page, kim: Client, golden: GoldenSet
) -> None:
    for index in range(12):
        kim.predict("ab", golden.png(index))
    page.set_viewport_size({"width": 500, "height": 400})
    requested: list[str] = []
    page.on(
        "request", lambda request: request.url.endswith("/image") and requested.append(request.url)
    )
    log_in_client(page, kim)
    expect(page.locator("#entries > li")).to_have_count(12)
    page.wait_for_timeout(300)
    assert requested == []
    page.locator("#entries > li").first.scroll_into_view_if_needed()
    expect(page.locator("#entries img").first).to_have_attribute("src", re.compile("^blob:"))
    assert 0 < len(requested) < 12


def test_image_is_deleted_at_the_second_press(home: Page, kim: Client) -> None:
    draw(home)
    recognize(home)
    home.locator("#entries .delete").click()
    expect(home.locator("#entries .delete")).to_have_text("Confirm?")
    assert len(kim.call("GET", "/predictions").json()["predictions"]) == 1
    home.locator("#entries .delete").click()
    expect(home.locator("#entries > li")).to_have_count(0)
    expect(home.locator("#no-entries")).to_be_visible()
    expect(home.locator("#result-details")).to_be_hidden()
    assert kim.call("GET", "/predictions").json()["predictions"] == []


def test_double_click_deletes_nothing(home: Page, kim: Client) -> None:
    draw(home)
    recognize(home)
    home.locator("#entries .delete").dblclick()
    home.wait_for_timeout(300)
    expect(home.locator("#entries > li")).to_have_count(1)
    assert len(kim.call("GET", "/predictions").json()["predictions"]) == 1


def test_account_is_deleted_at_the_second_press(home: Page, kim: Client, server: Server) -> None:
    draw(home)
    recognize(home)
    name = username_of(kim)
    home.get_by_text("Delete account and data").click()
    home.get_by_role("button", name="Delete my account").click()
    assert kim.call("GET", "/me").status_code == 200
    home.get_by_role("button", name="Press again to delete everything").click()
    expect(home.get_by_role("heading", name="Log in")).to_be_visible()
    credentials = {"username": name, "password": f"password of {name}"}
    again = requests.post(f"{server.url}/login", json=credentials, timeout=30)
    assert again.status_code == 401


def test_reviewer_label_is_shown_live(
    home: Page, kim: Client, server: Server, disagreements: Disagreements
) -> None:
    home.wait_for_timeout(500)  # the live connection is made after the page
    sent_by_no_other_test = disagreements.pngs[-1]
    mine = kim.predict("ab", sent_by_no_other_test).json()["prediction_id"]
    home.reload()
    expect(home.locator("#entries > li")).to_have_count(1)
    admin = server.admin_client()
    for _ in range(200):
        item = admin.call("GET", "/admin/review").json()["item"]
        admin.call("POST", f"/admin/review/{item['prediction_id']}", json={"digit": 4})
        if item["prediction_id"] == mine:
            break
    expect(home.get_by_role("status").filter(has_text="Digit 4")).to_be_visible()
    expect(home.locator("#entries .review-label")).to_have_text("Reviewer label: Digit 4")


def test_next_user_sees_nothing_of_the_previous_one(
    home: Page, pages: BrowserPages, kim: Client, server: Server
) -> None:
    draw(home)
    recognize(home)
    passwords = {
        "old_password": f"password of {username_of(kim)}",
        "new_password": "another password",
    }
    assert kim.call("POST", "/password", json=passwords).status_code == 200
    pages.expected |= {"401 /api/ab/predict", "401 /predictions"}
    draw(home, ONE)
    home.keyboard.press("Enter")
    expect(home.get_by_role("heading", name="Log in")).to_be_visible()
    lou = f"lou-{uuid4().hex[:8]}"
    server.register(lou)
    home.get_by_label("Username").fill(lou)
    home.get_by_label("Password").fill(f"password of {lou}")
    home.locator('#login-form button[value="login"]').click()
    expect(home.locator("#no-entries")).to_be_visible()
    expect(home.locator("#entries > li")).to_have_count(0)
    expect(home.locator("#result-details")).to_be_hidden()
    expect(home.get_by_role("button", name="Clear")).to_be_disabled()

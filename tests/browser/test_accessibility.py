"""The pages on a phone, with the keyboard alone, for screen readers and in both languages."""

import re
from collections.abc import Iterator
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import accessibility_violations
from tests.browser.conftest import PHONE, BrowserPages, log_in
from tests.browser.drawing import draw, draw_with_finger
from tests.conftest import Disagreements, GoldenSet
from tests.support.server_process import UNLIMITED, Server, serve

TOUCH_PX = 44

_SMALL_TARGETS = """(minimum) => [...document.querySelectorAll("a, button, input, select, summary")]
  .filter((element) => element.checkVisibility({ visibilityProperty: true }))
  .map((element) => [element.outerHTML.slice(0, 120), element.getBoundingClientRect()])
  .filter(([, box]) => box.right > 0 && Math.min(box.width, box.height) < minimum - 0.5)
  .map(([html, box]) => `${html} ${box.width} x ${box.height}`)"""


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, disagreements: Disagreements
) -> Iterator[Server]:
    """Start a server with images to review and an image in the admin's history."""
    with serve(tmp_path_factory.mktemp("everyone"), **UNLIMITED) as running:
        sender = running.register("sender")
        for png in disagreements.pngs[:12]:
            sender.predict("ab", png)
        running.admin_client().predict("ab", disagreements.pngs[12])
        yield running


def log_in_admin(page: Page, server: Server, path: str) -> None:
    log_in(page, path, "admin", server.admin_password)


def mark_correct(page: Page) -> None:
    """Mark the prediction as correct and wait for the other version's."""
    page.locator('[data-feedback="correct"]').click()
    expect(page.locator("#other-prediction")).to_be_visible()


def test_axe_finds_no_violation_on_any_page(
    pages: BrowserPages, server: Server, language: str, scheme: str
) -> None:
    page = pages.open(server, locale=language, color_scheme=scheme, reduced_motion="reduce")
    found = {}
    page.goto("/")
    page.locator("#login").wait_for()
    found["login"] = accessibility_violations(page)
    log_in_admin(page, server, "/")
    expect(page.locator("#entries > li").first).to_be_visible()
    found["empty canvas"] = accessibility_violations(page)
    draw(page)
    page.locator("#recognize").click()
    expect(page.locator("#result-details")).to_be_visible()
    found["result"] = accessibility_violations(page)
    mark_correct(page)
    page.locator("#entries .delete").first.click()
    page.locator("summary").click()
    found["result with feedback"] = accessibility_violations(page)
    page.goto("/review")
    expect(page.locator('#frame[data-state="ready"]')).to_be_visible()
    page.keyboard.press("s")
    expect(page.locator("#last-label")).to_be_visible()
    found["review"] = accessibility_violations(page)
    assert {state: lines for state, lines in found.items() if lines} == {}


@pytest.mark.parametrize("language", ["en", "es"])
def test_pages_fit_a_phone_with_large_touch_targets(
    pages: BrowserPages, server: Server, language: str
) -> None:
    page = pages.open(server, locale=language, **PHONE)
    page.goto("/")
    page.locator("#login").wait_for()
    assert_fits(page)
    log_in_admin(page, server, "/")
    draw_with_finger(page)
    page.locator("#recognize").tap()
    mark_correct(page)
    expect(page.locator("#prediction .glyph")).to_have_text("3")
    expect(page.locator("#result")).to_be_in_viewport()
    assert_fits(page)
    page.goto("/review")
    expect(page.locator('#frame[data-state="ready"]')).to_be_visible()
    page.locator('[data-key="s"]').tap()
    expect(page.locator("#last-label")).to_be_visible()
    assert_fits(page)


def assert_fits(page: Page) -> None:
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width == PHONE["viewport"]["width"]
    assert page.evaluate(_SMALL_TARGETS, TOUCH_PX) == []


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the button of this name has the focus."""
    wanted = page.get_by_role("button", name=name, exact=True)
    for _ in range(60):
        page.keyboard.press("Tab")
        if wanted.evaluate_all("(found) => found.includes(document.activeElement)"):
            outline = wanted.first.evaluate("(found) => getComputedStyle(found).outlineStyle")
            assert outline == "solid"  # the focus is visible
            return
    raise AssertionError(f"{name!r} cannot be reached with Tab")


def test_home_page_works_with_the_keyboard_alone(
    page: Page, server: Server, golden: GoldenSet
) -> None:
    name = f"keys-{uuid4().hex[:8]}"
    server.register(name)
    page.on(
        "filechooser", lambda _: None
    )  # registered now, so that the event is intercepted when it comes
    page.goto("/")
    expect(page.get_by_label("Username")).to_be_focused()
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type(f"password of {name}")
    page.keyboard.press("Enter")
    expect(page.locator("#no-entries")).to_be_visible()
    tab_to(page, "Choose an image")
    with page.expect_file_chooser() as chosen:
        page.keyboard.press("Enter")
    chosen.value.set_files({"name": "4.png", "mimeType": "image/png", "buffer": golden.png_of(4)})
    expect(page.locator("#prediction .glyph")).to_have_text("4")
    tab_to(page, "Correct")
    page.keyboard.press("Space")
    expect(page.locator("#other-prediction")).to_be_visible()
    expect(page.get_by_role("button", name="Correct", exact=True)).to_be_focused()
    tab_to(page, "Delete")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.locator("#entries > li")).to_have_count(0)
    expect(page.get_by_role("heading", name="Your images")).to_be_focused()


def test_chosen_language_is_kept(page: Page, server: Server) -> None:
    log_in_admin(page, server, "/")
    page.get_by_role("link", name="ES", exact=True).click()
    expect(page.locator("html")).to_have_attribute("lang", "es")
    expect(page.locator("#page")).to_be_visible()
    expect(page.locator("#entries .time").first).not_to_have_text(re.compile("AM|PM"))

"""The pages for people with a phone, a keyboard alone, a screen reader, another language."""

import re
from collections.abc import Iterator
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import barriers
from tests.browser.conftest import PHONE, Visitors, enter
from tests.browser.drawing import draw, draw_with_finger
from tests.conftest import Disputed, Golden
from tests.served import UNLIMITED, Server, serve

TOUCH_PX = 44

_SMALL = """(least) => [...document.querySelectorAll("a, button, input, select, summary")]
  .filter((element) => element.checkVisibility({ visibilityProperty: true }))
  .map((element) => [element.outerHTML.slice(0, 120), element.getBoundingClientRect()])
  .filter(([, box]) => box.right > 0 && Math.min(box.width, box.height) < least - 0.5)
  .map(([html, box]) => `${html} ${box.width} x ${box.height}`)"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, disputed: Disputed) -> Iterator[Server]:
    """A server of this module's own: a review waits, and the admin has a picture in the history."""
    with serve(tmp_path_factory.mktemp("everyone"), **UNLIMITED) as running:
        sender = running.newcomer("sender")
        for png in disputed.pngs[:12]:
            sender.predict("ab", png)
        running.admin().predict("ab", disputed.pngs[12])
        yield running


def come_in(page: Page, server: Server, path: str) -> None:
    enter(page, path, "admin", server.admin_password)


def say_right(page: Page) -> None:
    """Say that the answer is right, and wait for the other version's."""
    page.locator('[data-feedback="correct"]').click()
    expect(page.locator("#other-prediction")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "es"])
def test_axe_finds_no_barrier_on_any_page(
    visitors: Visitors, server: Server, language: str, scheme: str
) -> None:
    page = visitors.page(server, locale=language, color_scheme=scheme, reduced_motion="reduce")
    found = {}
    page.goto("/")
    page.locator("#login").wait_for()
    found["the door"] = barriers(page)
    come_in(page, server, "/")
    expect(page.locator("#entries > li").first).to_be_visible()
    found["an empty sheet"] = barriers(page)
    draw(page)
    page.locator("#recognize").click()
    expect(page.locator("#result-details")).to_be_visible()
    found["an answer"] = barriers(page)
    say_right(page)
    page.locator("#entries .delete").first.click()
    page.locator("summary").click()
    found["an answer with a word"] = barriers(page)
    page.goto("/review")
    expect(page.locator('#frame[data-state="ready"]')).to_be_visible()
    page.keyboard.press("s")
    expect(page.locator("#last-label")).to_be_visible()
    found["reviewing"] = barriers(page)
    assert {place: lines for place, lines in found.items() if lines} == {}


@pytest.mark.parametrize("language", ["en", "es"])
def test_pages_fit_a_phone_and_a_finger(visitors: Visitors, server: Server, language: str) -> None:
    page = visitors.page(server, locale=language, **PHONE)
    page.goto("/")
    page.locator("#login").wait_for()
    assert_fits(page)
    come_in(page, server, "/")
    draw_with_finger(page)
    page.locator("#recognize").tap()
    say_right(page)
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
    assert page.evaluate(_SMALL, TOUCH_PX) == []


def press_until(page: Page, name: str) -> None:
    """Go from element to element with Tab until one of this name has the focus."""
    wanted = page.get_by_role("button", name=name, exact=True)
    for _ in range(60):
        page.keyboard.press("Tab")
        if wanted.evaluate_all("(found) => found.includes(document.activeElement)"):
            outline = wanted.first.evaluate("(found) => getComputedStyle(found).outlineStyle")
            assert outline == "solid"  # it is seen where the focus is
            return
    raise AssertionError(f"no way to {name!r} by Tab")


def test_the_keyboard_alone_is_enough(page: Page, server: Server, golden: Golden) -> None:
    name = f"keys-{uuid4().hex[:8]}"
    server.newcomer(name)
    page.on("filechooser", lambda _: None)  # asked for now, it is told for certain when it comes
    page.goto("/")
    expect(page.get_by_label("Username")).to_be_focused()
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type(f"password of {name}")
    page.keyboard.press("Enter")
    expect(page.locator("#no-entries")).to_be_visible()
    press_until(page, "Choose an image")
    with page.expect_file_chooser() as chosen:
        page.keyboard.press("Enter")
    chosen.value.set_files({"name": "4.png", "mimeType": "image/png", "buffer": golden.png_of(4)})
    expect(page.locator("#prediction .glyph")).to_have_text("4")
    press_until(page, "Correct")
    page.keyboard.press("Space")
    expect(page.locator("#other-prediction")).to_be_visible()
    expect(page.get_by_role("button", name="Correct", exact=True)).to_be_focused()
    press_until(page, "Delete")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.locator("#entries > li")).to_have_count(0)
    expect(page.get_by_role("heading", name="Your images")).to_be_focused()


def test_spanish_is_chosen_and_kept(page: Page, server: Server) -> None:
    come_in(page, server, "/")
    page.get_by_role("link", name="ES", exact=True).click()
    expect(page.locator("html")).to_have_attribute("lang", "es")
    expect(page.locator("#page")).to_be_visible()
    expect(page.locator("#entries .time").first).not_to_have_text(re.compile("AM|PM"))

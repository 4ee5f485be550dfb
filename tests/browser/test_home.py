"""The home page in a real browser: draw a digit, see the prediction, give feedback."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.actions import latest_prediction, recognize, record_posts
from tests.browser.conftest import BrowserPages, log_in
from tests.browser.drawing import ONE, SEVEN, THREE, draw
from tests.support.server_process import QUICK, Client, serve


def probabilities(page: Page, version: str) -> list[float]:
    """Return a version's class probabilities, as its bars show them."""
    bars = page.locator(f".probabilities td.{version}[data-probability]")
    widths: list[float] = bars.locator(".bar").evaluate_all(
        "(bars) => bars.map((bar) => Number(bar.style.getPropertyValue('--probability')))"
    )
    return widths


def test_drawn_three_is_recognized(home: Page, kim: Client) -> None:
    draw(home)
    recognize(home)
    stored = latest_prediction(kim)
    assert stored["prediccion"] == 3
    expect(home.locator("#prediction .glyph")).to_have_text("3")
    names = {"v1": "v1, the fast baseline", "v2": "v2, the improved model"}
    expect(home.locator("#prediction .version-name")).to_have_text(names[str(stored["version"])])
    expect(home.locator("#prediction")).to_have_class(f"prediction {stored['version']}")
    expect(home.locator("#prediction .confidence")).to_have_text(
        re.compile(r"^Confidence \d\d\.\d%$")
    )
    announcement = re.compile(r"Predicted digit: 3\. Answered by v[12], .+; confidence \d")
    expect(home.locator("#announcer")).to_have_text(announcement)


def test_bars_show_the_probabilities_and_the_image_is_the_model_input(
    home: Page, kim: Client
) -> None:
    draw(home)
    recognize(home)
    stored = latest_prediction(kim)
    shown = probabilities(home, str(stored["version"]))
    assert shown == stored["probabilidades"]
    assert sum(shown) == pytest.approx(1, abs=1e-5)
    rows = home.get_by_role("table", name="Class probabilities").get_by_role("row")
    expect(rows).to_have_count(11)
    expect(rows.nth(4)).to_contain_text(re.compile(r"3.*%|%.*3"))
    expect(home.locator("#model-input")).to_have_attribute("src", re.compile("^blob:"))
    side = home.locator("#model-input").evaluate(
        "(image) => image.decode().then(() => image.naturalWidth)"
    )
    assert side == 28


def test_drawing_is_not_sent_before_it_is_submitted(home: Page) -> None:
    paths = record_posts(home)
    draw(home, ONE)
    home.wait_for_timeout(700)
    assert paths == []
    home.keyboard.press("Enter")
    expect(home.locator("#prediction .glyph")).to_have_text("1")
    assert [path.rsplit("/", 1)[1] for path in paths] == ["predict"]
    expect(home.get_by_role("button", name="Recognize")).to_be_disabled()


def test_drawing_is_sent_once_however_often_the_button_is_pressed(home: Page) -> None:
    paths = record_posts(home)
    draw(home, ONE)
    home.locator("#recognize").evaluate("(button) => { button.click(); button.click(); }")
    expect(home.locator("#prediction .glyph")).to_have_text("1")
    assert [path.rsplit("/", 1)[1] for path in paths] == ["predict"]


def test_undo_removes_one_stroke_and_clear_all(home: Page) -> None:
    read, undo, clear = (
        home.get_by_role("button", name=name, exact=name != "Recognize")
        for name in ("Recognize", "Undo", "Clear")
    )
    expect(read).to_be_disabled()
    draw(home, SEVEN)
    draw(home, [(0.1, 0.95), (0.9, 0.95), (0.9, 0.05)])
    undo.click()
    recognize(home)
    expect(home.locator("#prediction .glyph")).to_have_text("7")
    clear.click()
    expect(read).to_be_disabled()
    expect(undo).to_be_disabled()


def test_stroke_after_a_result_starts_a_new_digit(home: Page) -> None:
    draw(home, THREE)
    recognize(home)
    draw(home, ONE)
    home.keyboard.press("Enter")
    expect(home.locator("#prediction .glyph")).to_have_text("1")


def test_other_version_is_hidden_until_feedback(home: Page, kim: Client) -> None:
    draw(home)
    recognize(home)
    other = {"v1": "v2", "v2": "v1"}[str(latest_prediction(kim)["version"])]
    expect(home.locator("#other-prediction")).to_be_hidden()
    assert probabilities(home, other) == []
    home.get_by_role("button", name="Correct", exact=True).click()
    expect(home.locator("#other-prediction .glyph")).to_have_text("3")
    expect(home.locator("#other-prediction")).to_have_class(f"prediction {other}")
    updated = kim.call("GET", f"/predictions/{latest_prediction(kim)['prediction_id']}").json()
    assert updated["feedback"]["correct"] is True
    assert probabilities(home, other) == updated["shadow_prediction"]["probabilidades"]
    expect(home.locator("#announcer")).to_have_text(re.compile(f"The other version, {other}, .+ 3"))
    expect(home.get_by_role("button", name="Correct", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )


def test_feedback_is_changed_in_one_tap(home: Page, kim: Client) -> None:
    draw(home)
    recognize(home)
    for name, expected in (
        ("8", {"correct": False, "digit": 8, "not_a_digit": False}),
        ("not a digit", {"correct": False, "digit": None, "not_a_digit": True}),
        ("Correct", {"correct": True, "digit": 3, "not_a_digit": False}),
    ):
        button = home.get_by_role("button", name=name, exact=True)
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")
        expect(home.locator('.feedback [aria-pressed="true"]')).to_have_count(1)
        given = latest_prediction(kim)["feedback"]
        assert isinstance(given, dict)
        assert {part: given[part] for part in expected} == expected
    expect(home.locator("#entries .feedback-text")).to_have_text("You marked it correct.")


def test_feedback_given_elsewhere_is_replaced(home: Page, kim: Client) -> None:
    draw(home)
    recognize(home)
    elsewhere = {"prediction_id": latest_prediction(kim)["prediction_id"], "digit": 5}
    assert kim.call("POST", "/feedback", json=elsewhere).status_code == 201
    home.get_by_role("button", name="Correct", exact=True).click()
    expect(home.locator("#feedback-status")).to_contain_text("You marked it correct.")


def test_rate_limit_message_says_when_to_try_again(pages: BrowserPages, tmp_path: Path) -> None:
    with serve(tmp_path, **QUICK, RATELIMIT_DEFAULT="1 per hour") as limited:
        limited.register("lea")
        page = pages.open(limited)
        pages.expected.add("429 /api/ab/predict")
        log_in(page, "/", "lea", "password of lea")
        draw(page)
        recognize(page)
        draw(page)
        page.keyboard.press("Enter")
        expect(page.locator("#input-error")).to_have_text(
            re.compile(r"Too many requests\. Try again in (\d\d minutes|1 hour)\.")
        )
        pages.close()

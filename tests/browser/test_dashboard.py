"""The dashboard in a real browser: live updates without a reload."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from app.training.datasets import load_base_sets
from benchmarks.styles import outline
from tests.browser.accessibility import accessibility_violations
from tests.browser.actions import open_dashboard
from tests.browser.conftest import PHONE, BrowserPages, log_in
from tests.browser.drawing import draw
from tests.conftest import Disagreements, GoldenSet, make_config, opened_app
from tests.support.review_data import create_submitters, label_images
from tests.support.server_process import UNLIMITED, Server, serve

LIVE_TIMEOUT_MS = 2_000  # how late a live update may be
TRAINING_TIMEOUT_MS = 400_000
LABELS = 150


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Server]:
    """Start a server for this test alone."""
    with serve(tmp_path / "fresh", **UNLIMITED) as running:
        yield running


def test_api_requests_and_feedback_update_the_dashboard_live(
    fresh: Server, pages: BrowserPages, golden: GoldenSet
) -> None:
    page, ana = open_dashboard(pages, fresh), fresh.register("ana")
    expect(page.locator("#experiment-requests")).to_have_text("0")
    predictions = [ana.predict("ab", golden.png_of(digit)).json() for digit in range(10)]
    expect(page.locator("#experiment-requests")).to_have_text("10", timeout=LIVE_TIMEOUT_MS)
    expect(page.locator("#requests-per-second")).not_to_have_text(
        re.compile(r"^\D|^0"), timeout=LIVE_TIMEOUT_MS
    )
    for prediction in predictions[:4]:
        feedback = {
            "prediction_id": prediction["prediction_id"],
            "correct": prediction is not predictions[0],
        }
        ana.call("POST", "/feedback", json=feedback)
    expect(page.locator("#feedback-count")).to_have_text("4", timeout=LIVE_TIMEOUT_MS)
    expect(page.locator("#feedback-correct")).to_have_text(
        "75% rated correct", timeout=LIVE_TIMEOUT_MS
    )


def test_feedback_in_one_browser_updates_the_dashboard_in_another(
    fresh: Server, pages: BrowserPages
) -> None:
    dashboard, home = open_dashboard(pages, fresh), pages.open(fresh)
    fresh.register("ana")
    log_in(home, "/", "ana", "password of ana")
    draw(home)
    home.locator("#recognize").click()
    home.locator('[data-feedback="correct"]').click()
    expect(dashboard.locator("#feedback-count")).to_have_text("1", timeout=LIVE_TIMEOUT_MS)


def test_labels_update_the_win_rate_live(
    fresh: Server, pages: BrowserPages, disagreements: Disagreements
) -> None:
    page, ana, admin = open_dashboard(pages, fresh), fresh.register("ana"), fresh.admin_client()
    true_digits = {
        ana.predict("ab", png).json()["prediction_id"]: digit
        for png, digit in zip(disagreements.pngs[:12], disagreements.labels, strict=False)
    }
    expect(page.locator("#fact-disagreements")).to_have_text("12", timeout=LIVE_TIMEOUT_MS)
    expect(page.locator("#pending-reviews")).to_have_text(
        re.compile("^[1-9]"), timeout=LIVE_TIMEOUT_MS
    )
    before = page.locator("#win-rate-text").text_content()
    for _ in range(4):
        item = admin.call("GET", "/admin/review").json()["item"]
        # Any label does on a gold task.
        given = {"digit": true_digits.get(item["prediction_id"], 0)}
        admin.call("POST", f"/admin/review/{item['prediction_id']}", json=given)
    expect(page.locator("#win-rate-text")).not_to_have_text(str(before), timeout=LIVE_TIMEOUT_MS)


@pytest.mark.long
def test_training_run_is_shown_to_its_end_and_rolled_back(
    pages: BrowserPages, tmp_path: Path, *, is_long: bool
) -> None:
    training = load_base_sets().training
    steps = {} if is_long else {"RETRAIN_STEPS": "150"}
    with serve(tmp_path / "training", **UNLIMITED, **steps) as trainer:
        with opened_app(make_config(trainer.data_dir)) as app:
            images = [outline(digit) for digit in training.digits[:LABELS]]
            label_images(app, images, training.labels[:LABELS], create_submitters(app, 3))
        page = open_dashboard(pages, trainer)
        page.locator('#retrain [name="version"]').select_option("v1")
        page.locator("#retrain [type=submit]").click()
        expect(page.locator("#retrain-progress")).to_be_visible()
        current = page.locator(".stages [aria-current]")
        expect(current).to_have_attribute("data-stage", "training", timeout=TRAINING_TIMEOUT_MS)
        expect(page.locator("#retrain-progress-text")).to_contain_text(
            "s left", timeout=TRAINING_TIMEOUT_MS
        )
        status = page.locator("#retrain-status")
        expect(status).to_have_text("All gates passed · deployed", timeout=TRAINING_TIMEOUT_MS)
        expect(page.locator('#gates [data-field="passed"]').first).to_have_text("Passed")
        assert page.locator("#gates tr").count() >= 5
        assert "Failed" not in page.locator('#gates [data-field="passed"]').all_text_contents()
        deployments = page.locator("#deployments tr")
        expect(deployments).to_have_count(3)
        expect(page.locator("#experiment-name")).to_have_text("experiment 2")
        serving = page.locator('#serving-v1 [data-field="model"]')
        expect(serving).to_contain_text("retrain")
        back = page.locator("#serving-v1 button")
        back.click()
        expect(back).to_have_text("Roll back v1: press again")
        back.click()
        expect(deployments).to_have_count(4)
        expect(serving).to_contain_text("cifra-baseline")
        expect(page.locator("#rollouts tr")).to_have_count(1)
        assert accessibility_violations(page) == []
        pages.close()


def test_experiment_is_stopped_and_another_started(fresh: Server, pages: BrowserPages) -> None:
    page = open_dashboard(pages, fresh)
    page.locator("#stop-experiment").click()
    page.locator("#stop-experiment").click()
    expect(page.locator("#experiment-name")).to_have_text("experiment 1, ended: stopped")
    page.locator('#start-experiment [name="ramp"]').fill("1, 5, 25")
    page.locator("#start-experiment [type=submit]").click()
    expect(page.locator("#experiment-name")).to_have_text("experiment 2")
    expect(page.locator("#fact-weight")).to_have_text("1.0%")
    expect(page.locator("#fact-unit")).to_have_text("request")


def test_late_response_does_not_replace_a_newer_event(fresh: Server, pages: BrowserPages) -> None:
    page, late = open_dashboard(pages, fresh), []
    page.route("**/admin/report", lambda route: late.append((route, route.fetch())), times=1)
    page.locator("#stop-experiment").click()
    with page.expect_request("**/admin/report"):
        page.locator("#stop-experiment").click()
    name = page.locator("#experiment-name")
    expect(name).to_have_text("experiment 1, ended: stopped")
    fresh.admin_client().call("POST", "/admin/experiments", json={})
    expect(name).to_have_text("experiment 2")
    [(route, response)] = late
    with page.expect_request("**/admin/report"):
        route.fulfill(response=response)
    page.wait_for_load_state("networkidle")
    expect(name).to_have_text("experiment 2")


def test_notification_settings_are_saved(fresh: Server, pages: BrowserPages) -> None:
    page = open_dashboard(pages, fresh)
    page.locator('#notifications [name="email"]').fill("ada@example.org")
    page.get_by_label("alerts", exact=True).check()
    page.locator("#notifications button").click()
    expect(page.locator(".toast")).to_have_text("Saved.")
    me = fresh.admin_client().call("GET", "/me").json()
    assert (me["email"], me["notifications"]) == ("ada@example.org", ["alert"])


def test_report_is_downloaded_as_csv(fresh: Server, pages: BrowserPages) -> None:
    page = open_dashboard(pages, fresh)
    with page.expect_download() as download:
        page.locator("#download-csv").click()
    assert Path(download.value.path()).read_text().startswith("figure,value")


def test_dashboard_reconnects_after_a_server_restart(
    pages: BrowserPages, tmp_path: Path, golden: GoldenSet
) -> None:
    with serve(tmp_path / "again", **UNLIMITED) as first:
        page = open_dashboard(pages, first)
        connection = page.locator("#connection")
        first.stop()
        expect(connection).to_have_attribute("data-state", "waiting")
        expect(page.locator("#requests-per-second")).to_have_text(re.compile(r"^\D$"))
        pages.allow("console: WebSocket connection to")
        pages.allow("console: Failed to load resource: net::ERR_CONNECTION")
        with serve(first.data_dir, **UNLIMITED, PORT=str(first.port)) as second:
            second.register("ana").predict("ab", golden.png_of(3))
            expect(connection).to_have_attribute("data-state", "live", timeout=30_000)
            expect(page.locator("#experiment-requests")).to_have_text("1")
            pages.close()


def test_login_form_appears_when_the_session_is_ended_elsewhere(
    fresh: Server, pages: BrowserPages, golden: GoldenSet
) -> None:
    pages.allow("refused: GET 401 /admin/")  # requests that were still under way
    page, password = open_dashboard(pages, fresh), "another password"
    change = {"old_password": fresh.admin_password, "new_password": password}
    fresh.admin_client().call("POST", "/password", json=change)
    expect(page.locator("#login")).to_be_visible()
    page.locator('[name="username"]').fill("admin")
    page.locator('[name="password"]').fill(password)
    page.locator('#login-form button[value="login"]').click()
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    fresh.register("ana").predict("ab", golden.png_of(3))
    expect(page.locator("#experiment-requests")).to_have_text("1", timeout=LIVE_TIMEOUT_MS)


def test_dashboard_is_denied_to_a_user(fresh: Server, pages: BrowserPages) -> None:
    page = pages.open(fresh)
    fresh.register("ana")
    page.goto("/dashboard")
    page.locator('[name="username"]').fill("ana")
    page.locator('[name="password"]').fill("password of ana")
    page.locator('#login-form button[value="login"]').click()
    expect(page.locator("#access-denied")).to_be_visible()
    expect(page.locator("#page")).to_be_hidden()


def test_axe_finds_no_violation_on_the_dashboard(
    server: Server, pages: BrowserPages, language: str, scheme: str
) -> None:
    page = open_dashboard(
        pages, server, locale=language, color_scheme=scheme, reduced_motion="reduce"
    )
    expect(page.locator("#deployments tr").first).to_be_visible()
    assert accessibility_violations(page) == []


def test_dashboard_fits_a_phone(server: Server, pages: BrowserPages) -> None:
    page = open_dashboard(pages, server, **PHONE)
    expect(page.locator("#deployments tr").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["viewport"]["width"]

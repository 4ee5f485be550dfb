"""The dashboard in a real browser: it shows what others do without being loaded again."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.training.sets import load_base_sets
from benchmarks.styles import hollow
from tests.browser.accessibility import barriers
from tests.browser.conftest import PHONE, Visitors, enter
from tests.browser.drawing import draw
from tests.conftest import Disputed, Golden, beside, settings
from tests.labels import label, submitters
from tests.served import UNLIMITED, Server, serve

AT_ONCE_MS = 2_000  # how late the dashboard may be
TRAINED_WITHIN_MS = 400_000
LABELS = 150


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Server]:
    """A server of this test alone."""
    with serve(tmp_path / "fresh", **UNLIMITED) as running:
        yield running


def look(visitors: Visitors, server: Server, **options: object) -> Page:
    """The dashboard of an admin, once it is live."""
    page = visitors.page(server, **options)
    enter(page, "/dashboard", "admin", server.admin_password)
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    return page


def test_what_a_client_sends_is_seen_at_once(
    fresh: Server, visitors: Visitors, golden: Golden
) -> None:
    page, ana = look(visitors, fresh), fresh.newcomer("ana")
    expect(page.locator("#experiment-requests")).to_have_text("0")
    answers = [ana.predict("ab", golden.png_of(digit)).json() for digit in range(10)]
    expect(page.locator("#experiment-requests")).to_have_text("10", timeout=AT_ONCE_MS)
    expect(page.locator("#requests-per-second")).not_to_have_text(
        re.compile(r"^\D|^0"), timeout=AT_ONCE_MS
    )
    for answer in answers[:4]:
        word = {"prediction_id": answer["prediction_id"], "correct": answer is not answers[0]}
        ana.call("POST", "/feedback", json=word)
    expect(page.locator("#feedback-count")).to_have_text("4", timeout=AT_ONCE_MS)
    expect(page.locator("#feedback-correct")).to_have_text("75% rated correct", timeout=AT_ONCE_MS)


def test_a_word_in_one_browser_is_seen_in_another(fresh: Server, visitors: Visitors) -> None:
    dashboard, home = look(visitors, fresh), visitors.page(fresh)
    fresh.newcomer("ana")
    enter(home, "/", "ana", "password of ana")
    draw(home)
    home.locator("#recognize").click()
    home.locator('[data-feedback="correct"]').click()
    expect(dashboard.locator("#feedback-count")).to_have_text("1", timeout=AT_ONCE_MS)


def test_the_interval_closes_in_as_labels_arrive(
    fresh: Server, visitors: Visitors, disputed: Disputed
) -> None:
    page, ana, admin = look(visitors, fresh), fresh.newcomer("ana"), fresh.admin()
    shown = {
        ana.predict("ab", png).json()["prediction_id"]: digit
        for png, digit in zip(disputed.pngs[:12], disputed.labels, strict=False)
    }
    expect(page.locator("#fact-disagreements")).to_have_text("12", timeout=AT_ONCE_MS)
    expect(page.locator("#pending-reviews")).to_have_text(re.compile("^[1-9]"), timeout=AT_ONCE_MS)
    before = page.locator("#win-rate-text").text_content()
    for _ in range(4):
        item = admin.call("GET", "/admin/review").json()["item"]
        word = {"digit": shown.get(item["prediction_id"], 0)}  # any word does on a probe
        admin.call("POST", f"/admin/review/{item['prediction_id']}", json=word)
    expect(page.locator("#win-rate-text")).not_to_have_text(str(before), timeout=AT_ONCE_MS)


def test_a_retrain_is_watched_to_its_end_and_rolled_back(
    visitors: Visitors, tmp_path: Path
) -> None:
    training = load_base_sets().training
    with serve(tmp_path / "school", **UNLIMITED) as school:
        with beside(settings(school.data_dir)) as app:
            pictures = [hollow(digit) for digit in training.digits[:LABELS]]
            label(app, pictures, training.labels[:LABELS], submitters(app, 3))
        page = look(visitors, school)
        page.locator("#retrain [type=submit]").click()
        expect(page.locator("#retrain-progress")).to_be_visible()
        current = page.locator(".stages [aria-current]")
        expect(current).to_have_attribute("data-stage", "training", timeout=60_000)
        expect(page.locator("#retrain-progress-text")).to_contain_text("s left", timeout=60_000)
        status = page.locator("#retrain-status")
        expect(status).to_have_text("All gates passed · deployed", timeout=TRAINED_WITHIN_MS)
        expect(page.locator('#gates [data-field="passed"]').first).to_have_text("Passed")
        assert page.locator("#gates tr").count() >= 5
        assert "Failed" not in page.locator('#gates [data-field="passed"]').all_text_contents()
        deployments = page.locator("#deployments tr")
        expect(deployments).to_have_count(3)
        expect(page.locator("#experiment-name")).to_have_text("experiment 2")
        serving = page.locator('#serving-v2 [data-field="model"]')
        expect(serving).to_contain_text("retrain")
        back = page.locator("#serving-v2 button")
        back.click()
        expect(back).to_have_text("Roll back v2: press again")
        back.click()
        expect(deployments).to_have_count(4)
        expect(serving).to_contain_text("cifra-improved")
        expect(page.locator("#rollouts tr")).to_have_count(1)
        assert barriers(page) == []
        visitors.leave()


def test_an_experiment_is_stopped_and_another_started(fresh: Server, visitors: Visitors) -> None:
    page = look(visitors, fresh)
    page.locator("#stop-experiment").click()
    page.locator("#stop-experiment").click()
    expect(page.locator("#experiment-name")).to_have_text("experiment 1, ended: stopped")
    page.locator('#start-experiment [name="ramp"]').fill("1, 5, 25")
    page.locator("#start-experiment [type=submit]").click()
    expect(page.locator("#experiment-name")).to_have_text("experiment 2")
    expect(page.locator("#fact-weight")).to_have_text("1.0%")
    expect(page.locator("#fact-unit")).to_have_text("request")


def test_an_answer_that_was_long_under_way_does_not_hide_what_was_heard_since(
    fresh: Server, visitors: Visitors
) -> None:
    page, late = look(visitors, fresh), []
    page.route("**/admin/report", lambda route: late.append((route, route.fetch())), times=1)
    page.locator("#stop-experiment").click()
    with page.expect_request("**/admin/report"):
        page.locator("#stop-experiment").click()
    name = page.locator("#experiment-name")
    expect(name).to_have_text("experiment 1, ended: stopped")
    fresh.admin().call("POST", "/admin/experiments", json={})
    expect(name).to_have_text("experiment 2")
    [(route, answer)] = late
    with page.expect_request("**/admin/report"):
        route.fulfill(response=answer)
    page.wait_for_load_state("networkidle")
    expect(name).to_have_text("experiment 2")


def test_mail_switches_are_kept(fresh: Server, visitors: Visitors) -> None:
    page = look(visitors, fresh)
    page.locator('#notifications [name="email"]').fill("ada@example.org")
    page.get_by_label("alerts", exact=True).check()
    page.locator("#notifications button").click()
    expect(page.locator(".toast")).to_have_text("Saved.")
    me = fresh.admin().call("GET", "/me").json()
    assert (me["email"], me["mail"]) == ("ada@example.org", ["alert"])


def test_the_report_is_saved_as_a_file(fresh: Server, visitors: Visitors) -> None:
    page = look(visitors, fresh)
    with page.expect_download() as download:
        page.locator("#download-csv").click()
    assert Path(download.value.path()).read_text().startswith("figure,value")


def test_after_a_restart_the_page_comes_back_by_itself(
    visitors: Visitors, tmp_path: Path, golden: Golden
) -> None:
    with serve(tmp_path / "again", **UNLIMITED) as first:
        page = look(visitors, first)
        connection = page.locator("#connection")
        first.stop()
        expect(connection).to_have_attribute("data-state", "waiting")
        expect(page.locator("#requests-per-second")).to_have_text(re.compile(r"^\D$"))
        visitors.forgive("console: WebSocket connection to")
        with serve(first.data_dir, **UNLIMITED, PORT=str(first.port)) as second:
            second.newcomer("ana").predict("ab", golden.png_of(3))
            expect(connection).to_have_attribute("data-state", "live", timeout=30_000)
            expect(page.locator("#experiment-requests")).to_have_text("1")
            visitors.leave()


def test_a_login_that_was_ended_elsewhere_is_asked_for_again(
    fresh: Server, visitors: Visitors, golden: Golden
) -> None:
    visitors.forgive("refused: GET 401 /admin/")  # what the page was still reading by then
    page, password = look(visitors, fresh), "another password"
    change = {"old_password": fresh.admin_password, "new_password": password}
    fresh.admin().call("POST", "/password", json=change)
    expect(page.locator("#login")).to_be_visible()
    page.locator('[name="username"]').fill("admin")
    page.locator('[name="password"]').fill(password)
    page.locator('#login-form button[value="login"]').click()
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    fresh.newcomer("ana").predict("ab", golden.png_of(3))
    expect(page.locator("#experiment-requests")).to_have_text("1", timeout=AT_ONCE_MS)


def test_a_user_is_told_that_the_page_is_not_for_them(fresh: Server, visitors: Visitors) -> None:
    page = visitors.page(fresh)
    fresh.newcomer("ana")
    page.goto("/dashboard")
    page.locator('[name="username"]').fill("ana")
    page.locator('[name="password"]').fill("password of ana")
    page.locator('#login-form button[value="login"]').click()
    expect(page.locator("#access-denied")).to_be_visible()
    expect(page.locator("#page")).to_be_hidden()


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_barrier_on_the_dashboard(
    server: Server, visitors: Visitors, language: str, scheme: str
) -> None:
    page = look(visitors, server, locale=language, color_scheme=scheme, reduced_motion="reduce")
    expect(page.locator("#deployments tr").first).to_be_visible()
    assert barriers(page) == []


def test_the_dashboard_fits_a_phone(server: Server, visitors: Visitors) -> None:
    page = look(visitors, server, **PHONE)
    expect(page.locator("#deployments tr").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["viewport"]["width"]

"""The review page in a real browser: images are labeled with keys."""

import base64
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import count, islice
from uuid import UUID

import pytest
from playwright.sync_api import Page, Route, expect

from app.domain.review_labels import NOT_A_DIGIT, SKIPPED
from tests.browser.conftest import BrowserPages, log_in
from tests.conftest import Disagreements
from tests.support.server_process import UNLIMITED, Server, serve

Sent = dict[str, tuple[str, int]]
"""By image URL as the page shows it: the prediction's id and the true digit."""


class ReviewServer:
    """A served Cifra with an admin, a reviewer and a user who sends images to review."""

    def __init__(self, server: Server, disagreements: Disagreements) -> None:
        self.server = server
        self.admin = server.admin_client()
        self.sender = server.register("sender")
        self.rita = server.register("rita")
        number = self.rita.call("GET", "/me").json()["id"]
        changed = self.admin.call("PATCH", f"/admin/users/{number}", json={"role": "reviewer"})
        assert changed.status_code == 200
        self._disagreements = zip(disagreements.pngs, disagreements.labels, strict=True)

    def send(self, count: int) -> Sent:
        """Send new images on which the versions disagree."""
        return dict(self._send(png, label) for png, label in islice(self._disagreements, count))

    def empty_queue(self) -> None:
        """Label every pending image, whoever it is assigned to."""
        self._execute("UPDATE review_item SET leased_by = NULL, leased_until = NULL")
        while (item := self.admin.call("GET", "/admin/review").json()["item"]) is not None:
            self.admin.call("POST", f"/admin/review/{item['prediction_id']}", json={"digit": 1})

    def stored_labels(self, sent: Sent) -> dict[str, list[int]]:
        """Return the labels of these images in the database, by prediction, in order."""
        found: dict[str, list[int]] = {made: [] for made, _ in sent.values()}
        with closing(sqlite3.connect(self.server.data_dir / "app.db")) as connection:
            rows = connection.execute("SELECT prediction_id, label FROM review ORDER BY id")
            for made, truth in rows.fetchall():
                if str(UUID(made)) in found:
                    found[str(UUID(made))].append(truth)
        return found

    def assign_to_other_reviewer(self, prediction_id: str) -> None:
        """Assign an image to another reviewer, as after an expired lease."""
        self._execute(
            "UPDATE review_item SET leased_by = 2 WHERE prediction_id = ?", UUID(prediction_id).hex
        )

    def _execute(self, statement: str, *values: str) -> None:
        with closing(sqlite3.connect(self.server.data_dir / "app.db")) as connection:
            connection.execute(statement, values)
            connection.commit()

    def _send(self, png: bytes, label: int) -> tuple[str, tuple[str, int]]:
        made = self.sender.predict("ab", png).json()["prediction_id"]
        image = self.sender.call("GET", f"/predictions/{made}/image").content
        return f"data:image/png;base64,{base64.b64encode(image).decode()}", (made, label)


@pytest.fixture(scope="module")
def opened(
    tmp_path_factory: pytest.TempPathFactory, disagreements: Disagreements
) -> Iterator[ReviewServer]:
    with serve(tmp_path_factory.mktemp("review"), **UNLIMITED) as server:
        yield ReviewServer(server, disagreements)


@pytest.fixture
def review_server(opened: ReviewServer) -> ReviewServer:
    """Empty the review queue before each test."""
    opened.empty_queue()
    return opened


@pytest.fixture
def page(pages: BrowserPages, review_server: ReviewServer) -> Page:
    """Open a page where nobody is logged in yet."""
    return pages.open(review_server.server)


def log_in_reviewer(page: Page) -> None:
    """Log the reviewer in."""
    log_in(page, "/review", "rita", "password of rita")


def current_image(page: Page) -> str | None:
    """Return the image that is shown, once the page has one; None for an empty queue."""
    settled = page.locator('#frame:is([data-state="ready"], [data-state="empty"])')
    expect(settled).to_be_attached()
    if settled.get_attribute("data-state") == "empty":
        return None
    return page.locator("#image").get_attribute("src")


def skip_to(page: Page, sent: Sent) -> str:
    """Return the next image that is one of these; label gold tasks that come before it."""
    while (image := current_image(page)) not in sent:
        assert image is not None, "the queue is empty"
        page.keyboard.press("1")
    return image


def label_all(page: Page, sent: Sent) -> int:
    """Label each image with its true digit until the queue is empty; return how many."""
    for labeled in count():
        image = current_image(page)
        if image is None:
            return labeled
        page.keyboard.press(str(sent[image][1] if image in sent else 1))
    raise AssertionError


def expected_labels(sent: Sent) -> dict[str, list[int]]:
    return {made: [label] for made, label in sent.values()}


def test_ten_images_are_labeled_with_ten_keys(page: Page, review_server: ReviewServer) -> None:
    sent = review_server.send(10)
    assert len(sent) == 10
    log_in_reviewer(page)
    expect(page.locator("#pending")).to_have_text("10")
    labeled = label_all(page, sent)
    assert review_server.stored_labels(sent) == expected_labels(sent)
    expect(page.locator("#pending")).to_have_text("0")
    expect(page.locator("#labeled")).to_have_text(str(labeled))
    expect(page.locator("#labels-per-minute")).to_have_text(str(labeled))
    expect(page.locator("#announcer")).to_have_text("The review queue is empty.")


def test_undo_removes_the_last_label_and_requeues_the_image(
    page: Page, review_server: ReviewServer
) -> None:
    sent = review_server.send(3)
    log_in_reviewer(page)
    first = skip_to(page, sent)
    made, label = sent[first]
    page.keyboard.press(str((label + 1) % 10))
    current_image(page)
    expect(page.locator("#last-image")).to_have_attribute("src", first)
    page.keyboard.press("u")
    expect(page.get_by_role("status").filter(has_text="Label undone")).to_be_visible()
    assert review_server.stored_labels(sent)[made] == []
    label_all(page, sent)
    assert review_server.stored_labels(sent) == expected_labels(sent)


def test_label_is_announced_to_screen_readers(page: Page, review_server: ReviewServer) -> None:
    sent = review_server.send(2)
    log_in_reviewer(page)
    skip_to(page, sent)
    page.keyboard.press("7")
    expect(page.locator("#announcer")).to_have_text("Digit 7. 1 pending.")


def test_not_a_digit_and_skip_by_key_and_by_button(page: Page, review_server: ReviewServer) -> None:
    sent = review_server.send(4)
    log_in_reviewer(page)
    expected = {}
    for label, give_label in (
        (NOT_A_DIGIT, lambda: page.keyboard.press("n")),
        (SKIPPED, lambda: page.keyboard.press("s")),
        (NOT_A_DIGIT, lambda: page.get_by_role("button", name="Not a digit").click()),
        (4, lambda: page.get_by_role("button", name="4", exact=True).click()),
    ):
        expected[sent[skip_to(page, sent)][0]] = [label]
        give_label()
    assert current_image(page) is None
    expect(page.locator("#queue-empty-text")).to_contain_text("Nothing is pending for you.")
    expect(page.locator("#pending")).to_have_text("1")  # the skipped one is for others
    assert review_server.stored_labels(sent) == expected


@pytest.mark.parametrize("status", [404, 409])
def test_image_that_is_no_longer_assigned_is_replaced_by_the_next(
    page: Page, review_server: ReviewServer, pages: BrowserPages, status: int
) -> None:
    sent = review_server.send(2)
    log_in_reviewer(page)
    lost = skip_to(page, sent)
    made, label = sent[lost]
    if status == 404:
        assert review_server.sender.call("DELETE", f"/predictions/{made}").status_code == 200
    else:
        review_server.assign_to_other_reviewer(made)
    pages.expected.add(f"{status} /admin/review/{made}")
    before = page.locator("#labeled").inner_text()
    page.keyboard.press(str(label))
    expect(page.get_by_role("status").filter(has_text="no longer assigned to you")).to_be_visible()
    assert current_image(page) not in (None, lost)
    expect(page.locator("#labeled")).to_have_text(before)


def test_label_that_failed_to_send_can_be_given_again(
    page: Page, review_server: ReviewServer, pages: BrowserPages
) -> None:
    sent = review_server.send(1)
    log_in_reviewer(page)
    image = skip_to(page, sent)
    made, label = sent[image]
    pages.expected.add(f"503 /admin/review/{made}")

    def fail(route: Route) -> None:
        route.fulfill(status=503, json={"msg": "The database does not answer"})

    page.route("**/admin/review/*", fail, times=1)
    page.keyboard.press(str(label))
    expect(page.get_by_role("status").filter(has_text="does not answer")).to_be_visible()
    assert current_image(page) == image
    assert review_server.stored_labels(sent) == {made: []}
    label_all(page, sent)
    assert review_server.stored_labels(sent) == expected_labels(sent)


@pytest.mark.parametrize("username", ["rita", "admin"])
def test_new_image_appears_automatically_in_an_empty_queue(
    page: Page, review_server: ReviewServer, username: str
) -> None:
    passwords = {"rita": "password of rita", "admin": review_server.server.admin_password}
    log_in(page, "/review", username, passwords[username])
    assert current_image(page) is None
    expect(page.locator("#queue-empty-text")).to_have_text("The review queue is empty.")
    review_server.send(1)
    expect(page.locator('#frame[data-state="ready"]')).to_be_attached(timeout=8_000)


def test_shortcuts_ignore_modifiers_and_can_be_turned_off(
    page: Page, review_server: ReviewServer
) -> None:
    sent = review_server.send(1)
    log_in_reviewer(page)
    skip_to(page, sent)
    before = page.locator("#labeled").inner_text()
    for keys in ("Alt+5", "Control+5", "Meta+5", "Control+u"):
        page.keyboard.press(keys)
    page.get_by_label("Keyboard shortcuts: 0 to 9, n, s and u").uncheck()
    page.keyboard.press("5")
    page.reload()
    expect(page.get_by_label("Keyboard shortcuts: 0 to 9, n, s and u")).not_to_be_checked()
    current_image(page)
    page.keyboard.press("5")
    page.wait_for_timeout(300)
    expect(page.locator("#labeled")).to_have_text("0")
    assert before in {"0", "1", "2", "3"}  # gold tasks
    assert review_server.stored_labels(sent) == {made: [] for made, _ in sent.values()}


def test_review_page_reveals_no_prediction(page: Page, review_server: ReviewServer) -> None:
    sent = review_server.send(2)
    log_in_reviewer(page)
    skip_to(page, sent)
    content = page.locator("#page").inner_text()
    assert not re.search(r"\bv[12]\b|%|confidence|baseline|improved", content)


def test_review_page_is_denied_to_a_user(page: Page, review_server: ReviewServer) -> None:
    page.goto("/review")
    page.get_by_label("Username").fill("sender")
    page.get_by_label("Password").fill("password of sender")
    page.locator('#login-form button[value="login"]').click()
    expect(page.get_by_text("Your account has no access to this page.")).to_be_visible()
    expect(page.locator("#page")).to_be_hidden()

"""The review page in a real browser: pictures labelled with keys, as fast as they can be seen."""

import base64
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import count, islice
from uuid import UUID

import pytest
from playwright.sync_api import Page, Route, expect

from app.domain.labels import NOT_A_DIGIT, SKIPPED
from tests.browser.conftest import Visitors, enter
from tests.conftest import Disputed
from tests.served import UNLIMITED, Server, serve

Sent = dict[str, tuple[str, int]]
"""By the image as the page shows it: the prediction, and the digit on its picture."""


class Office:
    """A served Cifra with an admin, a reviewer, and somebody whose pictures wait."""

    def __init__(self, server: Server, disputed: Disputed) -> None:
        self.server = server
        self.admin = server.admin()
        self.sender = server.newcomer("sender")
        self.rita = server.newcomer("rita")
        number = self.rita.call("GET", "/me").json()["id"]
        changed = self.admin.call("PATCH", f"/admin/users/{number}", json={"role": "reviewer"})
        assert changed.status_code == 200
        self._disputed = zip(disputed.pngs, disputed.labels, strict=True)

    def send(self, most: int) -> Sent:
        """Have the versions disagree on pictures that nobody has sent before."""
        return dict(self._send(png, label) for png, label in islice(self._disputed, most))

    def clear(self) -> None:
        """Label all that waits, whoever holds it."""
        self._change("UPDATE review_item SET leased_by = NULL, leased_until = NULL")
        while (item := self.admin.call("GET", "/admin/review").json()["item"]) is not None:
            self.admin.call("POST", f"/admin/review/{item['prediction_id']}", json={"digit": 1})

    def said(self, sent: Sent) -> dict[str, list[int]]:
        """What reviewers said of these pictures, by prediction, in order."""
        found: dict[str, list[int]] = {made: [] for made, _ in sent.values()}
        with closing(sqlite3.connect(self.server.data_dir / "app.db")) as connection:
            rows = connection.execute("SELECT prediction_id, truth FROM review ORDER BY id")
            for made, truth in rows.fetchall():
                if str(UUID(made)) in found:
                    found[str(UUID(made))].append(truth)
        return found

    def hand_over(self, prediction_id: str) -> None:
        """Let another reviewer hold a picture, as happens when a lease has run out."""
        self._change(
            "UPDATE review_item SET leased_by = 2 WHERE prediction_id = ?", UUID(prediction_id).hex
        )

    def _change(self, statement: str, *values: str) -> None:
        with closing(sqlite3.connect(self.server.data_dir / "app.db")) as connection:
            connection.execute(statement, values)
            connection.commit()

    def _send(self, png: bytes, label: int) -> tuple[str, tuple[str, int]]:
        made = self.sender.predict("ab", png).json()["prediction_id"]
        image = self.sender.call("GET", f"/predictions/{made}/image").content
        return f"data:image/png;base64,{base64.b64encode(image).decode()}", (made, label)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, disputed: Disputed) -> Iterator[Office]:
    with serve(tmp_path_factory.mktemp("office"), **UNLIMITED) as server:
        yield Office(server, disputed)


@pytest.fixture
def office(opened: Office) -> Office:
    """Nothing waits in it."""
    opened.clear()
    return opened


@pytest.fixture
def desk(visitors: Visitors, office: Office) -> Page:
    """A page of the office's server where nobody is logged in yet."""
    return visitors.page(office.server)


def sit_down(page: Page) -> None:
    """Log the reviewer in."""
    enter(page, "/review", "rita", "password of rita")


def on_desk(page: Page) -> str | None:
    """The image that is shown, once the page has asked; None where nothing waits."""
    settled = page.locator('#frame:is([data-state="ready"], [data-state="empty"])')
    expect(settled).to_be_attached()
    if settled.get_attribute("data-state") == "empty":
        return None
    return page.locator("#image").get_attribute("src")


def look_for(page: Page, sent: Sent) -> str:
    """The next image that is one of these; a probe that comes between is labelled."""
    while (image := on_desk(page)) not in sent:
        assert image is not None, "nothing waits"
        page.keyboard.press("1")
    return image


def label_all(page: Page, sent: Sent) -> int:
    """Press the key of what each picture shows until nothing waits; how many were labelled."""
    for labelled in count():
        image = on_desk(page)
        if image is None:
            return labelled
        page.keyboard.press(str(sent[image][1] if image in sent else 1))
    raise AssertionError


def truths(sent: Sent) -> dict[str, list[int]]:
    return {made: [label] for made, label in sent.values()}


def test_ten_pictures_are_labelled_with_ten_keys(desk: Page, office: Office) -> None:
    sent = office.send(10)
    assert len(sent) == 10
    sit_down(desk)
    expect(desk.locator("#pending")).to_have_text("10")
    labelled = label_all(desk, sent)
    assert office.said(sent) == truths(sent)
    expect(desk.locator("#pending")).to_have_text("0")
    expect(desk.locator("#labeled")).to_have_text(str(labelled))
    expect(desk.locator("#labels-per-minute")).to_have_text(str(labelled))
    expect(desk.locator("#announcer")).to_have_text("The review queue is empty.")


def test_the_last_word_is_taken_back_and_the_picture_comes_again(
    desk: Page, office: Office
) -> None:
    sent = office.send(3)
    sit_down(desk)
    first = look_for(desk, sent)
    made, label = sent[first]
    desk.keyboard.press(str((label + 1) % 10))
    on_desk(desk)
    expect(desk.locator("#last-image")).to_have_attribute("src", first)
    desk.keyboard.press("u")
    expect(desk.get_by_role("status").filter(has_text="Label undone")).to_be_visible()
    assert office.said(sent)[made] == []
    label_all(desk, sent)
    assert office.said(sent) == truths(sent)


def test_a_word_is_heard_by_who_does_not_see_the_page(desk: Page, office: Office) -> None:
    sent = office.send(2)
    sit_down(desk)
    look_for(desk, sent)
    desk.keyboard.press("7")
    expect(desk.locator("#announcer")).to_have_text("Digit 7. 1 pending.")


def test_no_digit_and_skip_by_key_and_by_button(desk: Page, office: Office) -> None:
    sent = office.send(4)
    sit_down(desk)
    expected = {}
    for truth, say in (
        (NOT_A_DIGIT, lambda: desk.keyboard.press("n")),
        (SKIPPED, lambda: desk.keyboard.press("s")),
        (NOT_A_DIGIT, lambda: desk.get_by_role("button", name="Not a digit").click()),
        (4, lambda: desk.get_by_role("button", name="4", exact=True).click()),
    ):
        expected[sent[look_for(desk, sent)][0]] = [truth]
        say()
    assert on_desk(desk) is None
    expect(desk.locator("#queue-empty-text")).to_contain_text("Nothing is pending for you.")
    expect(desk.locator("#pending")).to_have_text("1")  # the skipped one is for others
    assert office.said(sent) == expected


@pytest.mark.parametrize("status", [404, 409])
def test_a_picture_that_is_lost_meanwhile_makes_way_for_the_next(
    desk: Page, office: Office, visitors: Visitors, status: int
) -> None:
    sent = office.send(2)
    sit_down(desk)
    lost = look_for(desk, sent)
    made, label = sent[lost]
    if status == 404:
        assert office.sender.call("DELETE", f"/predictions/{made}").status_code == 200
    else:
        office.hand_over(made)
    visitors.expected.add(f"{status} /admin/review/{made}")
    before = desk.locator("#labeled").inner_text()
    desk.keyboard.press(str(label))
    expect(desk.get_by_role("status").filter(has_text="no longer assigned to you")).to_be_visible()
    assert on_desk(desk) not in (None, lost)
    expect(desk.locator("#labeled")).to_have_text(before)


def test_a_word_that_did_not_arrive_can_be_given_again(
    desk: Page, office: Office, visitors: Visitors
) -> None:
    sent = office.send(1)
    sit_down(desk)
    image = look_for(desk, sent)
    made, label = sent[image]
    visitors.expected.add(f"503 /admin/review/{made}")

    def fail(route: Route) -> None:
        route.fulfill(status=503, json={"msg": "The database does not answer"})

    desk.route("**/admin/review/*", fail, times=1)
    desk.keyboard.press(str(label))
    expect(desk.get_by_role("status").filter(has_text="does not answer")).to_be_visible()
    assert on_desk(desk) == image
    assert office.said(sent) == {made: []}
    label_all(desk, sent)
    assert office.said(sent) == truths(sent)


@pytest.mark.parametrize("username", ["rita", "admin"])
def test_what_comes_while_nothing_waits_appears_by_itself(
    desk: Page, office: Office, username: str
) -> None:
    passwords = {"rita": "password of rita", "admin": office.server.admin_password}
    enter(desk, "/review", username, passwords[username])
    assert on_desk(desk) is None
    expect(desk.locator("#queue-empty-text")).to_have_text("The review queue is empty.")
    office.send(1)
    expect(desk.locator('#frame[data-state="ready"]')).to_be_attached(timeout=8_000)


def test_keys_do_nothing_with_modifiers_or_when_turned_off(desk: Page, office: Office) -> None:
    sent = office.send(1)
    sit_down(desk)
    look_for(desk, sent)
    before = desk.locator("#labeled").inner_text()
    for keys in ("Alt+5", "Control+5", "Meta+5", "Control+u"):
        desk.keyboard.press(keys)
    desk.get_by_label("Keyboard shortcuts: 0 to 9, n, s and u").uncheck()
    desk.keyboard.press("5")
    desk.reload()
    expect(desk.get_by_label("Keyboard shortcuts: 0 to 9, n, s and u")).not_to_be_checked()
    on_desk(desk)
    desk.keyboard.press("5")
    desk.wait_for_timeout(300)
    expect(desk.locator("#labeled")).to_have_text("0")
    assert before in {"0", "1", "2", "3"}  # probes
    assert office.said(sent) == {made: [] for made, _ in sent.values()}


def test_the_page_tells_nothing_of_what_either_version_said(desk: Page, office: Office) -> None:
    sent = office.send(2)
    sit_down(desk)
    look_for(desk, sent)
    words = desk.locator("#page").inner_text()
    assert not re.search(r"\bv[12]\b|%|confidence|baseline|improved", words)


def test_a_user_is_told_that_the_page_needs_another_role(desk: Page, office: Office) -> None:
    desk.goto("/review")
    desk.get_by_label("Username").fill("sender")
    desk.get_by_label("Password").fill("password of sender")
    desk.locator('#login-form button[value="login"]').click()
    expect(desk.get_by_text("Your account has no access to this page.")).to_be_visible()
    expect(desk.locator("#page")).to_be_hidden()

"""`python -m tests.browser.screenshots [DATA_DIR]`: the pictures of pages that the documents show.

The dashboard's is taken where the DATA_DIR of a filled demo is named, while traffic goes on there.
"""

import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import numpy as np
from playwright.sync_api import Browser, Page, expect, sync_playwright

from app.imaging.pictures import encode_png
from app.training.sets import load_base_sets
from app.training.variants import varied
from tests.browser.conftest import ARGUMENTS, Visitors, enter, executable
from tests.browser.drawing import draw
from tests.served import ROOT, UNLIMITED, Server, serve

FOLDER = ROOT / "docs" / "screenshots"
SEED, PICTURES = 3, 160
WORDS = 9
WATCHED_MS = 240_000
SCREEN = {"viewport": {"width": 1280, "height": 1000}, "reduced_motion": "reduce"}

# A 9 that is open at its top: v1 wavers between 9 and 4, v2 hardly.
OPEN_NINE = [
    *((0.58, 0.16), (0.61, 0.22), (0.40, 0.30), (0.35, 0.46), (0.47, 0.45)),
    *((0.54, 0.47), (0.75, 0.24), (0.65, 0.46), (0.59, 0.78), (0.67, 0.86)),
]


def main() -> None:
    """Take them all anew."""
    FOLDER.mkdir(exist_ok=True)
    with (
        TemporaryDirectory() as folder,
        serve(Path(folder), **UNLIMITED) as server,
        sync_playwright() as playwright,
    ):
        fill(server)
        browser = playwright.chromium.launch(executable_path=executable(), args=ARGUMENTS)
        for take in (home, review):
            photograph(browser, server, take)
        browser.close()


def main_of_demo(data_dir: Path) -> None:
    """Take the dashboard's anew."""
    with serve(data_dir, **UNLIMITED) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=ARGUMENTS)
        with traffic(server):
            photograph(browser, server, dashboard)
        browser.close()


@contextmanager
def traffic(server: Server) -> Iterator[None]:
    """Have somebody send digits, a few a second, until the block ends."""
    is_over, golden = threading.Event(), load_base_sets().golden
    somebody, dice = server.newcomer(f"somebody-{uuid4().hex[:8]}"), np.random.default_rng(SEED)

    def send() -> None:
        for digit in golden.digits:
            somebody.predict("ab", encode_png(digit))
            if is_over.wait(dice.exponential(0.2)):
                return

    sending = threading.Thread(target=send)
    sending.start()
    try:
        yield
    finally:
        is_over.set()
        sending.join()


def fill(server: Server) -> None:
    """Have kim send digits that were made harder, and say what some of them are."""
    kim, golden, dice = server.newcomer("kim"), load_base_sets().golden, np.random.default_rng(SEED)
    for index in range(PICTURES):
        answer = kim.predict("ab", encode_png(varied(golden.digits[index], dice)))
        if answer.ok and PICTURES - index < WORDS:
            word = {"digit": int(golden.labels[index])}
            kim.call(
                "POST", "/feedback", json=word | {"prediction_id": answer.json()["prediction_id"]}
            )


def photograph(browser: Browser, server: Server, take: Callable[[Page, Server], None]) -> None:
    """Let a page be brought to where it shows what it is for, and keep what is seen."""
    visitors = Visitors(browser)
    page = visitors.page(server, **SCREEN)
    take(page, server)
    page.wait_for_load_state("networkidle")
    page.screenshot(path=FOLDER / f"{take.__name__}.png")
    visitors.leave()


def home(page: Page, _: Server) -> None:
    """An answer, the word on it, and the other version's."""
    enter(page, "/", "kim", "password of kim")
    draw(page, OPEN_NINE)
    page.keyboard.press("Enter")
    page.locator('[data-feedback="9"]').click()
    expect(page.locator("#other-prediction")).to_be_visible()
    expect(page.locator("#model-input")).to_have_attribute("src", re.compile("^blob:"))


def review(page: Page, server: Server) -> None:
    """A picture that waits, after a few that were labelled."""
    page.set_viewport_size(SCREEN["viewport"] | {"height": 640})
    enter(page, "/review", "admin", server.admin_password)
    for key in "27n":
        expect(page.locator('#frame[data-state="ready"]')).to_be_visible()
        page.keyboard.press(key)
    expect(page.locator('#frame[data-state="ready"]')).to_be_visible()


def dashboard(page: Page, server: Server) -> None:
    """The verdict, the traffic of the last minutes, and the versions."""
    page.set_viewport_size(SCREEN["viewport"] | {"height": 1620})
    enter(page, "/dashboard", "admin", server.admin_password)
    page.wait_for_timeout(WATCHED_MS)


if __name__ == "__main__":
    main_of_demo(Path(sys.argv[1])) if sys.argv[1:] else main()

"""`python -m tests.browser.screenshots [DATA_DIR]`: renew the screenshots in the documentation.

With the DATA_DIR of a filled demo it takes the dashboard's, else the others.
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

from app.imaging.decoding import encode_png
from app.training.augmentation import augment
from app.training.datasets import load_base_sets
from tests.browser.conftest import ARGUMENTS, BrowserPages, find_browser, log_in
from tests.browser.drawing import draw
from tests.support.server_process import ROOT, UNLIMITED, Server, serve

FOLDER = ROOT / "docs" / "screenshots"
SEED, IMAGES = 3, 160
FEEDBACK = 9
RECORD_MS = 240_000
SCREEN = {"viewport": {"width": 1280, "height": 1000}, "reduced_motion": "reduce"}

# A 9 that is open at its top: v1 is unsure between 9 and 4, v2 hardly.
OPEN_NINE = [
    *((0.58, 0.16), (0.61, 0.22), (0.40, 0.30), (0.35, 0.46), (0.47, 0.45)),
    *((0.54, 0.47), (0.75, 0.24), (0.65, 0.46), (0.59, 0.78), (0.67, 0.86)),
]


def main() -> None:
    """Take the screenshots of the home and the review page."""
    FOLDER.mkdir(exist_ok=True)
    with (
        TemporaryDirectory() as folder,
        serve(Path(folder), **UNLIMITED) as server,
        sync_playwright() as playwright,
    ):
        fill(server)
        browser = playwright.chromium.launch(executable_path=find_browser(), args=ARGUMENTS)
        for take in (home, review):
            take_screenshot(browser, server, take)
        browser.close()


def main_for_demo(data_dir: Path) -> None:
    """Take the screenshot of the dashboard."""
    with serve(data_dir, **UNLIMITED) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=ARGUMENTS)
        with traffic(server):
            take_screenshot(browser, server, dashboard)
        browser.close()


@contextmanager
def traffic(server: Server) -> Iterator[None]:
    """Send a few digits per second until the block ends."""
    stop, golden = threading.Event(), load_base_sets().golden
    sender, rng = server.register(f"sender-{uuid4().hex[:8]}"), np.random.default_rng(SEED)

    def send() -> None:
        for digit in golden.digits:
            sender.predict("ab", encode_png(digit))
            if stop.wait(rng.exponential(0.2)):
                return

    sending = threading.Thread(target=send)
    sending.start()
    try:
        yield
    finally:
        stop.set()
        sending.join()


def fill(server: Server) -> None:
    """Send augmented digits as kim, with feedback on some of them."""
    kim, golden, rng = server.register("kim"), load_base_sets().golden, np.random.default_rng(SEED)
    for index in range(IMAGES):
        response = kim.predict("ab", encode_png(augment(golden.digits[index], rng)))
        if response.ok and IMAGES - index < FEEDBACK:
            feedback = {"digit": int(golden.labels[index])}
            kim.call(
                "POST",
                "/feedback",
                json=feedback | {"prediction_id": response.json()["prediction_id"]},
            )


def take_screenshot(browser: Browser, server: Server, take: Callable[[Page, Server], None]) -> None:
    """Open a page, prepare it with `take` and save its screenshot."""
    pages = BrowserPages(browser)
    page = pages.open(server, **SCREEN)
    take(page, server)
    page.wait_for_load_state("networkidle")
    page.screenshot(path=FOLDER / f"{take.__name__}.png")
    pages.close()


def home(page: Page, _: Server) -> None:
    """Show a prediction with feedback, and the other version's prediction."""
    log_in(page, "/", "kim", "password of kim")
    draw(page, OPEN_NINE)
    page.keyboard.press("Enter")
    page.locator('[data-feedback="9"]').click()
    expect(page.locator("#other-prediction")).to_be_visible()
    expect(page.locator("#model-input")).to_have_attribute("src", re.compile("^blob:"))


def review(page: Page, server: Server) -> None:
    """Show an image to label, after a few that were labeled."""
    page.set_viewport_size(SCREEN["viewport"] | {"height": 640})
    log_in(page, "/review", "admin", server.admin_password)
    for key in "27n":
        expect(page.locator('#frame[data-state="ready"]')).to_be_visible()
        page.keyboard.press(key)
    expect(page.locator('#frame[data-state="ready"]')).to_be_visible()


def dashboard(page: Page, server: Server) -> None:
    """Show the experiment results, recent traffic and the model metrics."""
    page.set_viewport_size(SCREEN["viewport"] | {"height": 1620})
    log_in(page, "/dashboard", "admin", server.admin_password)
    page.wait_for_timeout(RECORD_MS)


if __name__ == "__main__":
    main_for_demo(Path(sys.argv[1])) if sys.argv[1:] else main()

"""Images from files, the clipboard or the camera, and images that are rejected."""

import base64
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from app.imaging.decoding import MAX_IMAGE_PIXELS, encode_png
from tests.browser.actions import record_posts
from tests.browser.conftest import BrowserPages, log_in_client
from tests.browser.drawing import ONE, draw
from tests.conftest import GoldenSet, encode_image
from tests.support.server_process import Client, Server

CLIPBOARD = {"permissions": ["clipboard-read", "clipboard-write"]}

_COPY = """async (png) => {
  const bytes = Uint8Array.from(atob(png), (letter) => letter.charCodeAt(0));
  const blob = new Blob([bytes], { type: "image/png" });
  await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
}"""
_DROP = """([name, type, content]) => {
  const transfer = new DataTransfer();
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  transfer.items.add(new File([bytes], name, { type }));
  for (const kind of ["dragover", "drop"]) {
    const options = { dataTransfer: transfer, bubbles: true, cancelable: true };
    document.querySelector(".history").dispatchEvent(new DragEvent(kind, options));
  }
}"""


def choose(page: Page, png: bytes) -> None:
    page.on(
        "filechooser", lambda _: None
    )  # registered now, so that the event is intercepted when it comes
    page.get_by_role("button", name="Choose an image").focus()
    with page.expect_file_chooser() as chosen:
        page.get_by_role("button", name="Choose an image").click()
    chosen.value.set_files({"name": "digit.png", "mimeType": "image/png", "buffer": png})


def drop(page: Page, png: bytes) -> None:
    page.evaluate(_DROP, ["digit.png", "image/png", base64.b64encode(png).decode()])


def paste(page: Page, png: bytes) -> None:
    page.evaluate(_COPY, base64.b64encode(png).decode())
    page.keyboard.press("Control+V")


@pytest.mark.parametrize("send", [choose, drop])
def test_image_file_is_recognized(
    home: Page, golden: GoldenSet, send: Callable[[Page, bytes], None]
) -> None:
    send(home, golden.png_of(7))
    expect(home.locator("#prediction .glyph")).to_have_text("7")
    expect(home.locator("#preview")).to_be_visible()
    draw(home, ONE)
    expect(home.locator("#preview")).to_be_hidden()
    home.keyboard.press("Enter")
    expect(home.locator("#prediction .glyph")).to_have_text("1")


def test_large_photo_is_resized_before_it_is_sent(home: Page, golden: GoldenSet) -> None:
    digit = Image.fromarray(255 - golden.digits[int(np.flatnonzero(golden.labels == 2)[0])])
    photo = Image.new("L", (4000, 3000), 255)
    photo.paste(digit.resize((1400, 1400), Image.Resampling.BICUBIC), (1300, 800))
    assert photo.width * photo.height > MAX_IMAGE_PIXELS  # which the server rejects
    home.locator("#camera-file").set_input_files(
        {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": encode_image(photo, "JPEG")}
    )
    expect(home.locator("#prediction .glyph")).to_have_text("2")


def side_by_side(golden: GoldenSet) -> bytes:
    gap = np.zeros((28, 20), np.uint8)
    return encode_png(np.hstack([golden.digits[0], gap, golden.digits[2]]))


REJECTED = {
    "no digit": (422, "No digit found", "image/png"),
    "several": (422, "more than one digit", "image/png"),
    "no image": (415, "not a readable image", "text/plain"),
    "too many pixels": (413, "too large", "image/tiff"),
}


@pytest.mark.parametrize("case", REJECTED)
def test_rejected_image_shows_the_reason(
    home: Page, pages: BrowserPages, golden: GoldenSet, case: str
) -> None:
    status, message, type_ = REJECTED[case]
    pages.expected.add(f"{status} /api/ab/predict")
    content = {
        "no digit": encode_image(Image.new("L", (64, 64), 255)),
        "several": side_by_side(golden),
        "no image": b"dear diary",
        "too many pixels": encode_image(
            Image.new("L", (2100, 2100), 255), "TIFF", compression="tiff_deflate"
        ),
    }[case]
    home.locator("#image-file").set_input_files(
        {"name": "image", "mimeType": type_, "buffer": content}
    )
    expect(home.get_by_role("alert").filter(has_text=message)).to_be_visible()
    expect(home.locator("#result-details")).to_be_hidden()
    draw(home)
    expect(home.locator("#input-error")).to_be_empty()


def test_too_large_file_is_not_sent(home: Page) -> None:
    paths = record_posts(home)
    home.locator("#image-file").set_input_files(
        {"name": "film.mp4", "mimeType": "video/mp4", "buffer": bytes(16 * 1024 * 1024)}
    )
    expect(home.locator("#input-error")).to_contain_text("too large")
    assert paths == []


def test_image_is_pasted_from_the_clipboard(
    pages: BrowserPages, server: Server, kim: Client, golden: GoldenSet
) -> None:
    page = pages.open(server, **CLIPBOARD)
    log_in_client(page, kim)
    paste(page, golden.png_of(7))
    expect(page.locator("#prediction .glyph")).to_have_text("7")

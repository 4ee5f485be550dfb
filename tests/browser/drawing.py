"""Drawing on the canvas of the home page along a path, with the mouse or a finger."""

from playwright.sync_api import Page

THREE = [
    *((0.32, 0.25), (0.42, 0.17), (0.56, 0.16), (0.66, 0.24), (0.66, 0.36), (0.56, 0.45)),
    *((0.46, 0.47), (0.58, 0.49), (0.68, 0.58), (0.68, 0.70), (0.58, 0.80), (0.44, 0.82)),
    (0.32, 0.75),
]
ONE = [(0.50, 0.15), (0.50, 0.35), (0.50, 0.60), (0.50, 0.85)]
SEVEN = [(0.28, 0.2), (0.5, 0.19), (0.72, 0.18), (0.6, 0.45), (0.5, 0.65), (0.42, 0.85)]

MOVE_MS = 20
HOLD_MS = 200  # a finger lifted while it moves is a fling, and swallows the next tap

Path = list[tuple[float, float]]
"""Points (x, y) in shares of the canvas's width and height."""


def draw(page: Page, path: Path = THREE) -> None:
    """Draw one stroke with the mouse."""
    first, *others = _on(page, path)
    page.mouse.move(*first)
    page.mouse.down()
    for point in others:
        page.mouse.move(*point, steps=4)
    page.mouse.up()


def draw_with_finger(page: Page, path: Path = THREE) -> None:
    """Draw one stroke with a finger, as the touch screen of a phone reports it."""
    screen = page.context.new_cdp_session(page)
    types = ["touchStart", *["touchMove"] * (len(path) - 1)]
    for type_, (x, y) in zip(types, _on(page, path), strict=True):
        screen.send("Input.dispatchTouchEvent", {"type": type_, "touchPoints": [{"x": x, "y": y}]})
        page.wait_for_timeout(MOVE_MS)
    page.wait_for_timeout(HOLD_MS)
    screen.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def _on(page: Page, path: Path) -> Path:
    box = page.locator("#canvas").bounding_box()
    assert box is not None
    return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in path]

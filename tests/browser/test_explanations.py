"""The explanations of statistical terms on the dashboard: by keyboard, touch and mouse."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.accessibility import accessibility_violations
from tests.browser.actions import open_dashboard
from tests.browser.conftest import PHONE, BrowserPages
from tests.support.server_process import Server

TERMS = {
    "e_value": ("E-value", "E-valor"),
    "confidence_sequence": ("Confidence sequence (CS)", "Secuencia de confianza (SC)"),
    "srm": ("Sample ratio mismatch (SRM)", "Desajuste de la proporción de muestras (SRM)"),
    "discordant_pairs": ("Discordant pairs", "Pares discordantes"),
    "equivalence_region": ("Region of practical equivalence", "Región de equivalencia práctica"),
    "exposures": ("Exposures", "Exposiciones"),
    "calibration": ("Calibration and ECE", "Calibración y ECE"),
    "audit_sample": ("Audit sample", "Muestra de auditoría"),
    "guarded_rollout": ("Guardrail and guarded rollout", "Vigilancia tras el despliegue"),
    "drift": ("Drift", "Deriva"),
}


def button_of(page: Page, term: str) -> Locator:
    return page.locator(f'[popovertarget="explain-{term}"]').first


def focus_by_keyboard(page: Page, button: Locator) -> None:
    """Reach a button with Tab from the element before it."""
    button.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    expect(button).to_be_focused()


def assert_in_viewport(popover: Locator) -> None:
    expect(popover).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize(("language", "column"), [("en", 0), ("es", 1)])
def test_keyboard_focus_opens_each_explanation_and_escape_closes_it(
    pages: BrowserPages, server: Server, language: str, column: int
) -> None:
    page = open_dashboard(pages, server, locale=language)
    for term, titles in TERMS.items():
        button, popover = button_of(page, term), page.locator(f"#explain-{term}")
        expect(popover).to_be_hidden()
        focus_by_keyboard(page, button)
        expect(popover).to_be_visible()
        expect(popover.locator("strong")).to_have_text(titles[column])
        expect(button).to_have_accessible_name(
            f"{('About:', 'Acerca de:')[column]} {titles[column]}"
        )
        expect(button).to_have_accessible_description(popover.locator("span").inner_text())
        assert_in_viewport(popover)
        page.keyboard.press("Escape")
        expect(popover).to_be_hidden()
        expect(button).to_be_focused()
        page.keyboard.press("Enter")
        expect(popover).to_be_visible()
        page.keyboard.press("Tab")
        expect(popover).to_be_hidden()


@pytest.mark.parametrize("language", ["en", "es"])
def test_tap_opens_each_explanation_and_a_tap_elsewhere_closes_it(
    pages: BrowserPages, server: Server, language: str
) -> None:
    page = open_dashboard(pages, server, locale=language, **PHONE)
    for term in TERMS:
        popover = page.locator(f"#explain-{term}")
        button_of(page, term).tap()
        expect(popover).to_be_visible()
        assert_in_viewport(popover)
        page.touchscreen.tap(2, 2)
        expect(popover).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["viewport"]["width"]


def test_mouse_hover_opens_an_explanation_until_the_mouse_leaves(
    pages: BrowserPages, server: Server
) -> None:
    page = open_dashboard(pages, server)
    popover = page.locator("#explain-e_value")
    button_of(page, "e_value").hover()
    expect(popover).to_be_visible()
    popover.hover()
    page.wait_for_timeout(400)
    expect(popover).to_be_visible()
    page.mouse.move(1, 1)
    expect(popover).to_be_hidden()


def test_both_calibration_buttons_open_the_explanation_beside_themselves(
    pages: BrowserPages, server: Server
) -> None:
    page = open_dashboard(pages, server)
    popover = page.locator("#explain-calibration")
    lefts = []
    for button in page.locator('[popovertarget="explain-calibration"]').all():
        button.click()
        expect(popover).to_be_visible()
        lefts.append((popover.bounding_box() or {})["x"])
        page.keyboard.press("Escape")
    assert lefts[0] < lefts[1]


@pytest.mark.parametrize("device", [{}, PHONE], ids=["desktop", "phone"])
def test_axe_finds_no_violation_with_an_explanation_open(
    pages: BrowserPages, server: Server, language: str, scheme: str, device: dict[str, object]
) -> None:
    options = {"locale": language, "color_scheme": scheme, "reduced_motion": "reduce"}
    page = open_dashboard(pages, server, **options | device)
    expect(page.locator("#deployments tr").first).to_be_visible()
    focus_by_keyboard(page, button_of(page, "srm"))
    expect(page.locator("#explain-srm")).to_be_visible()
    assert accessibility_violations(page) == []

"""Accessibility checks of a page as it is now, with axe-core."""

from pathlib import Path

from playwright.sync_api import Page

AXE = Path(__file__).parent / "vendor" / "axe.min.js"

_RUN = """async () => {
  const found = await axe.run(document, { resultTypes: ["violations"] });
  return found.violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`));
}"""


def accessibility_violations(page: Page) -> list[str]:
    """Return the violations of serious or critical impact, one line for each element."""
    page.evaluate(f"() => {{ {AXE.read_text()} }}")
    found: list[str] = page.evaluate(_RUN)
    return found

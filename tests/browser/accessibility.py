"""What axe-core finds wrong with a page as it stands."""

from pathlib import Path

from playwright.sync_api import Page

AXE = Path(__file__).parent / "vendor" / "axe.min.js"

_RUN = """async () => {
  const found = await axe.run(document, { resultTypes: ["violations"] });
  return found.violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`));
}"""


def barriers(page: Page) -> list[str]:
    """The violations of serious or critical impact, one line for each element."""
    page.evaluate(f"() => {{ {AXE.read_text()} }}")
    found: list[str] = page.evaluate(_RUN)
    return found

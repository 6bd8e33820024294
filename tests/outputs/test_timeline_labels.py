"""The texts of the report's timeline in a real Chromium: none covers another, at any width or zoom."""

from pathlib import Path

import msgspec
import pytest
from playwright.async_api import Browser, Page

from detector.outputs.report import Report
from detector.outputs.report_page import report_page
from detector.outputs.summary import SourceRead, Summary
from detector.values.findings import LEAKED_CREDENTIAL, USE_AFTER_TERMINATION, Finding
from tests.browser import opened
from tests.outputs import finding_samples as made
from tests.outputs.test_report_page import incident, readout

__all__ = ["incident"]
pytestmark = pytest.mark.asyncio(loop_scope="session")

# Pairs of texts, numbers and marks whose boxes share more than a pixel, with what they say.
OVERLAPS = """() => {
  const named = (one) => one.textContent || one.getAttribute("class");
  const boxes = (query) => [...document.querySelectorAll(`.timeline .chart > svg ${query}`)]
    .map((node) => [named(node), node.getBoundingClientRect()]).filter(([, box]) => box.width);
  const frame = document.querySelector(".timeline .chart").getBoundingClientRect();
  const covers = ([, a], [, b]) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;
  const pairs = (list) => list.flatMap((one, at) => list.slice(at + 1).filter((other) => covers(one, other))
    .map((other) => `${one[0]} | ${other[0]}`));
  const texts = boxes("text");
  const outside = boxes(":is(.labels, .axis) text").filter(([, box]) => box.left < frame.left - 1 || box.right > frame.right + 1);
  return { texts: pairs(texts), marks: pairs(boxes(".mark")), outside: outside.map(([text]) => text) };
}"""


def long_names() -> list[Finding]:
    """Findings of tasks and credentials with wide and long names."""
    name = "WWWW-github/acme/mmmm/actions/runs/4711/jobs/MMMMMMMM-release-to-production"
    return [
        made.finding(rule, task=msgspec.structs.replace(made.TASK, task_id=f"{name}-{number}"))
        for number, rule in enumerate((LEAKED_CREDENTIAL, USE_AFTER_TERMINATION) * 3)
    ]


async def overlaps(page: Page) -> dict[str, list[str]]:
    await page.evaluate("document.fonts.ready")
    result: dict[str, list[str]] = await page.evaluate(OVERLAPS)
    return {what: pairs for what, pairs in result.items() if pairs}


@pytest.mark.parametrize("width", [360, 620, 768, 1280, 1920])
async def test_no_text_covers_another_at_any_zoom(browser: Browser, incident: Path, width: int) -> None:
    async with opened(browser, incident.as_uri(), width=width, height=1000) as sight:
        await readout(sight.page).wait_for()
        found = {"all": await overlaps(sight.page)}
        for zoom in range(1, 9):
            await sight.page.get_by_role("button", name="Zoom in").click()
            found[f"zoom {zoom}"] = await overlaps(sight.page)
        await sight.page.get_by_role("button", name="Show the whole time").click()
        many = sight.page.locator(".timeline .mark.many")
        for number in range(await many.count()):
            await many.nth(number).click()
            found[f"mark {number}"] = await overlaps(sight.page)
            await sight.page.get_by_role("button", name="Show the whole time").click()
        said = [
            f"{where}: {what}: {pair}"
            for where, each in found.items()
            for what, pairs in each.items()
            for pair in pairs
        ]
        assert said == []


@pytest.mark.parametrize("width", [360, 1280])
async def test_a_long_name_is_cut_where_its_column_ends(browser: Browser, tmp_path: Path, width: int) -> None:
    path = tmp_path / "report.html"
    summary = Summary(read=(SourceRead("ci.log", "text", 12, 3456),))
    path.write_bytes(
        report_page(Report(long_names(), (), summary, made.PATTERNS, made.untouched, until=made.USED))
    )
    async with opened(browser, path.as_uri(), width=width, height=1000) as sight:
        await readout(sight.page).wait_for()
        ends = await sight.page.locator(".timeline .labels text").evaluate_all(
            "(all) => Math.max(...all.map((one) => one.getBBox().x + one.getBBox().width))"
        )
        assert ends <= (208 if width == 1280 else width)
        assert await overlaps(sight.page) == {}

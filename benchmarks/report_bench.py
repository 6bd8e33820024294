"""How large the report is and how soon it stands there, by the number of findings: `python -m benchmarks report`.

The findings are those of a replayed month (`report_history.py`). The machine's own Chromium opens the page from disk;
what is told is the median of several openings, each in a fresh profile.
"""

import asyncio
import statistics
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, Final

import msgspec
from playwright.async_api import Browser, Page

from benchmarks import compare, measure, report_history, tables
from benchmarks.corpus import MB
from tests.browser import launched, opened

SIZES: Final = (100, 1_000, 10_000)
OPENINGS: Final = 5
_ABOUT: Final = (
    f"\nA month of tasks, replayed. In the browser: medians of {OPENINGS} openings from disk, from the start of the "
    "navigation until all is laid out, and painted; then one filter, one zoom, and laying it out for the printer.\n"
)
_COMMAND: Final = Path(sys.executable).with_name("curfewd")
# Milliseconds from the start of the navigation until the report is laid out, and painted.
_WATCH: Final = """
new MutationObserver((_, self) => {
    if (document.querySelector("main[aria-busy=false]") === null) return;
    self.disconnect();
    document.body.getBoundingClientRect();
    window.laid = performance.now();
    requestAnimationFrame(() => setTimeout(() => { window.painted = performance.now(); }, 0));
}).observe(document, { subtree: true, childList: true, attributes: true });
"""
# Milliseconds of a change, until it is laid out.
_TIMED: Final = "(change) => { const start = performance.now(); (%s)(); document.body.getBoundingClientRect(); return performance.now() - start; }"
_STEPS: Final = {
    "filter": "() => document.querySelector('button.tile.high').click()",
    "zoom": "() => document.querySelector('.timeline .controls button').click()",
    "paper": "() => dispatchEvent(new Event('beforeprint'))",
}


class Figures(msgspec.Struct, frozen=True):
    """What one size gave.

    Findings in all and in the page, and by severity; bytes of page and SARIF; CPU seconds of the replay alone, and with
    each; milliseconds in the browser, and MB of its heap.
    """

    findings: int
    shown: int
    by_severity: dict[str, int]
    page: int
    sarif: int
    replay: float
    with_report: float
    with_sarif: float
    laid: float
    painted: float
    steps: dict[str, float]
    heap: float

    def cells(self) -> list[str]:
        """A line of the table."""
        return [
            f"{self.findings:,}",
            f"{self.shown:,}",
            f"{self.page / MB:.2f}",
            f"{self.sarif / MB:.1f}",
            f"{self.with_report - self.replay:.1f}",
            f"{self.with_sarif - self.replay:.1f}",
            f"{self.laid:.0f}",
            f"{self.painted:.0f}",
            *(f"{self.steps[name]:.0f}" for name in _STEPS),
            f"{self.heap:.0f}",
        ]


HEAD: Final = [
    "findings",
    "in the page",
    "page MB",
    "SARIF MB",
    "page, CPU s",
    "SARIF, CPU s",
    "laid out ms",
    "painted ms",
    *(f"{name} ms" for name in _STEPS),
    "heap MB",
]


class Made(msgspec.Struct, frozen=True):
    """All of it."""

    machine: compare.Machine
    browser: str
    figures: list[Figures]


async def _seen(browser: Browser, page: Path) -> dict[str, Any]:
    """One opening of the page."""
    async with opened(browser, "about:blank") as sight:
        await sight.page.add_init_script(_WATCH)
        await sight.page.goto(page.as_uri())
        await sight.page.evaluate(
            "() => new Promise((done) => { const look = () => (window.painted ? done() : setTimeout(look, 20)); look(); })"
        )
        seen: dict[str, Any] = await sight.page.evaluate("({ laid: window.laid, painted: window.painted })")
        seen["heap"] = await _heap(sight.page)
        seen["shown"] = await sight.page.locator("p[role=status].live").inner_text()
        for name, step in _STEPS.items():
            seen[name] = await sight.page.evaluate(_TIMED % step)
        assert sight.complaints == []
        return seen


async def _heap(page: Page) -> float:
    """MB that the page's script holds."""
    session = await page.context.new_cdp_session(page)
    used: dict[str, float] = await session.send("Runtime.getHeapUsage")
    return used["usedSize"] / MB


def _replayed(arguments: list[str]) -> float:
    run = measure.run([str(_COMMAND), "replay", *arguments])
    assert run.exit_code == 0, run.output
    return run.cpu


async def _figures(browser: Browser, folder: Path, findings: int) -> Figures:
    arguments = [*report_history.write(folder, findings), "--out", str(folder / "out")]
    page, sarif = folder / "report.html", folder / "report.sarif"
    alone = _replayed(arguments)
    with_report = _replayed([*arguments, "--report", str(page)])
    with_sarif = _replayed([*arguments, "--sarif", str(sarif)])
    seen = [await _seen(browser, page) for _ in range(OPENINGS)]
    written = [msgspec.json.decode(line) for line in (folder / "out/findings.jsonl").open("rb")]
    shown = seen[0]["shown"].split()[1].replace(",", "")
    median = {
        name: statistics.median(one[name] for one in seen) for name in ("laid", "painted", "heap", *_STEPS)
    }
    return Figures(
        findings=len(written),
        shown=int(shown),
        by_severity=dict(Counter(one["severity"] for one in written)),
        page=page.stat().st_size,
        sarif=sarif.stat().st_size,
        replay=alone,
        with_report=with_report,
        with_sarif=with_sarif,
        laid=median["laid"],
        painted=median["painted"],
        steps={name: median[name] for name in _STEPS},
        heap=median["heap"],
    )


async def _made(sizes: tuple[int, ...]) -> Made:
    async with launched() as browser:
        figures = []
        for size in sizes:
            with tempfile.TemporaryDirectory() as folder:
                figures.append(await _figures(browser, Path(folder), size))
        return Made(compare.machine(), browser.version, figures)


def report(made: Made) -> str:
    """The Markdown of it."""
    return "\n".join(
        [
            "# The report\n",
            f"{tables.about(made.machine)} Chromium {made.browser}.",
            _ABOUT,
            tables.table(HEAD, [one.cells() for one in made.figures]),
            "",
        ]
    )


def main() -> None:
    """Measures and writes results/report.md."""
    made = asyncio.run(_made(SIZES))
    text = report(made)
    print(text)
    tables.save(compare.RESULTS, "report", text, made)

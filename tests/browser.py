"""A real Chromium for the pages: opened without a network, with what it complains of noted, and read by axe.

The browser is one a session (`browser` in conftest.py), on the event loop of the session: tests that use it are marked
`pytest.mark.asyncio(loop_scope="session")`.
"""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Literal

import msgspec
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright, expect

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_ARGUMENTS: Final = (
    "--no-sandbox",  # tests run as root in a container
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
_PATIENCE: Final = 60_000  # milliseconds that something is waited for
_SHOWN_VIOLATIONS: Final = 2_000  # characters of what axe says
expect.set_options(timeout=_PATIENCE)


class Sight(msgspec.Struct):
    """A page, what its console complained of, and the addresses that it asked for, its own first."""

    page: Page
    complaints: list[str]
    asked: list[str]


@asynccontextmanager
async def launched() -> AsyncIterator[Browser]:
    """The machine's own browser, without a window."""
    executable = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if executable is None:
        pytest.fail("the pages are tested in Chromium: install it (Debian: apt-get install chromium)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=[*_ARGUMENTS])
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def opened(
    browser: Browser,
    url: str,
    *,
    scheme: Literal["light", "dark"] = "light",
    width: int = 1280,
    height: int = 900,
) -> AsyncIterator[Sight]:
    """The page at `url`, in a profile of its own; it is as far as the document is read, no further."""
    async with await browser.new_context(
        color_scheme=scheme,
        reduced_motion="reduce",
        viewport={"width": width, "height": height},
    ) as context:
        context.set_default_timeout(_PATIENCE)
        page = await context.new_page()
        sight = Sight(page, [], [])
        page.on(
            "console",
            lambda said: sight.complaints.append(said.text) if said.type in {"error", "warning"} else None,
        )
        page.on("pageerror", lambda error: sight.complaints.append(str(error)))
        page.on("request", lambda request: sight.asked.append(request.url))
        await page.goto(url)
        yield sight


async def violations(page: Page) -> str:
    """What axe finds against the page as it stands, in words; empty if nothing."""
    results = await Axe().run(page)
    return str(results.generate_report())[:_SHOWN_VIOLATIONS] if results.violations_count else ""

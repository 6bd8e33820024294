"""Commands that wait for a person, in a real browser: what the page shows, who may decide, and what it never does."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser import Sight, opened, violations
from tests.service.approvals.people import HOSTILE, TOKENS, Pages, command_id, outcome
from tests.service.view.view_port import served_from

pytestmark = [pytest.mark.asyncio(loop_scope="session")]


@asynccontextmanager
async def looked_at(
    browser: Browser, folder: Path, environ: Mapping[str, str] = {}, **how: Any
) -> AsyncIterator[tuple[Pages, Sight]]:
    made = Pages(folder)
    async with (
        served_from(folder, environ, approvals=made.pages) as served,
        opened(browser, f"http://{served.server.address}/view", **how) as sight,
    ):
        yield made, sight


def command(page: Page, text: str) -> Any:
    return page.locator("#held li", has_text=text)


async def test_a_person_approves_with_a_token_and_sees_who_else_did(browser: Browser, tmp_path: Path) -> None:
    async with looked_at(browser, tmp_path) as (made, sight):
        page = sight.page
        await expect(page.locator("#live")).to_be_visible()
        await expect(page.locator("#waiting")).to_be_hidden()
        made.held.take(outcome(1))
        made.held.take(outcome(2))
        await expect(page.locator("#held li")).to_have_count(2)
        await expect(command(page, "cred-1")).to_contain_text("needs 2 approvals")
        approve = page.get_by_role("button", name="Approve the revocation of cred-1")
        await approve.click()
        await expect(page.locator("#decided")).to_have_text("Enter your token first.")
        await expect(page.get_by_label("Your approver's token")).to_be_focused()
        assert made.written == []
        await page.get_by_label("Your approver's token").fill("f" * 32)
        await approve.click()
        await expect(page.locator("#decided")).to_have_text("cred-1: this is the token of no approver.")
        await page.get_by_label("Your approver's token").fill(TOKENS["alice"])
        await approve.click()
        await expect(page.locator("#decided")).to_have_text("cred-1: approved by alice.")
        await expect(command(page, "cred-1")).to_contain_text("alice: approve")
        await page.get_by_label("Your approver's token").fill(TOKENS["bob"])
        await page.get_by_role("button", name="Deny the revocation of cred-2").click()
        await expect(page.locator("#decided")).to_have_text("cred-2: denied by bob.")
        assert [(each.approver, each.verdict, each.command_id) for each in made.written] == [
            ("alice", "approve", command_id(1)),
            ("bob", "deny", command_id(2)),
        ]
        made.held.take(outcome(1, "confirmed", count=2))
        made.held.take(outcome(2, "refused", count=2))
        await expect(page.locator("#held")).to_have_text("None.")
        refused = [text for text in sight.complaints if "401" not in text]  # a browser notes each refusal
        assert refused == []


async def test_what_failed_or_is_not_proved_is_tried_again_with_a_token(
    browser: Browser, tmp_path: Path
) -> None:
    async with looked_at(browser, tmp_path) as (made, sight):
        page = sight.page
        await expect(page.locator("#live")).to_be_visible()
        made.held.take(outcome(1, "failed", detail="HTTP 503"))
        made.held.take(outcome(2, "done-unproved", finished_at="2026-11-03T11:00:00Z"))
        listed = page.locator("#retriable li")
        await expect(listed).to_contain_text(["failed: HTTP 503", "done-unproved: "])
        retry = page.get_by_role("button", name="Retry the revocation of cred-1")
        await retry.click()
        await expect(page.locator("#decided")).to_have_text("Enter your token first.")
        assert made.written == []
        await page.get_by_label("Your approver's token").fill(TOKENS["alice"])
        await retry.click()
        await expect(page.locator("#decided")).to_have_text("cred-1: to be tried again, asked for by alice.")
        await expect(listed.first).to_contain_text("alice: retry")
        assert [(each.verdict, each.command_id) for each in made.written] == [("retry", command_id(1))]
        made.held.take(outcome(1, "confirmed", count=2))
        await expect(listed).to_have_count(1)
        assert await violations(page) == ""
        assert sight.complaints == []


async def test_the_token_stays_in_the_field_and_the_buttons_keep_the_focus(
    browser: Browser, tmp_path: Path
) -> None:
    async with looked_at(browser, tmp_path) as (made, sight):
        page = sight.page
        made.held.take(outcome(2, finished_at="2026-11-03T12:00:00Z"))
        deny = page.get_by_role("button", name="Deny the revocation of cred-2")
        await page.get_by_label("Your approver's token").fill(TOKENS["bob"])
        await deny.focus()
        made.held.take(outcome(1, finished_at="2026-11-03T11:00:00Z"))
        await expect(page.locator("#held li")).to_have_count(2)
        await expect(page.locator("#held li").first).to_contain_text("cred-1")
        await expect(deny).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.locator("#decided")).to_have_text("cred-2: denied by bob.")
        kept = await page.evaluate(
            "() => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href, "
            "document.documentElement.outerHTML])"
        )
        assert TOKENS["bob"] not in kept
        assert not any(TOKENS["bob"] in url for url in sight.asked)
        await page.reload()
        await expect(page.get_by_label("Your approver's token")).to_have_value("")


async def test_no_text_of_an_outcome_becomes_markup_or_reaches_an_address(
    browser: Browser, tmp_path: Path
) -> None:
    async with looked_at(browser, tmp_path) as (made, sight):
        page = sight.page
        hostile = f"&id={command_id(9)}#{HOSTILE}"
        made.held.take(outcome(1, command_id=hostile, credential_id=HOSTILE, target=HOSTILE, detail=HOSTILE))
        made.held.take(outcome(2))
        await expect(page.locator("#held li")).to_have_count(2)
        await page.get_by_label("Your approver's token").fill(TOKENS["alice"])
        await page.locator("#held button").first.click()
        await expect(page.locator("#decided")).to_contain_text("name one command")
        assert await page.evaluate("window.hit") is None
        assert await page.locator("#held img").count() == 0
        assert made.written == []


async def test_many_that_wait_do_not_fill_the_page(browser: Browser, tmp_path: Path) -> None:
    async with looked_at(browser, tmp_path) as (made, sight):
        for number in range(700):
            made.held.take(outcome(number))
        await expect(sight.page.locator("#held li")).to_have_count(50)
        await expect(sight.page.locator("#held .hint")).to_contain_text("650 more")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 420)])
async def test_axe_has_nothing_against_it(
    browser: Browser, tmp_path: Path, scheme: Literal["light", "dark"], width: int
) -> None:
    async with looked_at(browser, tmp_path, scheme=scheme, width=width) as (made, sight):
        made.held.take(outcome(1, credential_id="c" * 200))
        made.held.take(outcome(2))
        await expect(sight.page.locator("#held li")).to_have_count(2)
        assert await violations(sight.page) == ""
        overflow = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not await sight.page.evaluate(overflow)

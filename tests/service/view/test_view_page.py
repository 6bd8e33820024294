"""The page of the live view in a real browser: what it shows, also when things go wrong, and what it never does."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from playwright.async_api import Browser, Page, expect

from detector.configuration.service_settings import Address
from detector.judge.joins import JoinCounts
from detector.judge.policy import Policy
from detector.judge.routing import task_key
from detector.kafka.batches import partition_of
from detector.kafka.handlers import Partition
from detector.outputs.ocsf import finding_record
from detector.service.http.server import Answer, HttpServer
from detector.service.view.task import ViewContext
from detector.service.view.view import BATCH
from detector.values.events import RevocationOutcome
from detector.values.findings import LEAKED_CREDENTIAL, command_id
from detector.values.times import HOUR, MINUTE
from tests.browser import Sight, opened, violations
from tests.outputs import finding_samples as made
from tests.service.judge.judge_without_kafka import World
from tests.service.view.test_task_view import STARTED, TASK
from tests.service.view.view_port import COMMAND, TOKEN, Served, numbered, served_from, settings_of

pytestmark = [pytest.mark.asyncio(loop_scope="session")]

HOSTILE = "<img src=x onerror=window.hit=1><script>window.hit=1</script>\"'`\u202e${window.hit=1}"


def base(served: Served) -> str:
    return f"http://{served.server.address}/view"


@asynccontextmanager
async def looked_at(
    browser: Browser, folder: Path, environ: Mapping[str, str] = {}, **how: Any
) -> AsyncIterator[tuple[Served, Sight]]:
    async with served_from(folder, environ) as served, opened(browser, base(served), **how) as sight:
        yield served, sight


def told(number: int, **fields: Any) -> dict[str, Any]:
    """A finding whose title has its number."""
    record = numbered(number)
    info = record["finding_info"] | {"title": f"Finding number {number}"}
    return record | {"finding_info": info, "message": f"Finding number {number}. More of it."} | fields


def card(page: Page, text: str) -> Any:
    return page.locator("#findings details", has_text=text)


async def test_findings_and_commands_come_in_by_themselves(browser: Browser, tmp_path: Path) -> None:
    async with looked_at(browser, tmp_path) as (served, sight):
        page = sight.page
        await expect(page.locator("#findings")).to_contain_text("None yet")
        served.commit(told(1), COMMAND)
        await expect(card(page, "Finding number 1")).to_have_count(1)
        await expect(page.locator("#commands")).to_contain_text("cred-7")
        await page.get_by_text("Finding number 1").click()
        await expect(card(page, "Finding number 1").locator("ol.evidence > li")).to_have_count(1)
        served.commit(told(2), told(1, count=77))
        await expect(page.locator("#findings details").first).to_contain_text("77 times")
        await expect(page.locator("#findings details")).to_have_count(2)
        await expect(card(page, "77 times").locator("ol.evidence")).to_be_visible()
        await expect(page.locator("#state")).to_have_text("Not ready: starting")
        assert sight.complaints == []
        assert {url.split("#")[0] for url in sight.asked} == {base(served), f"{base(served)}/events"}


async def test_what_could_not_be_judged_is_shown_with_the_reason(browser: Browser, tmp_path: Path) -> None:
    async with looked_at(browser, tmp_path) as (served, sight):
        page = sight.page
        await expect(page.locator("#numbers")).to_contain_text("0 of 0 credentials")
        await expect(page.locator("#unjudged")).to_be_hidden()
        many = {f"issuer-{number}": {"unreported": 1} for number in range(9)}
        served.known(JoinCounts({"vault": {"ended": 31}, HOSTILE: {"no-candidate": 47}, **many}))
        await expect(page.locator("#unjudged h3")).to_have_text("56 of 87 credentials could not be judged")
        lines = page.locator("#unjudged li")
        await expect(lines).to_have_count(7)
        await expect(lines.nth(0)).to_have_text(
            f"47 of {HOSTILE}: no task of its group ran when it was issued"
        )
        await expect(lines.nth(1)).to_have_text(
            "1 of issuer-0: nothing reported the start or end of its task"
        )
        await expect(lines.nth(6)).to_have_text("… and 4 more")
        await expect(page.locator("#numbers")).to_contain_text("31 of 87 credentials")
        assert await violations(page) == ""
        assert sight.complaints == []
        served.known(JoinCounts({"vault": {"ended": 31}}))
        await expect(page.locator("#unjudged")).to_be_hidden()


async def test_a_finding_is_resolved_and_the_line_ends_where_its_credential_was_proved_dead(
    browser: Browser, tmp_path: Path
) -> None:
    leaked = made.finding(LEAKED_CREDENTIAL)
    proved = msgspec.structs.replace(leaked, resolution=made.resolution())
    new, resolved = (finding_record(each, made.PATTERNS, made.untouched) for each in (leaked, proved))
    async with looked_at(browser, tmp_path) as (served, sight):
        page = sight.page
        served.commit(new, COMMAND)
        mine = page.locator("#findings details").first
        await expect(mine).to_contain_text("leaked-credential")
        await expect(mine.locator(".meta").first).not_to_contain_text("resolved")
        served.commit(resolved)
        await expect(mine.locator(".meta").first).to_contain_text("resolved")
        await mine.locator("summary").click()
        await expect(mine.locator(".inside")).to_contain_text("approved by alice, bob")
        await page.locator("#commands button.link").click()
        mark = page.locator("#task .timeline .chart .mark.dead")
        await expect(mark).to_have_count(1)
        await mark.hover()
        await expect(page.locator("#task .timeline .chart .tip")).to_contain_text("Proved dead at vault")
        assert await violations(page) == ""
        assert sight.complaints == []


async def test_a_revocation_that_is_not_proved_has_a_mark(browser: Browser, tmp_path: Path) -> None:
    outcome = RevocationOutcome(
        time=made.ENDED + 10 * MINUTE, source="curfewd/revoke", id="1", credential_id="cred-7",
        command_id=command_id("cred-7", escalated=False), outcome="done-unproved",
    )  # fmt: skip
    used = made.use(made.ENDED + 50 * MINUTE, id="later", outcome="denied")
    async with looked_at(browser, tmp_path) as (served, sight):
        work = settings_of(tmp_path).live().topics.work
        world = World(Policy(), made.ENDED + HOUR, partitions=1)
        try:
            await world.open()
            for event in (STARTED, made.issued(), made.leak(), used, outcome):
                world.send(task_key(TASK), event)
            await world.poll(0, 100)
            place = Partition(work.name, partition_of(task_key(TASK).encode(), work.partitions))
            (store,) = world.handler.stores.values()
            served.view.judging(lambda: {place: store}, ViewContext(Policy(), {}, made.untouched))
            page = sight.page
            await page.get_by_role("textbox", name="Task").fill(TASK)
            await page.get_by_role("button", name="Look up").click()
            await page.locator("#task .timeline .chart .mark.other").hover()
            await expect(page.locator("#task .timeline .chart .tip")).to_contain_text(
                "Revoked, but not proved"
            )
            await world.close()
        finally:
            world.remove()
        assert sight.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 420])
async def test_axe_has_nothing_against_it(
    browser: Browser, tmp_path: Path, scheme: Literal["light", "dark"], width: int
) -> None:
    shown = {"CURFEWD_VIEW_TOKEN": TOKEN}
    async with looked_at(browser, tmp_path, shown, scheme=scheme, width=width) as (served, sight):
        page = sight.page
        await expect(page.locator("#gate")).to_be_visible()
        assert await violations(page) == ""
        await shown_to(page)
        severities = ("Critical", "High", "Medium", "Low")
        served.commit(COMMAND, *(told(n, severity=severity) for n, severity in enumerate(severities)))
        await page.get_by_text("Finding number 3").click()
        await expect(page.locator("#findings ol.evidence")).to_be_visible()
        assert await violations(page) == ""
        await page.locator("#commands button.link").click()
        await expect(page.locator("#task .timeline svg .bar").first).to_be_attached()
        assert await violations(page) == ""


async def shown_to(page: Page) -> None:
    """The token, and the page behind it."""
    await page.get_by_label("Token", exact=True).fill(TOKEN)
    await page.get_by_role("button", name="Open", exact=True).click()
    await expect(page.locator("#live")).to_be_visible()


async def test_only_the_right_token_opens_it_and_it_stays_in_memory(browser: Browser, tmp_path: Path) -> None:
    async with looked_at(browser, tmp_path, {"CURFEWD_VIEW_TOKEN": TOKEN}) as (served, sight):
        page = sight.page
        served.commit(told(1))
        await page.get_by_label("Token", exact=True).fill(TOKEN[::-1])
        await page.get_by_role("button", name="Open", exact=True).click()
        await expect(page.locator("#gate-why")).to_have_text("This token is wrong.")
        await expect(page.locator("#live")).to_be_hidden()
        assert "Finding number" not in await page.content()
        await shown_to(page)
        await expect(card(page, "Finding number 1")).to_have_count(1)
        kept = await page.evaluate(
            "() => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href, "
            "document.documentElement.outerHTML, [...document.querySelectorAll('input')].map((one) => one.value)])"
        )
        assert TOKEN not in kept
        assert not any(TOKEN in url for url in sight.asked)
        await page.reload()
        await expect(page.locator("#gate")).to_be_visible()
        refused = [text for text in sight.complaints if "401" not in text]  # a browser notes each refusal
        assert refused == []


async def test_no_text_of_a_log_becomes_markup(browser: Browser, tmp_path: Path) -> None:
    def spoiled(value: Any) -> Any:
        """The same with hostile text for every text that comes from outside."""
        if isinstance(value, dict):
            return {
                key: each if key in {"severity", "type", "time"} else spoiled(each)
                for key, each in value.items()
            }
        if isinstance(value, list):
            return [spoiled(each) for each in value]
        return f"{HOSTILE} {value}" if isinstance(value, str) else value

    record = told(1)
    record |= {key: spoiled(record[key]) for key in ("message", "resources", "evidences", "remediation")}
    record["finding_info"]["title"] = HOSTILE
    command = COMMAND | {"data": spoiled(COMMAND["data"]) | {"severity": "high"}}
    async with looked_at(browser, tmp_path) as (served, sight):
        page = sight.page
        served.commit(record, command)
        await page.locator("#findings summary").click()
        await expect(page.locator("#findings ol.evidence")).to_contain_text("<img src=x")
        await expect(page.locator("#commands li")).to_contain_text("<script>window.hit=1</script>")
        await page.locator("#findings .columns button.link").click()
        await expect(page.locator("#task h2")).to_contain_text("<img src=x")
        await expect(page.locator("#task .labels text").first).to_be_attached()
        await page.get_by_role("button", name="Show the timeline as a table").click()
        await expect(page.locator("#task tbody")).to_contain_text("<img src=x")
        assert await page.evaluate("window.hit") is None
        assert await page.locator("img, body script:not(:last-child)").count() == 0
        assert sight.complaints == []


async def test_a_name_that_somebody_made_point_here_shows_nothing(browser: Browser, tmp_path: Path) -> None:
    async with served_from(tmp_path) as served:
        served.commit(told(1))
        # A browser resolves every such name to this machine, as the rebound name of an attacker would be.
        foreign = f"http://evil.localhost:{served.server.address.port}/view"
        async with opened(browser, foreign) as sight:
            assert "open it at a loopback address" in await sight.page.content()
            status = await sight.page.evaluate("fetch('view/events').then((answer) => answer.status)")
        assert status == 403


async def test_a_page_from_elsewhere_can_neither_read_it_nor_frame_it(
    browser: Browser, tmp_path: Path
) -> None:
    def elsewhere(_: object) -> Answer:
        return Answer(200, f'<iframe src="{base(served)}"></iframe>'.encode(), "text/html")

    async with served_from(tmp_path) as served:
        served.commit(told(1))
        other = HttpServer(Address("127.0.0.1", 0), {"/": elsewhere})
        async with other, opened(browser, f"http://{other.address}/") as sight:
            read = "(url) => fetch(url).then((answer) => answer.text(), () => 'not read')"
            assert await sight.page.evaluate(read, f"{base(served)}/events") == "not read"
            assert await sight.page.evaluate(read, base(served)) == "not read"
            framed = [frame for frame in sight.page.frames if frame is not sight.page.main_frame]
            assert [await frame.locator("#state").count() for frame in framed] == [0]
            assert any("X-Frame-Options" in text or "frame-ancestors" in text for text in sight.complaints)
        assert served.view._readers == 0


async def test_a_flood_leaves_a_page_of_fixed_size_that_says_so(browser: Browser, tmp_path: Path) -> None:
    async with served_from(tmp_path) as served:
        for number in range(10 * BATCH):
            served.commit(told(number))
        async with opened(browser, base(served)) as sight:
            page = sight.page
            await expect(card(page, f"Finding number {10 * BATCH - 1}")).to_have_count(1)
            assert await page.locator("#findings details").count() == 100
            await expect(page.locator("#gap")).to_be_hidden()
            for number in range(10 * BATCH, 20 * BATCH):
                served.commit(told(number))
            await expect(card(page, f"Finding number {20 * BATCH - 1}")).to_have_count(1)
            await expect(page.locator("#gap:visible")).to_contain_text("Some are missing here")
            assert await page.locator("#findings details").count() == 100
            assert sight.complaints == []


async def test_a_pause_holds_the_list_still_and_a_filter_picks(browser: Browser, tmp_path: Path) -> None:
    async with looked_at(browser, tmp_path) as (served, sight):
        page = sight.page
        served.commit(told(1, severity="High"), told(2, severity="Low"))
        await expect(page.locator("#findings details")).to_have_count(2)
        await page.get_by_role("button", name="Pause").click()
        served.commit(told(3, severity="High"))
        await expect(page.get_by_role("button", name="Resume (1 new)")).to_be_visible()
        assert await page.locator("#findings details").count() == 2
        await page.get_by_role("button", name="Resume").click()
        await expect(page.locator("#findings details")).to_have_count(3)
        await page.get_by_label("Severity").select_option("high")
        await expect(page.locator("#findings details")).to_have_count(2)
        await page.get_by_label("Find", exact=True).fill("NUMBER 3")
        await expect(page.locator("#findings details")).to_have_count(1)
        await expect(page.get_by_text("1 of 3 shown")).to_be_visible()


async def test_it_comes_back_after_the_service_did_and_says_what_it_missed(
    browser: Browser, tmp_path: Path
) -> None:
    async with served_from(tmp_path) as served:
        served.commit(told(1))
        port = served.server.address.port
        async with opened(browser, base(served)) as sight:
            page = sight.page
            await expect(card(page, "Finding number 1")).to_have_count(1)
            await served.server.close()
            await expect(page.locator("#state")).to_contain_text("No connection")
            async with served_from(tmp_path, port=port) as anew:
                anew.commit(told(2))
                await expect(card(page, "Finding number 2")).to_have_count(1)
                await expect(card(page, "Finding number 1")).to_have_count(1)
                await expect(page.locator("#gap:visible")).to_contain_text("The service restarted")


async def test_a_task_that_is_judged_elsewhere_is_told_by_what_is_known_here(
    browser: Browser, tmp_path: Path
) -> None:
    async with looked_at(browser, tmp_path) as (served, sight):
        page = sight.page
        await page.get_by_role("textbox", name="Task").fill("nobody's & nothing")
        await page.get_by_role("button", name="Look up").click()
        await expect(page.locator("#task .gap")).to_contain_text("this process has none")
        assert await page.title() == "nobody's & nothing - curfewd live"
        await page.get_by_role("button", name="Back to the latest").click()
        served.commit(told(1), COMMAND)
        await page.locator("#commands button.link").click()
        await expect(page.locator("#task h2")).to_have_text("Task release-4711")
        await expect(page.locator("#task .mark.use")).to_have_count(1)
        await expect(page.locator("#task .mark.command")).to_have_count(1)
        # The link past the head leaves the task where it is.
        await page.locator("a.skip").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("#main")).to_be_focused()
        await expect(page.locator("#task h2")).to_be_visible()
        await page.go_back()
        await expect(page.locator("#findings")).to_be_visible()
        assert sight.complaints == []

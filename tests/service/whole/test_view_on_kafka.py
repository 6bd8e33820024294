"""The live view of the real service on a real broker shows what was produced, down to the history of a task."""

import asyncio
import json
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.broker import Cluster
from tests.browser import opened
from tests.ingest.streams import until
from tests.service.view.view_port import TOKEN
from tests.service.whole.deployment import Deployment, ended, terminate
from tests.small_history import KEY_TEXT, at, event, identifier_of, secret_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOSTILE = "<img src=x onerror=window.hit=1>"
TASK = f"deploy-1 {HOSTILE}"


def deployment_of(broker: Cluster, folder: Path) -> Deployment:
    deployment = Deployment(broker.bootstrap, folder, 'key_file = "key"')
    (folder / "key").write_text(KEY_TEXT)
    (folder / "token").write_text(TOKEN)
    served = '[service]\nview = true\nview_token_file = "token"\n'
    deployment.config.write_text(deployment.config.read_text().replace("[service]\n", served))
    return deployment


LIFE = [
    event(1, "task.started", 0, task_id=TASK, kind="ci", owner=HOSTILE, workload="runner-1"),
    event(
        2, "credential.issued", 1, credential_id="cred-1", task_id=TASK, kind="token",
        identifiers=[identifier_of(1)], expires_at=at(7200), revocation={"handle": f"h {HOSTILE}"},
    ),
    event(3, "credential.used", 20, credential_id="cred-1", action="read", resource=HOSTILE, task_id=TASK),
    event(4, "task.ended", 60, task_id=TASK, outcome="succeeded"),
    event(5, "credential.used", 900, credential_id="cred-1", action=HOSTILE, workload=HOSTILE),
]  # fmt: skip
LEAK = {"message": f"{HOSTILE} token={secret_of(1).decode()} done", "time": at(30), "task_id": TASK}


async def test_what_is_produced_is_seen_down_to_the_history_of_its_task(
    broker: Cluster, browser: Browser, tmp_path: Path
) -> None:
    deployment = deployment_of(broker, tmp_path)
    await deployment.create()
    process = deployment.start()
    try:
        await until(deployment.ready, "readiness")
        assert (await asyncio.to_thread(deployment.get, "/view/events"))[0] == 401
        assert (await asyncio.to_thread(deployment.get, "/view/task?id=a"))[0] == 401
        listen = next(line["listen"] for line in deployment.said() if line["event"] == "started")
        async with opened(browser, f"http://{listen}/view") as sight:
            page = sight.page
            await page.get_by_label("Token", exact=True).fill(TOKEN)
            await page.get_by_role("button", name="Open", exact=True).click()
            await expect(page.locator("#state")).to_have_text("Ready")
            await expect(page.locator("#findings")).to_contain_text("None yet")
            # While it is open: the finding comes in by itself.
            await deployment.put((1, 0, json.dumps(each).encode()) for each in LIFE)
            await deployment.put([(0, 0, json.dumps(LEAK).encode())])
            for rule in ("leaked-credential", "use-after-termination"):
                await expect(page.locator("#findings details", has_text=rule)).to_have_count(1)
            await expect(page.locator("#commands")).to_contain_text("cred-1")
            await expect(page.locator("#stages")).to_contain_text("6 records since the start")
            leaked = page.locator("#findings details", has_text="leaked-credential")
            await leaked.locator("summary").click()
            await expect(leaked.locator("pre")).to_contain_text(f"{HOSTILE} token=‹")
            # Down to the task: also the use that no finding rests on is there, of the judge's own state.
            await leaked.locator("button.link").first.click()
            await expect(page.locator("#task h2")).to_have_text(f"Task {TASK}")
            await expect(page.locator("#task .timeline .bar").first).to_be_attached()
            await page.get_by_role("button", name="Show the timeline as a table").click()
            for said in (f"Read on {HOSTILE}", "Shown in a log", "Revocation asked for", "Task ended"):
                await expect(page.locator("#task tbody tr", has_text=said).first).to_be_visible()
            assert await page.evaluate("window.hit") is None
            assert secret_of(1).decode() not in await page.content()
            assert sight.complaints == [
                "Failed to load resource: the server responded with a status of 401 (Unauthorized)"
            ]
            terminate(process)
            await expect(page.locator("#state")).to_contain_text("No connection")
        assert await ended(process) == 0
    finally:
        deployment.end()
    assert TOKEN not in deployment.log.read_text()

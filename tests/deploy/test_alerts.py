"""From a leak in a log to the alert and back, past the dashboard: curfewd on Kafka, Prometheus and Alertmanager."""

import asyncio
import json
import math
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import pytest

from tests.broker import Cluster
from tests.deploy.monitoring import Monitoring
from tests.deploy.monitoring.hook import listening
from tests.deploy.monitoring.stack import DEPLOYED, hurried
from tests.deploy.monitoring.tasks import leak, life, now, revoked
from tests.ingest.streams import until
from tests.receive.receiver_process import Receiver
from tests.receive.serving import BEARER
from tests.service.whole.deployment import ROOT, Deployment, ended, terminate
from tests.small_history import KEY_TEXT, secret_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

DASHBOARD: Final = DEPLOYED.parent / "grafana" / "dashboards" / "curfewd.json"
WITHIN: Final = {"$__rate_interval": "5s", "$__range": "60s", "$namespace": ".*"}

REVOKE_IT: Final = """import json
import sys
from pathlib import Path

message = json.load(sys.stdin)
name = message["data"]["credential_id"]
revoked = Path(__file__).with_name(f"revoked-{name}")
if name == "cred-1":
    print(json.dumps({"state": "unknown"}))
elif message["type"] == "credential.revocation.probe":
    print(json.dumps({"state": "dead" if revoked.exists() else "live"}))
else:
    revoked.touch()
"""

BROKEN: Final = (1, 0, b'{"specversion": "1.0", "type": 7}')


def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def expressions() -> list[tuple[str, str]]:
    """The title of the panel and what it asks, its variables filled in."""
    found = []
    for panel in panels():
        for target in panel["targets"]:
            expression = target["expr"]
            for name, value in WITHIN.items():
                expression = expression.replace(name, value)
            assert "$" not in expression, expression
            found.append((panel["title"], expression))
    return found


def has_values(series: list[dict[str, Any]]) -> bool:
    return any(not math.isnan(float(value)) for each in series for _at, value in each["values"])


@pytest.mark.monitoring
async def test_a_leak_becomes_an_alert_that_ends_with_the_credential_and_no_panel_is_empty(
    broker: Cluster, tmp_path: Path
) -> None:
    policy = f'key_file = "key"\nlateness = "5s"\n{revoke_tables(tmp_path)}'
    deployment = Deployment(broker.bootstrap, tmp_path, policy)
    (tmp_path / "key").write_text(KEY_TEXT)
    await deployment.create()
    process = deployment.start()
    revoker = Revoker(deployment)
    receiver = Receiver(tmp_path, broker.bootstrap, "hooks", tmp_path / "hooks.jsonl")
    try:
        await until(deployment.ready, "readiness")
        await until(revoker.listens, "the revoker's port")
        listen = next(line["listen"] for line in deployment.said() if line["event"] == "started")
        probes = (revoker.probes, f"127.0.0.1:{receiver.probes}")
        with (
            receiver.running(),
            listening() as (hook, told),
            Monitoring(tmp_path / "monitoring", listen, hook, others=probes) as monitoring,
        ):
            await receiver.ready()
            await alarm(deployment, receiver, monitoring, told)
        terminate(process)
        assert await ended(process) == 0
    finally:
        revoker.end()
        deployment.end()


def revoke_tables(folder: Path) -> str:
    """A revoker whose provider is a folder. It cannot be asked about the first credential: its alert stays."""
    program = folder / "revoke_it.py"
    program.write_text(REVOKE_IT)
    return (
        '[revoke]\nmode = "act"\nprobes = "127.0.0.1:0"\naudit_log = "audit.log"\n'
        f'[revoke.targets.folder]\ntype = "program"\ncommand = ["{sys.executable}", "{program}"]\nprobes = true\n'
    )


class Revoker:
    """`curfewd revoke` in a process of its own, with the configuration of the deployment."""

    def __init__(self, deployment: Deployment) -> None:
        self._log = deployment.folder / "revoke.log"
        self.probes = ""
        command = [sys.executable, "-m", "detector.cli", "revoke", "--config", str(deployment.config)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )

    async def listens(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        lines = [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]
        self.probes = next((line["probes"] for line in lines if line["event"] == "started"), "")
        return bool(self.probes)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


async def alarm(
    deployment: Deployment, receiver: Receiver, monitoring: Monitoring, told: dict[str, list[dict[str, Any]]]
) -> None:
    """What happens once all run."""

    async def standing() -> dict[str, dict[str, Any]]:
        alerts = await asyncio.to_thread(monitoring.alerts)
        return {each["labels"]["alertname"]: each for each in alerts}

    async def scraped() -> bool:
        return has_values(
            await asyncio.to_thread(monitoring.query, "curfewd_ready == 1", time.time() - 5, time.time(), 1)
        )

    async def leaked() -> bool:
        return "CurfewdLiveCredentialLeaked" in await standing()

    async def forgotten() -> bool:
        at = time.time()
        new = 'count_over_time(curfewd:findings_created:increase10m{rule="leaked-credential"}[6s])'
        return not await asyncio.to_thread(monitoring.query, new, at, at, 1)

    async def over() -> bool:
        return "CurfewdLiveCredentialLeaked" not in await standing()

    await until(scraped, "a scrape")
    await deployment.put(life(1))
    assert "CurfewdLiveCredentialLeaked" not in await standing()
    await deployment.put([leak(1), BROKEN])
    await until(leaked, "the alert")
    alert = (await standing())["CurfewdLiveCredentialLeaked"]
    assert alert["labels"] == {
        "alertname": "CurfewdLiveCredentialLeaked",
        "rule": "leaked-credential",
        "severity": "page",
        "team": "security",
        "component": "findings",
    }
    assert alert["annotations"]["runbook_url"] == "docs/runbooks/CurfewdLiveCredentialLeaked.md"
    assert alert["annotations"]["description"].startswith(
        "1 leaked credentials are neither revoked nor expired"
    )
    assert [each["name"] for each in alert["receivers"]] == ["security-page"]
    numbers = await filled(deployment, receiver, monitoring)
    # It stands for as long as the credential lives, when no new finding has held it up for longer than a firing is
    # kept.
    await until(forgotten, "the end of what new findings bring")
    assert await leaked()
    await deployment.put(revoked(number) for number in (1, *numbers))
    await until(over, "the end of the alert")

    async def heard() -> bool:
        states = [
            each["status"]
            for each in told["security-page"]
            if each["labels"]["alertname"] == "CurfewdLiveCredentialLeaked"
        ]
        return "firing" in states and "resolved" in states

    await until(heard, "the notifications")
    assert await asyncio.to_thread(monitoring.broken) == []
    assert secret_of(1).decode() not in json.dumps(told)


async def filled(deployment: Deployment, receiver: Receiver, monitoring: Monitoring) -> list[int]:
    """Until each query of the dashboard has had values, while one task after the other leaks. Gives their numbers."""
    empty = dict.fromkeys(expressions())
    numbers: list[int] = []

    async def none_left() -> bool:
        number = len(numbers) + 2
        numbers.append(number)
        unknown = now(0, 10 * number + 2, "credential.used", credential_id=f"nobody-{number}")
        await deployment.put([*life(number), leak(number), unknown, BROKEN])
        assert [await receiver.post(f"{number}", headers) for headers in (BEARER, {})] == [200, 401]
        end = time.time()
        for each in list(empty):
            if has_values(await asyncio.to_thread(monitoring.query, each[1], end - 20, end, 1)):
                del empty[each]
        return not empty

    try:
        await until(none_left, "values for every panel", every=1)
    except AssertionError:
        pytest.fail(f"empty: {sorted(empty)}")
    return numbers


async def test_hurried_rules_are_the_rules() -> None:
    for path in (DEPLOYED / "rules").iterdir():
        text = path.read_text()
        fast = hurried(text)
        assert fast != text
        assert re.sub(r"\b\d+[ms]\b", "", fast) == re.sub(r"\b\d+[ms]\b", "", text)
        assert not re.search(r"\[\d+m\]|for: \d+m", fast)

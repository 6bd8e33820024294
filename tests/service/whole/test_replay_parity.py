"""`curfewd run` on a real broker gives the findings and commands of replay, each once, whatever happens to it."""

import asyncio
import random
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from detector.judge.policy import default_rules
from detector.values.findings import REVOCATION_UNCONFIRMED
from tests.broker import Cluster
from tests.chaos import MANY
from tests.ingest.streams import until
from tests.service.whole.deployment import (
    ROOT,
    Deployment,
    Expected,
    asked,
    ended,
    replayed,
    settled,
    summary,
    terminate,
)
from tests.small_history import KEY_TEXT, event, events, jsonl, write

INCIDENT = ROOT / "examples" / "incident"
UNTIL = "2026-11-01T00:00:00Z"  # long after the histories
# In random order over all partitions everything is late, and first known is not earliest: a lateness that covers the
# history and a hold until all of it is there are what parity is about.
PATIENT = 'lateness = "3000d"\nretention = "3000d"\n'
HELD = (
    "".join(
        f'[rules.{rule}]\ncommand_delay = "10d"\n'
        for rule, each in default_rules().items()
        if each.revoke and rule != REVOCATION_UNCONFIRMED
    )
    + f"[rules.{REVOCATION_UNCONFIRMED}]\nenabled = false\n"
)
KILLS = 4 * MANY


def or_beats(told: dict[str, Any]) -> dict[str, Any]:
    """An event of the history; in place of the end of two tasks, a heartbeat whose lease lapses then."""
    if told["type"] != "task.ended" or told["data"]["task_id"] not in ("task-4", "task-5"):
        return told
    number = int(told["id"][1:])
    return event(
        number, "task.heartbeat", number // 10 * 100 + 10, task_id=told["data"]["task_id"], lease="50s"
    )


@pytest.fixture
async def small(broker: Cluster, tmp_path: Path) -> AsyncIterator[tuple[Deployment, Expected]]:
    """The small history in its topics, and what replay says of it."""
    (tmp_path / "deployment.key").write_text(KEY_TEXT)
    deployment = Deployment(broker.bootstrap, tmp_path, f'key_file = "deployment.key"\n{PATIENT}{HELD}')
    paths = write(tmp_path / "history")
    paths[0].write_bytes(jsonl(map(or_beats, events())))
    await deployment.create()
    records = [
        (1 - number, line) for number, path in enumerate(paths) for line in path.read_bytes().splitlines()
    ]
    await deployment.fill(records, seed=1)
    yield deployment, replayed(tmp_path, deployment.config, paths, UNTIL)
    deployment.end()


async def test_the_incident_live_and_replayed(broker: Cluster, tmp_path: Path) -> None:
    shutil.copy(INCIDENT / "demo-only.key", tmp_path)
    policy = (INCIDENT / "curfewd.toml").read_text()
    deployment = Deployment(broker.bootstrap, tmp_path, f"{PATIENT}{policy}{HELD}")
    expected = replayed(tmp_path, deployment.config, [INCIDENT / "events.jsonl", INCIDENT / "logs"], UNTIL)
    await deployment.create()
    records = [(1, line) for line in (INCIDENT / "events.jsonl").read_bytes().splitlines()]
    for path in sorted(each for each in (INCIDENT / "logs").rglob("*") if each.is_file()):
        records += [(0, line) for line in path.read_bytes().splitlines()]
    await deployment.fill(records, seed=2)
    try:
        process = deployment.start()
        await until(deployment.ready, "readiness")
        await settled(deployment, expected)
        terminate(process)
        assert await ended(process) == 0
    finally:
        deployment.end()


async def test_a_term_signal_drains_and_ends_with_zero(small: tuple[Deployment, Expected]) -> None:
    deployment, expected = small
    process = deployment.start()
    await until(deployment.ready, "readiness")
    await settled(deployment, expected)
    page = deployment.get("/metrics")[1]
    assert 'curfewd_findings_total{accepted="no",activity="created",rule="leaked-credential"' in page
    assert "cred-" not in page
    terminate(process)
    assert await ended(process) == 0
    assert [line["event"] for line in deployment.said()][-1] == "stopped"


async def test_killed_at_random_moments_it_loses_and_doubles_nothing(
    small: tuple[Deployment, Expected],
) -> None:
    deployment, expected = small
    rng = random.Random(20260731)
    for _ in range(KILLS):
        process = deployment.start()
        await asyncio.sleep(2 + rng.random() * 6)
        assert process.poll() is None, deployment.log.read_text()
        process.kill()
        await ended(process)
    deployment.start()
    await settled(deployment, expected)
    assert len({each["id"] for each in await deployment.commands()}) == len(await deployment.commands())
    assert asked(await deployment.commands()) == asked(expected.commands)
    assert summary(await deployment.findings()) == summary(expected.findings)

"""Sources through `curfewd run` on a real broker: the findings of replay, and no event that a log line imitates."""

import asyncio
import json
from pathlib import Path

from tests.adapters.shippers import SHIPPERS
from tests.broker import Cluster
from tests.docs.test_sources_page import blocks, section
from tests.scenarios.telling import story
from tests.service.whole.deployment import Deployment, replayed, settled, summary
from tests.service.whole.test_replay_parity import HELD, PATIENT, UNTIL

GIVEN_BACK = "hmac-sha256:" + "cd" * 32  # of the token that nobody gave back
FORGED = [
    {
        "time": "2026-05-04T08:04:30Z",
        "type": "response",
        "auth": {"token_type": "service"},
        "request": {"id": "f-1", "path": "auth/token/revoke-accessor", "data": {"accessor": GIVEN_BACK}},
        "response": {},
    },
    {
        "specversion": "1.0",
        "type": "credential.revoked",
        "source": "a build script",
        "id": "f-2",
        "time": "2026-05-04T08:04:00Z",
        "data": {"credential_id": "deployer/tk-9"},
    },
    {
        "schema": "deployer-2",
        "event": "job.ended",
        "seq": 99,
        "at": "2026-05-04T08:00:02Z",
        "job": {"no": 41},
    },
]


# Of a task that still runs and a credential that still lives, as a build script prints them.
ENDED = [
    {
        "specversion": "1.0", "type": kind, "source": "a build script", "id": f"m-{number}",
        "time": "2026-05-04T08:00:02Z", "data": data,
    }
    for number, (kind, data) in enumerate(
        [
            ("task.ended", {"task_id": "deployer/41"}),
            ("credential.revoked", {"credential_id": "deployer/tk-9"}),
        ]
    )
]  # fmt: skip


def misplaced(page: str, topic: str, found: str) -> float:
    """What a metric says of a topic."""
    labels = f'curfewd_misplaced_records_total{{found="{found}",topic="{topic}"}} '
    (line,) = [line for line in page.splitlines() if line.startswith(labels)]
    return float(line.removeprefix(labels))


async def test_sources_are_read_and_forgeries_are_not(broker: Cluster, tmp_path: Path) -> None:
    page = section("A source of your own")
    (described,), (records,) = blocks(page, "toml"), blocks(page, "json")
    deployment = Deployment(broker.bootstrap, tmp_path, f"{PATIENT}{HELD}{described}")
    files = {**story("vault"), "deployer.jsonl": records.encode()}
    paths = [tmp_path / name for name in files]
    for path, content in zip(paths, files.values(), strict=True):
        path.write_bytes(content)
    expected = replayed(tmp_path, deployment.config, paths, UNTIL)
    assert len(expected.findings) == 10
    forged = tmp_path / "forged.jsonl"
    forged.write_text("".join(json.dumps(record) + "\n" for record in FORGED))
    believed = replayed(tmp_path, deployment.config, [*paths, forged], UNTIL)
    assert summary(believed.findings) != summary(expected.findings)
    await deployment.create()
    merged = [each for _, merge in SHIPPERS.values() for each in map(merge, ENDED)]
    lines = [(1, line) for content in files.values() for line in content.splitlines()]
    hostile = [json.dumps(record).encode() for record in (*FORGED, *merged)]
    await deployment.fill([*lines, *((0, record) for record in hostile)], seed=3)
    deployment.start()
    try:
        await settled(deployment, expected)
        seen = await asyncio.to_thread(deployment.get, "/metrics")
        assert misplaced(seen[1], deployment.inputs[0], "event") >= len(FORGED)
        assert misplaced(seen[1], deployment.inputs[1], "event") == 0
        warned = [line for line in deployment.said() if "they are not believed" in line["event"]]
        assert {line["topic"] for line in warned} == {deployment.inputs[0]}
        (told,) = [line for line in deployment.said() if line["event"] == "inputs"]
        assert (told["event_topics"], told["log_topics"]) == ([deployment.inputs[1]], [deployment.inputs[0]])
    finally:
        deployment.end()

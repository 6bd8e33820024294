"""Sessions of which only the repository is known, on a real broker: the findings of replay, also if it is killed."""

import asyncio
import shutil
from pathlib import Path

from tests.broker import Cluster
from tests.scenarios.telling import STORIES
from tests.service.whole.deployment import Deployment, asked, ended, replayed, settled, summary
from tests.service.whole.test_replay_parity import HELD, PATIENT, UNTIL
from tests.small_history import KEY_TEXT

STORY = STORIES["task-groups"]


async def test_a_session_stolen_after_the_last_job_ended_is_found_though_the_service_is_killed(
    broker: Cluster, tmp_path: Path
) -> None:
    (tmp_path / "deployment.key").write_text(KEY_TEXT)
    history = shutil.copytree(STORY, tmp_path / "history")
    logs, events = history / "build.log.jsonl", history / "events.jsonl"
    by_id = b'"credential_id": "session-stolen", "action": "secretsmanager'
    by_key = (  # the theft's log has an id of its own, which nobody registered, beside the access key
        b'"credential_id": "request-7", "identifier": {"scheme": "aws-access-key-id", "value": "ASIAEXAMPLESTOLEN"}, '
        b'"action": "secretsmanager'
    )
    events.write_bytes(events.read_bytes().replace(by_id, by_key))
    assert by_key in events.read_bytes()
    deployment = Deployment(broker.bootstrap, tmp_path, f'key_file = "deployment.key"\n{PATIENT}{HELD}')
    await deployment.create()
    expected = replayed(tmp_path, deployment.config, [logs, events], UNTIL)
    records = [
        (number, line)
        for number, path in enumerate((logs, events))
        for line in path.read_bytes().splitlines()
    ]
    await deployment.fill(records, seed=3)
    try:
        for seconds in (3, 5):
            process = deployment.start()
            await asyncio.sleep(seconds)
            assert process.poll() is None, deployment.log.read_text()
            process.kill()
            await ended(process)
        deployment.start()
        await settled(deployment, expected)
        found = await deployment.findings()
        commands = await deployment.commands()
    finally:
        deployment.end()
    assert summary(found) == summary(expected.findings)
    assert asked(commands) == asked(expected.commands)
    (stolen,) = (
        each["unmapped"]
        for each in found.values()
        if each["finding_info"]["analytic"]["uid"] == "use-after-termination"
        and each["unmapped"]["credential_id"] == "session-stolen"
    )
    assert stolen["candidate_task_ids"] == ["job-101", "job-102"]
    assert "task_id" not in stolen
    by_credential = {each["data"]["credential_id"]: each["data"] for each in commands}
    assert by_credential["session-stolen"]["candidate_task_ids"] == ["job-101", "job-102"]
    assert by_credential["session-renamed"]["task_id"] == "job-101"

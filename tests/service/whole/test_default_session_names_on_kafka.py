"""GitHub with AWS as most people set it up, through `curfewd run` on a real broker: the findings of replay.

Sessions are called `GitHubActions`; logs show key ids and presigned URLs, which are no leaks, and a secret, which is
one.
"""

import json
from pathlib import Path

from tests.broker import Cluster
from tests.scenarios.test_default_session_names import (
    FIRST,
    HOUR_LONG,
    SECOND,
    THEIRS,
    THREE,
    THREE_SESSIONS,
    call,
)
from tests.scenarios.test_public_identifiers_in_logs import LINES, SECRET, log
from tests.service.whole.deployment import Deployment, replayed, settled
from tests.service.whole.test_replay_parity import HELD, PATIENT, UNTIL
from tests.small_history import KEY_TEXT


async def test_a_theft_after_the_last_of_three_jobs_and_public_identifiers(
    broker: Cluster, tmp_path: Path
) -> None:
    trail = [*THREE_SESSIONS, call(SECOND, "08:05"), call(FIRST, "08:40", THEIRS)]
    shown = f"hello {FIRST}", f"AWS_ACCESS_KEY_ID={FIRST} AWS_SECRET_ACCESS_KEY={SECRET}"
    files = {
        "webhooks.jsonl": "".join(f"{json.dumps(one)}\n" for one in THREE),
        "trail.jsonl": "".join(f"{json.dumps(one)}\n" for one in trail),
        "job.log": log([*LINES, *shown]),
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    (tmp_path / "deployment.key").write_text(KEY_TEXT)
    settings = f'key_file = "deployment.key"\n{PATIENT}{HOUR_LONG}{HELD}'
    deployment = Deployment(broker.bootstrap, tmp_path, settings)
    expected = replayed(tmp_path, deployment.config, [tmp_path / name for name in files], UNTIL)
    told = {each["finding_info"]["analytic"]["uid"]: each["unmapped"] for each in expected.findings.values()}
    assert told.keys() == {"use-after-termination", "use-from-elsewhere", "leaked-secret"}
    assert told["use-after-termination"]["candidate_task_ids"] == [
        f"github/job/{number}" for number in (71, 72, 73)
    ]
    await deployment.create()
    lines = [(int(name != "job.log"), line.encode()) for name in files for line in files[name].splitlines()]
    await deployment.fill(lines, seed=5)
    deployment.start()
    try:
        await settled(deployment, expected)
        live = (await deployment.findings()).values()
        (stolen,) = [
            each for each in live if each["finding_info"]["analytic"]["uid"] == "use-after-termination"
        ]
        assert stolen["unmapped"]["candidate_task_ids"] == told["use-after-termination"]["candidate_task_ids"]
    finally:
        deployment.end()

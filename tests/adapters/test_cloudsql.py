"""Entries of Cloud SQL's pgaudit: a role of a job, used after its end. The samples have the common forms."""

import json
from pathlib import Path
from typing import Any

from tests.adapters.test_samples import FOLDER
from tests.scenarios.telling import told

ISSUE, USE, _, CHUNK = (one["record"] for one in json.loads((FOLDER / "cloudsql.json").read_text()))


def entry(record: dict[str, Any], number: int, at: str, statement: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(record))
    found |= {"timestamp": at, "insertId": f"n{number}"}
    found["protoPayload"]["request"]["statement"] = statement
    return found


def test_a_role_of_a_job_is_used_after_its_end_and_a_chunk_of_a_statement_changes_nothing(
    tmp_path: Path,
) -> None:
    note = 'curfewd:{"credential_id": "job-71/db", "task_id": "github/job/71", "expires_at": "2026-05-04T04:00:00Z"}'
    comment = entry(ISSUE, 1, "2026-05-04T01:00:00Z", f"COMMENT ON ROLE \"job-71\" IS '{note}'")
    comment["protoPayload"]["request"]["command"] = "COMMENT"
    job = {
        "action": "completed", "repository": {"full_name": "octo/app"},
        "workflow_job": {"id": 71, "run_id": 5, "conclusion": "success", "completed_at": "2026-05-04T01:10:00Z"},
    }  # fmt: skip
    records = [
        comment,
        entry(USE, 2, "2026-05-04T01:05:00Z", "SELECT 1"),
        entry(CHUNK, 3, "2026-05-04T01:05:00Z", "and so on"),
        entry(USE, 4, "2026-05-04T02:00:00Z", "SELECT 2"),
    ]
    files = {"jobs.jsonl": json.dumps(job), "audit.jsonl": "\n".join(map(json.dumps, records))}
    found = told(tmp_path, files, until="2026-05-04T03:00:00Z")
    assert ("use-after-termination", "job-71/db", 1, "critical") in found.findings
    assert dict(found.result.summary.idle) == {"postgresql/chunk": 1}
    assert found.dead == ()

"""What GitHub's API answers, as task history: the same tasks as its webhooks tell."""

import json
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from detector.ingest.classify import BUNDLED
from detector.judge.ledger import Ledger
from detector.judge.policy import Policy
from detector.records.log_records import Read
from detector.values.events import CanonicalEvent, CredentialIssued, Identifier, TaskEnded, TaskStarted
from detector.values.times import HOUR, SECOND, parse_rfc3339
from tests.fixtures.github_answers import delivery, job, listed_delivery, run, valid
from tests.ingest.collecting import collect

NOW = parse_rfc3339("2026-05-02T00:00:00Z")
AT = parse_rfc3339("2026-05-01T08:00:00Z")
AROUND: dict[str, Any] = {"repository": {"full_name": "octo/app"}, "sender": {"login": "mona"}}


def reads(record: Any) -> list[Read]:
    return list(BUNDLED.read_object(json.dumps(record).encode(), NOW))


def events(record: Any) -> list[CanonicalEvent]:
    found = reads(record)
    assert [read.error for read in found if read.error is not None] == []
    return [event for read in found for event in read.events]


def hook(name: str, action: str, sent: dict[str, Any]) -> dict[str, Any]:
    return {"action": action, name: sent, **AROUND}


WEBHOOKS = [
    hook("workflow_run", "in_progress", run(5, status="in_progress", conclusion=None)),
    hook("workflow_job", "in_progress", job(71, status="in_progress", conclusion=None, completed_at=None)),
    hook("workflow_job", "completed", job(71)),
    hook("workflow_run", "completed", run(5)),
]


def test_a_page_of_jobs_and_a_page_of_runs_are_tasks() -> None:
    jobs = valid("jobs", {"total_count": 2, "jobs": [job(71), job(72, run_attempt=2, conclusion="failure")]})
    assert [(type(event).__name__, event.task_id) for event in events(jobs) if hasattr(event, "task_id")] == [
        ("TaskStarted", "github/job/71"),
        ("TaskEnded", "github/job/71"),
        ("TaskStarted", "github/job/72"),
        ("TaskEnded", "github/job/72"),
    ]
    runs = valid("runs", {"total_count": 1, "workflow_runs": [run(5, run_attempt=2)]})
    start, end = events(runs)
    assert isinstance(start, TaskStarted)
    assert isinstance(end, TaskEnded)
    assert (start.task_id, start.owner) == ("github/run/5/2", "octocat")
    assert (end.task_id, end.outcome, end.time) == ("github/run/5/2", "succeeded", AT + 605 * SECOND)


def test_one_job_is_the_task_that_its_webhooks_tell() -> None:
    start, end = events(valid("job", job(71)))
    assert start == TaskStarted(
        time=AT,
        source="github/octo/app",
        id="workflow_job/71/in_progress/api",
        task_id="github/job/71",
        kind="ci",
        workload="runner 9",
        parent_task_id="github/run/5/1",
        group=getattr(events(WEBHOOKS[1])[0], "group", None),
    )
    assert end == events(WEBHOOKS[2])[-1]


def test_a_history_read_both_ways_is_one_task_in_any_order() -> None:
    read_both = [
        event
        for record in (*WEBHOOKS, run(5, updated_at="2026-05-01T09:30:00Z"), job(71))
        for event in events(record)
    ]
    issue = CredentialIssued(
        time=AT + SECOND,
        source="issuer",
        id="i",
        credential_id="c",
        task_id="github/job/71",
        identifiers=(Identifier("jwt-id", "x"),),
        expires_at=AT + HOUR,
    )
    seen = set()
    for order in list(permutations(range(len(read_both))))[::97]:
        ledger = Ledger(Policy())
        for event in (issue, *(read_both[index] for index in order)):
            ledger.apply(event)
        told, above = ledger.task("github/job/71"), ledger.task("github/run/5/1")
        assert told is not None
        assert above is not None
        assert told.start is not None
        assert above.end is not None
        seen.add((told.start.owner, told.start.id, above.end.time))
    # The webhook governs: it knows who started the job, and a run's `updated_at` may move.
    assert seen == {("mona", "workflow_job/71/in_progress", AT + 605 * SECOND)}


@pytest.mark.parametrize(
    ("fields", "types"),
    [
        ({"status": "queued", "conclusion": None}, []),
        ({"status": "waiting", "conclusion": None}, []),
        ({"status": "in_progress", "conclusion": None, "completed_at": None}, ["TaskStarted"]),
        ({"conclusion": "skipped", "runner_id": 0, "runner_name": "", "steps": []}, ["TaskEnded"]),
        ({"conclusion": "cancelled", "runner_id": None, "runner_name": None, "steps": []}, ["TaskEnded"]),
        ({"conclusion": "cancelled"}, ["TaskStarted", "TaskEnded"]),
        ({"conclusion": "invented-next-year"}, ["TaskStarted", "TaskEnded"]),
    ],
    ids=["queued", "waiting", "running", "skipped", "cancelled-in-the-queue", "cancelled", "unknown"],
)
def test_a_job_that_no_runner_took_never_started(fields: dict[str, Any], types: list[str]) -> None:
    assert [type(event).__name__ for event in events(job(71, **fields))] == types


@pytest.mark.parametrize("status", ["queued", "requested", "waiting", "pending", None])
def test_a_run_that_waits_is_no_task_yet(status: str | None) -> None:
    assert events(run(5, status=status, conclusion=None)) == []


@pytest.mark.parametrize("record", WEBHOOKS, ids=["run-starts", "job-starts", "job-ends", "run-ends"])
def test_a_delivery_gives_what_its_webhook_gave(record: dict[str, Any]) -> None:
    name = next(name for name in ("workflow_job", "workflow_run") if name in record)
    assert events(valid("delivery", delivery(name, record))) == events(record)


def test_a_delivery_in_a_list_says_nothing_and_is_counted_as_unknown() -> None:
    (read,) = reads(valid("deliveries", [listed_delivery()])[0])
    assert (read.format, read.unknown, read.events) == ("github", True, ())


@pytest.mark.parametrize(
    ("record", "field"),
    [
        (job(71, started_at=None), "started_at"),
        (job(71, completed_at=None), "completed_at"),
        (job(71, run_url="https://api.github.com/other"), "run_url"),
        (job(71, run_url="https://api.github.com/repos/" + "a/" * 2000 + "actions/runs/5"), "run_url"),
        (job(71, run_id=None), "run_id"),
        (run(5, updated_at=""), "updated_at"),
        (run(5, created_at=None, run_started_at=None), "created_at"),
    ],
    ids=["start", "end", "address", "long-address", "run", "run-end", "run-start"],
)
def test_what_is_missing_is_named(record: dict[str, Any], field: str) -> None:
    (read,) = reads(record)
    assert read.error is not None
    assert read.error.field == field


WRITTEN: dict[str, Callable[[list[Any]], str]] = {
    "a document": lambda pages: json.dumps(pages[0], indent=2),
    "pages one after another": lambda pages: "".join(map(json.dumps, pages)),
    "pages on lines": lambda pages: "\n".join(map(json.dumps, pages)) + "\n",
    "an array of pages": json.dumps,
    "jobs on lines": lambda pages: "".join(f"{json.dumps(one)}\n" for page in pages for one in page["jobs"]),
    "an array of jobs": lambda pages: json.dumps([one for page in pages for one in page["jobs"]], indent=1),
}


@pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN)
def test_pages_are_read_however_they_were_kept(write: Callable[[list[Any]], str], tmp_path: Path) -> None:
    pages = [{"total_count": 2, "jobs": [job(number)]} for number in (71, 72)]
    written = write(pages)
    (tmp_path / "jobs.json").write_text(written)
    found = collect(tmp_path / "jobs.json")
    numbers = (71,) if written.count('"jobs"') == 1 else (71, 72)
    assert [getattr(event, "task_id", None) for event in found.events] == [
        f"github/job/{number}" for number in numbers for _ in range(2)
    ]
    assert found.letters == []
    assert found.batches == []

"""Sessions of which only the repository is known, and the jobs of it that ran when they were issued.

`job-101` and `job-102` build and test, `job-103` deploys after both, `job-900` is another repository's. A session is
stolen from one of the first two and used ten minutes after the last of them has ended, from behind the same gateway.
"""

from pathlib import Path

from detector.outputs.commands import command_record
from detector.outputs.ocsf import finding_record
from detector.outputs.page_records import page_command, page_finding
from tests.scenarios.telling import story, told


def test_a_session_that_is_used_after_the_last_of_its_candidates_is_found(tmp_path: Path) -> None:
    outcome = told(tmp_path, story("task-groups"))
    assert outcome.findings == (
        ("leaked-credential", "session-stolen", 1, "critical"),
        ("use-by-other-workload", "session-lent", 1, "critical"),
        ("use-after-termination", "session-renamed", 1, "critical"),
        ("use-after-termination", "session-stolen", 1, "critical"),
    )
    assert outcome.commands == (
        ("session-stolen", False, ("leaked-credential",)),
        ("session-lent", False, ("use-by-other-workload",)),
        ("session-renamed", False, ("use-after-termination",)),
    )


def test_it_says_that_the_session_belongs_to_one_of_them(tmp_path: Path) -> None:
    outcome = told(tmp_path, story("task-groups"))
    stolen = outcome.finding("use-after-termination", "session-stolen")
    record = finding_record(stolen, {}, str)
    assert record["finding_info"]["title"] == (
        "AWS session session-stolen of one of 2 github-job tasks was used 11 min after the last of them ended, "
        "from 10.0.0.99: secretsmanager:GetSecretValue"
    )
    assert "task_id" not in record["unmapped"]
    assert record["unmapped"]["candidate_task_ids"] == ["job-101", "job-102"]
    assert [(one["type"], one["uid"]) for one in record["resources"]] == [
        ("task", "job-101"),
        ("task", "job-102"),
        ("credential", "session-stolen"),
    ]
    page = page_finding(record)
    assert page["task"]["id"] == "one of 2 github-job tasks: job-101, job-102"
    assert (page["task"]["started"], page["task"]["ended"]) == (
        record["resources"][0]["created_time"],
        record["resources"][1]["data"]["ended_time"],
    )
    (command, *_) = (
        each for each in outcome.result.commands if each.credential.credential_id == "session-stolen"
    )
    data = command_record(command, str)["data"]
    assert "task_id" not in data
    assert data["candidate_task_ids"] == ["job-101", "job-102"]
    assert data["candidate_count"] == 2
    assert page_command(command_record(command, str))["task"] == page["task"]["id"]


def test_a_session_whose_id_an_earlier_issue_gave_to_a_task_is_that_tasks(tmp_path: Path) -> None:
    found = told(tmp_path, story("task-groups")).finding("use-after-termination", "session-renamed")
    assert found.task is not None
    assert found.task.task_id == "job-101"


def test_the_report_says_of_one_candidate_that_it_is_the_only_one(tmp_path: Path) -> None:
    files = story("task-groups")
    late = files["events.jsonl"].replace(b"10:11:00Z", b"10:13:00Z")
    outcome = told(tmp_path, files | {"events.jsonl": late})
    title = finding_record(outcome.finding("use-after-termination", "session-fine"), {}, str)["finding_info"][
        "title"
    ]
    assert title == (
        "AWS session session-fine of task job-103, the only candidate, was used 1 min after the task ended, "
        "from 10.0.0.7: ecs:UpdateService"
    )

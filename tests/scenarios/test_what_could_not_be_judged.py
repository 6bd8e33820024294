"""What a replay says of sessions that nobody can judge: webhooks that never came, that were lost, that came in part.

The set-up is that of GitHub Actions with AWS, as most people have it: all sessions are called `GitHubActions`.
"""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from detector.outputs.report import Report
from detector.outputs.report_text import console_for, print_report
from tests.scenarios.telling import ReportedFinding
from tests.scenarios.test_default_session_names import THEIRS, at, call, comes_of, job, session

WIDE = 10_000  # columns: each paragraph is one line


def key(number: int) -> str:
    return f"ASIAEXAMPLEMANY{number:05}"


def clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def day(jobs: Iterable[int]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Each job runs for five minutes of its own, takes a session in the second, and uses it in the third."""
    webhooks: list[dict[str, Any]] = []
    trail: list[dict[str, Any]] = []
    for number in jobs:
        start = 60 + 10 * number
        webhooks += job(number, clock(start), clock(start + 5))
        trail += [session(key(number), clock(start + 1)), call(key(number), clock(start + 2))]
    return webhooks, trail


def said(found: ReportedFinding) -> list[str]:
    """What a person reads, a paragraph a line."""
    stream = io.StringIO()
    console = console_for(stream)
    console.width = WIDE
    result = found.result
    print_report(Report(result.findings, result.commands, result.summary, {}, lambda text: text), console)
    return stream.getvalue().splitlines()


def test_a_day_with_all_webhooks_is_one_quiet_line(tmp_path: Path) -> None:
    found = comes_of(tmp_path, *day(range(47)))
    lines = said(found)
    assert lines[0] == "Nothing found."
    assert "judged      47 of 47 credentials have candidates that all ended" in lines
    assert not any(line.startswith("NOT JUDGED") for line in lines)


def test_without_webhooks_47_sessions_could_not_be_judged_and_it_says_what_to_set(tmp_path: Path) -> None:
    _, trail = day(range(47))
    found = comes_of(tmp_path, [], trail)
    lines = said(found)
    assert lines[0].startswith("Nothing found, but 47 of 47 credentials could not be judged")
    start = lines.index("NOT JUDGED (47 of 47 credentials)")
    assert lines[start + 1 : start + 3] == [
        (
            "  ○ 47 AWS sessions of aws.cloudtrail: role `deploy`: session name `GitHubActions` names no job; set "
            "`role-session-name: github-job-${{ job.check_run_id }}`, and no task of their group ran when they were "
            "issued. Report the starts of tasks with that `group`"
        ),
        f"    such as {key(0)} (group github:octo/app), {key(1)} (group github:octo/app), {key(2)} (group github:octo/app)",
    ]


def test_a_lost_webhook_is_named_and_so_is_what_it_hides(tmp_path: Path) -> None:
    webhooks, trail = day(range(5))
    lost = [
        one
        for one in webhooks
        if not (one["action"] == "completed" and one["workflow_job"]["id"] == 1)  # job 1, from 01:10 on
    ]
    theft = call(key(4), "06:00", THEIRS)
    settings = "[kinds.aws-session]\ngrace_period = '1h'\nmax_task_age = '6h'\n"
    found = comes_of(tmp_path, lost, [*trail, theft], settings)
    assert "use-after-termination" not in found.rules
    lines = said(found)
    assert lines[0].endswith(" But 4 of 5 credentials could not be judged.")
    (gap,) = (line for line in lines if line.startswith("  ○"))
    assert gap.startswith("  ○ 4 AWS sessions of aws.cloudtrail: role `deploy`: session name `GitHubActions`")
    assert "never ended (the oldest: github/job/1, since 2026-05-04 01:10:00Z): is a webhook lost?" in gap
    whole = comes_of(tmp_path / "again", webhooks, [*trail, theft], settings)
    assert "use-after-termination" in whole.rules
    assert whole.result.summary.coverage.unjudged == 0


def test_of_two_repositories_the_one_without_webhooks_is_shown(tmp_path: Path) -> None:
    webhooks, trail = day(range(3))
    other = session(key(9), "02:00", subject="repo:octo/other:ref:refs/heads/main")
    found = comes_of(tmp_path, webhooks, [*trail, other])
    assert found.result.summary.coverage.by_join == {"candidates-ended": 3, "no-candidate": 1}
    assert f"    such as {key(9)} (group github:octo/other)" in said(found)


def test_a_session_of_the_last_minute_is_information(tmp_path: Path) -> None:
    webhooks, trail = day(range(2))
    webhooks += job(71, "11:58", None)
    trail += [session(key(71), "11:59"), call(key(71), "12:00")]
    found = comes_of(tmp_path, webhooks, trail)
    lines = said(found)
    assert lines[0] == "Nothing found."
    since = at("11:58").replace("T", " ")
    running = f"1 has candidates of which one still runs (the oldest since {since})"
    assert f"judged      2 of 3 credentials have candidates that all ended, {running}" in lines


def test_a_key_of_a_user_and_a_use_that_nobody_issued_are_no_all_clear(tmp_path: Path) -> None:
    webhooks, trail = day(range(2))
    found = comes_of(tmp_path, webhooks, [*trail, call("ASIAEXAMPLESTRANGER1", "03:00")])
    assert said(found)[0] == "Nothing found, but 1 event names a credential that nobody registered."

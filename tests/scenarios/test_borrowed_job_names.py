"""A job calls its AWS session after a longer job of another repository. Its token's subject says whose it is."""

from pathlib import Path

from detector.judge.joins import OTHER_GROUP
from tests.scenarios.test_default_session_names import THEIRS, call, comes_of, job, session
from tests.scenarios.test_what_could_not_be_judged import said

KEY = "ASIAEXAMPLEBORROWED1"
JOBS = [*job(71, "08:00", "08:10"), *job(90, "07:00", "11:00", "Octo/Other")]


def test_a_name_that_the_subject_belies_is_not_believed(tmp_path: Path) -> None:
    trail = [session(KEY, "08:05", name="github-job-90"), call(KEY, "08:40", THEIRS)]
    found = comes_of(tmp_path, JOBS, trail)
    assert found.result.summary.coverage.by_join == {OTHER_GROUP: 1}
    lines = said(found)
    assert lines[0].endswith(" But 1 of 1 credential could not be judged.")
    (gap,) = (line for line in lines if line.startswith("  ○"))
    assert "names a task of another group than its token does" in gap
    assert f"    such as {KEY} (task github/job/90)" in lines


def test_a_name_that_the_subject_confirms_is_believed(tmp_path: Path) -> None:
    trail = [session(KEY, "08:05", name="github-job-71"), call(KEY, "08:40", THEIRS)]
    found = comes_of(tmp_path, JOBS, trail)
    assert "use-after-termination" in found.rules
    assert found.result.summary.coverage.by_join == {"ended": 1}


def test_a_service_accounts_token_says_nothing_of_a_jobs_repository(tmp_path: Path) -> None:
    """A runner in Kubernetes gets the session for its job by the token of its own service account."""
    trail = [session(KEY, "08:05", name="github-job-71", subject="system:serviceaccount:ci:runner")]
    assert comes_of(tmp_path, JOBS, trail).result.summary.coverage.by_join == {"ended": 1}

import pytest

from detector.adapters.ci_names import task_named, task_of_claims, task_of_subject


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("github-job-71", "github/job/71"),
        ("github-run-5-2", "github/run/5/2"),
        ("gitlab-job-9", "gitlab/job/9"),
        ("gitlab-pipeline-8", "gitlab/pipeline/8"),
        ("github-job-", None),
        ("github-job-71-2", None),
        ("my-github-job-71", None),
        ("github-run-5", None),
        ("gitlab-run-5-2", None),
        ("buildkite-job-71", None),
    ],
)
def test_a_name_that_a_job_chose_means_its_task(name: str, task: str | None) -> None:
    assert task_named(name) == task


@pytest.mark.parametrize(
    ("subject", "task"),
    [
        ("repo:octo/app:ref:refs/heads/main", None),
        ("repo:octo@1/app@2:environment:prod", None),
        ("repo:octo/app:run_id:5:run_attempt:2", "github/run/5/2"),
        ("repo:octo@1/app@2:ref:refs/heads/main:check_run_id:71", "github/job/71"),
        ("check_run_id:71", "github/job/71"),
        ("repo:octo/app:ref:refs/heads/x%3Arun_id%3A5", None),  # a branch cannot pretend
        ("project_path:group/app:ref_type:branch:ref:main", None),
    ],
)
def test_a_subject_tells_a_job_where_the_organisation_had_it_added(subject: str, task: str | None) -> None:
    assert task_of_subject(subject) == task


@pytest.mark.parametrize(
    ("claims", "task"),
    [
        ({"run_id": "5"}, "github/run/5/1"),
        ({"run_id": 5, "run_attempt": 3, "sub": "repo:octo/app"}, "github/run/5/3"),
        ({"run_id": "5", "run_attempt": "3", "check_run_id": "71"}, "github/job/71"),
        ({"job_id": "9", "pipeline_id": "8"}, "gitlab/job/9"),
        ({"pipeline_id": "8", "job_id": ""}, "gitlab/pipeline/8"),
        ({"run_id": "five", "job_id": True, "pipeline_id": None}, None),
        ({"role": "deploy"}, None),
    ],
)
def test_claims_tell_the_job_before_what_it_is_part_of(claims: dict[str, object], task: str | None) -> None:
    assert task_of_claims(claims) == task

import pytest

from detector.adapters.ci_names import group_of_subject, task_named, task_of_claims, task_of_subject
from detector.adapters.oauth.claims import group_of_claims


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
        (
            "buildkite-job-01951944-87df-428f-ad92-90709ee78a59",
            "buildkite/job/01951944-87df-428f-ad92-90709ee78a59",
        ),
        (
            "circleci-job-8b91f9a8-7975-4e60-916c-f0152ccbc937",
            "circleci/job/8b91f9a8-7975-4e60-916c-f0152ccbc937",
        ),
        ("circleci-job-8b91f9a8-7975-4e60-916c-f0152ccbc937-2", None),
        ("nomad-alloc-5456bd7a-9fc0-c0dd-6131-cbee77f57577", "nomad/5456bd7a-9fc0-c0dd-6131-cbee77f57577"),
        (
            "azure-devops-run-271ef6f7-5998-4b0f-86fb-4b54d9129990-5152",
            "azure-devops/run/271ef6f7-5998-4b0f-86fb-4b54d9129990/5152",
        ),
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


@pytest.mark.parametrize(
    ("subject", "group"),
    [
        ("repo:octo/app:ref:refs/heads/main", "github:octo/app"),
        ("repo:Octo-Org/App.Web:environment:prod", "github:octo-org/app.web"),
        ("repo:octo@1/app@2:environment:prod", "github:octo/app"),
        ("repo:octo/app", "github:octo/app"),
        ("environment:prod:repo:octo/app", "github:octo/app"),  # in an organisation's own order
        (
            "repository:octo/app:job_workflow_ref:octo/ci/.github/workflows/d.yml@refs/heads/main",
            "github:octo/app",
        ),
        ("jwt-repo:octo/app:ref:refs/heads/main", "github:octo/app"),  # behind the name of Vault's mount
        ("repo:octo/app:ref:refs/heads/x%3Arepo%3Aevil/app", "github:octo/app"),
        ("repo:octo/app:environment:x%3Arepo%3Aevil/app", "github:octo/app"),
        ("project_path:acme/app:ref_type:branch:ref:main", "gitlab:acme/app"),
        ("project_path:Acme/Shop/Web:ref_type:tag:ref:repo:octo/app", "gitlab:acme/shop/web"),
        ("organization:acme:pipeline:web:ref:refs/heads/main:commit:9f:step:build", "buildkite:acme/web"),
        ("organization:acme:project:Default Project:workspace:web:run_phase:plan", "terraform:acme/web"),
        ("org/0b1c/project/7d3f/user/9a8b", "circleci:0b1c/7d3f"),
        ("sc://Acme/Shop Web/aws", "azure-devops:acme/shop web"),
        ("p://acme/shop/deploy", "azure-devops:acme/shop"),
        ("jwt-sc://acme/shop/aws", "azure-devops:acme/shop"),
        ("http://acme/shop/aws", None),
        ("/eid1/c/pub/t/MiSI/a/rISb/sc/0ca3ddd9/64171687", None),
        ("system:serviceaccount:ci:runner", "kubernetes:ci/runner"),
        ("repository_owner:octo:ref:refs/heads/main", None),
        ("repository_id:4711:ref:refs/heads/main", None),
        ("job_workflow_ref:octo/ci/.github/workflows/d.yml@refs/heads/main", None),
        ("repo:octo", None),
        ("repo:/:", None),
        ("104928374651029384756", None),
        ("mona@example.com", None),
        ("", None),
    ],
)
def test_a_subject_names_the_group_of_its_job(subject: str, group: str | None) -> None:
    assert group_of_subject(subject) == group


@pytest.mark.parametrize(
    ("claims", "group"),
    [
        ({"repository": "Octo/App", "sub": "job_workflow_ref:octo/ci"}, "github:octo/app"),
        (
            {"project_path": "acme/shop/web", "sub": "project_path:acme/shop/web:ref_type:branch"},
            "gitlab:acme/shop/web",
        ),
        ({"organization_slug": "acme", "pipeline_slug": "web"}, "buildkite:acme/web"),
        ({"terraform_organization_name": "acme", "terraform_workspace_name": "web"}, "terraform:acme/web"),
        ({"oidc.circleci.com/org-id": "0b1c", "oidc.circleci.com/project-id": "7d3f"}, "circleci:0b1c/7d3f"),
        (
            {"kubernetes.io": {"namespace": "ci", "serviceaccount": {"name": "runner"}}},
            "kubernetes:ci/runner",
        ),
        ({"sub": "system:serviceaccount:ci:runner"}, "kubernetes:ci/runner"),
        ({"repository": "app"}, None),
        ({"repository": 7, "kubernetes.io": {"namespace": "ci", "serviceaccount": "runner"}}, None),
        ({"organization_slug": "acme", "pipeline_slug": ["web"]}, None),
    ],
)
def test_claims_name_the_group_of_their_job(claims: dict[str, object], group: str | None) -> None:
    assert group_of_claims(claims) == group

"""Task ids of CI jobs, and groups of them, read from names that jobs choose and from claims of their OIDC tokens.

A job's id is unique within its service, so it needs no repository. A name without `/`, as for an AWS session, can
therefore hold all of it: `github-job-71`, `github-run-5-2` (run and attempt), `gitlab-job-9`, `gitlab-pipeline-8`,
`buildkite-job-UUID`, which Buildkite's plugin for AWS gives to all sessions, `circleci-job-UUID`,
`azure-devops-run-PROJECT-ID-RUN-ID`, `nomad-alloc-UUID`.

GitHub's subject is `repo:ORG/REPO:ref:…`, and `repo:ORG@ID/REPO@ID:ref:…` for newer repositories. An organisation can
add the claims `run_id`, `run_attempt` and `check_run_id` to it; a job's id is the id of its check run
(docs.github.com, "OpenID Connect reference"). GitLab's tokens have the claims `job_id` and `pipeline_id`, but not in
the subject (docs.gitlab.com, "ID tokens").

A subject without a job names at least where the job is from: a repository, a project, a pipeline, a service account.
That is the **group** of the task: an issue without a task belongs to one of the tasks whose starts name its group.
GitHub, GitLab and Azure DevOps ignore the case of names, so those of a group are in lower case. Subjects are those of
GitHub (also the immutable form with ids, and `repository` where an organisation includes it), GitLab, Buildkite, HCP
Terraform, CircleCI ("Using OpenID Connect tokens in jobs"), Azure DevOps and Kubernetes.
"""

from collections.abc import Mapping
from typing import Any, Final

import re2

from detector.adapters.fields import UUID
from detector.records.pod_names import service_account_group

_CHOSEN: Final = re2.compile(
    r"(github)-(job)-(\d{1,20})|(github)-(run)-(\d{1,20})-(\d{1,9})|(gitlab)-(job|pipeline)-(\d{1,20})|"
    rf"(buildkite|circleci)-(job)-({UUID})|"
    rf"(azure-devops)-(run)-({UUID})-(\d{{1,10}})|"
    rf"(nomad)-alloc-({UUID})"
)
_IN_SUBJECT: Final = re2.compile(r"(?:^|:)(run_id|run_attempt|check_run_id):(\d+)")
_MAX_ID: Final = 20  # digits
# Vault puts the mount's name before a subject: `jwt-repo:…`. No part has a colon: GitHub writes it as `%3A`.
_REPOSITORY: Final = re2.compile(r"(?:^|[:-])repo(?:sitory)?:([^:/@]+)(?:@\d+)?/([^:/@]+)(?:@\d+)?(?::|$)")
_PROJECT: Final = re2.compile(r"(?:^|-)project_path:([^:]+/[^:]+)(?::|$)")
_PIPELINE: Final = re2.compile(r"(?:^|-)organization:([^:/]+):pipeline:([^:/]+)(?::|$)")
_WORKSPACE: Final = re2.compile(r"(?:^|-)organization:([^:/]+):project:[^:]*:workspace:([^:/]+)(?::|$)")
_CIRCLE: Final = re2.compile(r"(?:^|-)org/([^/]+)/project/([^/]+)/")
_AZURE_DEVOPS: Final = re2.compile(r"(?:^|-)(?:sc|p)://([^/]+)/([^/]+)/")
_ACCOUNT: Final = re2.compile(r"(?:^|-)system:serviceaccount:([^:/]+):([^:/]+)$")


def github_job(job: str) -> str:
    """The task id of a workflow job."""
    return f"github/job/{job}"


def github_run(run: str, attempt: str) -> str:
    """The task id of one attempt of a workflow run."""
    return f"github/run/{run}/{attempt}"


def gitlab_job(job: str) -> str:
    """The task id of a job (build)."""
    return f"gitlab/job/{job}"


def gitlab_pipeline(pipeline: str) -> str:
    """The task id of a pipeline."""
    return f"gitlab/pipeline/{pipeline}"


def buildkite_job(job: str) -> str:
    """The task id of a job."""
    return f"buildkite/job/{job}"


def buildkite_build(build: str) -> str:
    """The task id of a build, by its UUID."""
    return f"buildkite/build/{build}"


def circleci_job(job: str) -> str:
    """The task id of a job."""
    return f"circleci/job/{job}"


def circleci_workflow(workflow: str) -> str:
    """The task id of a workflow."""
    return f"circleci/workflow/{workflow}"


def azure_devops_run(project: str, run: str) -> str:
    """The task id of a run of a pipeline, by the project's id and its own."""
    return f"azure-devops/run/{project.lower()}/{run}"


def github_group(repository: str) -> str:
    """The group of a repository's jobs. `repository` is `OWNER/REPO`."""
    return f"github:{repository.lower()}"


def gitlab_group(project: str) -> str:
    """The group of a project's jobs. `project` is its path, `GROUP/PROJECT`."""
    return f"gitlab:{project.lower()}"


def buildkite_group(organization: str, pipeline: str) -> str:
    """The group of a pipeline's jobs, by the slugs of both."""
    return f"buildkite:{organization}/{pipeline}"


def circleci_group(organization: str, project: str) -> str:
    """The group of a project's jobs, by the ids of both."""
    return f"circleci:{organization}/{project}"


def azure_devops_group(organization: str, project: str) -> str:
    """The group of a project's runs, by the names of both."""
    return f"azure-devops:{organization.lower()}/{project.lower()}"


def terraform_group(organization: str, workspace: str) -> str:
    """The group of a workspace's runs, by the names of both."""
    return f"terraform:{organization}/{workspace}"


def group_of_subject(subject: str) -> str | None:
    """The group that a token's subject names, or a name that ends in it; None if it names none."""
    project = _PROJECT.search(subject)
    if project is not None:
        return gitlab_group(project[1])
    for form, group in (
        (_PIPELINE, buildkite_group),
        (_WORKSPACE, terraform_group),
        (_CIRCLE, circleci_group),
        (_AZURE_DEVOPS, azure_devops_group),
        (_ACCOUNT, service_account_group),
    ):
        match = form.search(subject)
        if match is not None:
            return group(match[1], match[2])
    repository = _REPOSITORY.search(subject)  # in any place: an organisation orders its claims as it likes
    return None if repository is None else github_group(f"{repository[1]}/{repository[2]}")


def task_named(name: str) -> str | None:
    """The task that a job's chosen name stands for; None if the name has another form."""
    match = _CHOSEN.fullmatch(name)
    return None if match is None else "/".join(part for part in match.groups() if part)


def task_of_subject(subject: str) -> str | None:
    """The job or run in the subject of a GitHub token; None if the organisation did not add these claims."""
    return task_of_claims(dict(_IN_SUBJECT.findall(subject)))


def task_of_claims(claims: Mapping[str, Any]) -> str | None:
    """The CI job in a token's claims, or in metadata made from them: the job if there is one, else its run."""
    known = {name: digits for name, value in claims.items() if (digits := _digits(value))}
    for name, task in (("check_run_id", github_job), ("job_id", gitlab_job)):
        if name in known:
            return task(known[name])
    if "run_id" in known:
        return github_run(known["run_id"], known.get("run_attempt", "1"))
    return gitlab_pipeline(known["pipeline_id"]) if "pipeline_id" in known else None


def _digits(value: object) -> str | None:
    """An id as text: providers write it as a number or as text."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return (
        value
        if isinstance(value, str) and len(value) <= _MAX_ID and value.isdecimal() and value.isascii()
        else None
    )

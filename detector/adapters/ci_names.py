"""Task ids of CI jobs, read from names that jobs choose and from claims of their OpenID Connect tokens.

A job's id is unique within GitHub or GitLab, so it needs no repository. A name without `/`, as for an AWS session, can
therefore hold all of it: `github-job-71`, `github-run-5-2` (run and attempt), `gitlab-job-9`, `gitlab-pipeline-8`.

GitHub's subject is `repo:ORG/REPO:ref:…`, and `repo:ORG@ID/REPO@ID:ref:…` for newer repositories. An organisation can
add the claims `run_id`, `run_attempt` and `check_run_id` to it; a job's id is the id of its check run
(docs.github.com, "OpenID Connect reference"). GitLab's tokens have the claims `job_id` and `pipeline_id`, but not in
the subject (docs.gitlab.com, "ID tokens").
"""

from collections.abc import Mapping
from typing import Any, Final

import re2

_CHOSEN: Final = re2.compile(
    r"(github)-(job)-(\d{1,20})|(github)-(run)-(\d{1,20})-(\d{1,9})|(gitlab)-(job|pipeline)-(\d{1,20})"
)
_IN_SUBJECT: Final = re2.compile(r"(?:^|:)(run_id|run_attempt|check_run_id):(\d+)")
_MAX_ID: Final = 20  # digits


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

"""The ids of CI jobs as tasks, and how jobs are named elsewhere: by a name that a job chose, or by its OpenID Connect token.

An id is unique in its GitHub or GitLab by itself and has no repository in it. So a name that a job gives, to an AWS session
for one, where no `/` may be, can say it whole: `github-job-71`, `github-run-5-2` (run and attempt), `gitlab-job-9`,
`gitlab-pipeline-8`.

GitHub's subject is `repo:ORG/REPO:ref:…`, of newer repositories `repo:ORG@ID/REPO@ID:ref:…`. An organisation can add the
claims `run_id`, `run_attempt` and `check_run_id` (a job's id is that of its check run) to it (docs.github.com, "OpenID
Connect reference"). GitLab's tokens have `job_id` and `pipeline_id`, its subject neither (docs.gitlab.com, "ID tokens").
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
    """The task id of a workflow job, by its id."""
    return f"github/job/{job}"


def github_run(run: str, attempt: str) -> str:
    """The task id of one attempt of a workflow run, by its id and number."""
    return f"github/run/{run}/{attempt}"


def gitlab_job(job: str) -> str:
    """The task id of a job (build), by its id."""
    return f"gitlab/job/{job}"


def gitlab_pipeline(pipeline: str) -> str:
    """The task id of a pipeline, by its id."""
    return f"gitlab/pipeline/{pipeline}"


def task_named(name: str) -> str | None:
    """The task that a name chosen by a job means, None if it is not of that form."""
    match = _CHOSEN.fullmatch(name)
    return None if match is None else "/".join(part for part in match.groups() if part)


def task_of_subject(subject: str) -> str | None:
    """The job or run that the subject of a GitHub token tells, None where the organisation has added neither."""
    return task_of_claims(dict(_IN_SUBJECT.findall(subject)))


def task_of_claims(claims: Mapping[str, Any]) -> str | None:
    """The CI job that claims of a token, or metadata made of them, tell: the job before the run that it is of."""
    known = {name: digits for name, value in claims.items() if (digits := _digits(value))}
    for name, task in (("check_run_id", github_job), ("job_id", gitlab_job)):
        if name in known:
            return task(known[name])
    if "run_id" in known:
        return github_run(known["run_id"], known.get("run_attempt", "1"))
    return gitlab_pipeline(known["pipeline_id"]) if "pipeline_id" in known else None


def _digits(value: object) -> str | None:
    """An id as text: the same number comes as one or the other."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return (
        value
        if isinstance(value, str) and len(value) <= _MAX_ID and value.isdecimal() and value.isascii()
        else None
    )

"""Finds the task of an AWS session, or the group of its task, from the names that the session was given.

The best name is the role session name that a pipeline sets to its job (`github-job-71`), because AWS repeats it in
every call of the session. Else the source identity may name the task, which AWS passes down a chain of roles. A
session that another session asked for stays with that one's job, because both work for it. EKS Pod Identity names the
pod in the session's tags, which AWS passes down a chain as `incomingTransitiveTags` (docs.aws.amazon.com, "Grant Pods
access to AWS resources based on tags", "Pass session tags in AWS STS").

A token of Buildkite may set tags as well, which CloudTrail has as `principalTags`: the claims that a job asks for, such
as `job_id` (buildkite.com/docs, "OIDC with AWS"). The token is signed, so they count more than the name, which whoever
assumes the role chooses.

Many sessions have the name that a tool gives to all of them (`GitHubActions`). Then the subject of the token that was
handed in names at least the repository, the project or the service account: the group of the task. So do the tags that
aws-actions/configure-aws-credentials sets for a session that it chains.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import re2

from detector.adapters.adapter import Record
from detector.adapters.aws.unjoined import unjoined
from detector.adapters.ci_names import (
    buildkite_job,
    github_group,
    group_of_subject,
    task_named,
    task_of_subject,
)
from detector.adapters.fields import find, maybe_text
from detector.records.pod_names import pod_task, service_account_group

DEFAULT_NAME: Final = (
    "githubactions"  # of every session of aws-actions/configure-aws-credentials, without regard to case
)
# Names that boto3, the CLI and the SDKs for Go, Java, JavaScript, .NET and PHP make up for a session without a name.
_MADE_UP: Final = re2.compile(
    r"(?i)botocore-session-\d+|aws-cli-session-\d+|aws-(?:go-|dotnet-)?sdk(?:-[a-z]+)*(?:-v?\d+)?(?:-[0-9a-f-]{8,})?|"
    + DEFAULT_NAME
)
_MAX_TAGS: Final = 50  # the most that AWS allows
_BUILDKITE: Final = ":oidc-provider/agent.buildkite.com"
_SESSIONS: Final = frozenset({"AssumedRole", "FederatedUser"})


class SessionTask(NamedTuple):
    """The task of a session, or the group of its task, and the task above it if another session asked for this one.

    With a task, the group is what the subject of a token says of it.

    `unjoined` says why nothing else reports such a task; None where a name or a subject says which it is.
    """

    task_id: str | None
    parent: str | None = None
    group: str | None = None
    unjoined: str | None = None


def session_task(record: Record, key_id: str) -> SessionTask:
    """The task of a session, from the event of its issue; `key_id` makes the id unique if nothing else does.

    Raises:
        BadRecordError: a name is not text.
    """
    name = maybe_text(record, "requestParameters.roleSessionName") or maybe_text(
        record, "requestParameters.name"
    )
    identity = maybe_text(record, "requestParameters.sourceIdentity") or maybe_text(
        record, "responseElements.sourceIdentity"
    )
    subject = maybe_text(record, "responseElements.subjectFromWebIdentityToken") or ""
    tags = _tags(record)
    signed = task_of_subject(subject) or _tagged(record)
    above, job, pod = _caller(record), signed or _job(name, identity), _pod(tags)
    if job is None and pod is not None:
        return SessionTask(pod)  # the session that asked is the pod's too
    if job is not None:
        group = _group_of_job(job, subject) if signed is None else None
        return SessionTask(job, above if above != job else None, group=group)
    if above is not None and _is_job(above):
        return SessionTask(above)
    group = group_of_subject(subject) or _group(tags)
    why = unjoined(record, name, group)
    if group is not None:
        return SessionTask(None, group=group, unjoined=why)
    chosen = _chosen(name, identity)
    own = chosen or above or (name if (name or "").lower() != DEFAULT_NAME else None)
    if own is None:
        own = f"{subject}/{key_id}" if subject else maybe_text(record, "userIdentity.arn") or key_id
    return SessionTask(own, above if own == chosen != above else None, unjoined=why)


def _tags(record: Record) -> dict[str, str]:
    """The session's tags by name: those of the call, and those that AWS passed down the chain."""
    found: dict[str, str] = {}
    passed, given = (find(record, f"requestParameters.{name}") for name in ("incomingTransitiveTags", "tags"))
    if isinstance(passed, dict):
        found.update(
            (key, value) for key, value in list(passed.items())[:_MAX_TAGS] if isinstance(value, str)
        )
    for tag in given[:_MAX_TAGS] if isinstance(given, list) else ():
        key, value = (tag.get("key"), tag.get("value")) if isinstance(tag, dict) else (None, None)
        if isinstance(key, str) and isinstance(value, str):
            found[key] = value
    return found


def _tagged(record: Record) -> str | None:
    """The job in the tags of a token of Buildkite.

    Tags of another issuer's may be called alike and mean other things.
    """
    issuer = maybe_text(record, "userIdentity.identityProvider") or ""
    job = find(record, "requestParameters.principalTags.job_id")
    return buildkite_job(job) if issuer.endswith(_BUILDKITE) and isinstance(job, str) and job else None


def _pod(tags: Mapping[str, str]) -> str | None:
    """The pod in the session's tags, which EKS sets."""
    namespace, pod = tags.get("kubernetes-namespace"), tags.get("kubernetes-pod-name")
    return pod_task(namespace, pod, tags.get("kubernetes-pod-uid") or None) if namespace and pod else None


def _group(tags: Mapping[str, str]) -> str | None:
    """The repository that aws-actions/configure-aws-credentials sets, or the service account that EKS sets."""
    repository = tags.get("Repository", "")
    if tags.get("GitHub") == "Actions" and repository.count("/") == 1:
        return github_group(repository)
    namespace, account = tags.get("kubernetes-namespace"), tags.get("kubernetes-service-account")
    return service_account_group(namespace, account) if namespace and account else None


def _job(*names: str | None) -> str | None:
    """The CI job that one of the names stands for."""
    return next((task for name in names if name is not None and (task := task_named(name))), None)


def _group_of_job(job: str, subject: str) -> str | None:
    """The group of a job that the token's subject names; None if it names none, or one of another platform.

    Anybody who may assume a role chooses the session's name. The subject is signed, so it may belie the name.
    """
    group = group_of_subject(subject)
    return group if group is not None and group.partition(":")[0] == job.partition("/")[0] else None


def _is_job(task: str) -> bool:
    """Whether a task is a CI job's: session names have no slash."""
    return "/" in task


def _chosen(name: str | None, identity: str | None) -> str | None:
    """The task that a session's name or its source identity stands for."""
    for each in (name, identity):
        if each is not None and _MADE_UP.fullmatch(each) is None:
            return task_named(each) or each
    return None


def _caller(record: Record) -> str | None:
    """The task of the session that asked; None if no session asked, or one without a name.

    `principalId` is `AROA…:<session name>` for a role, also for a role of another account, for which there is no ARN.
    """
    issuer, _, name = (maybe_text(record, "userIdentity.principalId") or "").partition(":")
    kind = maybe_text(record, "userIdentity.type")
    if not name or not (kind in _SESSIONS or (kind == "AWSAccount" and issuer.startswith("AROA"))):
        return None
    identity = maybe_text(record, "userIdentity.sessionContext.sourceIdentity")
    return _job(name, identity) or _chosen(name, identity)

"""Finds the task of an AWS session from the names that the session was given.

The best name is the role session name that a pipeline sets to its job (`buildkite-job-<uuid>`), because AWS repeats it
in every call of the session. If an SDK made that name up, the source identity may name the task, which AWS passes down
a chain of roles. Otherwise it is the task of the session that asked for this one, because both work for the same job.
EKS Pod Identity names the pod in the session's tags (docs.aws.amazon.com, "Grant Pods access to AWS resources based on
tags").
"""

from typing import Final, NamedTuple

import re2

from detector.adapters.adapter import Record
from detector.adapters.ci_names import task_named, task_of_subject
from detector.adapters.fields import find, maybe_text
from detector.records.pod_names import pod_task

_EVERYBODY: Final = (
    "githubactions"  # the name that aws-actions/configure-aws-credentials gives to every session
)
# Names that boto3, the CLI and the SDKs for Go, Java, JavaScript, .NET and PHP make up for a session without a name.
_MADE_UP: Final = re2.compile(
    r"(?i)botocore-session-\d+|aws-cli-session-\d+|aws-(?:go-|dotnet-)?sdk(?:-[a-z]+)*(?:-v?\d+)?(?:-[0-9a-f-]{8,})?|"
    + _EVERYBODY
)
_MAX_TAGS: Final = 50  # the most that AWS allows
_SESSIONS: Final = frozenset({"AssumedRole", "FederatedUser"})


class SessionTask(NamedTuple):
    """The task of a session, and the task above it if another session asked for this one."""

    task_id: str
    parent: str | None = None


def session_task(record: Record, key_id: str) -> SessionTask:
    """The task of a session, from the event of its issue; `key_id` makes the id unique if nothing else does.

    Raises:
        BadRecordError: a name is not text.
    """
    name = maybe_text(record, "requestParameters.roleSessionName") or maybe_text(
        record, "requestParameters.name"
    )
    subject = maybe_text(record, "responseElements.subjectFromWebIdentityToken") or ""
    above = _caller(record)
    named = (
        task_of_subject(subject)
        or _pod(find(record, "requestParameters.tags"))
        or _chosen(name, maybe_text(record, "requestParameters.sourceIdentity"))
    )
    if named is not None:
        return SessionTask(named, above if above != named else None)
    if above is not None:
        return SessionTask(above)
    if name is not None and name.lower() != _EVERYBODY:
        return SessionTask(name)
    return SessionTask(f"{subject}/{key_id}" if subject else maybe_text(record, "userIdentity.arn") or key_id)


def _pod(tags: object) -> str | None:
    """The pod in the session's tags, which EKS sets: `[{"key": …, "value": …}, …]`."""
    if not isinstance(tags, list):
        return None
    values = {
        tag["key"]: tag.get("value")
        for tag in tags[:_MAX_TAGS]
        if isinstance(tag, dict) and isinstance(tag.get("key"), str)
    }
    place = [values.get(f"kubernetes-{part}") for part in ("namespace", "pod-name", "pod-uid")]
    namespace, pod, uid = (part if isinstance(part, str) else "" for part in place)
    return pod_task(namespace, pod, uid or None) if namespace and pod else None


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
    return _chosen(name, maybe_text(record, "userIdentity.sessionContext.sourceIdentity"))

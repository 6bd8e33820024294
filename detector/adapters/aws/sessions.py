"""Which task an AWS session works for, told by the names that it was given.

What names a session well is its role session name, set by a pipeline to its job (`buildkite-job-<uuid>`): AWS repeats
it in every call of the session. A name that an SDK made up names nothing: then the source identity may, which AWS hands
down a chain of roles, or the session that asked for this one, whose job both work for. EKS Pod Identity names the pod in
the session's tags (docs.aws.amazon.com, "Grant Pods access to AWS resources based on tags").
"""

from typing import Final, NamedTuple

import re2

from detector.adapters.adapter import Record
from detector.adapters.ci_names import task_named, task_of_subject
from detector.adapters.fields import find, maybe_text
from detector.records.pod_names import pod_task

_EVERYBODY: Final = "githubactions"  # what aws-actions/configure-aws-credentials calls them all
# What boto3, the CLI and the SDKs for Go, Java, JavaScript, .NET and PHP call a session that was given no name.
_MADE_UP: Final = re2.compile(
    r"(?i)botocore-session-\d+|aws-cli-session-\d+|aws-(?:go-|dotnet-)?sdk(?:-[a-z]+)*(?:-v?\d+)?(?:-[0-9a-f-]{8,})?|"
    + _EVERYBODY
)
_MAX_TAGS: Final = 50  # as AWS allows
_SESSIONS: Final = frozenset({"AssumedRole", "FederatedUser"})


class Work(NamedTuple):
    """The task that a session is for, and the one above it where another session asked for it."""

    task_id: str
    parent: str | None = None


def work_of(record: Record, key_id: str) -> Work:
    """Whose work a session is, by the event of its issue; `key_id` tells it from others of the same name.

    Raises:
        BadRecordError: a name is not text.
    """
    name = maybe_text(record, "requestParameters.roleSessionName") or maybe_text(
        record, "requestParameters.name"
    )
    subject = maybe_text(record, "responseElements.subjectFromWebIdentityToken") or ""
    above = _caller(record)
    told = (
        task_of_subject(subject)
        or _pod(find(record, "requestParameters.tags"))
        or _chosen(name, maybe_text(record, "requestParameters.sourceIdentity"))
    )
    if told is not None:
        return Work(told, above if above != told else None)
    if above is not None:
        return Work(above)
    if name is not None and name.lower() != _EVERYBODY:
        return Work(name)
    return Work(f"{subject}/{key_id}" if subject else maybe_text(record, "userIdentity.arn") or key_id)


def _pod(tags: object) -> str | None:
    """The pod that EKS asked for, by the session's tags: `[{"key": …, "value": …}, …]`."""
    if not isinstance(tags, list):
        return None
    told = {
        tag["key"]: tag.get("value")
        for tag in tags[:_MAX_TAGS]
        if isinstance(tag, dict) and isinstance(tag.get("key"), str)
    }
    place = [told.get(f"kubernetes-{part}") for part in ("namespace", "pod-name", "pod-uid")]
    namespace, pod, uid = (part if isinstance(part, str) else "" for part in place)
    return pod_task(namespace, pod, uid or None) if namespace and pod else None


def _chosen(name: str | None, identity: str | None) -> str | None:
    """The task that a session's name means, or its source identity."""
    for each in (name, identity):
        if each is not None and _MADE_UP.fullmatch(each) is None:
            return task_named(each) or each
    return None


def _caller(record: Record) -> str | None:
    """The task of the session that asked, None where no session did, or none with a name.

    `principalId` is `AROA…:<session name>` for a role, also where it is another account's and no ARN is told.
    """
    issuer, _, name = (maybe_text(record, "userIdentity.principalId") or "").partition(":")
    kind = maybe_text(record, "userIdentity.type")
    if not name or not (kind in _SESSIONS or (kind == "AWSAccount" and issuer.startswith("AROA"))):
        return None
    return _chosen(name, maybe_text(record, "userIdentity.sessionContext.sourceIdentity"))

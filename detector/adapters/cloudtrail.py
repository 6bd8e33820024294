"""AWS CloudTrail events: who was given temporary or lasting keys, what they did with them, which were taken away.

The fields are those of the CloudTrail record reference and of real events. CloudTrail names keys by their public
ids (`ASIA…`, `AKIA…`), so a use joins its issue without any secret. A session's task is what its names say (see
`aws_sessions`), a lasting key's is `aws/user/<name>`. What a service does with a session, on its behalf, is a use
whose address is that service's name. A role-wide `AWSRevokeOlderSessions` policy is not yet taken as a revocation.
"""

import re  # over text of bounded length only
from collections.abc import Iterator
from typing import Any, Final

from detector.adapters.adapter import Adapter, Carrier, Record
from detector.adapters.aws_policy import grants_of
from detector.adapters.aws_sessions import Work, work_of
from detector.adapters.aws_times import answer_time
from detector.adapters.fields import find, maybe_text, text, time
from detector.deadletters import BAD_TIME, MISSING_FIELD, bad
from detector.events import (
    DENIED,
    SUCCESS,
    CanonicalEvent,
    CredentialIssued,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
    TaskStarted,
)
from detector.secrets import Secret, sha256_hex
from detector.times import SECOND

SCHEME: Final = "aws-access-key-id"
_ISSUING: Final = frozenset(
    {
        "AssumeRole",
        "AssumeRoleWithSAML",
        "AssumeRoleWithWebIdentity",
        "AssumeRoot",
        "GetFederationToken",
        "GetSessionToken",
    }
)
_LONGEST_SESSION: Final = 129_600  # seconds, 36 hours
# A session token as CloudTrail shows it whole; a shortened or masked one identifies nothing.
_SESSION_TOKEN = re.compile(r"[A-Za-z0-9+/=]{100,8192}")
_CALLS: Final = frozenset(
    {"AwsApiCall", "AwsConsoleAction", "AwsConsoleSignIn", "AwsServiceEvent", "AwsVpceEvent"}
)
_PREFIXED: Final = frozenset({"DeleteObjects"})  # of many objects: the bucket alone would say too little


def looks_like(record: Record) -> bool:
    """Whether an object has the shape of a CloudTrail event."""
    return (
        "eventSource" in record and "eventName" in record and ("eventID" in record or "eventTime" in record)
    )


def known(record: Record) -> bool:
    """Whether an event tells of a call; insights and what AWS may yet add do not."""
    kind = record.get("eventType")
    return kind is None or (isinstance(kind, str) and kind in _CALLS)


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The events in one CloudTrail record: a use of the caller's key, and a key issued or taken away.

    Raises:
        BadRecordError: a field that such an event has is missing or wrong.
    """
    call = text(record, "eventName")
    caller = maybe_text(record, "userIdentity.accessKeyId")
    service = text(record, "eventSource").removesuffix(".amazonaws.com")
    done = maybe_text(record, "errorCode") is None
    issues = done and service == "sts" and call in _ISSUING and not _is_shared_without_answer(record)
    creates = done and service == "iam" and call == "CreateAccessKey"
    revokes = done and service == "iam" and (call == "DeleteAccessKey" or _deactivates(record, call))
    if not (caller or issues or creates or revokes):
        return []
    at = _Where(record, now)
    events: list[CanonicalEvent] = []
    if caller:
        events.append(_use(record, at, caller, f"{service}:{call}", SUCCESS if done else DENIED))
    if issues:
        events += _session(record, at)
    if creates:
        events.append(_key(record, at))
    if revokes:
        key = Identifier(SCHEME, text(record, "requestParameters.accessKeyId"))
        events.append(
            CredentialRevoked(time=at.time, source=at.source, id=f"{at.id}/revoked", identifier=key)
        )
    return events


class _Where:
    """Time, source and id of the events of one record.

    A call between two accounts is told to both, as two events that share one id: it is one call.
    """

    def __init__(self, record: Record, now: int) -> None:
        self.time = time(record, "eventTime", now)
        self.id = text(record, "eventID")
        self.source = "aws.cloudtrail"
        shared = maybe_text(record, "sharedEventID")
        account = maybe_text(record, "recipientAccountId") or maybe_text(record, "userIdentity.accountId")
        if shared is not None:
            self.id = shared
        elif account is not None:
            self.source = f"aws.cloudtrail/{account}"


def _is_shared_without_answer(record: Record) -> bool:
    """Whether this is the copy for the other account, which is not told what was issued."""
    return record.get("responseElements") is None and record.get("sharedEventID") is not None


def _deactivates(record: Record, call: str) -> bool:
    return call == "UpdateAccessKey" and find(record, "requestParameters.status") == "Inactive"


def _use(record: Record, at: _Where, key_id: str, action: str, outcome: str) -> CredentialUsed:
    # A service that acts with the session, on its behalf, is no other workload: its name stands as the address, and
    # an address that is none is not judged.
    invoked_by = maybe_text(record, "userIdentity.invokedBy")
    return CredentialUsed(
        time=at.time,
        source=at.source,
        id=at.id,
        identifier=Identifier(SCHEME, key_id),
        action=action,
        resource=_resource(record),
        outcome=outcome,
        source_ip=invoked_by or maybe_text(record, "sourceIPAddress"),
        user_agent=maybe_text(record, "userAgent"),
    )


def _resource(record: Record) -> str | None:
    """The first resource that a call names; of one on many objects the prefix that they share."""
    names = ("ARNPrefix", "ARN") if find(record, "eventName") in _PREFIXED else ("ARN",)
    resources = record.get("resources")
    for name in names:
        for resource in resources if isinstance(resources, list) else ():
            arn = resource.get(name) if isinstance(resource, dict) else None
            if isinstance(arn, str) and arn:
                return arn
    return None


def _session(record: Record, at: _Where) -> list[CanonicalEvent]:
    """A session and, where another asked for it, the task above its own."""
    key_id = text(record, "responseElements.credentials.accessKeyId")
    work = work_of(record, key_id)
    identifiers = [Identifier(SCHEME, key_id)]
    token = find(record, "responseElements.credentials.sessionToken")
    if isinstance(token, str) and _SESSION_TOKEN.fullmatch(token):
        identifiers.append(Identifier("sha256", sha256_hex(Secret(token.encode())), length=len(token)))
    issued = CredentialIssued(
        time=at.time,
        source=at.source,
        id=f"{at.id}/issued",
        credential_id=key_id,
        task_id=work.task_id,
        identifiers=tuple(identifiers),
        kind="aws-session",
        expires_at=_expiry(record, at.time),
        grants=grants_of(
            find(record, "requestParameters.policy"), find(record, "requestParameters.policyArns")
        ),
        revocation=_session_revocation(record, key_id),
    )
    return [issued] if work.parent is None else [_started(at, work), issued]


def _started(at: _Where, work: Work) -> TaskStarted:
    return TaskStarted(
        time=at.time,
        source=at.source,
        id=f"{at.id}/started",
        task_id=work.task_id,
        parent_task_id=work.parent,
    )


def _session_revocation(record: Record, key_id: str) -> dict[str, Any]:
    """What a revoker needs to deny one session. All of it is in both copies of a call between two accounts."""
    role = maybe_text(record, "requestParameters.roleArn")
    federated = maybe_text(record, "responseElements.federatedUser.arn")
    user = None if role is not None else maybe_text(record, "userIdentity.arn")
    return _present(
        provider="aws",
        method="deny-session" if role is not None else "deny-user-sessions",
        account=_account(role or federated or user),
        access_key_id=key_id,
        role_arn=role,
        assumed_role_id=maybe_text(record, "responseElements.assumedRoleUser.assumedRoleId"),
        federated_user_arn=federated,
        user_arn=user,
    )


def _account(arn: str | None) -> str | None:
    """The account in `arn:aws:iam::111122223333:role/…`."""
    parts = arn.split(":", 5) if arn is not None else []
    return parts[4] or None if len(parts) == 6 else None  # noqa: PLR2004 - an ARN's parts


def _expiry(record: Record, issued: int) -> int:
    """When a session ends: as the response says, else as long after its start as was asked for."""
    path = "responseElements.credentials.expiration"
    value = find(record, path)
    if value in (None, ""):
        seconds = find(record, "requestParameters.durationSeconds")
        if isinstance(seconds, int) and 0 < seconds <= _LONGEST_SESSION:
            return issued + seconds * SECOND
        raise bad(MISSING_FIELD, path)
    read = answer_time(value)
    if read is None:
        raise bad(BAD_TIME, path, "not a time in a style that is known")
    return read


def _key(record: Record, at: _Where) -> CredentialIssued:
    key_id = text(record, "responseElements.accessKey.accessKeyId")
    user = text(record, "responseElements.accessKey.userName")
    return CredentialIssued(
        time=at.time,
        source=at.source,
        id=f"{at.id}/issued",
        credential_id=key_id,
        task_id=f"aws/user/{user}",
        identifiers=(Identifier(SCHEME, key_id),),
        kind="aws-access-key",
        revocation=_present(
            provider="aws",
            method="delete-access-key",
            account=maybe_text(record, "recipientAccountId") or maybe_text(record, "userIdentity.accountId"),
            access_key_id=key_id,
            user_name=user,
        ),
    )


def _present(**fields: str | None) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _is_file(record: Record) -> bool:
    records = record.get("Records")
    return isinstance(records, list) and any(isinstance(one, dict) and looks_like(one) for one in records)


def _records(record: Record, _now: int) -> Iterator[Record]:
    yield from (one for one in record["Records"] if isinstance(one, dict))


_MARKS: Final = (b'"eventSource"',)
ADAPTER: Final = Adapter("cloudtrail", _MARKS, looks_like, translate, known)
CARRIERS: Final = (
    Carrier("cloudtrail", _MARKS, _is_file, _records, audit=True),  # a file as it is delivered to S3
)

"""AWS CloudTrail events: who was given temporary or lasting keys, what they did with them, which were taken away.

The fields are those of the CloudTrail record reference and of real events. CloudTrail names keys by their public
ids (`ASIA…`, `AKIA…`), so a use joins its issue without any secret. A session's task is its role session name (what
a pipeline can set, e.g. `buildkite-job-<uuid>`), else the federated user's name, else the caller's ARN; a lasting
key's is `aws/user/<name>`. A role-wide `AWSRevokeOlderSessions` policy is not yet taken as a revocation.
"""

import re  # over text of bounded length only
from collections.abc import Iterator, Mapping
from typing import Any, Final

from detector.adapters.adapter import Adapter, Carrier, Record
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
)
from detector.secrets import Secret, sha256_hex
from detector.stamps import log_time
from detector.times import SECOND, parse_rfc3339

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
# `Jul 10, 2023, 12:09:47 PM` (STS) and `Jul 10, 2023 12:24:29 PM` (IAM), in UTC.
_US_TIME = re.compile(
    r"([A-Z][a-z]{2}) ([0-9]{1,2}), ([0-9]{4}),? ([0-9]{1,2}):([0-9]{2}):([0-9]{2})\s([AP])M"
)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MAX_TIME_TEXT: Final = 40
_NOON: Final = 12
# A session token as CloudTrail shows it whole; a shortened or masked one identifies nothing.
_SESSION_TOKEN = re.compile(r"[A-Za-z0-9+/=]{100,8192}")


def looks_like(record: Mapping[str, Any]) -> bool:
    """Whether an object has the shape of a CloudTrail event."""
    return (
        "eventSource" in record and "eventName" in record and ("eventID" in record or "eventTime" in record)
    )


def translate(record: Mapping[str, Any], now: int) -> list[CanonicalEvent]:
    """The events in one CloudTrail record: a use of the caller's key, and a key issued or taken away.

    Raises:
        BadRecordError: a field that such an event has is missing or wrong.
    """
    event_name = text(record, "eventName")
    caller = maybe_text(record, "userIdentity.accessKeyId")
    done = maybe_text(record, "errorCode") is None
    issues = done and event_name in _ISSUING and text(record, "eventSource") == "sts.amazonaws.com"
    creates = done and event_name == "CreateAccessKey"
    revokes = done and (event_name == "DeleteAccessKey" or _deactivates(record, event_name))
    if not (caller or issues or creates or revokes):
        return []
    at = _Where(record, now)
    events: list[CanonicalEvent] = []
    if caller:
        events.append(_use(record, at, caller, event_name, SUCCESS if done else DENIED))
    if issues:
        events.append(_session(record, at))
    if creates:
        events.append(_key(record, at))
    if revokes:
        key = Identifier(SCHEME, text(record, "requestParameters.accessKeyId"))
        events.append(
            CredentialRevoked(time=at.time, source=at.source, id=f"{at.id}/revoked", identifier=key)
        )
    return events


class _Where:
    """Time, source and id of the events of one record."""

    def __init__(self, record: Mapping[str, Any], now: int) -> None:
        self.time = time(record, "eventTime", now)
        self.id = text(record, "eventID")
        self.account = maybe_text(record, "recipientAccountId") or maybe_text(
            record, "userIdentity.accountId"
        )
        self.source = f"aws.cloudtrail/{self.account}" if self.account else "aws.cloudtrail"


def _deactivates(record: Mapping[str, Any], event_name: str) -> bool:
    return event_name == "UpdateAccessKey" and find(record, "requestParameters.status") == "Inactive"


def _use(record: Mapping[str, Any], at: _Where, key_id: str, event_name: str, outcome: str) -> CredentialUsed:
    service = text(record, "eventSource").removesuffix(".amazonaws.com")
    return CredentialUsed(
        time=at.time,
        source=at.source,
        id=at.id,
        identifier=Identifier(SCHEME, key_id),
        action=f"{service}:{event_name}",
        resource=_resource(record),
        outcome=outcome,
        source_ip=maybe_text(record, "sourceIPAddress"),
        user_agent=maybe_text(record, "userAgent"),
    )


def _resource(record: Mapping[str, Any]) -> str | None:
    resources = record.get("resources")
    if isinstance(resources, list):
        for resource in resources:
            arn = resource.get("ARN") if isinstance(resource, Mapping) else None
            if isinstance(arn, str) and arn:
                return arn
    return None


def _session(record: Mapping[str, Any], at: _Where) -> CredentialIssued:
    key_id = text(record, "responseElements.credentials.accessKeyId")
    task_id = (
        maybe_text(record, "requestParameters.roleSessionName")
        or maybe_text(record, "requestParameters.name")
        or maybe_text(record, "userIdentity.arn")
    )
    if task_id is None:
        raise bad(MISSING_FIELD, "requestParameters.roleSessionName")
    identifiers = [Identifier(SCHEME, key_id)]
    token = find(record, "responseElements.credentials.sessionToken")
    if isinstance(token, str) and _SESSION_TOKEN.fullmatch(token):
        identifiers.append(Identifier("sha256", sha256_hex(Secret(token.encode())), length=len(token)))
    return CredentialIssued(
        time=at.time,
        source=at.source,
        id=f"{at.id}/issued",
        credential_id=key_id,
        task_id=task_id,
        identifiers=tuple(identifiers),
        kind="aws-session",
        expires_at=_expiry(record, at.time),
        revocation=_present(
            provider="aws",
            method="deny-session",
            account=at.account,
            access_key_id=key_id,
            role_arn=maybe_text(record, "requestParameters.roleArn"),
            assumed_role_id=maybe_text(record, "responseElements.assumedRoleUser.assumedRoleId"),
            federated_user_arn=maybe_text(record, "responseElements.federatedUser.arn"),
            caller_arn=maybe_text(record, "userIdentity.arn"),
        ),
    )


def _expiry(record: Mapping[str, Any], issued: int) -> int:
    """When a session ends: as the response says, else as long after its start as was asked for."""
    path = "responseElements.credentials.expiration"
    value = find(record, path)
    if value in (None, ""):
        seconds = find(record, "requestParameters.durationSeconds")
        if isinstance(seconds, int) and not isinstance(seconds, bool) and seconds > 0:
            return issued + seconds * SECOND
        raise bad(MISSING_FIELD, path)
    read = _us_time(value) if isinstance(value, str) else None
    read = log_time(value) if read is None else read
    if read is None:
        raise bad(BAD_TIME, path, "not a time in a style that is known")
    return read


def _us_time(value: str) -> int | None:
    # Newer Java writes a narrow no-break space before AM and PM; `\s` takes it.
    match = _US_TIME.fullmatch(value) if len(value) <= _MAX_TIME_TEXT else None
    if match is None or match[1] not in _MONTHS:
        return None
    month, day = _MONTHS.index(match[1]) + 1, int(match[2])
    hour = int(match[4]) % _NOON + (_NOON if match[7] == "P" else 0)
    try:
        return parse_rfc3339(f"{match[3]}-{month:02d}-{day:02d}T{hour:02d}:{match[5]}:{match[6]}Z")
    except ValueError:
        return None


def _key(record: Mapping[str, Any], at: _Where) -> CredentialIssued:
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
            account=at.account,
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
ADAPTER: Final = Adapter("cloudtrail", _MARKS, looks_like, translate)
CARRIERS: Final = (
    Carrier("cloudtrail", _MARKS, _is_file, _records, audit=True),
)  # a file as it is delivered to S3

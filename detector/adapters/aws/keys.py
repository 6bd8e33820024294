"""What calls to STS and IAM do to keys: sessions issued, permanent keys created, and both revoked."""

import re  # over text of bounded length only
from collections.abc import Callable
from typing import Any, Final

from detector.adapters.adapter import Record
from detector.adapters.aws.addresses import issued_to
from detector.adapters.aws.denials import denials, principal, role_group, session_group, user_group
from detector.adapters.aws.session_policy import grants_of
from detector.adapters.aws.sessions import session_task
from detector.adapters.aws.times import answer_time
from detector.adapters.aws.unjoined import KEY_OF_USER
from detector.adapters.fields import find, maybe_text, text, time
from detector.records.dead_letters import BAD_TIME, MISSING_FIELD, bad
from detector.records.record_ids import record_id
from detector.values.events import (
    CanonicalEvent,
    CredentialIssued,
    CredentialRevoked,
    Identifier,
    TaskStarted,
)
from detector.values.secrets import Secret, sha256_hex
from detector.values.times import SECOND

SCHEME: Final = "aws-access-key-id"
_LONGEST_SESSION: Final = 129_600  # seconds, 36 hours
# A whole session token, as CloudTrail may show it. A shortened or masked one identifies nothing.
_SESSION_TOKEN = re.compile(r"[A-Za-z0-9+/=]{100,8192}")


class CallContext:
    """What the events of one record share: time (ns), source, id, and the account of the call.

    AWS reports a call between two accounts to both, as two events with one shared id. It is one call. An exporter may
    leave out an event's id: then two equal records are one event.
    """

    def __init__(self, record: Record, now: int) -> None:
        self.time = time(record, "eventTime", now)
        self.id = maybe_text(record, "eventID") or record_id(record)
        self.account = maybe_text(record, "recipientAccountId") or maybe_text(
            record, "userIdentity.accountId"
        )
        shared = maybe_text(record, "sharedEventID")
        alone = shared is None and self.account is not None
        self.id = self.id if shared is None else shared
        self.source = f"aws.cloudtrail/{self.account}" if alone else "aws.cloudtrail"

    def revoked(self, number: int, **whom: Any) -> CredentialRevoked:
        """A revocation by this call; `number` tells several of them apart."""
        suffix = f"/{number}" if number else ""
        return CredentialRevoked(time=self.time, source=self.source, id=f"{self.id}/revoked{suffix}", **whom)


def _session(record: Record, at: CallContext) -> list[CanonicalEvent]:
    """A session, and the start of its task if another session asked for it."""
    if record.get("responseElements") is None and record.get("sharedEventID") is not None:
        return []  # the copy for the other account does not say what was issued
    key_id = text(record, "responseElements.credentials.accessKeyId")
    task = session_task(record, key_id)
    identifiers = [Identifier(SCHEME, key_id)]
    token = find(record, "responseElements.credentials.sessionToken")
    if isinstance(token, str) and _SESSION_TOKEN.fullmatch(token):
        identifiers.append(Identifier("sha256", sha256_hex(Secret(token.encode())), length=len(token)))
    issued = CredentialIssued(
        time=at.time,
        source=at.source,
        id=f"{at.id}/issued",
        credential_id=key_id,
        task_id=task.task_id,
        identifiers=tuple(identifiers),
        kind="aws-session",
        expires_at=_expiry(record, at.time),
        grants=grants_of(
            find(record, "requestParameters.policy"), find(record, "requestParameters.policyArns")
        ),
        revocation=_session_revocation(record, key_id),
        groups=_groups(record),
        task_group=task.group,
        issued_to=issued_to(record, text(record, "eventName")),
        unjoined=task.unjoined,
    )
    if task.task_id is None or task.parent is None:
        return [issued]
    start = TaskStarted(
        time=at.time,
        source=at.source,
        id=f"{at.id}/started",
        task_id=task.task_id,
        parent_task_id=task.parent,
    )
    return [start, issued]


def _groups(record: Record) -> tuple[str, ...]:
    """The groups that the session ends with: its role or its user, and all sessions of its name."""
    role = principal(maybe_text(record, "requestParameters.roleArn"), "role")
    if role is None:
        user = principal(maybe_text(record, "userIdentity.arn"), "user")
        return () if user is None else (user_group(*user),)
    named = maybe_text(record, "responseElements.assumedRoleUser.assumedRoleId")
    return (role_group(*role),) if named is None else (role_group(*role), session_group(named))


def _session_revocation(record: Record, key_id: str) -> dict[str, Any]:
    """What a revoker needs to deny one session. Both copies of a call between two accounts have it."""
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
    """When a session ends: as the response says, else the requested duration after its start."""
    path = "responseElements.credentials.expiration"
    value = find(record, path)
    if value in (None, ""):
        seconds = find(record, "requestParameters.durationSeconds")
        if isinstance(seconds, int) and 0 < seconds <= _LONGEST_SESSION:
            return issued + seconds * SECOND
        raise bad(MISSING_FIELD, path)
    read = answer_time(value)
    if read is None:
        raise bad(BAD_TIME, path, "not a time in a known format")
    return read


def _key(record: Record, at: CallContext) -> list[CanonicalEvent]:
    key_id = text(record, "responseElements.accessKey.accessKeyId")
    user = text(record, "responseElements.accessKey.userName")
    return [
        CredentialIssued(
            time=at.time,
            source=at.source,
            id=f"{at.id}/issued",
            credential_id=key_id,
            task_id=f"aws/user/{user}",
            identifiers=(Identifier(SCHEME, key_id),),
            kind="aws-access-key",
            unjoined=KEY_OF_USER,
            revocation=_present(
                provider="aws",
                method="delete-access-key",
                account=at.account,
                access_key_id=key_id,
                user_name=user,
            ),
        )
    ]


def _key_gone(record: Record, at: CallContext) -> list[CanonicalEvent]:
    return [at.revoked(0, identifier=Identifier(SCHEME, text(record, "requestParameters.accessKeyId")))]


def _key_set(record: Record, at: CallContext) -> list[CanonicalEvent]:
    """A key made inactive. A key made active again is a new credential, but its id cannot tell it from the old one."""
    return _key_gone(record, at) if find(record, "requestParameters.status") == "Inactive" else []


def _denied(record: Record, at: CallContext) -> list[CanonicalEvent]:
    """Sessions that a policy ends: those of its role, or those that its user asked for."""
    user = find(record, "eventName") == "PutUserPolicy"
    found = denials(record)
    if not found:
        return []
    name = text(record, "requestParameters.userName" if user else "requestParameters.roleName")
    group = (user_group if user else role_group)(_own_account(record, at), name)
    revoked: list[CanonicalEvent] = []
    for denial in found:
        named = None if denial.user_ids is None else [session_group(each) for each in denial.user_ids]
        for each in [group] if named is None else named:
            revoked.append(at.revoked(len(revoked), group=each, issued_before=denial.before))
    return revoked


def _role_gone(record: Record, at: CallContext) -> list[CanonicalEvent]:
    name = text(record, "requestParameters.roleName")
    return [at.revoked(0, group=role_group(_own_account(record, at), name))]


def _own_account(record: Record, at: CallContext) -> str:
    """The account of the role or user: IAM changes only those of the caller's account."""
    account = at.account or _account(maybe_text(record, "userIdentity.arn"))
    if account is None:
        raise bad(MISSING_FIELD, "recipientAccountId")
    return account


def _present(**fields: str | None) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


CALLS: Final[dict[tuple[str, str], Callable[[Record, CallContext], list[CanonicalEvent]]]] = {
    ("sts", "AssumeRole"): _session,
    ("sts", "AssumeRoleWithSAML"): _session,
    ("sts", "AssumeRoleWithWebIdentity"): _session,
    ("sts", "AssumeRoot"): _session,
    ("sts", "GetFederationToken"): _session,
    ("sts", "GetSessionToken"): _session,
    ("iam", "CreateAccessKey"): _key,
    ("iam", "DeleteAccessKey"): _key_gone,
    ("iam", "UpdateAccessKey"): _key_set,
    ("iam", "PutRolePolicy"): _denied,
    ("iam", "PutUserPolicy"): _denied,
    ("iam", "DeleteRole"): _role_gone,
}
"""By service and call, what a call that succeeded did to keys."""

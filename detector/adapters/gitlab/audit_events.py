"""GitLab's audit events, streamed, logged or by API: job tokens used, access and deploy tokens issued and revoked.

The schema of a streamed one is that of docs.gitlab.com, "Audit event streaming". GitLab's source shows where an event
has a token's id (`ee/app/services/ee/{personal_access_tokens,resource_access_tokens}/`,
`ee/lib/ee/gitlab/auth/auth_finders.rb`). The target of an event about a project's, a group's or a deploy token is the
token. The target of an event about a personal token is the user, and the token is in the message.

A server of one's own writes them into `audit_json.log` too, and the API answers them. There the type is `event_name`,
or in `details` (`lib/gitlab/audit/auditor.rb`); events from before 2022 and sign-ins have none. These are told by what
they say of a member, a setting or a way to sign in.
"""

from typing import Any, Final

import re2

from detector.adapters.adapter import Record
from detector.adapters.ci_names import gitlab_job
from detector.adapters.fields import find, first_text, maybe_text, text, time
from detector.adapters.gitlab.audit_types import DOCUMENTED
from detector.records.dead_letters import MISSING_FIELD, WRONG_FIELD, bad
from detector.records.log_records import LogText, whole_record
from detector.values.events import (
    CanonicalEvent,
    CredentialIssued,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
)

JOB_TOKEN: Final = "gitlab-job-token"  # noqa: S105 - the scheme of an identifier: the value is the job's id
ACCESS_TOKEN: Final = "gitlab-token-id"  # noqa: S105 - likewise
DEPLOY_TOKEN: Final = "gitlab-deploy-token-id"  # noqa: S105 - likewise
_SOURCE: Final = "gitlab.audit"
_USED: Final = "user_authenticated_using_job_token"
_ISSUED: Final = frozenset(
    {
        "deploy_token_created",
        "group_access_token_created",
        "group_deploy_token_created",
        "personal_access_token_created",
        "personal_access_token_issued",
        "project_access_token_created",
    }
)
_REVOKED: Final = frozenset(
    {
        "deploy_token_destroyed",
        "deploy_token_revoked",
        "group_access_token_deleted",
        "group_deploy_token_destroyed",
        "group_deploy_token_revoked",
        "personal_access_token_revoked",
        "project_access_token_deleted",
    }
)
_MESSAGE: Final = re2.compile(r"(?:Created|Revoked) personal access token with id (\d{1,20})")
_FAILED: Final = "Attempted "
_OF_NO_TYPE: Final = ("add", "change", "remove", "with")  # what events without a type say
_STANDING: Final = "an access or deploy token belongs to its user, project or group and to no job"


def looks_like(record: Record) -> bool:
    """Whether an object has the shape of an audit event."""
    return (
        "entity_type" in record
        and "author_id" in record
        and ("event_type" in record or "entity_id" in record)
    )


def known(record: Record) -> bool:
    """Whether GitLab documents its type. Most types are about no token."""
    kind = _kind(record)
    if kind is None:
        details = record.get("details")
        return any(name in record or (isinstance(details, dict) and name in details) for name in _OF_NO_TYPE)
    return kind in DOCUMENTED


def scanned(record: Record) -> LogText | None:
    """All that an event says that is not streamed: its file is a log."""
    return None if "event_type" in record else whole_record(record, record.get("created_at"))


def _kind(record: Record) -> str | None:
    found = record.get("event_type") or record.get("event_name") or find(record, "details.event_name")
    return found if isinstance(found, str) else None


def job_token(job: str) -> str:
    """The credential id of a job's token."""
    return f"{gitlab_job(job)}/token"


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The event in one audit event; none if it is about no token, or the request failed.

    Raises:
        BadRecordError: a field that such an event has is missing or wrong.
    """
    kind = _kind(record)
    if kind == _USED:
        return [_use(record, kind, now)]
    if kind is None or (kind not in _ISSUED and kind not in _REVOKED):
        return []
    kind = kind.replace("group_deploy", "deploy")
    if (maybe_text(record, "details.custom_message") or "").startswith(_FAILED):
        return []
    return [_lifecycle(record, kind, now)]


def _use(record: Record, kind: str, now: int) -> CredentialUsed:
    """A use of a job's token, which the event names by the job. It does not say what the token was used for."""
    job = maybe_text(record, "target_id") or text(record, "target_details")
    return CredentialUsed(
        time=time(record, "created_at", now),
        source=_SOURCE,
        id=text(record, "id"),
        identifier=Identifier(JOB_TOKEN, job),
        action=kind,
        resource=maybe_text(record, "entity_path"),
        source_ip=maybe_text(record, "ip_address"),
    )


def _lifecycle(record: Record, kind: str, now: int) -> CanonicalEvent:
    at, event_id = time(record, "created_at", now), text(record, "id")
    identifier = _token(record, kind)
    if kind in _REVOKED:
        return CredentialRevoked(time=at, source=_SOURCE, id=f"{event_id}/revoked", identifier=identifier)
    name = "deploy-token" if identifier.scheme == DEPLOY_TOKEN else "token"
    return CredentialIssued(
        time=at,
        source=_SOURCE,
        id=f"{event_id}/issued",
        credential_id=f"gitlab/{name}/{identifier.value}",
        task_id=_owner(record, kind),
        identifiers=(identifier,),
        kind=f"gitlab-{'access-' if name == 'token' else ''}{name}",
        revocation=_revocation(record, kind, identifier.value),
        unjoined=_STANDING,
    )


def _token(record: Record, kind: str) -> Identifier:
    """The token that an event is about."""
    if not kind.startswith("personal_"):
        scheme = DEPLOY_TOKEN if kind.startswith("deploy_") else ACCESS_TOKEN
        return Identifier(scheme, _target(record))
    message = text(record, "details.custom_message")
    match = _MESSAGE.match(message)
    if match is None:
        raise bad(WRONG_FIELD, "details.custom_message", "it does not say which token")
    return Identifier(ACCESS_TOKEN, match[1])


def _target(record: Record) -> str:
    return first_text(record, "target_id", "details.target_id") or text(record, "target_id")


def _owner(record: Record, kind: str) -> str:
    """The task of a token: its owner, which no job's end ends."""
    if kind.startswith("personal_"):
        return f"gitlab/user/{_target(record)}"
    path = first_text(record, "entity_path", "details.entity_path", "entity_id")
    if path is None:
        raise bad(MISSING_FIELD, "entity_path")
    return f"gitlab/{text(record, 'entity_type').lower()}/{path}"


def _revocation(record: Record, kind: str, token: str) -> dict[str, Any]:
    fields = {
        "provider": "gitlab",
        "method": "revoke-token",
        "token_kind": kind.rsplit("_", 1)[0],
        "token_id": token,
    }
    if kind.startswith("personal_"):
        return fields
    place = {name: maybe_text(record, name) for name in ("entity_type", "entity_id")}
    return fields | {name: value for name, value in place.items() if value is not None}

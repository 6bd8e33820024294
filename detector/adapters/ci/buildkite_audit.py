"""Buildkite's audit log: tokens of agents and of the API, created and ended.

An audit event comes alone or in pages from the REST API ("Audit events API": `type` is `ClusterTokenCreatedEvent`),
or in EventBridge's `Audit Event Logged` ("Amazon EventBridge": `CLUSTER_TOKEN_CREATED`). The types are those of
"Audit log", "Logged events". The subject of such an event is the token, and its UUID is what agents' events call the
token.
"""

from typing import Final

import re2

from detector.adapters.adapter import Record
from detector.adapters.fields import find, maybe_text, text, time
from detector.values.events import CanonicalEvent, CredentialIssued, CredentialRevoked, Identifier

TOKEN: Final = "buildkite-token-id"  # noqa: S105 - the scheme of an identifier
_TYPE: Final = re2.compile(
    r"(agent|cluster|clusterqueue|apiaccess|registry|portal)token"
    r"(?:(created)|deleted|revoked|organizationaccessrevoked)"
)
_KINDS: Final = {"apiaccess": "api", "registry": "registry", "portal": "portal"}
_ORGANIZATION: Final = re2.compile(r"/organizations/([^/]+)/")
_MOST: Final = 2048  # characters of a type or an address
_UNJOINED: Final = "a token of Buildkite names no job; let jobs use OIDC tokens, or agents that run one job"


def looks_like(record: Record) -> bool:
    """Whether an object is an audit event of the REST API."""
    address = record.get("url")
    return (
        isinstance(address, str)
        and "buildkite.com" in address
        and "/audit_events/" in address
        and isinstance(record.get("type"), str)
    )


def translate(record: Record, organization: str | None, now: int) -> list[CanonicalEvent]:
    """What an audit event tells of a token; nothing if it is about another thing.

    Raises:
        BadRecordError: a field that such a record has is missing or wrong.
    """
    kind = text(record, "type")
    match = (
        _TYPE.fullmatch(kind.replace("_", "").lower().removesuffix("event")) if len(kind) < _MOST else None
    )
    if match is None:
        return []
    token = maybe_text(record, "subject.uuid") or text(record, "subject_uuid")
    when, event_id = time(record, "occurred_at", now), text(record, "uuid")
    if match[2] is None:
        gone = Identifier(TOKEN, token)
        return [CredentialRevoked(time=when, source="buildkite", id=f"{event_id}/revoked", identifier=gone)]
    of = _KINDS.get(match[1], "agent")
    return [
        CredentialIssued(
            time=when,
            source="buildkite",
            id=f"{event_id}/issued",
            credential_id=f"buildkite/token/{token}",
            task_id=f"buildkite/token/{token}",
            identifiers=(Identifier(TOKEN, token),),
            kind=f"buildkite-{of}-token",
            revocation={
                "provider": "buildkite",
                "method": f"delete-{of}-token",
                "token_id": token,
                "organization": organization,
            },
            unjoined=_UNJOINED,
        )
    ]


def organization_of(record: Record) -> str | None:
    """The slug of the organisation that an audit event of the REST API is from."""
    address = find(record, "url")
    match = _ORGANIZATION.search(address[:_MOST]) if isinstance(address, str) else None
    return None if match is None else match[1]

"""Azure DevOps' audit log: what was done with personal access tokens, and runs' uses of service connections.

Records have the fields of `DecoratedAuditLogEntry` (learn.microsoft.com, "Audit Log - Query"), or as a stream to
Azure Monitor writes them those of the table `AzureDevOpsAuditing`, whose names begin with capitals. The mechanism of
a request made with a token is `PAT_Unscoped authorizationId: GUID`. The API that creates tokens calls them by the
same id ("Pats"). The log itself does not say which id a token that was created, expired or revoked (`Token.Pat…`)
has.
"""

from typing import Any, Final

import re2

from detector.adapters.adapter import Record
from detector.adapters.fields import UUID, text, time
from detector.values.events import CanonicalEvent, CredentialUsed, Identifier

TOKEN: Final = "azure-devops-authorization-id"  # noqa: S105 - the scheme of an identifier
CONNECTION: Final = "azure-devops-connection-id"
MARKS: Final = (b'"authenticationMechanism"', b'"AuthenticationMechanism"')
_EXECUTED: Final = "Library.ServiceConnectionExecuted"
_AUTHORIZED: Final = re2.compile(f"authorizationId: ?((?i:{UUID}))")
_MOST: Final = 512  # characters of a mechanism
_AREAS: Final = frozenset(
    {"AdvancedSecurity", "Artifacts", "AuditLog", "Billing", "CheckConfiguration", "CheckSuite", "Extension"}
    | {"Git", "Group", "Library"}
    | {"Licensing", "Organization", "OrganizationPolicy", "Pipelines", "Policy", "Process", "Project"}
    | {"Release", "Security", "Token"}
)


def looks_like(record: Record) -> bool:
    """Whether an object is a record of the audit log, in either form."""
    if isinstance(record.get("actionId"), str):
        return "authenticationMechanism" in record and "scopeType" in record
    return (
        isinstance(record.get("OperationName"), str)
        and "AuthenticationMechanism" in record
        and "ScopeType" in record
    )


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The use of the token that a request was made with, and of the service connection that a run used.

    Raises:
        BadRecordError: a field that such a record has is missing or wrong.
    """
    mechanism = _text(record, "authenticationMechanism") or ""
    match = _AUTHORIZED.search(mechanism[:_MOST])
    events: list[CanonicalEvent] = []
    if match is not None:
        by = Identifier(TOKEN, match[1].lower())
        events.append(_used(record, by, "token", _text(record, "projectName"), now))
    data = _get(record, "data")
    connection = (
        _text(data, "connectionId") if _action(record) == _EXECUTED and isinstance(data, dict) else None
    )
    if connection is not None:
        by = Identifier(CONNECTION, connection.lower())
        events.append(_used(record, by, "connection", _text(data, "connectionName"), now))
    return events


def area(record: Record) -> str | None:
    """The area of the action, if it is one that Microsoft documents."""
    named = _action(record).partition(".")[0]
    return named if named in _AREAS else None


def _action(record: Record) -> str:
    return str(record["actionId"] if "actionId" in record else record["OperationName"])


def _get(record: Record, name: str) -> Any:
    """A field by its name in the API; in the table it begins with a capital."""
    return record.get(name, record.get(name[0].upper() + name[1:]))


def _text(record: Record, name: str) -> str | None:
    value = _get(record, name)
    return value if isinstance(value, str) and value else None


def _used(record: Record, by: Identifier, part: str, resource: str | None, now: int) -> CredentialUsed:
    path = "timestamp" if "timestamp" in record else "TimeGenerated"
    return CredentialUsed(
        time=time(record, path, now),
        source="azure-devops",
        id=f"{text(record, 'id' if 'id' in record else 'Id')}/{part}",
        identifier=by,
        action=_action(record),
        resource=resource,
        source_ip=_text(record, "ipAddress"),
        user_agent=_text(record, "userAgent"),
    )

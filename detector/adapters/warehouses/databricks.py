"""Databricks' audit log: personal access tokens, what was done with them and by service principals, and runs of jobs.

One object is an event as Databricks delivers it to a bucket (`serviceName`, `actionName`, `requestParams`), or a row of
`system.access.audit` (`service_name`, `action_name`, `request_params`): docs.databricks.com, "Audit log reference" and
"Audit log system table reference". `generateDbToken` and `revokeDbToken` name a token by `tokenHash`, `tokenLogin` by
`tokenId`. No document says that these are one value: where they differ, no use is joined, and none wrongly.

A service principal stands in `userIdentity.email` by its application id. All its calls name it, and no token.
"""

import re  # over one bounded name
from collections.abc import Iterator
from typing import Final

from detector.adapters.adapter import Adapter, Record
from detector.adapters.fields import UUID, maybe_text, text, time
from detector.adapters.task_runs import TaskRun
from detector.records.log_records import LogText, whole_record
from detector.records.record_ids import record_id
from detector.records.timestamps import log_time
from detector.values.events import (
    DENIED,
    SUCCESS,
    CanonicalEvent,
    CredentialIssued,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
)

TOKEN: Final = "databricks-token-id"  # noqa: S105 - the scheme of an identifier
PRINCIPAL: Final = "databricks-service-principal"
_MARKS: Final = (b'"actionName"', b'"action_name"')
_APPLICATION: Final = re.compile(UUID)
_TIMES: Final = ("timestamp", "event_time", "eventTime")
# Names of fields as Databricks delivers them to a bucket, and in the system table.
_NAMES: Final = {
    "serviceName": "service_name",
    "actionName": "action_name",
    "eventId": "event_id",
    "requestId": "request_id",
    "requestParams": "request_params",
    "userIdentity": "user_identity",
    "userAgent": "user_agent",
    "sourceIPAddress": "source_ip_address",
    "workspaceId": "workspace_id",
}
_REFUSED: Final = (401, 403)
_FAILED: Final = 400  # the lowest HTTP status of a request that failed
_DONE, _DIGITS = 200, 3  # where no status is told, and of one
_ENDED: Final = {"runSucceeded": "succeeded", "runFailed": "failed"}
_SERVICES: Final = frozenset(
    {"RFA", "accountBillableUsage", "accounts", "accountsAccessControl", "accountsManager", "agentFramework"}
    | {"aibiGenie", "alerts", "apps", "billing", "brickstoreHttpGateway", "budgetPolicyCentral"}
    | {
        "capsule8-alerts-dataplane",
        "clamAVScan-dataplane",
        "cleanRooms",
        "cloudStorageMetadata",
        "clusterLibraries",
    }
    | {"clusterPolicies", "clusters", "dashboards", "dataClassification", "dataMonitoring", "dataRooms"}
    | {
        "databrickssql",
        "dbfs",
        "deltaPipelines",
        "deltaSharing",
        "featureStore",
        "files",
        "filesystem",
        "genie",
    }
    | {"gitCredentials", "globalInitScripts", "groups", "iamRole", "ingestion", "instancePools", "jobs"}
    | {"lakeviewConfig", "lineageTracking", "logDelivery", "marketplaceConsumer", "marketplaceProvider"}
    | {"mlflowAcledArtifact", "mlflowExperiment", "modelRegistry", "notebook", "oauth2", "onlineTables"}
    | {"partnerHub", "predictiveOptimization", "remoteHistoryService", "repos", "secrets"}
    | {
        "serverlessRealTimeInference",
        "servicePrincipalCredentials",
        "settings",
        "sqlPermissions",
        "sqlanalytics",
    }
    | {
        "ssh",
        "ssoConfigBackend",
        "unityCatalog",
        "vectorSearch",
        "webTerminal",
        "webhookNotifications",
        "workspace",
    }
    | {"workspaceFiles"}
)
_UNJOINED: Final = (
    "a token of Databricks names no task; let jobs sign in by their OIDC tokens, or register it for its task"
)


def looks_like(record: Record) -> bool:
    """Whether an object is an event of the audit log."""
    return any(
        isinstance(record.get(service), str)
        and isinstance(record.get(action), str)
        and any(name in record for name in others)
        for service, action, others in (
            ("serviceName", "actionName", ("userIdentity", "requestParams", "auditLevel", "response")),
            ("service_name", "action_name", ("user_identity", "request_params", "audit_level", "response")),
        )
    )


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The use that an event reports, and what it says of a token or of a run.

    Raises:
        BadRecordError: a field that such an event has is missing or wrong.
    """
    service, action = text(record, _name(record, "serviceName")), text(record, _name(record, "actionName"))
    events = [*_used(record, service, action, now)]
    if _status(record) < _FAILED:
        if service == "accounts":
            events += _token(record, action, now)
        elif service == "jobs":
            events += _run(record, action, now)
    return events


def _name(record: Record, name: str) -> str:
    return name if name in record else _NAMES[name]


def _get(record: Record, name: str, inner: str = "") -> str | None:
    path = _name(record, name)
    return maybe_text(record, f"{path}.{inner}" if inner else path)


def _param(record: Record, name: str) -> str | None:
    return _get(record, "requestParams", name)


def _status(record: Record) -> int:
    code = maybe_text(record, "response.statusCode") or maybe_text(record, "response.status_code") or ""
    return int(code) if len(code) == _DIGITS and code.isascii() and code.isdecimal() else _DONE


def _time(record: Record, now: int) -> int:
    return time(record, next((name for name in _TIMES if name in record), _TIMES[0]), now)


def _workspace(record: Record) -> str:
    return _get(record, "workspaceId") or "0"


def _source(record: Record) -> str:
    return f"databricks/{_workspace(record)}"


def _id(record: Record, action: str) -> str:
    """A request and its answer may be two events with one id: they are one call."""
    request = _get(record, "requestId")
    return _get(record, "eventId") or (f"{request}/{action}" if request else record_id(record))


def _used(record: Record, service: str, action: str, now: int) -> Iterator[CanonicalEvent]:
    identifier = _caller(record, action)
    if identifier is None:
        return
    yield CredentialUsed(
        time=_time(record, now),
        source=_source(record),
        id=_id(record, action),
        identifier=identifier,
        action=f"{service}.{action}",
        resource=_param(record, "full_name_arg"),
        outcome=DENIED if _status(record) in _REFUSED else SUCCESS,
        source_ip=_get(record, "sourceIPAddress"),
        user_agent=_get(record, "userAgent"),
    )


def _caller(record: Record, action: str) -> Identifier | None:
    """The credential of a call: the token of a login, else the service principal; none of a person."""
    token = _param(record, "tokenId") if action == "tokenLogin" else None
    if token is not None:
        return Identifier(TOKEN, token)
    name = _get(record, "userIdentity", "email")
    return Identifier(PRINCIPAL, name) if name is not None and _APPLICATION.fullmatch(name) else None


def _token(record: Record, action: str, now: int) -> Iterator[CanonicalEvent]:
    """A token that was made or revoked; nothing if the event does not name it."""
    name = _param(record, "tokenHash") or _param(record, "tokenId")
    if name is None or action not in ("generateDbToken", "revokeDbToken"):
        return
    identifier, at, event_id = Identifier(TOKEN, name), _time(record, now), _id(record, action)
    if action == "revokeDbToken":
        yield CredentialRevoked(
            time=at, source=_source(record), id=f"{event_id}/revoked", identifier=identifier
        )
        return
    user = _get(record, "userIdentity", "email") or "unknown"
    until = log_time(_param(record, "tokenExpirationTime"))
    yield CredentialIssued(
        time=at,
        source=_source(record),
        id=f"{event_id}/issued",
        credential_id=f"databricks/token/{name}",
        task_id=f"databricks/user/{user}",
        identifiers=(identifier,),
        kind="databricks-token",
        expires_at=until if until is not None and until > at else None,
        revocation={
            "provider": "databricks",
            "method": "delete-token",
            "token": name,
            "user": user,
            "workspace": _workspace(record),
        },
        unjoined=_UNJOINED,
    )


def _run(record: Record, action: str, now: int) -> list[CanonicalEvent]:
    """The start or the end of a run. The runs of a job's tasks are below the run of the job."""
    starts = action == "runStart"
    run = _param(record, "runId") if starts or action in _ENDED else None
    if run is None:
        return []
    workspace, at = _workspace(record), _time(record, now)
    parent, job = _param(record, "multitaskParentRunId"), _param(record, "jobId")
    return TaskRun(
        source=_source(record),
        task_id=f"databricks/{workspace}/{run}",
        kind="databricks-run",
        started=at if starts else None,
        ended=None if starts else at,
        outcome=_ENDED.get(action),
        owner=_get(record, "userIdentity", "email"),
        workload=_param(record, "taskKey"),
        parent=f"databricks/{workspace}/{parent}" if parent not in (None, "", run) else None,
        group=f"databricks:{workspace}/{job}" if job else None,
    ).events()


def scanned(record: Record, _now: int) -> LogText:
    """All that an event says: parameters of requests may hold secrets."""
    return whole_record(record, next((record[name] for name in _TIMES if name in record), None))


def _kind(record: Record) -> str | None:
    """The service, if it is one that Databricks documents."""
    service = record.get(_name(record, "serviceName"))
    return service if isinstance(service, str) and service in _SERVICES else None


ADAPTER: Final = Adapter(
    "databricks",
    _MARKS,
    looks_like,
    translate,
    text=scanned,
    kind=_kind,
    type_at=("serviceName", "actionName", "service_name", "action_name"),
)

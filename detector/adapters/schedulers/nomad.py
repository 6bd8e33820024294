"""Nomad: allocations and their tasks, tokens of its ACLs, and what was done with these.

Events are those of `/v1/event/stream` (developer.hashicorp.com, "Events API"; the structs are in Nomad's source,
`nomad/structs`): `{"Index": …, "Events": [{"Topic": "Allocation", "Payload": {"Allocation": {…}}, …}]}`. An event has
no time of its own, so the objects' times count. An allocation has begun with its first task, and ended with its last.
A workload identity names both (`nomad_allocation_id`, `nomad_task`).

The audit log is Nomad Enterprise's ("Audit Logging", `OperationComplete`).
"""

from collections.abc import Iterator
from typing import Any, Final

from detector.adapters.adapter import Adapter, Record
from detector.adapters.fields import find, maybe_text, maybe_time, text, time
from detector.adapters.pages import pages_of
from detector.adapters.task_runs import TaskRun
from detector.records.log_records import LogText, whole_record
from detector.values.events import (
    DENIED,
    SUCCESS,
    CanonicalEvent,
    CredentialIssued,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
)

ACCESSOR: Final = "nomad-accessor"
_MARKS: Final = (b'"FilterKeys"', b'"OperationComplete"', b'"OperationReceived"')
_TOPICS: Final = frozenset(
    {
        "ACLAuthMethod",
        "ACLBindingRule",
        "ACLPolicy",
        "ACLRole",
        "ACLToken",
        "CSIPlugin",
        "CSIVolume",
        "Deployment",
    }
    | {"Evaluation", "HostVolume", "Job", "Node", "NodeDrain", "NodePool", "Operator", "Service", "Variable"}
)
_STAGES: Final = frozenset({"OperationReceived", "OperationComplete"})
_ENDED: Final = {"complete": "succeeded", "failed": "failed", "lost": "failed"}
_NEVER: Final = "0001-01-01T00:00:00Z"  # Go's zero time
_TOKEN: Final = "/v1/acl/token/"  # noqa: S105 - an endpoint
_REFUSED: Final = frozenset({"401", "403"})
_MOST: Final = 1000  # tasks of an allocation
_UNJOINED: Final = "a token of Nomad names no job; let jobs use their workload identity"


def _is_event(record: Record) -> bool:
    return (
        isinstance(record.get("Topic"), str)
        and isinstance(record.get("Payload"), dict)
        and "FilterKeys" in record
    )


def _is_audit(record: Record) -> bool:
    stage = find(record, "payload.stage")
    return isinstance(stage, str) and stage in _STAGES and isinstance(find(record, "payload.request"), dict)


def looks_like(record: Record) -> bool:
    """Whether an object is an event of the stream, or an entry of the audit log."""
    return _is_event(record) or _is_audit(record)


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The starts and ends in an allocation, the issue of a token, or its use.

    Raises:
        BadRecordError: a field that such a record has is missing or wrong.
    """
    if _is_audit(record):
        return list(_audited(record, now)) if find(record, "payload.stage") == "OperationComplete" else []
    allocation, token = find(record, "Payload.Allocation"), find(record, "Payload.ACLToken")
    if record["Topic"] == "Allocation" and isinstance(allocation, dict):
        late = find(record, "Payload.Timeout") is True
        return [event for run in _runs(allocation, now, late=late) for event in run.events()]
    if record.get("Type") == "ACLTokenUpserted" and isinstance(token, dict):
        return [_issued(token, now)]
    return []


def _runs(allocation: dict[str, Any], now: int, *, late: bool) -> Iterator[TaskRun]:
    """The allocation, and each of its tasks that has begun."""
    name, node = f"nomad/{text(allocation, 'ID')}", maybe_text(allocation, "NodeName")
    states = allocation.get("TaskStates")
    begun = [
        (task, state, started)
        for task, state in list(states.items() if isinstance(states, dict) else ())[:_MOST]
        if isinstance(state, dict) and (started := _time(state, "StartedAt", now)) is not None
    ]
    ends = [end for _, state, _ in begun if (end := _time(state, "FinishedAt", now)) is not None]
    status = maybe_text(allocation, "ClientStatus") or ""
    over = (
        (max(ends) if ends else time(allocation, "ModifyTime", now)) if status in _ENDED and begun else None
    )
    stopped = allocation.get("DesiredStatus") == "stop" and status == "complete"
    yield TaskRun(
        source="nomad",
        task_id=name,
        kind="nomad-allocation",
        started=min((started for _, _, started in begun), default=None),
        ended=over,
        outcome="timed_out" if late else "cancelled" if stopped else _ENDED.get(status),
        workload=node,
    )
    for task, state, started in begun:
        end = _time(state, "FinishedAt", now) if state.get("State") == "dead" else None
        yield TaskRun(
            source="nomad",
            task_id=f"{name}/{task}",
            kind="nomad-task",
            started=started,
            ended=end or over,  # of an allocation that is lost nobody tells the tasks' ends
            outcome="timed_out" if late else "failed" if state.get("Failed") or end is None else "succeeded",
            workload=node,
            parent=name,
        )


def _time(state: dict[str, Any], name: str, now: int) -> int | None:
    return None if state.get(name) == _NEVER else maybe_time(state, name, now)


def _issued(token: dict[str, Any], now: int) -> CredentialIssued:
    """A token that was created, or changed: the first event of it counts."""
    accessor = text(token, "AccessorID")
    return CredentialIssued(
        time=time(token, "CreateTime", now),
        source="nomad",
        id=f"token/{accessor}/{maybe_text(token, 'ModifyIndex') or ''}",
        credential_id=f"nomad/token/{accessor}",
        task_id=f"nomad/token/{accessor}",
        identifiers=(Identifier(ACCESSOR, accessor),),
        kind="nomad-acl-token",
        expires_at=maybe_time(token, "ExpirationTime"),
        revocation={"provider": "nomad", "method": "delete-token", "accessor": accessor},
        unjoined=_UNJOINED,
    )


def _audited(record: Record, now: int) -> Iterator[CanonicalEvent]:
    """The use of a token, and the end of the token that it deleted."""
    when, name = time(record, "payload.timestamp", now), text(record, "payload.id")
    status = maybe_text(record, "payload.response.status_code") or ""
    action, endpoint = text(record, "payload.request.operation"), text(record, "payload.request.endpoint")
    accessor = maybe_text(record, "payload.auth.accessor_id")
    if accessor is not None:
        yield CredentialUsed(
            time=when,
            source="nomad",
            id=f"{name}/used",
            identifier=Identifier(ACCESSOR, accessor),
            action=action,
            resource=endpoint,
            outcome=DENIED if status in _REFUSED else SUCCESS,
            source_ip=maybe_text(record, "payload.request.request_meta.remote_address"),
            user_agent=maybe_text(record, "payload.request.request_meta.user_agent"),
        )
    if action == "DELETE" and endpoint.startswith(_TOKEN) and status.startswith("2"):
        gone = Identifier(ACCESSOR, endpoint.removeprefix(_TOKEN).partition("?")[0])
        yield CredentialRevoked(time=when, source="nomad", id=f"{name}/revoked", identifier=gone)


def scanned(record: Record, _now: int) -> LogText:
    """All that a record says: jobs and messages of tasks may hold secrets."""
    return whole_record(record, find(record, "payload.timestamp"))


def _kind(record: Record) -> str | None:
    """The topic of an event that gives none, if it is one that Nomad has."""
    if _is_audit(record):
        return "audit"
    if record["Topic"] == "Allocation":
        return "unstarted allocation"
    return record["Topic"] if record["Topic"] in _TOPICS else None


ADAPTER: Final = Adapter(
    "nomad", _MARKS, looks_like, translate, text=scanned, kind=_kind, type_at=("Topic", "Type")
)
CARRIERS: Final = (pages_of("nomad", _MARKS, _is_event, "Events"),)

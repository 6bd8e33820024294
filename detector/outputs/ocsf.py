"""A finding as an OCSF 1.8 Detection Finding (class 2004).

Attribute names, types and requirements are those of the OCSF schema at 1.8.0; what it has no place for stands
under `unmapped` and under `data` of evidences and resources. Times are epoch milliseconds, rounded down.
Absent values are left out.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from detector import __version__
from detector.judge.rules.catalog import RULES
from detector.judge.rules.titles import Patterns
from detector.outputs.advice import advise
from detector.outputs.public_identifiers import keeping_public_ids, public_identifier_records
from detector.values.events import TYPE_NAMES, AnyEvent, CredentialUsed, Leak, LimitedRecord
from detector.values.findings import (
    LEAKED_SECRET,
    Activity,
    Confidence,
    Evidence,
    Finding,
    FindingChange,
    Severity,
    TaskFacts,
)
from detector.values.networks import split_port
from detector.values.times import to_millis
from detector.values.wording import Clean, cleanly, visible

VERSION: Final = "1.8.0"
CLASS_UID: Final = 2004
Record = dict[str, Any]
CREATE, UPDATE, CLOSE = 1, 2, 3
_ACTIVITY_IDS: Final[dict[Activity, int]] = {"created": CREATE, "updated": UPDATE, "closed": CLOSE}
_ACTIVITIES: Final = {CREATE: "Create", UPDATE: "Update", CLOSE: "Close"}
_NEW, _SUPPRESSED, _RESOLVED = 1, 3, 4
_STATUSES: Final = {_NEW: "New", _SUPPRESSED: "Suppressed", _RESOLVED: "Resolved"}
_RULE_TYPE: Final = 1  # analytic.type_id: Rule
_REGULAR_FILE: Final = 1  # file.type_id
_TARGET, _ACTOR, _AFFECTED = (1, "Target"), (2, "Actor"), (3, "Affected")  # resource_details.role_id
_RELATED: Final = (4, "Related")
_MAX_NAME: Final = 256  # characters of an id or name
_MAX_PROOF: Final = 1024
_METADATA: Final = {
    "version": VERSION,
    "product": {"name": "curfewd", "vendor_name": "curfewd", "version": __version__},
}
_HEADS: Final[dict[int, Record]] = {
    activity: {
        "activity_id": activity,
        "activity_name": name,
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": CLASS_UID,
        "class_name": "Detection Finding",
        "type_uid": CLASS_UID * 100 + activity,
        "type_name": f"Detection Finding: {name}",
    }
    for activity, name in _ACTIVITIES.items()
}
ACTIVITY_FIELDS: Final = ("activity_id", "activity_name", "type_uid", "type_name")
"""The fields that tell a new finding from an updated one: the rest of both records is the same."""
_LASTING: Final = {name: value for name, value in _HEADS[CREATE].items() if name not in ACTIVITY_FIELDS}
_TOGETHER: Final = 16  # pieces of evidence whose texts are cleaned as one: no more than one finding has


def _present(record: Mapping[str, Any]) -> Record:
    return {key: value for key, value in record.items() if value is not None and (value or value == 0)}


def _time(time: int | None) -> int | None:
    return None if time is None else to_millis(time)


def finding_record(finding: Finding, patterns: Patterns, clean: Clean, activity: int = CREATE) -> Record:
    """The OCSF record of a finding.

    `patterns` by id give a leaked secret's name and advice; `clean` masks secrets in what came from events;
    `activity` is `CREATE`, `UPDATE` or `CLOSE`.
    """
    return cleanly(lambda each: finding_record_with(finding, patterns, each, activity), clean)


def change_record(change: FindingChange, patterns: Patterns, clean: Clean) -> Record:
    """The OCSF record of what became of a finding."""
    return finding_record(change.finding, patterns, clean, _ACTIVITY_IDS[change.activity])


def activity_fields(activity: int) -> Record:
    """The `ACTIVITY_FIELDS` with their values."""
    return {name: _HEADS[activity][name] for name in ACTIVITY_FIELDS}


def finding_records(findings: Iterable[Finding], patterns: Patterns, clean: Clean) -> Iterator[Record]:
    """The records of many new findings. The texts of several are cleaned as one."""
    some: list[Finding] = []
    size = 0

    def made() -> list[Record]:
        return cleanly(lambda each: [finding_record_with(one, patterns, each) for one in some], clean)

    for finding in findings:
        some.append(finding)
        size += len(finding.evidences)
        if size >= _TOGETHER:
            yield from made()
            some, size = [], 0
    if some:
        yield from made()


@lru_cache(maxsize=64)
def _classified(rule: str) -> tuple[list[Any], Record]:
    """A rule's entries in the taxonomies. All records share these objects."""
    classification = RULES[rule].classification
    return classification.attacks(), classification.taxonomies()


def finding_record_with(finding: Finding, patterns: Patterns, clean: Clean, activity: int = CREATE) -> Record:
    """As `finding_record`, each text cleaned on its own."""
    return _HEADS[activity] | _body(finding, patterns, clean, _status(finding, activity))


def lasting_record_with(finding: Finding, patterns: Patterns, clean: Clean) -> Record:
    """The same of a finding that is not closed, without the `ACTIVITY_FIELDS`."""
    return _LASTING | _body(finding, patterns, clean, _status(finding, CREATE))


def _body(finding: Finding, patterns: Patterns, clean: Clean, status: int) -> Record:
    """What is not the same in the records of all findings."""
    identifiers = finding.credential.identifiers if finding.credential else ()
    clean = keeping_public_ids(identifiers, clean)
    words = advise(finding, patterns, clean)
    resources = _resources(finding, clean)
    return {
        "time": to_millis(finding.last_seen),
        "severity_id": int(finding.severity),
        "severity": finding.severity.label.capitalize(),
        **_confidence(finding),
        "status_id": status,
        "status": _STATUSES[status],
        # Findings that are accepted, closed or low wake nobody.
        "is_alert": status == _NEW and finding.severity > Severity.LOW,
        "count": finding.count,
        "message": words.message,
        "metadata": _METADATA,
        "finding_info": {
            "uid": finding.uid,
            "title": words.title,
            "analytic": {"uid": finding.rule, "name": finding.rule, "type_id": _RULE_TYPE, "type": "Rule"},
            "first_seen_time": to_millis(finding.first_seen),
            "last_seen_time": to_millis(finding.last_seen),
            "attacks": _classified(finding.rule)[0],
        },
        "remediation": {"desc": words.remediation},
        "evidences": [_evidence(piece, finding, clean) for piece in finding.evidences],
        **({"resources": resources} if resources else {}),
        "unmapped": _unmapped(finding, clean),
    }


def _confidence(finding: Finding) -> Record:
    """How sure it is that an unregistered secret is one, if only its name says so."""
    found = finding.confidence if finding.rule == LEAKED_SECRET else None
    return {} if found is None else {"confidence_id": int(found), "confidence": found.label.capitalize()}


def _status(finding: Finding, activity: int) -> int:
    if activity == CLOSE:
        return _RESOLVED
    if finding.accepted is not None:
        return _SUPPRESSED
    return _NEW if finding.resolution is None else _RESOLVED


def _resolution(finding: Finding, clean: Clean) -> Record | None:
    """What proved the credential dead, if that resolves the finding."""
    found = finding.resolution
    if found is None:
        return None
    return _present(
        {
            "command_id": found.command_id,
            "outcome": found.outcome,
            "time": to_millis(found.time),
            "target": _text(found.target, clean),
            "proof": _text(found.proof, clean, _MAX_PROOF),
            "detail": _text(found.detail, clean, _MAX_PROOF),
        }
    )


def _unmapped(finding: Finding, clean: Clean) -> Record:
    credential = finding.credential
    task_id, candidates = _task_id(finding), finding.candidates
    named: Record = {}
    if candidates is not None:
        named = {
            "candidate_task_ids": [clean(one) for one in candidates.task_ids],
            "candidate_count": candidates.count,
        }
    return named | _present(
        {
            "task_id": clean(task_id) if task_id else None,
            "candidate_kind": _text(candidates.kind, clean) if candidates is not None else None,
            "credential_id": clean(credential.credential_id) if credential else None,
            "fingerprint": finding.fingerprint if finding.rule == LEAKED_SECRET else None,
            "patterns": [visible(one) for one in finding.patterns],
            "names": [_text(one, clean) for one in finding.names] if finding.rule == LEAKED_SECRET else None,
            "accepted": visible(clean(finding.accepted)) if finding.accepted else None,
            "resolution": _resolution(finding, clean),
            "taxonomies": _classified(finding.rule)[1],
        }
    )


def _task_id(finding: Finding) -> str | None:
    """The task that a finding is about. For an unregistered secret, the task whose log shows it first."""
    if finding.task is not None:
        return finding.task.task_id
    if finding.credential is not None:
        return finding.credential.task_id
    leaks = (piece.event for piece in finding.evidences if isinstance(piece.event, Leak))
    return next((leak.task_id for leak in leaks if leak.task_id), None)


def _text(text: str | None, clean: Clean, limit: int = _MAX_NAME) -> str | None:
    return visible(clean(text), limit) if text else None


def _evidence(piece: Evidence, finding: Finding, clean: Clean) -> Record:
    event = piece.event
    name, source = _text(event.id, clean), _text(event.source, clean)
    made: Record = {"uid": name}
    data: Record = {
        "source": source,
        "id": name,
        "type": _type(event),
        "time": to_millis(piece.time),
        "severity": piece.severity.label,
        "detail": _text(piece.detail, clean),
    }
    session: Record = {}
    if finding.credential is not None:
        session["credential_uid"] = _text(finding.credential.credential_id, clean)
    if type(event) is CredentialUsed:
        made |= _use(event, clean)
        session["uid"] = _text(event.task_id, clean)
        data |= {
            "outcome": event.outcome,
            "task_id": session["uid"],
            "workload": _text(event.workload, clean),
        }
        made["actor"] = _present({"app_name": data["workload"], "session": _present(session)})
    elif type(event) is Leak or type(event) is LimitedRecord:
        task_id = session["uid"] = _text(event.task_id, clean)
        data |= _leak(event, task_id, clean) if type(event) is Leak else _limited(event, task_id, clean)
        made["actor"] = _present({"session": _present(session)})
        if event.line is not None and event.source != "-":
            made["file"] = {
                "name": _text(_name(event), clean),
                "path": source,
                "type_id": _REGULAR_FILE,
            }
    else:
        made["actor"] = _present({"session": _present(session)})
    made["data"] = _present(data)
    return _present(made)


def _name(leak: Leak | LimitedRecord) -> str:
    """The name of the file that it stands in."""
    return leak.source.rpartition("/")[2] or leak.source


def _type(event: AnyEvent) -> str:
    return TYPE_NAMES.get(type(event), "log")


def _use(event: CredentialUsed, clean: Clean) -> Record:
    resource, agent = _text(event.resource, clean), _text(event.user_agent, clean)
    return {
        "api": {"operation": _text(event.action, clean)} if event.action else None,
        "src_endpoint": _endpoint(event.source_ip, clean),
        "http_request": {"user_agent": agent} if agent else None,
        "resources": [{"name": resource, "role_id": _TARGET[0], "role": _TARGET[1]}] if resource else None,
    }


def _endpoint(address: str | None, clean: Clean) -> Record | None:
    """An address as `ip`, with its port. Audit logs may have the name of a service instead: `svc_name`."""
    if not address:
        return None
    text, port = split_port(address)
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return {"svc_name": _text(address, clean)}
    # An IPv6 zone (`%eth0`) may be any text. OCSF's ip_t does not have it.
    return _present({"ip": str(ip).partition("%")[0], "port": port})


def _leak(event: Leak, task_id: str | None, clean: Clean) -> Record:
    return {
        "line": event.line,
        "offset": event.offset,
        "partition": event.partition,
        "stream": _text(event.stream, clean),
        "task_id": task_id,
        "time_origin": event.time_origin,
        "pattern": event.pattern,
        "name": _text(event.name, clean),
        "confidence": None if event.confidence is None else Confidence(event.confidence).label,
        "encodings": list(event.encodings),
        "excerpt": _text(event.excerpt, clean, 1024),
    }


def _limited(event: LimitedRecord, task_id: str | None, clean: Clean) -> Record:
    return {
        "line": event.line,
        "offset": event.offset,
        "partition": event.partition,
        "stream": _text(event.stream, clean),
        "task_id": task_id,
        "reason": event.reason,
        "size": event.size,
        "records": event.records,
    }


def _resources(finding: Finding, clean: Clean) -> list[Record]:
    made = []
    task = finding.task
    if task is None and finding.credential is not None and finding.candidates is None:
        task = TaskFacts(finding.credential.task_id or "")
    if task is not None:
        made.append(_task(task, clean))
    if finding.candidates is not None:
        made += [_task(each, clean, _RELATED) for each in finding.candidates.tasks]
    if finding.credential is not None:
        made.append(_credential(finding, clean))
    return made


def _task(task: TaskFacts, clean: Clean, role: tuple[int, str] = _ACTOR) -> Record:
    owner, name = _text(task.owner, clean), _text(task.task_id, clean)
    return _present(
        {
            "uid": name,
            "name": name,
            "type": "task",
            "role_id": role[0],
            "role": role[1],
            "owner": {"name": owner} if owner else None,
            "created_time": _time(task.started),
            "data": _present(
                {
                    "kind": _text(task.kind, clean),
                    "workload": _text(task.workload, clean),
                    "parent_task_id": _text(task.parent_task_id, clean),
                    "started_time": _time(task.started),
                    "ended_time": _time(task.ended),
                    "deadline_time": _time(task.deadline),
                    "outcome": _text(task.outcome, clean),
                    "lease_lapsed": task.lapsed or None,
                }
            ),
        }
    )


def _credential(finding: Finding, clean: Clean) -> Record:
    credential = finding.credential
    if credential is None:
        return {}
    name, issued = _text(credential.credential_id, clean), _time(credential.issued)
    return _present(
        {
            "uid": name,
            "name": name,
            "type": "credential",
            "role_id": _AFFECTED[0],
            "role": _AFFECTED[1],
            "created_time": issued,
            "data": _present(
                {
                    "kind": _text(credential.kind, clean),
                    "identifiers": public_identifier_records(credential.identifiers, clean),
                    "issued_time": issued,
                    "not_before_time": _time(credential.not_before),
                    "expires_time": _time(credential.expires_at),
                    "revoked_time": _time(credential.revoked),
                }
            ),
        }
    )

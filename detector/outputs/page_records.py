"""Findings and commands as the pages in `detector.pages` show them: small JSON objects made from the output records.

They are made of the OCSF record and the CloudEvent, whose texts are cleaned and visible already, so a page can show
nothing that an output may not. Times are epoch milliseconds. What is not known is left out.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from detector.judge.rules.catalog import RULES
from detector.judge.rules.classification import Classification, Technique
from detector.outputs.advice import handle_of
from detector.values.times import parse_rfc3339, to_millis
from detector.values.wording import one_of, visible

PageRecord = dict[str, Any]

_STATUSES: Final = {1: "new", 3: "accepted", 4: "resolved"}
_CLOSE: Final = 3  # activity_id
_EXCERPT: Final = 400  # characters of a log record that a page shows around its secret
_NAMED: Final = 3  # candidates that the name of a row names
_TAXONOMIES: Final = (
    ("OWASP NHI 2025", "owasp_nhi_2025"),
    ("OWASP Agentic 2026", "owasp_agentic_2026"),
    ("CSA MAESTRO", "maestro"),
    ("NIST AI RMF", "nist_ai_rmf"),
)


def _present(record: PageRecord) -> PageRecord:
    return {key: value for key, value in record.items() if value is not None and value not in ("", [], {})}


def page_finding(record: Mapping[str, Any]) -> PageRecord:
    """A finding for a page, made from its OCSF record (`detector.outputs.ocsf.finding_record`)."""
    info, unmapped = record["finding_info"], record["unmapped"]
    resources = {one["type"]: one for one in record.get("resources", ())}
    candidates = [_task(one, unmapped) for one in record.get("resources", ()) if one["type"] == "task"]
    return _present(
        {
            "uid": info["uid"],
            "rule": info["analytic"]["uid"],
            "severity": record["severity"].lower(),
            "status": "closed" if record["activity_id"] == _CLOSE else _STATUSES[record["status_id"]],
            "accepted": unmapped.get("accepted"),
            "title": info["title"],
            "message": record["message"],
            "advice": record["remediation"]["desc"],
            "count": record["count"],
            "first": info["first_seen_time"],
            "last": info["last_seen_time"],
            "task": _candidates(candidates, unmapped)
            if "candidate_count" in unmapped
            else _task(resources.get("task"), unmapped),
            "credential": _credential(resources.get("credential"), unmapped),
            "fingerprint": unmapped.get("fingerprint"),
            "patterns": unmapped.get("patterns"),
            "names": unmapped.get("names"),
            "confidence": record["confidence"].lower() if "confidence" in record else None,
            "resolution": unmapped.get("resolution"),
            "evidence": [_evidence(one) for one in record["evidences"]],
        }
    )


def _task(resource: Mapping[str, Any] | None, unmapped: Mapping[str, Any]) -> PageRecord | None:
    """The task. For an unregistered secret, the id of the task whose log shows it."""
    if resource is None:
        return {"id": unmapped["task_id"]} if "task_id" in unmapped else None
    data = resource.get("data", {})
    return _present(
        {
            "id": resource.get("uid", ""),
            "kind": data.get("kind"),
            "owner": resource.get("owner", {}).get("name"),
            "workload": data.get("workload"),
            "parent": data.get("parent_task_id"),
            "started": data.get("started_time"),
            "ended": data.get("ended_time"),
            "deadline": data.get("deadline_time"),
            "outcome": data.get("outcome"),
            "lapsed": data.get("lease_lapsed"),
        }
    )


def _whose(record: Mapping[str, Any]) -> str | None:
    """The task of a credential; if only candidates are known, words and their first ids, which tell sets apart."""
    if "candidate_count" not in record:
        return record.get("task_id")
    ids, count = record["candidate_task_ids"], record["candidate_count"]
    words = one_of(count, record.get("candidate_kind"), ids[0] if ids else None)
    shown = ", ".join(ids[:_NAMED]) + (", …" if count > _NAMED else "")
    return f"{words}: {shown}" if count > 1 else words


def _candidates(tasks: list[PageRecord | None], unmapped: Mapping[str, Any]) -> PageRecord:
    """The candidates as one task, which runs from the first start to the last end."""
    known = [task for task in tasks if task is not None]
    ended = [task["ended"] for task in known if "ended" in task]
    return _present(
        {
            "id": _whose(unmapped),
            "kind": unmapped.get("candidate_kind"),
            "started": min((task["started"] for task in known if "started" in task), default=None),
            "ended": max(ended) if known and len(ended) == unmapped["candidate_count"] else None,
            "candidates": known,
        }
    )


def _credential(resource: Mapping[str, Any] | None, unmapped: Mapping[str, Any]) -> PageRecord | None:
    if resource is None:
        return None
    data = resource.get("data", {})
    return _present(
        {
            "id": resource.get("uid", ""),
            "task": _whose(unmapped),
            "kind": data.get("kind"),
            "identifiers": [f"{one['scheme']} {one['value']}" for one in data.get("identifiers", ())],
            "issued": data.get("issued_time"),
            "not_before": data.get("not_before_time"),
            "expires": data.get("expires_time"),
            "revoked": data.get("revoked_time"),
        }
    )


def _evidence(evidence: Mapping[str, Any]) -> PageRecord:
    data = evidence["data"]
    endpoint = evidence.get("src_endpoint", {})
    excerpt = data.get("excerpt")
    return _present(
        {
            **{
                name: data.get(name)
                for name in ("time", "type", "severity", "source", "id", "detail", "outcome", "workload")
            },
            "task": data.get("task_id"),
            "action": evidence.get("api", {}).get("operation"),
            "resource": next((one["name"] for one in evidence.get("resources", ())), None),
            "address": endpoint.get("ip") or endpoint.get("svc_name"),
            "agent": evidence.get("http_request", {}).get("user_agent"),
            **{name: data.get(name) for name in ("line", "offset", "partition", "stream")},
            "encodings": data.get("encodings"),
            "excerpt": _around_mask(excerpt) if excerpt else None,
        }
    )


def _around_mask(text: str) -> str:
    """The text around its first masked secret, if it is long."""
    text = text.strip()
    if len(text) <= _EXCERPT:
        return text
    start = max(0, min(text.find("‹") - _EXCERPT // 2, len(text) - _EXCERPT))
    end = start + _EXCERPT
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")


def page_command(record: Mapping[str, Any]) -> PageRecord:
    """A command for a page, made from its CloudEvent (`detector.outputs.commands.command_record`)."""
    data = record["data"]
    revocation = data.get("revocation")
    return _present(
        {
            "id": record["id"],
            "credential": visible(data["credential_id"]),
            "task": visible(_whose(data) or ""),
            "time": to_millis(parse_rfc3339(record["time"])),
            "escalated": data["escalated"],
            "severity": data["severity"],
            "reasons": data["reasons"],
            "findings": data["finding_uids"],
            "handle": handle_of(revocation, visible)
            if isinstance(revocation, Mapping) and revocation
            else None,
        }
    )


def rule_references(rules: Iterable[str]) -> dict[str, list[list[str]]]:
    """For each rule its entries in the taxonomies: [taxonomy, id, name]."""
    return {rule: _references(RULES[rule].classification) for rule in rules}


def _references(classification: Classification) -> list[list[str]]:
    named = classification.taxonomies()
    return [
        *(_technique("MITRE ATT&CK", one) for one in classification.attack),
        *(_technique("MITRE ATLAS", one) for one in classification.atlas),
        *([label, one["id"], one["name"]] for label, key in _TAXONOMIES for one in named[key]),
    ]


def _technique(label: str, technique: Technique) -> list[str]:
    name = f"{technique.name}: {technique.sub_name}" if technique.sub_name else technique.name
    return [label, technique.finest, name]

"""A finding's OCSF record holds what the contract says, only attributes of OCSF 1.8, and no secret."""

import json
from typing import Any

import msgspec
import pytest

from detector.judge.rules.catalog import RULES
from detector.outputs.ocsf import CLOSE, UPDATE, finding_record, finding_records
from detector.outputs.writers import dumps
from detector.values.events import CredentialUsed, Identifier, Leak
from detector.values.findings import (
    LEAKED_CREDENTIAL,
    LEAKED_SECRET,
    MAX_EVIDENCES,
    OVERDUE_TASK,
    UNUSED_GRANT,
    USE_AFTER_TERMINATION,
    Evidence,
    Finding,
    Severity,
)
from tests.outputs import finding_samples as made

# Attributes of the schema at 1.8.0 (dictionary.json, events/findings/detection_finding.json and objects/*.json)
# that a record may have: name -> type, `!` where the schema requires it. A tuple is an array of the object.
SCHEMA: dict[str, dict[str, Any]] = {
    "detection_finding": {
        "activity_id!": int,
        "activity_name": str,
        "category_uid!": int,
        "category_name": str,
        "class_uid!": int,
        "class_name": str,
        "type_uid!": int,
        "type_name": str,
        "time!": int,
        "severity_id!": int,
        "severity": str,
        "status_id": int,
        "status": str,
        "is_alert": bool,
        "count": int,
        "message": str,
        "metadata!": "metadata",
        "finding_info!": "finding_info",
        "remediation": "remediation",
        "evidences": ("evidences",),
        "resources": ("resource_details",),
        "unmapped": dict,
    },
    "metadata": {"version!": str, "product!": "product", "uid": str},
    "product": {"name": str, "vendor_name": str, "version": str},
    "finding_info": {
        "uid!": str,
        "title": str,
        "analytic": "analytic",
        "first_seen_time": int,
        "last_seen_time": int,
        "attacks": ("attack",),
    },
    "analytic": {"uid": str, "name": str, "type_id!": int, "type": str},
    "attack": {"tactic": "entity", "technique": "entity", "sub_technique": "entity", "version": str},
    "entity": {"uid": str, "name": str},
    "remediation": {"desc!": str},
    "evidences": {
        "uid": str,
        "actor": "actor",
        "api": "api",
        "src_endpoint": "network_endpoint",
        "http_request": "http_request",
        "file": "file",
        "resources": ("resource_details",),
        "data": dict,
    },
    "actor": {"app_name": str, "session": "session"},
    "session": {"uid": str, "credential_uid": str},
    "api": {"operation!": str},
    "network_endpoint": {"ip": str, "svc_name": str},
    "http_request": {"user_agent": str},
    "file": {"name!": str, "path": str, "type_id!": int},
    "resource_details": {
        "uid": str,
        "name": str,
        "type": str,
        "role_id": int,
        "role": str,
        "owner": "user",
        "created_time": int,
        "data": dict,
    },
    "user": {"name": str},
}
# Objects of which the schema wants at least one attribute of a list.
AT_LEAST_ONE = {
    "actor": {"session", "app_name"},
    "attack": {"tactic", "technique", "sub_technique"},
    "evidences": {"actor", "api", "data", "file", "resources", "src_endpoint"},
    "network_endpoint": {"ip", "svc_name"},
    "user": {"name"},
}
ENUMS: dict[str, set[Any]] = {
    "activity_id": {1, 2, 3},
    "severity_id": {2, 3, 4, 5},
    "status_id": {1, 3, 4},
    "role_id": {1, 2, 3, 4},
    "role": {"Target", "Actor", "Affected", "Related"},
    "status": {"New", "Suppressed", "Resolved"},
    "severity": {"Low", "Medium", "High", "Critical"},
    "type_id": {1},
}


def mistakes(record: Any, name: str, path: str = "") -> list[str]:
    """What is wrong with `record` as an OCSF object called `name`."""
    fields = {key.rstrip("!"): kind for key, kind in SCHEMA[name].items()}
    required = {key[:-1] for key in SCHEMA[name] if key.endswith("!")}
    found = [f"{path}: no {key}" for key in required - set(record)]
    if name in AT_LEAST_ONE and not AT_LEAST_ONE[name] & set(record):
        found.append(f"{path}: none of {AT_LEAST_ONE[name]}")
    for key, value in record.items():
        where = f"{path}.{key}"
        kind = fields.get(key)
        if kind is None:
            found.append(f"{where}: not in OCSF 1.8")
        elif value is None:
            found.append(f"{where}: null")
        elif isinstance(kind, str):
            found += mistakes(value, kind, where)
        elif isinstance(kind, tuple):
            found += [one for item in value for one in mistakes(item, kind[0], where)]
        elif type(value) is not kind:
            found.append(f"{where}: {type(value).__name__}")
        if key in ENUMS and value not in ENUMS[key]:
            found.append(f"{where}: {value}")
    return found


def record_of(finding: Finding, **options: Any) -> dict[str, Any]:
    return finding_record(finding, made.PATTERNS, options.pop("clean", made.untouched), **options)


@pytest.mark.parametrize("rule", RULES)
def test_every_rules_record_is_ocsf(rule: str) -> None:
    assert mistakes(record_of(made.finding(rule)), "detection_finding") == []


def test_the_checker_itself_sees_mistakes() -> None:
    record = record_of(made.finding(OVERDUE_TASK))
    del record["time"]
    record["severity_id"] = "high"
    record["finding_info"]["ai_agent"] = {}  # arrives in 1.9
    assert len(mistakes(record, "detection_finding")) == 4  # missing, type, enum, unknown


def test_the_numbers_of_the_contract() -> None:
    finding = made.finding(USE_AFTER_TERMINATION, count=3, last_seen=made.USED + 1_999_999)
    record = record_of(finding)
    assert (record["class_uid"], record["category_uid"], record["type_uid"]) == (2004, 2, 200401)
    assert record["metadata"]["version"] == "1.8.0"
    info = record["finding_info"]
    assert info["uid"] == finding.uid
    assert info["analytic"]["uid"] == "use-after-termination"
    assert info["first_seen_time"] == made.USED // 1_000_000
    assert record["time"] == info["last_seen_time"] == made.USED // 1_000_000 + 1  # rounded down
    assert record["count"] == 3
    assert (record["severity_id"], record["severity"]) == (5, "Critical")
    assert (record["status_id"], record["status"], record["is_alert"]) == (1, "New", True)


def test_updated_closed_and_accepted() -> None:
    finding = made.finding(USE_AFTER_TERMINATION)
    assert record_of(finding, activity=UPDATE)["type_uid"] == 200402
    closed = record_of(finding, activity=CLOSE)
    assert (closed["type_uid"], closed["status_id"], closed["is_alert"]) == (200403, 4, False)
    accepted = record_of(made.finding(USE_AFTER_TERMINATION, accepted="a drill"))
    assert (accepted["status_id"], accepted["is_alert"]) == (3, False)
    assert accepted["unmapped"]["accepted"] == "a drill"


def test_low_severity_is_on_record_but_no_alert() -> None:
    assert record_of(made.finding(UNUSED_GRANT, severity=Severity.LOW))["is_alert"] is False


def test_a_use_as_evidence() -> None:
    piece = record_of(made.finding(USE_AFTER_TERMINATION))["evidences"][0]
    assert piece["api"] == {"operation": "sign"}
    assert piece["src_endpoint"] == {"ip": "203.0.113.9"}
    assert piece["resources"][0]["name"] == "artifact/app-1.2"
    assert piece["actor"] == {"app_name": "laptop", "session": {"credential_uid": "cred-7"}}
    assert piece["http_request"] == {"user_agent": "curl/8"}
    assert piece["data"]["source"] == "audit"
    assert piece["data"]["id"] == piece["uid"] == f"use-{made.USED}"
    assert (piece["data"]["time"], piece["data"]["outcome"]) == (made.USED // 1_000_000, "success")


def test_a_leak_as_evidence() -> None:
    piece = record_of(made.finding(LEAKED_CREDENTIAL))["evidences"][0]
    assert piece["file"] == {"name": "release-4711.log", "path": "logs/release-4711.log", "type_id": 1}
    data = piece["data"]
    assert (data["line"], data["encodings"], data["stream"]) == (214, ["base64"], "stdout")
    assert data["excerpt"] == "TOKEN=‹github-pat-classic:40› done"


def test_a_leak_on_kafka_has_a_partition_and_an_offset_and_no_file() -> None:
    event = made.leak(source="logs", line=None, partition=3, offset=1042)
    finding = made.finding(LEAKED_CREDENTIAL, evidences=(Evidence(event.time, event, Severity.CRITICAL),))
    piece = record_of(finding)["evidences"][0]
    assert "file" not in piece
    assert (piece["data"]["partition"], piece["data"]["offset"]) == (3, 1042)


def test_an_address_that_is_a_services_name_or_has_a_zone_or_a_port() -> None:
    def endpoint(address: str) -> Any:
        event = made.use(source_ip=address)
        finding = made.finding(
            USE_AFTER_TERMINATION, evidences=(Evidence(event.time, event, Severity.CRITICAL),)
        )
        return record_of(finding)["evidences"][0]["src_endpoint"]

    assert endpoint("s3.amazonaws.com") == {"svc_name": "s3.amazonaws.com"}
    assert endpoint("fe80::1%anything at all") == {"ip": "fe80::1"}
    assert endpoint("10.1.2.3:5555") == {"ip": "10.1.2.3", "port": 5555}
    assert endpoint("[2001:db8::1]:443") == {"ip": "2001:db8::1", "port": 443}
    assert endpoint("db.example:443") == {"svc_name": "db.example:443"}


def test_resources_tell_the_task_and_the_credential_with_public_identifiers_only() -> None:
    task, credential = record_of(made.finding(USE_AFTER_TERMINATION))["resources"]
    assert (task["type"], task["uid"], task["owner"]) == ("task", "release-4711", {"name": "release-team"})
    assert task["data"]["kind"] == "ci"
    assert task["data"]["ended_time"] == made.ENDED // 1_000_000
    assert (credential["type"], credential["uid"]) == ("credential", "cred-7")
    assert credential["data"]["identifiers"] == [{"scheme": "vault-accessor", "value": "acc-7"}]


@pytest.mark.parametrize("rule", RULES)
def test_no_fingerprint_of_a_registered_credential_is_written(rule: str) -> None:
    text = json.dumps(record_of(made.finding(rule)))
    assert made.HMAC.value not in text
    assert made.SHA.value not in text
    assert (made.leak().fingerprint in text) == (rule == LEAKED_SECRET)


def test_unmapped_of_a_leaked_secret() -> None:
    unmapped = record_of(made.finding(LEAKED_SECRET))["unmapped"]
    assert unmapped["fingerprint"] == "f" * 64
    assert unmapped["task_id"] == "release-4711"  # the task whose log shows it
    assert "credential_id" not in unmapped


SECRET = "ghp_hush"


def masking(text: str) -> str:
    return text.replace(SECRET, "‹github-pat-classic:8›")


def with_secret_in_every_text(finding: Finding) -> Finding:
    """Every free text of the finding, its events, task and credential holds the secret."""

    def spoil(value: Any) -> Any:
        if isinstance(value, msgspec.Struct):
            return msgspec.structs.replace(
                value, **{name: spoil_field(name, getattr(value, name)) for name in value.__struct_fields__}
            )
        if isinstance(value, tuple):
            return tuple(spoil(item) for item in value)
        if isinstance(value, dict):
            return {f"{key}-{SECRET}": spoil(item) for key, item in value.items()}
        return f"{value} {SECRET}" if isinstance(value, str) else value

    def spoil_field(name: str, value: Any) -> Any:
        # What this program itself makes is no free text.
        own = {"rule", "patterns", "pattern", "severity", "fingerprint", "encodings", "outcome"}
        return value if name in own and not isinstance(value, msgspec.Struct) else spoil(value)

    spoilt = spoil(finding)
    assert isinstance(spoilt, Finding)
    return spoilt


@pytest.mark.parametrize("rule", RULES)
def test_a_secret_in_any_field_of_an_event_is_masked(rule: str) -> None:
    record = record_of(with_secret_in_every_text(made.finding(rule, accepted="ok")), clean=masking)
    text = dumps(record).decode()
    assert SECRET not in text
    assert "‹github-pat-classic:8›" in text


ABOUT_CREDENTIALS = sorted(
    each.rule for each in made.all_rules() if each.credential is not None and each.rule != "scan-limited"
)


@pytest.mark.parametrize("count", [0, 1, 3, 25])
@pytest.mark.parametrize("rule", ABOUT_CREDENTIALS)
def test_candidates_stand_in_place_of_the_task(rule: str, count: int) -> None:
    record = record_of(made.of_candidates(rule, count))
    assert mistakes(record, "detection_finding") == []
    names = [f"build-{number}" for number in range(min(count, 20))]
    assert record["unmapped"]["candidate_task_ids"] == names
    assert record["unmapped"]["candidate_count"] == count
    assert "task_id" not in record["unmapped"]
    tasks = [one for one in record["resources"] if one["type"] == "task"]
    assert [(one["uid"], one["role"]) for one in tasks] == [(name, "Related") for name in names]
    said = {0: "of no known task", 1: "of task build-0, the only candidate,"}
    assert said.get(count, f"of one of {count} ci-job tasks") in record["message"]
    assert "None" not in dumps(record).decode()


@pytest.mark.parametrize("rule", ABOUT_CREDENTIALS)
def test_a_secret_in_any_text_of_a_candidate_is_masked(rule: str) -> None:
    spoiled = with_secret_in_every_text(made.of_candidates(rule, 3))
    assert spoiled.candidates is not None
    assert SECRET in spoiled.candidates.tasks[2].task_id
    assert SECRET not in dumps(record_of(spoiled, clean=masking)).decode()


def test_an_access_key_id_stays_legible_as_identifier_and_nothing_else_hides_behind_the_scheme() -> None:
    key_id = "AKIAIOSFODNN7EXAMPLE"

    def clean(text: str) -> str:
        return text.replace(key_id, "‹aws:20›").replace(SECRET, "‹x›")

    public = Identifier("aws-access-key-id", key_id)
    posing = Identifier("aws-access-key-id", SECRET)
    credential = msgspec.structs.replace(made.CREDENTIAL, credential_id=key_id, identifiers=(public, posing))
    record = record_of(made.finding(USE_AFTER_TERMINATION, credential=credential), clean=clean)
    assert record["unmapped"]["credential_id"] == key_id
    assert key_id in record["finding_info"]["title"]
    values = [one["value"] for one in record["resources"][1]["data"]["identifiers"]]
    assert values == [key_id, "‹x›"]


def test_long_and_unprintable_texts_are_cut_and_made_visible() -> None:
    event = made.use(action="x" * 100_000, resource="a\x1b[31m\u202eb\nc")
    finding = made.finding(USE_AFTER_TERMINATION, evidences=(Evidence(event.time, event, Severity.CRITICAL),))
    record = record_of(finding)
    assert len(json.dumps(record)) < 10_000
    assert record["evidences"][0]["resources"][0]["name"] == "a\\x1b[31m\\u202eb\\nc"


def test_cleaning_asks_once_for_a_finding_without_secrets() -> None:
    calls = []

    def clean(text: str) -> str:
        calls.append(text)
        return text

    pieces = tuple(
        Evidence(made.USED + n, made.use(made.USED + n, resource=f"r{n}"), Severity.CRITICAL)
        for n in range(MAX_EVIDENCES)
    )
    record_of(made.finding(USE_AFTER_TERMINATION, evidences=pieces), clean=clean)
    assert len(calls) == 1


def leaked(number: int, **fields: Any) -> Finding:
    """A finding about one of many secrets that nobody registered."""
    pieces = (Evidence(made.ISSUED, made.leak(made.ISSUED, id=str(number), **fields), Severity.HIGH),)
    return made.finding(LEAKED_SECRET, key=f"f{number}", fingerprint=f"f{number}", evidences=pieces)


def test_the_records_of_many_findings_are_those_of_each() -> None:
    calls = []

    def clean(text: str) -> str:
        calls.append(text)
        return masking(text)

    clear = [leaked(number, excerpt=f"step {number} ‹x:40›" + "-" * 100) for number in range(300)]
    dirty = [leaked(number, excerpt=f"{SECRET} {number}", task_id=f"t-{SECRET}") for number in range(20)]
    findings = [*clear[:100], *made.all_rules(), *clear[100:], *dirty, *made.all_rules()]
    records = list(finding_records(findings, made.PATTERNS, clean))
    assert records == [finding_record(one, made.PATTERNS, masking) for one in findings]
    assert SECRET not in dumps({"records": records}).decode()
    calls.clear()
    assert list(finding_records(clear, made.PATTERNS, clean))
    assert len(calls) < len(clear) / 10
    assert (
        max(map(len, calls)) < 10_000
    )  # what is decoded of one text is bounded, and the bound is for all of them


def test_the_samples_hold_the_two_kinds_of_evidence() -> None:
    kinds = {type(piece.event) for finding in made.all_rules() for piece in finding.evidences}
    assert {CredentialUsed, Leak} <= kinds

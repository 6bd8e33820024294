"""Sources that a configuration describes, from its text to events, and bundled ones with another task or grants."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from detector.configuration.settings import Settings, problems
from detector.ingest.mapped_adapter import configured_classifier
from detector.records.log_records import Read
from detector.values.events import (
    DENIED,
    SUCCESS,
    Binding,
    CredentialIssued,
    CredentialRenewed,
    CredentialRevoked,
    CredentialUsed,
    Grant,
    Identifier,
    TaskEnded,
    TaskStarted,
)
from detector.values.secrets import Secret, sha256_hex
from detector.values.times import HOUR, SECOND, parse_rfc3339
from tests.scenarios.telling import told

NOW = parse_rfc3339("2026-05-02T00:00:00Z")
AT = parse_rfc3339("2026-05-01T08:00:00Z")
ROBOTS = """
[[source]]
name = "robots"
match = [{ path = "schema", equals = "robots-1" }]
captures = [{ path = "actor", regex = "(?P<team>[a-z]+)/.*" }]

[[source.event]]
type = "task.started"
when = [{ path = "what", equals = "start" }]
time = "{at}"
id = "{id}"
source = "robots/{cell}"
task_id = "robot/{job}"
kind = "robot"
owner = "{team}"
workload = ["{host}", "cell {cell}"]
deadline = "{until}"

[[source.event]]
type = "task.ended"
when = [{ path = "what", glob = "end*" }]
time = "{at}"
id = "{id}"
task_id = "robot/{job}"
outcome = "{result}"
outcomes = { "ok*" = "succeeded", crash = "failed" }

[[source.event]]
type = "credential.issued"
when = [{ path = "what", equals = "badge" }]
time = "{at}"
id = "{id}"
credential_id = "badge/{badge.no}"
task_id = "robot/{job}"
identifiers = [{ scheme = "badge-no", value = "{badge.no}" }, { secret = "{badge.code}" }]
kind = "badge"
expires_in = "{badge.seconds}"
grants = [{ actions = ["{badge.doors}", "lobby"] }, { resources = ["hall"], when = [{ path = "vip", exists = true }] }]
bound_to = { workloads = ["{host}"] }
revocation = { provider = "robots", badge = "{badge.no}", never = "{badge.none}" }

[[source.event]]
type = "credential.used"
when = [{ path = "what", equals = "door" }]
time = "{at}"
id = "{id}"
identifier = { scheme = "badge-no", value = "{badge.no}" }
action = "open"
resource = "{door}"
outcome = "{result}"
outcomes = { no = "denied", "*" = "success" }
source_ip = "{ip}"

[[source.event]]
type = "credential.renewed"
when = [{ path = "what", equals = "again" }]
time = "{at}"
id = "{id}"
credential_id = "badge/{badge.no}"
expires_at = "{until}"

[[source.event]]
type = "credential.revoked"
when = [{ path = "what", equals = "end-badge" }]
time = "{at}"
id = "{id}"
credential_id = "badge/{badge.no}"
"""

Reader = Callable[..., list[Read]]


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., list[Read]]:
    def reader(configuration: str, *records: dict[str, Any]) -> list[Read]:
        path = tmp_path / "curfewd.toml"
        path.write_text(configuration)
        assert [str(problem) for problem in problems(str(path), {})] == []
        classifier = configured_classifier(Settings.load(str(path), {}).sources)
        lines = [json.dumps(record).encode() for record in records]
        assert all(classifier.may_hold_event(line) for line in lines)
        return [found for line in lines for found in classifier.read_object(line, NOW)]

    return reader


def robot(what: str, **fields: Any) -> dict[str, Any]:
    return {
        "schema": "robots-1",
        "what": what,
        "at": "2026-05-01T08:00:00Z",
        "id": 7,
        "job": "j1",
        "actor": "ops/ann",
        **fields,
    }


def test_a_task_starts_and_ends(read: Reader) -> None:
    started, ended = read(
        ROBOTS, robot("start", cell="c1", until="May 1, 2026, 9:00:00 AM"), robot("end", result="ok, slow")
    )
    assert (started.format, *started.events) == (
        "robots",
        TaskStarted(
            time=AT,
            source="robots/c1",
            id="7",
            task_id="robot/j1",
            kind="robot",
            owner="ops",
            workload="cell c1",
            deadline=AT + HOUR,
        ),
    )
    assert ended.events == (
        TaskEnded(time=AT, source="robots", id="7", task_id="robot/j1", outcome="succeeded"),
    )


def test_an_outcome_that_the_table_has_not_is_none(read: Reader) -> None:
    (ended,) = read(ROBOTS, robot("end", result="vanished"))
    assert ended.events == (TaskEnded(time=AT, source="robots", id="7", task_id="robot/j1"),)


def test_a_credential_is_issued_with_all_that_it_is_for(read: Reader) -> None:
    badge = {"no": "B1", "code": "made-up-code-1", "seconds": 90, "doors": ["north", "south"]}
    (issued,) = read(ROBOTS, robot("badge", badge=badge, host="arm-3"))
    assert issued.events == (
        CredentialIssued(
            time=AT,
            source="robots",
            id="7",
            credential_id="badge/B1",
            task_id="robot/j1",
            identifiers=(
                Identifier("badge-no", "B1"),
                Identifier("sha256", sha256_hex(Secret(b"made-up-code-1")), length=14),
            ),
            kind="badge",
            expires_at=AT + 90 * SECOND,
            grants=(Grant(actions=("north", "south", "lobby")),),
            bound_to=Binding(workloads=("arm-3",)),
            revocation={"provider": "robots", "badge": "B1"},
        ),
    )
    assert "made-up-code-1" not in repr(issued)
    (vip,) = read(ROBOTS, robot("badge", badge=badge, vip=1))
    assert isinstance(vip.events[0], CredentialIssued)
    assert vip.events[0].grants == (Grant(actions=("north", "south", "lobby")), Grant(resources=("hall",)))


@pytest.mark.parametrize(("result", "outcome"), [("no", DENIED), ("opened", SUCCESS), (None, SUCCESS)])
def test_a_use_is_allowed_or_denied(read: Reader, result: str | None, outcome: str) -> None:
    (used,) = read(ROBOTS, robot("door", badge={"no": "B1"}, door="north", result=result, ip="192.0.2.1"))
    assert used.events == (
        CredentialUsed(
            time=AT,
            source="robots",
            id="7",
            identifier=Identifier("badge-no", "B1"),
            action="open",
            resource="north",
            outcome=outcome,
            source_ip="192.0.2.1",
        ),
    )


def test_a_credential_is_renewed_and_revoked_and_two_events_of_a_record_have_two_ids(read: Reader) -> None:
    renewed, ended = read(
        ROBOTS,
        robot("again", badge={"no": "B1"}, until="2026-05-01T09:00:00Z"),
        robot("end-badge", badge={"no": "B1"}),
    )
    assert renewed.events == (
        CredentialRenewed(time=AT, source="robots", id="7", credential_id="badge/B1", expires_at=AT + HOUR),
    )
    assert ended.events == (
        TaskEnded(time=AT, source="robots", id="7", task_id="robot/j1"),
        CredentialRevoked(time=AT, source="robots", id="7/credential.revoked", credential_id="badge/B1"),
    )


def test_a_record_of_a_kind_that_no_event_is_for_is_unknown_and_one_of_another_source_a_log(
    read: Reader,
) -> None:
    unknown, other = read(ROBOTS, robot("sings"), {"schema": "x", "message": "m", "tags": ["robots-1"]})
    assert (unknown.unknown, unknown.events) == (True, ())
    assert other.log is not None


@pytest.mark.parametrize(
    ("record", "reason", "field"),
    [
        (robot("start", job=None), "missing-field", "job"),
        (robot("start", id=None), "missing-field", "id"),
        (robot("start", at=None), "missing-field", "at"),
        (robot("start", at="marker"), "bad-time", "at"),
        (robot("start", at="2026-05-02T00:10:01Z"), "future-time", "time"),
        (robot("start", until="marker"), "bad-time", "until"),
        (robot("badge", badge={"no": "B1"}), "missing-field", "badge.code"),
        (
            robot("badge", badge={"no": "B1", "code": "c", "seconds": "marker"}),
            "wrong-field",
            "badge.seconds",
        ),
        (robot("door", badge={}), "missing-field", "badge.no"),
        (robot("again", badge={"no": "B1"}), "missing-field", "until"),
    ],
)
def test_what_an_event_needs_and_the_record_lacks_is_named(
    read: Reader, record: dict[str, Any], reason: str, field: str
) -> None:
    (found,) = read(ROBOTS, record)
    assert found.error is not None
    assert (found.events, found.error.reason, found.error.field) == ((), reason, field)
    assert "marker" not in str(found.error)


def test_records_are_scanned_where_that_is_asked_for(read: Reader) -> None:
    record = robot("sings", words="la la")
    assert [found.log for found in read(ROBOTS, record)] == [None]
    (found,) = read(ROBOTS.replace('name = "robots"', 'name = "robots"\nscan = true'), record)
    assert found.unknown
    assert found.log is not None
    assert b"words=la la" in found.log.text


VAULT = {
    "time": "2026-05-01T08:00:00Z",
    "type": "response",
    "auth": {"token_type": "default"},
    "request": {"id": "r", "path": "auth/jwt/login", "mount_type": "jwt", "operation": "update"},
    "response": {
        "auth": {"accessor": "a", "client_token": "hmac-sha256:" + "0" * 64, "token_ttl": 60, "policies": ["default", "ci"], "metadata": {"alloc": "n-7"}}
    },
}  # fmt: skip


def issue_of(reads: list[Read]) -> CredentialIssued:
    (event,) = (event for each in reads for event in each.events)
    assert isinstance(event, CredentialIssued)
    return event


def test_a_bundled_source_takes_its_task_from_elsewhere(read: Reader) -> None:
    assert issue_of(read("", VAULT)).task_id == "vault/name/unknown/a"
    configured = '[sources.vault]\ntask_id = ["{response.auth.metadata.nothing}", "nomad/{response.auth.metadata.alloc}"]\n'
    assert issue_of(read(configured, VAULT)).task_id == "nomad/n-7"
    unfilled = '[sources.vault]\ntask_id = "{response.auth.metadata.nothing}"\n'
    assert issue_of(read(unfilled, VAULT)).task_id == "vault/name/unknown/a"


def test_a_bundled_source_takes_its_task_from_part_of_a_field(read: Reader) -> None:
    configured = """
[sources.vault]
captures = [{ path = "response.auth.metadata.alloc", regex = "n-(?P<number>[0-9]+)" }]
task_id = "node/{number}"
"""
    assert issue_of(read(configured, VAULT)).task_id == "node/7"


def test_what_a_policy_allows_is_told_by_the_configuration(read: Reader) -> None:
    configured = """
[sources.vault]
grants = [
  { when = [{ path = "response.auth.policies", contains = "ci" }], actions = ["read"], resources = ["secret/data/ci/*"] },
  { when = [{ path = "response.auth.policies", contains = "admin" }], resources = ["*"] },
]
"""
    assert issue_of(read(configured, VAULT)).grants == (Grant(("read",), ("secret/data/ci/*",)),)
    other = {**VAULT, "response": {"auth": {**VAULT["response"]["auth"], "policies": ["other"]}}}  # type: ignore[index]  # a dict of dicts
    assert issue_of(read(configured, other)).grants is None


def test_a_bundled_source_can_be_switched_off(read: Reader) -> None:
    (found,) = read(
        "[sources.vault]\nenabled = false\n[[source]]\nname = 'x'\nmatch = [{ path = 'mount_type', exists = true }]\nunwrap = 'x'\n",
        VAULT,
    )
    assert found.format == "json"


CARRIED = """
[[source]]
name = "vault-by-fluent-bit"
match = [{ path = "kubernetes.container_name", equals = "vault-audit" }]
unwrap = "log"
"""


def test_a_record_in_a_shippers_record_is_opened_where_the_configuration_says_so(read: Reader) -> None:
    for held in (VAULT, json.dumps(VAULT)):
        shipped = {"log": held, "kubernetes": {"container_name": "vault-audit"}}
        assert issue_of(read(CARRIED, shipped)).source == "vault"
    other = {"log": json.dumps(VAULT), "kubernetes": {"container_name": "vault-audit-x"}, "x": "vault-audit"}
    (found,) = read(CARRIED, other)
    assert (found.events, found.log is not None) == ((), True)
    (nothing,) = read(CARRIED, {"kubernetes": {"container_name": "vault-audit"}})
    assert nothing.error is not None
    assert nothing.error.field == "log"


def test_an_event_in_records_that_have_no_fields_but_a_logs_is_let_out_among_many(tmp_path: Path) -> None:
    """Such records are read many at once where nobody asked for them, in replay and live."""
    (tmp_path / "curfewd.toml").write_text(
        '[[source]]\nname = "tailed"\nmatch = [{ path = "stream", equals = "vault-audit" }]\nunwrap = "message"\n'
    )
    classifier = configured_classifier(Settings.load(str(tmp_path / "curfewd.toml"), {}).sources)
    line = {"message": json.dumps(VAULT), "time": "2026-05-01T08:00:00Z", "stream": "vault-audit"}
    other = {"message": "hello", "time": "2026-05-01T08:00:00Z", "stream": "stdout"}
    lines = "".join(json.dumps(record) + "\n" for record in [*[other] * 40, line, *[other] * 40])
    found = told(tmp_path / "in", {"logs.jsonl": lines}, classifier=classifier, declared=True)
    assert len(found.events) == 1
    assert found.result.summary.events == {"credential.issued": 1}


@pytest.mark.parametrize(
    ("configuration", "line", "words"),
    [
        ("[[source]]\nname = 'x'\n", "[[source]]", "needs match"),
        ("[[source]]\nname = 'x'\nmatch = [{ path = 'a', exists = true }]\n", "[[source]]", "either"),
        ("[[source]]\nname = 'vault'\nmatch = [{ path = 'a', exists = true }]\nunwrap = 'b'\n", "name", "another source"),
        ("[[source]]\nname = 'x'\nmatch = [{ path = 'a', exists = false }]\nunwrap = 'b'\n", "match", "at least one"),
        ("[[source]]\nname = 'x'\nmatch = 'a'\nunwrap = 'b'\n", "match = 'a'", "list of conditions"),
        (ROBOTS + "colour = 'red'\n", "colour", "no such key"),
        (ROBOTS.replace('"task.ended"', '"task.over"'), 'type = "task.over"', "needs a type"),
        (ROBOTS + "[[source.event]]\ntype = 'task.ended' # last\ntime = '{at}'", "[[source.event]]", "needs id and task_id"),
        (ROBOTS.replace("{badge.seconds}", "{badge..seconds}"), "expires_in", "expires_in"),
        (ROBOTS.replace('secret = "{badge.code}"', 'code = "x"'), "identifiers", "no such key"),
        (ROBOTS.replace('crash = "failed"', 'crash = "broken"'), "outcomes", "crash"),
        (ROBOTS.replace('identifier = { scheme = "badge-no", value = "{badge.no}" }\n', ""), "[[source.event]]", "credential_id or identifier"),
        (ROBOTS.replace('expires_at = "{until}"\n', ""), "[[source.event]]", "expires_at or expires_in"),
        ("[sources.vault]\ntask = 'x'\n", "task", "did you mean task_id"),
        ("[sources.vaults]\n", "[sources.vaults]", "did you mean vault"),
        ("[sources.vault]\ngrants = [{ when = [] }]\n", "grants", "actions, resources or both"),
    ],
)  # fmt: skip
def test_check_says_what_is_wrong_and_where(
    tmp_path: Path, configuration: str, line: str, words: str
) -> None:
    path = tmp_path / "curfewd.toml"
    path.write_text(configuration)
    (problem,) = problems(str(path), {})
    assert problem.line is not None
    assert configuration.splitlines()[problem.line - 1].startswith(line)
    assert words in str(problem)

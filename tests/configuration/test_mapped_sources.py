"""Sources that a configuration describes, from its text to events, and bundled ones with another task or grants."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from detector import cli
from detector.configuration.settings import Settings, problems
from detector.ingest.mapped_adapter import configured_classifier
from detector.records.log_records import Read
from detector.records.record_ids import is_record_id, record_id
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
    IssuedTo,
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


@pytest.mark.parametrize(
    ("result", "value"),
    [
        ("halted", "a text of 6 letters"),
        ("halted by ann", "a text of 13 characters"),
        (-17.5, "a number"),
        ("17", "a number"),
        (True, "true or false"),
        ("x", "a text of 1 letter"),
    ],
)
def test_an_outcome_that_no_glob_maps_is_a_dead_letter_without_the_value(
    read: Reader, result: Any, value: str
) -> None:
    (found,) = read(ROBOTS, robot("end", result=result))
    assert found.error is not None
    assert (found.events, found.error.reason, found.error.field) == ((), "wrong-field", "result")
    assert found.error.detail == f"no glob in `outcomes` matches it: {value}"
    plain = ROBOTS.replace('outcomes = { "ok*" = "succeeded", crash = "failed" }', "")
    (found,) = read(plain, robot("end", result=result))
    assert found.error is not None
    assert found.error.detail == f"it needs a table of `outcomes`: {value}"


@pytest.mark.parametrize(
    ("result", "what"),
    [({"code": 403}, "an object"), ({}, "an object"), (["denied"], "a list"), ([], "a list")],
)
@pytest.mark.parametrize("what_happened", ["end", "door"])
def test_an_outcome_that_is_no_text_is_a_dead_letter_and_no_success(
    read: Reader, what_happened: str, result: Any, what: str
) -> None:
    (found,) = read(ROBOTS, robot(what_happened, result=result, badge={"no": "b1"}))
    assert found.error is not None
    assert (found.events, found.error.reason, found.error.field) == ((), "wrong-field", "result")
    assert found.error.detail == f"{what}; an outcome is text, a number, true or false"


def test_an_outcome_takes_the_first_template_that_can_be_filled(read: Reader) -> None:
    several = ROBOTS.replace('outcome = "{result}"', 'outcome = ["{result}", "{result.code}"]')
    (found,) = read(several, robot("end", result={"code": "crash"}))
    assert found.events == (
        TaskEnded(time=AT, source="robots", id="7", task_id="robot/j1", outcome="failed"),
    )
    (found,) = read(several, robot("end", result={"code": ["crash"]}))
    assert found.error is not None
    assert found.error.detail.startswith("an object; ")
    (found,) = read(several, robot("end", result=None))
    assert found.events == (TaskEnded(time=AT, source="robots", id="7", task_id="robot/j1"),)


def test_a_record_without_an_outcome_ends_all_the_same(read: Reader) -> None:
    (found,) = read(ROBOTS, robot("end"))
    assert found.events == (TaskEnded(time=AT, source="robots", id="7", task_id="robot/j1"),)


LIFETIMES = """
[[source]]
name = "desk"
match = [{ path = "desk", exists = true }]

[[source.event]]
type = "credential.issued"
time = "{at}"
credential_id = "{desk}"
task_id = "{job}"
task_group = "{team}"
identifiers = [{ scheme = "desk", value = "{desk}" }]
expires_in = "{ttl}"
expires_in_unit = "UNIT"
issued_to = { source_ip = "{ip}", workload = ["{host}", "desk"] }
grants = [{ actions = ["{scope}", "do:{scope}", "all"], resources = ["{host}/*"], split = " " }]
bound_to = { source_ips = ["{ips}"], split = "," }
"""


def desk(**fields: Any) -> dict[str, Any]:
    return {"desk": "d1", "at": "2026-05-01T08:00:00Z", "job": "j1", **fields}


@pytest.mark.parametrize(
    ("ttl", "unit", "seconds"),
    [
        (1800, "s", 1800),
        ("1800", "s", 1800),
        ("30m", "s", 1800),
        ("30 min", "ms", 1800),
        ("0.5h", "s", 1800),
        ("PT30M", "s", 1800),
        ("P1DT2H", "s", 93_600),
        ("P1W", "s", 604_800),
        ("PT0,5H", "s", 1800),
        ("PT1.5S", "s", 1.5),
        ("1h30m", "s", 5400),
        ("768h0m0s", "s", 2_764_800),
        (30, "m", 1800),
        (1_800_000, "ms", 1800),
        ("2", "h", 7200),
        ("7", "d", 604_800),
        ("-1", "s", None),
        (0, "s", None),
        ("1e30", "s", None),
        (None, "s", None),
    ],
)
def test_how_long_a_credential_lives_is_written_in_many_ways(
    read: Reader, ttl: Any, unit: str, seconds: float | None
) -> None:
    found = issue_of(read(LIFETIMES.replace("UNIT", unit), desk(ttl=ttl)))
    assert found.expires_at == (None if seconds is None else AT + round(seconds * SECOND))


@pytest.mark.parametrize(
    "ttl", ["soon", "P1M", "P1Y", "PT", "P", "P1DT", "30 parsecs", "1h 30m x", "nan", "9" * 50]
)
def test_what_is_no_duration_is_a_dead_letter(read: Reader, ttl: str) -> None:
    (found,) = read(LIFETIMES.replace("UNIT", "s"), desk(ttl=ttl))
    assert found.error is not None
    assert (found.events, found.error.reason, found.error.field) == ((), "wrong-field", "ttl")
    assert re.fullmatch(
        "not a duration such as 90, 30m or PT30M: a (number|text of [0-9]+ .*)", found.error.detail
    )


def test_a_text_is_split_into_a_list(read: Reader) -> None:
    config = LIFETIMES.replace("UNIT", "s")
    found = issue_of(read(config, desk(scope="read  write", host="h", ips="10.0.0.0/8,192.0.2.1")))
    assert found.grants == (Grant(("read", "write", "do:read", "do:write", "all"), ("h/*",)),)
    assert found.bound_to == Binding(None, ("10.0.0.0/8", "192.0.2.1"))
    listed = issue_of(read(config, desk(scope=["read", "write all"])))
    assert listed.grants == (Grant(("read", "write all", "do:read", "do:write all", "all"), ()),)
    assert issue_of(read(config, desk())).grants == (Grant(("all",), ()),)


def test_an_issue_says_who_asked_and_may_name_the_group_of_its_task(read: Reader) -> None:
    config = LIFETIMES.replace("UNIT", "s")
    full = issue_of(read(config, desk(ip="192.0.2.7", host="h", team="t")))
    assert (full.task_id, full.task_group, full.issued_to) == ("j1", "t", IssuedTo("192.0.2.7", "h"))
    group = issue_of(read(config, desk(job=None, team="t")))
    assert (group.task_id, group.task_group, group.issued_to) == (None, "t", IssuedTo(None, "desk"))
    (neither,) = read(config, desk(job=None))
    assert neither.error is not None
    assert (neither.error.reason, neither.error.field) == ("missing-field", "job")


def test_a_start_names_its_group(read: Reader) -> None:
    config = ROBOTS.replace('kind = "robot"', 'group = "cell/{cell}"')
    (found,) = read(config, robot("start", cell="c1"))
    (started,) = found.events
    assert isinstance(started, TaskStarted)
    assert started.group == "cell/c1"


def test_records_without_an_id_have_one_of_their_content(read: Reader) -> None:
    config = LIFETIMES.replace("UNIT", "s")
    one, again, other = (
        issue_of(read(config, record)).id
        for record in (
            desk(extra={"a": 1, "b": [None]}),
            dict(reversed(desk(extra={"b": [None], "a": 1}).items())),
            desk(extra={"a": 1, "b": [0]}),
        )
    )
    assert one == again != other
    assert is_record_id(one)


def test_the_id_of_content_does_not_tell_a_guess_at_it(tmp_path: Path) -> None:
    """The hash of a record that holds a password of few letters is nowhere: only one under the deployment key."""
    config, records = tmp_path / "curfewd.toml", tmp_path / "desk.jsonl"
    config.write_text(
        LIFETIMES.replace("UNIT", "s") + "[[source.event]]\n"
        'type = "task.ended"\nwhen = [{ path = "over", exists = true }]\ntime = "{over}"\ntask_id = "{job}"\n'
    )
    record = desk(pin="1234", over="2026-05-01T09:00:00Z")
    records.write_text(json.dumps(record) + "\n" + json.dumps(record) + "\n")
    ids = {}
    for key in ("", "00" * 16, "01" * 16):
        out = tmp_path / f"out{key}"
        code = replayed(config, out, records, key=key)
        assert code == 0
        plain = record_id(record)
        findings = (out / "findings.jsonl").read_text()
        assert plain.partition(":")[2] not in findings
        ids[key] = set(re.findall("record:[0-9a-f]{32}", findings))
        events = json.loads((out / "summary.json").read_text())["events"]
        assert events == {"credential.issued": 1, "task.ended": 1}
    assert all(ids.values())
    assert len(set.union(*ids.values())) == sum(map(len, ids.values()))


def replayed(config: Path, out: Path, *paths: Path, key: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CURFEWD_KEY", key)
        return cli.main(["replay", "--config", str(config), "--out", str(out), *map(str, paths)])


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
        (
            ROBOTS.replace('"task.ended"', '"task.endd"'),
            'type = "task.endd"',
            "needs a type (did you mean task.ended?)",
        ),
        (ROBOTS + "[[source.event]]\ntype = 'task.ended' # last\ntime = '{at}'", "[[source.event]]", "needs task_id"),
        (ROBOTS.replace("{badge.seconds}", "{badge..seconds}"), "expires_in", "expires_in"),
        (ROBOTS.replace('secret = "{badge.code}"', 'code = "x"'), "identifiers", "no such key"),
        (ROBOTS.replace('crash = "failed"', 'crash = "broken"'), "outcomes", "crash"),
        (ROBOTS.replace('identifier = { scheme = "badge-no", value = "{badge.no}" }\n', ""), "[[source.event]]", "credential_id or identifier"),
        (ROBOTS.replace('expires_at = "{until}"\n', ""), "[[source.event]]", "expires_at or expires_in"),
        (LIFETIMES.replace("UNIT", "fortnight"), "expires_in_unit", "write one of"),
        (LIFETIMES.replace("UNIT", "s").replace('split = " "', 'split = ""'), "grants", "split: write the text"),
        (LIFETIMES.replace("UNIT", "s").replace('"{host}/*"', '"{host}/{job}"'), "grants", "has one path"),
        (LIFETIMES.replace("UNIT", "s").replace('source_ip = "{ip}"', 'address = "{ip}"'), "issued_to", "no such key"),
        (LIFETIMES.replace("UNIT", "s").replace('task_id = "{job}"', "").replace('task_group = "{team}"', ""), "[[source.event]]", "task_id or task_group"),
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

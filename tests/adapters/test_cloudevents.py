import base64
import json
from typing import Any

import pytest

from detector.adapters.cloudevents import decode, decode_binary
from detector.values.errors import BadRecordError
from detector.values.events import (
    Approval,
    Binding,
    CredentialIssued,
    CredentialRenewed,
    CredentialRevoked,
    CredentialUsed,
    Grant,
    Identifier,
    TaskEnded,
    TaskHeartbeat,
    TaskStarted,
)
from detector.values.times import DAY, MINUTE, SECOND, parse_rfc3339

TIME = "2026-03-01T12:00:00Z"
NOON = parse_rfc3339(TIME)
HMAC = "ab" * 32
USED = {"credential_id": "c", "action": "read"}


def event(kind: str, data: Any, **attributes: Any) -> bytes:
    whole = {"specversion": "1.0", "id": "1", "source": "ci", "type": kind, "time": TIME, "data": data}
    return json.dumps({**whole, **attributes}).encode()


def issued(**data: Any) -> bytes:
    base = {
        "credential_id": "c",
        "task_id": "t",
        "identifiers": [{"scheme": "hmac-sha256", "value": HMAC}],
    }
    return event("credential.issued", {**base, **data})


def error_of(raw: bytes, now: int = NOON) -> tuple[str, str | None]:
    with pytest.raises(BadRecordError) as caught:
        decode(raw, now)
    assert "marker" not in str(caught.value)  # what was read is never in the message
    return caught.value.reason, caught.value.field


def test_each_type_is_read_with_all_its_fields() -> None:
    at: dict[str, Any] = {"time": NOON, "source": "ci", "id": "1"}
    started = {
        "task_id": "t",
        "kind": "ci",
        "owner": "o",
        "workload": "w",
        "parent_task_id": "p",
        "deadline": TIME,
    }
    assert decode(event("task.started", started), NOON) == TaskStarted(**{**at, **started, "deadline": NOON})
    for lease, nanos in (("90s", 90 * SECOND), (0.5, SECOND // 2), (86400, DAY)):
        beat = decode(event("task.heartbeat", {"task_id": "t", "lease": lease}), NOON)
        assert beat == TaskHeartbeat(**at, task_id="t", lease=nanos)
    ended: dict[str, Any] = {"task_id": "t", "outcome": "timed_out"}
    assert decode(event("task.ended", ended), NOON) == TaskEnded(**at, **ended)
    renewed = {"credential_id": "c", "expires_at": TIME}
    assert decode(event("credential.renewed", renewed), NOON) == CredentialRenewed(
        **at, credential_id="c", expires_at=NOON
    )
    used = {
        "identifier": {"scheme": "jwt-id", "value": "j"}, "action": "a", "resource": "r", "outcome": "denied",
        "task_id": "t", "workload": "w", "source_ip": "192.0.2.1", "user_agent": "u",
    }  # fmt: skip
    assert decode(event("credential.used", used), NOON) == CredentialUsed(
        **{**at, **used, "identifier": Identifier("jwt-id", "j")}
    )
    revoked: dict[str, Any] = {"credential_id": "c"}
    assert decode(event("credential.revoked", revoked), NOON) == CredentialRevoked(**at, **revoked)


@pytest.mark.parametrize("lease", [0, -1, "0s", "marker", "", 86400.001, "25h", 1e300, None, True, ["90s"]])
def test_a_lease_is_a_duration_of_a_day_at_most(lease: object) -> None:
    reason, field = error_of(event("task.heartbeat", {"task_id": "t", "lease": lease}))
    assert (reason, field) == ("wrong-field", "data.lease")
    assert error_of(event("task.heartbeat", {"task_id": "t"})) == ("missing-field", "data.lease")


def test_an_issue_is_read_with_all_its_parts() -> None:
    raw = issued(
        kind="k",
        not_before=TIME,
        expires_at="9999-12-31T23:59:59Z",
        grants=[{"actions": ["get:*"]}, {"resources": []}],
        approval={"not_after": TIME},
        bound_to={"workloads": ["w*"], "source_ips": ["10.1.2.3/8", "2001:db8::/32"]},
        revocation={"method": "http", "huge": 10**30, "deep": [[[]]]},
        identifiers=[
            {
                "scheme": "hmac-sha256",
                "value": HMAC,
                "length": 40,
                "check": "0123abcd",
                "key_id": "k1",
                "folded": HMAC,
                "shape": "mixed",
            },
            {"scheme": "hmac-sha256", "value": HMAC, "shape": "of a later version"},
            {"scheme": "sha256", "value": base64.b64encode(bytes(range(32))).decode()},
        ],
    )
    read = decode(raw, NOON)
    assert isinstance(read, CredentialIssued)
    assert read.expires_at == parse_rfc3339("9999-12-31T23:59:59Z")
    assert read.grants == (Grant(("get:*",), None), Grant(None, ()))
    assert read.approval == Approval(None, NOON)
    assert read.bound_to == Binding(("w*",), ("10.1.2.3/8", "2001:db8::/32"))
    assert read.revocation == {"method": "http", "huge": 10**30, "deep": [[[]]]}
    assert read.identifiers == (
        Identifier("hmac-sha256", HMAC, 40, "0123abcd", "k1", HMAC, "mixed"),
        Identifier("hmac-sha256", HMAC),
        Identifier("sha256", bytes(range(32)).hex()),
    )


def test_null_and_empty_text_in_an_optional_field_are_no_field() -> None:
    plain = decode(event("credential.used", USED), NOON)
    bare = dict.fromkeys(["resource", "task_id", "workload", "source_ip", "identifier"])
    assert decode(event("credential.used", {**USED, **bare, "outcome": None}), NOON) == plain
    empty = dict.fromkeys(["resource", "task_id", "workload", "source_ip"], "")
    assert decode(event("credential.used", {**USED, **empty, "unheard_of": {"x": 1}}), NOON) == plain
    no_grants, all_denied = decode(issued(grants=None), NOON), decode(issued(grants=[]), NOON)
    assert isinstance(no_grants, CredentialIssued)
    assert isinstance(all_denied, CredentialIssued)
    assert (no_grants.grants, all_denied.grants) == (None, ())


@pytest.mark.parametrize(
    ("raw", "reason", "field"),
    [
        (b'{"specversion": "1.0", "id": "marker', "truncated-json", None),
        (b'{"specversion": "1.0", "id": marker}', "not-json", None),
        (event("task.ended", {"task_id": "t"}, id="\udcff").replace(b"\\udcff", b"\xff"), "not-utf8", None),
        (event("task.ended", {"task_id": "t"}, specversion="marker"), "wrong-field", "specversion"),
        (event("task.ended", {"task_id": "t"}, id=""), "wrong-field", "id"),
        (event("task.ended", {"task_id": "t"}, source=7), "wrong-field", "source"),
        (event("task.ended", {"task_id": "t"}, time="2026-03-01T12:00:00"), "wrong-field", "time"),
        (event("task.ended", {"task_id": "t"}, time="marker"), "wrong-field", "time"),
        (event("task.ended", {"task_id": "t"}, time=None), "missing-field", "time"),
        (event("task.ended", {}), "missing-field", "data.task_id"),
        (event("task.ended", None), "wrong-field", "data"),
        (event("task.ended", "marker"), "wrong-field", "data"),
        (event("task.ended", {"task_id": ""}), "wrong-field", "data.task_id"),
        (event("task.ended", {"task_id": "t", "outcome": "marker"}), "wrong-field", "data.outcome"),
        (event("task.started", {"task_id": "t", "deadline": "marker"}), "wrong-field", "data.deadline"),
        (event("credential.used", {"action": "a"}), "missing-field", "data.credential_id"),
        (event("credential.used", {**USED, "outcome": "marker"}), "wrong-field", "data.outcome"),
        (event("credential.used", {**USED, "source_ip": 7}), "wrong-field", "data.source_ip"),
        (event("credential.renewed", {"credential_id": "c"}), "missing-field", "data.expires_at"),
        (event("credential.revoked", {"credential_id": ""}), "missing-field", "data.credential_id"),
        (issued(identifiers=[]), "wrong-field", "data.identifiers"),
        (issued(identifiers=[{"scheme": "jwt-id"}]), "missing-field", "data.identifiers[0].value"),
        (
            issued(identifiers=[{"scheme": "jwt-id", "value": "a"}, {"scheme": "hmac-sha256", "value": HMAC.upper()}]),
            "wrong-field",
            "data.identifiers[1].value",
        ),
        (issued(identifiers=[{"scheme": "sha256", "value": "marker"}]), "wrong-field", "data.identifiers[0].value"),
        (
            issued(identifiers=[{"scheme": "hmac-sha256", "value": HMAC, "check": "0123ABCD"}]),
            "wrong-field",
            "data.identifiers[0].check",
        ),
        (
            issued(identifiers=[{"scheme": "hmac-sha256", "value": HMAC, "folded": HMAC[:8]}]),
            "wrong-field",
            "data.identifiers[0].folded",
        ),
        (
            issued(identifiers=[{"scheme": "hmac-sha256", "value": HMAC, "length": 0}]),
            "wrong-field",
            "data.identifiers[0].length",
        ),
        (issued(grants={"actions": []}), "wrong-field", "data.grants"),
        (issued(grants=[{"actions": "marker"}]), "wrong-field", "data.grants[0].actions"),
        (issued(approval={"not_before": "marker"}), "wrong-field", "data.approval.not_before"),
        (issued(bound_to={"source_ips": ["10.0.0.0/8", "marker"]}), "wrong-field", "data.bound_to.source_ips[1]"),
        (issued(revocation=["marker"]), "wrong-field", "data.revocation"),
        (issued(revocation={"marker": json.loads("[" * 80 + "]" * 80)}), "too-deep", "data.revocation"),
    ],
)  # fmt: skip
def test_a_wrong_event_names_the_field_and_no_value(raw: bytes, reason: str, field: str | None) -> None:
    assert error_of(raw) == (reason, field)


@pytest.mark.parametrize("inside", ["data", "extension"])
def test_json_nested_ten_thousand_deep_is_a_dead_letter(inside: str) -> None:
    deep = b'{"marker":' * 10_000 + b"1" + b"}" * 10_000
    good = event("credential.issued", {"revocation": 1}, extension=2)
    raw = (
        good.replace(b'"revocation": 1', b'"revocation": ' + deep)
        if inside == "data"
        else good.replace(b": 2}", b": " + deep + b"}")
    )
    assert error_of(raw)[0] == "too-deep"


def test_an_event_more_than_ten_minutes_ahead_of_the_clock_is_a_dead_letter() -> None:
    raw = event("task.ended", {"task_id": "t"})
    assert decode(raw, NOON - 10 * MINUTE) is not None
    assert error_of(raw, NOON - 10 * MINUTE - 1) == ("future-time", "time")


def test_a_type_that_is_not_ours_is_passed_over() -> None:
    assert decode(event("com.example.pushed", {"anything": 1}), NOON) is None


def test_data_may_come_as_base64() -> None:
    whole = json.loads(event("task.ended", None))
    del whole["data"]
    coded = {**whole, "data_base64": base64.b64encode(b'{"task_id": "t"}').decode()}
    assert decode(json.dumps(coded).encode(), NOON) == decode(event("task.ended", {"task_id": "t"}), NOON)
    assert error_of(json.dumps({**whole, "data_base64": "marker!"}).encode()) == (
        "wrong-field",
        "data_base64",
    )
    assert error_of(json.dumps(whole).encode()) == ("missing-field", "data")


def test_binary_mode_has_its_attributes_in_headers() -> None:
    headers = {
        "ce_specversion": b"1.0",
        "ce_id": b"1",
        "ce_source": b"ci",
        "ce_type": b"task.ended",
        "ce_time": TIME.encode(),
        "other": b"\xff",
    }
    assert decode_binary(headers, b'{"task_id": "t"}', NOON) == decode(
        event("task.ended", {"task_id": "t"}), NOON
    )
    for name, value, reason in (
        ("ce_id", None, "missing-field"),
        ("ce_source", b"", "wrong-field"),
        ("ce_source", b"\xff", "not-utf8"),
    ):
        changed = {key: item for key, item in {**headers, name: value}.items() if item is not None}
        with pytest.raises(BadRecordError) as caught:
            decode_binary(changed, b"{}", NOON)
        assert (caught.value.reason, caught.value.field) == (reason, name.removeprefix("ce_"))

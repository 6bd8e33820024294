"""Blocks of canonical events: read in one go or line by line, they are the same events."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.ingest.classify import BUNDLED, CLOUDEVENTS
from detector.ingest.formats.cloudevents import events_of
from detector.records.timestamps import line_starts
from detector.values.events import CanonicalEvent
from tests.ingest.collecting import NOW
from tests.small_history import event, events, identifier_of, jsonl

_NAMED = {"credential_id": "c", "identifiers": [identifier_of(1)]}


def at_once(data: bytes) -> list[CanonicalEvent] | None:
    return events_of(data, line_starts(data), BUNDLED, NOW)


def line_by_line(data: bytes) -> list[CanonicalEvent] | None:
    """The events if every line is one."""
    found: list[CanonicalEvent] = []
    for line in data.removesuffix(b"\n").split(b"\n"):
        if not line.startswith(b"{"):
            return None
        reads = list(BUNDLED.read_object(line, NOW))
        if len(reads) != 1 or reads[0].format != CLOUDEVENTS or not reads[0].events:
            return None
        found += reads[0].events
    return found


def issued(**data: Any) -> dict[str, Any]:
    return event(1, "credential.issued", 0, task_id="t", **{**_NAMED, **data})


_text = st.sampled_from(["", "a", "é", 'q"\\u', "job-1", "a\nb"])
_time = st.sampled_from(
    ["", "2026-05-01T00:00:00Z", "2026-05-01 01:00:00.123456789+01:00", "9999-12-31T23:59:59Z",
     "2026-05-01T00:00:00", "2026-02-30T00:00:00Z", "0001-01-01t00:00:00z", 7, None]
)  # fmt: skip
_identifier = st.fixed_dictionaries(
    {
        "scheme": st.sampled_from(["hmac-sha256", "sha256", "jwt-id", ""]),
        "value": st.sampled_from(["ab" * 32, "AB" * 32, "ab" * 31 + "g1", "ab", "", "A" * 43 + "="]),
    },
    optional={
        "length": st.sampled_from([1, 40, 0, 2**31, None, "1"]),
        "check": st.sampled_from(["0123abcd", "0123abcg", "0123", "", None]),
        "key_id": _text,
    },
)
_globs = st.one_of(st.none(), st.lists(_text, max_size=2))
_fields: dict[str, st.SearchStrategy[Any]] = {
    "task_id": _text,
    "credential_id": _text,
    "kind": _text,
    "owner": _text,
    "workload": _text,
    "parent_task_id": _text,
    "deadline": _time,
    "expires_at": _time,
    "not_before": _time,
    "outcome": st.sampled_from(["succeeded", "success", "denied", "odd", None]),
    "identifier": _identifier,
    "identifiers": st.lists(_identifier, max_size=2),
    "grants": st.lists(st.fixed_dictionaries({"actions": _globs}, optional={"resources": _globs}), max_size=2),
    "approval": st.one_of(st.none(), st.fixed_dictionaries({"not_before": _time})),
    "bound_to": st.fixed_dictionaries({"source_ips": st.sampled_from([["192.0.2.0/24"], ["x"], None])}),
    "revocation": st.sampled_from([None, {}, {"a": 1}, {"a": {"b": "c"}}, [], {"a": [[]]}]),
    "action": _text,
    "resource": _text,
    "source_ip": _text,
    "user_agent": _text,
    "more": st.sampled_from([1, {"kubernetes": {}}, {"specversion": "1.0"}]),
}  # fmt: skip
_kinds = st.sampled_from(
    ["task.started", "task.ended", "credential.issued", "credential.renewed", "credential.used", "credential.revoked"]
)  # fmt: skip
_right = st.sampled_from(events(3))
_varied = st.builds(
    lambda base, data, envelope, drop: json.dumps(
        {
            name: value
            for name, value in {**base, "data": {**base["data"], **data}, **envelope}.items()
            if name != drop
        }
    ),
    _right,
    st.fixed_dictionaries({}, optional=_fields),
    st.fixed_dictionaries(
        {},
        optional={
            "type": _kinds,
            "time": _time,
            "id": _text,
            "source": _text,
            "specversion": st.sampled_from(["1.0", "1.1", 1]),
            "data_base64": st.sampled_from([None, "e30=", 3]),
            "_p": st.sampled_from(["F", "x"]),
            "kubernetes": st.sampled_from([{"pod_name": "p"}, 1]),
            "stream": st.just("stdout"),
            "log": st.just("text"),
        },
    ),
    st.sampled_from(["", "", "", "time", "data", "type", "specversion", "id"]),
)
_line = st.one_of(
    _varied,
    _right.map(json.dumps),
    _right.map(json.dumps).map(lambda line: line.replace("specversion", "\\u0073pecversion")),
    st.sampled_from(["", "text", '{"message": "m"}', '{"a": 1} {"b": 2}', "{", '{"type": "task.ended"}']),
)


@given(st.lists(_line, min_size=1, max_size=3), st.sampled_from([b"", b"\n"]))
def test_at_once_as_line_by_line(lines: list[str], end: bytes) -> None:
    data = "\n".join(lines).encode() + end
    found = at_once(data)
    if found is not None:
        assert found == line_by_line(data)


@given(st.lists(_varied, min_size=1, max_size=1))
def test_what_is_right_is_read_at_once(lines: list[str]) -> None:
    data = "\n".join(lines).encode() + b"\n"
    assert at_once(data) == line_by_line(data)


def test_a_history_is_read_at_once() -> None:
    data = jsonl(events())
    assert at_once(data) == line_by_line(data)
    assert len(at_once(data) or ()) == len(events())


@pytest.mark.parametrize(
    "data",
    [
        {"approval": {"not_before": "2026-05-01T00:00:00Z"}},
        {"bound_to": {"workloads": ["a*"], "source_ips": ["192.0.2.0/24"]}},
        {"revocation": {"path": ["a", {"b": 1}]}},
        {"kind": "kubernetes", "not_before": "2026-05-01T00:00:00Z"},
        {"grants": [{"actions": ["a"]}, {}]},
        {"kind": "é\\"},
    ],
)
def test_what_is_seldom_is_read_in_the_block_too(data: dict[str, Any]) -> None:
    block = jsonl([event(0, "task.started", 0, task_id="t"), issued(**data)])
    found = at_once(block)
    assert found is not None
    assert found == line_by_line(block)


@pytest.mark.parametrize(
    "wrong",
    [
        issued(identifiers=[{"scheme": "hmac-sha256", "value": "AB" * 32}]),
        issued(identifiers=[{"scheme": "hmac-sha256", "value": "ab" * 31}]),
        issued(identifiers=[{"scheme": "sha256", "value": "ab"}]),
        issued(identifiers=[{"scheme": "jwt-id", "value": "j", "check": "0123abcX"}]),
        issued(expires_at="soon"),
        issued(not_before="soon"),
        issued(bound_to={"source_ips": ["here"]}),
        event(1, "credential.used", 0, action="read"),
        event(1, "task.ended", 0, task_id="t", outcome="fine"),
        event(1, "task.ended", 32 * 86_400, task_id="t"),
        event(1, "another.type", 0, task_id="t"),
        {"_p": "F", "log": "x", **event(1, "task.ended", 0, task_id="t")},
    ],
)
def test_a_block_with_something_wrong_in_it_is_left_to_line_by_line(wrong: dict[str, Any]) -> None:
    right = event(0, "task.started", 0, task_id="t")
    assert at_once(jsonl([right, right])) is not None
    assert at_once(jsonl([right, wrong])) is None


def test_texts_that_many_events_have_are_held_once() -> None:
    found = at_once(jsonl([issued(kind="token"), issued(kind="token")])) or []
    one, other = ((made.source, made.kind, made.identifiers[0].scheme) for made in found)  # type: ignore[union-attr]
    assert all(text is again for text, again in zip(one, other, strict=True))

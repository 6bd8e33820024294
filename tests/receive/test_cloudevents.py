"""CloudEvents at the port: the three modes of the HTTP binding, and which sources a sender may name."""

import json
from pathlib import Path
from typing import Any

import pytest

from detector.ingest.classify import BUNDLED
from detector.receive.cloudevents import BATCHED, STRUCTURED, EventReader
from detector.receive.delivery import Head, RefusalError
from detector.values.events import TaskStarted
from tests.receive.serving import BEARER, SECRET, serving, source

NOW = 1_790_000_000_000_000_000
DATA = {"task_id": "ci/1", "owner": "web"}
EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "1",
    "source": "ci/main",
    "type": "task.started",
    "time": "2026-05-04T08:00:00Z",
    "data": DATA,
}
BINARY = {
    **{f"ce-{name}": EVENT[name] for name in EVENT if name != "data"},
    "Content-Type": "application/json",
}


def event_of(line: str) -> TaskStarted:
    (read,) = BUNDLED.read_object(line.encode(), NOW)
    (event,) = read.events
    assert isinstance(event, TaskStarted)
    return event


async def test_each_mode_is_written_as_an_event_that_is_read(tmp_path: Path) -> None:
    second = {**EVENT, "id": "2"}
    async with serving(tmp_path, source("cloudevents")) as served:
        for body, headers in (
            (json.dumps(EVENT), {"Content-Type": f"{STRUCTURED}; charset=UTF-8"}),
            (json.dumps([EVENT, second]), {"Content-Type": BATCHED}),
            (json.dumps(DATA), BINARY),
            ("[]", {"Content-Type": BATCHED}),
        ):
            assert (await served.post("/cloudevents", body.encode(), {**BEARER, **headers})).status == 200
        lines = served.lines("cloudevents")
        assert lines[:3] == [json.dumps(EVENT), json.dumps(EVENT), json.dumps(second)]
        assert [event_of(line).task_id for line in lines] == ["ci/1"] * 4


async def test_who_shows_no_token_is_refused_before_the_body_is_read(tmp_path: Path) -> None:
    async with serving(tmp_path, source("cloudevents")) as served:
        for shown in (
            {},
            {"Authorization": SECRET},
            {"Authorization": f"Bearer {SECRET}x"},
            {"Authorization": "Bearer"},
        ):
            answer = await served.post("/cloudevents", b"no event", {**shown, "Content-Type": STRUCTURED})
            assert answer.status == 401
        assert served.lines("cloudevents") == []


async def test_a_sender_may_name_only_its_own_sources(tmp_path: Path) -> None:
    async with serving(tmp_path, source("cloudevents", sources=["ci/*"])) as served:
        other = {**EVENT, "source": "vault/prod"}
        for body, headers, status in (
            (json.dumps(EVENT), {"Content-Type": STRUCTURED}, 200),
            (json.dumps(other), {"Content-Type": STRUCTURED}, 403),
            (json.dumps([EVENT, other]), {"Content-Type": BATCHED}, 403),
            (json.dumps(DATA), {**BINARY, "ce-source": "vault/prod"}, 403),
            (json.dumps(DATA), {**BINARY, "ce-source": "ci%2Fside"}, 200),
        ):
            assert (await served.post("/cloudevents", body.encode(), {**BEARER, **headers})).status == status
        assert [json.loads(line)["source"] for line in served.lines("cloudevents")] == ["ci/main", "ci/side"]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"content-type": STRUCTURED}, b""),
        ({"content-type": STRUCTURED}, b"[]"),
        ({"content-type": STRUCTURED}, b'{"id": 1, "source": "s", "type": "t", "specversion": "1.0"}'),
        ({"content-type": STRUCTURED}, b"[" * 100_000),
        ({"content-type": STRUCTURED}, b'{"id": "\xff"}'),
        ({"content-type": BATCHED}, b"{}"),
        ({"content-type": BATCHED}, b"[1]"),
        ({"content-type": "text/plain"}, b"{}"),
        ({"ce-specversion": "1.0", "ce-id": "1", "ce-type": "t"}, b"{}"),
        ({**{n.lower(): v for n, v in BINARY.items()}, "ce-curfewd_source": "x"}, b"{}"),
        ({**{n.lower(): v for n, v in BINARY.items()}, "ce-" + "a" * 21: "x"}, b"{}"),
        ({**{n.lower(): v for n, v in BINARY.items()}, **{f"ce-x{n}": "x" for n in range(40)}}, b"{}"),
    ],
    ids=range(12),
)
def test_what_is_no_event_is_refused(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(RefusalError) as refused:
        EventReader(()).read(Head("", headers), body)
    assert refused.value.status in {400, 415}


def test_an_event_is_known_again_by_its_source_and_id() -> None:
    head = Head("", {"content-type": STRUCTURED})
    (record,) = EventReader(()).read(head, json.dumps(EVENT).encode()).records
    assert record.delivery == "ci/main 1"
    (strange,) = EventReader(()).read(head, json.dumps({**EVENT, "id": "é\r\n" + "x" * 999}).encode()).records
    assert len(strange.delivery) == 64

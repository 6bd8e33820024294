"""The scan stage as a pure function: records and finders in, plain typed facts out."""

import base64
import gzip
import json
import zlib
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.ingest.classify import BUNDLED
from detector.registry.credential_registry import CredentialRegistry
from detector.registry.finders import Finders
from detector.scan.known_credentials import KeyRing
from detector.scan.scanner import PatternScanner
from detector.scan.sightings import NoPatterns
from detector.stages.scan import PartitionScanner, ScanFacts, routes
from detector.values.events import CredentialIssued, TaskStarted
from detector.values.forms import FORMS
from detector.values.secrets import DeploymentKey, Secret
from tests.bundled import bundled_patterns, bundled_scanner
from tests.fake_records import NOW, FakeRecord, records

KEY = DeploymentKey.of(b"k" * 32)
SECRET = "corp_Zr8Lq2WvN5tYx0Kd9Hs3Jf7"  # made up, of no known pattern
OTHER = "ghp_" + "RAHhEBVMmxUAmOgKdSlPUK4dtx13hK0RTZy7"
ISSUE = CredentialIssued(
    time=1,
    source="ci",
    id="1",
    credential_id="c1",
    task_id="t1",
    identifiers=KeyRing((KEY,)).identifiers(Secret(SECRET.encode())),
)
STARTED = {
    "specversion": "1.0",
    "id": "1",
    "source": "ci",
    "type": "task.started",
    "time": "2026-05-31T00:00:00Z",
    "data": {"task_id": "t1", "kind": "job"},
}


@pytest.fixture
def finders() -> Finders:
    made = Finders(NoPatterns(), (KEY,))
    made.renew(ISSUE.identifiers)
    return made


def test_facts_are_plain_values(finders: Finders) -> None:
    some = records([json.dumps(STARTED).encode(), f"token {SECRET}".encode(), b'{"specversion": "1.0"'])
    facts = PartitionScanner("logs", 0).scan(some, finders.finder, NOW, with_clean=True)
    assert [(offset, type(event)) for offset, event in facts.events] == [(0, TaskStarted)]
    assert [leak.id for leak in facts.leaks] == ["p0@1"]
    assert [letter.offset for letter in facts.dead_letters] == [2]
    assert (facts.secret_spans, facts.textless, facts.clean) == ([(1, 1)], {0}, [2])
    for form in (msgspec.json, msgspec.msgpack):
        assert form.decode(form.encode(facts), type=ScanFacts) == facts
    assert SECRET.encode() not in msgspec.json.encode(facts)


def test_a_leak_is_routed_to_the_task_whose_credential_it_shows(finders: Finders) -> None:
    facts = PartitionScanner("logs", 0).scan(records([SECRET.encode()]), finders.finder, NOW)
    registry = CredentialRegistry()
    registry.add(ISSUE)
    (leak,) = facts.leaks
    assert next(key for key, _ in routes(leak, registry, (KEY.material,))) == "t:t1"


GIT_LAB = "glpat-A7kQz93LmWx2PdTnVb4R"
PACKED = {
    "gzip": gzip.compress(GIT_LAB.encode(), mtime=0),
    "zlib": zlib.compress(GIT_LAB.encode() * 3),
    "zstd": b"\x28\xb5\x2f\xfd\x04\x00\xc9\xff",
}


@pytest.mark.parametrize("value", PACKED.values(), ids=PACKED)
@pytest.mark.parametrize("headers", [(), (("ce_specversion", b"1.0"),)])
@pytest.mark.parametrize("beside", [0, 300])
def test_a_compressed_value_is_not_unpacked_and_reported(
    finders: Finders, value: bytes, headers: Sequence[tuple[str, bytes | None]], beside: int
) -> None:
    some = [*records([b"plain"] * beside), FakeRecord(value, beside, headers=headers)]
    for classifier in (BUNDLED.logs_only(), BUNDLED) if not headers else (BUNDLED.logs_only(),):
        (letter,) = PartitionScanner("logs", 0, classifier).scan(some, finders.finder, NOW).dead_letters
        assert (letter.reason, letter.offset) == ("unsupported-archive", beside)
        assert letter.detail is not None
        assert "not unpacked" in letter.detail


@pytest.mark.parametrize("polls", [1, 2, 3])
def test_a_split_line_is_one_text_however_it_is_polled(finders: Finders, polls: int) -> None:
    parts = [f"2026-05-31T00:00:00Z stdout P {SECRET[:9]}", f"2026-05-31T00:00:00Z stdout P {SECRET[9:20]}"]
    parts.append(f"2026-05-31T00:00:00Z stdout F {SECRET[20:]}")
    some = [FakeRecord(part.encode(), offset) for offset, part in enumerate(parts)]
    scanner, leaks = PartitionScanner("logs", 0), []
    for number in range(polls):
        assert scanner.oldest == (0 if number else None)
        step = some[number * len(some) // polls : (number + 1) * len(some) // polls]
        facts = scanner.scan(step, finders.finder, NOW)
        leaks += facts.leaks
    assert [leak.id for leak in leaks] == ["p0@0"]
    assert facts.secret_spans == [(0, 2)]
    assert scanner.oldest is None


def test_text_that_waits_is_scanned_when_nothing_follows(finders: Finders) -> None:
    scanner = PartitionScanner("logs", 0)
    some = records([f"2026-05-31T00:00:00Z stdout P {SECRET}".encode()])
    assert scanner.scan(some, finders.finder, NOW).leaks == []
    assert [leak.id for leak in scanner.flush(finders.finder).leaks] == ["p0@0"]
    assert scanner.flush(finders.finder) == ScanFacts()


def test_records_whose_whole_value_was_scanned_are_clean(finders: Finders) -> None:
    some = records([b"one", json.dumps({"message": "two"}).encode(), b"three"])
    facts = PartitionScanner("logs", 0).scan(some, finders.finder, NOW, with_clean=True)
    assert facts.clean == [0, 2]  # of the second only the message was scanned
    assert PartitionScanner("logs", 0).scan(some, finders.finder, NOW).clean == []


def test_a_second_scan_withdraws_what_a_pattern_saw_of_the_secret() -> None:
    finders = Finders(
        PatternScanner(tuple(each for each in bundled_patterns() if each.id == "http-basic-authorization")),
        (KEY,),
    )
    basic = base64.b64encode(f"deploy-bot:{SECRET}".encode()).decode()
    some = records([b"nothing", f"Authorization: Basic {basic}".encode()])
    (before,) = PartitionScanner("logs", 0).scan(some, finders.finder, NOW).leaks
    assert PartitionScanner("logs", 0).look_back(some, finders, NOW).leaks == []
    finders.renew(ISSUE.identifiers)
    facts = PartitionScanner("logs", 0).look_back(some, finders, NOW)
    assert [leak.id for leak in facts.leaks] == ["p0@1"]
    assert facts.withdrawn == [before]
    assert before.fingerprint != facts.leaks[0].fingerprint


def test_a_second_scan_finds_registered_credentials_alone() -> None:
    finders = Finders(bundled_scanner(), (KEY,))
    finders.renew(ISSUE.identifiers)
    some = records([OTHER.encode(), f"{SECRET} too".encode()])
    facts = PartitionScanner("logs", 0).look_back(some, finders, NOW)
    assert [leak.id for leak in facts.leaks] == ["p0@1"]
    assert facts.withdrawn == []


def test_what_is_in_a_form_that_is_left_out_is_not_looked_for() -> None:
    lines = {
        "as it stands": SECRET,
        "encodings": base64.b64encode(SECRET.encode()).decode(),
        "obfuscated": SECRET[::-1],
    }
    some = records([line.encode() for line in lines.values()])
    for forms in ({"encodings"}, {"obfuscated"}, set(FORMS)):
        finders = Finders(NoPatterns(), (KEY,), forms=frozenset(forms))
        finders.renew(ISSUE.identifiers)
        for finder in (finders.finder, finders.second_finder, finders.known_finder):
            leaks = PartitionScanner("logs", 0).scan(some, finder, NOW).leaks
            found = {leak.id for leak in leaks}
            assert found == {f"p0@{at}" for at, name in enumerate(lines) if at == 0 or name in forms}
        assert not finders.looks_again


def test_an_excerpt_of_the_second_scan_shows_nothing_that_a_pattern_sees() -> None:
    finders = Finders(bundled_scanner(), (KEY,))
    finders.renew(ISSUE.identifiers)
    some = records([f"{SECRET} beside {OTHER} end".encode()])
    (leak,) = PartitionScanner("logs", 0).look_back(some, finders, NOW).leaks
    assert leak.excerpt == f"‹known-credential:{len(SECRET)}› beside ‹github-pat-classic:40› end"


def test_a_text_of_an_event_is_masked_in_the_facts() -> None:
    finders = Finders(bundled_scanner(), (KEY,))
    hostile = {**STARTED, "source": OTHER, "data": {"task_id": OTHER, "owner": f"by {OTHER}"}}
    values = [json.dumps(hostile).encode(), OTHER.encode(), b'{"specversion": "1.0"']
    facts = PartitionScanner(OTHER, 0).scan(records(values, topic=OTHER), finders.finder, NOW)
    ((_, event),) = facts.events
    assert isinstance(event, TaskStarted)
    assert event.owner == "by ‹github-pat-classic:40›"
    assert {event.source, event.task_id} == {leak.source for leak in facts.leaks}
    assert {event.source} == {letter.source for letter in facts.dead_letters}
    assert OTHER.encode() not in msgspec.json.encode(facts)


@settings(max_examples=20)
@given(st.lists(st.booleans(), min_size=1, max_size=40), st.sets(st.integers(0, 39)))
def test_events_between_logs_change_no_leak(are_events: list[bool], showing: set[int]) -> None:
    """Leaks, excerpts, places and what is clean are those of the logs alone."""
    made = Finders(NoPatterns(), (KEY,))
    made.renew(ISSUE.identifiers)
    some = records(
        json.dumps(
            STARTED | {"id": str(at)}
            if is_event
            else {"message": f"line {at} {SECRET * (at in showing)}", "time": "2026-05-31T00:00:00Z"}
        ).encode()
        for at, is_event in enumerate(are_events)
    )
    logs = [record for record, is_event in zip(some, are_events, strict=True) if not is_event]
    mixed, alone = (
        PartitionScanner("logs", 0).scan(each, made.finder, NOW, with_clean=True) for each in (some, logs)
    )
    assert [offset for offset, _ in mixed.events] == [
        at for at, is_event in enumerate(are_events) if is_event
    ]
    assert (mixed.leaks, mixed.secret_spans, mixed.clean) == (alone.leaks, alone.secret_spans, alone.clean)

"""The benchmarks of the service send what they say, and restore what the judge would have written."""

import itertools
import json
import os

import pytest

from benchmarks.latency_bench import quantile
from benchmarks.live_load import (
    LEAKING,
    RECORD_BYTES,
    Load,
    Pair,
    Texts,
    issue,
    key_of,
    known,
    records,
    secret_of,
)
from benchmarks.live_rows import Run, watched
from benchmarks.live_state import States
from detector.adapters.cloudevents import decode
from detector.scan.known_credentials import KnownIndex
from detector.values.events import CredentialIssued
from detector.values.secrets import Secret
from detector.values.times import SECOND

NOW = 1_795_000_000 * SECOND


@pytest.fixture(scope="module")
def filled() -> list[Pair]:
    load = Load(20_000, NOW, leaks=0.01, events=0.1)
    return list(records(load, Texts(7), 0, 4))


def test_a_log_record_has_just_its_size(filled: list[Pair]) -> None:
    logs = [json.loads(value) for _, value in filled if b'"message"' in value[:120]]
    assert len(logs) > 4000
    assert {len(value) for _, value in filled if b'"message"' in value[:120]} == {RECORD_BYTES}
    assert all(isinstance(log["message"], str) for log in logs)


def test_the_same_seed_gives_the_same_records(filled: list[Pair]) -> None:
    again = records(Load(20_000, NOW, leaks=0.01, events=0.1), Texts(7), 0, 4)
    assert list(itertools.islice(again, 500)) == filled[:500]


def test_events_are_events_and_a_tenth(filled: list[Pair]) -> None:
    after = filled[len(range(0, LEAKING, 4)) :]
    events = [value for _, value in after if value.startswith(b'{"specversion"')]
    assert all(decode(value, NOW) is not None for value in events)
    assert 0.08 < len(events) / len(after) < 0.12


def test_an_issue_in_the_topic_has_the_identifiers_of_the_registry(filled: list[Pair]) -> None:
    event = decode(filled[0][1], NOW)
    assert isinstance(event, CredentialIssued)
    assert event.identifiers == issue(7, "0", NOW).identifiers


def test_a_registered_secret_that_leaks_is_known() -> None:
    key = key_of(7)
    index = KnownIndex((each for one in known(1200, 7, NOW) for each in one.identifiers), (key,))
    secret = secret_of(7, "17")
    text = Texts(7).leak(1, NOW, secret)[1]
    assert [text[start:end].decode() for start, end in index.seen(text)[0]] == [secret]
    assert issue(7, "17", NOW).identifiers[0].value == key.fingerprint(Secret(secret.encode()))


def test_the_state_is_what_the_judge_would_have_written() -> None:
    states = States(NOW)
    assert all(states.agrees(number) for number in (0, 1, 4711, 12_345_678))
    assert len({key for number in range(50) for key, _ in states.changes(number)}) == 50 * 9


def test_quantiles_are_values_that_were_seen() -> None:
    assert [quantile([3, 1, 2], share) for share in (0.0, 0.5, 0.99)] == [1, 2, 3]


async def test_a_run_is_counted_from_its_first_tenth() -> None:
    counts = iter([0, 50, 100, 100])
    waits = iter([False, True])

    async def read() -> int:
        return next(counts)

    async def through() -> bool:
        return next(waits)

    run = await watched(os.getpid(), os.getpid(), 100, read, through)
    assert isinstance(run, Run)
    assert run.records == 50

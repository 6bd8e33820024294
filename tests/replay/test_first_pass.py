"""What the first pass keeps of each file and unit is small, and comes back as it was."""

import random

import pytest

from detector.ingest.units import Unit, Units, bytes_of
from detector.replay import first_pass
from detector.replay.first_pass import DoneUnits, NumberSet
from detector.replay.placing import _Distinct
from detector.stages.ranges import LifecycleCollector, RangeFacts
from detector.values.events import TaskEnded


def test_units_come_back_as_they_were() -> None:
    some = [Unit(0, 0, 10), Unit(0, 10, 25), Unit(7, 0, 1 << 45)]
    units = Units(some)
    assert (list(units), units[1], units[1:], len(units)) == (some, some[1], some[1:], 3)
    assert bytes_of(units) == 25 + (1 << 45)
    assert not Units()


def test_a_set_of_numbers() -> None:
    numbers = NumberSet(5, full=True)
    numbers.discard(2)
    assert (list(numbers), len(numbers), 2 in numbers, 4 in numbers, 5 in numbers) == (
        [0, 1, 3, 4], 4, False, True, False,
    )  # fmt: skip
    other = NumberSet(5)
    other.add(3)
    assert list(numbers.without(other)) == [0, 1, 4]
    assert list(NumberSet.of(bytes(other.flags))) == [3]


def test_distinct_hashes_are_counted_in_memory_and_on_disk() -> None:
    rng = random.Random(5)
    hashes = [rng.getrandbits(64).to_bytes(8, "little") for _ in range(5000)]
    near, far = _Distinct(), _Distinct(in_memory=1000)
    for _ in range(3):
        rng.shuffle(hashes)
        for at in range(0, len(hashes), 70):
            for each in (near, far):
                each.add(b"".join(hashes[at : at + 70]))
    assert near.count() == far.count() == far.count() == 5000
    assert _Distinct().count() == 0


def test_a_collector_lets_go_of_what_it_gave() -> None:
    """Its reader is in a cycle of references: in a process that reads unit after unit, each would stay."""
    collector = LifecycleCollector()
    collector.event(TaskEnded(time=1, source="ci", id="1", task_id="t"))
    assert len(collector.lifecycle()) == 1
    assert collector.lifecycle() == []


def test_done_units_wait_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_pass, "_IN_MEMORY", 2)
    done = DoneUnits()
    facts = [RangeFacts([], [], [], [], {}, {"x": bytes([n] * 8)}, 0, n, None, 1 << 62) for n in range(9)]
    for number, one in enumerate(facts):
        done.take(Unit(number // 2, number % 2 * 10, 99), one)
    assert list(done.facts()) == facts
    assert Unit(1, 10, 99) in done
    assert Unit(1, 11, 99) not in done
    assert Unit(4, 10, 99) not in done

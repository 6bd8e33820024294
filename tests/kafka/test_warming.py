"""A member joins again once its copies are near, and not too often."""

from detector.kafka.assignment import NEAR
from detector.kafka.handlers import Partition
from detector.kafka.standbys import WARM_SECONDS, Warming

ONE, TWO = Partition("work", 0), Partition("work", 1)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_it_waits_for_all_copies_and_after_a_minute_for_some() -> None:
    clock = Clock()
    warming = Warming(clock)
    assert not warming.warm({})
    warming.assigned({ONE, TWO})
    assert not warming.warm({ONE: 0})
    assert not warming.warm({ONE: 0, TWO: NEAR})
    assert warming.warm({ONE: 0, TWO: NEAR // 2})
    clock.now += WARM_SECONDS
    warming.assigned({ONE, TWO})
    clock.now += WARM_SECONDS - 1
    assert not warming.warm({ONE: 0})
    clock.now += 1
    assert warming.warm({ONE: 0})
    assert not warming.warm({})


def test_it_does_not_join_again_and_again_where_the_leader_finds_it_too_far_behind() -> None:
    clock = Clock()
    warming = Warming(clock)
    warming.assigned({ONE})
    assert warming.warm({ONE: 0})
    warming.assigned({ONE})
    assert not warming.warm({ONE: 0})
    clock.now += WARM_SECONDS
    assert warming.warm({ONE: 0})

"""What moves the watermark: what readers report, and which inputs the brokers list. Time alone never does."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.judge.watermark import BEGINNING, IDLE, ROUNDS, Inputs, Watermark, pause_between_reports
from detector.values.times import HOUR, MINUTE, SECOND

T0 = 1_800_000_000 * SECOND
DELAY = 10 * SECOND
A, B, C = "audit-0", "audit-1", "ci-0"


def listed(at: int, *names: str) -> Inputs:
    return Inputs(at, frozenset(names))


def test_the_least_that_was_reported_is_the_watermark() -> None:
    watermark = Watermark(DELAY, T0)
    watermark.mark(A, T0 - 30 * SECOND, T0)
    watermark.mark(B, T0 - MINUTE, T0)
    assert watermark.advance(listed(T0, A, B), T0) == T0 - MINUTE
    watermark.mark(B, T0 - 20 * SECOND, T0)
    assert watermark.advance(listed(T0, A, B), T0) == T0 - 30 * SECOND


def test_it_never_goes_back() -> None:
    watermark = Watermark(DELAY, T0)
    watermark.mark(A, T0 - MINUTE, T0)
    assert watermark.advance(listed(T0, A), T0) == T0 - MINUTE
    watermark.mark(A, T0 - HOUR, T0 + SECOND)  # events again after a pause, and they are older
    assert watermark.advance(listed(T0, A), T0 + SECOND) == T0 - MINUTE


def test_without_a_report_of_each_input_there_is_none() -> None:
    watermark = Watermark(DELAY, T0)
    assert watermark.advance(None, T0) is None
    assert watermark.advance(listed(T0, A, B), T0) is None
    watermark.mark(A, T0 - MINUTE, T0)
    assert (
        watermark.advance(listed(T0 + HOUR, A, B), T0 + HOUR) is None
    )  # B was never read: no stage has run yet
    watermark.mark(B, BEGINNING, T0 + HOUR)  # somebody has it, and knows nothing of it yet
    assert watermark.advance(listed(T0 + HOUR, A, B), T0 + HOUR) is None
    assert watermark.unreported == ()


def test_silence_holds_it_and_is_told() -> None:
    watermark = Watermark(DELAY, T0)
    for name in (A, B):
        watermark.mark(name, T0 - MINUTE, T0)
    for later in (SECOND, MINUTE, HOUR, 30 * HOUR):
        watermark.mark(B, T0 + later - DELAY, T0 + later)
        watermark.read_until(T0 + later)
        assert watermark.advance(listed(T0 + later, A, B), T0 + later) == T0 - MINUTE
        assert watermark.unreported == ((A,) if later > IDLE else ())


def test_silence_is_not_told_of_while_reports_may_stand_unread_in_the_work_topic() -> None:
    watermark = Watermark(DELAY, T0)
    watermark.mark(A, T0 - MINUTE, T0)
    watermark.read_until(T0 + IDLE)
    watermark.advance(listed(T0 + HOUR, A), T0 + HOUR)
    assert not watermark.unreported
    watermark.read_until(T0 + IDLE + SECOND)
    assert watermark.unreported == (A,)


def test_without_inputs_that_carry_events_it_follows_the_clock() -> None:
    watermark = Watermark(DELAY, T0)
    assert watermark.advance(listed(T0), T0) == T0 - DELAY
    assert watermark.advance(listed(T0 + MINUTE), T0 + MINUTE) == T0 + MINUTE - DELAY


def test_it_stands_while_the_brokers_do_not_list_the_inputs() -> None:
    watermark = Watermark(DELAY, T0)
    once = listed(T0, A)
    for later in (MINUTE, HOUR):
        watermark.mark(A, T0 + later, T0 + later)
        assert watermark.advance(once, T0 + later) == T0 - DELAY


def test_a_partition_or_topic_that_is_added_is_waited_for() -> None:
    watermark = Watermark(DELAY, T0)
    watermark.mark(A, T0 - DELAY, T0)
    assert watermark.advance(listed(T0, A), T0) == T0 - DELAY
    later = T0 + HOUR
    watermark.mark(A, later, later)
    assert watermark.advance(listed(later, A, B, C), later) == T0 - DELAY
    watermark.read_until(later + IDLE + SECOND)
    watermark.mark(A, later, later + IDLE)
    assert watermark.unreported == (B, C)
    watermark.mark(B, later, later + IDLE)
    watermark.mark(C, later - MINUTE, later + IDLE)
    assert watermark.advance(listed(later, A, B, C), later + IDLE) == later - MINUTE


def test_one_that_is_gone_holds_it_no_longer_once_nobody_reports_it() -> None:
    watermark = Watermark(DELAY, T0)
    for name in (A, B):
        watermark.mark(name, T0 - MINUTE, T0)
    assert watermark.advance(listed(T0, A, B), T0) == T0 - MINUTE
    half, later = T0 + IDLE, T0 + IDLE + SECOND
    watermark.mark(A, later - DELAY, later)
    watermark.read_until(later)
    assert (
        watermark.advance(listed(half, A), half) == T0 - MINUTE
    )  # a broker may list a topic later than others
    assert watermark.advance(listed(later, A), later) == later - DELAY
    assert watermark.unreported == ()


def test_what_the_holder_before_knew_counts() -> None:
    watermark = Watermark(DELAY, T0, T0 - HOUR, {A: T0 - MINUTE, B: T0 - HOUR})
    watermark.mark(A, T0 - DELAY, T0)
    assert watermark.advance(listed(T0, A, B), T0) == T0 - HOUR
    watermark.mark(B, BEGINNING, T0)  # it is taken by somebody who has read nothing yet
    assert watermark.advance(listed(T0 + MINUTE, A, B), T0 + MINUTE) == T0 - HOUR
    watermark.mark(B, T0 - MINUTE, T0 + MINUTE)
    assert watermark.advance(listed(T0 + MINUTE, A, B), T0 + MINUTE) == T0 - MINUTE


def test_all_partitions_of_work_are_waited_for_in_each_round() -> None:
    work = ("work-0", "work-1")
    both = [Watermark(DELAY, T0, T0 - HOUR, work=work) for _ in work]
    for watermark in both:
        watermark.mark(A, T0 - DELAY, T0)
    for done in range(ROUNDS):
        for watermark in both:
            assert watermark.advance(listed(T0, A), T0) == T0 - HOUR
            assert watermark.reached == (T0 - DELAY,) * (done + 1) + (BEGINNING,) * (ROUNDS - done - 1)
        reports = [watermark.reached for watermark in both]
        for watermark in both:
            watermark.mark_work(0, reports[0], T0)
        assert both[0].advance(listed(T0, A), T0) == T0 - HOUR  # the other is behind
        for watermark in both:
            watermark.mark_work(1, reports[1], T0)
    assert [watermark.advance(listed(T0, A), T0) for watermark in both] == [T0 - DELAY] * 2


def test_a_partition_of_work_that_nobody_judges_is_told() -> None:
    watermark = Watermark(DELAY, T0, T0 - HOUR, {A: T0 - DELAY}, work=("work-0", "work-1"))
    later = T0 + IDLE + SECOND
    watermark.mark(A, later, later)
    watermark.mark_work(0, (later,) * ROUNDS, later)
    watermark.read_until(later)
    assert watermark.advance(listed(later, A), later) == T0 - HOUR
    assert watermark.unreported == ("work-1",)
    watermark.mark_work(1, (later - DELAY,) * ROUNDS, later)
    watermark.mark_work(1, (BEGINNING,) * ROUNDS, later)  # another judges it now, and has yet to hear of all
    assert watermark.advance(listed(later, A), later) == later - DELAY
    assert not watermark.unreported


@pytest.mark.parametrize(("partition", "times"), [(1, (T0,) * ROUNDS), (-1, (T0,) * ROUNDS), (0, (T0,))])
def test_a_report_of_no_partition_of_work_is_refused(partition: int, times: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="no progress"):
        Watermark(DELAY, T0, work=("work-0",)).mark_work(partition, times, T0)


def test_many_partitions_of_work_report_less_often() -> None:
    for partitions in (1, 16, 64, 65, 256):
        pause = pause_between_reports(partitions, news=True)
        assert pause >= 2 * SECOND
        assert partitions * SECOND <= 32 * pause  # each gets so many a second
    assert pause_between_reports(16, news=True) < pause_between_reports(16, news=False) < IDLE


names = st.sampled_from((A, B, C))
offsets = st.integers(-120, 120).map(lambda seconds: seconds * SECOND)
steps = st.one_of(
    st.tuples(st.just("mark"), names, offsets | st.none()),
    st.tuples(st.just("list"), st.frozensets(names)),
    st.tuples(st.just("wait"), st.integers(0, 600).map(lambda seconds: seconds * SECOND)),
    st.tuples(st.just("restart")),
)


@given(st.lists(steps, max_size=60))
def test_no_order_of_reports_listings_pauses_and_restarts_takes_it_past_an_input(some: list[Any]) -> None:
    now, inputs = T0, None
    watermark = Watermark(DELAY, now)
    reported: dict[str, int] = {}
    for kind, *step in some:
        before = watermark.value
        if kind == "mark":
            name, ahead = step
            time = BEGINNING if ahead is None else now + ahead
            watermark.mark(name, time, now)
            if ahead is not None:
                reported[name] = time
        elif kind == "list":
            inputs = Inputs(now, *step)
        elif kind == "wait":
            now += step[0]
            watermark.read_until(now)
        else:
            watermark = Watermark(DELAY, now, watermark.value, watermark.sources)
        value = watermark.advance(inputs, now)
        assert value == watermark.value
        if kind in {"wait", "restart"}:
            assert value == before
        if before is not None:
            assert value is not None
            assert value >= before
        if value != before:
            assert inputs is not None
            assert value is not None
            assert value <= inputs.at - DELAY
            assert all(name in reported and value <= reported[name] for name in inputs.names)


@given(st.lists(st.tuples(names, offsets)), st.frozensets(names))
def test_once_each_input_is_read_to_its_end_it_is_there(
    earlier: list[tuple[str, int]], inputs: frozenset[str]
) -> None:
    watermark = Watermark(DELAY, T0)
    for name, ahead in earlier:
        watermark.mark(name, T0 + ahead, T0)
        watermark.advance(Inputs(T0, inputs), T0)
    later = T0 + HOUR
    watermark.read_until(later)
    for name in inputs:
        watermark.mark(name, later - DELAY, later)
    assert watermark.advance(Inputs(later, inputs), later) == later - DELAY
    assert watermark.unreported == ()

"""A target that fails in a row is left alone, tried with one command, and left alone for longer."""

from detector.revoke.breaker import Breaker


def test_it_opens_after_failures_in_a_row_and_one_trial_decides() -> None:
    breaker = Breaker(3, 100)
    breaker.failed(0)
    breaker.failed(0)
    breaker.succeeded()
    breaker.failed(0)
    breaker.failed(0)
    assert breaker.wait_until(0) is None
    breaker.failed(10)
    assert breaker.state(10) == "open"
    assert breaker.wait_until(50) == 110
    assert breaker.state(110) == "half-open"
    assert breaker.wait_until(110) is None  # the trial
    assert breaker.wait_until(111) == 211  # no other beside it
    breaker.failed(120)
    assert breaker.wait_until(121) == 320  # twice as long
    assert breaker.wait_until(320) is None
    breaker.succeeded()
    assert breaker.state(320) == "closed"
    assert breaker.wait_until(320) is None


def test_late_failures_do_not_prolong_it_and_a_trial_that_was_cut_off_is_repeated() -> None:
    breaker = Breaker(1, 100)
    breaker.failed(0)
    breaker.failed(90)
    assert breaker.wait_until(95) == 100
    assert breaker.wait_until(100) is None
    breaker.gave_up()
    assert breaker.wait_until(101) is None


def test_the_pause_grows_to_a_limit() -> None:
    breaker, now = Breaker(1, 1), 0
    for _ in range(50):
        breaker.failed(now)
        until = breaker.wait_until(now)
        assert until is not None
        assert until - now <= 32
        now = until
        assert breaker.wait_until(now) is None

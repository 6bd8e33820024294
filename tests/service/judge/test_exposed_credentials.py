"""Credentials that should be dead and are not: a gauge rises with the command and falls with the credential."""

import pytest

from detector.judge.policy import Accept, Policy
from detector.judge.totals import Exposure
from detector.values.times import DAY, HOUR, MILLISECOND, MINUTE, SECOND
from tests.service.judge.test_judge_over_time import (
    POLICY,
    T0,
    Story,
    end,
    issue,
    leak,
    revoke,
    run_story,
    start,
    use,
)
from tests.service.judge.test_totals import reported_totals


def exposure(one: Story) -> Exposure:
    total = Exposure()
    for totals in reported_totals(one.world).values():
        total = total.moved(Exposure(), totals.exposure)
    return total


LEAKED = Exposure(1, {"leaked-credential": 1})


def test_a_leak_exposes_until_the_revocation() -> None:
    async def story(one: Story) -> None:
        await one.apply(start(), issue(expires=T0 + DAY))
        assert exposure(one) == Exposure()
        await one.apply(leak(T0 + SECOND))
        assert exposure(one) == LEAKED
        await one.world.restart(store="lost")
        await one.world.tick()
        assert exposure(one) == LEAKED
        await one.apply(revoke(T0 + 2 * SECOND))
        assert exposure(one) == Exposure()

    run_story(story)


def test_time_alone_ends_it_with_the_expiry_and_adds_what_it_brings() -> None:
    async def story(one: Story) -> None:
        await one.apply(start(), issue(), leak(T0 + SECOND), end())
        await one.until(T0 + 2 * MINUTE)
        assert exposure(one) == Exposure(1, {"leaked-credential": 1, "outlives-task": 1})
        await one.until(T0 + SECOND + POLICY.confirm_timeout)
        rules = {"leaked-credential": 1, "outlives-task": 1, "revocation-unconfirmed": 1}
        assert exposure(one) == Exposure(1, rules)
        await one.until(T0 + HOUR)
        assert exposure(one).credentials == 1
        await one.until(T0 + HOUR + MILLISECOND)
        assert exposure(one) == Exposure()

    run_story(story)


def test_what_is_forgotten_is_not_exposed() -> None:
    async def story(one: Story) -> None:
        await one.apply(start(), issue(), leak(T0 + SECOND), end())
        assert exposure(one) == LEAKED
        await one.until(T0 + 3 * DAY)  # dead and forgotten between two looks
        assert sum(totals.aggregates for totals in reported_totals(one.world).values()) == 0
        assert exposure(one) == Exposure()

    run_story(story, Policy(finding_retention=0))


def test_a_renewal_exposes_again_what_had_expired() -> None:
    async def story(one: Story) -> None:
        await one.apply(start(), issue(expires=T0 + MINUTE), leak(T0 + SECOND))
        await one.until(T0 + MINUTE + MILLISECOND)
        assert exposure(one) == Exposure()
        await one.apply(issue(at=T0 + 30 * SECOND, expires=T0 + DAY))
        assert exposure(one).credentials == 1

    run_story(story)


def test_each_credential_counts_once_and_each_finding_for_its_rule() -> None:
    async def story(one: Story) -> None:
        await one.apply(start(), start("t2"), issue(expires=T0 + DAY), issue("c2", expires=T0 + DAY))
        await one.apply(use(T0 + SECOND, task="t2"), use(T0 + SECOND, task="t2", credential="c2"))
        await one.apply(leak(T0 + SECOND))
        assert exposure(one) == Exposure(2, {"leaked-credential": 1, "use-by-other-workload": 2})
        await one.apply(revoke(T0 + 2 * SECOND, "c2"))
        assert exposure(one) == Exposure(1, {"leaked-credential": 1, "use-by-other-workload": 1})

    run_story(story)


@pytest.mark.parametrize("what", ["accepted", "asks for nothing"])
def test_what_nobody_asked_to_revoke_is_not_exposed(what: str) -> None:
    accept = Accept("known", T0 + DAY, rule="leaked-credential")
    policy = Policy(accepts=(accept,)) if what == "accepted" else POLICY

    async def story(one: Story) -> None:
        await one.apply(start(deadline=T0 + MINUTE), issue(expires=T0 + DAY))
        if what == "accepted":
            await one.apply(leak(T0 + SECOND))
        await one.until(T0 + HOUR)
        assert one.rules
        assert one.commands == []
        assert exposure(one) == Exposure()

    run_story(story, policy)


def test_an_accepted_finding_beside_one_that_asks_is_not_counted() -> None:
    policy = Policy(accepts=(Accept("known", T0 + DAY, rule="use-by-other-workload"),))

    async def story(one: Story) -> None:
        await one.apply(start(), start("t2"), issue(expires=T0 + DAY))
        await one.apply(use(T0 + SECOND, task="t2"), leak(T0 + SECOND))
        assert exposure(one) == LEAKED

    run_story(story, policy)

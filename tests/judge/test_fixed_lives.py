"""Sessions that nobody ends early: an ordinary job must not bury an incident under those that live out their hour."""

import pytest

from detector.judge.fixed_lives import FIXED_LIVES
from detector.judge.policy import Policy, RuleOverride, Tuning
from detector.values.findings import Severity
from detector.values.times import HOUR, MINUTE, SECOND
from tests.scan.cases import at, end, issue, ledger_of, start, use

OUTLIVES = "outlives-task"


@pytest.mark.parametrize("kind", FIXED_LIVES)
def test_ordinary_jobs_leave_only_what_is_amiss(kind: str) -> None:
    """Each job of two minutes gets a session of an hour; one session is used after its job."""
    lives = FIXED_LIVES[kind]
    events = []
    for number in range(20):
        task, expires = f"job-{number}", number + lives / SECOND
        events += [
            start(number, task),
            issue(number, f"c-{number}", task_id=task, kind=kind, expires=expires),
            end(number + 120, task),
        ]
    events.append(use(600, "c-7"))
    findings = list(ledger_of(*events).findings(at(0) + 2 * lives))
    assert [one.rule for one in findings if one.severity >= Severity.HIGH] == ["use-after-termination"]


@pytest.mark.parametrize("kind", FIXED_LIVES)
def test_one_that_outlives_even_its_default_life_is_found_and_asks_for_nothing(kind: str) -> None:
    policy = Policy().of(kind, None)
    assert policy.grace_period == FIXED_LIVES[kind] >= HOUR
    outlives = policy.rules[OUTLIVES]
    assert (outlives.enabled, outlives.revoke) == (True, False)
    assert policy.rules["use-after-termination"] == Policy().rules["use-after-termination"]
    assert Policy().of("some-session", None).grace_period == 60 * SECOND


def test_what_the_configuration_says_of_the_kind_counts() -> None:
    revoked = Tuning(rules={OUTLIVES: RuleOverride(revoke=True)})
    policy = Policy(kinds={"aws-session": Tuning(grace_period=MINUTE), "azure-token": revoked})
    assert policy.of("aws-session", None).grace_period == MINUTE
    assert not policy.of("aws-session", None).rules[OUTLIVES].revoke
    assert policy.of("azure-token", None).grace_period == FIXED_LIVES["azure-token"]
    assert policy.of("azure-token", None).rules[OUTLIVES].revoke


def test_a_kind_of_task_may_shorten_it_and_a_longer_grace_for_all_stays() -> None:
    policy = Policy(grace_period=3 * HOUR, kinds={"short": Tuning(grace_period=MINUTE)})
    assert policy.of("aws-session", None).grace_period == 3 * HOUR
    assert policy.of("aws-session", "short").grace_period == MINUTE
    assert policy.of(None, "aws-session") == policy.of(None, None)  # it is no kind of task

"""What random histories once showed to be wrong, told as the story that it was."""

import itertools

from detector.judge.policy import Accept, Policy
from tests.scan.cases import EVER, at, issue, leak, ledger_of, start


def test_the_task_of_a_leaked_secret_is_told_whoever_else_spoke_of_it() -> None:
    """An issue that an earlier one governs over names task `other`; the secret that `other` shows is no one's."""
    events = [
        issue(1, task_id="t"),
        issue(2, task_id="other"),
        leak(5, "nobody", task_id="other"),
    ]
    for order in itertools.permutations(events):
        (finding,) = [one for one in ledger_of(*order).findings(EVER) if one.rule == "leaked-secret"]
        assert finding.task is not None
        assert finding.task.task_id == "other"


def test_a_leaked_secret_is_accepted_by_the_task_and_workload_that_showed_it_first() -> None:
    by_task = Policy(accepts=(Accept("a canary", at(100), task="nightly-*"),))
    by_workload = Policy(accepts=(Accept("a canary", at(100), workload="scanner"),))
    shown = [leak(5, "nobody", task_id="nightly-7"), leak(6, "nobody", task_id="other")]
    later = [*shown, leak(101, "nobody", task_id="nightly-8")]
    begun = start(0, "nightly-7", workload="scanner")
    for policy in (by_task, by_workload):
        (accepted,) = ledger_of(begun, *shown, policy=policy).findings(EVER)
        assert accepted.accepted == "a canary"
        (after_its_expiry,) = ledger_of(begun, *later, policy=policy).findings(EVER)
        assert after_its_expiry.accepted is None
    (elsewhere,) = ledger_of(begun, *shown[1:], policy=by_task).findings(EVER)
    assert elsewhere.accepted is None

"""A secret that leaked once is judged without a ledger, and as with one."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from detector.judge.ledger import Ledger
from detector.judge.policy import Accept, Policy
from detector.judge.routing import LeakWithdrawal, TaskStatus, TaskSubscription, encode, secret_key, task_key
from detector.judge.stage import applied, judge
from detector.judge.verdicts import judge_lone_secret, judge_secret
from detector.values.events import Identifier, Leak, TaskStarted
from detector.values.findings import LEAKED_SECRET
from detector.values.times import DAY, HOUR
from tests.histories import START, policies

SECRET = Identifier("hmac-sha256", "ab" * 32)
ACCEPTS = (
    Accept("known", START + HOUR, task="t-*"),
    Accept("known too", START, rule=LEAKED_SECRET, fingerprint="ab*"),
)


@st.composite
def leaks(draw: st.DrawFn) -> Leak:
    return Leak(
        time=START + draw(st.integers(-HOUR, HOUR)),
        source="logs",
        id="p0@1",
        identifiers=(SECRET,),
        fingerprint=SECRET.value,
        pattern=draw(st.sampled_from((None, "github-token"))),
        severity=draw(st.sampled_from((None, 2, 5))),
        excerpt="‹github-token:40›",
        offset=1,
        partition=0,
        task_id=draw(st.sampled_from((None, "t-1"))),
        received=draw(st.sampled_from((None, START, START + HOUR))),
        allowed_until=draw(st.sampled_from((None, START, START + DAY))),
    )


@given(leaks(), policies(), st.sampled_from(((), ACCEPTS)), st.integers(-HOUR, 2 * DAY))
def test_one_leak_is_judged_as_a_ledger_judges_it(
    leak: Leak, policy: Policy, accepts: tuple[Accept, ...], after: int
) -> None:
    policy = msgspec.structs.replace(policy, accepts=accepts)
    ledger = Ledger(policy)
    ledger.apply(leak)
    watermark = START + after
    assert judge_lone_secret(policy, leak, watermark) == judge_secret(ledger, watermark)


def test_what_else_is_known_of_the_secret_is_told() -> None:
    policy, key = Policy(), secret_key(SECRET.value)
    leak = Leak(
        time=START,
        source="logs",
        id="p0@1",
        identifiers=(SECRET,),
        fingerprint=SECRET.value,
        pattern="github-token",
        severity=4,
        excerpt="‹github-token:40›",
        task_id="t-1",
    )
    first = judge(key, {}, [leak], START, policy)
    assert [change.activity for change in first.findings] == ["created"]

    state = applied({}, first)
    unknown = judge(key, state, [TaskStatus("t-1")], START, policy)
    assert unknown.findings == []

    start = TaskStarted(time=START, source="ci", id="s-1", task_id="t-1", owner="ann")
    started = judge(key, state, [TaskStatus("t-1", start)], START, policy)
    assert [change.finding.task and change.finding.task.owner for change in started.findings] == ["ann"]

    again = judge(key, state, [msgspec.structs.replace(leak, id="p0@2")], START, policy)
    assert [change.finding.count for change in again.findings] == [2]

    withdrawn = judge(key, state, [LeakWithdrawal("logs", "p0@1", START)], START, policy)
    assert [change.activity for change in withdrawn.findings] == ["closed"]
    assert encode(leak) in state.values()


def test_a_task_tells_a_secret_only_what_is_known() -> None:
    policy, key = Policy(), secret_key(SECRET.value)
    asked = judge(task_key("t-1"), {}, [TaskSubscription(key, START)], START, policy)
    assert asked.sends == []  # nothing is known: the finding shows the task's id already
    start = TaskStarted(time=START, source="ci", id="s-1", task_id="t-1", owner="ann")
    started = judge(task_key("t-1"), applied({}, asked), [start], START, policy)
    assert started.sends == [(key, TaskStatus("t-1", start))]
    later = TaskSubscription(secret_key("cd" * 32), START)
    again = judge(task_key("t-1"), applied(applied({}, asked), started), [later], START, policy)
    assert again.sends == [(later.key, TaskStatus("t-1", start))]
    task = judge(task_key("t-1"), {}, [TaskSubscription(task_key("t-2"), START)], START, policy)
    assert task.sends == [(task_key("t-2"), TaskStatus("t-1"))]  # it waits for whatever the answer is

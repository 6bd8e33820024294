"""A fact that rests is judged as the aggregate would have judged it, and what is kept is loaded as if it had."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.judge.policy import Policy
from detector.judge.resting import is_secret, reported, rested, rests
from detector.judge.routing import (
    Claim,
    Fact,
    FindingOpened,
    TaskSubscription,
    claims,
    encode,
    finding_key,
    group_key,
    identifier_key,
    issue_key,
    secret_key,
    task_key,
)
from detector.judge.stage import applied, finding_digest, judge
from detector.judge.verdicts import judge_lone_secret
from detector.values.events import CredentialIssued, Identifier, Leak, TaskStarted
from detector.values.times import DAY, HOUR, MINUTE
from tests.histories import START

POLICY = Policy()
SECRET = Identifier("hmac-sha256", "ab" * 32)


def issued(at: int) -> CredentialIssued:
    return CredentialIssued(
        time=START + at,
        source="issuer",
        id="i-1",
        credential_id="c-1",
        task_id="t-1",
        identifiers=(SECRET, Identifier("jwt-id", "j-1")),
    )


def leaked(at: int, received: int | None) -> Leak:
    when = None if received is None else START + received
    return Leak(
        time=START + at,
        source="logs",
        id="l-1",
        identifiers=(SECRET,),
        fingerprint=SECRET.value,
        pattern=None,
        severity=4,
        excerpt="‹x:40›",
        encodings=(),
        line=None,
        offset=1,
        partition=0,
        task_id="t-2",
        stream=None,
        received=when,
    )


TIMES = st.integers(-3 * DAY, 3 * DAY)
FACTS: st.SearchStrategy[tuple[str, Fact]] = st.one_of(
    TIMES.flatmap(lambda at: st.sampled_from(list(claims(issued(at))))),
    st.builds(lambda at, received: (identifier_key(SECRET), leaked(at, received)), TIMES, st.none() | TIMES),
    st.builds(lambda at: (task_key("t-2"), TaskSubscription(secret_key("ab"), START + at)), TIMES),
    st.just((finding_key("u-1"), FindingOpened(task_key("t-1"), START))),
)


@settings(max_examples=200, deadline=None)
@given(FACTS, TIMES, st.sampled_from([HOUR, 2 * DAY]), st.sampled_from([MINUTE, HOUR]))
def test_a_fact_that_rests_is_judged_as_its_aggregate_judges_it(
    given_fact: tuple[str, Fact], at: int, retention: int, lateness: int
) -> None:
    key, fact = given_fact
    policy = Policy(retention=retention, lateness=lateness)
    watermark = START + at
    assert rests(key, fact)
    one, other = (
        rested(key, fact, encode(fact), watermark, policy),
        judge(key, {}, [fact], watermark, policy),
    )
    assert one == other
    state = applied({}, one)
    for later in (0, HOUR, DAY, 5 * DAY):
        assert judge(key, state, [fact], watermark + later, policy) == judge(
            key, applied({}, other), [fact], watermark + later, policy
        )


@settings(max_examples=200, deadline=None)
@given(
    TIMES,
    st.none() | TIMES,
    TIMES,
    st.sampled_from([HOUR, 2 * DAY]),
    st.sampled_from([0, DAY]),
    st.sampled_from([None, "github-token"]),
    st.sampled_from([None, "t-2"]),
)
def test_a_secret_that_leaks_once_is_reported_as_its_aggregate_reports_it(  # noqa: PLR0913, PLR0917 - what may differ
    time: int,
    received: int | None,
    at: int,
    retention: int,
    finding_retention: int,
    pattern: str | None,
    task_id: str | None,
) -> None:
    leak = msgspec.structs.replace(leaked(time, received), pattern=pattern, task_id=task_id)
    policy = Policy(retention=retention, finding_retention=finding_retention)
    key, watermark = secret_key(SECRET.value), START + at
    verdicts = judge_lone_secret(policy, leak, watermark)
    if verdicts.disposable_at is not None and verdicts.disposable_at > watermark:
        assert is_secret(key, leak)
        one = reported(key, leak, encode(leak), verdicts, policy, finding_digest)
        assert one == judge(key, {}, [leak], watermark, policy)


@pytest.mark.parametrize(
    ("key", "fact"),
    [
        (issue_key(issued(0)), issued(0)),
        (issue_key(issued(0)), Claim(issued(0))),
        (group_key("g"), Claim(issued(0))),
        (secret_key(SECRET.value), leaked(0, None)),
        (task_key("t-1"), leaked(0, None)),
        (task_key("t-1"), TaskStarted(time=START, source="s", id="1", task_id="t-1")),
    ],
)
def test_of_other_facts_more_may_follow(key: str, fact: Fact) -> None:
    assert not rests(key, fact)
    with pytest.raises(TypeError):
        rested("t:x", TaskStarted(time=START, source="s", id="1", task_id="t-1"), b"", START, POLICY)

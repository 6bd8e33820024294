"""Join coverage: each credential counts once, with the join that its task gives it, in whatever order events come."""

import json
from collections import Counter
from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.judge.join_coverage import (
    MOST_ROWS,
    CredentialExample,
    JoinCoverage,
    OldestTask,
    count_joins,
    join_coverage,
)
from detector.judge.joins import (
    JOINS,
    JUDGED,
    MOST_SOURCES,
    OTHER,
    Grounds,
    JoinCounts,
    ground_of,
    join_of,
    source_of,
)
from detector.judge.ledger import Ledger
from detector.judge.policy import Policy, Tuning
from detector.judge.terms import NEVER
from detector.outputs.summary import Summary
from detector.values.events import AnyEvent, CredentialIssued, Lifecycle, TaskEnded, TaskStarted
from detector.values.times import DAY, HOUR, MINUTE, SECOND
from tests.histories import History, arrivals, histories

POLICY = Policy()
T0 = 1_793_491_200 * SECOND
NEW = 'session name "GitHubActions" names no job; set `role-session-name`'


def start(
    task: str = "t1", at: int = T0, deadline: int | None = None, kind: str | None = None
) -> TaskStarted:
    return TaskStarted(time=at, source="ci", id=f"s/{task}/{at}", task_id=task, deadline=deadline, kind=kind)


def end(task: str = "t1", at: int = T0 + MINUTE) -> TaskEnded:
    return TaskEnded(time=at, source="ci", id=f"e/{task}", task_id=task)


def one_of(task: str, at: int = T0, deadline: int | None = None) -> TaskStarted:
    """The start of a task of the group `repo`."""
    return TaskStarted(time=at, source="ci", id=f"s/{task}", task_id=task, deadline=deadline, group="repo")


def issue(  # noqa: PLR0913 - an issue has many fields, all but two named
    credential: str = "c1",
    task: str | None = "t1",
    *,
    at: int = T0,
    source: str = "vault",
    kind: str | None = "vault-token",
    unjoined: str | None = None,
    group: str | None = None,
) -> CredentialIssued:
    return CredentialIssued(
        time=at,
        source=source,
        id=f"i/{credential}",
        credential_id=credential,
        task_id=task,
        identifiers=(),
        kind=kind,
        unjoined=unjoined,
        task_group=group,
    )


def coverage(
    events: Iterable[AnyEvent],
    until: int = T0 + HOUR,
    policy: Policy = POLICY,
    most: int = MOST_ROWS,
) -> JoinCoverage:
    ledger = Ledger(policy)
    for event in events:
        ledger.apply(event)
    ledger.lapse(until)
    return join_coverage(count_joins(ledger.accounts(), until), until, most=most)


@pytest.mark.parametrize(
    ("events", "until", "join"),
    [
        ((start(), issue(), end()), T0 + HOUR, "ended"),
        ((issue(), end()), T0 + HOUR, "end-only"),
        ((start(), issue()), T0 + HOUR, "running"),
        ((start(), issue(), end(at=T0 + 2 * HOUR)), T0 + HOUR, "ended"),  # an end that is known counts
        ((start(deadline=T0 + MINUTE), issue()), T0 + 2 * MINUTE - 1, "running"),
        ((start(deadline=T0 + MINUTE), issue()), T0 + 2 * MINUTE, "overdue"),
        ((start(deadline=T0 + MINUTE), issue(), end(at=T0 + HOUR)), T0 + DAY, "ended"),
        ((start(), issue()), T0 + DAY, "running"),
        ((start(), issue()), T0 + DAY + 1, "never-ends"),
        ((issue(),), T0, "unreported"),
        ((issue(), start("t2"), end("t2")), T0 + HOUR, "unreported"),
        ((one_of("t1"), issue(group="repo"), end()), T0 + HOUR, "ended"),
        ((one_of("t1"), issue(group="other"), end()), T0 + HOUR, "other-group"),
        ((one_of("t1"), issue(group="other")), T0 + HOUR, "other-group"),
        ((start(), issue(group="other"), end()), T0 + HOUR, "ended"),  # nothing says of which group
        ((issue(group="other"), end()), T0 + HOUR, "end-only"),
    ],
)
def test_a_credential_has_the_join_that_its_task_gives_it(
    events: tuple[AnyEvent, ...], until: int, join: str
) -> None:
    found = coverage(events, until)
    assert found.by_join == {join: 1}
    assert found.unjudged == (0 if join in JUDGED else 1)


GROUPED = issue(task=None, group="repo", at=T0 + SECOND)
LIMIT = DAY + MINUTE  # of a candidate without a deadline, with the grace period


@pytest.mark.parametrize(
    ("events", "until", "join"),
    [
        ((one_of("t1"), one_of("t2"), end("t1"), end("t2")), T0 + HOUR, "candidates-ended"),
        ((one_of("t1"), one_of("t2"), end("t2")), T0 + HOUR, "candidates-running"),
        ((one_of("t1"), one_of("t2"), end("t2")), T0 + LIMIT - 1, "candidates-running"),
        ((one_of("t1"), one_of("t2"), end("t2")), T0 + LIMIT, "candidates-overdue"),
        ((one_of("t1", deadline=T0 + HOUR),), T0 + HOUR + MINUTE - 1, "candidates-running"),
        ((one_of("t1", deadline=T0 + HOUR),), T0 + HOUR + MINUTE, "candidates-overdue"),
        ((), T0 + HOUR, "no-candidate"),
        ((one_of("t1"), end("t1", at=T0 - HOUR)), T0 + HOUR, "no-candidate"),
        ((one_of("t1", at=T0 + MINUTE),), T0 + HOUR, "no-candidate"),
        ((start("t1"),), T0 + HOUR, "no-candidate"),  # it names no group
    ],
)
def test_a_credential_of_a_group_has_the_join_that_its_candidates_give_it(
    events: tuple[AnyEvent, ...], until: int, join: str
) -> None:
    for order in ((GROUPED, *events), (*events, GROUPED), (*events[::-1], GROUPED)):
        assert coverage(order, until).by_join == {join: 1}


def test_a_lost_end_is_named_and_so_are_those_who_wait_for_it() -> None:
    later = [
        issue(f"c{number}", None, group="repo", at=T0 + number * HOUR, unjoined=NEW) for number in range(9)
    ]
    ended = [one_of(f"t{number}", at=T0 + number * HOUR) for number in range(9)]
    ended += [end(f"t{number}", at=T0 + number * HOUR + MINUTE) for number in range(9)]  # type: ignore[misc]  # both are events
    found = coverage([one_of("lost", at=T0 - MINUTE), *ended, *later], T0 + 2 * DAY)
    (row,) = found.rows
    assert (row.join, row.credentials, row.reason) == ("candidates-overdue", 9, NEW)
    assert row.oldest == OldestTask(T0 - MINUTE, "lost")
    assert row.examples[0] == CredentialExample("c0", "repo")
    whole = coverage([one_of("lost", at=T0 - MINUTE), *ended, *later, end("lost")], T0 + 2 * DAY)
    assert whole.by_join == {"candidates-ended": 9}


def test_the_oldest_is_found_behind_many_candidates_that_ended() -> None:
    events: list[AnyEvent] = [GROUPED, one_of("lost", at=T0 - SECOND)]
    for number in range(50):
        events += [one_of(f"t{number:02}", at=T0 - MINUTE), end(f"t{number:02}")]
    (row,) = coverage(events).rows
    assert (row.join, row.oldest) == ("candidates-running", OldestTask(T0 - SECOND, "lost"))


def test_the_longest_age_of_a_kind_is_a_deadline() -> None:
    policy = Policy(kinds={"job": Tuning(max_task_age=HOUR)})
    events = (start(kind="job"), issue(), start("t2", kind="service"), issue("c2", "t2"))
    assert coverage(events, T0 + HOUR + MINUTE - 1, policy).by_join == {"running": 2}
    assert coverage(events, T0 + HOUR + MINUTE, policy).by_join == {"running": 1, "overdue": 1}


def test_a_task_that_runs_for_weeks_is_no_gap_where_others_of_its_kind_end() -> None:
    service = (start("service"), issue("c1", "service"))
    job = (start("job"), issue("c2", "job"), end("job"))
    assert coverage((*service, *job), T0 + 30 * DAY).unjudged == 0
    assert coverage(service, T0 + 30 * DAY).by_join == {"never-ends": 1}
    other = (start("job"), issue("c2", "job", kind="aws-session"), end("job"))
    assert coverage((*service, *other), T0 + 30 * DAY).by_join == {"ended": 1, "never-ends": 1}


def test_a_task_within_its_deadline_runs_however_long() -> None:
    dated = (start("t1", deadline=T0 + 30 * DAY), issue("c1", "t1"))
    undated = (start("t2"), issue("c2", "t2"))
    assert coverage(dated, T0 + 2 * DAY).by_join == {"running": 1}
    assert coverage((*dated, *undated), T0 + 2 * DAY).by_join == {"running": 1, "never-ends": 1}
    both = coverage((*dated, *undated), T0 + HOUR)
    assert [(row.join, row.credentials) for row in both.rows] == [("running", 2)]
    assert [each.credential_id for each in both.rows[0].examples] == ["c1", "c2"]


def test_the_reason_is_that_of_the_issue_and_only_for_those_without_a_task() -> None:
    events = (
        issue("c1", "GitHubActions", unjoined=NEW),
        issue("c2", "GitHubActions", unjoined=NEW, at=T0 + SECOND),
        issue("c3", "build-3"),
        start("known"),
        issue("c4", "known", unjoined="a name of no known form"),
    )
    rows = coverage(events).rows
    assert [(row.join, row.reason, row.credentials) for row in rows] == [
        ("unreported", NEW, 2),
        ("unreported", "", 1),
        ("running", "", 1),
    ]
    assert rows[0].examples == (
        CredentialExample("c1", "GitHubActions"),
        CredentialExample("c2", "GitHubActions"),
    )


def test_the_examples_are_the_earliest_whatever_the_order() -> None:
    events = [issue(f"c{number}", f"t{number}", at=T0 + number * SECOND) for number in range(9)]
    for order in (events, events[::-1], events[4:] + events[:4]):
        (row,) = coverage(order).rows
        assert [each.credential_id for each in row.examples] == ["c0", "c1", "c2"]


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("aws.cloudtrail/444455556666", "aws.cloudtrail"),
        ("github/org/repo", "github"),
        ("https://issuer.example/a/b?c", "https://issuer.example"),
        ("vault", "vault"),
        ("/ci/7", "/ci/7"),
        ("", ""),
        ("x" * 200, "x" * 100),
    ],
)
def test_a_source_is_what_issues_and_not_for_whom(source: str, shown: str) -> None:
    assert source_of(source) == shown


def test_many_reasons_are_bounded_and_still_add_up() -> None:
    events = [issue(f"c{number}", f"t{number}", unjoined=f"reason {number}") for number in range(500)]
    events += [issue(f"d{number}", "known", kind=f"kind {number}") for number in range(50)]
    found = coverage([*events, start("known")], most=20)
    assert len(found.rows) == 22
    assert (found.credentials, found.by_join) == (550, {"running": 50, "unreported": 500})
    assert [(row.source, row.join, row.credentials) for row in found.rows[20:]] == [
        (OTHER, "unreported", 480),
        (OTHER, "running", 50),
    ]


def test_long_texts_are_cut() -> None:
    (row,) = coverage([issue("c" * 9999, "t" * 9999, kind="k" * 9999, unjoined="r" * 9999)]).rows
    assert len(msgspec.json.encode(row)) < 1000


def counts_of(ledger: Ledger, until: int = T0) -> JoinCounts:
    grounds = Grounds()
    for account in ledger.accounts():
        grounds.move(None, ground_of(account), account)
    return JoinCounts.of(grounds.joins(until))


def by_join(counts: JoinCounts) -> Counter[str]:
    total: Counter[str] = Counter()
    for joins in counts.by_source.values():
        total.update(joins)
    return total


def test_an_aggregate_names_few_sources() -> None:
    ledger = Ledger(POLICY)
    for number in range(100):
        ledger.apply(issue(f"c{number}", source=f"issuer-{number:02}"))
    counts = counts_of(ledger)
    assert by_join(counts) == {"unreported": 100}
    assert len(counts.by_source) == 21
    assert counts.by_source[OTHER] == {"unreported": 80}


SHARES = st.dictionaries(
    st.sampled_from([f"s{number}" for number in range(MOST_SOURCES + 20)] + [OTHER]),
    st.dictionaries(st.sampled_from(sorted(JOINS)), st.integers(1, 3), min_size=1, max_size=2),
    max_size=4,
).map(JoinCounts)


@given(
    st.lists(st.tuples(st.integers(0, 60), SHARES), max_size=80),
    st.sampled_from((0, MOST_SOURCES - 3, MOST_SOURCES)),
)
def test_a_sum_is_that_of_its_parts_however_many_sources_come_and_go(
    changes: list[tuple[int, JoinCounts]], before: int
) -> None:
    parts = {-1: JoinCounts({f"s{number}": {"ended": 1} for number in range(before)})}
    total = JoinCounts().moved(JoinCounts(), parts[-1])
    for part, share in [*changes, (-1, JoinCounts())]:
        total = total.moved(parts.get(part, JoinCounts()), share)
        parts[part] = share
        total = msgspec.json.decode(msgspec.json.encode(total), type=JoinCounts)
        assert by_join(total) == sum((by_join(each) for each in parts.values()), Counter())
        assert all(count > 0 for joins in total.by_source.values() for count in joins.values())
        assert len(total.by_source) <= MOST_SOURCES + 1
    for share in parts.values():
        total = total.moved(share, JoinCounts())
    assert total == JoinCounts()


def test_the_summary_has_the_coverage_and_says_what_could_not_be_judged() -> None:
    found = coverage([issue("c1", unjoined=NEW), issue("c2", "t2"), start("t2"), end("t2")])
    summary = Summary(coverage=found, unresolved={"vault": 1})
    assert summary.gaps == (
        "1 of 2 credentials could not be judged",
        "1 event names a credential that nobody registered",
    )
    assert json.loads(json.dumps(summary.record()["coverage"])) == {
        "credentials": 2,
        "judged": 1,
        "by_join": {"ended": 1, "unreported": 1},
        "rows": [
            {
                "source": "vault",
                "kind": "vault-token",
                "join": "unreported",
                "judged": False,
                "reason": NEW,
                "credentials": 1,
                "examples": [{"credential_id": "c1", "task": "t1"}],
                "oldest": None,
            },
            {
                "source": "vault",
                "kind": "vault-token",
                "join": "ended",
                "judged": True,
                "reason": "",
                "credentials": 1,
                "examples": [{"credential_id": "c2", "task": "t2"}],
                "oldest": None,
            },
        ],
    }


@given(histories(), st.data())
def test_each_credential_counts_once_whatever_the_order(history: History, data: st.DataObject) -> None:
    ledger = Ledger(history.policy)
    for event in history.events:
        ledger.apply(event)
    ledger.lapse(history.until)
    found = join_coverage(count_joins(ledger.accounts(), history.until), history.until)
    assert found.credentials == len(list(ledger.accounts()))
    assert found.by_join.keys() <= JOINS.keys()
    assert coverage(data.draw(arrivals(history.events)), history.until, history.policy) == found
    sealed = Ledger(history.policy)
    for event in history.events:
        if isinstance(event, Lifecycle):
            sealed.apply(event)
    sealed.seal_lifecycle(until=history.until)
    assert join_coverage(count_joins(sealed.accounts(), history.until), history.until) == found


@given(histories())
def test_time_alone_changes_a_join_only_when_it_says_so(history: History) -> None:
    ledger = Ledger(history.policy)
    for event in history.events:
        ledger.apply(event)
    for account in ledger.accounts():
        now = join_of(account, history.until)
        assert join_of(account, min(now.changes_at, 1 << 70) - 1).name == now.name
        if now.changes_at != NEVER:
            assert history.until < now.changes_at
            assert join_of(account, now.changes_at).name != now.name
    of_history = join_coverage(count_joins(ledger.accounts(), history.until), history.until).by_join
    of_history["running"] = of_history.get("running", 0) + of_history.pop("never-ends", 0)
    assert by_join(counts_of(ledger, history.until)) == +Counter(of_history)

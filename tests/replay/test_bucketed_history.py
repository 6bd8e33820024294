"""A history that is judged in buckets gives what one ledger gives, whatever belongs together in it."""

import os
import tracemalloc
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.configuration.deployment_keys import KEY_VARIABLE
from detector.judge.incremental_evaluator import DEEPEST
from detector.judge.policy import Policy, Tuning
from detector.judge.terms import NEVER
from detector.replay import buckets as buckets_module
from detector.replay import runner as runner_module
from detector.replay.bucket_judge import (
    ALL,
    SHARD,
    BucketTask,
    BucketVerdicts,
    BucketWork,
    Terms,
    blocks_size,
    decode_terms,
    encode_terms,
)
from detector.replay.bucketed_history import BucketedHistory
from detector.replay.buckets import NOWHERE, CredentialBuckets, Links
from detector.replay.components import among, connected, distinct, places, repeated
from detector.replay.facts_commands import run_judge, run_scan
from detector.replay.history import Concluded, History, WholeHistory
from detector.replay.replay_command import Request, run_replay
from detector.replay.row_spool import Block
from detector.replay.runner import Processes
from detector.scan import pages
from detector.values.events import (
    AnyEvent,
    CredentialIssued,
    CredentialRevoked,
    CredentialUsed,
    Grant,
    Identifier,
    Leak,
    Lifecycle,
    LimitedRecord,
    TaskEnded,
    TaskStarted,
)
from detector.values.networks import NetworkSet
from detector.values.times import DAY, SECOND
from tests.histories import History as Drawn
from tests.histories import disputes, histories
from tests.replay.files_of_histories import POLICY, everything, judged_in_buckets, read_in_frames, written
from tests.small_history import KEY_TEXT, NOW

EXAMPLES = os.environ.get("CURFEWD_EXAMPLES")
T0 = 1_793_491_200 * SECOND


def concluded(history: History, events: Sequence[AnyEvent], until: int) -> Concluded:
    lifecycle = [event for event in events if isinstance(event, Lifecycle)]
    uses = [event for event in events if isinstance(event, CredentialUsed)]
    history.tell(lifecycle)
    history.locate(uses)
    history.seal()
    history.use(uses)
    for event in events:
        if isinstance(event, Leak | LimitedRecord):
            history.show(event)
    return history.conclude(until)


def both(
    events: Sequence[AnyEvent], policy: Policy, until: int, *, large: int, jobs: int = 1
) -> tuple[Concluded, Concluded]:
    whole = concluded(WholeHistory(policy, NEVER), events, until)
    return whole, concluded(BucketedHistory(policy, NEVER, Processes(jobs), large=large), events, until)


@settings(max_examples=int(EXAMPLES or 150), derandomize=EXAMPLES is None, deadline=None)
@given(st.one_of(histories(), disputes()), st.sampled_from([0, 1 << 30]))
def test_buckets_give_what_one_ledger_gives(history: Drawn, large: int) -> None:
    whole, apart = both(history.events, history.policy, history.until, large=large)
    assert apart == whole


def story(number: int) -> list[AnyEvent]:
    """A task with a child, a credential without an expiry, uses of both and by a stranger, and a leak of a secret."""
    names = iter(range(number * 100, number * 100 + 100))
    task, child, credential = f"task-{number}", f"child-{number}", f"credential-{number}"
    identifier = Identifier("aws-access-key-id", f"AKIA{number}")

    def at(second: int) -> dict[str, Any]:
        return {"time": T0 + second * SECOND, "source": "ci", "id": str(next(names))}

    grants = Grant(("read*",)), Grant(("write*",))
    return [
        TaskStarted(**at(0), task_id=task, workload=f"runner-{number}"),
        TaskStarted(**at(5), task_id=child, parent_task_id=task),
        CredentialIssued(
            **at(1), credential_id=credential, task_id=task, identifiers=(identifier,), grants=grants
        ),
        CredentialUsed(**at(10), identifier=identifier, task_id=child, action="read"),
        CredentialUsed(**at(11), credential_id=credential, task_id="stranger", action="list"),
        CredentialUsed(**at(12), credential_id=credential, task_id="stranger", action="list"),
        CredentialUsed(**at(13), credential_id=f"unknown-{number}", action="read"),
        CredentialRevoked(**at(20), credential_id=f"old-name-{number}", identifier=identifier),
        TaskEnded(**at(30), task_id=task),
        CredentialUsed(**at(28), identifier=identifier, action="read"),
        Leak(**at(40), identifiers=(), fingerprint=f"f{number}", pattern="p", severity=4, excerpt="…", task_id=task),
        LimitedRecord(**at(41), reason="shard", size=9, task_id=child, stream="stdout"),
    ]  # fmt: skip


@pytest.mark.parametrize("large", [0, 1 << 30])
def test_all_that_belongs_together_is_judged_together(large: int) -> None:
    events = [event for number in range(40) for event in story(number)]
    whole, apart = both(events, Policy(), T0 + DAY, large=large)
    assert apart == whole
    rules = Counter(finding.rule for finding in whole.findings)
    assert rules == {
        "leaked-secret": 40, "overlong-credential": 40, "scan-limited": 40, "unused-grant": 40,
        "use-after-revocation": 40, "use-by-other-workload": 40, "use-outside-scope": 40,
    }  # fmt: skip
    secret = next(finding for finding in apart.findings if finding.key == "f7")
    assert secret.task is not None
    assert (secret.task.workload, secret.task.ended) == ("runner-7", T0 + 30 * SECOND)
    assert sum(apart.unresolved.values()) == 40


def test_processes_judge_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "SMALL", 0)
    events = [event for number in range(40) for event in story(number)]
    whole, apart = both(events, Policy(), T0 + DAY, large=0, jobs=2)
    assert apart == whole


@pytest.mark.parametrize("alone", [0, 1 << 30])
@pytest.mark.parametrize("large", [0, 500, 2000])
def test_a_credential_with_many_uses_is_judged_in_shards(
    large: int, alone: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its second copies are recognised, and the first evidence is the first of all shards."""
    monkeypatch.setattr(buckets_module, "_ALONE", alone)
    events = story(1)
    uses = [
        CredentialUsed(
            time=T0 + second * SECOND, source="s", id=str(second), credential_id="credential-1", action="list"
        )
        for second in range(2, 1000)
    ]
    history = BucketedHistory(Policy(), NEVER, Processes(), large=large)
    whole, apart = (
        concluded(each, [*events, *uses, *uses[::3]], T0 + DAY) for each in (WholeHistory(Policy(), NEVER), history)
    )  # fmt: skip
    assert apart == whole
    outside = next(finding for finding in apart.findings if finding.rule == "use-outside-scope")
    assert outside.count == len(uses) + 2


def test_of_very_many_uses_a_shard_reads_its_own_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """So the shards of a task read its uses once, and no process holds all of them.

    Other tasks do not wait for them.
    """
    monkeypatch.setattr(buckets_module, "_ALONE", 1000)
    uses: list[AnyEvent] = [
        CredentialUsed(time=T0 + n, source="s", id=str(n), credential_id="credential-1", action="list")
        for n in range(5000)
    ]
    judged: list[list[BucketTask]] = []
    reads: list[list[Block]] = []

    class Noting(Processes):
        def judge(
            self, work: BucketWork, todo: Sequence[BucketTask]
        ) -> Iterator[tuple[BucketTask, BucketVerdicts]]:
            judged.append(list(todo))
            reads.extend(work.facts_of(task.bucket, task.shards) for task in todo if task.what == SHARD)
            return super().judge(work, todo)

    history = BucketedHistory(Policy(), NEVER, Noting(), large=1000)
    concluded(history, [*(event for number in range(9) for event in story(number)), *uses], T0 + DAY)
    first, second, *_ = judged
    shards = [task for task in first if task.what == SHARD]
    read = [block for blocks in reads for block in blocks]
    own = set(read) - {block for block, count in Counter(read).items() if count > 1}
    assert len(shards) > 4
    assert blocks_size(list(own)) > 0.8 * sum(map(blocks_size, reads))
    assert {task.what for task in first} == {SHARD, ALL}
    assert [task.bucket for task in second] == [shards[0].bucket]


def test_a_lineage_deeper_than_is_looked_at_is_in_one_bucket() -> None:
    """A use that names a task of such a lineage may be of any candidate."""
    deep = [
        TaskStarted(time=T0, source="ci", id=f"s{n}", task_id=f"d{n}", parent_task_id=f"d{n - 1}")
        for n in range(1, DEEPEST + 5)
    ]
    groups: list[AnyEvent] = []
    for repo in range(8):
        groups += [
            TaskStarted(time=T0, source="ci", id=f"g{repo}/{n}", task_id=f"g{repo}/{n}", group=f"repo-{repo}")
            for n in range(30)
        ]
        groups += [
            CredentialIssued(
                time=T0, source="ci", id=f"i{repo}", credential_id=f"c{repo}", task_id=None,
                task_group=f"repo-{repo}", identifiers=(),
            ),
            CredentialUsed(
                time=T0, source="ci", id=f"u{repo}", credential_id=f"c{repo}", task_id=deep[-1].task_id, action="x"
            ),
        ]  # fmt: skip
    whole, apart = both([*deep, *groups], Policy(), T0 + DAY, large=1 << 30)
    assert apart == whole
    assert not any(finding.rule == "use-by-other-workload" for finding in whole.findings)


def test_what_is_not_known_is_in_no_bucket() -> None:
    links = Links()
    links.take(story(1)[2])  # type: ignore[arg-type] # an issue
    buckets = links.buckets(4)
    credentials = buckets.credentials
    known, unknown = CredentialUsed(time=0, source="", id="", credential_id="credential-1"), story(2)[4]
    assert isinstance(unknown, CredentialUsed)
    assert credentials.of([known, unknown]) != [NOWHERE, NOWHERE]
    assert credentials.of([unknown]) == [NOWHERE]
    assert buckets.of_task("task-1") != NOWHERE
    assert buckets.of_task("task-2") == NOWHERE
    assert Links().buckets(4).credentials.of([known]) == [NOWHERE]


def test_buckets_cross_to_other_machines_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_ROWS", 7)
    links = Links()
    for number in range(20):
        links.take(story(number)[2])  # type: ignore[arg-type] # an issue
    credentials = links.buckets(4).credentials
    uses = [CredentialUsed(time=0, source="", id="", credential_id=f"credential-{n}") for n in range(25)]
    parts = list(credentials.parts())
    assert len(parts) > 1
    assert CredentialBuckets.of_parts(parts).of(uses) == credentials.of(uses)
    assert CredentialBuckets.of_parts(()).of(uses) == [NOWHERE] * 25


def test_of_many_names_few_are_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a driver holds does not grow with the credentials."""
    monkeypatch.setattr(pages, "_ROWS", 1000)
    monkeypatch.setattr(pages, "_WRITTEN", 8000)
    monkeypatch.setattr(pages, "_SMALL", 8000)
    most = []
    for count in (500, 4000):
        links = Links()
        tracemalloc.start()
        try:
            for number in range(count):
                links.take(story(number)[2])  # type: ignore[arg-type] # an issue
            buckets = links.buckets(16)
            most.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert buckets.of_task(f"task-{count - 1}") != NOWHERE
    assert most[1] < most[0] + 100_000


@given(st.lists(st.integers(-9, 9)), st.lists(st.integers(-9, 9)), st.integers(1, 4))
def test_numbers_are_sorted_and_counted_in_parts(one: list[int], other: list[int], times: int) -> None:
    with patch.object(pages, "_ROWS", 3):
        first, second = (np.array(some, np.int64) for some in (one, other))
        found = distinct(first, second)
        assert found.tolist() == sorted({*one, *other})
        assert places(first, found).tolist() == [found.tolist().index(each) for each in one]
        assert among(first, distinct(second)).tolist() == [each in other for each in one]
        counted = Counter(one)
        assert repeated(first, times).tolist() == sorted(each for each in counted if counted[each] >= times)


@given(
    st.integers(1, 30).flatmap(
        lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, n - 1)] * 2)))
    )
)
def test_connected_nodes_have_one_label(graph: tuple[int, list[tuple[int, int]]]) -> None:
    size, edges = graph
    expected = list(range(size))
    for _ in range(size):
        for one, other in edges:
            expected[one] = expected[other] = min(expected[one], expected[other])
    ends = np.array(edges, np.int64).reshape(-1, 2)
    for rows in (4, 1000):
        with patch.object(pages, "_ROWS", rows):
            assert connected(size, ends[:, 0], ends[:, 1]).tolist() == expected


def test_terms_cross_between_processes() -> None:
    policy = Policy(kinds={"cloud": Tuning(expected_networks=NetworkSet(["10.0.0.0/8"]))})
    terms = Terms(policy, NEVER, T0)
    assert decode_terms(encode_terms(terms)) == terms


@pytest.mark.parametrize("large", [0, 1 << 30])
def test_every_kind_of_input_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(KEY_VARIABLE, KEY_TEXT)
    everything(Path("all"))
    Path("curfewd.toml").write_text(POLICY)
    asked = Request(config="curfewd.toml", paths=("all",), out="whole", jobs=1, now=NOW)
    run_replay(asked)
    judged_in_buckets(monkeypatch, large)
    read_in_frames(monkeypatch)
    monkeypatch.setattr(runner_module, "SMALL", 0)  # processes are forked
    run_replay(msgspec.structs.replace(asked, out="apart", jobs=2, unit=3000))
    assert written("apart") == written("whole")
    run_scan(msgspec.structs.replace(asked, out=None), "facts")
    run_judge(msgspec.structs.replace(asked, paths=(), out="judged", jobs=2), ["facts"])
    assert written("judged") == written("whole")

"""A large history: facts wait on disk by their bucket, and the runner judges the buckets.

The ledger here has leaks of secrets that nobody registered, and counts uses of unknown credentials. A bucket knows the
tasks that findings about these name.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import attrgetter
from typing import Final

import msgspec

from detector.judge.accounts import Task
from detector.judge.conclude import limited_finding, secret_finding
from detector.judge.join_coverage import JoinCount, join_coverage
from detector.judge.ledger import Ledger
from detector.judge.policy import Policy
from detector.judge.routing import TaskStatus
from detector.replay.bucket_judge import (
    ALL,
    SHARD,
    TASKS,
    BucketTask,
    BucketVerdicts,
    BucketWork,
    Terms,
    blocks_size,
    fact_of,
)
from detector.replay.buckets import (
    NOWHERE,
    SHARDS,
    Buckets,
    CredentialBuckets,
    Links,
    place_of,
    routed,
    row_of,
)
from detector.replay.history import Concluded
from detector.replay.row_spool import RowSpool
from detector.replay.runner import Runner
from detector.values.events import CredentialUsed, Leak, Lifecycle, LimitedRecord
from detector.values.findings import Command, Finding

_EVENTS: Final = 20_000  # lifecycle events of a bucket, about
_MOST: Final = 1024  # buckets
LARGE: Final = (
    2 * 1024 * 1024
)  # bytes of packed facts that one process judges; of more, each shard has as many
_ROUTED: Final = 1 << 16  # events whose buckets are looked up at once


class BucketedHistory:
    """Implements `History`.

    `sealed_until` is as `Ledger.seal_lifecycle` has it. One larger than `large` is judged in shards.
    """

    def __init__(self, policy: Policy, sealed_until: int, runner: Runner, large: int = LARGE) -> None:
        self._policy = policy
        self._sealed_until = sealed_until
        self._runner = runner
        self._large = large
        self._links = Links()
        self._waiting = RowSpool()  # lifecycle events, until their buckets are known
        self._located = RowSpool()  # first uses, the same
        self._buckets: Buckets | None = None
        self.buckets: CredentialBuckets | None = None
        self._lifecycle, self._first_uses, self._facts = RowSpool(), RowSpool(), RowSpool()
        self._count = 0
        self._encoder = msgspec.json.Encoder()
        self._rest = Ledger(policy)
        self._rest.seal_lifecycle()

    def tell(self, events: Sequence[Lifecycle]) -> None:
        """See `History`."""
        for event in events:
            self._links.take(event)
            self._waiting.put(0, self._encoder.encode(event))

    def locate(self, uses: Sequence[CredentialUsed]) -> None:
        """See `History`."""
        for use in uses:
            self._located.put(0, self._encoder.encode(use))

    def seal(self) -> None:
        """See `History`."""
        self._count = max(4 * self._runner.jobs, min(_MOST, self._links.count // _EVENTS))
        self._buckets = buckets = self._links.buckets(self._count)
        self.buckets = buckets.credentials
        self._links = Links()
        for bucket, row in zip(buckets.of_events(), self._waiting.rows(0), strict=True):
            self._lifecycle.put(bucket, row)
        decoder = msgspec.json.Decoder(CredentialUsed)
        located = map(decoder.decode, self._located.rows(0))
        while uses := list(islice(located, _ROUTED)):
            for bucket, use in zip(self.buckets.of(uses), uses, strict=True):
                if bucket != NOWHERE:
                    self._first_uses.put(bucket, self._encoder.encode(use))
        self._waiting = self._located = RowSpool()

    def use(self, uses: Sequence[CredentialUsed]) -> None:
        """See `History`."""
        if uses:
            rows, rest = routed(uses, self._credentials())
            self.put(rows)
            for use in rest:
                self._rest.apply(use)

    def put(self, rows: Mapping[int, bytes]) -> None:
        """See `History`."""
        for place, block in rows.items():
            self._facts.append(place, block)

    def show(self, record: Leak | LimitedRecord) -> None:
        """See `History`."""
        buckets = self._credentials().of_leak(record) if isinstance(record, Leak) else set()
        if not buckets:
            self._rest.apply(record)
        elif isinstance(record, Leak):
            for bucket in buckets:
                self._facts.put(place_of(bucket), row_of(record, self._encoder))

    def conclude(self, until: int) -> Concluded:
        """See `History`."""
        for spool in (self._lifecycle, self._first_uses, self._facts):
            spool.flush()
        work = BucketWork(
            Terms(self._policy, self._sealed_until, until), self._lifecycle, self._first_uses, self._facts
        )
        evidence = defaultdict[int, list[bytes]](list)
        found = _Verdicts()
        buckets = [bucket for bucket in range(self._count) if self._lifecycle.blocks(bucket)]
        first = [task for bucket in buckets for task in self._shards(work, bucket)]
        large = {task.bucket for task in first}
        small = [BucketTask(bucket, ALL) for bucket in buckets if bucket not in large]
        for task, verdicts in self._runner.judge(work, first + small):
            if task.what == SHARD:
                evidence[task.bucket].append(verdicts.evidence)
            self._take(found, verdicts)
        rest = [BucketTask(bucket, ALL, evidence=some) for bucket, some in evidence.items()]
        for _, verdicts in self._runner.judge(work, rest):
            self._take(found, verdicts)
        return Concluded(
            sorted(found.findings + self._findings_of_logs(work), key=attrgetter("order")),
            sorted(found.commands, key=attrgetter("order")),
            found.unresolved + self._rest.unresolved,
            found.conflicts,
            join_coverage(found.joins, until),
        )

    def _credentials(self) -> CredentialBuckets:
        if self.buckets is None:
            raise ValueError("a use or leak before the lifecycle was sealed")
        return self.buckets

    def _take(self, found: "_Verdicts", verdicts: BucketVerdicts) -> None:
        found.findings += verdicts.findings
        found.commands += verdicts.commands
        found.joins += verdicts.joins
        found.unresolved.update(verdicts.unresolved)
        found.conflicts += verdicts.conflicts
        for row in verdicts.unowned:
            self._rest.apply(fact_of(row))

    def _shards(self, work: BucketWork, bucket: int) -> Iterator[BucketTask]:
        """The shards of a bucket, if it is large."""
        facts = work.facts_of(bucket)
        count = SHARDS if not self._large else min(SHARDS, blocks_size(facts) // self._large)
        for first in range(count if facts and count > 1 else 0):
            yield BucketTask(bucket, SHARD, tuple(range(first, SHARDS, count)))

    def _findings_of_logs(self, work: BucketWork) -> list[Finding]:
        """What logs show of secrets that nobody registered, and what of them could not be examined whole."""
        _, secrets = self._rest.secrets()
        limited = self._rest.limited
        named = (tally.earliest()[0].event for tally in (*secrets.values(), *limited.values()))
        asked = {one.task_id for one in named if isinstance(one, Leak | LimitedRecord)} - {None}
        tasks = dict(self._tasks(work, filter(None, asked)))
        policy = self._policy
        found = [secret_finding(one, tally, policy, tasks) for one, tally in secrets.items()]
        return found + [limited_finding(one, tally, policy, tasks) for one, tally in limited.items()]

    def _tasks(self, work: BucketWork, asked: Iterable[str]) -> Iterator[tuple[str, Task]]:
        of_bucket = defaultdict[int, list[str]](list)
        for task_id in asked:
            of_bucket[NOWHERE if self._buckets is None else self._buckets.of_task(task_id)].append(task_id)
        of_bucket.pop(NOWHERE, None)
        todo = [BucketTask(bucket, TASKS, asked=tuple(names)) for bucket, names in sorted(of_bucket.items())]
        for _, verdicts in self._runner.judge(work, todo):
            for status in verdicts.tasks:
                yield status.task_id, _task_of(status)


class _Verdicts:
    """What all buckets say."""

    def __init__(self) -> None:
        self.findings = list[Finding]()
        self.commands = list[Command]()
        self.joins = list[JoinCount]()
        self.unresolved = Counter[str]()
        self.conflicts = 0


def _task_of(status: TaskStatus) -> Task:
    task = Task(status.task_id)
    task.start, task.end = status.start, status.end
    task.heartbeat, task.lapsed = status.heartbeat, status.lapsed
    return task

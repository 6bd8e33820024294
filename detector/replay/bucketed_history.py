"""A large history: facts wait on disk by their bucket, and the runner judges the buckets.

The ledger here has leaks of secrets that nobody registered, and counts uses of unknown credentials. A bucket knows the
tasks that findings about these name.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

import msgspec
from msgspec.structs import replace

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
    BucketPart,
    BucketTask,
    BucketVerdicts,
    BucketWork,
    Terms,
    blocks_size,
    fact_of,
)
from detector.replay.buckets import NOWHERE, SHARDS, Buckets, CredentialBuckets, Links, routed, row_of
from detector.replay.history import Concluded
from detector.replay.row_spool import Block, RowSpool
from detector.replay.runner import Runner
from detector.values.events import CredentialUsed, Leak, Lifecycle, LimitedRecord
from detector.values.findings import Command, Finding
from detector.values.times import to_millis

_EVENTS: Final = 20_000  # lifecycle events of a bucket, about
_MOST: Final = 1024  # buckets
LARGE: Final = (
    2 * 1024 * 1024
)  # bytes of packed facts that one process judges; of more, each shard has as many
_LIFECYCLE, _FIRST_USES, _FACTS, _PLACES = range(4)  # in the spool, for each bucket
_ROUTED: Final = 1 << 16  # events whose buckets are looked up at once


class BucketedHistory:
    """Implements `History`. `sealed_until` is as `Ledger.seal_lifecycle` has it. One larger than `large` is judged in shards."""

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
        self._spool = RowSpool()
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
        keys = self._links.keys
        self._count = max(4 * self._runner.jobs, min(_MOST, len(keys) // _EVENTS))
        self._buckets = buckets = self._links.buckets(self._count)
        self.buckets = buckets.credentials()
        self._links = Links()
        rows = self._waiting.rows(0)
        for first in range(0, len(keys), _ROUTED):
            for bucket in buckets.of_keys(keys[first : first + _ROUTED]):
                self._spool.put(bucket * _PLACES + _LIFECYCLE, next(rows))
        decoder = msgspec.json.Decoder(CredentialUsed)
        located = map(decoder.decode, self._located.rows(0))
        while uses := list(islice(located, _ROUTED)):
            for bucket, use in zip(self.buckets.of(uses), uses, strict=True):
                if bucket != NOWHERE:
                    self._spool.put(bucket * _PLACES + _FIRST_USES, self._encoder.encode(use))
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
        for bucket, block in rows.items():
            self._spool.append(bucket * _PLACES + _FACTS, block)

    def show(self, record: Leak | LimitedRecord) -> None:
        """See `History`."""
        buckets = self._credentials().of_leak(record) if isinstance(record, Leak) else set()
        if not buckets:
            self._rest.apply(record)
        elif isinstance(record, Leak):
            for bucket in buckets:
                self._spool.put(bucket * _PLACES + _FACTS, row_of(record, self._encoder))

    def conclude(self, until: int) -> Concluded:
        """See `History`."""
        self._spool.flush()
        work = BucketWork(Terms(self._policy, self._sealed_until, until), self._spool)
        evidence = defaultdict[int, list[bytes]](list)
        unresolved, conflicts = Counter[str](), 0
        for task, verdicts in self._runner.judge(work, list(self._sharded())):
            evidence[task.bucket].append(verdicts.evidence)
            unresolved.update(verdicts.unresolved)
            self._take_back(verdicts)
        findings, commands, joins = list[Finding](), list[Command](), list[JoinCount]()
        for _, verdicts in self._runner.judge(work, list(self._whole(evidence))):
            findings += verdicts.findings
            commands += verdicts.commands
            joins += verdicts.joins
            unresolved.update(verdicts.unresolved)
            conflicts += verdicts.conflicts
            self._take_back(verdicts)
        findings += self._findings_of_logs(work)
        return Concluded(
            sorted(findings, key=lambda one: (to_millis(one.first_seen), one.uid)),
            sorted(commands, key=lambda one: (one.time, one.credential.credential_id, one.escalated)),
            unresolved + self._rest.unresolved,
            conflicts,
            join_coverage(joins, until),
        )

    def _credentials(self) -> CredentialBuckets:
        if self.buckets is None:
            raise ValueError("a use or leak before the lifecycle was sealed")
        return self.buckets

    def _take_back(self, verdicts: BucketVerdicts) -> None:
        for row in verdicts.unowned:
            self._rest.apply(fact_of(row))

    def _sharded(self) -> Iterator[BucketTask]:
        """The shards of large buckets."""
        for bucket in range(self._count):
            part = self._part(bucket, SHARD)
            count = SHARDS if not self._large else min(SHARDS, blocks_size(part.facts) // self._large)
            if part.facts and count > 1:
                for first in range(count):
                    shards = tuple(range(first, SHARDS, count))
                    yield BucketTask(bucket, replace(part, shards=shards))

    def _whole(self, evidence: dict[int, list[bytes]]) -> Iterator[BucketTask]:
        """All buckets, the large ones with the evidence of their shards."""
        for bucket in range(self._count):
            part = self._part(bucket, ALL)
            if bucket in evidence:
                part = replace(part, facts=[], evidence=evidence[bucket])
            if part.lifecycle:
                yield BucketTask(bucket, part)

    def _part(self, bucket: int, what: str) -> BucketPart[Block]:
        blocks, first = self._spool.blocks, bucket * _PLACES
        return BucketPart(
            what, blocks(first + _LIFECYCLE), blocks(first + _FIRST_USES), blocks(first + _FACTS)
        )

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
        todo = [
            BucketTask(
                bucket, replace(self._part(bucket, TASKS), first_uses=[], facts=[], asked=tuple(names))
            )
            for bucket, names in sorted(of_bucket.items())
        ]
        for _, verdicts in self._runner.judge(work, todo):
            for status in verdicts.tasks:
                yield status.task_id, _task_of(status)


def _task_of(status: TaskStatus) -> Task:
    task = Task(status.task_id)
    task.start, task.end = status.start, status.end
    task.heartbeat, task.lapsed = status.heartbeat, status.lapsed
    return task

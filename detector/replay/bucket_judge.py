"""The stage `judge` of one bucket: its rows go in, findings and commands come out. Any process or machine can run it.

Of a bucket with very many uses several processes judge some shards each (`SHARD`), and one adds up what they found.
An event is in one shard alone, so each shard recognises the second copies in it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from detector.judge.evidence_parts import CredentialEvidence, add_evidence, evidence_of
from detector.judge.join_coverage import JoinCount, count_joins
from detector.judge.ledger import Ledger
from detector.judge.policy import Policy
from detector.judge.routing import TaskStatus
from detector.judge.stage import judge_history
from detector.replay.buckets import SHARDS, place_of, shard_of
from detector.replay.row_spool import Block, RowSpool, rows_of
from detector.values.events import CredentialUsed, Leak, Lifecycle, TaskEnded, TaskHeartbeat, TaskStarted
from detector.values.findings import Command, Finding
from detector.values.networks import NetworkSet

ALL: Final = "all"  # judges a bucket
SHARD: Final = "shard"  # judges a shard of its uses and leaks
TASKS: Final = "tasks"  # says what is known of some of its tasks

_fact: Final[msgspec.json.Decoder[CredentialUsed | Leak]] = msgspec.json.Decoder(CredentialUsed | Leak)
_lifecycle: Final = msgspec.json.Decoder(Lifecycle)
_first_uses: Final = msgspec.json.Decoder(CredentialUsed)
_evidence: Final = msgspec.json.Decoder(list[CredentialEvidence])


class BucketRows(msgspec.Struct, frozen=True):
    """What is judged of a bucket, as packed rows, what shards found of it, and the ids of the tasks that are asked for.

    Of the facts those of some `shards` count, or all.
    """

    what: str
    lifecycle: list[bytes]
    first_uses: list[bytes]
    facts: list[bytes]
    shards: tuple[int, ...] = ()
    evidence: list[bytes] = []
    asked: tuple[str, ...] = ()


class Terms(msgspec.Struct, frozen=True):
    """What all buckets are judged by. The times are those of `Ledger.seal_lifecycle` and `judge_history` (ns)."""

    policy: Policy
    sealed_until: int
    until: int


class BucketTask(msgspec.Struct, frozen=True):
    """A bucket to judge, or a part of that: some of its shards, or all with the evidence that its shards found."""

    bucket: int
    what: str
    shards: tuple[int, ...] = ()
    evidence: list[bytes] = []
    asked: tuple[str, ...] = ()


def blocks_size(blocks: Sequence[Block]) -> int:
    """The bytes of some blocks."""
    return sum(end - start for start, end in blocks)


class BucketWork(msgspec.Struct, frozen=True):
    """What all tasks of a history need."""

    terms: Terms
    lifecycle: RowSpool
    first_uses: RowSpool
    facts: RowSpool

    def facts_of(self, bucket: int, shards: Iterable[int] = range(SHARDS)) -> list[Block]:
        """Where the facts of some shards stand. The last ones are in blocks with those of others."""
        places = [*(place_of(bucket, shard) for shard in shards), place_of(bucket)]
        return [block for place in places for block in self.facts.blocks(place)]

    def size(self, task: BucketTask) -> int:
        """Bytes that a task reads."""
        return sum(map(blocks_size, self._blocks(task))) + sum(map(len, task.evidence))

    def rows(self, task: BucketTask) -> BucketRows:
        """What a task reads."""
        spools = self.lifecycle, self.first_uses, self.facts
        lifecycle, first_uses, facts = (
            spool.packed(blocks) for spool, blocks in zip(spools, self._blocks(task), strict=True)
        )
        return BucketRows(task.what, lifecycle, first_uses, facts, task.shards, task.evidence, task.asked)

    def _blocks(self, task: BucketTask) -> tuple[list[Block], list[Block], list[Block]]:
        lifecycle = self.lifecycle.blocks(task.bucket)
        if task.what == TASKS:
            return lifecycle, [], []
        facts = [] if task.evidence else self.facts_of(task.bucket, task.shards or range(SHARDS))
        return lifecycle, self.first_uses.blocks(task.bucket), facts


class BucketVerdicts(msgspec.Struct):
    """What was found. `unowned` are leaks of no credential of the bucket, as rows.

    `unresolved` and `conflicts` are as in `Ledger`. `evidence` is what a shard found, as JSON.
    """

    findings: list[Finding] = []
    commands: list[Command] = []
    unresolved: dict[str, int] = {}
    conflicts: int = 0
    joins: list[JoinCount] = []
    evidence: bytes = b""
    tasks: list[TaskStatus] = []
    unowned: list[bytes] = []


def judge_bucket(terms: Terms, rows: BucketRows) -> BucketVerdicts:
    """Judges a bucket, or a part of that.

    Raises:
        ValueError: the rows are damaged.
    """
    ledger = Ledger(terms.policy)
    if rows.what == TASKS:
        return BucketVerdicts(tasks=list(_tasks(ledger, terms, rows)))
    for row in rows_of(rows.lifecycle):
        ledger.apply(_lifecycle.decode(row))
    ledger.seal_lifecycle(map(_first_uses.decode, rows_of(rows.first_uses)), terms.sealed_until)
    before = Counter(ledger.unresolved)
    verdicts = BucketVerdicts(unowned=list(_unowned(ledger, rows)))
    verdicts.unresolved = dict(ledger.unresolved - before if rows.what == SHARD else ledger.unresolved)
    for part in rows.evidence:
        add_evidence(ledger, _evidence.decode(part))
    if rows.what == SHARD:
        verdicts.evidence = msgspec.json.encode(evidence_of(ledger))
        return verdicts
    verdicts.findings, verdicts.commands = judge_history(ledger, terms.until)
    verdicts.conflicts = len(ledger.conflicts)
    verdicts.joins = count_joins(ledger.accounts(), terms.until)
    return verdicts


def _unowned(ledger: Ledger, rows: BucketRows) -> Iterator[bytes]:
    """Judges the uses and leaks; gives the leaks of no credential of the bucket."""
    shards = frozenset(rows.shards or range(SHARDS))
    for row in rows_of(rows.facts):
        if shard_of(row) not in shards:
            continue
        fact = fact_of(row)
        if isinstance(fact, CredentialUsed) or ledger.shown_by(fact):
            ledger.apply(fact)
        else:
            yield row


def _tasks(ledger: Ledger, terms: Terms, rows: BucketRows) -> Iterator[TaskStatus]:
    asked = frozenset(rows.asked)
    for row in rows_of(rows.lifecycle):
        event = _lifecycle.decode(row)
        if isinstance(event, TaskStarted | TaskEnded | TaskHeartbeat) and event.task_id in asked:
            ledger.apply(event)
    ledger.lapse(terms.until)
    for name in rows.asked:
        task = ledger.task(name)
        if task is not None:
            yield TaskStatus(name, task.start, task.end, task.heartbeat, task.lapsed)


def fact_of(row: bytes) -> CredentialUsed | Leak:
    """The fact in a row, as `row_of` makes them."""
    return _fact.decode(row[1:])


def encode_terms(terms: Terms) -> bytes:
    """The terms, for another process."""
    return msgspec.json.encode(terms, enc_hook=_networks)


def decode_terms(data: bytes) -> Terms:
    """The terms."""
    return msgspec.json.decode(data, type=Terms, dec_hook=_networks_of)


def _networks(value: Any) -> Any:
    if isinstance(value, NetworkSet):
        return value.cidrs
    raise NotImplementedError


def _networks_of(kind: type, value: Any) -> Any:
    if kind is NetworkSet:
        return NetworkSet(value)
    raise NotImplementedError

"""The judge stage in the service: facts from the work topic become findings and commands, each exactly once.

The judging itself is `detector.judge.stage`. This module surrounds it: it finds each aggregate's state in memory or in
the store, encodes what a judgement gives, and keeps timers and the watermark.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from detector.judge.policy import Policy
from detector.judge.resting import is_secret, reported, rested, rests
from detector.judge.routing import Fact, InputProgress, WorkProgress, decode, encode, registry_key
from detector.judge.stage import META, AggregateState, Change, Judgement, key_of
from detector.judge.terms import NEVER
from detector.judge.totals import Totals
from detector.judge.verdicts import judge_lone_secret
from detector.judge.watermark import BEGINNING, Inputs, Watermark, source_name
from detector.kafka.batches import FEW
from detector.kafka.changelog import Changelog
from detector.kafka.handlers import Output, Partition, PassedOn, Refusal, ToWrite
from detector.outputs.output import Run
from detector.records.dead_letters import UNREADABLE, DeadLetter
from detector.records.made_columns import columns_of, columns_of_parts
from detector.records.record_columns import offsets_of, timestamps_of, with_headers
from detector.service.judge.local_stores import LocalStores
from detector.service.judge.poll import CachedAggregate, Poll, RestingFact
from detector.service.judge.reports import JudgedTransaction, OutputCause
from detector.service.judge.restore import Restored, Restoring, restore
from detector.service.judge.store import (
    FINDINGS_ID,
    FORMAT,
    LAST,
    SOURCES,
    TIME_BYTES,
    TIMERS,
    TOTALS,
    WATERMARK,
    Position,
    Store,
    changelog_changes,
    digest_of,
    entry_key,
    time_of,
)
from detector.service.judge.store_memory import StoreMemory
from detector.service.judge.topic_output import OutputTopics, TopicOutput
from detector.service.judge.work import Work
from detector.service.record_times import LONGEST, output_timestamp
from detector.values.errors import CurfewdError, RetryError
from detector.values.events import Event, Leak
from detector.values.findings import Command, Finding
from detector.values.shortage import shortage
from detector.values.stored_format import FORMAT_VALUE, check_headers
from detector.values.times import MILLISECOND, SECOND

POSITION_EVERY: Final = 5 * SECOND
# There may be thousands of sources. If one was further than the store says, the watermark waits until it is reported.
SOURCES_EVERY: Final = 5 * SECOND
REWRITTEN_AT_ONCE: Final = 500  # aggregates, once a second


class Topics(msgspec.Struct, frozen=True):
    """Where the stage writes; it reads `work` too."""

    work: str = "curfewd.work"
    state: str = "curfewd.state"
    registry: str = "curfewd.registry"
    findings: str = "curfewd.findings"
    revocations: str = "curfewd.revocations"
    dead_letters: str = "curfewd.dead-letters"


class JudgeSettings(msgspec.Struct, frozen=True):
    """`directory` holds the stores, which share `memory`.

    `cache_size` bounds the state of a partition in memory, in things of 2 KB.

    An aggregate keeps at least `compact_every` facts one by one before it compacts the old ones.
    `work_dated` is how far back a record of work may be dated, in ns. Each of the `work_partitions` gets the progress
    of each. `findings_id` is the id of the findings topic,
    empty if the brokers tell none.
    """

    policy: Policy
    directory: Path
    topics: Topics = Topics()
    cache_size: int = 100_000
    compact_every: int = 256
    work_dated: int = LONGEST
    work_partitions: int = 1
    memory: StoreMemory | None = None
    findings_id: str = ""


class JudgeHandler:
    """Handles the work topic.

    `run` puts findings into words. `clock` gives ns. `observe` gets each `Restoring`, `Restored` and
    `JudgedTransaction`. `inputs` gives the inputs that were listed last, None if none were.
    """

    def __init__(  # noqa: PLR0913 - what it works with, each by its name
        self,
        settings: JudgeSettings,
        run: Run,
        changelog: Changelog,
        clock: Callable[[], int],
        observe: Callable[[Restoring | Restored | JudgedTransaction], None] = lambda _: None,
        *,
        inputs: Callable[[], Inputs | None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._policy = settings.policy
        self._run = run
        topics = settings.topics
        self._output_topics = OutputTopics(topics.findings, topics.revocations, topics.dead_letters)
        self._changelog = changelog
        self._clock = clock
        self._observe = observe
        self._inputs = inputs
        self._work: dict[Partition, Work] = {}
        self._broken: set[Partition] = set()
        self.local_stores = LocalStores(settings.directory, settings.memory)

    @property
    def stores(self) -> dict[Partition, Store]:
        """The committed state of each partition. Read it before you await anything: a store may be closed then."""
        return {partition: work.store for partition, work in self._work.items()}

    async def assigned(self, partition: Partition) -> None:
        """Restores the partition's state, once nobody else has its store open."""
        lock = self.local_stores.lock(partition)
        await lock.acquire()
        self.local_stores.restoring += 1
        try:
            await self._restore(partition)
        except BaseException:
            lock.release()
            raise
        finally:
            self.local_stores.restoring -= 1

    async def _restore(self, partition: Partition) -> None:
        path = self.local_stores.path(partition)
        if partition in self._broken:
            self.local_stores.destroy(partition)
            self._broken.discard(partition)
        now = self._clock()
        store, restored = await restore(
            path, partition.number, self._changelog, now, self._observe, memory=self.local_stores.memory
        )
        try:
            with self._guard(partition):  # what is damaged may show only now
                watermark = Watermark(
                    self._policy.watermark_delay,
                    now,
                    store.watermark(),
                    store.sources(),
                    work=[
                        source_name(partition.topic, number)
                        for number in range(self._settings.work_partitions)
                    ],
                )
                self.local_stores.note(partition, store.position())
                self._work[partition] = Work(store, watermark, self._settings.findings_id)
        except CurfewdError:
            store.close()  # what stays open cannot be opened again
            raise
        self._observe(restored)

    async def process(self, partition: Partition, records: Sequence[Any]) -> list[ToWrite]:
        """Gives facts to their aggregates, and judges those and the ones whose timer has come.

        Raises:
            StopError: a later version wrote the records.
        """
        work, now = self._work[partition], self._clock()
        before = _value_of(work.watermark)
        oldest = before - self._policy.lateness
        outputs: list[ToWrite] = []
        poll = Poll()
        touched = poll.touched
        late = 0
        decoded, known = b"", None
        columns = columns_of(partition.topic, partition.number, records)
        for number in with_headers(columns):
            check_headers(columns[number].headers, f"topic {partition.topic}, partition {partition.number},")
        offsets, stamps = offsets_of(columns), timestamps_of(columns)
        for number, (name, value) in enumerate(columns.pairs()):
            try:
                key = name.decode() if name else ""
                if known is None or value != decoded:  # a leak may be for several aggregates in a row
                    decoded = value or b""
                    known = decode(decoded)
                fact = known
                if type(fact) is InputProgress:
                    work.watermark.mark(fact.source, fact.time, now)
                    continue
                if type(fact) is WorkProgress:
                    work.watermark.mark_work(fact.partition, fact.times, now)
                    continue
                cached = touched.get(key)
                if cached is not None:
                    state: AggregateState | None = cached.state
                else:
                    state = self._touched(partition, poll, key, fact, decoded)
                    poll.began.setdefault(key, stamps[number])
            except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
                outputs.append(self._dead_letter(partition, offsets[number]))
                continue
            if isinstance(fact, Event):  # a message between aggregates is never late
                late += fact.time < oldest
            if state is not None:
                state.take(fact, decoded, before)
        work.watermark.advance(self._inputs(), now)
        work.late, work.polled = late, True
        return outputs + self._judge(partition, work, poll)

    def _touched(
        self, partition: Partition, poll: Poll, key: str, fact: Fact, value: bytes
    ) -> AggregateState | None:
        """The aggregate, untouched so far, to give a fact; None if that rests, as the only one of a new aggregate."""
        work = self._work[partition]
        first = poll.resting.pop(key, None)
        if first is None and key not in work.cached:
            secret = is_secret(key, fact)
            if secret or rests(key, fact):
                digest = digest_of(key)
                if not self._stored(partition, work, digest):
                    poll.resting[key] = RestingFact(fact, value, digest)
                    if secret:
                        poll.secrets.append(key)
                    return None
        state = self._touch(partition, work, poll, key)
        if first is not None:
            state.take(first.fact, first.value, _value_of(work.watermark))
        return state

    async def tick(self, partition: Partition, now: int, *, caught_up: int = 0) -> list[ToWrite]:
        """Judges the aggregates whose timer has come."""
        work = self._work[partition]
        work.watermark.read_until(caught_up)
        work.watermark.advance(self._inputs(), now)
        if work.dirty and work.position is None and now - work.saved >= POSITION_EVERY:
            # Asked before the transaction: if it commits, no other instance can have written meanwhile, and all that
            # stands before this end is ours. Asked after it, another instance might have had the partition.
            _, end, topic_id = await self._changelog.span(partition.number)
            work.position = Position(end, now, topic_id)
        outputs = self._judge(partition, work, self._written_again(partition, work))
        outputs += work.progress(self._settings.topics.work, partition.number, now)
        if not (outputs or work.staged or work.polled):  # no commit follows, but the watermark has moved on
            self._report(partition, work)
        return outputs

    async def committed(self, partition: Partition, offset: int | None) -> None:  # noqa: ARG002 - the protocol's
        """Writes to the store what is now in the changelog."""
        work = self._work[partition]
        position, work.position = work.position, None
        with self._guard(partition):
            work.store.write(work.staged, position)
        if position is not None:
            self.local_stores.note(partition, position)
            work.saved, work.dirty = position.saved, False
        work.dirty = work.dirty or bool(work.staged)
        work.staged = []
        work.due, work.due_staged = min(work.due, work.due_staged), NEVER
        work.logged = work.logging
        self._trim(work)
        work.polled = False
        self._report(partition, work)

    async def refused(self, partition: Partition, refusal: Refusal) -> list[Output]:
        """Writes a dead letter for a refused record.

        Raises:
            StopError: a record that this stage writes is too large, although its input is bounded. The state would
                have a gap.
        """
        if refusal.output is not None:
            raise refusal.misfit()
        offset = refusal.record.offset if refusal.record is not None else refusal.offset
        return [] if offset is None else [self._dead_letter(partition, offset)]

    async def revoked(self, partition: Partition) -> None:
        """Forgets the partition; its store stays on the disk for when it comes back."""
        work = self._work.pop(partition, None)
        if work is None:
            return
        if not work.store.close():
            self._broken.add(partition)
        self.local_stores.lock(partition).release()

    def note(self, partition: Partition) -> str:  # noqa: ARG002 - the protocol's
        """Nothing: all that is left over is in the state."""
        return ""

    def _report(self, partition: Partition, work: Work) -> None:
        with self._guard(partition):
            disk = work.store.size()
        self._observe(
            JudgedTransaction(
                partition.number,
                late=work.late,
                expired=work.expired,
                watermark=work.watermark.value,
                unreported=work.watermark.unreported,
                cached=work.weight,
                totals=work.totals,
                disk=disk,
                causes=tuple(work.causes),
            )
        )
        work.late, work.expired, work.causes = 0, Counter(), []

    @contextlib.contextmanager
    def _guard(self, partition: Partition) -> Any:
        """Turns a failure of RocksDB, or an entry that cannot be read, into another try with the store rebuilt.

        Where something was lacking, another try does not help.
        """
        try:
            yield
        except Exception as error:
            raise self._failed(partition, error) from error

    def _failed(self, partition: Partition, error: Exception) -> CurfewdError:
        if (lacking := shortage(error)) is not None:
            return lacking
        self._broken.add(partition)
        self.local_stores.note(partition, None)
        damaged = isinstance(error, msgspec.MsgspecError | UnicodeDecodeError)
        what = "an entry of the state cannot be read" if damaged else "the store failed"
        return RetryError(f"{what}: {type(error).__name__}")

    def _touch(self, partition: Partition, work: Work, poll: Poll, key: str) -> AggregateState:
        """Has an aggregate judged, from memory or from the store."""
        cached = work.cached.get(key)
        if cached is not None:
            work.cached.move_to_end(key)
            work.weight -= cached.state.weight  # added again once it is judged
        else:
            state = AggregateState(key, self._policy, self._settings.compact_every)
            cached = CachedAggregate(state, digest_of(key))
            if self._stored(partition, work, cached.digest):
                with self._guard(partition):
                    state.load(list(work.store.entries(cached.digest)))
            work.cached[key] = cached
        poll.touched[key] = cached
        return cached.state

    def _written_again(self, partition: Partition, work: Work) -> Poll:
        """A poll in which some findings are given again, if their topic was recreated. It has no records."""
        poll = Poll()
        if work.rewritten is not None:
            with self._guard(partition):
                found = work.store.reporting(work.rewritten, REWRITTEN_AT_ONCE)
            for _, meta in found:
                self._touch(partition, work, poll, key_of(meta[TIME_BYTES:])).report_all_again()
            work.rewritten = found[-1][0] if len(found) == REWRITTEN_AT_ONCE else None
        return poll

    def _stored(self, partition: Partition, work: Work, digest: bytes) -> bool:
        """Whether the store knows anything of an aggregate."""
        try:  # without `_guard`, which costs more than the look
            return work.store.knows(digest)
        except Exception as error:
            raise self._failed(partition, error) from error

    def _judge(self, partition: Partition, work: Work, poll: Poll) -> list[ToWrite]:
        """Judges the aggregates of a poll, and those whose timer has come."""
        watermark = _value_of(work.watermark)
        outputs: list[ToWrite] = []
        changes: list[Change] = []
        for key in self._due(partition, work, watermark):
            if key not in poll.touched:
                self._touch(partition, work, poll, key)
        self._judge_secrets(partition, work, poll, watermark)
        work.recent = 0
        output = self._conclude(poll, watermark)
        now = self._clock() - self._policy.watermark_delay
        for key, cached in poll.touched.items():
            state = cached.state
            judgement = state.judgement(watermark, output.digest, now)
            if judgement.changes:
                changes += changelog_changes(cached.digest, judgement)
                work.note_timer(judgement.timer)
            if _writes(judgement):
                outputs += self._outputs(judgement, output, poll.began.get(key))
                work.causes += _causes(judgement, poll.began.get(key))
            if judgement.expired:
                work.expired.update(judgement.expired)
            totals = state.totals
            work.totals, state.counted = work.totals.moved(state.counted, totals), totals
            if state.gone:
                del work.cached[key]
            else:
                work.weight += state.weight
                work.recent += 1
        outputs += self._rest(work, poll, output, changes)
        changes += self._sums(work, written=bool(outputs or changes))
        work.staged += changes
        return outputs + self._changelog_records(partition, changes)

    def _judge_secrets(self, partition: Partition, work: Work, poll: Poll, watermark: int) -> None:
        """Judges the secrets of which one leak is known. Whatever ends at once is left to its aggregate."""
        for key in poll.secrets:
            first = poll.resting.get(key)
            if first is None or type(first.fact) is not Leak:
                continue  # more came of it
            verdicts = judge_lone_secret(self._policy, first.fact, watermark)
            if verdicts.disposable_at is not None and verdicts.disposable_at > watermark:
                first.verdicts = verdicts
            else:
                del poll.resting[key]
                self._touch(partition, work, poll, key).take(first.fact, first.value, watermark)

    def _rest(self, work: Work, poll: Poll, output: TopicOutput, changes: list[Change]) -> list[Output]:
        """Keeps the facts that only wait, or are reported and wait: adds to the `changes`, and returns what follows."""
        watermark, policy = _value_of(work.watermark), self._policy
        outputs: list[Output] = []
        aggregates = parked = 0
        for key, first in poll.resting.items():
            fact, value, verdicts = first.fact, first.value, first.verdicts
            if verdicts is None or type(fact) is not Leak:
                judgement = rested(key, fact, value, watermark, policy)
                parked += type(fact) is Leak and bool(judgement.changes)
            else:
                judgement = reported(key, fact, value, verdicts, policy, output.digest)
                work.causes += _causes(judgement, poll.began.get(key))
            if judgement.sends or judgement.findings:
                outputs += self._outputs(judgement, output, poll.began.get(key))
            if judgement.changes:
                changes += changelog_changes(first.digest, judgement)
                work.note_timer(judgement.timer)
                aggregates += 1
        work.totals = work.totals.moved(Totals(), Totals(aggregates, parked))
        return outputs

    def _conclude(self, poll: Poll, watermark: int) -> TopicOutput:
        """Lets all conclude what holds. One search cleans the texts of whatever may be written of it."""
        findings: list[Finding] = []
        commands: list[Command] = []
        for cached in poll.touched.values():
            changed, new = cached.state.conclude(watermark)
            findings += changed
            commands += new
        for key in poll.secrets:
            first = poll.resting.get(key)
            if first is not None and first.verdicts is not None:
                findings += first.verdicts.findings.values()
        output = self._output()
        output.draft(findings, commands)
        return output

    def _changelog_records(self, partition: Partition, changes: Sequence[Change]) -> list[ToWrite]:
        """Changes as they are written to the changelog now. The store gets them after the commit."""
        topic, number = self._settings.topics.state, partition.number
        if len(changes) < FEW:
            return [Output(topic, name, value, partition=number) for name, value in changes]
        keys, values = [name for name, _ in changes], [value for _, value in changes]
        stamps = [self._clock() // MILLISECOND] * len(changes)
        return [PassedOn(topic, columns_of_parts(number, keys, values, stamps))]

    def _sums(self, work: Work, *, written: bool) -> list[Change]:
        """The watermark, if anything else is `written`, and the totals. With the first of them, the format."""
        sums: list[Change] = []
        if written and work.watermark.value != work.logged:
            sums.append((WATERMARK, str(work.watermark.value).encode()))
            work.logging = work.watermark.value
            sources, now = work.watermark.sources, self._clock()
            if sources.keys() != work.sources or (sources and now - work.sourced >= SOURCES_EVERY):
                sums.append((SOURCES, msgspec.json.encode(sources)))
                work.sources, work.sourced = sources.keys(), now
        if work.totals != work.logged_totals:
            sums.append((TOTALS, msgspec.json.encode(work.totals) if work.totals != Totals() else None))
            work.logged_totals = work.totals
        if (written or sums) and not work.format_logged:
            sums.append((FORMAT, FORMAT_VALUE))
            work.format_logged = True
        findings_id = self._settings.findings_id
        if (
            findings_id not in {"", work.findings_id}
            and work.rewritten is None
            and (written or sums or work.findings_id)
        ):
            sums.append((FINDINGS_ID, findings_id.encode()))
            work.findings_id = findings_id
        return sums

    def _due(self, partition: Partition, work: Work, watermark: int) -> list[str]:
        """The keys of the aggregates whose timer has come. Timers are not in the changelog."""
        keys: list[str] = []
        if watermark < work.due:
            return keys
        with self._guard(partition):
            timers = work.store.due(work.looked, watermark, TIMERS)  # the next transaction follows at once
            # A new timer is always later than the watermark of the moment.
            work.looked = watermark if len(timers) < TIMERS else time_of(timers[-1][0])
            following = work.store.due(watermark + 1, LAST, 1) if len(timers) < TIMERS else timers
            work.due = time_of(following[0][0]) if following else NEVER
            for timer, digest in timers:
                meta = work.store.get(entry_key(digest, META))
                if meta is not None and meta[:12] == timer[1:13]:
                    work.staged.append((timer, None))
                    keys.append(key_of(meta[12:]))
                else:  # the aggregate has another timer by now
                    work.store.write([(timer, None)])
        return keys

    def _outputs(self, judgement: Judgement, output: TopicOutput, began: int | None) -> list[Output]:
        """All records of a judgement but its state."""
        topics = self._settings.topics
        stamp = output_timestamp(began, self._clock(), self._settings.work_dated)
        outputs = [
            Output(topics.work, key.encode(), encode(fact), timestamp_ms=stamp)
            for key, fact in judgement.sends
        ]
        for change in judgement.findings:
            output.finding(change)
        for uid in judgement.deleted:
            output.deleted(uid)
        output.appended_ms = began
        for command in judgement.commands:
            output.command(command)
        outputs += output.taken()
        outputs += [Output(topics.registry, registry_key(issue), None) for issue in judgement.forgotten]
        return outputs

    def _output(self) -> TopicOutput:
        return TopicOutput(self._output_topics, self._run)

    def _dead_letter(self, partition: Partition, offset: int) -> Output:
        letter = DeadLetter(
            partition.topic,
            UNREADABLE,
            "it is not something that the scan stage sends",
            None,
            None,
            offset,
            partition.number,
        )
        output = self._output()
        output.dead_letter(letter)
        output.close()
        return output.records[0]

    def _trim(self, work: Work) -> None:
        """Drops the aggregates that were unused for longest; the store has them.

        Those of the last transaction stay: the next one is likely to touch them, and loading a busy one is slow.
        """
        while work.weight > self._settings.cache_size and len(work.cached) > work.recent:
            _, cached = work.cached.popitem(last=False)
            work.weight -= cached.state.weight


def _writes(judgement: Judgement) -> bool:
    """Whether it gives any records beside those of its state."""
    return bool(
        judgement.findings
        or judgement.commands
        or judgement.deleted
        or judgement.sends
        or judgement.forgotten
    )


def _causes(judgement: Judgement, began: int | None) -> Iterator[OutputCause]:
    if began is None or began < 0:
        return
    for change in judgement.findings:
        if change.activity != "closed":
            yield OutputCause("finding", change.finding.uid, began)
    for command in judgement.commands:
        yield OutputCause("command", command.finding_uids[0], began)


def _value_of(watermark: Watermark) -> int:
    return BEGINNING if watermark.value is None else watermark.value

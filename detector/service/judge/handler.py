"""The judge stage: what the scan stage sends becomes findings and commands, each once, whatever happens to us."""

import contextlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, Final

import msgspec

from detector.judge.name_aggregate import NameAggregate
from detector.judge.policy import Policy
from detector.judge.routing import InputProgress, Payload, decode, encode
from detector.judge.watermark import BEGINNING, Watermark
from detector.kafka.changelog import Change, Changelog
from detector.kafka.handlers import Output, Partition, Refusal
from detector.outputs.writers import dumps
from detector.records.dead_letters import UNREADABLE, DeadLetter
from detector.service.judge.aggregate_state import AggregateState, Outcome, key_of
from detector.service.judge.facts import Caused, Judged
from detector.service.judge.output_encoder import OutputEncoder
from detector.service.judge.restore import Restored, restore
from detector.service.judge.store import META, SOURCES, TOTALS, WATERMARK, Position, Store, Totals, entry_key
from detector.service.scan.origins import LONGEST, dated
from detector.values.errors import RetryError, StopError
from detector.values.events import Event
from detector.values.times import SECOND

TIMERS: Final = 1000  # looked at in one transaction: the next follows soon
POSITION_EVERY: Final = 5 * SECOND
SOURCES_EVERY: Final = (
    5 * SECOND
)  # there may be thousands, and to take them for slower than they are costs little


class Topics(msgspec.Struct, frozen=True):
    """Where the stage writes; `work` is what it reads too."""

    work: str = "curfewd.work"
    state: str = "curfewd.state"
    registry: str = "curfewd.registry"
    findings: str = "curfewd.findings"
    revocations: str = "curfewd.revocations"
    dead_letters: str = "curfewd.dead-letters"


class JudgeSettings(msgspec.Struct, frozen=True):
    """`directory` holds the stores; `cache_size` bounds what is in memory per partition, in things kept (about 2 KB each).

    Of a task's events at least `many` are kept each by itself; those that nothing can change any more are added up.
    """

    policy: Policy
    directory: Path
    topics: Topics = Topics()
    cache_size: int = 100_000
    many: int = 256
    work_dated: int = LONGEST  # as `origins.dated` has it, in ns


class _Work:
    """One partition at work. What is staged is not in the store before it is committed."""

    def __init__(self, store: Store, watermark: Watermark) -> None:
        self.store = store
        self.watermark = watermark
        self.logged = self.logging = watermark.value
        self.sources: AbstractSet[str] = watermark.sources.keys()
        self.sourced = 0
        self.held: OrderedDict[str, AggregateState] = OrderedDict()
        self.weight = 0
        self.recent = 0  # how many of the held ones the last transaction spoke of
        self.staged: list[Change] = []
        self.totals = self.logged_totals = store.totals()
        self.saved = 0
        self.looked = 0  # before this time there is no timer any more
        self.dirty = False  # whether more was written than what `Position` in the store says
        self.position: Position | None = None  # to be written after the next commit
        self.caused: list[Caused] = []
        self.polled = False  # whether the open transaction has records
        self.facts = _facts()


def _facts() -> Judged:
    return Judged(0, Counter(), Counter(), 0, Counter(), None, 0)


class JudgeHandler:
    """Handler of the work topic.

    `clock` gives ns, `observe` is told of each `Restored` and `Judged`.
    """

    def __init__(
        self,
        settings: JudgeSettings,
        press: OutputEncoder,
        changelog: Changelog,
        clock: Callable[[], int],
        observe: Callable[[Restored | Judged], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._policy = settings.policy
        self._press = press
        self._changelog = changelog
        self._clock = clock
        self._observe = observe
        self._work: dict[Partition, _Work] = {}
        self._broken: set[Partition] = set()

    def reconfigure(self, policy: Policy, press: OutputEncoder) -> None:
        """Judges by another policy from now on: an aggregate when it is next spoken of, or its time comes."""
        self._policy, self._press = policy, press
        for work in self._work.values():
            work.held.clear()
            work.weight = 0

    @property
    def stores(self) -> dict[Partition, Store]:
        """The state of each partition at work, as far as it is committed. To be read at once: it may be closed next."""
        return {partition: work.store for partition, work in self._work.items()}

    async def assigned(self, partition: Partition) -> None:
        """Restores the partition's state."""
        path = self._path(partition)
        if partition in self._broken:
            Store.destroy(path)
            self._broken.discard(partition)
        now = self._clock()
        store, restored = await restore(path, partition.number, self._changelog, now)
        watermark = Watermark(self._policy.watermark_delay, now, store.watermark(), store.sources())
        self._work[partition] = _Work(store, watermark)
        self._observe(restored)

    async def process(self, partition: Partition, records: Sequence[Any]) -> list[Output]:
        """Takes payloads to their aggregates, judges those, and what is due."""
        work, now = self._work[partition], self._clock()
        before = _before(work)
        outputs: list[Output] = []
        touched: dict[str, AggregateState] = {}
        began: dict[str, int] = {}
        late = 0
        for record in records:
            try:
                payload, key = decode(record.value or b""), (record.key or b"").decode()
                if isinstance(payload, InputProgress):
                    work.watermark.mark(payload.source, payload.time, now)
                    continue
                if key not in touched:
                    touched[key] = self._hold(partition, work, key)
                    began[key] = record.timestamp
            except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
                outputs.append(self._dead(partition, record.offset))
                continue
            time = _time_of(payload)
            if time is not None:
                late += time + self._policy.lateness < before
                work.watermark.event(time, now)
            touched[key].take(payload, record.value, before)
        work.watermark.advance(now)
        work.facts, work.polled = msgspec.structs.replace(work.facts, late=late), True
        return outputs + self._conclude(partition, work, touched, began)

    async def tick(self, partition: Partition, now: int) -> list[Output]:
        """What time alone brings."""
        work = self._work[partition]
        work.watermark.advance(now)
        if work.dirty and work.position is None and now - work.saved >= POSITION_EVERY:
            # Asked before the transaction: once that is through, nobody else can have written by now, and what stands
            # before the end is ours. Asked after it, others may have had the partition while we stood still.
            work.position = Position((await self._changelog.span(partition.number))[1], now)
        outputs = self._conclude(partition, work, {}, {})
        if not (
            outputs or work.staged or work.polled
        ):  # no commit follows, and the watermark goes on all the same
            self._tell(partition, work)
        return outputs

    async def committed(self, partition: Partition, offset: int | None) -> None:  # noqa: ARG002 - the protocol's signature
        """Writes to the store what is now in the changelog."""
        work = self._work[partition]
        position, work.position = work.position, None
        with self._guard(partition):
            work.store.write(work.staged, position)
        if position is not None:
            work.saved, work.dirty = position.saved, False
        work.dirty = work.dirty or bool(work.staged)
        work.staged = []
        work.logged = work.logging
        self._trim(work)
        work.polled = False
        self._tell(partition, work)

    async def refused(self, partition: Partition, refusal: Refusal) -> list[Output]:
        """A dead letter, for what came in.

        Raises:
            StopError: what we write ourselves is too large, though what comes in is bounded: state would have a hole.
        """
        if refusal.output is not None:
            raise StopError(
                f"a record of ours for {refusal.output.topic} is larger than the {refusal.limit} bytes that it takes: "
                "is the topic's max.message.bytes below kafka.record_bytes?"
            )
        offset = refusal.record.offset if refusal.record is not None else refusal.offset
        return [] if offset is None else [self._dead(partition, offset)]

    async def revoked(self, partition: Partition) -> None:
        """Forgets the partition; its store stays for when it comes back."""
        work = self._work.pop(partition, None)
        if work is not None:
            work.store.close()

    def note(self, partition: Partition) -> str:  # noqa: ARG002 - the protocol's
        """Nothing: what is left over is in the state."""
        return ""

    def _tell(self, partition: Partition, work: _Work) -> None:
        with self._guard(partition):
            disk = work.store.size()
        self._observe(
            msgspec.structs.replace(
                work.facts,
                partition=partition.number,
                watermark=work.watermark.value,
                held=work.weight,
                totals=work.totals,
                disk=disk,
                caused=tuple(work.caused),
            )
        )
        work.facts, work.caused = _facts(), []

    def _path(self, partition: Partition) -> Path:
        return self._settings.directory / f"{partition.topic}-{partition.number}"

    @contextlib.contextmanager
    def _guard(self, partition: Partition) -> Any:
        """Whatever fails in RocksDB: the partition is taken again, with a store made anew."""
        try:
            yield
        except Exception as error:
            self._broken.add(partition)
            raise RetryError(f"the store failed: {type(error).__name__}") from error

    def _hold(self, partition: Partition, work: _Work, key: str) -> AggregateState:
        """An aggregate, from memory or from the store."""
        holding = work.held.get(key)
        if holding is not None:
            work.held.move_to_end(key)
            work.weight -= holding.weight  # added again when it was judged
            return holding
        holding = AggregateState(key, self._policy, self._settings.many)
        with self._guard(partition):
            if work.store.get(entry_key(holding.digest, META)) is not None:
                holding.load(list(work.store.entries(holding.digest)))
        work.held[key] = holding
        return holding

    def _conclude(
        self, partition: Partition, work: _Work, touched: dict[str, AggregateState], began: Mapping[str, int]
    ) -> list[Output]:
        """Judges what was touched, and what is due. `began` has when the record behind it appeared (ms), if one is."""
        watermark = _before(work)
        outputs: list[Output] = []
        for key in self._due(partition, work, watermark):
            if key not in touched:
                touched[key] = self._hold(partition, work, key)
        work.recent = 0
        for key, holding in touched.items():
            outcome = holding.conclude(watermark, self._press)
            if outcome.changes:
                outputs += [self._change(partition, change) for change in outcome.changes]
                work.staged += outcome.changes
            if outcome.told or outcome.commands or outcome.sends or outcome.forgotten:
                outputs += self._outputs(outcome, began.get(key))
                work.caused += _caused(outcome, began.get(key))
            self._count(work, holding, outcome)
            if holding.gone:
                del work.held[key]
            else:
                work.weight += holding.weight
                work.recent += 1
        summed: list[Change] = []
        if outputs and work.watermark.value != work.logged:
            summed.append((WATERMARK, str(work.watermark.value).encode()))
            work.logging = work.watermark.value
            sources, now = work.watermark.sources, self._clock()
            if sources.keys() != work.sources or (sources and now - work.sourced >= SOURCES_EVERY):
                summed.append((SOURCES, msgspec.json.encode(sources)))
                work.sources, work.sourced = sources.keys(), now
        if work.totals != work.logged_totals:
            summed.append((TOTALS, msgspec.json.encode(work.totals) if work.totals != Totals() else None))
            work.logged_totals = work.totals
        work.staged += summed
        return outputs + [self._change(partition, change) for change in summed]

    def _due(self, partition: Partition, work: _Work, watermark: int) -> list[str]:
        """The keys of aggregates whose time has come; timers are not in the changelog."""
        keys = []
        with self._guard(partition):
            timers = work.store.due(work.looked, watermark, TIMERS)
            # A new timer is always later than the watermark of the moment.
            work.looked = watermark if len(timers) < TIMERS else int.from_bytes(timers[-1][0][1:13], "big")
            for timer, digest in timers:
                meta = work.store.get(entry_key(digest, META))
                if meta is not None and meta[:12] == timer[1:13]:
                    work.staged.append((timer, None))
                    keys.append(key_of(meta))
                else:  # it has another by now
                    work.store.write([(timer, None)])
        return keys

    def _outputs(self, outcome: Outcome, began: int | None) -> list[Output]:
        """What others are to know."""
        topics = self._settings.topics
        stamp = dated(began, self._clock(), self._settings.work_dated)
        outputs = [
            Output(topics.work, key.encode(), encode(payload), timestamp_ms=stamp)
            for key, payload in outcome.sends
        ]
        outputs += [Output(topics.findings, uid.encode(), record) for uid, record in outcome.findings]
        for command, record in outcome.commands:
            outputs.append(Output(topics.revocations, command.credential.credential_id.encode(), record))
        outputs += [Output(topics.registry, key, None) for key in outcome.forgotten]
        return outputs

    def _change(self, partition: Partition, change: Change) -> Output:
        return Output(self._settings.topics.state, *change, partition=partition.number)

    def _dead(self, partition: Partition, offset: int) -> Output:
        letter = DeadLetter(
            partition.topic,
            UNREADABLE,
            "it is nothing that the scan stage sends",
            None,
            None,
            offset,
            partition.number,
        )
        return Output(self._settings.topics.dead_letters, None, dumps(letter.record()))

    def _count(self, work: _Work, holding: AggregateState, outcome: Outcome) -> None:
        facts = work.facts
        if outcome.told:
            facts.findings.update((each.rule, int(each.severity), closed) for each, closed in outcome.told)
        if outcome.commands:
            facts.commands.update(command.escalated for command, _ in outcome.commands)
        if isinstance(holding.aggregate, NameAggregate) and holding.aggregate.expired:
            facts.expired.update(holding.aggregate.expired)
            holding.aggregate.expired.clear()
        work.totals = work.totals.moved(holding.counted, holding.totals)
        holding.counted = holding.totals

    def _trim(self, work: _Work) -> None:
        """Lets go of what was not used for longest; all of it is in the store.

        Not of what the last transaction spoke of: the next one is likely to, and to load a busy credential costs.
        """
        while work.weight > self._settings.cache_size and len(work.held) > work.recent:
            _, holding = work.held.popitem(last=False)
            work.weight -= holding.weight


def _caused(outcome: Outcome, began: int | None) -> Iterator[Caused]:
    if began is None or began < 0:
        return
    for finding, closed in outcome.told:
        if not closed:
            yield Caused("finding", finding.uid, began)
    for command, _ in outcome.commands:
        yield Caused("command", command.finding_uids[0], began)


def _before(work: _Work) -> int:
    return BEGINNING if work.watermark.value is None else work.watermark.value


def _time_of(payload: Payload) -> int | None:
    """The time of an event, None of what the stages only tell each other."""
    return payload.time if isinstance(payload, Event) else None

"""The scan stage's handler: what input records say goes to the aggregates it concerns.

records ─▶ events ──────────────────────────────▶ routes ─▶ work, registry
       └─▶ log text ─▶ one batch a poll ─▶ leaks ─┘      └▶ dead letters

Decoding and scanning run in a thread: Hyperscan and the compiled kernels let go of the interpreter. Routing needs the
registry and runs on the event loop.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import Executor
from typing import Any, Final

import msgspec

from detector.ingest.classify import BUNDLED, RecordClassifier
from detector.ingest.kafka_assembler import RecordAssembler
from detector.ingest.kafka_records import Contents
from detector.ingest.kafka_segments import Segment, batch_of, spans_of
from detector.judge.routing import InputProgress, Owners, encode, registry_key, route, without_terms
from detector.judge.watermark import BEGINNING
from detector.kafka.handlers import Output, Partition, Refusal
from detector.records.dead_letters import TOO_LARGE, DeadLetter
from detector.registry.finders import Finders
from detector.registry.registered import RegisteredCredentials
from detector.scan.leaks import LeakFinder
from detector.scan.mask_spans import MaskSpan
from detector.service.observability.measuring import size_of
from detector.service.scan.blinding import veiled
from detector.service.scan.dead_letter_records import dead_letter_output, origin, refusal_letter
from detector.service.scan.origins import LONGEST, Origins, Polls, dated
from detector.service.scan.redaction import Redacted, Redaction
from detector.values.events import AnyEvent, CanonicalEvent, CredentialIssued, Leak
from detector.values.times import SECOND

HELD: Final = 5 * SECOND  # without more records, text waits no longer
LARGEST: Final = 256 << 10
_LARGE: Final = 64 << 10  # outputs above it carry their origin

RecordsBefore = Callable[[Partition, int, int], Awaitable[Sequence[Any]]]
ClassifierOf = Callable[[str], RecordClassifier]


class ScanTopics(msgspec.Struct, frozen=True):
    """Where the scan stage writes. `work_partitions` are told how far each input partition has got.

    `largest` is what an event may take, in bytes.
    """

    work: str
    work_partitions: int
    registry: str
    dead_letters: str
    work_dated: int = LONGEST  # as `origins.dated` has it, in ns
    largest: int = LARGEST


class Scanned(msgspec.Struct, frozen=True):
    """One poll, for metrics. `seconds` are of decoding and scanning together.

    `allowed` counts by pattern the leaks that the configuration lets go, which `leaks` leaves out.
    """

    partition: Partition
    records: int
    size: int
    formats: dict[str, int]
    events: tuple[type[CanonicalEvent], ...]
    unknown: int
    leaks: int
    dead: tuple[str, ...]
    seconds: float
    allowed: dict[str, int] = {}


class _Held:
    """What is known of one partition between polls."""

    def __init__(self, hold: RecordAssembler, redaction: Redaction | None) -> None:
        self.hold = hold
        self.redaction = redaction
        self.committed, self.noted = 0, ""
        self.since = 0
        self.fresh = True
        self.latest: int | None = None
        self.marked: int | None = None
        self.announced = False
        self.issues: list[CredentialIssued] = []
        self.polls = Polls()


class _Found(msgspec.Struct):
    contents: Contents
    leaks: list[Leak]
    passed: list[Output]


async def _nothing_before(_partition: Partition, _offset: int, _since: int) -> Sequence[Any]:
    return ()


async def _nothing_noted(_partition: Partition) -> tuple[int, str]:
    return 0, ""


def _look(
    finder: LeakFinder, topic: str, partition: int, segments: Sequence[Segment]
) -> tuple[list[Leak], list[MaskSpan]]:
    """The leaks in the text of one partition, each once for each record, and where in it secrets stand."""
    if not segments:
        return [], []
    found: dict[tuple[str, str, str | None], Leak] = {}
    leaks, veils = finder.look(batch_of(topic, partition, segments))
    for leak in leaks:
        found.setdefault((leak.id, leak.fingerprint, leak.pattern), leak)
    return list(found.values()), veils


def find_leaks(finder: LeakFinder, topic: str, partition: int, segments: Sequence[Segment]) -> list[Leak]:
    """The leaks in the text of one partition, each once for each record."""
    return _look(finder, topic, partition, segments)[0]


class ScanHandler:
    """Implements `detector.kafka.handlers.Handler`.

    `before` gives the records shortly before an offset, and all from another one on: what was held when the partition moved
    is read again from them. `redacted` is the topic to which an input's records are passed on without their leaks; what of them waits is `noted`
    beside the committed offset. `delay` is the policy's watermark delay (ns), `shapes` what is recognised in a topic. `clock`
    gives ns.
    """

    def __init__(  # noqa: PLR0913 - what it works with, each by its name
        self,
        topics: ScanTopics,
        registered: RegisteredCredentials,
        threads: Executor,
        *,
        delay: int = 10 * SECOND,
        records_before: RecordsBefore = _nothing_before,
        committed_note: Callable[[Partition], Awaitable[tuple[int, str]]] = _nothing_noted,
        redacted: Callable[[str], str | None] = lambda _: None,
        shapes: ClassifierOf = lambda _: BUNDLED,
        clock: Callable[[], int] = time.time_ns,
        observe: Callable[[Scanned | Redacted], None] = lambda _: None,
    ) -> None:
        self._topics = topics
        self._registered = registered
        self._threads = threads
        self._delay = delay
        self._records_before = records_before
        self._committed_note = committed_note
        self._redacted = redacted
        self._shapes = shapes
        self._clock = clock
        self._observe = observe
        self._keys = tuple(key.material for key in registered.finders.keys)
        self._partitions: dict[Partition, _Held] = {}

    async def assigned(self, partition: Partition) -> None:
        """Waits for the registry as it stood at the start: no record is judged before."""
        await self._registered.complete.wait()
        held = self._partitions[partition] = self._fresh(partition)
        if held.redaction is not None:
            held.committed, held.noted = await self._committed_note(partition)

    def _fresh(self, partition: Partition) -> _Held:
        shapes, name = self._shapes(partition.topic), self._redacted(partition.topic)
        return _Held(RecordAssembler(shapes), None if name is None else Redaction(partition, name, shapes))

    async def process(self, partition: Partition, records: Sequence[Any]) -> list[Output]:
        """Reads, scans and routes one poll."""
        held = self._partitions.get(partition) or self._partitions.setdefault(
            partition, self._fresh(partition)
        )
        loop, now = asyncio.get_running_loop(), self._clock()
        first = self._announced(partition, held)
        if held.fresh:
            first += await self._restored(partition, held, records[0].offset, now)
        began = time.monotonic()
        waited = held.hold.oldest
        found = await loop.run_in_executor(
            self._threads, _read_and_find, self._registered.finders, partition, records, held, now
        )
        if waited is None or held.hold.oldest != waited:
            held.since = now
        seconds = time.monotonic() - began
        origins = held.polls.read(records)
        outputs = self._outputs(
            partition, held, found.contents.events, found.leaks, found.contents.letters, origins
        )
        latest = found.contents.latest
        if latest is not None and (held.latest is None or latest > held.latest):
            held.latest = latest
        self._observe(_scanned(partition, records, found, seconds))
        return first + outputs + self._passed(held, found.passed)

    async def _restored(self, partition: Partition, held: _Held, offset: int, now: int) -> list[Output]:
        """What waited when the partition moved, waits again."""
        since = int(held.noted) if held.noted.isdecimal() else offset
        earlier = await self._records_before(partition, offset, since)
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, _read_and_find, self._registered.finders, partition, earlier, held, now, since
        )
        held.fresh, held.since = False, now
        # What was passed on before was scanned before; of what was not, nobody can tell: a second time does no harm.
        leaks = [leak for leak in found.leaks if leak.offset is not None and leak.offset >= since]
        origins = held.polls.read(earlier) if earlier else held.polls.held()
        return self._outputs(partition, held, (), leaks, (), origins) + self._passed(held, found.passed)

    def _passed(self, held: _Held, outputs: list[Output]) -> list[Output]:
        """What is passed on, with the dead letters of what cannot be; told of too."""
        redaction = held.redaction
        if redaction is None:
            return outputs
        letters, redaction.letters = redaction.letters, []
        fact = redaction.told()
        if fact.records:
            self._observe(fact)
        return outputs + [dead_letter_output(self._topics.dead_letters, letter) for letter in letters]

    def note(self, partition: Partition) -> str:
        """The first offset that waits to be passed on."""
        held = self._partitions.get(partition)
        if held is None or held.redaction is None:
            return ""
        unsent = held.redaction.unsent
        return held.noted if held.fresh else "" if unsent is None else str(unsent)

    async def tick(self, partition: Partition, now: int) -> list[Output]:
        """Scans text that has waited long enough, and tells every partition of work how far this one has got."""
        held = self._partitions.get(partition) or self._partitions.setdefault(
            partition, self._fresh(partition)
        )
        outputs = self._announced(partition, held)
        if held.fresh and held.noted:  # it may be long until a record comes
            outputs += await self._restored(partition, held, held.committed, now)
        if held.hold and now - held.since >= HELD:
            found = await asyncio.get_running_loop().run_in_executor(
                self._threads, _flush_and_find, self._registered.finders, partition, held, now
            )
            outputs += self._outputs(partition, held, (), found.leaks, (), held.polls.held())
            outputs += self._passed(held, found.passed)
        if held.latest is not None and held.latest != held.marked:
            held.marked = held.latest
            outputs += self._marks(partition, held.latest - self._delay)
        return outputs

    def _announced(self, partition: Partition, held: _Held) -> list[Output]:
        """Before anything of a partition is written: that it is there, so that what others are ahead of it waits."""
        if held.announced:
            return []
        held.announced = True
        return self._marks(partition, BEGINNING)

    def _marks(self, partition: Partition, time: int) -> list[Output]:
        source = f"{partition.topic}-{partition.number}"
        key, value = f"m:{source}".encode(), encode(InputProgress(source, time))
        return [
            Output(self._topics.work, key, value, partition=number)
            for number in range(self._topics.work_partitions)
        ]

    async def committed(self, partition: Partition, offset: int | None) -> None:  # noqa: ARG002 - the protocol's
        """What was issued is known here at once, elsewhere by the registry topic."""
        held = self._partitions.get(partition)
        if held is not None and held.issues:
            issues, held.issues = held.issues, []
            await self._registered.register(issues)

    async def refused(self, partition: Partition, refusal: Refusal) -> list[Output]:
        """A dead letter."""
        return [dead_letter_output(self._topics.dead_letters, refusal_letter(partition, refusal))]

    async def revoked(self, partition: Partition) -> None:
        """Forgets what was held and not committed."""
        self._partitions.pop(partition, None)

    def _too_large(self, partition: Partition, offset: int) -> Output:
        """What is kept of an event is written again, some of it together: all of that has to fit into one record."""
        detail = f"an event takes at most {self._topics.largest} bytes"
        letter = DeadLetter(partition.topic, TOO_LARGE, detail, offset=offset, partition=partition.number)
        return dead_letter_output(self._topics.dead_letters, letter)

    def _outputs(  # noqa: PLR0913, PLR0917 - what one poll gave
        self,
        partition: Partition,
        held: _Held,
        events: Iterable[tuple[int, CanonicalEvent]],
        leaks: Iterable[Leak],
        letters: Iterable[DeadLetter],
        origins: Origins,
    ) -> list[Output]:
        outputs: list[Output] = []
        for offset, event in events:
            routed = self._routed(event, offset, origins)
            if any(len(output.value or b"") > self._topics.largest for output in routed):
                outputs.append(self._too_large(partition, offset))
                continue
            if isinstance(event, CredentialIssued):
                issue = veiled(without_terms(event), self._keys)
                held.issues.append(issue)
                outputs.append(Output(self._topics.registry, registry_key(issue), encode(issue)))
            outputs += routed
        for leak in leaks:
            outputs += self._routed(leak, leak.offset, origins)
        outputs += [dead_letter_output(self._topics.dead_letters, letter) for letter in letters]
        return outputs

    def _routed(self, event: AnyEvent, offset: int | None, origins: Origins) -> list[Output]:
        began = dated(origins.of(offset), self._clock(), self._topics.work_dated)
        return work_outputs(
            self._topics.work, veiled(event, self._keys), offset, self._registered.registry, began
        )


def work_outputs(
    topic: str, event: AnyEvent, offset: int | None, registry: Owners, began: int | None = None
) -> list[Output]:
    """An event, or a leak, for each aggregate that it concerns. What it holds may travel (see `veil`).

    `began` is their timestamp, in ms.
    """
    outputs: list[Output] = []
    for key, payload in route(event, registry):
        value = encode(payload)
        headers = origin(offset) if offset is not None and len(value) > _LARGE else ()
        outputs.append(Output(topic, key.encode(), value, headers, began))
    return outputs


def _read_and_find(  # noqa: PLR0913, PLR0917 - for a thread
    finders: Finders,
    partition: Partition,
    records: Sequence[Any],
    held: _Held,
    now: int,
    sent_until: int | None = None,
) -> _Found:
    contents, redaction = Contents(), held.redaction
    segments = held.hold.read(records, now, contents)
    leaks, veils = _look(finders.finder, partition.topic, partition.number, segments)
    passed: list[Output] = []
    if redaction is not None:
        redactor = finders.redactor(partition.topic, now)
        redaction.take(records, contents.apart, redactor, sent_until, () if veils else segments)
        passed = redaction.settle(spans_of(segments, veils), held.hold.oldest, redactor, now)
    return _Found(contents, leaks, passed)


def _flush_and_find(finders: Finders, partition: Partition, held: _Held, now: int) -> _Found:
    segments, redaction = held.hold.flush(), held.redaction
    leaks, veils = _look(finders.finder, partition.topic, partition.number, segments)
    passed: list[Output] = []
    if redaction is not None:
        redactor = finders.redactor(partition.topic, now)
        passed = redaction.settle(spans_of(segments, veils), None, redactor, now)
    return _Found(Contents(), leaks, passed)


def _scanned(partition: Partition, records: Sequence[Any], found: _Found, seconds: float) -> Scanned:
    contents = found.contents
    allowed = Counter(leak.pattern for leak in found.leaks if leak.allowed and leak.pattern is not None)
    return Scanned(
        partition,
        len(records),
        size_of(records),
        contents.formats,
        tuple(type(event) for _, event in contents.events),
        contents.unknown,
        len(found.leaks) - allowed.total(),
        tuple(letter.reason for letter in contents.letters),
        seconds,
        allowed,
    )

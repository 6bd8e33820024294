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

from detector.deadletters import TOO_LARGE, DeadLetter
from detector.events import AnyEvent, CanonicalEvent, CredentialIssued, Leak
from detector.handlers import Output, Partition, Refusal
from detector.leaks import LeakFinder
from detector.live.dead_letter_records import dead_letter_output, origin, refusal_letter
from detector.live.finders import Finders
from detector.live.joining import Hold
from detector.live.measuring import size_of
from detector.live.origins import LONGEST, Origins, Polls, dated
from detector.live.records import Contents
from detector.live.registry_feed import RegistryFeed
from detector.live.routing import Mark, encode, registry_key, route, without_terms
from detector.live.segments import Segment, batch_of
from detector.live.veil import veiled
from detector.live.watermark import BEGINNING
from detector.shapes import BUNDLED, Shapes
from detector.times import SECOND

HELD: Final = 5 * SECOND  # without more records, text waits no longer
LARGEST: Final = 256 << 10
_LARGE: Final = 64 << 10  # outputs above it carry their origin

Before = Callable[[Partition, int], Awaitable[Sequence[Any]]]
ShapesOf = Callable[[str], Shapes]


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

    def __init__(self, hold: Hold) -> None:
        self.hold = hold
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


async def _nothing_before(_partition: Partition, _offset: int) -> Sequence[Any]:
    return ()


def find_leaks(finder: LeakFinder, topic: str, partition: int, segments: Sequence[Segment]) -> list[Leak]:
    """The leaks in the text of one partition, each once for each record."""
    if not segments:
        return []
    found: dict[tuple[str, str, str | None], Leak] = {}
    for leak in finder.find(batch_of(topic, partition, segments)):
        found.setdefault((leak.id, leak.fingerprint, leak.pattern), leak)
    return list(found.values())


class ScanHandler:
    """Implements `detector.handlers.Handler`.

    `before` gives the records shortly before an offset: what was held when the partition moved is read again from
    them. `delay` is the policy's watermark delay (ns), `shapes` what is recognised
    in a topic. `clock` gives ns.
    """

    def __init__(  # noqa: PLR0913 - what it works with, each by its name
        self,
        topics: ScanTopics,
        finders: Finders,
        feed: RegistryFeed,
        threads: Executor,
        *,
        delay: int = 10 * SECOND,
        before: Before = _nothing_before,
        shapes: ShapesOf = lambda _: BUNDLED,
        clock: Callable[[], int] = time.time_ns,
        observe: Callable[[Scanned], None] = lambda _: None,
    ) -> None:
        self._topics = topics
        self._finders = finders
        self._feed = feed
        self._threads = threads
        self._delay = delay
        self._before = before
        self._shapes = shapes
        self._clock = clock
        self._observe = observe
        self._keys = tuple(key.material for key in finders.keys)
        self._partitions: dict[Partition, _Held] = {}

    async def assigned(self, partition: Partition) -> None:
        """Waits for the registry as it stood at the start: no record is judged before."""
        await self._feed.caught_up.wait()
        self._partitions[partition] = self._fresh(partition)

    def _fresh(self, partition: Partition) -> _Held:
        return _Held(Hold(self._shapes(partition.topic)))

    async def process(self, partition: Partition, records: Sequence[Any]) -> list[Output]:
        """Reads, scans and routes one poll."""
        held = self._partitions.get(partition) or self._partitions.setdefault(
            partition, self._fresh(partition)
        )
        loop, now = asyncio.get_running_loop(), self._clock()
        first = self._announced(partition, held)
        if held.fresh:
            held.fresh = False
            earlier = await self._before(partition, records[0].offset)
            await loop.run_in_executor(self._threads, held.hold.read, earlier, now, Contents())
        began = time.monotonic()
        finder = self._finders.finder
        waited = bool(held.hold)
        found = await loop.run_in_executor(
            self._threads, _read_and_find, finder, partition, records, held.hold, now
        )
        if not (waited and held.hold):
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
        return first + outputs

    async def tick(self, partition: Partition, now: int) -> list[Output]:
        """Scans text that has waited long enough, and tells every partition of work how far this one has got."""
        held = self._partitions.get(partition) or self._partitions.setdefault(
            partition, self._fresh(partition)
        )
        outputs = self._announced(partition, held)
        if held.hold and now - held.since >= HELD:
            segments, finder = held.hold.flush(), self._finders.finder
            leaks = await asyncio.get_running_loop().run_in_executor(
                self._threads, find_leaks, finder, partition.topic, partition.number, segments
            )
            outputs += self._outputs(partition, held, (), leaks, (), held.polls.held())
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
        key, value = f"m:{source}".encode(), encode(Mark(source, time))
        return [
            Output(self._topics.work, key, value, partition=number)
            for number in range(self._topics.work_partitions)
        ]

    async def committed(self, partition: Partition, offset: int | None) -> None:  # noqa: ARG002 - the protocol's
        """What was issued is known here at once, elsewhere by the registry topic."""
        held = self._partitions.get(partition)
        if held is not None and held.issues:
            issues, held.issues = held.issues, []
            await self._feed.register(issues)

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
        return work_outputs(self._topics.work, veiled(event, self._keys), offset, self._feed, began)


def work_outputs(
    topic: str, event: AnyEvent, offset: int | None, feed: RegistryFeed, began: int | None = None
) -> list[Output]:
    """An event, or a leak, for each aggregate that it concerns. What it holds may travel (see `veil`).

    `began` is their timestamp, in ms.
    """
    outputs: list[Output] = []
    for key, payload in route(event, feed.registry):
        value = encode(payload)
        headers = origin(offset) if offset is not None and len(value) > _LARGE else ()
        outputs.append(Output(topic, key.encode(), value, headers, began))
    return outputs


def _read_and_find(
    finder: LeakFinder, partition: Partition, records: Sequence[Any], hold: Hold, now: int
) -> _Found:
    contents = Contents()
    segments = hold.read(records, now, contents)
    return _Found(contents, find_leaks(finder, partition.topic, partition.number, segments))


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

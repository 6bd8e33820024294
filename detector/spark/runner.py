"""Runs the stages of units as tasks of Spark, a group of units each, and judges buckets so.

Units are those of a replay on one machine, so the facts are the same. A task takes as many as make up `TASK` bytes: it
costs a tenth of a second by itself. Tasks are sent in waves, two at a time, and their facts are taken in order. So the
driver holds the facts of two waves at most.
"""

import os
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import chain, count, islice, repeat
from typing import Any, Final, TypeVar
from uuid import uuid4

from detector.configuration.settings import Settings
from detector.ingest.classify import RecordClassifier
from detector.ingest.remote_sources import Looked, Looking, NamedFile, look_here
from detector.ingest.sources import Source
from detector.ingest.stored_sources import Packed, Sources
from detector.ingest.units import Unit, Units
from detector.replay.bucket_judge import BucketTask, BucketVerdicts, BucketWork, encode_terms
from detector.replay.first_pass import NumberSet
from detector.replay.runner import Processes, Runner, batches, few_or_all
from detector.replay.scan_settings import scan_settings
from detector.replay.sealing import Sealer
from detector.replay.stages import R, Stage, Work
from detector.scan.scanner import PatternScanner
from detector.spark.context import SparkStart, reason
from detector.spark.task import (
    CRASHED,
    FACTS,
    Job,
    Result,
    SealedFiles,
    SealedRows,
    SharedWork,
    UnitBounds,
    judge_buckets,
    look_at_files,
    part_name,
    run_units,
    sealed_name,
)
from detector.values.errors import UsageError

TASK: Final = 128 * 1024 * 1024  # bytes
_WAVES: Final = 2
_LEAST_WAVE: Final = 32  # tasks of all waves but the first ones: a cluster that grows with what waits has something to grow for
_PER_CORE: Final = 4

_BUCKETS: Final = 4 * 1024 * 1024  # bytes of packed rows, of which judging makes many times as much work
_IDENTIFIERS: Final = 1 << 17  # that are sealed together: of each there are Python objects meanwhile
_JUDGE, _LOOK = "judge", "look"

T = TypeVar("T")


class SparkRunner:
    """Sends units to workers. Implements `Runner`.

    What no other machine can open, such as standard input, `own` runs here. A task takes `task` bytes.
    """

    def __init__(  # noqa: PLR0913 - what it needs, each by its name
        self,
        start: SparkStart,
        config: str | None,
        settings: Settings,
        scanner: PatternScanner,
        *,
        own: Runner | None = None,
        task: int = TASK,
    ) -> None:
        self._start = start
        self._config = None if config is None else os.path.abspath(config)  # noqa: PTH100 - links stay as they are
        self._sealer = Sealer(settings.keys)
        patterns = {pattern.id: pattern for pattern in scanner.patterns}
        self._settings = scan_settings(self._sealer, config, settings, patterns)
        self._own = own or Processes()
        self._task = task

    def run(self, stage: Stage[R], work: Work, todo: Sequence[Unit]) -> Iterator[tuple[Unit, R]]:
        """See `Runner`.

        Raises:
            UsageError: Spark cannot be started or cannot go on, or a worker has another key or configuration.
        """
        here = {unit.source for unit in todo if work.sources[unit.source].place is None}
        far = Units(unit for unit in todo if unit.source not in here) if here else todo
        found = self._scanned(stage, work, far) if far else iter(())
        own = (
            self._own.run(stage, work, Units(unit for unit in todo if unit.source in here)) if here else found
        )
        for unit in todo:
            yield next(own if unit.source in here else found)

    def look(
        self, looking: Looking, classifier: RecordClassifier, files: Iterator[NamedFile]
    ) -> Iterator[tuple[NamedFile, Looked]]:
        """See `Runner`. The workers begin with the first files, whatever the store has yet to list.

        Raises:
            UsageError: as `run`.
        """
        few, files = few_or_all(files)
        if few:
            yield from look_here(looking, classifier, files)
            return
        job = self._job(_LOOK)
        numbers = count()

        def sent(some: Sequence[NamedFile]) -> SealedFiles:
            name = f"{job.name}/{next(numbers)}"
            return name, self._sealer.seal(name, some)

        opened = map("{}/{}".format, repeat(job.name), count())
        groups = ([some] for some in batches(files))
        for some, value in self._on_cluster(
            job, [self._sealer.seal(job.name, looking)], groups, sent, look_at_files
        ):
            yield from zip(some, self._sealer.unseal(next(opened), value, list[Looked]), strict=True)

    @property
    def jobs(self) -> int:
        """See `Runner`."""
        return max(2, int(self._start.context().defaultParallelism))

    def judge(
        self, work: BucketWork, todo: Sequence[BucketTask]
    ) -> Iterator[tuple[BucketTask, BucketVerdicts]]:
        """See `Runner`.

        Raises:
            UsageError: as `run`.
        """
        if not todo:
            return
        job = self._job(_JUDGE)

        def name_of(task: BucketTask) -> str:
            return f"{job.name}/{task.bucket}/{task.what}/{task.shards}"

        def sent(task: BucketTask) -> SealedRows:
            return name_of(task), self._sealer.seal(name_of(task), work.rows(task))

        shared = [self._sealer.seal(job.name, encode_terms(work.terms))]
        groups = _groups(todo, _BUCKETS, work.size)
        for task, value in self._on_cluster(job, shared, groups, sent, judge_buckets):
            yield task, self._sealer.unseal(name_of(task), value, BucketVerdicts)

    def _scanned(self, stage: Stage[R], work: Work, todo: Sequence[Unit]) -> Iterator[tuple[Unit, R]]:
        job = self._job(stage.name)
        shared = self._sealed_work(job, work)
        groups = _groups(todo, self._task, lambda unit: unit.end - unit.start)
        for unit, value in self._on_cluster(job, shared, groups, _bounds, run_units):
            yield unit, self._sealer.unseal(sealed_name(job, _bounds(unit)), value, stage.decoder.type)

    def _sealed_work(self, job: Job, work: Work) -> Iterator[bytes]:
        """What all units need; then the identifiers looked for, and the buckets of credentials, so many at once."""
        yield self._sealer.seal(job.name, _shared(work))
        identifiers = _batched(() if work.finder is None else work.identifiers, _IDENTIFIERS)
        buckets = () if work.buckets is None else work.buckets.parts()
        for number, some in enumerate(chain(identifiers, buckets)):
            yield self._sealer.seal(part_name(job, number), some)

    def _job(self, stage: str) -> Job:
        return Job(stage, uuid4().hex, self._config, self._sealer.keys, self._settings)

    def _on_cluster(
        self,
        job: Job,
        sealed: Iterable[bytes],
        groups: Iterator[list[T]],
        sent: Callable[[T], Any],
        do: Callable[[Job, Any, Iterator[Any]], Iterator[Result]],
    ) -> Iterator[tuple[T, bytes]]:
        """Each item of the groups with its sealed result. All tasks get what is `sealed`."""
        context = self._start.context()
        shared = [context.broadcast(some) for some in sealed]  # Spark has them in files of its own
        waves = _waves(groups, context.defaultParallelism)
        pool = ThreadPoolExecutor(_WAVES)
        waiting: deque[tuple[list[T], Future[list[Result]]]] = deque()
        try:
            while True:
                for wave in islice(waves, _WAVES - len(waiting)):
                    tasks = [[sent(item) for item in group] for group in wave]
                    future = pool.submit(_collected, context, job, tasks, partial(do, job, shared))
                    waiting.append(([item for group in wave for item in group], future))
                if not waiting:
                    break
                items, future = waiting.popleft()
                yield from zip(items, _values(future), strict=True)
        finally:
            if waiting:
                context.cancelJobGroup(job.name)
            pool.shutdown(wait=True, cancel_futures=True)
            for some in shared:
                some.destroy()


def _batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items, so many together."""
    waiting = iter(items)
    while some := list(islice(waiting, size)):
        yield some


def _waves(groups: Iterator[list[T]], cores: int) -> Iterator[list[list[T]]]:
    """The groups in waves: a small one first, so that the workers begin at once, then larger ones."""
    size = max(cores, 2)
    while wave := list(islice(groups, size)):
        yield wave
        size = min(2 * size, max(_LEAST_WAVE, _PER_CORE * cores))


def _values(future: "Future[list[Result]]") -> Iterator[bytes]:
    try:
        results = future.result()
    except Exception as error:  # noqa: BLE001 - of Java, of Py4J, of PySpark
        raise UsageError(f"Spark could not run the units: {reason(error)}") from None
    for kind, value in results:
        if kind != FACTS:
            text = value.decode("utf-8", "replace")
            raise UsageError(f"a worker of Spark: {'internal error, ' if kind == CRASHED else ''}{text}")
        yield value


def _bounds(unit: Unit) -> UnitBounds:
    return unit.source, unit.start, unit.end


def _collected(
    context: Any, job: Job, tasks: Sequence[Any], do: Callable[[Iterator[Any]], Iterator[Result]]
) -> list[Result]:
    context.setJobGroup(job.name, f"curfewd: {job.stage}")
    found: list[Result] = context.parallelize(tasks, len(tasks)).mapPartitions(do).collect()
    return found


def _shared(work: Work) -> SharedWork:
    return SharedWork(
        sources=_packed(work.found or work.sources),
        now=work.now,
        identifiers=None if work.finder is None else -(-len(work.identifiers) // _IDENTIFIERS),
        text=_flags(work.text),
        suspected=_flags(work.suspected),
        skew=work.skew,
        buckets=work.buckets is not None,
    )


def _packed(sources: Sequence[Source]) -> Packed:
    return (sources if isinstance(sources, Sources) else Sources(sources)).packed()


def _flags(numbers: Collection[int]) -> bytes:
    return bytes(numbers.flags) if isinstance(numbers, NumberSet) else b""


def _groups(todo: Iterable[T], most: int, size_of: Callable[[T], int]) -> Iterator[list[T]]:
    """The items in groups of so many bytes, or of one item that is larger."""
    group: list[T] = []
    room = most
    for item in todo:
        if group and size_of(item) > room:
            yield group
            group, room = [], most
        group.append(item)
        room -= size_of(item)
    if group:
        yield group

"""Runs the stages of units as tasks of Spark, a group of units each.

Units are those of a replay on one machine, so the facts are the same. A task takes as many as make up `TASK` bytes: it
costs a tenth of a second by itself. Tasks are sent in waves, two at a time, and their facts are taken in order. So the
driver holds the facts of two waves at most.
"""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Final
from uuid import uuid4

from detector.configuration.settings import Settings
from detector.ingest.stored_sources import StoredSource
from detector.ingest.units import Unit
from detector.replay.runner import Processes, Runner
from detector.replay.scan_settings import scan_settings
from detector.replay.sealing import Sealer
from detector.replay.stages import R, Stage, Work
from detector.scan.scanner import PatternScanner
from detector.spark.context import SparkStart, reason
from detector.spark.task import CRASHED, FACTS, Job, Result, SharedWork, UnitBounds, run_units, sealed_name
from detector.values.errors import UsageError

TASK: Final = 128 * 1024 * 1024  # bytes
_WAVES: Final = 2
_LEAST_WAVE: Final = 32  # tasks: a cluster that grows with what waits has something to grow for
_PER_CORE: Final = 4

_Group = list[Unit]


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
        far = [unit for unit in todo if work.sources[unit.source].place is not None]
        away = set(far)
        found = self._on_cluster(stage, work, far) if far else iter(())
        here = self._own.run(stage, work, [unit for unit in todo if unit not in away])
        for unit in todo:
            yield next(found if unit in away else here)

    def _on_cluster(self, stage: Stage[R], work: Work, todo: Sequence[Unit]) -> Iterator[tuple[Unit, R]]:
        context = self._start.context()
        job = Job(stage.name, uuid4().hex, self._config, self._sealer.keys, self._settings)
        shared = context.broadcast(self._sealer.seal(job.name, _shared(work)))
        groups = list(_groups(todo, self._task))
        size = max(_LEAST_WAVE, _PER_CORE * context.defaultParallelism)
        waves = [groups[at : at + size] for at in range(0, len(groups), size)]
        pool = ThreadPoolExecutor(_WAVES)
        waiting: deque[tuple[list[_Group], Future[list[Result]]]] = deque()
        try:
            while waves or waiting:
                while waves and len(waiting) < _WAVES:
                    wave = waves.pop(0)
                    waiting.append((wave, pool.submit(_collected, context, job, shared, wave)))
                wave, future = waiting.popleft()
                units = [unit for group in wave for unit in group]
                yield from zip(units, self._opened(job, stage, units, future), strict=True)
        finally:
            if waiting:
                context.cancelJobGroup(job.name)
            pool.shutdown(wait=True, cancel_futures=True)
            shared.destroy()

    def _opened(
        self, job: Job, stage: Stage[R], units: Sequence[Unit], future: "Future[list[Result]]"
    ) -> Iterator[R]:
        try:
            results = future.result()
        except Exception as error:  # noqa: BLE001 - of Java, of Py4J, of PySpark
            raise UsageError(f"Spark could not run the units: {reason(error)}") from None
        for (kind, value), unit in zip(results, units, strict=False):
            if kind != FACTS:
                text = value.decode("utf-8", "replace")
                raise UsageError(f"a worker of Spark: {'internal error, ' if kind == CRASHED else ''}{text}")
            yield self._sealer.unseal(sealed_name(job, _bounds(unit)), value, stage.decoder.type)


def _bounds(unit: Unit) -> UnitBounds:
    return unit.source, unit.start, unit.end


def _collected(context: Any, job: Job, shared: Any, wave: Sequence[_Group]) -> list[Result]:
    context.setJobGroup(job.name, f"curfewd: {job.stage}")
    groups = [[_bounds(unit) for unit in group] for group in wave]
    found: list[Result] = (
        context.parallelize(groups, len(groups)).mapPartitions(partial(run_units, job, shared)).collect()
    )
    return found


def _shared(work: Work) -> SharedWork:
    return SharedWork(
        sources=tuple(map(StoredSource.of, work.found or work.sources)),
        now=work.now,
        identifiers=None if work.finder is None else tuple(work.identifiers),
        text=tuple(sorted(work.text)),
        suspected=tuple(sorted(work.suspected)),
        skew=work.skew,
    )


def _groups(todo: Sequence[Unit], size: int) -> Iterator[_Group]:
    """The units in groups of so many bytes, or of one unit that is larger."""
    group: _Group = []
    room = size
    for unit in todo:
        if group and unit.end - unit.start > room:
            yield group
            group, room = [], size
        group.append(unit)
        room -= unit.end - unit.start
    if group:
        yield group

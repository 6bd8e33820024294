"""Runs a stage over units: in this process, or in several that are forked from it.

Facts cross between processes as JSON: unlike MessagePack it holds the nanoseconds of the year 9999. No secret crosses.
"""

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Final, Protocol

import msgspec

from detector.ingest.units import Unit
from detector.records.repeated_names import has_repeated_name
from detector.replay.stages import R, Stage, Work
from detector.values.errors import UsageError

IN_FLIGHT: Final = 2  # units that wait for each worker: memory is bounded, and reading never runs far ahead
SMALL: Final = 4 * 1024 * 1024  # bytes that are read faster than processes are forked


class Runner(Protocol):
    """What runs the stages of units."""

    def run(self, stage: Stage[R], work: Work, todo: Sequence[Unit]) -> Iterator[tuple[Unit, R]]:
        """Each unit with its facts, in the order of `todo`.

        Raises:
            UsageError: they cannot be had, for a reason outside the units.
        """


class Processes:
    """Forks `jobs` processes for each stage that is worth it; else this one does it all. Implements `Runner`."""

    def __init__(self, jobs: int = 1) -> None:
        self._jobs = jobs

    def run(self, stage: Stage[R], work: Work, todo: Sequence[Unit]) -> Iterator[tuple[Unit, R]]:
        """See `Runner`.

        Raises:
            UsageError: a worker process was ended from outside.
        """
        jobs = self._jobs_for(todo)
        return _in_processes(stage, work, todo, jobs) if jobs > 1 else _here(stage, work, todo)

    def _jobs_for(self, todo: Sequence[Unit]) -> int:
        size = sum(unit.end - unit.start for unit in todo)
        return 1 if size <= SMALL else min(self._jobs, len(todo))


_forked: list[tuple[Stage[Any], Work]] = []  # set before the fork, read after it


def _initialise() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means


def _remote(unit: Unit) -> bytes:
    stage, work = _forked[-1]
    return msgspec.json.encode(stage.do(work, unit))


def _here(stage: Stage[R], work: Work, todo: Sequence[Unit]) -> Iterator[tuple[Unit, R]]:
    for unit in todo:
        yield unit, stage.do(work, unit)


def _in_processes(stage: Stage[R], work: Work, todo: Sequence[Unit], jobs: int) -> Iterator[tuple[Unit, R]]:
    has_repeated_name(b"{}")  # loads what is compiled, once for all processes that are forked
    _forked.append((stage, work))
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("fork"), _initialise)
    waiting: deque[tuple[Unit, Future[bytes]]] = deque()
    try:
        for unit in todo:
            try:
                waiting.append((unit, pool.submit(_remote, unit)))
            except BrokenProcessPool:
                raise _ended_from_outside() from None
            if len(waiting) >= jobs * IN_FLIGHT:
                yield _next(stage, waiting)
        while waiting:
            yield _next(stage, waiting)
    finally:
        _forked.pop()
        pool.shutdown(wait=not waiting, cancel_futures=True)


def _next(stage: Stage[R], waiting: deque[tuple[Unit, Future[bytes]]]) -> tuple[Unit, R]:
    unit, future = waiting[0]
    try:
        result = stage.decoder.decode(future.result())
    except BrokenProcessPool:
        raise _ended_from_outside() from None
    waiting.popleft()
    return unit, result


def _ended_from_outside() -> UsageError:
    return UsageError(
        "a worker process was ended from outside, most likely because memory ran out: "
        "try again with --jobs 1, or on fewer files"
    )

"""Runs a stage over units, or judges buckets: in this process, or in several that are forked from it.

Facts cross between processes as JSON: unlike MessagePack it holds the nanoseconds of the year 9999. No secret crosses.
"""

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import msgspec

from detector.ingest.classify import RecordClassifier
from detector.ingest.remote_sources import TOGETHER, Looked, Looking, NamedFile, look_at_some, look_here
from detector.ingest.units import Unit, bytes_of
from detector.records.repeated_names import has_repeated_name
from detector.replay.bucket_judge import BucketTask, BucketVerdicts, BucketWork, judge_bucket
from detector.replay.stages import R, Stage, Work
from detector.values.errors import UsageError

T = TypeVar("T")
W = TypeVar("W")
Result = TypeVar("Result")

IN_FLIGHT: Final = 2  # units that wait for each worker: memory is bounded, and reading never runs far ahead
SMALL: Final = 4 * 1024 * 1024  # bytes that are read faster than processes are forked


class Runner(Protocol):
    """What looks at files by URL, runs the stages of units, and judges buckets, `jobs` at once."""

    @property
    def jobs(self) -> int:
        """How many at once."""

    def look(
        self, looking: Looking, classifier: RecordClassifier, files: Iterator[NamedFile]
    ) -> Iterator[tuple[NamedFile, Looked]]:
        """See `Look`.

        Raises:
            UsageError: as `run`.
        """

    def run(self, stage: Stage[R], work: Work, todo: Sequence[Unit]) -> Iterator[tuple[Unit, R]]:
        """Each unit with its facts, in the order of `todo`.

        Raises:
            UsageError: they cannot be had, for a reason outside the units.
        """

    def judge(
        self, work: BucketWork, todo: Sequence[BucketTask]
    ) -> Iterator[tuple[BucketTask, BucketVerdicts]]:
        """Each bucket with its verdicts, in the order of `todo`.

        Raises:
            UsageError: as `run`.
        """


class Processes:
    """Forks `jobs` processes for each stage that is worth it; else this one does it all. Implements `Runner`."""

    def __init__(self, jobs: int = 1) -> None:
        self.jobs = jobs

    def look(
        self, looking: Looking, classifier: RecordClassifier, files: Iterator[NamedFile]
    ) -> Iterator[tuple[NamedFile, Looked]]:
        """See `Runner`.

        Raises:
            UsageError: a worker process was killed.
        """
        few, files = few_or_all(files)
        if few or self.jobs == 1:
            yield from look_here(looking, classifier, files)
            return
        asked = _Asked(looking, classifier)
        for some, found in _in_processes(_looked_at, LOOKED, asked, batches(files), self.jobs):
            yield from zip(some, found, strict=True)

    def run(self, stage: Stage[R], work: Work, todo: Sequence[Unit]) -> Iterator[tuple[Unit, R]]:
        """See `Runner`.

        Raises:
            UsageError: a worker process was killed.
        """
        size = bytes_of(todo) + _OPENED * len(todo)
        return self.each(stage.do, stage.decoder, work, todo, size)

    def judge(
        self, work: BucketWork, todo: Sequence[BucketTask]
    ) -> Iterator[tuple[BucketTask, BucketVerdicts]]:
        """See `Runner`.

        Raises:
            UsageError: a worker process was killed.
        """
        return self.each(_judged, _VERDICTS, work, todo, _UNPACKED * sum(map(work.size, todo)))

    def each(
        self,
        do: Callable[[W, T], Result],
        decoder: msgspec.json.Decoder[Result],
        work: W,
        todo: Sequence[T],
        size: int,
    ) -> Iterator[tuple[T, Result]]:
        """What is done with each item, in order; `size` is how many bytes are read for it."""
        jobs = 1 if size <= SMALL else min(self.jobs, len(todo))
        if jobs > 1:
            return _in_processes(do, decoder, work, todo, jobs)
        return ((item, do(work, item)) for item in todo)


def few_or_all(files: Iterator[NamedFile]) -> tuple[bool, Iterator[NamedFile]]:
    """Whether there are so few files that other processes are not worth it; and all of them."""
    first = list(islice(files, TOGETHER + 1))
    return len(first) <= TOGETHER, chain(first, files)


def batches(files: Iterator[NamedFile]) -> Iterator[list[NamedFile]]:
    """The files, so many together."""
    while some := list(islice(files, TOGETHER)):
        yield some


class _Asked(NamedTuple):
    looking: Looking
    classifier: RecordClassifier


def _looked_at(asked: _Asked, files: Sequence[NamedFile]) -> list[Looked]:
    return look_at_some(asked.looking, asked.classifier, files)


LOOKED: Final = msgspec.json.Decoder(list[Looked])
_OPENED: Final = 16 * 1024  # bytes that are read while a file is opened
_UNPACKED: Final = 16  # bytes of facts for each that is packed, about
_VERDICTS: Final = msgspec.json.Decoder(BucketVerdicts)


def _judged(work: BucketWork, task: BucketTask) -> BucketVerdicts:
    return judge_bucket(work.terms, work.rows(task))


_forked: list[tuple[Callable[[Any, Any], Any], Any]] = []  # set before the fork, read after it


def _initialise() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means


def _remote(item: Any) -> bytes:
    do, work = _forked[-1]
    return msgspec.json.encode(do(work, item))


def _in_processes(
    do: Callable[[W, T], Result],
    decoder: msgspec.json.Decoder[Result],
    work: W,
    todo: Iterable[T],
    jobs: int,
) -> Iterator[tuple[T, Result]]:
    has_repeated_name(b"{}")  # loads what is compiled, once for all processes that are forked
    _forked.append((do, work))
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("fork"), _initialise)
    waiting: deque[tuple[T, Future[bytes]]] = deque()
    try:
        for item in todo:
            try:
                waiting.append((item, pool.submit(_remote, item)))
            except BrokenProcessPool:
                raise _ended_from_outside() from None
            if len(waiting) >= jobs * IN_FLIGHT:
                yield _next(decoder, waiting)
        while waiting:
            yield _next(decoder, waiting)
    finally:
        _forked.pop()
        pool.shutdown(wait=not waiting, cancel_futures=True)


def _next(decoder: msgspec.json.Decoder[Result], waiting: deque[tuple[T, Future[bytes]]]) -> tuple[T, Result]:
    item, future = waiting[0]
    try:
        result = decoder.decode(future.result())
    except BrokenProcessPool:
        raise _ended_from_outside() from None
    waiting.popleft()
    return item, result


def _ended_from_outside() -> UsageError:
    return UsageError(
        "a worker process was killed, most likely because memory ran out: "
        "try again with --jobs 1, or on fewer files"
    )

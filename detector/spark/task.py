"""What a worker of Spark does with units and buckets. It loads the configuration, patterns and keys of its own machine.

A worker gets the name of its configuration, and all else sealed under the deployment key: sources, registered
identifiers, the rows of buckets. What it finds goes back sealed. So Spark's files, its network and its logs hold
neither key nor facts.

What is loaded stays for the next task of the same worker process.
"""

import contextlib
import gc
import os
import socket
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import Any, Final, TypeVar, overload

import msgspec

from detector.configuration.allowlist import Allowlist
from detector.configuration.settings import Settings
from detector.ingest.mapped_adapter import configured_classifier
from detector.ingest.remote import is_url
from detector.ingest.remote_sources import Looking, NamedFile, look_at_some
from detector.ingest.sources import Source
from detector.ingest.stored_sources import Packed, Sources
from detector.ingest.trust.policy import InputTrust, TrustPolicy
from detector.ingest.units import Unit
from detector.registry.finders import Finders
from detector.replay.bucket_judge import BucketRows, decode_terms, judge_bucket
from detector.replay.buckets import BucketNames, CredentialBuckets
from detector.replay.first_pass import NumberSet
from detector.replay.scan_settings import differing, scan_settings
from detector.replay.sealing import Sealer
from detector.replay.stages import LIFECYCLE, SCAN, Stage, Work
from detector.scan.leaks import LeakFinder
from detector.scan.scanner import PatternScanner
from detector.scan.scanner_loader import load_scanner
from detector.stages.masking import EventMasker
from detector.terminal.output import path_bytes, shown
from detector.values.errors import UsageError
from detector.values.events import Identifier

STAGES: Final[dict[str, Stage[Any]]] = {stage.name: stage for stage in (LIFECYCLE, SCAN)}
FACTS, REFUSED, CRASHED = "facts", "refused", "crashed"  # what a result is
_REMEMBERED: Final = 4096  # sources
_COLLECTED: Final = (200_000, 20, 1000)  # as `seldom_collected` of a replay

UnitBounds = tuple[int, int, int]
SealedRows = tuple[str, bytes]  # the name under which they are sealed
SealedFiles = tuple[str, bytes]  # the same
Result = tuple[str, bytes]
_I = TypeVar("_I")
_T = TypeVar("_T")


class SharedWork(msgspec.Struct, frozen=True):
    """What all units of a stage need, as it crosses to workers. Parts of it cross by themselves.

    `identifiers` is how many parts hold what is looked for, if anything is; the others hold buckets of credentials,
    if there are `buckets`. The rest is as `Work` has it; the sources have the names under which they were found, and
    sets are those of a `NumberSet`.
    """

    sources: Packed
    now: int
    identifiers: int | None
    text: bytes
    suspected: bytes
    skew: int
    buckets: bool


class Job(msgspec.Struct, frozen=True):
    """What a task is told in clear: the stage, the path of the configuration, and what the worker's has to agree with.

    `name` is another for each `SharedWork`.
    """

    stage: str
    name: str
    config: str | None
    keys: tuple[str, ...]
    settings: dict[str, str]


def sealed_name(job: Job, unit: UnitBounds) -> str:
    """The name under which the facts of a unit are sealed."""
    return f"{job.name}/{job.stage}/{unit[0]}/{unit[1]}/{unit[2]}"


def part_name(job: Job, number: int) -> str:
    """The name under which a part of what all units need is sealed."""
    return f"{job.name}/parts/{number}"


def run_units(job: Job, shared: Any, groups: Iterator[Sequence[UnitBounds]]) -> Iterator[Result]:
    """The sealed facts of each unit, in order. `shared` are broadcasts of a sealed `SharedWork`, and of its parts."""

    def facts_of(loaded: "_Loaded", unit: UnitBounds) -> bytes:
        facts = STAGES[job.stage].do(_work(loaded, job, shared), Unit(*unit))
        return loaded.sealer.seal(sealed_name(job, unit), facts)

    return _results(job, groups, facts_of)


def judge_buckets(job: Job, shared: Any, groups: Iterator[Sequence[SealedRows]]) -> Iterator[Result]:
    """The sealed verdicts on each bucket, in order.

    `shared` has a broadcast of sealed `Terms`, as `encode_terms` has them.
    """

    def verdicts_on(loaded: "_Loaded", rows: SealedRows) -> bytes:
        name, sealed = rows
        terms = decode_terms(_unsealed(loaded, job.name, shared[0].value, bytes))
        return loaded.sealer.seal(name, judge_bucket(terms, _unsealed(loaded, name, sealed, BucketRows)))

    return _results(job, groups, verdicts_on)


def look_at_files(job: Job, shared: Any, groups: Iterator[Sequence[SealedFiles]]) -> Iterator[Result]:
    """What is known of some files by URL, sealed. `shared` has a broadcast of sealed `Looking`."""

    def known_of(loaded: "_Loaded", files: SealedFiles) -> bytes:
        name, sealed = files
        looking = _unsealed(loaded, job.name, shared[0].value, Looking)
        asked = _unsealed(loaded, name, sealed, list[NamedFile])
        return loaded.sealer.seal(name, look_at_some(looking, loaded.classifier, asked))

    return _results(job, groups, known_of)


def _results(
    job: Job, groups: Iterator[Sequence[_I]], do: Callable[["_Loaded", _I], bytes]
) -> Iterator[Result]:
    """What is done with each item.

    What goes wrong is a result too: an exception's text would be in Spark's logs, and may hold what was read.
    """
    for group in groups:
        try:
            loaded = _loaded_for(job)
            for item in group:
                yield FACTS, do(loaded, item)
        except UsageError as error:
            yield REFUSED, f"{socket.gethostname()}: {error}".encode()
            return
        except Exception as error:  # noqa: BLE001 - its text may contain what was read: only the places go back
            places = [
                f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}"
                for frame in traceback.extract_tb(error.__traceback__)
            ]
            yield CRASHED, f"{type(error).__name__} at {', '.join(places[-4:])}".encode()
            return


class _Loaded:
    """The configuration of this machine, and what is made of it."""

    def __init__(self, job: Job) -> None:
        gc.set_threshold(*_COLLECTED)
        config = None if job.config is None else _found(job.config)
        self.settings = Settings.load(config)
        if not self.settings.keys:
            raise UsageError(
                "this worker has no deployment key: set CURFEWD_KEY in its environment, or key_file in its "
                "configuration, as on the driver"
            )
        self.sealer = Sealer(self.settings.keys)
        if self.sealer.keys != job.keys:
            raise UsageError(
                f"this worker has other deployment keys (ids {', '.join(self.sealer.keys)}) than the driver "
                f"({', '.join(job.keys)}): give all the same"
            )
        self.scanner, _ = load_scanner(self.settings.patterns)
        patterns = {pattern.id: pattern for pattern in self.scanner.patterns}
        other = differing(job.settings, scan_settings(self.sealer, config, self.settings, patterns))
        if other:
            raise UsageError(
                f"the configuration of this worker is not that of the driver ({', '.join(other)}): give all the same"
            )
        self.classifier = configured_classifier(self.settings.sources, ())
        self.trust = TrustPolicy(self.settings.trust)


_loaded: dict[tuple[str | None, tuple[str, ...], str], _Loaded] = {}
_works: dict[str, Work] = {}  # of the job at hand


def _loaded_for(job: Job) -> _Loaded:
    key = job.config, job.keys, str(sorted(job.settings.items()))
    loaded = _loaded.get(key)
    if loaded is None:
        _loaded.clear()
        _works.clear()
        loaded = _loaded[key] = _Loaded(job)
    return loaded


def _work(loaded: _Loaded, job: Job, shared: Any) -> Work:
    work = _works.get(job.name)
    if work is None:
        _works.clear()
        work = _works[job.name] = _made(
            loaded,
            _unsealed(loaded, job.name, shared[0].value, SharedWork),
            partial(_parts, loaded, job, shared[1:]),
        )
    return work


def _unsealed(loaded: _Loaded, name: str, sealed: bytes, gives: type[_T]) -> _T:
    try:
        return loaded.sealer.unseal(name, sealed, gives)
    except ValueError:
        raise UsageError("what the driver sent cannot be opened with this worker's deployment key") from None


def _parts(loaded: _Loaded, job: Job, shared: Any, numbers: slice, gives: type[_T]) -> Iterator[_T]:
    for number in range(len(shared))[numbers]:
        yield _unsealed(loaded, part_name(job, number), shared[number].value, gives)


def _made(loaded: _Loaded, told: SharedWork, parts: Callable[[slice, type[Any]], Iterator[Any]]) -> Work:
    finder, first = None, told.identifiers or 0
    if told.identifiers is not None:
        identifiers = chain.from_iterable(parts(slice(first), list[Identifier]))
        finder = _finder(loaded.settings, loaded.scanner, identifiers)
    found = Sources(held=told.sources)
    sources = _Sources(found if finder is None else found.named(EventMasker(finder).paths))
    return Work(
        sources,
        told.now,
        finder,
        loaded.classifier,
        _Trust(found, loaded.trust) if loaded.trust else (),
        loaded.classifier.logs_only(),
        NumberSet.of(told.text),
        NumberSet.of(told.suspected),
        told.skew,
        buckets=CredentialBuckets.of_parts(parts(slice(first, None), BucketNames)) if told.buckets else None,
    )


def _finder(settings: Settings, scanner: PatternScanner, identifiers: Iterable[Identifier]) -> LeakFinder:
    finders = Finders(
        scanner,
        settings.keys,
        allowlist=Allowlist(settings.allows),
        every_window=settings.scan.every_window,
        forms=settings.scan.forms,
        most_findings=settings.scan.findings_per_stream,
        in_files=True,
    )
    finders.renew(identifiers)
    return finders.finder


class _Sources(Sequence[Source]):
    """The sources, each looked for when it is asked for: a task needs a few of perhaps a million."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._found = lru_cache(_REMEMBERED)(self._find)

    def __len__(self) -> int:
        return len(self._sources)

    @overload
    def __getitem__(self, index: int) -> Source: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Source]: ...
    def __getitem__(self, index: int | slice) -> Source | Sequence[Source]:
        return self._found(index) if isinstance(index, int) else [*map(self._found, range(len(self))[index])]

    def _find(self, index: int) -> Source:
        source = self._sources[index]
        _check_there(source)
        return source


def _check_there(source: Source) -> None:
    """Refuses a file that this worker does not see as the driver does: nobody would have read it."""
    place = source.place
    if place is not None and is_url(place.path):
        return  # whoever reads it looks
    seen = None
    if place is not None:
        with contextlib.suppress(OSError):
            info = os.stat(path_bytes(place.path))  # noqa: PTH116 - a path of any bytes
            seen = info.st_size, info.st_mtime_ns
    if place is None or seen != (place.size, place.modified):
        raise UsageError(
            f"{source.name} is {'not there' if seen is None else 'another file'} on this worker: all workers have to see "
            "the files that the driver sees, at the same paths"
        )


class _Trust(Sequence[InputTrust | None]):
    """What holds each source. The path tells, and not the name that outputs have."""

    def __init__(self, sources: Sequence[Source], policy: TrustPolicy) -> None:
        self._sources = sources
        self._policy = policy
        self._of = lru_cache(_REMEMBERED)(self._found)

    def __len__(self) -> int:
        return len(self._sources)

    @overload
    def __getitem__(self, index: int) -> InputTrust | None: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[InputTrust | None]: ...
    def __getitem__(self, index: int | slice) -> InputTrust | Sequence[InputTrust | None] | None:
        return self._of(index) if isinstance(index, int) else [*map(self._of, range(len(self))[index])]

    def _found(self, index: int) -> InputTrust | None:
        source = self._sources[index]
        return self._policy.of_path(source.name, source.path)


def _found(config: str) -> str:
    """The configuration at its path, or as `spark-submit --files` brought it."""
    if Path(config).exists():
        return config
    from pyspark import SparkFiles  # noqa: PLC0415 - there is no Spark in the tests of the stages

    brought: str = SparkFiles.get(Path(config).name)
    if Path(brought).exists():
        return brought
    raise UsageError(
        f"{shown(config)}: no such file on this worker: put the configuration at the same path on each, or bring it "
        "with `spark-submit --files`"
    )

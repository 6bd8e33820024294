"""What `curfewd replay` does: the parts put together as the settings say, the files written, the report printed."""

import contextlib
import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from detector.adapters.adapter import Adapter
from detector.configuration.allowlist import Allowlist
from detector.configuration.baseline import BaselineEntry, day_of, read_baseline
from detector.configuration.settings import Settings
from detector.ingest.classify import RecordClassifier
from detector.ingest.declarations import Declarations
from detector.ingest.format_names import EVENT_FORMATS
from detector.ingest.inputs import find_sources
from detector.ingest.mapped_adapter import configured_classifier
from detector.ingest.remote_sources import Look, look_here
from detector.ingest.sources import Source
from detector.ingest.trust.policy import TrustPolicy
from detector.ingest.units import UNIT
from detector.judge.policy import Accept
from detector.outputs.baseline_use import baseline_use
from detector.outputs.command_signature import signing_key
from detector.outputs.output import Output, Run, write_run
from detector.records.dead_letters import UNREADABLE, DeadLetter
from detector.registry.finders import Finders
from detector.replay.destinations import Destinations, check_destinations, outputs_of
from detector.replay.input_key import key_of_inputs
from detector.replay.plan import Plan
from detector.replay.replay import Result, replay
from detector.replay.runner import Processes, Runner
from detector.scan.leaks import LeakFinder
from detector.scan.redactor import Redactor
from detector.scan.scanner import PatternScanner
from detector.scan.scanner_loader import load_scanner
from detector.terminal.progress import meter
from detector.values.errors import ConfigError
from detector.values.events import Identifier
from detector.values.findings import Severity
from detector.values.wording import Cleaner

DONE, FOUND, DEAD_LETTERS = 0, 1, 3  # exit codes
_COLLECTED: Final = (200_000, 20, 1000)  # a quarter off the CPU time of 100,000 registered credentials


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of one replay. Times in nanoseconds; `now` is the wall clock.

    `events` and `logs` are the paths that carry events, and those that carry text; of `paths` nobody said. `baseline`
    is the file of the findings that are known. The outputs are as in `Destinations`. Plain files are cut into units
    of so many bytes; output may depend on it where a stream asks for more than its share.
    """

    config: str | None
    paths: tuple[str, ...]
    out: str | None = None
    report: str | None = None
    sarif: str | None = None
    findings: str | None = None
    document: bool = False
    format_name: str | None = None
    until: int | None = None
    fail_on: Severity | None = None
    strict: bool = False
    jobs: int
    now: int
    events: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    baseline: str | None = None
    unit: int = UNIT

    @property
    def day(self) -> str:
        """The day that the expiry of the baseline is held against: that of `until`, else today (UTC)."""
        return day_of(self.now if self.until is None else self.until)

    @property
    def destinations(self) -> Destinations:
        """Where the outputs go."""
        return Destinations(self.out, self.report, self.sarif, self.findings, self.document)

    @property
    def inputs(self) -> tuple[str, ...]:
        """All paths to read."""
        return (*self.paths, *self.events, *self.logs)


RunnerOf = Callable[[Settings, PatternScanner], Runner]


def run_replay(
    request: Request,
    *,
    adapters: Sequence[Adapter] = (),
    outputs: Sequence[Output] = (),
    runner_of: RunnerOf | None = None,
) -> int:
    """Replays, writes and prints; the exit code.

    `adapters` read sources beside the bundled ones, `outputs` are written beside those that the arguments name.
    `runner_of` gives what runs the stages of units, by default processes of this machine.

    Raises:
        UsageError: the configuration or an input is wrong, or an output cannot be written.
    """
    settings, baseline = configured(request)
    scanner, passed_over = load_scanner(settings.patterns)
    known = () if request.baseline is None else (request.baseline,)
    check_destinations(request.destinations, (*request.inputs, *known))
    plan, finders = planned(
        request,
        settings,
        scanner,
        adapters=adapters,
        skip=(
            *request.destinations.files,
            *map(Path, known),
        ),
        warnings=passed_over,
        runner=None if runner_of is None else runner_of(settings, scanner),
    )
    return conclude(request, Prepared(plan, finders, scanner, baseline), outputs=outputs)


class Prepared(NamedTuple):
    """What a replay needs beside its arguments: the plan, what finds, the patterns, and the findings that are known."""

    plan: Plan
    finders: Finders
    scanner: PatternScanner
    baseline: Sequence[BaselineEntry] = ()


def conclude(request: Request, prepared: Prepared, *, outputs: Sequence[Output] = ()) -> int:
    """Reads, judges and writes; the exit code.

    Raises:
        UsageError: an output cannot be written, or the runner cannot go on.
    """
    plan, finders, scanner, baseline = prepared
    with meter() as bars, seldom_collected():
        result = replay(plan, bars)
    patterns = {pattern.id: pattern for pattern in scanner.patterns}
    redactor = Redactor(scanner, finders.known)
    clean = Cleaner(redactor.clean, redactor.cleaned)
    summary = result.summary
    if request.baseline is not None:
        use = baseline_use(baseline, result.findings, request.day, keyed=plan.keyed)
        warned = (*use.warnings(clean), *summary.warnings)
        summary = msgspec.structs.replace(summary, baseline=use.summary(clean), warnings=warned)
    run = Run(patterns, clean, summary, result.until, signing_key(finders.keys))
    write_run(
        (*outputs_of(request.destinations), *outputs), run, result.findings, result.commands, result.letters
    )
    return _exit_code(request, result)


def configured(request: Request) -> tuple[Settings, tuple[BaselineEntry, ...]]:
    """The settings, which accept what the baseline knows, and the baseline.

    Raises:
        UsageError: the configuration or the baseline is wrong.
    """
    settings = Settings.load(request.config)
    baseline = () if request.baseline is None else tuple(read_baseline(request.baseline))
    return _accepting(
        settings, [entry.accept for entry in baseline if entry.expires >= request.day]
    ), baseline


def _accepting(settings: Settings, accepts: Sequence[Accept]) -> Settings:
    """The settings with more acceptances."""
    policy = msgspec.structs.replace(settings.policy, accepts=(*settings.policy.accepts, *accepts))
    return msgspec.structs.replace(settings, policy=policy) if accepts else settings


def planned(  # noqa: PLR0913 - what a history is read with, each by its name
    request: Request,
    settings: Settings,
    scanner: PatternScanner,
    *,
    adapters: Sequence[Adapter] = (),
    skip: Sequence[Path] = (),
    warnings: Sequence[str] = (),
    runner: Runner | None = None,
) -> tuple[Plan, Finders]:
    """What is read and how, and what masks it. The files `skip` are skipped, `warnings` are told beside others.

    `runner` runs the stages of units; by default processes of this machine.

    Raises:
        UsageError: an input cannot be opened, or a `[[trust]]` entry holds nothing.
    """
    classifier = configured_classifier(settings.sources, adapters)
    runner = runner or Processes(request.jobs)
    found = find_inputs(request, classifier, skip, runner.look)
    trust = TrustPolicy(settings.trust)
    paths = (path for source in found.sources for path in (source.name, source.path) if path is not None)
    for entry in trust.unused(paths):
        raise ConfigError(
            f"trust.paths: {', '.join(entry.paths)}: no file of this replay has such a path, so the entry would hold "
            "nothing: give the file by that path, or leave the entry out",
            request.config or "",
            entry.line,
        )
    return plan_of(request, settings, scanner, found, classifier=classifier, warnings=warnings, runner=runner)


class Found(NamedTuple):
    """The sources, a dead letter for each input that could not be opened, and sentences of what was skipped."""

    sources: Sequence[Source]
    letters: Sequence[DeadLetter]
    passed_over: Sequence[str]


def find_inputs(
    request: Request, classifier: RecordClassifier, skip: Sequence[Path] = (), look: Look = look_here
) -> Found:
    """What the arguments name.

    Raises:
        InputError: an input cannot be opened.
    """
    passed_over: list[str] = []
    sources, letters = find_sources(
        request.inputs,
        format_name=request.format_name,
        skip=skip,
        classifier=classifier,
        declarations=Declarations(request.events, request.logs),
        passed_over=passed_over,
        look=look,
        unit=request.unit,
    )
    return Found(sources, letters, passed_over)


def plan_of(  # noqa: PLR0913 - what a history is read with, each by its name
    request: Request,
    settings: Settings,
    scanner: PatternScanner,
    found: Found,
    *,
    classifier: RecordClassifier,
    warnings: Sequence[str] = (),
    runner: Runner | None = None,
) -> tuple[Plan, Finders]:
    """The same for inputs that were found."""
    finders = Finders(
        scanner,
        settings.keys,
        allowlist=Allowlist(settings.allows),
        id_key=None if settings.keys else key_of_inputs(found.sources),
        every_window=settings.scan.every_window,
        forms=settings.scan.forms,
        most_findings=settings.scan.findings_per_stream,
        in_files=True,
    )

    def finder_of(identifiers: Iterable[Identifier]) -> LeakFinder:
        finders.renew(identifiers)
        return finders.finder

    plan = Plan(
        sources=found.sources,
        policy=settings.policy,
        finder_of=finder_of,
        keyed=bool(settings.keys),
        now=request.now,
        until=request.until,
        runner=runner or Processes(request.jobs),
        unit=request.unit,
        letters=found.letters,
        passed_over=tuple(found.passed_over),
        warnings=(*_in_vain(found.sources), *settings.warnings, *warnings, *found.passed_over),
        classifier=classifier,
        trust=TrustPolicy(settings.trust),
    )
    return plan, finders


def _in_vain(sources: Sequence[Source]) -> Iterator[str]:
    """Warnings of files that are said to carry events, and cannot."""
    for source in sources:
        if source.carries_events and source.format not in EVENT_FORMATS:
            yield (
                f"{source.name}: --events names it, but its format is {source.format}: what stands inside the lines of a "
                "log is never an event"
            )


@contextlib.contextmanager
def seldom_collected() -> Iterator[None]:
    """Lets Python look for reference cycles more seldom: millions of events hold none, and each look reads them all."""
    usual = gc.get_threshold()
    gc.set_threshold(*_COLLECTED)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _exit_code(request: Request, result: Result) -> int:
    """A finding weighs more than a record that could not be read.

    A file that could not be opened counts also without `--strict`: nobody has seen what is in it.
    """
    if request.fail_on is not None and any(
        finding.accepted is None and finding.severity >= request.fail_on for finding in result.findings
    ):
        return FOUND
    letters = result.letters.counts
    return DEAD_LETTERS if letters[UNREADABLE] or (request.strict and letters) else DONE

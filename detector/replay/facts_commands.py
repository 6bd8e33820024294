"""What `curfewd scan` and `curfewd judge` do: the two halves of a replay, with the facts in a folder between them."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from detector import __version__
from detector.configuration.settings import Settings
from detector.ingest.mapped_adapter import configured_classifier
from detector.ingest.remote import is_url
from detector.ingest.sources import StoredSource
from detector.ingest.stored_sources import Sources, opened, stored
from detector.ingest.units import Unit, Units, bytes_of
from detector.records.dead_letters import DeadLetter
from detector.replay.destinations import check_destinations
from detector.replay.facts_folder import Completed, FactsFolder, Inputs, Made, open_folder
from detector.replay.kept_facts import KeepingRunner, KeptRunner, text_lines_of
from detector.replay.plan import Plan
from detector.replay.replay import masked_names, read_lifecycle, registered, scan_work
from detector.replay.replay_command import (
    Found,
    Prepared,
    Request,
    RunnerOf,
    conclude,
    configured,
    plan_of,
    planned,
    seldom_collected,
)
from detector.replay.runner import Processes
from detector.replay.scan_settings import differing, scan_settings
from detector.replay.stages import SCAN
from detector.scan.scanner import PatternScanner
from detector.scan.scanner_loader import load_scanner
from detector.stages.masking import EventMasker
from detector.terminal.output import shown
from detector.terminal.progress import Meter, meter
from detector.values.errors import UsageError
from detector.values.wording import counted

_FILES: Final = "the files that are read"


def run_scan(request: Request, folder_path: str, runner_of: RunnerOf | None = None) -> str:
    """Scans, and keeps the facts in a folder; an interrupted scan resumes.

    Returns a sentence that says what is there. `runner_of` gives what runs the stages of units, by default processes
    of this machine.

    Raises:
        UsageError: the configuration or an input is wrong, the folder holds other facts, or there is no deployment key.
    """
    settings = Settings.load(request.config)
    scanner, _ = load_scanner(settings.patterns)
    _check_apart(folder_path, request.inputs)
    folder = FactsFolder(folder_path, settings.keys)
    with folder.locked(), meter() as bars, seldom_collected():
        if folder.made is not None:
            request = msgspec.structs.replace(request, now=folder.made.now)
        plan, _ = planned(
            request, settings, scanner, runner=None if runner_of is None else runner_of(settings, scanner)
        )
        todo = _begun(folder, request, settings, scanner, plan)
        plan = msgspec.structs.replace(plan, todo=todo, runner=KeepingRunner(folder, plan.runner))
        if folder.completed is None:
            folder.complete(_scanned(folder, plan, bars))
    return (
        f"{counted(len(todo), 'unit')} of {counted(len(plan.sources), 'file')} in {folder.name}: "
        f"`curfewd judge {folder.name}` judges them"
    )


def _check_apart(folder: str, inputs: Sequence[str]) -> None:
    """Refuses a folder that would be read as an input."""
    far = is_url(folder)
    place = Path(folder).resolve()
    for path in inputs:
        if far or is_url(path):
            within = f"{folder.rstrip('/')}/".startswith(f"{path.rstrip('/')}/")
        else:
            within = path != "-" and place.is_relative_to(Path(path).resolve())
        if within:
            raise UsageError(
                f"--facts {shown(folder)}: it stands in {shown(path)}, which is read: name another folder"
            )


def _begun(
    folder: FactsFolder, request: Request, settings: Settings, scanner: PatternScanner, plan: Plan
) -> Sequence[Unit]:
    """The units of the scan, which begins or goes on in the folder."""
    patterns = {pattern.id: pattern for pattern in scanner.patterns}
    made = Made(
        __version__,
        request.now,
        folder.sealer.keys,
        scan_settings(folder.sealer, request.config, settings, patterns),
    )
    sources = tuple(map(stored, plan.sources))
    if folder.made is None or folder.inputs is None:
        units = tuple((unit.source, unit.start, unit.end) for unit in plan.units())
        folder.create(made, Inputs(sources, units, tuple(plan.letters), plan.passed_over))
        return plan.units()
    other = differing(folder.made.settings, made.settings)
    if (sources, tuple(plan.letters)) != (folder.inputs.sources, folder.inputs.letters):
        other.append(_FILES)
    if other:
        raise UsageError(
            f"{folder.name}: its facts were made with other settings or inputs ({', '.join(other)}): "
            "name a new folder"
        )
    return Units(Unit(*unit) for unit in folder.inputs.units)


def _scanned(folder: FactsFolder, plan: Plan, bars: Meter) -> Completed:
    """Runs the stages of units, and says what is known at their end."""
    todo = plan.units()
    first = read_lifecycle(plan, todo, bars)
    registry = registered(plan, first.events)
    suspected = first.suspected()
    sources = masked_names(plan.sources, EventMasker(registry.finder))
    work = scan_work(plan, sources, registry, first, suspected)
    bars.stage("logs", bytes_of(todo))
    bars.advance(bytes_of(first.done))
    suspects: Counter[int] = Counter()
    for unit, facts in plan.runner.run(SCAN, work, Units(unit for unit in todo if unit not in first.done)):
        suspects[unit.source] += facts.suspects
        bars.advance(unit.end - unit.start)
    lines = {
        index: plan.text_line(index)
        for index, count in suspects.items()
        if count and plan.sources[index].carries_events is not False
    }
    return Completed(folder.registry_hash(registry.identifiers), lines)


def run_judge(request: Request, folder_paths: Sequence[str]) -> int:
    """Judges the facts in folders as a replay of all that was scanned would; the exit code. No log is read.

    Raises: UsageError: the configuration is wrong, a folder has no facts that stand under it, or an output cannot be
        written.
    """
    settings, baseline = configured(request)
    scanner, ignored = load_scanner(settings.patterns)
    folders = [open_folder(path, settings.keys) for path in dict.fromkeys(folder_paths)]
    known = () if request.baseline is None else (request.baseline,)
    check_destinations(request.destinations, known)
    patterns = {pattern.id: pattern for pattern in scanner.patterns}
    for folder in folders:
        _check_settings(folder, scan_settings(folder.sealer, request.config, settings, patterns))
    _check_registries(folders)
    history = _History(folders)
    made = [folder.made for folder in folders if folder.made is not None]
    asked = msgspec.structs.replace(request, now=max(one.now for one in made))
    plan, finders = plan_of(
        asked,
        settings,
        scanner,
        history.found,
        classifier=configured_classifier(settings.sources, ()),
        warnings=ignored,
        runner=KeptRunner(history.places, Processes(request.jobs)),
    )
    plan = msgspec.structs.replace(
        plan, todo=history.units, text_lines=text_lines_of(history.places), today=request.now
    )
    return conclude(request, Prepared(plan, finders, scanner, baseline))


def _check_settings(folder: FactsFolder, settings: dict[str, str]) -> None:
    other = [] if folder.made is None else differing(folder.made.settings, settings)
    if other:
        raise UsageError(
            f"{folder.name}: a scan goes by {', '.join(other)}, and that is not what it was then: "
            "judge with the configuration of the scan, or scan again into a new folder"
        )


def _check_registries(folders: Sequence[FactsFolder]) -> None:
    """Refuses folders whose logs were searched for different credentials: a leak would go unseen."""
    for folder in folders[1:]:
        if _registry_of(folder) != _registry_of(folders[0]):
            raise UsageError(
                f"{folders[0].name} and {folder.name}: their logs were searched for different credentials, so a leak "
                "could go unseen: scan each with all events (--events), into new folders"
            )


def _registry_of(folder: FactsFolder) -> str | None:
    return None if folder.completed is None else folder.completed.registry


class _History:
    """The inputs of all folders as one: each file once, in the order of their names."""

    def __init__(self, folders: Sequence[FactsFolder]) -> None:
        by_name: dict[str, tuple[StoredSource, FactsFolder, int]] = {}
        letters, passed_over = dict[DeadLetter, None](), dict[str, None]()
        for folder in folders:
            inputs = folder.inputs
            if inputs is None:
                continue
            for index, source in enumerate(inputs.sources):
                known = by_name.setdefault(source.name, (source, folder, index))
                if known[0] != source:
                    raise UsageError(
                        f"{known[1].name} and {folder.name}: {source.name} is another file in each: scan them together"
                    )
            letters |= dict.fromkeys(inputs.letters)
            passed_over |= dict.fromkeys(inputs.passed_over)
        ordered = [by_name[name] for name in sorted(by_name)]
        self.places = [(folder, index) for _, folder, index in ordered]
        units_of = {folder.name: _units_of(folder) for folder in folders}
        self.units = Units(
            Unit(number, start, end)
            for number, (_, folder, index) in enumerate(ordered)
            for start, end in units_of[folder.name].get(index, ())
        )
        self.found = Found(
            Sources(opened(source) for source, _, _ in ordered),
            tuple(letters),
            tuple(passed_over),
        )


def _units_of(folder: FactsFolder) -> dict[int, list[tuple[int, int]]]:
    found: dict[int, list[tuple[int, int]]] = {}
    for source, start, end in () if folder.inputs is None else folder.inputs.units:
        found.setdefault(source, []).append((start, end))
    return found

"""Runners that keep the facts of units in a folder, and that take them from there."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, cast

from detector.ingest.units import Unit, Units, bytes_of
from detector.replay.facts_folder import FactsFolder
from detector.replay.runner import Processes, Runner
from detector.replay.stages import LIFECYCLE, R, Stage, Work, with_routes
from detector.stages.ranges import LifecycleFacts, RangeFacts


class KeepingRunner:
    """Keeps in a folder what another runner finds, and does no unit again that is there. Implements `Runner`."""

    def __init__(self, folder: FactsFolder, runner: Runner) -> None:
        self._folder = folder
        self._runner = runner
        self.jobs = runner.jobs
        self.look = runner.look
        self.judge = runner.judge

    def run(self, stage: Stage[R], work: Work, todo: Sequence[Unit]) -> Iterator[tuple[Unit, R]]:
        """See `Runner`."""
        _expect(self._folder, stage, work)
        there = bytearray(self._folder.has(stage.name, unit) for unit in todo)
        missing = Units(unit for unit, kept in zip(todo, there, strict=True) if not kept)
        results = self._runner.run(stage, work, missing)
        for unit, kept in zip(todo, there, strict=True):
            if kept:
                yield unit, _kept(self._folder, stage, unit)
                continue
            _, facts = next(results)
            if isinstance(facts, LifecycleFacts):
                self._folder.keep_lifecycle(unit, facts)
            elif isinstance(facts, RangeFacts):
                self._folder.keep_scan(unit, facts)
            yield unit, facts


class KeptRunner:
    """Gives the facts that are in folders. Implements `Runner`.

    `places` says where those of a source are: the folder, and the index of the source in it. `processes` judge them.
    """

    def __init__(self, places: Sequence[tuple[FactsFolder, int]], processes: Processes) -> None:
        self._places = places
        self._processes = processes
        self.jobs = processes.jobs
        self.look = processes.look
        self.judge = processes.judge

    def run(self, stage: Stage[R], work: Work, todo: Sequence[Unit]) -> Iterator[tuple[Unit, R]]:
        """See `Runner`."""
        for folder in dict.fromkeys(folder for folder, _ in self._places):
            _expect(folder, stage, work)
        size = bytes_of(todo)
        reading = self._processes if work.buckets is not None else Processes()
        yield from reading.each(partial(self._kept, stage), stage.decoder, work, todo, size)

    def _kept(self, stage: Stage[R], work: Work, unit: Unit) -> R:
        folder, index = self._places[unit.source]
        found = _kept(folder, stage, Unit(index, unit.start, unit.end))
        return cast("R", with_routes(work, found)) if isinstance(found, RangeFacts) else found


def _expect(folder: FactsFolder, stage: Stage[R], work: Work) -> None:
    if stage.name != LIFECYCLE.name:
        folder.blinding.expect(work.identifiers)


def _kept(folder: FactsFolder, stage: Stage[R], unit: Unit) -> R:
    found: Any = folder.lifecycle(unit) if stage.name == LIFECYCLE.name else folder.scan(unit)
    return cast("R", found)


def text_lines_of(
    places: Sequence[tuple[FactsFolder, int]],
) -> Mapping[int, int | None]:
    """The lines that make sources text, as the scans found them."""
    found = {}
    for number, (folder, index) in enumerate(places):
        lines = {} if folder.completed is None else folder.completed.text_lines
        if index in lines:
            found[number] = lines[index]
    return found

"""Reads a history as a replay does: the lifecycle first, then the uses. Logs are not scanned.

What is read is masked as everywhere: a secret in the name of a resource reaches no suggestion.
"""

from collections import Counter

import msgspec

from detector.ingest.units import Unit
from detector.judge.terms import NEVER
from detector.replay.history import WholeHistory
from detector.replay.plan import Plan
from detector.replay.replay import apply_lifecycle, read_lifecycle, registered, scan_work
from detector.replay.stages import Stage, Work, scanned
from detector.scan.leaks import Batch
from detector.stages.masking import EventMasker
from detector.stages.ranges import RangeFacts, RangeScanner
from detector.suggest.history import History, Window
from detector.terminal.progress import Meter


class UseCollector(RangeScanner):
    """Keeps the uses of a range, and its dead letters. Texts are not scanned."""

    def batch(self, batch: Batch, part: int = 0) -> None:
        """See `detector.ingest.range_reader.Sink`."""


def _uses(work: Work, unit: Unit) -> RangeFacts:
    return scanned(work, unit, UseCollector(work.finder))


USES = Stage("uses", _uses, RangeFacts)


class Read(msgspec.Struct, frozen=True):
    """A history as it was read. `until` is the time of the latest event (ns), None if there was none.

    `dead_letters` counts the records that could not be read, by reason. `text` are the files that carry no events.
    """

    history: History
    since: int
    until: int | None
    dead_letters: Counter[str]
    text: tuple[str, ...]


def read_history(plan: Plan, meter: Meter, window: Window, length: int) -> Read:
    """Reads the uses and credentials of the last `length` (ns) before the latest event.

    Raises:
        UsageError: the runner cannot go on, or there is more than a suggestion can hold.
    """
    todo = plan.units()
    first = read_lifecycle(plan, todo, meter)
    registry = registered(plan, first.events)
    masker = EventMasker(registry.finder)
    known = WholeHistory(plan.policy, NEVER if first.latest is None else first.latest)
    apply_lifecycle(first, masker, known)
    since = 0 if first.latest is None else first.latest - length
    history = History(known.ledger, msgspec.structs.replace(window, since=since))
    letters = Counter(letter.reason for letter in plan.letters)
    for facts in first.done.facts():
        letters.update(letter.reason for letter in facts.dead_letters)
    work = scan_work(plan, plan.sources, registry, first)
    rest = [unit for unit in todo if unit not in first.done and unit.source not in first.text]
    meter.stage("uses", sum(unit.end - unit.start for unit in rest))
    for unit, facts in plan.runner.run(USES, work, rest):
        history.add(facts.uses)
        letters.update(letter.reason for letter in facts.dead_letters)
        meter.advance(unit.end - unit.start)
    text = tuple(sorted(masker.path(plan.sources[index].name) for index in first.text))
    return Read(history, since, first.latest, letters, text)

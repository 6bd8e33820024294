"""What to replay, and how."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from detector.ingest.classify import BUNDLED, RecordClassifier
from detector.ingest.event_ranges import first_text
from detector.ingest.sources import Source
from detector.ingest.trust.policy import NO_ENTRIES, TrustPolicy
from detector.ingest.units import UNIT, Unit, Units, units
from detector.judge.policy import Policy
from detector.records.dead_letters import DeadLetter
from detector.replay.runner import Processes, Runner
from detector.scan.leaks import LeakFinder
from detector.values.events import Identifier

FinderOf = Callable[[Iterable[Identifier]], LeakFinder]


class Plan(msgspec.Struct, frozen=True):
    """What to replay and how. `now` is the wall clock and `until` the time judged up to (None: the latest read), ns.

    `finder_of` makes the leak finder for the registered identifiers; `keyed` says whether fingerprints are made
    under a deployment key, and so last. `letters` are the inputs that could not be opened, and `warnings` have
    the sentences `passed_over` too. `runner` runs the stages
    of units. `todo` are the units, if they were cut before, and `text_lines` the lines that make files text, if these
    were looked for. `today` is the wall clock of a judgement of facts that were found before, at `now`.
    """

    sources: Sequence[Source]
    policy: Policy
    finder_of: FinderOf
    keyed: bool
    now: int
    until: int | None = None
    runner: Runner = Processes()
    unit: int = UNIT
    letters: Sequence[DeadLetter] = ()
    passed_over: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    classifier: RecordClassifier = BUNDLED
    trust: TrustPolicy = NO_ENTRIES
    todo: Sequence[Unit] | None = None
    text_lines: Mapping[int, int | None] | None = None
    today: int | None = None

    @property
    def clock(self) -> int:
        """The time (ns) that expiries are held against where a record has none: the end that was asked for, or now."""
        if self.until is not None:
            return self.until
        return self.now if self.today is None else self.today

    @property
    def time_of_undated(self) -> int:
        """The time (ns) of records that state none in a history in which nothing has a time."""
        return self.now if self.until is None else self.until

    def units(self) -> Sequence[Unit]:
        """The units of all sources, in order."""
        return Units(units(self.sources, self.unit)) if self.todo is None else self.todo

    def text_line(self, source: int) -> int | None:
        """The line that makes the source with this index text; None if that is not known."""
        if self.text_lines is not None:
            return self.text_lines.get(source)
        return first_text(self.sources[source], self.now, self.classifier)

"""Explains the records of a history: read, recognised, believed and joined by what a replay uses.

Nothing is scanned.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from detector.adapters.catalog import CATALOG, nearest_source
from detector.explain.explained import (
    EVENTS,
    IDLE,
    NOT_BELIEVED,
    TEXT,
    UNKNOWN,
    UNREADABLE,
    ExplainedRecord,
)
from detector.explain.joins import explained
from detector.explain.record_reader import NoScan, RecordReader, TakenRecord, WatchedClassifier
from detector.explain.tally import Tally
from detector.ingest.event_ranges import RangeLook
from detector.ingest.files import read
from detector.ingest.format_names import EVENT_FORMATS
from detector.ingest.range_reader import Reading
from detector.ingest.sources import Source
from detector.ingest.trust.policy import InputTrust
from detector.ingest.units import Unit
from detector.judge.ledger import Ledger
from detector.records.dead_letters import UNTRUSTED, DeadLetter
from detector.records.log_records import Read
from detector.replay.first_pass import FirstPass
from detector.replay.history import WholeHistory
from detector.replay.plan import Plan
from detector.replay.registered_identifiers import RegisteredIdentifiers
from detector.replay.replay import (
    apply_lifecycle,
    read_lifecycle,
    trust_of_sources,
)
from detector.stages.masking import EventMasker
from detector.terminal.progress import Meter
from detector.values.errors import BadRecordError
from detector.values.events import CanonicalEvent

NOT_RECOGNISED: Final = "not-recognised"
FILE_IS_TEXT: Final = "file-is-text"
_OTHER: Final = "other"  # the type of an idle record whose source tells none
_MOST_LETTERS: Final = 100
_TOGETHER: Final = 512  # records that are masked at once


class Explained(msgspec.Struct, frozen=True):
    """The first records of a history, and what became of all of them. `letters` are of whole inputs."""

    records: tuple[ExplainedRecord, ...]
    tally: Tally
    letters: tuple[DeadLetter, ...]


def explain(plan: Plan, meter: Meter, most: int) -> Explained:
    """Explains all records, and keeps the first `most`.

    Raises:
        UsageError: the runner cannot go on.
    """
    todo = plan.units()
    first = read_lifecycle(plan, todo, meter)
    masker = EventMasker(plan.finder_of(RegisteredIdentifiers(first.events)))
    until = plan.until if plan.until is not None else first.latest or 0
    known = WholeHistory(plan.policy, until)
    apply_lifecycle(first, masker, known)
    explainer = _Explainer(masker, known.ledger, until, most)
    meter.stage("records", sum(unit.end - unit.start for unit in todo))
    for unit, lines in _read(plan, todo, first, explainer):
        meter.advance(unit.end - unit.start)
        explainer.lines[unit.source] += lines
    letters = tuple(masker.masked([*plan.letters, *explainer.letters]))
    return Explained(tuple(explainer.kept), explainer.tally, letters)


def _read(
    plan: Plan, todo: Sequence[Unit], first: FirstPass, explainer: "_Explainer"
) -> Iterator[tuple[Unit, int]]:
    """Reads unit by unit, and gives the lines of each."""
    classifier, trust = WatchedClassifier.of(plan.classifier), trust_of_sources(plan)
    for unit in todo:
        source, held = plan.sources[unit.source], trust[unit.source]
        why = _why_text(source, first.looks.get(unit.source)) if unit.source in first.text else ""
        into = _Input(explainer, unit.source, source.name, why, held)
        reading = Reading(plan.now, classifier, held, skew=plan.policy.skew)
        if source.format in EVENT_FORMATS:
            reader = read(source, unit.start, unit.end, into, reading, RecordReader)
            into.flush()
        else:
            reader = read(source, unit.start, unit.end, _Text(explainer.letters), reading)
            for format_name, count in reader.records.items():
                explainer.tell(ExplainedRecord(into.name, None, format_name, TEXT, count=count))
        yield unit, reader.lines


class _Explainer:
    """Explains what is taken from any input.

    `lines` counts those of each source so far, `letters` are of whole files.
    """

    def __init__(self, masker: EventMasker, ledger: Ledger, until: int, most: int) -> None:
        self.masker = masker
        self.tally = Tally()
        self.kept: list[ExplainedRecord] = []
        self.lines: Counter[int] = Counter()
        self.letters: list[DeadLetter] = []
        self._ledger = ledger
        self._until = until
        self._most = most

    def tell(self, record: ExplainedRecord) -> None:
        """Takes an explained record."""
        self.tally.add(record)
        if len(self.kept) < self._most:
            self.kept.append(record)

    def events(self, record: ExplainedRecord, events: Sequence[CanonicalEvent]) -> ExplainedRecord:
        """The record with its events, which are masked."""
        found = tuple(explained(event, self._ledger, self._until) for event in events)
        return msgspec.structs.replace(record, events=found)


class _Text(NoScan):
    """Takes a file of text: only what is wrong with the whole file is told."""

    def __init__(self, letters: list[DeadLetter]) -> None:
        self._letters = letters

    def dead(self, letter: DeadLetter) -> None:
        """See `RecordSink`."""
        if letter.line is None and len(self._letters) < _MOST_LETTERS:
            self._letters.append(letter)


class _Input(NoScan):
    """Takes the records of one range of an input, some together."""

    def __init__(
        self, explainer: _Explainer, source: int, name: str, why_text: str, trust: InputTrust | None
    ) -> None:
        self.name = explainer.masker.path(name)
        self._explainer = explainer
        self._before = explainer.lines[source]
        self._why_text = why_text
        self._trust = trust
        self._taken: list[TakenRecord] = []

    def record(self, record: TakenRecord) -> None:
        """See `RecordSink`."""
        self._taken.append(record)
        if len(self._taken) >= _TOGETHER:
            self.flush()

    def flush(self) -> None:
        """Explains what was taken."""
        taken, self._taken = self._taken, []
        events = iter(self._explainer.masker.masked([event for each in taken for event in each.read.events]))
        for each in taken:
            record = self._explained(each)
            of_record = [next(events) for _ in each.read.events]
            self._explainer.tell(self._explainer.events(record, of_record))

    def _explained(self, taken: TakenRecord) -> ExplainedRecord:
        line = None if taken.line is None else self._before + taken.line
        became, reason, why = self._became(taken)
        return ExplainedRecord(
            self.name, line, taken.read.format, became, reason=reason, why=why, count=taken.count
        )

    def _became(self, taken: TakenRecord) -> tuple[str, str, str]:
        """What became of a record, the kind of the reason, and why."""
        read = taken.read
        if taken.refusals:
            return self._refused(taken.refusals[0])
        if self._why_text and (read.events or read.of_source):
            return NOT_BELIEVED, FILE_IS_TEXT, self._why_text
        if read.events:
            return EVENTS, "", ""
        if read.unknown or read.idle:
            return _of_no_use(read)
        return TEXT, *(("", "") if taken.unrecognised is None else _unrecognised(taken.unrecognised))

    def _refused(self, error: BadRecordError) -> tuple[str, str, str]:
        said = f"{error.detail} ({error.field})" if error.field else error.detail
        if error.reason not in UNTRUSTED:
            return UNREADABLE, error.reason, said
        return NOT_BELIEVED, error.reason, said + (self._trust.rules if self._trust is not None else "")


def _of_no_use(read: Read) -> tuple[str, str, str]:
    if read.unknown:
        return UNKNOWN, UNKNOWN, f"its type{f' ({read.type})' if read.type else ''} is not known here"
    kind = read.idle.partition("/")[2]
    named = read.type or ("" if kind == _OTHER else kind)
    return (
        IDLE,
        read.idle,
        f"its type{f' ({named})' if named else ''} says nothing about tasks and their credentials",
    )


def _unrecognised(record: Mapping[str, Any]) -> tuple[str, str]:
    """The kind of the reason why no source knows a record, and the nearest one."""
    nearest = nearest_source(record)
    if nearest is None:
        return "", "no source writes such records"
    title = CATALOG[nearest.source].title
    if not nearest.missing:
        why = f"it has the fields of {title} ({nearest.source}), and a value that is not theirs, or that source is off"
    else:
        why = f"nearest is {title} ({nearest.source}), without {', '.join(nearest.missing)}"
    return f"{NOT_RECOGNISED}/{nearest.source}", why


def _why_text(source: Source, look: RangeLook | None) -> str:
    """Why nothing in a file is an event."""
    if source.carries_events is False:
        return "--logs names the file, so nothing in it is an event"
    if look is None:
        return "the file is text, so nothing in it is an event"
    if look.text is None:
        return "more records of the file are broken than intact, so nothing in it is an event"
    return (
        f"line {look.text} of the file is text, so nothing in it is an event; "
        "name the file with --events if only trusted programs write to it"
    )

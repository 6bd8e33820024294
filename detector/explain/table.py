"""The sources, and what became of records, for a person: lines on a terminal or in a file."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from detector.adapters.catalog import SourceEntry
from detector.explain.explained import (
    BECAME,
    BY_CANDIDATES,
    BY_GROUP,
    BY_ID,
    EVENTS,
    IDLE,
    NOT_BELIEVED,
    TEXT,
    UNKNOWN,
    UNREADABLE,
    ExplainedEvent,
    ExplainedRecord,
)
from detector.explain.reading import Explained
from detector.explain.tally import Tally
from detector.values.wording import Clean, counted, visible

_ID, _WHY, _PLACE = 64, 240, 100  # characters
_REASONS: Final = 12  # rows
_STYLES: Final = {IDLE: "dim", UNKNOWN: "dim", TEXT: "dim", NOT_BELIEVED: "yellow", UNREADABLE: "red"}
_BY: Final = {BY_ID: "by its id", BY_GROUP: "by its group", BY_CANDIDATES: "by its candidates"}
_HUNDRED: Final = 100


def print_catalog(catalog: Mapping[str, SourceEntry], console: Console) -> None:
    """Prints the sources as a table."""
    columns = (Column(name, overflow="fold") for name in ("source", "what it gives", "task", "switch on"))
    table = Table(*columns, box=None, pad_edge=False)  # a name that is cut would be another name
    for name, entry in catalog.items():
        table.add_row(
            Text(name, "bold", no_wrap=True),
            *(Text(text) for text in (entry.gives, entry.task, entry.enable)),
        )
    console.print(table)


def print_explained(made: Explained, clean: Clean, console: Console) -> None:
    """Prints what became of each record, and the sums. `clean` masks what is beside an event's fields."""
    for line in _lines(made, clean):
        console.print(line, soft_wrap=True)


def _lines(made: Explained, clean: Clean) -> Iterator[Text]:
    yield from _Records(made.records, clean).lines()
    hidden = made.tally.records - sum(record.count for record in made.records)
    if hidden:
        yield Text(f"… and {hidden:,} more (--limit shows more)", "dim")
    if made.records:
        yield Text()
    yield from _sums(made.tally, clean)
    for letter in made.letters:
        yield Text(f"{visible(letter.source, _PLACE)}: {letter.detail}", "red")


class _Records:
    """The records as lines. What is told of a credential is told at its first event."""

    def __init__(self, records: Sequence[ExplainedRecord], clean: Clean) -> None:
        self._records = records
        self._clean = clean
        self._width = max((len(record.format) for record in records), default=0)
        self._places = max((len(_place(record)) for record in records), default=0)
        self._told: set[tuple[str | None, str]] = set()

    def lines(self) -> Iterator[Text]:
        """A line for each event, and for each record without one."""
        file = None
        for record in self._records:
            if record.source != file:
                file = record.source
                yield Text(visible(file, _PLACE), "bold")
            start = f"  {_place(record):>{self._places}}  {record.format:<{self._width}}  "
            for number, said in enumerate(self._said(record)):
                line = Text().append(start if not number else " " * len(start), "dim")
                yield line.append_text(said)

    def _said(self, record: ExplainedRecord) -> Iterator[Text]:
        if record.became == EVENTS:
            yield from map(self._event, record.events)
            return
        many = f"{record.count:,} of " if record.count > 1 else ""
        line = Text().append(f"{many}{BECAME[record.became]}", _STYLES[record.became])
        if record.why:
            line.append(f": {visible(self._clean(record.why), _WHY)}", "dim")
        yield line

    def _event(self, event: ExplainedEvent) -> Text:
        line = Text().append(f"{event.type:<18}")
        if event.credential is not None:
            line.append(f"  {visible(event.credential, _ID)}")
        if event.task is not None:
            line.append("  " if event.credential is None else " → ", "dim")
            line.append(visible(event.task, _ID), "green")
            line.append(f" {_BY[event.by]}" if event.by and event.credential is not None else "", "dim")
        if event.why and (event.credential, event.why) in self._told:
            line.append("  as above", "yellow")
        elif event.why:
            self._told.add((event.credential, event.why))
            line.append(f"  {visible(self._clean(event.why), _WHY)}", "yellow")
            line.append(f" (tried: {visible(event.tried, _PLACE)})" if event.tried else "", "dim")
        return line


def _place(record: ExplainedRecord) -> str:
    return "" if record.line is None else f"{record.line:,}"


def _sums(tally: Tally, clean: Clean) -> Iterator[Text]:
    if not tally.records:
        yield Text("Nothing to explain: there is no record", "bold yellow")
        return
    parts = [
        f"{_share(tally.became[name], tally.records)} {words}"
        for name, words in BECAME.items()
        if tally.became[name]
    ]
    yield Text(f"{counted(tally.records, 'record')}: {'; '.join(parts)}", "bold")
    found = tally.joined.total()
    if found or tally.unjoined:
        how = ", ".join(f"{tally.joined[by]:,} {words}" for by, words in _BY.items() if tally.joined[by])
        every = found + tally.unjoined
        yield Text(
            f"{_share(found, every)} of {counted(every, 'event')} about credentials found a task"
            f"{f' ({how})' if how else ''}",
            "green" if found == every else "yellow",
        )
    shown = tally.reasons.most_common(_REASONS)
    if shown:
        yield Text("why not", "dim")
    for reason, count in shown:
        example = tally.examples[reason]
        place = f"{visible(example.source, _PLACE)}{'' if example.line is None else f':{example.line}'}"
        line = Text().append(f"  {count:>6,}  {reason.format}: {visible(clean(reason.why), _WHY)}")
        yield line.append(f" (first: {place})", "dim")
    if len(tally.reasons) > len(shown):
        yield Text(f"  … and {len(tally.reasons) - len(shown):,} more kinds (--json lists all)", "dim")


def _share(part: int, whole: int) -> str:
    return f"{part:,} ({part * _HUNDRED // whole} %)"

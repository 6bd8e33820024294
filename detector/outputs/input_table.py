"""What `curfewd check` shows of the inputs: which carry events, and who may speak there as whom."""

from collections.abc import Iterable, Iterator

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from detector.configuration.kafka_settings import KafkaSettings
from detector.configuration.trust_settings import TrustEntry
from detector.values.globs import GlobSet, overlap
from detector.values.wording import Clean, visible

_ANYBODY = "yellow"
_LONGEST = 200  # characters of a cell


class _Row(msgspec.Struct, frozen=True):
    name: str
    carries: str
    who: str
    style: str = ""


def print_inputs(
    kafka: KafkaSettings | None, trust: tuple[TrustEntry, ...], console: Console, clean: Clean
) -> None:
    """Prints a table of the inputs, and nothing if there are none. `clean` masks what it says."""
    rows = [*(_topics(kafka, trust) if kafka is not None else ()), *_files(trust)]
    if not rows:
        return
    table = Table("input", "carries", "who may send events, and as whom", box=None, pad_edge=False)
    for row in rows:
        name, who = (visible(clean(text), _LONGEST) for text in (row.name, row.who))
        table.add_row(Text(name), Text(row.carries), Text(who, row.style))
    console.print()
    console.print(table)
    if any(row.style for row in rows):
        console.print()
        console.print(
            Text("Where anyone may send events, only the topic's ACLs protect you: see deploy/kafka/acls.md"),
            soft_wrap=True,
        )


def _topics(kafka: KafkaSettings, trust: tuple[TrustEntry, ...]) -> Iterator[_Row]:
    for glob in kafka.event_topics:
        whole = [entry for entry in trust if GlobSet(entry.topics).matches(glob)]
        yield from _of_input(glob, "events", whole, trust)
        for entry in trust:
            for part in entry.topics:
                if entry not in whole and overlap(glob, part):
                    yield _Row(f"  of these {part}", "events", _claim(entry))
    for name in kafka.inputs.outcomes:
        if name not in kafka.event_topics:
            yield _Row(name, "events", "the revoker: the outcomes of commands")
    for glob in kafka.log_topics:
        yield _Row(glob, "text", "nobody: nothing in it is an event, whatever it looks like")


def _of_input(
    name: str, carries: str, holding: list[TrustEntry], trust: tuple[TrustEntry, ...]
) -> Iterator[_Row]:
    """A row for each entry that holds an input, or one that says that nothing holds it."""
    for number, entry in enumerate(holding):
        yield _Row("" if number else name, "" if number else carries, _claim(entry))
    if not holding:
        reserved = _reserved(trust)
        but = f" but {', '.join(reserved)}" if reserved else ""
        yield _Row(name, carries, f"anyone who can write to it, as any source{but}", _ANYBODY)


def _files(trust: tuple[TrustEntry, ...]) -> Iterator[_Row]:
    """The files of a replay. Any other file carries events if all of it is events, or as its options say."""
    for entry in trust:
        for path in entry.paths:
            yield _Row(f"files {path}", "events", _claim(entry))


def _reserved(trust: Iterable[TrustEntry]) -> list[str]:
    """The sources that only the inputs of an entry may carry."""
    claimed = (entry.sources for entry in trust if entry.exclusive and entry.sources is not None)
    return list(dict.fromkeys(source for sources in claimed for source in sources))


def _claim(entry: TrustEntry) -> str:
    """Who may speak as whom, in the words of a person."""
    parts = ["as any source" if entry.sources is None else f"as {', '.join(entry.sources)}"]
    if entry.types is not None:
        parts.append(f"only {', '.join(entry.types)}")
    if entry.header is not None:
        parts.append(f"with the header {entry.header.name}: {entry.header.value}")
    if entry.signature is not None:
        keys = ", ".join(key.id for key in entry.signature.keys)
        parts.append(f"signed ({entry.signature.scheme}, {keys})")
    elif entry.header is None:
        parts.append("without proof: anyone who can write to it")
    return f"{'; '.join(parts)} ([[trust]] in line {entry.line})"

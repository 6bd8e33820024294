"""How many records of each source one core translates, beside what decoding their JSON alone would take.

The records are those of the scenarios (`tests/scenarios`), each source's in turn, over and over. CPU time, best of
five; a carrier's records (a file of CloudTrail) are counted by what is in them.
"""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from benchmarks import compare, tables
from detector.ingest.classify import BUNDLED
from detector.values.times import parse_rfc3339
from tests.scenarios import test_carriers, test_oauth, test_schedulers

_STORIES: Final = Path(__file__).parent.parent / "tests" / "scenarios" / "stories"
_NOW: Final = parse_rfc3339("2026-06-01T00:00:00Z")
_SECONDS: Final = 0.4  # of one measurement, about
_RUNS: Final = 5


class Rate(msgspec.Struct, frozen=True):
    """One source: distinct records measured, their mean size in bytes, their events, records a second of each way."""

    source: str
    records: int
    size: float
    events: int
    translated: float
    json_loads: float
    msgspec_decode: float


def _documents() -> Iterator[bytes]:
    """Every JSON document of the scenarios, in files and in their tests."""
    for path in sorted(_STORIES.rglob("*")):
        if path.is_file():
            yield from [path.read_bytes()] if path.suffix == ".json" else path.read_bytes().splitlines()
    for story in test_oauth.STORY.values():
        yield from story.encode().splitlines()
    for record in (
        test_schedulers.lineage("START", test_schedulers.START),
        test_schedulers.lineage("COMPLETE", test_schedulers.END),
        test_schedulers.instance("success"),
        test_schedulers.workflow("Succeeded"),
        test_schedulers.tekton("successful", test_schedulers.END),
        test_schedulers.cdevent("finished", test_schedulers.END),
        test_schedulers.build("FINALIZED", test_schedulers.END_MS),
    ):
        yield json.dumps(record).encode()
    yield from test_carriers.exported(test_carriers.CALL, test_carriers.RUN).encode().splitlines()


def _records() -> dict[str, list[bytes]]:
    """Every record of the scenarios, by source or carrier of logs."""
    found: dict[str, list[bytes]] = defaultdict(list)
    for text in _documents():
        if text.lstrip()[:1] != b"{":
            continue
        value = json.loads(text)
        for record in value.get("Records", [value]):
            line = json.dumps(record, separators=(",", ":")).encode()
            (first, *_) = BUNDLED.read_object(line, _NOW)
            found[first.format].append(line)
    return found


def _rate(lines: list[bytes], do: Callable[[bytes], object]) -> float:
    """Records a second."""
    rounds = 1
    while True:
        spent = _timed(lines, do, rounds)
        if spent >= _SECONDS / 4:
            break
        rounds *= 2
    rounds = max(1, round(rounds * _SECONDS / spent))
    return rounds * len(lines) / min(_timed(lines, do, rounds) for _ in range(_RUNS))


def _timed(lines: list[bytes], do: Callable[[bytes], object], rounds: int) -> float:
    begun = time.process_time()
    for _ in range(rounds):
        for line in lines:
            do(line)
    return time.process_time() - begun


def _measure(source: str, lines: list[bytes]) -> Rate:
    decoder = msgspec.json.Decoder()
    return Rate(
        source,
        len(lines),
        sum(map(len, lines)) / len(lines),
        sum(len(read.events) for line in lines for read in BUNDLED.read_object(line, _NOW)),
        _rate(lines, lambda line: list(BUNDLED.read_object(line, _NOW))),
        _rate(lines, json.loads),
        _rate(lines, decoder.decode),
    )


def report(rates: list[Rate], machine: compare.Machine) -> str:
    """The table."""
    rows = [
        [
            f"`{rate.source}`",
            f"{rate.size:.0f}",
            f"{rate.events / rate.records:.1f}",
            f"{rate.translated:,.0f}",
            f"{rate.json_loads:,.0f}",
            f"{rate.msgspec_decode:,.0f}",
            f"{rate.json_loads / rate.translated:.1f}",
        ]
        for rate in rates
    ]
    head = ["source", "bytes a record", "events a record", "records/s translated", "records/s json.loads", "records/s msgspec", "times json.loads"]  # fmt: skip
    return "\n".join(
        (
            "# Records of each source, translated by one core\n",
            tables.about(machine),
            "\nTranslating is decoding, telling the source, and making checked events; beside it decoding alone.\n",
            tables.table(head, rows),
            "",
        )
    )


def main() -> None:
    """Measures every source that the stories have."""
    rates = [_measure(source, lines) for source, lines in sorted(_records().items())]
    text = report(rates, compare.machine())
    print(text)
    tables.save(compare.RESULTS, "sources", text, rates)

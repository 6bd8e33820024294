"""How many log records of each carrier one core reads from Kafka's values, and reads and scans, beside `json.loads`.

Values are made up, about as long as in practice, the same words in each; a poll has 1000 records of one carrier. CPU
time, best of five. No secret is in them: that is the load.
"""

import json
import random
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from benchmarks import compare, tables
from detector.ingest.kafka import RecordAssembler, batch_of
from detector.ingest.kafka_records import Contents
from detector.patterns.pattern import load_bundled
from detector.scan.known_credentials import KnownIndex
from detector.scan.leaks import LeakFinder
from detector.scan.scanner import PatternScanner
from detector.values.secrets import DeploymentKey
from tests.adapters.test_otlp import NANOS, TRACE, attributes, logs, proto
from tests.adapters.test_otlp import record as otlp_record
from tests.fake_records import NOW, FakeRecord

RECORDS: Final = 20_000
POLL: Final = 1000
BATCH: Final = 100  # log records in a request of OTLP
RUNS: Final = 5
_WORDS: Final = (
    "request",
    "took",
    "ms",
    "user",
    "cache",
    "hit",
    "miss",
    "GET",
    "/api/v1/items",
    "worker",
    "retry",
    "done",
)
_POD: Final = {
    "pod_name": "web-5d9c7bf6f-x7k2p",
    "namespace_name": "shop",
    "pod_id": "c759a5f5-1111-2222-9117-8a1dc0b1f907",
    "container_name": "web",
    "host": "node-1",
}


class Rate(msgspec.Struct, frozen=True):
    """One carrier: bytes a log record, log records a second read, read and scanned, and decoded alone (0: no JSON)."""

    carrier: str
    size: float
    read: float
    scanned: float
    json_loads: float


def _text(rng: random.Random, words: int) -> str:
    return " ".join(rng.choice(_WORDS) for _ in range(words))


def _stamp(number: int) -> str:
    return f"2026-05-01T10:{number // 60 % 60:02}:{number % 60:02}"


def _flat(rng: random.Random, number: int) -> object:
    return {
        "time": f"{_stamp(number)}Z",
        "task_id": f"t{number % 50}",
        "stream": "stdout",
        "message": _text(rng, 32),
    }


def _plain(rng: random.Random, number: int) -> object:
    return {"timestamp": f"{_stamp(number)}Z", "level": "info", "logger": "app", "message": _text(rng, 30)}


def _escaped(rng: random.Random, number: int) -> object:
    return {"timestamp": f"{_stamp(number)}Z", "level": "info", "message": f'said "x" {_text(rng, 30)}'}


def _fluent_bit(rng: random.Random, number: int) -> object:
    return {
        "@timestamp": 1777593600.5 + number,
        "stream": "stdout",
        "_p": "F",
        "log": _text(rng, 12),
        "kubernetes": _POD,
    }


def _journald(rng: random.Random, number: int) -> object:
    return {
        "__REALTIME_TIMESTAMP": str(1_777_593_600_000_000 + number),
        "_SYSTEMD_UNIT": "web.service",
        "_SYSTEMD_INVOCATION_ID": "ab" * 16,
        "_PID": "812",
        "PRIORITY": "6",
        "MESSAGE": _text(rng, 20),
    }


def _docker(rng: random.Random, number: int) -> object:
    return {"log": f"{_text(rng, 36)}\n", "stream": "stdout", "time": f"{_stamp(number)}.000000001Z"}


def _cri(rng: random.Random, number: int) -> object:
    return f"{_stamp(number)}.000000001Z stdout F {_text(rng, 36)}"


def _syslog(rng: random.Random, number: int) -> object:
    return f'<165>1 {_stamp(number)}.003Z host app 812 ID47 [x@1 a="b"] {_text(rng, 32)}'


def _line(rng: random.Random, number: int) -> object:
    return f"{_stamp(number)}Z INFO app {_text(rng, 36)}"


CARRIERS: Final[dict[str, Callable[[random.Random, int], object]]] = {
    "JSON of the four fields": _flat,
    "other JSON": _plain,
    "JSON with escapes": _escaped,
    "Fluent Bit in Kubernetes": _fluent_bit,
    "systemd's journal": _journald,
    "Docker json-file": _docker,
    "CRI": _cri,
    "syslog RFC 5424": _syslog,
    "text with a time": _line,
}


def _values(make: Callable[[random.Random, int], object]) -> list[bytes]:
    rng = random.Random(1)
    made = [make(rng, number) for number in range(RECORDS)]
    return [one.encode() if isinstance(one, str) else _compact(one) for one in made]


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _requests(encode: Callable[[dict[str, object]], bytes]) -> list[bytes]:
    rng = random.Random(1)
    named = attributes({"http.method": "GET", "url.path": "/api/v1/items", "thread.name": "worker-1"})
    resource = {"service.name": "web", "k8s.pod.uid": _POD["pod_id"]}
    return [
        encode(
            logs(
                *(
                    otlp_record(_text(rng, 20), NANOS + number, traceId=TRACE, attributes=named)
                    for number in range(BATCH)
                ),
                resource=resource,
            )
        )
        for _ in range(RECORDS // BATCH)
    ]


def _best(do: Callable[[], object]) -> float:
    spent = []
    for _ in range(RUNS):
        begun = time.process_time()
        do()
        spent.append(time.process_time() - begun)
    return min(spent)


def _measure(carrier: str, values: Sequence[bytes], finder: LeakFinder) -> Rate:
    records = [FakeRecord(value, number) for number, value in enumerate(values)]
    poll = max(1, POLL * len(values) // RECORDS)

    def read(scanner: LeakFinder | None) -> None:
        for at in range(0, len(records), poll):
            hold = RecordAssembler()
            segments = [*hold.read(records[at : at + poll], NOW, Contents()), *hold.flush()]
            if scanner is not None:
                scanner.find(batch_of("logs", 0, segments))

    decoded = _best(lambda: [json.loads(value) for value in values]) if values[0][:1] == b"{" else 0
    return Rate(
        carrier,
        sum(map(len, values)) / RECORDS,
        RECORDS / _best(lambda: read(None)),
        RECORDS / _best(lambda: read(finder)),
        RECORDS / decoded if decoded else 0,
    )


def report(rates: Sequence[Rate], machine: compare.Machine) -> str:
    """The table."""
    rows = [
        [
            rate.carrier,
            f"{rate.size:.0f}",
            f"{rate.read:,.0f}",
            f"{rate.scanned:,.0f}",
            f"{rate.json_loads:,.0f}" if rate.json_loads else "",
        ]
        for rate in rates
    ]
    head = [
        "carrier",
        "bytes a record",
        "records/s read",
        "records/s read and scanned",
        "records/s json.loads",
    ]
    return "\n".join(
        (
            "# Log records of each carrier, by one core\n",
            tables.about(machine),
            "\nReading is telling what each record is, its time and its text; of OTLP a request holds 100 records.\n",
            tables.table(head, rows),
            "",
        )
    )


def main() -> None:
    """Measures every carrier."""
    finder = LeakFinder(
        PatternScanner(load_bundled()), KnownIndex((), ()), (DeploymentKey.of(bytes(range(32))),)
    )
    rates = [_measure(name, _values(make), finder) for name, make in CARRIERS.items()]
    rates += [
        _measure("OTLP in JSON", _requests(_compact), finder),
        _measure("OTLP in protobuf", _requests(proto), finder),
    ]
    text = report(rates, compare.machine())
    print(text)
    tables.save(compare.RESULTS, "carriers", text, rates)


if __name__ == "__main__":
    main()

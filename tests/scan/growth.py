"""What a stage costs on one fragment again and again, and whether that grows faster than the text.

`python -m tests.scan.growth STAGE [SHARD OF]` looks at all fragments (some 38,000; five to twenty minutes a stage) and
prints those that do.
"""

import json
import math
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from functools import cache
from typing import Final

import msgspec

from detector.ingest.format_names import TEXT
from detector.ingest.sources import Source
from detector.ingest.units import Unit
from detector.ingest.values import log_texts
from detector.redact import record_redactor
from detector.redact.stream_redactor import StreamRedactor
from detector.replay.stages import Work, scan
from detector.scan.known_credentials import KnownIndex
from detector.scan.leaks import LeakFinder
from detector.scan.redactor import Redactor
from detector.values.events import Identifier
from detector.values.secrets import DeploymentKey
from tests.bundled import bundled_scanner
from tests.scan.fragments import fragments

SMALL, LARGE = 8 << 10, 64 << 10
STEEP: Final = 1.2  # the power of the size that is too much
LEAST: Final = 0.05  # CPU seconds: less tells nothing
TIMES: Final = 5  # the best of so many is believed
A_BYTE, BESIDE = 64, 64 << 20
"""Bytes that one record may cost for each of its own, and beside that."""
_KEY: Final = DeploymentKey.of(bytes(range(32)))
_NOW: Final = 1_800_000_000 * 10**9


@cache
def _known() -> KnownIndex:
    return KnownIndex(
        [Identifier("hmac-sha256", "ab" * 32, size, f"{size:08x}") for size in (20, 32, 40, 64)], [_KEY]
    )


@cache
def _finder() -> LeakFinder:
    return LeakFinder(bundled_scanner(), _known(), [_KEY])


@cache
def _redactor() -> Redactor:
    return Redactor(bundled_scanner(), _known())


def searched(text: bytes) -> None:
    """Reads and scans the text as a replay does."""

    def read(start: int, end: int) -> Iterator[bytes]:
        yield text[start:end]

    scan(Work([Source("log", TEXT, len(text), raw=read)], _NOW, _finder()), Unit(0, 0, len(text)))


def in_json(text: bytes) -> None:
    """The same of a record that holds the text."""
    searched(json.dumps({"time": "2026-03-01T00:00:00Z", "message": text.decode("latin-1")}).encode() + b"\n")


def redacted(text: bytes) -> None:
    """Passes the text on as `curfewd redact` does."""
    redacting = StreamRedactor(_redactor())
    redacting.feed(text)
    redacting.end()


def masked(text: bytes) -> None:
    """Masks a record that holds the text, as the service does for a redacted topic."""
    masked_record(json.dumps({"log": text.decode("latin-1")}).encode())


def masked_record(value: bytes) -> None:
    """Masks a record."""
    record_redactor.redacted([value], lambda _, value: log_texts(value), _redactor())


STAGES: Final[dict[str, Callable[[bytes], None]]] = {
    "scan": searched,
    "json": in_json,
    "redact": redacted,
    "record": masked,
}


def again(fragment: bytes, size: int) -> bytes:
    """The fragment again and again, up to a size."""
    return (fragment * (size // len(fragment) + 1))[:size]


def _cost(stage: Callable[[bytes], None], text: bytes) -> float:
    start = time.process_time()
    stage(text)
    return time.process_time() - start


class Growth(msgspec.Struct, frozen=True):
    """CPU seconds for a small text of a fragment and for one so many times as large."""

    small: float
    large: float
    factor: float

    @property
    def power(self) -> float:
        """The power of the size by which the time grows: 1 is linear, 2 the square; 0 of what is too short to tell."""
        return math.log(self.large / self.small, self.factor) if self.large > LEAST else 0

    @property
    def steep(self) -> bool:
        """Whether the large one costs more than by its size."""
        return self.power > STEEP


def growth(
    stage: Callable[[bytes], None], fragment: bytes, *, small: int = SMALL, large: int = LARGE
) -> Growth:
    """What a fragment costs, again and again. Both texts end in the same: a last secret can cost as much as all."""
    rest = fragment[: large % len(fragment)]
    return growth_of(stage, fragment * (small // len(fragment)) + rest, again(fragment, large))


def growth_of(stage: Callable[[bytes], None], little: bytes, much: bytes) -> Growth:
    """What texts of the two sizes cost: measured again, and the best taken, as long as it seems to grow too fast."""
    stage(little)  # compiles what is not
    small = large = float("inf")
    found = Growth(small, large, len(much) / len(little))
    for _ in range(TIMES):
        small = min(small, _cost(stage, little))
        large = min(large, _cost(stage, much))
        found = Growth(small, large, found.factor)
        if not found.steep:
            break
    return found


def peak(stage: Callable[[bytes], None], text: bytes) -> int:
    """The most bytes that a stage holds at once, of Python and numpy."""
    stage(text)  # makes what is made once
    tracemalloc.start()
    try:
        stage(text)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def main(name: str, shard: str = "0", of: str = "1") -> None:
    """Looks at all fragments."""
    STAGES[name](b"token = %41 \x1b[0m\n" * 100)
    for number, (what, fragment) in enumerate(fragments()):
        if number % int(of) == int(shard):
            found = growth(STAGES[name], fragment)
            if found.steep:
                sys.stdout.write(f"{found.small:.3f} s, {found.large:.3f} s: {what}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])

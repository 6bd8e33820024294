"""All targets by their names."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from tests.fuzz import configurations, records, redaction, texts

FOUND = Path(__file__).parent / "found"


class Target(NamedTuple):
    """`run` raises where something must not be; `seeds` are inputs to begin with, `longest` the most bytes of one."""

    run: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    longest: int = 1024


TARGETS = {
    "decoder": Target(texts.decoder, texts.seeds),
    "scanner": Target(texts.scanner, texts.seeds),
    "differential": Target(texts.differential, texts.seeds, 512),
    "redact": Target(redaction.redact, texts.seeds),
    "adapters": Target(records.adapters, records.record_seeds, 4096),
    "carriers": Target(records.carriers, records.line_seeds, 4096),
    "configuration": Target(configurations.configuration, configurations.configuration_seeds, 2048),
    "patterns": Target(configurations.pattern_file, configurations.pattern_seeds, 2048),
}


def found(name: str) -> list[Path]:
    """The inputs that once broke a target."""
    return sorted((FOUND / name).glob("*"))

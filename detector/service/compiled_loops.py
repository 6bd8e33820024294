"""Compiles at the start all that the stages call, so that a loop that waits for a compiler misses no heartbeat."""

from detector.ingest.formats.flat_records import compile_records
from detector.kafka.columns_check import columns_work
from detector.patterns.pattern import load_bundled
from detector.registry.credential_registry import compile_registry
from detector.scan.decode import compile_decoders
from detector.scan.known_credentials import compile_known
from detector.scan.scanner import PatternScanner


def compile_loops(scanner: PatternScanner) -> None:
    """A second call costs little. The first takes minutes where nothing is kept from an earlier start."""
    scanner.scan("\n".join(text for each in scanner.patterns for text in each.examples).encode())
    compile_decoders()
    compile_known()
    compile_registry()
    compile_records()
    columns_work()


if __name__ == "__main__":
    compile_loops(PatternScanner(load_bundled()))

"""Compiles at the start all that the stages call, so that a loop that waits for a compiler misses no heartbeat.

Loops that were compiled when the program was built are there at once.

`python -m detector.service.compiled_loops` does the same, for all later starts, with a process for each processor
(`compiling.py` lets it do so). With `--tell` it prints a line for each loop: `missing` before it is compiled, and
`there` once it is.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from typing import Any, Final

from detector.built_kernels import built_kernels
from detector.compilation import watch
from detector.ingest.formats.flat_records import compile_records
from detector.patterns.pattern import load_bundled
from detector.registry.credential_registry import compile_registry
from detector.scan.decode import compile_decoders
from detector.scan.scanner import PatternScanner
from detector.service.judge.sst_file import compile_sst

# The longest first.
_OTHERS: Final[tuple[Callable[[], Any], ...]] = (
    compile_decoders,
    compile_registry,
    compile_records,
    compile_sst,
)


def compile_loops(scanner: PatternScanner) -> None:
    """A second call costs little. The first takes minutes where nothing was built, or kept from an earlier start."""
    _load_search(scanner)
    if not built_kernels():
        call_loops(scanner)


def call_loops(scanner: PatternScanner) -> None:
    """Calls each loop once."""
    _call_search(scanner)
    for call_others in _OTHERS:
        call_others()


def _load_search(scanner: PatternScanner) -> None:
    scanner.scan(b"password: \n" * 1000)  # makes what the first pass needs where hits are very many
    scanner.scan(bytes(1 << 16), generic=False)  # and what it needs for text that was changed


def _call_search(scanner: PatternScanner | None = None) -> None:
    scanner = scanner or PatternScanner(load_bundled())
    scanner.scan("\n".join(text for each in scanner.patterns for text in each.examples).encode())
    _load_search(scanner)


def _watch(*, tell: bool) -> None:
    def written(there: bool) -> None:  # noqa: FBT001 - the form of `watch`
        os.write(1, b"there\n" if there else b"missing\n")  # so short that no other process writes into it

    if tell:
        watch(written)


def _compile_in_processes(*, tell: bool) -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(mp_context=context, initializer=partial(_watch, tell=tell)) as pool:
        for done in as_completed([pool.submit(each) for each in (*_OTHERS, _call_search)]):
            done.result()


if __name__ == "__main__":
    _compile_in_processes(tell="--tell" in sys.argv)

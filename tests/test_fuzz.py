"""The fuzz targets hold on their seeds, on what once broke them and on some mutations; and each of them can fail."""

import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from detector.ingest.classify import RecordClassifier
from detector.records.dead_letters import BAD_TIME
from detector.records.log_records import Read
from detector.scan.decode import Origins
from detector.scan.known_credentials import KnownIndex
from detector.scan.leaks import LeakFinder
from detector.scan.redactor import Redactor
from detector.scan.scanner import PatternScanner
from detector.values.errors import BadRecordError
from tests.fuzz import configurations, records, redaction, texts
from tests.fuzz.targets import FOUND, TARGETS, Target, found
from tests.fuzz.texts import composed, fragments

SEEDS, MUTATIONS = 40, 60
BROKEN = [(name, path) for name in TARGETS for path in found(name)]


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_holds_on_seeds_and_mutations_of_them(name: str) -> None:
    target = TARGETS[name]
    rng = random.Random(name)
    seeds = list(target.seeds())
    chosen = rng.sample(seeds, min(SEEDS, len(seeds)))
    for seed in chosen:
        target.run(seed)
    for _ in range(MUTATIONS):
        target.run(mutated(rng.choice(chosen), rng.choice(chosen), rng))
    target.run(b"")


def mutated(seed: bytes, other: bytes, rng: random.Random) -> bytes:
    """Bytes changed, taken out, put in, or the end of another."""
    data = bytearray(seed)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(5):
            case 0:
                data[at : at + 1] = rng.randbytes(1)
            case 1:
                del data[at : at + rng.randrange(1, 20)]
            case 2:
                data[at:at] = rng.randbytes(rng.randrange(1, 6))
            case 3:
                data[at:at] = data[: rng.randrange(40)]
            case _:
                data[at:] = other[rng.randrange(len(other) + 1) :]
    return bytes(data)


@pytest.mark.parametrize(("name", "path"), BROKEN, ids=[f"{name}-{path.name}" for name, path in BROKEN])
def test_what_once_broke_a_target_does_no_more(name: str, path: Path) -> None:
    TARGETS[name].run(path.read_bytes())


def test_what_was_found_is_small_and_of_a_target() -> None:
    for path in (path for path in FOUND.rglob("*") if path.is_file()):
        assert path.parent.name in TARGETS
        assert path.stat().st_size <= 4096


def test_an_input_stands_for_a_composition_of_fragments() -> None:
    assert len(fragments()) == len(set(fragments())) == 128
    assert composed(b"\0a\x80\xff") == b"a" + fragments()[0] + fragments()[127]
    assert composed(b"\x01a\x80") == b"a\x80"


RUNS = 8
SMOKE = f"""
import sys
from tests.fuzz import __main__ as fuzz

assert fuzz.main(["--runs", "{RUNS}"]) == 0
fuzz.TARGETS["decoder"] = fuzz.TARGETS["decoder"]._replace(run=lambda data: 1 // (b"planted" not in data))
fuzz.TARGETS["decoder"] = fuzz.TARGETS["decoder"]._replace(seeds=lambda: [b"", b"planted"])
sys.exit(fuzz.main(["decoder", "--runs", "9"]))
"""


@pytest.mark.slow
def test_every_target_holds_under_atheris_for_some_inputs_and_what_breaks_is_told() -> None:
    command = [sys.executable, "-c", SMOKE]
    done = subprocess.run(command, cwd=FOUND.parents[2], capture_output=True, text=True, check=False)
    runs = [int(number) for number in re.findall(r"number_of_executed_units: (\d+)", done.stderr)]
    assert len(runs) >= len(TARGETS), done.stderr[-2000:]
    assert min(runs[: len(TARGETS)]) >= RUNS
    assert "ZeroDivisionError" in done.stderr + done.stdout
    assert done.stderr.splitlines()[-1].startswith("decoder: broken")
    assert done.returncode == 1


class _Past(NamedTuple):
    """A view that says that what it decoded stands behind the end of the text."""

    data: bytes = b"x"

    def origins(self, starts: Any, ends: Any) -> Origins:
        return Origins(starts, ends + (1 << 40), starts, np.zeros_like(starts), [("hex",)], ends > starts)


def _nothing(*_: Any, **__: Any) -> list[Any]:
    return []


def _canary(*_: Any, **__: Any) -> list[Read]:
    return [Read("json", error=BadRecordError(BAD_TIME, records.CANARY))]


PLANTED: dict[str, tuple[Any, str, Any]] = {
    "decoder": (texts, "Decoding", lambda *_: [_Past()]),
    "scanner": (texts, "finder", lambda: LeakFinder(PatternScanner(()), KnownIndex(), ())),
    "differential": (texts, "known", KnownIndex),
    "redact": (redaction, "Redactor", lambda *_: Redactor(PatternScanner(()))),
    "adapters": (RecordClassifier, "read_object", _canary),
    "carriers": (records, "read_events", _nothing),
    "configuration": (configurations, "problems", _nothing),
    "patterns": (configurations, "load_file", lambda *_: [1 // 0]),
}


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_fails_where_something_is_broken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*PLANTED[name])
    with pytest.raises((AssertionError, ZeroDivisionError)):
        over_seeds(TARGETS[name])


def over_seeds(target: Target) -> None:
    for seed in target.seeds():
        target.run(seed)

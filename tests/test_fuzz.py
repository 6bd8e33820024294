"""The fuzz targets hold on their seeds, on what once broke them, and on some mutations, for which atheris is not needed."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.targets import FOUND, TARGETS, found
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


def test_the_detector_runs_as_atheris_changes_it(tmp_path: Path) -> None:
    text = tmp_path / "input"
    text.write_bytes(b"\0GITHUB_TOKEN=\x85\n" + bytes(range(0x80, 0x100)))
    command = [sys.executable, "-m", "tests.fuzz", "scanner", str(text)]
    done = subprocess.run(command, cwd=FOUND.parents[2], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr[-400:] if done.returncode else "") == (0, "")

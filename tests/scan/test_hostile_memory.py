"""What a replay needs at most does not grow with hostile text: four times the bombs and one endless line need no more.

What does grow with text is by contract: a finding for each different secret, and for each record that shows one what
tells a second copy.
"""

import base64
import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

MB: Final = 1_000_000
SLACK: Final = 24 * MB  # by which two runs on the same text differ, and some
MORE: Final = 96 * MB  # than clean text needs
# Of the process itself, for what a parent needed counts among a child's resources.
PEAK: Final = """
import re, sys
from detector.cli import main
code = main()
with open("/proc/self/status") as status:
    print(code, re.search(r"VmHWM:\\s+(\\d+) kB", status.read())[1], file=sys.stderr)
"""


def clean(size: int) -> bytes:
    """Lines in which nothing is to be looked at."""
    return b"2026-03-01T00:00:00Z step done, nothing to report\n" * (size // 50)


def endless(size: int) -> bytes:
    """One line, with escapes all along."""
    return (b"the quick brown fox %41 \\u0041 jumps over " * (size // 42 + 1))[:size] + b"\n"


def bombs(size: int) -> bytes:
    """A MiB in every hundred bytes, packed and packed once more; so many of them differ that each is looked at."""
    lines = []
    for number in range(150):
        packed = gzip.compress(b"%d" % number + b"A" * (1 << 20), 1, mtime=0)
        lines.append(base64.b64encode(gzip.compress(base64.b64encode(packed), mtime=0)) + b"\n")
    return b"".join(lines) * (size // sum(map(len, lines)))


def deep(size: int) -> bytes:
    """JSON records nested two thousand deep."""
    first = b'{"time": "2026-03-01T00:00:00Z", "message": "begin"}\n'
    line = b'{"time": "2026-03-01T00:00:00Z", "message": ' + b"[" * 2000 + b"]" * 2000 + b"}\n"
    return first + line * (size // len(line))


def leaks(size: int) -> bytes:
    """The same secret again and again."""
    line = b"2026-03-01T00:00:00Z 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 " + b"word " * 60 + b"\n"
    return line * (size // len(line))


def peak(folder: Path, texts: dict[str, bytes]) -> int:
    """The most bytes that a replay of these texts held at once."""
    inputs = folder / "in"
    inputs.mkdir(parents=True)
    for name, text in texts.items():
        (inputs / name).write_bytes(text)
    command = [sys.executable, "-c", PEAK, "replay", "--jobs", "1", "--out", str(folder / "out"), str(inputs)]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env=os.environ | {"CURFEWD_KEY": "00" * 32}
    )
    code, held = done.stderr.split()[-2:]
    assert code == "0", done.stderr
    return int(held) * 1024


@pytest.mark.slow
def test_what_a_replay_holds_at_once_does_not_grow_with_hostile_text(tmp_path: Path) -> None:
    kinds: dict[str, tuple[Callable[[int], bytes], int]] = {
        "endless.log": (endless, 4 * MB),
        "bombs.log": (bombs, MB // 8),  # 150 of them, each decoded: by far the most work
        "deep.jsonl": (deep, MB),
        "leaks.log": (leaks, 2 * MB),
    }
    texts = {name: make(size) for name, (make, size) in kinds.items()}
    beginnings = {name: text[: MB // 20] for name, text in texts.items()}
    peak(tmp_path / "first", beginnings)  # compiles what is not, which takes memory too
    plain = peak(tmp_path / "clean", {"clean.log": clean(8 * MB)})
    few = peak(tmp_path / "few", texts)
    many = peak(tmp_path / "many", {name: make(4 * size) for name, (make, size) in kinds.items()})
    assert many < few + SLACK
    assert many < plain + MORE

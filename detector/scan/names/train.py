"""Makes `letters.bin` from the sources of Python's standard library (PSF licence), without its tests.

    python -m detector.scan.names.train

Same Python, same file. Only counts of three characters in a row are kept. Texts that hold tables of characters (the
codecs) are left out.
"""

import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from detector.scan.names.letter_statistics import (
    ALPHABETS,
    EIGHTHS,
    FILE,
    KINDS,
    SYMBOLS,
    kind_table,
    symbol_table,
)

_LEFT_OUT: Final = {"test", "tests", "idle_test", "site-packages", "encodings", "lib2to3", "turtledemo"}
_LEAST: Final = 6  # characters: shorter words are mostly of code
_SMOOTH: Final = 4.0


def _words() -> Iterator[bytes]:
    library = Path(sysconfig.get_path("stdlib"))
    for path in sorted(library.rglob("*.py")):
        if not _LEFT_OUT & set(path.relative_to(library).parts):
            for word in path.read_bytes().split():
                if len(word) >= _LEAST and word.isascii():
                    yield word


def _smoothed(counts: Any) -> Any:
    """Probabilities of the last axis: of three in a row, and where those are rare, of the last two."""
    pairs = counts.sum(axis=0) + 0.5
    pairs /= pairs.sum(axis=-1, keepdims=True)
    return (counts + _SMOOTH * pairs) / (counts.sum(axis=-1, keepdims=True) + _SMOOTH)


def main() -> None:
    """Counts, and writes the file."""
    symbol_of, kind_of = symbol_table(), kind_table()
    letters = np.zeros((SYMBOLS, SYMBOLS, SYMBOLS))
    kinds = np.zeros((KINDS, KINDS, KINDS))
    for word in _words():
        text = np.frombuffer(b"  " + word, np.uint8)
        for counts, table in ((letters, symbol_of), (kinds, kind_of)):
            row = table[text]
            np.add.at(counts, (row[:-2], row[1:-1], row[2:]), 1)
    told = -np.log2(_smoothed(letters[:, :, 1:27]) * 26)
    of_kinds = -np.log2(_smoothed(kinds))
    against = np.stack([of_kinds + np.log2(np.array(alphabet)) for alphabet in ALPHABETS])
    entries = np.concatenate([told.ravel(), against.ravel()]) * EIGHTHS
    FILE.write_bytes(np.clip(np.rint(entries), -127, 127).astype(np.int8).tobytes())


if __name__ == "__main__":
    main()

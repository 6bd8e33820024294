"""How likely a character follows two others in text: what tells `aXk29vQm` from `access_level`.

`letters.bin` holds the statistics; `python -m detector.scan.names.train` makes it. Each entry is the logarithm of
(probability in random characters / probability in text), in eighths of a bit: positive speaks for random.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np

SIGN, DIGIT = 0, 27  # the symbols besides 1 to 26, the letters in either case
SYMBOLS: Final = 28
LOWER, UPPER, NUMBER, OTHER = range(4)  # the kinds of a byte
KINDS: Final = 4
EIGHTHS: Final = 8.0  # of a bit
# Of random text in one alphabet: the probability of each kind. Letters and digits; the same in one case; with signs.
ALPHABETS: Final = (
    (26 / 64, 26 / 64, 10 / 64, 2 / 64),
    (26 / 37, 26 / 37, 10 / 37, 1 / 37),
    (26 / 90, 26 / 90, 10 / 90, 28 / 90),
)
FILE: Final = Path(__file__).with_name("letters.bin")


def symbol_table() -> Any:
    """The symbol of each byte."""
    table = np.full(256, SIGN, np.uint8)
    for number in range(26):
        table[[65 + number, 97 + number]] = number + 1
    table[48:58] = DIGIT
    table.flags.writeable = False
    return table


def kind_table() -> Any:
    """The kind of each byte."""
    table = np.full(256, OTHER, np.uint8)
    table[97:123], table[65:91], table[48:58] = LOWER, UPPER, NUMBER
    table.flags.writeable = False
    return table


def load() -> tuple[Any, Any]:
    """The entries for letters, [symbol, symbol, letter], and for kinds, [alphabet, kind, kind, kind]."""
    raw = np.frombuffer(FILE.read_bytes(), np.int8)
    size = SYMBOLS * SYMBOLS * 26
    letters = raw[:size].reshape(SYMBOLS, SYMBOLS, 26)
    kinds = raw[size:].reshape(len(ALPHABETS), KINDS, KINDS, KINDS)
    return letters, kinds

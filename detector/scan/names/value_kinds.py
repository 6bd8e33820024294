"""What the compiled loops and the matcher know together. Loading it does not load the compiler."""

from typing import Final

NOTHING, WORD, RANDOM, HEX, UUID = range(5)
"""The kinds of value that stand behind names."""

TELLING: Final = b"0123456789!#$%&*+=?@^~"
"""One of these is among the first bytes of a value that counts."""

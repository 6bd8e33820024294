"""Drops matches that a pattern's checks would refuse, without a Python object for each.

It never drops a match that the checks would pass. It may keep one that they refuse: the checks run over all that is
kept. Without it, a log full of look-alikes costs an object for each of them.
"""
# ruff: noqa: PLR0913, PLR0917 - compiled: objects are what it is without

from collections.abc import Iterable
from typing import Any, Final

import msgspec
import numpy as np

from detector.jit import compiled
from detector.patterns.checks import CharsetMix, Check, GithubCrc32, MinEntropy, NotPlaceholder, NpmCrc32
from detector.patterns.placeholders import FEW, LONG, RUN, TELLING

_CHECKSUM: Final = 1
_PLACEHOLDER: Final = 2
_LONGEST: Final = 4096  # bytes
_SURE: Final = 1e-6  # bits; sums in another order differ by less
_BODY, _DIGITS = 36, 6  # of a token with a CRC-32 in base 62
_DIGIT, _UPPER, _LOWER = 1, 2, 3


class Limits(msgspec.Struct, frozen=True):
    """What a pattern's checks require: bits of entropy, digits, upper and lower case letters.

    `flags` holds the other checks.
    """

    bits: float = 0.0
    digits: int = 0
    upper: int = 0
    lower: int = 0
    flags: int = 0


def limits_of(checks: Iterable[Check]) -> Limits:
    """The requirements of these checks, as far as compiled code can test them."""
    bits, mix, flags = 0.0, (0, 0, 0), 0
    for check in checks:
        if isinstance(check, MinEntropy):
            bits = max(bits, check.bits)
        elif isinstance(check, CharsetMix):
            mix = max(mix[0], check.digits), max(mix[1], check.upper), max(mix[2], check.lower)
        elif isinstance(check, GithubCrc32 | NpmCrc32):
            flags |= _CHECKSUM
        elif isinstance(check, NotPlaceholder):
            flags |= _PLACEHOLDER
    return Limits(bits, *mix, flags)


def _kinds() -> Any:
    table = np.zeros(256, np.uint8)
    table[48:58] = _DIGIT
    table[65:91] = _UPPER
    table[97:123] = _LOWER
    table.flags.writeable = False
    return table


def _folds() -> Any:
    table = np.arange(256, dtype=np.uint8)
    table[65:91] += 32
    table.flags.writeable = False
    return table


def _crc_table() -> Any:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(0xEDB88320), table >> 1).astype(np.uint32)
    table.flags.writeable = False
    return table


def _words() -> tuple[Any, Any, Any]:
    """The placeholder words in lower case, joined and sorted.

    Also where each starts, and for each first byte the number of the first word with it.
    """
    words = sorted(bytes(_FOLDS[list(word)]) for word in TELLING)
    starts = np.cumsum([0, *map(len, words)])
    first = np.searchsorted([word[0] for word in words], np.arange(257))
    return np.frombuffer(b"".join(words), np.uint8), starts, first


def _beginnings() -> Any:
    """For each pair of bytes in lower case (first × 256 + second): whether a placeholder word begins with it."""
    table = np.zeros(1 << 16, np.bool_)
    table[[int(_FOLDS[word[0]]) << 8 | int(_FOLDS[word[1]]) for word in TELLING]] = True
    table.flags.writeable = False
    return table


_KINDS: Final = _kinds()
_FOLDS: Final = _folds()
_CRC: Final = _crc_table()
_TEXT, _STARTS, _FIRST = _words()
_BEGINS: Final = _beginnings()
_LOGS: Final = np.array([0.0, *(n * np.log2(n) for n in range(1, _LONGEST + 1))])


@compiled
def _tells(secret: Any) -> bool:
    """Whether it contains a placeholder word."""
    for at in range(secret.size - 1):
        byte = np.int64(_FOLDS[secret[at]])
        if not _BEGINS[byte << np.int64(8) | _FOLDS[secret[at + 1]]]:
            continue
        for word in range(_FIRST[byte], _FIRST[byte + 1]):
            size = _STARTS[word + 1] - _STARTS[word]
            if size > secret.size - at:
                continue
            same = 0
            while same < size and _FOLDS[secret[at + same]] == _TEXT[_STARTS[word] + same]:
                same += 1
            if same == size:
                return True
    return False


@compiled
def _runs(secret: Any) -> bool:
    """Whether it has `xxxx`, or is a sequence for half its length or for long: as `placeholders.is_placeholder`."""
    crosses = total = longest = run = telling = 0
    step = told = np.int64(2)
    some = False  # four in a row, of letters, of digits or the same
    for at in range(1, secret.size):
        before, byte = _FOLDS[secret[at - 1]], _FOLDS[secret[at]]
        crosses = crosses + 1 if secret[at] == secret[at - 1] and byte == 120 else 0  # noqa: PLR2004 - x
        if crosses == FEW:
            return True
        difference = np.int64(byte) - np.int64(before)
        near = -1 <= difference <= 1
        if near and difference == step:
            run += 1
        else:
            total += run + 1 if run >= FEW else 0
            step = difference
            run = 1 if near else 0
        longest = max(longest, run + 1)
        alike = _KINDS[byte] == _KINDS[before] and _KINDS[byte] != 0
        if not near or not (alike or (difference == 0 and 32 <= byte < 127)):  # noqa: PLR2004 - printable
            telling, told = 0, np.int64(2)
        else:
            telling = telling + 1 if difference == told else 1
            told = difference
            some |= telling >= FEW
    total += run + 1 if run >= FEW else 0
    return bool(some and (longest >= RUN or (2 * total >= secret.size and secret.size > RUN)))


@compiled
def _checksum_fails(secret: Any) -> bool:
    """Whether what follows the first `_` is not 36 characters that end in the CRC-32 of the others, in base 62."""
    body = 0
    while body < secret.size and secret[body] != 95:  # noqa: PLR2004 - _
        body += 1
    body += 1
    if secret.size - body != _BODY:
        return True
    crc = np.uint32(0xFFFFFFFF)
    for at in range(body, secret.size - _DIGITS):
        crc = _CRC[(crc ^ secret[at]) & np.uint32(0xFF)] ^ (crc >> np.uint32(8))
    rest = np.int64(crc ^ np.uint32(0xFFFFFFFF))
    for at in range(secret.size - 1, secret.size - 1 - _DIGITS, -1):
        digit = rest % np.int64(62)
        rest //= np.int64(62)
        shown = digit + 48 if digit < 10 else digit + 55 if digit < 36 else digit + 61  # noqa: PLR2004
        if secret[at] != shown:
            return True
    return False


@compiled
def kept(
    data: Any, rows: Any, keep: Any, bits: float, digits: int, upper: int, lower: int, flags: int
) -> None:
    """Sets `keep` for each secret, data[row[2]:row[3]]: whether it may pass."""
    counts = np.zeros(256, np.int64)
    mix = np.zeros(4, np.int64)
    for number in range(len(rows)):
        secret = data[rows[number, 2] : rows[number, 3]]
        keep[number] = True
        if secret.size > _LONGEST:
            continue
        mix[:] = 0
        for byte in secret:
            counts[byte] += 1
            mix[_KINDS[byte]] += 1
        logs = 0.0
        different = 0
        for byte in secret:
            if counts[byte]:
                logs += _LOGS[counts[byte]]
                different += 1
                counts[byte] = 0
        passes = np.log2(secret.size) - logs / secret.size >= bits - _SURE
        passes = passes and mix[1] >= digits and mix[2] >= upper and mix[3] >= lower
        if passes and flags & _CHECKSUM:
            passes = not _checksum_fails(secret)
        if passes and flags & _PLACEHOLDER:
            short = secret.size <= LONG
            passes = not (_tells(secret) or (short and secret.size > FEW and different <= FEW))
            if passes and short:
                passes = not _runs(secret)
        keep[number] = passes

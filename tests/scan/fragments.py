"""Short texts that are slow or large where they stand again and again, if a stage is not linear: forms, and what glues.

The forms are the examples of all decoders and patterns, so those of a new one too.
"""

import base64
import itertools
import string
from collections.abc import Iterator
from typing import Final

from detector.patterns.pattern import load_bundled
from detector.scan.decoders import BUNDLED

SAID: Final = b"user:password12345"
# What stands between two, whole or unfinished: controls of a terminal, escapes, padding, ends of lines, quotes, signs.
CONTROLS: Final = (
    b"\x1b[", b"\x1b[1", b"\x1b[1;2", b"\x1b[0m", b"\x1b[31m", b"\x1b", b"\x1b]", b"\x1b]0;", b"\x1b]0;a\x07", b"\x1b\\",
    b"\x07", b"\b", b"\b \b", b"\0",
)  # fmt: skip
ESCAPES: Final = (
    b"%", b"%4", b"%41", b"%2541", b"\\", b"\\\\", b"\\n", b"\\u", b"\\u0041", b"\\x", b"\\x41", b"\\u{", b"\\101", b"\\\n",
    b'\\"', b"&", b"&#", b"&#65;", b"&amp;", b"=", b"==", b"=4", b"=41", b"=\n", b"\xe2\x80\x8b", b"\xff", b"\xef\xbc\xa1",
)  # fmt: skip
SIGNS: Final = (
    b"", b"\n", b"\r\n", b"\r", b"\n\n", b" ", b"\t", b'"', b"'", b"`", b'","', b", ", b"+", b'" + "', b'" \\\n "', b"-",
    b"_", b".", b":", b"://", b"/", b"|", b"@", b"#", b"~", b"<", b">", b"<~", b"~>", b"(", b")", b"[", b"]", b"{", b"}",
    b'{"a":"', b'"}\n', b"0x", b"password=", b"token: ", b'password="', b"eyJ", b"AKIA", b"H4sI", b"-----BEGIN PRIVATE KEY-----\n",
    b"-----END PRIVATE KEY-----\n", b"begin 644 a\n", b"0000000 ", b"2026-03-01T00:00:00Z ", b"chr(", b"$(", b"${",
)  # fmt: skip
GLUE: Final = (*CONTROLS, *ESCAPES, *SIGNS)
UNITS: Final = range(24, 61)  # digits of a unit


def forms() -> dict[str, bytes]:
    """One text in each form, by the form's name."""
    found = {"as it is": SAID, "base64": base64.b64encode(SAID)}
    for decoder in BUNDLED:
        for number, (encoded, _) in enumerate(decoder.examples):
            found[f"{'/'.join(decoder.names[0])} {type(decoder).__name__} {number}"] = encoded
        for number, miss in enumerate(decoder.near_misses):
            found[f"{'/'.join(decoder.names[0])} {type(decoder).__name__} miss {number}"] = miss
    return found


def units() -> Iterator[tuple[str, bytes]]:
    """Base64, hex and letters in units of so many digits."""
    text = (b"user:password12345 and " + string.ascii_letters.encode()) * 2
    for size in UNITS:
        yield f"{size} digits of base64", base64.b64encode(text)[:size]
        yield f"{size} digits of hex", text.hex().encode()[:size]
        yield f"{size} letters", text.replace(b" ", b"")[:size]


def _glued() -> Iterator[tuple[str, bytes]]:
    yield from ((f"{name} | {glue!r}", text + glue) for name, text in forms().items() for glue in GLUE)
    some = (
        *CONTROLS[:5],
        b"%",
        b"%41",
        b"\\",
        b"\\n",
        b"=\n",
        b"&",
        b"\n",
        b" ",
        b'"',
        b"\b",
        b"\xe2\x80\x8b",
    )
    yield from ((f"{name} | {glue!r}", text + glue) for name, text in units() for glue in some)


def _alone() -> Iterator[tuple[str, bytes]]:
    for left, right in itertools.product(GLUE, GLUE):
        if left + right:
            yield f"{left!r} | {right!r}", left + right
            yield f"a | {left!r} | b | {right!r}", b"a" + left + b"b" + right


def _of_patterns() -> Iterator[tuple[str, bytes]]:
    for pattern in load_bundled():
        for text in (*pattern.examples[:1], *pattern.near_misses[:1]):
            for glue in (b"\x1b[", b" ", b"\n", b'"', b"%"):
                yield f"{pattern.id} | {glue!r}", text.encode() + glue


def fragments() -> Iterator[tuple[str, bytes]]:
    """All of them: each form with each glue, units with some, two glues, and what patterns find; with their names."""
    yield from _glued()
    yield from _alone()
    yield from _of_patterns()

"""MB/s of decoding alone and of the whole scanner on input that is nothing but one encoding, packed wall to wall.

Every kind says the same made-up log text, without a secret, but for those that are hostile and say nothing. Decoding
is `detector.scan.decode.Decoding`, the scanner `detector.scan.leaks.LeakFinder` with all patterns and 100,000
registered credentials. CPU time of one thread, the best of some runs, batches as the readers make them (whole lines
of 256 KiB). Memory is how far the process grew over the run, each kind in a process of its own.
"""

import base64
import gzip
import html
import itertools
import multiprocessing
import quopri
import random
import resource
import sys
import textwrap
import zlib
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import quote

import msgspec

from benchmarks import compare, tables
from benchmarks.corpus import MB
from benchmarks.scan_stages import BATCH, KEY, LENGTHS, registry, speed
from detector.patterns.pattern import load_bundled
from detector.scan.decode import Decoding
from detector.scan.known_credentials import KnownIndex
from detector.scan.leaks import Batch, LeakFinder, RecordAt
from detector.scan.scanner import PatternScanner
from detector.values.events import Identifier

SIZE: Final = 2 * MB
KNOWN: Final = 100_000
_WORDS: Final = [
    "request",
    "took",
    "ms",
    "user",
    "cache",
    "hit",
    "miss",
    "GET",
    "/api/v1/items",
    "worker",
    "retry",
    "done",
    "level=info",
    "status=200",
    "runner",
    "step",
    "3",
    "of",
    "9",
    "[main]",
    "INFO",
    "c.e.Service",
    "-",
    "started",
    "in",
    "2.1",
    "s;",
    "uploaded",
    "artifact.tar.gz",
    "(1,204",
    "kB)",
    "to",
    "registry.internal:5000",
]

Make = Callable[[random.Random], bytes]


class Speed(msgspec.Struct, frozen=True):
    """One kind of input: MB/s decoded, MB/s scanned, MB of memory in the scan; `layers` is decoded bytes a byte."""

    kind: str
    decode: float
    scan: float
    memory: float
    layers: float


def _line(rng: random.Random) -> bytes:
    stamp = f"2026-05-01T10:{rng.randrange(60):02}:{rng.randrange(60):02}.{rng.randrange(1000):03}Z "
    return (stamp + " ".join(rng.choices(_WORDS, k=rng.randrange(6, 24)))).encode()


def _text(rng: random.Random, lines: int = 40) -> bytes:
    return b"\n".join(_line(rng) for _ in range(lines))


def _each(encode: Callable[[bytes], bytes]) -> Make:
    """Lines of text, each encoded."""
    return lambda rng: encode(_line(rng)) + b"\n"


def _whole(encode: Callable[[bytes], bytes]) -> Make:
    """Some lines of text encoded at once."""
    return lambda rng: encode(_text(rng)) + b"\n"


def _wrapped(data: bytes) -> bytes:
    return "\n".join(textwrap.wrap(base64.b64encode(data).decode(), 76)).encode()


def _binary(rng: random.Random) -> bytes:
    return rng.randbytes(3000)


def _nest(text: bytes, times: int) -> bytes:
    for _ in range(times):
        text = base64.b64encode(gzip.compress(text, mtime=0))
    return text


def _one_line(encode: Callable[[bytes], bytes]) -> Make:
    """A line of 64 KiB or more."""
    return lambda rng: encode(_text(rng, 400)) + b"\n"


KINDS: Final[dict[str, Make]] = {
    "text": _each(lambda text: text),
    "JSON records": _each(lambda text: b'{"time":"2026-05-01T10:00:00Z","message":"' + text + b'"}'),
    "JSON records, three escapes each": _each(
        lambda text: b'{"message":"{\\"a\\":1}\\n' + text.replace(b"=", b":") + b'"}'
    ),
    "base64, a line of text each": _each(base64.b64encode),
    "base64, wrapped at 76": _whole(_wrapped),
    "base64, lines of 64 KiB": _one_line(base64.b64encode),
    "base64 of bytes, wrapped at 76": lambda rng: _wrapped(_binary(rng)) + b"\n\n",
    "base64 of bytes, lines of 4 KiB": lambda rng: base64.b64encode(_binary(rng)) + b"\n",
    "base64 of UTF-16": _each(lambda text: base64.b64encode(text.decode().encode("utf-16-le"))),
    "base64 of gzip": _each(lambda text: base64.b64encode(gzip.compress(text, 1, mtime=0))),
    "base64 of zlib, wrapped at 76": _whole(lambda text: _wrapped(zlib.compress(text, 1))),
    "hex of text": _each(lambda text: text.hex().encode()),
    "hex of bytes": lambda rng: rng.randbytes(32).hex().encode() + b"\n",
    "%41": _each(lambda text: b"".join(b"%%%02X" % byte for byte in text)),
    "URL queries": _each(lambda text: b"GET /q?text=" + quote(text).encode()),
    "%25": _each(lambda text: b"%25" * len(text)),
    "%2525…": _each(lambda text: b"%" + b"25" * (3 * len(text)) + b"41"),
    "\\u0041": _each(lambda text: b"".join(b"\\u%04x" % byte for byte in text)),
    "\\n": _each(lambda text: text.replace(b" ", b"\\n")),
    "\\\\\\\\": _each(lambda text: b"\\" * len(text)),
    "&#65;": _each(lambda text: b"".join(b"&#%d;" % byte for byte in text)),
    "&quot; &lt;": _each(lambda text: html.escape(text.decode().replace(" ", '" <')).encode()),
    "&&&": _each(lambda text: b"&" * len(text)),
    "=41": _each(lambda text: b"".join(b"=%02X" % byte for byte in text)),
    "quoted-printable, soft breaks": _whole(lambda text: quopri.encodestring(text.replace(b"\n", b" "))),
    "= at the end of lines": _each(lambda text: text[:40] + b" ="),
    "colours": _each(lambda text: text.replace(b" ", b"\x1b[0m \x1b[1;31m")),
    "UTF-16": _each(lambda text: text.decode().encode("utf-16-le")),
    "one blank between characters": _each(lambda text: b" ".join(bytes([byte]) for byte in text)),
    "one character a line": _each(lambda text: b"\n".join(bytes([byte]) for byte in text)),
    "one character a line, CR LF": _each(lambda text: b"\r\n".join(bytes([byte]) for byte in text)),
    "base64 three times": _each(lambda text: base64.b64encode(base64.b64encode(base64.b64encode(text)))),
    "gzip in base64 three times": lambda rng: _nest(_line(rng), 3) + b"\n",
    "gzip bombs of 1 MB": lambda _: base64.b64encode(gzip.compress(bytes(48) + b"a" * MB, mtime=0)) + b"\n",
    "NULs": lambda _: bytes(4096) + b"\n",
    "one letter": lambda _: b"A" * 4096 + b"\n",
    "H4sI, and nothing in it": lambda rng: base64.b64encode(b"\x1f\x8b\x08" + rng.randbytes(30)) + b"\n",
    "eJw, and nothing in it": lambda rng: b" ".join(b"eJw" + rng.randbytes(18).hex().encode() for _ in range(9)),
}  # fmt: skip


def made(kind: str, size: int = SIZE) -> list[bytes]:
    """Batches of such input, of about `size` bytes in all."""
    rng = random.Random(kind)
    parts: list[bytes] = []
    total = batch = 0
    found = []
    while total < size:
        found.append(KINDS[kind](rng))
        batch += len(found[-1])
        total += len(found[-1])
        if batch >= BATCH:
            parts.append(b"".join(found))
            found, batch = [], 0
    return [*parts, b"".join(found)] if found else parts


def _nowhere(offset: int) -> RecordAt:
    return RecordAt(offset, offset + 1, "0")


def measured(kind: str, finder: LeakFinder) -> Speed:
    """One row; to be called in a process of its own."""
    parts = made(kind)
    layers = sum(len(view.data) for part in parts for view in Decoding(part)) / sum(map(len, parts))
    decode = speed(lambda data: sum(len(view.data) for view in Decoding(data)), parts)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    scan = speed(lambda data: finder.find(Batch("bench", data, _nowhere)), parts)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return Speed(kind, decode, scan, grown / 1024, layers)


def report(rows: Sequence[Speed]) -> str:
    """The table, the slowest first."""
    body = [
        [f"`{row.kind}`", f"{row.decode:.0f}", f"{row.scan:.0f}", f"{row.layers:.2f}", f"{row.memory:.0f}"]
        for row in sorted(rows, key=lambda row: row.scan)
    ]
    head = ["input, nothing else", "MB/s decoded", "MB/s scanned", "decoded bytes a byte", "MB of memory"]
    return "\n".join(
        (
            "# Decoding, by kind of input\n",
            tables.about(compare.machine()),
            f"\n{SIZE // MB} MB each, one core, CPU time.\n",
            tables.table(head, body),
            "",
        )
    )


_finder: LeakFinder | None = None


def _measured(kind: str) -> Speed:
    assert _finder is not None
    return measured(kind, _finder)


def main(only: str = "", *, save: bool = True) -> None:
    """Measures each kind, or those whose name holds `only`."""
    global _finder  # noqa: PLW0603 - what forked processes share
    known: itertools.chain[Identifier] = itertools.chain(registry(KNOWN, LENGTHS))
    _finder = LeakFinder(PatternScanner(load_bundled()), KnownIndex(known, [KEY]), [KEY])
    rows = []
    with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        for row in pool.imap(_measured, [kind for kind in KINDS if only in kind], chunksize=1):
            print(
                f"{row.kind:34} {row.decode:8.1f} {row.scan:8.1f} {row.layers:6.2f} {row.memory:6.0f}",
                file=sys.stderr,
            )
            rows.append(row)
    text = report(rows)
    print(text)
    if save and not only:
        tables.save(compare.RESULTS, "decode", text, rows)

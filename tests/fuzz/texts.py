"""Targets of the scanner: decoding, finding, cutting, all on log text.

A fuzzer seldom writes a checksum, so an input is a composition: each byte from 0x80 on stands for a fragment (a
secret, one encoded, the beginning of one, what stands around them), every other byte for itself. Where the first byte
is odd, the rest is taken as it is.
"""

import base64
import gzip
import quopri
import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache

from detector.ingest.files import read
from detector.ingest.format_names import TEXT
from detector.ingest.range_reader import Reading
from detector.ingest.sources import Source
from detector.records.dead_letters import BINARY, DeadLetter
from detector.scan.decode import Decoding, decoded
from detector.scan.known_credentials import KeyRing, KnownIndex
from detector.scan.leaks import Batch, LeakFinder, RecordAt
from detector.scan.scanner import PatternScanner
from detector.scan.shares import Share
from detector.scan.sightings import Sighting, sightings_in
from detector.values.events import Leak
from detector.values.secrets import DeploymentKey, Secret
from tests.bundled import regex_scanner, with_regex
from tests.ingest.collecting import NOW
from tests.patterns.generators import Generator
from tests.scan.origins import origin_of
from tests.scan.plain_scan import PlainKnown, PlainScanner

KEY = DeploymentKey.of(bytes(range(32)), "k1")
KNOWN = (b"corp_Zr8Lq2WvN5tYx0Kd9Hs3Jf7", b"pa~55 w".replace(b" ", b"-") + b"/rd=", b"8bytes!?", b"Zq" * 30)
LONGEST_TEXT = 16 << 10
_SHARE = Share(1 << 10, 4, 1 << 20)
_MADE = 60  # fragments that patterns match
_LONGEST_FRAGMENT = 600
_AROUND = (
    b"\n", b"\r\n", b"=", b'"', b"'", b"\\", b"\\n", b'\\"', b"\\\\", b"%", b"%25", b"%0A", b"\\u00", b"\\x", b"&#x", b"&amp;",
    b"=\n", b"=3D", b"\x1b[0m", b"\x1b[31m", b"\x1b]8;;", b"\xff", b"\xc3", b"\x00", b" ", b"\t", b"token=", b"-----BEGIN ",
    b"PRIVATE KEY-----\n", b"-----END ", b"Basic ", b"://u:", b"@host/", b"A" * 76 + b"\n", b"..." , b"${", b"xxxx",
)  # fmt: skip
_GOES_ON = re.compile(rb"=\r?\n|[A-Za-z0-9+/_-]{40}\r?\n[ \t]{0,16}[A-Za-z0-9+/_-]|\n.\r?\n")
_MASKS = re.compile("‹[^›]*›")


@cache
def known(*, forms: bool = True) -> KnownIndex:
    ring = KeyRing((KEY,))
    identifiers = (one for secret in KNOWN for one in ring.identifiers(Secret(secret)))
    return KnownIndex(identifiers, (KEY,), forms=forms)


@cache
def finder() -> LeakFinder:
    """Without other forms of registered secrets, which the plain search does not look for."""
    return LeakFinder(regex_scanner(), known(forms=False), (KEY,))


@cache
def plain() -> tuple[PlainScanner, PlainKnown]:
    ring = KeyRing((KEY,))
    identifiers = [one for secret in KNOWN for one in ring.identifiers(Secret(secret))]
    return PlainScanner(with_regex()), PlainKnown(KNOWN, identifiers)


ENCODERS: tuple[Callable[[bytes], bytes], ...] = (
    base64.b64encode,
    lambda text: base64.urlsafe_b64encode(b"u:" + text).rstrip(b"="),
    base64.encodebytes,
    lambda text: text.hex().encode(),
    lambda text: b"".join(b"%%%02X" % byte for byte in text),
    lambda text: b"".join(b"\\u%04x" % byte for byte in text),
    lambda text: b"".join(b"&#%d;" % byte for byte in text),
    quopri.encodestring,
    lambda text: b"".join(b"=%02X" % byte for byte in text),
    lambda text: base64.b64encode(text.decode("latin-1").encode("utf-16-le")),
    lambda text: base64.b64encode(gzip.compress(text, mtime=0)),
    lambda text: b" ".join(text[at : at + 1] for at in range(len(text))),
    lambda text: b"\n".join(text[at : at + 1] for at in range(len(text))),
    lambda text: text[:5] + b"\x1b[1m" + text[5:] + b"\x1b[0m",
)


@cache
def fragments() -> tuple[bytes, ...]:
    """128 of them, always the same."""
    rng = random.Random(5)
    every = with_regex()
    texts = [
        Generator(every[at * len(every) // _MADE]).make(rng).text[:_LONGEST_FRAGMENT] for at in range(_MADE)
    ]
    token = next(Generator(one).make(rng).text for one in every if one.id == "github-pat-classic")
    found = [*texts, *KNOWN, *(encode(token) for encode in ENCODERS), *(text[:9] for text in texts[::9])]
    found += _AROUND
    found += [encode(encode(KNOWN[0])) for encode in ENCODERS]
    return tuple(dict.fromkeys(found))[:128]


def composed(data: bytes) -> bytes:
    """The text that an input stands for."""
    if not data or data[0] & 1:
        return data[1 : LONGEST_TEXT + 1]
    chosen = fragments()
    parts = [chosen[byte & 0x7F] if byte & 0x80 else bytes((byte,)) for byte in data[1:]]
    return b"".join(parts)[:LONGEST_TEXT]


def seeds() -> Iterator[bytes]:
    """Every fragment, alone and among others, and the patterns' own examples."""
    for number in range(128):
        yield bytes((0, 0x80 | number))
        yield b"\0at=" + bytes((0x80 | number, 0x20, 0x80 | (number * 7 + 3) & 0x7F, 0x0A))
    for pattern in with_regex():
        yield b"\x01" + pattern.examples[0].encode()


def decoder(data: bytes) -> None:
    """What is decoded is bounded, and comes from where it is said to come from."""
    text = composed(data)
    for one in decoded(text):
        assert 0 <= one.start < one.end <= len(text)
        assert one.encodings
        assert one.data
    size = 0
    for view in Decoding(text, _SHARE):
        size += len(view.data)
        for at in range(0, len(view.data), 1 + len(view.data) // 50):
            if view.data[at] == 0x0A:  # may be what stands between two decoded texts, and comes from nowhere
                continue
            place = origin_of(view, at, at + 1)
            if place is None:  # a soft line break or base64 went on from one decoded text into another
                continue
            (start, end), encodings = place
            assert 0 <= start < end <= len(text)
            assert encodings
    shares = sum(int(_SHARE.of(len(line))) for line in text.split(b"\n"))
    assert size <= 200 * len(text) + 30 * shares


def scanner(data: bytes) -> None:
    """What is found stands in the text, shows in no excerpt, and does not depend on how the text was cut."""
    text = composed(data)
    seen, _ = sightings_in(text, regex_scanner(), known())
    for one in seen:
        assert 0 <= one.start < one.end <= len(text)
        assert len(one.secret) > 0
    leaks = finder().find(Batch("f", text, _by_line(text)))
    assert len(leaks) <= len(seen)
    assert bool(leaks) == bool(seen)
    shown: dict[int, set[bytes]] = {}
    for one in seen:
        shown.setdefault(text.count(b"\n", 0, one.start) + 1, set()).add(one.secret.reveal())
    for leak in leaks:
        assert leak.line is not None
        _check_excerpt(leak, shown.get(leak.line, set()))
    if not _over_lines(text, seen):
        assert _told(leaks) == _told(_read(text, 4 + len(text) % 61)) == _told(_read(text, LONGEST_TEXT))


def _over_lines(text: bytes, seen: Sequence[Sighting]) -> bool:
    """Whether lines may read otherwise together than each by itself.

    By a secret over several lines, by decoding that ran out of its budget, or by what goes on in the next line.
    """
    if any(b"\n" in text[one.start : one.end] for one in seen):
        return True
    all_views = [text, *(view.data for view in Decoding(text))]
    return sum(map(len, all_views)) > _SHARE.least or any(map(_GOES_ON.search, all_views))


def _check_excerpt(leak: Leak, secrets: Iterable[bytes]) -> None:
    assert len(leak.excerpt) <= 400
    around = _MASKS.sub("\0", leak.excerpt)
    for secret in secrets:
        if len(secret) >= 6 and secret.isascii():
            assert secret.decode() not in around


def _told(leaks: Sequence[Leak]) -> set[tuple[int | None, str]]:
    return {(leak.line, leak.fingerprint) for leak in leaks}


def _by_line(text: bytes) -> Callable[[int], RecordAt]:
    def locate(at: int) -> RecordAt:
        start, end = text.rfind(b"\n", 0, at) + 1, text.find(b"\n", at)
        line = text.count(b"\n", 0, at) + 1
        return RecordAt(start, len(text) if end < 0 else end, str(line), line=line)

    return locate


class _Leaks:
    """A sink that scans what it is given."""

    def __init__(self) -> None:
        self.found: list[Leak] = []

    def batch(self, batch: Batch, _part: int = 0) -> None:
        self.found += finder().find(batch)

    def event(self, event: object) -> None:
        raise AssertionError(event)

    def dead(self, letter: DeadLetter) -> None:
        if letter.reason != BINARY:  # which mutated bytes are
            raise AssertionError(letter)


def _read(text: bytes, size: int, now: int = NOW) -> list[Leak]:
    """The leaks of a file of text that is read in chunks of so many bytes."""
    chunks = [text[at : at + size] for at in range(0, len(text), size)]
    sink = _Leaks()
    read(
        Source("f", TEXT, len(text), raw=lambda _start, _end: iter(chunks)), 0, len(text), sink, Reading(now)
    )
    return sink.found


def differential(data: bytes) -> None:
    """The scanner finds what a plain search finds, and nothing else."""
    text = composed(data).replace(b"\x0b", b" ")
    slow, registered = plain()
    assert _spans(regex_scanner(), text) == _spans(slow, text)
    assert known().seen(text)[0] == registered.find(text)


def _spans(scanner: PatternScanner | PlainScanner, text: bytes) -> list[tuple[int, int, str]]:
    return [(match.start, match.end, match.pattern.id) for match in scanner.scan(text)]

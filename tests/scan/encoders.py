"""Every way in which a test encodes a text, as those who write logs do, and what a finding must call it."""

import base64
import gzip
import html
import json
import quopri
import random
import zlib
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

import msgspec

Encode = Callable[[bytes, random.Random], bytes]


class Encoder(msgspec.Struct, frozen=True):
    """`encode` turns text of at least `least` bytes into text that is one of the encodings `names`.

    `lines`: what it makes has line breaks; `binary`: bytes that are no text; `partly`: it leaves most lines as they
    are.
    """

    encode: Encode
    names: tuple[str, ...]
    least: int = 1
    lines: bool = False
    binary: bool = False
    partly: bool = False


def _base64(text: bytes, rng: random.Random) -> bytes:
    """At any alignment: what stands before it may be no text."""
    done = base64.b64encode(rng.choice((b"", b"\x00", b"\xff\xfe", b"bot:")) + text)
    return done if rng.random() < 0.5 else done.rstrip(b"=")


def _base64url(text: bytes, rng: random.Random) -> bytes:
    done = base64.urlsafe_b64encode(rng.choice((b"", b"\xfb", b"\xff\xff")) + text)
    return done if rng.random() < 0.5 else done.rstrip(b"=")


def _wrapped(text: bytes, rng: random.Random) -> bytes:
    done = base64.b64encode(text)
    width = rng.choice((60, 64, 76))
    between = rng.choice((b"\n", b"\r\n", b"\n    "))
    return between.join(done[at : at + width] for at in range(0, len(done), width))


def _percent(text: bytes, rng: random.Random) -> bytes:
    form = rng.choice((b"%%%02X", b"%%%02x"))
    return b"".join(form % byte for byte in text)


def _unicode(text: bytes, rng: random.Random) -> bytes:
    form = rng.choice((b"\\u%04x", b"\\u%04X", b"\\x%02x"))
    return b"".join(form % byte for byte in text)


def _html_numbers(text: bytes, rng: random.Random) -> bytes:
    form = rng.choice((b"&#%d;", b"&#x%x;", b"&#X%02X;", b"&#%03d;"))
    return b"".join(form % byte for byte in text)


def _colours(text: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(text))
    return b"\x1b[1;32m" + text[:at] + b"\x1b[0m\x1b[31m" + text[at:] + b"\x1b[0m"


def _quoted(text: bytes, rng: random.Random) -> bytes:
    del rng
    return b"".join(b"=%02X" % byte for byte in text)


def _apart(between: bytes) -> Encode:
    return lambda text, _: between.join(bytes([byte]) for byte in text)


ENCODERS: Final[dict[str, Encoder]] = {
    "base64": Encoder(_base64, ("base64", "base64url"), least=16),
    "base64url": Encoder(_base64url, ("base64", "base64url"), least=16),
    "base64 wrapped": Encoder(_wrapped, ("base64", "base64url"), least=60, lines=True),
    "base64 of gzip": Encoder(lambda text, _: base64.b64encode(gzip.compress(text)), ("gzip",)),
    "base64 of zlib": Encoder(
        lambda text, rng: base64.urlsafe_b64encode(zlib.compress(text, rng.choice((1, 6, 9)))), ("zlib",), least=10
    ),
    "base64 of UTF-16": Encoder(
        lambda text, rng: base64.b64encode(text.decode("latin-1").encode(rng.choice(("utf-16-le", "utf-16-be", "utf-16")))),
        ("utf-16",), least=12,
    ),
    "hex": Encoder(lambda text, rng: text.hex().encode() if rng.random() < 0.5 else text.hex().upper().encode(), ("hex",), least=16),
    "percent": Encoder(_percent, ("percent",)),
    "a URL's query": Encoder(lambda text, _: quote(text, safe="").encode(), ("percent",), partly=True),
    "unicode escapes": Encoder(_unicode, ("escaped",)),
    "JSON": Encoder(lambda text, _: json.dumps({"m": text.decode("latin-1")}).encode(), ("escaped",), partly=True),
    "HTML numbers": Encoder(_html_numbers, ("html",)),
    "HTML names": Encoder(lambda text, _: html.escape(text.decode("latin-1")).encode("latin-1"), ("html",), partly=True),
    "colours": Encoder(_colours, ("ansi",), partly=True),
    "quoted-printable": Encoder(_quoted, ("quoted-printable",)),
    "soft breaks": Encoder(lambda text, _: quopri.encodestring(text), ("quoted-printable",), lines=True, partly=True),
    "UTF-16": Encoder(
        lambda text, rng: text.decode("latin-1").encode(rng.choice(("utf-16-le", "utf-16-be"))), ("utf-16",), least=8, binary=True
    ),
    "blanks": Encoder(_apart(b" "), ("spaced",), least=12),
    "a character a line": Encoder(_apart(b"\n"), ("spaced",), least=12, lines=True),
    "a character a line, CR LF": Encoder(_apart(b"\r\n"), ("spaced",), least=12, lines=True),
}  # fmt: skip

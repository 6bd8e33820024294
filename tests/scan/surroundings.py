"""Where secrets turn up in logs, and how they are encoded there: functions of the text, and of a generator of chance.

Each leaves the text as a program would have written it: what quotes JSON has to escape is escaped, what a URL may not
hold is percent-encoded. `ENCODINGS` may be put into each other.
"""

import base64
import gzip
import html
import json
import quopri
import random
import string
import zlib
from collections.abc import Callable, Sequence
from typing import NamedTuple
from urllib.parse import quote

Surround = Callable[[bytes, random.Random], bytes]
STAMP = b"2026-05-01T10:00:00.123456789Z"
_WORDS = [
    "build",
    "deploy",
    "step",
    "worker",
    "cache",
    "layer",
    "ok",
    "done",
    "retry",
    "200",
    "12.5s",
    "GET",
    "/v1/items",
    "level=info",
    "user=ci",
]


def words(rng: random.Random) -> bytes:
    return " ".join(rng.choices(_WORDS, k=rng.randrange(1, 6))).encode()


def _json(text: bytes) -> bytes:
    return json.dumps(text.decode("latin-1")).encode()


def _ascii(text: bytes) -> str:
    return text.decode("latin-1")


def _id(rng: random.Random) -> bytes:
    return "".join(rng.choices(string.hexdigits.lower(), k=12)).encode()


LINES: dict[str, Surround] = {
    "alone": lambda text, _: text,
    "words": lambda text, rng: words(rng) + b" " + text + b" " + words(rng),
    "end of line": lambda text, rng: words(rng) + b": " + text,
    "start of line": lambda text, rng: text + b" " + words(rng),
    "between lines": lambda text, rng: b"\n".join((words(rng), text, words(rng), b"")),
    "carriage returns": lambda text, rng: b"\r\n".join((words(rng), words(rng) + b" " + text, words(rng))),
    "container runtime": lambda text, rng: STAMP + b" stdout F " + words(rng) + b" " + text,
    "syslog": lambda text, rng: b"<34>1 " + STAMP + b" host app 12 - - " + words(rng) + b" " + text,
    "tabs": lambda text, rng: b"\t".join((STAMP, b"INFO", text, words(rng))),
    "assignment": lambda text, rng: b"+ export VAR_" + _id(rng) + b"=" + text,
    "quoted": lambda text, rng: b"run '" + text + b"' " + words(rng),
    "back ticks": lambda text, rng: b"see `" + text + b"` " + words(rng),
    "brackets": lambda text, rng: words(rng) + b" (" + text + b") " + words(rng),
    "list": lambda text, rng: b"[" + words(rng) + b", " + text + b"]",
    "element": lambda text, rng: b"<value>" + text + b"</value> " + words(rng),
    "JSON": lambda text, rng: b'{"level":"info","msg":' + _json(text) + b',"id":"' + _id(rng) + b'"}',
    "JSON in JSON": lambda text, rng: (
        b'{"log":' + _json(b'{"v":' + _json(text) + b',"i":"' + _id(rng) + b'"}') + b"}"
    ),
    "list of Python": lambda text, rng: repr([_ascii(words(rng)), _ascii(text)]).encode("latin-1", "replace"),
    "query": lambda text, rng: b"GET /cb?x=" + _id(rng) + b"&v=" + quote(text, safe="").encode() + b"&y=1",
    "password of a URL": lambda text, rng: (
        b"git clone https://ci:" + quote(text, safe="").encode() + b"@git.acme.test/" + _id(rng)
    ),
    "coloured": lambda text, rng: b"\x1b[2m" + words(rng) + b"\x1b[0m \x1b[1;32m" + text + b"\x1b[0m",
    "long line": lambda text, rng: (
        words(rng) * rng.randrange(30, 900) + b" " + text + b" " + words(rng) * rng.randrange(30)
    ),
}
# Of the three levels that are decoded: those of a line by itself, and of an encoding that has more than one.
_LEVELS = {
    "JSON": 1,
    "JSON in JSON": 2,
    "list of Python": 1,
    "query": 1,
    "password of a URL": 1,
    "coloured": 1,
}
_LEVELS |= {"percent twice": 2, "unicode twice": 2}
_MOST_LEVELS = 3
ENCODINGS: dict[str, Surround] = {
    "base64": lambda text, rng: base64.b64encode(rng.choice((b"", b": ", b"u: ", b"=")) + text),
    "base64url": lambda text, rng: base64.urlsafe_b64encode(
        rng.choice((b"", b"\n", b" (", b"k: ")) + text
    ).rstrip(b"="),
    "wrapped base64": lambda text, _: base64.encodebytes(text),
    "Basic": lambda text, _: b"Basic " + base64.b64encode(b"bot:" + text),
    "hex": lambda text, _: text.hex().encode(),
    "HEX": lambda text, _: text.hex().upper().encode(),
    "form": lambda text, _: quote(text, safe="").encode(),
    "percent": lambda text, _: b"".join(b"%%%02X" % byte for byte in text),
    "percent twice": lambda text, _: quote(quote(text, safe=""), safe="").encode(),
    "JSON text": lambda text, _: _json(text),
    "unicode": lambda text, _: b"".join(b"\\u%04x" % byte for byte in text),
    "unicode twice": lambda text, _: b"".join(b"\\\\u%04x" % byte for byte in text),
    "HTML": lambda text, _: html.escape(_ascii(text)).encode("latin-1"),
    "HTML numbers": lambda text, _: b"".join(b"&#%d;" % byte for byte in text),
    "quoted-printable": lambda text, _: quopri.encodestring(text, quotetabs=True),
    "gzip": lambda text, _: base64.b64encode(gzip.compress(text, mtime=0)),
    "zlib": lambda text, _: base64.b64encode(zlib.compress(text)),
    "UTF-16": lambda text, _: base64.b64encode(_ascii(text).encode("utf-16-le")),
    "colours inside": lambda text, rng: (
        text[: (at := rng.randrange(len(text)))] + b"\x1b[31m" + text[at:] + b"\x1b[0m"
    ),
}


class Surrounded(NamedTuple):
    """A text as it stands in a log: the lines, and the names of what is around it and of its encoding, if any."""

    data: bytes
    line: str
    encoding: str | None


def surrounded(text: bytes, rng: random.Random, encodings: Sequence[str | None]) -> Surrounded:
    """The text somewhere, in one of the encodings (None: as it is), no deeper than is decoded."""
    encoding = rng.choice(encodings)
    levels = 0 if encoding is None else _LEVELS.get(encoding, 1)
    line = rng.choice([line for line in LINES if levels + _LEVELS.get(line, 0) <= _MOST_LEVELS])
    encoded = text if encoding is None else ENCODINGS[encoding](text, rng)
    return Surrounded(LINES[line](encoded, rng), line, encoding)

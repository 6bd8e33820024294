"""A scanner that is slow and plain: Python's `re` over each line, each check as its sentence in the documents says it.

It shares nothing with the scanner under test but the patterns as their files have them, the forms of references and
the type of a match: no prefilter, no windows, no pieces, no memory of what was refused. Tests hold the fast path to
it in both directions. Python counts the vertical tab as white space and RE2 does not: tests leave that one byte out.
"""

import base64
import binascii
import fnmatch
import json
import math
import re
import string
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeGuard

from detector.patterns.pattern import Pattern
from detector.patterns.value_refusals import is_refused
from detector.scan.known_forms import Disguise
from detector.scan.scanner import Match
from detector.values.events import Identifier
from detector.values.secrets import Secret

LONGEST_MATCH = 16 << 10
REACH = 4 << 10
_PROOFS = {
    "github-crc32",
    "npm-crc32",
    "gitlab-crc32",
    "grafana-crc32",
    "jsr-crc32",
    "packagist-crc32",
    "pypi-macaroon",
    "jwt",
}
_BASE62 = (string.digits + string.ascii_uppercase + string.ascii_lowercase).encode()


class PlainPattern:
    """One pattern, searched for in each line."""

    def __init__(self, pattern: Pattern) -> None:
        self.pattern = pattern
        self._regex = re.compile(b"(?m:" + pattern.regex.encode() + b")")
        self._keywords = [word.encode() for word in pattern.keywords]

    def spans(self, data: bytes, lowered: bytes | None = None) -> list[tuple[int, int]]:
        """Where its secrets stand. `lowered` is the text in lower case, made once for all patterns."""
        lowered = data.lower() if lowered is None else lowered
        if not self._named(lowered):
            return []  # then no line is
        found: list[tuple[int, int]] = []
        for low, high in [(0, len(data))] if self.pattern.multiline else self._lines(lowered):
            for match in self._regex.finditer(data[low:high]):
                start, end = (low + at for at in match.span())
                secret = match["secret"]
                if not secret or end - start > LONGEST_MATCH:
                    continue
                line = _line_around(data, start, end)
                if self._named(line.lower()) and self._stands(secret, match[0], line):
                    found.append((low + match.start("secret"), low + match.end("secret")))
        return found

    def _named(self, lowered: bytes) -> bool:
        return not self._keywords or any(word in lowered for word in self._keywords)

    def _lines(self, lowered: bytes) -> list[tuple[int, int]]:
        """The lines that have one of its keywords; all lines if it has none."""
        found = set[tuple[int, int]]()
        for word in self._keywords or [b""]:
            at = lowered.find(word)
            while at >= 0:
                start, end = lowered.rfind(b"\n", 0, at) + 1, lowered.find(b"\n", at)
                found.add((start, len(lowered) if end < 0 else end))
                at = -1 if end < 0 else lowered.find(word, end + 1)
        return sorted(found)

    def _stands(self, secret: bytes, match: bytes, line: bytes) -> bool:
        if not self.pattern.placeholder_ok and is_placeholder(secret):
            return False
        texts = {"secret": secret, "match": match, "line": line}
        return all(_passes(check.kind, check.parameters, texts) for check in self.pattern.checks)


class PlainScanner:
    """All patterns; answers as `detector.scan.scanner.PatternScanner`."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = [PlainPattern(pattern) for pattern in patterns]

    def scan(self, data: bytes, *, generic: bool = True) -> list[Match]:
        """The secrets in `data`, left to right, of those that overlap the best."""
        candidates, lowered = [], data.lower()
        for order, plain in enumerate(self._patterns):
            pattern = plain.pattern
            if pattern.generic and not generic:
                continue
            proven = any(check.kind in _PROOFS for check in pattern.checks)
            for start, end in plain.spans(data, lowered):
                rank = (pattern.generic, not proven, start - end, order, start)
                candidates.append((rank, Match(start, end, pattern, Secret(data[start:end]))))
        taken: list[Match] = []
        for _, match in sorted(candidates, key=lambda candidate: candidate[0]):
            if all(match.end <= other.start or other.end <= match.start for other in taken):
                taken.append(match)
        return sorted(taken, key=lambda match: match.start)


class PlainKnown:
    """Registered secrets, looked for as they are; answers as `detector.scan.known_credentials.KnownIndex`.

    `identifiers` are all that are registered of them, with length and check.
    """

    version = 1

    def __init__(self, secrets: Sequence[bytes], identifiers: Sequence[Identifier]) -> None:
        self._secrets = secrets
        self._registered = {(one.scheme, one.value) for one in identifiers}

    def registered(self, identifier: Identifier) -> bool:
        """Whether it is one of them."""
        return (identifier.scheme, identifier.value) in self._registered

    def seen(self, data: bytes) -> tuple[list[tuple[int, int]], list[Disguise]]:
        """Those of `find`, and none in other forms: these have tests of their own, in `test_known_forms`."""
        return self.find(data), []

    def find(self, data: bytes) -> list[tuple[int, int]]:
        """Where they stand, of each none that overlaps another of it."""
        found = set()
        for secret in self._secrets:
            after = 0
            at = data.find(secret)
            while at >= 0:
                end = at + len(secret)
                if at >= after:
                    found.add((at, end))
                    after = end
                at = data.find(secret, at + 1)
        return sorted(found)


def _line_around(data: bytes, start: int, end: int) -> bytes:
    before = data[max(0, start - REACH) : start].split(b"\n")[-1]
    return before + data[start:end] + data[end : end + REACH].split(b"\n")[0]


def _min_entropy(secret: bytes, *, bits: float) -> bool:
    size = len(secret)
    return -sum(n / size * math.log2(n / size) for n in Counter(secret).values()) >= bits


def _charset_mix(secret: bytes, **least: int) -> bool:
    sets = {"digits": string.digits, "upper": string.ascii_uppercase, "lower": string.ascii_lowercase}
    return all(sum(chr(byte) in sets[name] for byte in secret) >= n for name, n in least.items())


def _not_hash(secret: bytes) -> bool:
    return not (len(secret) in {32, 40, 56, 64, 96, 128} and re.fullmatch(rb"[0-9a-fA-F]+", secret))


def _not_uuid(secret: bytes) -> bool:
    return not re.fullmatch(rb"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", secret)


def _length(secret: bytes, *, min: int = 0, max: int = 1 << 30) -> bool:  # noqa: A002 - as the files call them
    return min <= len(secret) <= max


def _crc32(secret: bytes) -> bool:
    body = secret.split(b"_", 1)[1]
    return len(body) == 36 and binascii.crc32(body[:30]) == _base62(body[30:])


def _jsr(secret: bytes) -> bool:
    return binascii.crc32(secret[:-6]) == _base62(secret[-6:])


def _base62(digits: bytes) -> int:
    value = 0
    for digit in digits:
        value = value * 62 + _BASE62.index(digit)
    return value


def _gitlab(secret: bytes) -> bool:
    payload = secret.split(b".")[0].split(b"-", 1)[1]
    return int(secret[-9:-7], 36) == len(payload) and int(secret[-7:], 36) == binascii.crc32(secret[:-7])


def _grafana(secret: bytes) -> bool:
    return bytes.fromhex(secret[-8:].decode())[::-1] == binascii.crc32(secret[:-9]).to_bytes(4, "big")


def _packagist(secret: bytes) -> bool:
    return int(secret[-8:], 16) == binascii.crc32(secret[:-8])


def _base64(
    secret: bytes,
    *,
    strip: str = "",
    min_bytes: int = 0,
    bytes: int | None = None,  # noqa: A002 - as they call it
    json_key: str = "",
) -> bool:
    raw = _decoded(secret.removeprefix(strip.encode()))
    if raw is None or len(raw) < min_bytes or (bytes is not None and len(raw) != bytes):
        return False
    held = _json(raw) if json_key else {"": None}
    return isinstance(held, dict) and json_key in held


def _macaroon(secret: bytes) -> bool:
    return _is_index_macaroon(_decoded(secret.split(b"-", 1)[1]))


def _jwt(
    secret: bytes, *, iss: str | None = None, sub: str | None = None, claims: Sequence[str] = ()
) -> bool:
    parts = secret.split(b".")
    if len(parts) != 3:
        return False
    header, said = (None if (raw := _decoded(part)) is None else _json(raw) for part in parts[:2])
    if not isinstance(header, dict) or not _is_text(header.get("alg")) or not isinstance(said, dict):
        return False
    for name, glob in (("iss", iss), ("sub", sub)):
        held = said.get(name)
        if glob is not None and not (_is_text(held) and fnmatch.fnmatchcase(held, glob)):
            return False
    return set(claims) <= set(said)


def _is_text(value: object) -> TypeGuard[str]:
    """Whether it is a string, and of UTF-8."""
    return isinstance(value, str) and not any("\ud800" <= char <= "\udfff" for char in value)


_OF_SECRET: dict[str, Callable[..., bool]] = {
    "min-entropy": _min_entropy,
    "charset-mix": _charset_mix,
    "not-reference": lambda secret: len(secret) > 512 or not is_refused(secret),
    "not-hash": _not_hash,
    "not-uuid": _not_uuid,
    "length": _length,
    "github-crc32": _crc32,
    "npm-crc32": _crc32,
    "gitlab-crc32": _gitlab,
    "grafana-crc32": _grafana,
    "jsr-crc32": _jsr,
    "packagist-crc32": _packagist,
    "base64": _base64,
    "pypi-macaroon": _macaroon,
    "jwt": _jwt,
}


def _passes(kind: str, wanted: Mapping[str, Any], texts: Mapping[str, bytes]) -> bool:
    text = texts[wanted.get("target", "secret")]
    if kind == "not-words":
        return not any(word.lower().encode() in text.lower() for word in wanted["words"])
    if kind == "not-regex":
        return not any(re.search(regex.encode(), text) for regex in wanted["regexes"])
    return _OF_SECRET[kind](texts["secret"], **wanted)


def _decoded(text: bytes) -> bytes | None:
    """Base64 of either alphabet, its padding there or not."""
    body = text.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    try:
        return base64.b64decode(body + b"=" * (-len(body) % 4), validate=True)
    except binascii.Error:
        return None


def _json(raw: bytes) -> Any:
    """Claims that nobody looks at may hold any bytes; their names may not."""
    try:
        read = json.loads(raw.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        return None
    return read if not isinstance(read, dict) or all(map(_is_text, read)) else None


def _is_index_macaroon(raw: bytes | None) -> bool:
    """Version, then location (1) and identifier (2), each with its length, which here is less than 128 bytes."""
    for names in (("pypi", "org"), ("test", "pypi", "org")):
        host = ".".join(names).encode()
        begun = b"\x02\x01" + bytes([len(host)]) + host + b"\x02"
        if raw is not None and raw.startswith(begun):
            length = raw[len(begun)] if len(raw) > len(begun) else 0
            at = len(begun) + 1
            if length > 0x7F and len(raw) > at:
                length, at = length & 0x7F | raw[at] << 7, at + 1
            return 0 < length <= len(raw) - at
    return False


# What only stands where a secret would, in the words of the patterns' documents.
_WORDS = """example placeholder changeme change_me change-me changeit redacted replaceme replace_me replace-me your_token
your-token yourtoken your_api your-api yourapi your_secret your-secret yoursecret your_password your-password yourpassword
your_key your-key foobar deadbeef notasecret not_a_secret eyjzdwiioiixmjm0nty3odkwiiwibmftzsi6ikpvag4grg9lI""".lower().split()
_MARKS = ("****", "....", "####", "…", "•••", "‹", "${", "{{", "$(", "<%", "%(")
_WRAPS = (("<", ">"), ("[", "]"), ("{", "}"), ("%", "%"), ("__", "__"))


def is_placeholder(secret: bytes) -> bool:
    """Whether it is a mask, a template, a word of documentation, a variable's name or a sequence."""
    lowered = secret.lower()
    if any(text.encode() in lowered for text in (*_WORDS, *_MARKS)) or _is_slot(secret):
        return True
    if len(secret) > 256:
        return False
    return (len(secret) > 3 and len(set(secret)) <= 3) or _is_sequence(secret)


def _is_slot(secret: bytes) -> bool:
    if len(secret) > 64:
        return False
    wrapped = any(
        secret.startswith(opening.encode())
        and secret.endswith(closing.encode())
        and len(secret) > len(opening) + len(closing)
        for opening, closing in _WRAPS
    )
    return wrapped or re.fullmatch(rb"\$[A-Za-z_][A-Za-z0-9_]*", secret) is not None


def _is_sequence(secret: bytes) -> bool:
    """A run of eight, or runs that are half of it; one of letters, of digits or of one character must be among them."""
    runs = [run for run in _runs(secret.lower()) if len(run) >= 4]
    fours = [run[at : at + 4] for run in runs for at in range(len(run) - 3)]
    if not any(
        four.isalpha() or four.isdigit() or (len(set(four)) == 1 and 0x20 <= four[0] < 0x7F) for four in fours
    ):
        return False
    crossed = b"xxxx" in secret or b"XXXX" in secret
    return crossed or max(map(len, runs)) >= 8 or 2 * sum(map(len, runs)) >= len(secret) > 8


def _runs(text: bytes) -> Iterator[bytes]:
    """Maximal stretches in which each byte is the one before, or one more, or one less, all along."""
    start = 0
    while start < len(text) - 1:
        step = text[start + 1] - text[start]
        end = start + 1
        while end + 1 < len(text) and text[end + 1] - text[end] == step:
            end += 1
        if step in (-1, 0, 1):
            yield text[start : end + 1]
        start = end

"""Strings that a pattern matches, from its regex alone: a walk through the parsed expression takes a way at random.

What a regex cannot say is made as the vendor makes it (`_MAKERS`): checksums, macaroons, tokens signed over claims.
Nothing of the scanner under test is used, only the pattern as its file has it; `tests.scan.plain_scan` says whether
what was made is a match.
"""

import base64
import binascii
import json
import random
import string
import struct
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any, NamedTuple

from detector.patterns.pattern import Pattern
from tests.scan.plain_scan import PlainPattern

# Python's parser of expressions has no public name any more; what it gives is described beside its constants.
_parse: Callable[..., Any] = import_module("re._parser").parse
_op: Any = import_module("re._constants")
_IGNORECASE = 2

_PRINTABLE = frozenset(range(0x21, 0x7F))
_LIKELY = frozenset((string.ascii_letters + string.digits + "+/").encode())
_WIDE = 20  # characters of a class that is the body of something
_CATEGORIES = {
    _op.CATEGORY_DIGIT: frozenset(b"0123456789"),
    _op.CATEGORY_WORD: frozenset((string.ascii_letters + string.digits + "_").encode()),
    _op.CATEGORY_SPACE: frozenset(b" \t\n"),
}
_TRIES = 400


class Made(NamedTuple):
    """Text that a pattern matches; its secret is text[start:end]."""

    text: bytes
    start: int
    end: int

    @property
    def secret(self) -> bytes:
        return self.text[self.start : self.end]


class _Walk:
    def __init__(self, rng: random.Random, *, lines: bool) -> None:
        self._rng = rng
        self._lines = lines
        self._out = bytearray()
        self._start = self._end = 0

    def made(self, parsed: Any, secret_group: int) -> Made:
        self._group = secret_group
        self._sequence(parsed, 0)
        return Made(bytes(self._out), self._start, self._end)

    def _sequence(self, items: Any, flags: int) -> None:
        for op, argument in items:
            self._one(op, argument, flags)

    def _one(self, op: Any, argument: Any, flags: int) -> None:
        if op is _op.LITERAL:
            char = chr(argument)
            either = flags & _IGNORECASE and self._rng.random() < 0.5
            self._out += (char.swapcase() if either else char).encode("latin-1")
        elif op in {_op.NOT_LITERAL, _op.IN, _op.ANY}:
            self._out.append(self._member(op, argument))
        elif op is _op.BRANCH:
            wide = [way for way in argument[1] if len(way) == 1 and _is_wide(way)]
            # What stands between is seldom: `-{1,4}[^-]` in the body of a key.
            self._sequence(
                self._rng.choice(wide if wide and self._rng.random() < 0.98 else argument[1]), flags
            )
        elif op is _op.SUBPATTERN:
            group, added, removed, inside = argument
            before = len(self._out)
            self._sequence(inside, (flags | added) & ~removed)
            if group == self._group:
                self._start, self._end = before, len(self._out)
        elif op in {_op.MAX_REPEAT, _op.MIN_REPEAT}:
            least, most, inside = argument
            for _ in range(self._times(least, most, wide=_is_wide(inside))):
                self._sequence(inside, flags)
        else:
            assert op is _op.AT, op  # whether it holds, the match tells

    def _times(self, least: int, most: Any, *, wide: bool) -> int:
        rng = self._rng
        if most is _op.MAXREPEAT or most > 10_000:
            return least + (rng.randrange(80, 300) if wide else rng.randrange(3))
        more = most - least
        match rng.randrange(6):
            case 0 | 1:
                return int(least)
            case 2 if more <= 64:
                return int(most)
            case _:
                return int(least + rng.randint(0, min(more, 24)))

    def _member(self, op: Any, argument: Any) -> int:
        allowed = _members(op, argument)
        if self._lines and 0x0A in allowed and len(allowed) > 200 and self._rng.random() < 0.02:
            return 0x0A
        printable = allowed & _PRINTABLE
        # Of nearly everything what a secret is likely made of: else a body would hold what ends the line around it.
        likely = printable & _LIKELY if len(allowed) > 100 and self._rng.random() < 0.9 else printable
        return self._rng.choice(sorted(likely or printable or allowed))


def _members(op: Any, argument: Any) -> frozenset[int]:
    if op is _op.ANY:
        return frozenset(range(256)) - {0x0A}
    if op is _op.NOT_LITERAL:
        return frozenset(range(256)) - {argument}
    found: set[int] = set()
    negated = False
    for kind, value in argument:
        if kind is _op.NEGATE:
            negated = True
        elif kind is _op.LITERAL:
            found.add(value)
        elif kind is _op.RANGE:
            found.update(range(value[0], value[1] + 1))
        else:
            assert kind is _op.CATEGORY, kind
            found |= _CATEGORIES[value]
    return frozenset(range(256)) - found if negated else frozenset(found)


def _is_wide(items: Any) -> bool:
    for op, argument in items:
        if op in {_op.NOT_LITERAL, _op.IN, _op.ANY} and len(_members(op, argument) & _PRINTABLE) >= _WIDE:
            return True
        if op is _op.BRANCH and any(map(_is_wide, argument[1])):
            return True
        if op is _op.SUBPATTERN and _is_wide(argument[3]):
            return True
    return False


def _digits(rng: random.Random, alphabet: str, count: int) -> str:
    return "".join(rng.choices(alphabet, k=count))


def _number(value: int, alphabet: str, width: int) -> str:
    digits = ""
    for _ in range(width):
        value, digit = divmod(value, len(alphabet))
        digits = alphabet[digit] + digits
    return digits


_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_BASE36 = string.digits + string.ascii_lowercase


def _crc_base62(rng: random.Random, secret: bytes, _check: Any) -> bytes:
    body = _digits(rng, _BASE62, 30)
    prefix = secret.partition(b"_")[0] + b"_"
    return prefix + (body + _number(binascii.crc32(body.encode()), _BASE62, 6)).encode()


def _grafana(_rng: random.Random, secret: bytes, _check: Any) -> bytes:
    body = secret.rpartition(b"_")[0]
    return body + b"_" + struct.pack("<I", binascii.crc32(body)).hex().encode()


def _jsr(_rng: random.Random, secret: bytes, _check: Any) -> bytes:
    return secret[:-6] + _number(binascii.crc32(secret[:-6]), _BASE62, 6).encode()


def _packagist(_rng: random.Random, secret: bytes, _check: Any) -> bytes:
    return secret[:-8] + binascii.crc32(secret[:-8]).to_bytes(4, "big").hex().encode()


def _gitlab(rng: random.Random, secret: bytes, _check: Any) -> bytes:
    payload = _digits(rng, string.ascii_letters + string.digits + "_-", rng.randrange(27, 60))
    version = rng.choice(("", ".01"))
    begun = f"{secret.partition(b'-')[0].decode()}-{payload}{version}.{_number(len(payload), _BASE36, 2)}"
    return (begun + _number(binascii.crc32(begun.encode()), _BASE36, 7)).encode()


def _macaroon(rng: random.Random, secret: bytes, _check: Any) -> bytes:
    names = ("test", "pypi", "org") if secret.startswith(b"pypi-AgEN") else ("pypi", "org")

    def packet(kind: int, data: bytes) -> bytes:
        return bytes((kind, len(data))) + data

    raw = b"\x02" + packet(1, ".".join(names).encode()) + packet(2, rng.randbytes(36)) + b"\0"
    raw += packet(2, b'{"version": 1}') + b"\0\0" + packet(6, rng.randbytes(32))
    return b"pypi-" + base64.urlsafe_b64encode(raw).rstrip(b"=")


def _jwt(rng: random.Random, _secret: bytes, check: Any) -> bytes:
    def text() -> str:
        return _digits(rng, _BASE36, rng.randrange(6, 30))

    wanted = check.parameters
    claims: dict[str, Any] = {name: text() for name in wanted.get("claims", ())}
    claims |= {name: wanted[name].replace("*", text()) for name in ("iss", "sub") if name in wanted}
    claims |= {"jti": text(), "exp": rng.randrange(10**9, 2 * 10**9)}
    if "kubernetes.io" in claims:
        claims["kubernetes.io"] = {"namespace": text(), "pod": {"name": text()}}
    header = {"alg": rng.choice(("RS256", "ES256", "HS256")), "typ": "JWT", "kid": text()}
    parts = [json.dumps(part, separators=(",", ":")).encode() for part in (header, claims)]
    parts.append(rng.randbytes(rng.choice((32, 64, 256))))
    return b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)


def _json_in_base64(rng: random.Random, _secret: bytes, check: Any) -> bytes:
    value = {"k": _digits(rng, _BASE62, 40), "n": _digits(rng, _BASE36, 9), "id": rng.randrange(1, 10**6)}
    strip: str = check.parameters.get("strip", "")
    return strip.encode() + base64.b64encode(json.dumps(value, separators=(",", ":")).encode())


def _base64(rng: random.Random, secret: bytes, check: Any) -> bytes:
    if "json_key" in check.parameters:
        return _json_in_base64(rng, secret, check)
    return secret


_MAKERS: dict[str, Callable[[random.Random, bytes, Any], bytes]] = {
    "github-crc32": _crc_base62,
    "npm-crc32": _crc_base62,
    "gitlab-crc32": _gitlab,
    "grafana-crc32": _grafana,
    "jsr-crc32": _jsr,
    "packagist-crc32": _packagist,
    "pypi-macaroon": _macaroon,
    "jwt": _jwt,
    "base64": _base64,
}


class Generator:
    """Makes what one pattern matches."""

    def __init__(self, pattern: Pattern) -> None:
        self.pattern = pattern
        self._plain = PlainPattern(pattern)
        parsed = _parse(f"(?m:{pattern.regex})")
        self._parsed = parsed
        self._group = parsed.state.groupdict["secret"]
        self._makers = [(_MAKERS[check.kind], check) for check in pattern.checks if check.kind in _MAKERS]

    def make(self, rng: random.Random) -> Made:
        """Something that the pattern matches by itself, its checks included."""
        for _ in range(_TRIES):
            made = _Walk(rng, lines=self.pattern.multiline).made(self._parsed, self._group)
            secret = made.secret
            for maker, check in self._makers:
                secret = maker(rng, secret, check)
            text = made.text[: made.start] + secret + made.text[made.end :]
            named = (
                b"" if _named(self.pattern, text) else rng.choice(self.pattern.keywords).encode() + b" "
            )  # some want a word somewhere on the line, beside what the regex says
            start = len(named) + made.start
            text, made = named + text, Made(named + text, start, start + len(secret))
            if any((made.start, made.end) == span for span in self._plain.spans(text)):
                return made
        raise AssertionError(f"{self.pattern.id}: nothing that it matches came of {_TRIES} tries")

    def as_written(self, made: Made) -> bytes:
        """What has to stand somewhere for the secret to be seen: it alone, or with the name that tells it."""
        if self._plain.spans(made.secret) == [(0, len(made.secret))]:
            return made.secret
        anywhere = self._plain.spans(b"(" + made.text) == [(made.start + 1, made.end + 1)]
        return made.text if anywhere else b" " + made.text


def _named(pattern: Pattern, text: bytes) -> bool:
    lowered = text.lower()
    return not pattern.keywords or any(word.encode() in lowered for word in pattern.keywords)


def makings(generators: Sequence[Generator], rng: random.Random) -> Iterator[tuple[Pattern, Made]]:
    """Without end: a pattern at random, and what it matches."""
    while True:
        chosen = rng.choice(generators)
        yield chosen.pattern, chosen.make(rng)

"""Text made to be slow: what looks like each pattern's secrets, wall to wall, and horrors of a general kind."""

import base64
import gzip
import random
import string
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from detector.patterns.pattern import Pattern
from detector.patterns.regexes import Regex

_HEX: Final = frozenset("0123456789abcdef")
_A_LINE: Final = 8  # look-alikes
_DEEP: Final = 12
_WORD: Final = "EXAMPLE"
REGISTERED: Final = "Zq7wK2mV9xB4nT6rY1cP3sD8fG5hJ0kL7aQ2eR4u"  # made up, and registered by the benchmark
_DUMP: Final = 10_000  # secrets in a megabyte
_XORED: Final = base64.b64encode(bytes(byte ^ 0x55 for byte in b"token=ghp_0123456789abcdefghij " * 8))


def look_alikes(pattern: Pattern, size: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Kinds of text of `size` bytes that are full of what is, or nearly is, a secret of this pattern."""
    if not pattern.examples:
        return
    example = pattern.examples[0].encode()
    regex = Regex(pattern.regex, multiline=pattern.multiline)
    found = next(regex.matches(example, 0, len(example)), None)
    if found is None:
        return
    start, end = found[1]
    secret = example[start:end].decode("latin-1")
    count = size // (len(example) + 1) + 1
    others = _others(secret, count, random.Random(f"{seed} {pattern.id}"))

    def text(secrets: Iterable[str]) -> bytes:
        return _packed([example[:start] + one.encode("latin-1") + example[end:] for one in secrets], size)

    yield "the same", text([secret] * count)
    yield "all different", text(others)
    yield "one short", text(one[:-1] for one in others)
    yield "a wrong character", text(one[:-1] + "!" for one in others)
    yield "placeholders", text(map(_placeholder, others))
    if pattern.near_misses:
        yield "its near-misses", _packed([miss.encode() for miss in pattern.near_misses], size)


def _packed(ones: Sequence[bytes], size: int) -> bytes:
    """They, over and over, a few to a line; each with lines of its own in lines of its own."""
    row = b"".join(
        one + (b"\n" if b"\n" in one or at % _A_LINE == 0 else b" ") for at, one in enumerate(ones, 1)
    )
    text = row * (size // len(row) + 1)
    return text[: text.find(b"\n", size - 1) + 1 or len(text)]


def _others(secret: str, count: int, rng: random.Random) -> list[str]:
    """The secret with so many other ends: each character of its second half is one of its kind."""
    half = len(secret) // 2
    lower = "abcdef" if _HEX.issuperset(secret[half:]) else string.ascii_lowercase
    kinds = (string.digits, lower, string.ascii_uppercase)
    columns = [
        rng.choices(next((kind for kind in kinds if char in kind), char), k=count) for char in secret[half:]
    ]
    return [secret[:half] + "".join(end) for end in zip(*columns, strict=True)]


def _placeholder(secret: str) -> str:
    if len(secret) < 2 * len(_WORD):
        return "x" * len(secret)
    word = _WORD if any(char.isupper() for char in secret) else _WORD.lower()
    return secret[: -len(word)] + word


def _base64_thrice(data: bytes) -> bytes:
    return base64.b64encode(base64.b64encode(base64.b64encode(data)))


def horrors(size: int, seed: int) -> Mapping[str, Callable[[], bytes]]:
    """Texts of about `size` bytes by name, made when they are asked for."""
    rng = random.Random(seed)

    def line(text: bytes) -> bytes:
        return (text * (size // len(text) + 1))[:size] + b"\n"

    def lines(text: bytes, width: int = 200) -> bytes:
        row = (text * (width // len(text) + 1))[:width] + b"\n"
        return row * (size // len(row))

    def token() -> bytes:
        return f"hf_{''.join(rng.choices(string.ascii_letters, k=34))}\n".encode()

    def tokens() -> bytes:
        return b"".join(token() for _ in range(size // 38))

    def base64_lines() -> bytes:
        text = ("user=alice action=login result=ok path=/a/b/c " * (size // 46)).encode()
        return b"\n".join(
            base64.b64encode(text[at : at + 57]) for at in range(0, len(text) * 3 // 4 // 57 * 57, 57)
        )

    def bombs() -> bytes:
        packed = gzip.compress(b"A" * (1 << 20))
        one = base64.b64encode(gzip.compress(base64.b64encode(packed))) + b"\n"
        return one * (size // len(one))

    def json_bombs() -> bytes:
        deep = b"[" * 2000 + b"]" * 2000
        one = b'{"message": ' + deep + b"}\n"
        return one * (size // len(one))

    def escapes() -> bytes:
        one = b"\\" * 2**_DEEP + b"u0041\n"
        return one * (size // len(one))

    return {
        "one line of words": lambda: line(b"the quick brown fox jumps over "),
        "one line, all `A`": lambda: line(b"A"),
        "lines of `A`": lambda: lines(b"A"),
        "one line of base64 of noise": lambda: base64.b64encode(rng.randbytes(size * 3 // 4)) + b"\n",
        "base64 of log text, wrapped": base64_lines,
        "one line of hex": lambda: rng.randbytes(size // 2).hex().encode() + b"\n",
        "lines of `%25`": lambda: lines(b"%25"),
        "lines of `%41`": lambda: lines(b"%41"),
        "lines of `\\u0041`": lambda: lines(rb"\u0041"),
        "lines of `&#65;`": lambda: lines(b"&#65;"),
        "lines of `=41`": lambda: lines(b"=41"),
        "ever deeper `\\`": escapes,
        "gzip in base64 in gzip in base64": bombs,
        "JSON 2,000 deep": json_bombs,
        "NULs": lambda: line(b"\0"),
        "UTF-16": lambda: "the quick brown fox ".encode("utf-16-le") * (size // 40),
        "noise": lambda: rng.randbytes(size),
        "invalid UTF-8": lambda: lines(b"\xff\xfe\xc0\x80"),
        "empty lines": lambda: b"\n" * size,
        "lines of 1 byte": lambda: b"a\n" * (size // 2),
        "lines of 4 bytes that look like a time": lambda: b"2026\n" * (size // 5),
        "backspaces": lambda: lines(b"a\b"),
        "titles of a terminal": lambda: lines(b"\x1b]0;a\x07"),
        "titles never ended": lambda: lines(b"\x1b]0;"),
        "colours": lambda: lines(b"\x1b[31ma\x1b[0m"),
        "characters apart": lambda: lines(b"a b c d e f g "),
        "one character a line": lambda: b"".join(
            b"%c\n" % byte for byte in rng.choices(range(97, 123), k=size // 2)
        ),
        "delimiters": lambda: lines(b"!=;:,/"),
        "`postgres:postgres`": lambda: lines(b"postgres://postgres:postgres@localhost/a "),
        "`AKIA` all over": lambda: lines(b"AKIA"),
        "`-----BEGIN PRIVATE KEY-----` never ended": lambda: lines(b"-----BEGIN PRIVATE KEY-----\n", 28),
        "keys in escaped lines, never ended": lambda: lines(b"-----BEGIN PRIVATE KEY-----\\nMIIE\\n", 8000),
        "one line of decimal digits": lambda: "".join(rng.choices(string.digits, k=size)).encode() + b"\n",
        "XORed text in base64": lambda: lines(_XORED, len(_XORED)),
        "base64 of noise, three times": lambda: _base64_thrice(rng.randbytes(size * 27 // 64)) + b"\n",
        "lines of `%2525252541`": lambda: lines(b"%2525252541", 4000),
        "names with a quote never closed": lambda: lines(b'password="', 4000),
        "names without values": lambda: b"password: \n" * (size // 11),
        "full-width names": lambda: lines("ｔｏｋｅｎ＝".encode(), 4000),  # noqa: RUF001 - these are meant
        "two tokens in turn": lambda: (token() + token()) * (size // 76),
        "one token again and again, in long lines": lambda: lines(token()[:-1] + b" ", 1 << 16),
        "one token again and again": lambda: token() * (size // 38),
        "valid tokens, all different": tokens,
    }


def with_registered(size: int, seed: int) -> Mapping[str, Callable[[], bytes]]:
    """Texts of about `size` bytes that show `REGISTERED`, by name."""
    rng = random.Random(seed)
    credential = f"{REGISTERED}\n".encode()

    def dump() -> bytes:
        made: list[bytes] = []
        for _ in range(max(1, size // 1_000_000)):
            tokens = [f"hf_{''.join(rng.choices(string.ascii_letters, k=34))}\n" for _ in range(_DUMP)]
            made += [f"{'.' * 62}{token}".encode() for token in tokens]
            made.insert(-_DUMP // 2, credential)
        return b"".join(made)

    return {
        "10,000 different tokens a megabyte, a registered one in their midst": dump,
        "one registered token again and again": lambda: credential * (size // len(credential)),
    }

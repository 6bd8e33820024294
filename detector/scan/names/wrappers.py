"""What wraps a value behind its separator: `Some("…")`, `Bearer …`, `&anchor …`, `[]string{"…"}`. Compiled loops."""
# ruff: noqa: PLR2004 - bytes are compared with bytes
# ruff: noqa: C901, PLR0912 - a compiled parser: numba cannot see into a struct

from typing import Any, Final

from detector.jit import bare
from detector.scan.names.byte_classes import (
    BACKSLASH,
    BLANKS,
    DOUBLE,
    OPEN,
    PART,
    SINGLE,
    TABLE,
    past_blanks,
    past_part,
    past_space,
    word,
)
from detector.scan.names.value_kernel import starts

_DEPTH: Final = 3
_SCHEMES: Final = tuple(word(text) for text in (b"bearer ", b"token ", b"basic ", b"just "))
# A call or a type around the value itself, not around what it is looked up by.
_KEEPING: Final = tuple(
    word(text)
    for text in (b"some", b"ok", b"optional", b"string", b"secretstr", b"secret", b"from", b"bytes", b"byte", b"str", b"new", b"value")
)  # fmt: skip
_SIZED: Final = word(b"(string) (len=")
_NULL: Final = word(b"null -> ")
_CHANGED: Final = word(b' -> "')
_ATTRIBUTE: Final = word(b'{"s":')
_ATTRIBUTE_SPACED: Final = word(b'{"s": ')


@bare
def _quote_behind(data: Any, at: int) -> bool:
    """Whether a quote, with backslashes or a letter before it, is here."""
    if at < data.size and data[at] in (64, 66, 82, 85, 98, 102, 114, 117):
        at += 1
    stop = min(data.size, at + 4)
    while at < stop and data[at] == BACKSLASH:
        at += 1
    return bool(at < data.size and TABLE[data[at]] & OPEN)


@bare
def _called(data: Any, at: int) -> int:
    """Behind the bracket of `Some("`, `String::from("`, `[]string{"`; -1 if there is none."""
    stop = min(data.size, at + BLANKS)
    end = at
    while end < stop and (TABLE[data[end]] & PART or data[end] in (58, 91, 93)):
        end += 1
    if end >= data.size or data[end] not in (40, 123) or end == at:
        return -1
    inner = past_space(data, end + 1)
    if not _quote_behind(data, inner):
        return -1
    for keeping in _KEEPING:
        start = end - keeping.size
        if (
            start >= at
            and starts(data, start, end, keeping)
            and (start == at or not TABLE[data[start - 1]] & PART)
        ):
            return inner
    return -1


@bare
def _masked_end(data: Any, at: int) -> int:
    """Where the new value begins behind a masked or empty old one, `"***" -> "value"`; -1 if there is none."""
    end = at + 1
    while end < data.size and end - at < BLANKS and data[end] == 42:
        end += 1
    if end < data.size and data[end] == DOUBLE and starts(data, end + 1, data.size, _CHANGED):
        return int(end + _CHANGED.size)
    return -1


@bare
def unwrapped(data: Any, at: int) -> int:
    """Where the value begins that may be wrapped at `at`."""
    size = data.size
    for _ in range(_DEPTH):
        at = past_blanks(data, at)
        if at >= size:
            return at
        start = at
        for scheme in _SCHEMES:
            if starts(data, at, size, scheme):
                at += scheme.size
                break
        byte = data[at] if at < size else 0
        if at > start:
            continue
        if byte == 38 or (byte == 33 and at + 1 < size and data[at + 1] == 33):  # &anchor, !!str
            end = past_part(data, at + 1 + (byte == 33))
            if end > at + 1 and end < size and data[end] == 32:
                at = end
        elif byte == 91 and _quote_behind(data, past_space(data, at + 1)):  # ["value"]
            at = past_space(data, at + 1)
        elif (
            byte == 60 and at + 2 < size and data[at + 1] == 60 and data[at + 2] == DOUBLE
        ):  # <<"value">> of Erlang
            at += 2
        elif byte == 123:
            if starts(data, at, size, _ATTRIBUTE_SPACED):  # of DynamoDB
                at += _ATTRIBUTE_SPACED.size
            elif starts(data, at, size, _ATTRIBUTE):
                at += _ATTRIBUTE.size
        elif byte == 40 and starts(data, at, size, _SIZED):  # of Go's spew
            at += _SIZED.size
            while at < size and data[at] != 32 and at - start < BLANKS:
                at += 1
        elif byte == 48 and at + 1 < size and data[at + 1] == 120:  # 0x55d0c3a1 "value" of gdb
            quote = past_part(data, at) + 1
            if quote < size and data[quote - 1] == 32 and data[quote] == DOUBLE:
                at = quote
        elif starts(data, at, size, _NULL):
            return int(at + _NULL.size)
        elif byte == DOUBLE and _masked_end(data, at) >= 0:
            return _masked_end(data, at)
        elif (
            byte in (DOUBLE, SINGLE) and at + 3 < size and data[at + 1] == byte and data[at + 2] == byte
        ):  # '''value'''
            at += 2
        elif TABLE[byte] & PART or byte == 91:
            inner = _called(data, at)
            if inner >= 0:
                at = inner
        if at == start:
            break
    return at

"""A name and a value under keys of their own: `{"name": "NAME", "value": "value"}`, `"NAME": {"value": "value"}`.

Compiled loops.
"""
# ruff: noqa: PLR0913, PLR0917, PLR2004, FBT001 - bytes are compared with bytes; numba knows no keywords and no struct

from typing import Any, Final

from detector.jit import bare
from detector.scan.names.byte_classes import CLOSE, PART, TABLE, ends_with, past_part, word
from detector.scan.names.value_kernel import starts
from detector.scan.names.value_places import value_of

NAME_LEAST: Final = 2
_NEAR: Final = 300  # bytes between the key of a name and the key of its value
_FEEDS: Final = 3  # lines between them
_NAMES: Final = tuple(word(text) for text in (b"name", b"key", b"variable", b"param"))
_VALUES: Final = tuple(word(text) for text in (b"value", b"default", b"val", b"content", b"--body"))
_VALUE: Final = _VALUES[0]
_GIVING: Final = tuple(word(text) for text in (b"set", b"create", b"add", b"put", b"update"))


@bare
def is_value(data: Any, start: int, end: int) -> bool:
    """Whether a key says that a value stands behind it."""
    if end - start >= _VALUE.size and starts(data, end - _VALUE.size, end, _VALUE):
        return True
    for known in _VALUES:  # noqa: SIM110 - numba compiles no generator
        if end - start == known.size and starts(data, start, end, known):
            return True
    return False


@bare
def _is_name(data: Any, start: int, end: int) -> bool:
    """Whether a key says that a name stands behind it: `name`, `ParameterKey`, `--name`.

    `--vault-name` is the name of another thing.
    """
    flag = data[start] == 45
    while start < end and data[start] == 45:
        start += 1
    for known in _NAMES:
        rest = end - start - known.size
        if starts(data, end - known.size, end, known) and (rest == 0 or (rest > 0 and not flag)):
            return True
    return False


@bare
def _named_between(data: Any, at: int, stop: int, last: bool, flag: bool, plain: Any) -> tuple[int, int]:
    """The last or the first name under a key for names, or such a flag, in data[at:stop]; (-1, -1) if there is none."""
    start, end = -1, -1
    while at < stop:
        if not TABLE[data[at]] & PART:
            at += 1
            continue
        begin = at
        while at < stop and TABLE[data[at]] & PART:
            at += 1
        if (data[begin] == 45 or not flag) and _is_name(data, begin, at):
            low, high, _ = value_of(data, begin, at, plain)
            if low > 0 and high <= stop and high - low >= NAME_LEAST:
                start, end = low, high
                if not last:
                    break
                at = max(at, high)
    return start, end


@bare
def _container(data: Any, brace: int) -> tuple[int, int]:
    """The key of the object that opens at `brace`: `"NAME": {`, `variable "NAME" {`; (-1, -1) if it has none."""
    at = brace - 1
    least = max(0, brace - _NEAR // 2)
    while at >= least and (data[at] in (32, 9, 58, 61, 62) or TABLE[data[at]] & CLOSE):
        at -= 1
    end = at + 1
    while at >= least and TABLE[data[at]] & PART:
        at -= 1
    return (at + 1, end) if end > at + 1 else (-1, -1)


@bare
def _given(data: Any, flag: int) -> tuple[int, int]:
    """The name behind `set` or the like, in front of the flag in its line; (-1, -1) if there is none.

    An example is `secret set NAME --repo x --body`.
    """
    at = flag - 1
    least = max(0, flag - _NEAR)
    while at > least and data[at] != 10:
        if data[at] == 32 and TABLE[data[at + 1]] & PART and data[at + 1] != 45:
            for command in _GIVING:
                if ends_with(data, at, command):
                    return at + 1, past_part(data, at + 1)
        at -= 1
    return -1, -1


@bare
def _outer_line(data: Any, value: int) -> tuple[int, int]:
    """The key of the YAML mapping that the line of `value` is in; (-1, -1) if there is none near."""
    line = value
    while line > 0 and data[line - 1] == 32:
        line -= 1
    depth = value - line
    if depth == 0 or (line > 0 and data[line - 1] != 10):
        return -1, -1
    for _ in range(_FEEDS):
        end = line - 1
        if end < 1:
            break
        line = end
        while line > 0 and end - line < _NEAR and data[line - 1] != 10:
            line -= 1
        start = line
        while start < end and data[start] == 32:
            start += 1
        if start - line < depth:
            while end > start and (data[end - 1] in (32, 13, 58) or TABLE[data[end - 1]] & CLOSE):
                end -= 1
            begin = end
            while begin > start and TABLE[data[begin - 1]] & PART:
                begin -= 1
            return (begin, end) if end < data.size and data[end] == 58 and begin == start else (-1, -1)
    return -1, -1


@bare
def pair_name(data: Any, value: int, end: int, plain: Any) -> tuple[int, int]:
    """The name of the value under the key at `value`; it ends at `end`. (-1, -1) if there is none.

    It stands under a key for names in the same object or command, in front of the value or behind it, or it is the
    key of the object. `plain` is as for `value_of`.
    """
    flag = data[value] == 45
    for _ in range(2):
        least = max(0, value - _NEAR)
        at = value - 1
        feeds = 0
        while at >= least and feeds <= _FEEDS and data[at] not in (123, 125, 60, 62):  # { } < >
            feeds += data[at] == 10
            at -= 1
        start, stop = _named_between(data, at + 1, value, True, flag, plain)
        if start < 0 and flag:
            start, stop = _given(data, value)
        if start >= 0:
            return start, stop
        if at < least or data[at] != 123:
            break
        start, stop = _container(data, at)
        if start < 0:
            break
        if not is_value(data, start, stop):
            return start, stop
        value = start  # {"key": "NAME", "value": {"stringValue": "value"}}
    at = end
    most = min(data.size, end + _NEAR)
    feeds = 0
    while at < most and feeds <= _FEEDS and data[at] not in (123, 125, 60, 62):
        feeds += data[at] == 10
        if (
            data[at] == 45 and data[at - 1] in (10, 32) and at + 1 < most and data[at + 1] == 32
        ):  # the next of a list
            break
        at += 1
    start, stop = _named_between(data, end, at, False, flag, plain)
    return (start, stop) if start >= 0 else _outer_line(data, value)

"""Where a value ends: at its closing quote, its bracket, its parameter, its pair of a list. Compiled loops."""
# ruff: noqa: PLR2004 - bytes are compared with bytes
# ruff: noqa: C901, PLR0912, PLR0913, PLR0915, PLR0917, FBT001 - a compiled parser: numba cannot see into a struct

from typing import Any, Final

import numpy as np

from detector.jit import bare
from detector.scan.names.byte_classes import (
    BACKSLASH,
    BLANKS,
    CLOSE,
    OPEN,
    PART,
    SINGLE,
    TABLE,
    opened,
    past_blanks,
    past_part,
)
from detector.scan.names.value_kernel import LONGEST

_WORD: Final = 12  # bytes of a type's name


def _plain_bytes() -> Any:
    """The bytes after which an unquoted value goes on, whatever stands around."""
    table = np.ones(256, np.bool_)
    table[:33] = table[127] = False
    table[list(b"&,;\\^<()[]{}#")] = False
    table[(TABLE & OPEN) != 0] = False
    table.flags.writeable = False
    return table


_PLAIN: Final = _plain_bytes()


@bare
def _begins_pair(data: Any, at: int, colon: bool) -> bool:
    """Whether a name and `=` stand here, or `:` where that may be: the next assignment of a list."""
    end = past_part(data, at)
    if end == at or end >= data.size or 48 <= data[at] <= 57:
        return False
    return bool(data[end] == 61 or (colon and data[end] == 58))


@bare
def unquoted_end(data: Any, name: int, start: int, query: bool, whole: bool, scalar: bool, plain: Any) -> int:
    """Where an unquoted value ends; -1 if it is too long.

    `whole`: what is in front says that the rest of the line is the value; `scalar`: that of YAML. `plain` is where the
    plain bytes begin and end that were read last: of `token=token=…` each name has nearly the same value.
    """
    size = data.size
    at = start
    if plain[0] <= start < plain[1]:
        at = min(plain[1], start + LONGEST + 1)
    else:
        plain[0] = start
    while at < size and at - start <= LONGEST and _PLAIN[data[at]]:
        at += 1
    plain[1] = max(plain[1], at) if plain[0] < start else at
    inner = 0  # brackets that open in the value
    while at < size and at - start <= LONGEST:
        byte = data[at]
        if _PLAIN[byte]:
            at += 1
            continue
        if byte <= 32 or byte == 127:
            break
        inner += byte in (40, 91, 123)
        after = data[at + 1] if at + 1 < size else np.uint8(10)
        last = after <= 32
        if byte == 38:  # &
            if query or after == 38 or _begins_pair(data, at + 1, False):
                break
        elif byte in (44, 59):  # , ;
            if (
                (last and not (scalar and byte == 59) and not (whole and (byte == 44 or after != 32)))
                or _begins_pair(data, at + 1, not whole)
                or TABLE[after] & OPEN
            ):
                break
        elif TABLE[byte] & OPEN:
            if opened(data, name, byte, byte):
                while at > start and data[at - 1] == BACKSLASH:
                    at -= 1
                break
        elif byte == BACKSLASH:
            if after in (110, 114, 116) or (after == 48 and not whole):  # \n \r \t \0
                break
        elif byte == 94:  # ^@ of `cat -v`
            if after == 64 and not whole:
                break
        elif byte == 60:  # <
            if after == 47 or (after == 98 and at + 2 < size and data[at + 2] == 114):  # </ <br
                break
        elif byte == 41:  # )
            if inner == 0 and opened(data, name, 40, 41):
                break
            inner -= inner > 0
        elif byte == 93:  # ]
            if inner == 0 and opened(data, name, 91, 93):
                break
            inner -= inner > 0
        elif byte == 125:  # }
            if inner == 0 and opened(data, name, 123, 125):
                break
            inner -= inner > 0
        elif byte == 35 and query:  # a fragment
            break
        at += 1
    if at - start > LONGEST:
        return -1
    if not whole and at > start + 1 and data[at - 1] == 46 and data[at - 2] != 46:  # a sentence ends
        at -= 1
    return at


@bare
def quoted_end(data: Any, start: int, quote: int, backslashes: int) -> int:
    """Where the closing quote of a value begins, with its backslashes; -1 if there is none."""
    at = start
    size = data.size
    run = 0
    while at < size and at - start <= LONGEST + 8:
        byte = data[at]
        if byte == 10:
            return -1
        if byte == quote:
            if backslashes == 0 and (run % 2 == 0 or quote == SINGLE):
                return at
            if backslashes > 0 and run == backslashes:
                return at - run
        run = run + 1 if byte == BACKSLASH else 0
        at += 1
    return -1


@bare
def bracketed_end(data: Any, start: int, closing: int) -> int:
    """Where the one value in brackets ends, `[value]`; -1 if it is none, or one of more."""
    at = start
    while at < data.size and at - start <= LONGEST and data[at] > 32 and data[at] != closing:
        if data[at] in (44, 91, 123) or TABLE[data[at]] & OPEN:
            return -1
        at += 1
    if at >= data.size or data[at] != closing:
        return -1
    after = data[at + 1] if at + 1 < data.size else np.uint8(10)
    return at if after <= 32 or after in (41, 44, 59, 93, 125) else -1


@bare
def ends_list(data: Any, stop: int) -> bool:
    """Whether the value that ends here is the last of its list: a bracket closes behind it."""
    at = stop
    while at < data.size and at - stop < BLANKS and (TABLE[data[at]] & CLOSE or data[at] <= 32):
        if data[at] in (93, 125, 41):
            return True
        at += 1
    return bool(at + 1 < data.size and data[at] == 62 and data[at + 1] == 62)  # >> of Erlang


@bare
def ends_cell(data: Any, stop: int) -> bool:
    """Whether a table's cell, or its line, ends behind blanks."""
    at = stop
    while at < data.size and at - stop < BLANKS * 2 and data[at] in (32, 9):
        at += 1
    return bool(at >= data.size or data[at] in (10, 13, 124) or (data[at] == 226 and at > stop))


@bare
def field_end(data: Any, start: int, stop: int) -> int:
    """Where the field of a line of values ends that begins at `start`."""
    at = start
    while at < stop and data[at] not in (44, 59):
        at += 1
    return at


@bare
def past_type(data: Any, at: int) -> int:
    """Where the next cell of a table begins, if this one is a short word such as `string`; else `at`."""
    end = at
    while (
        end < data.size
        and end - at < _WORD
        and (TABLE[data[end] | 32] & PART or data[end] == 95)
        and data[end] > 57
    ):
        end += 1
    after = end
    while after < data.size and after - end < BLANKS and data[after] in (32, 9):
        after += 1
    if end == at or after >= data.size:
        return at
    if data[after] == 124:
        return past_blanks(data, after + 1)
    apart = after - end > 1 or data[end] == 9
    return after if apart and data[after] not in (10, 13) else at

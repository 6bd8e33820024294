"""Finds assignments in a text: a name with a telling stem, and the value that it is given. Compiled loops.

What is parsed: `NAME=value` and `name: value` with or without quotes (shells, YAML, JSON, properties, logfmt, headers), `name => value`,
`name -> value`, `name=[value]`, `--name value`, `NAME --value value`, `<name>value</name>`, `<key>NAME</key><string>value</string>`,
`?name=value&…`, `ENV NAME value`, `NAME | value |`, `:name "value"`, `define('NAME', 'value')`, `[["NAME", "value"]]`, a name and a value
in backticks, `Some("value")`, PHP's `["name"]=> string(5) "value"`, parts of a form, a line of two columns, and
`{"name": "NAME", "value": "value"}`. What is found at a place depends on at most `CONTEXT` bytes around it.
"""
# ruff: noqa: PLR2004 - bytes are compared with bytes
# ruff: noqa: C901, PLR0911, PLR0912, PLR0913, PLR0915, PLR0917, FBT001 - a compiled parser: numba cannot see into a struct

from typing import Any, Final

import numpy as np

from detector.jit import compiled
from detector.scan.names.value_kernel import LONGEST, kind_of, starts
from detector.scan.names.value_kinds import NOTHING, TELLING

NAME_LEAST: Final = 2
NAME_LONGEST: Final = 120  # bytes
BLANKS: Final = 48  # between a name, its separator and its value
QUOTES: Final = 4  # behind a name: `\\"]`
CONTEXT: Final = 256  # bytes before a name, in which quotes and brackets may be open
_PAIR: Final = 300  # bytes before `value`, in which its name stands
EARLY: Final = 40
_PART, _OPEN, _CLOSE, _TELLS = 1, 2, 4, 8  # of the table of bytes


def _table() -> Any:
    table = np.zeros(256, np.uint8)
    table[list(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")] = _PART
    table[list(b"\"'`")] |= _OPEN | _CLOSE
    table[list(b"\\]")] |= _CLOSE
    table[list(TELLING)] |= _TELLS
    table.flags.writeable = False
    return table


def _word(text: bytes) -> Any:
    array = np.frombuffer(text, np.uint8)
    array.flags.writeable = False
    return array


TABLE: Final = _table()
_VALUE: Final = _word(b"value")
_NAME: Final = _word(b"name")
_KEY: Final = _word(b"key")
_BEARER: Final = _word(b"bearer ")
_TOKEN: Final = _word(b"token ")
_BASIC: Final = _word(b"basic ")
_ENV: Final = _word(b"env ")
_ARG: Final = _word(b"arg ")
_SET: Final = _word(b"set ")
_SETENV: Final = _word(b"setenv ")
_SETX: Final = _word(b"setx ")
_EXPORTED: Final = _word(b"-gx ")
_LOGIN: Final = _word(b"login ")
_SOME: Final = _word(b"some(")
_STRING: Final = _word(b"string(")
_FORM: Final = _word(b'name="')
_BODY_FLAG: Final = _word(b"--body")
_VALUE_FLAG: Final = _word(b"--value")
_NAMES_END: Final = tuple(_word(text) for text in (b"</name>", b"</key>", b"</th>", b"</td>", b"</dt>"))
_VALUES_BEGIN: Final = tuple(_word(text) for text in (b"<value>", b"<string>", b"<td>", b"<dd>"))
_BETWEEN_TICKS: Final = tuple(_word(text) for text in (b"to ", b"is ", b"was ", b"as ", b"with "))
_TICK, _DOUBLE, _SINGLE, _BACKSLASH = 96, 34, 39, 92


@compiled
def _stem_in(data: Any, start: int, end: int, stems: Any, sizes: Any, first: Any) -> bool:
    """Whether one of the stems, lower case, is in data[start:end] in any case. `first` is 1 for the two letters that begin one."""
    for at in range(start, end - 1):
        pair = np.int64(data[at] & 31) << np.int64(5) | np.int64(data[at + 1] & 31)
        if not first[pair]:
            continue
        for number in range(sizes.size):
            # Most stems are passed by at their first letters: a slice costs more than the comparison.
            if stems[number, 0] != data[at] | 32 or stems[number, 1] != data[at + 1] | 32:
                continue
            if starts(data, at, end, stems[number, : sizes[number]]):
                return True
    return False


@compiled
def _opened(data: Any, name: int, opening: int, closing: int) -> bool:
    """Whether a bracket is open before the name, or, of a quote, whether an odd number of them stands there, in its line."""
    depth = 0
    at = name - 1
    least = max(0, name - CONTEXT)
    while at >= least and data[at] != 10:
        if data[at] == opening:
            depth += 1
            if opening != closing and depth > 0:
                return True
        elif data[at] == closing:
            depth -= 1
        at -= 1
    return opening == closing and depth % 2 == 1


@compiled
def _tells(data: Any, start: int, end: int) -> bool:
    """Whether one of `TELLING` is among the first bytes."""
    for at in range(start, min(end, start + EARLY)):  # noqa: SIM110 - numba compiles no generator
        if TABLE[data[at]] & _TELLS:
            return True
    return False


@compiled
def _begins_pair(data: Any, at: int) -> bool:
    """Whether a name and `=` or `:` stand here: the next assignment of a list."""
    size = data.size
    start = at
    while at < size and at - start < 48 and TABLE[data[at]] & _PART:
        at += 1
    return at > start and at < size and data[at] in (58, 61) and not 48 <= data[start] <= 57


@compiled
def _unquoted_end(data: Any, name: int, start: int, query: bool, whole: bool, scalar: bool) -> int:
    """Where an unquoted value ends. `whole`: what is in front says that the rest of the line is the value; `scalar`: that of YAML."""
    size = data.size
    at = start
    while at < size and at - start <= LONGEST:
        byte = data[at]
        if byte <= 32 or byte == 127:
            break
        after = data[at + 1] if at + 1 < size else np.uint8(10)
        last = after <= 32
        if byte == 38:  # &
            if query or after == 38 or _begins_pair(data, at + 1):
                break
        elif byte in (44, 59):  # , ;
            if (
                (last and not whole and not (scalar and byte == 59))
                or _begins_pair(data, at + 1)
                or TABLE[after] & _OPEN
            ):
                break
        elif TABLE[byte] & _OPEN:
            if _opened(data, name, byte, byte):
                while at > start and data[at - 1] == _BACKSLASH:
                    at -= 1
                break
        elif byte == _BACKSLASH:
            if after in (110, 114, 116):  # \n \r \t
                break
        elif byte == 60:  # <
            if after == 47 or (after == 98 and at + 2 < size and data[at + 2] == 114):  # </ <br
                break
        elif byte == 41:  # )
            if _opened(data, name, 40, 41):
                break
        elif byte == 93:  # ]
            if _opened(data, name, 91, 93):
                break
        elif byte == 125:  # }
            if _opened(data, name, 123, 125):
                break
        elif byte == 35 and query:  # a fragment
            break
        at += 1
    if at - start > LONGEST:
        return -1
    if not whole and at > start and data[at - 1] == 46:  # a sentence ends
        at -= 1
    return at


@compiled
def _quoted_end(data: Any, start: int, quote: int, backslashes: int) -> int:
    """Where the closing quote of a value begins, with its backslashes; -1 if there is none."""
    at = start
    size = data.size
    run = 0
    while at < size and at - start <= LONGEST + 8:
        byte = data[at]
        if byte == 10:
            return -1
        if byte == quote:
            if backslashes == 0 and (run % 2 == 0 or quote == _SINGLE):
                return at
            if backslashes > 0 and run == backslashes:
                return at - run
        run = run + 1 if byte == _BACKSLASH else 0
        at += 1
    return -1


@compiled
def _command_before(data: Any, name: int) -> bool:
    """Whether the word before the name gives a value to it with nothing between: `ENV NAME value`, `set -gx NAME value`."""
    for word in (_ENV, _ARG, _SET, _SETENV, _SETX, _EXPORTED):
        start = name - word.size
        if (
            start >= 0
            and starts(data, start, name, word)
            and (start == 0 or not TABLE[data[start - 1]] & _PART)
        ):
            return True
    return False


@compiled
def _line_before(data: Any, name: int) -> bool:
    """Whether nothing but blanks, `+`, `export` and the like stands between the start of the line and the name."""
    at = name - 1
    least = max(0, name - 24)
    while at >= least and data[at] != 10:
        byte = data[at]
        if not (byte in (32, 9, 43, 45) or 97 <= byte <= 122 or 65 <= byte <= 90):
            return False
        at -= 1
    return at < 0 or data[at] == 10


@compiled
def _begins_line(data: Any, name: int) -> bool:
    """Whether nothing but blanks stands between the start of the line and the name."""
    at = name - 1
    while at >= 0 and name - at <= BLANKS and data[at] in (32, 9):
        at -= 1
    return bool(at < 0 or data[at] == 10)


@compiled
def _ends_line(data: Any, stop: int) -> bool:
    """Whether nothing but blanks stands between a value's end and the end of the line; one closing quote may."""
    at = stop
    if at < data.size and TABLE[data[at]] & _OPEN:
        at += 1
    while at < data.size and at - stop < BLANKS and data[at] in (32, 9, 13):
        at += 1
    return bool(at >= data.size or data[at] == 10)


@compiled
def _before_quote(data: Any, name: int) -> int:
    """Where the byte stands that is in front of the name's opening quote; -1 if it has none."""
    at = name - 1
    if at < 1 or not TABLE[data[at]] & _OPEN:
        return -1
    at -= 1
    while at > 0 and name - at < QUOTES and data[at] == _BACKSLASH:
        at -= 1
    return at


@compiled
def _begins_row(data: Any, name: int) -> bool:
    """Whether the name is quoted, and the first of a list in a list: `[["NAME"`, `,["NAME"`."""
    at = _before_quote(data, name)
    if at < 0 or data[at] != 91:
        return False
    at -= 1
    while at > 0 and name - at < BLANKS and data[at] <= 32:
        at -= 1
    return bool(at >= 0 and data[at] in (91, 44))


@compiled
def _ends_row(data: Any, stop: int) -> bool:
    """Whether the value that ends here is the last of its list."""
    at = stop
    while at < data.size and at - stop < BLANKS and (TABLE[data[at]] & _CLOSE or data[at] <= 32):
        if data[at] == 93:
            return True
        at += 1
    return False


@compiled
def _next_text(data: Any, start: int) -> int:
    """Where text goes on behind blanks and line feeds."""
    at = start
    while at < data.size and at - start < BLANKS and data[at] in (32, 9, 10, 13):
        at += 1
    return at


@compiled
def _dumped(data: Any, start: int) -> int:
    """Where the quote of a string begins that PHP's `var_dump` shows with its length: `string(5) "`; -1 if there is none."""
    at = _next_text(data, start)
    if not starts(data, at, data.size, _STRING):
        return -1
    at += _STRING.size
    while at < data.size and 48 <= data[at] <= 57:
        at += 1
    if at + 2 < data.size and data[at] == 41 and data[at + 1] == 32 and data[at + 2] == _DOUBLE:
        return int(at + 2)
    return -1


@compiled
def _next_element(data: Any, end: int) -> int:
    """Where the text of the next element begins, if `</name>` or the like stands at `end`, and `<value>` behind it; else -1."""
    for closing in _NAMES_END:
        if starts(data, end, data.size, closing):
            at = _next_text(data, end + closing.size)
            for opening in _VALUES_BEGIN:
                if starts(data, at, data.size, opening):
                    return int(at + opening.size)
    return -1


@compiled
def _form_part(data: Any, name: int, end: int) -> int:
    """Where the body of a form's part begins: `name="NAME"`, the end of the line, and an empty line; -1 if there is none."""
    if name < _FORM.size or not starts(data, name - _FORM.size, name, _FORM):
        return -1
    at = end
    for _ in range(2):
        if at < data.size and data[at] == 13:
            at += 1
        if at >= data.size or data[at] != 10:
            return -1
        at += 1
    return at


@compiled
def _bracketed_end(data: Any, start: int) -> int:
    """Where the one value in square brackets ends, `[value]`; -1 if it is none, or one of more."""
    at = start
    while at < data.size and at - start <= LONGEST and data[at] > 32 and data[at] != 93:
        if data[at] in (44, 91) or TABLE[data[at]] & _OPEN:
            return -1
        at += 1
    if at >= data.size or data[at] != 93:
        return -1
    after = data[at + 1] if at + 1 < data.size else np.uint8(10)
    return at if after <= 32 or after in (41, 44, 59, 125) else -1


@compiled
def _begins_call(data: Any, name: int) -> bool:
    """Whether the name is quoted, and the first in brackets: `define('NAME'`, `setenv("NAME"`."""
    at = _before_quote(data, name)
    return bool(at >= 0 and data[at] == 40)


@compiled
def value_of(data: Any, name: int, end: int) -> tuple[int, int]:
    """The value that the name data[name:end] is given: its start and end; (-1, -1) if it is given none."""
    size = data.size
    at = end
    while at < size and at - end < QUOTES and TABLE[data[at]] & _CLOSE:
        at += 1
    quoted = at > end
    behind = at
    while at < size and at - behind < BLANKS and data[at] in (32, 9):
        at += 1
    if at >= size:
        return -1, -1
    blanks = at - behind
    byte = data[at]
    after = data[at + 1] if at + 1 < size else np.uint8(10)
    before = data[name - 1] if name > 0 else np.uint8(10)
    pair = element = scalar = column = call = row = table = form = False
    if byte == 60 and after == 47 and before == 62:
        at = _next_element(data, at)
        if at < 0:
            return -1, -1
        element = True
    elif byte in (10, 13) and quoted and not blanks and data[end] == _DOUBLE:
        at = _form_part(data, name, at)
        if at < 0:
            return -1, -1
        form = True
    elif before == _TICK and data[end] == _TICK and blanks and (byte == _TICK or TABLE[byte] & _PART):
        for word in _BETWEEN_TICKS:
            if starts(data, at, size, word):
                at += word.size
                break
        if at >= size or data[at] != _TICK:
            return -1, -1
        call = True
    elif byte == 61:  # =
        if after in (61, 126):
            return -1, -1
        at += 2 if after == 62 else 1
        pair = True
        if after == 62 and quoted:
            dumped = _dumped(data, at)
            if dumped >= 0:
                at = dumped
        elif after == 91 and at + 1 < size:
            stop = _bracketed_end(data, at + 1)
            if stop > at + 1:
                return at + 1, stop
    elif byte == 58:  # :
        # `a:secret:b` is a path, as ARNs are.
        path = before in (58, 47) and after > 32 and not TABLE[after] & _OPEN
        if after == 58 or path or (after == 47 and at + 2 < size and data[at + 2] == 47):
            return -1, -1
        at += 2 if after == 61 else 1
        pair, scalar = True, after == 32
    elif (byte in (43, 63) and after == 61) or (  # += ?=, and `->` between blanks
        byte == 45 and after == 62 and blanks and at + 2 < size and data[at + 2] == 32
    ):
        at += 2
        pair = True
    elif byte == 62 and before == 60 and not blanks:  # <name>
        at += 1
        element = True
    elif byte == 124 and after in (32, 9) and blanks:  # NAME | value |
        at += 1
        pair = column = True
    elif byte == 44 and quoted and _begins_call(data, name):  # ('NAME', 'value'
        at += 1
        call = True
    elif byte == 44 and quoted and _begins_row(data, name):  # [["NAME", "value"]]
        at += 1
        call = row = True
    elif quoted or not blanks:
        return -1, -1
    elif byte == 45 and after == 45 and data[name] != 45:  # NAME --value value
        if starts(data, at, size, _BODY_FLAG):
            at += _BODY_FLAG.size
        elif starts(data, at, size, _VALUE_FLAG):
            at += _VALUE_FLAG.size
        else:
            return -1, -1
        if at >= size or data[at] not in (32, 61):
            return -1, -1
        at += 1
    elif before == 58 and byte == _DOUBLE:  # :name "value"
        call = True
    elif not (data[name] == 45 or _command_before(data, name)):
        table = (blanks > 1 or data[at - 1] == 9) and _begins_line(data, name)
        if not table:
            return -1, -1
    behind = at
    while at < size and at - behind < BLANKS and data[at] in (32, 9):
        at += 1
    for scheme in (_BEARER, _TOKEN, _BASIC):
        if pair and starts(data, at, size, scheme):
            at += scheme.size
            break
    if pair and starts(data, at, size, _SOME) and at + _SOME.size < size:
        after = data[at + _SOME.size]
        if after in (_DOUBLE, _BACKSLASH):
            at += _SOME.size
    start = at
    if (
        at + 1 < size
        and data[at] in (36, 64, 66, 82, 85, 98, 102, 114, 117)
        and data[at + 1] in (_DOUBLE, _SINGLE)
    ):
        at += 1  # b'…', $'…'
    while at < size and at - start < QUOTES and data[at] == _BACKSLASH:
        at += 1
    if at < size and TABLE[data[at]] & _OPEN:
        run = at - 1
        while run >= start and data[run] == _BACKSLASH:
            run -= 1
        stop = _quoted_end(data, at + 1, data[at], at - 1 - run)
        if stop >= 0:
            if (row and not _ends_row(data, stop)) or (table and not _ends_line(data, stop)):
                return -1, -1
            return at + 1, stop
        start = at + 1
    if start >= size or call:
        return -1, -1
    if element:
        stop = start
        while stop < size and stop - start <= LONGEST and data[stop] > 32 and data[stop] != 60:
            stop += 1
        return start, stop
    query = before in (63, 38)  # ? &
    whole = not blanks and not quoted and not query and _line_before(data, name)
    if form or table:
        stop = _unquoted_end(data, start, start, False, True, scalar)
        return (start, stop) if form or _ends_line(data, stop) else (-1, -1)
    stop = _unquoted_end(data, name, start, query, whole, scalar)
    if column:
        at = max(stop, start)
        while at < size and at - stop < BLANKS and data[at] in (32, 9):
            at += 1
        if at >= size or data[at] != 124:
            return -1, -1
    return start, stop


@compiled
def _pair_name(data: Any, value: int) -> tuple[int, int]:
    """The name that stands under `name` or `key` in front of the key `value`, in the same object; (-1, -1) if there is none."""
    least = max(0, value - _PAIR)
    at = value - 1
    feeds = 0
    while at >= least and data[at] not in (123, 125, 60, 62):  # { } < >
        feeds += data[at] == 10
        if feeds > 3:
            break
        at -= 1
    at += 1
    start, end = -1, -1
    while at < value:
        if not TABLE[data[at]] & _PART:
            at += 1
            continue
        begin = at
        while at < value and TABLE[data[at]] & _PART:
            at += 1
        last = at - begin
        if (last >= 4 and starts(data, at - 4, at, _NAME)) or (last >= 3 and starts(data, at - 3, at, _KEY)):
            low, high = value_of(data, begin, at)
            if low > 0 and high <= value and high - low >= NAME_LEAST:
                start, end = low, high
                at = max(at, high)
    return start, end


@compiled
def assignments(
    data: Any,
    regions: Any,
    stems: Any,
    sizes: Any,
    first: Any,
    entries: Any,
    kind_entries: Any,
    out: Any,
    region: int,
    begin: int,
) -> tuple[int, int, int]:
    """Fills `out` with rows: start and end of a name and of its value, the kind of value, its randomness.

    Begins at `begin` in the region of that number; returns how many rows there are and where to go on, (rows, regions.shape[0], 0) at
    the end. Values of no kind are left out.
    """
    size = data.size
    count = 0
    while region < regions.shape[0]:
        low, high = regions[region, 0], regions[region, 1]
        at = max(low, begin)
        begin = 0
        back = at
        while back > 0 and at - back <= NAME_LONGEST and TABLE[data[back - 1]] & _PART:
            back -= 1
        if back > 0 and TABLE[data[back - 1]] & _PART:  # too long for a name
            while at < high and TABLE[data[at]] & _PART:
                at += 1
            back = at
        at = back
        while at < high:
            if not TABLE[data[at]] & _PART:
                at += 1
                continue
            name = at
            while at < size and TABLE[data[at]] & _PART:
                at += 1
            if not NAME_LEAST <= at - name <= NAME_LONGEST:
                continue
            is_value = at - name >= 5 and starts(data, at - 5, at, _VALUE)
            if not (is_value or _stem_in(data, name, at, stems, sizes, first)):
                continue
            start, end = value_of(data, name, at)
            if start < 0 or end <= start or not _tells(data, start, end):
                continue
            kind, rating = kind_of(data, start, end, entries, kind_entries)
            if kind == NOTHING:
                continue
            stop = at
            if is_value:
                name, stop = _pair_name(data, name)
                if (
                    name < 0
                    or stop - name > NAME_LONGEST
                    or not _stem_in(data, name, stop, stems, sizes, first)
                ):
                    continue
            if count == out.shape[0]:
                return count, region, at - 1
            out[count, 0], out[count, 1], out[count, 2], out[count, 3] = name, stop, start, end
            out[count, 4], out[count, 5] = kind, rating
            count += 1
        region += 1
    return count, region, 0

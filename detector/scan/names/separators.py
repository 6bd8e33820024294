"""What stands between a name and its value: signs, brackets, a few words, a line's end. Compiled loops.

Each function gives where the value may begin, and in flags what is known of the place; (-1, 0) if the name is given
no value there. Where a blank, a comma or a bracket is all that stands between (`WEAK`), a value has to be random to
count.
"""
# ruff: noqa: PLR2004 - bytes are compared with bytes
# ruff: noqa: C901, PLR0911, PLR0912, FBT001 - a compiled parser: numba cannot see into a struct

from typing import Any, Final

import numpy as np

from detector.jit import bare
from detector.scan.names.byte_classes import (
    BACKSLASH,
    BLANKS,
    CLOSE,
    CONTEXT,
    DOUBLE,
    OPEN,
    PART,
    QUOTES,
    TABLE,
    TICK,
    begins_line,
    ends_with,
    past_blanks,
    past_part,
    past_space,
    word,
)
from detector.scan.names.markup import tag_end, text_after_tags
from detector.scan.names.value_kernel import starts

PAIR: Final = 1  # `=`, `:` or an arrow
QUOTED: Final = 2  # the value has to be in quotes
ELEMENT: Final = 4  # it ends where a tag begins
CELL: Final = 8  # it ends with a table's cell, or the line
LAST: Final = 16  # it is the last of a list
LINE: Final = 32  # it ends the line
WHOLE: Final = 64  # it is all that is left of the line
SCALAR: Final = 128  # it is one of YAML
WEAK: Final = 256
COLUMN: Final = 512  # it ends the line, or two blanks follow
FIELD: Final = 1024  # it ends with its field of a line of values

_COMMANDS: Final = tuple(
    word(text)
    for text in (
        b"env", b"arg", b"set", b"put", b"setenv", b"setx", b"add", b"param", b"header", b"define", b"--global", b"--plaintext",
        b"-gx", b"-x", b"-ux", b"-lx", b"option", b"export", b"set-item", b"--secret", b"--local",
    )
)  # fmt: skip
_FLAGS: Final = tuple(word(text) for text in (b"--body", b"--value", b"-value", b"-b"))
_VERBS: Final = tuple(
    word(text)
    for text in (b"is", b"was", b"has", b"been", b"to", b"set", b"now", b"as", b"with", b"updated", b"changed")
)  # fmt: skip
_STRING: Final = word(b"string(")
_TYPE: Final = word(b"string")
_FORM: Final = word(b'name="')
_NAMED: Final = (word(b"name="), word(b"variable="))
_SET: Final = word(b"set")
_WITH: Final = word(b"with")
_HEADER: Final = word(b"content-type:")


@bare
def before_quote(data: Any, name: int) -> int:
    """Where the byte stands that is in front of the name's opening quote, -1 at the start; -2 if it has none."""
    at = name - 1
    if at < 0 or not TABLE[data[at]] & OPEN:
        return -2
    at -= 1
    while at > 0 and name - at < QUOTES and data[at] == BACKSLASH:
        at -= 1
    if at > 0 and data[at] in (98, 117, 64) and not TABLE[data[at - 1]] & PART:  # b'…'
        at -= 1
    return at


@bare
def _dumped(data: Any, start: int) -> int:
    """Where the quote of a string in PHP's `var_dump` begins, behind its length: `string(5) "`; -1 if there is none."""
    at = past_space(data, start)
    if not starts(data, at, data.size, _STRING):
        return -1
    at += _STRING.size
    while at < data.size and 48 <= data[at] <= 57:
        at += 1
    if at + 2 < data.size and data[at] == 41 and data[at + 1] == 32 and data[at + 2] == DOUBLE:
        return int(at + 2)
    return -1


@bare
def _form_part(data: Any, name: int, end: int) -> int:
    """Where the body of a form's part begins: `name="NAME"`, the line's end, and an empty line; -1 if there is none."""
    if name < _FORM.size or not starts(data, name - _FORM.size, name, _FORM):
        return -1
    at = end
    for feed in range(3):
        if at < data.size and data[at] == 13:
            at += 1
        if at >= data.size or data[at] != 10:
            return -1
        at += 1
        if feed == 1:
            return at
        if starts(data, at, data.size, _HEADER):
            stop = min(data.size, at + 80)
            while at < stop and data[at] not in (10, 13):
                at += 1
            if at + 1 < data.size and data[at] == 13:
                at += 1
            at += 1
    return -1


@bare
def _typed(data: Any, at: int) -> int:
    """Where a quoted value stands behind its type, `: &'static str = "`, from after the colon on; -1 if none does."""
    at = past_blanks(data, at)
    stop = min(data.size, at + BLANKS)
    start = at
    while at < stop and (TABLE[data[at]] & PART or data[at] in (38, 39, 60, 62, 63, 91, 93, 32)):
        at += 1
    if at == start or at + 1 >= data.size or data[at] != 61 or data[at - 1] != 32:
        return -1
    at = past_blanks(data, at + 1)
    return at if at < data.size and TABLE[data[at]] & OPEN else -1


@bare
def _below(data: Any, name: int, at: int) -> int:
    """Where a value begins on the next line, further in than its name or under a line of `-`; -1 if none does."""
    size = data.size
    if at < size and data[at] in (124, 62):  # | or > of YAML
        at += 1
        if at < size and data[at] in (43, 45):
            at += 1
        at = past_blanks(data, at)
    if at < size and data[at] == 13:
        at += 1
    if at >= size or data[at] != 10:
        return -1
    line = at + 1
    at = past_blanks(data, line)
    if at == line:
        while at < size and at - line < BLANKS and data[at] == 45:
            at += 1
        if at - line < 3 or at >= size or data[at] != 10:
            return -1
        return at + 1
    column = name
    while column > 0 and name - column < BLANKS and data[column - 1] != 10:
        column -= 1
    return at if at - line > name - column and (column == 0 or data[column - 1] == 10) else -1


@bare
def _equals(data: Any, at: int, quoted: bool) -> tuple[int, int]:
    """Behind `=`."""
    after = data[at + 1] if at + 1 < data.size else np.uint8(10)
    if after in (61, 126):
        return -1, 0
    at += 2 if after == 62 else 1
    if after == 62 and quoted:
        dumped = _dumped(data, at)
        if dumped >= 0:
            return dumped, PAIR
    return at, PAIR


@bare
def _colon(data: Any, name: int, at: int, quoted: bool) -> tuple[int, int]:
    """Behind `:`."""
    size = data.size
    after = data[at + 1] if at + 1 < size else np.uint8(10)
    before = data[name - 1] if name > 0 else np.uint8(10)
    if after == 58:  # ::set-output name=NAME::value
        for front in _NAMED:
            if ends_with(data, name, front):
                return at + 2, PAIR | WHOLE
        return -1, 0
    # `a:secret:b` is a path, as ARNs are; ` /secret:b` is an option.
    path = before in (58, 47) and after > 32 and not TABLE[after] & OPEN
    if path and before == 47 and name > 1 and data[name - 2] == 32:
        path = False
    if path or (after == 47 and at + 2 < size and data[at + 2] == 47):
        return -1, 0
    if after == 61:
        return at + 2, PAIR
    if 65 <= after <= 90:  # name:TYPE=value
        stop = at + 1
        while stop < size and stop - at < BLANKS and 65 <= data[stop] <= 90:
            stop += 1
        if stop < size and data[stop] == 61:
            return stop + 1, PAIR
    typed = _typed(data, at + 1)
    if typed >= 0:
        return typed, PAIR | QUOTED
    if after in (10, 13, 32):
        behind = past_blanks(data, at + 1)
        if behind < size and data[behind] in (10, 13, 124, 62):
            below = _below(data, name, behind)
            return (below, WEAK | LINE | QUOTED * int(quoted)) if below >= 0 else (-1, 0)
    return at + 1, PAIR | (SCALAR if after == 32 else 0)


@bare
def _angle(data: Any, name: int, end: int, at: int, quoted: bool) -> tuple[int, int]:
    """Behind `<`: the next element, R's arrow, or a here-document."""
    size = data.size
    after = data[at + 1] if at + 1 < size else np.uint8(10)
    before = data[name - 1] if name > 0 else np.uint8(10)
    if after == 45 and at + 2 < size and data[at + 2] == 32:
        return at + 2, PAIR
    if after == 60 and at == end:
        stop = past_part(data, at + 2)
        if stop > at + 2 and stop < size and data[stop] in (10, 13):
            return stop + 1 + (data[stop] == 13), WEAK | LINE
    if after == 47 and before == 62 and not quoted:
        start = text_after_tags(data, at)
        return (start, ELEMENT) if start >= 0 else (-1, 0)
    return -1, 0


@bare
def _in_tag(data: Any, name: int, at: int, quoted: bool) -> tuple[int, int]:
    """Behind `>` or a blank of the tag that the name is in: `<name>`, `<entry key="name">`, `<name type="string">`."""
    before = data[name - 1] if name > 0 else np.uint8(10)
    front = before_quote(data, name)
    if quoted:
        if front < 0 or data[front] != 61:
            return -1, 0
    else:
        opening = name - 1
        while (
            opening > 0 and name - opening < BLANKS and (data[opening] == 58 or TABLE[data[opening]] & PART)
        ):
            opening -= 1  # a namespace
        if opening < 0 or data[opening] != 60 or before not in (58, 60):
            return -1, 0
    text = tag_end(data, at)
    if text < 0:
        return -1, 0
    start = text_after_tags(data, text)
    return (start, ELEMENT) if start >= 0 else (-1, 0)


@bare
def _ticked(data: Any, at: int) -> tuple[int, int]:
    """Behind a name in backticks: a value in backticks, with `to` or the like between."""
    for verb in _VERBS:
        if starts(data, at, data.size, verb) and at + verb.size < data.size and data[at + verb.size] == 32:
            at += verb.size + 1
            break
    if at < data.size and data[at] == TICK:
        return at, QUOTED
    return -1, 0


@bare
def _listed(data: Any, name: int, at: int) -> tuple[int, int]:
    """On the next line of a list, behind a flag of its own: `- --name`, `- value`."""
    if data[name] != 45:
        return -1, 0
    at = past_space(data, at)
    return (at + 2, LINE | WEAK) if at + 2 < data.size and data[at] == 45 and data[at + 1] == 32 else (-1, 0)


@bare
def _under_path(data: Any, name: int, at: int) -> tuple[int, int]:
    """On the line below a key that is a path, as `etcdctl get` shows them; another path is no value."""
    line = name
    while line > 0 and name - line < CONTEXT and (data[line - 1] == 47 or TABLE[data[line - 1]] & PART):
        line -= 1
    if line == name or data[line] != 47 or (line > 0 and data[line - 1] != 10):
        return -1, 0
    at += 1 + (data[at] == 13)
    return (at, LINE | WEAK) if at < data.size and data[at] not in (32, 46, 47) else (-1, 0)


@bare
def _comma(data: Any, name: int, end: int, at: int, quoted: bool) -> tuple[int, int]:
    """Behind `,` or `;`: an argument, a pair in brackets, a line of values."""
    before = data[name - 1] if name > 0 else np.uint8(10)
    if quoted:
        front = before_quote(data, name)
        if front < -1 or data[at] != 44:
            return -1, 0
        if front >= 0 and data[front] == 40:  # ('NAME', 'value'
            return at + 1, QUOTED
        if front >= 0 and data[front] == 91:
            row = front - 1
            while row > 0 and name - row < BLANKS and data[row] <= 32:
                row -= 1
            if row >= 0 and data[row] in (91, 44):  # [["NAME", "value"]]
                return at + 1, QUOTED | LAST
        return at + 1, QUOTED | WEAK
    if at != end:
        return -1, 0
    if before in (40, 91, 123) and data[at] == 44:  # {name, "value"}
        return at + 1, LAST | WEAK
    return (at + 1, FIELD | WEAK) if begins_line(data, name) else (-1, 0)


@bare
def _command_before(data: Any, name: int) -> bool:
    """Whether a word before the name gives it a value with nothing between: `ENV NAME value`, `set -gx NAME value`."""
    front = name - 1
    least = max(0, name - 2 * BLANKS)
    while front > least and data[front] > 32 and not TABLE[data[front]] & OPEN:
        front -= 1  # set $name, put path/name
    if front <= least or data[front] != 32:
        return False
    for command in _COMMANDS:  # noqa: SIM110 - numba compiles no generator
        if ends_with(data, front, command):
            return True
    return False


@bare
def _sentence(data: Any, at: int) -> int:
    """Where the value begins behind words such as `is`, `was set to`, or a row of dots; -1 if none stand here."""
    start = at
    if at < data.size and data[at] in (46, 45):
        while at < data.size and at - start < 2 * BLANKS and data[at] in (46, 45):
            at += 1
        return past_blanks(data, at) if at < data.size and data[at] == 32 else -1
    for _ in range(4):
        found = False
        for verb in _VERBS:
            if (
                starts(data, at, data.size, verb)
                and at + verb.size < data.size
                and data[at + verb.size] in (32, 58)
            ):
                at = past_blanks(data, at + verb.size + (data[at + verb.size] == 58))
                found = True
                break
        if not found:
            break
    return at if at > start else -1


@bare
def _blank(data: Any, name: int, end: int, at: int, quoted: bool) -> tuple[int, int]:
    """Behind blanks: flags, commands, columns, sentences."""
    size = data.size
    byte = data[at]
    before = data[name - 1] if name > 0 else np.uint8(10)
    blanks = at - end
    if TABLE[byte] & OPEN:
        if before == 58 and byte == DOUBLE and not quoted:  # :name "value"
            return at, QUOTED
        if data[name] == 45 or _command_before(data, name):
            return at, 0
        return at, QUOTED | WEAK
    if quoted:
        dotted = byte == 46 and at + 2 < size and data[at + 1] == 32  # ("name" . "value")
        return (at + 2, QUOTED | WEAK) if dotted else (-1, 0)
    if byte == 45 and data[name] != 45:  # NAME --value value
        for flag in _FLAGS:
            stop = at + flag.size
            if starts(data, at, size, flag) and stop < size and data[stop] in (32, 61):
                return stop + 1, 0
        if at + 1 < size and data[at + 1] not in (32, 45):
            return -1, 0
    if data[name] == 45 or _command_before(data, name):
        return at, 0
    if byte in (40, 91, 123):  # name (value)
        return at, WEAK | LAST
    if before == 9 and data[end] == 9:  # fields with tabs between
        return at, COLUMN
    if begins_line(data, name) or (name > 1 and data[name - 1] in (32, 9) and data[name - 2] in (32, 9)):
        if blanks > 1 or data[at - 1] == 9:
            return at, COLUMN
        if 48 <= byte <= 57 and at + 2 < size and data[at + 1] == 32:  # password 0 value
            return at + 2, WEAK | LINE
        if byte not in (45, 46, 61):
            spoken = _sentence(data, at)
            return (at, WEAK | LINE) if spoken < 0 else (spoken, WEAK)
    if starts(data, at, size, _TYPE):  # name string = "value"
        stop = past_blanks(data, at + _TYPE.size)
        if stop < size and data[stop] == 61:
            return past_blanks(data, stop + 1), QUOTED | WEAK
    spoken = _sentence(data, at)
    return (spoken, WEAK) if spoken >= 0 else (-1, 0)


@bare
def _sets(data: Any, name: int, end: int) -> bool:
    """Whether a name is that of a method that sets: `config.setHarborToken`, `with_token`."""
    start = end
    while start > name and data[start - 1] != 46:
        start -= 1
    return starts(data, start, end, _SET) or starts(data, start, end, _WITH)


@bare
def _closed(data: Any, name: int, at: int) -> tuple[int, int]:
    """Behind `[…variable=NAME]` and `[…variable=NAME;…]`."""
    for front in _NAMED:
        if ends_with(data, name, front):
            stop = min(data.size, at + 2 * BLANKS)
            while at < stop and data[at] not in (93, 10):
                at += 1
            return (at + 1, PAIR | WHOLE) if at < stop and data[at] == 93 else (-1, 0)
    return -1, 0


@bare
def separated(data: Any, name: int, end: int) -> tuple[int, int]:
    """Where the value of the name data[name:end] may begin, and the flags of that place; (-1, 0) if it has none."""
    size = data.size
    at = end
    while at < size and at - end < QUOTES and TABLE[data[at]] & CLOSE:
        at += 1
    if at + 1 < size and data[at] == 91 and data[at + 1] == 93:  # char name[] = "value"
        at += 2
    quoted = at > end
    behind = at
    at = past_blanks(data, at)
    if at >= size:
        return -1, 0
    byte = data[at]
    after = data[at + 1] if at + 1 < size else np.uint8(10)
    before = data[name - 1] if name > 0 else np.uint8(10)
    blanks = at > behind
    if byte == 61:
        return _equals(data, at, quoted)
    if byte == 58:
        return _colon(data, name, at, quoted)
    if before == TICK and data[end] == TICK and blanks and (byte == TICK or TABLE[byte] & PART):
        return _ticked(data, at)
    if after == 61 and byte in (43, 63):  # += ?=
        return at + 2, PAIR
    if after == byte and byte in (47, 63, 124) and at + 2 < size and data[at + 2] == 61:  # ||= ??= //=
        return at + 3, PAIR
    if byte == 45 and after == 62 and blanks and at + 2 < size and data[at + 2] == 32:  # ->
        return at + 2, PAIR
    if byte == 226 and at + 2 < size:  # the first byte of a line of a box, and of an arrow
        if after == 134 and data[at + 2] == 146:
            return at + 3, PAIR
        return (at + 3, PAIR | CELL | WEAK) if after in (148, 149) else (-1, 0)
    if byte == 124 and ((after in (32, 9) and blanks) or (not blanks and before == 124)):  # NAME | value |
        return at + 1, PAIR | CELL | WEAK * int(blanks and before not in (32, 124))
    if byte in (10, 13):
        if quoted and not blanks and data[end] == DOUBLE:
            part = _form_part(data, name, at)
            return (part, WHOLE) if part >= 0 else (-1, 0)
        if before == 47 and not quoted and at == end:
            return _under_path(data, name, at)
        return _listed(data, name, at)
    if byte == 60:
        return _angle(data, name, end, at, quoted)
    if byte == 62 or (blanks and (before in (60, 58) or quoted)):
        found = _in_tag(data, name, at, quoted)
        if found[0] >= 0 or byte == 62:
            return found
    if (
        byte == 40 and not blanks and not quoted and TABLE[after] & OPEN and _sets(data, name, end)
    ):  # x.setName("value")
        return at + 1, QUOTED | WEAK
    if before == 61 and (byte == 59 or (quoted and data[behind - 1] == 93)):
        return _closed(data, name, end)
    if byte in (44, 59):
        return _comma(data, name, end, at, quoted)
    return _blank(data, name, behind, at, quoted) if blanks else (-1, 0)

"""Values in XML and HTML: `<name>value</name>`, `<td>name</td><td>value</td>`, `<entry key="name">value</entry>`.

Compiled loops.
"""
# ruff: noqa: PLR2004 - bytes are compared with bytes

from typing import Any, Final

from detector.jit import bare
from detector.scan.names.byte_classes import past_part, past_space, word
from detector.scan.names.value_kernel import LONGEST, starts

_TAGS: Final = 6  # between a name and its value
_TAG: Final = 160  # bytes
# What names and values stand in besides an element of their own.
_INLINE: Final = tuple(
    word(text)
    for text in (
        b"value",
        b"string",
        b"td",
        b"dd",
        b"code",
        b"b",
        b"strong",
        b"span",
        b"pre",
        b"em",
        b"kbd",
        b"i",
    )
)
_CLOSING: Final = (*_INLINE, *(word(text) for text in (b"name", b"key", b"th", b"dt")))
_CDATA: Final = word(b"<![cdata[")


@bare
def tag_end(data: Any, at: int) -> int:
    """Where text begins behind the tag in which `at` is; -1 if the tag does not end near, or has no text."""
    stop = min(data.size, at + _TAG)
    while at < stop and data[at] not in (60, 62, 10):
        at += 1
    if at >= stop or data[at] != 62 or data[at - 1] == 47:
        return -1
    return at + 1


@bare
def _accepted(data: Any, at: int) -> bool:
    """Whether a tag stands here between whose ends names and values stand."""
    if at + 1 < data.size and data[at + 1] == 47:
        end = past_part(data, at + 2)
        for known in _CLOSING:  # noqa: SIM110 - numba compiles no generator
            if end - at - 2 == known.size and starts(data, at + 2, end, known):
                return True
        return False
    end = past_part(data, at + 1)
    for known in _INLINE:  # noqa: SIM110 - numba compiles no generator
        if end - at - 1 == known.size and starts(data, at + 1, end, known):
            return True
    return False


@bare
def text_after_tags(data: Any, at: int) -> int:
    """Where the next text begins, behind blanks and tags such as stand between name and value; -1 if others do."""
    for _ in range(_TAGS):
        at = past_space(data, at)
        if at >= data.size or data[at] != 60:
            return at
        if starts(data, at, data.size, _CDATA):
            return int(at + _CDATA.size)
        if not _accepted(data, at):
            return -1
        at = tag_end(data, at + 1)
        if at < 0:
            return -1
    return -1


@bare
def text_end(data: Any, start: int) -> int:
    """Where an element's text of one word ends; of `<![CDATA[`, too."""
    at = start
    while at < data.size and at - start <= LONGEST and data[at] > 32 and data[at] != 60:
        if data[at] == 93 and at + 2 < data.size and data[at + 1] == 93 and data[at + 2] == 62:
            break
        at += 1
    return at

"""Byte order marks of UTF-8, which stand before a line wherever files that begin with one were put together."""

import codecs
from collections.abc import Iterable, Iterator
from typing import Final

MARK: Final = codecs.BOM_UTF8
_LINE: Final = b"\n" + MARK
_BEGUN: Final = tuple(
    _LINE[:size] for size in range(len(_LINE) - 1, 0, -1)
)  # what may go on in the next chunk


def without_marks(data: bytes) -> bytes:
    """The data without the marks that stand before its lines."""
    if MARK not in data:
        return data
    while data.startswith(MARK):
        data = data[len(MARK) :]
    while _LINE in data:
        data = data.replace(_LINE, b"\n")
    return data


def chunks_without_marks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same of data in chunks, of which the first begins a line."""
    held = b"\n"  # the end of a line, which was given, and what may be a mark behind it
    for chunk in chunks:
        given = 1 if held else 0
        data = held + chunk if held else chunk
        while _LINE in data:
            data = data.replace(_LINE, b"\n")
        held = next((begun for begun in _BEGUN if data.endswith(begun)), b"")
        end = len(data) - max(0, len(held) - 1)  # a reader sees whole lines at once
        if end > given:
            yield data[given:end] if given or end < len(data) else data
    if len(held) > 1:
        yield held[1:]

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
    held, added = b"\n", 1  # as if a line had ended before
    for chunk in chunks:
        data = held + chunk if held else chunk
        while _LINE in data:
            data = data.replace(_LINE, b"\n")
        held = next((begun for begun in _BEGUN if data.endswith(begun)), b"")
        if len(data) > added + len(held):
            yield data[added : len(data) - len(held)] if added or held else data
            added = 0
    if len(held) > added:
        yield held[added:]

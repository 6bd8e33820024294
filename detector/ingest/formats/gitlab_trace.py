"""GitLab's job logs with timestamps, as the runner writes them (`FF_TIMESTAMPS`, on by default on GitLab.com).

`<RFC 3339 with microseconds, Z> <two hex digits><O|E><space|+><text>`: the digits number a stream, O is its standard
output and E its standard error, and `+` goes on in the line before of the same stream. The runner cuts a line after 8
KiB, and where the job wrote a carriage return (gitlab-runner, `common/buildlogger/internal/timestamper`).
"""

from collections.abc import Iterator
from typing import Final

import msgspec
import re2

from detector.ingest.format_names import GITLAB_TRACE
from detector.ingest.formats.log_texts import KEY_BEGIN, LogTexts, Times, line_edges
from detector.records.log_records import LogText
from detector.records.timestamps import Ints, leading_stamps, line_span

_LINE: Final = re2.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{6}Z ([0-9a-f]{2}[OE])([ +])")
_PART: Final = re2.compile(rb"Z [0-9a-f]{2}[OE]\+")
_HEAD: Final = 32  # bytes before the text


def looks_like(line: bytes) -> bool:
    """Whether a line is one of such a log."""
    return _LINE.match(line) is not None


def in_parts(data: bytes) -> bool:
    """Whether a line may go on in another, or a key over several."""
    return KEY_BEGIN in data or _PART.search(data) is not None


def block(data: bytes, starts: Ints) -> LogTexts:
    """A block of whole lines, scanned as they stand."""

    def found(index: int) -> bytes | None:
        start, end = line_span(data, starts, index)
        matched = _LINE.match(data[start : min(end, start + _HEAD)])
        return None if matched is None else matched[1]

    def head(index: int) -> int:
        return 0 if found(index) is None else _HEAD

    def whereabouts(index: int) -> tuple[None, str | None]:
        stream = found(index)
        return None, None if stream is None else stream.decode()

    def message(index: int) -> str:
        start, end = line_span(data, starts, index)
        return data[start + head(index) : end].decode("utf-8", "replace")

    times = Times(leading_stamps(data, starts))
    return LogTexts(GITLAB_TRACE, data, line_edges(data, starts), times, message, whereabouts, True, head)


class TraceLines:
    """Puts lines together that go on in each other: a line is held until the next one of its stream says whether."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[LogText, int]] = {}

    def take(self, line: bytes, time: int | None, number: int) -> Iterator[tuple[LogText, int]]:
        """What is known after this line: log texts, or parts of them, with the numbers of their lines."""
        found = _LINE.match(line)
        if found is None:
            yield LogText(line, time), number
            return
        stream, goes_on = found[1].decode(), found[2] == b"+"
        if stream in self._held:
            held, at = self._held[stream]
            yield msgspec.structs.replace(held, ends=not goes_on), at
        text = line[found.end() :]
        self._held[stream] = LogText(text, time, stream=stream, channel=stream), number

    def end(self) -> Iterator[tuple[LogText, int]]:
        """The last line of each stream."""
        yield from self._held.values()
        self._held = {}

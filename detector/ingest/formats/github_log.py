r"""What `gh run view --log` and `--log-failed` print: `<job>\t<step>\t<time> <text>`, the log of a run.

The step is `UNKNOWN STEP` where GitHub has no log of it alone, and a byte order mark stands before the first time of
each log (cli/cli, pkg/cmd/run/view). A log in the API or in a run's archive has lines of `<time> <text>`: that is
text.
"""

from collections.abc import Callable
from typing import Final

import re2

from detector.ingest.format_names import GITHUB_LOG
from detector.ingest.formats.log_texts import LogTexts, Times, line_edges
from detector.records.log_records import LogText
from detector.records.timestamps import Ints, leading_stamps, line_span

_MARK: Final = b"\xef\xbb\xbf"
_HEAD: Final = 1024  # bytes in which what stands before the time is looked for
_UNKNOWN: Final = "UNKNOWN STEP"
_TIME: Final = 64  # bytes in which a time ends
_LINE: Final = re2.compile(
    rb"[^\t]{1,250}\t[^\t]{1,250}\t(?:" + _MARK + rb")?"  # the mark itself: `\xef` would be a character
    rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{1,9}Z"
)


def looks_like(line: bytes) -> bool:
    """Whether a line is one of these."""
    return _LINE.match(line) is not None


def stream_of(job: str, step: str | None) -> str:
    """The stream of a job's step; two jobs may have steps of one name."""
    return job if step is None or step == _UNKNOWN else f"{job}/{step}"


def _places(data: bytes, starts: Ints) -> Ints:
    """Where the time of each line begins, or the line itself, if there is nothing before the time."""
    places = starts.copy()
    for index in range(len(starts)):
        start, end = line_span(data, starts, index)
        end = min(end, start + _HEAD)
        job = data.find(b"\t", start, end)
        step = data.find(b"\t", job + 1, end) if job > start else -1
        if step > 0:
            places[index] = step + 1 + len(_MARK) * data.startswith(_MARK, step + 1)
    return places


def block(data: bytes, starts: Ints) -> tuple[LogTexts, Callable[[int, int | None], LogText]]:
    """A block of lines, scanned as they stand; and what gives a line by itself, with its time (ns) or none.

    The text of a line by itself is what stands behind the time, so that the lines of a key follow each other. The rest
    is what stands before that.
    """
    places = _places(data, starts)
    times = Times(leading_stamps(data, places))
    stamps = times.stamps

    def whereabouts(index: int) -> tuple[None, str | None]:
        if places[index] == starts[index]:
            return None, None
        head = data[int(starts[index]) : int(places[index])].decode("utf-8", "replace")
        job, step, _ = head.split("\t", 2)
        return None, stream_of(job, step)

    def text_at(index: int) -> int:
        """Where the text behind the time begins."""
        _, end = line_span(data, starts, index)
        at = int(places[index])
        if stamps.exactly(index) is None:
            return at
        blank = data.find(b" ", at, min(end, at + _TIME))
        return end if blank < 0 else blank + 1

    def message(index: int) -> str:
        return data[text_at(index) : line_span(data, starts, index)[1]].decode("utf-8", "replace")

    def head(index: int) -> int:
        return text_at(index) - int(starts[index])

    def by_itself(index: int, time: int | None) -> LogText:
        start, end = line_span(data, starts, index)
        at = text_at(index)
        return LogText(data[at:end], time, stream=whereabouts(index)[1], rest=data[start:at])

    texts = LogTexts(GITHUB_LOG, data, line_edges(data, starts), times, message, whereabouts, True, head)
    return texts, by_itself

"""Reads log records of the common forms in one compiled pass: JSON, lines of text, and those of CRI and Docker.

A record is taken only if the strict reader reads it so, and gives the same for it. One of any other form costs a look
at its first bytes. A message is written out as it is scanned: without its escapes, and without the newline at its
end.
"""

# ruff: noqa: C901, PLR0911, PLR0912, PLR0913, PLR0917, PLR2004 - a compiled loop is one function; bytes are written as their codes

from typing import Any, Final

import numpy as np

from detector.ingest.formats.flat_columns import (
    BLANK_LINE,
    CHANNEL,
    CRI_LINE,
    GOES_ON,
    KEY,
    KIND,
    NANOS,
    PLAIN_JSON,
    POD,
    REST,
    REST_END,
    SECONDS,
    STREAM,
    STREAM_SIZE,
    TASK,
    TASK_SIZE,
    TEXT,
    TIME_NAME,
    TIMED,
)
from detector.ingest.formats.line_kernel import NAME_SIZE, NO_LINE, line
from detector.ingest.formats.object_kernel import read_object
from detector.ingest.formats.stream_key_kernel import stream_key
from detector.ingest.line_continuation import LEAST, MOST, varied
from detector.jit import bare
from detector.records.blocks import LONG_JSON
from detector.records.json_string_kernel import behind, copy, spaced, stands, written
from detector.records.log_records import LONG_LABEL
from detector.records.timestamp_kernel import stamp

_LEAST_BYTES: Final = len('{"message":""}')
_LEAST_BYTES_OF_ANY: Final = len('{"a":1}')
_BRACE, _CLOSING_BRACE, _LINE_FEED = 123, 125, 10
_MESSAGE: Final = np.frombuffer(b'message"', np.uint8)
_TIME: Final = np.frombuffer(b'time"', np.uint8)
_TASK_ID: Final = np.frombuffer(b'task_id"', np.uint8)
_STREAM: Final = np.frombuffer(b'stream"', np.uint8)
_NULL: Final = np.frombuffer(b"null", np.uint8)


@bare
def _goes_on(text: Any, kinds: Any, begin: int, end: int) -> bool:
    """Whether a text ends like wrapped base64 or hex that goes on."""
    if end > begin and text[end - 1] == 13:
        end -= 1
    at = end
    while at > begin and end - at <= MOST and kinds[text[at - 1]] != 0:
        at -= 1
    return LEAST <= end - at <= MOST and varied(text, kinds, at, end)


@bare
def _record(data: Any, at: int, end: int, into: Any, to: int, row: Any) -> int:
    """Reads one record into its row and writes its message; what is behind that, -1 if it is not taken."""
    if end - at < _LEAST_BYTES or end - at > LONG_JSON or data[at] != 123 or data[end - 1] != 125:
        return -1
    row[TIMED] = row[TASK_SIZE] = row[STREAM_SIZE] = row[TASK] = row[STREAM] = 0
    message = time = task = stream = False
    at = spaced(data, at + 1)
    while True:
        if data[at] != 34:
            return -1
        at += 1
        name = at
        if not message and stands(data, at, _MESSAGE):
            message, at = True, at + _MESSAGE.size
        elif not time and stands(data, at, _TIME):
            time, at = True, at + _TIME.size
        elif not task and stands(data, at, _TASK_ID):
            task, at = True, at + _TASK_ID.size
        elif not stream and stands(data, at, _STREAM):
            stream, at = True, at + _STREAM.size
        else:
            return -1
        at = spaced(data, at)
        if data[at] != 58:
            return -1
        at = spaced(data, at + 1)
        if data[at] != 34:
            if data[name] == 109 or not stands(data, at, _NULL):
                return -1
            at += _NULL.size
        elif data[name] == 109:
            at, to = written(data, at + 1, into, to)
            if at < 0:
                return -1
        elif data[name + 1] == 105:
            at, row[SECONDS], row[NANOS] = stamp(data, at + 1)
            if at < 0 or data[at] != 34:
                return -1
            row[TIMED] = 1
            row[TIME_NAME] = 0
            at += 1
        else:
            begin = at + 1
            at = behind(data, begin)
            if at < 0:
                return -1
            if data[name] == 116:
                row[TASK], row[TASK_SIZE] = begin, at - 1 - begin
            elif at - 1 - begin < LONG_LABEL:
                row[STREAM], row[STREAM_SIZE] = begin, at - 1 - begin
            else:
                return -1
        at = spaced(data, at)
        if data[at] == 125:
            return to if message and at + 1 == end else -1
        if data[at] != 44:
            return -1
        at = spaced(data, at + 1)


@bare
def flat(
    data: Any,
    starts: Any,
    left_out: Any,
    tables: Any,
    scratch: Any,
    into: Any,
    rest: Any,
    rows: Any,
) -> tuple[int, int]:
    """Fills a row for each record that begins at `starts`, the last of which is where one more would.

    `PAD` bytes or more are behind the data. `tables` are `KINDS` of digits, `DOUBTFUL`, `NAME_BYTES` and `NAME_CODES`,
    `scratch` the room that `read_object` needs. `into` and `rest` have room for the data. Returns how many bytes were
    written to both: texts, and what is said beside them, each with a newline behind it.
    """
    kinds, doubtful, names, codes = tables
    places, hashes = scratch
    to = rest_to = 0
    for number in range(rows.shape[0]):
        row = rows[number]
        row[TEXT], row[KIND] = -1, PLAIN_JSON
        at, behind = starts[number], starts[number + 1] - 1
        if left_out[number]:
            continue
        if data[at] == _BRACE:
            end = _record(data, at, behind, into, to, row)
            rest_end = rest_to
            if end >= 0:
                row[KIND] = PLAIN_JSON
                row[CHANNEL] = row[POD] = 0
                row[REST] = row[REST_END] = rest_to
                row[KEY] = stream_key(data, row[TASK], row[TASK_SIZE], row[STREAM], row[STREAM_SIZE])
                if end > to and into[end - 1] == _LINE_FEED:
                    end -= 1
            elif _LEAST_BYTES_OF_ANY <= behind - at <= LONG_JSON and data[behind - 1] == _CLOSING_BRACE:
                end, rest_end = read_object(
                    data, names, codes, places, hashes, at, behind, into, to, rest, rest_to, row
                )
            if end < 0:
                continue
            rest_to = rest_end
        else:
            kind, text, stream, timed, seconds, nanos = line(data, doubtful, at, behind)
            if kind == NO_LINE:
                continue
            row[KIND] = kind
            if kind == BLANK_LINE:
                continue
            row[TIMED], row[SECONDS], row[NANOS], row[TIME_NAME] = timed, seconds, nanos, -1
            row[TASK] = row[TASK_SIZE] = row[POD] = 0
            row[STREAM], row[STREAM_SIZE] = stream, NAME_SIZE if stream else 0
            row[CHANNEL] = kind == CRI_LINE
            row[REST] = row[REST_END] = rest_to
            row[KEY] = stream_key(data, 0, 0, stream, row[STREAM_SIZE])
            copy(data, text, behind, into, to)
            end = to + behind - text
        row[TEXT] = to
        row[GOES_ON] = _goes_on(into, kinds, to, end)
        into[end] = _LINE_FEED
        to = end + 1
    return to, rest_to

"""Reads log records that have no fields but `message`, `time`, `task_id` and `stream`, in one compiled pass.

A record is taken only if a strict parser reads it so. One of any other form costs a look at its first bytes. A message is
written out as it is scanned: without its escapes, and without the newline at its end.
"""

# ruff: noqa: C901, PLR0911, PLR0912, PLR0913, PLR0917, PLR2004 - a compiled loop is one function; bytes are written as their codes

from typing import Any, Final

import numpy as np

from detector.ingest.line_continuation import LEAST, MOST, varied
from detector.jit import bare
from detector.records.blocks import LONG_JSON
from detector.records.json_string_kernel import behind, mark, spaced, stands, written
from detector.records.timestamp_kernel import stamp

# The columns of a record that was taken; of another only `TEXT` counts.
TEXT: Final = 0  # where its text begins; -1 if it was not taken
TIMED: Final = 1  # whether it states a time
SECONDS: Final = 2
NANOS: Final = 3
TASK: Final = 4  # where its task stands
TASK_SIZE: Final = 5  # 0 if it names none
STREAM: Final = 6
STREAM_SIZE: Final = 7
KEY: Final = 8  # a number that all records of its stream have, and few others
GOES_ON: Final = 9  # whether its text may go on in the next record of its stream
WIDTH: Final = 10

LONG_LABEL: Final = 16  # no name of a stream is as long
_LEAST_BYTES: Final = len('{"message":""}')
_MESSAGE: Final = np.frombuffer(b'message"', np.uint8)
_TIME: Final = np.frombuffer(b'time"', np.uint8)
_TASK_ID: Final = np.frombuffer(b'task_id"', np.uint8)
_STREAM: Final = np.frombuffer(b'stream"', np.uint8)
_NULL: Final = np.frombuffer(b"null", np.uint8)
_BASIS: Final = np.uint64(14695981039346656037)
_PRIME: Final = np.uint64(1099511628211)


@bare
def stream_key(data: Any, task: int, task_size: int, stream: int, stream_size: int) -> int:
    """The number of a stream (FNV-1a of its task and its name)."""
    key = _BASIS
    for at in range(task, task + task_size):
        key = (key ^ np.uint64(data[at])) * _PRIME
    key = (key ^ np.uint64(256)) * _PRIME
    for at in range(stream, stream + stream_size):
        key = (key ^ np.uint64(data[at])) * _PRIME
    return int(np.int64(key >> np.uint64(1)))


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
def _record(data: Any, words: Any, at: int, end: int, into: Any, to: int, row: Any) -> int:
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
            at, to = written(data, words, at + 1, into, to)
            if at < 0:
                return -1
        elif data[name + 1] == 105:
            at, row[SECONDS], row[NANOS] = stamp(data, at + 1)
            if at < 0 or data[at] != 34:
                return -1
            row[TIMED] = 1
            at += 1
        else:
            begin = at + 1
            at = behind(data, words, begin)
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
    data: Any, starts: Any, left_out: Any, flags: Any, words: Any, kinds: Any, into: Any, rows: Any
) -> int:
    """Fills a row for each record that begins at `starts`, the last of which is where one more would.

    `flags` are bytes for `mark`, eight or more of them behind the data, which are set; `words` the same by eights. `into`
    has room for the data. Returns how many bytes were written there: texts, each with a newline behind it.
    """
    mark(data, flags)
    to = 0
    for number in range(rows.shape[0]):
        row = rows[number]
        end = -1
        if not left_out[number]:
            end = _record(data, words, starts[number], starts[number + 1] - 1, into, to, row)
        if end < 0:
            row[TEXT] = -1
            continue
        if end > to and into[end - 1] == 10:
            end -= 1
        row[TEXT] = to
        row[GOES_ON] = _goes_on(into, kinds, to, end)
        row[KEY] = stream_key(data, row[TASK], row[TASK_SIZE], row[STREAM], row[STREAM_SIZE])
        into[end] = 10
        to = end + 1
    return to

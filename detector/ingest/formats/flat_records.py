"""Log records of the common forms in a run of records, as columns: a Python object is made of those asked for only.

Which forms these are is in `detector.ingest.formats.flat_kernel`, which reads them. What is written in a way that
parsers differ in is left to the reader that takes records one by one.
"""

from collections.abc import Callable
from functools import cache
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from detector.ingest.format_names import CRI, DOCKER, TEXT
from detector.ingest.formats import flat_columns as column
from detector.ingest.formats import flat_kernel as kernel
from detector.ingest.formats.line_kernel import DOUBTFUL
from detector.ingest.formats.log_texts import NUMBERED, Beside, LogTexts, Rests, Times, nowhere
from detector.ingest.formats.object_kernel import DEPTH, NAME_BYTES, NAME_CODES, NAMES
from detector.ingest.formats.stream_key_kernel import stream_key as stream_key_of
from detector.ingest.line_continuation import KINDS
from detector.records import record_fields
from detector.records.json_string_kernel import PAD
from detector.records.literal_search import lines_with
from detector.records.log_records import JSON_LOG, TIME_NAMES, whereabouts, whereabouts_of
from detector.records.log_times import CARRIER, RECORD
from detector.records.record_columns import RecordColumns
from detector.records.repeated_names import has_repeated_name
from detector.records.shipper_fields import Named
from detector.records.timestamps import Ints, Stamps, log_time
from detector.values.times import SECOND

_TABLES: Final = KINDS, DOUBTFUL, NAME_BYTES, NAME_CODES
_FORMATS: Final = {
    column.PLAIN_JSON: JSON_LOG,
    column.ANY_JSON: JSON_LOG,
    column.DOCKER_JSON: DOCKER,
    column.TEXT_LINE: TEXT,
    column.CRI_LINE: CRI,
}
_CARRIED: Final = (column.DOCKER_JSON, column.CRI_LINE)  # whose times are their carrier's
_FEW_STREAMS: Final = 16  # of a run: then it costs less to ask each record for its own
_NUMBERS: Final = msgspec.json.Decoder()


class FlatRecords:
    """The records of these forms in `data`, where they begin at `starts`, the last of which is where one more would.

    There is a byte behind each record, and behind the last `PAD` newlines (`detector.records.json_string_kernel`).
    `taken` says which records are of these forms, `blank` which are lines without any text; those that are `left_out`
    are not looked at. `keys` are the numbers of their streams (`stream_key`). `named` is what a configuration says of
    the task of a log record.
    """

    def __init__(
        self, data: bytes, starts: Ints, left_out: npt.NDArray[np.bool_], named: Named | None
    ) -> None:
        self._data = data
        self._starts = starts
        self._named = named
        self._text, self._rest = np.empty(len(data), np.uint8), np.empty(len(data), np.uint8)
        self._rows = np.empty((len(left_out), column.WIDTH), np.int64)
        self._size, self._rest_size = kernel.flat(
            np.frombuffer(data, np.uint8),
            starts,
            left_out.view(np.uint8),
            _TABLES,
            (np.empty((DEPTH, 5), np.int64), np.empty(NAMES, np.uint64)),
            self._text,
            self._rest,
            self._rows,
        )
        self.taken = self._rows[:, column.TEXT] >= 0
        self.blank = self._rows[:, column.KIND] == column.BLANK_LINE
        self.keys = self._rows[:, column.KEY]

    @property
    def plain(self) -> npt.NDArray[np.bool_]:
        """Which were taken and have no fields but those of a plain log record (`column.PLAIN_JSON`)."""
        return np.asarray(self.taken & (self._rows[:, column.KIND] == column.PLAIN_JSON))

    def in_channels(self, numbers: Ints) -> bool:
        """Whether one of the records may be of a line that others are parts of."""
        return bool(self._rows[numbers, column.CHANNEL].any())

    def texts(self, numbers: Ints) -> LogTexts:
        """The texts of those of the records that were taken and have no other such record between them."""
        rows = self._rows if len(numbers) == len(self._rows) else self._rows[numbers]
        kinds = rows[:, column.KIND]
        begins = rows[:, column.TEXT]
        first, behind = int(begins[0]), self._behind(int(numbers[-1]))
        text = self._text[first : behind - 1].tobytes()
        data, starts = self._data, self._starts

        rests = self._rests(rows)
        kept: list[Ints] = []

        def edges() -> Ints:
            if not kept:
                kept.append(np.append(begins, behind) - first)
            return kept[0]

        def message(index: int) -> str:
            end = behind if index + 1 == len(begins) else int(begins[index + 1])
            return text[int(begins[index]) - first : end - first - 1].decode("utf-8", "replace")

        def placed(index: int) -> tuple[str | None, str | None]:
            row = rows[index].tolist()
            task = data[row[column.TASK] : row[column.TASK] + row[column.TASK_SIZE]].decode() or None
            at = row[column.STREAM]
            name = data[at : at + row[column.STREAM_SIZE]].decode() or None
            if task is not None:
                return task, name
            kind = row[column.KIND]
            if kind == column.ANY_JSON and (self._named is not None or row[column.POD]):
                number = numbers[index]
                return whereabouts_of(data[starts[number] : starts[number + 1] - 1], self._named)
            if kind == column.PLAIN_JSON and self._named is not None:
                return whereabouts({"message": message(index), "stream": name}, self._named)
            return None, name

        def beside() -> Beside:
            plain = rows[kinds == column.PLAIN_JSON]
            tasks = plain[:, column.TASK : column.TASK_SIZE + 1]
            streams = plain[:, column.STREAM : column.STREAM_SIZE + 1]
            places, sizes = np.concatenate([tasks, streams]).T.tolist()
            fields = {data[at : at + size] for at, size in zip(places, sizes, strict=True) if size}
            escaped = np.isin(numbers, lines_with(NUMBERED, data, starts)) & (kinds != column.TEXT_LINE)
            escaped |= kinds == column.ANY_JSON
            others = np.arange(0 if rests is None else len(rests.owners)) + len(rows)
            return Beside(
                [field.decode() for field in fields], np.concatenate([np.flatnonzero(escaped), others])
            )

        only_lines = bool((kinds == column.TEXT_LINE).all())
        return LogTexts(
            _FORMATS[int(kinds[0])],
            text,
            edges,
            self._times(rows),
            message,
            nowhere if only_lines else placed,
            beside=beside,
            marked=rows[:, column.GOES_ON].nonzero()[0].tolist(),
            keys=self._keys(rows),
            counts=_counts(kinds),
            origins=_origins(kinds),
            rests=rests,
        )

    def _behind(self, number: int) -> int:
        """Where the text begins that follows the text of a record."""
        following = self._rows[number + 1 :, column.TEXT]
        later = following[following >= 0]
        return int(later[0]) if len(later) else self._size

    def _rests(self, rows: Ints) -> Rests | None:
        (owners,) = (rows[:, column.REST] < rows[:, column.REST_END]).nonzero()
        if not len(owners):
            return None
        begins = rows[owners, column.REST]
        first, end = int(begins[0]), int(rows[owners[-1], column.REST_END])
        return Rests(self._rest[first:end].tobytes(), begins - first, owners)

    def _keys(self, rows: Ints) -> Ints | None:
        """The numbers of the streams, if they are known and many."""
        keys = rows[:, column.KEY]
        if self._named is not None:
            json = rows[:, column.KIND] <= column.ANY_JSON
            if (json & (rows[:, column.TASK_SIZE] == 0)).any():
                return None
        some = keys[: 4 * _FEW_STREAMS]
        many = len({*some.tolist()}) > _FEW_STREAMS or len(np.unique(keys)) > _FEW_STREAMS
        return keys if many else None

    def _times(self, rows: Ints) -> Times:
        timed = rows[:, column.TIMED]
        (stamps,) = timed.nonzero()
        seconds, nanos = rows[stamps, column.SECONDS], rows[stamps, column.NANOS]
        unread: list[tuple[int, str]] = []
        (numbers,) = (timed[stamps] == column.AS_NUMBER).nonzero()
        if len(numbers):
            kept = np.ones(len(stamps), np.bool_)
            for at in numbers.tolist():
                row = rows[stamps[at]]
                time = log_time(_NUMBERS.decode(self._data[seconds[at] : nanos[at]]))
                if time is not None:
                    seconds[at], nanos[at] = divmod(time, SECOND)
                    continue
                kept[at] = False
                if row[column.STRICT]:
                    unread.append((int(stamps[at]), TIME_NAMES[row[column.TIME_NAME]]))
            stamps, seconds, nanos = stamps[kept], seconds[kept], nanos[kept]

        def field(index: int) -> str | None:
            name = int(rows[index, column.TIME_NAME])
            return None if name < 0 else TIME_NAMES[name]

        return Times(Stamps(stamps, seconds, nanos), unread, field)


def _counts(kinds: Ints) -> dict[str, int]:
    """How many records are of each format."""
    found: dict[str, int] = {}
    for kind, count in enumerate(np.bincount(kinds, minlength=column.KINDS).tolist()):
        if count:
            found[_FORMATS[kind]] = found.get(_FORMATS[kind], 0) + count
    return found


def _origins(kinds: Ints) -> Callable[[int], str]:
    return lambda index: CARRIER if int(kinds[index]) in _CARRIED else RECORD


def stream_key(task_id: str | None, stream: str | None) -> int:
    """The number that `LogTexts.keys` has for a stream."""
    task, name = (task_id or "").encode(), (stream or "").encode()
    text = np.frombuffer(task + name, np.uint8)
    return int(stream_key_of(text, 0, len(task), len(task), len(name)))


@cache
def compile_records() -> None:
    """Reads one record, so that the first of a topic waits for no compiler."""
    record = b'{"message":"one"}'
    rows = np.zeros((1, record_fields.WIDTH), np.int64)
    rows[0, record_fields.VALUE_SIZE] = len(record)
    data, starts = RecordColumns("", 0, record, rows).value_lines(PAD)
    FlatRecords(data, starts, np.zeros(1, np.bool_), None)
    stream_key("task", "stdout")
    has_repeated_name(data)

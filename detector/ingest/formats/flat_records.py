"""Log records of the plainest form in a run of records, as columns: a Python object is made of those asked for only.

A record has that form if it is an object of `message`, and perhaps `time`, `task_id` and `stream`, written without what
parsers differ in. `detector.ingest.formats.flat_kernel` reads them.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from detector.ingest.formats import flat_kernel as kernel
from detector.ingest.formats.log_texts import NUMBERED, Beside, LogTexts, Times
from detector.ingest.line_continuation import KINDS
from detector.records.literal_search import lines_with
from detector.records.log_records import JSON_LOG, whereabouts
from detector.records.shipper_fields import Named
from detector.records.timestamps import Ints, Stamps

_WORD: Final = 8


class FlatRecords:
    """The records of this form in `data`, where they begin at `starts`, the last of which is where one more would.

    There is a byte behind each record, and behind the last `PAD` newlines (`detector.records.json_string_kernel`).
    `taken` says which records are of this form; those that are `left_out` are not looked at. `named` is what a
    configuration says of the task of a log record.
    """

    def __init__(
        self, data: bytes, starts: Ints, left_out: npt.NDArray[np.bool_], named: Named | None
    ) -> None:
        self._data = data
        self._starts = starts
        self._named = named
        flags = np.empty((len(data) // _WORD + 2) * _WORD, np.uint8)
        flags[len(data) :] = 1
        into = np.empty(len(data), np.uint8)
        self._rows = np.empty((len(left_out), kernel.WIDTH), np.int64)
        self._size = kernel.flat(
            np.frombuffer(data, np.uint8),
            starts,
            left_out.view(np.uint8),
            flags,
            flags.view(np.uint64),
            KINDS,
            into,
            self._rows,
        )
        self._text = into
        self.taken = self._rows[:, kernel.TEXT] >= 0

    def texts(self, numbers: Ints) -> LogTexts:
        """The texts of those of the records that were taken and have no other such record between them."""
        rows = self._rows[numbers]
        begins = rows[:, kernel.TEXT]
        first, behind = int(begins[0]), self._behind(int(numbers[-1]))
        text = self._text[first : behind - 1].tobytes()

        def edges() -> Ints:
            return np.append(begins, behind) - first

        def message(index: int) -> str:
            end = behind if index + 1 == len(begins) else int(begins[index + 1])
            return text[int(begins[index]) - first : end - first - 1].decode()

        def placed(index: int) -> tuple[str | None, str | None]:
            task, size, stream, stream_size = rows[index, kernel.TASK : kernel.STREAM_SIZE + 1].tolist()
            task_id = self._data[task : task + size].decode() or None
            name = self._data[stream : stream + stream_size].decode() or None
            if task_id is not None or self._named is None:
                return task_id, name
            return whereabouts({"message": message(index), "stream": name}, self._named)

        def beside() -> Beside:
            places = (
                *rows[:, kernel.TASK : kernel.TASK_SIZE + 1],
                *rows[:, kernel.STREAM : kernel.STREAM_SIZE + 1],
            )
            fields = {self._data[at : at + size] for at, size in np.array(places).tolist() if size}
            escaped = np.isin(numbers, lines_with(NUMBERED, self._data, self._starts))
            return Beside([field.decode() for field in fields], np.flatnonzero(escaped).tolist())

        known = self._named is None or bool((rows[:, kernel.TASK_SIZE] > 0).all())
        return LogTexts(
            JSON_LOG,
            text,
            edges,
            _times(rows),
            message,
            placed,
            beside=beside,
            marked=np.flatnonzero(rows[:, kernel.GOES_ON]).tolist(),
            keys=rows[:, kernel.KEY] if known else None,
        )

    def _behind(self, number: int) -> int:
        """Where the text begins that follows the text of a record."""
        following = self._rows[number + 1 :, kernel.TEXT]
        later = following[following >= 0]
        return int(later[0]) if len(later) else self._size


def _times(rows: Any) -> Times:
    timed = np.flatnonzero(rows[:, kernel.TIMED])
    stamps = Stamps(timed, rows[timed, kernel.SECONDS], rows[timed, kernel.NANOS])
    return Times(stamps, field=lambda _: "time")


def stream_key(task_id: str | None, stream: str | None) -> int:
    """The number that `LogTexts.keys` has for a stream."""
    task, name = (task_id or "").encode(), (stream or "").encode()
    text = np.frombuffer(task + name, np.uint8)
    return int(kernel.stream_key(text, 0, len(task), len(task), len(name)))

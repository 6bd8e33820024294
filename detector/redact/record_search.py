"""Finds which of many records show a secret where nobody has looked yet, without an object for each of them.

A row is the number of a record among its columns.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from detector.core import headers_at
from detector.records import record_fields as fields
from detector.records.compressed_values import FIRST_BYTES
from detector.records.literal_search import lines_with
from detector.records.made_columns import joined
from detector.records.record_columns import RecordColumns, line_starts_of, under_spans
from detector.records.timestamps import Ints
from detector.redact.record_redactor import LEAST
from detector.redact.unexamined import encoded_otherwise
from detector.scan.mask_spans import MaskSpan
from detector.scan.redactor import Redactor
from detector.scan.shares import LimitedText

Rows = npt.NDArray[np.bool_]
"""Which rows are meant."""
Span = tuple[int, int]
"""The first and the last offset of records that show something together."""

_COMPRESSED: Final = np.isin(np.arange(1 << 8), list(FIRST_BYTES))
_NULS: Final = b"\0\0\0"  # among four bytes for each character


def at_offsets(records: RecordColumns, offsets: Collection[int]) -> Rows:
    """The rows of records at these offsets."""
    return np.isin(records.column(fields.OFFSET), list(offsets))


def under(records: RecordColumns, spans: Iterable[Span]) -> Rows:
    """The rows of the records from the first to the last offset of each span."""
    return under_spans(records.column(fields.OFFSET), spans)


def encoded(records: RecordColumns, place: int) -> list[int]:
    """The rows whose key or value (`place`) is in a form that is not decoded here."""
    some = np.flatnonzero(records.column(place + 1) > 0)
    heads = np.frombuffer(records.data, np.uint8)[records.column(place)[some]]
    rows = set(some[_COMPRESSED[heads]].tolist())
    rows.update(lines_with(_NULS, *joined(records, place)).tolist())
    begins, sizes = records.column(place), records.column(place + 1)
    return [row for row in rows if encoded_otherwise(records.data[begins[row] : begins[row] + sizes[row]])]


def beside(records: RecordColumns, redactor: Redactor) -> Rows:
    """The rows whose key or headers show a secret, or were not examined whole."""
    rows = np.zeros(len(records), np.bool_)
    keyed = np.flatnonzero(records.column(fields.KEY_SIZE) > 0)
    if len(keyed):
        keys = records.chosen(keyed.tolist())
        rows[keyed[encoded(keys, fields.KEY)]] = True
        data, starts = joined(keys, fields.KEY)
        rows[keyed[_showing(redactor, data, starts)]] = True
    texts: list[bytes] = []
    owners: list[int] = []
    for row in np.flatnonzero(records.column(fields.HEADER_COUNT)).tolist():
        headers = headers_at(
            records.data, *records.columns[row, [fields.HEADERS, fields.HEADER_COUNT]].tolist()
        )
        texts += [name.encode() + b"=" + (value or b"") for name, value in headers]
        owners += [row] * len(headers)
        rows[row] = any(encoded_otherwise(value) for _, value in headers if value) or rows[row]
    if texts:
        starts = line_starts_of(np.fromiter(map(len, texts), np.int64, len(texts)))
        for number in _showing(redactor, b"\n".join(texts), starts):
            rows[owners[number]] = True
    return rows


def in_values(records: RecordColumns, unseen: Rows, redactor: Redactor) -> list[Span]:
    """The spans of secrets and of text not examined whole in the values of `unseen` rows, as they stand.

    The others were searched before: in them only the bytes of these secrets are found once more.
    """
    order = np.concatenate([np.flatnonzero(unseen), np.flatnonzero(~unseen)])
    searched = int(unseen.sum())
    if not searched:
        return []
    data, starts = joined(records.chosen(order.tolist()), fields.VALUE)
    offsets = records.column(fields.OFFSET)[order]
    spans: list[Span] = []
    for span in _found(redactor, data, int(starts[searched]) - 1):
        rows = offsets[_row(starts, span.start) : _row(starts, span.end - 1) + 1]
        spans.append((int(rows.min()), int(rows.max())))
    return spans


def _found(redactor: Redactor, data: bytes, searched: int | None = None) -> Sequence[MaskSpan | LimitedText]:
    spans, limited = redactor.look(data, LEAST, searched)
    return [*spans, *limited]


def _showing(redactor: Redactor, data: bytes, starts: Ints) -> list[int]:
    """The numbers of the texts that show something."""
    return [
        number
        for span in _found(redactor, data)
        for number in range(_row(starts, span.start), _row(starts, span.end - 1) + 1)
    ]


def _row(starts: Ints, at: int) -> int:
    """The number of the text that holds a byte, or the line feed behind it."""
    return int(starts.searchsorted(at, side="right")) - 1

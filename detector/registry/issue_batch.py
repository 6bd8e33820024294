"""Issues on their way into a `CredentialRegistry`: as text and rows of numbers, and what is kept of an identifier."""

import re  # of what a source says of a credential, not of logs
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from detector.judge.routing import decode
from detector.records import record_fields
from detector.records.record_columns import RecordColumns
from detector.registry import issue_parser, issue_rows
from detector.registry import issue_records as records
from detector.values.events import CredentialIssued, Identifier
from detector.values.registrable import LONGEST_FORM, MIXED, SHORTEST_FORM, UNBROKEN

HMAC: Final = "hmac-sha256"
_OTHER: Final = (
    1 << 14
) - 1  # of those that came when the numbers were used up: they name their scheme themselves
_MOST_KEYS: Final = 1 << 16
_LENGTHS: Final = range(1 << 16)
_TIMES: Final = np.iinfo(np.int64)
_FORMS: Final = range(SHORTEST_FORM, LONGEST_FORM + 1)
_SHAPES: Final = {None: 0, UNBROKEN: records.UNBROKEN_FLAG, MIXED: records.MIXED_FLAG}
_SHAPE_OF: Final = {flag: shape for shape, flag in _SHAPES.items()}
_CHECK_DIGITS: Final = re.compile("[0-9a-f]{8}")
_DIGEST: Final = re.compile("[0-9a-f]{64}")
_PARSED_NAMES: Final = 64  # so many schemes and ids of keys the parser knows
_RECORD: Final = 48  # more than a record, or a claim, takes beside its text
_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Identifier)
_key: Final = msgspec.json.Decoder(tuple[str, str, str, str])


class NamedNumbers:
    """Numbers for the schemes of identifiers and for the ids of deployment keys."""

    def __init__(self, schemes: Sequence[str] = (), keys: Sequence[str] = ()) -> None:
        self.schemes = [
            "",
            "",
            "",
            HMAC,
            *schemes,
        ]  # the first three are of no identifier: see `claim_kernel`
        self.keys: list[str | None] = [None, *keys]
        self._schemes = {
            name: number for number, name in enumerate(self.schemes) if number >= records.HMAC_NAME
        }
        self._keys = {name: number for number, name in enumerate(self.keys)}

    def name_of(self, identifier: Identifier) -> tuple[int, str]:
        """The number of the scheme, and the value. A scheme without a number gets none: anybody may ask for any."""
        scheme = identifier.scheme
        number = self._schemes.get(scheme)
        if number is None:
            return _OTHER, f"{len(scheme)}:{scheme}{identifier.value}"
        return number, identifier.value

    def numbered(self, identifier: Identifier) -> tuple[int, str]:
        """The same of an identifier that is registered: its scheme gets a number while there are some."""
        scheme = identifier.scheme
        if scheme not in self._schemes and len(self.schemes) < _OTHER:
            self._schemes[scheme] = len(self.schemes)
            self.schemes.append(scheme)
        return self.name_of(identifier)

    def key(self, key_id: str | None) -> int | None:
        """The number of a key, None if the numbers are used up."""
        number = self._keys.get(key_id)
        if number is None and len(self.keys) < _MOST_KEYS:
            number = self._keys[key_id] = len(self.keys)
            self.keys.append(key_id)
        return number

    def tables(self) -> tuple[Any, Any, Any, Any]:
        """The first names of schemes and of keys, as the parser takes them."""
        schemes = _table(self.schemes[:_PARSED_NAMES])
        return *schemes, *_table([name or "" for name in self.keys[1:_PARSED_NAMES]])


class IssueBatch(NamedTuple):
    """Issues as `claim_kernel.add` takes them, and how many names and bytes of records they make at the most."""

    text: Any
    issues: Any
    identifiers: Any
    names: int
    room: int


def batch_of(issues: Sequence[CredentialIssued], numbers: NamedNumbers) -> IssueBatch:
    """The batch of some issues."""
    rows = np.empty((len(issues), issue_rows.ISSUE_ROW), np.int64)
    texts = _Texts(0, 0, numbers)
    for row, issue in zip(rows, issues, strict=True):
        texts.add(issue, row)
    return _batch(b"".join(texts.parts), rows, texts.rows())


def parsed(issues: RecordColumns, numbers: NamedNumbers) -> tuple[IssueBatch, int]:
    """The batch of the issues in some records of the registry topic, and how many of the records cannot be read."""
    data = issues.data + b'"'
    places = np.ascontiguousarray(issues.columns[:, record_fields.KEY : record_fields.HEADERS])
    rows = np.empty((len(issues), issue_rows.ISSUE_ROW), np.int64)
    identifiers = np.zeros((3 * len(issues) + 64, issue_rows.IDENTIFIER_ROW), np.int64)
    tables = numbers.tables()
    count = issue_parser.parse(np.frombuffer(data, np.uint8), places, *tables, rows, identifiers)
    unread = np.flatnonzero(rows[:, issue_rows.CREDENTIAL] < 0).tolist()
    texts = _Texts(len(data), count, numbers)
    unreadable = 0
    for number in unread:
        record = issues[number]
        try:
            kind, *_ = _key.decode(record.key or b"")
            fact = decode(record.value or b"") if kind == "cred" else None
        except (msgspec.MsgspecError, ValueError, RecursionError):
            unreadable += 1
            continue
        if isinstance(fact, CredentialIssued):
            texts.add(fact, rows[number])
    identifiers = np.concatenate([identifiers[:count], texts.rows()]) if texts.parts else identifiers[:count]
    return _batch(b"".join([data, *texts.parts]) if texts.parts else data, rows, identifiers), unreadable


class _Texts:
    """Rows of issues that are objects, with texts that come behind `size` bytes, and `first` rows of identifiers."""

    def __init__(self, size: int, first: int, numbers: NamedNumbers) -> None:
        self.parts: list[bytes] = []
        self._size = size
        self._first = first
        self._numbers = numbers
        self._identifiers: list[tuple[int, ...]] = []

    def add(self, issue: CredentialIssued, row: Any) -> None:
        count = len(issue.identifiers)
        task = (-1, -1) if issue.task_id is None else self._text(encoded(issue.task_id))
        row[:] = (
            *self._text(encoded(issue.credential_id)),
            *task,
            *self._text(encoded(issue.source)),
            *self._text(encoded(issue.id)),
            min(max(issue.time, _TIMES.min), _TIMES.max),
            self._first + len(self._identifiers),
            count,
        )
        for one in issue.identifiers:
            scheme, value = self._numbers.numbered(one)
            kept, beside = _kept(one, scheme, self._numbers)
            self._identifiers.append((scheme, *self._text(encoded(value)), *kept, *self._text(beside), 0))

    def rows(self) -> Any:
        return np.array(self._identifiers, np.int64).reshape(-1, issue_rows.IDENTIFIER_ROW)

    def _text(self, text: bytes) -> tuple[int, int]:
        self.parts.append(text)
        self._size += len(text)
        return self._size - len(text), self._size


def _batch(data: bytes, issues: Any, identifiers: Any) -> IssueBatch:
    names = 2 * len(issues) + 2 * len(identifiers)
    return IssueBatch(np.frombuffer(data, np.uint8), issues, identifiers, names, len(data) + names * _RECORD)


def _table(names: Sequence[str]) -> tuple[Any, Any]:
    texts = [encoded(name) for name in names]
    return np.frombuffer(b"".join(texts), np.uint8), np.cumsum([*map(len, texts)], dtype=np.int64)


def encoded(text: str) -> bytes:
    """A name as bytes. Lone surrogates, which JSON can spell, are kept."""
    return text.encode("utf-8", "surrogatepass")


def _kept(one: Identifier, scheme: int, numbers: NamedNumbers) -> tuple[tuple[int, int, int, int], bytes]:
    """What is kept of an identifier beside its name: length, check, number of the key and flags; and further bytes."""
    key = numbers.key(one.key_id)
    usual = (
        (one.length is None or one.length in _LENGTHS)
        and (one.check is None or _CHECK_DIGITS.fullmatch(one.check))
        and (one.folded is None or _is_folded(one))
        and one.shape in _SHAPES
    )
    if scheme == _OTHER or key is None or not usual:
        return (0, 0, 0, records.WHOLE), _encoder.encode(one)
    flags = (one.length is not None) * records.HAS_LENGTH | (one.check is not None) * records.HAS_CHECK
    flags |= (one.folded is not None) * records.HAS_FOLDED | _SHAPES[one.shape]
    check = 0 if one.check is None else int(one.check, 16)
    return (one.length or 0, check, key, flags), (one.folded or "").encode()


def _is_folded(one: Identifier) -> bool:
    """Whether the half of `folded` is all that is needed: its secret is found by its length and check."""
    found = one.scheme == HMAC and one.check is not None and one.length in _FORMS
    return found and all(_DIGEST.fullmatch(each) for each in (one.value, one.folded or ""))


def identifier_of(
    numbers: NamedNumbers, scheme: int, value: str, detail: Sequence[int], folded: str | None
) -> Identifier:
    """The identifier with this name, of which this was kept."""
    flags, length, check, key = detail
    return Identifier(
        numbers.schemes[scheme],
        value,
        length if flags & records.HAS_LENGTH else None,
        f"{check:08x}" if flags & records.HAS_CHECK else None,
        numbers.keys[key],
        folded,
        _SHAPE_OF[flags & (records.UNBROKEN_FLAG | records.MIXED_FLAG)],
    )


def whole_identifier(beside: bytes) -> Identifier:
    """The identifier that was kept whole."""
    return _decoder.decode(beside)

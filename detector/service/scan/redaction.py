"""The log records of one partition on their way to its redacted topic: in their order, each with its leaks masked.

records ──▶ wait until their text is scanned ──▶ masked where a leak was found ──▶ passed on, with their offsets

A record waits while it, or one before it, is part of a line or key whose end has not come. The scan stage bounds the
time; records and bytes are bounded here. Beyond the bounds the records are masked as far as their text is known,
passed on, and kept a while for the text that may still belong to them.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from detector.ingest.classify import BUNDLED, RecordClassifier
from detector.ingest.kafka_records import dead_letter, texts_in
from detector.kafka.handlers import Partition, PassedOn
from detector.records import record_fields as fields
from detector.records.dead_letters import (
    NOT_MASKED,
    NOT_PROTOBUF,
    NOT_UTF8,
    TOO_DEEP,
    TOO_LARGE,
    TRUNCATED_JSON,
    DeadLetter,
    bad,
)
from detector.records.log_records import LogText
from detector.records.made_columns import columns_of, dated, together
from detector.records.record_columns import Headers, KafkaRecord, RecordColumns
from detector.redact.record_redactor import redacted, without_texts
from detector.redact.record_search import Span, at_offsets, beside, encoded, in_values, under
from detector.redact.unexamined import (
    ENCODING,
    MARK_HEADER,
    UNFINISHED,
    UNREADABLE,
    Handling,
    Reason,
    already_masked,
    encoded_otherwise,
    whole,
)
from detector.scan.redactor import Redactor
from detector.scan.sightings import KNOWN_CREDENTIAL
from detector.stages.scan import ScanFacts
from detector.values.secrets import mask
from detector.values.stored_format import STORED_FORMAT, check_format
from detector.values.times import MILLISECOND

WAITING: Final = 2048  # records that wait for one before them, at most
_WAITING_BYTES: Final = 4 << 20  # and their bytes
# What stands in such a record was scanned as text only, and text that is escaped or cut in it may not be whole. A line
# that only begins as JSON or syslog does is text, and was scanned as that.
_UNREAD: Final = frozenset((TRUNCATED_JSON, NOT_UTF8, NOT_PROTOBUF, TOO_DEEP, TOO_LARGE))


class Redacted(msgspec.Struct, frozen=True):
    """What was passed on of a partition: `records`, in them masks by rule; records not examined whole, by reason."""

    partition: Partition
    records: int
    rules: dict[str, int]
    unexamined: dict[str, int] = {}


def offset_note(offset: int) -> str:
    """What is committed beside an input's offset: the first offset that waits."""
    return f"{STORED_FORMAT}:{offset}"


def noted_offset(note: str, what: str) -> int | None:
    """The offset in a note, None if there is none. 0.1.0 wrote it without a version. Other notes are ignored.

    Raises:
        StopError: a later version wrote it; `what` says where.
    """
    version, colon, offset = note.rpartition(":")
    if colon and version.isdecimal():
        check_format(version.encode(), what)
    elif colon:
        return None
    return int(offset) if offset.isdecimal() else None


class Held(msgspec.Struct, frozen=True):
    """What waits for later records: the offset of the `oldest`, and the `places` of parts of lines and keys."""

    oldest: int | None = None
    places: Collection[int] = ()


class _Waiting(msgspec.Struct):
    """A record, with what `texts_in` looks at. Once it is `sent` it is only kept for what may belong to it.

    `unexamined` is why its value was not examined whole, if so; `marked` the same of its key and headers. The text of
    one that is `unfinished` is not shown.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    sent: bool = False
    unexamined: Reason | None = None
    marked: Reason | None = None
    unfinished: bool = False

    @property
    def size(self) -> int:
        return len(self.value or b"")


def _waiting(record: KafkaRecord, sent_until: int | None) -> _Waiting:
    return _Waiting(
        record.topic,
        record.partition,
        record.offset,
        record.timestamp,
        record.key,
        record.value,
        record.headers,
        sent_until is not None and record.offset < sent_until,
    )


class Redaction:
    """One partition's. `name` is where its records go, `classifier` what is recognised in them.

    `handling` says what becomes of a record that was not examined whole: it is masked, or passed on with a header.
    """

    def __init__(
        self,
        partition: Partition,
        name: str,
        classifier: RecordClassifier = BUNDLED,
        handling: Handling = "mask",
    ) -> None:
        self._handling = handling
        self._unexamined: Counter[str] = Counter()
        self._partition = partition
        self._name = name
        self._classifier = classifier
        self._waiting: list[_Waiting] = []
        self._untouched = self._columns(())
        self._suspects: list[Span] = []
        self._rules: Counter[str] = Counter()
        self._records = 0
        self.letters: list[DeadLetter] = []

    @property
    def unsent(self) -> int | None:
        """The offset of the first record that waits to be passed on, None if none does."""
        return next((each.offset for each in self._waiting if not each.sent), None)

    def take(
        self,
        records: Sequence[Any],
        facts: ScanFacts,
        held: Held,
        redactor: Redactor,
        sent_until: int | None = None,
    ) -> None:
        """The next records with what a scan of them gave, but those without text. `settle` follows.

        What is before `sent_until` was passed on already.
        """
        read = self._columns(records)
        some = read.chosen(np.flatnonzero(~at_offsets(read, facts.textless)).tolist())
        offsets = some.column(fields.OFFSET)
        unread = _unreadable(facts.dead_letters)
        apart = at_offsets(some, unread)
        coded = encoded(some, fields.VALUE)
        apart[coded] = True
        shows = beside(some, redactor)
        unseen = (some.column(fields.VALUE_SIZE) > 0) & ~at_offsets(some, facts.clean)
        if self._handling == "mask":
            unseen &= ~apart  # nothing of them is shown
        suspects = in_values(some, unseen, redactor)
        self._suspects += suspects
        chosen = apart | shows | under(some, [*facts.secret_spans, *facts.limited_spans, *suspects])
        chosen |= at_offsets(some, facts.unfinished)
        if held.oldest is not None:
            chosen |= offsets >= held.oldest
        if sent_until is not None:
            chosen |= offsets < sent_until
        for row in np.flatnonzero(chosen).tolist():
            each = _waiting(some[row], sent_until)
            reason = ENCODING if row in coded else unread.get(each.offset)
            if reason is not None and each.value and self._hides(each, reason):
                each.value = whole(each.value, reason)
            if shows[row]:
                self._mask_beside(each, redactor)
            self._waiting.append(each)
        self._untouched = some.chosen(np.flatnonzero(~chosen).tolist())

    def settle(self, facts: ScanFacts, held: Held, redactor: Redactor, now: int) -> list[PassedOn]:
        """What may be passed on now: all before the first record that waits for later ones."""
        oldest = held.oldest
        self._hide(facts.unfinished)
        ready: list[Span] = []
        later: list[Span] = []
        for span in self._suspects:
            (ready if oldest is None or span[1] < oldest else later).append(span)
        self._suspects = later
        self._mask([*facts.secret_spans, *facts.limited_spans, *ready], redactor, now)
        end = len(self._waiting) if oldest is None else self._index(oldest)
        changed = self._released(self._waiting[:end], now)
        del self._waiting[:end]
        waiting = sum(not each.sent for each in self._waiting)
        if waiting > WAITING or sum(each.size for each in self._waiting if not each.sent) > _WAITING_BYTES:
            self._mask([(self._waiting[0].offset, self._waiting[-1].offset)], redactor, now)
            self._hide(held.places)
            changed += self._released(self._waiting, now)
            self._suspects = []
            for each in self._waiting:
                each.sent = True
        self._forget()
        passed = together(self._untouched, self._columns(changed))
        self._untouched = self._columns(())
        self._records += len(passed)
        return [PassedOn(self._name, dated(passed, now // MILLISECOND))] if len(passed) else []

    def told(self) -> Redacted:
        """What was passed on since this was asked last."""
        fact = Redacted(self._partition, self._records, dict(self._rules), dict(self._unexamined))
        self._records = 0
        self._rules.clear()
        self._unexamined.clear()
        return fact

    def _hides(self, record: _Waiting, reason: Reason) -> bool:
        """A record was not examined whole. Whether that is masked."""
        if not record.sent and record.unexamined is None:
            record.unexamined = reason
            self._unexamined[reason] += 1
        return self._handling == "mask"

    def _hide(self, offsets: Collection[int]) -> None:
        """The texts of these records could not be put together with others that they belong to."""
        for each in self._waiting if offsets else ():
            if each.offset in offsets and not each.sent and each.value:
                each.unfinished = self._hides(each, UNFINISHED)

    def _without_text(self, record: _Waiting, now: int) -> bytes:
        """The value of an unfinished record with its texts masked.

        What is kept of it stays as it is: its rest may come.
        """
        value = record.value or b""
        value = without_texts(value, texts_in(record, value, now, self._classifier))
        texts = [log.text for log in texts_in(record, value, now, self._classifier)]
        return value if all(map(already_masked, filter(None, texts))) else whole(value, UNFINISHED)

    def _index(self, offset: int) -> int:
        return bisect_left(self._waiting, offset, key=lambda each: each.offset)

    def _forget(self) -> None:
        """Of what was passed on as much is kept as may wait."""
        size, first = 0, len(self._waiting)
        while first and len(self._waiting) - first < 2 * WAITING and size <= 2 * _WAITING_BYTES:
            first -= 1
            size += self._waiting[first].size
        while first and not self._waiting[first - 1].sent:
            first -= 1
        del self._waiting[:first]

    def _columns(self, records: Sequence[Any]) -> RecordColumns:
        return columns_of(self._partition.topic, self._partition.number, records)

    def _released(self, records: Iterable[_Waiting], now: int) -> list[KafkaRecord]:
        """Those that were not sent, as they are passed on."""
        return [
            KafkaRecord(
                each.topic,
                each.partition,
                each.offset,
                each.timestamp,
                each.key,
                self._without_text(each, now) if each.unfinished else each.value,
                self._headers(each),
            )
            for each in records
            if not each.sent
        ]

    def _headers(self, record: _Waiting) -> Headers:
        """The headers as they are passed on."""
        reasons = {each for each in (record.unexamined, record.marked) if each is not None}
        if self._handling != "mark" or not reasons:
            return record.headers
        return (*record.headers, (MARK_HEADER, ",".join(sorted(reasons)).encode()))

    def _mask(self, spans: Iterable[Span], redactor: Redactor, now: int) -> None:
        """Masks what the records of all spans show, together: what is cut lies in several of them."""
        numbers: set[int] = set()
        for first, last in spans:
            numbers.update(range(self._index(first), self._index(last + 1)))
        chosen = [
            self._waiting[number] for number in sorted(numbers) if self._waiting[number].value is not None
        ]
        if not chosen:
            return

        def read(number: int, value: bytes) -> list[LogText]:
            return texts_in(chosen[number], value, now, self._classifier)

        def note(number: int, reason: Reason) -> bool:
            return self._hides(chosen[number], reason)

        done = redacted([each.value or b"" for each in chosen], read, redactor, self._count, note)
        gone: set[int] = set()
        for each, value in zip(chosen, done, strict=True):
            if value is None and not each.sent:
                gone.add(each.offset)
                self.letters.append(dead_letter(each, bad(NOT_MASKED)))
            each.value = value
        if gone:
            self._waiting = [each for each in self._waiting if each.offset not in gone]

    def _mask_beside(self, owner: _Waiting, redactor: Redactor) -> None:
        """Masks what key and headers show: whoever reads the topic reads them too."""
        if owner.key:
            owner.key = self._masked_beside("", owner.key, redactor, owner)
        owner.headers = tuple(
            (
                self._masked_beside("", name.encode(), redactor, owner).decode("utf-8", "replace"),
                self._masked_beside(f"{name}=", value, redactor, owner) if value else value,
            )
            for name, value in owner.headers
        )

    def _masked_beside(self, name: str, value: bytes, redactor: Redactor, owner: _Waiting) -> bytes:
        """A key (`name` is empty), or the value of a header of that name."""

        def note(_number: int, reason: Reason) -> bool:
            if owner.marked is None:
                self._unexamined[reason] += 1
            owner.marked = reason
            return self._handling == "mask"

        if encoded_otherwise(value) and note(0, ENCODING):
            return whole(value, ENCODING)
        (done,) = redacted(
            [value], lambda _, text: [LogText(name.encode() + text)], redactor, self._count, note
        )
        return mask(KNOWN_CREDENTIAL, len(value)).encode() if done is None else done

    def _count(self, rule: str) -> None:
        self._rules[rule] += 1


def _unreadable(letters: Iterable[DeadLetter]) -> dict[int, Reason]:
    """The records of dead letters that could not be read as what they say they are, by offset."""
    return {
        letter.offset: UNREADABLE
        for letter in letters
        if letter.offset is not None and letter.reason in _UNREAD
    }

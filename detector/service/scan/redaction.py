"""The log records of one partition on their way to its redacted topic: in their order, each with its leaks masked.

records ──▶ wait until their text is scanned ──▶ masked where a leak was found ──▶ passed on, with their offsets

A record waits while it, or one before it, is part of a line or key whose end has not come. The scan stage bounds the
time; records and bytes are bounded here. Beyond the bounds the records are masked as far as their text is known,
passed on, and kept a while for the text that may still belong to them.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import accumulate
from typing import Any, Final

import msgspec

from detector.ingest.classify import BUNDLED, RecordClassifier
from detector.ingest.kafka import dead_letter, texts_in
from detector.kafka.handlers import Output, Partition
from detector.records.dead_letters import NOT_MASKED, DeadLetter, bad
from detector.records.log_records import LogText
from detector.redact.record_redactor import LEAST, redacted
from detector.scan.leaks import KNOWN_CREDENTIAL, Redactor
from detector.values.secrets import mask
from detector.values.stored_format import STORED_FORMAT, check_format
from detector.values.times import MILLISECOND

WAITING: Final = 2048  # records that wait for one before them, at most
_WAITING_BYTES: Final = 4 << 20  # and their bytes

Headers = tuple[tuple[str, bytes | None], ...]
Span = tuple[int, int]


class Redacted(msgspec.Struct, frozen=True):
    """What was passed on of one partition: `records`, and in them masks by rule."""

    partition: Partition
    records: int
    rules: dict[str, int]


def offset_note(offset: int) -> str:
    """What is committed beside an input's offset: the first offset that waits to be passed on."""
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


class _Waiting(msgspec.Struct):
    """A record, with what `texts_in` looks at. Once it is `sent` it is only kept for what may belong to it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    sent: bool = False

    @property
    def size(self) -> int:
        return len(self.value or b"")


class Redaction:
    """One partition's. `name` is where its records go, `classifier` what is recognised in them."""

    def __init__(self, partition: Partition, name: str, classifier: RecordClassifier = BUNDLED) -> None:
        self._partition = partition
        self._name = name
        self._classifier = classifier
        self._waiting: list[_Waiting] = []
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
        apart: set[int],
        redactor: Redactor,
        sent_until: int | None = None,
        clean: Collection[int] = (),
    ) -> None:
        """The next records, but those `apart`. What is before `sent_until` was passed on already.

        The values of the `clean` records were scanned as they stand and show nothing.
        """
        taken = [
            _Waiting(
                each.topic,
                each.partition,
                each.offset,
                each.timestamp,
                each.key,
                each.value,
                tuple(each.headers),
                sent_until is not None and each.offset < sent_until,
            )
            for each in records
            if each.offset not in apart
        ]
        self._mask_beside(taken, redactor)
        unscanned = [each for each in taken if each.value and each.offset not in clean]
        self._suspects += _showing(unscanned, redactor)
        self._waiting += taken

    def settle(self, spans: Iterable[Span], oldest: int | None, redactor: Redactor, now: int) -> list[Output]:
        """What may be passed on now: all before `oldest`. `spans` are the first and the last offset of each leak."""
        ready = [span for span in self._suspects if oldest is None or span[1] < oldest]
        self._suspects = [span for span in self._suspects if span not in ready]
        self._mask([*spans, *ready], redactor, now)
        end = len(self._waiting) if oldest is None else self._index(oldest)
        outputs = self._outputs(self._waiting[:end], now)
        del self._waiting[:end]
        waiting = sum(not each.sent for each in self._waiting)
        if waiting > WAITING or sum(each.size for each in self._waiting if not each.sent) > _WAITING_BYTES:
            self._mask([(self._waiting[0].offset, self._waiting[-1].offset)], redactor, now)
            outputs += self._outputs(self._waiting, now)
            self._suspects = []
            for each in self._waiting:
                each.sent = True
        self._forget()
        return outputs

    def told(self) -> Redacted:
        """What was passed on since this was asked last."""
        fact = Redacted(self._partition, self._records, dict(self._rules))
        self._records = 0
        self._rules.clear()
        return fact

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

    def _outputs(self, records: Iterable[_Waiting], now: int) -> list[Output]:
        outputs = [
            Output(
                self._name,
                each.key,
                each.value,
                each.headers,
                min(each.timestamp, now // MILLISECOND) if each.timestamp >= 0 else None,
                self._partition.number,
                each.offset,
            )
            for each in records
            if not each.sent
        ]
        self._records += len(outputs)
        return outputs

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

        done = redacted([each.value or b"" for each in chosen], read, redactor, self._count)
        gone: set[int] = set()
        for each, value in zip(chosen, done, strict=True):
            if value is None and not each.sent:
                gone.add(each.offset)
                self.letters.append(dead_letter(each, bad(NOT_MASKED)))
            each.value = value
        if gone:
            self._waiting = [each for each in self._waiting if each.offset not in gone]

    def _mask_beside(self, records: Sequence[_Waiting], redactor: Redactor) -> None:
        """Masks what keys and headers show: whoever reads the topic reads them too."""
        texts: list[bytes] = []
        owners: list[_Waiting] = []
        for each in records:
            if each.key:
                texts.append(each.key)
                owners.append(each)
            for name, value in each.headers:
                if value:
                    texts.append(name.encode() + b"=" + value)
                    owners.append(each)
        if not texts:
            return
        starts = list(accumulate((len(text) + 1 for text in texts), initial=0))
        found = {
            number
            for mask_span in redactor.mask_spans(b"\n".join(texts), LEAST)
            for number in range(
                bisect_left(starts, mask_span.start + 1) - 1, bisect_left(starts, mask_span.end)
            )
        }
        for owner in {owners[number].offset: owners[number] for number in found}.values():
            if owner.key:
                owner.key = self._masked_beside("", owner.key, redactor)
            owner.headers = tuple(
                (name, self._masked_beside(f"{name}=", value, redactor) if value else value)
                for name, value in owner.headers
            )

    def _masked_beside(self, name: str, value: bytes, redactor: Redactor) -> bytes:
        (done,) = redacted([value], lambda _, text: [LogText(name.encode() + text)], redactor, self._count)
        return mask(KNOWN_CREDENTIAL, len(value)).encode() if done is None else done

    def _count(self, rule: str) -> None:
        self._rules[rule] += 1


def _showing(records: Sequence[_Waiting], redactor: Redactor) -> list[Span]:
    """The first and the last offset of each secret in the values as they stand, also outside their log text."""
    starts = list(accumulate((each.size + 1 for each in records), initial=0))
    return [
        (
            records[bisect_right(starts, mask_span.start, hi=len(records)) - 1].offset,
            records[bisect_right(starts, mask_span.end - 1, hi=len(records)) - 1].offset,
        )
        for mask_span in redactor.mask_spans(b"\n".join(each.value or b"" for each in records), LEAST)
    ]

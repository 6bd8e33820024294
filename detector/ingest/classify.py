"""What one JSON object is, told by its shape: a canonical event, a source's, a carrier of others, or a log record.

Only whole records are looked at, and what carriers of audit events hold: text inside a log message is never an event,
however much it looks like one.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, takewhile
from typing import Any, Final

import msgspec
import numpy as np

from detector.adapters import cloudevents as canonical
from detector.adapters.adapter import Adapter, Carrier, Plain
from detector.adapters.bundled import ADAPTERS, CARRIERS
from detector.adapters.fields import find
from detector.adapters.plain_cloudevents import decode_plain
from detector.ingest.formats.log_texts import KEY_BEGIN
from detector.ingest.record_shapes import RecordShapes, is_bundled
from detector.records.blocks import LONG_JSON
from detector.records.compressed_values import compressed
from detector.records.dead_letters import (
    AMBIGUOUS,
    NOT_JSON,
    NOT_UTF8,
    TOO_DEEP,
    TOO_LARGE,
    TRUNCATED_JSON,
    UNSUPPORTED_ARCHIVE,
    WRONG_FIELD,
    bad,
)
from detector.records.log_records import JSON_LOG, LogText, Read, log_record
from detector.records.log_times import CARRIER
from detector.records.markers import Markers
from detector.records.repeated_names import has_repeated_name
from detector.records.shipper_fields import LOGGED_MARKS, Named, is_logged
from detector.records.timestamps import Ints, line_starts, log_time
from detector.values.errors import BadRecordError
from detector.values.events import MAX_FUTURE, CanonicalEvent

CLOUDEVENTS: Final = "cloudevents"
MAX_DEPTH: Final = 3  # of carriers in carriers
MAX_HELD: Final = 100_000  # records that one object may carry
MAX_TYPE: Final = 200  # characters: of what is longer, nothing is shown

_CLOUDEVENT: Final = b'"specversion"'
_LOGGED: Final = Markers(LOGGED_MARKS)
_KEYS: Final = Markers((KEY_BEGIN,))
_ANY: Final = msgspec.json.Decoder()


class RecordClassifier:
    """The sources and carriers that are known, in the order they are asked."""

    def __init__(
        self,
        adapters: Sequence[Adapter] = ADAPTERS,
        carriers: Sequence[Carrier] = CARRIERS,
        *,
        named: Named | None = None,
        flat: bool = False,
        suspected: "RecordClassifier | None" = None,
    ) -> None:
        """`named` is what a configuration says of the task of a log record.

        `flat`: a record of `message`, `time`, `task_id` and `stream` alone may be of one of the sources.
        With `suspected` nothing is an event; it is what would be recognised in the same records if some were.
        """
        self.named = named
        self.reads_flat = flat
        self.adapters = tuple(adapters)
        self.carriers = tuple(carriers)
        self._carrier_shapes = RecordShapes(self.carriers)
        self._adapter_shapes = RecordShapes(self.adapters)
        self._events = suspected is None
        self._plain = _read_plainly(self.adapters, self.carriers)
        self.suspected = suspected
        marks = [each.marks for each in self.carriers] + [each.marks for each in self.adapters]
        own = (_CLOUDEVENT,) if suspected is None else ()
        self._marks = Markers((*own, *chain.from_iterable(marks)))
        self._marks_apart = Markers((KEY_BEGIN, *self._marks.marks))

    def logs_only(self) -> "RecordClassifier":
        """The same for where anybody may write a record: carriers of logs are opened, and nothing is an event."""
        of_logs = [carrier for carrier in self.carriers if not carrier.audit]
        return RecordClassifier((), of_logs, named=self.named, suspected=self)

    @property
    def believes_events(self) -> bool:
        """Whether anything is an event."""
        return self._events

    def may_hold_event(self, data: bytes) -> bool:
        """Whether there may be an event, or a carrier of records, in `data`; one search."""
        return self._marks.stand_in(data)

    def lines_with_marks(self, data: bytes, starts: Ints | None = None) -> Sequence[int]:
        """The same for the lines of `data`, or those at `starts`: the numbers of those that may hold one, in order."""
        return _lines_of(self._marks.ends(data), data, starts)

    def lines_apart(self, data: bytes, starts: Ints, *, plain: bool = False) -> Sequence[int]:
        """The same, and what may begin a key: that alone where all that matters are `plain` log records.

        They have no fields but `message`, `time`, `task_id` and `stream`, so unless one of our sources has such, none
        is an event.
        """
        marks = _KEYS if plain and not self.reads_flat else self._marks_apart
        return _lines_of(marks.ends(data), data, starts)

    def is_of_source(self, line: bytes) -> bool:
        """Whether a source writes such an object, also where it has no marker and says nothing of credentials."""
        value = _object(line)
        return value is not None and any(adapter.looks_like(value) for adapter in self.adapters)

    def may_be_flat(self, data: bytes) -> bool:
        """The same of records that have no fields but those of a plain log record: none of our sources has such."""
        return self.reads_flat and self.may_hold_event(data)

    def plain_event(self, line: bytes, now: int) -> CanonicalEvent | None:
        """The canonical event that a line plainly is: `read_object` gives nothing else. None says nothing."""
        if not self._events or _CLOUDEVENT not in line:
            return None
        event = decode_plain(line, now)
        return None if event is None or has_repeated_name(line) else event

    def plain_record(self, line: bytes, now: int) -> Read | None:
        """The same of a line that may also be an object of a source: all that `read_object` gives."""
        event = self.plain_event(line, now)
        if event is not None:
            return Read(CLOUDEVENTS, (event,))
        if not self._events or _CLOUDEVENT in line:
            return None
        for name, plain in self._plain:
            if plain.mark not in line:
                continue
            event = plain.read(line, now)
            if event is None or has_repeated_name(line):
                return None
            return Read(name, (event,), of_source=True)
        return None

    def read_object(self, line: bytes, now: int, *, events: bool = True) -> Iterator[Read]:
        """What a line that begins as a JSON object is; with `events` false it is a log record whatever its shape.

        Gives one `Read`, or one for each record that a carrier holds.
        """
        plain = self.plain_record(line, now) if events else None
        if plain is not None:
            yield plain
            return
        marked = events and self._marks.stand_in(line)
        if has_repeated_name(line):
            yield self._ambiguous(line, now, marked=marked)
            return
        problem = None
        if marked and self._events and _CLOUDEVENT in line and not _logged(line):
            try:
                event = canonical.decode(line, now)
            except BadRecordError as error:
                problem = error
            else:
                yield self._foreign(_object(line), now) if event is None else Read(CLOUDEVENTS, (event,))
                return
        try:
            value = _ANY.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            yield Read(JSON_LOG, log=LogText(line), error=_broken(error))
            return
        if not isinstance(value, dict):
            yield Read(JSON_LOG, log=LogText(line))
        elif problem is not None and "specversion" in value:
            yield Read(CLOUDEVENTS, error=problem)
        elif marked:
            yield from self._marked(value, now)
        else:
            yield self.log_record(value, now)

    def log_record(self, value: Mapping[str, Any], now: int) -> Read:
        """What an object is that no source or carrier knows."""
        return log_record(value, now, self.named)

    def read_encoded(self, value: bytes, now: int) -> Iterator[Read] | None:
        """What a value is that some carrier encodes in another way than JSON; None if it is none."""
        for carrier in self.carriers:
            found = carrier.encoded(value, now) if carrier.encoded is not None else None
            if found is not None:
                return map(self._allowed, found)
        return None

    def read_binary(self, headers: Mapping[str, bytes], value: bytes, now: int) -> Read:
        """What a CloudEvent in binary mode is: attributes in `ce_*` headers, `value` is the data."""
        if not self._events:
            time = _usable(headers.get("ce_time", b"").decode("utf-8", "replace"), now)
            problem = bad(UNSUPPORTED_ARCHIVE) if compressed(value) else None
            return Read(CLOUDEVENTS, log=LogText(value, time, origin=CARRIER), error=problem)
        if has_repeated_name(value):
            return Read(CLOUDEVENTS, log=LogText(value), error=bad(AMBIGUOUS, "data"))
        try:
            event = canonical.decode_binary(headers, value, now)
        except BadRecordError as error:
            return Read(CLOUDEVENTS, error=error)
        if event is not None:
            return Read(CLOUDEVENTS, (event,))
        envelope: dict[str, Any] = {
            name.removeprefix("ce_"): text.decode("utf-8", "replace")
            for name, text in headers.items()
            if name.startswith("ce_")
        }
        return self._foreign({**envelope, "data": _object(value)}, now)

    def _ambiguous(self, line: bytes, now: int, *, marked: bool) -> Read:
        """What a line is in which an object has a name twice: a log record, scanned decoded and as it stands.

        It is never an event, as others may see another one in it.
        """
        try:
            value = _ANY.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return Read(JSON_LOG, log=LogText(line), error=_broken(error))
        if not isinstance(value, dict):
            return Read(JSON_LOG, log=LogText(line))
        read = log_record(value, now, self.named)
        log = LogText(b"") if read.log is None else read.log
        rest = b"\n".join((log.rest, line)) if log.rest else line
        problem = bad(AMBIGUOUS) if marked and self._may_be_event(value) else read.error
        return msgspec.structs.replace(read, log=msgspec.structs.replace(log, rest=rest), error=problem)

    def _may_be_event(self, value: Mapping[str, Any]) -> bool:
        """Whether an object is an event, or carries records that may be."""
        return (
            (self._events and "specversion" in value)
            or any(carrier.audit and carrier.looks_like(value) for carrier in self.carriers)
            or any(adapter.looks_like(value) for adapter in self.adapters)
        )

    def _canonical(self, value: Mapping[str, Any], now: int) -> Read:
        """What a CloudEvent is that some carrier held."""
        try:
            event = canonical.decode(msgspec.json.encode(value), now)
        except BadRecordError as error:
            return Read(CLOUDEVENTS, error=error)
        except RecursionError:
            return Read(CLOUDEVENTS, error=bad(TOO_DEEP))
        return self._foreign(value, now) if event is None else Read(CLOUDEVENTS, (event,))

    def _foreign(self, envelope: Mapping[str, Any] | None, now: int) -> Read:
        """What a CloudEvent is whose type is not ours: a source's, or unknown."""
        if envelope is not None:
            for adapter in self._adapter_shapes.may_accept(envelope):
                if adapter.looks_like(envelope):
                    return translated(adapter, envelope, now)
            kind = envelope.get("type")
            meant = canonical.meant_type(kind) if isinstance(kind, str) else None
            if meant is not None:
                return Read(
                    CLOUDEVENTS,
                    error=bad(WRONG_FIELD, "type", f"no such type of event: did you mean `{meant}`?"),
                )
        return Read(CLOUDEVENTS, unknown=True, type=_type(envelope or {}, ("type",)))

    def _marked(self, value: Mapping[str, Any], now: int, depth: int = 0) -> Iterator[Read]:
        """What an object is that may be an event or carry some, at `depth` inside others."""
        if depth and self._events and "specversion" in value and not is_logged(value):
            yield self._canonical(value, now)
            return
        if depth < MAX_DEPTH:
            for carrier in self._carrier_shapes.may_accept(value):
                if carrier.looks_like(value):
                    yield from self._carried(carrier, value, now, depth + 1)
                    return
        for adapter in self._adapter_shapes.may_accept(value):
            if adapter.looks_like(value):
                yield translated(adapter, value, now)
                return
        yield self.log_record(value, now)

    def _carried(self, carrier: Carrier, value: Mapping[str, Any], now: int, depth: int) -> Iterator[Read]:
        carried = None if carrier.time is None else _usable(value.get(carrier.time), now)
        try:
            for number, held in enumerate(carrier.unwrap(value, now)):
                if number == MAX_HELD:
                    yield Read(carrier.name, error=bad(TOO_LARGE))
                    return
                reads = self._held(carrier, held, now, depth)
                yield from reads if carried is None else (read.carried_at(carried) for read in reads)
        except BadRecordError as error:
            yield Read(carrier.name, error=error)

    def _held(
        self, carrier: Carrier, held: Mapping[str, Any] | str | Read, now: int, depth: int
    ) -> Iterator[Read]:
        if isinstance(held, Read):
            yield self._allowed(held)
            return
        if isinstance(held, str):
            text = held.encode("utf-8", "replace")
            value = _object(text) if carrier.audit else None
            if value is None:
                yield Read(carrier.name, log=LogText(text))
                return
            if has_repeated_name(text):
                yield Read(carrier.name, log=LogText(text), error=bad(AMBIGUOUS))
                return
            held = value
        if carrier.audit:
            yield from self._marked(held, now, depth)
        else:
            yield self.log_record(held, now)

    def _allowed(self, read: Read) -> Read:
        """Without the events that a carrier of logs tells of, where there may be none."""
        return read if self._events or not read.events else msgspec.structs.replace(read, events=())


def translated(adapter: Adapter, value: Mapping[str, Any], now: int) -> Read:
    """What an adapter makes of an object of its source."""
    log = adapter.text(value, now) if adapter.text is not None else None
    try:
        known = adapter.known(value)
        events = tuple(adapter.translate(value, now)) if known else ()
    except BadRecordError as error:
        return Read(adapter.name, log=log, error=error, of_source=True)
    if events:
        return Read(adapter.name, events, log, of_source=True)
    named = _type(value, adapter.type_at)
    kind = None if not known else adapter.kind(value) if adapter.kind is not None else "other"
    if kind is None:
        return Read(adapter.name, log=log, unknown=True, of_source=True, type=named)
    return Read(adapter.name, log=log, of_source=True, idle=f"{adapter.name}/{kind}", type=named)


def _type(record: Mapping[str, Any], paths: Sequence[str]) -> str:
    """What a record says of its type at these paths; of an object there, the names in it."""
    held = (find(record, path) for path in paths)
    named = " ".join(
        one if isinstance(one, str) else " ".join(one) for one in held if isinstance(one, str | dict)
    )
    return named.strip() if len(named) <= MAX_TYPE else ""


def _read_plainly(
    adapters: Sequence[Adapter], carriers: Sequence[Carrier]
) -> tuple[tuple[str, Plain[Any]], ...]:
    """The sources with a shorter way, each with a mark.

    None behind a source or carrier of a configuration or plug-in.
    """
    if not all(map(is_bundled, carriers)):
        return ()
    return tuple(
        (adapter.name, adapter.plain)
        for adapter in takewhile(is_bundled, adapters)
        if adapter.plain is not None
    )


def _lines_of(ends: Sequence[int], data: bytes, starts: Ints | None) -> Sequence[int]:
    """The numbers of the lines in which something ends, in order."""
    if not ends:
        return ()
    edges = line_starts(data) if starts is None else starts
    lines: list[int] = np.unique(edges.searchsorted(ends) - 1).tolist()
    return lines


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        value = _ANY.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _usable(value: object, now: int) -> int | None:
    """The time (ns) that an envelope states, None if it cannot be read or cannot be true."""
    time = log_time(value)
    return None if time is None or time > now + MAX_FUTURE else time


def _logged(line: bytes) -> bool:
    """Whether a shipper merged what a container printed into its record: then it is no event."""
    if not _LOGGED.stand_in(line):
        return False
    value = _object(line)
    return value is not None and is_logged(value)


def _broken(error: Exception) -> BadRecordError:
    if isinstance(error, RecursionError):
        return bad(TOO_DEEP)
    if isinstance(error, UnicodeDecodeError):
        return bad(NOT_UTF8)
    return bad(TRUNCATED_JSON if "truncated" in str(error) else NOT_JSON)


def count_events(data: bytes, now: int, classifier: RecordClassifier) -> int:
    """How many lines of a block look like events."""
    if not (data.startswith(b"{") or b"\n{" in data) or not classifier.may_hold_event(data):
        return 0
    return sum(
        any(read.events for read in classifier.read_object(line, now))
        for line in data.split(b"\n")
        if line[:1] == b"{" and len(line) <= LONG_JSON and classifier.may_hold_event(line)
    )


BUNDLED: Final = RecordClassifier()
"""The sources that come with the program, and no others."""

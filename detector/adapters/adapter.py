"""What the module of a source or carrier offers: how it recognises its objects, and what it reads from them."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

import msgspec

from detector.records.log_records import LogText, Read
from detector.values.errors import BadRecordError
from detector.values.events import MAX_FUTURE, CanonicalEvent

Record = Mapping[str, Any]
"""One decoded JSON object."""

_Wire = TypeVar("_Wire", bound=msgspec.Struct)


def _always(_record: Record) -> bool:
    return True


class Plain(Generic[_Wire]):
    """A shorter way to the event that nearly every line of a source is, each of which has `mark` in it.

    `wire` is a struct of the fields of such an object, with what is looked at in their types. It takes no other
    field, and has no name that another bundled source or carrier asks for. `event_of` gives all that the source's
    `translate` and `text` give for it. It returns None, or raises BadRecordError, where it cannot say that.
    """

    def __init__(
        self, mark: bytes, wire: type[_Wire], event_of: Callable[[_Wire], CanonicalEvent | None]
    ) -> None:
        self.mark = mark
        self._decoder = msgspec.json.Decoder(wire)
        self._event_of = event_of

    def read(self, line: bytes, now: int) -> CanonicalEvent | None:
        """The event that a line is; `now` is in ns.

        None says nothing. It does not see a name that stands there twice.
        """
        try:
            event = self._event_of(self._decoder.decode(line))
        except (ValueError, RecursionError, BadRecordError):  # msgspec's errors are ValueErrors
            return None
        return None if event is None or event.time > now + MAX_FUTURE else event


class Adapter(msgspec.Struct, frozen=True):
    """A source of events.

    - `marks`: byte strings; every object that `looks_like` accepts contains at least one of them. Choose few and rare
      ones: a log line that contains one is decoded by itself, which costs ten times as much.
    - `looks_like`: whether an object belongs to this source. It is cheap, and never raises, whatever the object
      holds. It looks at nothing else, and uses an object's own methods: what it turns away for a missing name is
      remembered.
    - `translate(record, now)`: the events in the record; none if its type says nothing about credentials and tasks.
      Stateless. If a record should give an event but lacks a field, it raises `BadRecordError` with the field's name.
    - `known`: whether `translate` may be asked about a record; one of another type is counted as unknown.
    - `text(record, now)`: the part of the record to scan for leaks, if any.
    - `kind(record)`: the type of a record that gives no event, for a count. It is one of few words of the adapter's
      own, and nothing that stands in the record. None if the source documents no such type: nobody knows what the
      record says, so it is counted as unknown.
    - `type_at`: the paths at which a record may name its type. `curfewd sources explain` shows what stands there.
    - `plain`: a shorter way to read most of its lines.
    """

    name: str
    marks: tuple[bytes, ...]
    looks_like: Callable[[Record], bool]
    translate: Callable[[Record, int], list[CanonicalEvent]]
    known: Callable[[Record], bool] = _always
    text: Callable[[Record, int], LogText | None] | None = None
    kind: Callable[[Record], str | None] | None = None
    type_at: tuple[str, ...] = ()
    plain: Plain[Any] | None = None


class Carrier(msgspec.Struct, frozen=True):
    """An envelope around other records.

    `unwrap(record, now)` yields its contents in order and lazily:

    - a `Read` (mostly with a `LogText`) is final;
    - an object, or text that is JSON of one, is classified again if the carrier is an `audit` carrier, which a
      provider puts around its own events. It may then be an event or another carrier. From any other carrier it is a
      log record, whatever it looks like: whoever can write a log line must not be able to write an event.

    `time` is the name of the field in which the envelope states its own time, if it has one.

    `encoded(value, now)` is for a Kafka value that is not JSON: its contents, or None if it is not this carrier's.
    """

    name: str
    marks: tuple[bytes, ...]
    looks_like: Callable[[Record], bool]
    unwrap: Callable[[Record, int], Iterator["Record | str | Read"]]
    audit: bool = False
    encoded: Callable[[bytes, int], Iterator[Read] | None] | None = None
    time: str | None = None

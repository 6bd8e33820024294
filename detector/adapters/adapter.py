"""What a source's module offers: how its objects are told from others, and what is in them."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from detector.records.log_records import LogText, Read
from detector.values.events import CanonicalEvent

Record = Mapping[str, Any]
"""One decoded JSON object."""


def _always(_record: Record) -> bool:
    return True


class Adapter(msgspec.Struct, frozen=True):
    """A source of events.

    - `marks`: every object that `looks_like` takes has one of these in its bytes. Choose few and rare ones: a log line
      with one in it is decoded by itself, which costs ten times as much.
    - `looks_like`: whether an object is of this source. Cheap, and it never raises, whatever is in the object.
    - `translate(record, now)`: the events in it, none if it is of a kind that says nothing about credentials and tasks.
      Stateless. Raises `BadRecordError` with the field's name where a record that should give an event lacks something.
    - `known`: whether the record's type is one that `translate` knows; the others are counted as unknown.
    - `text(record, now)`: what of it is to be scanned for leaks, if anything.
    """

    name: str
    marks: tuple[bytes, ...]
    looks_like: Callable[[Record], bool]
    translate: Callable[[Record, int], list[CanonicalEvent]]
    known: Callable[[Record], bool] = _always
    text: Callable[[Record, int], LogText | None] | None = None


class Carrier(msgspec.Struct, frozen=True):
    """What holds other records. `unwrap(record, now)` gives, in order and lazily, what is inside.

    - a `Read` (most often with a `LogText`) stands as it is;
    - an object, or text that is JSON of one, is looked at again if this is a carrier of `audit`, written by a provider
      around its own events: it may be an event, or another carrier. From any other carrier it is a log record, whatever
      it looks like: who can write a log line must not be able to write an event.

    `encoded(value, now)` is for a value of a topic that is no JSON: what is inside, or None if it is none of these.
    """

    name: str
    marks: tuple[bytes, ...]
    looks_like: Callable[[Record], bool]
    unwrap: Callable[[Record, int], Iterator["Record | str | Read"]]
    audit: bool = False
    encoded: Callable[[bytes, int], Iterator[Read] | None] | None = None

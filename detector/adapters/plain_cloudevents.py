"""CloudEvents with no attributes but those of CloudEvents 1.0, as nearly all are, read in half the time.

Whatever else there is about an event is for `detector.adapters.cloudevents`.
"""

from functools import reduce
from operator import or_
from typing import Any, Final, Literal

import msgspec

from detector.adapters.cloudevents import DATA_TYPES, EventBuilder, Text
from detector.values.errors import BadRecordError
from detector.values.events import MAX_FUTURE, CanonicalEvent
from detector.values.times import parse_rfc3339


class _Envelope(msgspec.Struct, gc=False, kw_only=True, tag_field="type"):
    specversion: Literal["1.0"]
    id: Text
    source: Text
    time: str
    subject: msgspec.Raw = msgspec.Raw()
    datacontenttype: msgspec.Raw = msgspec.Raw()
    dataschema: msgspec.Raw = msgspec.Raw()


_EVENT: Final[Any] = reduce(
    or_,
    (
        msgspec.defstruct(
            data.__name__,
            [("data", data)],
            bases=(_Envelope,),
            forbid_unknown_fields=True,
            gc=False,
            kw_only=True,
            tag=name,
        )
        for name, data in DATA_TYPES.items()
    ),
)
_DECODER: Final["msgspec.json.Decoder[Any]"] = msgspec.json.Decoder(_EVENT)
_BUILDERS: Final = EventBuilder().of


def decode_plain(raw: bytes, now: int) -> CanonicalEvent | None:
    """The event in one structured-mode CloudEvent, as `cloudevents.decode` gives it. `now` is in ns.

    None says nothing: it may have other attributes, or a mistake. Nor does this look for names that stand there twice.
    """
    try:
        wire = _DECODER.decode(raw)
        time = parse_rfc3339(wire.time)
        if time > now + MAX_FUTURE:
            return None
        return _BUILDERS[type(wire.data)](wire.data, time, wire.source, wire.id, None)
    except (ValueError, RecursionError, BadRecordError):  # msgspec's errors are ValueErrors
        return None

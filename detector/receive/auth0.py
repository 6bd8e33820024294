"""Auth0's custom log streams: events as a JSON array, lines or one object (auth0.com/docs, "Custom log streams").

The stream's authorization token is the `Authorization` header as it stands: write `Bearer …` there.
"""

from typing import Final

import msgspec

from detector.receive.delivery import Head, Reading, Record, batch, check_number, decoded, malformed


class _Entry(msgspec.Struct):
    log_id: str


_ENTRY: Final = msgspec.json.Decoder(_Entry)


def read(head: Head, body: bytes) -> Reading:
    """The events, a record each, whatever media type the stream was given."""
    del head
    held = body.strip()
    if not held:
        raise malformed("the body is empty")
    if held.startswith(b"["):
        lines = batch(held)
    else:
        lines = [line for line in held.split(b"\n") if line.strip()]
        check_number(len(lines))
    return Reading([_record(line) for line in lines])


def _record(line: bytes) -> Record:
    entry: _Entry = decoded(line, _ENTRY)
    return Record(line, entry.log_id)

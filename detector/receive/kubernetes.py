"""The API server's audit webhook: it posts an `EventList` (kubernetes.io, "Auditing"; `audit.k8s.io/v1`).

A list that is larger than a record may be is written as several lists; its events are as they were.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from detector.receive.delivery import Head, Reading, Record, decoded, json_body, malformed

_VERSIONS: Final = "audit.k8s.io/"


class _EventList(msgspec.Struct, rename="camel"):
    kind: str
    api_version: str
    items: list[msgspec.Raw] = []


_LIST: Final = msgspec.json.Decoder(_EventList)


def read(head: Head, body: bytes, most_bytes: int) -> Reading:
    """The list as one record, or as several of at most `most_bytes` each. A batch is sent again as it was."""
    found: _EventList = decoded(json_body(head, body), _LIST)
    if found.kind != "EventList" or not found.api_version.startswith(_VERSIONS):
        raise malformed("the body is not an EventList of audit.k8s.io")
    if not found.items:
        return Reading(())
    if len(body) <= most_bytes:
        return Reading((Record(body, keyed=False),))
    lists = _lists([bytes(item) for item in found.items], found.api_version, most_bytes)
    return Reading([Record(value, keyed=False) for value in lists])


def _lists(items: Sequence[bytes], version: str, most_bytes: int) -> Iterator[bytes]:
    """Lists of these events, each as long as may be; an event that is too long is alone."""
    begin = b'{"kind":"EventList","apiVersion":%s,"items":[' % msgspec.json.encode(version)
    held: list[bytes] = []
    size = len(begin) + 2
    for item in items:
        if held and size + len(item) + 1 > most_bytes:
            yield begin + b",".join(held) + b"]}"
            held, size = [], len(begin) + 2
        held.append(item)
        size += len(item) + 1
    yield begin + b",".join(held) + b"]}"

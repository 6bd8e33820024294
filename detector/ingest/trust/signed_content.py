"""What the signature of a Kafka record covers, and how headers are read where one of them may be forged.

docs/trust.md describes the signed content for people who write signers.
"""

import base64
import json
import re  # on header names of bounded length
from collections.abc import Sequence
from typing import Any, Final

from detector.records.dead_letters import BAD_SIGNATURE, bad

Headers = Sequence[tuple[str, bytes | None]]

BINARY_MODE: Final = "ce_specversion"  # the header by which the CloudEvents binding for Kafka tells it
BINARY_CONTENT: Final = b"cloudevent-binary-v1\n"
ATTRIBUTE: Final = "ce_"
_ATTRIBUTE_NAME: Final = re.compile(r"ce_[a-z0-9]{1,64}")


def header_of(headers: Headers, name: str) -> bytes | None:
    """The value of a header; None if it is missing.

    Raises:
        BadRecordError: it is there twice, or null. Which of two values counts would be a guess.
    """
    values = [value for key, value in headers if key == name]
    if not values:
        return None
    if len(values) > 1 or values[0] is None:
        raise bad(BAD_SIGNATURE, name, "the record has this header twice, or it is null")
    return values[0]


def signed_content(headers: Headers, value: bytes) -> bytes:
    r"""The bytes that a signature covers: the record's value, and in binary mode its `ce_*` headers before it.

    In binary mode: `cloudevent-binary-v1\n`, then for each `ce_*` header, sorted by name, the name, a colon, the
    header's bytes in base64url without padding and a newline; then a newline and the value. As the value of a record
    this is text, so a signature of either mode is no signature of an event in the other.

    Raises:
        BadRecordError: a `ce_*` header is there twice, is null, or has no name of an attribute.
    """
    if not any(name == BINARY_MODE for name, _ in headers):
        return value
    attributes: dict[str, bytes] = {}
    for name, held in headers:
        if not name.startswith(ATTRIBUTE):
            continue
        if held is None or name in attributes or not _ATTRIBUTE_NAME.fullmatch(name):
            raise bad(BAD_SIGNATURE, None, "a ce_ header is there twice, is null or has no attribute's name")
        attributes[name] = held
    lines = [
        b"%s:%s\n" % (name.encode(), base64.urlsafe_b64encode(held).rstrip(b"="))
        for name, held in sorted(attributes.items())
    ]
    return b"".join((BINARY_CONTENT, *lines, b"\n", value))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name twice")
    return found


_STRICT: Final = json.JSONDecoder(object_pairs_hook=_unique)


def json_object(text: bytes) -> dict[str, Any]:
    """A JSON object without repeated names.

    Raises:
        ValueError: it is none. RecursionError: it is nested too deep.
    """
    found = _STRICT.decode(text.decode())
    if not isinstance(found, dict):
        raise ValueError("no object")  # noqa: TRY004 - callers catch ValueError alone
    return found

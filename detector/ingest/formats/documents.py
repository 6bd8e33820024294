"""JSON documents: one value over many lines, or several after each other."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from detector.records.dead_letters import AMBIGUOUS, NOT_JSON, TOO_DEEP, TOO_LARGE, TRUNCATED_JSON, bad
from detector.records.repeated_names import has_repeated_name
from detector.values.errors import BadRecordError

MAX_DOCUMENT: Final = 128 * 1024 * 1024  # a longer JSON document is read as text


class _CloudTrailFile(msgspec.Struct):
    Records: list[msgspec.Raw]


_RECORDS: Final = msgspec.json.Decoder(_CloudTrailFile)
_VALUES: Final = msgspec.json.Decoder(msgspec.Raw)
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])


def elements(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes, str]]:
    """The values in an object, an array, CloudTrail's `{"Records": [...]}`, or one after another.

    Of several arrays, or an array of arrays, each value in them: pages of an API are kept so.

    Each comes with the line at which it begins and its path. If the archive around it is damaged and the JSON is not,
    the iterator raises that as a BadRecordError behind the last value.

    Raises:
        BadRecordError: it is no JSON or too long.
    """
    data, damage = _gathered(chunks)
    try:
        found, prefix = _elements(data)
    except BadRecordError as error:
        # The damage is told when what could be read of the archive is read as text.
        raise error if damage is None else bad(TRUNCATED_JSON) from None
    return _until_damage(_placed(data, found, prefix), damage)


def _until_damage(
    placed: Iterator[tuple[int, bytes, str]], damage: BadRecordError | None
) -> Iterator[tuple[int, bytes, str]]:
    yield from placed
    if damage is not None:
        raise damage


def _placed(data: bytes, found: Sequence[msgspec.Raw], prefix: str) -> Iterator[tuple[int, bytes, str]]:
    line, at = 1, 0
    alone = len(found) == 1 and not prefix
    for index, element in enumerate(found):
        raw = bytes(element)
        start = data.find(raw, at)
        line += data.count(b"\n", at, start)
        at = start
        yield line, raw, "" if alone else f"{prefix}[{index}]"


def _gathered(chunks: Iterable[bytes]) -> tuple[bytes, BadRecordError | None]:
    """What could be read, and why no more could be."""
    parts, size, damage = [], 0, None
    try:
        for chunk in chunks:
            parts.append(chunk)
            size += len(chunk)
            if size > MAX_DOCUMENT:
                break
    except BadRecordError as error:
        damage = error
    if size > MAX_DOCUMENT:
        raise bad(TOO_LARGE)
    return b"".join(parts), damage


def _elements(data: bytes) -> tuple[list[msgspec.Raw], str]:
    """The values to look at one by one, and what their paths begin with."""
    try:
        if data.lstrip().startswith(b"["):
            return _in_arrays(data), ""
        try:
            found = _RECORDS.decode(data).Records
        except (msgspec.DecodeError, UnicodeDecodeError):
            # Values one after another, each over as many lines as it likes.
            return _VALUES.decode_lines(data), ""
    except RecursionError:
        raise bad(TOO_DEEP) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise bad(TRUNCATED_JSON if "truncated" in str(error) else NOT_JSON) from None
    if has_repeated_name(data, deepest=1):  # such as `Records`, with other events in it
        raise bad(AMBIGUOUS)
    return found, "Records"


def _in_arrays(data: bytes) -> list[msgspec.Raw]:
    """The values in an array, in several one after another, or in an array of arrays."""
    try:
        values = _ARRAY.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        values = _VALUES.decode_lines(data)
    if not any(_is_array(value) for value in values):
        return values
    return [each for value in values for each in (_ARRAY.decode(value) if _is_array(value) else (value,))]


def _is_array(value: msgspec.Raw) -> bool:
    return bytes(memoryview(value)[:1]) == b"["

"""Reads JSON log records of any fields in a compiled pass, as strictly as a parser; what it refuses may be one too.

The message is written to one place, and every other text in the record to another, as `name=value`, one a line. What
the names of a record's fields mean is in `detector.records.log_records` and `detector.records.shipper_fields`.
"""

# ruff: noqa: C901, PLR0911, PLR0912, PLR0913, PLR0915, PLR0917, PLR2004 - a compiled loop is one function; bytes are written as their codes

from typing import Any, Final

import numpy as np

from detector.ingest.formats.flat_columns import (
    ANY_JSON,
    AS_NUMBER,
    CHANNEL,
    DOCKER_JSON,
    KEY,
    KIND,
    NANOS,
    POD,
    REST,
    REST_END,
    SECONDS,
    STREAM,
    STREAM_SIZE,
    STRICT,
    TASK,
    TASK_SIZE,
    TIME_NAME,
    TIMED,
)
from detector.ingest.formats.stream_key_kernel import BASIS, hashed, pod_key, stream_key
from detector.jit import bare
from detector.records.agent_names import MCP_SESSION
from detector.records.json_string_kernel import behind, copy, spaced, stands, stretch, written
from detector.records.log_records import LONG_LABEL, LONG_NAME, MESSAGE_NAMES, TIME_NAMES
from detector.records.shipper_fields import PARTS, SPLIT, WRITERS
from detector.records.timestamp_kernel import stamp

DEPTH: Final = 12  # of what is read
NAMES: Final = 96  # of all objects that are open

# What a name means. Those of messages and times count up from these, in the order in which they are looked for.
_OTHER: Final = 0
_MESSAGE: Final = 1
_LOG: Final = _MESSAGE + MESSAGE_NAMES.index("log")
_TIME: Final = 10
_TASK_ID: Final = 20
_STREAM: Final = 21
_LEVEL: Final = 22
_SOURCE: Final = 23
_ATTRIBUTES: Final = 24
_KUBERNETES: Final = 25
_REFUSED: Final = 26  # a part of a line, or what may name the task in another way
_NAMESPACE: Final = 30
_POD_NAME: Final = 31
_POD_UID: Final = 32
_POD: Final = 33

_AT_TOP: Final = {
    **{name: _MESSAGE + number for number, name in enumerate(MESSAGE_NAMES)},
    **{name: _TIME + number for number, name in enumerate(TIME_NAMES)},
    "task_id": _TASK_ID,
    "stream": _STREAM,
    "level": _LEVEL,
    "source": _SOURCE,
    "attrs": _ATTRIBUTES,
    "kubernetes": _KUBERNETES,
    **dict.fromkeys((*sorted(PARTS), *sorted(WRITERS - {"kubernetes"}), MCP_SESSION), _REFUSED),
}
_IN_KUBERNETES: Final = {
    "namespace_name": _NAMESPACE,
    "pod_namespace": _NAMESPACE,
    "namespace": _NAMESPACE,
    "pod_name": _POD_NAME,
    "pod_uid": _POD_UID,
    "pod_id": _POD_UID,
    "pod": _POD,
}
_IN_POD: Final = {"name": _POD_NAME, "uid": _POD_UID}

_LONGEST_NAME: Final = 32
_SLOTS: Final = 256
_OBJECT, _LIST = 123, 91

# Columns of what is known of the places that are open.
_KIND, _KEY, _KEY_SIZE, _FIRST_NAME, _CODE = range(5)


def _tables() -> tuple[Any, Any]:
    """The names by their hash: for each of the three places so many slots with the name's bytes, its size and code."""
    names = np.zeros((3, _SLOTS, _LONGEST_NAME), np.uint8)
    known = np.zeros((3, _SLOTS, 2), np.int64)
    for number, meant in enumerate((_AT_TOP, _IN_KUBERNETES, _IN_POD)):
        for name, code in meant.items():
            text = np.frombuffer(name.encode(), np.uint8)
            slot = _slot_of(text)
            while known[number, slot, 0]:
                slot = (slot + 1) % _SLOTS
            names[number, slot, : len(text)] = text
            known[number, slot] = len(text), code
    return names, known


def _slot_of(text: Any) -> int:
    key = 14695981039346656037
    for byte in text.tolist():
        key = (key ^ byte) * 1099511628211 & (1 << 64) - 1
    return (key >> 32) % _SLOTS


NAME_BYTES, NAME_CODES = _tables()


@bare
def _meant(data: Any, at: int, size: int, key: Any, names: Any, codes: Any, table: int) -> int:
    """What a name means."""
    slot: Any = np.int64((key >> np.uint64(32)) % np.uint64(_SLOTS))
    while codes[table, slot, 0] != 0:
        if codes[table, slot, 0] == size:
            same = 0
            while same < size and data[at + same] == names[table, slot, same]:
                same += 1
            if same == size:
                return int(codes[table, slot, 1])
        slot = (slot + 1) % _SLOTS
    return 0


@bare
def _behind_string(data: Any, at: int) -> int:
    """What is behind a string that may have escapes; -1 if it has a control character. Its text is not looked at."""
    while True:
        stop = stretch(data, at)
        byte = data[stop]
        if byte == 34:
            return stop + 1
        if byte < 32:
            return -1
        at = stop + (2 if byte == 92 else 1)


@bare
def _digits(data: Any, at: int) -> int:
    while 48 <= data[at] <= 57:
        at += 1
    return at


@bare
def _behind_number(data: Any, at: int) -> tuple[int, bool]:
    """What is behind a number and whether it is whole; -1 if it is refused, as with an exponent or many digits."""
    begin = at
    if data[at] == 45:
        at += 1
    first = at
    at = _digits(data, at)
    if at == first or (data[first] == 48 and at - first > 1):
        return -1, False
    whole = True
    if data[at] == 46:
        whole = False
        point = at + 1
        at = _digits(data, point)
        if at == point:
            return -1, False
    if at - begin > 18 or data[at] == 101 or data[at] == 69:  # e, E
        return -1, False
    return at, whole and not (data[begin] == 45 and data[first] == 48)


_TRUE: Final = np.frombuffer(b"true", np.uint8)
_FALSE: Final = np.frombuffer(b"false", np.uint8)
_NULL: Final = np.frombuffer(b"null", np.uint8)
_AS_TRUE: Final = np.frombuffer(b"True", np.uint8)
_AS_FALSE: Final = np.frombuffer(b"False", np.uint8)
_AS_NULL: Final = np.frombuffer(b"None", np.uint8)


@bare
def _literal(data: Any, at: int) -> int:
    """How long the literal is that stands here, 0 if none does."""
    if stands(data, at, _TRUE) or stands(data, at, _NULL):
        return 4
    return 5 if stands(data, at, _FALSE) else 0


@bare
def _put(text: Any, into: Any, to: int) -> int:
    for index in range(text.size):
        into[to + index] = text[index]
    return int(to + text.size)


@bare
def _named(data: Any, name: int, size: int, into: Any, to: int) -> int:
    """Writes `name=`."""
    copy(data, name, name + size, into, to)
    into[to + size] = 61
    return to + size + 1


@bare
def _plain(data: Any, at: int, end: int) -> bool:
    """Whether a string is in ASCII and has no escapes."""
    for place in range(at, end):  # noqa: SIM110 - numba compiles no generators
        if data[place] > 127 or data[place] == 92:
            return False
    return True


@bare
def _in_ascii(data: Any, at: int, end: int) -> bool:
    for place in range(at, end):  # noqa: SIM110 - as above
        if data[place] > 127:
            return False
    return True


@bare
def _has_slash(data: Any, at: int, size: int) -> bool:
    for place in range(at, at + size):  # noqa: SIM110 - as above
        if data[place] == 47:
            return True
    return False


@bare
def read_object(
    data: Any,
    names: Any,
    codes: Any,
    places: Any,
    hashes: Any,
    at: int,
    end: int,
    into: Any,
    to: int,
    rest: Any,
    rest_to: int,
    row: Any,
) -> tuple[int, int]:
    """Reads the object data[at:end] into its row; what is behind its text and its rest, -1 if it is refused.

    `names` and `codes` are `NAME_BYTES` and `NAME_CODES`. `places` and `hashes` have room for `DEPTH` open objects and
    lists, and for `NAMES`. Neither text nor rest is longer than the object.
    """
    refused = (-1, rest_to)
    text_begin, rest_begin = to, rest_to
    limit = rest_to + end - at
    message = pod_name = pod_size = space_name = space_size = uid_size = 0
    best = 99
    others = stream = stream_named = kubernetes = False
    row[TIMED] = row[TASK_SIZE] = row[STREAM_SIZE] = row[TASK] = row[STREAM] = row[POD] = row[CHANNEL] = 0
    row[TIME_NAME] = -1
    numbered = False
    depth = top = 0
    places[0, _KIND] = _OBJECT
    places[0, _FIRST_NAME] = 0
    places[0, _CODE] = 0
    at = spaced(data, at + 1)
    if data[at] == 125:
        return refused
    while True:
        name, size = places[depth, _KEY], places[depth, _KEY_SIZE]
        code: Any = np.int64(0)
        if places[depth, _KIND] == _OBJECT:
            if data[at] != 34:
                return refused
            name = at + 1
            at = behind(data, name)
            if at < 0 or top == NAMES:
                return refused
            size = at - 1 - name
            key = hashed(data, name, name + size, BASIS)
            for number in range(places[depth, _FIRST_NAME], top):
                if hashes[number] == key:
                    return refused
            hashes[top] = key
            top += 1
            if depth == 0:
                code = _meant(data, name, size, key, names, codes, 0)
                others |= code not in (_LOG, _STREAM, _TIME)
            elif depth == 1 and places[1, _CODE] == _KUBERNETES:
                code = _meant(data, name, size, key, names, codes, 1)
            elif depth == 2 and places[2, _CODE] == _POD:
                code = _meant(data, name, size, key, names, codes, 2)
            at = spaced(data, at)
            if data[at] != 58:
                return refused
            at = spaced(data, at + 1)
        if code in (_REFUSED, _ATTRIBUTES):
            return refused
        byte = data[at]
        opened = False
        if byte == 34:
            value = at + 1
            if code in (_TASK_ID, _STREAM):
                at = behind(data, value)
                if at < 0:
                    return refused
                if code == _TASK_ID:
                    row[TASK], row[TASK_SIZE] = value, at - 1 - value
                elif at - 1 - value < LONG_LABEL:
                    row[STREAM], row[STREAM_SIZE] = value, at - 1 - value
                    stream = stream_named = True
                else:
                    return refused
            elif _TIME <= code < _TASK_ID:
                after, seconds, nanos = stamp(data, value)
                if after < 0 or data[after] != 34:
                    return refused
                if code < best:
                    best = code
                    row[TIMED], row[SECONDS], row[NANOS] = 1, seconds, nanos
                at = after + 1
            elif _MESSAGE <= code < _TIME:
                if message:
                    return refused
                message = code
                at, to = written(data, value, into, to)
                if at < 0:
                    return refused
            else:
                at = _behind_string(data, value)
                if at < 0 or rest_to + size + 1 + at - value > limit:
                    return refused
                if (code == _LEVEL and not _plain(data, value, at - 1)) or code == _KUBERNETES:
                    return refused
                if code != _LEVEL or at - 1 - value >= LONG_LABEL:
                    if code >= _NAMESPACE:
                        held = at - 1 - value
                        if held == 0 or not _plain(data, value, at - 1) or _has_slash(data, value, held):
                            return refused
                        if code == _NAMESPACE and space_size == 0:
                            space_name, space_size = value, held
                        elif code == _POD_NAME and pod_size == 0:
                            pod_name, pod_size = value, held
                        elif code == _POD_UID and uid_size == 0:
                            uid_size = held
                        else:
                            return refused
                    rest_to = _named(data, name, size, rest, rest_to)
                    at, rest_to = written(data, value, rest, rest_to)
                    if at < 0:
                        return refused
                    rest[rest_to] = 10
                    rest_to += 1
                if code == _SOURCE:
                    stream_named = True
        elif byte in (_OBJECT, _LIST):
            if (
                depth + 1 == DEPTH
                or _TIME <= code <= _SOURCE
                or code in (_NAMESPACE, _POD_NAME, _POD_UID)
                or (code in (_KUBERNETES, _POD) and byte == _LIST)
            ):
                return refused
            kubernetes |= code == _KUBERNETES
            at = spaced(data, at + 1)
            if data[at] == byte + 2:
                at += 1
            else:
                depth += 1
                places[depth, _KIND] = byte
                places[depth, _KEY], places[depth, _KEY_SIZE] = name, size
                places[depth, _FIRST_NAME] = top
                places[depth, _CODE] = code
                opened = True
        else:
            value = at
            length = _literal(data, at)
            whole = True
            if length:
                at += length
            else:
                at, whole = _behind_number(data, at)
                if at < 0:
                    return refused
            null = data[value] == 110
            if _TIME <= code < _TASK_ID:
                if length and not null:
                    return refused
                if not null and code < best:
                    best = code
                    row[TIMED], row[SECONDS], row[NANOS] = AS_NUMBER, value, at
                numbered |= not null
            elif (code == _TASK_ID and not null) or (code >= _KUBERNETES):
                return refused
            elif code == _STREAM:
                stream_named = True
                if not null:
                    return refused
            elif size >= LONG_NAME:
                if (
                    not whole
                    or not _in_ascii(data, name, name + size)
                    or rest_to + size + 2 + at - value > limit
                ):
                    return refused
                rest_to = _named(data, name, size, rest, rest_to)
                if null:
                    rest_to = _put(_AS_NULL, rest, rest_to)
                elif data[value] == 116:
                    rest_to = _put(_AS_TRUE, rest, rest_to)
                elif data[value] == 102:
                    rest_to = _put(_AS_FALSE, rest, rest_to)
                else:
                    copy(data, value, at, rest, rest_to)
                    rest_to += at - value
                rest[rest_to] = 10
                rest_to += 1
            if code == _SOURCE:
                stream_named = True
        if opened:
            continue
        at = spaced(data, at)
        while data[at] == places[depth, _KIND] + 2 and depth > 0:
            top = places[depth, _FIRST_NAME]
            depth -= 1
            at = spaced(data, at + 1)
        if data[at] == 44:
            at = spaced(data, at + 1)
            continue
        if depth > 0 or data[at] != 125 or at + 1 != end:
            return refused
        break
    if best < 99:
        row[TIME_NAME] = best - _TIME
    row[KIND] = ANY_JSON
    row[STRICT] = message == _MESSAGE
    if message == _LOG and stream and not others and not numbered:
        if to == text_begin or into[to - 1] != 10 or row[STREAM_SIZE] == 0:
            return refused
        row[KIND], row[CHANNEL] = DOCKER_JSON, 1
    elif kubernetes:
        if space_size == 0 or pod_size == 0 or uid_size == 0:
            return refused
        row[POD] = row[TASK_SIZE] == 0
        if stream_named:
            if SPLIT - 4 < to - text_begin < SPLIT + 4:
                return refused
            row[CHANNEL] = 1
    if message == 0:
        copy(rest, rest_begin, rest_to, into, to)
        to += rest_to - rest_begin
        rest_to = rest_begin
        if to > text_begin:
            to -= 1
    elif to > text_begin and into[to - 1] == 10:
        to -= 1
    row[REST] = rest_begin
    row[REST_END] = max(rest_begin, rest_to - 1)
    if row[POD]:
        row[KEY] = pod_key(data, space_name, space_size, pod_name, pod_size, row[STREAM], row[STREAM_SIZE])
    else:
        row[KEY] = stream_key(data, row[TASK], row[TASK_SIZE], row[STREAM], row[STREAM_SIZE])
    return to, rest_to

"""Text that could not be examined whole: it is masked, or passed on with a marker, as configured; never as if clean.

The mask or marker says why and how many bytes: `‹unexamined:decoding:2048›`.
"""

import re  # over runs of one class, each of a fixed length
from collections.abc import Callable
from typing import Final, Literal, get_args

from detector.records.compressed_values import compressed
from detector.scan.mask_spans import MaskSpan
from detector.scan.shares import DECODING as DECODING_LIMIT

Handling = Literal["mask", "mark"]
HANDLINGS: Final[tuple[str, ...]] = get_args(Handling)

Reason = Literal["decoding", "encoding", "unfinished", "unreadable"]
DECODING: Final[Reason] = "decoding"  # it decodes to more than its share
ENCODING: Final[Reason] = "encoding"  # it is compressed, or text in an encoding that is not decoded
UNFINISHED: Final[Reason] = "unfinished"  # part of a line, key or compressed text whose rest was not there
UNREADABLE: Final[Reason] = "unreadable"  # it says that it is of a format, and cannot be read as that
assert DECODING == DECODING_LIMIT  # noqa: S101 - one word for it

Note = Callable[[int, Reason], bool]
"""Takes the number of a value that was not examined whole, and why. Whether the text is to be masked."""

MARK_HEADER: Final = "curfewd-unexamined"
_RULE: Final = "unexamined:"
# Letters of UTF-32, in either order of bytes. UTF-16 is read.
_UTF_32: Final = re.compile(rb"(?:[^\0]\0{3}){8}|(?:\0{3}[^\0]){8}")
_NULS: Final = b"\0\0\0"
_MASK: Final = re.compile("‹unexamined:[a-z]+:[0-9]+›".encode())


def unexamined(start: int, end: int, reason: Reason) -> MaskSpan:
    """The mask span of such text. It wins over the masks of secrets in it: those do not say that there may be more."""
    return MaskSpan(start, end, _RULE + reason, end - start, (True, True, end - start))


def whole(value: bytes, reason: Reason) -> bytes:
    """What stands for a value of which nothing is shown."""
    return value if already_masked(value) else unexamined(0, len(value), reason).text.encode()


def is_unexamined(mask_span: MaskSpan) -> bool:
    """Whether a mask span is one of these."""
    return mask_span.rule.startswith(_RULE)


def reason_of(mask_span: MaskSpan) -> Reason:
    """The reason in such a mask span."""
    reason: Reason = mask_span.rule.removeprefix(_RULE)  # type: ignore[assignment]  # `unexamined` made the rule of one
    return reason


def encoded_otherwise(value: bytes) -> bool:
    """Whether a text is in a form that is not decoded here, although it is plain what it is."""
    return compressed(value) or (_NULS in value and _UTF_32.search(value) is not None)


def already_masked(text: bytes) -> bool:
    """Whether a text is nothing but such a mask: it stays as it is."""
    return _MASK.fullmatch(text) is not None

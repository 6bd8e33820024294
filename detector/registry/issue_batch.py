"""Issues on their way into a `CredentialRegistry`: as text and rows of numbers, and what is kept of an identifier."""

import re  # of what a source says of a credential, not of logs
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from detector.registry import claim_kernel as kernel
from detector.values.events import CredentialIssued, Identifier
from detector.values.registrable import MIXED, UNBROKEN

_OTHER: Final = (
    1 << 14
) - 1  # of those that came when the numbers were used up: they name their scheme themselves
_MOST_KEYS: Final = 1 << 16
_LENGTHS: Final = range(1 << 16)
_LENGTH, _CHECK, _FOLDED, _WHOLE = 1, 2, 4, 8  # what is kept of an identifier
_SHAPES: Final = {None: 0, UNBROKEN: 16, MIXED: 32}
_SHAPE_OF: Final = {flag: shape for shape, flag in _SHAPES.items()}
_CHECK_DIGITS: Final = re.compile("[0-9a-f]{8}")
_DIGEST: Final = re.compile("[0-9a-f]{64}")
_RECORD: Final = 64  # more than a record takes beside its text
_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Identifier)


class NamedNumbers:
    """Numbers for the schemes of identifiers and for the ids of deployment keys."""

    def __init__(self) -> None:
        self.schemes = ["", ""]  # the first two are of no identifier: see `claim_kernel`
        self.keys: list[str | None] = [None]
        self._schemes: dict[str, int] = {}
        self._keys: dict[str | None, int] = {None: 0}

    def name_of(self, identifier: Identifier) -> tuple[int, str]:
        """The number of the scheme, and the value."""
        scheme = identifier.scheme
        number = self._schemes.get(scheme)
        if number is None:
            number = len(self.schemes)
            if number == _OTHER:
                return _OTHER, f"{len(scheme)}:{scheme}{identifier.value}"
            self._schemes[scheme] = number
            self.schemes.append(scheme)
        return number, identifier.value

    def key(self, key_id: str | None) -> int | None:
        """The number of a key, None if the numbers are used up."""
        number = self._keys.get(key_id)
        if number is None and len(self.keys) < _MOST_KEYS:
            number = self._keys[key_id] = len(self.keys)
            self.keys.append(key_id)
        return number


class IssueBatch(NamedTuple):
    """Issues as `claim_kernel.add` takes them, and how many names and bytes of records they make at the most."""

    of_issues: Sequence[CredentialIssued]
    text: Any
    issues: Any
    identifiers: Any
    names: int
    room: int


def batch_of(issues: Sequence[CredentialIssued], numbers: NamedNumbers) -> IssueBatch:
    """The batch of some issues."""
    texts: list[bytes] = []
    rows: list[int] = []
    identifiers: list[int] = []
    for issue in issues:
        name, source, event = encoded(issue.credential_id), encoded(issue.source), encoded(issue.id)
        task = None if issue.task_id is None else encoded(issue.task_id)
        texts += (name, task or b"", source, event)
        task_size = -1 if task is None else len(task)
        rows += (len(name), task_size, len(source), len(event), issue.time, len(issue.identifiers))
        for one in issue.identifiers:
            scheme, value = numbers.name_of(one)
            kept, beside = _kept(one, scheme, numbers)
            text = encoded(value)
            texts += (text, beside)
            identifiers += (scheme, len(text), *kept, len(beside))
    data = np.frombuffer(b"".join(texts), np.uint8)
    names = 2 * len(issues) + len(identifiers) // kernel.IDENTIFIER_ROW
    return IssueBatch(
        issues,
        data,
        np.array(rows, np.int64).reshape(-1, kernel.ISSUE_ROW),
        np.array(identifiers, np.int64).reshape(-1, kernel.IDENTIFIER_ROW),
        names,
        data.size + names * _RECORD,
    )


def encoded(text: str) -> bytes:
    """A name as bytes. Lone surrogates, which JSON can spell, are kept."""
    return text.encode("utf-8", "surrogatepass")


def _kept(one: Identifier, scheme: int, numbers: NamedNumbers) -> tuple[tuple[int, int, int, int], bytes]:
    """What is kept of an identifier beside its name: length, check, number of the key and flags; and further bytes."""
    key = numbers.key(one.key_id)
    usual = (
        (one.length is None or one.length in _LENGTHS)
        and (one.check is None or _CHECK_DIGITS.fullmatch(one.check))
        and (one.folded is None or _DIGEST.fullmatch(one.folded))
        and one.shape in _SHAPES
    )
    if scheme == _OTHER or key is None or not usual:
        return (0, 0, 0, _WHOLE), _encoder.encode(one)
    flags = (one.length is not None) * _LENGTH | (one.check is not None) * _CHECK
    flags |= (one.folded is not None) * _FOLDED | _SHAPES[one.shape]
    check = 0 if one.check is None else int(one.check, 16)
    return (one.length or 0, check, key, flags), b"" if one.folded is None else bytes.fromhex(one.folded)


def identifier_of(
    numbers: NamedNumbers, scheme: int, value: str, detail: Sequence[int], beside: bytes
) -> Identifier:
    """The identifier with this name, of which this was kept."""
    length, check, key, flags = detail
    if flags & _WHOLE:
        return _decoder.decode(beside)
    return Identifier(
        numbers.schemes[scheme],
        value,
        length if flags & _LENGTH else None,
        f"{check:08x}" if flags & _CHECK else None,
        numbers.keys[key],
        beside.hex() if flags & _FOLDED else None,
        _SHAPE_OF[flags & (_SHAPES[UNBROKEN] | _SHAPES[MIXED])],
    )

"""The loops over bytes, in Rust: `core/` has their source, docs/architecture.md how to change one.

The interpreter is released while bytes are read. Columns are C-contiguous arrays of 64-bit integers of shape (n, 8), as
`detector.records.record_fields` numbers them. What does not lead out of the data is read, whatever it says.
"""

from typing import TypeAlias, final

import numpy as np
import numpy.typing as npt

_Numbers: TypeAlias = npt.NDArray[np.int64]

class CoreError(RuntimeError):
    """A mistake in the core; its text names the place in the source, and nothing of what was read."""

def crc32c(data: bytes, begin: int = 0) -> int:
    """The checksum (CRC-32C) of Kafka's batches and RocksDB's blocks, of `data` from `begin` on.

    Raises:
        ValueError: `begin` is behind the end.
    """

def batches_together(data: bytes, begin: int, marks: bool, most: int, room: int) -> tuple[int, int, int, int]:
    """The record batches from `begin` on that can be read together, until they have `most` records or `room` bytes.

    Those are whole, as they were written, of format 2 and not compressed. Only with `marks` may some be of a
    transaction or mark its end.

    Returns:
        Where they end, `begin` if there is none; how many records they say they have; the highest of their first
        offsets; and the offset behind the highest of their last ones.
    """

def batch_offsets(data: bytes, at: int) -> tuple[int, int] | None:
    """The first offset and the last of the batch at `at`; None if one is negative, or the batch is not all there."""

def marker_key(data: bytes, at: int, count: int) -> int | None:
    """Where the key is of the marker data[at:] whose batch has `count` records; None if it is no marker.

    0 if compaction has taken it.
    """

def headers_at(data: bytes, at: int, count: int) -> tuple[tuple[str, bytes | None], ...]:
    """So many headers of a record, the first at `at`.

    Raises:
        UnicodeDecodeError: a name is no text.
        ValueError: they lead out of the data.
    """

@final
class RecordWalk:
    """Reads the records of batches into rows, and stops before the first that is wrong."""

    @staticmethod
    def together(data: bytes, begin: int, end: int) -> RecordWalk:
        """The records of the batches data[begin:end], which `batches_together` has found."""

    @staticmethod
    def within(
        data: bytes, begin: int, end: int, count: int, *, offsets: tuple[int, int], time: int, of_all: bool
    ) -> RecordWalk:
        """The `count` records data[begin:end] of one batch, which has these first and last offsets.

        `time` (ms) is that of all, or what their own count from.
        """

    @property
    def at(self) -> int:
        """Where the next record or batch begins."""

    @property
    def wrong(self) -> bool:
        """Whether what comes next is no record, or has a header whose name is no text."""

    @property
    def done(self) -> bool:
        """Whether nothing is left that can be read."""

    def read(self, most: int, position: int) -> tuple[bytearray, int]:
        """At most so many further records, without those before the offset `position`.

        Returns:
            Their rows, of eight 64-bit integers each, and the offset behind them.
        """

def value_lines(data: bytes, columns: _Numbers, pad: int) -> tuple[bytes, bytearray]:
    """The values of the rows, a line feed behind each, and `pad` more at the end.

    In place of a null value, and of one that has headers beside it, there is an empty line.

    Returns:
        The text, and where each line begins and one more would, as 64-bit integers.

    Raises:
        ValueError: a row leads out of the data.
    """

def joined(data: bytes, columns: _Numbers, place: int, starts: _Numbers) -> bytes:
    """What begins at `place` of each row and fits between the `starts`, a line feed behind each.

    Raises:
        ValueError: a row leads out of the data.
    """

def written_records(data: bytes, columns: _Numbers, most: int) -> list[tuple[int, bytes]]:
    """The records of the rows as batches have them, in parts of at most so many bytes unless a record takes more.

    Their times count from that of the first, and their offsets from 0.

    Returns:
        Of each part, how many records it has and its bytes.

    Raises:
        ValueError: a row leads out of the data.
    """

@final
class DigestMap:
    """From digests to others, of 32 bytes each, one behind the other.

    Raises:
        ValueError: a digest has not 32 bytes, or there are not as many others.
    """

    def __init__(self, digests: bytes, others: bytes) -> None: ...
    def get(self, digest: bytes) -> bytes | None:
        """What stands beside this digest."""

_Told: TypeAlias = tuple[int, int, int, int, bytes]
"""Where a text begins and ends, what was done to the secret, the missing character, and the secret."""
_Open: TypeAlias = tuple[
    list[tuple[bytes, list[tuple[int, int]]]],
    list[tuple[_Told, bytes]],
    list[tuple[int, int, int]],
    bytes,
    list[tuple[int, bytes]],
]
"""What may be registered elsewhere under one key: HMACs, each with the spans of its value; texts in another form, each
with the HMAC of the secret; spans of texts that may have lost their case, each with the number of its digest; these
digests, 32 bytes each; and the numbers of those that are registered here, each with the HMAC whose it is."""

@final
class KnownTables:
    """The registered credentials, by lengths, rolling checks and digests of 32 bytes.

    A key is its bytes, padded to 64, those of the key for secrets without their case, and M and B of its rolling check.
    With `every_window` a secret is found whatever is glued to it, else between boundaries. With `in_files` what grows
    is in files without a name. One thread may register more while others read.

    Raises:
        OSError: there is no room on the disk, or in memory.
        ValueError: a key cannot be used, a digest has not 32 bytes, or there are not as many owners.
    """

    def __init__(
        self, keys: list[tuple[bytes, bytes, int, int]], *, every_window: bool, forms: bool, in_files: bool
    ) -> None: ...
    def __len__(self) -> int:
        """How many digests there are."""

    def add_checks(self, key: int, shape: str | None, checks: npt.NDArray[np.uint64]) -> None:
        """Registers lengths and checks under the key of this number: length << 32 | check, the length from 1 on."""

    def add_hmacs(self, digests: bytes, lengths: list[int], any_length: bool) -> None:
        """Registers HMACs, and the lengths of those without a check; `any_length` if one has neither."""

    def add_sha256s(self, digests: bytes, lengths: list[int], checked: bool) -> None:
        """The same for SHA-256 digests; `checked` if one has a length and check."""

    def add_public(self, digests: bytes) -> None:
        """Registers digests of public identifiers."""

    def add_folded(self, key: int, digests: bytes, owners: bytes, lengths: list[int]) -> None:
        """Registers digests of secrets without their case, under a key, the HMACs whose they are, and their lengths."""

    def prepare(self) -> None:
        """Makes ready what is looked for in another form. Call it when all of some is registered."""

    def has_hmac(self, digest: bytes) -> bool:
        """Whether an HMAC is registered."""

    def has_sha256(self, digest: bytes) -> bool:
        """Whether a SHA-256 is."""

    def has_public(self, digest: bytes) -> bool:
        """Whether the digest of a public identifier is."""

    def seen(self, data: bytes, *, elsewhere: bool) -> tuple[list[tuple[int, int]], list[_Told], list[_Open]]:
        """The spans of registered secrets, in order; those in another form; and what is open, for each key.

        Spans of one value do not overlap. With `elsewhere`, what is not registered here is open; without, only texts
        that have lost their case are.
        """

"""Keeps a pipe's bytes so that they can be read twice: on disk, encrypted, gone with the process.

Logs hold secrets, so what a pipe brings is never on disk in clear: AES-256 in counter mode under a random key that
only this process (and the workers it forks) has, in a file that has no name.
"""

import os
import tempfile
import weakref
from collections.abc import Iterable, Iterator

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from detector.records.blocks import BLOCK

_AES_BLOCK = 16
_COUNTER_LIMIT = 1 << 128


class Spool:
    """What was written, readable from any place, in forked processes too. The key is never printed."""

    def __init__(self, folder: str | None = None) -> None:
        """`folder` is where temporary files go (None: as TMPDIR says)."""
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - it lives as long as the spool
        weakref.finalize(self, self._file.close)  # gives the space back
        self._key = os.urandom(32)
        self._start = int.from_bytes(os.urandom(_AES_BLOCK))
        self.size = 0

    def fill(self, fd: int) -> None:
        """Takes all that `fd` gives until its end.

        Raises:
            OSError: reading or writing failed, the disk may be full.
        """
        self.take(iter(lambda: os.read(fd, BLOCK), b""))

    def take(self, chunks: Iterable[bytes]) -> None:
        """Takes all chunks; it is filled once.

        Raises:
            OSError: writing failed, the disk may be full.
        """
        encryptor = self._cipher(0).encryptor()
        for data in chunks:
            written, view = 0, memoryview(encryptor.update(data))
            while written < len(view):
                written += self._file.write(view[written:])
            self.size += len(data)

    def append(self, data: bytes | bytearray) -> tuple[int, int]:
        """Takes some bytes more; where they begin and end.

        Raises:
            OSError: writing failed, the disk may be full.
        """
        start = -(-self.size // _AES_BLOCK) * _AES_BLOCK
        view = memoryview(self._cipher(start // _AES_BLOCK).encryptor().update(data))
        written = 0
        while written < len(view):
            written += os.pwrite(self._file.fileno(), view[written:], start + written)
        self.size = start + len(data)
        return start, self.size

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` to `end` in chunks."""
        first, skip = divmod(start, _AES_BLOCK)
        decryptor = self._cipher(first).decryptor()
        at, end = first * _AES_BLOCK, min(end, self.size)
        while at < end:
            sealed = os.pread(self._file.fileno(), min(BLOCK, end - at), at)
            if not sealed:
                return
            at += len(sealed)
            data = decryptor.update(sealed)
            yield data[skip:] if skip else data
            skip = 0

    def _cipher(self, block: int) -> Cipher[modes.CTR]:
        counter = (self._start + block) % _COUNTER_LIMIT
        return Cipher(algorithms.AES256(self._key), modes.CTR(counter.to_bytes(_AES_BLOCK)))

    def __repr__(self) -> str:
        return f"Spool({self.size} bytes)"

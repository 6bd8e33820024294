"""Keeps dead letters until they are written, in bounded memory: all but a few megabytes wait in a temporary file."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from typing import Final

import msgspec

from detector.records.dead_letters import DeadLetter

_IN_MEMORY: Final = 8 * 1024 * 1024


class DeadLetterSpool:
    """Dead letters in the order in which they came. `counts` has their number by reason."""

    def __init__(self) -> None:
        # A dead letter has no secret in it, so the file may be plain. It has no name and vanishes with the process.
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - it lives as long as the spool
        self._encoder = msgspec.json.Encoder()
        self.counts: Counter[str] = Counter()

    def add(self, letter: DeadLetter) -> None:
        """Takes one letter.

        Raises:
            OSError: the disk is full.
        """
        self._file.write(self._encoder.encode(letter) + b"\n")
        self.counts[letter.reason] += 1

    def __iter__(self) -> Iterator[DeadLetter]:
        self._file.seek(0)
        decoder = msgspec.json.Decoder(DeadLetter)
        for line in self._file:
            yield decoder.decode(line)
        self._file.seek(0, 2)

    def __del__(self) -> None:
        self._file.close()

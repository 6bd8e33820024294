"""All identifiers that are registered, each once. There may be millions: they wait on disk, encrypted."""

import hashlib
import os
from collections.abc import Collection, Iterable, Iterator
from itertools import compress
from typing import Any, Final

import msgspec
import numpy as np

from detector.replay.fact_spool import FactSpool
from detector.scan.pages import Rows, slices, zeros
from detector.values.events import CredentialIssued, Identifier, Lifecycle

_HASH: Final = 16  # bytes: two of several billion identifiers do not have the same
_NUMBER: Final = 8
_ROW: Final = np.dtype([("hash", f"S{_HASH}"), ("number", ">u8")])


class RegisteredIdentifiers(Collection[Identifier]):
    """Those of some events, in the order in which they came."""

    def __init__(self, events: Iterable[Lifecycle] = ()) -> None:
        self._spool = FactSpool[Identifier](Identifier)
        rows, key, count = Rows(), os.urandom(_HASH), 0
        for event in events:
            if isinstance(event, CredentialIssued):
                self._spool.extend(event.identifiers)
                for each in event.identifiers:
                    data = msgspec.json.encode(each)
                    rows.add(hashlib.blake2b(data, digest_size=_HASH, key=key).digest())
                    rows.add(count.to_bytes(_NUMBER))
                    count += 1
        self._first = _first_of_equals(rows.array(np.uint8))
        self._count = int(np.count_nonzero(self._first))

    def __iter__(self) -> Iterator[Identifier]:
        return compress(self._spool, memoryview(self._first))

    def __len__(self) -> int:
        return self._count

    def __contains__(self, identifier: object) -> bool:
        return any(each == identifier for each in self)


def _first_of_equals(rows: Any) -> Any:
    """For each row, by its number, whether no lesser one has its hash."""
    rows.view(f"S{_ROW.itemsize}").sort()
    rows = rows.view(_ROW)
    first = zeros(len(rows), np.uint8, in_file=True)
    last = None
    for some in slices(len(rows)):
        hashes = rows["hash"][some]
        new = np.append(hashes[0] != last, hashes[1:] != hashes[:-1])
        last = hashes[-1]
        first[rows["number"][some][new]] = 1
    return first

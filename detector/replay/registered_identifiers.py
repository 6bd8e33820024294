"""All identifiers that are registered, each once. There may be millions: they wait on disk, encrypted."""

import hashlib
from array import array
from collections.abc import Collection, Iterable, Iterator
from itertools import compress

import msgspec
import numpy as np

from detector.replay.fact_spool import FactSpool
from detector.values.events import CredentialIssued, Identifier, Lifecycle

_HASH = 16  # bytes: two of several billion identifiers do not have the same


class RegisteredIdentifiers(Collection[Identifier]):
    """Those of some events, in the order in which they came. In memory is a byte of each."""

    def __init__(self, events: Iterable[Lifecycle] = ()) -> None:
        self._spool = FactSpool[Identifier](Identifier)
        hashes = array("Q")
        for event in events:
            if isinstance(event, CredentialIssued):
                self._spool.extend(event.identifiers)
                for each in event.identifiers:
                    hashes.frombytes(hashlib.blake2b(msgspec.json.encode(each), digest_size=_HASH).digest())
        self._first = _first_of_equals(hashes)

    def __iter__(self) -> Iterator[Identifier]:
        return compress(self._spool, self._first)

    def __len__(self) -> int:
        return self._first.count(1)

    def __contains__(self, identifier: object) -> bool:
        return any(each == identifier for each in self)


def _first_of_equals(hashes: "array[int]") -> bytes:
    """For each hash, of two words, whether it is the first of its equals."""
    pairs = np.frombuffer(hashes, np.uint64).reshape(-1, 2)
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))  # stable: of equals the first comes first
    behind = (pairs[order[1:]] == pairs[order[:-1]]).all(axis=1)
    first = np.ones(len(pairs), np.uint8)
    first[order[1:][behind]] = 0
    return first.tobytes()

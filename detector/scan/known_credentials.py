"""Registered credentials, recognised in log text by their fingerprints alone.

A sub-token starts and ends at any place that is not between two ASCII letters or digits, holds no white space
and has no control character at either end. Where an identifier carries `length` and `check`, a rolling check
passes over almost every sub-token and the few left are hashed; an `hmac-sha256` without them is found by hashing
every sub-token of 8 to 512 bytes (of each start the 64 shortest) or of its length, if that is known.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from detector import jit
from detector.scan import hmac_kernel as hmacs
from detector.scan import kernels
from detector.scan import numpy_kernels as vectors
from detector.scan import subtoken_kernel as subtokens
from detector.scan.digest_set import DigestSet
from detector.values.events import Identifier
from detector.values.secrets import DeploymentKey, Secret, sha256_hex

HMAC: Final = "hmac-sha256"
SHA256: Final = "sha256"
SHORTEST, LONGEST, MOST_ENDS = 8, 512, 64  # bounds of a sub-token that nothing but hashing can tell
MAX_LENGTH: Final = 1 << 16  # a `length` above this is not believed: the identifier counts as one without
_CHECK_DIGITS: Final = 8
_HEX_DIGITS: Final = 64
_SPANS: Final = 1 << 13  # sub-tokens looked at together
_SEEN: Final = 1 << 16  # sub-tokens remembered as hashed in vain, twice at most


class KeyRing:
    """The deployment keys in force, first the one that names leaks."""

    def __init__(self, keys: Iterable[DeploymentKey] = ()) -> None:
        self.keys = tuple(keys)

    def identifiers(self, secret: Secret) -> tuple[Identifier, ...]:
        """`hmac-sha256` of the secret under each key, with length, check and the key's id if it has one."""
        return tuple(
            Identifier(HMAC, key.fingerprint(secret), len(secret), key.check(secret), key.id or None)
            for key in self.keys
        )

    def all_identifiers(self, secret: Secret) -> tuple[Identifier, ...]:
        """The same and its `sha256`: everything computable by which it may be registered."""
        return (*self.identifiers(secret), Identifier(SHA256, sha256_hex(secret), len(secret)))


class _Tables(NamedTuple):
    lengths: Any  # ascending
    weights: Any
    powers: Any
    sieve: Any
    slots: Any
    room: int  # how many keys the slots and the sieve are made for


class _Checks:
    """Length and check of the identifiers under one key, and what the first filter is made of."""

    def __init__(self, key: DeploymentKey, engine: Any) -> None:
        self._key = key
        self._engine = engine
        self._parts: list[Any] = []
        self._count = 0
        self.tables: _Tables | None = None

    def add(self, keys: Any) -> None:
        if not keys.size:
            return
        self._parts.append(keys)
        self._count += keys.size
        tables = self.tables
        lengths = np.unique(keys >> np.uint64(32)).astype(np.int64)
        if tables is None or self._count > tables.room or lengths[-1] > tables.lengths[-1]:
            self.tables = self._build()
            return
        self._engine.fill(tables.sieve, keys)
        slots = self._engine.insert(tables.slots, keys)
        self.tables = tables._replace(lengths=np.union1d(tables.lengths, lengths), slots=slots)

    def _build(self) -> _Tables:
        keys = np.unique(np.concatenate(self._parts))
        self._parts, self._count = [keys], keys.size
        lengths = np.unique(keys >> np.uint64(32)).astype(np.int64)
        weights, powers = self._engine.factors(self._key.multiplier, self._key.base, int(lengths[-1]))
        room = max(1024, keys.size + (keys.size >> 1))
        # 16 bits and more a key, and where there are few of them as many as the caches hold anyway.
        bits = max(1 << (16 * keys.size).bit_length(), min(1 << 20, 1 << (64 * room).bit_length()))
        sieve = np.zeros(min(bits, 1 << 29) >> 6, np.uint64)
        self._engine.fill(sieve, keys)
        slots = self._engine.table(keys, room - keys.size)
        return _Tables(lengths, weights, powers, sieve, slots, room)


class _Hmac:
    """HMAC-SHA-256 under one key: the two keyed states are made once and copied for each message."""

    def __init__(self, key: DeploymentKey) -> None:
        material = key.material if len(key.material) <= 64 else hashlib.sha256(key.material).digest()  # noqa: PLR2004 - SHA-256's block, RFC 2104
        padded = material.ljust(64, b"\0")
        self._padded = padded
        self._states: tuple[Any, Any] | None = None
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))

    def heads(self, view: Any, spans: Any) -> Any:
        """The first 8 bytes of the digests of spans of `view`, as numbers; compiled on first use."""
        if self._states is None:
            self._states = hmacs.keyed_states(self._padded)
        heads = np.empty(len(spans), np.uint64)
        hmacs.heads(view, spans, self._states[0], self._states[1], heads)
        return heads

    def digest(self, message: bytes) -> bytes:
        inner = self._inner.copy()
        inner.update(message)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()


class _Keyed:
    """What is registered under one key."""

    def __init__(self, key: DeploymentKey, engine: Any) -> None:
        self.key = key
        self.hmac = _Hmac(key)
        self.checks = _Checks(key, engine)


class KnownIndex:
    """The registered identifiers. Built once, then read from any thread; `add` may run beside `find`.

    `compiled` chooses between `detector.scan.kernels` and `detector.scan.numpy_kernels`, which answer alike.
    """

    def __init__(
        self,
        identifiers: Iterable[Identifier] = (),
        keys: Sequence[DeploymentKey] = (),
        *,
        compiled: bool = jit.AVAILABLE,
    ) -> None:
        self._engine: Any = kernels if compiled else vectors
        self._listing: Any = subtokens if compiled else vectors
        self._keyed = tuple(_Keyed(key, self._engine) for key in keys)
        self._hmacs, self._sha256s = DigestSet(), DigestSet()
        self._public: set[tuple[str, str]] = set()
        self._bare_lengths = np.empty(0, np.int64)
        self._any_length = False
        self._sha256_checked = False
        self._seen = _Seen()
        self.version = 0
        self.add(identifiers)

    def __len__(self) -> int:
        return len(self._hmacs) + len(self._sha256s) + len(self._public)

    def registered(self, identifier: Identifier) -> bool:
        """Whether this identifier, of whatever scheme, is registered."""
        if identifier.scheme not in (HMAC, SHA256):
            return (identifier.scheme, identifier.value) in self._public
        digest = _digest(identifier.value)
        if digest is None:
            return False
        return digest in (self._hmacs if identifier.scheme == HMAC else self._sha256s)

    def add(self, identifiers: Iterable[Identifier]) -> None:
        """Register more. What is not a digest though its scheme says so can never match and is passed over."""
        hmacs: list[bytes] = []
        sha256s: list[bytes] = []
        checks: dict[str | None, list[int]] = {}
        lengths: set[int] = set()
        for identifier in identifiers:
            scheme = identifier.scheme
            if scheme not in (HMAC, SHA256):
                self._public.add((scheme, identifier.value))
                continue
            digest = _digest(identifier.value)
            if digest is None:
                continue
            (hmacs if scheme == HMAC else sha256s).append(digest)
            check = _check_key(identifier)
            if check is not None:
                checks.setdefault(identifier.key_id, []).append(check)
                self._sha256_checked |= scheme == SHA256
            elif scheme == HMAC and identifier.length and identifier.length <= MAX_LENGTH:
                lengths.add(identifier.length)
            elif scheme == HMAC:
                self._any_length = True
        # Digests before checks: what passes a check finds its digest registered.
        self._hmacs.add(hmacs)
        self._sha256s.add(sha256s)
        self._add_checks(checks)
        if lengths:
            self._bare_lengths = np.union1d(self._bare_lengths, np.array(sorted(lengths), np.int64))
        self._seen = _Seen()
        if self._any_length or self._bare_lengths.size:
            self._prepare_to_hash()
        self.version += 1

    def _prepare_to_hash(self) -> None:
        self._hmacs.sift()
        if self.version == 0 and self._engine is kernels:
            for keyed in self._keyed:  # compile now, before processes fork
                keyed.hmac.heads(np.zeros(1, np.uint8), np.array([[0, 1]], np.int64))

    def _add_checks(self, checks: dict[str | None, list[int]]) -> None:
        named = {keyed.key.id for keyed in self._keyed}
        for key_id, values in checks.items():
            keys = np.array(values, np.uint64)
            for keyed in self._keyed:
                # An id that names no key in force is taken for none: every key is tried.
                if key_id is None or key_id not in named or key_id == keyed.key.id:
                    keyed.checks.add(keys)

    def find(self, data: bytes) -> list[tuple[int, int]]:
        """Spans of the sub-tokens that are registered secrets, ordered; of one value none that overlap."""
        found: set[tuple[int, int]] = set()
        view = np.frombuffer(data, np.uint8)
        for keyed in self._keyed:
            found.update(_apart(data, self._checked(data, view, keyed)))
            found.update(_apart(data, self._hashed(data, view, keyed)))
        return sorted(found)

    def _checked(self, data: bytes, view: Any, keyed: _Keyed) -> Iterator[tuple[int, int]]:
        tables = keyed.checks.tables
        if tables is None:
            return
        verdicts: dict[bytes, bool] = {}

        def step(done: int, out: Any) -> tuple[int, int]:
            return self._engine.checked(view, done, *tables[:5], out)  # type: ignore[no-any-return]

        for start, end in _spans(step, len(data)):
            value = data[start:end]
            verdict = verdicts.get(value)
            if verdict is None:
                verdict = keyed.hmac.digest(value) in self._hmacs
                if not verdict and self._sha256_checked:
                    verdict = hashlib.sha256(value).digest() in self._sha256s
                verdicts[value] = verdict
            if verdict:
                yield start, end

    def _hashed(self, data: bytes, view: Any, keyed: _Keyed) -> Iterator[tuple[int, int]]:
        steps: list[Callable[[int, Any], tuple[int, int]]] = []
        lengths = self._bare_lengths
        if lengths.size:
            steps.append(lambda done, out: self._listing.sized(view, done, lengths, out))
        if self._any_length:
            steps.append(
                lambda done, out: self._listing.subtokens(view, done, SHORTEST, LONGEST, MOST_ENDS, out)
            )
        seen = self._seen
        for step in steps:
            room = max(_SPANS, 2 * lengths.size, 2 * MOST_ENDS)
            for spans in _batches(step, len(data), room):
                if self._engine is kernels:
                    yield from self._hash_together(data, view, spans, keyed)
                else:
                    yield from self._hash(data, spans.tolist(), keyed, seen)

    def _hash_together(self, data: bytes, view: Any, spans: Any, keyed: _Keyed) -> Iterator[tuple[int, int]]:
        blocks = hmacs.blocks(spans).astype(np.uint16)  # numpy sorts 16 bits at once
        ordered = spans[np.argsort(blocks, kind="stable")]
        for number in self._hmacs.like(keyed.hmac.heads(view, ordered)):
            start, end = ordered[number].tolist()
            if keyed.hmac.digest(data[start:end]) in self._hmacs:
                yield start, end

    def _hash(
        self, data: bytes, spans: list[list[int]], keyed: _Keyed, seen: "_Seen"
    ) -> Iterator[tuple[int, int]]:
        at: dict[bytes, list[tuple[int, int]]] = {}
        for start, end in spans:
            value = data[start:end]
            if (keyed.key.id, value) not in seen:
                at.setdefault(value, []).append((start, end))
        values = list(at)
        digest = keyed.hmac.digest
        hits = {values[number] for number in self._hmacs.which(b"".join(map(digest, values)))}
        seen.add((keyed.key.id, value) for value in values if value not in hits)
        for value in hits:
            yield from at[value]


class _Seen:
    """Sub-tokens hashed in vain, the latest; of bounded size, in two generations."""

    def __init__(self) -> None:
        self._young: set[tuple[str, bytes]] = set()
        self._old: set[tuple[str, bytes]] = set()

    def __contains__(self, token: tuple[str, bytes]) -> bool:
        return token in self._young or token in self._old

    def add(self, tokens: Iterable[tuple[str, bytes]]) -> None:
        young = self._young
        young.update(tokens)
        if len(young) > _SEEN:
            self._old, self._young = young, set()


def _digest(value: str) -> bytes | None:
    if len(value) != _HEX_DIGITS:
        return None
    try:
        digest = bytes.fromhex(value)
    except ValueError:
        return None
    return digest if len(digest) == _HEX_DIGITS // 2 else None


def _check_key(identifier: Identifier) -> int | None:
    """The length above the check (32 bits), if the identifier carries both."""
    length, check = identifier.length, identifier.check
    if not length or check is None or length > MAX_LENGTH or len(check) != _CHECK_DIGITS:
        return None
    try:
        return length << 32 | int.from_bytes(bytes.fromhex(check), "big")
    except ValueError:
        return None


def _batches(step: Callable[[int, Any], tuple[int, int]], size: int, room: int) -> Iterator[Any]:
    """What `step` finds, a bounded number of spans at a time."""
    out = np.empty((room, 2), np.int64)
    done = 0
    while done < size:
        count, done = step(done, out)
        if count < 0:
            out = np.empty((2 * out.shape[0], 2), np.int64)
        elif count:
            yield out[:count]


def _spans(step: Callable[[int, Any], tuple[int, int]], size: int) -> Iterator[tuple[int, int]]:
    for spans in _batches(step, size, _SPANS):
        for start, end in spans.tolist():  # noqa: UP028 - pairs, not the lists they stand in
            yield start, end


def _apart(data: bytes, spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The spans, of one value none that overlaps another: `!!!!!!!!` in a row of them would be one a byte."""
    ends: dict[bytes, int] = {}
    for start, end in spans:
        value = data[start:end]
        if start >= ends.get(value, 0):
            ends[value] = end
            yield start, end

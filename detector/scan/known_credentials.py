"""Finds registered credentials in log text by their fingerprints.

| registered with | what is found |
| --- | --- |
| `length` and `check`, from 8 bytes | each window, whatever is glued on; with line breaks in it, between separators |
| `length` and `check`, shorter | sub-tokens |
| `length`, `check` and `shape`, from 8 bytes | every window that may have that shape, at a fraction of the cost |
| `length`, `hmac-sha256` | sub-tokens of that length |
| `length`, `sha256` | every window in a run of the characters that tokens have |
| neither, `hmac-sha256` | sub-tokens of 8 to 512 bytes, the 64 shortest of each start |
| neither, `sha256` | what a pattern matches |

In another form (reversed, in other case, …) those with `length` and `check`, or `length` and `sha256`, are found where
`known_forms` says.

A sub-token is text without white space. It starts and ends anywhere but between two ASCII letters or digits, and has no
control character at either end. A rolling check rejects almost every window or sub-token; only the rest are hashed.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple, Protocol

import numpy as np

from detector.core import KnownTables
from detector.patterns.pattern import JWT_ID
from detector.scan.known_forms import Disguise, disguise, folded_disguise
from detector.values.events import Identifier
from detector.values.registrable import LONGEST_FORM, MAX_LENGTH, SHORTEST, SHORTEST_FORM, keyed_hashes
from detector.values.secrets import DeploymentKey, KeyedHash, Secret

HMAC: Final = "hmac-sha256"
SHA256: Final = "sha256"
DIGEST: Final = 32
_CHECK_DIGITS: Final = 8
_TOGETHER: Final = 1 << 14  # identifiers that are registered together


class KeyRing:
    """The deployment keys in force. The first one names leaks."""

    def __init__(self, keys: Iterable[DeploymentKey] = ()) -> None:
        self.keys = tuple(keys)

    def identifiers(self, secret: Secret) -> tuple[Identifier, ...]:
        """`hmac-sha256` of the secret under each key, with length, check and the key's id if it has one.

        With `folded` if that is needed to find the secret in another case, and cannot mean other text; with its shape.
        """
        return tuple(Identifier(HMAC, *keyed) for keyed in keyed_hashes(secret, self.keys))


class Checked(NamedTuple):
    """Identifiers of HMACs with length and check, under one key and with one shape.

    `checks` are length << 32 | check, `folded_lengths` the lengths of those with a digest without case.
    """

    key_id: str | None
    shape: str | None
    checks: Any
    folded_lengths: Any


class Registered(Protocol):
    """Registered HMACs that are kept elsewhere, with the digests of their secrets without case."""

    def has_hmac(self, digest: bytes) -> bool:
        """Whether the HMAC with this digest is registered."""

    def like_folded(self, digests: bytes) -> list[int]:
        """The indexes of those `digests` without case, 32 bytes each, that may be registered."""

    def owner_of_folded(self, digest: bytes) -> bytes | None:
        """The digest of the HMAC that was registered with this digest without case."""


class _Some:
    """Identifiers of one scheme that are registered together: digests, and the lengths of those without a check."""

    def __init__(self) -> None:
        self.digests: list[bytes] = []
        self.lengths: set[int] = set()
        self.any_length = self.checked = False

    def add_unchecked(self, length: int | None) -> None:
        """One without a check."""
        if length:
            self.lengths.add(length)
        else:
            self.any_length = True


class KnownIndex:
    """The registered identifiers. Built once, then read from any thread; `add` may run beside `seen`.

    `registered` has the digests of those that come by `add_checked`. With `in_files` what grows with the identifiers
    is in files without a name, and takes no memory that the system could not have back. A `sha256` is in no file: it
    is unkeyed.
    """

    def __init__(  # noqa: PLR0913 - what is looked for and how, each by its name
        self,
        identifiers: Iterable[Identifier] = (),
        keys: Sequence[DeploymentKey] = (),
        *,
        every_window: bool = True,
        forms: bool = True,
        registered: Registered | None = None,
        in_files: bool = False,
    ) -> None:
        self._every_window = every_window
        self._registered = registered
        self._keys = tuple(keys)
        self._tables = KnownTables(
            [_key_parts(key) for key in keys], every_window=every_window, forms=forms, in_files=in_files
        )
        self._public_key = os.urandom(DIGEST)
        self._by_pattern = not every_window  # whether some may be told only where a pattern matches
        self._checked_count = 0
        self.unfindable: Counter[str] = Counter()  # identifiers whose secrets no scan finds, by the reason
        self.version = 0
        waiting = iter(identifiers)
        while some := list(islice(waiting, _TOGETHER)):  # of each there are Python objects meanwhile
            self._add(some)
        self._prepare()

    def __len__(self) -> int:
        return len(self._tables) + self._checked_count

    @property
    def needs_patterns(self) -> bool:
        """Whether some registered credential may be told only where a pattern matches, and not by `seen`."""
        return self._by_pattern or bool(self.unfindable)

    def registered(self, identifier: Identifier) -> bool:
        """Whether this identifier of any scheme is registered."""
        if identifier.scheme not in (HMAC, SHA256):
            return self._tables.has_public(self._public_digest(identifier))
        digest = _digest(identifier.value)
        if digest is None:
            return False
        return self._has_hmac(digest) if identifier.scheme == HMAC else self._tables.has_sha256(digest)

    def _has_hmac(self, digest: bytes) -> bool:
        return self._tables.has_hmac(digest) or self._elsewhere(digest)

    def _elsewhere(self, digest: bytes) -> bool:
        return self._registered is not None and self._registered.has_hmac(digest)

    def add(self, identifiers: Iterable[Identifier]) -> None:
        """Registers more.

        A value that is no digest although its scheme requires one can never match, and is ignored.
        """
        self._add(identifiers)
        self._prepare()

    def _add(self, identifiers: Iterable[Identifier]) -> None:
        some = {HMAC: (hmacs := _Some()), SHA256: (sha256s := _Some())}
        public: list[bytes] = []
        checks: dict[tuple[str | None, str | None], list[int]] = {}
        folded: dict[str | None, list[Identifier]] = {}
        for identifier in identifiers:
            scheme = identifier.scheme
            if scheme not in (HMAC, SHA256):
                public.append(self._public_digest(identifier))
                self._by_pattern |= scheme == JWT_ID
                continue
            reason = never_found(identifier)
            if reason is not None:
                self.unfindable[reason] += 1
            digest = _digest(identifier.value)
            if digest is None:
                continue
            some[scheme].digests.append(digest)
            if identifier.folded and scheme == HMAC:
                folded.setdefault(identifier.key_id, []).append(identifier)
            check = _check_key(identifier)
            if check is not None and (scheme == HMAC or self._in_force(identifier.key_id)):
                checks.setdefault((identifier.key_id, identifier.shape), []).append(check)
                self._by_pattern |= check >> 32 < SHORTEST
                some[scheme].checked = True
                continue
            self._by_pattern = True
            if reason is None:
                some[scheme].add_unchecked(identifier.length)
        # Digests before checks: once a check is known, its digest must be.
        self._tables.add_public(b"".join(public))
        self._tables.add_hmacs(b"".join(hmacs.digests), [*hmacs.lengths], hmacs.any_length)
        self._tables.add_sha256s(b"".join(sha256s.digests), [*sha256s.lengths], sha256s.checked)
        self._add_folded(folded)
        for (key_id, shape), values in checks.items():
            self._add_checks(key_id, shape, np.array(values, np.uint64))

    def _prepare(self) -> None:
        self._tables.prepare()
        self.version += 1

    def _public_digest(self, identifier: Identifier) -> bytes:
        name = f"{len(identifier.scheme)} {identifier.scheme}{identifier.value}"
        return hashlib.blake2b(
            name.encode("utf-8", "surrogatepass"), digest_size=DIGEST, key=self._public_key
        ).digest()

    def add_checked(self, some: Iterable[Checked]) -> None:
        """Registers more whose digests are in `registered`: all alike together, so that tables grow once."""
        alike: dict[tuple[str | None, str | None], list[Checked]] = {}
        for each in some:
            alike.setdefault((each.key_id, each.shape), []).append(each)
        for (key_id, shape), parts in alike.items():
            checks = np.concatenate([each.checks for each in parts])
            self._by_pattern |= bool((checks >> np.uint64(32) < np.uint64(SHORTEST)).any())
            self._checked_count += checks.size
            self._add_checks(key_id, shape, checks)
            folded = np.unique(np.concatenate([each.folded_lengths for each in parts])).tolist()
            for key in self._under(key_id) if folded else ():
                self._tables.add_folded(key, b"", b"", folded)
        self._prepare()

    def _in_force(self, key_id: str | None) -> bool:
        """Whether a check was made under a key that there is. Without an id it may be any of them."""
        return bool(self._keys) and (key_id is None or any(key.id == key_id for key in self._keys))

    def _under(self, key_id: str | None) -> list[int]:
        """The numbers of the keys with an id. If it names no key in force, every key is tried."""
        named = [number for number, key in enumerate(self._keys) if key.id == key_id]
        return named if key_id is not None and named else [*range(len(self._keys))]

    def _add_checks(self, key_id: str | None, shape: str | None, checks: Any) -> None:
        for key in self._under(key_id):
            self._tables.add_checks(key, shape, checks)

    def _add_folded(self, by_key: dict[str | None, list[Identifier]]) -> None:
        for key_id, identifiers in by_key.items():
            rows = [
                (digest, owner, one.length)
                for one in identifiers
                if SHORTEST_FORM <= (one.length or 0) <= LONGEST_FORM
                and (digest := _digest(one.folded or ""))
                and (owner := _digest(one.value))
            ]
            if rows:
                digests, owners, lengths = zip(*rows, strict=True)
                for key in self._under(key_id):
                    self._tables.add_folded(key, b"".join(digests), b"".join(owners), sorted({*lengths}))

    def seen(self, data: bytes) -> tuple[list[tuple[int, int]], list[Disguise]]:
        """The spans of registered secrets, in order, and those that stand in another form.

        Spans of one value do not overlap.
        """
        spans, disguised, opened = self._tables.seen(data, elsewhere=self._registered is not None)
        forms = [disguise(data, told) for told in disguised]
        more: list[tuple[int, int]] = []
        folded: dict[tuple[int, int], list[Identifier]] = {}
        for key, (shown, others, rows, digests, own) in zip(self._keys, opened, strict=True):
            for digest, places in shown:
                more += places if self._elsewhere(digest) else ()
            forms += [disguise(data, told) for told, digest in others if self._elsewhere(digest)]
            owners = self._owners(digests, own) if rows else {}
            for start, end, number in rows if owners else ():
                if number in owners:
                    owner = Identifier(HMAC, owners[number].hex(), end - start, None, key.id or None)
                    folded.setdefault((start, end), []).append(owner)
        forms += [folded_disguise(data, span, identifiers) for span, identifiers in folded.items()]
        return sorted({*spans, *more}) if more else spans, forms

    def _owners(self, digests: bytes, own: Iterable[tuple[int, bytes]]) -> dict[int, bytes]:
        """Whose the texts are that have lost their case, by the numbers of their digests."""
        owners = dict(own)
        if self._registered is not None:
            for number in self._registered.like_folded(digests):
                owner = self._registered.owner_of_folded(digests[DIGEST * number : DIGEST * (number + 1)])
                if owner is not None:
                    owners.setdefault(number, owner)
        return owners


def _key_parts(key: DeploymentKey) -> tuple[bytes, bytes, int, int]:
    padded = (KeyedHash(each).padded_key for each in (key, key.for_folded()))
    return (*padded, key.multiplier, key.base)  # type: ignore[return-value]  # two of them


def never_found(identifier: Identifier) -> str | None:
    """Why no scan finds the secret of an identifier; None if one may, or if it is a public one and names no secret."""
    length = identifier.length
    if identifier.scheme not in (HMAC, SHA256):
        return None
    if _digest(identifier.value) is None:
        return "its value is no digest in hexadecimal"
    if length is not None and length > MAX_LENGTH:
        return f"its length is above {MAX_LENGTH:,} bytes"
    if identifier.scheme == HMAC and length and length < SHORTEST and _check_key(identifier) is None:
        return f"it has fewer than {SHORTEST} bytes and no check"
    return None


def _digest(value: str) -> bytes | None:
    if len(value) != 2 * DIGEST:
        return None
    try:
        digest = bytes.fromhex(value)
    except ValueError:
        return None
    return digest if len(digest) == DIGEST else None


def _check_key(identifier: Identifier) -> int | None:
    """The length above the check (32 bits); None if the identifier lacks one of them."""
    length, check = identifier.length, identifier.check
    if not length or check is None or length > MAX_LENGTH or len(check) != _CHECK_DIGITS:
        return None
    try:
        return length << 32 | int.from_bytes(bytes.fromhex(check), "big")
    except ValueError:
        return None

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
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, cached_property, partial
from itertools import groupby, islice
from typing import Any, Final, NamedTuple, Protocol

import numpy as np

from detector.patterns.pattern import JWT_ID
from detector.scan import hmac_kernel, kernels, known_forms, subtoken_kernel, unbroken_kernel, window_kernel
from detector.scan.check_tables import SPANS, CheckTables, batches
from detector.scan.digest_set import DIGEST, DigestMap, DigestSet
from detector.scan.known_forms import Disguise
from detector.scan.span_verdicts import SpanVerdicts
from detector.values.events import Identifier
from detector.values.registrable import (
    LONGEST_FORM,
    MAX_LENGTH,
    MIXED,
    SHORTEST,
    SHORTEST_FORM,
    UNBROKEN,
    keyed_hashes,
)
from detector.values.secrets import DeploymentKey, KeyedHash, Secret

HMAC: Final = "hmac-sha256"
SHA256: Final = "sha256"
LONGEST, MOST_ENDS = 512, 64  # bounds of a sub-token that is found by hashing alone, from SHORTEST on
_CHECK_DIGITS: Final = 8
_HEX_DIGITS: Final = 64
_TOGETHER: Final = 1 << 14  # identifiers that are registered together
_FEW: Final = 16  # texts that hashlib hashes sooner


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

    def like_folded(self, halves: Any) -> list[int]:
        """The indexes of those `halves` of digests without case, 16 bytes each, that are registered."""

    def owner_of_folded(self, digest: bytes) -> bytes | None:
        """The digest of the HMAC that was registered with this digest without case."""


class _Folded:
    """The digests of secrets without their case under one key: those that are kept here, and those kept elsewhere."""

    def __init__(self, key: DeploymentKey, registered: Registered | None, *, in_files: bool) -> None:
        self.digests = DigestMap(in_file=in_files)
        self._hash = KeyedHash(key.for_folded())
        self._hashes = _Hashes(self._hash)
        self._registered = registered

    def like(self, texts: Any, spans: Any) -> list[int]:
        """The numbers of those spans of `texts` that may be such secrets."""
        halves = self._hashes.halves(texts, spans)
        found = self.digests.like(halves[:, 0]) if len(self.digests) else []
        if self._registered is None:
            return found
        return sorted({*found, *self._registered.like_folded(halves.astype(">u8").view(np.uint8).ravel())})

    def get(self, text: bytes) -> bytes | None:
        """The digest of the secret whose text without case this is."""
        digest = self._hash.digest(text)
        owner = self.digests.get(digest)
        if owner is None and self._registered is not None:
            owner = self._registered.owner_of_folded(digest)
        return owner


class _Keyed:
    """What is registered under one key."""

    def __init__(self, key: DeploymentKey, registered: Registered | None, *, in_files: bool) -> None:
        self.key = key
        self.hash = KeyedHash(key)
        self.windows = CheckTables(key, window_kernel, in_files=in_files)
        self.unbroken = CheckTables(key, unbroken_kernel, in_files=in_files)
        self.mixed = CheckTables(key, unbroken_kernel, mixed=True, in_files=in_files)
        self.subtokens = CheckTables(key, kernels, in_files=in_files)
        self.checks = self.windows, self.unbroken, self.mixed, self.subtokens
        self.hashes = _Hashes(self.hash)
        self.folded = _Folded(key, registered, in_files=in_files)
        self.folded_lengths = np.empty(0, np.int64)
        self._terms = kernels.factors(key.multiplier, key.base, 0)[0]

    def add_folded(self, found: Iterable[Identifier], *, fill: bool) -> None:
        """Registers the digests without case of some. With `fill` they are known once `folded` is settled."""
        pairs = [
            (digest, owner, one.length)
            for one in found
            if (digest := _digest(one.folded or "")) and (owner := _digest(one.value))
        ]
        if pairs and fill:
            self.folded.digests.fill(digest + owner for digest, owner, _ in pairs)
        elif pairs:
            self.folded.digests.add((digest, owner) for digest, owner, _ in pairs)
        if pairs:
            lengths = np.array([length for *_, length in pairs], np.int64)
            self.folded_lengths = np.union1d(self.folded_lengths, lengths)

    def search(self, registered: Callable[["_Keyed", bytes], bool]) -> known_forms.Search:
        """What looks for secrets in other forms."""
        tables = [each.tables for each in self.checks if each.tables is not None]
        return known_forms.Search(
            self._terms,
            tables,
            lambda value: registered(self, value),
            self.folded,
            lambda digest, length: Identifier(HMAC, digest.hex(), length, None, self.key.id or None),
            self.folded_lengths,
        )


class _Hashes:
    """The HMACs of spans of a text. Compiled on first use."""

    def __init__(self, keyed: KeyedHash) -> None:
        self._keyed = keyed

    @cached_property
    def _states(self) -> tuple[Any, Any]:
        return hmac_kernel.keyed_states(self._keyed.padded_key)

    def heads(self, view: Any, spans: Any) -> Any:
        """The first 8 bytes of each, as a number."""
        heads = np.empty(len(spans), np.uint64)
        hmac_kernel.heads(view, spans, *self._states, heads)
        return heads

    def halves(self, view: Any, spans: Any) -> Any:
        """The first 16 bytes of each, as two numbers."""
        halves = np.empty((len(spans), 2), np.uint64)
        hmac_kernel.halves(view, spans, *self._states, halves)
        return halves


_FormSearch = tuple[known_forms.Lengths, list[known_forms.Search], known_forms.PlainSearch]


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
        self._forms = forms
        self._form_search: _FormSearch | None = None
        self._shortest_window = SHORTEST if every_window else MAX_LENGTH + 1
        self._keyed = tuple(_Keyed(key, registered, in_files=in_files) for key in keys)
        self._hmacs, self._sha256s = DigestSet(in_file=in_files), DigestSet()
        self._public = DigestSet(in_file=in_files)
        self._public_key = os.urandom(DIGEST)
        self._bare_lengths = np.empty(0, np.int64)
        self._any_length = False
        self._checked_count = 0
        self._sha256_checked = False
        self._unchecked = False  # by a plain `sha256` without length, or by an id inside a token
        self._sha256_lengths = np.empty(0, np.int64)
        self.unfindable: Counter[str] = Counter()  # identifiers whose secrets no scan finds, by the reason
        self.version = 0
        waiting = iter(identifiers)
        while some := list(islice(waiting, _TOGETHER)):  # of each there are Python objects meanwhile
            self._add(some, fill=True)
        for each in (self._hmacs, self._sha256s, self._public, *(one.folded.digests for one in self._keyed)):
            each.settle()
        self._prepare()
        self._compile()

    def __len__(self) -> int:
        return len(self._hmacs) + len(self._sha256s) + len(self._public) + self._checked_count

    @property
    def needs_patterns(self) -> bool:
        """Whether some registered credential may be told only where a pattern matches, and not by `seen`."""
        partly = (
            not self._every_window or self._any_length or self._bare_lengths.size or self._sha256_lengths.size
        )
        return bool(partly or self._unchecked or self.unfindable)

    def registered(self, identifier: Identifier) -> bool:
        """Whether this identifier of any scheme is registered."""
        if identifier.scheme not in (HMAC, SHA256):
            return self._public_digest(identifier) in self._public
        digest = _digest(identifier.value)
        if digest is None:
            return False
        return self._has_hmac(digest) if identifier.scheme == HMAC else digest in self._sha256s

    def _has_hmac(self, digest: bytes) -> bool:
        return digest in self._hmacs or (self._registered is not None and self._registered.has_hmac(digest))

    def add(self, identifiers: Iterable[Identifier]) -> None:
        """Registers more.

        A value that is no digest although its scheme requires one can never match, and is ignored.
        """
        self._add(identifiers, fill=False)
        self._prepare()

    def _add(self, identifiers: Iterable[Identifier], *, fill: bool) -> None:
        hmacs: list[bytes] = []
        sha256s: list[bytes] = []
        public: list[bytes] = []
        checks: dict[tuple[str | None, str | None], list[int]] = {}
        lengths: dict[str, set[int]] = {HMAC: set(), SHA256: set()}
        folded: list[Identifier] = []
        for identifier in identifiers:
            scheme = identifier.scheme
            if scheme not in (HMAC, SHA256):
                public.append(self._public_digest(identifier))
                self._unchecked |= scheme == JWT_ID
                continue
            reason = never_found(identifier)
            if reason is not None:
                self.unfindable[reason] += 1
            digest = _digest(identifier.value)
            if digest is None:
                continue
            (hmacs if scheme == HMAC else sha256s).append(digest)
            folded += [identifier] if identifier.folded else []
            check = _check_key(identifier)
            checkable = scheme == HMAC or self._in_force(identifier.key_id)
            if check is not None and checkable:
                checks.setdefault((identifier.key_id, identifier.shape), []).append(check)
                self._unchecked |= check >> 32 < SHORTEST
                self._sha256_checked |= scheme == SHA256
            elif reason is None and identifier.length:
                lengths[scheme].add(identifier.length)
            elif reason is None and scheme == HMAC:
                self._any_length = True
            else:
                self._unchecked = True
        # Digests before checks: once a check is known, its digest must be.
        put = DigestSet.fill if fill else DigestSet.add
        for known, digests in (
            (self._hmacs, hmacs),
            (self._sha256s, sha256s),
            (self._public, public),
        ):
            put(known, digests)
        self._add_checks(checks)
        self._add_folded(folded, fill=fill)
        self._bare_lengths = np.union1d(self._bare_lengths, np.array(sorted(lengths[HMAC]), np.int64))
        self._sha256_lengths = np.union1d(self._sha256_lengths, np.array(sorted(lengths[SHA256]), np.int64))

    def _prepare(self) -> None:
        self._prepare_to_hash()
        self._prepare_forms()
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
            self._unchecked |= bool((checks >> np.uint64(32) < np.uint64(SHORTEST)).any())
            self._checked_count += checks.size
            self._add_keys(key_id, shape, checks)
            folded = np.unique(np.concatenate([each.folded_lengths for each in parts]))
            for keyed in self._under(key_id) if folded.size else ():
                keyed.folded_lengths = np.union1d(keyed.folded_lengths, folded)
        self._prepare_forms()
        self.version += 1

    def _in_force(self, key_id: str | None) -> bool:
        """Whether a check was made under a key that there is. Without an id it may be any of them."""
        return bool(self._keyed) and (key_id is None or any(keyed.key.id == key_id for keyed in self._keyed))

    def _prepare_to_hash(self) -> None:
        """Makes the sieves of digests."""
        if self._any_length or self._bare_lengths.size:
            self._hmacs.sift()
        if self._sha256_lengths.size:
            self._sha256s.sift()

    def _compile(self) -> None:
        """Compiles what hashes: now, before processes fork."""
        byte, span = np.zeros(1, np.uint8), np.array([[0, 1]], np.int64)
        if self._any_length or self._bare_lengths.size:
            for keyed in self._keyed:
                keyed.hashes.heads(byte, span)
        if self._sha256_lengths.size:
            hmac_kernel.sha256_heads(byte, np.zeros(1, np.int64), 1, np.empty(1, np.uint64))

    def _under(self, key_id: str | None) -> list[_Keyed]:
        """What is under a key. If the id names no key in force, every key is tried."""
        named = [keyed for keyed in self._keyed if keyed.key.id == key_id]
        return [*self._keyed] if key_id is None or not named else named

    def _add_checks(self, checks: dict[tuple[str | None, str | None], list[int]]) -> None:
        for (key_id, shape), values in checks.items():
            self._add_keys(key_id, shape, np.array(values, np.uint64))

    def _add_keys(self, key_id: str | None, shape: str | None, keys: Any) -> None:
        at_windows = keys >> np.uint64(32) >= np.uint64(self._shortest_window)
        for keyed in self._under(key_id):
            windows = {UNBROKEN: keyed.unbroken, MIXED: keyed.mixed}.get(shape or "", keyed.windows)
            windows.add(keys[at_windows])
            keyed.subtokens.add(keys[~at_windows])

    def _add_folded(self, identifiers: Iterable[Identifier], *, fill: bool) -> None:
        by_key: dict[str | None, list[Identifier]] = {}
        for one in identifiers:
            if one.scheme == HMAC and SHORTEST_FORM <= (one.length or 0) <= LONGEST_FORM:
                by_key.setdefault(one.key_id, []).append(one)
        for key_id, some in by_key.items():
            for keyed in self._under(key_id):
                keyed.add_folded(some, fill=fill)

    def _prepare_forms(self) -> None:
        if not self._forms:
            return
        searches = [keyed.search(self._is_registered) for keyed in self._keyed]
        plain = self._plain_search()
        # Replaced together: `seen` may run beside.
        self._form_search = known_forms.lengths_of(searches, plain), searches, plain

    def _plain_search(self) -> known_forms.PlainSearch:
        def like(texts: Any, length: int) -> list[int]:
            starts = np.arange(0, texts.size, length)
            return [start // length for start in self._like_sha256s(texts, starts, length)]

        lengths = self._sha256_lengths
        lengths = lengths[(lengths >= SHORTEST_FORM) & (lengths <= LONGEST_FORM)]
        return known_forms.PlainSearch(
            lengths, like, lambda value: hashlib.sha256(value).digest() in self._sha256s
        )

    def seen(self, data: bytes) -> tuple[list[tuple[int, int]], list[Disguise]]:
        """The spans of registered secrets, in order, and those that stand in another form.

        Spans of one value do not overlap.
        """
        view = np.frombuffer(data, np.uint8)
        runs = self._runs(view)
        return self._find(data, view, runs), self._disguised(data, runs)

    def _runs(self, view: Any) -> Any:
        """The runs in which a registered secret may stand."""
        tables = [each.tables for keyed in self._keyed for each in (keyed.unbroken, keyed.mixed)]
        shortest = [int(each.lengths[0]) for each in tables if each is not None]
        if self._form_search is not None and self._form_search[0].all.size:
            shortest.append(int(self._form_search[0].all[0]))
        return unbroken_kernel.runs_of(view, min(shortest)) if shortest else np.empty((0, 2), np.int64)

    def _find(self, data: bytes, view: Any, runs: Any) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        unchecked = self._any_length or self._bare_lengths.size > 0
        for keyed in self._keyed:
            verdicts = SpanVerdicts(data, view, partial(self._is_registered, keyed))
            for each in keyed.checks:
                for spans in each.spans(view, runs) if each.tables is not None else ():
                    found += verdicts.registered(spans)
            if unchecked:
                found += _apart(data, self._hashed(data, view, keyed))
        if self._sha256_lengths.size:
            found += _apart(data, self._plainly_hashed(data, view))
        return [span for span, _ in groupby(sorted(found))] if found else found

    def _disguised(self, data: bytes, runs: Any) -> list[Disguise]:
        if self._form_search is None:
            return []
        lengths, searches, plain = self._form_search
        if not lengths.all.size or not len(runs):
            return []
        return list(known_forms.disguises(data, runs, lengths, searches, plain))

    def _is_registered(self, keyed: _Keyed, value: bytes) -> bool:
        if self._has_hmac(keyed.hash.digest(value)):
            return True
        return self._sha256_checked and hashlib.sha256(value).digest() in self._sha256s

    def _hashed(self, data: bytes, view: Any, keyed: _Keyed) -> Iterator[tuple[int, int]]:
        steps: list[Callable[[int, Any], tuple[int, int]]] = []
        lengths = self._bare_lengths
        if lengths.size:
            steps.append(lambda done, out: subtoken_kernel.sized(view, done, lengths, out))
        if self._any_length:
            steps.append(
                lambda done, out: subtoken_kernel.subtokens(view, done, SHORTEST, LONGEST, MOST_ENDS, out)
            )
        for step in steps:
            room = max(SPANS, 2 * lengths.size, 2 * MOST_ENDS)
            for spans in batches(step, len(data), room):
                yield from self._hash(data, view, spans, keyed)

    def _plainly_hashed(self, data: bytes, view: Any) -> Iterator[tuple[int, int]]:
        """Those that are registered by `sha256` and length alone, in runs of a token's characters."""
        lengths = self._sha256_lengths
        runs = subtoken_kernel.token_runs(view, int(lengths[0]))
        starts = np.empty(SPANS, np.int64)
        for length in lengths.tolist():
            blocks = int(hmac_kernel.blocks(np.array([[0, length]]))[0])
            glued = self._every_window and length >= SHORTEST
            at = np.zeros(3, np.int64)
            while at[0] < len(runs):
                count = subtoken_kernel.windows(view, runs, at, length, blocks, glued, starts)
                for start in self._like_sha256s(view, starts[:count], length):
                    if hashlib.sha256(data[start : start + length]).digest() in self._sha256s:
                        yield start, start + length

    def _like_sha256s(self, view: Any, starts: Any, length: int) -> list[int]:
        """The starts of texts of that length whose hash begins as a registered one does, or of all if they are few."""
        if len(starts) <= _FEW:
            return starts.tolist()  # type: ignore[no-any-return]  # whole numbers
        heads = np.empty(len(starts), np.uint64)
        hmac_kernel.sha256_heads(view, starts, length, heads)
        return starts[self._sha256s.like(heads)].tolist()  # type: ignore[no-any-return]  # whole numbers

    def _hash(self, data: bytes, view: Any, spans: Any, keyed: _Keyed) -> Iterator[tuple[int, int]]:
        ordered = _by_blocks(spans)
        for number in self._hmacs.like(keyed.hashes.heads(view, ordered)):
            start, end = ordered[number].tolist()
            if keyed.hash.digest(data[start:end]) in self._hmacs:
                yield start, end


@cache
def compile_known() -> None:
    """Looks for credentials of each kind once, and for one in other forms: so no text waits for a compiler later."""
    key = DeploymentKey.of(bytes(range(32)))
    value, short, words = b"a1B2c3D4e5F6g7H8i9J0k1L2", b"a1B2", b"several words"
    ring = KeyRing([key])
    checked = (one for each in (value, short, words) for one in ring.identifiers(Secret(each)))
    unchecked = (
        Identifier(HMAC, key.fingerprint(Secret(value))),
        Identifier(HMAC, key.fingerprint(Secret(value)), len(value)),
        Identifier(SHA256, hashlib.sha256(value).hexdigest(), len(value)),
    )
    index = KnownIndex((*checked, *unchecked), [key])
    others = (value[at:] + value[:at] for at in range(1, _FEW + 1))  # with `value` enough for a loop
    index.seen(b" ".join((value, short, words, value[::-1], value.lower(), value[:-1], *others)))
    index.seen(b"\n".join([value] * 99))


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


def _by_blocks(spans: Any) -> Any:
    """The spans, those together that take as long to hash."""
    blocks = hmac_kernel.blocks(spans).astype(np.uint16)  # numpy sorts 16 bits at once
    return spans[np.argsort(blocks, kind="stable")]


def _digest(value: str) -> bytes | None:
    if len(value) != _HEX_DIGITS:
        return None
    try:
        digest = bytes.fromhex(value)
    except ValueError:
        return None
    return digest if len(digest) == _HEX_DIGITS // 2 else None


def _check_key(identifier: Identifier) -> int | None:
    """The length above the check (32 bits); None if the identifier lacks one of them."""
    length, check = identifier.length, identifier.check
    if not length or check is None or length > MAX_LENGTH or len(check) != _CHECK_DIGITS:
        return None
    try:
        return length << 32 | int.from_bytes(bytes.fromhex(check), "big")
    except ValueError:
        return None


def _apart(data: bytes, spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Drops spans that overlap another of the same value: `!!!!!!!!` in a row of `!` would give one for each byte."""
    ends: dict[bytes, int] = {}
    for start, end in spans:
        value = data[start:end]
        if start >= ends.get(value, 0):
            ends[value] = end
            yield start, end

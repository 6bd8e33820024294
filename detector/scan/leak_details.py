"""Looks up the fingerprint and the identifiers of each secret in a batch, once for each secret."""

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from detector.configuration.allowlist import MatchedSecret
from detector.patterns.pattern import public_identifiers
from detector.scan.known_credentials import HMAC, SHA256, KnownIndex
from detector.scan.scanner import line_around
from detector.scan.sightings import KNOWN_CREDENTIAL, Sighting
from detector.values.events import Identifier
from detector.values.secrets import DeploymentKey, KeyedHash, Secret

_SHA256: Final = hashlib.sha256()


class LeakDetails(msgspec.Struct, frozen=True):
    """Whether a secret is a registered credential's, its fingerprint, and identifiers by which it may be registered."""

    known: bool
    fingerprint: str
    identifiers: tuple[Identifier, ...]


class Fingerprinter:
    """Makes fingerprints under the keys in force. The first names a secret; without any, the fallback does."""

    def __init__(self, keys: Sequence[DeploymentKey], fallback: DeploymentKey | None = None) -> None:
        self._keys = tuple((KeyedHash(key), key.id or None) for key in keys)
        self._fallback = None if self._keys or fallback is None else KeyedHash(fallback)

    def fingerprint(self, secret: Secret, identifiers: Sequence[Identifier]) -> str:
        """The fingerprint of a secret with those identifiers. Empty if there is no key at all."""
        if self._keys:
            return identifiers[0].value
        return "" if self._fallback is None else self._fallback.fingerprint(secret)

    def identifiers(self, secret: Secret) -> tuple[Identifier, ...]:
        """`hmac-sha256` under each key, and `sha256`. They have no check: a lookup does not need it."""
        size = len(secret)
        plain = _SHA256.copy()  # half the time of making one
        plain.update(secret.reveal())
        return (
            *(Identifier(HMAC, hashed.fingerprint(secret), size, None, name) for hashed, name in self._keys),
            Identifier(SHA256, plain.hexdigest(), size),
        )


class LeakDetailsCache:
    """The details of the secrets of one batch."""

    def __init__(self, fingerprinter: Fingerprinter, known: KnownIndex) -> None:
        self._fingerprinter = fingerprinter
        self._index = known
        self._found: dict[tuple[bytes, str | None], LeakDetails] = {}

    def of(self, one: Sighting) -> LeakDetails:
        """The details of the secret that was seen."""
        if one.owners:
            return LeakDetails(True, one.owners[0].value, one.owners)
        secret, pattern = one.secret, one.pattern
        name = secret.reveal(), None if pattern is None else pattern.identifier
        found = self._found.get(name)
        if found is None:
            identifiers = self._fingerprinter.identifiers(secret)
            fingerprint = self._fingerprinter.fingerprint(secret, identifiers)
            if pattern is not None:
                identifiers += public_identifiers(pattern, secret)
            # Without a pattern only what is registered is seen.
            known = pattern is None or any(map(self._index.registered, identifiers))
            found = self._found[name] = LeakDetails(known, fingerprint, identifiers)
        return found

    def is_known(self, one: Sighting) -> bool:
        """Whether the secret that was seen is a registered credential's."""
        return self.of(one).known


def matched_secret(source: str, fingerprint: str, one: Sighting, data: bytes) -> MatchedSecret:
    """A sighting in the form that an allowlist takes."""
    pattern = KNOWN_CREDENTIAL if one.pattern is None else one.pattern.id
    return MatchedSecret(
        source, pattern, fingerprint, one.secret, lambda: line_around(data, one.start, one.end)
    )

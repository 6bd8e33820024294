"""What else there is to say of the secrets that one batch shows, found out once for each however often it stands there."""

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from detector.patterns.pattern import Pattern, public_identifiers
from detector.scan.known_credentials import HMAC, SHA256, KnownIndex
from detector.values.events import Identifier
from detector.values.secrets import DeploymentKey, KeyedHash, Secret

_SHA256: Final = hashlib.sha256()


class LeakDetails(msgspec.Struct, frozen=True):
    """Of one secret whether it is a registered credential's, its name, and all by which it may be registered."""

    known: bool
    fingerprint: str
    identifiers: tuple[Identifier, ...]


class Naming:
    """The keys under which secrets are named: of those in force the first, or where there is none another."""

    def __init__(self, keys: Sequence[DeploymentKey], fallback: DeploymentKey | None = None) -> None:
        self._keys = tuple((KeyedHash(key), key.id or None) for key in keys)
        self._fallback = None if self._keys or fallback is None else KeyedHash(fallback)

    def fingerprint(self, secret: Secret, identifiers: Sequence[Identifier]) -> str:
        """The name of a secret with those identifiers; empty if there is no key at all."""
        if self._keys:
            return identifiers[0].value
        return "" if self._fallback is None else self._fallback.fingerprint(secret)

    def identifiers(self, secret: Secret) -> tuple[Identifier, ...]:
        """`hmac-sha256` under each key and `sha256`. Whoever looks one up asks for no check: it is left out."""
        size = len(secret)
        plain = _SHA256.copy()  # half the time of making one
        plain.update(secret.reveal())
        return (
            *(Identifier(HMAC, hashed.fingerprint(secret), size, None, name) for hashed, name in self._keys),
            Identifier(SHA256, plain.hexdigest(), size),
        )


class Facts:
    """The particulars of the secrets of one batch, each made once."""

    def __init__(self, naming: Naming, known: KnownIndex) -> None:
        self._naming = naming
        self._index = known
        self._found: dict[tuple[bytes, str | None], LeakDetails] = {}

    def of(self, secret: Secret, pattern: Pattern | None) -> LeakDetails:
        """Those of a secret as that pattern sees it, or (None) as its fingerprint alone tells it."""
        name = secret.reveal(), None if pattern is None else pattern.identifier
        found = self._found.get(name)
        if found is None:
            identifiers = self._naming.identifiers(secret)
            fingerprint = self._naming.fingerprint(secret, identifiers)
            if pattern is not None:
                identifiers += public_identifiers(pattern, secret)
            known = any(map(self._index.registered, identifiers))
            found = self._found[name] = LeakDetails(known, fingerprint, identifiers)
        return found

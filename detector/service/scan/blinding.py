"""Keeps plain hashes of secrets out of topics and state.

A `sha256` is registered for tokens that nobody can guess, but of a leaked password it would give the password away. So
leaks travel with its HMAC under each deployment key in its place, and issues with both.
"""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec

from detector.values.events import AnyEvent, CredentialIssued, Identifier, Leak

SHA256: Final = "sha256"
_LABEL: Final = b"curfewd/veil/v1"

_E = TypeVar("_E", bound=AnyEvent)


def veiled(event: _E, keys: Sequence[bytes]) -> _E:
    """`event` as it may travel; `keys` are those in force. Other events than issues and leaks stay as they are.

    Without a key a leak loses its `sha256`, and is found by look-back alone if the credential is registered later.
    """
    if not isinstance(event, CredentialIssued | Leak):
        return event
    plain = [each for each in event.identifiers if each.scheme == SHA256]
    if not plain:
        return event
    veils = [Identifier(SHA256, _veil(each.value, key)) for each in plain for key in keys]
    kept = event.identifiers if isinstance(event, CredentialIssued) else set(event.identifiers) - set(plain)
    order = [each for each in event.identifiers if each in kept]
    return msgspec.structs.replace(event, identifiers=tuple(dict.fromkeys([*order, *veils])))


def _veil(value: str, key: bytes) -> str:
    return hmac.new(key, _LABEL + value.encode(), hashlib.sha256).hexdigest()

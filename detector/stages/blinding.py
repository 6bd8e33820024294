"""Keeps plain hashes of secrets out of topics and state.

A `sha256` identifier is meant for tokens that nobody can guess. Of a leaked password it would give the password away.
So a leak travels with the hash's HMAC under each deployment key instead, and an issue with both.
"""

import hmac
from collections.abc import Sequence
from typing import Any, Final, TypeVar

import msgspec

from detector.values.events import AnyEvent, CredentialIssued, Identifier, Leak

SHA256: Final = "sha256"
_LABEL: Final = b"curfewd/veil/v1"  # part of what is stored: it never changes
_SHOWING: Final[frozenset[type[Any]]] = frozenset((CredentialIssued, Leak))

_E = TypeVar("_E", bound=AnyEvent)


def blinded(event: _E, keys: Sequence[bytes]) -> _E:
    """`event` as it may travel, under the deployment `keys`. Only issues and leaks change.

    Without a key a leak loses its `sha256`. If its credential is registered later, only the look-back finds the leak.
    """
    if type(event) not in _SHOWING or not isinstance(
        event, CredentialIssued | Leak
    ):  # the first takes less time
        return event
    plain = [each for each in event.identifiers if each.scheme == SHA256]
    if not plain:
        return event
    blind = [Identifier(SHA256, _hmac(each.value, key)) for each in plain for key in keys]
    kept = (
        event.identifiers
        if isinstance(event, CredentialIssued)
        else [each for each in event.identifiers if each.scheme != SHA256]
    )
    return msgspec.structs.replace(event, identifiers=tuple(dict.fromkeys([*kept, *blind])))


def _hmac(value: str, key: bytes) -> str:
    return hmac.digest(key, _LABEL + value.encode(), "sha256").hex()

"""What is encrypted or hashed under the deployment keys, so that only who has them can read it or test guesses."""

import hmac
import os
from collections.abc import Sequence
from typing import Any, Final, TypeVar

import msgspec
import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from detector.values.errors import UsageError
from detector.values.secrets import DeploymentKey

_LABEL: Final = b"curfewd/facts/v1/"
_NONCE: Final = 12  # bytes
_KEY_ID: Final = 16  # hex digits that tell keys apart
_LEVEL: Final = 3  # of Zstandard
MOST: Final = 1 << 34  # bytes that the facts of a unit may unpack to

_T = TypeVar("_T")


class Sealer:
    """Seals values under the first of the deployment keys: compressed, then AES-256-GCM.

    Each has a name, and opens under no other. `keys` are ids of all of them: two processes have the same keys if
    these are the same, and nothing else is told.

    Raises:
        UsageError: there is no key.
    """

    def __init__(self, keys: Sequence[DeploymentKey]) -> None:
        if not keys:
            raise UsageError(
                "facts that leave the process are sealed under a deployment key, but there is none: set CURFEWD_KEY or "
                "key_file (`openssl rand -hex 32` makes one)"
            )
        self.keys = tuple(_derived(key, b"id").hex()[:_KEY_ID] for key in keys)
        self._cipher = AESGCM(_derived(keys[0], b"seal"))
        self._hash = _derived(keys[0], b"hash")
        self.hash_key = DeploymentKey.of(_derived(keys[0], b"sha256"))
        """The key under which an unkeyed hash is hashed again."""

    def hash_of(self, data: bytes) -> str:
        """A keyed hash, in hex: what it is of cannot be guessed."""
        return hmac.digest(self._hash, data, "sha256").hex()

    def seal(self, name: str, value: Any) -> bytes:
        """The value as JSON, sealed."""
        nonce = os.urandom(_NONCE)
        packed = zstandard.ZstdCompressor(_LEVEL).compress(msgspec.json.encode(value))
        return nonce + self._cipher.encrypt(nonce, packed, name.encode())

    def unseal(self, name: str, sealed: bytes, gives: type[_T]) -> _T:
        """The value.

        Raises:
            ValueError: it was not sealed under this key and name, or is damaged.
        """
        try:
            packed = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], name.encode())
            return msgspec.json.decode(zstandard.ZstdDecompressor().decompress(packed, MOST), type=gives)
        except (InvalidTag, zstandard.ZstdError) as error:
            raise ValueError(type(error).__name__) from None


def _derived(key: DeploymentKey, use: bytes) -> bytes:
    return hmac.digest(key.material, _LABEL + use, "sha256")

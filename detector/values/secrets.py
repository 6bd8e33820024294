"""A type for secrets, and their fingerprints. Nothing here ever prints a secret."""

import base64
import hashlib
import hmac
from typing import Final, NoReturn

MIN_KEY_BYTES: Final = 16
_CHECK_LABEL: Final = b"curfewd/check/v1"
_FOLDED_LABEL: Final = b"curfewd/folded/v1"
_COMMAND_LABEL: Final = b"curfewd/command/v1"
_MASK64: Final = (1 << 64) - 1
# RFC 2104 with SHA-256: the size of a block, and each byte of the key XORed with the two pads.
_BLOCK: Final = 64
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


class Secret:
    """A captured secret. It is masked when printed, and cannot be pickled.

    `reveal()` is the only way to its bytes, so a search for `reveal` finds every place that reads one.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """The secret's bytes, for hashing and checking only."""
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return f"‹secret:{len(self._value)}›"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret does not leave its process")


def mask(rule: str, length: int) -> str:
    """The mask of a secret of `length` bytes that the pattern or rule `rule` recognised."""
    return f"‹{rule}:{length}›"


class DeploymentKey:
    """A deployment key: its `material` of at least 16 bytes, and an `id` if several are in force.

    `base` and `multiplier` are B and M of the rolling check: the first and second 8 bytes, big-endian, with the lowest
    bit set, of HMAC-SHA-256(key, "curfewd/check/v1"). It is a plain class, because what registers secrets loads no
    library.
    """

    __slots__ = ("base", "id", "material", "multiplier")

    def __init__(self, key_id: str, material: bytes, base: int, multiplier: int) -> None:
        self.id = key_id
        self.material = material
        self.base = base
        self.multiplier = multiplier

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, DeploymentKey)
            and self.id == other.id
            and hmac.compare_digest(self.material, other.material)
        )

    def __hash__(self) -> int:
        return hash((self.id, self.material))

    @classmethod
    def of(cls, material: bytes, key_id: str = "") -> "DeploymentKey":
        """The key, with the parameters of its rolling check.

        Raises:
            ValueError: the key is shorter than 16 bytes.
        """
        if len(material) < MIN_KEY_BYTES:
            raise ValueError(
                f"a deployment key needs at least {MIN_KEY_BYTES} bytes, this one has {len(material)}"
            )
        digest = hmac.digest(material, _CHECK_LABEL, "sha256")
        base, multiplier = (int.from_bytes(digest[i : i + 8], "big") | 1 for i in (0, 8))
        return cls(key_id, material, base, multiplier)

    def __repr__(self) -> str:
        return f"DeploymentKey(id={self.id!r})"

    def fingerprint(self, secret: Secret) -> str:
        """Lower-case hex of HMAC-SHA-256(key, secret)."""
        return hmac.digest(self.material, secret.reveal(), "sha256").hex()

    def check(self, secret: Secret) -> str:
        """8 lower-case hex digits: the top 32 bits of M · Σ (bᵢ + 1) · Bⁿ⁻¹⁻ⁱ mod 2⁶⁴."""
        rolling = 0
        for byte in secret.reveal():
            rolling = (rolling * self.base + byte + 1) & _MASK64
        return f"{((rolling * self.multiplier) & _MASK64) >> 32:08x}"

    def for_folded(self) -> "DeploymentKey":
        """The key under which secrets without their case are hashed: another, so that nothing tells equal texts."""
        return DeploymentKey.of(hmac.digest(self.material, _FOLDED_LABEL, "sha256"), self.id)

    def for_commands(self) -> "DeploymentKey":
        """The key that signs commands: another, so that whoever checks signatures cannot test guesses of secrets."""
        return DeploymentKey.of(hmac.digest(self.material, _COMMAND_LABEL, "sha256"), self.id)

    def folded(self, secret: Secret) -> str:
        """Lower-case hex of HMAC-SHA-256(HMAC-SHA-256(key, "curfewd/folded/v1"), the secret with A to Z as a to z)."""
        return self.for_folded().fingerprint(Secret(secret.reveal().lower()))


class KeyedHash:
    """HMAC-SHA-256 under one key (RFC 2104).

    It hashes the key once and not for each message, which is half the work.
    """

    __slots__ = ("_inner", "_outer", "padded_key")

    def __init__(self, key: DeploymentKey) -> None:
        material = key.material if len(key.material) <= _BLOCK else hashlib.sha256(key.material).digest()
        self.padded_key = material.ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(self.padded_key.translate(_INNER))
        self._outer = hashlib.sha256(self.padded_key.translate(_OUTER))

    def digest(self, message: bytes) -> bytes:
        """The 32 bytes of the HMAC."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()

    def fingerprint(self, secret: Secret) -> str:
        """As `DeploymentKey.fingerprint`."""
        return self.digest(secret.reveal()).hex()


def decode_key(text: str) -> bytes:
    """The bytes of a key in hex or base64 (standard or URL alphabet, padding optional).

    An even number of hex digits is read as hex.

    Raises:
        ValueError: the text is neither. The message does not hold the text.
    """
    compact = "".join(text.split())
    try:
        return bytes.fromhex(compact)
    except ValueError:
        pass
    standard = compact.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except ValueError:
        raise ValueError(
            "a deployment key is written in hex or base64: `openssl rand -hex 32` prints one"
        ) from None


def sha256_hex(secret: Secret) -> str:
    """Lower-case hex of SHA-256(secret). It is never written to an output."""
    return hashlib.sha256(secret.reveal()).hexdigest()


def normal_sha256(value: str) -> str | None:
    """Lower-case hex of a SHA-256 in hex or base64 (as GitHub's `hashed_token`), or None."""
    hex_digits, digest_bytes = 64, 32
    if len(value) == hex_digits:
        try:
            return bytes.fromhex(value).hex()
        except ValueError:
            return None
    text = value.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        digest = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        return None
    return digest.hex() if len(digest) == digest_bytes else None

"""Reads JSON Web Tokens without verifying them. Safe on hostile input.

RFC 7519 (claims) and RFC 7515 (compact form: three base64url parts). Nothing here trusts what it reads.
"""

import base64
import binascii
from typing import Final

import msgspec

MAX_TOKEN: Final = 16 << 10  # bytes; a longer one is no token anybody sends in a header
_PARTS: Final = 3
_ED25519: Final = 64
_ED448: Final = 114
# The sizes in bytes of a signature (RFC 7518, section 3.1; RFC 8037; RFC 8812; RFC 9864).
_SIGNATURE_SIZES: Final = {
    **{f"HS{bits}": (bits // 8,) for bits in (256, 384, 512)},
    **{f"{family}{bits}": range(128, 2049) for family in ("RS", "PS") for bits in (256, 384, 512)},
    "ES256": (64,),
    "ES256K": (64,),
    "ES384": (96,),
    "ES512": (132,),
    "EdDSA": (_ED25519, _ED448),
    "Ed25519": (_ED25519,),
    "Ed448": (_ED448,),
}

RawObject = dict[str, msgspec.Raw]


class Jwt(msgspec.Struct, frozen=True):
    """The header and the claims of a token, each value still as JSON text, and its signature as it is written."""

    header: RawObject
    claims: RawObject
    signature: bytes

    @property
    def may_be_signed(self) -> bool:
        """Whether the signature is one that its `alg` could have made, by its size.

        Of an algorithm that is not known here any signature may be one.
        """
        algorithm = self.header_text("alg") or "none"
        if algorithm.lower() == "none":
            return False
        signature = base64url(self.signature)
        sizes = _SIGNATURE_SIZES.get(algorithm)
        return signature is not None and (sizes is None or len(signature) in sizes)

    def text(self, claim: str) -> str | None:
        """A claim that is a string, else None."""
        return _text(self.claims.get(claim))

    def header_text(self, field: str) -> str | None:
        """A header field that is a string, else None."""
        return _text(self.header.get(field))


def read_jwt(token: bytes) -> Jwt | None:
    """The token's header and claims, or None if it is no signed JWT: three parts, a header with `alg`.

    Bounded: a token over 16 KiB or nested too deeply is refused, and values stay undecoded.
    """
    if len(token) > MAX_TOKEN:
        return None
    parts = token.split(b".")
    if len(parts) != _PARTS or not parts[2]:
        return None
    header, claims = _object(parts[0]), _object(parts[1])
    if header is None or claims is None or _text(header.get("alg")) is None:
        return None
    return Jwt(header, claims, parts[2])


def base64url(text: bytes) -> bytes | None:
    """Bytes of unpadded or padded base64, URL or standard alphabet; None if it is none."""
    standard = text.rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
    try:
        return base64.b64decode(standard + b"=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _object(part: bytes) -> RawObject | None:
    decoded = base64url(part)
    if decoded is None:
        return None
    try:
        return msgspec.json.decode(decoded, type=RawObject)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _text(value: msgspec.Raw | None) -> str | None:
    if value is None:
        return None
    try:
        return msgspec.json.decode(value, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None

"""Checksums and structure that vendors put into their tokens, so that a match can be told from a look-alike."""

import binascii
import string
from typing import Final

from detector.patterns.jwt import base64url

# Digits, upper case, lower case: the order of GitHub's Base62, zero-padded to six
# (GitHub blog, "Behind GitHub's new authentication token formats", 2021-04-05).
_BASE62: Final = (string.digits + string.ascii_uppercase + string.ascii_lowercase).encode()
_PAIRS: Final = [bytes((high, low)) for high in _BASE62 for low in _BASE62]
_CHECK_DIGITS: Final = 6
_BODY: Final = 36

_HEX_CRC: Final = 8

_BASE36: Final = frozenset((string.digits + string.ascii_lowercase).encode())
_ROUTABLE_CRC: Final = 7
_ROUTABLE_TAIL: Final = 2 + _ROUTABLE_CRC

# libmacaroons' binary format, version 2: a version byte, then packets of type, length, data.
_MACAROON_V2: Final = 2
_LOCATION, _IDENTIFIER = 1, 2
_INDEX_HOSTS: Final = frozenset(b".".join(parts) for parts in ((b"pypi", b"org"), (b"test", b"pypi", b"org")))
_MORE: Final = 0x80  # the bit of a varint that says another byte follows


def crc32_base62(body: bytes) -> bytes:
    """CRC-32 of `body` in six base-62 digits, as GitHub's and npm's tokens end in."""
    rest, low = divmod(binascii.crc32(body), len(_PAIRS))
    high, middle = divmod(rest, len(_PAIRS))
    return _PAIRS[high] + _PAIRS[middle] + _PAIRS[low]


def has_crc32(token: bytes) -> bool:
    """Whether what follows the first `_` is 36 characters, the last six the CRC-32 of the thirty before."""
    body = token.partition(b"_")[2]
    return len(body) == _BODY and crc32_base62(body[:-_CHECK_DIGITS]) == body[-_CHECK_DIGITS:]


def has_jsr_crc32(token: bytes) -> bool:
    """Whether the last six characters are the CRC-32 of all before them, in base 62.

    JSR's source, `api/src/token.rs`.
    """
    return crc32_base62(token[:-_CHECK_DIGITS]) == token[-_CHECK_DIGITS:]


def has_grafana_crc32(token: bytes) -> bool:
    """Whether what follows the last `_` is the CRC-32 of all before it, its bytes low first, in hex.

    Grafana source, `pkg/components/satokengen/tokengen.go`; the token in its test checks.
    """
    body, _, check = token.rpartition(b"_")
    return binascii.crc32(body).to_bytes(4, "little").hex().encode() == check


def has_packagist_crc32(token: bytes) -> bool:
    """Whether the last eight characters are the CRC-32 of all before them, in hex.

    Packagist's documents, "Composer Authentication", Token format.
    """
    return b"%08x" % binascii.crc32(token[:-_HEX_CRC]) == token[-_HEX_CRC:]


def is_gitlab_routable(token: bytes) -> bool:
    """Whether a routable GitLab token ends in the length of its payload and the CRC-32 of all before, in base 36.

    `<prefix>-<payload>.<version, 2>.<length of payload, 2><CRC-32, 7>`; GitLab source,
    `lib/authn/token_field/generator/routable_token.rb`.
    """
    prefixed, _, tail = token.rpartition(b".")
    payload = prefixed.partition(b".")[0].partition(b"-")[2]
    if len(tail) != _ROUTABLE_TAIL or not _BASE36.issuperset(tail):
        return False
    length, checksum = int(tail[:2], 36), int(tail[2:], 36)
    return length == len(payload) and checksum == binascii.crc32(token[:-_ROUTABLE_CRC])


def is_index_macaroon(token: bytes) -> bool:
    """Whether `pypi-…` is a macaroon whose location is the Python package index, or its test instance.

    Warehouse documentation, "Implementing token scanning"; libmacaroons, "format v2".
    """
    raw = base64url(token.partition(b"-")[2])
    if not raw or raw[0] != _MACAROON_V2:
        return False
    location = _packet(raw, 1, _LOCATION)
    if location is None or location[0] not in _INDEX_HOSTS:
        return False
    identifier = _packet(raw, location[1], _IDENTIFIER)
    return identifier is not None and len(identifier[0]) > 0


def _packet(raw: bytes, at: int, kind: int) -> tuple[bytes, int] | None:
    """The data of the packet of that kind at `at`, and where the next begins; None if there is none whole."""
    header = raw[at : at + 3]
    if len(header) < 3 or header[0] != kind:  # noqa: PLR2004 - type, and one or two bytes of length
        return None
    length, start = header[1], at + 2
    if length & _MORE:
        if header[2] & _MORE:
            return None  # 16 KiB and more: no token
        length, start = (length & ~_MORE) | header[2] << 7, at + 3
    data = raw[start : start + length]
    return (data, start + length) if len(data) == length else None

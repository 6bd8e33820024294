"""Building blocks of the vendors' token formats: alphabets, checksums, JWTs, macaroons, keys.

Written from the vendors' documents alone. Nothing here reads curfewd's patterns or checks: what the
benchmark plants must not be defined by what is being measured.
"""

import base64
import hashlib
import random
import string
import struct
import zlib
from typing import Final

import orjson

DIGITS: Final = string.digits
LOWER: Final = string.ascii_lowercase + DIGITS
UPPER: Final = string.ascii_uppercase + DIGITS
HEX: Final = "0123456789abcdef"
BASE62: Final = DIGITS + string.ascii_uppercase + string.ascii_lowercase
BASE64URL: Final = string.ascii_letters + DIGITS + "-_"
BASE32: Final = string.ascii_uppercase + "234567"
BECH32: Final = "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"
_PEM_WIDTH: Final = 64


def pick(rng: random.Random, alphabet: str, length: int) -> str:
    """`length` characters drawn from `alphabet`."""
    return "".join(rng.choices(alphabet, k=length))


def b64(data: bytes) -> str:
    """Standard base64 with padding."""
    return base64.b64encode(data).decode()


def b64url(data: bytes) -> str:
    """URL-safe base64 without padding (RFC 7515)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def in_base(number: int, alphabet: str, width: int) -> str:
    """`number` written in `alphabet`, padded with its zero to `width`."""
    digits = ""
    while number:
        number, rest = divmod(number, len(alphabet))
        digits = alphabet[rest] + digits
    return digits.rjust(width, alphabet[0])


def crc_base62(prefix: str, rng: random.Random) -> str:
    """GitHub's and npm's format: 30 base62 characters, then their CRC-32 in 6 of base62 (GitHub blog, 2021-04-05)."""
    body = pick(rng, BASE62, 30)
    return prefix + body + in_base(zlib.crc32(body.encode()), BASE62, 6)


def crc_base62_holds(token: str) -> bool:
    """The checksum of a token made by `crc_base62`, whatever its prefix."""
    body, check = token[-36:-6], token[-6:]
    return in_base(zlib.crc32(body.encode()), BASE62, 6) == check


def gitlab_routable(prefix: str, rng: random.Random, version: str = "") -> str:
    """GitLab handbook, Routable Tokens: base64url(routing, random bytes, count), its length and a CRC-32 in base 36.

    Older tokens have no `version`; newer ones carry `.01.` before the length.
    """
    routing = f"o:{in_base(rng.randrange(1, 9999), LOWER_BASE36, 1)}\nu:{in_base(rng.randrange(1, 10**7), LOWER_BASE36, 1)}"
    count = 16
    payload = b64url(routing.encode() + rng.randbytes(count) + bytes([count]))
    head = f"{prefix}{payload}.{version + '.' if version else ''}{in_base(len(payload), LOWER_BASE36, 2)}"
    return head + in_base(zlib.crc32(head.encode()), LOWER_BASE36, 7)


LOWER_BASE36: Final = DIGITS + string.ascii_lowercase


def gitlab_routable_holds(token: str) -> bool:
    """The CRC of a token made by `gitlab_routable`."""
    return in_base(zlib.crc32(token[:-7].encode()), LOWER_BASE36, 7) == token[-7:]


def grafana_service_account(rng: random.Random) -> str:
    """Grafana's `glsa_`: 32 characters, then the CRC-32 of all before it, its bytes low first, in hex."""
    head = "glsa_" + pick(rng, BASE62, 32)
    return f"{head}_{struct.pack('<I', zlib.crc32(head.encode())).hex()}"


def pypi_macaroon(rng: random.Random) -> str:
    """A PyPI upload token: a version 2 macaroon of location, identifier, one caveat and signature (pypitoken docs).

    The location is the index' own host, so that the token begins as every one does: `pypi-AgEIcHlwaS5vcmc`.
    """
    identifier = str(uuid4(rng)).encode()
    caveat = (
        orjson.dumps([1, [str(uuid4(rng))]]) if rng.random() < 0.5 else orjson.dumps([3, str(uuid4(rng))])
    )

    def field(kind: int, body: bytes) -> bytes:
        return bytes([kind, len(body)]) + body

    body = b"\x02" + field(1, base64.b64decode("cHlwaS5vcmc=")) + field(2, identifier) + b"\x00"
    body += field(2, caveat) + b"\x00\x00" + field(6, rng.randbytes(32))
    return "pypi-" + b64url(body)


def uuid4(rng: random.Random) -> str:
    """A random UUID of version 4, from the seeded generator."""
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{'89ab'[rng.randrange(4)]}{digits[17:20]}-{digits[20:]}"


def jwt(rng: random.Random, header: dict[str, str], claims: dict[str, object], signature_bytes: int) -> str:
    """A signed JSON Web Token in compact form (RFC 7519); the signature is random bytes."""
    parts = (orjson.dumps(header), orjson.dumps(claims), rng.randbytes(signature_bytes))
    return ".".join(b64url(part) for part in parts)


def kubernetes_jwt(rng: random.Random) -> str:
    """A bound service-account token (Kubernetes docs, Managing Service Accounts)."""
    issued = 1_795_000_000 + rng.randrange(10**6)
    pod = {"name": f"runner-{pick(rng, LOWER, 5)}", "uid": uuid4(rng)}
    claims: dict[str, object] = {
        "aud": ["https://kubernetes.default.svc.cluster.local"],
        "exp": issued + 3607,
        "iat": issued,
        "iss": "https://kubernetes.default.svc.cluster.local",
        "jti": uuid4(rng),
        "kubernetes.io": {
            "namespace": "ci",
            "pod": pod,
            "serviceaccount": {"name": "runner", "uid": uuid4(rng)},
        },
        "nbf": issued,
        "sub": "system:serviceaccount:ci:runner",
    }
    return jwt(rng, {"alg": "RS256", "kid": pick(rng, BASE64URL, 43)}, claims, 256)


def oidc_jwt(rng: random.Random) -> str:
    """A GitHub Actions OIDC token (GitHub docs, OpenID Connect reference)."""
    issued = 1_795_000_000 + rng.randrange(10**6)
    repository = f"acme/{pick(rng, string.ascii_lowercase, 8)}"
    claims: dict[str, object] = {
        "jti": uuid4(rng),
        "sub": f"repo:{repository}:ref:refs/heads/main",
        "aud": "sts.amazonaws.com",
        "ref": "refs/heads/main",
        "sha": f"{rng.getrandbits(160):040x}",
        "repository": repository,
        "run_id": str(rng.randrange(10**9, 10**10)),
        "iss": "https://token.actions.githubusercontent.com",
        "nbf": issued - 600,
        "exp": issued + 300,
        "iat": issued,
    }
    header = {"typ": "JWT", "alg": "RS256", "x5t": pick(rng, BASE64URL, 27), "kid": pick(rng, HEX, 40)}
    return jwt(rng, header, claims, 256)


def _der(tag: int, body: bytes) -> bytes:
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    width = (size.bit_length() + 7) // 8
    return bytes([tag, 0x80 | width]) + size.to_bytes(width, "big") + body


def _pem(label: str, der: bytes, width: int = _PEM_WIDTH) -> str:
    text = b64(der)
    lines = [text[i : i + width] for i in range(0, len(text), width)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----"])


def rsa_key(rng: random.Random) -> str:
    """A PEM block shaped as PKCS#1 RSAPrivateKey (RFC 8017); the integers are random, so it opens nothing."""
    sizes = (257, 3, 256, 129, 129, 128, 128, 128)
    numbers = b"".join(_der(2, b"\x00" + rng.randbytes(size - 1)) for size in sizes)
    return _pem("RSA PRIVATE KEY", _der(0x30, _der(2, b"\x00") + numbers))


def pkcs8_key(rng: random.Random) -> str:
    """A PEM block shaped as PKCS#8 PrivateKeyInfo of an Ed25519 key (RFC 8410)."""
    der = bytes.fromhex("302e020100300506032b657004220420") + rng.randbytes(32)
    return _pem("PRIVATE KEY", der)


def ec_key(rng: random.Random) -> str:
    """A PEM block shaped as ECPrivateKey on P-256 (RFC 5915)."""
    body = _der(2, b"\x01") + _der(4, rng.randbytes(32)) + bytes.fromhex("a00a06082a8648ce3d030107")
    return _pem("EC PRIVATE KEY", _der(0x30, body + _der(0xA1, _der(3, b"\x00\x04" + rng.randbytes(64)))))


def openssh_key(rng: random.Random) -> str:
    """A PEM block shaped as an openssh-key-v1 Ed25519 key (OpenSSH PROTOCOL.key)."""

    def text(value: bytes) -> bytes:
        return struct.pack(">I", len(value)) + value

    public, private = rng.randbytes(32), rng.randbytes(64)
    inner = rng.randbytes(4) * 2 + text(b"ssh-ed25519") + text(public) + text(private) + text(b"ci@runner")
    inner += bytes(range(1, 1 + -len(inner) % 8))
    blob = b"openssh-key-v1\x00" + text(b"none") + text(b"none") + text(b"") + struct.pack(">I", 1)
    blob += text(text(b"ssh-ed25519") + text(public)) + text(inner)
    return _pem("OPENSSH PRIVATE KEY", blob, 70)


def sha256_hex(text: str) -> str:
    """What the ground truth calls a secret by."""
    return hashlib.sha256(text.encode()).hexdigest()

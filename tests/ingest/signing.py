"""Signs records as an issuer would: by hand, not with the library that curfewd verifies with."""

import base64
import hashlib
import hmac
import json
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

Headers = list[tuple[str, bytes | None]]
PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

HEADER: Final = "x-jws-signature"
SECRET: Final = bytes(range(100, 132))
EVENT: Final = {
    "specversion": "1.0",
    "type": "task.ended",
    "source": "ci",
    "id": "1",
    "time": "2026-05-31T23:58:00Z",
    "data": {"task_id": "t"},
}


def b64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def private_key(algorithm: str) -> PrivateKey:
    if algorithm == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm in {"ES256", "ES384"}:
        return ec.generate_private_key(ec.SECP256R1() if algorithm == "ES256" else ec.SECP384R1())
    return rsa.generate_private_key(65537, 2048)


def public_pem(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def private_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def raw_signature(key: PrivateKey, algorithm: str, data: bytes) -> bytes:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        size = 32 if algorithm == "ES256" else 48
        signed = key.sign(data, ec.ECDSA(SHA256() if size == 32 else SHA384()))
        return b"".join(number.to_bytes(size, "big") for number in decode_dss_signature(signed))
    if algorithm == "PS256":
        return key.sign(data, padding.PSS(padding.MGF1(SHA256()), 32), SHA256())
    return key.sign(data, padding.PKCS1v15(), SHA256())


def jws(key: PrivateKey, algorithm: str, content: bytes, **protected: Any) -> bytes:
    """A detached JWS; `protected` are more parameters of its header."""
    parameters = {"alg": "EdDSA" if algorithm == "Ed25519" else algorithm, "kid": "k1", **protected}
    return detached(json.dumps(parameters).encode(), key, algorithm, content)


def detached(protected: bytes, key: PrivateKey, algorithm: str, content: bytes) -> bytes:
    """The same of a header as it is written."""
    encoded = json.loads(protected).get("b64") is not False
    payload = b64(content) if encoded else content
    return b64(protected) + b".." + b64(raw_signature(key, algorithm, b64(protected) + b"." + payload))


def binary_content(headers: Headers, value: bytes) -> bytes:
    """What is signed of a record in binary mode."""
    lines = sorted((name, held) for name, held in headers if name.startswith("ce_") and held is not None)
    return (
        b"cloudevent-binary-v1\n"
        + b"".join(name.encode() + b":" + b64(held) + b"\n" for name, held in lines)
        + b"\n"
        + value
    )


def webhook_headers(content: bytes, secret: bytes = SECRET, message_id: str = "msg_1") -> Headers:
    """The three headers of Standard Webhooks."""
    tag = hmac.digest(secret, f"{message_id}.1780000000.".encode() + content, "sha256")
    return [
        ("webhook-id", message_id.encode()),
        ("webhook-timestamp", b"1780000000"),
        ("webhook-signature", b"v1," + base64.b64encode(tag)),
    ]


def hub_headers(content: bytes, secret: bytes = SECRET) -> Headers:
    """GitHub's header."""
    return [
        ("x-hub-signature-256", b"sha256=" + hmac.new(secret, content, hashlib.sha256).hexdigest().encode())
    ]


def binary_headers(**attributes: str) -> Headers:
    """The headers of an event in binary mode."""
    held = {name: str(value) for name, value in EVENT.items() if name != "data"} | attributes
    return [(f"ce_{name}", value.encode()) for name, value in held.items()]

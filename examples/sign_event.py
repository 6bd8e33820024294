"""Signs the record of an event for curfewd: prints the Kafka header that goes with it.

    openssl genpkey -algorithm ed25519 -out private.pem
    openssl pkey -in private.pem -pubout -out public.pem       # for [[trust.keys]]
    python sign_event.py private.pem 2026-05 < event.json      # x-jws-signature: eyJ…

An issuer needs `jws` and, if it sends events in binary mode, `binary_content`.
"""

import base64
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key


def base64url(data: bytes) -> bytes:
    """Base64 in the URL alphabet, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def jws(key: Ed25519PrivateKey, key_id: str, content: bytes) -> bytes:
    """The detached JWS (RFC 7515, appendix F) over the content of a record."""
    header = base64url(json.dumps({"alg": "EdDSA", "kid": key_id}).encode())
    return header + b".." + base64url(key.sign(header + b"." + base64url(content)))


def binary_content(headers: Mapping[str, bytes], value: bytes) -> bytes:
    """What is signed of a record in binary mode; in structured mode it is the value alone."""
    names = sorted(name for name in headers if name.startswith("ce_"))
    lines = [name.encode() + b":" + base64url(headers[name]) + b"\n" for name in names]
    return b"cloudevent-binary-v1\n" + b"".join(lines) + b"\n" + value


def main() -> None:
    """Signs standard input, the value of a record."""
    path, key_id = sys.argv[1:]
    key = load_pem_private_key(Path(path).read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        sys.exit("write the path of an Ed25519 key")
    sys.stdout.write(f"x-jws-signature: {jws(key, key_id, sys.stdin.buffer.read()).decode()}\n")


if __name__ == "__main__":
    main()

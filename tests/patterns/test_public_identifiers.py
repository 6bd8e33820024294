"""Text that shows a public identifier is no leak, whichever way a provider or a program prints it."""

import base64
import gzip
import html
import json
import random
from collections.abc import Callable
from urllib.parse import quote

import pytest

from detector.patterns.pattern import finds_public_ids
from detector.scan.known_credentials import KnownIndex
from detector.scan.leaks import Batch, LeakFinder, RecordAt
from detector.scan.redactor import Redactor
from detector.values.events import Identifier
from tests.bundled import bundled_scanner

PUBLIC = {
    "aws-access-key-id": "AKIAIRYLQ667GVZEIM74",
    "aws-session-key-id": "ASIATV3JKY2VLQT2O7WP",
    "vault-accessor": "dmvQ3pW8ZxT1nR6yK4sL0aBc",
    "vault-hmac": "hmac-sha256:8fd1a3b0c2d4e5f60718293a4b5c6d7e8f901234567890abcdef1234567890ab",
    "vault-lease-id": "aws/creds/deploy/2f6a614c4aa27b19ad24e3f3",
    "jwt-id": "0f6b1c2e-7d5a-4c58-9b3f-2e1d4a6c8b90",
    "jwt-id of Kubernetes": "JTI=0f6b1c2e-7d5a-4c58-9b3f-2e1d4a6c8b90",
    "github-token-id": "4817263549",
    "gcp-key-id": "7d3f0c1a9b8e4f6521d0a3c4b5e6f708192a3b4c",
    "kubernetes-pod-uid": "150aeb23-56c8-4b3c-aa23-c40779154fd2",
}
PRINTED = (
    "%s",
    "AWS_ACCESS_KEY_ID=%s",
    '"AccessKeyId": "%s"',
    "aws configure set aws_access_key_id %s",
    "X-Amz-Credential=%s/20260711/us-east-1/s3/aws4_request",
    "Credential=%s/20260711/us-east-1/s3/aws4_request, SignedHeaders=host",
    "access_key: %s",
    '"accessor": "%s"',
    "token_accessor    %s",
    "lease_id=%s",
    '"jti":"%s"',
    "authentication.kubernetes.io/credential-id: %s",
    "token_id=%s",
    "key id %s",
    '"private_key_id": "%s"',
    "kid=%s",
    "hello %s",
    "GET https://b.s3.amazonaws.com/k?X-Amz-Credential=%s%%2F20260711%%2Fus-east-1%%2Fs3%%2Faws4_request&X-Amz-Expires=300",
    "pod_uid: %s",
)
ENCODED: dict[str, Callable[[bytes], bytes]] = {
    "clear": lambda text: text,
    "base64": base64.b64encode,
    "base64 of base64": lambda text: base64.b64encode(base64.b64encode(text)),
    "base64url": lambda text: base64.urlsafe_b64encode(b"k=" + text).rstrip(b"="),
    "hex": lambda text: text.hex().encode(),
    "gzip": lambda text: base64.b64encode(gzip.compress(text, mtime=0)),
    "UTF-16": lambda text: base64.b64encode(text.decode().encode("utf-16-le")),
    "percent escapes": lambda text: quote(text, safe="").encode(),
    "JSON": lambda text: json.dumps(
        {"message": text.decode(), "inner": json.dumps({"m": text.decode()})}
    ).encode(),
    "HTML": lambda text: html.escape(text.decode()).encode(),
}


@pytest.mark.parametrize("known", ["registered", "unregistered"])
@pytest.mark.parametrize("encoding", ENCODED)
@pytest.mark.parametrize("name", PUBLIC)
def test_it_is_no_leak_and_stays_legible(name: str, encoding: str, known: str) -> None:
    scheme, value = name.removesuffix(" of Kubernetes").replace("session", "access"), PUBLIC[name]
    index = KnownIndex([Identifier(scheme, value)] if known == "registered" else [])
    finder, redactor = LeakFinder(bundled_scanner(), index, ()), Redactor(bundled_scanner(), index)
    for printed in PRINTED:
        data = ENCODED[encoding]((printed % value).encode())
        assert finder.find(Batch("log", data, lambda at: RecordAt(0, at + 4096, "1"))) == []
        assert redactor.masked(data) == data


def test_a_pattern_for_public_identifiers_is_known_as_one() -> None:
    found = [pattern.id for pattern in bundled_scanner().patterns if finds_public_ids(pattern)]
    assert found == ["aws-access-key-id"]


SECRET = "ui2cn0k6Kx25LuD3FDU5WRwBZb/N+GYq8Z05K1I0"
SESSION_TOKEN = "IQoJb3JpZ2luX2VjE" + base64.b64encode(random.Random(7).randbytes(600)).decode()


@pytest.mark.parametrize(
    ("text", "pattern", "legible"),
    [
        (
            f"AWS_ACCESS_KEY_ID=KEY-ID AWS_SECRET_ACCESS_KEY={SECRET}",
            "aws-secret-access-key",
            "AWS_ACCESS_KEY_ID=KEY-ID",
        ),
        (
            f'{{"AccessKeyId": "KEY-ID", "SecretAccessKey": "{SECRET}"}}',
            "aws-secret-access-key",
            '"AccessKeyId": "KEY-ID"',
        ),
        (f"key KEY-ID token AWS_SESSION_TOKEN={SESSION_TOKEN}", "aws-session-token", "key KEY-ID token"),
        (
            f"?X-Amz-Credential=KEY-ID%2F20260711%2Fx&X-Amz-Security-Token={quote(SESSION_TOKEN, safe='')}&X-Amz-Expires=300",
            "aws-session-token",
            "X-Amz-Credential=KEY-ID",
        ),
    ],
    ids=["environment", "JSON", "session token", "presigned URL"],
)
@pytest.mark.parametrize("known", ["registered", "unregistered"])
def test_beside_its_secret_the_secret_alone_is_the_leak(
    text: str, pattern: str, legible: str, known: str
) -> None:
    key_id = PUBLIC["aws-session-key-id"]
    index = KnownIndex([Identifier("aws-access-key-id", key_id)] if known == "registered" else [])
    data = text.replace("KEY-ID", key_id).encode()
    (leak,) = LeakFinder(bundled_scanner(), index, ()).find(
        Batch("log", data, lambda _: RecordAt(0, len(data), "1"))
    )
    assert leak.pattern == pattern
    assert f"‹{pattern}:" in leak.excerpt
    assert not {one for one in leak.identifiers if one.scheme == "aws-access-key-id"}
    masked = (Redactor(bundled_scanner(), index).masked(data) or b"").decode()
    assert legible.replace("KEY-ID", key_id) in masked
    assert SECRET not in masked + leak.excerpt
    assert SESSION_TOKEN[:40] not in masked + leak.excerpt


def token(algorithm: str, signature: bytes) -> bytes:
    parts = (json.dumps({"alg": algorithm}), json.dumps({"iss": "i", "sub": "s", "jti": PUBLIC["jwt-id"]}))
    digits = [base64.urlsafe_b64encode(part.encode()).rstrip(b"=") for part in parts]
    return b".".join((*digits, base64.urlsafe_b64encode(signature).rstrip(b"=")))


@pytest.mark.parametrize(
    ("algorithm", "size"),
    [
        ("none", 32),
        ("NONE", 256),
        ("HS256", 31),
        ("HS512", 32),
        ("RS256", 64),
        ("PS512", 4096),
        ("ES256", 32),
        ("ES512", 128),
        ("EdDSA", 63),
    ],
)
def test_a_token_written_around_a_jti_without_a_signature_names_no_credential(
    algorithm: str, size: int
) -> None:
    """It may still be a secret of nobody in particular: it is masked, and asks for nothing."""
    data = b"token: " + token(algorithm, (bytes(range(1, 256)) * 20)[:size])
    assert jwt_ids(data) == [set()]


@pytest.mark.parametrize(
    ("algorithm", "size"),
    [
        ("HS256", 32),
        ("HS384", 48),
        ("RS256", 256),
        ("RS512", 512),
        ("ES256", 64),
        ("ES512", 132),
        ("EdDSA", 114),
        ("ML-DSA-44", 2420),
    ],
)
def test_a_token_with_a_signature_of_the_right_size_names_its_credential(algorithm: str, size: int) -> None:
    data = b"token: " + token(algorithm, (bytes(range(1, 256)) * 20)[:size])
    assert jwt_ids(data) == [{PUBLIC["jwt-id"], PUBLIC["jwt-id of Kubernetes"]}]


def jwt_ids(data: bytes) -> list[set[str]]:
    finder = LeakFinder(bundled_scanner(), KnownIndex([Identifier("jwt-id", PUBLIC["jwt-id"])]), ())
    found = finder.find(Batch("log", data, lambda at: RecordAt(0, at + 1 + len(data), "1")))
    return [{each.value for each in leak.identifiers if each.scheme == "jwt-id"} for leak in found]

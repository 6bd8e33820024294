"""Text that shows a public identifier is no leak, whichever way a provider or a program prints it."""

import base64
import json

import pytest

from detector.patterns.pattern import finds_public_ids
from detector.scan.known_credentials import KnownIndex
from detector.scan.leaks import Batch, LeakFinder, RecordAt, Redactor
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
)


@pytest.mark.parametrize("name", PUBLIC)
@pytest.mark.parametrize("printed", PRINTED)
def test_it_is_no_leak_and_stays_legible(name: str, printed: str) -> None:
    scheme, value = name.removesuffix(" of Kubernetes").replace("session", "access"), PUBLIC[name]
    index = KnownIndex([Identifier(scheme, value)])
    finder = LeakFinder(bundled_scanner(), index, ())
    for text in (printed % value, base64.b64encode((printed % value).encode()).decode()):
        data = text.encode()
        assert finder.find(Batch("log", data, lambda at: RecordAt(0, at + 1000, "1"))) == []
        assert Redactor(bundled_scanner(), index).masked(data) == data


def test_a_pattern_for_public_identifiers_is_known_as_one() -> None:
    found = [pattern.id for pattern in bundled_scanner().patterns if finds_public_ids(pattern)]
    assert found == ["aws-access-key-id"]


def test_beside_its_secret_the_secret_alone_is_the_leak() -> None:
    key_id, secret = PUBLIC["aws-access-key-id"], "ui2cn0k6Kx25LuD3FDU5WRwBZb/N+GYq8Z05K1I0"
    data = f"AWS_ACCESS_KEY_ID={key_id} AWS_SECRET_ACCESS_KEY={secret}".encode()
    masked = Redactor(bundled_scanner()).masked(data)
    assert masked == f"AWS_ACCESS_KEY_ID={key_id} AWS_SECRET_ACCESS_KEY=‹aws-secret-access-key:40›".encode()


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

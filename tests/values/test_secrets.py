"""The secret type and the fingerprints of a secret."""

import base64
import hashlib
import pickle

import pytest

from detector.values.secrets import DeploymentKey, KeyedHash, Secret, decode_key, normal_sha256

KEY = DeploymentKey.of(bytes(range(32)))


def test_the_check_of_the_known_secret() -> None:
    assert KEY.check(Secret(b"hello-world-secret-0123456789")) == "b338e83f"


def test_fingerprints_under_a_prepared_key_are_those_of_the_key() -> None:
    for size in (16, 63, 64, 65, 200):
        key = DeploymentKey.of(bytes(range(size)))
        hashed = KeyedHash(key)
        for secret in (Secret(b""), Secret(b"s3cr3t-value"), Secret(b"\xff" * 300), Secret(b"s3cr3t-value")):
            assert hashed.fingerprint(secret) == key.fingerprint(secret)


def test_a_secret_does_not_show_itself() -> None:
    secret = Secret(b"s3cr3t-value")
    assert "s3cr3t" not in f"{secret} {secret!r} {[secret]}"
    with pytest.raises(TypeError, match="does not leave"):
        pickle.dumps(secret)
    assert secret == Secret(b"s3cr3t-value")
    assert secret != Secret(b"other")


def test_a_key_does_not_show_itself() -> None:
    assert bytes(range(32)).hex() not in repr(KEY)
    assert str(bytes(range(32))) not in repr(KEY)


def test_keys_are_read_from_hex_and_base64() -> None:
    material = bytes(range(200, 232))
    for text in (
        material.hex(),
        material.hex().upper(),
        base64.b64encode(material).decode(),
        base64.urlsafe_b64encode(material).decode().rstrip("="),
    ):
        assert decode_key(f" {text}\n") == material


def test_a_sha256_is_compared_alike_in_hex_and_base64() -> None:
    digest = hashlib.sha256(b"token").digest()
    forms = {
        digest.hex(),
        digest.hex().upper(),
        base64.b64encode(digest).decode(),
        base64.b64encode(digest).decode().rstrip("="),
    }
    assert {normal_sha256(form) for form in forms} == {digest.hex()}
    assert normal_sha256("0771cae4d170dc02a6ff393d9946cd684d6145c1=") is None
    assert normal_sha256("zz" * 32) is None
    assert normal_sha256("é" * 43) is None

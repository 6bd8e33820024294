"""Security event tokens, verified by a receiver that shares no code with the sender: `cryptography` and `json`."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from detector.ingest.classify import BUNDLED
from detector.revoke.target import RefusedError, UnavailableError
from detector.revoke.targets.shared_signals import SharedSignals, SharedSignalsOptions
from detector.values.events import CredentialRevoked
from tests.revoke.targets.commands import command
from tests.revoke.targets.hostile_server import HostileServer, answer, answering

HANDLE = {
    "provider": "oauth",
    "issuer": "https://as.example",
    "jti": "j-1",
    "session_id": "s-1",
    "user_id": "u-1",
}
EC = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def received(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token whose signature holds."""
    head, body, tag = token.split(".")
    header, signed, signature = json.loads(decoded(head)), f"{head}.{body}".encode(), decoded(tag)
    if header["alg"] == "ES256":
        pair = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
        EC.public_key().verify(encode_dss_signature(*pair), signed, ec.ECDSA(hashes.SHA256()))
    elif header["alg"] == "PS256":
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        RSA.public_key().verify(signature, signed, pss, hashes.SHA256())
    else:
        assert header["alg"] == "RS256"
        RSA.public_key().verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    return header, json.loads(decoded(body))


Make = Callable[..., SharedSignals]


@pytest_asyncio.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    made: list[SharedSignals] = []
    for name, key in (("ES256", EC), ("RS256", RSA), ("PS256", RSA)):
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (tmp_path / name).write_bytes(pem)

    def one(url: str, algorithm: str = "ES256", **options: Any) -> SharedSignals:
        values = {
            "url": url,
            "issuer": "https://curfewd.example",
            "audience": "https://rp.example",
            "key_id": "k1",
        }
        values |= {"key_file": str(tmp_path / algorithm), "algorithm": algorithm}
        made.append(SharedSignals(msgspec.convert(values | options, SharedSignalsOptions)))
        return made[-1]

    yield one
    for each in made:
        await each.close()


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[HostileServer]:
    async with answering(answer("202 Accepted")) as server:
        yield server


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256"])
async def test_a_receiver_verifies_the_event(make: Make, receiver: HostileServer, algorithm: str) -> None:
    target, asked = make(receiver.url, algorithm), command(HANDLE)
    assert "proves nothing" in await target.revoke(asked, 0)
    await target.revoke(asked, 0)
    header, claims = received(receiver.bodies[0].decode())
    assert header == {"alg": algorithm, "kid": "k1", "typ": "secevent+jwt"}
    assert (claims["iss"], claims["aud"]) == ("https://curfewd.example", "https://rp.example")
    assert claims["sub_id"] == {
        "format": "complex",
        "user": {"format": "iss_sub", "iss": "https://as.example", "sub": "u-1"},
        "session": {"format": "opaque", "id": "s-1"},
        "token": {"format": "jwt_id", "iss": "https://as.example", "jti": "j-1"},
    }
    (event,) = claims["events"].items()
    assert event[0] == "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
    assert event[1]["event_timestamp"] == asked.time // 1_000_000_000
    assert received(receiver.bodies[1].decode())[1]["jti"] == claims["jti"]
    assert "Content-Type: application/secevent+jwt\r\n" in receiver.heads[0]
    head, body, tag = receiver.bodies[0].decode().split(".")
    with pytest.raises(InvalidSignature):
        received(f"{head}.{body}.{tag[::-1]}")


async def test_delivery_is_no_proof(make: Make, receiver: HostileServer) -> None:
    target, asked = make(receiver.url), command(HANDLE)
    assert (await target.probe(asked)).state == "unknown"
    await target.revoke(asked, 0)
    assert (await target.probe(asked)).state == "unknown"
    assert target.plan(asked).unproved


async def test_the_house_reads_its_own_events(make: Make, receiver: HostileServer) -> None:
    await make(receiver.url).revoke(command(HANDLE), 0)
    claims = received(receiver.bodies[0].decode())[1]
    (found,) = BUNDLED.read_object(json.dumps(claims).encode(), (claims["iat"] + 60) * 1_000_000_000)
    assert found.error is None
    assert [
        event.identifier and event.identifier.value
        for event in found.events
        if isinstance(event, CredentialRevoked) and event.group is None
    ] == ["j-1"]


async def test_a_compromise_is_about_the_user(make: Make, receiver: HostileServer) -> None:
    target = make(receiver.url, event="credential-compromise")
    await target.revoke(command(HANDLE), 0)
    claims = received(receiver.bodies[0].decode())[1]
    assert claims["sub_id"] == {"format": "iss_sub", "iss": "https://as.example", "sub": "u-1"}
    (event,) = claims["events"].items()
    assert event[0].endswith("risc/event-type/credential-compromise")
    assert event[1]["credential_type"] == "app"


@pytest.mark.parametrize(
    "handle", [{}, {"jti": "j"}, {"issuer": "x"}, {"session_id": "a\nb"}, {"session_id": 7}]
)
async def test_a_command_without_a_subject_is_refused(make: Make, handle: dict[str, Any]) -> None:
    target = make("http://127.0.0.1:1/")
    with pytest.raises(RefusedError):
        target.plan(command(handle))
    with pytest.raises(RefusedError):
        await target.revoke(command(handle), 0)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (answer("400 Bad Request", b'{"err": "invalid_key", "description": "leaked-token"}'), "kid"),
        (answer("400 Bad Request", b'{"err": "leaked-token"}'), "HTTP 400"),
        (answer("400 Bad Request", b'{"err": ["leaked-token"]}'), "HTTP 400"),
        (answer("404 Not Found", b"leaked-token"), "HTTP 404"),
        (answer("500 Internal Server Error", b"leaked-token"), "HTTP 500"),
    ],
)
async def test_an_event_that_is_not_taken_is_sent_again(make: Make, sent: bytes, words: str) -> None:
    async with answering(sent) as server:
        with pytest.raises(UnavailableError, match=words) as raised:
            await make(server.url).revoke(command(HANDLE), 0)
    assert "leaked-token" not in str(raised.value)


async def test_a_key_that_cannot_sign_is_named(make: Make, receiver: HostileServer, tmp_path: Path) -> None:
    public = EC.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (tmp_path / "public").write_bytes(public)
    (tmp_path / "garbage").write_bytes(b"\xff\x00")
    for name, words in (
        ("public", "public key"),
        ("garbage", "no key"),
        ("RS256", "no key"),
        ("none", "No such"),
    ):
        with pytest.raises(UnavailableError, match=words):
            await make(receiver.url, key_file=str(tmp_path / name)).revoke(command(HANDLE), 0)
    assert receiver.bodies == []

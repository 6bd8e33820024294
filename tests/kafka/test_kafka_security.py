"""Certificates and keys for Kafka, and what errors of a connection say, without a broker."""

import asyncio
import socket
import ssl
from pathlib import Path

import pytest
from aiokafka import errors as kafka
from cryptography.hazmat.primitives import serialization

from detector.configuration.kafka_settings import KafkaSettings, Security
from detector.configuration.settings import Settings
from detector.kafka.connection_check import reach
from detector.kafka.security import explain, retriable, security_options, tls_context
from detector.kafka.tokens import FileTokens, TokenError
from detector.service.stage_settings import connection_of
from detector.values.errors import ConfigError, RetryError
from detector.values.secrets import Secret
from tests.broker.secure import Authority

PASSPHRASE = b"open sesame, please"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("tls") / "authority")


def encrypted(authority: Authority, name: str) -> tuple[Path, Path]:
    """A certificate, and its key under a passphrase in a file of its own."""
    both = authority.issue(name)
    key = serialization.load_pem_private_key(both.read_bytes(), None)
    key_file = both.with_suffix(".key")
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(PASSPHRASE),
        )
    )
    certificate = both.with_suffix(".crt")
    pem = both.read_bytes()
    certificate.write_bytes(pem[pem.index(b"-----BEGIN CERTIFICATE") :])
    return certificate, key_file


def security(authority: Authority, certificate: Path, key: Path, passphrase: bytes | None) -> Security:
    return Security(
        protocol="SSL",
        ca_file=str(authority.file),
        cert_file=str(certificate),
        key_file=str(key),
        key_password=None if passphrase is None else Secret(passphrase),
    )


def test_a_key_under_a_passphrase(authority: Authority) -> None:
    context = tls_context(security(authority, *encrypted(authority, "mine"), PASSPHRASE))
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("passphrase", [None, b"wrong"])
def test_without_the_passphrase_nobody_is_asked_for_it(
    authority: Authority, passphrase: bytes | None
) -> None:
    with pytest.raises(ConfigError, match="needs key_password_env or _file"):
        tls_context(security(authority, *encrypted(authority, "locked"), passphrase))


def test_a_key_that_is_not_the_certificates(authority: Authority) -> None:
    certificate, _ = encrypted(authority, "one")
    _, key = encrypted(authority, "other")
    with pytest.raises(ConfigError, match="is not the certificate of the key"):
        tls_context(security(authority, certificate, key, PASSPHRASE))


def test_the_options_show_no_password() -> None:
    options = security_options(
        Security(protocol="SASL_PLAINTEXT", mechanism="PLAIN", username="me", password=Secret(PASSPHRASE))
    )
    assert options["sasl_plain_password"] == PASSPHRASE.decode()
    assert PASSPHRASE.decode() not in repr(options)


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "says", "may_pass"),
    [
        (kafka.SaslAuthenticationFailed(PASSPHRASE.decode()), "does not accept the user", False),
        (kafka.TopicAuthorizationFailedError("work"), "at the topic work: an ACL is missing", False),
        (kafka.NotControllerError(), "the broker answers NOT_CONTROLLER", True),
        (kafka.KafkaConnectionError("x"), "the broker closed the connection", True),
        (caused(kafka.KafkaConnectionError("x"), ConnectionRefusedError()), "nobody listens there", True),
        (caused(kafka.KafkaConnectionError("x"), ssl.SSLError(1, "x")), "TLS failed", False),
        (caused(kafka.KafkaConnectionError("x"), TokenError("no", retriable=False)), "no", False),
        (socket.gaierror(socket.EAI_NONAME, "x"), "the name cannot be resolved", False),
        (socket.gaierror(socket.EAI_AGAIN, "x"), "the name cannot be resolved", True),
        (TimeoutError(), "no answer in time", True),
        (OSError(113, "No route to host"), "no route to host", True),
        (ValueError(PASSPHRASE.decode()), "does not prove that it knows the password", False),
        (RuntimeError(PASSPHRASE.decode()), "it failed with RuntimeError", False),
    ],
)
def test_an_error_says_what_it_is_and_whether_it_may_pass(
    error: BaseException, says: str, *, may_pass: bool
) -> None:
    assert says in explain(error)
    assert retriable(error) is may_pass
    assert PASSPHRASE.decode() not in explain(error)


async def test_a_token_file_that_holds_none(tmp_path: Path) -> None:
    path = tmp_path / "token"
    for content in (b"", b"two words", b"null\x00byte"):
        path.write_bytes(content)
        with pytest.raises(TokenError, match="holds no token"):
            await FileTokens(str(path)).token()
    path.write_bytes(b"x" * 100_000)
    with pytest.raises(TokenError, match="larger than 64 KiB"):
        await FileTokens(str(path)).token()
    path.unlink()
    with pytest.raises(TokenError, match="No such file"):
        await FileTokens(str(path)).token()


async def test_what_accepts_and_says_nothing_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "curfewd.toml"

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        path.write_text(f"[kafka]\nbootstrap = '127.0.0.1:{port}'\n")
        live: KafkaSettings = Settings.load(str(path), {}).live()
        with pytest.raises(RetryError, match="no answer in time"):
            await reach(connection_of(live), seconds=0.2)

"""How Kafka's clients connect, by TLS, mutual TLS and SASL, and what to do about a connection that fails."""

import datetime as dt
import logging
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from aiokafka import errors as kafka
from cryptography import x509

from detector.configuration.kafka_settings import Security
from detector.kafka.authorities import trusting
from detector.kafka.error_codes import asks_for, row_of, told
from detector.kafka.tokens import TokenError, tokens
from detector.values.bounded_files import CERTIFICATE_BYTES, BadFileError, read_bounded
from detector.values.errors import ConfigError

_SEE: Final = "see kafka.security in the configuration"
# OpenSSL's X509_V_ERR_*, from its x509_vfy.h.
_CERTIFICATE: Final = {
    9: "is not valid yet (or this machine's clock is wrong)",
    10: "has expired",
    18: "is self-signed, and ca_file does not contain it",
    19: "is signed by an authority that ca_file does not contain",
    20: "is signed by an authority that ca_file does not contain",
    21: "is signed by an authority that ca_file does not contain",
    23: "has been revoked",
    62: "is for another host name",
    64: "is for another address",
}
_REFUSED_US: Final = {
    "CERTIFICATE_REQUIRED": "it wants a client certificate: set cert_file and key_file",
    "CERTIFICATE_EXPIRED": "our certificate in cert_file has expired",
    "CERTIFICATE_REVOKED": "our certificate in cert_file has been revoked",
    "CERTIFICATE_UNKNOWN": "it does not trust our certificate in cert_file",
    "BAD_CERTIFICATE": "it does not accept our certificate in cert_file, or wants one",
    "UNKNOWN_CA": "it does not know the authority of our certificate in cert_file",
    "ACCESS_DENIED": "it denies access to our certificate in cert_file",
}
_NO_TLS: Final = (
    "WRONG_VERSION_NUMBER",
    "RECORD_LAYER_FAILURE",
    "UNEXPECTED_EOF",
    "HTTP_REQUEST",
    "PACKET_LENGTH",
)
_OF_CONNECTIONS: Final[dict[type[BaseException], str]] = {
    ValueError: "the broker does not prove that it knows the password, as SCRAM requires",
    socket.gaierror: "the name cannot be resolved (DNS): see kafka.bootstrap",
    ConnectionRefusedError: "nobody listens there: the broker is down, or the port is wrong",
    TimeoutError: "no answer in time",
    kafka.KafkaTimeoutError: "no answer in time",
    kafka.RequestTimedOutError: "no answer in time",
    kafka.KafkaConnectionError: "the broker closed the connection",
    EOFError: "the broker closed the connection",
}


class _Unprinted(str):
    """Text for aiokafka that no `repr` shows."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "‹password›"


def security_options(security: Security) -> dict[str, Any]:
    """What aiokafka's clients take for TLS and SASL.

    Raises:
        ConfigError: a certificate or key cannot be used.
    """
    never_log_requests()
    options: dict[str, Any] = {"security_protocol": security.protocol}
    if security.tls:
        options["ssl_context"] = tls_context(security)
    if security.mechanism == "OAUTHBEARER":
        options |= {
            "sasl_mechanism": security.mechanism,
            "sasl_oauth_token_provider": tokens(security),
        }
    elif security.mechanism is not None:
        password = b"" if security.password is None else security.password.reveal()
        options |= {
            "sasl_mechanism": security.mechanism,
            "sasl_plain_username": security.username,
            "sasl_plain_password": _Unprinted(password.decode()),
        }
    return options


def check_security(security: Security) -> None:
    """Tries the files that the settings name.

    Raises:
        ConfigError: one of them cannot be used.
    """
    if security.tls:
        tls_context(security)
    if security.mechanism == "OAUTHBEARER":
        try:
            tokens(security).check()
        except TokenError as error:
            raise ConfigError(error.text) from None


def never_log_requests() -> None:
    """Keeps aiokafka from logging requests: at DEBUG it logs their bytes, and the password is among them."""
    log = logging.getLogger("aiokafka.conn")
    if log.level < logging.INFO:
        log.setLevel(logging.INFO)


def tls_context(security: Security) -> ssl.SSLContext:
    """TLS 1.2 or newer. It checks the broker's certificate and host name, and sends our certificate if there is one.

    Raises:
        ConfigError: a certificate or key cannot be used.
    """
    context = trusting(security.ca_file)
    if security.cert_file is not None:
        passphrase = security.key_password
        try:
            with ExitStack() as held:
                chain = held.enter_context(_held_in_memory(security.cert_file))
                key = security.key_file and held.enter_context(_held_in_memory(security.key_file))
                # Without a passphrase OpenSSL would ask for it on the terminal.
                context.load_cert_chain(
                    chain, key, password=lambda: b"" if passphrase is None else passphrase.reveal()
                )
        except (OSError, ValueError) as error:
            mismatch = getattr(error, "reason", None) == "KEY_VALUES_MISMATCH"
            reason = (
                "is not the certificate of the key in key_file"
                if mismatch
                else "certificate and private key cannot be read: they must be PEM, and a key with a passphrase needs key_password_env or _file"
            )
            raise ConfigError(reason, security.cert_file) from None
    return context


@contextmanager
def _held_in_memory(path: str) -> Iterator[str]:
    """A path to what is in the file now: OpenSSL itself would read a device without end, and wait for a pipe.

    Raises:
        ConfigError: the file cannot be read.
    """
    try:
        data = read_bounded(path, CERTIFICATE_BYTES)
    except BadFileError as error:
        raise ConfigError(str(error), path) from None
    handle = os.memfd_create("certificate")
    try:
        with os.fdopen(os.dup(handle), "wb") as file:
            file.write(data)
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)


def own_certificate(cert_file: str | None) -> str | None:
    """Why our certificate is out of date; None if it is not, or cannot be read."""
    if cert_file is None:
        return None
    try:
        certificate = x509.load_pem_x509_certificates(read_bounded(cert_file, CERTIFICATE_BYTES))[0]
    except ValueError:
        return None
    now = dt.datetime.now(dt.UTC)
    if now > certificate.not_valid_after_utc:
        return _CERTIFICATE[10]
    return _CERTIFICATE[9] if now < certificate.not_valid_before_utc else None


def explain(error: BaseException) -> str:
    """What went wrong with a connection or a request, for a person. It holds no secret."""
    root = _root(error)
    if isinstance(root, TokenError):
        return root.text
    if isinstance(root, ssl.SSLError):
        return _of_tls(root)
    for kind, text in _OF_CONNECTIONS.items():
        if isinstance(root, kind):
            return text
    row = row_of(root)
    if row is not None and (row.advice or row.name):
        return told(root) if row.right else row.advice or f"the broker answers {row.name}"
    if isinstance(root, OSError) and root.strerror:
        return root.strerror.lower()
    return f"it failed with {type(root).__name__}"


def retriable(error: BaseException) -> bool:
    """Whether a later try may succeed without anybody doing anything."""
    root = _root(error)
    if isinstance(root, ssl.SSLError | AssertionError | ValueError):
        return False
    if isinstance(root, socket.gaierror):
        return root.errno == socket.EAI_AGAIN
    asked = asks_for(root)
    if asked is not None:
        return asked in {"retry", "again", "rejoin"}
    return isinstance(root, OSError | EOFError)


def _root(error: BaseException) -> BaseException:
    """The error that aiokafka wraps: of a socket, or of a source of tokens."""
    while isinstance(error, kafka.KafkaError) and isinstance(error.__cause__, OSError | kafka.KafkaError):
        error = error.__cause__
    return error


def _of_tls(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        what = _CERTIFICATE.get(error.verify_code, f"cannot be verified ({error.verify_message})")
        return f"the broker's certificate {what}; {_SEE}"
    reason = getattr(error, "reason", None) or ""  # one that Python made itself has none
    for alert, text in _REFUSED_US.items():
        if reason.endswith(f"ALERT_{alert}"):
            return f"the broker refuses the connection: {text}; {_SEE}"
    if any(word in reason for word in _NO_TLS) or isinstance(error, ssl.SSLEOFError):
        return (
            f"the port does not speak TLS: set protocol PLAINTEXT or SASL_PLAINTEXT, or another port; {_SEE}"
        )
    return f"TLS failed ({reason.lower().replace('_', ' ') or 'no reason given'}); {_SEE}"

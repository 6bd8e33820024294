"""Tries the brokers before any client does: why aiokafka cannot connect, it says only in its log."""

import asyncio
import contextlib
import ssl
from typing import Any, Final

import msgspec
from aiokafka import errors as kafka
from aiokafka.conn import AIOKafkaConnection
from aiokafka.protocol.metadata import MetadataRequest

from detector.configuration.kafka_settings import SASL, TLS
from detector.kafka.connection import ConnectionSettings
from detector.kafka.security import explain, own_certificate, retriable
from detector.values.errors import RetryError, StopError

CONNECT_SECONDS: Final = 5.0
_CLOSE_SECONDS: Final = 0.2
_AT_ONCE: Final = 3  # brokers whose failure is named; the others fail alike


class Failure(msgspec.Struct, frozen=True):
    """Why an address (`host:port`) does not work, and whether a later try may succeed."""

    address: str
    reason: str
    retriable: bool


async def reach(connection: ConnectionSettings, seconds: float = CONNECT_SECONDS) -> None:
    """Returns once a broker accepts us, and so does one of the addresses that it advertises.

    `seconds` are for one address; the addresses are tried side by side.

    Raises:
        RetryError: none does, but one may later.
        StopError: none does, and nothing will change that but a person.
    """
    options = {"client_id": connection.client_id, "security_protocol": "PLAINTEXT", **connection.security}
    addresses = connection.addresses
    tried = await asyncio.gather(*(_try(address, options, seconds) for address in addresses))
    advertised: set[str] = set()
    failures = []
    for outcome in tried:
        if isinstance(outcome, Failure):
            failures.append(outcome)
        else:
            advertised |= outcome
    if len(failures) == len(tried):
        raise _error("cannot connect to Kafka", failures, connection.cert_file)
    working = {
        address for address, outcome in zip(addresses, tried, strict=True) if not isinstance(outcome, Failure)
    }
    if advertised and not advertised & working:
        again = await asyncio.gather(*(_try(address, options, seconds) for address in sorted(advertised)))
        lost = [outcome for outcome in again if isinstance(outcome, Failure)]
        if len(lost) == len(again):
            raise _error(
                f"{', '.join(sorted(working)[:_AT_ONCE])} answers, but not the addresses that it advertises "
                "(advertised.listeners of the brokers)",
                lost,
                connection.cert_file,
            )


def _error(what: str, failures: list[Failure], cert_file: str | None) -> RetryError | StopError:
    reasons = "; ".join(f"{failure.address}: {failure.reason}" for failure in failures[:_AT_ONCE])
    if any(failure.retriable for failure in failures):
        return RetryError(f"{what}: {reasons}. It may work later")
    # A broker that refuses a certificate rarely says why.
    ours = own_certificate(cert_file)
    return StopError(
        f"{what}: {reasons}" + ("" if ours is None else f". Our certificate in cert_file {ours}")
    )


async def _try(address: str, options: dict[str, Any], seconds: float) -> set[str] | Failure:
    """The addresses that a broker advertises."""
    host, port = _host_port(address)
    let_in = False
    connection = AIOKafkaConnection(host, port, request_timeout_ms=int(seconds * 1000), **options)
    try:
        async with asyncio.timeout(seconds):
            await connection.connect()
            let_in = True
            answer = await connection.send(MetadataRequest([]))
    except (OSError, EOFError, ValueError, AssertionError, kafka.KafkaError) as error:
        return await _diagnosis(address, error, options["security_protocol"], let_in=let_in)
    finally:
        await _close(connection)
    if not answer.brokers:
        return _nobody(address, options.get("sasl_mechanism"))
    return {f"[{b[1]}]:{b[2]}" if ":" in b[1] else f"{b[1]}:{b[2]}" for b in answer.brokers}


def _nobody(address: str, mechanism: str | None) -> Failure:
    """A cluster without brokers, or a refused token.

    A broker refuses a token in a second step of SASL (RFC 7628, 3.2.3), which aiokafka 0.14 skips. It sends its first
    request instead, and reads the broker's error as a cluster without brokers.
    """
    if mechanism == "OAUTHBEARER":
        return Failure(address, explain(kafka.SaslAuthenticationFailed()), retriable=False)
    return Failure(address, "it knows of no brokers yet", retriable=True)


async def _diagnosis(address: str, error: Exception, protocol: str, *, let_in: bool) -> Failure:
    """Finds out why a connection failed. A broker just closes it, or waits, if the protocol is wrong."""
    host, port = _host_port(address)
    cut = isinstance(
        error, kafka.KafkaConnectionError | TimeoutError | EOFError | ConnectionResetError | ssl.SSLError
    )
    cut = cut and not isinstance(error, ssl.SSLCertVerificationError)
    if cut and protocol not in TLS and not let_in and await _speaks_tls(host, port):
        with_tls = "SASL_SSL" if protocol in SASL else "SSL (or SASL_SSL)"
        return Failure(
            address, f"the port speaks TLS: set kafka.security.protocol to {with_tls}", retriable=False
        )
    if cut and protocol in TLS and not let_in and await _speaks_plainly(host, port):
        plain = "SASL_PLAINTEXT" if protocol in SASL else "PLAINTEXT (or SASL_PLAINTEXT)"
        reason = f"the port does not speak TLS: set kafka.security.protocol to {plain}, or use another port"
        return Failure(address, reason, retriable=False)
    if isinstance(error, kafka.KafkaConnectionError) and let_in and protocol not in SASL:
        cause = error.__cause__
        if not isinstance(cause, ssl.SSLError):
            with_sasl = "SASL_SSL" if protocol in TLS else "SASL_PLAINTEXT"
            reason = (
                f"the broker cuts the connection after the first request: it may want SASL; "
                f"set kafka.security.protocol to {with_sasl}"
            )
            return Failure(address, reason, retriable=False)
    return Failure(address, explain(error), retriable=retriable(error))


async def _speaks_tls(host: str, port: int) -> bool:
    """Whether a TLS handshake gets an answer. It sends no data, so it verifies nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(CONNECT_SECONDS / 2):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except (OSError, EOFError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


async def _speaks_plainly(host: str, port: int) -> bool:
    """Whether a broker answers without TLS. A broker says to anybody which requests it knows."""
    connection = AIOKafkaConnection(host, port, security_protocol="PLAINTEXT")
    try:
        async with asyncio.timeout(CONNECT_SECONDS / 2):
            await connection.connect()
    except (OSError, EOFError, ValueError, AssertionError, kafka.KafkaError):
        return False
    finally:
        await _close(connection)
    return True


async def _close(connection: Any) -> None:
    """Waits until the socket is closed, for a short time: a socket that never opened never closes."""
    closed = connection.close()
    if closed is not None:
        await asyncio.wait([closed], timeout=_CLOSE_SECONDS)


def _host_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)

"""TLS of the port: its certificate, read again when the files change, and the names in those of clients."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from cryptography import x509

from detector.configuration.receive_settings import TlsFiles
from detector.terminal.output import shown
from detector.values.bounded_files import CERTIFICATE_BYTES, read_bounded
from detector.values.errors import ConfigError

LOOK_SECONDS: Final = 30.0
_NAMED: Final = frozenset({"DNS", "URI", "email"})


class ReloadedTls:
    """TLS 1.2 or newer. Clients may show a certificate, if there are authorities for them.

    `expires` is when the first certificate of the chain does, in Unix seconds.

    Raises:
        ConfigError: a file cannot be used.
    """

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.options |= ssl.OP_NO_RENEGOTIATION
        self.load()

    def load(self) -> None:
        """Reads the files; connections that come from now on have what is in them.

        Raises:
            ConfigError: a file cannot be used. What was read before stays in force.
        """
        files = self._files
        self._seen = self._changed()
        _try_files(files)
        self.context.load_cert_chain(files.cert_file, files.key_file, password=_no_passphrase)
        self.expires = _expiry(files.cert_file)
        if files.client_ca_file is not None:
            self.context.load_verify_locations(files.client_ca_file)
            self.context.verify_mode = ssl.CERT_OPTIONAL

    async def watch(
        self, reloaded: Callable[[ConfigError | None], None], seconds: float = LOOK_SECONDS
    ) -> None:
        """Loads the files whenever they change; `reloaded` gets why that failed, or None."""
        while True:
            await asyncio.sleep(seconds)
            if self._changed() == self._seen:
                continue
            try:
                self.load()
            except ConfigError as error:
                reloaded(error)
            else:
                reloaded(None)

    def _changed(self) -> list[tuple[int, int, int]]:
        """What tells one state of the files from another; nothing of one that is missing."""
        found = []
        for name in (self._files.cert_file, self._files.key_file, self._files.client_ca_file):
            try:
                info = Path(name or self._files.cert_file).stat()
            except OSError:
                continue
            found.append((info.st_ino, info.st_mtime_ns, info.st_size))
        return found


def _try_files(files: TlsFiles) -> None:
    """Raises ConfigError if the files cannot be used together."""
    trial = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    path = files.cert_file
    try:
        trial.load_cert_chain(files.cert_file, files.key_file, password=_no_passphrase)
        if files.client_ca_file is not None:
            path = files.client_ca_file
            trial.load_verify_locations(path)
    except (OSError, ValueError):
        raise ConfigError(
            f"receive: {shown(path)} cannot be used: it has to be PEM, and the certificate's key without a passphrase"
        ) from None


def _expiry(cert_file: str) -> float:
    """Of a file that OpenSSL has just read; 0 if it has changed since."""
    try:
        chain = x509.load_pem_x509_certificates(read_bounded(cert_file, CERTIFICATE_BYTES))
    except ValueError:
        return 0.0
    return min(each.not_valid_after_utc for each in chain).timestamp()


def _no_passphrase() -> bytes:
    return b""  # else OpenSSL would ask for one on the terminal


def certificate_names(transport: asyncio.BaseTransport | None) -> tuple[str, ...]:
    """The names in the certificate that a client has shown: DNS, URI, e-mail, and the common name."""
    tls: Any = None if transport is None else transport.get_extra_info("ssl_object")
    certificate: Any = None if tls is None else tls.getpeercert()
    if not certificate:
        return ()
    named = [name for kind, name in certificate.get("subjectAltName", ()) if kind in _NAMED]
    common = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    return (*named, *common)

"""TLS contexts that trust the authorities which a configuration names."""

import ssl

from detector.values.bounded_files import CERTIFICATE_BYTES, BadFileError, read_bounded
from detector.values.errors import ConfigError


def trusting(ca_file: str | None) -> ssl.SSLContext:
    """A client's context that trusts the authorities in a PEM file; None: the system's.

    OpenSSL itself would read a device without end, and wait for a pipe.

    Raises:
        ConfigError: the file cannot be read, or has no authority in it.
    """
    if ca_file is None:
        context = ssl.create_default_context()
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            text = read_bounded(ca_file, CERTIFICATE_BYTES).decode("ascii", "ignore")
            context.load_verify_locations(cadata=text)
        except BadFileError as error:
            raise ConfigError(str(error), ca_file) from None
        except (OSError, ValueError):
            raise ConfigError("has no certificate in PEM form", ca_file) from None
        if not context.get_ca_certs():
            raise ConfigError("has no certificate of an authority", ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context

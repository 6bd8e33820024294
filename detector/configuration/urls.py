"""URLs that a configuration names.

Something confidential is sent to them, so they are https, or http to this machine.
"""

import ipaddress
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from detector.configuration.fields import ValueType, text


def https_url(sent: str) -> ValueType:
    """An https URL, or http to this machine: `sent` (such as `the client's secret`) goes to it."""
    return ValueType("https URL", _reader(sent))


def _reader(sent: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        url = text(value)
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
            _ = parts.port
        except ValueError:
            raise ValueError("not a URL") from None
        if not host or parts.scheme not in {"http", "https"} or parts.username is not None:
            raise ValueError("write an https URL without a user in it")
        if parts.scheme == "http" and not loopback(host):
            raise ValueError(f"{sent} would be sent in the clear: write https")
        return url

    return read


def loopback(host: str) -> bool:
    """Whether a host name or address is that of this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

"""From where a call to AWS came, as far as CloudTrail's addresses can be compared with each other."""

import ipaddress
from typing import Final

from detector.adapters.adapter import Record
from detector.adapters.fields import maybe_text
from detector.values.events import IssuedTo
from detector.values.networks import address_of, split_port

# Whoever makes these calls uses the session. Other sessions are often made by a broker for somebody else.
_OWN: Final = frozenset({"AssumeRoleWithSAML", "AssumeRoleWithWebIdentity", "GetSessionToken"})


def caller_address(record: Record) -> str | None:
    """The address of a call.

    If a service acts on behalf of the caller, it is the service's name. A private address behind a VPC endpoint becomes
    `<endpoint>/<address>`: the same machine has another address for calls that go over the internet, and two VPCs have
    the same private ones. Neither is an IP address, so neither is judged.
    """
    service = maybe_text(record, "userIdentity.invokedBy")
    if service:
        return service
    address, endpoint = maybe_text(record, "sourceIPAddress"), maybe_text(record, "vpcEndpointId")
    return f"{endpoint}/{address}" if address and endpoint and _is_private(address) else address


def issued_to(record: Record, call: str) -> IssuedTo | None:
    """Who got a session, if the caller is who will use it, and called from an address that can be compared."""
    address = caller_address(record) if call in _OWN else None
    if address is None or address_of(address) is None:
        return None
    return IssuedTo(address, maybe_text(record, "userIdentity.userName"))


def _is_private(text: str) -> bool:
    return address_of(text) is not None and not ipaddress.ip_address(split_port(text)[0]).is_global

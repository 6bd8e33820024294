"""The earliest uses of credentials: a replay needs them before it judges any, to know where each comes from."""

from typing import Final, TypeAlias

import msgspec

from detector.values.events import SUCCESS, CredentialUsed
from detector.values.networks import address_of

_Name: TypeAlias = tuple[
    int, str | None, str, str
]  # address family, credential id, scheme and value of the identifier
_NO_IDENTIFIER: Final = ("", "")


class FirstUses:
    """By name of a credential and address family, the earliest use with an address; of several the first by source, id.

    There is one for each name that any use has, so memory grows with the credentials and not with their uses.
    """

    def __init__(self) -> None:
        self._found: dict[_Name, CredentialUsed] = {}

    def add(self, use: CredentialUsed) -> None:
        """Takes a use, in any order."""
        text = use.source_ip
        address = address_of(text) if text is not None else None
        if address is None:
            return
        named = use.identifier
        scheme, value = _NO_IDENTIFIER if named is None else (named.scheme, named.value)
        key = address[0], use.credential_id, scheme, value
        known = self._found.get(key)
        if known is None or (use.time, use.source, use.id) < (known.time, known.source, known.id):
            self._found[key] = _located(use)

    def uses(self) -> list[CredentialUsed]:
        """The uses, without what they did."""
        return list(self._found.values())


def _located(use: CredentialUsed) -> CredentialUsed:
    if use.action is None and use.resource is None and use.task_id is None and use.outcome == SUCCESS:
        return use
    return msgspec.structs.replace(use, action=None, resource=None, task_id=None, outcome=SUCCESS)

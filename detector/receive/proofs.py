"""What a sender shows before its body is read: a secret in a header, or a certificate."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Protocol

from detector.receive.delivery import Head, RefusalError
from detector.values.globs import GlobSet
from detector.values.secrets import Secret


class Proof(Protocol):
    """Something that a request must show."""

    async def check(self, head: Head) -> None:
        """Looks for it.

        Raises:
            RefusalError: it is not there, or wrong.
        """


class SecretProof:
    """One of the secrets: as a bearer token, in another header, or as the password of a user."""

    def __init__(self, secrets: Sequence[Secret], header: str | None = None, user: str | None = None) -> None:
        self._secrets = secrets
        self._header = header
        self._user = user

    async def check(self, head: Head) -> None:
        """See `Proof`."""
        if not same_as_one(self._shown(head), self._secrets):
            raise RefusalError(401, "proof", "the secret is missing or wrong")

    def _shown(self, head: Head) -> bytes:
        if self._header is not None:
            return head.headers.get(self._header, "").encode("utf-8", "replace")
        scheme, _, shown = head.headers.get("authorization", "").partition(" ")
        if self._user is None:
            return shown.strip().encode("utf-8", "replace") if scheme.lower() == "bearer" else b""
        user, _, password = _basic(shown).partition(b":") if scheme.lower() == "basic" else (b"", b"", b"")
        return password if hmac.compare_digest(user, self._user.encode()) else b""


class CertificateProof:
    """A certificate that TLS has verified, with a name that one of the globs matches."""

    def __init__(self, globs: Sequence[str]) -> None:
        self._names = GlobSet(tuple(globs))

    async def check(self, head: Head) -> None:
        """See `Proof`."""
        if not any(map(self._names.matches, head.names)):
            raise RefusalError(403, "proof", "there is no client certificate with a name that may send here")


def same_as_one(shown: bytes, secrets: Sequence[Secret]) -> bool:
    """Whether it is one of the secrets. The time does not tell which, or how much of it is right."""
    same = False
    for secret in secrets:
        same |= hmac.compare_digest(shown, secret.reveal())
    return same


def signed_by_one(tag: str, secrets: Sequence[Secret], *signed: bytes) -> bool:
    """Whether a tag, in hex, is the HMAC-SHA-256 of these bytes under one of the secrets."""
    holds = False
    for secret in secrets:
        keyed = hmac.new(secret.reveal(), digestmod=hashlib.sha256)
        for part in signed:
            keyed.update(part)
        holds |= hmac.compare_digest(keyed.hexdigest(), tag)
    return holds


def _basic(shown: str) -> bytes:
    try:
        return base64.b64decode(shown.strip(), validate=True)
    except (binascii.Error, ValueError):
        return b""

"""One entry of an audit device of Vault or OpenBao, and what all of its events share."""

from typing import Any, Final

from detector.adapters.adapter import Record
from detector.adapters.fields import find, maybe_text, text, time
from detector.adapters.vault import paths
from detector.records.record_ids import record_id
from detector.values.events import CredentialIssued, CredentialRevoked, Identifier
from detector.values.secrets import Secret, sha256_hex
from detector.values.times import SECOND

ACCESSOR: Final = "vault-accessor"
TOKEN: Final = "vault-hmac"  # noqa: S105 - a scheme's name
LEASE: Final = "vault-lease-id"
HMAC: Final = "hmac-sha256:"


class AuditEntry:
    """One entry, and what all of its events share."""

    def __init__(self, record: Record, now: int) -> None:
        self.record = record
        self.time = time(record, "time", now)
        self.id = maybe_text(record, "request.id") or record_id(record)
        self.namespace = (maybe_text(record, "request.namespace.path") or "").strip("/")
        path = text(record, "request.path")
        self.path = path.removeprefix(f"{self.namespace}/") if self.namespace else path
        self.source = f"vault/{self.namespace}" if self.namespace else "vault"
        self.error = maybe_text(record, "error") or ""
        self.failed = bool(self.error) or find(record, "response.data.error") is not None

    def get(self, path: str) -> str | None:
        """Text at a path, if any."""
        return maybe_text(self.record, path)

    def seconds(self, path: str) -> int | None:
        """A number of seconds, as nanoseconds; None if it is missing or zero, which means for ever."""
        value = find(self.record, path)
        return (
            value * SECOND if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
        )

    def caller(self) -> Identifier | None:
        """The token of the request, by its accessor if it has one; None if there is none.

        `auth` is the caller's, but after a login it is the new token's.
        """
        accessor, token = self.get("request.client_token_accessor"), self.get("request.client_token")
        held = self.get("auth.client_token")
        fresh = held == self.get("response.auth.client_token") and not paths.renews_token(self.path)
        if not fresh and (token is None or token == held):
            accessor, token = accessor or self.get("auth.accessor"), held
        if accessor is not None:
            return Identifier(ACCESSOR, accessor)
        return None if token is None else token_identifier(token)

    def wrapping(self) -> Identifier | None:
        """The wrapping token that the request is about, if it names one that is not its own token."""
        token = self.get("request.data.token") if paths.is_wrapping(self.path) else None
        return None if token is None else token_identifier(token)

    def issued(self, **fields: Any) -> CredentialIssued:
        """An issue; `part` of the id tells several of one entry apart."""
        part = fields.pop("part", "issued")
        return CredentialIssued(time=self.time, source=self.source, id=f"{self.id}/{part}", **fields)

    def revoked(self, identifier: Identifier, part: str = "revoked") -> CredentialRevoked:
        """A revocation; `part` of the id tells several of one entry apart."""
        return CredentialRevoked(
            time=self.time, source=self.source, id=f"{self.id}/{part}", identifier=identifier
        )

    def group(self, name: str) -> str:
        """The name of a group of credentials that end together."""
        return f"{self.source}/{name}"

    def group_revoked(self, name: str) -> CredentialRevoked:
        """A revocation of all credentials in a group."""
        return CredentialRevoked(
            time=self.time, source=self.source, id=f"{self.id}/revoked/{name}", group=self.group(name)
        )

    def revocation(self, method: str, **fields: Any) -> dict[str, Any]:
        """The `revocation` object for the revoker."""
        given = {"provider": "vault", "method": method, "namespace": self.namespace or None, **fields}
        return {name: value for name, value in given.items() if value is not None}


def token_identifier(value: str) -> Identifier:
    """A token as the device logs it: its HMAC; with `log_raw` the token itself, of which only the hash is kept."""
    if value.startswith(HMAC):
        return Identifier(TOKEN, value)
    secret = value.encode()
    return Identifier("sha256", sha256_hex(Secret(secret)), length=len(secret))

"""A revocation command as the revoker reads it, from the topic `revocations` or a replay's `revocations.jsonl`."""

from collections.abc import Mapping
from typing import Any

import msgspec

from detector.values.events import Identifier
from detector.values.findings import Severity


class RevocationCommand(msgspec.Struct, frozen=True):
    """One command: revoke this credential. All of it is hostile input until the target has looked the credential up.

    - `id`: the command's id, a UUID. What executes commands acts once for each.
    - `time`, `issued_at`: of the evidence and of the issue, ns since the epoch; `issued_at` is None if the command does
      not say.
    - `task_ids`: the task; several are candidates; none if the command names none.
    - `kind`, `owner`: the credential's kind, and who owns its task; empty if unknown.
    - `revocation`: the opaque object with which it was issued, an empty one if there was none. `provider` and `method`
      in it say which target is meant.
    - `appended`: when the log record that shows the leak was appended to Kafka (ns), None if it is not known. The time
      until a credential is dead counts from there.
    - `signed`: its signature was checked, and is that of a detector with a key of the configuration.
    """

    id: str
    time: int
    credential_id: str
    task_ids: tuple[str, ...] = ()
    kind: str = ""
    owner: str = ""
    issued_at: int | None = None
    identifiers: tuple[Identifier, ...] = ()
    revocation: Mapping[str, Any] = {}
    reasons: tuple[str, ...] = ()
    finding_uids: tuple[str, ...] = ()
    escalated: bool = False
    severity: Severity = Severity.CRITICAL
    appended: int | None = None
    signed: bool = False

    @property
    def provider(self) -> str:
        """Whose credential it is, as its issuer said: `aws`, `vault`, …; empty if it did not."""
        return self.text("provider")

    @property
    def method(self) -> str:
        """How its issuer says that it can be revoked, such as `revoke-accessor`; empty if it did not."""
        return self.text("method")

    def text(self, name: str) -> str:
        """A text of the revocation object; empty if it is missing or no text."""
        value = self.revocation.get(name)
        return value if isinstance(value, str) else ""

"""Records of the work topic: events and leaks on their way to the judge stage."""

from collections.abc import Sequence
from typing import Final

from detector.judge.routing import (
    Fact,
    LeakWithdrawal,
    Owners,
    credential_key,
    encode,
    identifier_key,
    issue_key,
    name_key,
    secret_key,
)
from detector.kafka.handlers import Output
from detector.registry.registered import RegisteredCredentials
from detector.service.scan.dead_letter_records import origin
from detector.stages.scan import routes
from detector.values.events import AnyEvent, CredentialEvent, CredentialIssued, Identifier, Leak

_LARGE: Final = 64 << 10  # outputs above it name the record that they came from


class PendingIssues:
    """Issues that wait for their commit, and an owner of each name in them that the registry does not know yet.

    Most credentials are used soon. A use in the same poll as the issue would go to the credential's name, and the judge
    would pass it on: twice the work. Leaks are not asked for here: the scan does not know these credentials either.
    """

    def __init__(self, registry: Owners) -> None:
        self._issues: list[CredentialIssued] = []
        self._registry = registry
        self._owners: dict[str, str] = {}

    def add(self, issue: CredentialIssued) -> None:
        """Takes an issue, after those before it in its partition."""
        self._issues.append(issue)
        owner = issue_key(issue)
        for name in (credential_key(issue.credential_id), *map(identifier_key, issue.identifiers)):
            self._owners.setdefault(name, owner)

    def __bool__(self) -> bool:
        return bool(self._issues)

    def taken(self) -> list[CredentialIssued]:
        """Those that waited, for the registry. It answers for them from now on."""
        issues, self._issues = self._issues, []
        self._owners.clear()
        return issues

    def by_identifier(self, identifier: Identifier) -> str | None:
        """As the registry has it."""
        return self._registry.by_identifier(identifier)

    def owner(self, event: CredentialEvent) -> str | None:
        """The key of the aggregate that judges the credential of an event."""
        return self._registry.owner(event) or self._owners.get(name_key(event))


class WorkRecords:
    """Makes records of `topic`, for the aggregates that a fact concerns as far as is registered now."""

    def __init__(self, topic: str, registered: RegisteredCredentials, keys: Sequence[bytes]) -> None:
        self._topic = topic
        self._registered = registered
        self._keys = keys

    def of(
        self,
        event: AnyEvent,
        offset: int | None,
        timestamp_ms: int | None = None,
        owners: Owners | None = None,
    ) -> list[Output]:
        """An event or leak for each aggregate that it concerns. `offset` is that of its record.

        The registry says which, unless there are other `owners`.
        """
        known = self._registered.registry if owners is None else owners
        outputs: list[Output] = []
        encoded: Fact | None = None
        value = b""
        for key, fact in routes(event, known, self._keys):
            if fact is not encoded:  # most aggregates get the same one
                encoded, value = fact, encode(fact)
            headers = origin(offset) if offset is not None and len(value) > _LARGE else ()
            outputs.append(Output(self._topic, key.encode(), value, headers, timestamp_ms))
        return outputs

    def withdrawal(self, leak: Leak) -> Output:
        """That a leak is none: it is part of a registered credential's secret, which has the leak."""
        key = secret_key(leak.fingerprint).encode()
        return Output(self._topic, key, encode(LeakWithdrawal(leak.source, leak.id, leak.time)))

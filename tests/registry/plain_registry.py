"""A registry as it would be written without a thought for memory: what a `CredentialRegistry` must answer."""

from collections.abc import Iterator

from detector.judge.routing import without_terms
from detector.values.events import CredentialEvent, CredentialIssued, Identifier


class PlainRegistry:
    """Known issues. If several credentials claim an identifier, the one issued first owns it.

    `conflicts` counts the identifiers that more than one credential claims.
    """

    def __init__(self) -> None:
        self.conflicts = 0
        self._issues: dict[str, list[CredentialIssued]] = {}  # by credential id, the earliest first
        self._claimants: dict[str, dict[str, list[str]]] = {}  # credential ids, by scheme and value

    def __len__(self) -> int:
        """How many credentials are known."""
        return len(self._issues)

    def add(self, issue: CredentialIssued) -> None:
        """Adds an issue; adding it again changes nothing."""
        bare = without_terms(issue)
        issues = self._issues.setdefault(issue.credential_id, [bare])
        if issues[0] is not bare:
            if any(_same(known, issue.source, issue.id) for known in issues):
                return
            issues.append(bare)
            issues.sort(key=lambda known: (known.time, known.source, known.id))
        for identifier in issue.identifiers:
            claimants = self._claimants.setdefault(identifier.scheme, {}).setdefault(identifier.value, [])
            if issue.credential_id not in claimants:
                claimants.append(issue.credential_id)
                self.conflicts += len(claimants) == 2

    def remove(self, credential_id: str, source: str, event_id: str) -> None:
        """Removes one issue, and with its last issue the credential."""
        issues = self._issues.get(credential_id, [])
        gone = [issue for issue in issues if _same(issue, source, event_id)]
        left = [issue for issue in issues if not _same(issue, source, event_id)]
        if left:
            self._issues[credential_id] = left
        else:
            self._issues.pop(credential_id, None)
        kept = {(each.scheme, each.value) for issue in left for each in issue.identifiers}
        lost = {(each.scheme, each.value) for issue in gone for each in issue.identifiers} - kept
        for scheme, value in lost:
            claimants = self._claimants[scheme][value]
            claimants.remove(credential_id)
            self.conflicts -= len(claimants) == 1
            if not claimants:
                del self._claimants[scheme][value]

    def issues(self) -> Iterator[CredentialIssued]:
        """All issues."""
        for issues in self._issues.values():
            yield from issues

    def by_id(self, credential_id: str) -> CredentialIssued | None:
        """The earliest issue of a credential."""
        issues = self._issues.get(credential_id)
        return issues[0] if issues else None

    def by_identifier(self, identifier: Identifier) -> CredentialIssued | None:
        """The earliest issue of the credential that owns an identifier."""
        values = self._claimants.get(identifier.scheme)
        claimants = values.get(identifier.value) if values is not None else None
        if not claimants:
            return None
        if len(claimants) == 1:
            return self._issues[claimants[0]][0]
        return min(
            (self._issues[each][0] for each in claimants), key=lambda issue: (issue.time, issue.credential_id)
        )

    def claimed(self, identifier: Identifier) -> bool:
        """Whether any credential has this identifier."""
        return identifier.value in self._claimants.get(identifier.scheme, ())

    def owner(self, event: CredentialEvent) -> CredentialIssued | None:
        """The earliest issue of the credential that an event names: by its id if it has one, else by its identifier."""
        if event.credential_id is not None:
            return self.by_id(event.credential_id)
        return self.by_identifier(event.identifier) if event.identifier is not None else None


def _same(issue: CredentialIssued, source: str, event_id: str) -> bool:
    return issue.id == event_id and issue.source == source

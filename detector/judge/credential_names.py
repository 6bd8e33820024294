"""The names of credentials: their ids and identifiers, which credential has each, and what nobody has yet."""

from collections import Counter
from collections.abc import Iterator
from typing import TypeAlias

from detector.judge.accounts import Account, Group, Name
from detector.judge.rules import NEVER
from detector.values.events import (
    CredentialIssued,
    CredentialRenewed,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
)

Spoken: TypeAlias = CredentialUsed | CredentialRenewed | CredentialRevoked  # events that name a credential


class Registry:
    """Names by id and by identifier.

    `unresolved` counts by source the distinct events that name a credential not known so far; `conflicts` are
    (scheme, value) of the identifiers that two credentials claim.
    """

    def __init__(self) -> None:
        self.unresolved: Counter[str] = Counter()
        self.conflicts: set[tuple[str, str]] = set()
        self._ids: dict[str, Name] = {}
        self._identifiers: dict[str, dict[str, Name]] = {}  # by scheme, then value
        self._nameless = Name(None, "")  # what names no credential at all
        self._contested: set[tuple[Account, Name]] = set()  # names that were claimed in vain, or lost
        self._groups: dict[str, Group] = {}

    def accounts(self) -> Iterator[Account]:
        """All credentials."""
        return (name.owner for name in self._ids.values() if name.owner is not None)

    def names(self) -> Iterator[Name]:
        """All names, those that nobody has too."""
        yield self._nameless
        yield from self._ids.values()
        for names in self._identifiers.values():
            yield from names.values()

    def by_id(self, credential_id: str) -> Name:
        """The name that is this credential id."""
        name = self._ids.get(credential_id)
        if name is None:
            name = self._ids[credential_id] = Name(None, credential_id)
        return name

    def by_identifier(self, identifier: Identifier) -> Name:
        """The name that is this identifier: scheme and value count, nothing else."""
        names = self._identifiers.get(identifier.scheme)
        if names is None:
            names = self._identifiers[identifier.scheme] = {}
        name = names.get(identifier.value)
        if name is None:
            name = names[identifier.value] = Name(identifier.scheme, identifier.value)
        return name

    def spoken_of(self, event: Spoken) -> Name:
        """The name by which an event speaks of a credential: its id wins over an identifier."""
        if event.credential_id is not None:
            return self.by_id(event.credential_id)
        return self._nameless if event.identifier is None else self.by_identifier(event.identifier)

    def find(self, identifier: Identifier) -> Name | None:
        """The name that is this identifier, if it was ever spoken of."""
        names = self._identifiers.get(identifier.scheme)
        return names.get(identifier.value) if names is not None else None

    def owner(self, use: CredentialUsed) -> Account | None:
        """The credential that a use speaks of, if it is known."""
        if use.credential_id is not None:
            name = self._ids.get(use.credential_id)
        else:
            name = self.find(use.identifier) if use.identifier is not None else None
        return name.owner if name is not None else None

    def open(self, account: Account, name: Name) -> None:
        """Makes known a credential by its id."""
        name.owner = account
        self._resolve(name)

    def claim(self, account: Account, event: CredentialIssued) -> list[tuple[Name, Account | None]]:
        """Registers the identifiers of an issue; the names that the credential has by it, and who had them.

        An issue that makes the credential older may also win it names that it claimed in vain before.
        """
        claimed = [self.by_identifier(identifier) for identifier in event.identifiers]
        if event is account.issue:
            claimed += account.names
        gained: list[tuple[Name, Account | None]] = []
        for name in claimed:  # a second time in it, the first has settled it
            owner = name.owner
            if owner is account:
                continue
            if owner is None:
                account.names.append(name)
                self._resolve(name)
            else:
                self.conflicts.add((str(name.scheme), name.value))
                if (account, name) not in self._contested:
                    self._contested.add((account, name))
                    account.names.append(name)
                if owner.seniority < account.seniority:
                    continue
                self._contested.add((owner, name))
            name.owner = account
            gained.append((name, owner))
        return gained

    def struck(self, name: str, event: CredentialRevoked) -> list[Account]:
        """The credentials that a revocation of their group is for; none if it was known."""
        group = self._group(name)
        if not group.revocations.put((event.time, event.source, event.id, event)):
            return []
        return [account for account in group.members if event.strikes(account.issue)]

    def revoked(self, account: Account) -> int:
        """The earliest revocation of a credential, by one of its names or with its group; NEVER if none."""
        times = [
            name.revoked() for name in account.names if name.revocations is not None and name.owner is account
        ]
        for name in account.issue.groups:
            group = self._group(name)
            group.members[account] = None
            times += [item[0] for item in group.revocations if item[3].strikes(account.issue)]
        return min(times, default=NEVER)

    def park(self, event: Spoken) -> None:
        """Counts an event that names no known credential."""
        self.unresolved[event.source] += 1

    def _group(self, name: str) -> Group:
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = Group()
        return group

    def _resolve(self, name: Name) -> None:
        """What was said by this name is of a known credential now."""
        for order in (name.parked, name.renewals, name.revocations):
            for item in order or ():
                self.unresolved[item[1]] -= 1
                if not self.unresolved[item[1]]:
                    del self.unresolved[item[1]]

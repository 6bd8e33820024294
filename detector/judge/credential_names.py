"""The names of credentials, which are their ids and identifiers: who owns each, and what waits for an owner."""

from collections.abc import Iterator

import msgspec

from detector.judge.accounts import Account, Group, Name
from detector.judge.terms import NEVER
from detector.values.events import (
    CredentialEvent,
    CredentialIssued,
    CredentialRevoked,
    Identifier,
)


class CredentialNames(msgspec.Struct, gc=False):
    """Finds names by id and by identifier.

    `unresolved` counts by source the events whose credential is not known so far, each once. `conflicts` has
    (scheme, value) of each identifier that two credentials claim.
    """

    # Dicts without containers are none to the collector of cycles. There is one of these in each aggregate.
    unresolved: dict[str, int] = {}
    conflicts: dict[tuple[str, str], None] = {}
    _ids: dict[str, Name] = {}
    _identifiers: dict[str, dict[str, Name]] = {}  # by scheme, then value
    _nameless: Name | None = None  # for events that name no credential at all
    _contested: dict[tuple[Account, Name], None] = {}  # claims that failed or were lost
    # By id, the events that name it and an identifier, as long as the id is not known.
    _fallbacks: dict[str, list[CredentialEvent]] = {}
    _groups: dict[str, Group] = {}

    def accounts(self) -> list[Account]:
        """All credentials."""
        return [name.owner for name in self._ids.values() if name.owner is not None]

    def part(self) -> None:
        """Makes no name refer to its owner and its leaks."""
        for name in self.names():
            name.owner = name.leaks = None

    def names(self) -> Iterator[Name]:
        """All names, with those that nobody owns."""
        if self._nameless is not None:
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
        """The name that is this identifier. Only its scheme and value count."""
        names = self._identifiers.get(identifier.scheme)
        if names is None:
            names = self._identifiers[identifier.scheme] = {}
        name = names.get(identifier.value)
        if name is None:
            name = names[identifier.value] = Name(identifier.scheme, identifier.value)
        return name

    def name_in(self, event: CredentialEvent) -> Name:
        """The name by which an event refers to its credential.

        A known id wins over an identifier, an identifier over an id that is not known.
        """
        if event.credential_id is not None:
            name = self.by_id(event.credential_id)
            if name.owner is not None or event.identifier is None:
                return name
        if event.identifier is not None:
            return self.by_identifier(event.identifier)
        if self._nameless is None:
            self._nameless = Name(None, "")
        return self._nameless

    def file(self, event: CredentialEvent) -> None:
        """Remembers an event that `name_in` found by its identifier, for when its id is known."""
        if event.credential_id is None or event.identifier is None:
            return
        if self.by_id(event.credential_id).owner is None:
            self._fallbacks.setdefault(event.credential_id, []).append(event)

    def unfile(self, name: Name) -> list[CredentialEvent]:
        """The events that were remembered for an id, which is known from now on."""
        return self._fallbacks.pop(name.value, [])

    def find(self, identifier: Identifier) -> Name | None:
        """The name that is this identifier, if any event has mentioned it."""
        names = self._identifiers.get(identifier.scheme)
        return names.get(identifier.value) if names is not None else None

    def owner(self, event: CredentialEvent) -> Account | None:
        """The credential that an event names, if it is known. An id that is not known leaves it to the identifier."""
        name = self._ids.get(event.credential_id) if event.credential_id is not None else None
        if (name is None or name.owner is None) and event.identifier is not None:
            name = self.find(event.identifier)
        return name.owner if name is not None else None

    def open(self, account: Account, name: Name) -> None:
        """Makes a new credential the owner of its id."""
        name.owner = account
        self._resolve(name)

    def claim(self, account: Account, event: CredentialIssued) -> list[tuple[Name, Account | None]]:
        """Claims the identifiers of an issue for its credential. Gives the names that it won, and their owners so far.

        An issue that is older than the others may also win names that its credential claimed in vain before.
        """
        claimed = [self.by_identifier(identifier) for identifier in event.identifiers]
        if event is account.issue:
            claimed += account.names
        gained: list[tuple[Name, Account | None]] = []
        for name in claimed:  # a name may stand there twice; the first time settles it
            owner = name.owner
            if owner is account:
                continue
            if owner is None:
                account.names.append(name)
                self._resolve(name)
            else:
                self.conflicts[str(name.scheme), name.value] = None
                if (account, name) not in self._contested:
                    self._contested[account, name] = None
                    account.names.append(name)
                if owner.seniority < account.seniority:
                    continue
                self._contested[owner, name] = None
            name.owner = account
            gained.append((name, owner))
        return gained

    def revoked_with(self, group_name: str, event: CredentialRevoked) -> list[Account]:
        """The credentials that the revocation of a group revokes; none if the revocation was known."""
        group = self._group(group_name)
        if not group.revocations.put((event.time, event.source, event.id, event)):
            return []
        return [account for account in group.members if event.revokes(account.issue)]

    def revoked(self, account: Account) -> int:
        """The earliest revocation of a credential, by a name or with a group; NEVER if there is none."""
        times = [
            name.revoked() for name in account.names if name.revocations is not None and name.owner is account
        ]
        for group_name in account.issue.groups:
            group = self._group(group_name)
            group.members[account] = None
            times += [item[0] for item in group.revocations if item[3].revokes(account.issue)]
        return min(times, default=NEVER)

    def park(self, event: CredentialEvent) -> None:
        """Counts an event whose credential is not known."""
        self.unresolved[event.source] = self.unresolved.get(event.source, 0) + 1

    def _group(self, name: str) -> Group:
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = Group()
        return group

    def _resolve(self, name: Name) -> None:
        """Takes the events of a name from the count: its credential is known now."""
        if not self.unresolved:
            return
        for order in (name.parked, name.renewals, name.revocations, name.outcomes):
            for item in order or ():
                left = self.unresolved.get(item[1], 0) - 1
                if left:
                    self.unresolved[item[1]] = left
                else:
                    del self.unresolved[item[1]]

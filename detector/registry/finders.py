"""What finds leaks at this moment: patterns may be reloaded, and registered credentials come and go."""

from collections.abc import Collection, Iterable, Sequence

import msgspec

from detector.configuration.allowlist import Allowlist
from detector.scan.known_credentials import KnownIndex, Registered
from detector.scan.leaks import LeakFinder
from detector.scan.redactor import Allowing, Redactor
from detector.scan.shares import SECOND_LOOK, Share
from detector.scan.sightings import NoPatterns, Scanner
from detector.values.events import Identifier
from detector.values.findings import MOST_FINDINGS
from detector.values.forms import ALL, OBFUSCATED
from detector.values.secrets import DeploymentKey
from detector.values.wording import Cleaner


class Finders:
    """The finders in force. A poll takes one and keeps it; a change is for the next poll.

    Without deployment keys `fallback` makes the fingerprints of leaks. Two instances with different fallbacks give one
    secret different fingerprints. `id_key` names ids that hold a secret, by default as a `LeakFinder` has it.

    `share` is how much decoding a line may ask for where all records pass. `second_finder` has the larger share, for
    those that asked for more. If `share` is that one already, there is nothing to look at again. `most_findings` is
    for `FindingShares`, `forms` are those of `detector.values.forms` that are looked for. `in_files` is as a
    `KnownIndex` has it.
    """

    def __init__(  # noqa: PLR0913 - all that a scan is configured with
        self,
        scanner: Scanner,
        keys: Sequence[DeploymentKey],
        fallback: DeploymentKey | None = None,
        allowlist: Allowlist | None = None,
        id_key: DeploymentKey | None = None,
        *,
        every_window: bool = True,
        forms: frozenset[str] = ALL,
        share: Share = SECOND_LOOK,
        most_findings: int = MOST_FINDINGS,
        in_files: bool = False,
    ) -> None:
        self.keys = tuple(keys)
        self._in_files = in_files
        self._id_key = id_key
        self._every_window = every_window
        self._forms = forms
        self._share = msgspec.structs.replace(share, forms=forms)
        self._second_share = msgspec.structs.replace(SECOND_LOOK, forms=forms)
        self._most_findings = most_findings
        self._fallback = fallback
        self._scanner = scanner
        self._allowlist = allowlist
        self._registered: Registered | None = None
        self.clean = Cleaner(self._cleaned, self._all_cleaned)
        """Cleans texts of the secrets that are recognised at the time."""
        self.known = self._index(())
        self.finder: LeakFinder
        self.second_finder: LeakFinder
        self.known_finder: LeakFinder
        self.pattern_finder: LeakFinder  # finds what a scan finds that knows no credential
        self._build(self.known)

    @property
    def looks_again(self) -> bool:
        """Whether `second_finder` decodes more than the others."""
        return self._share != self._second_share

    def reload(self, scanner: Scanner, allowlist: Allowlist | None = None) -> None:
        """Uses other patterns and another allowlist from now on."""
        self._scanner = scanner
        self._allowlist = allowlist
        self._build(self.known)

    def use_id_key(self, key: DeploymentKey) -> None:
        """Names ids that hold a secret under this key from now on, if there is no deployment key."""
        if not self.keys:
            self._id_key = key
            self._build(self.known)

    def use_registered(self, registered: Registered) -> None:
        """Lets `registered` keep the digests of those that are added by `add_checked`. Nothing is known yet."""
        self._registered = registered
        self._build(self.unfilled())

    def unfilled(self) -> KnownIndex:
        """An index as those in force, of nothing."""
        return self._index(())

    def renew(self, identifiers: Iterable[Identifier]) -> None:
        """Looks for these identifiers from now on, and for no others."""
        self._build(self._index(identifiers))

    def use(self, known: KnownIndex) -> None:
        """Looks for what an index has from now on, and for nothing else."""
        self._build(known)

    def _cleaned(self, text: str) -> str:
        return self.finder.redactor.clean(text)

    def _all_cleaned(self, texts: Collection[str]) -> dict[str, str]:
        return self.finder.redactor.cleaned(texts)

    def redactor(self, source: str, now: int) -> Redactor:
        """What masks the records of a source. Matches that are allowed at `now` (ns) stay."""
        allowlist = None if self._allowlist is None else self._allowlist.in_force(now)
        keys = self.keys or (() if self._fallback is None else (self._fallback,))
        allowing = Allowing(allowlist, source, keys) if allowlist else None
        return Redactor(self._scanner, self.known, allowing, self._share)

    def _index(self, identifiers: Iterable[Identifier]) -> KnownIndex:
        return KnownIndex(
            identifiers,
            self.keys,
            every_window=self._every_window,
            forms=OBFUSCATED in self._forms,
            registered=self._registered,
            in_files=self._in_files,
        )

    def _build(self, known: KnownIndex) -> None:
        nothing = self._index(())
        self.pattern_finder = self._made(self._scanner, nothing, self._share)
        self.finder = self._made(self._scanner, known, self._share, self._allowlist)
        self.second_finder = (
            self._made(self._scanner, known, self._second_share, self._allowlist)
            if self.looks_again
            else self.finder
        )
        self.known_finder = self._made(NoPatterns(), known, self._share)
        self.known = known

    def _made(
        self, scanner: Scanner, known: KnownIndex, share: Share, allowlist: Allowlist | None = None
    ) -> LeakFinder:
        return LeakFinder(
            scanner,
            known,
            self.keys,
            self._fallback,
            allowlist,
            id_key=self._id_key,
            share=share,
            most_findings=self._most_findings,
        )

"""The door through which commands come into the revoker: behind it no text of theirs shows a secret.

The detector masks what it writes, so a secret stands only in a command that somebody else wrote, or in what an earlier
version stored. Its ids become the same other ids as in the detector (`detector.stages.masking`), and so the outcome
still names what the detector knows. A target gets the masked command, too: a handle that holds a secret does not work.
"""

import msgspec

from detector.configuration.settings import Settings
from detector.revoke.case import Case, with_command
from detector.revoke.revocation_command import RevocationCommand
from detector.scan.known_credentials import KnownIndex
from detector.scan.leaks import LeakFinder
from detector.scan.scanner_loader import load_scanner
from detector.stages.masking import EventMasker


class CommandMasker:
    """Masks what patterns see. What is registered the revoker does not know.

    Without a deployment key an id is masked as a text is: another run has to find the same. `handles` counts commands
    whose revocation handle showed a secret, as they came in.

    Raises:
        UsageError: a pattern of the configuration is wrong.
    """

    def __init__(self, settings: Settings) -> None:
        scanner, _ = load_scanner(settings.patterns)
        self._masker = EventMasker(LeakFinder(scanner, KnownIndex(), settings.keys))
        self._keyed = bool(settings.keys)
        self.handles = 0

    def command(self, command: RevocationCommand) -> RevocationCommand:
        """The command without secrets. Its own id stays: what carries commands out acts once for each."""
        (masked,) = self._masker.masked([command])
        if masked is command:
            return command
        self.handles += masked.revocation != command.revocation
        name = self._masker.id if self._keyed else self._masker.text
        return msgspec.structs.replace(
            masked,
            id=command.id,
            credential_id=name(command.credential_id),
            task_ids=tuple(map(name, command.task_ids)),
        )

    def case(self, case: Case) -> Case:
        """The case with such a command."""
        command = self.command(case.command)
        return case if command is case.command else with_command(case, command)

    def told(self, event: bytes) -> bytes:
        """An event that was stored to be told, without secrets."""
        return self._masker.text(event.decode()).encode()

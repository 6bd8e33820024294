"""The commands in `curfewd --help`, in groups: the everyday ones first."""

import argparse
from collections.abc import Iterable
from typing import Final

GROUPS: Final = {
    "everyday commands": ("replay", "run", "revoke", "check", "redact"),
    "register tasks and collect records": ("exec", "receive", "fetch", "fingerprint"),
    "reduce noise and privileges": ("baseline", "suggest", "sources", "patterns"),
    "replay large histories in two steps": ("scan", "judge", "facts"),
    "set up": ("topics", "completion"),
}


class GroupedCommands(argparse.HelpFormatter):
    """Shows the commands of a parser under the headings of their groups."""

    def add_arguments(self, actions: Iterable[argparse.Action]) -> None:
        """Adds arguments to the current section, but commands to a section for each group."""
        for action in actions:
            if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - argparse has no other name for it
                self._add_groups({command.dest: command for command in action._get_subactions()})  # noqa: SLF001 - as above
            else:
                super().add_arguments([action])

    def _add_groups(self, commands: dict[str, argparse.Action]) -> None:
        self.end_section()  # argparse's own section stays empty, so it is not shown
        for title, names in GROUPS.items():
            self.start_section(title)
            super().add_arguments([commands[name] for name in names])
            self.end_section()
        self.start_section(None)

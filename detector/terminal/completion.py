"""Shell completion, made from the parser of the command line: whoever adds an option has it completed."""

import argparse
from collections.abc import Iterator
from typing import Any, Final

SHELLS: Final = ("bash", "zsh", "fish")
_FILES: Final = frozenset({"F", "F.html", "FILE", "PATH"})  # what an argument is called that takes a file
_FOLDERS: Final = frozenset({"DIR"})


def completion_script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script that a shell reads to complete the command."""
    import shtab  # noqa: PLC0415 - only this command needs it

    for action in _actions(parser):
        if action.metavar in _FILES:
            action.complete = shtab.FILE
        elif action.metavar in _FOLDERS:
            action.complete = shtab.DIRECTORY
    script: str = shtab.complete(parser, shell=shell)
    return f"{script.strip()}\n"


def _actions(parser: argparse.ArgumentParser) -> Iterator[Any]:
    """The arguments of a parser and of its commands."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no other list of them
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
            for command in dict.fromkeys(action.choices.values()):
                yield from _actions(command)

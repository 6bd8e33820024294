"""Writes the manual page of the command, made from its parser: `make man`."""

import sys
from pathlib import Path
from typing import Final

from argparse_manpage.manpage import Manpage

from detector import __version__
from detector.cli import command_parser

EXIT_STATUS: Final = """\
.TP
.B 0
Done.
.TP
.B 1
A finding that is not accepted, at or above --fail\\-on; a failing pattern of `patterns test`.
.TP
.B 2
Bad usage, a wrong configuration, an input that cannot be opened, or an output that cannot be written.
.TP
.B 3
A file in a folder or archive could not be read; with --strict, if there is any dead letter.
.TP
.B 70
An error inside curfewd.
.TP
.B 130
Interrupted.
"""
ENVIRONMENT: Final = """\
.TP
.B CURFEWD_KEY
The deployment key, in hex or base64, at least 16 bytes.
"""


def page() -> str:
    """The page in roff."""
    data = {
        "prog": "curfewd",
        "project_name": "curfewd",
        "version": __version__,
        "manual_title": "User Commands",
        "description": "find task credentials that leak or outlive their task",
        "format": "single-commands-section",
    }
    made = Manpage(command_parser(), data, format=data["format"])
    made.add_section("exit status", ">", EXIT_STATUS)
    made.add_section("environment", ">", ENVIRONMENT)
    return f"{str(made).rstrip()}\n"


def main() -> None:
    """Writes the page into the file that the argument names."""
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page(), encoding="utf-8")
    print(f"{target}: read it with `man -l {target}`, or copy it to a folder man1 of `manpath`")


if __name__ == "__main__":
    main()

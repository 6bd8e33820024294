"""Replays the bundled incident through the real command and shows what it prints. `make demo` runs this.

With `--svg FILE` the same output is drawn as the picture in the README.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parent.parent
COMMAND = Path(sys.executable).with_name("curfewd")
ARGUMENTS = (
    "replay",
    "--config",
    "examples/incident/curfewd.toml",
    "--out",
    "out",
    "examples/incident/events.jsonl",
    "examples/incident/logs",
)
WIDTH = 96  # columns of the picture


def line() -> str:
    """What a person would type."""
    return f"$ curfewd {' '.join(ARGUMENTS)}"


def demo() -> int:
    """Runs the command on this terminal."""
    print("Ten tasks of five kinds. Of each kind one behaves well and one does not (examples/README.md).\n")
    print(line() + "\n", flush=True)
    return subprocess.run([COMMAND, *ARGUMENTS], cwd=ROOT, check=False).returncode


def draw(target: Path) -> int:
    """Runs the command as on a terminal of `WIDTH` columns and draws its output into an SVG file."""
    environment = os.environ | {"FORCE_COLOR": "1", "COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    run = subprocess.run(
        [COMMAND, *ARGUMENTS], cwd=ROOT, check=False, env=environment, stdout=subprocess.PIPE, text=True
    )
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere, force_terminal=True, highlight=False)
        console.print(Text(line(), "bold"), "\n")
        console.print(Text.from_ansi(run.stdout))
        save(console, target)
    return run.returncode


def save(console: Console, target: Path) -> None:
    """Draws what a console recorded into an SVG file."""
    picture = console.export_svg(title="curfewd", unique_id="curfewd")
    target.parent.mkdir(parents=True, exist_ok=True)
    # Rich links a font on the net; the reader's own monospaced one does as well.
    target.write_text(re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--svg", type=Path, metavar="FILE", help="draw the output into FILE instead of showing it"
    )
    target = parser.parse_args().svg
    return demo() if target is None else draw(target)


if __name__ == "__main__":
    sys.exit(main())

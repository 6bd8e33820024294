"""Runs a script under `curfewd exec` on a terminal of its own, and replays what came of it; nothing is made up.

With `--svg FILE` what the terminal showed is drawn as the picture in docs/exec.md.
"""

import argparse
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from examples.demo import save

WIDTH = 112  # columns
SCRIPT = """\
test -t 1 && echo "on a terminal of $(stty size)"
echo "deploying with $DEPLOY_TOKEN"
printf 'Authorization: Basic %s\\n' "$(printf 'bot:%s' "$DEPLOY_TOKEN" | base64 -w 0)"
echo "$GITHUB_ADMIN_TOKEN" > stolen   # what a bad dependency does
exit 3
"""
LINES = (
    "cat deploy.sh",
    "curfewd exec --task deploy/4711 --secret-env DEPLOY_TOKEN --canary github --mask -- sh deploy.sh; echo $?",
    'echo "uploading $(cat stolen)" > elsewhere.log; curfewd replay events.jsonl elsewhere.log 2> log | head -8',
)


def session(folder: Path) -> str:
    """What a terminal shows of the lines above, typed into a shell."""
    (folder / "deploy.sh").write_text(SCRIPT)
    typed = "".join(f"printf '\\033[1m%s\\033[0m\\n' {_quoted(f'$ {line}')}\n{line}\n" for line in LINES)
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "CURFEWD_TO": "events.jsonl",
        "CURFEWD_SPOOL": str(folder / "spool"),
        "DEPLOY_TOKEN": f"dep1_{secrets.token_hex(20)}",
        "FORCE_COLOR": "1",
        "COLUMNS": str(WIDTH),
        "TERM": "xterm-256color",
    }
    (folder / "typed").write_text(typed)
    master, slave = os.openpty()
    command = ["setsid", "--ctty", "--wait", "sh", "-c", f"stty cols {WIDTH} rows 40; . ./typed"]
    process = subprocess.Popen(command, cwd=folder, env=environment, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    shown = b""
    try:
        while data := os.read(master, 4096):
            shown += data
    except OSError:
        pass  # nobody has the terminal open now
    process.wait()
    os.close(master)
    return shown.decode(errors="replace").replace("\r\n", "\n")


def _quoted(line: str) -> str:
    return "'" + line.replace("'", "'\\''") + "'"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--svg", type=Path, metavar="FILE", help="draw the terminal into FILE instead of showing it"
    )
    target = parser.parse_args().svg
    with tempfile.TemporaryDirectory() as folder:
        shown = session(Path(folder))
    if target is None:
        sys.stdout.write(shown)
        return 0
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere, force_terminal=True, highlight=False)
        console.print(Text.from_ansi(shown))
        save(console, target)
    return 0


if __name__ == "__main__":
    sys.exit(main())

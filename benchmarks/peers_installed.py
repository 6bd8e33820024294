"""Peers that need an environment of their own: another language's, or other versions of what they share.

Each is installed at an exact version by its own package manager, where the machine has that.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.corpus import Corpus
from benchmarks.matching import Hit

CREDSWEEPER: Final = "1.19.5"
RIPSECRETS: Final = "0.1.11"
SECRETLINT: Final = "13.0.6"
_PRESET: Final = "@secretlint/secretlint-rule-preset-recommend"
_PRESET_VERSION: Final = "13.1.0"


class Installed(msgspec.Struct, frozen=True):
    """A package in a folder of its own: it is there if `binary` is, else `steps` bring it."""

    name: str
    version: str
    folder: Path
    binary: str
    steps: tuple[tuple[str, ...], ...]

    @property
    def path(self) -> str:
        """The command."""
        return str(self.folder / self.binary)

    def install(self) -> str | None:
        """Brings the package; why not, if it cannot be had here."""
        if Path(self.path).exists():
            return None
        self.folder.mkdir(parents=True, exist_ok=True)
        for step in self.steps:
            if shutil.which(step[0]) is None and not Path(step[0]).exists():
                return f"this machine has no {step[0]}"
            made = subprocess.run(step, check=False, capture_output=True, text=True, cwd=self.folder)
            if made.returncode:
                return (made.stderr.strip().splitlines() or ["no reason given"])[-1][:200]
        return None


def installed(data: Path) -> dict[str, Installed]:
    """By name, under the folder of generated things."""
    sweeper, rip, lint = (data / name for name in ("credsweeper", "ripsecrets", "secretlint"))
    pip = str(sweeper / "bin" / "pip")
    npm = ("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", ".")
    made = (
        Installed(
            "credsweeper", CREDSWEEPER, sweeper, "bin/credsweeper",
            ((sys.executable, "-m", "venv", "."), (pip, "install", "--quiet", f"credsweeper=={CREDSWEEPER}")),
        ),
        Installed(
            "ripsecrets", RIPSECRETS, rip, "bin/ripsecrets",
            (("cargo", "install", "--quiet", "--locked", "--root", ".", "--version", RIPSECRETS, "ripsecrets"),),
        ),
        Installed(
            "secretlint", SECRETLINT, lint, "node_modules/.bin/secretlint",
            ((*npm, f"secretlint@{SECRETLINT}", f"{_PRESET}@{_PRESET_VERSION}"),),
        ),
    )  # fmt: skip
    return {one.name: one for one in made}


def _to_file(command: Sequence[str], report: Path) -> list[str]:
    # 1 is what a scanner says when it found something.
    script = '"${@:2}" > "$1"; test $? -le 1'
    return ["bash", "-c", script, "bash", str(report), *command]


def credsweeper(tool: Installed, corpus: Corpus, report: Path, jobs: int) -> list[str]:
    """With its model, as it is by default."""
    limit = ["--jobs", str(jobs)] if jobs else []
    flags = ["--no-stdout", "--log", "error", "--save-json", str(report)]
    return [tool.path, *limit, *flags, "--path", str(corpus.logs)]


def read_credsweeper(report: Path) -> Iterator[Hit]:
    """Several lines may make one report (a key and its name): each place counts for it."""
    for row in json.loads(report.read_bytes()):
        places = row["line_data_list"]
        for place in places:
            yield Hit(
                Path(place["path"]).name, place["line_num"], place["line_num"], row["rule"], place["value"]
            )


def ripsecrets(tool: Installed, corpus: Corpus, report: Path, jobs: int) -> list[str]:
    """It has no option for the number of threads."""
    del jobs
    return _to_file([tool.path, str(corpus.logs)], report)


def read_ripsecrets(report: Path) -> Iterator[Hit]:
    """`path:line:text` a line."""
    for line in report.read_bytes().decode(errors="replace").split("\n"):
        path, number, text = (*line.split(":", 2), "", "")[:3]
        if number.isdigit() and text:
            yield Hit(Path(path).name, int(number), int(number), "secret")


def secretlint(tool: Installed, corpus: Corpus, report: Path, jobs: int) -> list[str]:
    """The recommended rules."""
    del jobs
    rules = tool.folder / "secretlintrc.json"
    rules.write_text(json.dumps({"rules": [{"id": _PRESET}]}))
    command = [tool.path, "--secretlintrc", str(rules), "--format", "json", "--no-maskSecrets", "--no-glob"]
    command.append("--no-gitignore")  # where the corpus lies is no part of the repository
    return _to_file([*command, *map(str, corpus.files())], report)


def read_secretlint(report: Path, corpus: Corpus) -> Iterator[Hit]:
    """The report has the whole file in it too. It takes a lone carriage return for the end of a line."""
    for page in json.loads(report.read_bytes()):
        name = Path(page["filePath"]).name
        ends = line_ends(corpus.logs / name)
        for row in page["messages"]:
            first, last = (ends[min(row["loc"][end]["line"], len(ends)) - 1] for end in ("start", "end"))
            yield Hit(name, first, last, row["ruleId"])


def line_ends(path: Path) -> list[int]:
    """For each line as Python's text files count them, the line as line feeds alone count them, from 1."""
    ends = []
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        ends += [number] * (1 + line.removesuffix(b"\r").count(b"\r"))
    return ends

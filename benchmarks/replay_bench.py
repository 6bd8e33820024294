"""curfewd replay on the corpus: with every pattern, and with a registry of known task credentials.

The registry is a file of `credential.issued` events in which the corpus' registered secrets hide among as many
made-up fingerprints as asked. What reading it costs is told apart from what a byte of log costs by a second replay
of the same registry on several times the log.
"""

import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson

from benchmarks import compare, measure, peers
from benchmarks.compare import Row
from benchmarks.corpus import REGISTERED, Corpus, Spec, generate
from benchmarks.matching import Hit
from benchmarks.peers import DATA
from detector import __version__
from detector.values.secrets import DeploymentKey, Secret

LEAKS: Final = frozenset({"leaked-secret", "leaked-credential"})
_MONTH: Final = "2026-11"
_COPIES: Final = 6
_SLOPE: Final = f"start-up from the slope to {_COPIES} times the log"
_CHUNK: Final = 50_000  # events made at a time


def curfewd() -> str:
    """The command as it is installed beside this interpreter."""
    return str(Path(sys.executable).with_name("curfewd"))


def deployment_key(seed: int) -> bytes:
    """The key of a benchmark: made from the seed, so that a corpus can be read again."""
    return random.Random(f"deployment key {seed}").randbytes(32)


def registry(corpus: Corpus, known: int) -> Path:
    """A file of `known` `credential.issued` events, each with its `length` and `check`."""
    path = corpus.folder / f"registry-{known}.jsonl"
    marker = path.with_suffix(".done")
    if marker.exists() and marker.read_bytes() == (corpus.folder / "spec.json").read_bytes():
        return path
    rng = random.Random(corpus.spec.seed + 1)
    key = DeploymentKey.of(deployment_key(corpus.spec.seed))
    secrets = [Secret(row.secret.encode()) for row in corpus.truth() if row.family == REGISTERED]
    places = dict(zip(rng.sample(range(max(known, len(secrets))), len(secrets)), secrets, strict=True))
    with path.open("wb") as out:
        for start in range(0, max(known, len(secrets)), _CHUNK):
            numbers = range(start, min(start + _CHUNK, max(known, len(secrets))))
            out.write(b"".join(_issued(n, places.get(n), key, rng) for n in numbers))
    marker.write_bytes((corpus.folder / "spec.json").read_bytes())
    return path


def _issued(number: int, secret: Secret | None, key: DeploymentKey, rng: random.Random) -> bytes:
    if secret is None:
        value, check = f"{rng.getrandbits(256):064x}", f"{rng.getrandbits(32):08x}"
        length = (32, 33, 36, 40, 43, 64)[number % 6]
    else:
        value, check, length = key.fingerprint(secret), key.check(secret), len(secret)
    minute = number // 60 % (24 * 60)
    time = f"{_MONTH}-18T{minute // 60:02d}:{minute % 60:02d}:{number % 60:02d}Z"
    return orjson.dumps(
        {
            "specversion": "1.0",
            "type": "credential.issued",
            "source": "bench/issuer",
            "id": f"i{number}",
            "time": time,
            "data": {
                "credential_id": f"c{number}",
                "task_id": f"job-{number // 4}",
                "kind": "token",
                "expires_at": f"{_MONTH}-25T00:00:00Z",
                "identifiers": [{"scheme": "hmac-sha256", "value": value, "length": length, "check": check}],
            },
        }
    ) + b"\n"  # fmt: skip


def replay(paths: list[Path], out: Path, seed: int, prefix: list[str], cores: int | None) -> measure.Run:
    """Measures one replay; `cores` None: all of them."""
    shutil.rmtree(out, ignore_errors=True)
    pinned = [] if cores is None else ["taskset", "--cpu-list", f"0-{cores - 1}"]
    jobs = [] if cores is None else ["--jobs", str(cores)]
    command = [*prefix, *pinned, curfewd(), "replay", *jobs, "--out", str(out), *map(str, paths)]
    done = measure.run(command, env={"CURFEWD_KEY": deployment_key(seed).hex()})
    if done.exit_code:
        raise RuntimeError(f"replay failed: exit {done.exit_code}\n{done.output}")
    return done


def read_hits(corpus: Corpus, out: Path) -> Iterator[Hit]:
    """The leaks of a replay's findings: one hit for each place a finding names."""
    for line in (out / "findings.jsonl").read_bytes().splitlines():
        finding: dict[str, Any] = orjson.loads(line)
        if finding["finding_info"]["analytic"]["uid"] not in LEAKS:
            continue
        rules = finding["unmapped"].get("patterns") or ["known credential"]
        unplaced = max(finding["count"] - len(finding["evidences"]), 0)
        for n, evidence in enumerate(finding["evidences"]):
            data = evidence["data"]
            name = Path(data["source"]).name
            at = data.get("line") or _line_of(corpus.logs / name, data.get("offset", 0))
            yield Hit(name, at, at, rules[0], None, 0 if n else unplaced)


def _line_of(path: Path, offset: int) -> int:
    return path.read_bytes().count(b"\n", 0, offset) + 1


def rows(spec: Spec, known: int) -> list[Row]:
    """The table's lines for curfewd: patterns alone, then with the registry, on one core and on all."""
    corpus = generate(spec, DATA)
    events = registry(corpus, known)
    with tempfile.TemporaryDirectory(dir=DATA) as scratch:
        bench = _Bench(corpus, Path(scratch), measure.offline())
        bench.replay([peers.sliced(corpus, 1).logs], None)  # fills the caches of compiled code
        made = []
        for what, before, note in (
            ("patterns alone", (), _SLOPE),
            (f"{known:,} known credentials", (events,), f"registry read in the same run; {_SLOPE}"),
        ):
            for cores in (1, None):
                where = f"{os.cpu_count()} cores" if cores is None else "1 core"
                subject = compare.Subject(f"curfewd, {what}, {where}", __version__, note)
                made.append(bench.row(subject, before, cores))
    return made


class _Bench:
    """Replays of one corpus, in one scratch folder."""

    def __init__(self, corpus: Corpus, scratch: Path, prefix: list[str]) -> None:
        self.corpus = corpus
        self.out = scratch / "out"
        self.many = scratch / "many"
        self.prefix = prefix
        copies_of(corpus, self.many, _COPIES)

    def replay(self, paths: list[Path], cores: int | None) -> measure.Run:
        """Measures one replay of `paths`."""
        return replay(paths, self.out, self.corpus.spec.seed, self.prefix, cores)

    def row(self, subject: compare.Subject, before: tuple[Path, ...], cores: int | None) -> Row:
        """A replay of the logs after the events in `before`; one of more logs tells what does not grow with them."""
        print(f"measuring {subject.scanner} ...", flush=True)
        more = self.replay([*before, self.many], cores)
        done = self.replay([*before, self.corpus.logs], cores)
        each = (more.cpu - done.cpu) / (_COPIES - 1)
        return compare.row(subject, self.corpus, done, done.cpu - each, read_hits(self.corpus, self.out))


def copies_of(corpus: Corpus, folder: Path, copies: int) -> None:
    """Real copies of the corpus' files, `copies` of each, for a file under two names is read once."""
    folder.mkdir()
    for n in range(copies):
        for path in corpus.files():
            shutil.copyfile(path, folder / f"{n:04d}-{path.name}")


def write_misses(corpus: Corpus, found: Row, path: Path) -> None:
    """What was missed and what was reported for nothing, line by line: for people who write patterns.

    It shows secrets, so `path` belongs under the folder that git does not know.
    """
    lines = {file.name: file.read_bytes().split(b"\n") for file in corpus.files()}

    def shown(file: str, line: int) -> str:
        here = lines.get(file, [])
        return here[line - 1].decode(errors="replace")[:400] if 0 < line <= len(here) else "(no such line)"

    with path.open("w", encoding="utf-8") as out:
        for row in found.score.missed:
            what = f"{row.family} {row.encoding} {row.context} {row.carrier}/{row.block}"
            out.write(f"MISSED {what} {row.file}:{row.line}\n    {shown(row.file, row.line)}\n")
        for hit in found.score.false_hits:
            out.write(f"FALSE {hit.rule} {hit.file}:{hit.line}\n    {shown(hit.file, hit.line)}\n")

"""The corpus: seeded log text of any size with planted secrets, and the ground truth beside it.

The same `Spec` gives the same bytes. The truth holds the secrets themselves and so lives only beside the
corpus, in a folder that git does not know.
"""

import hashlib
import random
from pathlib import Path
from typing import Final

import msgspec
import orjson

from benchmarks import contexts, logtext
from benchmarks.decoys import decoy
from benchmarks.families import FAMILIES, Family, registered_secret, secret_of
from benchmarks.formats import sha256_hex

MB: Final = 1_000_000
REGISTERED: Final = "registered"
_FILE_BYTES: Final = 25 * MB
_DECOY_EVERY: Final = 8_000  # bytes
_JSON_FILE_EVERY: Final = 8  # one file in eight is JSON records with `message`, the others are plain text
_REGISTERED_FAMILY: Final = Family("registered", "TASK_TOKEN", registered_secret, "none: opaque")


class Spec(msgspec.Struct, frozen=True):
    """What to generate: `secrets` and `registered` are counts over the whole corpus; `clean` plants none."""

    size: int = 200 * MB
    seed: int = 7
    secrets: int = 2_000
    registered: int = 100
    clean: bool = False

    @classmethod
    def of(cls, megabytes: float, seed: int, *, clean: bool = False, density: float = 1.0) -> "Spec":
        """2,000 secrets and 100 registered credentials per 200 MB, times `density`."""
        share = 0.0 if clean else megabytes / 200 * density
        return cls(int(megabytes * MB), seed, round(2_000 * share), round(100 * share), clean)

    @property
    def name(self) -> str:
        """The folder it is kept in."""
        kind = "clean" if self.clean else f"{self.secrets}+{self.registered}"
        return f"corpus-{self.size // MB}MB-seed{self.seed}-{kind}"


class Truth(msgspec.Struct, frozen=True):
    """One planted secret: lines are counted from 1; `text` is what was planted, `secret` what must stay secret."""

    file: str
    line: int
    end_line: int
    family: str
    encoding: str
    context: str
    carrier: str
    block: str
    secret: str
    text: str
    sha256: str


class DecoyAt(msgspec.Struct, frozen=True):
    """One line that must not be reported."""

    file: str
    line: int
    decoy: str


class Corpus(msgspec.Struct, frozen=True):
    """A corpus on disk."""

    spec: Spec
    folder: Path

    @property
    def logs(self) -> Path:
        """The folder of the log files, and of nothing else."""
        return self.folder / "logs"

    def files(self) -> list[Path]:
        """The log files, in order."""
        return sorted(self.logs.iterdir())

    def truth(self) -> list[Truth]:
        """Every planted secret."""
        rows = (self.folder / "truth.jsonl").read_bytes().splitlines()
        return [msgspec.json.decode(row, type=Truth) for row in rows]

    def decoys(self) -> dict[tuple[str, int], str]:
        """The class of each decoy, by file and line."""
        rows = (self.folder / "decoys.jsonl").read_bytes().splitlines()
        found = (msgspec.json.decode(row, type=DecoyAt) for row in rows)
        return {(row.file, row.line): row.decoy for row in found}

    def bytes(self) -> int:
        """Bytes of log text."""
        return sum(path.stat().st_size for path in self.files())


def generate(spec: Spec, parent: Path) -> Corpus:
    """The corpus of `spec` under `parent`, made if it is not there."""
    corpus = Corpus(spec, parent / spec.name)
    done = corpus.folder / "spec.json"
    stamp = msgspec.json.encode({"spec": spec, "generator": generator_digest()})
    if done.exists() and done.read_bytes() == stamp:
        return corpus
    corpus.logs.mkdir(parents=True, exist_ok=True)
    for old in corpus.files():
        old.unlink()
    truth, decoys = _write(spec, corpus.logs)
    (corpus.folder / "truth.jsonl").write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in truth))
    (corpus.folder / "decoys.jsonl").write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in decoys))
    done.write_bytes(stamp)
    return corpus


def generator_digest() -> str:
    """Names the generator's code: a corpus made by other code is made again."""
    here = Path(__file__).parent
    names = ("corpus", "contexts", "decoys", "families", "formats", "logtext")
    code = b"".join((here / f"{name}.py").read_bytes() for name in names)
    return hashlib.sha256(code).hexdigest()[:12]


def _write(spec: Spec, folder: Path) -> tuple[list[Truth], list[DecoyAt]]:
    rng = random.Random(spec.seed)
    plants = _plants(spec, rng)
    per_file = min(_FILE_BYTES, max(spec.size // _JSON_FILE_EVERY, 1))
    truth: list[Truth] = []
    decoys: list[DecoyAt] = []
    written = number = 0
    while written < spec.size:
        as_json = number % _JSON_FILE_EVERY == _JSON_FILE_EVERY - 1
        name = f"pipeline-{number:04d}.{'jsonl' if as_json else 'log'}"
        page = _Page(name, as_json, truth, decoys, rng)
        with (folder / name).open("wb") as out:
            in_file = 0
            last = written + per_file >= spec.size
            while in_file < per_file:
                due = []
                while plants and (plants[-1][0] <= written + in_file):
                    due.append(plants.pop())
                in_file += out.write(page.render(logtext.block(rng), due))
            while last and plants:  # what fell behind the last block
                in_file += out.write(page.render(logtext.block(rng), [plants.pop()]))
        written += in_file
        number += 1
    return truth, decoys


def _plants(spec: Spec, rng: random.Random) -> list[tuple[int, Family, str]]:
    """(byte offset, family, encoding), last first: families in equal parts, encodings in their shares."""
    wanted = [FAMILIES[n % len(FAMILIES)] for n in range(spec.secrets)]
    wanted += [_REGISTERED_FAMILY] * spec.registered
    shares = contexts.SHARES
    names = [contexts.PLAIN, *shares]
    weights = [1 - sum(shares.values()), *shares.values()]
    rng.shuffle(wanted)
    offsets = sorted((rng.randrange(spec.size) for _ in wanted), reverse=True)
    return [
        (offset, family, rng.choices(names, weights)[0])
        for offset, family in zip(offsets, wanted, strict=True)
    ]


class _Page:
    """One file being written: counts its lines and enters what is planted into the truth."""

    def __init__(
        self, name: str, as_json: bool, truth: list[Truth], decoys: list[DecoyAt], rng: random.Random  # noqa: FBT001 - private, two callers
    ) -> None:  # fmt: skip
        self.name = name
        self.as_json = as_json
        self.truth = truth
        self.decoys = decoys
        self.rng = rng
        self.line = 1

    def render(self, block: logtext.Block, due: list[tuple[int, Family, str]]) -> bytes:
        """The block's bytes with decoys and the secrets that are due at random places in it."""
        rng = self.rng
        size = sum(map(len, block.lines))
        inserts: dict[int, list[tuple[Family, str] | None]] = {}
        for _, family, encoding in due:
            inserts.setdefault(rng.randrange(len(block.lines) + 1), []).append((family, encoding))
        for _ in range(int(size / _DECOY_EVERY + rng.random())):
            inserts.setdefault(rng.randrange(len(block.lines) + 1), []).append(None)
        lines: list[str] = []
        for at, line in enumerate([*block.lines, None]):
            for insert in inserts.get(at, ()):
                if insert is None:
                    kind, text = decoy(rng)
                    self.decoys.append(DecoyAt(self.name, self.line + len(lines), kind))
                    lines.append(block.wrap(text))
                else:
                    self._plant(block, lines, *insert)
            if line is not None:
                lines.append(line)
        self.line += len(lines)
        return self._carried(lines)

    def _plant(self, block: logtext.Block, lines: list[str], family: Family, encoding: str) -> None:
        text = family.make(self.rng)
        planted = contexts.plant(family, text, encoding, self.rng)
        secret = secret_of(family, text)
        first = self.line + len(lines)
        encoding = planted.encoding
        if block.joins or (self.as_json and len(planted.lines) > 1 and self.rng.random() < 0.5):
            lines.append(block.wrap("\n".join(planted.lines)))
            if len(planted.lines) > 1 and encoding == contexts.PLAIN:
                encoding = "json-escaped"
        else:
            lines += [block.wrap(line) for line in planted.lines]
        self.truth.append(
            Truth(
                file=self.name,
                line=first,
                end_line=self.line + len(lines) - 1,
                family=family.name,
                encoding=encoding,
                context=planted.context,
                carrier="json" if self.as_json else "text",
                block=block.kind,
                secret=secret,
                text=text,
                sha256=sha256_hex(secret),
            )
        )

    def _carried(self, lines: list[str]) -> bytes:
        if not self.as_json:
            return "\n".join([*lines, ""]).encode()
        stamp = 1_795_000_000 + self.line
        records = [
            orjson.dumps({"time": _rfc3339(stamp), "stream": "stdout", "task_id": f"job-{stamp % 97}", "message": line})
            for line in lines
        ]  # fmt: skip
        return b"\n".join([*records, b""])


def _rfc3339(second: int) -> str:
    day, rest = divmod(second, 86_400)
    return f"2026-11-{18 + day - 20_775:02d}T{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}Z"

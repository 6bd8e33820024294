"""The `names` corpus: secrets that only their name gives away, and look-alikes, each in a few lines of log text.

The same half and seed give the same bytes. The truth is known by construction: it is what was put there.
"""

import hashlib
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from benchmarks import logtext
from benchmarks.corpus import Corpus, DecoyAt, Spec, Truth
from benchmarks.formats import sha256_hex
from benchmarks.names_lookalikes import TALK
from benchmarks.names_parts import part
from benchmarks.names_words import Half

SECRETS: Final = 6_000
LOOK_ALIKES: Final = 3_600
_FILE_CASES: Final = 1_200
_TALK_SHARE: Final = 0.06


class Case(msgspec.Struct, frozen=True):
    """One place: `before` and `after` are ordinary lines, `secret` is None where nothing must be reported.

    `shown` is the secret as it is written in `lines`. `name_kind`, `name`, `value` and `context` are the groups of the
    tables; `look_alike` is the kind of what must not be reported.
    """

    before: tuple[str, ...]
    lines: tuple[str, ...]
    after: tuple[str, ...]
    name_kind: str
    name: str
    value: str
    context: str
    shown: str
    secret: str | None
    look_alike: str = ""

    @property
    def text(self) -> bytes:
        """All lines, joined."""
        return "\n".join((*self.before, *self.lines, *self.after, "")).encode()


def cases(half: Half, seed: int, secrets: int = SECRETS, look_alikes: int = LOOK_ALIKES) -> list[Case]:
    """So many secrets and look-alikes of a half, in random order.

    Each pair of name and value, of value and context, and of name and context comes about equally often.
    """
    rng = random.Random(f"names {half.value} {seed}")
    filler = _filler(rng)
    made = [*_secrets(half, rng, filler, secrets), *_look_alikes(half, rng, filler, look_alikes)]
    rng.shuffle(made)
    return made


def _filler(rng: random.Random) -> Iterator[str]:
    while True:
        lines = logtext.block(rng).lines
        yield from lines[:40]


def _around(rng: random.Random, filler: Iterator[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    before, after = ([next(filler) for _ in range(rng.randrange(3))] for _ in range(2))
    return tuple(before), tuple(after)


def _secrets(half: Half, rng: random.Random, filler: Iterator[str], count: int) -> Iterator[Case]:
    made = part(half)
    whole = [
        (name, value, place)
        for name in made.named
        for value in made.values.items()
        for place in made.contexts.items()
    ]
    seen: set[str] = set()
    for (kind, name), (value, make), (place, context) in rng.sample(whole, min(count, len(whole))):
        secret = make(rng)
        while secret in seen:
            secret = make(rng)
        seen.add(secret)
        shown = context(name, secret, rng)
        before, after = _around(rng, filler)
        yield Case(before, shown.lines, after, kind, name.upper, value, place, shown.value, secret)


def _look_alikes(half: Half, rng: random.Random, filler: Iterator[str], count: int) -> Iterator[Case]:
    made = part(half)
    kinds, places = list(made.look_alikes.items()), list(made.look_alike_contexts.items())
    for number in range(count):
        before, after = _around(rng, filler)
        if rng.random() < _TALK_SHARE:
            line = rng.choice(made.talk)(rng)
            yield Case(before, (line,), after, "", "", "", "line", line, None, TALK)
            continue
        kind, one = kinds[number % len(kinds)]
        name = rng.choice(one.names(half))
        place, context = rng.choice(places)
        shown = context(name, rng.choice(one.values)(rng), rng)
        yield Case(before, shown.lines, after, "", name.upper, "", place, shown.value, None, kind)


def write(half: Half, seed: int, made: list[Case], parent: Path) -> Corpus:
    """The cases as files that a scanner of files can read, with the truth beside them.

    In the truth the family is the name, the encoding the kind of value, and the context the context. Files that hold
    these cases already stay as they are, with what else is in their folder.
    """
    corpus = Corpus(
        Spec(seed=seed, secrets=sum(case.secret is not None for case in made)),
        parent / f"names-{half.value}-seed{seed}",
    )
    stamp = hashlib.sha256(repr(made).encode()).hexdigest().encode()
    done = corpus.folder / "spec.json"
    if done.exists() and done.read_bytes() == stamp:
        return corpus
    shutil.rmtree(corpus.folder, ignore_errors=True)
    corpus.logs.mkdir(parents=True)
    truth: list[Truth] = []
    decoys: list[DecoyAt] = []
    for start in range(0, len(made), _FILE_CASES):
        file = f"pipeline-{start // _FILE_CASES:03d}.log"
        line = 1
        with (corpus.logs / file).open("wb") as out:
            for case in made[start : start + _FILE_CASES]:
                first = line + len(case.before)
                last = first + len(case.lines) - 1
                if case.secret is None:
                    decoys += [DecoyAt(file, at, case.look_alike) for at in range(first, last + 1)]
                else:
                    truth.append(_truth(case, case.secret, file, first, last))
                out.write(case.text)
                line = last + 1 + len(case.after)
    _save(corpus.folder / "truth.jsonl", truth)
    _save(corpus.folder / "decoys.jsonl", decoys)
    done.write_bytes(stamp)
    return corpus


def _truth(case: Case, secret: str, file: str, first: int, last: int) -> Truth:
    return Truth(
        file=file, line=first, end_line=last, family=case.name, encoding=case.value, context=case.context,
        carrier=case.name_kind, block="", secret=secret, text=case.shown, sha256=sha256_hex(secret),
    )  # fmt: skip


def _save(path: Path, rows: list[Truth] | list[DecoyAt]) -> None:
    path.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
